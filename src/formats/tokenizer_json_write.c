/* A tokenizer's files in Hugging Face's layout, from a GGUF file's metadata, or copied from the
 * folder of the base.
 *
 * tokenizer.json is a pipeline spelled out: added tokens, pre-tokenizer, model, post-processor,
 * decoder. GGUF only names the pre-tokenizer; tokenizer_pre.c has what each name stands for.
 * Merges are written as "left right" lines, which every version of `tokenizers` reads. Not here:
 * reading, and vocabularies of other kinds than byte-level BPE. Start at eai_tokenizer_write_files.
 */
#include <efficientai/tokenizer_files.h>

#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/strbuf.h"
#include "formats/tokenizer_internal.h"

#include "base/banned.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20)
#define COPY_BYTES_MAX ((size_t)256 << 20)

/* ---- tokenizer.json
 * ------------------------------------------------------------------------------- */

typedef struct source {
    const eai_tokenizer *t;
    const eai_weights *w;
    const tokenizer_pre *pre;
    eai_meta_strings merges;
    bool add_bos, add_eos;
} source;

static void write_token(eai_strbuf *b, const source *s, int32_t id)
{
    size_t n;
    const char *text = eai_tokenizer_token(s->t, id, &n);
    if (text)
        eai_strbuf_json_bytes(b, text, n);
    else
        eai_strbuf_text(b, "null");
}

