/* Filters and methods that work on text, with their tables at the end; see jinja_builtins.c for
 * what a row is.
 *
 * Text is Unicode: lengths, positions and white space are those of characters. Only the case of
 * ASCII letters can be changed; for other letters that have a case, upper() and its like fail and
 * say so, because a wrong text would be worse. */
#include <string.h>

#include "formats/jinja_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* --- text: trimming --- */

static size_t char_at(uint32_t *c, const jinja_value *s, size_t at)
{
    size_t length = utf8__decode(c, s->u.s + at, s->n - at);

    if (length == 0) {
        *c = 0xFFFD;
        length = 1;
    }
    return length;
}

/* Is the character among `set` (white space when that is not given)? */
static bool is_stripped(uint32_t c, const jinja_value *set)
{
    uint32_t other = 0;

    if (!jinja__is_given(set))
        return utf8__is_python_space(c);
    for (size_t at = 0; at < set->n;) {
        at += char_at(&other, set, at);
        if (other == c)
            return true;
    }
    return false;
}

static bool strip(jinja_run *r, jinja_value *out, const jinja_value *self, const jinja_value *set,
                  bool left, bool right)
{
    size_t start = 0;
    size_t end = self->n;
    uint32_t c = 0;

    if (jinja__is_given(set) && !jinja__need_string(r, set, "strip"))
        return false;
    if (!jinja__charge(r, self->n * (jinja__is_given(set) ? set->n : 1)))
        return false;
    while (left && start < end) {
        size_t length = char_at(&c, self, start);

        if (!is_stripped(c, set))
            break;
        start += length;
    }
    while (right && end > start) {
        size_t at = end - 1;

        while (at > start && ((unsigned char)self->u.s[at] & 0xC0) == 0x80)
            at--;
        char_at(&c, self, at);
        if (!is_stripped(c, set))
            break;
        end = at;
    }
    *out = jinja__string(self->u.s + start, end - start);
    return true;
}

static bool method_strip(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    return strip(r, out, self, &args[0], true, true);
}

static bool method_lstrip(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    return strip(r, out, self, &args[0], true, false);
}

static bool method_rstrip(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    return strip(r, out, self, &args[0], false, true);
}

static bool filter_trim(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    jinja_value text;

    return jinja__to_string(r, &text, self) && strip(r, out, &text, &args[0], true, true);
}

/* --- text: case --- */

/* Blocks of Unicode that have letters with a case. */
static bool may_have_case(uint32_t c)
{
    static const uint32_t blocks[][2] = {
        {0xAA, 0x24F},      {0x250, 0x2B8},     {0x345, 0x345},     {0x370, 0x58F},
        {0x10A0, 0x10FF},   {0x13A0, 0x13FF},   {0x1C80, 0x1CBF},   {0x1D00, 0x1FFF},
        {0x2071, 0x209C},   {0x2100, 0x218F},   {0x24B6, 0x24E9},   {0x2C00, 0x2D2F},
        {0xA640, 0xA69F},   {0xA720, 0xA7FF},   {0xAB30, 0xABBF},   {0xFB00, 0xFB17},
        {0xFF21, 0xFF5A},   {0x10400, 0x104FF}, {0x10570, 0x105BC}, {0x10780, 0x107BA},
        {0x10C80, 0x10CFF}, {0x118A0, 0x118DF}, {0x16E40, 0x16E7F}, {0x1D400, 0x1D7CB},
        {0x1E900, 0x1E943},
    };

    for (size_t i = 0; i < COUNT(blocks); i++)
        if (c >= blocks[i][0] && c <= blocks[i][1])
            return c != 0xD7 && c != 0xF7 && !(c > 0xAA && c < 0xC0 && c != 0xB5 && c != 0xBA);
    return false;
}

typedef enum casing { CASE_UPPER, CASE_LOWER, CASE_CAPITALIZE, CASE_TITLE } casing;

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool change_case(jinja_run *r, jinja_value *out, const jinja_value *s, casing to)
{
    char *text = jinja__alloc(r, s->n + 1, 1);
    bool in_word = false;

    if (!text || !jinja__charge(r, s->n))
        return false;
    for (size_t at = 0; at < s->n; at++) {
        uint32_t c = 0;
        char letter = s->u.s[at];
        bool upper = to == CASE_UPPER || (to == CASE_CAPITALIZE && at == 0) ||
                     (to == CASE_TITLE && !in_word);

        char_at(&c, s, at);
        if (c >= 0x80 && c != 0xFFFD && may_have_case(c))
            return jinja__fail(r, EAI_ERR_UNSUPPORTED,
                               "the case of a letter outside ASCII (U+%04X) cannot be changed",
                               (unsigned)c);
        in_word = is_letter(letter);
        if (in_word)
            letter = upper ? (char)(letter & ~32) : (char)(letter | 32);
        text[at] = letter;
    }
    *out = jinja__string(text, s->n);
    return true;
}

