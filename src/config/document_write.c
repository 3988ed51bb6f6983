/* A tree as text. In all formats numbers are the shortest that read back as the same; texts are
 * quoted as in JSON, whose escapes YAML and TOML share. Start at eai_value_to_text. */
#include <efficientai/document.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_TEXT ((size_t)64 << 20)

/* ---- Scalars --------------------------------------------------------------------------------- */

/* Characters that JSON lets stand and YAML or TOML do not: DEL, C1, the byte order mark, U+FFFE,
 * U+FFFF. Returns the length of the one at s, and its number; 0: it is none of them. */
static size_t unprintable(unsigned *number, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    if (s[0] == 0x7f) {
        *number = 0x7f;
        return 1;
    }
    if (s[0] == 0xc2 && s[1] < 0xa0) {
        *number = s[1];
        return 2;
    }
    bool mark = s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf;
    if (mark || (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe)) {
        *number = mark ? 0xfeff : 0xffc0u + (s[2] & 0x3fu);
        return 3;
    }
    return 0;
}

static void add_text(eai_strbuf *b, const char *text, size_t n)
{
    eai_strbuf quoted = EAI_STRBUF_INIT(MAX_TEXT);
    unsigned number = 0;

    eai_strbuf_json_bytes(&quoted, text, n);
    for (const char *s = eai_strbuf_get(&quoted); *s;) {
        size_t length = unprintable(&number, s);
        if (length > 0)
            eai_strbuf_printf(b, "\\u%04x", number);
        else
            eai_strbuf_char(b, *s);
        s += length ? length : 1;
    }
    if (quoted.status != EAI_OK)
        b->status = quoted.status;
    eai_strbuf_deinit(&quoted);
}

/* With a point, without which it would read back as a whole number, or in YAML 1.1 ("1e-05") as a
 * text.
 */
static void add_finite(eai_strbuf *b, double real)
{
    eai_strbuf number = EAI_STRBUF_INIT(64);

    eai_strbuf_json_number(&number, real);
    const char *text = eai_strbuf_get(&number);
    size_t digits = strcspn(text, ".eEn");
    eai_strbuf_bytes(b, text, digits);
    if (text[digits] != '.' && text[digits] != 'n')
        eai_strbuf_text(b, ".0");
    eai_strbuf_text(b, text + digits);
    if (number.status != EAI_OK)
        b->status = number.status;
    eai_strbuf_deinit(&number);
}

static void add_real(eai_strbuf *b, double real, eai_document_format format)
{
    const char *dot = format == EAI_DOCUMENT_YAML ? "." : "";

    if (format == EAI_DOCUMENT_JSON || isfinite(real)) {
        add_finite(b, real);
    } else if (isnan(real)) {
        eai_strbuf_printf(b, "%snan", dot);
    } else {
        eai_strbuf_printf(b, "%s%sinf", real < 0 ? "-" : "", dot);
    }
}

static void add_scalar(eai_strbuf *b, const eai_value *v, eai_document_format format)
{
    switch (v->kind) {
    case EAI_VALUE_BOOL:
        eai_strbuf_text(b, v->boolean ? "true" : "false");
        break;
    case EAI_VALUE_INT:
        eai_strbuf_printf(b, "%" PRId64, v->integer);
        break;
    case EAI_VALUE_FLOAT:
        add_real(b, v->real, format);
        break;
    case EAI_VALUE_TEXT:
        add_text(b, v->text, v->length);
        break;
    case EAI_VALUE_TIME: /* the other formats have no kind for it */
        if (format == EAI_DOCUMENT_TOML)
            eai_strbuf_text(b, v->text);
        else
            add_text(b, v->text, v->length);
        break;
    default:
        eai_strbuf_text(b, "null");
    }
}

static bool has_children(const eai_value *v)
{
    return v->kind == EAI_VALUE_ARRAY || v->kind == EAI_VALUE_TABLE;
}

