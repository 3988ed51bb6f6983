/* Copying, moving and searching of files and folders.
 *
 * A copy is made under a temporary name beside its target and gets its name at the end, a folder
 * as a file, so nobody sees half of one. Inside that folder nobody looks, so its files are written
 * and synced one by one with the same care as any other. Start at eai_fs_copy(). */
#include <efficientai/tree.h>

#include "files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "base/file_writer.h"
#include "base/io.h"
#include "base/temporary.h"

#include "base/banned.h"

#define CHUNK_BYTES   ((size_t)1 << 20)
#define MAX_DEPTH     256     /* of folders that are copied */
#define MAX_FOUND     1000000 /* unless said otherwise */
#define MAX_FIND_DEEP 64

static eai_status no_memory(const char *path, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the name '%s'", path);
}

eai_status files__split(char **folder, char **name, const char *path, eai_error *err)
{
    size_t n = temporary__folder_length(path);

    *folder = n ? eai_strndup(path, n) : eai_strdup(".");
    *name = eai_strdup(path + n);
    if (*folder && *name)
        return EAI_OK;
    eai_free(*folder);
    eai_free(*name);
    *folder = *name = NULL;
    return no_memory(path, err);
}

/* ---- Copying --------------------------------------------------------------------------------- */

/* The whole content as a reference to the same blocks, where the file system has such. */
static bool clone_content(int to, int from)
{
#ifdef FICLONE
    return ioctl(to, FICLONE, from) == 0;
#else
    (void)to;
    (void)from;
    return false;
#endif
}

static eai_status copy_content(eai_file_writer *w, int fd, const char *from, eai_error *err)
{
    eai_status st = EAI_OK;
    ssize_t n = 1;
    char *chunk = eai_alloc(CHUNK_BYTES);

    if (!chunk)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to copy '%s'", from);
    while (st == EAI_OK && n > 0) {
        n = io__read(fd, chunk, CHUNK_BYTES);
        if (n < 0)
            st = eai_error_set_errno(err, "cannot read '%s'", from);
        else
            st = eai_file_writer_write(w, chunk, (size_t)n, err);
    }
    eai_free(chunk);
    return st;
}

eai_status files__copy_file(const char *from, const char *to, eai_error *err)
{
    struct stat info;
    eai_file_writer *w = NULL;
    int fd = io__open(from, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);

    if (fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", from);
    eai_status st = EAI_OK;
    if (io__fstat(fd, &info) != 0)
        st = eai_error_set_errno(err, "cannot read '%s'", from);
    else if (!S_ISREG(info.st_mode))
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "cannot copy '%s': it is no file and no folder",
                           from);
    if (st == EAI_OK)
        st = eai_file_writer_open(&w, to, err);
    if (st == EAI_OK && !clone_content(file_writer__fd(w), fd)) {
        st = eai_file_writer_expect(w, (uint64_t)info.st_size, err);
        if (st == EAI_OK)
            st = copy_content(w, fd, from, err);
    }
    if (st == EAI_OK)
        (void)fchmod(file_writer__fd(w), info.st_mode & 0777); /* a file system without modes */
    io__close(fd);
    return eai_file_writer_finish(w, st, err);
}

static eai_status copy_link(const char *from, const char *to, eai_error *err)
{
    char target[4096];
    ssize_t n = readlink(from, target, sizeof(target) - 1);

    if (n < 0)
        return eai_error_set_errno(err, "cannot read the link '%s'", from);
    if ((size_t)n == sizeof(target) - 1)
        return eai_error_set(err, EAI_ERR_LIMIT, "the link '%s' is longer than %zu bytes", from,
                             sizeof(target) - 2);
    target[n] = '\0';
    if (io__symlink(target, to) != 0)
        return eai_error_set_errno(err, "cannot make the link '%s'", to);
    return EAI_OK;
}

static eai_status copy_below(const char *from, const char *to, int depth, eai_error *err);

static eai_status copy_entries(DIR *dir, const char *from, const char *to, int depth,
                               eai_error *err)
{
    struct dirent *entry;
    eai_status st = EAI_OK;

    while (st == EAI_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *a = eai_path_join(from, entry->d_name);
        char *b = eai_path_join(to, entry->d_name);
        st = a && b ? copy_below(a, b, depth + 1, err) : no_memory(from, err);
        eai_free(a);
        eai_free(b);
    }
    return st;
}