bool jinja__lower(jinja_run *r, jinja_value *out, const jinja_value *s)
{
    return change_case(r, out, s, CASE_LOWER);
}

static bool method_upper(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    (void)args;
    return change_case(r, out, self, CASE_UPPER);
}

static bool method_lower(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    (void)args;
    return change_case(r, out, self, CASE_LOWER);
}

static bool method_capitalize(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    (void)args;
    return change_case(r, out, self, CASE_CAPITALIZE);
}

static bool method_title(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    (void)args;
    return change_case(r, out, self, CASE_TITLE);
}

static bool filter_upper(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    jinja_value text;

    (void)args;
    return jinja__to_string(r, &text, self) && change_case(r, out, &text, CASE_UPPER);
}

static bool filter_lower(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    jinja_value text;

    (void)args;
    return jinja__to_string(r, &text, self) && change_case(r, out, &text, CASE_LOWER);
}

static bool filter_capitalize(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    jinja_value text;

    (void)args;
    return jinja__to_string(r, &text, self) && change_case(r, out, &text, CASE_CAPITALIZE);
}

/* --- text: finding, replacing, splitting --- */

static bool is_at(const jinja_value *s, size_t at, const jinja_value *what)
{
    return s->n - at >= what->n && memcmp(s->u.s + at, what->u.s, what->n) == 0;
}

/* The first place of `what` at or after `from`; s->n + 1 when there is none. */
static size_t find_from(const jinja_value *s, size_t from, const jinja_value *what)
{
    for (size_t at = from; at + what->n <= s->n; at++) {
        if (what->n > 0) {
            const char *p = memchr(s->u.s + at, what->u.s[0], s->n - at - what->n + 1);

            if (!p)
                break;
            at = (size_t)(p - s->u.s);
        }
        if (is_at(s, at, what))
            return at;
    }
    return s->n + 1;
}

static bool replace_text(jinja_run *r, jinja_value *out, const jinja_value *s,
                         const jinja_value *old, const jinja_value *with, int64_t count)
{
    eai_strbuf b;
    size_t at = 0;

    if (!jinja__charge(r, s->n * (1 + old->n / 16)))
        return false;
    eai_strbuf_init(&b, r->limits->memory_bytes);
    for (int64_t i = 0; count < 0 || i < count; i++) {
        size_t found = find_from(s, at, old);

        if (found > s->n)
            break;
        eai_strbuf_bytes(&b, s->u.s + at, found - at);
        eai_strbuf_bytes(&b, with->u.s, with->n);
        at = found + old->n;
        if (old->n == 0) { /* between any two characters, and at both ends */
            uint32_t c = 0;
            size_t length = at < s->n ? char_at(&c, s, at) : 0;

            eai_strbuf_bytes(&b, s->u.s + at, length);
            at += length;
            if (length == 0)
                break;
        }
    }
    if (at < s->n)
        eai_strbuf_bytes(&b, s->u.s + at, s->n - at);
    return jinja__take_buffer(r, out, &b);
}

static bool method_replace(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    int64_t count = -1;

    return jinja__need_string(r, &args[0], "replace") &&
           jinja__need_string(r, &args[1], "replace") &&
           jinja__read_int(r, &count, &args[2], -1, "replace") &&
           replace_text(r, out, self, &args[0], &args[1], count);
}

static bool filter_replace(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    jinja_value text[3];
    int64_t count = -1;

    return jinja__to_string(r, &text[0], self) && jinja__to_string(r, &text[1], &args[0]) &&
           jinja__to_string(r, &text[2], &args[1]) &&
           jinja__read_int(r, &count, &args[2], -1, "replace") &&
           replace_text(r, out, &text[0], &text[1], &text[2], count);
}

static bool push_part(jinja_run *r, jinja_value *list, const jinja_value *s, size_t start,
                      size_t end)
{
    return jinja__append(r, list->u.list, jinja__string(s->u.s + start, end - start));
}

/* split() without a separator: runs of white space part words, none at the ends. */
static bool split_at_space(jinja_run *r, jinja_value *list, const jinja_value *s, int64_t most)
{
    size_t at = 0;
    uint32_t c = 0;

    for (int64_t n = 0;; n++) {
        size_t length = 0;

        while (at < s->n && (length = char_at(&c, s, at)) > 0 && utf8__is_python_space(c))
            at += length;
        if (at >= s->n)
            return true;
        size_t start = at;
        if (n == most) /* white space at the very end stays */
            return push_part(r, list, s, start, s->n);
        while (at < s->n && (length = char_at(&c, s, at)) > 0 && !utf8__is_python_space(c))
            at += length;
        if (!push_part(r, list, s, start, at))
            return false;
    }
}

