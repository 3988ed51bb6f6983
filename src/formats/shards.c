/* Models in several safetensors files: Hugging Face's model.safetensors.index.json.
 *
 * The index:
 *     {"metadata": {"total_size": 14483464192},
 *      "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors", ...}}
 *
 * The files lie beside it. Each is opened like any other, and its tensors are listed in one set
 * that owns them all. Index and files must say the same: a tensor that either lacks is an error,
 * because it would be a model that nobody trained. File names are plain names, so that an index
 * cannot reach out of its folder. Start at shards__open. */
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/json.h"
#include "formats/weights_internal.h"

#include "base/banned.h"

#define MAX_SHARDS  1000
#define MAX_NAME    255
#define INDEX_BYTES ((size_t)64 << 20)

/* A safetensors file begins with the length of its header, at most 100 MB: byte 7 is 0. */
bool shards__is_index(const uint8_t *data, size_t n)
{
    return n >= 8 && data[0] == '{' && data[7] != 0;
}

static bool is_plain_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= MAX_NAME && !strchr(name, '/') && name[0] != '.';
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Every tensor's file; the names are checked. */
static eai_status check_map(json_t *map, eai_error *err)
{
    const char *tensor = NULL;
    json_t *file = NULL;

    if (!json_is_object(map) || json_object_size(map) == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "'weight_map' is missing or no object of names");
    if (json_object_size(map) > WEIGHTS__MAX_TENSORS)
        return eai_error_set(err, EAI_ERR_LIMIT, "'weight_map' has %zu entries (at most %d)",
                             json_object_size(map), WEIGHTS__MAX_TENSORS);
    json_object_foreach(map, tensor, file)
    {
        const char *name = json_string_value(file);
        if (!name || !is_plain_name(name))
            return eai_error_set(
                err, EAI_ERR_FORMAT,
                "'weight_map' entry '%.200s': '%.200s' is no name of a file beside "
                "the index",
                tensor, name ? name : "(no text)");
    }
    return EAI_OK;
}

/* The files' names, each once, sorted; *out is new memory, the names are the map's. */
static eai_status list_files(const char ***out, size_t *n, json_t *map, eai_error *err)
{
    const char *tensor = NULL;
    json_t *file = NULL;
    const char **names = eai_alloc_array(json_object_size(map), sizeof(const char *));
    size_t count = 0;

    *out = names;
    *n = 0;
    if (!names)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu names", json_object_size(map));
    json_object_foreach(map, tensor, file) names[count++] = json_string_value(file);
    qsort(names, count, sizeof(const char *), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(names[i], names[*n - 1]) != 0)
            names[(*n)++] = names[i];
    }
    if (*n > MAX_SHARDS)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu files (at most %d)", *n, MAX_SHARDS);
    return EAI_OK;
}

/* Opens one file and appends its tensors, which must be those that the index has in it. */
static eai_status add_shard(eai_weights *w, const char *path, const char *name, json_t *map,
                            eai_error *err)
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path + 1) : 0;
    eai_weights *shard = NULL;
    char *full = eai_asprintf("%.*s%s", folder, path, name);

    if (!full)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = weights__open_file(&shard, full, err);
    eai_free(full);
    if (st != EAI_OK)
        return st;
    w->shards[w->n_shards++] = shard;
    for (size_t i = 0; i < shard->n_tensors; i++) {
        const eai_weight_tensor *t = &shard->tensors[i];
        const char *file = json_string_value(json_object_get(map, t->name));
        if (!file)
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "tensor '%s' of file '%s' is not in the index", t->name, name);
        if (strcmp(file, name) == 0)
            EAI_TRY(weights__append_tensor(w, t, err));
    }
    return EAI_OK;
}

/* Every entry of the map has been found where it says. */
static eai_status check_complete(eai_weights *w, json_t *map, eai_error *err)
{
    const char *tensor = NULL;
    json_t *file = NULL;

    EAI_TRY(weights__index(w, err));
    json_object_foreach(map, tensor, file)
    {
        if (!eai_weights_find(w, tensor))
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "tensor '%.200s' is not in file '%s', where the index has it",
                                 tensor, json_string_value(file));
    }
    return EAI_OK;
}

static eai_status open_all(eai_weights *w, const char *path, json_t *map, eai_error *err)
{
    const char **names = NULL;
    size_t n = 0;

    EAI_TRY(check_map(map, err));
    eai_status st = list_files(&names, &n, map, err);
    if (st == EAI_OK) {
        w->shards = eai_alloc_array(n, sizeof(eai_weights *));
        if (!w->shards)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu files", n);
    }
    for (size_t i = 0; st == EAI_OK && i < n; i++)
        st = add_shard(w, path, names[i], map, err);
    if (st == EAI_OK)
        st = check_complete(w, map, err);
    eai_free(names);
    return st;
}

eai_status shards__open(eai_weights *w, const char *path, const char *text, size_t n,
                        eai_error *err)
{
    json_t *root = NULL;

    if (n > INDEX_BYTES)
        return eai_error_set(err, EAI_ERR_LIMIT, "%s: an index of %zu bytes (at most %zu)", path, n,
                             INDEX_BYTES);
    EAI_TRY(eai_json_parse(&root, text, n, path, err));
    eai_status st = open_all(w, path, json_object_get(root, "weight_map"), err);
    if (st != EAI_OK)
        st = eai_error_context(err, st, "%s", path);
    json_decref(root);
    return st;
}
