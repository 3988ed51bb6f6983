/* The tokenizer on a small vocabulary of its own: all 256 bytes, some merges, some added tokens.
 * The comparison with HF on the real vocabulary is in test_tokenizer_lines.c. */
#include "support/eai_test.h"

#include <pthread.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

/* --- a small vocabulary --- */

/* Ids 0 to 255 are the bytes; then a token a merge; then the added ones. */
static const char *const merges[] = {"h e",   "l l",           "he ll",   "hell o", "a a",
                                     "aa aa", "a b",           "b c",     "ab c",   "\u0120 hello",
                                     "1 2",   "\u0120 \u0120", "\u0120 w"};
#define N_MERGES (sizeof(merges) / sizeof(merges[0]))
static const char *const added[] = {"<|end|>", "<|e", "<u>", "<u>u", "  "};
static const int32_t added_types[] = {EAI_TOKEN_CONTROL, EAI_TOKEN_CONTROL, EAI_TOKEN_USER_DEFINED,
                                      EAI_TOKEN_CONTROL, EAI_TOKEN_UNUSED};
#define N_ADDED  (sizeof(added) / sizeof(added[0]))
#define N_TOKENS (256 + N_MERGES + N_ADDED)
#define ID_END   ((int32_t)(256 + N_MERGES))
#define ID_E     (ID_END + 1)
#define ID_U     (ID_END + 2)
#define ID_UU    (ID_END + 3)

typedef struct vocabulary {
    char text[N_TOKENS][16];
    const char *tokens[N_TOKENS];
    int32_t types[N_TOKENS];
    eai_tokenizer_opts opts;
} vocabulary;

static size_t put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xC0 | c >> 6);
    out[1] = (char)(0x80 | (c & 0x3F));
    return 2;
}

static void make_vocabulary(vocabulary *v)
{
    unsigned next = 256;

    memset(v, 0, sizeof(*v));
    for (unsigned b = 0; b < 256; b++) {
        bool own = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;

        put_utf8(v->text[b], own ? b : next++);
    }
    for (size_t i = 0; i < N_MERGES; i++) {
        const char *space = strchr(merges[i] + 1, ' ');

        snprintf(v->text[256 + i], sizeof(v->text[0]), "%.*s%s", (int)(space - merges[i]),
                 merges[i], space + 1);
    }
    for (size_t i = 0; i < N_ADDED; i++)
        snprintf(v->text[256 + N_MERGES + i], sizeof(v->text[0]), "%s", added[i]);
    for (size_t i = 0; i < N_TOKENS; i++) {
        v->tokens[i] = v->text[i];
        v->types[i] = i < 256 + N_MERGES ? EAI_TOKEN_NORMAL : added_types[i - 256 - N_MERGES];
    }
    v->opts = (eai_tokenizer_opts)EAI_TOKENIZER_OPTS_INIT;
    v->opts.tokens = v->tokens;
    v->opts.token_types = v->types;
    v->opts.n_tokens = N_TOKENS;
    v->opts.merges = merges;
    v->opts.n_merges = N_MERGES;
    v->opts.bos = ID_E;
    v->opts.eos = ID_END;
    v->opts.pre = "smollm";
}

static eai_tokenizer *create(const vocabulary *v)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;

    assert_ok(eai_tokenizer_create(&t, &v->opts, &err), &err);
    return t;
}

static eai_tokenizer *create_default(void)
{
    vocabulary v;

    make_vocabulary(&v);
    return create(&v);
}

/* Encodes and compares with the pieces, written one after the other with '|' between. */
static void check_pieces(const eai_tokenizer *t, const char *text, unsigned flags,
                         const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char joined[512];
    size_t at = 0;
    int32_t *ids = NULL;
    size_t n = 0;

    assert_ok(eai_tokenizer_encode(&ids, &n, t, text, strlen(text), flags, &err), &err);
    joined[0] = '\0';
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(joined + at, sizeof(joined) - at, "%s%s", i ? "|" : "",
                               eai_tokenizer_piece(t, ids[i], NULL));
    assert_string_equal(joined, expected);
    eai_free(ids);
}

