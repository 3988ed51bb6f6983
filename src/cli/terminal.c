/* Facts about the terminal, numbers for people, and tables of text.
 *
 * Why: every command that prints needs the same few answers (how wide, is somebody watching, may it
 * be coloured), and a table is the same loop everywhere. What it does not do: cursor movement or
 * key presses; the one line that moves is in progress.c. Start at eai_table_print. */
#include <efficientai/terminal.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <efficientai/alloc.h>

#include "base/log.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "config/wrap.h"

#include "base/banned.h"

#define MIN_WIDTH 40
#define MAX_WIDTH 200
#define MIN_LAST  16 /* columns that are worth wrapping a table's last column in */
#define TEXT_MAX  ((size_t)1 << 20)

static bool environment_is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

/* The columns that `f` has, or that the environment says; 0: nobody knows. */
static int known_width(FILE *f)
{
    struct winsize size;
    int width = 0;
    const char *columns = getenv("COLUMNS");
    int fd = f ? fileno(f) : -1;
    if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        width = size.ws_col;
    } else if (columns && *columns) {
        char *end;
        long n = strtol(columns, &end, 10);
        if (*end == '\0' && n > 0 && n < 100000)
            width = (int)n;
    }
    if (width == 0)
        return 0;
    return width < MIN_WIDTH ? MIN_WIDTH : width > MAX_WIDTH ? MAX_WIDTH : width;
}

int eai_terminal_width(FILE *f)
{
    int width = known_width(f);
    return width ? width : 80;
}

bool eai_terminal_is_live(FILE *f)
{
    const char *term = getenv("TERM");
    int fd = f ? fileno(f) : -1;
    return fd >= 0 && isatty(fd) && term && strcmp(term, "dumb") != 0 && !environment_is_set("CI");
}

/* Of the process, as the level of its log is. */
static enum { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER } color_mode;

bool eai_terminal_set_color(const char *when)
{
    if (strcmp(when, "auto") == 0)
        color_mode = COLOR_AUTO;
    else if (strcmp(when, "always") == 0)
        color_mode = COLOR_ALWAYS;
    else if (strcmp(when, "never") == 0)
        color_mode = COLOR_NEVER;
    else
        return false;
    log__set_color(color_mode == COLOR_AUTO ? -1 : color_mode == COLOR_ALWAYS);
    return true;
}

bool eai_terminal_has_color(FILE *f)
{
    if (color_mode != COLOR_AUTO)
        return color_mode == COLOR_ALWAYS;
    return eai_terminal_is_live(f) && !environment_is_set("NO_COLOR");
}

bool eai_terminal_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (!value || !*value)
            continue;
        const char *dot = strchr(value, '.');
        const char *charset = dot ? dot + 1 : value; /* macOS sets LC_CTYPE=UTF-8 */
        return strncasecmp(charset, "UTF-8", 5) == 0 || strncasecmp(charset, "UTF8", 4) == 0;
    }
    return false;
}

char *eai_format_bytes(char *buf, size_t n, uint64_t bytes)
{
    return text__bytes(buf, n, bytes);
}

