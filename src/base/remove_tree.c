/* Removing a folder with all that is in it, and nothing else.
 *
 * Why not a walk over paths (nftw): between looking at a name and going into it, somebody may put a
 * symbolic link to another place there. Here each folder is opened below its parent's descriptor
 * and never through a link, so what is removed lies in the folder that was named. What it does not
 * do: change permissions, or go on behind something that cannot be removed. Start at
 * eai_fs_remove_tree. */
#include <efficientai/fs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

#define MAX_DEPTH 256 /* of folders in folders: each takes a descriptor and a piece of stack */

/* A folder that is being emptied. */
typedef struct emptied {
    const char *top; /* as the caller named it, for messages */
    int depth;
} emptied;

static eai_status remove_entry(int folder, const char *name, const emptied *where, eai_error *err);

static eai_status cannot_remove(const char *name, const emptied *where, eai_error *err)
{
    if (where->depth == 0)
        return eai_error_set_errno(err, "cannot remove '%s'", name);
    return eai_error_set_errno(err, "cannot remove '%s' in '%s'", name, where->top);
}

/* Takes `fd`. */
static eai_status empty_folder(int fd, const char *name, const emptied *where, eai_error *err)
{
    const emptied below = {where->top, where->depth + 1};
    struct dirent *entry;
    DIR *dir = fdopendir(fd);

    if (!dir) {
        eai_status st = cannot_remove(name, where, err);
        io__close(fd);
        return st;
    }
    eai_status st = EAI_OK;
    if (below.depth > MAX_DEPTH)
        st = eai_error_set(err, EAI_ERR_LIMIT,
                           "cannot remove '%s': more than %d folders in each other", where->top,
                           MAX_DEPTH);
    while (st == EAI_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            st = remove_entry(dirfd(dir), entry->d_name, &below, err);
    }
    closedir(dir);
    return st;
}

/* What is gone already is fine. */
static eai_status remove_entry(int folder, const char *name, const emptied *where, eai_error *err)
{
    struct stat info;

    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? EAI_OK : cannot_remove(name, where, err);
    bool is_folder = S_ISDIR(info.st_mode);
    if (is_folder) {
        int fd = io__openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (fd < 0)
            return cannot_remove(name, where, err);
        EAI_TRY(empty_folder(fd, name, where, err));
    }
    if (io__unlinkat(folder, name, is_folder ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
        return cannot_remove(name, where, err);
    return EAI_OK;
}

eai_status eai_fs_remove_tree(const char *path, eai_error *err)
{
    const emptied where = {path, 0};

    return remove_entry(AT_FDCWD, path, &where, err);
}
