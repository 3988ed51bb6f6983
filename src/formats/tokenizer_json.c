/* A tokenizer from a tokenizer.json, the format of HF `tokenizers`.
 *
 * One object: `model` (vocabulary and how words become ids), `added_tokens`, and the stages
 * `normalizer`, `pre_tokenizer`, `post_processor`, `decoder`, each null, one kind, or a Sequence of
 * kinds. The kinds are rows of tables in the files of their stage; this file walks the object,
 * reads fields, and builds the places that messages name ("pre_tokenizer: pretokenizers[1]: Split:
 * ..."). What is not supported is refused, never left out. `truncation` and `padding` are settings
 * of a program, not of a tokenizer, and are not used.
 *
 * Limits: see tokenizer_internal.h; sequences nest 8 deep. Start at tokenizer__read_json(). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "formats/tokenizer_internal.h"

#include "base/banned.h"

#define MAX_DEPTH 8

/* --- fields --- */

static const char *type_name(const json_t *v)
{
    static const char *const names[] = {"an object", "an array", "a text", "an integer",
                                        "a number",  "true",     "false",  "null"};

    return v ? names[json_typeof(v)] : "absent";
}

/* The field, NULL when it is absent or null. */
static const json_t *field(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return v && !json_is_null(v) ? v : NULL;
}

static eai_status wrong_type(const json_t *v, const char *key, const char *expected, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_FORMAT, "%s is %s, not %s", key, type_name(v), expected);
}

eai_status tokenizer__field_bool(bool *out, const json_t *o, const char *key, eai_error *err)
{
    const json_t *v = field(o, key);

    if (v && !json_is_boolean(v))
        return wrong_type(v, key, "true or false", err);
    if (v)
        *out = json_is_true(v);
    return EAI_OK;
}

eai_status tokenizer__field_int(int64_t *out, const json_t *o, const char *key, int64_t low,
                                int64_t high, eai_error *err)
{
    const json_t *v = field(o, key);

    if (!v)
        return EAI_OK;
    if (!json_is_integer(v))
        return wrong_type(v, key, "an integer", err);
    if (json_integer_value(v) < low || json_integer_value(v) > high)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s is %lld, not %lld to %lld", key,
                             (long long)json_integer_value(v), (long long)low, (long long)high);
    *out = json_integer_value(v);
    return EAI_OK;
}

eai_status tokenizer__field_text(const char **out, size_t *n, const json_t *o, const char *key,
                                 eai_error *err)
{
    const json_t *v = field(o, key);

    if (!v)
        return EAI_OK;
    if (!json_is_string(v))
        return wrong_type(v, key, "a text", err);
    *out = json_string_value(v);
    *n = json_string_length(v);
    return EAI_OK;
}

eai_status tokenizer__need_text(const char **out, size_t *n, const json_t *o, const char *key,
                                eai_error *err)
{
    if (!field(o, key))
        return wrong_type(json_object_get(o, key), key, "a text", err);
    return tokenizer__field_text(out, n, o, key, err);
}

eai_status tokenizer__field_name(int *out, const json_t *o, const char *key,
                                 const char *const *names, size_t n, eai_error *err)
{
    const char *name = NULL;
    size_t n_name = 0;
    eai_strbuf known = EAI_STRBUF_INIT(1024);

    EAI_TRY(tokenizer__field_text(&name, &n_name, o, key, err));
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (int)i;
            name = NULL;
        }
    }
    if (!name)
        return EAI_OK;
    for (size_t i = 0; i < n; i++)
        eai_strbuf_printf(&known, "%s%s", i ? ", " : "", names[i]);
    eai_status st = eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s is '%.64s', not one of %s", key,
                                  name, eai_strbuf_get(&known));
    eai_strbuf_deinit(&known);
    return st;
}