static bool split_forward(jinja_run *r, jinja_value *list, const jinja_value *s,
                          const jinja_value *separator, int64_t most)
{
    size_t at = 0;

    for (int64_t n = 0; n != most; n++) {
        size_t found = find_from(s, at, separator);

        if (found > s->n)
            break;
        if (!push_part(r, list, s, at, found))
            return false;
        at = found + separator->n;
    }
    return push_part(r, list, s, at, s->n);
}

static bool split_backward(jinja_run *r, jinja_value *list, const jinja_value *s,
                           const jinja_value *separator, int64_t most)
{
    size_t end = s->n;

    for (size_t at = s->n; at >= separator->n && most != 0;) {
        if (memcmp(s->u.s + at - separator->n, separator->u.s, separator->n) != 0) {
            at--;
            continue;
        }
        if (!push_part(r, list, s, at, end))
            return false;
        at -= separator->n;
        end = at;
        most--;
    }
    if (!push_part(r, list, s, 0, end))
        return false;
    jinja_list *l = list->u.list;
    for (size_t i = 0; i < l->n / 2; i++) {
        jinja_value swap = l->items[i];

        l->items[i] = l->items[l->n - 1 - i];
        l->items[l->n - 1 - i] = swap;
    }
    return true;
}

static bool split(jinja_run *r, jinja_value *out, const jinja_value *self, const jinja_value *args,
                  bool backward)
{
    int64_t most = -1;

    if (!jinja__read_int(r, &most, &args[1], -1, "split") || !jinja__charge(r, self->n) ||
        !jinja__new_list(r, out, 0, false))
        return false;
    most = most < 0 ? -1 : most;
    if (!jinja__is_given(&args[0])) {
        if (backward && most >= 0)
            return jinja__fail(r, EAI_ERR_UNSUPPORTED, "rsplit() with a limit needs a separator");
        return split_at_space(r, out, self, most);
    }
    if (!jinja__need_string(r, &args[0], "split"))
        return false;
    if (args[0].n == 0)
        return jinja__fail(r, EAI_ERR_FORMAT, "split() with an empty separator");
    if (!jinja__charge(r, self->n * (args[0].n / 16)))
        return false;
    return backward ? split_backward(r, out, self, &args[0], most)
                    : split_forward(r, out, self, &args[0], most);
}

static bool method_split(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    return split(r, out, self, args, false);
}

static bool method_rsplit(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    return split(r, out, self, args, true);
}

static bool is_line_end(uint32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
}

static bool method_splitlines(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    size_t start = 0;

    if (!jinja__charge(r, self->n) || !jinja__new_list(r, out, 0, false))
        return false;
    for (size_t at = 0; at < self->n;) {
        uint32_t c = 0;
        size_t end = at;

        at += char_at(&c, self, at);
        if (!is_line_end(c))
            continue;
        if (c == '\r' && at < self->n && self->u.s[at] == '\n')
            at++;
        if (!push_part(r, out, self, start, jinja__truth(&args[0]) ? at : end))
            return false;
        start = at;
    }
    return start == self->n || push_part(r, out, self, start, self->n);
}

/* startswith and endswith take a string or a tuple of them. */
static bool has_affix(jinja_run *r, jinja_value *out, const jinja_value *self,
                      const jinja_value *affix, bool at_end)
{
    const jinja_value *items = affix;
    size_t n = 1;
    bool found = false;

    if (affix->kind == JINJA_LIST && affix->u.list->is_tuple) {
        items = affix->u.list->items;
        n = affix->u.list->n;
    }
    for (size_t i = 0; i < n && !found; i++) {
        if (!jinja__need_string(r, &items[i], at_end ? "endswith" : "startswith") ||
            !jinja__charge(r, 1 + items[i].n / 64))
            return false;
        found = items[i].n <= self->n && is_at(self, at_end ? self->n - items[i].n : 0, &items[i]);
    }
    *out = jinja__bool(found);
    return true;
}

static bool method_startswith(jinja_run *r, jinja_value *out, const jinja_value *self,
                              const jinja_value *args)
{
    return has_affix(r, out, self, &args[0], false);
}

static bool method_endswith(jinja_run *r, jinja_value *out, const jinja_value *self,
                            const jinja_value *args)
{
    return has_affix(r, out, self, &args[0], true);
}

static bool method_find(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    if (!jinja__need_string(r, &args[0], "find") ||
        !jinja__charge(r, self->n * (1 + args[0].n / 16)))
        return false;
    size_t at = find_from(self, 0, &args[0]);
    jinja_value before = jinja__string(self->u.s, at > self->n ? 0 : at);
    *out = jinja__int(at > self->n ? -1 : (int64_t)jinja__count_characters(&before));
    return true;
}

