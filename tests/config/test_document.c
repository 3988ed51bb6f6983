/* Documents: the three formats give the same tree, errors name their line, and what is written
 * reads back as the same. What the formats mean in every corner is compared with other readers by
 * tools/oracles/documents.py. */
#include "support/eai_test.h"

#include <math.h>
#include <stdio.h>

#include <efficientai/alloc.h>
#include <efficientai/document.h>
#include <efficientai/fs.h>

static eai_document *parse(const char *text, eai_document_format format)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;

    assert_ok(eai_document_parse(&d, text, strlen(text), format, "f", &err), &err);
    return d;
}

static void assert_refused(const char *text, eai_document_format format, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = (eai_document *)1;

    assert_int_equal(eai_document_parse(&d, text, strlen(text), format, "f", &err), EAI_ERR_FORMAT);
    assert_string_equal(err.message, message);
    assert_null(d);
}

#define JSON_TEXT                                                                                  \
    "{\"model\": \"x\\ty\",\n \"adapter\": {\"rank\": 8,\n  \"alpha\": 2e-4},\n"                   \
    " \"list\": [1, true, {\"a\": -1}], \"none\": null}"
#define YAML_TEXT                                                                                  \
    "# a comment\nmodel: \"x\\ty\"\nadapter:\n  rank: 8\n  alpha: 2e-4\n"                          \
    "list:\n  - 1\n  - true\n  - {a: -1}\nnone: ~\n"
#define TOML_TEXT                                                                                  \
    "# a comment\nmodel = \"x\\ty\"\nlist = [1, true, {a = -1}]\n[adapter]\nrank = 8\nalpha = "    \
    "2e-4"

/* What all three texts say; `lines` of rank and list. */
static void check_tree(const char *text, eai_document_format format, int rank_line, int list_line)
{
    eai_document *d = parse(text, format);
    const eai_value *root = eai_document_root(d);

    assert_int_equal(root->kind, EAI_VALUE_TABLE);
    assert_string_equal(eai_document_label(d), "f");
    assert_string_equal(eai_value_find(root, "model")->text, "x\ty");
    const eai_value *rank = eai_value_path(root, "adapter.rank");
    assert_int_equal(rank->kind, EAI_VALUE_INT);
    assert_int_equal(rank->integer, 8);
    assert_int_equal(rank->line, rank_line);
    const eai_value *alpha = eai_value_path(root, "adapter.alpha");
    assert_int_equal(alpha->kind, EAI_VALUE_FLOAT);
    assert_true(alpha->real == 2e-4);
    const eai_value *list = eai_value_find(root, "list");
    assert_int_equal(list->n, 3);
    assert_int_equal(list->line, list_line);
    assert_true(eai_value_path(root, "list.1")->boolean);
    assert_int_equal(eai_value_path(root, "list.2.a")->integer, -1);
    assert_null(eai_value_path(root, "list.3"));
    assert_null(eai_value_path(root, "list.x"));
    assert_null(eai_value_path(root, "adapter.rank.x"));
    assert_null(eai_value_find(root, "adapters"));
    assert_null(eai_value_find(root, "ada"));
    assert_null(eai_value_find(NULL, "a"));
    eai_document_free(d);
}

static void test_same_tree(void **state)
{
    (void)state;
    check_tree(JSON_TEXT, EAI_DOCUMENT_JSON, 2, 4);
    check_tree(YAML_TEXT, EAI_DOCUMENT_YAML, 4, 6);
    check_tree(TOML_TEXT, EAI_DOCUMENT_TOML, 5, 3);
}