static void write_pre_tokenizer(eai_strbuf *b, const tokenizer_pre *pre)
{
    eai_strbuf_text(b, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [\n");
    for (size_t i = 0; i < TOKENIZER_PRE_PATTERNS && pre->patterns[i]; i++) {
        eai_strbuf_text(b, "    {\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        eai_strbuf_json_string(b, pre->patterns[i]);
        eai_strbuf_text(b, "}, \"behavior\": \"Isolated\", \"invert\": false},\n");
    }
    eai_strbuf_text(b, "    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                       "\"trim_offsets\": true, \"use_regex\": false}\n  ]},\n");
}

static int32_t vocab_size(const source *s)
{
    return (int32_t)eai_tokenizer_vocab_size(s->t);
}

/* Cut out of text before anything else. Kinds as in tokenizer.ggml.token_type. */
static bool is_added(eai_token_type type)
{
    return type == EAI_TOKEN_CONTROL || type == EAI_TOKEN_USER_DEFINED || type == EAI_TOKEN_UNKNOWN;
}

static void write_added_token(eai_strbuf *b, const source *s, int32_t id)
{
    eai_strbuf_text(b, "\"content\": ");
    write_token(b, s, id);
    eai_strbuf_printf(b,
                      ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                      "\"normalized\": false, \"special\": %s}",
                      eai_tokenizer_type(s->t, id) == EAI_TOKEN_USER_DEFINED ? "false" : "true");
}

static void write_added(eai_strbuf *b, const source *s)
{
    const char *between = "\n";
    eai_strbuf_text(b, "  \"added_tokens\": [");
    for (int32_t id = 0; id < vocab_size(s); id++) {
        if (!is_added(eai_tokenizer_type(s->t, id)))
            continue;
        eai_strbuf_printf(b, "%s    {\"id\": %d, ", between, (int)id);
        write_added_token(b, s, id);
        between = ",\n";
    }
    eai_strbuf_text(b, "\n  ],\n");
}

/* Of tokens with the same text the last one counts, here as there. */
static void write_vocabulary(eai_strbuf *b, const source *s)
{
    const char *between = "\n";
    eai_strbuf_text(b, "    \"vocab\": {");
    for (int32_t id = 0; id < vocab_size(s); id++) {
        size_t n;
        const char *text = eai_tokenizer_token(s->t, id, &n);
        if (eai_tokenizer_find(s->t, text, n) != id)
            continue;
        eai_strbuf_printf(b, "%s      ", between);
        write_token(b, s, id);
        eai_strbuf_printf(b, ": %d", (int)id);
        between = ",\n";
    }
    eai_strbuf_text(b, "\n    },\n");
}

static void write_merges(eai_strbuf *b, const source *s)
{
    eai_strbuf_text(b, "    \"merges\": [");
    for (size_t i = 0; i < s->merges.n; i++) {
        eai_strbuf_text(b, i ? ",\n      " : "\n      ");
        eai_strbuf_json_bytes(b, s->merges.text[i], s->merges.bytes[i]);
    }
    eai_strbuf_text(b, "\n    ]\n");
}

static void write_special_id(eai_strbuf *b, const source *s, int32_t id, const char *between)
{
    eai_strbuf_printf(b, "%s      ", between);
    write_token(b, s, id);
    eai_strbuf_text(b, ": {\"id\": ");
    write_token(b, s, id);
    eai_strbuf_printf(b, ", \"ids\": [%d], \"tokens\": [", (int)id);
    write_token(b, s, id);
    eai_strbuf_text(b, "]}");
}

/* bos, the sequence, eos: as template rows. */
static void write_template(eai_strbuf *b, const source *s, char sequence, int type_id)
{
    if (s->add_bos) {
        eai_strbuf_text(b, "{\"SpecialToken\": {\"id\": ");
        write_token(b, s, eai_tokenizer_bos(s->t));
        eai_strbuf_printf(b, ", \"type_id\": %d}}, ", type_id);
    }
    eai_strbuf_printf(b, "{\"Sequence\": {\"id\": \"%c\", \"type_id\": %d}}", sequence, type_id);
    if (s->add_eos) {
        eai_strbuf_text(b, ", {\"SpecialToken\": {\"id\": ");
        write_token(b, s, eai_tokenizer_eos(s->t));
        eai_strbuf_printf(b, ", \"type_id\": %d}}", type_id);
    }
}

static void write_post_processor(eai_strbuf *b, const source *s)
{
    if (!s->add_bos && !s->add_eos) {
        eai_strbuf_text(b, "  \"post_processor\": null,\n");
        return;
    }
    eai_strbuf_text(b, "  \"post_processor\": {\n    \"type\": \"TemplateProcessing\",\n"
                       "    \"single\": [");
    write_template(b, s, 'A', 0);
    eai_strbuf_text(b, "],\n    \"pair\": [");
    write_template(b, s, 'A', 0);
    eai_strbuf_text(b, ", ");
    write_template(b, s, 'B', 1);
    eai_strbuf_text(b, "],\n    \"special_tokens\": {");
    if (s->add_bos)
        write_special_id(b, s, eai_tokenizer_bos(s->t), "\n");
    if (s->add_eos && !(s->add_bos && eai_tokenizer_bos(s->t) == eai_tokenizer_eos(s->t)))
        write_special_id(b, s, eai_tokenizer_eos(s->t), s->add_bos ? ",\n" : "\n");
    eai_strbuf_text(b, "\n    }\n  },\n");
}

static void write_tokenizer(eai_strbuf *b, const source *s)
{
    eai_strbuf_text(b, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n"
                       "  \"padding\": null,\n");
    write_added(b, s);
    eai_strbuf_text(b, "  \"normalizer\": null,\n");
    write_pre_tokenizer(b, s->pre);
    write_post_processor(b, s);
    eai_strbuf_text(b, "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, "
                       "\"trim_offsets\": true, \"use_regex\": true},\n");
    eai_strbuf_printf(b,
                      "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n"
                      "    \"unk_token\": null,\n    \"continuing_subword_prefix\": null,\n"
                      "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n"
                      "    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n",
                      s->pre->ignore_merges ? "true" : "false");
    write_vocabulary(b, s);
    write_merges(b, s);
    eai_strbuf_text(b, "  }\n}\n");
}

/* ---- The small files
 * ------------------------------------------------------------------------------ */

/* "bos_token": "<s>", and so on for those that there are. */
static void write_special_names(eai_strbuf *b, const source *s)
{
    const struct {
        const char *name;
        int32_t id;
    } rows[] = {
        {"bos_token", eai_tokenizer_bos(s->t)},
        {"eos_token", eai_tokenizer_eos(s->t)},
        {"pad_token", eai_tokenizer_pad(s->t)},
        {"unk_token", eai_tokenizer_unk(s->t)},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].id < 0)
            continue;
        eai_strbuf_printf(b, "  \"%s\": ", rows[i].name);
        write_token(b, s, rows[i].id);
        eai_strbuf_text(b, ",\n");
    }
}

static void write_additional(eai_strbuf *b, const source *s)
{
    const char *between = "";
    eai_strbuf_text(b, "  \"additional_special_tokens\": [");
    for (int32_t id = 0; id < vocab_size(s); id++) {
        if (eai_tokenizer_type(s->t, id) != EAI_TOKEN_CONTROL)
            continue;
        eai_strbuf_text(b, between);
        write_token(b, s, id);
        between = ", ";
    }
    eai_strbuf_text(b, "]");
}

static void write_special_map(eai_strbuf *b, const source *s)
{
    eai_strbuf_text(b, "{\n");
    write_special_names(b, s);
    write_additional(b, s);
    eai_strbuf_text(b, "\n}\n");
}

static void write_config(eai_strbuf *b, const source *s)
{
    size_t n;
    const char *chat = eai_tokenizer_chat_template(s->t, &n);
    const char *between = "\n";
    eai_strbuf_text(b, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                       "  \"add_prefix_space\": false,\n"
                       "  \"clean_up_tokenization_spaces\": false,\n");
    eai_strbuf_printf(b, "  \"add_bos_token\": %s,\n  \"add_eos_token\": %s,\n",
                      s->add_bos ? "true" : "false", s->add_eos ? "true" : "false");
    write_special_names(b, s);
    write_additional(b, s);
    if (chat) {
        eai_strbuf_text(b, ",\n  \"chat_template\": ");
        eai_strbuf_json_bytes(b, chat, n);
    }
    eai_strbuf_text(b, ",\n  \"added_tokens_decoder\": {");
    for (int32_t id = 0; id < vocab_size(s); id++) {
        if (!is_added(eai_tokenizer_type(s->t, id)))
            continue;
        eai_strbuf_printf(b, "%s    \"%d\": {", between, (int)id);
        write_added_token(b, s, id);
        between = ",\n";
    }
    eai_strbuf_text(b, "\n  }\n}\n");
}

/* The ids after which an answer is over, eos first; transformers takes a list too. */
static void write_generation(eai_strbuf *b, const source *s)
{
    int32_t eos = eai_tokenizer_eos(s->t);
    const char *between = "";
    eai_strbuf_text(b, "{\n  \"eos_token_id\": [");
    if (eos >= 0) {
        eai_strbuf_printf(b, "%d", (int)eos);
        between = ", ";
    }
    for (int32_t id = 0; id < vocab_size(s); id++) {
        if (id == eos || !eai_tokenizer_is_end(s->t, id))
            continue;
        eai_strbuf_printf(b, "%s%d", between, (int)id);
        between = ", ";
    }
    eai_strbuf_text(b, "]");
    if (eai_tokenizer_bos(s->t) >= 0)
        eai_strbuf_printf(b, ",\n  \"bos_token_id\": %d", (int)eai_tokenizer_bos(s->t));
    if (eai_tokenizer_pad(s->t) >= 0)
        eai_strbuf_printf(b, ",\n  \"pad_token_id\": %d", (int)eai_tokenizer_pad(s->t));
    eai_strbuf_text(b, "\n}\n");
}

static eai_status write_file(void (*fill)(eai_strbuf *b, const source *s), const source *s,
                             const char *folder, const char *name, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_BYTES_MAX);
    char *path = eai_path_join(folder, name);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    fill(&b, s);
    eai_status st = eai_strbuf_check(&b, name, err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, eai_strbuf_get(&b), b.length, err);
    eai_strbuf_deinit(&b);
    eai_free(path);
    return st;
}

