/* Archives of others unpacked: zip (so wheels), tar, and tar behind gzip, xz or zstd.
 *
 * Use:
 *     EAI_TRY(eai_unpack("data.tar.zst", "data", NULL, &err));     // "data" is there, whole
 *
 *     const eai_unpack_opts opts = {.max_bytes = 1 << 20, .only = "pkg/vocab.json"};
 *     st = eai_unpack("pkg.whl", "out", &opts, err);               // out/pkg/vocab.json
 *
 * An archive is hostile until it was read to its end. Everything goes into a temporary folder
 * beside the target, which gets its name when all is well; else nothing is left. What is refused,
 * with the entry's name in the message:
 *     EAI_ERR_FORMAT       names that leave the folder, or that two systems would read differently
 *                          (absolute, "..", backslash, control characters, no UTF-8); two entries
 *                          of one name, or of names that differ in case or in Unicode's forms only;
 *                          links that lead out of the folder; broken or cut archives, wrong
 *                          checksums, sizes that are not those stated
 *     EAI_ERR_UNSUPPORTED  devices, pipes, sockets; set-user-id, set-group-id and sticky bits;
 *                          encrypted entries; more than one compression around another
 *     EAI_ERR_LIMIT        more than the options allow
 *     EAI_ERR_IO           a target that is there (an empty folder is fine), a full disk
 * Of permissions only "executable" is kept; owners and times are not.
 *
 * Thread-safety: all functions may be called from any thread. */
#ifndef EAI_UNPACK_H
#define EAI_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_unpack_opts {
    uint64_t max_bytes; /* of all files together; 0: 64 GiB */
    size_t max_entries; /* files, links and folders; 0: 100,000 */
    int max_depth;      /* parts of a name; 0: 32 */
    unsigned max_ratio; /* bytes that come out for one of the archive, beyond the first 16 MiB;
                           0: 200. What deflate can do at most is 1032, text is about 5. */
    const char *only;   /* this regular file alone; EAI_ERR_NOT_FOUND without it. NULL: all */
    /* Called as the archive is read; false stops with EAI_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *ud, uint64_t done_bytes, uint64_t archive_bytes);
    void *ud;
} eai_unpack_opts;

/* opts may be NULL. */
EAI_API EAI_CHECKED eai_status eai_unpack(const char *path, const char *folder,
                                          const eai_unpack_opts *opts, eai_error *err);

/* Reads the archive to its end as eai_unpack does, and writes nothing. */
EAI_API EAI_CHECKED eai_status eai_unpack_check(const char *path, const eai_unpack_opts *opts,
                                                eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
