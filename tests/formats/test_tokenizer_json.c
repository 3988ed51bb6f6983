/* tokenizer.json by hand: what each field does, what is refused and with which words, and folders
 * in Hugging Face's layout. The comparison with HF on trained tokenizers is in
 * test_tokenizer_kinds.c. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/chat.h>
#include <efficientai/fs.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

/* A model of the letters a to d, "ab" and "abc", a mark, and an unknown token. */
#define VOCAB                                                                                      \
    "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"c\":3,\"ab\":4,\"abc\":5,\"\u2581\":6,\"d\":7}"
#define MERGES "\"merges\":[\"a b\",[\"ab\",\"c\"]]"
#define BPE    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\"," VOCAB "," MERGES "}"
#define UNIGRAM                                                                                    \
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"a\",-1],[\"b\",-1."  \
    "5],"                                                                                          \
    "[\"ab\",-2],[\"\u2581\",-3],[\"\u2581a\",-3.5]]}"
#define ADDED(content, id, more)                                                                   \
    "{\"id\":" #id ",\"content\":\"" content "\",\"special\":true" more "}"
#define METASPACE "\"pre_tokenizer\":{\"type\":\"Metaspace\"}"

static eai_tokenizer *parse(const char *json)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;

    assert_ok(eai_tokenizer_parse_json(&t, json, strlen(json), "x.json", &err), &err);
    return t;
}

/* Encodes and compares with token texts, a blank between, and with the places that they start at.
 */
static void check_with(const char *json, const char *text, unsigned flags, const char *expected,
                       const size_t *expected_starts)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = parse(json);
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;
    char got[1024] = "";

    assert_ok(eai_tokenizer_encode_offsets(&ids, &starts, &n, t, text, strlen(text), flags, &err),
              &err);
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(got);

        snprintf(got + at, sizeof(got) - at, "%s%s", i ? " " : "",
                 eai_tokenizer_token(t, ids[i], NULL));
        if (expected_starts)
            assert_int_equal(starts[i], expected_starts[i]);
    }
    assert_string_equal(got, expected);
    eai_free(ids);
    eai_free(starts);
    eai_tokenizer_free(t);
}

static void check(const char *json, const char *text, const char *expected,
                  const size_t *expected_starts)
{
    check_with(json, text, EAI_TOKENIZE_PARSE_SPECIAL | EAI_TOKENIZE_ADD_SPECIAL, expected,
               expected_starts);
}

/* A text that goes on from another: what puts something in front of a text, or takes spaces off
 * it, does not at its start. */
static void test_continued_text(void **state)
{
    const unsigned on = EAI_TOKENIZE_CONTINUE | EAI_TOKENIZE_PARSE_SPECIAL;
    (void)state;
    check_with("{" UNIGRAM "," METASPACE "}", "a ab", on, "a \u2581 ab", (size_t[]){0, 1, 2});
    check_with("{" UNIGRAM "," METASPACE "}", " a", on, "\u2581a", NULL);
    check_with("{" BPE ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"prepend_scheme\":\"first\"}}",
               "ab", on, "ab", NULL);
    check_with("{" BPE "," METASPACE ",\"added_tokens\":[" ADDED("<s>", 8, "") "]}", "a<s>b", on,
               "a <s> \u2581 b", NULL);
    check_with("{" BPE ",\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}}", "ab", on,
               "ab", (size_t[]){0});
    check_with("{" BPE ",\"normalizer\":{\"type\":\"Strip\"}}", " ab ", on, "<unk> ab", NULL);
    check_with("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\u0120\":0,\"a\":1},\"merges\":[]},"
               "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}",
               "a a", on, "a \u0120 a", NULL);
}

static void test_models(void **state)
{
    (void)state;
    check("{" BPE "}", "abcab", "abc ab", (size_t[]){0, 3});
    check("{" BPE "}", "xya", "<unk> <unk> a", (size_t[]){0, 1, 2});
    check("{" UNIGRAM "}", "ab", "ab", NULL);
    check("{" UNIGRAM "}", "xy\u00e9a", "<unk> a", (size_t[]){0, 4}); /* a run is one unknown */
    check("{" UNIGRAM "," METASPACE "}", "a ab", "\u2581a \u2581 ab", (size_t[]){0, 1, 2});
}

