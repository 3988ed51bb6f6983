/* `efficientai plot KIND FILE`: a figure from a table, into a file or onto the terminal.
 *
 * The columns are picked by name; without names the first ones that make sense are taken. What
 * is drawn and how is plot.h's, how tables are read plot_table.h's; here words become the fields of
 * an eai_plot. Start at run(). */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/plot.h>
#include <efficientai/plot_table.h>
#include <efficientai/terminal.h>

#include "catalog.h"

#include "base/banned.h"

#define MAX_SERIES 64
#define KINDS      "line|bar|scatter|histogram|heatmap|pareto"

typedef struct plot_args {
    const char *output;
    const char *x, *y, *by, *labels;
    const char *error, *low, *high, *x_error;
    const char *title, *x_label, *y_label;
    bool log_x, log_y, from_zero, points;
    int64_t bins;
    bool density, diverging, horizontal, dark;
    const char *maximize;
    const char *size;
    double dpi;
    bool ascii;
} plot_args;

#define ARG(f) offsetof(plot_args, f)
static const eai_option plot_options[] = {
    {"output", 'o', EAI_OPT_PATH, ARG(output), NULL, "FILE",
     "a .png, .svg or .pdf; without it the figure is printed as text"},
    {"x", 0, EAI_OPT_STRING, ARG(x), NULL, "NAME", "column along x; the first one, if of numbers"},
    {"y", 0, EAI_OPT_STRING, ARG(y), NULL, "NAME,...",
     "columns to draw; the first other one of numbers, for bars and heat maps all of them"},
    {"by", 0, EAI_OPT_STRING, ARG(by), NULL, "NAME",
     "column whose values tell series apart; with one --y"},
    {"labels", 0, EAI_OPT_STRING, ARG(labels), NULL, "NAME",
     "column that names bars, rows or points; the first one for bars and heat maps"},
    {"error", 0, EAI_OPT_STRING, ARG(error), NULL, "NAME,...",
     "columns with half the length of each y's interval"},
    {"low", 0, EAI_OPT_STRING, ARG(low), NULL, "NAME,...", "columns with its lower end, instead"},
    {"high", 0, EAI_OPT_STRING, ARG(high), NULL, "NAME,...", "columns with its upper end"},
    {"x-error", 0, EAI_OPT_STRING, ARG(x_error), NULL, "NAME",
     "column with half the length of x's interval"},
    {"title", 0, EAI_OPT_STRING, ARG(title), NULL, "TEXT", "above the figure", .group = "Looks"},
    {"x-label", 0, EAI_OPT_STRING, ARG(x_label), NULL, "TEXT",
     "the column's name when left out, none when empty", .group = "Looks"},
    {"y-label", 0, EAI_OPT_STRING, ARG(y_label), NULL, "TEXT", "likewise", .group = "Looks"},
    {"log-x", 0, EAI_OPT_FLAG, ARG(log_x), .help = "a logarithmic x axis", .group = "Looks"},
    {"log-y", 0, EAI_OPT_FLAG, ARG(log_y), .help = "a logarithmic y axis", .group = "Looks"},
    {"from-zero", 0, EAI_OPT_FLAG, ARG(from_zero), .help = "the y axis starts at 0",
     .group = "Looks"},
    {"points", 0, EAI_OPT_FLAG, ARG(points), .help = "markers on lines", .group = "Looks"},
    {"bins", 0, EAI_OPT_INT, ARG(bins), "0", "N",
     "of a histogram; 0: by the rule of Freedman and Diaconis", .min = 0, .max = 1000,
     .group = "Looks"},
    {"density", 0, EAI_OPT_FLAG, ARG(density), .help = "a histogram's area is 1", .group = "Looks"},
    {"diverging", 0, EAI_OPT_FLAG, ARG(diverging),
     .help = "a heat map's colours differ on the two sides of 0", .group = "Looks"},
    {"horizontal", 0, EAI_OPT_FLAG, ARG(horizontal), .help = "bars that lie", .group = "Looks"},
    {"maximize", 0, EAI_OPT_ENUM, ARG(maximize), "none", "AXES",
     "on which axes of a Pareto front larger is better", .choices = "none|x|y|xy",
     .group = "Looks"},
    {"size", 0, EAI_OPT_STRING, ARG(size), "960x540", "SIZE",
     "960x540 in 1/96 inch, 170x105mm, or a4, letter, column: widths of text", .group = "Looks"},
    {"dpi", 0, EAI_OPT_FLOAT, ARG(dpi), "0", "N", "of a PNG; 0: 96, or 300 for a size on paper",
     .min = 0, .max = 1200, .group = "Looks"},
    {"dark", 0, EAI_OPT_FLAG, ARG(dark), .help = "a dark background", .group = "Looks"},
    {"ascii", 0, EAI_OPT_FLAG, ARG(ascii), .help = "text of ASCII characters only",
     .group = "Looks"},
    {0},
};

