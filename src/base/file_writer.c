/* Writing a file so that it is either all there or not there.
 *
 * The new content goes to a temporary file beside the target (same file system, so that rename() is
 * atomic), is forced to the disk, and takes the target's name; then the folder is forced to the
 * disk, so that the name survives a power cut too. A full disk shows at the latest in fsync() or
 * close(), which is why their results count. A process that is killed in between leaves its
 * temporary file; temporary.c says how it is told from a living one's. What it does not do:
 * locking; two writers of one file each write their own, the later rename wins. Start at
 * eai_file_writer_open().
 */
#include <efficientai/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>

#include "base/file_writer.h"
#include "base/io.h"
#include "base/temporary.h"

#include "base/banned.h"

#define BUFFER_BYTES ((size_t)256 << 10)

struct eai_file_writer {
    int fd;
    int guard;       /* keeps the temporary file marked as in use until it has its name; or -1 */
    char *path;      /* as the caller named it, for messages */
    char *target;    /* the file to replace: `path` with a symbolic link followed */
    char *temporary; /* NULL: the target is no regular file and is written directly */
    uint64_t offset;
    size_t n_buffered;
    unsigned char buffer[BUFFER_BYTES];
};

/* realpath() in memory of ours; NULL when it fails. */
static char *follow_link(const char *path)
{
    char *real = realpath(path, NULL);
    char *copy = real ? eai_strdup(real) : NULL;

    free(real);
    return copy;
}

static eai_status out_of_memory(const char *path, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory to write '%s'", path);
}

static eai_status open_target(eai_file_writer *w, eai_error *err)
{
    struct stat info;

    if (lstat(w->path, &info) == 0 && S_ISLNK(info.st_mode) && stat(w->path, &info) == 0)
        w->target = follow_link(w->path);
    else
        w->target = eai_strdup(w->path);
    if (!w->target)
        return out_of_memory(w->path, err);
    bool exists = stat(w->target, &info) == 0;
    if (exists && S_ISDIR(info.st_mode))
        return eai_error_set(err, EAI_ERR_IO, "cannot write '%s': it is a folder", w->path);
    if (exists && !S_ISREG(info.st_mode)) {
        w->fd = io__open(w->path, O_WRONLY | O_CLOEXEC, 0);
        return w->fd >= 0 ? EAI_OK : eai_error_set_errno(err, "cannot write '%s'", w->path);
    }
    if (exists && access(w->target, W_OK) != 0) /* rename() would not ask */
        return eai_error_set_errno(err, "cannot write '%s'", w->path);
    EAI_TRY(temporary__open(&w->fd, &w->temporary, w->target, w->path, err));
    w->guard = fcntl(w->fd, F_DUPFD_CLOEXEC, 0); /* its lock outlives the close of fd */
    if (exists)
        (void)fchmod(w->fd, info.st_mode & 07777); /* a file system without modes may refuse */
    return EAI_OK;
}

eai_status eai_file_writer_open(eai_file_writer **out, const char *path, eai_error *err)
{
    *out = NULL;
    if (*path == '\0' || path[strlen(path) - 1] == '/')
        return eai_error_set(err, EAI_ERR_ARGUMENT, "cannot write '%s': it is no name of a file",
                             path);
    eai_file_writer *w = eai_alloc(sizeof(*w));
    if (!w)
        return out_of_memory(path, err);
    memset(w, 0, offsetof(eai_file_writer, buffer));
    w->fd = -1;
    w->guard = -1;
    w->path = eai_strdup(path);
    eai_status st = w->path ? open_target(w, err) : out_of_memory(path, err);
    if (st != EAI_OK) {
        eai_file_writer_abort(w);
        return st;
    }
    *out = w;
    return EAI_OK;
}

/* Left-overs of killed processes are looked for here and not whenever a file is opened: for a small
 * file reading the whole folder would cost more than the file. */