static void test_starts_of_normalized_text(void **state)
{
    (void)state;
    check("{" BPE ",\"normalizer\":{\"type\":\"Lowercase\"}}", "ABC", "abc", (size_t[]){0});
    check("{" BPE ",\"normalizer\":{\"type\":\"Strip\"}}", "  ab ", "ab", (size_t[]){2});
    check("{" BPE ",\"normalizer\":{\"type\":\"NFKC\"}}", "\uFF41\uFF42 c", "ab <unk> c",
          (size_t[]){0, 6, 7});
    check("{" BPE ",\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\u2581\"}}", "ab",
          "\u2581 ab", (size_t[]){0, 0});
    check("{" BPE ",\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"xx\"},"
          "\"content\":\"abc\"}}",
          "axxb", "a abc b", (size_t[]){0, 1, 3});
    check("{" BPE ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFD\"},"
          "{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"}]}}",
          "\u00C0b", "ab", (size_t[]){0});
}

static void test_marks_are_put_in_order(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    /* U+0323 has class 220 and comes before U+0301, class 230, in every form */
    eai_tokenizer *t = parse("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"e\u0323\u0301\":1,"
                             "\"\u1EB9\u0301\":0},\"merges\":[],\"ignore_merges\":true},"
                             "\"normalizer\":{\"type\":\"NFC\"}}");
    int32_t *ids = NULL;
    size_t n = 0;

    (void)state;
    assert_ok(eai_tokenizer_encode(&ids, &n, t, "e\u0301\u0323", 5, 0, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], 0);
    eai_free(ids);
    eai_tokenizer_free(t);
}

static void test_added_tokens(void **state)
{
    (void)state;
    check("{" BPE ",\"added_tokens\":[" ADDED("<s>", 8, "") "]}", "a<s>b", "a <s> b",
          (size_t[]){0, 1, 4});
    check("{" BPE ",\"added_tokens\":[" ADDED("<s>", 8, ",\"lstrip\":true,\"rstrip\":true") "]}",
          "a  <s>\u00A0b", "a <s> b", (size_t[]){0, 1, 8});
    check("{" BPE ",\"added_tokens\":[" ADDED("c", 3, ",\"single_word\":true") "]}", "abc c",
          "abc <unk> c", NULL);
    check("{" BPE ",\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[" ADDED(
              "D", 8, ",\"normalized\":true") "]}",
          "aDd", "a D D", (size_t[]){0, 1, 2});
}

static void test_post_processors(void **state)
{
#define TEMPLATE(parts)                                                                            \
    "{" BPE ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" parts "],"         \
    "\"pair\":[],\"special_tokens\":{\"x\":{\"id\":\"x\",\"ids\":[3,7],\"tokens\":[\"c\",\"d\"]}}" \
    "}}"
    (void)state;
    check(TEMPLATE("{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}},"
                   "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
                   "{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}"),
          "ab", "c d ab c d", (size_t[]){0, 0, 0, 2, 2});
    check("{" BPE ",\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"c\",3],"
          "\"sep\":[\"d\",7]}}",
          "", "c d", (size_t[]){0, 0});
}

static void check_decoded(const char *json, const int32_t *ids, size_t n_ids, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = parse(json);
    char *text = NULL;

    assert_ok(eai_tokenizer_decode(&text, NULL, t, ids, n_ids, 0, &err), &err);
    assert_string_equal(text, expected);
    eai_free(text);
    eai_tokenizer_free(t);
}

static void test_decoders(void **state)
{
#define WITH_BYTES                                                                                 \
    "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"\u2581a\":0,\"<0xC3>\":1,"    \
    "\"<0xA9>\":2,\"\u2581\":3},\"merges\":[]}"
#define LLAMA                                                                                      \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":"          \
    "{\"String\":\"\u2581\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},"  \
    "{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":1}]}"
    (void)state;
    check_decoded("{" WITH_BYTES "," LLAMA "}", (int32_t[]){0, 1, 2, 0, 3}, 5, "a\u00e9 a");
    check_decoded("{" WITH_BYTES "," LLAMA "}", (int32_t[]){3, 3, 0, 3}, 4, "  a");
    check_decoded("{" WITH_BYTES ",\"decoder\":{\"type\":\"Metaspace\"}}", (int32_t[]){3, 3, 0}, 3,
                  "  a");
    check_decoded("{" WITH_BYTES ",\"decoder\":null}", (int32_t[]){0, 1}, 2, "\u2581a <0xC3>");
    check("{" WITH_BYTES "}", "\u00e9\u2581", "<0xC3> <0xA9> \u2581", (size_t[]){0, 1, 2});
}

