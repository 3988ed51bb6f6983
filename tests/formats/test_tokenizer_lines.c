/* The tokenizer against HF `tokenizers` on 10,000 lines of mixed text, with the vocabulary of the
 * default model.
 *
 * The lines are made here by the rules of tools/oracles/tokenizer_lines.py, which made the hashes
 * in tests/data/tokenizer_hashes.json; a hash over the lines proves that both made the same. When a
 * block differs, `tokenizer_lines.py MODEL --line N` shows a line and HF's ids of it. Each line is
 * also decoded again. */
#include "support/eai_test.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

/* --- the lines --- */

typedef struct text_row {
    const char *s;
    size_t n;
} text_row;

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }
#define COUNT(table) ((uint32_t)(sizeof(table) / sizeof((table)[0])))

static const uint32_t letters[][2] = {
    {0x0041, 0x005A},   {0x0061, 0x007A},   {0x00C0, 0x00D6},  {0x0100, 0x017F},
    {0x0250, 0x02AF},   {0x0391, 0x03A1},   {0x03B1, 0x03C9},  {0x0410, 0x044F},
    {0x0531, 0x0556},   {0x05D0, 0x05EA},   {0x0620, 0x064A},  {0x0905, 0x0939},
    {0x0995, 0x09A8},   {0x0B85, 0x0B8A},   {0x0E01, 0x0E30},  {0x0E81, 0x0E82},
    {0x0F40, 0x0F47},   {0x1000, 0x102A},   {0x10D0, 0x10FA},  {0x1100, 0x1159},
    {0x1200, 0x1248},   {0x13A0, 0x13EF},   {0x1780, 0x17B3},  {0x1820, 0x1842},
    {0x1E00, 0x1EFF},   {0x2C00, 0x2C2F},   {0x3041, 0x3096},  {0x30A1, 0x30FA},
    {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3},   {0xFF21, 0xFF3A},  {0x10330, 0x1034A},
    {0x10400, 0x1044F}, {0x1D400, 0x1D454}, {0x20000, 0x2A6D6}};
static const uint32_t marks[][2] = {{0x0300, 0x036F}, {0x064B, 0x0652}, {0x093E, 0x094D},
                                    {0x0E34, 0x0E3A}, {0x3099, 0x309A}, {0xFE00, 0xFE0F},
                                    {0x20D0, 0x20DC}};
static const uint32_t symbols[][2] = {{0x0021, 0x002F},     {0x003A, 0x0040},   {0x005B, 0x0060},
                                      {0x007B, 0x007E},     {0x00A1, 0x00A9},   {0x2010, 0x2027},
                                      {0x2030, 0x205E},     {0x20A0, 0x20BF},   {0x2190, 0x21FF},
                                      {0x2200, 0x22FF},     {0x2500, 0x257F},   {0x3001, 0x3003},
                                      {0x1F300, 0x1F5FF},   {0x1F600, 0x1F64F}, {0xE000, 0xE0FF},
                                      {0x100000, 0x1000FF}, {0xFFF9, 0xFFFD}};
static const uint32_t digits[] = {0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE};
static const uint32_t numbers[][2] = {{0x00B2, 0x00B3}, {0x00BC, 0x00BE}, {0x2160, 0x2188},
                                      {0x2460, 0x249B}, {0x3007, 0x3007}, {0x3021, 0x3029}};
static const uint32_t spaces[] = {0x20,   0x20,   0x20,   0x20,   0x9,    0xA,    0xA,
                                  0xD,    0xB,    0xC,    0x1C,   0x85,   0xA0,   0x1680,
                                  0x180E, 0x2000, 0x2003, 0x200A, 0x200B, 0x2028, 0x2029,
                                  0x202F, 0x205F, 0x3000, 0xFEFF};