eai_status eai_file_writer_expect(eai_file_writer *w, uint64_t bytes, eai_error *err)
{
    if (!w->temporary)
        return EAI_OK;
    size_t n = temporary__folder_length(w->target);
    char *folder = n ? eai_strndup(w->target, n) : eai_strdup(".");
    if (!folder)
        return out_of_memory(w->path, err);
    eai_status st = eai_fs_remove_left_overs(NULL, folder, w->target + n, err);
    eai_free(folder);
    if (st != EAI_ERR_NOMEM) /* what cannot be removed is in nobody's way */
        st = eai_fs_check_space(w->path, bytes, err);
    return st;
}

/* All n bytes to the file. write() may take fewer (near a full disk or a file size limit): the next
 * call then says why. */
static eai_status write_all(eai_file_writer *w, const unsigned char *data, size_t n, eai_error *err)
{
    const size_t most = (size_t)1 << 30; /* macOS refuses 2 GiB and more in one call */

    while (n > 0) {
        ssize_t written = io__write(w->fd, data, n < most ? n : most);
        if (written < 0)
            return eai_error_set_errno(err, "cannot write '%s' (at byte %llu)", w->path,
                                       (unsigned long long)(w->offset - n));
        data += written;
        n -= (size_t)written;
    }
    return EAI_OK;
}

static eai_status flush_buffer(eai_file_writer *w, eai_error *err)
{
    size_t n = w->n_buffered;

    w->n_buffered = 0;
    return write_all(w, w->buffer, n, err);
}

eai_status eai_file_writer_write(eai_file_writer *w, const void *data, size_t n, eai_error *err)
{
    if (n > BUFFER_BYTES - w->n_buffered)
        EAI_TRY(flush_buffer(w, err));
    w->offset += n;
    if (n >= BUFFER_BYTES)
        return write_all(w, data, n, err);
    if (n > 0)
        memcpy(w->buffer + w->n_buffered, data, n);
    w->n_buffered += n;
    return EAI_OK;
}

int file_writer__fd(const eai_file_writer *w)
{
    return w->fd;
}

uint64_t eai_file_writer_offset(const eai_file_writer *w)
{
    return w->offset;
}

eai_status eai_file_writer_commit(eai_file_writer *w, eai_error *err)
{
    eai_status st = flush_buffer(w, err);

    if (st == EAI_OK && temporary__sync(w->fd) != 0)
        st = eai_error_set_errno(err, "cannot write '%s'", w->path);
    int closed = io__close(w->fd);
    w->fd = -1;
    if (st == EAI_OK && closed != 0)
        st = eai_error_set_errno(err, "cannot write '%s'", w->path);
    if (st == EAI_OK && w->temporary) {
        if (io__rename(w->temporary, w->target) != 0) {
            st = eai_error_set_errno(err, "cannot replace '%s'", w->path);
        } else {
            eai_free(w->temporary);
            w->temporary = NULL;
            st = temporary__sync_folder_of(w->target, w->path, err);
        }
    }
    eai_file_writer_abort(w);
    return st;
}

void eai_file_writer_abort(eai_file_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        io__close(w->fd);
    if (w->temporary)
        io__unlink(w->temporary);
    if (w->guard >= 0)
        io__close(w->guard);
    eai_free(w->temporary);
    eai_free(w->target);
    eai_free(w->path);
    eai_free(w);
}

eai_status eai_file_writer_finish(eai_file_writer *w, eai_status st, eai_error *err)
{
    if (st == EAI_OK)
        return eai_file_writer_commit(w, err);
    eai_file_writer_abort(w);
    return st;
}

eai_status eai_fs_write_atomic(const char *path, const void *data, size_t n, eai_error *err)
{
    eai_file_writer *w = NULL;

    eai_status st = eai_file_writer_open(&w, path, err);
    if (st == EAI_OK)
        st = eai_file_writer_write(w, data, n, err);
    return eai_file_writer_finish(w, st, err);
}
