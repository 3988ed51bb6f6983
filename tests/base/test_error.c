/* Error objects: messages are one clean line, cut visibly, with context in front. */
#include "support/eai_test.h"

#include <errno.h>

static void test_set_returns_code_and_formats(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    assert_int_equal(eai_error_set(&err, EAI_ERR_FORMAT, "field %d of '%s'", 3, "x"),
                     EAI_ERR_FORMAT);
    assert_int_equal(err.code, EAI_ERR_FORMAT);
    assert_string_equal(err.message, "field 3 of 'x'");
}

static void test_null_error_is_allowed(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(eai_error_set(NULL, EAI_ERR_LIMIT, "x"), EAI_ERR_LIMIT);
    assert_int_equal(eai_error_set_errno(NULL, "x"), EAI_ERR_IO);
    assert_int_equal(eai_error_context(NULL, EAI_ERR_SHAPE, "x"), EAI_ERR_SHAPE);
    errno = ENOMEM;
    assert_int_equal(eai_error_set_errno(NULL, "x"), EAI_ERR_NOMEM);
}

static void test_errno_is_appended(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    errno = ENOENT;
    assert_int_equal(eai_error_set_errno(&err, "cannot open '%s'", "a.txt"), EAI_ERR_IO);
    assert_string_equal(err.message, "cannot open 'a.txt': No such file or directory");
    assert_int_equal(errno, ENOENT);
    errno = ENOMEM;
    assert_int_equal(eai_error_set_errno(&err, "map"), EAI_ERR_NOMEM);
}

static void test_context_goes_in_front(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    eai_status st = eai_error_set(&err, EAI_ERR_FORMAT, "offset 99 is not a multiple of 32");
    st = eai_error_context(&err, st, "tensor '%s'", "wte");
    st = eai_error_context(&err, st, "%s", "model.gguf");
    assert_int_equal(st, EAI_ERR_FORMAT);
    assert_string_equal(err.message, "model.gguf: tensor 'wte': offset 99 is not a multiple of 32");
}

static void test_arguments_may_alias_the_message(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    (void)eai_error_set(&err, EAI_ERR_IO, "inner");
    (void)eai_error_set(&err, EAI_ERR_IO, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
}

static void test_control_characters_are_replaced(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    (void)eai_error_set(&err, EAI_ERR_IO,
                        "a\nb\x1b[31mc\x7f\td\xc2\x9b"
                        "31m\xc3\xa9");
    assert_string_equal(err.message, "a?b?[31mc??d??31m\xc3\xa9");
}

static void test_long_messages_are_cut_between_characters(void **state)
{
    static char longer[3 * EAI_ERROR_MESSAGE_MAX];
    eai_error err = EAI_ERROR_INIT;
    (void)state;

    memset(longer, 'a', sizeof(longer) - 1);
    (void)eai_error_set(&err, EAI_ERR_IO, "%s", longer);
    assert_int_equal(strlen(err.message), EAI_ERROR_MESSAGE_MAX - 1);
    assert_string_equal(err.message + EAI_ERROR_MESSAGE_MAX - 4, "...");

    /* a text of exactly the size is not cut */
    longer[EAI_ERROR_MESSAGE_MAX - 1] = '\0';
    (void)eai_error_set(&err, EAI_ERR_IO, "%s", longer);
    assert_string_equal(err.message, longer);

    /* two-byte characters at either phase: no half character in front of the dots */
    for (int phase = 0; phase < 2; phase++) {
        memset(longer, 'a', sizeof(longer));
        for (size_t i = (size_t)phase; i + 1 < 2048; i += 2)
            memcpy(longer + i, "\xc3\xa9", 2);
        longer[2048] = '\0';
        (void)eai_error_set(&err, EAI_ERR_IO, "%s", longer);
        size_t n = strlen(err.message);
        assert_string_equal(err.message + n - 3, "...");
        assert_int_equal((unsigned char)err.message[n - 4], 0xa9);
    }

    (void)eai_error_set(&err, EAI_ERR_IO, "inner");
    (void)eai_error_context(&err, EAI_ERR_IO, "%s", longer);
    assert_true(strlen(err.message) < EAI_ERROR_MESSAGE_MAX);
    assert_non_null(strstr(err.message, "..."));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(eai_status_name(EAI_OK), "EAI_OK");
    assert_string_equal(eai_status_name(EAI_ERR_INTERNAL), "EAI_ERR_INTERNAL");
    assert_string_equal(eai_status_name((eai_status)99), "EAI_ERR_?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_returns_code_and_formats),
        cmocka_unit_test(test_null_error_is_allowed),
        cmocka_unit_test(test_errno_is_appended),
        cmocka_unit_test(test_context_goes_in_front),
        cmocka_unit_test(test_arguments_may_alias_the_message),
        cmocka_unit_test(test_control_characters_are_replaced),
        cmocka_unit_test(test_long_messages_are_cut_between_characters),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