/* What is in the folder `from` into the folder `to`, which is open as `fd`. */
static eai_status copy_folder(const char *from, const char *to, int fd, int depth, eai_error *err)
{
    struct stat info;
    DIR *dir = NULL;
    int own = io__open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    eai_status st = EAI_OK;

    if (own < 0 || io__fstat(own, &info) != 0 || !(dir = fdopendir(own)))
        st = eai_error_set_errno(err, "cannot list '%s'", from);
    if (st == EAI_OK && depth > MAX_DEPTH)
        st = eai_error_set(err, EAI_ERR_LIMIT,
                           "cannot copy '%s': more than %d folders in each other", from, MAX_DEPTH);
    if (st == EAI_OK)
        st = copy_entries(dir, from, to, depth, err);
    if (st == EAI_OK && temporary__sync(fd) != 0)
        st = eai_error_set_errno(err, "cannot sync '%s'", to);
    if (st == EAI_OK)
        (void)fchmod(fd, info.st_mode & 0777);
    if (dir)
        closedir(dir);
    else if (own >= 0)
        io__close(own);
    return st;
}

static eai_status copy_below(const char *from, const char *to, int depth, eai_error *err)
{
    struct stat info;

    if (lstat(from, &info) != 0)
        return eai_error_set_errno(err, "cannot copy '%s'", from);
    if (S_ISLNK(info.st_mode))
        return copy_link(from, to, err);
    if (!S_ISDIR(info.st_mode))
        return files__copy_file(from, to, err);
    int fd = -1;
    if (io__mkdir(to, 0777) == 0)
        fd = io__open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return eai_error_set_errno(err, "cannot make folder '%s'", to);
    eai_status st = copy_folder(from, to, fd, depth, err);
    io__close(fd);
    return st;
}

/* Gives a temporary folder, file or link its name. */
static eai_status put_in_place(const char *temporary, const char *to, eai_error *err)
{
    if (io__rename(temporary, to) != 0)
        return eai_error_set_errno(err, "cannot write '%s'", to);
    return temporary__sync_folder_of(to, to, err);
}

/* A folder into which something is copied may not lie in that. */
static eai_status refuse_into_itself(const char *from, const char *to, eai_error *err)
{
    eai_status st = EAI_OK;
    char *folder = NULL;
    char *name = NULL;

    EAI_TRY(files__split(&folder, &name, to, err));
    char *source = realpath(from, NULL);
    char *target = realpath(folder, NULL);
    size_t n = source ? strlen(source) : 0;
    if (source && target && strncmp(source, target, n) == 0 &&
        (target[n] == '/' || target[n] == '\0'))
        st = eai_error_set(err, EAI_ERR_ARGUMENT, "cannot copy '%s' into itself ('%s')", from, to);
    free(source);
    free(target);
    eai_free(folder);
    eai_free(name);
    return st;
}

void files__discard(const char *temporary)
{
    if (temporary && eai_fs_remove_tree(temporary, NULL) != EAI_OK)
        EAI_LOG(WARN, "files", "cannot remove '%s'", temporary);
}

static eai_status copy_whole_folder(const char *from, const char *to, eai_error *err)
{
    char *temporary = NULL;
    int fd = -1;

    EAI_TRY(refuse_into_itself(from, to, err));
    eai_status st = temporary__open_folder(&fd, &temporary, to, to, err);
    if (st == EAI_OK)
        st = copy_folder(from, temporary, fd, 1, err);
    if (st == EAI_OK)
        st = put_in_place(temporary, to, err);
    if (st != EAI_OK)
        files__discard(temporary);
    if (fd >= 0)
        io__close(fd);
    eai_free(temporary);
    return st;
}

eai_status eai_fs_copy(const char *from, const char *to, eai_error *err)
{
    if (eai_fs_is_folder(from))
        return copy_whole_folder(from, to, err);
    return files__copy_file(from, to, err);
}

/* ---- Moving ---------------------------------------------------------------------------------- */

static eai_status move_across(const char *from, const char *to, eai_error *err)
{
    struct stat info;

    if (lstat(from, &info) == 0 && S_ISLNK(info.st_mode))
        EAI_TRY(copy_link(from, to, err));
    else
        EAI_TRY(eai_fs_copy(from, to, err));
    return eai_fs_remove_tree(from, err);
}

eai_status eai_fs_move(const char *from, const char *to, eai_error *err)
{
    if (io__rename(from, to) != 0) {
        if (errno == EXDEV)
            return move_across(from, to, err);
        return eai_error_set_errno(err, "cannot move '%s' to '%s'", from, to);
    }
    EAI_TRY(temporary__sync_folder_of(to, to, err));
    return temporary__sync_folder_of(from, from, err);
}

/* ---- Finding --------------------------------------------------------------------------------- */

typedef struct search {
    const char *pattern;
    const char *top;
    size_t max_found;
    int max_depth;
    eai_fs_list *found;
    size_t capacity;
} search;

void eai_fs_list_deinit(eai_fs_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        eai_free(list->paths[i]);
    eai_free(list->paths);
    *list = (eai_fs_list){0};
}