/* --- encoding --- */

static void test_merges_lowest_rank_first(void **state)
{
    eai_tokenizer *t = create_default();

    (void)state;
    check_pieces(t, "hello", 0, "hello");
    check_pieces(t, "hell", 0, "hell");
    check_pieces(t, "ell", 0, "e|ll");
    check_pieces(t, "aaaaaaa", 0, "aaaa|aa|a");
    check_pieces(t, "aab", 0, "aa|b"); /* "a a" goes before "a b" */
    check_pieces(t, "abc", 0, "abc");
    check_pieces(t, "", 0, "");
    eai_tokenizer_free(t);
}

static void test_words(void **state)
{
    eai_tokenizer *t = create_default();

    (void)state;
    check_pieces(t, "hello hello", 0, "hello| hello");
    check_pieces(t, "hello  hello", 0, "hello| | hello"); /* the word takes one space */
    check_pieces(t, "hello  12", 0, "hello|  |1|2");      /* digits stand alone */
    check_pieces(t, "hello12", 0, "hello|1|2");
    eai_tokenizer_free(t);
    vocabulary v;
    make_vocabulary(&v);
    v.opts.pre = "gpt-2";
    t = create(&v);
    check_pieces(t, "hello  12", 0, "hello| | |12");
    eai_tokenizer_free(t);
    v.opts.pre = "llama-bpe"; /* a word that is a token is taken whole */
    t = create(&v);
    check_pieces(t, "aab", 0, "aa|b");
    check_pieces(t, " w", 0, " w");
    eai_tokenizer_free(t);
}

static void test_added_tokens(void **state)
{
    eai_tokenizer *t = create_default();
    const unsigned parse = EAI_TOKENIZE_PARSE_SPECIAL;

    (void)state;
    check_pieces(t, "he<|end|>llo", parse, "he|<|end|>|ll|o");
    check_pieces(t, "<|end|", parse, "<|e|n|d||"); /* the longest that is there */
    check_pieces(t, "<|end|>", 0, "<|||e|n|d|||>");
    check_pieces(t, "<u>u", 0, "<u>|u"); /* user-defined tokens are always cut out */
    check_pieces(t, "<u>u", parse, "<u>u");
    check_pieces(t, "<<u><", parse, "<|<u>|<");
    eai_tokenizer_free(t);
}

static void test_special_ids_are_added_when_the_model_says_so(void **state)
{
    vocabulary v;
    eai_error err = EAI_ERROR_INIT;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;

    (void)state;
    make_vocabulary(&v);
    v.opts.add_bos = true;
    v.opts.add_eos = true;
    eai_tokenizer *t = create(&v);
    assert_ok(eai_tokenizer_encode_offsets(&ids, &starts, &n, t, "hello ab", 8,
                                           EAI_TOKENIZE_ADD_SPECIAL, &err),
              &err);
    const int32_t expected[] = {ID_E, 259, 32, 262, ID_END};
    const size_t expected_starts[] = {0, 0, 5, 6, 8};
    assert_int_equal(n, 5);
    assert_memory_equal(ids, expected, sizeof(expected));
    assert_memory_equal(starts, expected_starts, sizeof(expected_starts));
    eai_free(ids);
    eai_free(starts);
    assert_ok(eai_tokenizer_encode(&ids, &n, t, "", 0, 0, &err), &err);
    assert_int_equal(n, 0);
    assert_non_null(ids);
    eai_free(ids);
    eai_tokenizer_free(t);
}

