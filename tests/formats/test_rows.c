/* JSON-lines rows. What is guarded: the three layouts, what is allowed around them, one clear
 * message with file and line for everything else, the hash, failing allocations. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/rows.h>

static eai_rows *parse(const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;

    assert_ok(eai_rows_parse(&rows, text, strlen(text), "t.jsonl", &err), &err);
    return rows;
}

/* Refused with EAI_ERR_FORMAT; the message starts with `where` and contains `what`. */
static void refuse_bytes(const void *bytes, size_t n, eai_status code, const char *where,
                         const char *what)
{
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;
    char *exact = malloc(n + 1);

    assert_non_null(exact);
    memcpy(exact, bytes, n);
    assert_fails(eai_rows_parse(&rows, exact, n, "t.jsonl", &err), code, &err, what);
    if (strncmp(err.message, where, strlen(where)) != 0)
        fail_msg("'%s' does not start with '%s'", err.message, where);
    assert_null(rows);
    free(exact);
}

static void refuse(const char *text, const char *where, const char *what)
{
    refuse_bytes(text, strlen(text), EAI_ERR_FORMAT, where, what);
}

static void test_text(void **state)
{
    (void)state;
    eai_rows *rows =
        parse("{\"text\": \"one\"}\n{\"id\": 7, \"text\": \"zw\\u00f6lf \\ud83d\\ude00\"}");

    assert_int_equal(eai_rows_count(rows), 2);
    assert_int_equal(eai_rows_kind(rows), EAI_ROW_TEXT);
    assert_string_equal(eai_rows_path(rows), "t.jsonl");
    assert_string_equal(eai_rows_at(rows, 0)->text, "one");
    assert_int_equal(eai_rows_at(rows, 0)->line, 1);
    assert_string_equal(eai_rows_at(rows, 1)->text, "zw\xc3\xb6lf \xf0\x9f\x98\x80");
    assert_int_equal(eai_rows_at(rows, 1)->line, 2);
    assert_null(eai_rows_at(rows, 1)->prompt);
    assert_null(eai_rows_at(rows, 1)->messages);
    eai_rows_free(rows);
    eai_rows_free(NULL);
}

static void test_prompt_and_completion(void **state)
{
    (void)state;
    eai_rows *rows = parse(
        "{\"prompt\":\"p\",\"completion\":\"c\"}\r\n{\"completion\":\"\",\"prompt\":\"q\"}\r\n"
        "\r\n  \t\n\n");

    assert_int_equal(eai_rows_count(rows), 2);
    assert_int_equal(eai_rows_kind(rows), EAI_ROW_PROMPT);
    assert_string_equal(eai_rows_at(rows, 0)->prompt, "p");
    assert_string_equal(eai_rows_at(rows, 0)->completion, "c");
    assert_string_equal(eai_rows_at(rows, 1)->prompt, "q");
    assert_string_equal(eai_rows_at(rows, 1)->completion, "");
    assert_null(eai_rows_at(rows, 1)->text);
    eai_rows_free(rows);
}

static void test_messages(void **state)
{
    (void)state;
    eai_rows *rows = parse("{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
                           "{\"role\":\"user\",\"content\":\"u\",\"name\":\"x\"},"
                           "{\"content\":\"a\",\"role\":\"assistant\"}]}\n"
                           "{\"messages\":[{\"role\":\"tool\",\"content\":\"t\"}]}\n");

    assert_int_equal(eai_rows_kind(rows), EAI_ROW_MESSAGES);
    const eai_row *row = eai_rows_at(rows, 0);
    assert_int_equal(row->n_messages, 3);
    assert_string_equal(row->messages[0].role, "system");
    assert_string_equal(row->messages[1].content, "u");
    assert_string_equal(row->messages[2].role, "assistant");
    assert_string_equal(row->messages[2].content, "a");
    assert_int_equal(eai_rows_at(rows, 1)->n_messages, 1);
    eai_rows_free(rows);
}

#define GOOD "{\"text\": \"x\"}\n"

static void test_bad_lines(void **state)
{
    (void)state;
    refuse("", "t.jsonl: no rows (0 bytes", "allowed");
    refuse("\n \n", "t.jsonl: no rows (3 bytes", "allowed");
    refuse(GOOD "\n" GOOD, "t.jsonl:2: ", "a blank line");
    refuse(GOOD GOOD "\r\n\n" GOOD, "t.jsonl:3: ", "a blank line");
    refuse(GOOD "{\"text\": \"x\"", "t.jsonl:2: no valid JSON at byte 12: ", "'}' expected");
    refuse(GOOD "{'text': 'x'}", "t.jsonl:2: no valid JSON", "byte 2");
    refuse(GOOD "{\"text\": \"x\"} {\"text\": \"y\"}\n", "t.jsonl:2: no valid JSON", "end of file");
    refuse(GOOD "[1]\n", "t.jsonl:2: is a list (an object is allowed)", "");
    refuse("\"text\"\n", "t.jsonl:1: is a text", "");
    refuse("12\n", "t.jsonl:1: is a number", "");
    refuse(GOOD "{\"text\": \"x\", \"text\": \"y\"}\n", "t.jsonl:2: no valid JSON", "duplicate");
    refuse("\xef\xbb\xbf" GOOD, "t.jsonl:1: ", "byte order mark");
    refuse(GOOD "{\"text\": \"a\xff\"}", "t.jsonl:2: invalid UTF-8 at byte", "");
    refuse(GOOD "{\"text\": \"\xc0\x80\"}", "t.jsonl:2: invalid UTF-8", "");
    refuse(GOOD "{\"text\": \"\xed\xa0\x80\"}", "t.jsonl:2: invalid UTF-8", "");
    refuse(GOOD "{\"text\": \"a\xc3", "t.jsonl:2: ", "");
    refuse(GOOD "{\"text\": \"a\\u0000\"}", "t.jsonl:2: a text holds \\u0000", "");
    refuse(GOOD "{\"te\\u0000xt\": \"a\"}", "t.jsonl:2: a text holds \\u0000", "");
    refuse(GOOD "{\"text\": \"\\ud83d\"}", "t.jsonl:2: no valid JSON", "invalid Unicode");
    refuse_bytes(GOOD "{\"text\": \"a\0b\"}", sizeof(GOOD "{\"text\": \"a\0b\"}") - 1,
                 EAI_ERR_FORMAT, "t.jsonl:2: ", "JSON");
    refuse_bytes("\0\0\0", 3, EAI_ERR_FORMAT, "t.jsonl:1: ", "");
}