/* --- what is refused --- */

typedef struct refusal {
    const char *json;
    eai_status code;
    const char *text;
} refusal;

#define PRE(o)        "{" BPE ",\"pre_tokenizer\":" o "}"
#define NORMALIZER(o) "{" BPE ",\"normalizer\":" o "}"
#define SPLIT(regex)  PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"}}")
#define MODEL(fields) "{\"model\":{\"type\":\"BPE\"," fields "}}"

static const refusal refusals[] = {
    {"", EAI_ERR_FORMAT, "x.json:1"},
    {"[]", EAI_ERR_FORMAT, "x.json: model is absent, not an object"},
    {"{\"model\":{\"type\":\"WordPiece\",\"vocab\":{}}}", EAI_ERR_UNSUPPORTED,
     "x.json: model: type is 'WordPiece', not one of BPE, Unigram"},
    {MODEL("\"vocab\":[]"), EAI_ERR_FORMAT, "vocab is an array, not an object"},
    {MODEL("\"vocab\":{},\"merges\":[]"), EAI_ERR_FORMAT, "0 tokens"},
    {MODEL("\"vocab\":{\"a\":-1}"), EAI_ERR_FORMAT, "the id of 'a' is -1, not 0 to 4194303"},
    {MODEL("\"vocab\":{\"a\":\"0\"}"), EAI_ERR_FORMAT, "the id of 'a' is a text, not an integer"},
    {MODEL("\"vocab\":{\"a\":4000000}"), EAI_ERR_FORMAT, "ids go up to 4000000 for 1 tokens"},
    {MODEL("\"vocab\":{\"a\":0,\"b\":0}"), EAI_ERR_FORMAT, "id 0 is 'a' and 'b'"},
    {MODEL("\"vocab\":{\"a\":0}"), EAI_ERR_FORMAT, "merges is absent, not an array"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a b\"]"), EAI_ERR_FORMAT,
     "model: merge 0 'a b': no token 'b'"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]"), EAI_ERR_FORMAT,
     "merges[0] is not a pair of texts"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.1"), EAI_ERR_UNSUPPORTED,
     "dropout is 0.1, not 0 or null"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[],\"continuing_subword_prefix\":\"##\""),
     EAI_ERR_UNSUPPORTED, "continuing_subword_prefix is '##'"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[],\"unk_token\":\"u\""), EAI_ERR_FORMAT,
     "unk_token is 'u', which has no id"},
    {MODEL("\"vocab\":{\"a\":0},\"merges\":[],\"fuse_unk\":1"), EAI_ERR_FORMAT,
     "fuse_unk is an integer, not true or false"},
    {"{\"model\":{\"vocab\":[[\"a\",0],[\"b\"]]}}", EAI_ERR_FORMAT,
     "vocab[1] is not [text, score]"},
    {"{\"model\":{\"vocab\":[[\"a\",0]],\"unk_id\":1}}", EAI_ERR_FORMAT, "unk_id is 1, not 0 to 0"},
    {"{" BPE ",\"added_tokens\":[{\"id\":8}]}", EAI_ERR_FORMAT,
     "added_tokens[0]: content is absent, not a text"},
    {"{" BPE ",\"added_tokens\":[" ADDED("a", 2, "") "]}", EAI_ERR_FORMAT, "id 2 is 'b' and 'a'"},
    {PRE("[]"), EAI_ERR_FORMAT, "pre_tokenizer: it is an array, not an object"},
    {PRE("{\"type\":\"UnicodeScripts\"}"), EAI_ERR_UNSUPPORTED,
     "pre_tokenizer: type is 'UnicodeScripts'; supported are Split, ByteLevel"},
    {PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},{\"type\":\"Split\","
         "\"pattern\":{\"String\":\"a\"},\"behavior\":\"Foo\"}]}"),
     EAI_ERR_UNSUPPORTED,
     "pre_tokenizer: pretokenizers[1]: Split: behavior is 'Foo', not one of Isolated, Removed"},
    {PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]"
         "}"),
     EAI_ERR_UNSUPPORTED, "pretokenizers[1]: Digits: it comes behind 'ByteLevel'"},
    {"{" UNIGRAM ",\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}", EAI_ERR_UNSUPPORTED,
     "'ByteLevel' is supported with BPE"},
    {SPLIT("(a"), EAI_ERR_FORMAT, "pattern '(a': PCRE2 error"},
    {SPLIT("[a[b]]"), EAI_ERR_UNSUPPORTED, "a class in a class at byte 2"},
    {SPLIT("[a&&b]"), EAI_ERR_UNSUPPORTED, "a class in a class"},
    {SPLIT("a\\\\b"), EAI_ERR_UNSUPPORTED, "an escape at byte 1"},
    {SPLIT("[\\\\W]"), EAI_ERR_UNSUPPORTED, "an escape at byte 1"},
    {SPLIT("(?m:a)"), EAI_ERR_UNSUPPORTED, "this kind of group at byte 0"},
    {SPLIT("a{1,2}+"), EAI_ERR_UNSUPPORTED, "this repetition"},
    {SPLIT("\\\\pL"), EAI_ERR_UNSUPPORTED, "a property without braces"},
    {SPLIT(""), EAI_ERR_LIMIT, "a pattern has 0 bytes"},
    {PRE("{\"type\":\"Metaspace\",\"prepend_scheme\":\"last\"}"), EAI_ERR_UNSUPPORTED,
     "prepend_scheme is 'last', not one of always, first, never"},
    {NORMALIZER("{\"type\":\"BertNormalizer\"}"), EAI_ERR_UNSUPPORTED,
     "normalizer: type is 'BertNormalizer'; supported are NFC"},
    {NORMALIZER("{\"type\":\"Prepend\"}"), EAI_ERR_FORMAT,
     "Prepend: prepend is absent, not a text"},
    {NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"abc\"}"), EAI_ERR_FORMAT,
     "precompiled_charsmap has 3 characters"},
    {NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"a?==\"}"), EAI_ERR_FORMAT,
     "no valid base64"},
    {NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"), EAI_ERR_FORMAT,
     "precompiled_charsmap has 4 bytes and says that 4294967295 of them"},
    {NORMALIZER("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"BAAAAAAAAABh\"}"),
     EAI_ERR_FORMAT, "its last text does not end with NUL"},
    {"{" BPE ",\"decoder\":{\"type\":\"CTC\"}}", EAI_ERR_UNSUPPORTED, "decoder: type is 'CTC'"},
    {"{" BPE ",\"decoder\":{\"type\":\"ByteLevel\"}}", EAI_ERR_UNSUPPORTED, "'ByteLevel'"},
    {"{" BPE ",\"decoder\":{\"type\":\"Strip\",\"content\":\"x\"}}", EAI_ERR_UNSUPPORTED,
     "content is 'x', not a space"},
    {TEMPLATE(""), EAI_ERR_FORMAT, "single has no Sequence"},
    {TEMPLATE("{\"SpecialToken\":{\"id\":\"y\"}}"), EAI_ERR_FORMAT,
     "special_tokens: no ids for 'y'"},
    {TEMPLATE("{\"Sequence\":{\"id\":\"A\"}},{\"Sequence\":{\"id\":\"B\"}}"), EAI_ERR_UNSUPPORTED,
     "single[1] is not"},
    {"{" BPE ",\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"c\",3],\"sep\":"
     "[\"d\",8]}}",
     EAI_ERR_FORMAT, "id 8, but the vocabulary has 8 tokens"},
};