eai_status tokenizer__field_pattern(const tokenizer_pattern **out, eai_tokenizer *t,
                                    const json_t *o, eai_error *err)
{
    const json_t *pattern = field(o, "pattern");
    const char *text = NULL;
    size_t n = 0;
    bool literal = field(pattern, "String") != NULL;

    if (!json_is_object(pattern))
        return wrong_type(pattern, "pattern", "an object", err);
    EAI_TRY(tokenizer__need_text(&text, &n, pattern, literal ? "String" : "Regex", err));
    return tokenizer__compile(out, t, text, n, literal, err);
}

/* --- stages --- */

static eai_status no_such_kind(const char *type, const tokenizer_kind *kinds, eai_error *err)
{
    eai_strbuf known = EAI_STRBUF_INIT(1024);

    for (const tokenizer_kind *k = kinds; k->type; k++)
        eai_strbuf_printf(&known, "%s, ", k->type);
    eai_status st =
        eai_error_set(err, EAI_ERR_UNSUPPORTED, "type is '%.64s'; supported are %sSequence", type,
                      eai_strbuf_get(&known));
    eai_strbuf_deinit(&known);
    return st;
}

static eai_status parse_sequence(eai_tokenizer *t, const json_t *o, const tokenizer_kind *kinds,
                                 const char *list, int depth, eai_error *err)
{
    const json_t *members = field(o, list);

    if (!json_is_array(members))
        return wrong_type(members, list, "an array", err);
    if (depth == MAX_DEPTH)
        return eai_error_set(err, EAI_ERR_LIMIT, "sequences nest more than %d deep", MAX_DEPTH);
    for (size_t i = 0; i < json_array_size(members); i++) {
        eai_status st =
            tokenizer__parse_stage(t, json_array_get(members, i), kinds, list, depth + 1, err);

        if (st != EAI_OK)
            return eai_error_context(err, st, "%s[%zu]", list, i);
    }
    return EAI_OK;
}

eai_status tokenizer__parse_stage(eai_tokenizer *t, const json_t *o, const tokenizer_kind *kinds,
                                  const char *list, int depth, eai_error *err)
{
    const char *type = NULL;
    size_t n = 0;

    if (!o || json_is_null(o))
        return EAI_OK;
    if (!json_is_object(o))
        return eai_error_set(err, EAI_ERR_FORMAT, "it is %s, not an object", type_name(o));
    EAI_TRY(tokenizer__need_text(&type, &n, o, "type", err));
    if (strcmp(type, "Sequence") == 0)
        return parse_sequence(t, o, kinds, list, depth, err);
    for (const tokenizer_kind *k = kinds; k->type; k++) {
        if (strcmp(k->type, type) != 0)
            continue;
        eai_status st = k->parse(t, o, err);
        return st == EAI_OK ? st : eai_error_context(err, st, "%s", k->type);
    }
    return no_such_kind(type, kinds, err);
}

/* --- the post-processor --- */

static eai_status push_around(eai_tokenizer *t, bool in_front, int64_t id, eai_error *err)
{
    int32_t *ids = in_front ? t->prefix : t->suffix_ids;
    size_t *n = in_front ? &t->n_prefix : &t->n_suffix_ids;

    if (id < 0 || (uint64_t)id >= t->n_tokens)
        return eai_error_set(err, EAI_ERR_FORMAT, "id %lld, but the vocabulary has %zu tokens",
                             (long long)id, t->n_tokens);
    if (*n == TOKENIZER_MAX_AROUND)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d tokens", TOKENIZER_MAX_AROUND);
    ids[(*n)++] = (int32_t)id;
    return EAI_OK;
}

static eai_status check_nothing_around(const eai_tokenizer *t, eai_error *err)
{
    if (t->n_prefix + t->n_suffix_ids > 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "a second one adds tokens");
    return EAI_OK;
}

