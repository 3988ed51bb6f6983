/* Text in lines of a width.
 *
 * Why: a help text is written once, as a string that says nothing of the terminal, and read on
 * terminals of 80, 120 or 200 columns and in manual pages. What it does not do: hyphens, wide
 * characters, justified lines. Start at wrap__paragraphs. */
#include "config/wrap.h"

#include <stdbool.h>
#include <string.h>

#include "base/banned.h"

#define BLANKS " \n"

size_t wrap__columns(const char *text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* A line under construction. */
typedef struct wrapped {
    eai_strbuf *b;
    size_t indent, width;
    size_t column; /* of what comes next */
} wrapped;

static void break_line(wrapped *w)
{
    eai_strbuf_char(w->b, '\n');
    eai_strbuf_repeat(w->b, ' ', w->indent);
    w->column = w->indent;
}

/* The bytes of a word up to and with the last comma that is within `room` columns; 0: none is. */
static size_t cut_at_comma(const char *word, size_t n, size_t room)
{
    size_t cut = 0;

    for (size_t i = 0; i + 1 < n && wrap__columns(word, i + 1) <= room; i++)
        if (word[i] == ',')
            cut = i + 1;
    return cut;
}

static void add_word(wrapped *w, const char *word, size_t n)
{
    size_t blank = w->column > w->indent;

    if (blank && w->column + 1 + wrap__columns(word, n) > w->width) {
        break_line(w);
        blank = 0;
    }
    eai_strbuf_repeat(w->b, ' ', blank);
    w->column += blank;
    for (;;) {
        size_t room = w->width > w->column ? w->width - w->column : 0;
        size_t cut = wrap__columns(word, n) > room ? cut_at_comma(word, n, room) : 0;
        if (cut == 0)
            break;
        eai_strbuf_bytes(w->b, word, cut);
        break_line(w);
        word += cut;
        n -= cut;
    }
    eai_strbuf_bytes(w->b, word, n);
    w->column += wrap__columns(word, n);
}

static void add_words(eai_strbuf *b, const char *text, size_t n, size_t indent, size_t width)
{
    wrapped w = {b, indent, width, indent};
    size_t at = 0;

    while (at < n) {
        size_t blanks = strspn(text + at, BLANKS);
        at += blanks < n - at ? blanks : n - at;
        size_t length = strcspn(text + at, BLANKS);
        length = length < n - at ? length : n - at;
        if (length > 0)
            add_word(&w, text + at, length);
        at += length;
    }
    eai_strbuf_char(b, '\n');
}

void wrap__line(eai_strbuf *b, const char *text, size_t indent, size_t width)
{
    add_words(b, text, strlen(text), indent, width);
}

/* ---- Paragraphs ------------------------------------------------------------------------------ */

static bool is_laid_out(const char *line, size_t n)
{
    if (n > 0 && line[0] == ' ')
        return true;
    for (size_t i = 0; i + 1 < n; i++)
        if (line[i] == ' ' && line[i + 1] == ' ')
            return true;
    return false;
}

const char *wrap__next(const char *text, size_t *n, bool *by_hand, bool *gap)
{
    *n = strcspn(text, "\n");
    *by_hand = is_laid_out(text, *n);
    while (!*by_hand && text[*n] == '\n') {
        const char *line = text + *n + 1;
        size_t length = strcspn(line, "\n");
        if (length == 0 || is_laid_out(line, length))
            break;
        *n += 1 + length;
    }
    const char *next = text + *n + strspn(text + *n, "\n");
    *gap = next > text + *n + 1;
    return *next ? next : NULL;
}

void wrap__paragraphs(eai_strbuf *b, const char *text, size_t indent, size_t width)
{
    while (text) {
        size_t n;
        bool by_hand;
        bool gap;
        const char *next = wrap__next(text, &n, &by_hand, &gap);
        if (by_hand) {
            eai_strbuf_bytes(b, text, n);
            eai_strbuf_char(b, '\n');
        } else {
            add_words(b, text, n, indent, width);
        }
        if (next && gap)
            eai_strbuf_char(b, '\n');
        if (next)
            eai_strbuf_repeat(b, ' ', indent);
        text = next;
    }
}
