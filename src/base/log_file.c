/* A file of log lines that several processes append to, and that is put aside when it is full.
 *
 * Each line is one write() to a descriptor in append mode, under the file's own lock (flock): the
 * kernel lets go of it when its holder is killed, and a file has no second one that could be left
 * behind. Under it a process
 *     looks whether PATH still names this file: if not, another one has put it aside, and the line
 *         goes to the file that PATH names now;
 *     looks whether the last byte ends a line: if not, a writer was killed in the middle, and a
 *         line end is written first, so that only the killed one's line is broken;
 *     renames a file that would become too long, or is of another day, to PATH.NNNNNN with the next
 *         free number: one step, before and after which everything is whole.
 * Nobody can rename a file that another one is writing to, nor take the same number: whoever puts
 * the file aside holds the lock of the file that PATH names, and there is one such file.
 *
 * A lock that is not to be had for a fifth of a second (its holder was stopped by Ctrl-Z) is not
 * waited for: appending is whole without it, too. What it does not do: complain. A line that cannot
 * be written is counted. Start at log__file_write. */
#include "base/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/io.h"

#include "base/banned.h"

#define DEFAULT_BYTES ((int64_t)10 << 20)
#define DEFAULT_PLAIN 5
#define DEFAULT_DAYS  30

#define LOCK_TRIES    100 /* of 2 ms */
#define REOPEN_TRIES  100 /* of a file that is put aside again and again meanwhile */
#define NUMBER_MAX    999999
#define SECONDS_A_DAY 86400

static void close_descriptor(log_file *f)
{
    if (f->fd >= 0)
        io__close(f->fd);
    f->fd = -1;
}

/* The day in the first bytes of a file, `{"time":"2026-11-22T`; -1 for an empty or foreign one. */
static long first_day(int fd)
{
    char text[32] = "";
    struct tm day = {0};
    static const char start[] = "{\"time\":\"";
    size_t n = 0;
    while (n < sizeof(text) - 1) {
        ssize_t got = io__pread(fd, text + n, sizeof(text) - 1 - n, (off_t)n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    if (strncmp(text, start, sizeof(start) - 1) != 0 ||
        !strptime(text + sizeof(start) - 1, "%Y-%m-%d", &day))
        return -1;
    return (long)(timegm(&day) / SECONDS_A_DAY);
}

static bool open_descriptor(log_file *f)
{
    close_descriptor(f);
    f->fd = io__open(f->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    f->owner = getpid();
    f->day = f->fd >= 0 ? first_day(f->fd) : -1;
    return f->fd >= 0;
}

/* Does PATH still name the file that is open? */
static bool is_current(const log_file *f)
{
    struct stat named;
    struct stat open;
    return f->fd >= 0 && f->owner == getpid() && stat(f->path, &named) == 0 &&
           io__fstat(f->fd, &open) == 0 && named.st_ino == open.st_ino &&
           named.st_dev == open.st_dev;
}

static void take_lock(int fd)
{
    const struct timespec pause = {0, 2 * 1000 * 1000};
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (io__lock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            return;
        nanosleep(&pause, NULL);
    }
}

/* Opens and locks the file that PATH names; false when it cannot be opened. */
static bool lock_current(log_file *f)
{
    for (int i = 0; i < REOPEN_TRIES; i++) {
        if (!is_current(f) && !open_descriptor(f))
            return false;
        take_lock(f->fd);
        if (is_current(f))
            return true;
        io__lock(f->fd, LOCK_UN);
    }
    return false;
}

/* All of n bytes, or as many as the disk takes. */
static bool write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = io__write(fd, data, n);
        if (done <= 0)
            return false;
        data += done;
        n -= (size_t)done;
    }
    return true;
}

/* With the lock held. False when the file stays: it is then written to, however long it is. */
static bool put_aside(log_file *f)
{
    log_archived *list = NULL;
    size_t n = 0;
    bool done = false;
    if (log__archive_list(&list, &n, f->path, NULL) != EAI_OK)
        return false;
    uint32_t number = n > 0 ? list[n - 1].number + 1 : 1;
    char *target = number <= NUMBER_MAX ? eai_asprintf("%s.%06u", f->path, number) : NULL;
    if (target)
        done = io__rename(f->path, target) == 0;
    eai_free(target);
    log__archive_free(list, n);
    return done;
}

/* The file is locked and would be too long, or is of another day. */
static bool is_full(const log_file *f, off_t size, size_t n, long day)
{
    return size > 0 && ((f->opts.max_bytes > 0 && size + (off_t)n > f->opts.max_bytes) ||
                        (f->opts.daily && f->day >= 0 && f->day != day));
}

/* With the lock held. */
static bool append_line(log_file *f, off_t size, const char *line, size_t n)
{
    char last = '\n';
    if (size > 0 && io__pread(f->fd, &last, 1, size - 1) == 1 && last != '\n' &&
        !write_all(f->fd, "\n", 1))
        return false;
    return write_all(f->fd, line, n);
}

void log__file_write(log_file *f, const char *line, size_t n, long day)
{
    struct stat info;
    bool written = false;
    if (!f->path)
        return;
    for (int i = 0; !written && i < 2; i++) {
        if (!lock_current(f))
            break;
        off_t size = io__fstat(f->fd, &info) == 0 ? info.st_size : 0;
        if (i == 0 && is_full(f, size, n, day) && put_aside(f)) {
            f->archive_due = true;
            io__lock(f->fd, LOCK_UN);
            continue;
        }
        if (f->day < 0)
            f->day = day;
        written = append_line(f, size, line, n);
        io__lock(f->fd, LOCK_UN);
        break;
    }
    f->n_lost += !written;
}

static int64_t or_default(int64_t given, int64_t usual)
{
    return given == 0 ? usual : given;
}

static eai_status make_folder_of(const char *path, eai_error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return EAI_OK;
    char *folder = eai_strndup(path, (size_t)(slash - path));
    if (!folder)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the name '%s'", path);
    eai_status st = eai_fs_mkdir_p(folder, err);
    eai_free(folder);
    return st;
}

eai_status log__file_open(log_file *f, const char *path, const eai_log_file_opts *opts,
                          eai_error *err)
{
    *f = (log_file){.fd = -1, .day = -1};
    if (opts)
        f->opts = *opts;
    f->opts.max_bytes = or_default(f->opts.max_bytes, DEFAULT_BYTES);
    f->opts.n_plain = (int)or_default(f->opts.n_plain, DEFAULT_PLAIN);
    f->opts.keep_days = (int)or_default(f->opts.keep_days, DEFAULT_DAYS);
    EAI_TRY(make_folder_of(path, err));
    f->path = eai_strdup(path);
    if (!f->path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the name '%s'", path);
    if (eai_fs_is_folder(path)) {
        eai_error_set(err, EAI_ERR_IO, "cannot write the log '%s': it is a folder", path);
    } else if (open_descriptor(f)) {
        return EAI_OK;
    } else {
        eai_error_set_errno(err, "cannot write the log '%s'", path);
    }
    eai_free(f->path);
    f->path = NULL;
    return EAI_ERR_IO;
}

void log__file_close(log_file *f)
{
    close_descriptor(f);
    eai_free(f->path);
    f->path = NULL;
}