static bool method_count(jinja_run *r, jinja_value *out, const jinja_value *self,
                         const jinja_value *args)
{
    int64_t n = 0;

    if (!jinja__need_string(r, &args[0], "count") ||
        !jinja__charge(r, self->n * (1 + args[0].n / 16)))
        return false;
    if (args[0].n == 0)
        n = (int64_t)jinja__count_characters(self) + 1;
    else
        for (size_t at = 0; (at = find_from(self, at, &args[0])) <= self->n; at += args[0].n)
            n++;
    *out = jinja__int(n);
    return true;
}

static bool method_isdigit(jinja_run *r, jinja_value *out, const jinja_value *self,
                           const jinja_value *args)
{
    bool all = self->n > 0;

    (void)args;
    for (size_t i = 0; i < self->n; i++) {
        if ((unsigned char)self->u.s[i] >= 0x80)
            return jinja__fail(r, EAI_ERR_UNSUPPORTED, "isdigit() of characters outside ASCII");
        all = all && self->u.s[i] >= '0' && self->u.s[i] <= '9';
    }
    *out = jinja__bool(all);
    return jinja__charge(r, self->n);
}

static bool method_join(jinja_run *r, jinja_value *out, const jinja_value *self,
                        const jinja_value *args)
{
    jinja_list *items = NULL;
    const jinja_value none = jinja__none();

    if (!jinja__to_list(r, &items, &args[0]))
        return false;
    for (size_t i = 0; i < items->n; i++)
        if (!jinja__need_string(r, &items->items[i], "join"))
            return false;
    return jinja__join(r, out, items, self, &none);
}

/* indent(width=4, first=false, blank=false) */
static bool filter_indent(jinja_run *r, jinja_value *out, const jinja_value *self,
                          const jinja_value *args)
{
    jinja_value text;
    jinja_value pad = args[0];
    int64_t width = 4;
    eai_strbuf b;

    if (self->kind == JINJA_UNDEFINED)
        return jinja__fail_undefined(r, self);
    if (!jinja__to_string(r, &text, self) || !jinja__charge(r, text.n))
        return false;
    if (pad.kind != JINJA_STRING && !jinja__read_int(r, &width, &pad, 4, "indent"))
        return false;
    if (width > 1000)
        return jinja__fail(r, EAI_ERR_LIMIT, "indent: a width of more than 1000");
    eai_strbuf_init(&b, r->limits->memory_bytes);
    for (size_t at = 0; at <= text.n;) {
        const char *newline = memchr(text.u.s + at, '\n', text.n - at);
        size_t end = newline ? (size_t)(newline - text.u.s) : text.n;
        bool indented = at == 0 ? jinja__truth(&args[1]) : end > at || jinja__truth(&args[2]);

        if (indented && pad.kind == JINJA_STRING)
            eai_strbuf_bytes(&b, pad.u.s, pad.n);
        else if (indented && width > 0)
            eai_strbuf_repeat(&b, ' ', (size_t)width);
        eai_strbuf_bytes(&b, text.u.s + at, end - at + (newline != NULL));
        at = end + 1;
    }
    return jinja__take_buffer(r, out, &b);
}

/* --- the tables --- */

/* clang-format off */
/*   name           function            parameters; a '!' before a name: it must be given */
const jinja_builtin jinja__text_filters[] = {
    {"capitalize",  filter_capitalize,  ""},
    {"indent",      filter_indent,      "width first blank"},
    {"lower",       filter_lower,       ""},
    {"replace",     filter_replace,     "!old !new count"},
    {"trim",        filter_trim,        "chars"},
    {"upper",       filter_upper,       ""},
};

const jinja_builtin jinja__string_methods[] = {
    {"capitalize",  method_capitalize,  ""},
    {"count",       method_count,       "!sub"},
    {"endswith",    method_endswith,    "!suffix"},
    {"find",        method_find,        "!sub"},
    {"isdigit",     method_isdigit,     ""},
    {"join",        method_join,        "!iterable"},
    {"lower",       method_lower,       ""},
    {"lstrip",      method_lstrip,      "chars"},
    {"replace",     method_replace,     "!old !new count"},
    {"rsplit",      method_rsplit,      "sep maxsplit"},
    {"rstrip",      method_rstrip,      "chars"},
    {"split",       method_split,       "sep maxsplit"},
    {"splitlines",  method_splitlines,  "keepends"},
    {"startswith",  method_startswith,  "!prefix"},
    {"strip",       method_strip,       "chars"},
    {"title",       method_title,       ""},
    {"upper",       method_upper,       ""},
};

/* clang-format on */

const size_t jinja__n_text_filters = COUNT(jinja__text_filters);
const size_t jinja__n_string_methods = COUNT(jinja__string_methods);
