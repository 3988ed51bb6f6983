/* The template interpreter against Jinja2: every case of tests/data/chat_templates.json, which
 * tools/oracles/chat_templates.py made, has to give the same text, or fail where Jinja2 fails. Then
 * what Jinja2 has no opinion on: messages, limits, memory. */
#include "support/eai_test.h"

#include <jansson.h>
#include <stdlib.h>

#include <efficientai/alloc.h>

#include "formats/jinja.h"

static json_t *fixture;

static eai_status render(char **out, const char *source, size_t n, const json_t *variables,
                         const jinja_limits *limits, eai_error *err)
{
    jinja_template *t = NULL;
    size_t n_out = 0;

    *out = NULL;
    EAI_TRY(jinja__template_parse(&t, source, n, err));
    eai_status st = jinja__render(out, &n_out, t, variables, limits, err);
    if (st == EAI_OK)
        assert_int_equal(strlen(*out), n_out);
    jinja__template_free(t);
    return st;
}

static void test_same_text_as_jinja2(void **state)
{
    const json_t *variables = json_object_get(fixture, "variables");
    const json_t *cases = json_object_get(fixture, "cases");
    int n_wrong = 0;
    size_t i;
    json_t *row;

    (void)state;
    assert_true(json_array_size(cases) > 150);
    json_array_foreach(cases, i, row)
    {
        eai_error err = EAI_ERROR_INIT;
        char *text = NULL;
        const json_t *template = json_object_get(row, "template");
        const char *expected = json_string_value(json_object_get(row, "expected"));
        eai_status st = render(&text, json_string_value(template), json_string_length(template),
                               variables, NULL, &err);

        if (expected ? st != EAI_OK || strcmp(text, expected) != 0 : st == EAI_OK) {
            n_wrong++;
            print_error("%s\n  template %s\n  expected %s\n  got      %s\n",
                        json_string_value(json_object_get(row, "name")),
                        json_string_value(template), expected ? expected : "(a failure)",
                        st == EAI_OK ? text : err.message);
        }
        if (st != EAI_OK) {
            assert_memory_equal(err.message, "line ", 5);
            assert_int_not_equal(st, EAI_ERR_INTERNAL);
        }
        eai_free(text);
    }
    assert_int_equal(n_wrong, 0);
}

/* --- messages --- */

static void check_failure(const char *source, eai_status code, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    eai_status st =
        render(&text, source, strlen(source), json_object_get(fixture, "variables"), NULL, &err);

    assert_fails(st, code, &err, message);
    assert_null(text);
}

static void test_messages_name_the_line_and_the_thing(void **state)
{
    (void)state;
    check_failure("a\n\n{{ missing.x }}", EAI_ERR_FORMAT, "line 3: 'missing' is undefined");
    check_failure("\n{% include 'x' %}", EAI_ERR_UNSUPPORTED,
                  "line 2: statement not supported here: 'include'");
    check_failure("{{ 1 | frob }}", EAI_ERR_UNSUPPORTED, "line 1: filter 'frob' is not supported");
    check_failure("{{ 1 is frob }}", EAI_ERR_UNSUPPORTED, "test 'frob' is not supported");
    check_failure("{{ 'a'.zfill(3) }}", EAI_ERR_UNSUPPORTED,
                  "method 'zfill' of a string is not supported");
    check_failure("{{ '%d' % 1 }}", EAI_ERR_UNSUPPORTED, "formatting");
    check_failure("{% for x in a recursive %}{% endfor %}", EAI_ERR_UNSUPPORTED, "'recursive'");
    check_failure("{{ f(*a) }}", EAI_ERR_UNSUPPORTED, "arguments: '*'");
    check_failure("{{ 'Stra\u00dfe' | upper }}", EAI_ERR_UNSUPPORTED, "U+00DF");
    check_failure("{{ 9223372036854775807 + 1 }}", EAI_ERR_UNSUPPORTED, "64 bits");
    check_failure("{{ 99999999999999999999 }}", EAI_ERR_FORMAT, "64 bits");
    check_failure("{{ 1 +\n\n }}", EAI_ERR_FORMAT, "line 3: an expression ends too early");
    check_failure("{% if true %}\n\n", EAI_ERR_FORMAT, "the template ends inside a block");
    check_failure("{% set a = %}", EAI_ERR_FORMAT, "line 1");
    check_failure("{{ raise_exception('one at a time') }}", EAI_ERR_ARGUMENT,
                  "line 1: the template refuses: one at a time");
    check_failure("{{ 'a' + 1 }}", EAI_ERR_FORMAT, "'+' does not work for a string and an integer");
    check_failure("{{ trim }}{{ 'a'.strip }}", EAI_ERR_UNSUPPORTED, "a method cannot be printed");
    check_failure("{{ ' ' | trim(1, 2) }}", EAI_ERR_FORMAT, "trim() takes other arguments");
}

