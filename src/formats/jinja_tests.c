/* The tests, `x is NAME`, with their table at the end; see jinja_builtins.c for what a row is. */
#include "formats/jinja_internal.h"

#include "base/banned.h"

#define KIND_TEST(name, condition)                                                                 \
    static bool test_##name(jinja_run *r, jinja_value *out, const jinja_value *self,               \
                            const jinja_value *args)                                               \
    {                                                                                              \
        (void)r;                                                                                   \
        (void)args;                                                                                \
        *out = jinja__bool(condition);                                                             \
        return true;                                                                               \
    }

KIND_TEST(defined, self->kind != JINJA_UNDEFINED)
KIND_TEST(undefined, self->kind == JINJA_UNDEFINED)
KIND_TEST(none, self->kind == JINJA_NONE)
KIND_TEST(string, self->kind == JINJA_STRING)
KIND_TEST(mapping, self->kind == JINJA_DICT)
KIND_TEST(number, self->kind == JINJA_INT || self->kind == JINJA_FLOAT || self->kind == JINJA_BOOL)
KIND_TEST(integer, self->kind == JINJA_INT)
KIND_TEST(float, self->kind == JINJA_FLOAT)
KIND_TEST(boolean, self->kind == JINJA_BOOL)
KIND_TEST(true, self->kind == JINJA_BOOL && self->u.b)
KIND_TEST(false, self->kind == JINJA_BOOL && !self->u.b)
KIND_TEST(callable, self->kind == JINJA_UNDEFINED || self->kind == JINJA_MACRO ||
                        self->kind == JINJA_FUNCTION || self->kind == JINJA_METHOD)
KIND_TEST(iterable, self->kind == JINJA_UNDEFINED || self->kind == JINJA_STRING ||
                        self->kind == JINJA_LIST || self->kind == JINJA_DICT ||
                        self->kind == JINJA_LOOP)
KIND_TEST(sequence, self->kind == JINJA_UNDEFINED || self->kind == JINJA_STRING ||
                        self->kind == JINJA_LIST || self->kind == JINJA_DICT)

/* The same object: for constants the same kind and value, for containers the same one in memory. */
static bool test_sameas(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    bool equal = false;

    if (self->kind == args[0].kind && self->kind < JINJA_LIST &&
        !jinja__equal(r, &equal, self, &args[0]))
        return false;
    if (self->kind == args[0].kind && self->kind >= JINJA_LIST)
        equal = self->u.list == args[0].u.list;
    *out = jinja__bool(equal && self->kind != JINJA_UNDEFINED); /* each one is new */
    return true;
}

static bool test_eq(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    bool equal = false;

    if (!jinja__equal(r, &equal, self, &args[0]))
        return false;
    *out = jinja__bool(equal);
    return true;
}

static bool test_ne(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    if (!test_eq(r, out, self, args))
        return false;
    out->u.b = !out->u.b;
    return true;
}

static bool ordered(jinja_run *r, jinja_value *out, const jinja_value *a, const jinja_value *b,
                    int sign, bool or_equal)
{
    int order = 0;

    if (!jinja__compare(r, &order, a, b))
        return false;
    *out = jinja__bool(order == 0 ? or_equal : (order > 0) == (sign > 0));
    return true;
}

static bool test_lt(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    return ordered(r, out, self, &args[0], -1, false);
}

static bool test_le(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    return ordered(r, out, self, &args[0], -1, true);
}

static bool test_gt(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    return ordered(r, out, self, &args[0], 1, false);
}

static bool test_ge(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    return ordered(r, out, self, &args[0], 1, true);
}

static bool test_in(jinja_run *r, jinja_value *out, const jinja_value *self,
                    const jinja_value *args)
{
    bool found = false;

    if (!jinja__contains(r, &found, &args[0], self))
        return false;
    *out = jinja__bool(found);
    return true;
}

static bool remainder_is(jinja_run *r, jinja_value *out, const jinja_value *self, int64_t by,
                         int64_t rest)
{
    int64_t i = 0;

    if (self->kind == JINJA_NONE || !jinja__read_int(r, &i, self, 0, "this test"))
        return jinja__fail(r, EAI_ERR_FORMAT, "this test needs an integer");
    if (by == 0)
        return jinja__fail(r, EAI_ERR_FORMAT, "division by zero");
    *out = jinja__bool((by == -1 ? 0 : i % by != 0) == rest);
    return true;
}

static bool test_odd(jinja_run *r, jinja_value *out, const jinja_value *self,
                     const jinja_value *args)
{
    (void)args;
    return remainder_is(r, out, self, 2, 1);
}

static bool test_even(jinja_run *r, jinja_value *out, const jinja_value *self,
                      const jinja_value *args)
{
    (void)args;
    return remainder_is(r, out, self, 2, 0);
}

static bool test_divisibleby(jinja_run *r, jinja_value *out, const jinja_value *self,
                             const jinja_value *args)
{
    int64_t by = 0;

    return jinja__read_int(r, &by, &args[0], 0, "divisibleby") && remainder_is(r, out, self, by, 0);
}

/* clang-format off */
/*   name           function            parameters; a '!' before a name: it must be given */
const jinja_builtin jinja__tests[] = {
    {"!=",          test_ne,            "!other"},
    {"boolean",     test_boolean,       ""},
    {"callable",    test_callable,      ""},
    {"defined",     test_defined,       ""},
    {"divisibleby", test_divisibleby,   "!num"},
    {"==",          test_eq,            "!other"},
    {"eq",          test_eq,            "!other"},
    {"equalto",     test_eq,            "!other"},
    {"even",        test_even,          ""},
    {"false",       test_false,         ""},
    {"float",       test_float,         ""},
    {"ge",          test_ge,            "!other"},
    {">=",          test_ge,            "!other"},
    {"greaterthan", test_gt,            "!other"},
    {"gt",          test_gt,            "!other"},
    {">",           test_gt,            "!other"},
    {"in",          test_in,            "!seq"},
    {"integer",     test_integer,       ""},
    {"iterable",    test_iterable,      ""},
    {"le",          test_le,            "!other"},
    {"<=",          test_le,            "!other"},
    {"lessthan",    test_lt,            "!other"},
    {"lt",          test_lt,            "!other"},
    {"<",           test_lt,            "!other"},
    {"mapping",     test_mapping,       ""},
    {"ne",          test_ne,            "!other"},
    {"none",        test_none,          ""},
    {"number",      test_number,        ""},
    {"odd",         test_odd,           ""},
    {"sameas",      test_sameas,        "!other"},
    {"sequence",    test_sequence,      ""},
    {"string",      test_string,        ""},
    {"true",        test_true,          ""},
    {"undefined",   test_undefined,     ""},
};

/* clang-format on */

const size_t jinja__n_tests = sizeof(jinja__tests) / sizeof(jinja__tests[0]);