/* The rule itself, written as plainly as possible. */
static size_t merge_naively(int32_t *ids, size_t n, const eai_tokenizer *t)
{
    for (;;) {
        for (size_t rank = 0; rank < N_MERGES; rank++) {
            char left[16];
            const char *space = strchr(merges[rank] + 1, ' ');

            snprintf(left, sizeof(left), "%.*s", (int)(space - merges[rank]), merges[rank]);
            int32_t a = eai_tokenizer_find(t, left, strlen(left));
            int32_t b = eai_tokenizer_find(t, space + 1, strlen(space + 1));
            for (size_t i = 0; i + 1 < n; i++) {
                if (ids[i] == a && ids[i + 1] == b) {
                    ids[i] = (int32_t)(256 + rank);
                    memmove(&ids[i + 1], &ids[i + 2], (n - i - 2) * sizeof(*ids));
                    n--;
                    goto again;
                }
            }
        }
        return n;
    again:;
    }
}

static void test_short_and_long_words_follow_the_rule(void **state)
{
    eai_tokenizer *t = create_default();
    eai_error err = EAI_ERROR_INIT;
    uint32_t seed = 1;

    (void)state;
    for (size_t round = 0; round < 400; round++) {
        char word[200];
        int32_t expected[200];
        size_t length = 1 + round % 199;
        int32_t *ids = NULL;
        size_t n = 0;

        for (size_t i = 0; i < length; i++) {
            seed = seed * 1664525u + 1013904223u;
            word[i] = "hellohelabcaa"[(seed >> 16) % 13];
            expected[i] = word[i];
        }
        size_t n_expected = merge_naively(expected, length, t);
        assert_ok(eai_tokenizer_encode(&ids, &n, t, word, length, 0, &err), &err);
        assert_int_equal(n, n_expected);
        assert_memory_equal(ids, expected, n * sizeof(*ids));
        eai_free(ids);
    }
    eai_tokenizer_free(t);
}

static void test_a_megabyte_without_a_space(void **state)
{
    enum { N = 1 << 20 };
    eai_tokenizer *t = create_default();
    eai_error err = EAI_ERROR_INIT;
    char *text = malloc(N);
    int32_t *ids = NULL;
    size_t n = 0;

    (void)state;
    memset(text, 'a', N);
    assert_ok(eai_tokenizer_encode(&ids, &n, t, text, N, 0, &err),
              &err); /* ctest's limit is the judge */
    assert_int_equal(n, N / 4);
    eai_free(ids);
    free(text);
    eai_tokenizer_free(t);
}

/* --- bytes that are no UTF-8 --- */

static void check_round_trip(const eai_tokenizer *t, const char *text, size_t n_text)
{
    eai_error err = EAI_ERROR_INIT;
    int32_t *ids = NULL;
    size_t n = 0;
    char *back = NULL;
    size_t n_back = 0;

    assert_ok(eai_tokenizer_encode(&ids, &n, t, text, n_text, EAI_TOKENIZE_PARSE_SPECIAL, &err),
              &err);
    assert_ok(eai_tokenizer_decode(&back, &n_back, t, ids, n, 0, &err), &err);
    assert_int_equal(n_back, n_text);
    assert_memory_equal(back, text, n_text);
    assert_int_equal(back[n_back], '\0');
    eai_free(ids);
    eai_free(back);
}

static void test_any_bytes_come_back(void **state)
{
    eai_tokenizer *t = create_default();
    uint32_t seed = 7;
    char text[64];

    (void)state;
    check_round_trip(t, "\xff\xfe\x80hello\xc3", 9);
    check_round_trip(t, "\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80",
                     10); /* surrogate, too large, overlong */
    check_round_trip(t, "a\0b", 3);
    for (size_t round = 0; round < 2000; round++) {
        size_t n = round % sizeof(text);

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = seed >> 16 & 1 ? (char)(seed >> 24) : "he llo<|end\n"[(seed >> 24) % 12];
        }
        check_round_trip(t, text, n);
    }
    eai_tokenizer_free(t);
}