static void test_bad_layouts(void **state)
{
    (void)state;
    refuse(GOOD "{}", "t.jsonl:2: unknown layout", "{\"prompt\", \"completion\"}");
    refuse("{\"instruction\": \"x\", \"output\": \"y\"}", "t.jsonl:1: unknown layout", "");
    refuse("{\"text\": \"x\", \"prompt\": \"y\"}", "t.jsonl:1: fields of more than one layout", "");
    refuse("{\"messages\": [], \"completion\": \"y\"}", "t.jsonl:1: fields of more than one layout",
           "");
    refuse(GOOD GOOD "{\"prompt\": \"x\", \"completion\": \"y\"}",
           "t.jsonl:3: a row with 'prompt', but line 1 has 'text'", "one layout");
    refuse("{\"text\": 3}", "t.jsonl:1: field 'text' is a number (a text is allowed)", "");
    refuse("{\"text\": null}", "t.jsonl:1: field 'text' is null", "");
    refuse("{\"prompt\": \"x\"}", "t.jsonl:1: field 'completion' is missing", "");
    refuse("{\"completion\": \"x\"}", "t.jsonl:1: field 'prompt' is missing", "");
    refuse("{\"prompt\": [], \"completion\": \"x\"}", "t.jsonl:1: field 'prompt' is a list", "");
    refuse("{\"messages\": \"x\"}", "t.jsonl:1: field 'messages' is a text", "list of messages");
    refuse("{\"messages\": []}", "t.jsonl:1: field 'messages' has 0 messages", "1 to 4096");
    refuse("{\"messages\": [1]}", "t.jsonl:1: message 1: is a number", "'role'");
    refuse("{\"messages\": [{\"role\": \"user\"}]}",
           "t.jsonl:1: message 1: field 'content' is missing", "");
    refuse("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}, {\"role\": \"user\", "
           "\"content\": "
           "[{\"type\": \"text\"}]}]}",
           "t.jsonl:1: message 2: field 'content' is a list", "");
    refuse("{\"messages\": [{\"role\": \"human\", \"content\": \"x\"}]}",
           "t.jsonl:1: message 1: field 'role' is 'human'", "assistant");
    const char *tools = "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": []}";
    refuse_bytes(tools, strlen(tools), EAI_ERR_UNSUPPORTED, "t.jsonl:1: field 'tools'", "");
    const char *calls = "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", "
                        "\"tool_calls\": [1]}]}";
    refuse_bytes(calls, strlen(calls), EAI_ERR_UNSUPPORTED,
                 "t.jsonl:1: message 1: field 'tool_calls'", "");
}

static void test_many_rows_and_depth(void **state)
{
    (void)state;
    enum { N = 5000 };
    char *text = malloc(N * 32);
    size_t n = 0;

    assert_non_null(text);
    for (int i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, 32, "{\"text\": \"row %d\"}\n", i);
    eai_rows *rows = parse(text);
    assert_int_equal(eai_rows_count(rows), N);
    for (int i = 0; i < N; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), "row %d", i);
        assert_string_equal(eai_rows_at(rows, (size_t)i)->text, expected);
        assert_int_equal(eai_rows_at(rows, (size_t)i)->line, i + 1);
    }
    eai_rows_free(rows);
    memset(text, '[', N); /* nesting is bounded, not the stack's problem */
    refuse_bytes(text, N, EAI_ERR_FORMAT, "t.jsonl:1: ", "depth");
    free(text);
}

static eai_status read_path(void *ud, eai_error *err)
{
    eai_rows *rows = NULL;
    eai_status st = eai_rows_read(&rows, ud, err);
    eai_rows_free(rows);
    return st;
}

static void test_files(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;
    char *folder = eai_test_make_folder();
    char path[512];

    snprintf(path, sizeof(path), "%s/train.jsonl", folder);
    assert_fails(eai_rows_read(&rows, path, &err), EAI_ERR_IO, &err, path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n", f);
    fclose(f);
    assert_ok(eai_rows_read(&rows, path, &err), &err);
    assert_string_equal(eai_rows_path(rows), path);
    /* printf '{"messages":[{"role":"user","content":"x"}]}\n' | sha256sum */
    assert_string_equal(eai_rows_sha256(rows),
                        "0f60665efa9b29c9d87d46b1b312c25a6afb9ff7c7a0767bb4427c320fa40961");
    eai_rows_free(rows);
    eai_test_torture(read_path, path);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_prompt_and_completion),
        cmocka_unit_test(test_messages),    cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_bad_layouts), cmocka_unit_test(test_many_rows_and_depth),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