static eai_status push_template_token(eai_tokenizer *t, const json_t *o, const json_t *special,
                                      bool in_front, eai_error *err)
{
    const char *name = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__need_text(&name, &n, special, "id", err));
    const json_t *ids = field(field(field(o, "special_tokens"), name), "ids");
    if (!json_is_array(ids))
        return eai_error_set(err, EAI_ERR_FORMAT, "special_tokens: no ids for '%.64s'", name);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i);

        if (!json_is_integer(id))
            return wrong_type(id, "an id in special_tokens", "an integer", err);
        EAI_TRY(push_around(t, in_front, json_integer_value(id), err));
    }
    return EAI_OK;
}

static eai_status parse_template(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const json_t *single = field(o, "single");
    bool in_front = true;

    EAI_TRY(check_nothing_around(t, err));
    if (!json_is_array(single))
        return wrong_type(single, "single", "an array", err);
    for (size_t i = 0; i < json_array_size(single); i++) {
        const json_t *part = json_array_get(single, i);
        const json_t *special = field(part, "SpecialToken");

        if (!special && (!field(part, "Sequence") || !in_front))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "single[%zu] is not a SpecialToken or the one Sequence", i);
        if (!special)
            in_front = false;
        else
            EAI_TRY(push_template_token(t, o, special, in_front, err));
    }
    return in_front ? eai_error_set(err, EAI_ERR_FORMAT, "single has no Sequence") : EAI_OK;
}

/* {"cls": ["<s>", 0], "sep": ["</s>", 2]} */
static eai_status parse_cls_sep(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const json_t *cls = json_array_get(json_object_get(o, "cls"), 1);
    const json_t *sep = json_array_get(json_object_get(o, "sep"), 1);

    EAI_TRY(check_nothing_around(t, err));
    if (!json_is_integer(cls) || !json_is_integer(sep))
        return eai_error_set(err, EAI_ERR_FORMAT, "cls or sep is no text with an id");
    EAI_TRY(push_around(t, true, json_integer_value(cls), err));
    return push_around(t, false, json_integer_value(sep), err);
}

/* It corrects the places of tokens, of which only the starts are told here. */
static eai_status parse_byte_level(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)t, (void)o, (void)err;
    return EAI_OK;
}

const tokenizer_kind tokenizer__post_kinds[] = {
    {"TemplateProcessing", parse_template},
    {"ByteLevel", parse_byte_level},
    {"BertProcessing", parse_cls_sep},
    {"RobertaProcessing", parse_cls_sep},
    {NULL, NULL},
};

static eai_status parse_stages(eai_tokenizer *t, const json_t *root, eai_error *err)
{
    static const struct {
        const char *key;
        const char *list;
        const tokenizer_kind *kinds;
    } stages[] = {
        {"normalizer", "normalizers", tokenizer__normalizer_kinds},
        {"pre_tokenizer", "pretokenizers", tokenizer__pre_kinds},
        {"post_processor", "processors", tokenizer__post_kinds},
        {"decoder", "decoders", tokenizer__decoder_kinds},
    };

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        eai_status st = tokenizer__parse_stage(t, json_object_get(root, stages[i].key),
                                               stages[i].kinds, stages[i].list, 0, err);

        if (st != EAI_OK)
            return eai_error_context(err, st, "%s", stages[i].key);
    }
    if (!t->byte_level && !json_is_object(json_object_get(root, "decoder")))
        EAI_TRY(tokenizer__add_joiner(t, err));
    if (t->byte_level && (t->decoder.n > 0 || t->strip_start || t->strip_end))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "decoder is not 'ByteLevel', but the pre-tokenizer is");
    return EAI_OK;
}

/* --- the vocabulary --- */

static eai_status bad_id(const char *text, const json_t *id, eai_error *err)
{
    if (!json_is_integer(id))
        return eai_error_set(err, EAI_ERR_FORMAT, "the id of '%.64s' is %s, not an integer", text,
                             type_name(id));
    return eai_error_set(err, EAI_ERR_FORMAT, "the id of '%.64s' is %lld, not 0 to %zu", text,
                         (long long)json_integer_value(id), TOKENIZER_MAX_TOKENS - 1);
}

static bool is_id(const json_t *id)
{
    return json_is_integer(id) && json_integer_value(id) >= 0 &&
           (uint64_t)json_integer_value(id) < TOKENIZER_MAX_TOKENS;
}