static void test_what_is_not_supported_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const refusal *r = &refusals[i];
        eai_error err = EAI_ERROR_INIT;
        eai_tokenizer *t = NULL;

        assert_fails(eai_tokenizer_parse_json(&t, r->json, strlen(r->json), "x.json", &err),
                     r->code, &err, r->text);
        assert_null(t);
    }
}

static void test_counts_are_bounded(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    static char json[1 << 16];
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(json, sizeof(json), "{" BPE ",\"normalizer\":");
    for (int i = 0; i < 12; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n,
                              "{\"type\":\"Sequence\",\"normalizers\":[");
    assert_true(n < sizeof(json));
    n += (size_t)snprintf(json + n, sizeof(json) - n, "{\"type\":\"NFC\"}");
    for (int i = 0; i < 12; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, "]}");
    snprintf(json + n, sizeof(json) - n, "}");
    assert_fails(eai_tokenizer_parse_json(&t, json, strlen(json), "x.json", &err), EAI_ERR_LIMIT,
                 &err, "sequences nest more than 8 deep");
    n = (size_t)snprintf(json, sizeof(json),
                         "{" BPE ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 17; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n, "%s{\"type\":\"NFC\"}", i ? "," : "");
    snprintf(json + n, sizeof(json) - n, "]}}");
    assert_fails(eai_tokenizer_parse_json(&t, json, strlen(json), "x.json", &err), EAI_ERR_LIMIT,
                 &err, "the normalizer has more than 16 steps");
}

