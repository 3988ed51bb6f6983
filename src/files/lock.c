/* Locks of files between processes (lock.h says which, and why).
 *
 * The kernel knows who holds a lock and does not tell, so the holder writes "PID TIME" into the
 * file. That note is for messages alone: it may be missing or old, so it is believed only when it
 * has that form and its process lives. Waiting is asking again and again, at most every tenth of a
 * second: a timeout on a blocking flock() would need a signal. Start at eai_lock_open(). */
#include <efficientai/lock.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#include "base/io.h"

#include "base/banned.h"

#define MAX_PAUSE 0.1 /* seconds */

struct eai_lock {
    int fd;
    bool has_note; /* ours, to be taken back */
};

/* ---- The note -------------------------------------------------------------------------------- */

/* A note that cannot be written is missed in a message, and nowhere else. */
static void write_note(eai_lock *lock)
{
    char now[32];
    char note[64];
    int n =
        snprintf(note, sizeof(note), "%ld %s\n", (long)getpid(), eai_clock_iso(now, sizeof(now)));

    lock->has_note = ftruncate(lock->fd, 0) == 0 && io__write(lock->fd, note, (size_t)n) == n;
}

/* "process 4711 since 2026-11-28T12:00:00Z" when the note is one, else "another process". */
static void describe_holder(char *buf, size_t n, int fd)
{
    char note[64] = "";
    char *since = NULL;

    snprintf(buf, n, "another process");
    ssize_t length = pread(fd, note, sizeof(note) - 1, 0);
    if (length <= 0 || note[0] < '0' || note[0] > '9')
        return;
    errno = 0;
    long pid = strtol(note, &since, 10);
    if (errno != 0 || pid <= 0 || (pid_t)pid != pid || since[0] != ' ' ||
        strspn(since + 1, "0123456789-:TZ") != 20 || since[21] != '\n')
        return;
    if (kill((pid_t)pid, 0) == 0 || errno == EPERM)
        snprintf(buf, n, "process %ld since %.20s", pid, since + 1);
}

/* ---- Taking and waiting ---------------------------------------------------------------------- */

static void pause_for(double seconds)
{
    const struct timespec t = {0, (long)(seconds * 1e9)};
    nanosleep(&t, NULL);
}

/* Until it is taken, or the time is over. */
static eai_status take(const eai_lock *lock, const char *path, const eai_lock_opts *opts,
                       eai_error *err)
{
    const int kind = (opts->shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    const double start = eai_clock_seconds();
    char holder[96];
    double pause = 0.001;
    bool told = false;

    while (flock(lock->fd, kind) != 0) {
        double waited = eai_clock_seconds() - start;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return eai_error_set_errno(err, "cannot lock '%s'", path);
        describe_holder(holder, sizeof(holder), lock->fd);
        if (opts->timeout == 0)
            return eai_error_set(err, EAI_ERR_BUSY, "'%s' is locked by %s", path, holder);
        if (opts->timeout > 0 && waited >= opts->timeout)
            return eai_error_set(err, EAI_ERR_BUSY, "'%s' is locked by %s (waited %.1f s)", path,
                                 holder, waited);
        if (opts->waiting && !told)
            opts->waiting(opts->ud, holder);
        told = true;
        pause_for(opts->timeout > 0 && opts->timeout - waited < pause ? opts->timeout - waited
                                                                      : pause);
        pause = pause * 2 < MAX_PAUSE ? pause * 2 : MAX_PAUSE;
    }
    return EAI_OK;
}

static int open_file(const char *path, bool shared)
{
    int fd = io__open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (fd < 0 && shared && (errno == EACCES || errno == EROFS))
        fd = io__open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, 0);
    return fd;
}

eai_status eai_lock_open(eai_lock **out, const char *path, const eai_lock_opts *opts,
                         eai_error *err)
{
    const eai_lock_opts alone = {0};

    *out = NULL;
    if (!opts)
        opts = &alone;
    eai_lock *lock = eai_alloc_zeroed(1, sizeof(*lock));
    if (!lock)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to lock '%s'", path);
    lock->fd = open_file(path, opts->shared);
    eai_status st = lock->fd < 0 ? eai_error_set_errno(err, "cannot open the lock '%s'", path)
                                 : take(lock, path, opts, err);
    if (st != EAI_OK) {
        eai_lock_close(lock);
        return st;
    }
    write_note(lock);
    *out = lock;
    return EAI_OK;
}

/* The note goes first: behind the close it would be the next holder's. One that shared the lock
 * may take away another's; that one is then "another process". */
void eai_lock_close(eai_lock *lock)
{
    if (!lock)
        return;
    if (lock->has_note && ftruncate(lock->fd, 0) != 0)
        lock->has_note = false;
    if (lock->fd >= 0)
        io__close(lock->fd);
    eai_free(lock);
}
