/* Temporary names beside a target, and the removal of those whose process is gone (temporary.h). */
#include <efficientai/fs.h>

#include "base/temporary.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/io.h"

#include "base/banned.h"

#define MOST_ATTEMPTS 100
#define MARK          ".tmp-"

/* ---- Making ---------------------------------------------------------------------------------- */

size_t temporary__folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Names hold the process number and a counter, so only left-overs of a killed process of the same
 * number can be in the way: those are passed by. */
static char *next_name(const char *target)
{
    static _Atomic unsigned counter;
    unsigned number = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    int n = (int)temporary__folder_length(target);

    return eai_asprintf("%.*s.%s" MARK "%ld-%u", n, target, target + n, (long)getpid(), number);
}

/* Whether the file just made is ours to keep: marked as in use, and not removed before it was. A
 * file system without locks has the process number alone. */
static bool is_marked(int fd, const char *name)
{
    struct stat mine;
    struct stat there;

    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(fd, &mine) == 0 && lstat(name, &there) == 0 && mine.st_ino == there.st_ino &&
           mine.st_dev == there.st_dev;
}

/* The kernel applies the user's umask to 0666, which mkstemp() would not. */
static int make_file(const char *name)
{
    return io__open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static int make_folder(const char *name)
{
    if (io__mkdir(name, 0777) != 0)
        return -1;
    int fd = io__open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) {
        int number = errno;
        io__unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
        errno = number == EEXIST ? EIO : number;
    }
    return fd;
}

static eai_status open_new(int *fd, char **name, const char *target, const char *what,
                           int (*make)(const char *name), eai_error *err)
{
    *fd = -1;
    *name = NULL;
    for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        char *next = next_name(target);
        if (!next)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory to write '%s'", what);
        int made = make(next);
        if (made >= 0 && is_marked(made, next)) {
            *fd = made;
            *name = next;
            return EAI_OK;
        }
        int number = made >= 0 ? EEXIST : errno;
        if (made >= 0)
            io__close(made);
        eai_free(next); /* not ours to remove */
        errno = number;
        if (number != EEXIST)
            break;
    }
    return eai_error_set_errno(err, "cannot write '%s'", what);
}

eai_status temporary__open(int *fd, char **name, const char *target, const char *what,
                           eai_error *err)
{
    return open_new(fd, name, target, what, make_file, err);
}

eai_status temporary__open_folder(int *fd, char **name, const char *target, const char *what,
                                  eai_error *err)
{
    return open_new(fd, name, target, what, make_folder, err);
}

int temporary__link(char **name, const char *from)
{
    *name = next_name(from);
    if (!*name) {
        errno = ENOMEM;
        return -1;
    }
    int fd = -1;
    if (io__link(from, *name) == 0) {
        fd = io__open(*name, O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0 && is_marked(fd, *name))
            return fd;
        int number = errno;
        if (fd >= 0)
            io__close(fd);
        io__unlink(*name);
        errno = number;
    }
    eai_free(*name);
    *name = NULL;
    return -1;
}

/* ---- To the disk ----------------------------------------------------------------------------- */

/* Files that cannot be synced say EINVAL or ENOTSUP. */
int temporary__sync(int fd)
{
    if (io__sync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS)
        return 0;
    return -1;
}

eai_status temporary__sync_folder_of(const char *path, const char *what, eai_error *err)
{
    size_t n = temporary__folder_length(path);
    char *folder = n ? eai_strndup(path, n) : eai_strdup(".");
    if (!folder)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to write '%s'", what);
    int fd = io__open(folder, O_RDONLY | O_CLOEXEC, 0);
    int number = errno;
    eai_free(folder);
    if (fd < 0 && number == EACCES)
        return EAI_OK; /* a folder one may write but not read: the file itself is safe */
    errno = number;
    eai_status st = EAI_OK;
    if (fd < 0 || temporary__sync(fd) != 0)
        st = eai_error_set_errno(err, "cannot sync the folder of '%s'", what);
    if (fd >= 0)
        io__close(fd);
    return st;
}

/* ---- Left-overs ------------------------------------------------------------------------------ */

/* "-12-3" at the end of a name: a process number and a counter. 0 for anything else. */
static long owner_of(const char *digits)
{
    char *end = NULL;

    if (!isdigit((unsigned char)digits[0]))
        return 0;
    errno = 0;
    long pid = strtol(digits, &end, 10);
    if (errno != 0 || *end != '-' || !isdigit((unsigned char)end[1]))
        return 0;
    return end[1 + strspn(end + 1, "0123456789")] == '\0' ? pid : 0;
}

/* Whether the name is a temporary one of `target` (NULL: of any) and no process has its number. */
static bool is_left_over(const char *name, const char *target)
{
    const char *mark = NULL;

    if (name[0] != '.')
        return false;
    for (const char *m = strstr(name, MARK); m; m = strstr(m + 1, MARK))
        mark = m; /* the last one: a target's name may hold others */
    if (!mark || (target && (strncmp(name + 1, target, (size_t)(mark - name) - 1) != 0 ||
                             strlen(target) != (size_t)(mark - name) - 1)))
        return false;
    long pid = owner_of(mark + strlen(MARK));
    return pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* Removes one, unless somebody holds it. The lock is held until the name is gone: who makes a file
 * sees that its own was taken (is_marked). */
static eai_status remove_left_over(bool *removed, const char *path, eai_error *err)
{
    struct stat info;
    eai_status st = EAI_OK;

    *removed = false;
    int fd = io__open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        return EAI_OK; /* gone meanwhile, or another user's */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            st = eai_fs_remove_tree(path, err);
        else if (io__unlink(path) != 0 && errno != ENOENT)
            st = eai_error_set_errno(err, "cannot remove '%s'", path);
        *removed = st == EAI_OK;
    }
    io__close(fd);
    return st;
}

eai_status eai_fs_remove_left_overs(size_t *n_removed, const char *folder, const char *name,
                                    eai_error *err)
{
    struct dirent *entry;
    size_t n = 0;
    eai_status st = EAI_OK;

    if (n_removed)
        *n_removed = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return eai_error_set_errno(err, "cannot list '%s'", folder);
    while (st == EAI_OK && (entry = readdir(dir)) != NULL) {
        bool removed = false;
        if (!is_left_over(entry->d_name, name))
            continue;
        char *path = eai_path_join(folder, entry->d_name);
        if (path)
            st = remove_left_over(&removed, path, err);
        else
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to list '%s'", folder);
        if (removed)
            EAI_LOG(INFO, "files", "removed '%s', left by a process that is gone", path);
        n += removed;
        eai_free(path);
    }
    closedir(dir);
    if (n_removed)
        *n_removed = n;
    return st;
}