static void test_a_byte_without_a_token_is_left_out(void **state)
{
    vocabulary v;

    (void)state;
    make_vocabulary(&v);
    v.tokens['x'] = "xyz"; /* no merge makes it */
    eai_tokenizer *t = create(&v);
    check_pieces(t, "hexllo", 0, "hello"); /* its neighbours meet, as in HF */
    check_pieces(t, "xx", 0, "");
    check_pieces(t, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0, "");
    eai_tokenizer_free(t);
}

/* --- decoding and look-ups --- */

static void test_decode(void **state)
{
    eai_tokenizer *t = create_default();
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n = 0;
    const int32_t ids[] = {265, ID_END, ID_U, 0xC3, 0xA9};
    const int32_t bad[] = {0, (int32_t)N_TOKENS};
    const int32_t negative[] = {-1};

    (void)state;
    assert_ok(eai_tokenizer_decode(&text, &n, t, ids, 5, 0, &err), &err);
    assert_string_equal(text, " hello<|end|><u>\u00e9");
    eai_free(text);
    assert_ok(eai_tokenizer_decode(&text, &n, t, ids, 5, EAI_DETOKENIZE_SKIP_SPECIAL, &err), &err);
    assert_string_equal(text, " hello<u>\u00e9");
    assert_int_equal(n, strlen(text));
    eai_free(text);
    assert_fails(eai_tokenizer_decode(&text, &n, t, bad, 2, 0, &err), EAI_ERR_ARGUMENT, &err,
                 "place 1");
    assert_null(text);
    assert_fails(eai_tokenizer_decode(&text, &n, t, negative, 1, 0, &err), EAI_ERR_ARGUMENT, &err,
                 "-1");
    eai_tokenizer_free(t);
}

static void test_unfinished_characters_are_held_back(void **state)
{
    (void)state;
    assert_int_equal(eai_utf8_complete("", 0), 0);
    assert_int_equal(eai_utf8_complete("abc", 3), 3);
    assert_int_equal(eai_utf8_complete("a\xc3", 2), 1);
    assert_int_equal(eai_utf8_complete("a\xc3\xa9", 3), 3);
    assert_int_equal(eai_utf8_complete("\xe2\x82", 2), 0);
    assert_int_equal(eai_utf8_complete("\xe2\x82\xac", 3), 3);
    assert_int_equal(eai_utf8_complete("x\xf0\x9f\x98", 4), 1);
    assert_int_equal(eai_utf8_complete("x\xf0\x9f\x98\x80", 5), 5);
    assert_int_equal(eai_utf8_complete("\xff", 1), 1); /* never becomes valid: no reason to wait */
    assert_int_equal(eai_utf8_complete("\x80\x80\x80\x80", 4), 4);
}

static void test_broken_characters_are_replaced(void **state)
{
    (void)state;
    static const char broken[] = "a\xc3\xa9\xff\xe2\x82\0b\xed\xa0\x80";
    static const char whole[] =
        "a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\0b\xef\xbf\xbd\xef\xbf\xbd"
        "\xef\xbf\xbd";
    size_t n = 0;
    char *text = eai_utf8_repair(&n, broken, sizeof(broken) - 1);
    assert_int_equal(n, sizeof(whole) - 1);
    assert_memory_equal(text, whole, sizeof(whole));
    eai_free(text);
    text = eai_utf8_repair(&n, NULL, 0);
    assert_string_equal(text, "");
    eai_free(text);
}