static eai_status convert(bool *written, const eai_tokenizer *t, const eai_weights *w,
                          const char *folder, eai_error *err)
{
    source s = {.t = t,
                .w = w,
                .pre = tokenizer__find_pre(eai_weights_get_string(w, "tokenizer.ggml.pre"))};
    const char *model = eai_weights_get_string(w, "tokenizer.ggml.model");

    if (!t || !s.pre || strcmp(model, "gpt2") != 0 ||
        !eai_weights_get_strings(&s.merges, w, "tokenizer.ggml.merges"))
        return EAI_OK;
    /* llama.cpp's default where the file does not say */
    if (!eai_weights_get_bool(&s.add_bos, w, "tokenizer.ggml.add_bos_token"))
        s.add_bos = strcmp(s.pre->name, "llama-bpe") == 0;
    if (!eai_weights_get_bool(&s.add_eos, w, "tokenizer.ggml.add_eos_token"))
        s.add_eos = false;
    s.add_bos = s.add_bos && eai_tokenizer_bos(t) >= 0;
    s.add_eos = s.add_eos && eai_tokenizer_eos(t) >= 0;
    EAI_TRY(write_file(write_tokenizer, &s, folder, "tokenizer.json", err));
    EAI_TRY(write_file(write_config, &s, folder, "tokenizer_config.json", err));
    EAI_TRY(write_file(write_special_map, &s, folder, "special_tokens_map.json", err));
    EAI_TRY(write_file(write_generation, &s, folder, "generation_config.json", err));
    *written = true;
    return EAI_OK;
}