static void test_yaml(void **state)
{
    static const struct {
        const char *text;
        eai_value_kind kind;
    } words[] = {
        {"yes", EAI_VALUE_TEXT},   {"on", EAI_VALUE_TEXT},        {"True", EAI_VALUE_BOOL},
        {"2e-4", EAI_VALUE_FLOAT}, {"1_000", EAI_VALUE_TEXT},     {"0o17", EAI_VALUE_INT},
        {"017", EAI_VALUE_INT},    {"0x1F", EAI_VALUE_INT},       {"-.5", EAI_VALUE_FLOAT},
        {"1.", EAI_VALUE_FLOAT},   {".", EAI_VALUE_TEXT},         {"-", EAI_VALUE_ARRAY},
        {"~", EAI_VALUE_NULL},     {"'~'", EAI_VALUE_TEXT},       {".inf", EAI_VALUE_FLOAT},
        {"1e", EAI_VALUE_TEXT},    {"2001-01-01", EAI_VALUE_TEXT}};
    (void)state;

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        eai_document *d = parse(words[i].text, EAI_DOCUMENT_YAML);
        if (eai_document_root(d)->kind != words[i].kind)
            fail_msg("%s is %s", words[i].text, eai_value_kind_name(eai_document_root(d)->kind));
        eai_document_free(d);
    }
    eai_document *d = parse("a: &x {k: 1, l: 2}\nb:\n  l: 3\n  <<: *x\nc: *x\n", EAI_DOCUMENT_YAML);
    const eai_value *root = eai_document_root(d);
    assert_int_equal(eai_value_path(root, "b.k")->integer, 1);
    assert_int_equal(eai_value_path(root, "b.l")->integer, 3); /* its own key wins */
    assert_int_equal(eai_value_path(root, "c.l")->integer, 2);
    eai_document_free(d);
    d = parse("", EAI_DOCUMENT_YAML);
    assert_int_equal(eai_document_root(d)->kind, EAI_VALUE_NULL);
    eai_document_free(d);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused("{\"a\": 1,\n \"a\": 2}", EAI_DOCUMENT_JSON,
                   "f:2:4: no valid JSON: duplicate object key near '\"a\"'");
    assert_refused("a: 1\nb: 2\na: 3\n", EAI_DOCUMENT_YAML,
                   "f:3:1: the key 'a' is there twice (first in line 1)");
    assert_refused("a: [1, 2\n", EAI_DOCUMENT_YAML,
                   "f:2:1: no valid YAML: while parsing a flow sequence, did not find expected ',' "
                   "or ']'");
    assert_refused("a: 1\n---\nb: 2\n", EAI_DOCUMENT_YAML,
                   "f:2:1: a second document; one file holds one");
    assert_refused("a: &x [*x]", EAI_DOCUMENT_YAML,
                   "f:1:8: the alias *x stands within what it repeats");
    assert_refused("a: *y", EAI_DOCUMENT_YAML, "f:1:4: the alias *y has no anchor");
    assert_refused("a: !point 1", EAI_DOCUMENT_YAML, "f:1:4: the tag '!point' is not known");
    assert_refused("a: !!int b", EAI_DOCUMENT_YAML,
                   "f:1:4: 'b' is not a whole number, as its tag says");
    assert_refused("<<: 1", EAI_DOCUMENT_YAML,
                   "f:1:1: '<<' takes a table or a list of tables, not a whole number");
    assert_refused("? [a]\n: 1", EAI_DOCUMENT_YAML, "f:1:3: a key must be a text");
    assert_refused("a: 99999999999999999999", EAI_DOCUMENT_YAML,
                   "f:1:1: 99999999999999999999 is too large for a whole number of 64 bits");
    assert_refused("a = 1e400", EAI_DOCUMENT_TOML, "f:1:1: 1e400 is too large for a number");
    assert_refused("[a]\n[b]\n[a]", EAI_DOCUMENT_TOML,
                   "f:3:2: the table 'a' is there twice (first in line 1)");
    assert_refused("a = {b = 1}\na.c = 2", EAI_DOCUMENT_TOML,
                   "f:2:1: 'a' cannot be added to here: it is there since line 1");
    assert_refused("a = {b = 1}\n[a.c]", EAI_DOCUMENT_TOML,
                   "f:2:2: 'a' is no table that can be added to: it is there since line 1");
    assert_refused("a = [1]\n[[a]]", EAI_DOCUMENT_TOML,
                   "f:2:3: 'a' is no array of tables: it is there since line 1");
    assert_refused("a = 1 b = 2", EAI_DOCUMENT_TOML,
                   "f:1:7: 'b' where the end of the line should be");
    assert_refused("a = yes", EAI_DOCUMENT_TOML,
                   "f:1:5: 'yes' is no value (a text stands in quotes)");
    assert_refused("a = 2023-02-30", EAI_DOCUMENT_TOML,
                   "f:1:5: '2023-02-30' is no value (a text stands in quotes)");
    assert_refused("a = \"x\n", EAI_DOCUMENT_TOML,
                   "f:1:7: the line ends where the closing quote should be");
    assert_refused("a = \"\\q\"", EAI_DOCUMENT_TOML,
                   "f:1:7: 'q' where one of b t n f r \" \\ u U behind '\\' should be");
    assert_refused("a = \"\\ud800\"", EAI_DOCUMENT_TOML, "f:1:8: U+D800 is no character");
    assert_refused("a = \"\x01\"", EAI_DOCUMENT_TOML,
                   "f:1:6: the control character 0x01 in a text");
    assert_refused("a =", EAI_DOCUMENT_TOML, "f:1:4: the file ends where a value should be");
    assert_refused("a = \"\xff\"", EAI_DOCUMENT_TOML, "f:1:6: the byte 0xff is not UTF-8 text");
}