/* A normalizer that doubles its text sixteen times. */
static void test_text_that_explodes_is_refused(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    static char json[1 << 14];
    int32_t *ids = NULL;
    size_t n_ids = 0;
    size_t n = (size_t)snprintf(json, sizeof(json),
                                "{" BPE ",\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    char *text = malloc(1 << 16);

    (void)state;
    for (int i = 0; i < 16; i++)
        n += (size_t)snprintf(json + n, sizeof(json) - n,
                              "%s{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},"
                              "\"content\":\"aa\"}",
                              i ? "," : "");
    snprintf(json + n, sizeof(json) - n, "]}}");
    eai_tokenizer *t = parse(json);
    memset(text, 'a', 1 << 16);
    assert_fails(eai_tokenizer_encode(&ids, &n_ids, t, text, 1 << 16, 0, &err), EAI_ERR_LIMIT, &err,
                 "normalized text has more than");
    assert_null(ids);
    free(text);
    eai_tokenizer_free(t);
}

static void test_a_pattern_that_takes_too_long_is_given_up(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = parse(SPLIT("(?:(a+)+)+[bc]"));
    int32_t *ids = NULL;
    size_t n = 0;
    char text[64];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_fails(eai_tokenizer_encode(&ids, &n, t, text, sizeof(text), 0, &err), EAI_ERR_LIMIT,
                 &err, "takes too many steps");
    eai_tokenizer_free(t);
}

/* --- long lines --- */

static void encode_megabyte(const eai_tokenizer *t, const char *unit)
{
    enum { N = 1 << 20 };
    eai_error err = EAI_ERROR_INIT;
    char *text = malloc(N);
    size_t n_unit = strlen(unit);
    int32_t *ids = NULL;
    size_t n = 0;

    for (size_t i = 0; i < N; i++)
        text[i] = unit[i % n_unit];
    assert_ok(eai_tokenizer_encode(&ids, &n, t, text, N - N % n_unit, 0, &err), &err);
    eai_free(ids);
    free(text);
}

/* One word, one run of marks in the wrong order: ctest's limit is the judge of what is quadratic.
 */
static void test_a_megabyte_without_spaces(void **state)
{
    static const char *const units[] = {"a", "abcd", " ", "\n", "=", "\u6F22", "\u0301\u0323"};
    static const char *const files[] = {"llama2.json", "splits.json", "added.json",
                                        "unigram_charsmap.json", "sentencepiece_unigram.gguf"};
    eai_error err = EAI_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        eai_tokenizer *t = NULL;
        char path[1024];

        snprintf(path, sizeof(path), EAI_TEST_DATA "/tokenizers/%s", files[i]);
        assert_ok(eai_tokenizer_load(&t, path, &err), &err);
        for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++)
            encode_megabyte(t, units[k]);
        eai_tokenizer_free(t);
    }
}

/* --- folders --- */

static void put_file(const char *folder, const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = eai_path_join(folder, name);

    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
    eai_free(path);
}

