/* Advisory locks between processes: who holds one, and who waits.
 *
 * Use:
 *     const eai_lock_opts opts = {.timeout = 10};
 *     eai_lock *lock = NULL;
 *     st = eai_lock_open(&lock, "runs/a.lock", &opts, err);
 *         // "'runs/a.lock' is locked by process 4711 since 2026-11-28T12:00:00Z (waited 10.0 s)"
 *     if (st == EAI_OK) st = change_files_of("runs/a", err);
 *     eai_lock_close(lock);
 *
 * The lock file lies beside what it protects and is never removed: the file itself would not do,
 * for it is replaced when it is written, and a lock on the old one keeps nobody from the new one.
 * All that is locked is agreement: who does not ask is not kept out.
 *
 * The kernel releases a lock when its process ends, however it ends. flock() and not the record
 * locks of fcntl(): these belong to a process and are lost as soon as any part of it closes the
 * file. Linux has them for open files too (OFD), which adds ranges of bytes that nobody needs here,
 * and macOS has not; flock() means the same on both.
 *
 * Thread-safety: any functions on different locks; two locks of one process exclude each other as
 * those of two processes do. */
#ifndef EAI_LOCK_H
#define EAI_LOCK_H

#include <stdbool.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_lock eai_lock;

typedef struct eai_lock_opts {
    bool shared;    /* with others that are shared too; else alone */
    double timeout; /* seconds to wait for it: 0 not at all, below 0 as long as it takes */
    /* Called once before it waits; the holder as the error message names it ("process 4711 since
     * ...", "another process"), borrowed. May be NULL. */
    void (*waiting)(void *ud, const char *holder);
    void *ud;
} eai_lock_opts;

/* Takes the lock of the file `path`, which is made where it is missing. opts NULL: alone, without
 * waiting. EAI_ERR_BUSY names the holder. Shared locks may be taken in a folder that cannot be
 * written if the file is there. */
EAI_API EAI_CHECKED eai_status eai_lock_open(eai_lock **out, const char *path,
                                             const eai_lock_opts *opts, eai_error *err);
EAI_API void eai_lock_close(eai_lock *lock); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
