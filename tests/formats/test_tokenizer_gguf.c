/* SentencePiece vocabularies in GGUF metadata: scores as merges, byte tokens, spaces, defaults, and
 * what is refused. The comparison with `sentencepiece` is in test_tokenizer_kinds.c. */
#include "support/eai_test.h"
#include "support/gguf_build.h"

#include <math.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

#define MAX_PIECES 16

typedef struct vocabulary {
    const char *model;
    const char *pieces[MAX_PIECES];
    float scores[MAX_PIECES];
    uint32_t types[MAX_PIECES];
    size_t n;
    size_t n_scores;
    int add_space_prefix, remove_extra; /* -1: the file does not say */
    const uint8_t *charsmap;
    size_t n_charsmap;
} vocabulary;

static vocabulary make_vocabulary(const char *model)
{
    static const char *const pieces[] = {"<unk>", "<s>", "</s>", "<0xC3>", "<0xA9>",  "\u2581",
                                         "a",     "b",   "ab",   "ba",     "\u2581a", "<u>"};
    static const float scores[] = {0, 0, 0, 0, 0, -1, -2, -3, -5, -4, -9, 0};
    static const uint32_t types[] = {2, 3, 3, 6, 6, 1, 1, 1, 1, 1, 1, 4};
    vocabulary v = {.model = model, .n = 12, .n_scores = 12};

    memcpy(v.pieces, pieces, sizeof(pieces));
    memcpy(v.scores, scores, sizeof(scores));
    memcpy(v.types, types, sizeof(types));
    v.add_space_prefix = v.remove_extra = -1;
    return v;
}

static void put_bool(gguf_build *b, const char *key, int value)
{
    if (value < 0)
        return;
    gguf_build_meta(b, key, GGUF_BOOL);
    gguf_build_bytes(b, &(uint8_t){(uint8_t)value}, 1);
}

static void build(gguf_build *b, const vocabulary *v)
{
    uint64_t n_meta =
        4 + (v->add_space_prefix >= 0) + (v->remove_extra >= 0) + (v->charsmap != NULL);

    gguf_build_header(b, 3, 0, n_meta);
    gguf_build_meta_string(b, "tokenizer.ggml.model", v->model);
    gguf_build_meta_array(b, "tokenizer.ggml.tokens", GGUF_STRING, v->n);
    for (size_t i = 0; i < v->n; i++)
        gguf_build_text(b, v->pieces[i]);
    gguf_build_meta_array(b, "tokenizer.ggml.scores", GGUF_F32, v->n_scores);
    gguf_build_bytes(b, v->scores, v->n_scores * sizeof(float));
    gguf_build_meta_array(b, "tokenizer.ggml.token_type", GGUF_I32, v->n);
    gguf_build_bytes(b, v->types, v->n * sizeof(uint32_t));
    put_bool(b, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
    put_bool(b, "tokenizer.ggml.remove_extra_whitespaces", v->remove_extra);
    if (v->charsmap) {
        gguf_build_meta_array(b, "tokenizer.ggml.precompiled_charsmap", GGUF_U8, v->n_charsmap);
        gguf_build_bytes(b, v->charsmap, v->n_charsmap);
    }
    gguf_build_pad(b, 32);
}

static eai_status read(eai_tokenizer **t, const vocabulary *v, eai_error *err)
{
    gguf_build b = {0};
    eai_weights *w = NULL;

    build(&b, v);
    eai_status st = eai_weights_parse(&w, b.data, b.n, "x.gguf", err);
    if (st == EAI_OK)
        st = eai_tokenizer_from_weights(t, w, err);
    eai_weights_close(w);
    gguf_build_free(&b);
    return st;
}

static void check(const vocabulary *v, const char *text, unsigned flags, const char *expected,
                  const char *decoded)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    char got[1024] = "";
    char *back = NULL;

    assert_ok(read(&t, v, &err), &err);
    assert_ok(eai_tokenizer_encode(&ids, &n, t, text, strlen(text), flags, &err), &err);
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(got);

        snprintf(got + at, sizeof(got) - at, "%s%s", i ? " " : "",
                 eai_tokenizer_token(t, ids[i], NULL));
    }
    assert_string_equal(got, expected);
    assert_ok(eai_tokenizer_decode(&back, NULL, t, ids, n, EAI_DETOKENIZE_SKIP_SPECIAL, &err),
              &err);
    assert_string_equal(back, decoded);
    eai_free(back);
    eai_free(ids);
    eai_tokenizer_free(t);
}

