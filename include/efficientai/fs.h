/* Files: read whole, mapped, or written so that a reader never sees half of one.
 *
 * Use:
 *     eai_map *map = NULL;
 *     EAI_TRY(eai_map_open(&map, "model.gguf", &err));
 *     parse(eai_map_data(map), eai_map_size(map));
 *     eai_map_close(map);
 *
 *     eai_file_writer *w = NULL;
 *     st = eai_file_writer_open(&w, "adapter.safetensors", err);
 *     if (st == EAI_OK) st = eai_file_writer_expect(w, n + m, err);      // is there room for it?
 *     if (st == EAI_OK) st = eai_file_writer_write(w, header, n, err);
 *     if (st == EAI_OK) st = eai_file_writer_write(w, data, m, err);
 *     st = eai_file_writer_finish(w, st, err);     // in place and durable, or all as before
 *
 * A path is UTF-8 text as the user gave it; messages quote it. Thread-safety: any functions on
 * different objects; a map may be read from all threads. */
#ifndef EAI_FS_H
#define EAI_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads a whole file of at most `limit` bytes (EAI_ERR_LIMIT above). *out is new memory (eai_free)
 * of *size bytes, followed by a NUL that is not counted; *size may be NULL. Pipes and devices work
 * too. */
EAI_API EAI_CHECKED eai_status eai_fs_read_file(char **out, size_t *size, const char *path,
                                                size_t limit, eai_error *err);

/* A file mapped read-only. An empty file gives a non-NULL pointer and size 0. The file must not be
 * made shorter while it is mapped (writers of this library replace files and never shorten them).
 */
typedef struct eai_map eai_map;
EAI_API EAI_CHECKED eai_status eai_map_open(eai_map **out, const char *path, eai_error *err);
EAI_API void eai_map_close(eai_map *map); /* NULL is fine */
EAI_API const void *eai_map_data(const eai_map *map);
EAI_API size_t eai_map_size(const eai_map *map);

/* Writes a file under a temporary name beside its target. commit() syncs it, renames it over the
 * target and syncs the folder: whoever opens the target sees all of the old file or all of the new
 * one. A target that exists and is no regular file (/dev/stdout, a pipe) is written directly; a
 * symbolic link stays one and the file that it names is replaced. */
typedef struct eai_file_writer eai_file_writer;
EAI_API EAI_CHECKED eai_status eai_file_writer_open(eai_file_writer **out, const char *path,
                                                    eai_error *err);
EAI_API EAI_CHECKED eai_status eai_file_writer_write(eai_file_writer *w, const void *data, size_t n,
                                                     eai_error *err);
/* Says how many bytes will be written in all, before the first: removes what killed processes left
 * of this file, and fails with "'x.gguf' needs 1.2 GB, 300.0 MB are free on '/data'" when they do
 * not fit (eai_fs_check_space). For files that may be large; nothing depends on it. */
EAI_API EAI_CHECKED eai_status eai_file_writer_expect(eai_file_writer *w, uint64_t bytes,
                                                      eai_error *err);
EAI_API uint64_t eai_file_writer_offset(const eai_file_writer *w); /* bytes written so far */
/* Both take `w`: it is gone afterwards, whatever happens. abort() removes the temporary file and
 * accepts NULL. */
EAI_API EAI_CHECKED eai_status eai_file_writer_commit(eai_file_writer *w, eai_error *err);
EAI_API void eai_file_writer_abort(eai_file_writer *w);
/* commit() when st is EAI_OK, else abort(); returns the status of the whole. Accepts NULL with st
 * not EAI_OK. */
EAI_API EAI_CHECKED eai_status eai_file_writer_finish(eai_file_writer *w, eai_status st,
                                                      eai_error *err);

/* The three calls above for n bytes at hand. */
EAI_API EAI_CHECKED eai_status eai_fs_write_atomic(const char *path, const void *data, size_t n,
                                                   eai_error *err);

/* Removes temporary files and folders (.NAME.tmp-PID-N) that killed processes left in `folder`: of
 * the file `name` there, or of all (NULL). Those of living processes stay, also where other
 * machines or containers write into the folder. *n_removed may be NULL. */
EAI_API EAI_CHECKED eai_status eai_fs_remove_left_overs(size_t *n_removed, const char *folder,
                                                        const char *name, eai_error *err);

/* Bytes that the user may still write where `path` lies; it need not be there yet. Tests say
 * EAI_FREE_SPACE=BYTES. */
EAI_API EAI_CHECKED eai_status eai_fs_free_space(uint64_t *out, const char *path, eai_error *err);

/* EAI_ERR_IO, with both numbers, when fewer than `bytes` are free where `path` lies. Where the
 * system does not say how much is free, there is enough. */
EAI_API EAI_CHECKED eai_status eai_fs_check_space(const char *path, uint64_t bytes, eai_error *err);

/* Removes a file, a link, or a folder with all that is in it (at most 256 folders deep); never
 * follows a symbolic link, `path` itself neither. What is not there is fine. Stops at the first
 * entry that cannot be removed. */
EAI_API EAI_CHECKED eai_status eai_fs_remove_tree(const char *path, eai_error *err);

/* Makes a folder and its parents; one that is there is fine, a file in the way is not. */
EAI_API EAI_CHECKED eai_status eai_fs_mkdir_p(const char *path, eai_error *err);

EAI_API bool eai_fs_exists(const char *path);
EAI_API bool eai_fs_is_folder(const char *path);

/* "folder/name" in new memory, NULL on failure. An absolute name stands alone, an empty folder too.
 */
EAI_API char *eai_path_join(const char *folder, const char *name);

/* Folders of the user, in new memory (eai_free); they are not made. EAI_ERR_NOT_FOUND when the
 * environment names no home. The first that is set counts:
 *               the folder itself        its parent          below $HOME
 *     cache     $EFFICIENTAI_CACHE       $XDG_CACHE_HOME     .cache/efficientai
 *     state     $EFFICIENTAI_STATE_DIR   $XDG_STATE_HOME     .local/state/efficientai
 * On macOS below $HOME: Library/Caches/efficientai, Library/Application Support/efficientai/state.
 * A parent that is no absolute path does not count.
 * Cache: downloads and prepared files, all of which can be made again. State: what is remembered
 * between runs. */
EAI_API EAI_CHECKED eai_status eai_fs_cache_dir(char **out, eai_error *err);
EAI_API EAI_CHECKED eai_status eai_fs_state_dir(char **out, eai_error *err);

/* SHA-256 in lower-case hexadecimal, NUL-terminated. */
#define EAI_SHA256_HEX_SIZE 65
EAI_API EAI_CHECKED eai_status eai_sha256_memory(char hex[EAI_SHA256_HEX_SIZE], const void *data,
                                                 size_t n, eai_error *err);
EAI_API EAI_CHECKED eai_status eai_sha256_file(char hex[EAI_SHA256_HEX_SIZE], const char *path,
                                               eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
