/* The calls of the system that read and write files, behind one door.
 *
 * Why a door: tests make the n-th of these calls of the process fail, as a full or broken disk
 * would, and check that every caller leaves the old file or the new one and a message (as alloc.c
 * does with memory); and a call that a signal interrupts is made again here, once for all. Results
 * and errno are those of the calls of the same name. What it does not do: no messages, no loops
 * over what a read or a write left over. Start at io__fail_at.
 *
 * Thread-safety: all functions may be called from any thread. */
#ifndef EAI_BASE_IO_H
#define EAI_BASE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

int io__open(const char *path, int flags, mode_t mode);
int io__openat(int folder, const char *path, int flags, mode_t mode);
int io__close(int fd); /* the descriptor is gone whatever is returned */
int io__fstat(int fd, struct stat *info);
ssize_t io__read(int fd, void *data, size_t n);
ssize_t io__pread(int fd, void *data, size_t n, off_t offset);
ssize_t io__write(int fd, const void *data, size_t n);
int io__lock(int fd, int operation); /* flock() */
/* To the disk itself: on macOS fsync() would stop at the drive's cache. */
int io__sync(int fd);
void *io__map(size_t n, int fd); /* n > 0 bytes for reading; MAP_FAILED */
int io__rename(const char *from, const char *to);
int io__link(const char *from, const char *to);
int io__unlink(const char *path);
int io__unlinkat(int folder, const char *path, int flags);
int io__mkdir(const char *path, mode_t mode);
int io__symlink(const char *target, const char *path);

/* The n-th call from now on fails; 0: none does. `fault` is an errno:
 *     EINTR     only a call that may wait, and once: it must not be noticed
 *     ENOSPC    that call and all later ones, if they take space on the disk
 *     others    that call, whichever it is
 * or IO_SHORT: a read or a write moves one byte only; or IO_KILL: the process ends before that call
 * is made, as by SIGKILL. Without tests that call it, the environment variable EAI_IO_FAIL_AT says
 * the same as N or N:FAULT with FAULT of EINTR, ENOSPC, EIO (the default), SHORT or KILL. */
#define IO_SHORT (-1)
#define IO_KILL  (-2)
void io__fail_at(uint64_t n, int fault);
uint64_t io__count(void); /* calls since the last io__fail_at */

#endif