static void test_the_best_score_is_merged_first(void **state)
{
    vocabulary v = make_vocabulary("llama");

    (void)state;
    check(&v, "aba", 0, "\u2581a ba", "aba"); /* "ba" is better than "ab" */
    check(&v, "ab", 0, "\u2581 ab", "ab");
    check(&v, "aa", 0, "\u2581a a", "aa");
    v.scores[8] = v.scores[9]; /* equal: the left one */
    check(&v, "aba", 0, "\u2581 ab a", "aba");
}

static void test_bytes_and_unknown_characters(void **state)
{
    vocabulary v = make_vocabulary("llama");

    (void)state;
    check(&v, "\u00e9", 0, "\u2581 <0xC3> <0xA9>", "\u00e9");
    check(&v, "xyz", 0, "\u2581 <unk>", "<unk>"); /* no token for their bytes; one for a run */
}

static void test_spaces(void **state)
{
    vocabulary v = make_vocabulary("llama");

    (void)state;
    check(&v, "  b ", 0, "\u2581 \u2581 \u2581 b \u2581", "  b ");
    check(&v, "", 0, "", "");
    check(&v, "b<u>b", 0, "\u2581 b <u> \u2581 b",
          "b<u> b"); /* as llama.cpp: each piece has its own */
    v.add_space_prefix = 0;
    check(&v, " b", 0, "\u2581 b", " b");
    v = make_vocabulary("t5");
    check(&v, " b  b ", 0, "\u2581 \u2581 b \u2581 \u2581 b \u2581", " b  b ");
    v.remove_extra = 1;
    check(&v, " b  b ", 0, "\u2581 b \u2581 b", "b b");
}

/* A text that goes on from another gets no space, and keeps its own. */
static void test_continued_text(void **state)
{
    const unsigned on = EAI_TOKENIZE_CONTINUE;
    vocabulary v = make_vocabulary("llama");

    (void)state;
    check(&v, "b", on, "b", "b");
    check(&v, "", on, "", "");
    check(&v, " b", on, "\u2581 b", "b");
    check(&v, "b<u>b", on, "b <u> \u2581 b", "b<u> b"); /* behind a token it is as ever */
    check(&v, "<u>b", on, "<u> \u2581 b", "<u> b");
    v = make_vocabulary("t5");
    check(&v, "b a", on, "b \u2581 a", "b a");
    v.remove_extra = 1;
    check(&v, "b ", on, "b", "b");
    check(&v, "  b", on, "\u2581 b", "b");
}

static void test_special_tokens(void **state)
{
    const unsigned both = EAI_TOKENIZE_ADD_SPECIAL | EAI_TOKENIZE_PARSE_SPECIAL;
    vocabulary v = make_vocabulary("llama");

    (void)state;
    check(&v, "b</s>", both, "<s> \u2581 b </s>", "b");
    check(&v, "b", EAI_TOKENIZE_ADD_SPECIAL, "<s> \u2581 b", "b");
    v = make_vocabulary("t5"); /* its ids of eos and unk, where the file does not say: 1 and 2 */
    check(&v, "b", EAI_TOKENIZE_ADD_SPECIAL, "\u2581 b <s>", "b");
}

#define N_UNITS 512