/* --- limits --- */

static void check_limit(const char *source)
{
    check_failure(source, EAI_ERR_LIMIT, "line ");
}

static void test_everything_is_bounded(void **state)
{
    (void)state;
    check_limit("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
    check_limit("{{ range(100001) }}");
    check_limit("{{ 'abcdefgh' * 99999999999 }}");
    check_limit("{{ [1] * 99999999999 }}");
    check_limit("{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s "
                "%}{% endfor %}");
    check_limit("{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = ns.l + [1] + "
                "ns.l %}{% endfor %}");
    check_limit("{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}");
    check_limit("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    check_limit("{% set ns = namespace(l=[]) %}{% for i in range(300) %}{% set ns.l = [ns.l] %}{% "
                "endfor %}{{ ns.l }}");
    check_limit(
        "{% set ns = namespace(l=[]) %}{% for i in range(300) %}{% set ns.l = [ns.l] %}{% endfor %}"
        "{{ ns.l == ns.l + [] }}{{ ns.l | tojson }}");
}

static void check_deep(const char *before, const char *middle, const char *after, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    size_t n_before = strlen(before);
    size_t n_after = strlen(after);
    char *source = malloc(n * (n_before + n_after) + strlen(middle) + 1);
    char *at = source;
    char *text = NULL;

    for (size_t i = 0; i < n; i++, at += n_before)
        memcpy(at, before, n_before);
    memcpy(at, middle, strlen(middle));
    at += strlen(middle);
    for (size_t i = 0; i < n; i++, at += n_after)
        memcpy(at, after, n_after);
    *at = '\0';
    eai_status st =
        render(&text, source, strlen(source), json_object_get(fixture, "variables"), NULL, &err);
    assert_int_not_equal(st, EAI_OK);
    assert_null(text);
    free(source);
}

static void test_deep_templates_are_refused(void **state)
{
    (void)state;
    check_deep("{{ ", "(", "", 1);
    check_deep("{% if true %}", "x", "{% endif %}", 5000);
    check_deep("{% for a in [1] %}", "x", "{% endfor %}", 5000);
    check_deep("{{ 1", "", "+1", 1);
    check_deep("{{ (", "1", ")", 5000);
    check_deep("[", "{{", "]", 5000);
    check_deep("{{ not ", "x", " not", 5000);
    check_deep("{{ - ", "1", "", 5000);
    check_deep("{{ x", "", "[0]", 5000);
    check_deep("{{ {'a': ", "1", "}", 5000);
}

static void test_a_long_chain_of_operators(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char source[2048] = "{{ 0";
    char *text = NULL;

    (void)state;
    for (size_t i = 0; i < 150; i++)
        memcpy(source + 4 + 3 * i, "+ 1", 4);
    memcpy(source + 4 + 450, " }}", 4);
    assert_ok(
        render(&text, source, strlen(source), json_object_get(fixture, "variables"), NULL, &err),
        &err);
    assert_string_equal(text, "150");
    eai_free(text);
}

static void test_own_limits(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    jinja_limits limits = JINJA_LIMITS_INIT;
    char *text = NULL;
    const json_t *variables = json_object_get(fixture, "variables");

    (void)state;
    limits.output_bytes = 10;
    assert_ok(render(&text, "0123456789", 10, variables, &limits, &err), &err);
    eai_free(text);
    assert_fails(render(&text, "01234567890", 11, variables, &limits, &err), EAI_ERR_LIMIT, &err,
                 "longer than 10 bytes");
    limits = (jinja_limits)JINJA_LIMITS_INIT;
    limits.steps = 50;
    assert_fails(render(&text, "{{ range(99)|join }}", 20, variables, &limits, &err), EAI_ERR_LIMIT,
                 &err, "more than 50 steps");
    limits = (jinja_limits)JINJA_LIMITS_INIT;
    limits.memory_bytes = 100;
    assert_fails(render(&text, "x", 1, variables, &limits, &err), EAI_ERR_LIMIT, &err, "100 bytes");
}

/* --- input that is odd --- */

static void test_variables_have_to_be_an_object(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    json_t *list = json_array();
    char *text = NULL;

    (void)state;
    assert_fails(render(&text, "x", 1, list, NULL, &err), EAI_ERR_ARGUMENT, &err, "object");
    json_decref(list);
}

static void test_bytes_that_are_no_utf8_do_no_harm(void **state)
{
    static const char source[] =
        "\xff\xfe{{ '\xc3' | length }}{{ '\xe2\x82'[0] }}{{ '\x80x'.strip() | tojson }}"
        "{% for c in '\xf0\x9f' %}{{ c }}{% endfor %}";
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;

    (void)state;
    assert_ok(render(&text, source, sizeof(source) - 1, json_object_get(fixture, "variables"), NULL,
                     &err),
              &err);
    eai_free(text);
    assert_fails(render(&text, "{{ \xff }}", 7, json_object_get(fixture, "variables"), NULL, &err),
                 EAI_ERR_FORMAT, &err, "unexpected character");
}

/* Every prefix of a template that uses everything is parsed without harm. */
static void test_templates_cut_short(void **state)
{
    static const char source[] =
        "{%- macro f(a, b=1) -%}{{ a|tojson(indent=2) }}{% endmacro %}{% set ns = "
        "namespace(x={'a': [1, 2.5e3]}) %}"
        "{% for m in messages[1:][::-1] if m.role is not sameas 'x' %}{% if loop.first and not m "
        "%}a{% elif 1 %}"
        "{{ f('\\u00e9', b=-1) ~ (m.content | trim) }}{% else %}{% set ns.x = 0x1F %}{% endif %}{# "
        "c #}{% endfor %}"
        "{% raw %}{{{% endraw %}{% set t %}x{% endset %}{% generation %}{{ t }}{% endgeneration %}";
    const json_t *variables = json_object_get(fixture, "variables");

    (void)state;
    for (size_t n = 0; n < sizeof(source); n++) {
        eai_error err = EAI_ERROR_INIT;
        char *text = NULL;
        char *copy =
            malloc(n + 1); /* of its own size, so that the address sanitizer sees overruns */

        memcpy(copy, source, n);
        if (render(&text, copy, n, variables, NULL, &err) != EAI_OK)
            assert_true(err.message[0] != '\0');
        eai_free(text);
        free(copy);
    }
}

static eai_status render_much(void *ud, eai_error *err)
{
    static const char source[] = "{% macro f(a) %}{{ a | upper }}{% endmacro %}{% set ns = "
                                 "namespace(l=[]) %}{% for m in messages %}"
                                 "{% set ns.l = ns.l + [f(m.role), m.content.split(), m.content | "
                                 "trim] %}{% endfor %}{{ ns.l }}"
                                 "{{ tools | tojson(indent=1, sort_keys=true) }}{{ 'x' * 70000 "
                                 "}}{% set b %}{{ numbers | sort }}{% endset %}"
                                 "{{ b | replace('1', 'one') | indent }}{{ numbers | map('string') "
                                 "| join('-') }}{{ {'a': 1} | items | list }}";
    char *text = NULL;
    eai_status st = render(&text, source, sizeof(source) - 1, ud, NULL, err);

    eai_free(text);
    return st;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    eai_test_torture(render_much, json_object_get(fixture, "variables"));
}

static int setup(void **state)
{
    json_error_t where;

    (void)state;
    fixture = json_load_file(EAI_TEST_DATA "/chat_templates.json", 0, &where);
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
        cmocka_unit_test(test_same_text_as_jinja2),
        cmocka_unit_test(test_messages_name_the_line_and_the_thing),
        cmocka_unit_test(test_everything_is_bounded),
        cmocka_unit_test(test_deep_templates_are_refused),
        cmocka_unit_test(test_a_long_chain_of_operators),
        cmocka_unit_test(test_own_limits),
        cmocka_unit_test(test_variables_have_to_be_an_object),
        cmocka_unit_test(test_bytes_that_are_no_utf8_do_no_harm),
        cmocka_unit_test(test_templates_cut_short),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