/* One more than the largest id of vocabulary and added tokens. */
static eai_status count_ids(size_t *out, const json_t *vocab, const json_t *added, eai_error *err)
{
    size_t n = json_is_array(vocab) ? json_array_size(vocab) : 0;
    size_t n_entries = n + json_object_size(vocab) + json_array_size(added);
    const char *key;
    json_t *v;
    size_t i;

    json_object_foreach((json_t *)(uintptr_t)vocab, key, v)
    {
        if (!is_id(v))
            return bad_id(key, v, err);
        if ((size_t)json_integer_value(v) >= n)
            n = (size_t)json_integer_value(v) + 1;
    }
    json_array_foreach(added, i, v)
    {
        const json_t *id = json_object_get(v, "id");
        const char *content = json_string_value(json_object_get(v, "content"));

        if (!is_id(id) || !content) {
            eai_status st =
                content ? bad_id(content, id, err)
                        : wrong_type(json_object_get(v, "content"), "content", "a text", err);
            return eai_error_context(err, st, "added_tokens[%zu]", i);
        }
        if ((size_t)json_integer_value(id) >= n)
            n = (size_t)json_integer_value(id) + 1;
    }
    if (n > 2 * n_entries + 65536)
        return eai_error_set(err, EAI_ERR_FORMAT, "ids go up to %zu for %zu tokens", n - 1,
                             n_entries);
    *out = n;
    return EAI_OK;
}

/* A score as HF reads it: its JSON library takes the digits as one integer and divides it by a
 * power of ten, both rounded. The last bit may differ from the nearest double's, and of two ways to
 * cut a run of one character that are equally good, it decides. */
static double score_as_read(double score)
{
    char text[32];
    int precision = 15;
    uint64_t digits = 0;
    double power = 1;
    bool is_behind_point = false;

    do /* the shortest text that says the same: what the file has */
        snprintf(text, sizeof(text), "%.*g", precision, fabs(score));
    while (strtod(text, NULL) != fabs(score) && ++precision <= 17);
    for (const char *s = text; *s; s++) {
        if (*s == '.') {
            is_behind_point = true;
        } else if (*s >= '0' && *s <= '9') {
            digits = digits * 10 + (uint64_t)(*s - '0');
            power *= is_behind_point ? 10 : 1;
        } else { /* an exponent: as it is */
            return score;
        }
    }
    return score < 0 ? -((double)digits / power) : (double)digits / power;
}

static eai_status set_listed(eai_tokenizer *t, const json_t *vocab, eai_error *err)
{
    size_t i;
    json_t *v;

    json_array_foreach(vocab, i, v)
    {
        const json_t *text = json_array_get(v, 0);
        const json_t *score = json_array_get(v, 1);

        if (!json_is_string(text) || !json_is_number(score))
            return eai_error_set(err, EAI_ERR_FORMAT, "vocab[%zu] is not [text, score]", i);
        EAI_TRY(tokenizer__set_token(t, i, json_string_value(text), json_string_length(text),
                                     EAI_TOKEN_NORMAL, score_as_read(json_number_value(score)),
                                     err));
    }
    return EAI_OK;
}

static eai_status set_vocabulary(eai_tokenizer *t, const json_t *vocab, eai_error *err)
{
    const char *key;
    json_t *v;

    if (json_is_array(vocab))
        return set_listed(t, vocab, err);
    json_object_foreach((json_t *)(uintptr_t)vocab, key, v) EAI_TRY(tokenizer__set_token(
        t, (size_t)json_integer_value(v), key, strlen(key), EAI_TOKEN_NORMAL, 0, err));
    return EAI_OK;
}

/* --- added tokens --- */