/* All that the plot points to; freed as a whole. */
typedef struct drawing {
    const plot_args *args;
    eai_plot_table *table;
    eai_plot plot;
    eai_plot_series series[MAX_SERIES];
    const char *names[MAX_SERIES]; /* of the columns in --y */
    char *lists[4];                /* copies of lists of names, cut up */
    void **owned;
    size_t n_owned;
} drawing;

/* Zeroed memory that lives as long as the drawing. */
static void *own(drawing *d, size_t n, size_t size)
{
    void **grown = eai_realloc_array(d->owned, d->n_owned + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    d->owned = grown;
    d->owned[d->n_owned] = eai_alloc_zeroed(n, size);
    return d->owned[d->n_owned] ? d->owned[d->n_owned++] : NULL;
}

static eai_status no_memory(eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a plot");
}

static void drawing_deinit(drawing *d)
{
    for (size_t i = 0; i < d->n_owned; i++)
        eai_free(d->owned[i]);
    eai_free((void *)d->owned);
    for (size_t i = 0; i < sizeof(d->lists) / sizeof(d->lists[0]); i++)
        eai_free(d->lists[i]);
    eai_plot_table_free(d->table);
}

/* ---- Columns --------------------------------------------------------------------------------- */

/* A column of numbers that lives as long as the drawing. */
static eai_status take_numbers(const double **out, drawing *d, const char *name, eai_error *err)
{
    double *numbers;
    EAI_TRY(eai_plot_table_numbers(&numbers, d->table, name, err));
    void **grown = eai_realloc_array(d->owned, d->n_owned + 1, sizeof(*grown));
    if (!grown) {
        eai_free(numbers);
        return no_memory(err);
    }
    d->owned = grown;
    d->owned[d->n_owned++] = numbers;
    *out = numbers;
    return EAI_OK;
}

/* Cuts "a,b,c" into names; n of them at most MAX_SERIES. Keeps the copy in *list. */
static eai_status split_names(const char **names, size_t *n, char **list, const char *text,
                              eai_error *err)
{
    *n = 0;
    *list = eai_strdup(text);
    if (!*list)
        return no_memory(err);
    for (char *at = *list; at; (*n)++) {
        if (*n == MAX_SERIES)
            return eai_error_set(err, EAI_ERR_LIMIT, "more than %d columns in '%s'", MAX_SERIES,
                                 text);
        names[*n] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    return EAI_OK;
}

/* The first column, if it holds what is wanted; NULL otherwise. */
static const char *first_column(const drawing *d, bool numeric)
{
    bool fits = eai_plot_table_is_numeric(d->table, 0) == numeric;
    return fits ? eai_plot_table_name(d->table, 0) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* Is the name in "a,b,c"? NULL holds none. */
static bool is_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; at && n > 0; at = strchr(at, ',')) {
        at += at != list;
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* The names of --y, or the columns of numbers that nothing else uses: the first, or all. */
static eai_status pick_y(size_t *n, drawing *d, const char *x, const char *labels, bool all,
                         eai_error *err)
{
    const plot_args *a = d->args;
    if (a->y)
        return split_names(d->names, n, &d->lists[0], a->y, err);
    *n = 0;
    for (size_t i = 0; i < eai_plot_table_columns(d->table); i++) {
        const char *name = eai_plot_table_name(d->table, i);
        bool used = same(name, x) || same(name, labels) || same(name, a->by) ||
                    is_listed(a->error, name) || is_listed(a->low, name) ||
                    is_listed(a->high, name) || same(name, a->x_error);
        if (used || *n == MAX_SERIES || (*n > 0 && !all) || !eai_plot_table_is_numeric(d->table, i))
            continue;
        d->names[(*n)++] = name;
    }
    if (*n == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "no other column of numbers: name one by --y");
    return EAI_OK;
}

static eai_status get_texts(const char *const **out, const drawing *d, const char *name,
                            eai_error *err)
{
    size_t at;
    *out = NULL;
    if (!name)
        return EAI_OK;
    EAI_TRY(eai_plot_table_find(&at, d->table, name, err));
    *out = eai_plot_table_texts(d->table, at);
    return EAI_OK;
}

/* ---- Series ---------------------------------------------------------------------------------- */

/* The columns of one series before rows are chosen; NULL where there is none. */
typedef struct columns {
    const double *x, *y, *error, *low, *high, *x_error;
    const char *const *y_texts;
    const char *const *labels;
    const char *const *by;
    bool every_row; /* one without a value in y as well */
} columns;

static eai_status read_columns(columns *c, drawing *d, size_t k, const char *x, eai_error *err)
{
    const plot_args *a = d->args;
    const struct {
        const char *option, *names;
        const double **to;
    } lists[] = {
        {"error", a->error, &c->error}, {"low", a->low, &c->low}, {"high", a->high, &c->high}};
    EAI_TRY(take_numbers(&c->y, d, d->names[k], err));
    EAI_TRY(get_texts(&c->y_texts, d, d->names[k], err));
    if (x)
        EAI_TRY(take_numbers(&c->x, d, x, err));
    if (a->x_error && !x)
        return eai_error_set(err, EAI_ERR_USAGE, "--x-error needs --x");
    if (a->x_error)
        EAI_TRY(take_numbers(&c->x_error, d, a->x_error, err));
    for (size_t i = 0; i < 3; i++) {
        const char *names[MAX_SERIES];
        size_t n;
        if (!lists[i].names)
            continue;
        eai_free(d->lists[i + 1]);
        EAI_TRY(split_names(names, &n, &d->lists[i + 1], lists[i].names, err));
        if (k >= n)
            return eai_error_set(err, EAI_ERR_USAGE,
                                 "--%s names %zu of the columns needed: one for each in --y",
                                 lists[i].option, n);
        EAI_TRY(take_numbers(lists[i].to, d, names[k], err));
    }
    return EAI_OK;
}

/* Room for the rows of one series, with what the columns have. */
static eai_status make_series(eai_plot_series *s, double *arrays[6], const char ***labels,
                              drawing *d, const columns *c, eai_error *err)
{
    const bool wanted[] = {c->x,       true,      c->error || c->low, c->error || c->high,
                           c->x_error, c->x_error};
    size_t n = eai_plot_table_rows(d->table);
    for (size_t i = 0; i < 6; i++) {
        arrays[i] = wanted[i] ? own(d, n, sizeof(double)) : NULL;
        if (wanted[i] && !arrays[i])
            return no_memory(err);
    }
    *labels = c->labels ? own(d, n, sizeof(**labels)) : NULL;
    if (c->labels && !*labels)
        return no_memory(err);
    *s = (eai_plot_series){.x = arrays[0],
                           .y = arrays[1],
                           .y_low = arrays[2],
                           .y_high = arrays[3],
                           .x_low = arrays[4],
                           .x_high = arrays[5],
                           .point_labels = *labels};
    return EAI_OK;
}

/* The end of a row's interval: what its column says, or the value and its error. */
static double get_end(const columns *c, const double *ends, size_t i, int sign)
{
    if (ends)
        return ends[i];
    return c->error ? c->y[i] + sign * c->error[i] : (double)NAN;
}

/* Copies the rows that belong to the series: those with a value in its column (JSON lines need not
 * have one in each row), and of `group` when there are groups. */
static eai_status take_rows(eai_plot_series *s, drawing *d, const columns *c, const char *group,
                            eai_error *err)
{
    double *to[6];
    const char **labels;
    EAI_TRY(make_series(s, to, &labels, d, c, err));
    size_t n = 0;
    for (size_t i = 0; i < eai_plot_table_rows(d->table); i++) {
        if ((!c->every_row && !c->y_texts[i]) || (group && !same(c->by[i], group)))
            continue;
        if (to[0] && c->x)
            to[0][n] = c->x[i];
        to[1][n] = c->y[i];
        if (to[2])
            to[2][n] = get_end(c, c->low, i, -1);
        if (to[3])
            to[3][n] = get_end(c, c->high, i, 1);
        if (to[4] && c->x && c->x_error) {
            to[4][n] = c->x[i] - c->x_error[i];
            to[5][n] = c->x[i] + c->x_error[i];
        }
        if (labels && c->labels)
            labels[n] = c->labels[i];
        n++;
    }
    s->n = n;
    s->style = d->args->points ? EAI_PLOT_POINTS : EAI_PLOT_LINE;
    return EAI_OK;
}

static eai_status add_series(drawing *d, const columns *c, const char *name, const char *group,
                             eai_error *err)
{
    eai_plot *p = &d->plot;
    if (p->n_series == MAX_SERIES)
        return eai_error_set(err, EAI_ERR_LIMIT, "more than %d series", MAX_SERIES);
    eai_plot_series *s = &d->series[p->n_series];
    EAI_TRY(take_rows(s, d, c, group, err));
    s->name = name;
    p->n_series++;
    return EAI_OK;
}

/* One series for each value of the column --by, in the order in which they come. */
static eai_status add_groups(drawing *d, const columns *c, eai_error *err)
{
    for (size_t i = 0; i < eai_plot_table_rows(d->table); i++) {
        bool known = !c->by[i];
        for (size_t k = 0; k < d->plot.n_series && !known; k++)
            known = strcmp(d->series[k].name, c->by[i]) == 0;
        if (!known)
            EAI_TRY(add_series(d, c, c->by[i], c->by[i], err));
    }
    return EAI_OK;
}

/* Lines, points and histograms. */
static eai_status fill_points(drawing *d, eai_error *err)
{
    const plot_args *a = d->args;
    bool values_only = d->plot.kind == EAI_PLOT_KIND_HISTOGRAM;
    const char *x = values_only ? NULL : a->x ? a->x : first_column(d, true);
    size_t n = 0;
    if (eai_plot_table_columns(d->table) == 1 && !a->x)
        x = NULL;
    EAI_TRY(pick_y(&n, d, x, a->labels, false, err));
    if (a->by && n != 1)
        return eai_error_set(err, EAI_ERR_USAGE, "--by needs one column in --y, not %zu", n);
    for (size_t k = 0; k < n; k++) {
        columns c = {0};
        EAI_TRY(read_columns(&c, d, k, x, err));
        EAI_TRY(get_texts(&c.labels, d, a->labels, err));
        EAI_TRY(get_texts(&c.by, d, a->by, err));
        if (a->by)
            EAI_TRY(add_groups(d, &c, err));
        else
            EAI_TRY(add_series(d, &c, n > 1 || a->error || a->low ? d->names[k] : NULL, NULL, err));
    }
    const char *y = n == 1 ? d->names[0] : NULL;
    d->plot.x_label = values_only ? y : x ? x : "row";
    d->plot.y_label = !values_only ? y : a->density ? "density" : "count";
    return EAI_OK;
}

/* Every row is a bar of each series, whether it has a value or not. */
static eai_status fill_bars(drawing *d, eai_error *err)
{
    const plot_args *a = d->args;
    const char *labels = a->labels ? a->labels : first_column(d, false);
    size_t n = 0;
    if (a->by)
        return eai_error_set(err, EAI_ERR_USAGE, "--by is not for bars: name a column a group");
    EAI_TRY(pick_y(&n, d, NULL, labels, true, err));
    EAI_TRY(get_texts(&d->plot.names, d, labels, err));
    d->plot.n_names = eai_plot_table_rows(d->table);
    for (size_t k = 0; k < n; k++) {
        columns c = {0};
        EAI_TRY(read_columns(&c, d, k, NULL, err));
        c.every_row = true;
        EAI_TRY(add_series(d, &c, n > 1 ? d->names[k] : NULL, NULL, err));
    }
    d->plot.x_label = labels;
    d->plot.y_label = n == 1 ? d->names[0] : NULL;
    return EAI_OK;
}

/* A matrix: the rows of the table, and its columns of numbers. */
static eai_status fill_heat_map(drawing *d, eai_error *err)
{
    if (d->args->by)
        return eai_error_set(err, EAI_ERR_USAGE, "--by is not for heat maps");
    const char *labels = d->args->labels ? d->args->labels : first_column(d, false);
    size_t n = 0;
    EAI_TRY(pick_y(&n, d, NULL, labels, true, err));
    EAI_TRY(get_texts(&d->plot.row_names, d, labels, err));
    d->plot.n_rows = eai_plot_table_rows(d->table);
    d->plot.names = d->names;
    d->plot.n_names = n;
    double *cells = own(d, d->plot.n_rows * n, sizeof(*cells));
    if (!cells)
        return no_memory(err);
    for (size_t k = 0; k < n; k++) {
        const double *numbers;
        EAI_TRY(take_numbers(&numbers, d, d->names[k], err));
        for (size_t r = 0; r < d->plot.n_rows; r++)
            cells[r * n + k] = numbers[r];
    }
    d->series[0] = (eai_plot_series){.y = cells, .n = d->plot.n_rows * n};
    d->plot.n_series = 1;
    d->plot.y_label = labels;
    return EAI_OK;
}

/* ---- The command ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    eai_status (*fill)(drawing *d, eai_error *err);
} kinds[] = {
    [EAI_PLOT_KIND_LINE] = {"line", fill_points},
    [EAI_PLOT_KIND_BAR] = {"bar", fill_bars},
    [EAI_PLOT_KIND_SCATTER] = {"scatter", fill_points},
    [EAI_PLOT_KIND_HISTOGRAM] = {"histogram", fill_points},
    [EAI_PLOT_KIND_HEATMAP] = {"heatmap", fill_heat_map},
    [EAI_PLOT_KIND_PARETO] = {"pareto", fill_points},
};

static eai_status find_kind(eai_plot_kind *out, const char *name, eai_error *err)
{
    const char *names[EAI_PLOT_KIND_COUNT];
    for (int i = 0; i < EAI_PLOT_KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        *out = (eai_plot_kind)i;
        if (strcmp(name, names[i]) == 0)
            return EAI_OK;
    }
    const char *near = eai_did_you_mean(name, names, EAI_PLOT_KIND_COUNT);
    if (near)
        return eai_error_set(err, EAI_ERR_USAGE, "unknown kind '%s'; did you mean '%s'?", name,
                             near);
    return eai_error_set(err, EAI_ERR_USAGE, "unknown kind '%s'; one of " KINDS " is allowed",
                         name);
}

static void set_looks(eai_plot *p, const plot_args *a)
{
    p->title = a->title;
    p->log_x = a->log_x;
    p->log_y = a->log_y;
    p->y_from_zero = a->from_zero;
    p->n_bins = (size_t)a->bins;
    p->density = a->density;
    p->diverging = a->diverging;
    p->horizontal = a->horizontal;
    p->dark = a->dark;
    p->dpi = a->dpi;
    p->maximize_x = strchr(a->maximize, 'x') != NULL;
    p->maximize_y = strchr(a->maximize, 'y') != NULL;
}

static eai_status print_text(const eai_command_context *ctx, const drawing *d, eai_error *err)
{
    const plot_args *a = d->args;
    const char *depth = getenv("COLORTERM");
    bool color = eai_terminal_has_color(ctx->out); /* --color is every command's */
    bool true_color = same(depth, "truecolor") || same(depth, "24bit");
    eai_plot_text_opts opts = {.width = ctx->width,
                               .ascii = a->ascii || !eai_terminal_is_utf8(),
                               .color = !color       ? EAI_PLOT_COLOR_NONE
                                        : true_color ? EAI_PLOT_COLOR_TRUE
                                                     : EAI_PLOT_COLOR_256};
    char *text;
    EAI_TRY(eai_plot_to_text(&text, &d->plot, &opts, err));
    fputs(text, ctx->out);
    eai_free(text);
    return EAI_OK;
}

/* What was asked for; an empty text asks for no label. */
static const char *pick_label(const char *asked, const char *otherwise)
{
    const char *label = asked ? asked : otherwise;
    return label && *label ? label : NULL;
}

static eai_status run(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const plot_args *a = args;
    const char *const *words;
    drawing d = {.args = a};
    if (eai_options_operands(ctx->set, &words) != 2)
        return eai_error_set(err, EAI_ERR_USAGE, "a kind (" KINDS ") and a file are needed");
    EAI_TRY(find_kind(&d.plot.kind, words[0], err));
    set_looks(&d.plot, a);
    EAI_TRY(eai_plot_set_size(&d.plot, a->size, err));
    d.plot.series = d.series;
    eai_status st = eai_plot_table_read(&d.table, words[1], err);
    if (st == EAI_OK)
        st = kinds[d.plot.kind].fill(&d, err);
    if (st == EAI_OK) {
        d.plot.x_label = pick_label(a->x_label, d.plot.x_label);
        d.plot.y_label = pick_label(a->y_label, d.plot.y_label);
        st = a->output ? eai_plot_write(&d.plot, a->output, err) : print_text(ctx, &d, err);
    }
    drawing_deinit(&d);
    return st;
}

const eai_command command_plot = {
    .name = "plot",
    .summary = "draw a table as a picture, or on the terminal",
    .options = plot_options,
    .args_bytes = sizeof(plot_args),
    .run = run,
    .usage = "KIND FILE",
    .help = "KIND is line, bar, scatter, histogram, heatmap or pareto. docs/plots.md shows each.",
};