/* Nine times nine times nine ... */
static void test_bounds(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;
    char text[2048] = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n";
    char deep[256];
    (void)state;

    for (int i = 1; i < 9; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    assert_fails(eai_document_parse(&d, text, strlen(text), EAI_DOCUMENT_YAML, "f", &err),
                 EAI_ERR_LIMIT, &err, "more than 100000 values");
    for (int format = EAI_DOCUMENT_JSON; format <= EAI_DOCUMENT_TOML; format++) {
        memset(deep, '[', 100);
        memset(deep + 100, ']', 100);
        memcpy(deep, format == EAI_DOCUMENT_TOML ? "a=[" : "[[[", 3);
        assert_fails(eai_document_parse(&d, deep, format == EAI_DOCUMENT_TOML ? 198 : 200,
                                        (eai_document_format)format, "f", &err),
                     EAI_ERR_FORMAT, &err, "more than 64 levels");
    }
}

static void test_write(void **state)
{
    (void)state;
    eai_document *d = parse(JSON_TEXT, EAI_DOCUMENT_JSON);
    char *yaml = eai_value_to_text(eai_document_root(d), EAI_DOCUMENT_YAML);
    char *toml = eai_value_to_text(eai_document_root(d), EAI_DOCUMENT_TOML);
    char *json = eai_value_to_text(eai_document_root(d), EAI_DOCUMENT_JSON);

    assert_string_equal(yaml, "model: \"x\\ty\"\nadapter:\n  rank: 8\n  alpha: 0.0002\n"
                              "list:\n  - 1\n  - true\n  - a: -1\nnone: null\n");
    assert_string_equal(toml, "model = \"x\\ty\"\nlist = [1, true, {a = -1}]\n\n"
                              "[adapter]\nrank = 8\nalpha = 0.0002\n");
    check_tree(yaml, EAI_DOCUMENT_YAML, 3, 5);
    check_tree(toml, EAI_DOCUMENT_TOML, 5, 2);
    check_tree(json, EAI_DOCUMENT_JSON, 4, 7);
    eai_free(yaml);
    eai_free(toml);
    eai_free(json);
    eai_document_free(d);
}

/* Texts and keys that one of the formats could misread. */
static void test_write_hard_texts(void **state)
{
    static const char hard[] =
        "\"\" = \"\\u0000\"\n\"true\" = \"\\u007f\\u0085\\u2028\\ufeff\\uffff\"\n"
        "\"a b\".\"c.d\" = '1e5'\nx = [[], {}, {y = {}}]\nz = [inf, -inf, nan, -0.0, 1e300, "
        "1e-7]\n";
    (void)state;

    eai_document *d = parse(hard, EAI_DOCUMENT_TOML);
    for (int format = EAI_DOCUMENT_YAML; format <= EAI_DOCUMENT_TOML; format++) {
        char *text = eai_value_to_text(eai_document_root(d), (eai_document_format)format);
        eai_document *again = parse(text, (eai_document_format)format);
        char *second = eai_value_to_text(eai_document_root(again), (eai_document_format)format);
        const eai_value *root = eai_document_root(again);
        assert_string_equal(text, second);
        assert_int_equal(eai_value_find(root, "")->length, 1);
        assert_string_equal(eai_value_find(root, "true")->text,
                            "\x7f\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xef\xbf\xbf");
        assert_true(isnan(eai_value_path(root, "z.2")->real));
        assert_true(signbit(eai_value_path(root, "z.3")->real));
        assert_int_equal(eai_value_path(root, "z.4")->kind, EAI_VALUE_FLOAT);
        eai_document_free(again);
        eai_free(text);
        eai_free(second);
    }
    eai_document_free(d);
}

static void append(char *text, size_t size, const char *more)
{
    size_t n = strlen(text);

    snprintf(text + n, size - n, "%s", more);
}

/* The levels of a header and of dotted keys below it count together. */
static void test_toml_levels(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;
    char text[512] = "[";
    (void)state;

    for (int i = 0; i < 40; i++)
        append(text, sizeof(text), i < 39 ? "a." : "a]\n");
    for (int i = 0; i < 24; i++)
        append(text, sizeof(text), i < 23 ? "b." : "b = 1\n");
    eai_document_free(parse(text, EAI_DOCUMENT_TOML)); /* 64 */
    append(text, sizeof(text), "b");
    for (int i = 0; i < 24; i++)
        append(text, sizeof(text), i < 23 ? ".c" : ".c = 1\n");
    assert_fails(eai_document_parse(&d, text, strlen(text), EAI_DOCUMENT_TOML, "f", &err),
                 EAI_ERR_FORMAT, &err, "more than 64 levels");
}

/* A key too long for "key: value" in YAML, with values of each kind behind it. */
static void test_write_long_keys(void **state)
{
    char text[3 * 2100];
    char key[2001];
    (void)state;

    memset(key, 'k', 2000);
    key[2000] = '\0';
    snprintf(text, sizeof(text), "%s = 1\n[a.%s]\nb = [{%s = 2}]\n", key, key, key);
    eai_document *d = parse(text, EAI_DOCUMENT_TOML);
    char *yaml = eai_value_to_text(eai_document_root(d), EAI_DOCUMENT_YAML);
    eai_document *again = parse(yaml, EAI_DOCUMENT_YAML);
    char *toml = eai_value_to_text(eai_document_root(again), EAI_DOCUMENT_TOML);
    char *first = eai_value_to_text(eai_document_root(d), EAI_DOCUMENT_TOML);
    assert_string_equal(toml, first);
    eai_free(yaml);
    eai_free(toml);
    eai_free(first);
    eai_document_free(d);
    eai_document_free(again);
}

EAI_TEST_FOLDER

static void test_load(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_document *d = NULL;
    (void)state;

    static const char *const names[] = {"c.yml", "c.YAML", "c.toml", "c.json", "pipe"};
    static const char *const texts[] = {"a: 1", "a: 1", "a = 1", "{\"a\": 1}", " {\"a\": 1}"};
    for (size_t i = 0; i < 5; i++) {
        char *path = eai_path_join(folder, names[i]);
        assert_ok(eai_fs_write_atomic(path, texts[i], strlen(texts[i]), &err), &err);
        assert_ok(eai_document_load(&d, path, 100, &err), &err);
        assert_int_equal(eai_value_find(eai_document_root(d), "a")->integer, 1);
        assert_string_equal(eai_document_label(d), path);
        eai_document_free(d);
        eai_free(path);
    }
    char *path = eai_path_join(folder, "c.ini");
    assert_ok(eai_fs_write_atomic(path, "a = 1", 5, &err), &err);
    assert_fails(eai_document_load(&d, path, 100, &err), EAI_ERR_ARGUMENT, &err,
                 "c.ini' ends neither with .yaml, .toml nor .json");
    eai_free(path);
    path = eai_path_join(folder, "c.toml");
    assert_fails(eai_document_load(&d, path, 4, &err), EAI_ERR_LIMIT, &err, "4 are allowed");
    eai_free(path);
}

static eai_status read_and_write(void *ud, eai_error *err)
{
    eai_document *d = NULL;
    const char *const *texts = ud;

    for (int format = EAI_DOCUMENT_JSON; format <= EAI_DOCUMENT_TOML; format++) {
        EAI_TRY(eai_document_parse(&d, texts[format], strlen(texts[format]),
                                   (eai_document_format)format, "f", err));
        char *text = eai_value_to_text(eai_document_root(d), (eai_document_format)format);
        eai_document_free(d);
        if (!text)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a text");
        eai_free(text);
    }
    return EAI_OK;
}

static void test_torture(void **state)
{
    static const char *texts[] = {
        JSON_TEXT, "a: &x {k: 1}\nb: {<<: *x}\nc: !!str 1\nd: [2e3]\n",
        "a.b = \"\"\"x\\\n y\"\"\"\n[[c]]\nd = {e.f = 0x1_0}\ng = 07:32:00\n"};
    (void)state;

    eai_test_torture(read_and_write, (void *)texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_tree),   cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_write),       cmocka_unit_test(test_write_hard_texts),
        cmocka_unit_test(test_toml_levels), cmocka_unit_test(test_write_long_keys),
        cmocka_unit_test(test_load),        cmocka_unit_test(test_torture),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
