/* The tokenizer against HF `tokenizers` on 10,000 lines of mixed text, with the vocabulary of the
 * default model.
 *
 * The lines are made by tests/support/tokenizer_lines.c and tools/oracles/tokenizer_lines.py, which
 * made the hashes in tests/data/tokenizer_hashes.json; a hash over the lines proves that both made
 * the same. When a block differs, `tokenizer_lines.py MODEL --line N` shows a line and HF's ids of
 * it. Each line is also decoded again. */
#include "support/eai_test.h"
#include "support/tokenizer_lines.h"

#include <jansson.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

static json_t *fixture;
static eai_weights *weights;

static void test_lines_are_the_oracles_lines(void **state)
{
    static tokenizer_line l;
    char hex[65];
    EVP_MD_CTX *h = EVP_MD_CTX_new();

    (void)state;
    EVP_DigestInit_ex(h, EVP_sha256(), NULL);
    for (uint32_t i = 0; i < json_integer_value(json_object_get(fixture, "lines")); i++) {
        tokenizer_line_make(&l, i);
        tokenizer_hash_u32(h, (uint32_t)l.n);
        EVP_DigestUpdate(h, l.text, l.n);
    }
    tokenizer_hash_end(hex, h);
    EVP_MD_CTX_free(h);
    assert_string_equal(hex, json_string_value(json_object_get(fixture, "lines_sha256")));
}

static eai_tokenizer *make_tokenizer(const char *pre)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;
    eai_meta_strings tokens;
    eai_meta_strings merges;
    eai_tokenizer *t = NULL;
    size_t n = 0;

    assert_true(eai_weights_get_strings(&tokens, weights, "tokenizer.ggml.tokens"));
    assert_true(eai_weights_get_strings(&merges, weights, "tokenizer.ggml.merges"));
    const int64_t *types = eai_weights_get_ints(&n, weights, "tokenizer.ggml.token_type");
    assert_int_equal(n, tokens.n);
    int32_t *types32 = eai_alloc_array(n, sizeof(*types32));
    for (size_t i = 0; i < n; i++)
        types32[i] = (int32_t)types[i];
    o.tokens = tokens.text;
    o.token_bytes = tokens.bytes;
    o.token_types = types32;
    o.n_tokens = tokens.n;
    o.merges = merges.text;
    o.merge_bytes = merges.bytes;
    o.n_merges = merges.n;
    o.pre = pre;
    assert_ok(eai_tokenizer_create(&t, &o, &err), &err);
    eai_free(types32);
    return t;
}