static void test_look_ups(void **state)
{
    eai_tokenizer *t = create_default();
    size_t n = 0;

    (void)state;
    assert_int_equal(eai_tokenizer_vocab_size(t), N_TOKENS);
    assert_int_equal(eai_tokenizer_find(t, "<|end|>", 7), ID_END);
    assert_int_equal(eai_tokenizer_find(t, "<|end|", 6), -1);
    assert_int_equal(eai_tokenizer_find(t, "\u0120hello", 7), 265);
    assert_string_equal(eai_tokenizer_token(t, 265, &n), "\u0120hello");
    assert_int_equal(n, 7);
    assert_string_equal(eai_tokenizer_piece(t, 265, &n), " hello");
    assert_int_equal(n, 6);
    assert_null(eai_tokenizer_piece(t, -1, &n));
    assert_null(eai_tokenizer_token(t, (int32_t)N_TOKENS, NULL));
    assert_int_equal(eai_tokenizer_type(t, ID_END), EAI_TOKEN_CONTROL);
    assert_int_equal(eai_tokenizer_type(t, ID_U), EAI_TOKEN_USER_DEFINED);
    assert_int_equal(eai_tokenizer_type(t, -5), EAI_TOKEN_UNUSED);
    assert_int_equal(eai_tokenizer_bos(t), ID_E);
    assert_int_equal(eai_tokenizer_eos(t), ID_END);
    assert_int_equal(eai_tokenizer_pad(t), -1);
    assert_true(eai_tokenizer_is_end(t, ID_END));
    assert_false(eai_tokenizer_is_end(t, ID_E));
    assert_false(eai_tokenizer_is_end(t, -1));
    assert_null(eai_tokenizer_chat_template(t, NULL));
    eai_tokenizer_free(t);
    eai_tokenizer_free(NULL);
}

static void test_a_token_may_hold_a_nul(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const char *const tokens[] = {"a", "b\0cdefghijklmnop"};
    const size_t bytes[] = {1, 16};
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;
    eai_tokenizer *t = NULL;
    size_t n = 0;

    (void)state;
    o.tokens = tokens;
    o.token_bytes = bytes;
    o.n_tokens = 2;
    assert_ok(eai_tokenizer_create(&t, &o, &err), &err);
    assert_memory_equal(eai_tokenizer_piece(t, 1, &n), tokens[1], 16);
    assert_int_equal(n, 16);
    assert_int_equal(eai_tokenizer_find(t, tokens[1], 16), 1);
    eai_tokenizer_free(t);
}

/* --- threads, bad input, memory --- */

static void *encode_many(void *ud)
{
    const eai_tokenizer *t = ud;
    size_t sum = 0;

    for (int i = 0; i < 500; i++) {
        eai_error err = EAI_ERROR_INIT;
        int32_t *ids = NULL;
        size_t n = 0;

        if (eai_tokenizer_encode(&ids, &n, t, "hello hello <u> 12 aaaa", 23, 0, &err) != EAI_OK)
            return NULL;
        sum += n;
        eai_free(ids);
    }
    return (void *)(uintptr_t)sum;
}

static void test_threads_share_a_tokenizer(void **state)
{
    eai_tokenizer *t = create_default();
    pthread_t threads[4];
    void *expected = encode_many(t);

    (void)state;
    assert_non_null(expected);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, t), 0);
    for (int i = 0; i < 4; i++) {
        void *sum = NULL;

        pthread_join(threads[i], &sum);
        assert_ptr_equal(sum, expected);
    }
    eai_tokenizer_free(t);
}

static void check_refused(const vocabulary *v, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;

    assert_fails(eai_tokenizer_create(&t, &v->opts, &err), code, &err, text);
    assert_null(t);
}

static void test_bad_vocabularies_are_refused(void **state)
{
    vocabulary v;
    const char *bad_merges[] = {"h e", "he", "h x9", " ", "h "};

    (void)state;
    make_vocabulary(&v);
    v.opts.n_tokens = 0;
    check_refused(&v, EAI_ERR_FORMAT, "0 tokens");
    make_vocabulary(&v);
    v.types[3] = 7;
    check_refused(&v, EAI_ERR_FORMAT, "token 3 has type 7");
    make_vocabulary(&v);
    v.opts.eos = (int32_t)N_TOKENS;
    check_refused(&v, EAI_ERR_FORMAT, "the eos token");
    make_vocabulary(&v);
    v.opts.pre = "nonsense";
    check_refused(&v, EAI_ERR_UNSUPPORTED, "smollm");
    make_vocabulary(&v);
    v.opts.merges = bad_merges;
    v.opts.n_merges = 2;
    check_refused(&v, EAI_ERR_FORMAT, "merge 1 is 'he'");
    bad_merges[1] = bad_merges[2];
    check_refused(&v, EAI_ERR_FORMAT, "no token 'x9'");
    bad_merges[1] = bad_merges[3];
    check_refused(&v, EAI_ERR_FORMAT, "merge 1");
    bad_merges[1] = bad_merges[4];
    check_refused(&v, EAI_ERR_FORMAT, "merge 1");
}