#define FOLDER_JSON                                                                                \
    "{" BPE ",\"added_tokens\":[" ADDED("<s>", 8, "") "," ADDED("</s>", 9, "") "," ADDED(          \
        "<|im_end|>", 10, "") "]}"

static void test_folders(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t n = 0;

    (void)state;
    put_file(folder, "tokenizer.json", FOLDER_JSON);
    put_file(folder, "tokenizer_config.json",
             "{\"bos_token\":\"<s>\",\"eos_token\":{\"content\":\"</s>\"},\"pad_token\":\"[PAD]\","
             "\"add_bos_token\":true,\"model_max_length\":1000000000000000019884624838656,"
             "\"chat_template\":[{\"name\":\"tools\",\"template\":\"no\"},"
             "{\"name\":\"default\",\"template\":\"{{ eos_token }}\"}]}");
    put_file(folder, "special_tokens_map.json", "{\"unk_token\":\"<unk>\",\"bos_token\":\"a\"}");
    put_file(folder, "generation_config.json", "{\"eos_token_id\":[9,7]}");
    assert_ok(eai_tokenizer_load(&t, folder, &err), &err);
    assert_int_equal(eai_tokenizer_bos(t), 8);
    assert_int_equal(eai_tokenizer_eos(t), 9);
    assert_int_equal(eai_tokenizer_pad(t), -1);
    assert_int_equal(eai_tokenizer_unk(t), 0);
    assert_true(eai_tokenizer_is_end(t, 9) && eai_tokenizer_is_end(t, 7));
    assert_true(eai_tokenizer_is_end(t, 10));
    assert_false(eai_tokenizer_is_end(t, 8));
    assert_string_equal(eai_tokenizer_chat_template(t, NULL), "{{ eos_token }}");
    assert_ok(eai_tokenizer_encode(&ids, &n, t, "ab", 2, EAI_TOKENIZE_ADD_SPECIAL, &err), &err);
    assert_int_equal(n, 2);
    assert_int_equal(ids[0], 8);
    eai_free(ids);
    eai_tokenizer_free(t);

    put_file(folder, "chat_template.jinja", "{{ bos_token }}");
    assert_ok(eai_tokenizer_load(&t, folder, &err), &err);
    assert_string_equal(eai_tokenizer_chat_template(t, NULL), "{{ bos_token }}");
    eai_tokenizer_free(t);
    eai_test_remove_folder(folder);
}

static void test_weights_find_the_tokenizer_beside_them(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    char *path = eai_path_join(folder, "model.safetensors");
    eai_weights *w = NULL;
    eai_tokenizer *t = NULL;

    (void)state;
    assert_ok(eai_weights_create(&w, path, &err), &err);
    assert_fails(eai_tokenizer_from_weights(&t, w, &err), EAI_ERR_NOT_FOUND, &err,
                 "no tokenizer.json lies beside it");
    put_file(folder, "tokenizer.json", FOLDER_JSON);
    put_file(folder, "config.json", "{\"eos_token_id\":9,\"bos_token_id\":8}");
    assert_ok(eai_tokenizer_from_weights(&t, w, &err), &err);
    assert_int_equal(eai_tokenizer_vocab_size(t), 11);
    assert_int_equal(eai_tokenizer_bos(t), 8);
    assert_int_equal(eai_tokenizer_eos(t), 9);
    eai_tokenizer_free(t);
    eai_weights_close(w);
    eai_free(path);
    put_file(folder, "model.safetensors.index.json", "{}");
    path = eai_path_join(folder, "model.safetensors.index.json");
    assert_ok(eai_tokenizer_load(&t, path, &err), &err);
    assert_true(eai_tokenizer_is_end(t, 9));
    eai_tokenizer_free(t);
    eai_free(path);
    eai_test_remove_folder(folder);
}

