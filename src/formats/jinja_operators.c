/* Arithmetic, joining and comparing: what the operators do to two values.
 *
 * Python is the model: quotients of integers round down, `/` gives a float, true counts as 1.
 * Integers have 64 bits; what does not fit fails instead of wrapping around. */
#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/jinja_internal.h"

#include "base/banned.h"

/* --- operators --- */

static bool fail_overflow(jinja_run *r)
{
    return jinja__fail(r, EAI_ERR_UNSUPPORTED, "an integer does not fit into 64 bits");
}

static bool integer_power(jinja_run *r, jinja_value *out, int64_t a, int64_t b)
{
    int64_t power = 1;

    if (a == 0 || a == 1 || b == 0) {
        *out = jinja__int(b == 0 ? 1 : a);
        return true;
    }
    if (a == -1) {
        *out = jinja__int(b % 2 ? -1 : 1);
        return true;
    }
    for (int64_t i = 0; i < b; i++) /* overflows within 63 turns */
        if (__builtin_mul_overflow(power, a, &power))
            return fail_overflow(r);
    *out = jinja__int(power);
    return true;
}

/* Python rounds quotients down, so that the remainder has the divisor's sign. */
static bool integer_divide(jinja_run *r, jinja_value *out, jinja_op op, int64_t a, int64_t b)
{
    if (b == -1) {
        int64_t negative = 0;

        if (op == JINJA_OP_FLOOR_DIV && __builtin_sub_overflow(0, a, &negative))
            return fail_overflow(r);
        *out = jinja__int(negative);
        return true;
    }
    int64_t quotient = a / b;
    int64_t rest = a % b;
    if (rest != 0 && (rest < 0) != (b < 0)) {
        quotient--;
        rest += b;
    }
    *out = jinja__int(op == JINJA_OP_MOD ? rest : quotient);
    return true;
}

static bool integer_operation(jinja_run *r, jinja_value *out, jinja_op op, int64_t a, int64_t b)
{
    int64_t i = 0;
    bool overflow = false;

    if (op == JINJA_OP_POW)
        return integer_power(r, out, a, b);
    if (op == JINJA_OP_FLOOR_DIV || op == JINJA_OP_MOD)
        return integer_divide(r, out, op, a, b);
    if (op == JINJA_OP_ADD)
        overflow = __builtin_add_overflow(a, b, &i);
    else if (op == JINJA_OP_SUB)
        overflow = __builtin_sub_overflow(a, b, &i);
    else
        overflow = __builtin_mul_overflow(a, b, &i);
    *out = jinja__int(i);
    return overflow ? fail_overflow(r) : true;
}

static bool number_operation(jinja_run *r, jinja_value *out, jinja_op op, const jinja_value *a,
                             const jinja_value *b)
{
    double x = jinja__number_of(a);
    double y = jinja__number_of(b);
    double rest;

    if (y == 0 && (op == JINJA_OP_DIV || op == JINJA_OP_FLOOR_DIV || op == JINJA_OP_MOD))
        return jinja__fail(r, EAI_ERR_FORMAT, "division by zero");
    if (jinja__is_integer(a) && jinja__is_integer(b) && op != JINJA_OP_DIV &&
        !(op == JINJA_OP_POW && y < 0))
        return integer_operation(r, out, op, jinja__integer_of(a), jinja__integer_of(b));
    switch (op) {
    case JINJA_OP_ADD:
        *out = jinja__float(x + y);
        return true;
    case JINJA_OP_SUB:
        *out = jinja__float(x - y);
        return true;
    case JINJA_OP_MUL:
        *out = jinja__float(x * y);
        return true;
    case JINJA_OP_DIV:
        *out = jinja__float(x / y);
        return true;
    case JINJA_OP_POW:
        *out = jinja__float(pow(x, y));
        if (isinf(out->u.f) && !isinf(x) && !isinf(y))
            return jinja__fail(r, EAI_ERR_FORMAT, "the result of '**' is too large");
        return true;
    default:
        rest = fmod(x, y);
        if (rest != 0 && (rest < 0) != (y < 0))
            rest += y;
        *out = jinja__float(op == JINJA_OP_MOD ? rest : floor((x - rest) / y + 0.5));
        return true;
    }
}

static bool join_strings(jinja_run *r, jinja_value *out, const jinja_value *a, const jinja_value *b)
{
    char *text = jinja__alloc(r, a->n + b->n + 1, 1);

    if (!text)
        return false;
    memcpy(text, a->u.s, a->n);
    memcpy(text + a->n, b->u.s, b->n);
    *out = jinja__string(text, a->n + b->n);
    return jinja__charge(r, out->n / 64);
}

static bool join_lists(jinja_run *r, jinja_value *out, const jinja_list *a, const jinja_list *b)
{
    jinja_value list;

    if (!jinja__charge(r, a->n + b->n) || !jinja__new_list(r, &list, a->n + b->n, a->is_tuple))
        return false;
    for (size_t i = 0; i < a->n + b->n; i++)
        list.u.list->items[i] = i < a->n ? a->items[i] : b->items[i - a->n];
    list.u.list->n = a->n + b->n;
    *out = list;
    return true;
}