/* The bytes of the text that have a token: the others are left out. */
static size_t drop_bytes_without_token(char *out, const eai_tokenizer *t, const char *s, size_t n)
{
    bool has[256] = {false};
    size_t kept = 0;

    for (size_t id = 0; id < eai_tokenizer_vocab_size(t); id++) {
        size_t n_piece = 0;
        const char *piece = eai_tokenizer_piece(t, (int32_t)id, &n_piece);

        if (n_piece == 1)
            has[(unsigned char)piece[0]] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (has[(unsigned char)s[i]])
            out[kept++] = s[i];
    return kept;
}

static void check_round_trip(const eai_tokenizer *t, const tokenizer_line *l, const int32_t *ids,
                             size_t n_ids)
{
    static char expected[TOKENIZER_LINE_MAX];
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    size_t n_expected = drop_bytes_without_token(expected, t, l->text, l->n);

    assert_ok(eai_tokenizer_decode(&text, &n, t, ids, n_ids, EAI_DETOKENIZE_PLAIN, &err), &err);
    assert_int_equal(n, n_expected);
    assert_memory_equal(text, expected, n);
    eai_free(text);
}

static void compare(const char *variant, const char *pre, unsigned flags)
{
    static tokenizer_line l;
    const json_t *hashes = json_object_get(json_object_get(fixture, "blocks"), variant);
    uint32_t block = (uint32_t)json_integer_value(json_object_get(fixture, "block"));
    uint32_t n_lines = (uint32_t)json_integer_value(json_object_get(fixture, "lines"));
    eai_tokenizer *t = make_tokenizer(pre);
    eai_error err = EAI_ERROR_INIT;
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    size_t n_tokens = 0;
    int n_wrong = 0;

    assert_int_equal(json_array_size(hashes) * block, n_lines);
    for (uint32_t start = 0; start < n_lines; start += block) {
        char hex[65];

        EVP_DigestInit_ex(h, EVP_sha256(), NULL);
        for (uint32_t i = start; i < start + block; i++) {
            int32_t *ids = NULL;
            size_t n = 0;

            tokenizer_line_make(&l, i);
            assert_ok(eai_tokenizer_encode(&ids, &n, t, l.text, l.n, flags, &err), &err);
            n_tokens += n;
            tokenizer_hash_u32(h, (uint32_t)n);
            for (size_t k = 0; k < n; k++)
                tokenizer_hash_u32(h, (uint32_t)ids[k]);
            if (i % 8 == 0)
                check_round_trip(t, &l, ids, n);
            eai_free(ids);
        }
        tokenizer_hash_end(hex, h);
        hex[16] = '\0';
        if (strcmp(hex, json_string_value(json_array_get(hashes, start / block))) != 0) {
            n_wrong++;
            print_error("%s: lines %u to %u differ from HF\n", variant, start, start + block - 1);
        }
    }
    assert_int_equal(
        n_tokens, json_integer_value(json_object_get(json_object_get(fixture, "tokens"), variant)));
    assert_int_equal(n_wrong, 0);
    EVP_MD_CTX_free(h);
    eai_tokenizer_free(t);
}

static void test_smollm(void **state)
{
    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    compare("smollm", "smollm", EAI_TOKENIZE_PARSE_SPECIAL);
}

static void test_special_tokens_as_text(void **state)
{
    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    compare("smollm, special tokens as text", "smollm", EAI_TOKENIZE_PLAIN);
}

static void test_gpt2(void **state)
{
    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    compare("gpt-2", "gpt-2", EAI_TOKENIZE_PARSE_SPECIAL);
}

static void test_llama_bpe(void **state)
{
    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    compare("llama-bpe", "llama-bpe", EAI_TOKENIZE_PARSE_SPECIAL);
}

static void test_qwen2(void **state)
{
    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    compare("qwen2", "qwen2", EAI_TOKENIZE_PARSE_SPECIAL);
}

static void test_rows_of_pre_tokenizers(void **state)
{
    static const char *const names[] = {"tekken", "gpt-4o", "deepseek-llm", "deepseek-coder",
                                        "deepseek-v3"};

    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        compare(names[i], names[i], EAI_TOKENIZE_PARSE_SPECIAL);
}

/* --- the default model's own tokenizer --- */

static void test_default_model(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;
    static const char text[] = "<|im_start|>user\nIt's 2024.<|im_end|>";
    static const int32_t expected[] = {1, 4093, 198, 1589, 506, 216, 34, 32, 34, 36, 30, 2};
    static const size_t expected_starts[] = {0, 12, 16, 17, 19, 21, 22, 23, 24, 25, 26, 27};

    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    assert_ok(eai_tokenizer_from_weights(&t, weights, &err), &err);
    assert_int_equal(eai_tokenizer_vocab_size(t), 49152);
    assert_int_equal(eai_tokenizer_bos(t), 1);
    assert_int_equal(eai_tokenizer_eos(t), 2);
    assert_int_equal(eai_tokenizer_pad(t), 2);
    assert_int_equal(eai_tokenizer_unk(t), 0);
    assert_true(eai_tokenizer_is_end(t, 2));
    assert_true(eai_tokenizer_is_end(t, 0));
    assert_false(eai_tokenizer_is_end(t, 1));
    assert_non_null(strstr(eai_tokenizer_chat_template(t, NULL), "add_generation_prompt"));
    assert_ok(eai_tokenizer_encode_offsets(&ids, &starts, &n, t, text, strlen(text),
                                           EAI_TOKENIZE_PARSE_SPECIAL | EAI_TOKENIZE_ADD_SPECIAL,
                                           &err),
              &err); /* add_bos is false in this file */
    assert_int_equal(n, sizeof(expected) / sizeof(expected[0]));
    assert_memory_equal(ids, expected, sizeof(expected));
    assert_memory_equal(starts, expected_starts, sizeof(expected_starts));
    eai_free(ids);
    eai_free(starts);
    eai_tokenizer_free(t);
}

static int setup(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    json_error_t where;

    (void)state;
    fixture = json_load_file(EAI_TEST_DATA "/tokenizer_hashes.json", 0, &where);
    if (!fixture)
        return -1;
    if (eai_test_model_path() &&
        eai_weights_open(&weights, eai_test_model_path(), &err) != EAI_OK) {
        print_error("%s\n", err.message);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(fixture);
    eai_weights_close(weights);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_the_oracles_lines),
        cmocka_unit_test(test_smollm),
        cmocka_unit_test(test_special_tokens_as_text),
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_llama_bpe),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_rows_of_pre_tokenizers),
        cmocka_unit_test(test_default_model),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
