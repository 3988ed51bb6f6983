/* A tokenizer from a folder in Hugging Face's layout.
 *
 * tokenizer.json is the tokenizer; what else a model needs to know is spread over small files,
 * which may all be absent: tokenizer_config.json    names of special tokens; add_bos_token,
 * add_eos_token, which replace the post-processor where either is there; the chat template
 *   special_tokens_map.json  names that the first lacks
 *   chat_template.jinja      the chat template; goes before the one in tokenizer_config.json
 *   generation_config.json   ids after which an answer is over
 *   config.json              ids of bos and eos, and after which an answer is over, where no file
 *                            says so
 * What transformers does on top of that in Python classes of single models is not done here; nor
 * are vocabularies without a tokenizer.json read (tokenizer.model, vocab.json with merges.txt).
 * Start at tokenizer__from_folder(). */
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/json.h"
#include "formats/tokenizer_internal.h"

#include "base/banned.h"

#define MAX_SETTINGS ((size_t)16 << 20) /* bytes of each of the small files */
#define MAX_TEMPLATE ((size_t)4 << 20)

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

/* *out stays NULL when there is no such file. */
static eai_status load(json_t **out, const tokenizer_folder *f, const char *name,
                       eai_status (*read)(json_t **, const char *, size_t, eai_error *),
                       eai_error *err)
{
    size_t limit = f->tokenizer ? MAX_SETTINGS : TOKENIZER_MAX_FILE;
    char *path = eai_path_join(f->path, name);

    if (!path)
        return no_memory(err);
    eai_status st = eai_fs_exists(path) ? read(out, path, limit, err) : EAI_OK;
    if (st == EAI_OK && *out && !json_is_object(*out))
        st = eai_error_set(err, EAI_ERR_FORMAT, "%s: it is no object", path);
    eai_free(path);
    return st;
}

static eai_status load_all(tokenizer_folder *f, eai_error *err)
{
    EAI_TRY(load(&f->tokenizer, f, "tokenizer.json", eai_json_load, err));
    if (!f->tokenizer)
        return eai_error_set(err, EAI_ERR_NOT_FOUND,
                             "%s: no tokenizer.json (other vocabularies, such as tokenizer.model, "
                             "are not read)",
                             f->path);
    /* model_max_length is 10^30 where there is no limit */
    EAI_TRY(load(&f->config, f, "tokenizer_config.json", eai_json_load_reals, err));
    EAI_TRY(load(&f->special_map, f, "special_tokens_map.json", eai_json_load_reals, err));
    EAI_TRY(load(&f->generation, f, "generation_config.json", eai_json_load, err));
    return load(&f->model_config, f, "config.json", eai_json_load, err);
}

static void free_all(tokenizer_folder *f)
{
    json_decref(f->tokenizer);
    json_decref(f->config);
    json_decref(f->special_map);
    json_decref(f->generation);
    json_decref(f->model_config);
}

/* --- special tokens --- */

/* The text of a special token: "</s>" or {"content": "</s>", ...}; NULL: not named. */
static const json_t *special_text(const tokenizer_folder *f, const char *key)
{
    const json_t *v = json_object_get(f->config, key);

    if (!v || json_is_null(v))
        v = json_object_get(f->special_map, key);
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? v : NULL;
}

/* An id, or the first of a list of ids; -1: none. */
static int32_t first_id(const eai_tokenizer *t, const json_t *v)
{
    if (json_is_array(v))
        v = json_array_get(v, 0);
    if (!json_is_integer(v) || json_integer_value(v) < 0 ||
        (uint64_t)json_integer_value(v) >= t->n_tokens)
        return -1;
    return (int32_t)json_integer_value(v);
}

/* A name that the vocabulary lacks is an error for bos and eos, whose ids are used; a padding token
 * that would be added beyond the vocabulary is none here. */
static eai_status find_special(int32_t *out, const eai_tokenizer *t, const tokenizer_folder *f,
                               const char *key, bool is_needed, eai_error *err)
{
    const json_t *text = special_text(f, key);

    if (!text)
        return EAI_OK;
    int32_t id = eai_tokenizer_find(t, json_string_value(text), json_string_length(text));
    if (id < 0 && is_needed)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: %s is '%.64s', which the vocabulary of tokenizer.json lacks",
                             f->path, key, json_string_value(text));
    *out = id;
    return EAI_OK;
}

static eai_status find_all_special(eai_tokenizer *t, const tokenizer_folder *f, eai_error *err)
{
    EAI_TRY(find_special(&t->bos, t, f, "bos_token", true, err));
    EAI_TRY(find_special(&t->eos, t, f, "eos_token", true, err));
    EAI_TRY(find_special(&t->pad, t, f, "pad_token", false, err));
    EAI_TRY(find_special(&t->unk, t, f, "unk_token", false, err));
    if (t->bos < 0 && !f->config)
        t->bos = first_id(t, json_object_get(f->model_config, "bos_token_id"));
    if (t->eos < 0)
        t->eos = first_id(t, json_object_get(f->model_config, "eos_token_id"));
    return EAI_OK;
}

/* Where the configuration says whether bos and eos are added, it is right, and tokenizer.json is
 * not: transformers makes a new post-processor then. */
