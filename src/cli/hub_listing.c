/* What a repository of Hugging Face's hub has, and which of it makes a model.
 *
 * The hub's answer is JSON: {"sha": COMMIT, "cardData": {"license": ...}, "siblings":
 * [{"rfilename": NAME, "size": BYTES, "blobId": git's SHA-1, "lfs": {"sha256": ..., "size": ...}},
 * ...]}. A file has "lfs" when it is large; its blobId is that of a pointer then. The answer is not
 * trusted: a name that could leave the folder refuses the whole listing.
 *
 * What is taken without a pattern: from the repository's top folder, the weights of one model
 * (model.safetensors, or its numbered parts with their index; else an adapter's; else the only
 * GGUF file there is), and the small files in `companions`. Start at hub__listing_parse. */
#include "cli/hub_internal.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <efficientai/alloc.h>

#include "base/json.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_ENTRIES 200000
#define MAX_LICENCE 64
#define MAX_SHOWN   12 /* names in a message */

/* Configuration and tokenizer: taken whenever they are there. */
static const char *const companions[] = {
    "config.json",         "generation_config.json",
    "tokenizer*",          "special_tokens_map.json",
    "added_tokens.json",   "chat_template*",
    "vocab.json",          "merges.txt",
    "spiece.model",        "sentencepiece.bpe.model",
    "adapter_config.json",
};

/* The weights of one model: the first row of which a repository has something. */
static const char *const weights[][3] = {
    {"model.safetensors"},
    {"model-[0-9]*-of-[0-9]*.safetensors", "model.safetensors.index.json"},
    {"adapter_model.safetensors"},
    {"*.safetensors", "*.safetensors.index.json"},
};

/* ---- Reading --------------------------------------------------------------------------------- */

void hub__listing_deinit(hub_listing *l)
{
    for (size_t i = 0; i < l->n_entries; i++)
        eai_free(l->entries[i].name);
    eai_free(l->entries);
    eai_free(l->licence);
    *l = (hub_listing){0};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const hub_entry *)a)->name, ((const hub_entry *)b)->name);
}

static json_int_t integer_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static eai_status read_entry(hub_entry *e, const json_t *row, eai_error *err)
{
    const char *name = json_string_value(json_object_get(row, "rfilename"));
    const json_t *lfs = json_object_get(row, "lfs");
    const char *sha256 = json_string_value(json_object_get(lfs, "sha256"));
    const char *blob = json_string_value(json_object_get(row, "blobId"));
    json_int_t bytes = integer_of(json_is_object(lfs) ? lfs : row, "size");
    if (!name || !hub__name_is_safe(name))
        return eai_error_set(err, EAI_ERR_FORMAT, "the file name '%s' is not safe to use",
                             name ? name : "");
    if (bytes < 0 || (uint64_t)bytes > HUB_MAX_BYTES)
        return eai_error_set(err, EAI_ERR_FORMAT, "file '%s' has no size, or one above %llu bytes",
                             name, (unsigned long long)HUB_MAX_BYTES);
    if (json_is_object(lfs) && !hub__is_hex(sha256, 64))
        return eai_error_set(err, EAI_ERR_FORMAT, "file '%s': its SHA-256 is not 64 digits", name);
    if (!json_is_object(lfs) && blob && !hub__is_hex(blob, 40))
        return eai_error_set(err, EAI_ERR_FORMAT, "file '%s': its blobId is not 40 digits", name);
    e->bytes = (uint64_t)bytes;
    snprintf(e->oid, sizeof(e->oid), "%s", sha256 ? sha256 : blob ? blob : "");
    e->name = eai_strdup(name);
    return e->name ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a listing");
}

static eai_status read_entries(hub_listing *l, const json_t *rows, eai_error *err)
{
    size_t n = json_array_size(rows);
    if (!json_is_array(rows) || n > MAX_ENTRIES)
        return eai_error_set(err, EAI_ERR_FORMAT, "'siblings' is no list of up to %d files",
                             MAX_ENTRIES);
    l->entries = eai_alloc_zeroed(n ? n : 1, sizeof(*l->entries));
    if (!l->entries)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a listing");
    for (size_t i = 0; i < n; i++) {
        EAI_TRY(read_entry(&l->entries[i], json_array_get(rows, i), err));
        l->n_entries++;
    }
    qsort(l->entries, l->n_entries, sizeof(*l->entries), compare_names);
    for (size_t i = 1; i < l->n_entries; i++) {
        if (strcmp(l->entries[i - 1].name, l->entries[i].name) == 0)
            return eai_error_set(err, EAI_ERR_FORMAT, "file '%s' is there twice",
                                 l->entries[i].name);
    }
    return EAI_OK;
}

static eai_status read_listing(hub_listing *l, const json_t *root, eai_error *err)
{
    const char *commit = json_string_value(json_object_get(root, "sha"));
    const char *licence =
        json_string_value(json_object_get(json_object_get(root, "cardData"), "license"));
    if (!hub__is_hex(commit, HUB_COMMIT_SIZE - 1))
        return eai_error_set(err, EAI_ERR_FORMAT, "'sha' is no commit of 40 digits");
    memcpy(l->commit, commit, sizeof(l->commit));
    l->licence = eai_strdup(licence && strlen(licence) <= MAX_LICENCE ? licence : "");
    if (!l->licence)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a listing");
    return read_entries(l, json_object_get(root, "siblings"), err);
}