static eai_status set_added(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    static const struct {
        const char *key;
        uint8_t flag;
    } flags[] = {{"lstrip", TOKENIZER_LSTRIP},
                 {"rstrip", TOKENIZER_RSTRIP},
                 {"single_word", TOKENIZER_SINGLE_WORD},
                 {"normalized", TOKENIZER_NORMALIZED}};
    const json_t *content = json_object_get(o, "content");
    size_t id = (size_t)json_integer_value(json_object_get(o, "id"));
    bool special = false;

    tokenizer_token *k = &t->tokens[id];
    if (!k->text || k->text_bytes != json_string_length(content) ||
        memcmp(k->text, json_string_value(content), k->text_bytes) != 0) {
        EAI_TRY(tokenizer__set_token(t, id, json_string_value(content), json_string_length(content),
                                     EAI_TOKEN_NORMAL, 0, err));
        k->flags = TOKENIZER_NOT_IN_MODEL;
    }
    EAI_TRY(tokenizer__field_bool(&special, o, "special", err));
    k->type = special ? EAI_TOKEN_CONTROL : EAI_TOKEN_USER_DEFINED;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        bool value = false;

        EAI_TRY(tokenizer__field_bool(&value, o, flags[i].key, err));
        if (value)
            k->flags |= flags[i].flag;
    }
    return EAI_OK;
}

static eai_status set_all_added(eai_tokenizer *t, const json_t *added, eai_error *err)
{
    size_t i;
    json_t *v;

    json_array_foreach(added, i, v)
    {
        eai_status st = set_added(t, v, err);

        if (st != EAI_OK)
            return eai_error_context(err, st, "added_tokens[%zu]", i);
    }
    return EAI_OK;
}

/* --- models --- */

/* "a b", or ["a", "b"] in newer files. */
static eai_status read_merges(eai_tokenizer *t, const json_t *model, eai_error *err)
{
    const json_t *merges = field(model, "merges");
    size_t i;
    json_t *v;

    if (!json_is_array(merges))
        return wrong_type(merges, "merges", "an array", err);
    EAI_TRY(tokenizer__reserve_merges(t, json_array_size(merges), err));
    json_array_foreach(merges, i, v)
    {
        const json_t *left = json_array_get(v, 0);
        const json_t *right = json_array_get(v, 1);

        if (json_is_string(v))
            EAI_TRY(
                tokenizer__set_merge_line(t, i, json_string_value(v), json_string_length(v), err));
        else if (json_is_string(left) && json_is_string(right) && json_array_size(v) == 2)
            EAI_TRY(tokenizer__set_merge(t, i, json_string_value(left), json_string_length(left),
                                         json_string_value(right), json_string_length(right), err));
        else
            return eai_error_set(err, EAI_ERR_FORMAT, "merges[%zu] is not a pair of texts", i);
    }
    return EAI_OK;
}

static eai_status read_unk_token(eai_tokenizer *t, const json_t *model, eai_error *err)
{
    const char *unk = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__field_text(&unk, &n, model, "unk_token", err));
    if (!unk)
        return EAI_OK;
    t->model_unk = t->unk = tokenizer__lookup(t, &t->by_text, unk, n);
    if (t->unk < 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "unk_token is '%.64s', which has no id", unk);
    return EAI_OK;
}

static eai_status read_bpe(eai_tokenizer *t, const json_t *model, eai_error *err)
{
    const char *prefix = "";
    const char *suffix = "";
    size_t n = 0;

    if (json_number_value(field(model, "dropout")) != 0.0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "dropout is %g, not 0 or null",
                             json_number_value(field(model, "dropout")));
    EAI_TRY(tokenizer__field_text(&prefix, &n, model, "continuing_subword_prefix", err));
    if (*prefix)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "continuing_subword_prefix is '%.64s', not '' or null", prefix);
    n = 0;
    EAI_TRY(tokenizer__field_text(&suffix, &n, model, "end_of_word_suffix", err));
    EAI_TRY(tokenizer__field_bool(&t->byte_fallback, model, "byte_fallback", err));
    EAI_TRY(tokenizer__field_bool(&t->fuse_unk, model, "fuse_unk", err));
    EAI_TRY(tokenizer__field_bool(&t->ignore_merges, model, "ignore_merges", err));
    if (n > TOKENIZER_MAX_SUFFIX || (n > 0 && t->byte_fallback))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "end_of_word_suffix is '%.64s', not up to %d bytes without "
                             "byte_fallback",
                             suffix, TOKENIZER_MAX_SUFFIX);
    memcpy(t->suffix, suffix, n);
    t->n_suffix = n;
    EAI_TRY(read_unk_token(t, model, err));
    return read_merges(t, model, err);
}