static eai_status use_flags(eai_tokenizer *t, const tokenizer_folder *f, eai_error *err)
{
    bool add_bos = false;
    bool add_eos = false;
    eai_status st = tokenizer__field_bool(&add_bos, f->config, "add_bos_token", err);

    if (st == EAI_OK)
        st = tokenizer__field_bool(&add_eos, f->config, "add_eos_token", err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "%s: tokenizer_config.json", f->path);
    if (!json_object_get(f->config, "add_bos_token") &&
        !json_object_get(f->config, "add_eos_token"))
        return EAI_OK;
    t->n_prefix = t->n_suffix_ids = 0;
    if (add_bos && t->bos >= 0)
        t->prefix[t->n_prefix++] = t->bos;
    if (add_eos && t->eos >= 0)
        t->suffix_ids[t->n_suffix_ids++] = t->eos;
    return EAI_OK;
}

static void use_ends(eai_tokenizer *t, const json_t *ids)
{
    tokenizer__add_end(t, first_id(t, ids));
    for (size_t i = 1; i < json_array_size(ids); i++)
        tokenizer__add_end(t, first_id(t, json_array_get(ids, i)));
}

/* --- the chat template --- */

/* The template in tokenizer_config.json: a text, or a list of named ones with a "default". */
static const json_t *configured_template(const tokenizer_folder *f)
{
    const json_t *v = json_object_get(f->config, "chat_template");
    const json_t *entry;
    size_t i;

    json_array_foreach(v, i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "name"));

        if (name && strcmp(name, "default") == 0)
            return json_object_get(entry, "template");
    }
    return v;
}

static eai_status use_template(eai_tokenizer *t, const tokenizer_folder *f, eai_error *err)
{
    const json_t *configured = configured_template(f);
    char *path = eai_path_join(f->path, "chat_template.jinja");
    char *text = NULL;
    size_t n = 0;
    eai_status st = path ? EAI_OK : no_memory(err);

    if (path && eai_fs_exists(path))
        st = eai_fs_read_file(&text, &n, path, MAX_TEMPLATE, err);
    if (st == EAI_OK && text)
        st = tokenizer__set_chat_template(t, text, n, err);
    else if (st == EAI_OK && json_is_string(configured))
        st = tokenizer__set_chat_template(t, json_string_value(configured),
                                          json_string_length(configured), err);
    eai_free(text);
    eai_free(path);
    return st;
}

/* --- the whole --- */

eai_status tokenizer__use_folder(eai_tokenizer *t, const tokenizer_folder *f, eai_error *err)
{
    EAI_TRY(find_all_special(t, f, err));
    EAI_TRY(use_flags(t, f, err));
    EAI_TRY(use_template(t, f, err));
    eai_status st = tokenizer__finish(t, err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "%s/tokenizer.json", f->path);
    use_ends(t, json_object_get(f->generation ? f->generation : f->model_config, "eos_token_id"));
    return EAI_OK;
}

static eai_status read_folder(eai_tokenizer **out, tokenizer_folder *f, eai_error *err)
{
    EAI_TRY(load_all(f, err));
    eai_status st = tokenizer__read_json(out, f->tokenizer, err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "%s/tokenizer.json", f->path);
    json_decref(f->tokenizer); /* the largest of all, and no longer needed */
    f->tokenizer = NULL;
    return tokenizer__use_folder(*out, f, err);
}

eai_status tokenizer__from_folder(eai_tokenizer **out, const char *path, eai_error *err)
{
    tokenizer_folder f = {.path = path};
    eai_tokenizer *t = NULL;

    *out = NULL;
    eai_status st = read_folder(&t, &f, err);
    free_all(&f);
    if (st == EAI_OK)
        *out = t;
    else
        eai_tokenizer_free(t);
    return st;
}

/* The folder that is `path` or that its file lies in, in new memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = eai_fs_is_folder(path) ? strlen(path) : slash ? (size_t)(slash - path) + 1 : 0;
    char *dir = eai_alloc(n + 2);

    if (dir) {
        memcpy(dir, n ? path : ".", n ? n : 1);
        dir[n ? n : 1] = '\0';
    }
    return dir;
}

eai_status tokenizer__from_folder_beside(eai_tokenizer **out, const char *path, eai_error *err)
{
    char *dir = folder_of(path);
    char *file = dir ? eai_path_join(dir, "tokenizer.json") : NULL;
    eai_status st = file ? EAI_OK : no_memory(err);

    *out = NULL;
    if (st == EAI_OK && !eai_fs_exists(file))
        st = eai_error_set(err, EAI_ERR_NOT_FOUND,
                           "%s: tokenizer: the file has no tokenizer (no key "
                           "'tokenizer.ggml.model'), and no tokenizer.json lies beside it",
                           path);
    if (st == EAI_OK)
        st = tokenizer__from_folder(out, dir, err);
    eai_free(file);
    eai_free(dir);
    return st;
}

static eai_status from_json_file(eai_tokenizer **out, const char *path, eai_error *err)
{
    char *text = NULL;
    size_t n = 0;

    EAI_TRY(eai_fs_read_file(&text, &n, path, TOKENIZER_MAX_FILE, err));
    eai_status st = eai_tokenizer_parse_json(out, text, n, path, err);
    eai_free(text);
    return st;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s);
    size_t n_end = strlen(end);

    return n >= n_end && strcmp(s + n - n_end, end) == 0;
}

eai_status eai_tokenizer_load(eai_tokenizer **out, const char *path, eai_error *err)
{
    eai_weights *w = NULL;

    *out = NULL;
    if (eai_fs_is_folder(path))
        return tokenizer__from_folder(out, path, err);
    if (ends_with(path, ".index.json")) /* of weights in several files */
        return tokenizer__from_folder_beside(out, path, err);
    if (ends_with(path, ".json"))
        return from_json_file(out, path, err);
    EAI_TRY(eai_weights_open(&w, path, err));
    eai_status st = eai_tokenizer_from_weights(out, w, err);
    eai_weights_close(w);
    return st;
}
