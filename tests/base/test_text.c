/* Growing text, the bounded reader, JSON files: limits, bad bytes, failing memory. */
#include "support/eai_test.h"

#include <math.h>

#include <efficientai/alloc.h>

#include "base/json.h"
#include "base/reader.h"
#include "base/strbuf.h"

static void text_stops_at_its_maximum(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_strbuf b = EAI_STRBUF_INIT(5);
    (void)state;

    eai_strbuf_text(&b, "12345");
    assert_ok(eai_strbuf_check(&b, "x", &err), &err);
    eai_strbuf_char(&b, '6');
    assert_fails(eai_strbuf_check(&b, "reply", &err), EAI_ERR_LIMIT, &err,
                 "reply: longer than the 5 bytes allowed");
    assert_string_equal(eai_strbuf_get(&b), "12345");
    eai_strbuf_text(&b, ""); /* the failure stays */
    assert_null(eai_strbuf_take(&b, NULL));
    eai_strbuf_clear(&b);
    eai_strbuf_printf(&b, "%d", 42);
    size_t n = 0;
    char *text = eai_strbuf_take(&b, &n);
    assert_string_equal(text, "42");
    assert_int_equal(n, 2);
    eai_free(text);
    text = eai_strbuf_take(&b, NULL); /* an empty text is a text */
    assert_string_equal(text, "");
    eai_free(text);
    eai_strbuf_deinit(&b);
}

static void json_text_is_escaped(void **state)
{
    (void)state;
    eai_strbuf b = EAI_STRBUF_INIT(1000);
    eai_strbuf_json_string(&b, "a\"\\\n\x01\x7f");
    eai_strbuf_json_string(&b, NULL);
    /* overlong, surrogate, above U+10FFFF, cut short: one U+FFFD a byte */
    eai_strbuf_json_bytes(&b, "\xc0\x80", 2);
    eai_strbuf_json_bytes(&b, "\xed\xa0\x80", 3);
    eai_strbuf_json_bytes(&b, "\xf4\x90", 2);
    eai_strbuf_json_bytes(&b, "\xe2\x82\xac\xe2\x82", 5);
    eai_strbuf_json_bytes(&b, "\0", 1);
#define BAD "\xef\xbf\xbd"
    assert_string_equal(eai_strbuf_get(&b), "\"a\\\"\\\\\\n\\u0001\\u007f\"null"
                                            "\"" BAD BAD "\"\"" BAD BAD BAD "\"\"" BAD BAD "\""
                                            "\"\xe2\x82\xac" BAD BAD "\"\"\\u0000\"");
    eai_strbuf_deinit(&b);
}

static void numbers_read_back(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.1, "0.1"},      {2e-4, "0.0002"},      {1.0 / 3, "0.3333333333333333"}, {-5, "-5"},
        {1e300, "1e+300"}, {(double)NAN, "null"}, {-(double)INFINITY, "null"}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        eai_strbuf b = EAI_STRBUF_INIT(100);
        eai_strbuf_json_number(&b, rows[i].value);
        assert_string_equal(eai_strbuf_get(&b), rows[i].text);
        eai_strbuf_deinit(&b);
    }
}

static void a_reader_stops_at_the_end(void **state)
{
    static const unsigned char bytes[] = {
        1, 0xff, 0x34, 0x12, 0x78, 0x56, 0x34, 0x12, 0, 0, 0x80, 0xbf, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    eai_reader r;
    (void)state;

    eai_reader_init(&r, bytes, sizeof(bytes));
    assert_int_equal(eai_reader_u8(&r), 1);
    assert_int_equal(eai_reader_i8(&r), -1);
    assert_int_equal(eai_reader_u16(&r), 0x1234);
    assert_int_equal(eai_reader_u32(&r), 0x12345678);
    assert_true(eai_reader_f32(&r) == -1.0f);
    assert_true(eai_reader_u64(&r) == UINT64_C(0x0807060504030201));
    assert_int_equal(eai_reader_left(&r), 1);
    assert_false(r.failed);
    assert_int_equal(eai_reader_u16(&r), 0); /* one byte is not two */
    assert_true(r.failed);
    assert_int_equal(eai_reader_offset(&r), 20); /* nothing moved */
    assert_int_equal(eai_reader_u8(&r), 0);      /* and it stays failed */

    eai_reader_init(&r, bytes, sizeof(bytes));
    assert_null(eai_reader_bytes(&r, UINT64_MAX));
    assert_true(r.failed);
    eai_reader_init(&r, bytes, sizeof(bytes));
    eai_reader_seek(&r, 21);
    assert_false(r.failed);
    assert_int_equal(eai_reader_left(&r), 0);
    eai_reader_seek(&r, 22);
    assert_true(r.failed);
    eai_reader_init(&r, bytes, sizeof(bytes));
    eai_reader_skip(&r, 5);
    eai_reader_align(&r, 8);
    assert_int_equal(eai_reader_offset(&r), 8);
    eai_reader_align(&r, 8);
    assert_int_equal(eai_reader_offset(&r), 8);
    eai_reader_align(&r, UINT64_MAX);
    assert_true(r.failed);
    eai_reader_init(&r, bytes, sizeof(bytes));
    eai_reader_align(&r, 0);
    assert_true(r.failed);
    eai_reader_init(&r, NULL, 0);
    assert_non_null(eai_reader_bytes(&r, 0));
    assert_int_equal(eai_reader_i64(&r), 0);
    assert_true(r.failed);
}

static void json_errors_name_the_place(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    json_t *value = NULL;
    (void)state;

    assert_ok(eai_json_parse(&value, "[1, 2]", 6, "x", &err), &err);
    assert_int_equal(json_array_size(value), 2);
    json_decref(value);
    assert_fails(eai_json_parse(&value, "{\n\"a\": }", 8, "x.json", &err), EAI_ERR_FORMAT, &err,
                 "x.json:2:");
    assert_null(value);
    assert_fails(eai_json_parse(&value, "{\"a\":1,\"a\":2}", 13, "x", &err), EAI_ERR_FORMAT, &err,
                 "duplicate");
    assert_fails(eai_json_load(&value, "/no/such.json", 10, &err), EAI_ERR_IO, &err,
                 "No such file");
    assert_null(value);
}

static eai_status write_text(void *ud, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(100000);
    (void)ud;

    for (int i = 0; i < 100; i++)
        eai_strbuf_printf(&b, "%*d", i, i);
    eai_status st = eai_strbuf_check(&b, "text", err);
    eai_strbuf_deinit(&b);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    eai_test_torture(write_text, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_stops_at_its_maximum),  cmocka_unit_test(json_text_is_escaped),
        cmocka_unit_test(numbers_read_back),          cmocka_unit_test(a_reader_stops_at_the_end),
        cmocka_unit_test(json_errors_name_the_place), cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