/* 'ab' * 3, [1] * 3 */
static bool repeat(jinja_run *r, jinja_value *out, const jinja_value *v, int64_t times)
{
    size_t n = times > 0 ? (size_t)times : 0;
    size_t total = 0;

    if (v->kind == JINJA_LIST) {
        if (!jinja__new_list(r, out, 0, v->u.list->is_tuple))
            return false;
        for (size_t i = 0; i < n && v->u.list->n; i++)
            for (size_t k = 0; k < v->u.list->n; k++)
                if (!jinja__charge(r, 1) || !jinja__append(r, out->u.list, v->u.list->items[k]))
                    return false;
        return true;
    }
    if (!eai_size_mul(&total, n, v->n) || total == SIZE_MAX)
        total = SIZE_MAX - 1; /* jinja__alloc refuses it */
    char *text = jinja__alloc(r, total + 1, 1);
    if (!text)
        return false;
    for (size_t i = 0; i < n && v->n; i++)
        memcpy(text + i * v->n, v->u.s, v->n);
    *out = jinja__string(text, total);
    return jinja__charge(r, total / 64);
}

bool jinja__operate(jinja_run *r, jinja_value *out, jinja_op op, const jinja_value *a,
                    const jinja_value *b)
{
    static const char *const names[] = {
        [JINJA_OP_ADD] = "+",  [JINJA_OP_SUB] = "-",        [JINJA_OP_MUL] = "*",
        [JINJA_OP_DIV] = "/",  [JINJA_OP_FLOOR_DIV] = "//", [JINJA_OP_MOD] = "%",
        [JINJA_OP_POW] = "**",
    };
    jinja_value left;
    jinja_value right;

    if (op == JINJA_OP_CONCAT)
        return jinja__to_string(r, &left, a) && jinja__to_string(r, &right, b) &&
               join_strings(r, out, &left, &right);
    if (a->kind == JINJA_UNDEFINED || b->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, a->kind == JINJA_UNDEFINED ? a : b);
    if (jinja__is_number(a) && jinja__is_number(b))
        return number_operation(r, out, op, a, b);
    if (op == JINJA_OP_ADD && a->kind == JINJA_STRING && b->kind == JINJA_STRING)
        return join_strings(r, out, a, b);
    if (op == JINJA_OP_ADD && a->kind == JINJA_LIST && b->kind == JINJA_LIST &&
        a->u.list->is_tuple == b->u.list->is_tuple)
        return join_lists(r, out, a->u.list, b->u.list);
    if (op == JINJA_OP_MUL && (a->kind == JINJA_STRING || a->kind == JINJA_LIST) &&
        jinja__is_integer(b))
        return repeat(r, out, a, jinja__integer_of(b));
    if (op == JINJA_OP_MUL && (b->kind == JINJA_STRING || b->kind == JINJA_LIST) &&
        jinja__is_integer(a))
        return repeat(r, out, b, jinja__integer_of(a));
    if (op == JINJA_OP_MOD && a->kind == JINJA_STRING)
        return jinja__fail(r, EAI_ERR_UNSUPPORTED, "formatting a string with %% is not supported");
    return jinja__fail(r, EAI_ERR_FORMAT, "'%s' does not work for %s and %s", names[op],
                       jinja__kind_name(a), jinja__kind_name(b));
}

bool jinja__hold(jinja_run *r, bool *out, jinja_op op, const jinja_value *a, const jinja_value *b)
{
    int order = 0;

    switch (op) {
    case JINJA_OP_EQ:
        return jinja__equal(r, out, a, b);
    case JINJA_OP_NE:
        if (!jinja__equal(r, out, a, b))
            return false;
        *out = !*out;
        return true;
    case JINJA_OP_IN:
        return jinja__contains(r, out, b, a);
    case JINJA_OP_NOT_IN:
        if (!jinja__contains(r, out, b, a))
            return false;
        *out = !*out;
        return true;
    default:
        break;
    }
    if (a->kind == JINJA_UNDEFINED || b->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, a->kind == JINJA_UNDEFINED ? a : b);
    if (!jinja__compare(r, &order, a, b))
        return false;
    *out = op == JINJA_OP_LT   ? order < 0
           : op == JINJA_OP_LE ? order <= 0
           : op == JINJA_OP_GT ? order > 0
                               : order >= 0;
    return true;
}

bool jinja__sign(jinja_run *r, jinja_value *out, const jinja_value *v, bool negate)
{
    if (v->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, v);
    if (!jinja__is_number(v))
        return jinja__fail(r, EAI_ERR_FORMAT, "%s has no sign", jinja__kind_name(v));
    if (!negate)
        *out = v->kind == JINJA_FLOAT ? *v : jinja__int(jinja__integer_of(v));
    else if (v->kind == JINJA_FLOAT)
        *out = jinja__float(-v->u.f);
    else if (jinja__integer_of(v) == INT64_MIN)
        return fail_overflow(r);
    else
        *out = jinja__int(-jinja__integer_of(v));
    return true;
}
