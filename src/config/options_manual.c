/* The options of a command in a manual page: the rows and the order of the help (options_text.c),
 * in roff. Start at eai_options_manual(). */
#include "config/options_internal.h"

#include <string.h>

#include "config/roff.h"

#include "base/banned.h"

#define MANUAL_MAX ((size_t)1 << 20)

/* "-r, --rank N", names bold, the value in italics. A flag that is on by default is shown with the
 * form that switches it off. */
static void add_names(eai_strbuf *b, const eai_option *o)
{
    bool flag = o->type == EAI_OPT_FLAG;
    bool on = flag && o->default_value && strcmp(o->default_value, "true") == 0;

    eai_strbuf_text(b, ".TP\n");
    if (o->key)
        eai_strbuf_printf(b, "\\fB\\-%c\\fR, ", o->key);
    eai_strbuf_printf(b, "\\fB\\-\\-%s", on ? "[no\\-]" : "");
    roff__piece(b, o->name);
    eai_strbuf_text(b, "\\fR");
    if (o->value_name || !flag) {
        const char *value = o->value_name ? o->value_name : "VALUE";
        eai_strbuf_printf(b, "%s\\fI", value[0] == '[' ? "" : " ");
        roff__piece(b, value);
        eai_strbuf_text(b, "\\fR");
    }
    eai_strbuf_char(b, '\n');
}

/* `text` is scratch. */
static void add_row(eai_strbuf *b, const eai_option *o, eai_strbuf *text)
{
    eai_strbuf_clear(text);
    options__describe(text, o);
    add_names(b, o);
    roff__lines(b, eai_strbuf_get(text), text->length);
}

/* The rows of the table, or all that the help has. */
static const eai_option *row_at(const eai_option *table, size_t n, bool general, size_t i)
{
    return i < n || general ? options__row(table, n, i) : NULL;
}

char *eai_options_manual(const eai_option *table, bool general)
{
    eai_strbuf b = EAI_STRBUF_INIT(MANUAL_MAX);
    eai_strbuf text = EAI_STRBUF_INIT(MANUAL_MAX);
    const eai_option *o;
    size_t n = 0;
    bool ok = true;

    while (table[n].type != EAI_OPT_END)
        n++;
    for (size_t i = 0; (o = row_at(table, n, general, i)) != NULL; i++) {
        const eai_option *member;
        if (options__group_was_seen(table, n, i))
            continue;
        eai_strbuf_text(&b, ".SS ");
        roff__lines(&b, options__group(o), strlen(options__group(o)));
        for (size_t j = i; (member = row_at(table, n, general, j)) != NULL; j++) {
            if (strcmp(options__group(member), options__group(o)) != 0)
                continue;
            add_row(&b, member, &text); /* clears text first */
            ok = ok && text.status == EAI_OK;
        }
    }
    char *manual = ok ? eai_strbuf_take(&b, NULL) : NULL;
    eai_strbuf_deinit(&b);
    eai_strbuf_deinit(&text);
    return manual;
}