static eai_status read_unigram(eai_tokenizer *t, const json_t *model, eai_error *err)
{
    int64_t unk = -1;
    size_t n = json_array_size(json_object_get(model, "vocab"));

    t->model = &tokenizer__unigram;
    t->fuse_unk = true;
    EAI_TRY(tokenizer__field_bool(&t->byte_fallback, model, "byte_fallback", err));
    EAI_TRY(tokenizer__field_int(&unk, model, "unk_id", 0, (int64_t)n - 1, err));
    t->model_unk = t->unk = (int32_t)unk;
    return EAI_OK;
}

static eai_status read_model(eai_tokenizer *t, const json_t *model, const json_t *added,
                             eai_error *err)
{
    static const char *const names[] = {"BPE", "Unigram"};
    const json_t *vocab = field(model, "vocab");
    int kind = json_is_array(vocab); /* old files do not say */
    size_t n = 0;

    EAI_TRY(tokenizer__field_name(&kind, model, "type", names, 2, err));
    if (kind == 0 ? !json_is_object(vocab) : !json_is_array(vocab))
        return wrong_type(vocab, "vocab", kind == 0 ? "an object" : "an array", err);
    EAI_TRY(count_ids(&n, vocab, added, err));
    EAI_TRY(tokenizer__reserve_tokens(t, n, err));
    EAI_TRY(set_vocabulary(t, vocab, err));
    EAI_TRY(set_all_added(t, added, err));
    EAI_TRY(tokenizer__index_tokens(t, err));
    return kind == 0 ? read_bpe(t, model, err) : read_unigram(t, model, err);
}

/* --- the whole --- */

static eai_status read_root(eai_tokenizer *t, const json_t *root, eai_error *err)
{
    const json_t *model = field(root, "model");
    const json_t *added = field(root, "added_tokens");

    if (!json_is_object(model))
        return wrong_type(model, "model", "an object", err);
    if (added && !json_is_array(added))
        return wrong_type(added, "added_tokens", "an array", err);
    eai_status st = read_model(t, model, added, err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "model");
    EAI_TRY(parse_stages(t, root, err));
    if (t->byte_level && (t->model == &tokenizer__unigram || t->byte_fallback))
        return eai_error_set(
            err, EAI_ERR_UNSUPPORTED,
            "pre_tokenizer: 'ByteLevel' is supported with BPE without byte_fallback");
    return EAI_OK;
}

eai_status tokenizer__read_json(eai_tokenizer **out, const json_t *root, eai_error *err)
{
    eai_tokenizer *t = NULL;

    *out = NULL;
    EAI_TRY(tokenizer__new(&t, err));
    eai_status st = read_root(t, root, err);
    if (st == EAI_OK)
        *out = t;
    else
        eai_tokenizer_free(t);
    return st;
}

eai_status eai_tokenizer_parse_json(eai_tokenizer **out, const char *text, size_t n,
                                    const char *label, eai_error *err)
{
    json_t *root = NULL;
    eai_tokenizer *t = NULL;

    *out = NULL;
    EAI_TRY(eai_json_parse(&root, text, n, label, err));
    eai_status st = tokenizer__read_json(&t, root, err);
    json_decref(root);
    if (st == EAI_OK)
        st = tokenizer__finish(t, err);
    if (st == EAI_OK) {
        *out = t;
        return EAI_OK;
    }
    eai_tokenizer_free(t);
    return eai_error_context(err, st, "%s", label);
}