static const text_row snippets[] = {
    TEXT("'s"),
    TEXT("'t"),
    TEXT("'re"),
    TEXT("'ve"),
    TEXT("'m"),
    TEXT("'ll"),
    TEXT("'d"),
    TEXT("'S"),
    TEXT("'LL"),
    TEXT("'\xC5\xBF"),
    TEXT("don't"),
    TEXT("I'd've"),
    TEXT("''s"),
    TEXT("\xE2\x80\x99s"),
    TEXT("\r\n"),
    TEXT("\n\n\n"),
    TEXT("  \n"),
    TEXT("\t\tif (x) {"),
    TEXT("for (int i = 0; i < 10; i++)"),
    TEXT("def f(x):\n    return x ** 2"),
    TEXT("#include <a.h>"),
    TEXT("0x1F"),
    TEXT("3.14159"),
    TEXT("1,000,000"),
    TEXT("https://example.org/a?b=c&d=%20"),
    TEXT("user@example.org"),
    TEXT("{\"key\": [1, 2.5, null]}"),
    TEXT("<div class=\"x\">"),
    TEXT("<!-- -->"),
    TEXT("a_b_c"),
    TEXT("CamelCase"),
    TEXT("C:\\dir\\file"),
    TEXT("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"),
    TEXT("\xF0\x9F\x8F\xB3\xEF\xB8\x8F\xE2\x80\x8D\xF0\x9F\x8C\x88"),
    TEXT("\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD"),
    TEXT("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA"),
    TEXT("1\xEF\xB8\x8F\xE2\x83\xA3"),
    TEXT("e\xCC\x81"),
    TEXT("\xC3\xA9"),
    TEXT("\xEF\xAC\x81"),
    TEXT("\xC4\xB0"),
    TEXT("\xC3\x9F"),
    TEXT("\x00"),
    TEXT("\x7F"),
    TEXT("\xC2\xAD"),
    TEXT("Stra\xC3\x9F"
         "e"),
    TEXT("na\xC3\xAFve"),
    TEXT("the quick brown fox"),
    TEXT(" jumps over"),
    TEXT(" the lazy dog"),
    TEXT("The capital of France is Paris."),
    TEXT(" "),
    TEXT("  ")};
static const text_row specials[] = {TEXT("<|im_start|>"),
                                    TEXT("<|im_end|>"),
                                    TEXT("<|endoftext|>"),
                                    TEXT("<repo_name>"),
                                    TEXT("<reponame>"),
                                    TEXT("<file_sep>"),
                                    TEXT("<filename>"),
                                    TEXT("<gh_stars>"),
                                    TEXT("<jupyter_code>"),
                                    TEXT("<empty_output>"),
                                    TEXT("<|im_"),
                                    TEXT("<|im_start|"),
                                    TEXT("<|im_start|>user\n"),
                                    TEXT("<|im_end|>\n<|im_start|>assistant\n"),
                                    TEXT("<<|im_end|>>"),
                                    TEXT("<|IM_END|>"),
                                    TEXT("<issue_closed"),
                                    TEXT("<issue_comment><issue_closed>")};

#define SEED     0x5EED0000u
#define MAX_LINE (1u << 16)

typedef struct line {
    uint64_t state; /* SplitMix64 */
    size_t n;
    char text[MAX_LINE];
} line;