/* ---- Copying
 * -------------------------------------------------------------------------------------- */

static eai_status copy_file(bool *copied, const char *from, const char *folder, const char *name,
                            eai_error *err)
{
    eai_status st = EAI_OK;
    char *text = NULL;
    size_t n = 0;
    char *source_path = eai_path_join(from, name);
    char *target_path = eai_path_join(folder, name);

    *copied = false;
    if (!source_path || !target_path) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        goto done;
    }
    if (!eai_fs_exists(source_path))
        goto done;
    st = eai_fs_read_file(&text, &n, source_path, COPY_BYTES_MAX, err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(target_path, text, n, err);
    *copied = st == EAI_OK;
done:
    eai_free(text);
    eai_free(source_path);
    eai_free(target_path);
    return st;
}

/* The files beside the weights; tokenizer.json is what makes them a tokenizer. */
static eai_status copy_files(bool *written, const eai_weights *w, const char *folder,
                             eai_error *err)
{
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "chat_template.jinja",
                                        "generation_config.json",
                                        "tokenizer.model",
                                        "vocab.json",
                                        "merges.txt"};
    const char *path = eai_weights_path(w);
    const char *slash = strrchr(path, '/');
    char *from = eai_fs_is_folder(path) ? eai_strdup(path)
                 : slash                ? eai_strndup(path, (size_t)(slash - path) + 1)
                                        : eai_strdup(".");
    if (!from)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = EAI_OK;
    for (size_t i = 0; st == EAI_OK && i < sizeof(names) / sizeof(names[0]); i++) {
        bool copied;
        st = copy_file(&copied, from, folder, names[i], err);
        *written = *written || (i == 0 && copied);
    }
    eai_free(from);
    return st;
}

eai_status eai_tokenizer_write_files(bool *written, const eai_tokenizer *t, const eai_weights *w,
                                     const char *folder, eai_error *err)
{
    *written = false;
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    if (eai_weights_get_string(w, "tokenizer.ggml.model"))
        return convert(written, t, w, folder, err);
    return eai_weights_get_string(w, "general.architecture") ? EAI_OK
                                                             : copy_files(written, w, folder, err);
}
