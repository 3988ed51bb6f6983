/* Texts in lines of a width, and in the language of manual pages. */
#include "support/eai_test.h"

#include "config/roff.h"
#include "config/wrap.h"

#define TEXT_MAX ((size_t)1 << 16)

static void check_paragraphs(const char *text, size_t indent, size_t width, const char *expected)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);
    wrap__paragraphs(&b, text, indent, width);
    assert_string_equal(eai_strbuf_get(&b), expected);
    eai_strbuf_deinit(&b);
}

static void check_line(const char *text, size_t indent, size_t width, const char *expected)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);
    wrap__line(&b, text, indent, width);
    assert_string_equal(eai_strbuf_get(&b), expected);
    eai_strbuf_deinit(&b);
}

static void test_lines(void **state)
{
    (void)state;
    check_line("", 0, 10, "\n");
    check_line("one two", 0, 10, "one two\n");
    check_line("one two three", 0, 7, "one two\nthree\n");
    check_line("one two three", 0, 6, "one\ntwo\nthree\n");
    check_line("one two three", 4, 11, "one two\n    three\n");
    check_line("one   two", 0, 10, "one two\n");
    check_line("  one  ", 0, 10, "one\n");
    /* characters count, not bytes */
    check_line("n\xc3\xa4he n\xc3\xa4he", 0, 9, "n\xc3\xa4he n\xc3\xa4he\n");
}

static void test_long_words(void **state)
{
    (void)state;
    check_line("a sesquipedalian word", 0, 8, "a\nsesquipedalian\nword\n");
    check_line("[10,20,30,40]", 0, 7, "[10,20,\n30,40]\n");
    check_line("of [10,20,30,40]", 2, 9, "of\n  [10,20,\n  30,40]\n");
    check_line("abcdefghi,j", 0, 5, "abcdefghi,j\n");
    check_line("wide", 9, 4, "wide\n"); /* no room at all */
    check_line("a,b,c", 9, 4, "a,b,c\n");
}

static void test_paragraphs(void **state)
{
    (void)state;
    check_paragraphs("", 0, 10, "\n");
    check_paragraphs("one\ntwo\nthree", 0, 9, "one two\nthree\n");
    check_paragraphs("one\n\ntwo", 0, 80, "one\n\ntwo\n");
    check_paragraphs("one\n\n\n\ntwo\n", 0, 80, "one\n\ntwo\n");
    check_paragraphs("one two\n\nthree", 2, 6, "one\n  two\n\n  three\n");
}

static void test_laid_out(void **state)
{
    (void)state;
    check_paragraphs("bash:  do this\nzsh:   do that", 0, 9, "bash:  do this\nzsh:   do that\n");
    check_paragraphs("so\nit is:\n    make it\nor not", 0, 80, "so it is:\n    make it\nor not\n");
    check_paragraphs("a:\n\n    b\n\nc", 0, 80, "a:\n\n    b\n\nc\n");
}

static void check_roff(void (*add)(eai_strbuf *b, const char *text), const char *text,
                       const char *expected)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);
    add(&b, text);
    assert_string_equal(eai_strbuf_get(&b), expected);
    eai_strbuf_deinit(&b);
}

static void test_roff_escapes(void **state)
{
    (void)state;
    check_roff(roff__piece, "--a \\b 'c' \"d\" `e` ~ ^\nf",
               "\\-\\-a \\eb \\(aqc\\(aq \\(dqd\\(dq \\(gae\\(ga \\(ti \\(ha f");
    check_roff(roff__paragraphs, ".so /etc/passwd", "\\&.so /etc/passwd\n");
    check_roff(roff__paragraphs, "'so it is", "\\(aqso it is\n");
    check_roff(roff__paragraphs, "", "\n");
    check_roff(roff__paragraphs, "one\n\ntwo", "one\n.PP\ntwo\n");
    check_roff(roff__paragraphs, "a:\n\n  .b\n  c\n\nd", "a:\n.PP\n.nf\n  .b\n  c\n.fi\n.PP\nd\n");
    check_roff(roff__paragraphs, ".x  y", ".nf\n\\&.x  y\n.fi\n");
}

/* A dot is a command in the first place of any line, not of the first one alone. */
static void test_roff_lines(void **state)
{
    (void)state;
    eai_strbuf text = EAI_STRBUF_INIT(TEXT_MAX);
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);
    for (int i = 0; i < 100; i++)
        eai_strbuf_text(&text, ".yaml .toml ");
    roff__lines(&b, eai_strbuf_get(&text), text.length);
    const char *line = eai_strbuf_get(&b);
    int n = 0;
    for (; *line; n++) {
        size_t length = strcspn(line, "\n");
        assert_true(length > 0 && length <= 80);
        assert_memory_equal(line, "\\&.", 3);
        line += length + 1;
    }
    assert_true(n > 10);
    eai_strbuf_deinit(&b);
    eai_strbuf_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_paragraphs),   cmocka_unit_test(test_laid_out),
        cmocka_unit_test(test_roff_escapes), cmocka_unit_test(test_roff_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
