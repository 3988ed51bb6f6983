/* Text in the language of manual pages.
 *
 * Why escapes at all: in roff a backslash begins a command and so does a dot or a quote in the
 * first place of a line; '-' is a hyphen, which nobody finds who looks for an option and no shell
 * takes when it is copied; and ' ` ^ ~ become typographic signs. Start at roff__piece. */
#include "config/roff.h"

#include <stdbool.h>
#include <string.h>

#include "config/wrap.h"

#include "base/banned.h"

#define LINE_MAX_COLUMNS 72 /* of the source; readers complain above 80 */
#define BLANKS           " \n"

/* What stands for a character, or NULL: itself. */
static const char *escape_of(char c)
{
    static const struct {
        char c;
        const char *escape;
    } escapes[] = {
        {'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"}, {'"', "\\(dq"},
        {'`', "\\(ga"}, {'^', "\\(ha"}, {'~', "\\(ti"},  {'\n', " "},
    };

    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
        if (escapes[i].c == c)
            return escapes[i].escape;
    return NULL;
}

static void add_bytes(eai_strbuf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *escape = escape_of(text[i]);
        if (escape)
            eai_strbuf_text(b, escape);
        else
            eai_strbuf_char(b, text[i]);
    }
}

void roff__piece(eai_strbuf *b, const char *text)
{
    add_bytes(b, text, strlen(text));
}

/* The only sign that begins a command and has no escape of its own. */
static void guard(eai_strbuf *b, char first)
{
    if (first == '.')
        eai_strbuf_text(b, "\\&");
}

void roff__lines(eai_strbuf *b, const char *text, size_t n)
{
    size_t column = 0;

    for (size_t at = 0; at < n;) {
        size_t length = strcspn(text + at, BLANKS);
        length = length < n - at ? length : n - at;
        if (length > 0) {
            bool fits = column + 1 + length <= LINE_MAX_COLUMNS;
            if (column > 0)
                eai_strbuf_char(b, fits ? ' ' : '\n');
            column = column > 0 && fits ? column + 1 + length : length;
            if (column == length)
                guard(b, text[at]);
            add_bytes(b, text + at, length);
        }
        at += length + 1;
    }
    eai_strbuf_char(b, '\n');
}

void roff__paragraphs(eai_strbuf *b, const char *text)
{
    bool in_layout = false;

    while (text) {
        size_t n;
        bool by_hand;
        bool gap;
        const char *next = wrap__next(text, &n, &by_hand, &gap);
        if (by_hand != in_layout)
            eai_strbuf_text(b, by_hand ? ".nf\n" : ".fi\n");
        in_layout = by_hand;
        if (by_hand) {
            guard(b, text[0]);
            add_bytes(b, text, n);
            eai_strbuf_char(b, '\n');
        } else {
            roff__lines(b, text, n);
        }
        if (next && gap)
            eai_strbuf_text(b, in_layout ? ".fi\n.PP\n" : ".PP\n");
        in_layout = in_layout && !(next && gap);
        text = next;
    }
    if (in_layout)
        eai_strbuf_text(b, ".fi\n");
}