static void test_files_without_a_usable_tokenizer_are_refused(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_tokenizer *t = NULL;

    (void)state;
    assert_ok(eai_weights_create(&w, "some file", &err), &err);
    assert_fails(eai_tokenizer_from_weights(&t, w, &err), EAI_ERR_NOT_FOUND, &err,
                 "some file: tokenizer: the file has no tokenizer");
    assert_ok(eai_weights_set_string(w, "tokenizer.ggml.model", "bert", &err), &err);
    assert_fails(eai_tokenizer_from_weights(&t, w, &err), EAI_ERR_UNSUPPORTED, &err, "'bert'");
    assert_ok(eai_weights_set_string(w, "tokenizer.ggml.model", "gpt2", &err), &err);
    assert_fails(eai_tokenizer_from_weights(&t, w, &err), EAI_ERR_FORMAT, &err,
                 "tokenizer.ggml.tokens");
    assert_null(t);
    eai_weights_close(w);
}

static void test_every_named_pre_tokenizer_exists(void **state)
{
    (void)state;
    for (const char *const *name = eai_tokenizer_pre_names(); *name; name++) {
        vocabulary v;

        make_vocabulary(&v);
        v.opts.pre = *name;
        eai_tokenizer_free(create(&v));
    }
}

static eai_status create_and_use(void *ud, eai_error *err)
{
    const vocabulary *v = ud;
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;
    char *text = NULL;
    static const char word[] =
        "hello <u> 12 \xff aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "hellohellohellohellohellohellohellohellohellohellohellohellohellohellohellohello"
        " a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n";

    eai_status st = eai_tokenizer_create(&t, &v->opts, err);
    if (st == EAI_OK)
        st = eai_tokenizer_encode_offsets(&ids, &starts, &n, t, word, strlen(word), 0, err);
    if (st == EAI_OK)
        st = eai_tokenizer_decode(&text, &n, t, ids, n, 0, err);
    eai_free(text);
    eai_free(ids);
    eai_free(starts);
    eai_tokenizer_free(t);
    return st;
}

static void test_every_allocation_may_fail(void **state)
{
    vocabulary v;

    (void)state;
    make_vocabulary(&v);
    v.opts.pre = "llama-bpe"; /* has the most tables */
    v.opts.chat_template = "{{ messages }}";
    eai_test_torture(create_and_use, &v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges_lowest_rank_first),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_special_ids_are_added_when_the_model_says_so),
        cmocka_unit_test(test_short_and_long_words_follow_the_rule),
        cmocka_unit_test(test_a_megabyte_without_a_space),
        cmocka_unit_test(test_any_bytes_come_back),
        cmocka_unit_test(test_a_byte_without_a_token_is_left_out),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_unfinished_characters_are_held_back),
        cmocka_unit_test(test_broken_characters_are_replaced),
        cmocka_unit_test(test_look_ups),
        cmocka_unit_test(test_a_token_may_hold_a_nul),
        cmocka_unit_test(test_threads_share_a_tokenizer),
        cmocka_unit_test(test_bad_vocabularies_are_refused),
        cmocka_unit_test(test_files_without_a_usable_tokenizer_are_refused),
        cmocka_unit_test(test_every_named_pre_tokenizer_exists),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