/* A table with one key, "a", whose replacement begins at `at` of `texts`, which end with NUL. */
static void use_table(vocabulary *v, uint32_t at, const char *texts)
{
    static uint8_t table[4 + N_UNITS * 4 + 16];
    const uint32_t units[][2] = {
        {0, 1u << 10}, {1 ^ 'a', 'a' | 1u << 8 | 0x80u << 10}, {1 ^ 'a' ^ 0x80, 1u << 31 | at}};

    memset(table, 0, sizeof(table));
    table[1] = N_UNITS * 4 / 256;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 4; k++)
            table[4 + 4 * units[i][0] + k] = (uint8_t)(units[i][1] >> (8 * k));
    memcpy(table + 4 + N_UNITS * 4, texts, strlen(texts) + 1);
    v->charsmap = table;
    v->n_charsmap = 4 + N_UNITS * 4 + strlen(texts) + 1;
}

static void test_a_table_of_characters(void **state)
{
    vocabulary v = make_vocabulary("t5");

    (void)state;
    use_table(&v, 0, "b");
    check(&v, "ab", 0, "\u2581 b b", "bb");
    use_table(&v, 1, "\u00e9b");
    check(&v, "ab", 0, "\u2581 ab", "ab"); /* a part of a character replaces nothing */
}

static void check_refused(const vocabulary *v, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;

    assert_fails(read(&t, v, &err), code, &err, text);
    assert_null(t);
}

static void test_bad_files_are_refused(void **state)
{
    vocabulary v = make_vocabulary("llama");
    static char long_piece[1100];

    (void)state;
    v.n_scores = 5;
    check_refused(&v, EAI_ERR_FORMAT,
                  "x.gguf: tokenizer: tokenizer.ggml.scores has 5 entries for 12 tokens");
    v = make_vocabulary("llama");
    v.scores[3] = NAN;
    check_refused(&v, EAI_ERR_FORMAT, "tokenizer.ggml.scores[3] is not a number");
    v = make_vocabulary("llama");
    v.types[4] = 9;
    check_refused(&v, EAI_ERR_FORMAT, "token 4 has type 9, not 1 to 6");
    v = make_vocabulary("llama");
    memset(long_piece, 'a', sizeof(long_piece) - 1);
    v.pieces[8] = long_piece;
    check_refused(&v, EAI_ERR_LIMIT, "token 8 has 1099 bytes, more than 1024");
    v = make_vocabulary("llama");
    v.n = v.n_scores = 2;
    check_refused(&v, EAI_ERR_FORMAT, "the eos token is 2, but the vocabulary has 2 tokens");
    v = make_vocabulary("t5");
    v.charsmap = (const uint8_t *)"\xff\xff\xff\x7f";
    v.n_charsmap = 4;
    check_refused(&v, EAI_ERR_FORMAT, "precompiled_charsmap has 4 bytes and says");
    use_table(&v, 0, "b\xc3");
    check_refused(&v, EAI_ERR_FORMAT, "precompiled_charsmap: byte 1 of its texts is not UTF-8");
}

static eai_status read_and_use(void *ud, eai_error *err)
{
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    eai_status st = read(&t, ud, err);

    if (st == EAI_OK)
        st = eai_tokenizer_encode(&ids, &n, t, "ab \u00e9 ab", 9, 0, err);
    eai_free(ids);
    eai_tokenizer_free(t);
    return st;
}

static void test_every_allocation_may_fail(void **state)
{
    vocabulary v = make_vocabulary("llama");

    (void)state;
    eai_test_torture(read_and_use, &v);
    v.model = "t5";
    eai_test_torture(read_and_use, &v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_best_score_is_merged_first),
        cmocka_unit_test(test_bytes_and_unknown_characters),
        cmocka_unit_test(test_spaces),
        cmocka_unit_test(test_continued_text),
        cmocka_unit_test(test_special_tokens),
        cmocka_unit_test(test_a_table_of_characters),
        cmocka_unit_test(test_bad_files_are_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
