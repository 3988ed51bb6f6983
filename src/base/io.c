/* The calls of io.h, each with the fault that a test asked for. Start at next_fault(). */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/banned.h"

/* What a call can suffer. */
enum {
    TAKES_SPACE = 1, /* ENOSPC */
    WAITS = 2,       /* EINTR */
    MOVES = 4,       /* fewer bytes than asked */
};

static _Atomic uint64_t n_tried;  /* calls since the last io__fail_at() */
static _Atomic uint64_t n_doomed; /* the one that fails; 0: none */
static _Atomic int fault_wanted;
static pthread_once_t environment_read = PTHREAD_ONCE_INIT;

static void set_fault(uint64_t n, int fault)
{
    atomic_store_explicit(&n_tried, 0, memory_order_relaxed);
    atomic_store_explicit(&fault_wanted, fault, memory_order_relaxed);
    atomic_store_explicit(&n_doomed, n, memory_order_relaxed);
}

static void read_environment(void)
{
    static const struct {
        const char *suffix;
        int fault;
    } faults[] = {
        {"", EIO},         {":EIO", EIO},        {":ENOSPC", ENOSPC},
        {":EINTR", EINTR}, {":SHORT", IO_SHORT}, {":KILL", IO_KILL},
    };
    const char *text = getenv("EAI_IO_FAIL_AT");
    char *end = NULL;

    if (!text || text[0] < '0' || text[0] > '9')
        return;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    for (size_t i = 0; errno == 0 && i < sizeof(faults) / sizeof(faults[0]); i++) {
        if (strcmp(end, faults[i].suffix) == 0)
            set_fault((uint64_t)n, faults[i].fault);
    }
}

void io__fail_at(uint64_t n, int fault)
{
    pthread_once(&environment_read, read_environment);
    set_fault(n, fault);
}

uint64_t io__count(void)
{
    return atomic_load_explicit(&n_tried, memory_order_relaxed);
}

/* No handler, no buffer written out, no file removed: what a machine does that runs out of memory.
 */
static void end_process(void)
{
    for (;;)
        kill(getpid(), SIGKILL);
}

/* What is to happen to the call that is made now: 0 nothing, an errno, or IO_SHORT. */
static int next_fault(int traits)
{
    pthread_once(&environment_read, read_environment);
    uint64_t n = atomic_fetch_add_explicit(&n_tried, 1, memory_order_relaxed) + 1;
    uint64_t doomed = atomic_load_explicit(&n_doomed, memory_order_relaxed);
    int fault = atomic_load_explicit(&fault_wanted, memory_order_relaxed);
    if (doomed == 0 || n < doomed)
        return 0;
    if (fault == ENOSPC)
        return traits & TAKES_SPACE ? fault : 0;
    if (n == doomed && fault == IO_KILL)
        end_process();
    if (n > doomed || (fault == EINTR && !(traits & WAITS)) ||
        (fault == IO_SHORT && !(traits & MOVES)))
        return 0;
    return fault;
}

/* True when the call is to fail instead of being made; errno says how. */
static bool fails(int traits)
{
    int fault = next_fault(traits);
    if (fault > 0)
        errno = fault;
    return fault > 0;
}

int io__openat(int folder, const char *path, int flags, mode_t mode)
{
    int traits = WAITS | (flags & O_CREAT ? TAKES_SPACE : 0);
    int fd;
    do {
        fd = fails(traits) ? -1 : openat(folder, path, flags, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

int io__open(const char *path, int flags, mode_t mode)
{
    return io__openat(AT_FDCWD, path, flags, mode);
}

/* Interrupted, the descriptor is closed on Linux and macOS; to close it again could hit another
 * thread's. */
int io__close(int fd)
{
    int fault = next_fault(WAITS);
    int result = close(fd);
    if (fault > 0) {
        errno = fault;
        result = -1;
    }
    return result < 0 && errno == EINTR ? 0 : result;
}

int io__fstat(int fd, struct stat *info)
{
    return fails(0) ? -1 : fstat(fd, info);
}

ssize_t io__read(int fd, void *data, size_t n)
{
    ssize_t done;
    do {
        int fault = next_fault(WAITS | MOVES);
        if (fault > 0) {
            errno = fault;
            done = -1;
        } else {
            done = read(fd, data, fault == IO_SHORT && n > 1 ? 1 : n);
        }
    } while (done < 0 && errno == EINTR);
    return done;
}

ssize_t io__pread(int fd, void *data, size_t n, off_t offset)
{
    ssize_t done;
    do {
        int fault = next_fault(WAITS | MOVES);
        if (fault > 0) {
            errno = fault;
            done = -1;
        } else {
            done = pread(fd, data, fault == IO_SHORT && n > 1 ? 1 : n, offset);
        }
    } while (done < 0 && errno == EINTR);
    return done;
}

ssize_t io__write(int fd, const void *data, size_t n)
{
    ssize_t done;
    do {
        int fault = next_fault(WAITS | MOVES | TAKES_SPACE);
        if (fault > 0) {
            errno = fault;
            done = -1;
        } else {
            done = write(fd, data, fault == IO_SHORT && n > 1 ? 1 : n);
        }
    } while (done < 0 && errno == EINTR);
    return done;
}

int io__lock(int fd, int operation)
{
    int result;
    do {
        result = fails(WAITS) ? -1 : flock(fd, operation);
    } while (result < 0 && errno == EINTR);
    return result;
}

static int sync_once(int fd)
{
    if (fails(WAITS | TAKES_SPACE))
        return -1;
#ifdef F_FULLFSYNC
    if (fcntl(fd, F_FULLFSYNC) == 0)
        return 0;
#endif
    return fsync(fd);
}

int io__sync(int fd)
{
    int result;
    do {
        result = sync_once(fd);
    } while (result < 0 && errno == EINTR);
    return result;
}

void *io__map(size_t n, int fd)
{
    return fails(0) ? MAP_FAILED : mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
}

int io__rename(const char *from, const char *to)
{
    return fails(TAKES_SPACE) ? -1 : rename(from, to);
}

int io__link(const char *from, const char *to)
{
    return fails(TAKES_SPACE) ? -1 : link(from, to);
}

int io__unlinkat(int folder, const char *path, int flags)
{
    return fails(0) ? -1 : unlinkat(folder, path, flags);
}

int io__unlink(const char *path)
{
    return io__unlinkat(AT_FDCWD, path, 0);
}

int io__mkdir(const char *path, mode_t mode)
{
    return fails(TAKES_SPACE) ? -1 : mkdir(path, mode);
}

int io__symlink(const char *target, const char *path)
{
    return fails(TAKES_SPACE) ? -1 : symlink(target, path);
}