eai_status hub__listing_parse(hub_listing *out, const char *text, size_t n, eai_error *err)
{
    json_t *root = NULL;
    *out = (hub_listing){0};
    EAI_TRY(eai_json_parse(&root, text, n, "the list of files", err));
    eai_status st = read_listing(out, root, err);
    json_decref(root);
    if (st != EAI_OK) {
        hub__listing_deinit(out);
        return eai_error_context(err, st, "the list of files");
    }
    return EAI_OK;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Marks the files that match; with in_top, those of the top folder alone. */
static size_t choose(hub_listing *l, const char *pattern, bool in_top)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_entries; i++) {
        hub_entry *e = &l->entries[i];
        if ((in_top && strchr(e->name, '/')) || fnmatch(pattern, e->name, 0) != 0)
            continue;
        e->is_chosen = true;
        n++;
    }
    return n;
}

static bool is_weights(const char *name)
{
    return ends_with(name, ".gguf") || ends_with(name, ".safetensors");
}

/* "a, b, c and 5 more": the files of weights, those chosen or all. */
static void show_weights(eai_strbuf *b, const hub_listing *l, bool chosen)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n_entries; i++) {
        const hub_entry *e = &l->entries[i];
        if (!is_weights(e->name) || (chosen && !e->is_chosen))
            continue;
        if (n < MAX_SHOWN)
            eai_strbuf_printf(b, "%s%s", n ? ", " : "", e->name);
        n++;
    }
    if (n > MAX_SHOWN)
        eai_strbuf_printf(b, " and %zu more", n - MAX_SHOWN);
    if (n == 0)
        eai_strbuf_text(b, "no .safetensors and no .gguf file");
}

static eai_status refuse_choice(const hub_listing *l, bool chosen, const char *what, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT((size_t)64 << 10);
    show_weights(&b, l, chosen);
    eai_status st =
        eai_error_set(err, EAI_ERR_NOT_FOUND, "%s; there are: %s", what, eai_strbuf_get(&b));
    eai_strbuf_deinit(&b);
    return st;
}

/* The number of a part, "x-00002-of-00003.gguf": 2; 1 for a file of its own. */
static long part_of(const char *name)
{
    if (fnmatch("*-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].gguf", name, 0) != 0)
        return 1;
    return strtol(name + strlen(name) - strlen("00002-of-00003.gguf"), NULL, 10);
}

/* The file to open among the chosen ones. */
static eai_status find_model(const char **model, const hub_listing *l, eai_error *err)
{
    const char *gguf = NULL;
    const char *other = NULL;
    size_t n_gguf = 0;
    size_t n_other = 0;
    *model = "";
    for (size_t i = 0; i < l->n_entries; i++) {
        const char *name = l->entries[i].name;
        if (!l->entries[i].is_chosen)
            continue;
        if (ends_with(name, ".gguf") && part_of(name) == 1) {
            gguf = name;
            n_gguf++;
        } else if (ends_with(name, ".safetensors")) {
            other = name;
            n_other++;
        } else if (ends_with(name, ".safetensors.index.json")) {
            *model = name; /* sorts after the parts, so it is seen whichever they are */
        }
    }
    if (n_gguf > 1)
        return refuse_choice(l, true, "more than one model matches: name one with --file", err);
    if (gguf)
        *model = gguf;
    else if (n_other == 1)
        *model = other;
    return EAI_OK;
}

/* Without a pattern. */
static eai_status choose_weights(hub_listing *l, eai_error *err)
{
    for (size_t row = 0; row < sizeof(weights) / sizeof(weights[0]); row++) {
        size_t n = choose(l, weights[row][0], true);
        for (size_t i = 1; n && i < 3 && weights[row][i]; i++)
            choose(l, weights[row][i], true);
        if (n)
            return EAI_OK;
    }
    if (choose(l, "*.gguf", false))
        return EAI_OK; /* find_model() asks for --file when there are several */
    return refuse_choice(l, false, "the repository has no weights that can be used here", err);
}

eai_status hub__listing_choose(const char **model, hub_listing *l, const char *pattern,
                               eai_error *err)
{
    size_t n_chosen = 0;
    *model = "";
    for (size_t i = 0; i < l->n_entries; i++)
        l->entries[i].is_chosen = false;
    if (!pattern)
        EAI_TRY(choose_weights(l, err));
    else if (choose(l, pattern, false) == 0)
        return refuse_choice(l, false, "no file matches the pattern given with --file", err);
    EAI_TRY(find_model(model, l, err));
    for (size_t i = 0; i < sizeof(companions) / sizeof(companions[0]); i++)
        choose(l, companions[i], true);
    for (size_t i = 0; i < l->n_entries; i++)
        n_chosen += l->entries[i].is_chosen;
    if (n_chosen > HUB_MAX_FILES)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu files are more than the %d that are taken",
                             n_chosen, HUB_MAX_FILES);
    return EAI_OK;
}