char *eai_format_duration(char *buf, size_t n, double seconds)
{
    if (!isfinite(seconds) || seconds < 0 || seconds > 1e9) {
        snprintf(buf, n, "?");
        return buf;
    }
    long s = lround(seconds);
    if (s < 60)
        snprintf(buf, n, "%ld s", s);
    else if (s < 3600)
        snprintf(buf, n, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(buf, n, "%ld h %02ld min", s / 3600, s / 60 % 60);
    return buf;
}

size_t eai_text_columns(const char *text)
{
    size_t columns = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        columns += (*p & 0xC0) != 0x80; /* every byte but UTF-8's continuation bytes */
    return columns;
}

void eai_text_print(FILE *out, const char *text, int indent, int width)
{
    eai_strbuf b = EAI_STRBUF_INIT(TEXT_MAX);
    if (width > 0)
        wrap__paragraphs(&b, text, indent > 0 ? (size_t)indent : 0, (size_t)width);
    if (width > 0 && b.status == EAI_OK)
        fputs(eai_strbuf_get(&b), out);
    else
        fprintf(out, "%s\n", text);
    eai_strbuf_deinit(&b);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

struct eai_table {
    size_t n_columns;
    size_t n_rows;
    size_t capacity; /* rows */
    char **cells;    /* [n_rows, n_columns]; row 0 holds the titles */
    bool *right;     /* [n_columns] aligned to the right */
    bool failed;     /* memory ran out; printing says so */
};

/* Room for one more row, its cells NULL; NULL when memory is out. */
static char **append_row(eai_table *t)
{
    if (t->n_rows == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 8;
        size_t n;
        if (!eai_size_mul(&n, capacity, t->n_columns))
            return NULL;
        char **cells = eai_realloc_array(t->cells, n, sizeof(*cells));
        if (!cells)
            return NULL;
        t->cells = cells;
        t->capacity = capacity;
    }
    char **row = t->cells + t->n_rows * t->n_columns;
    memset(row, 0, t->n_columns * sizeof(*row));
    t->n_rows++;
    return row;
}

void eai_table_row(eai_table *t, const char *const *cells)
{
    if (!t || t->failed)
        return;
    char **row = append_row(t);
    t->failed = !row;
    for (size_t i = 0; row && i < t->n_columns; i++) {
        row[i] = eai_strdup(cells[i] ? cells[i] : "");
        t->failed = t->failed || !row[i];
    }
}

/* Splits "name|size>" into the first row; false when memory is out. */
static bool set_titles(eai_table *t, const char *titles)
{
    char **row = append_row(t);
    for (size_t i = 0; row && i < t->n_columns; i++) {
        size_t length = strcspn(titles, "|");
        t->right[i] = length > 0 && titles[length - 1] == '>';
        row[i] = eai_strndup(titles, length - t->right[i]);
        if (!row[i])
            return false;
        titles += length + (titles[length] == '|');
    }
    return row != NULL;
}

eai_table *eai_table_create(size_t n_columns, const char *titles)
{
    eai_table *t = eai_alloc_zeroed(1, sizeof(*t));
    if (!t)
        return NULL;
    t->n_columns = n_columns;
    t->right = eai_alloc_zeroed(n_columns, sizeof(*t->right));
    if (!t->right || !set_titles(t, titles)) {
        eai_table_free(t);
        return NULL;
    }
    return t;
}

void eai_table_free(eai_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++)
        eai_free(t->cells[i]);
    eai_free(t->cells);
    eai_free(t->right);
    eai_free(t);
}

static void print_blanks(FILE *out, size_t n)
{
    while (n-- > 0)
        fputc(' ', out);
}

/* The last column that has text is not padded, so that no line ends in blanks; wrapped at `width`,
 * unless 0. */
static void print_row(const eai_table *t, const size_t *widths, char *const *row, int width,
                      FILE *out)
{
    size_t last = t->n_columns - 1;
    size_t column = 0;
    while (last > 0 && row[last][0] == '\0')
        last--;
    for (size_t i = 0; i < last; i++) {
        size_t blanks = widths[i] - eai_text_columns(row[i]);
        print_blanks(out, t->right[i] ? blanks : 0);
        fputs(row[i], out);
        print_blanks(out, 2 + (t->right[i] ? 0 : blanks));
        column += widths[i] + 2;
    }
    if (t->right[last])
        print_blanks(out, widths[last] - eai_text_columns(row[last]));
    eai_text_print(out, row[last], (int)column, width);
}

/* The width at which the last column is wrapped: 0 where the table fits, and where that would leave
 * little of it. *rule is how wide the last column is then. */
static int find_wrap(size_t *rule, const eai_table *t, const size_t *widths, FILE *out)
{
    size_t width = (size_t)known_width(out);
    size_t last = t->n_columns - 1;
    size_t column = 0;
    for (size_t i = 0; i < last; i++)
        column += widths[i] + 2;
    *rule = widths[last];
    if (t->right[last] || column + widths[last] <= width || column + MIN_LAST > width)
        return 0;
    *rule = width - column;
    return (int)width;
}

eai_status eai_table_print(const eai_table *t, FILE *out, eai_error *err)
{
    if (!t || t->failed)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a table");
    size_t *widths = eai_alloc_zeroed(t->n_columns, sizeof(*widths));
    if (!widths)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a table");
    for (size_t i = 0; i < t->n_rows * t->n_columns; i++) {
        size_t columns = eai_text_columns(t->cells[i]);
        if (columns > widths[i % t->n_columns])
            widths[i % t->n_columns] = columns;
    }
    int width = find_wrap(&widths[t->n_columns - 1], t, widths, out);
    for (size_t r = 0; r < t->n_rows; r++) {
        print_row(t, widths, t->cells + r * t->n_columns, width, out);
        for (size_t i = 0; r == 0 && i < t->n_columns; i++) {
            for (size_t j = 0; j < widths[i]; j++)
                fputc('-', out);
            fputs(i + 1 == t->n_columns ? "\n" : "  ", out);
        }
    }
    eai_free(widths);
    if (ferror(out))
        return eai_error_set(err, EAI_ERR_IO, "cannot write the table");
    return EAI_OK;
}
