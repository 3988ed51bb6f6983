/* Small tokenizers of every kind against HF `tokenizers` and `sentencepiece`: ids and decoded text
 * of 3,000 lines of mixed text each.
 *
 * tools/oracles/tokenizer_kinds.py trained the tokenizers in tests/data/tokenizers and made the
 * hashes in hashes.json there. When a block differs, `tokenizer_kinds.py --line N --variant NAME`
 * shows a line and what it should become. */
#include "support/eai_test.h"
#include "support/tokenizer_lines.h"

#include <jansson.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>

#define FOLDER EAI_TEST_DATA "/tokenizers/"

static json_t *fixture;

static eai_tokenizer *load(const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    char path[1024];
    const json_t *kind = json_object_get(json_object_get(fixture, "kinds"), name);

    snprintf(path, sizeof(path), FOLDER "%s", json_string_value(json_object_get(kind, "file")));
    assert_ok(eai_tokenizer_load(&t, path, &err), &err);
    return t;
}

static bool holds(const int32_t *ids, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static bool holds_replacement(const char *text, size_t n)
{
    for (size_t i = 0; i + 3 <= n; i++)
        if (memcmp(text + i, "\xEF\xBF\xBD", 3) == 0)
            return true;
    return false;
}

/* Texts that hold U+FFFD or no UTF-8 count as "?": see hash_text() of the script. */
static void hash_text(EVP_MD_CTX *h, const char *text, size_t n)
{
    bool whole = eai_utf8_complete(text, n) == n;
    json_t *valid = json_stringn(text, n);

    if (!valid || !whole || holds_replacement(text, n)) {
        text = "?";
        n = 1;
    }
    json_decref(valid);
    tokenizer_hash_u32(h, (uint32_t)n);
    EVP_DigestUpdate(h, text, n);
}

/* Streamed pieces have to add up to the decoded text. */
static void check_pieces(const eai_tokenizer *t, const int32_t *ids, size_t n_ids, const char *text,
                         size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n_ids; i++) {
        size_t n_piece = 0;
        const char *piece = i == 0 ? eai_tokenizer_first_piece(t, ids[i], &n_piece)
                                   : eai_tokenizer_piece(t, ids[i], &n_piece);

        assert_true(at + n_piece <= n);
        assert_memory_equal(text + at, piece, n_piece);
        at += n_piece;
    }
    assert_int_equal(at, n);
}

static void hash_line(EVP_MD_CTX *h, size_t *n_tokens, const eai_tokenizer *t, uint32_t i,
                      unsigned flags)
{
    static tokenizer_line l;
    eai_error err = EAI_ERROR_INIT;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;
    char *text = NULL;
    size_t n_text = 0;

    tokenizer_line_make(&l, i);
    assert_ok(eai_tokenizer_encode_offsets(&ids, &starts, &n, t, l.text, l.n, flags, &err), &err);
    assert_ok(eai_tokenizer_decode(&text, &n_text, t, ids, n, EAI_DETOKENIZE_PLAIN, &err), &err);
    tokenizer_hash_u32(h, (uint32_t)n);
    for (size_t k = 0; k < n; k++) {
        tokenizer_hash_u32(h, (uint32_t)ids[k]);
        assert_true(starts[k] <= l.n && (k == 0 || starts[k - 1] <= starts[k]));
    }
    if (flags == EAI_TOKENIZE_PLAIN && holds(ids, n, 0)) /* sentencepiece writes U+2047 for unk */
        hash_text(h, "?", 1);
    else
        hash_text(h, text, n_text);
    if (n > 0)
        check_pieces(t, ids, n, text, n_text);
    *n_tokens += n;
    eai_free(ids);
    eai_free(starts);
    eai_free(text);
}

static void compare(const char *name, unsigned flags)
{
    const json_t *kind = json_object_get(json_object_get(fixture, "kinds"), name);
    const json_t *hashes = json_object_get(kind, "blocks");
    uint32_t block = (uint32_t)json_integer_value(json_object_get(fixture, "block"));
    uint32_t n_lines = (uint32_t)json_integer_value(json_object_get(fixture, "lines"));
    eai_tokenizer *t = load(name);
    EVP_MD_CTX *h = EVP_MD_CTX_new();
    size_t n_tokens = 0;
    int n_wrong = 0;

    assert_int_equal(json_array_size(hashes) * block, n_lines);
    for (uint32_t start = 0; start < n_lines; start += block) {
        char hex[65];

        EVP_DigestInit_ex(h, EVP_sha256(), NULL);
        for (uint32_t i = start; i < start + block; i++)
            hash_line(h, &n_tokens, t, i, flags);
        tokenizer_hash_end(hex, h);
        hex[16] = '\0';
        if (strcmp(hex, json_string_value(json_array_get(hashes, start / block))) != 0) {
            n_wrong++;
            print_error("%s: lines %u to %u differ\n", name, start, start + block - 1);
        }
    }
    EVP_MD_CTX_free(h);
    eai_tokenizer_free(t);
    assert_int_equal(n_tokens, json_integer_value(json_object_get(kind, "tokens")));
    assert_int_equal(n_wrong, 0);
}

#define HF (EAI_TOKENIZE_ADD_SPECIAL | EAI_TOKENIZE_PARSE_SPECIAL)

#define TEST(name, flags)                                                                          \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        compare(#name, flags);                                                                     \
    }
TEST(llama3, HF)
TEST(qwen2, HF)
TEST(llama2, HF)
TEST(mistral, HF)
TEST(gemma, HF)
TEST(metaspace, HF)
TEST(folded, HF)
TEST(splits, HF)
TEST(clip, HF)
TEST(added, HF)
TEST(unigram_bytes, HF)
TEST(unigram_charsmap, HF)
TEST(sentencepiece_bpe, EAI_TOKENIZE_PLAIN)
TEST(sentencepiece_unigram, EAI_TOKENIZE_PLAIN)

static int setup(void **state)
{
    json_error_t where;

    (void)state;
    fixture = json_load_file(FOLDER "hashes.json", 0, &where);
    return fixture ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama3),
        cmocka_unit_test(test_qwen2),
        cmocka_unit_test(test_llama2),
        cmocka_unit_test(test_mistral),
        cmocka_unit_test(test_gemma),
        cmocka_unit_test(test_metaspace),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_added),
        cmocka_unit_test(test_unigram_bytes),
        cmocka_unit_test(test_unigram_charsmap),
        cmocka_unit_test(test_sentencepiece_bpe),
        cmocka_unit_test(test_sentencepiece_unigram),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