/* Takes `path`. */
static eai_status add_found(search *s, char *path, eai_error *err)
{
    eai_status st = EAI_OK;

    if (s->found->n == s->max_found) {
        st = eai_error_set(err, EAI_ERR_LIMIT, "more than %zu files match '%s' in '%s'",
                           s->max_found, s->pattern, s->top);
    } else if (s->found->n == s->capacity) {
        size_t capacity = s->capacity * 2 + 16;
        char **more = eai_realloc_array(s->found->paths, capacity, sizeof(char *));
        if (more) {
            s->found->paths = more;
            s->capacity = capacity;
        } else {
            st = no_memory(path, err);
        }
    }
    if (st != EAI_OK) {
        eai_free(path);
        return st;
    }
    s->found->paths[s->found->n++] = path;
    return EAI_OK;
}

static bool matches(const search *s, const char *path)
{
    bool whole = strchr(s->pattern, '/') != NULL;
    const char *last = path + temporary__folder_length(path);

    return fnmatch(s->pattern, whole ? path : last, whole ? FNM_PATHNAME : 0) == 0;
}

static eai_status search_folder(search *s, int fd, const char *below, int depth, eai_error *err);

/* `path` is relative to the top, `name` to the open folder. Links and devices are passed by. */
static eai_status search_entry(search *s, int folder, const char *name, char *path, int depth,
                               eai_error *err)
{
    struct stat info;
    eai_status st = EAI_OK;

    if (fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISREG(info.st_mode) && matches(s, path))
            return add_found(s, path, err);
        if (S_ISDIR(info.st_mode)) {
            int fd = io__openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
            st = fd >= 0 ? search_folder(s, fd, path, depth + 1, err)
                         : eai_error_set_errno(err, "cannot list '%s' in '%s'", path, s->top);
        }
    }
    eai_free(path);
    return st;
}

/* Takes `fd`. */
static eai_status search_folder(search *s, int fd, const char *below, int depth, eai_error *err)
{
    struct dirent *entry;
    DIR *dir = fdopendir(fd);

    if (!dir) {
        io__close(fd);
        return no_memory(below, err);
    }
    eai_status st = EAI_OK;
    if (depth > s->max_depth)
        st = eai_error_set(err, EAI_ERR_LIMIT, "'%s' has more than %d folders in each other",
                           s->top, s->max_depth);
    while (st == EAI_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = eai_path_join(below, entry->d_name);
        st = path ? search_entry(s, dirfd(dir), entry->d_name, path, depth, err)
                  : no_memory(entry->d_name, err);
    }
    closedir(dir);
    return st;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

eai_status eai_fs_find(eai_fs_list *out, const char *folder, const char *pattern,
                       const eai_fs_find_opts *opts, eai_error *err)
{
    search s = {.pattern = pattern,
                .top = folder,
                .max_found = MAX_FOUND,
                .max_depth = MAX_FIND_DEEP,
                .found = out};

    *out = (eai_fs_list){0};
    if (opts && opts->max_found)
        s.max_found = opts->max_found;
    if (opts && opts->max_depth)
        s.max_depth = opts->max_depth;
    int fd = io__open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return eai_error_set_errno(err, "cannot list '%s'", folder);
    eai_status st = search_folder(&s, fd, "", 1, err);
    if (st != EAI_OK)
        eai_fs_list_deinit(out);
    else if (out->n > 1)
        qsort(out->paths, out->n, sizeof(char *), by_bytes);
    return st;
}

/* ---- Odds and ends --------------------------------------------------------------------------- */

eai_status eai_fs_make_temporary(char **out, const char *prefix, eai_error *err)
{
    const char *parent = getenv("TMPDIR");
    char *path = NULL;

    *out = NULL;
    if (!parent || parent[0] != '/')
        parent = "/tmp";
    path = eai_asprintf("%s/%s-XXXXXX", parent, prefix);
    if (!path)
        return no_memory(prefix, err);
    if (!mkdtemp(path)) {
        eai_status st = eai_error_set_errno(err, "cannot make a folder in '%s'", parent);
        eai_free(path);
        return st;
    }
    *out = path;
    return EAI_OK;
}

eai_status eai_fs_is_case_sensitive(bool *out, const char *folder, eai_error *err)
{
    struct stat info;
    char *name = NULL;
    int fd = -1;
    char *target = eai_path_join(folder, "case");

    *out = true;
    if (!target)
        return no_memory(folder, err);
    eai_status st = temporary__open(&fd, &name, target, target, err);
    if (st == EAI_OK) {
        char *other = eai_strdup(name);
        if (other) {
            other[strlen(target) - strlen("case") + 1] = 'C'; /* behind the folder and the dot */
            *out = lstat(other, &info) != 0;
        } else {
            st = no_memory(name, err);
        }
        io__unlink(name);
        io__close(fd);
        eai_free(other);
    }
    eai_free(name);
    eai_free(target);
    return st;
}