/* "  # comment" behind a value, of one line whatever the comment is. */
static void add_comment(eai_strbuf *b, const eai_value *v)
{
    if (!v->comment)
        return;
    eai_strbuf_text(b, "  # ");
    for (const char *c = v->comment; *c; c++)
        eai_strbuf_char(b, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void add_line(eai_strbuf *b, size_t depth)
{
    eai_strbuf_char(b, '\n');
    eai_strbuf_repeat(b, ' ', 2 * depth);
}

static void add_json(eai_strbuf *b, const eai_value *v, size_t depth)
{
    bool table = v->kind == EAI_VALUE_TABLE;

    if (!has_children(v)) {
        add_scalar(b, v, EAI_DOCUMENT_JSON);
        return;
    }
    eai_strbuf_char(b, table ? '{' : '[');
    for (const eai_value *child = v->first; child; child = child->next) {
        add_line(b, depth + 1);
        if (table) {
            add_text(b, child->key, child->key_length);
            eai_strbuf_text(b, ": ");
        }
        add_json(b, child, depth + 1);
        if (child->next)
            eai_strbuf_char(b, ',');
    }
    if (v->first)
        add_line(b, depth);
    eai_strbuf_char(b, table ? '}' : ']');
}

/* ---- YAML ------------------------------------------------------------------------------------ */

/* Of letters, digits, '-' and '_', beginning with a letter, and no word that means something. */
static bool is_plain_key(const eai_value *v)
{
    static const char *const meant[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n"};
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    for (size_t i = 0; i < sizeof(meant) / sizeof(meant[0]); i++)
        if (strcmp(v->key, meant[i]) == 0)
            return false;
    return v->key_length > 0 && strchr(letters, *v->key) && strspn(v->key, others) == v->key_length;
}

static void add_key(eai_strbuf *b, const eai_value *v)
{
    if (is_plain_key(v))
        eai_strbuf_text(b, v->key);
    else
        add_text(b, v->key, v->key_length);
}

/* "key:". One of more than 1024 characters must announce itself (YAML 1.2, chapter 7.4.2). */
static void add_yaml_key(eai_strbuf *b, const eai_value *v, size_t depth)
{
    size_t before = b->length;

    add_key(b, v);
    if (b->length - before > 1000 && b->status == EAI_OK) {
        b->length = before;
        eai_strbuf_text(b, "? ");
        add_key(b, v);
        eai_strbuf_char(b, '\n');
        eai_strbuf_repeat(b, ' ', 2 * depth);
    }
    eai_strbuf_char(b, ':');
}

/* Children of a table or list, each on lines of its own. The first one goes on with the line that
 * is there when `started`. */
static void add_yaml_block(eai_strbuf *b, const eai_value *v, size_t depth, bool started)
{
    for (const eai_value *child = v->first; child; child = child->next) {
        if (!started)
            eai_strbuf_repeat(b, ' ', 2 * depth);
        started = false;
        if (v->kind == EAI_VALUE_TABLE)
            add_yaml_key(b, child, depth);
        else
            eai_strbuf_char(b, '-');
        if (has_children(child) && child->first) {
            bool in_line = v->kind == EAI_VALUE_ARRAY;
            eai_strbuf_char(b, in_line ? ' ' : '\n');
            add_yaml_block(b, child, depth + 1, in_line);
            continue;
        }
        eai_strbuf_char(b, ' ');
        if (has_children(child))
            eai_strbuf_text(b, child->kind == EAI_VALUE_TABLE ? "{}" : "[]");
        else
            add_scalar(b, child, EAI_DOCUMENT_YAML);
        add_comment(b, child);
        eai_strbuf_char(b, '\n');
    }
}

static void add_yaml(eai_strbuf *b, const eai_value *v)
{
    if (v->first)
        add_yaml_block(b, v, 0, false);
    else
        add_json(b, v, 0);
}

/* ---- TOML ------------------------------------------------------------------------------------ */

/* In one line: lists, and tables within lists. */
static void add_toml_inline(eai_strbuf *b, const eai_value *v)
{
    bool table = v->kind == EAI_VALUE_TABLE;
    const char *between = "";

    if (!has_children(v)) {
        add_scalar(b, v, EAI_DOCUMENT_TOML);
        return;
    }
    eai_strbuf_char(b, table ? '{' : '[');
    for (const eai_value *child = v->first; child; child = child->next) {
        if (child->kind == EAI_VALUE_NULL)
            continue;
        eai_strbuf_text(b, between);
        between = ", ";
        if (table) {
            add_key(b, child);
            eai_strbuf_text(b, " = ");
        }
        add_toml_inline(b, child);
    }
    eai_strbuf_char(b, table ? '}' : ']');
}

/* A table: its values, then its tables, each under a header. `path` is the text of the header so
 * far. */
static void add_toml(eai_strbuf *b, eai_strbuf *path, const eai_value *table)
{
    for (const eai_value *v = table->first; v; v = v->next) {
        bool absent = v->kind == EAI_VALUE_NULL;
        if (v->kind == EAI_VALUE_TABLE || (absent && !v->comment))
            continue;
        eai_strbuf_text(b, absent ? "# " : ""); /* for whoever fills it in */
        add_key(b, v);
        eai_strbuf_text(b, absent ? " =" : " = ");
        if (!absent)
            add_toml_inline(b, v);
        add_comment(b, v);
        eai_strbuf_char(b, '\n');
    }
    for (const eai_value *v = table->first; v; v = v->next) {
        if (v->kind != EAI_VALUE_TABLE)
            continue;
        size_t length = path->length;
        if (length > 0)
            eai_strbuf_char(path, '.');
        add_key(path, v);
        eai_strbuf_printf(b, "%s[%s]\n", b->length > 0 ? "\n" : "", eai_strbuf_get(path));
        add_toml(b, path, v);
        path->length = length;
        if (path->data)
            path->data[length] = '\0';
    }
}

char *eai_value_to_text(const eai_value *v, eai_document_format format)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_TEXT);
    eai_strbuf path = EAI_STRBUF_INIT(MAX_TEXT);

    if (format == EAI_DOCUMENT_TOML && v->kind == EAI_VALUE_TABLE)
        add_toml(&b, &path, v);
    else if (format == EAI_DOCUMENT_YAML)
        add_yaml(&b, v);
    else if (format == EAI_DOCUMENT_JSON)
        add_json(&b, v, 0);
    if (b.length > 0 && b.data[b.length - 1] != '\n')
        eai_strbuf_char(&b, '\n');
    bool ok = path.status == EAI_OK && (format != EAI_DOCUMENT_TOML || v->kind == EAI_VALUE_TABLE);
    char *text = ok ? eai_strbuf_take(&b, NULL) : NULL;
    eai_strbuf_deinit(&b);
    eai_strbuf_deinit(&path);
    return text;
}