static uint32_t pick(line *l, uint32_t n)
{
    uint64_t z = l->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static void put(line *l, uint32_t c)
{
    assert_true(l->n + 4 <= MAX_LINE);
    if (c < 0x80) {
        l->text[l->n++] = (char)c;
        return;
    }
    if (c < 0x800) {
        l->text[l->n++] = (char)(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            l->text[l->n++] = (char)(0xE0 | c >> 12);
        } else {
            l->text[l->n++] = (char)(0xF0 | c >> 18);
            l->text[l->n++] = (char)(0x80 | (c >> 12 & 0x3F));
        }
        l->text[l->n++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    l->text[l->n++] = (char)(0x80 | (c & 0x3F));
}

static void put_text(line *l, const text_row *row)
{
    assert_true(l->n + row->n <= MAX_LINE);
    memcpy(l->text + l->n, row->s, row->n);
    l->n += row->n;
}

static uint32_t pick_of(line *l, const uint32_t range[2])
{
    return range[0] + pick(l, range[1] - range[0] + 1);
}

/* One character of any of the ranges. */
static void put_any(line *l, const uint32_t (*ranges)[2], uint32_t n_ranges)
{
    put(l, pick_of(l, ranges[pick(l, n_ranges)]));
}

static void put_words(line *l, uint32_t kind)
{
    const uint32_t *script = letters[kind < 2 ? pick(l, 2) : pick(l, COUNT(letters))];

    for (uint32_t n = 1 + pick(l, 4); n > 0; n--) {
        put(l, ' ');
        for (uint32_t k = 1 + pick(l, 10); k > 0; k--)
            put(l, pick_of(l, script));
    }
}

static void put_marked(line *l)
{
    for (uint32_t n = 1 + pick(l, 4); n > 0; n--) {
        put_any(l, letters, COUNT(letters));
        for (uint32_t k = 1 + pick(l, 3); k > 0; k--)
            put_any(l, marks, COUNT(marks));
    }
}

static void put_run(line *l)
{
    uint32_t c = 0;

    if (pick(l, 2) == 0)
        c = pick_of(l, letters[pick(l, COUNT(letters))]);
    else
        c = pick_of(l, symbols[pick(l, COUNT(symbols))]);
    for (uint32_t n = 20 + pick(l, 200); n > 0; n--)
        put(l, c);
}

static void put_part(line *l)
{
    uint32_t kind = pick(l, 16);

    if (kind < 4) {
        put_words(l, kind);
    } else if (kind == 4) {
        for (uint32_t n = 1 + pick(l, 8); n > 0; n--)
            put_any(l, letters, COUNT(letters));
    } else if (kind == 5) {
        uint32_t zero = digits[pick(l, COUNT(digits))];

        for (uint32_t n = 1 + pick(l, 9); n > 0; n--)
            put(l, zero + pick(l, 10));
    } else if (kind == 6) {
        for (uint32_t n = 1 + pick(l, 4); n > 0; n--)
            put_any(l, numbers, COUNT(numbers));
    } else if (kind == 7) {
        for (uint32_t n = 1 + pick(l, 5); n > 0; n--)
            put(l, spaces[pick(l, COUNT(spaces))]);
    } else if (kind == 8) {
        for (uint32_t n = 1 + pick(l, 6); n > 0; n--)
            put_any(l, symbols, COUNT(symbols));
    } else if (kind == 9) {
        put_marked(l);
    } else if (kind < 13) {
        put_text(l, &snippets[pick(l, COUNT(snippets))]);
    } else if (kind == 13) {
        put_text(l, &specials[pick(l, COUNT(specials))]);
    } else if (kind == 14) {
        put_run(l);
    } else {
        for (uint32_t n = 1 + pick(l, 12); n > 0; n--)
            put(l, pick(l, 256));
    }
}

static void make_line(line *l, uint32_t i)
{
    l->state = SEED + i;
    l->n = 0;
    for (uint32_t n = 1 + pick(l, 12); n > 0; n--)
        put_part(l);
}

/* --- hashes --- */

static json_t *fixture;
static eai_weights *weights;

static void hash_u32(EVP_MD_CTX *h, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};

    EVP_DigestUpdate(h, b, sizeof(b));
}

static void hash_end(char hex[65], EVP_MD_CTX *h)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_DigestFinal_ex(h, digest, NULL), 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void test_lines_are_the_oracles_lines(void **state)
{
    static line l;
    char hex[65];
    EVP_MD_CTX *h = EVP_MD_CTX_new();

    (void)state;
    EVP_DigestInit_ex(h, EVP_sha256(), NULL);
    for (uint32_t i = 0; i < json_integer_value(json_object_get(fixture, "lines")); i++) {
        make_line(&l, i);
        hash_u32(h, (uint32_t)l.n);
        EVP_DigestUpdate(h, l.text, l.n);
    }
    hash_end(hex, h);
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

static void check_round_trip(const eai_tokenizer *t, const line *l, const int32_t *ids,
                             size_t n_ids)
{
    static char expected[MAX_LINE];
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
    static line l;
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

            make_line(&l, i);
            assert_ok(eai_tokenizer_encode(&ids, &n, t, l.text, l.n, flags, &err), &err);
            n_tokens += n;
            hash_u32(h, (uint32_t)n);
            for (size_t k = 0; k < n; k++)
                hash_u32(h, (uint32_t)ids[k]);
            if (i % 8 == 0)
                check_round_trip(t, &l, ids, n);
            eai_free(ids);
        }
        hash_end(hex, h);
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
    assert_int_equal(n, COUNT(expected));
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
        cmocka_unit_test(test_default_model),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