static void test_bad_folders_are_refused(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    eai_tokenizer *t = NULL;

    (void)state;
    assert_fails(eai_tokenizer_load(&t, folder, &err), EAI_ERR_NOT_FOUND, &err,
                 "no tokenizer.json");
    put_file(folder, "tokenizer.json", "{}");
    assert_fails(eai_tokenizer_load(&t, folder, &err), EAI_ERR_FORMAT, &err,
                 "/tokenizer.json: model is absent");
    put_file(folder, "tokenizer.json", FOLDER_JSON);
    put_file(folder, "tokenizer_config.json", "{\"eos_token\":\"<end>\"}");
    assert_fails(eai_tokenizer_load(&t, folder, &err), EAI_ERR_FORMAT, &err,
                 "eos_token is '<end>', which the vocabulary of tokenizer.json lacks");
    put_file(folder, "tokenizer_config.json", "{\"add_bos_token\":1}");
    assert_fails(eai_tokenizer_load(&t, folder, &err), EAI_ERR_FORMAT, &err,
                 "tokenizer_config.json: add_bos_token is a number");
    put_file(folder, "tokenizer_config.json", "[]");
    assert_fails(eai_tokenizer_load(&t, folder, &err), EAI_ERR_FORMAT, &err,
                 "tokenizer_config.json: it is no object");
    assert_null(t);
    eai_test_remove_folder(folder);
}

/* --- memory --- */

/* Every kind of table: patterns, tries, normalized added tokens, a table of characters, marks. */
static const char *const whole[] = {
    "{" BPE ",\"added_tokens\":[" ADDED("<s>", 8, ",\"normalized\":true") "," ADDED(
        "x", 9,
        "") "],"
            "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":"
            "\"Replace\",\"pattern\":{\"Regex\":\"\\\\s+\"},\"content\":\" "
            "\"}]},\"pre_tokenizer\":{\"type\":"
            "\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},{\"type\":"
            "\"Metaspace\"}]},"
            "\"decoder\":{\"type\":\"Metaspace\"}}",
    "{" UNIGRAM ",\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":"
    "\"BAAAAAAAAAAA\"}," METASPACE "}",
};

static eai_status make_and_use(void *ud, eai_error *err)
{
    const char *json = ud;
    eai_tokenizer *t = NULL;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n = 0;
    char *text = NULL;
    static const char line[] =
        "ab <s> \u00e9e\u0301\u0323\u0323 x abcabcabcabcabcabcabcabcabcabcabcabc"
        "abcabcabcabcabcabcabcabcabcabcabcabcabc a b c a b c a b c a b c a b c";

    eai_status st = eai_tokenizer_parse_json(&t, json, strlen(json), "x.json", err);
    if (st == EAI_OK)
        st = eai_tokenizer_encode_offsets(&ids, &starts, &n, t, line, strlen(line),
                                          EAI_TOKENIZE_PARSE_SPECIAL, err);
    if (st == EAI_OK)
        st = eai_tokenizer_decode(&text, &n, t, ids, n, 0, err);
    eai_free(text);
    eai_free(ids);
    eai_free(starts);
    eai_tokenizer_free(t);
    return st;
}

static eai_status load_folder(void *ud, eai_error *err)
{
    eai_tokenizer *t = NULL;
    eai_status st = eai_tokenizer_load(&t, ud, err);

    eai_tokenizer_free(t);
    return st;
}

static void test_every_allocation_may_fail(void **state)
{
    char *folder = eai_test_make_folder();

    (void)state;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        eai_test_torture(make_and_use, (void *)(uintptr_t)whole[i]);
    put_file(folder, "tokenizer.json", FOLDER_JSON);
    put_file(folder, "tokenizer_config.json", "{\"eos_token\":\"</s>\"}");
    put_file(folder, "chat_template.jinja", "{{ bos_token }}");
    eai_test_torture(load_folder, folder);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_continued_text),
        cmocka_unit_test(test_starts_of_normalized_text),
        cmocka_unit_test(test_marks_are_put_in_order),
        cmocka_unit_test(test_added_tokens),
        cmocka_unit_test(test_post_processors),
        cmocka_unit_test(test_decoders),
        cmocka_unit_test(test_what_is_not_supported_is_refused),
        cmocka_unit_test(test_counts_are_bounded),
        cmocka_unit_test(test_text_that_explodes_is_refused),
        cmocka_unit_test(test_a_pattern_that_takes_too_long_is_given_up),
        cmocka_unit_test(test_a_megabyte_without_spaces),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_weights_find_the_tokenizer_beside_them),
        cmocka_unit_test(test_bad_folders_are_refused),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
