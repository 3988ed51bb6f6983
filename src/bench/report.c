/* Reports as text: the cells of tables, Markdown, CSV. The page is html.c's. Start at
 * eai_bench_report. */
#include "bench/results.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/terminal.h>

#include "base/banned.h"

#define MAX_REPORT ((size_t)256 << 20)

/* ---- Cells ----------------------------------------------------------------------------------- */

char *eai_bench_format_seconds(char *buf, size_t n, double seconds)
{
    static const struct {
        double least;
        const char *unit;
        double scale;
    } units[] = {{1, "s", 1}, {1e-3, "ms", 1e3}, {1e-6, "us", 1e6}, {0, "ns", 1e9}};
    size_t i = 0;
    if (seconds == 0) {
        snprintf(buf, n, "0 s");
        return buf;
    }
    while (fabs(seconds) < units[i].least * 0.99995) /* rounds up to the unit */
        i++;
    double v = seconds * units[i].scale;
    int decimals = fabs(v) >= 999.95 ? 0 : fabs(v) >= 99.995 ? 1 : fabs(v) >= 9.9995 ? 2 : 3;
    snprintf(buf, n, "%.*f %s", decimals, v, units[i].unit);
    return buf;
}

const char *eai_bench_column_title(eai_bench_column c)
{
    static const char *const titles[] = {
#define COLUMN_TITLE(id, title) [id] = title,
        EAI_BENCH_COLUMN_TABLE(COLUMN_TITLE)
#undef COLUMN_TITLE
    };
    return (size_t)c < EAI_BENCH_COLUMN_COUNT ? titles[c] : "?";
}

/* Medians of times, the most of memory, "-" for what is not known. */
static eai_status fill_optional(eai_bench_cells *c, const eai_series *s, eai_error *err)
{
    static const struct {
        eai_bench_column column;
        eai_metric metric;
    } cells[] = {{EAI_BENCH_USER, EAI_METRIC_USER_SECONDS},
                 {EAI_BENCH_SYSTEM, EAI_METRIC_SYSTEM_SECONDS},
                 {EAI_BENCH_MEMORY, EAI_METRIC_PEAK_BYTES}};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        double median;
        double most;
        char *text = c->texts[cells[i].column];
        size_t size = sizeof(c->texts[0]);
        snprintf(text, size, "-");
        if (!s->values[cells[i].metric])
            continue;
        EAI_TRY(bench__series_median(&median, &most, s, cells[i].metric, err));
        if (cells[i].column == EAI_BENCH_MEMORY)
            eai_format_bytes(text, size, (uint64_t)most);
        else
            eai_bench_format_seconds(text, size, median);
    }
    return EAI_OK;
}

eai_status eai_bench_fill_cells(eai_bench_cells *out, const eai_series *s, eai_error *err)
{
    eai_summary t;
    size_t size = sizeof(out->texts[0]);

    memset(out, 0, sizeof(*out));
    EAI_TRY(eai_series_summarize(&t, s, EAI_METRIC_SECONDS, err));
    double half = t.median > 0 ? 50 * (t.interval.high - t.interval.low) / t.median : 0;
    eai_bench_format_seconds(out->texts[EAI_BENCH_MEDIAN], size, t.median);
    eai_bench_format_seconds(out->texts[EAI_BENCH_LEAST], size, t.least);
    eai_bench_format_seconds(out->texts[EAI_BENCH_MOST], size, t.most);
    snprintf(out->texts[EAI_BENCH_PRECISION], size, "%.1f %%", half);
    snprintf(out->texts[EAI_BENCH_RUNS], size, "%zu", s->n);
    snprintf(out->texts[EAI_BENCH_OUTLIERS], size, "%zu", t.outliers.n_mild + t.outliers.n_severe);
    return fill_optional(out, s, err);
}

/* ---- Markdown -------------------------------------------------------------------------------- */

/* Text in a cell of a table: what Markdown would read as something else is escaped. */
static void write_markdown_text(eai_strbuf *b, const char *text)
{
    for (; *text; text++) {
        if (strchr("\\`*_{}[]<>|#&", *text))
            eai_strbuf_char(b, '\\');
        eai_strbuf_char(b, *text);
    }
}

static eai_status write_markdown_rows(eai_strbuf *b, const eai_bench_results *r, eai_error *err)
{
    for (size_t i = 0; i < eai_bench_results_count(r); i++) {
        eai_bench_cells cells;
        const eai_series *s = eai_bench_results_at(r, i);
        EAI_TRY(eai_bench_fill_cells(&cells, s, err));
        eai_strbuf_text(b, "| ");
        write_markdown_text(b, s->name);
        for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
            eai_strbuf_printf(b, " | %s", cells.texts[c]);
        eai_strbuf_text(b, " |\n");
    }
    return EAI_OK;
}

static eai_status write_markdown_one(eai_strbuf *b, const eai_bench_results *r, eai_error *err)
{
    static const char *const facts[] = {"cpu", "cores", "system"};
    char hash[EAI_FINGERPRINT_SIZE];
    const char *path = eai_bench_results_path(r);
    EAI_TRY(eai_bench_results_fingerprint(hash, r, err));
    eai_strbuf_text(b, "## ");
    write_markdown_text(b, *path ? path : eai_bench_results_bench(r));
    eai_strbuf_text(b, "\n\n");
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *value = eai_bench_results_fact(r, EAI_FACTS_MACHINE, facts[i]);
        if (!value)
            continue;
        eai_strbuf_printf(b, "%s: ", facts[i]);
        write_markdown_text(b, value);
        eai_strbuf_text(b, " \xC2\xB7 ");
    }
    eai_strbuf_printf(b, "fingerprint %s\n\n| case |", hash);
    for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
        eai_strbuf_printf(b, " %s |", eai_bench_column_title((eai_bench_column)c));
    eai_strbuf_text(b, "\n|---|");
    for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
        eai_strbuf_text(b, "--:|");
    eai_strbuf_char(b, '\n');
    return write_markdown_rows(b, r, err);
}

static eai_status write_markdown(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                                 eai_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (i)
            eai_strbuf_char(b, '\n');
        EAI_TRY(write_markdown_one(b, results[i], err));
    }
    return EAI_OK;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

/* A field as RFC 4180 has it; quoted always, for names hold commas. */
static void write_csv_text(eai_strbuf *b, const char *text)
{
    eai_strbuf_char(b, '"');
    for (; *text; text++) {
        if (*text == '"')
            eai_strbuf_char(b, '"');
        eai_strbuf_char(b, *text);
    }
    eai_strbuf_char(b, '"');
}

static void write_csv_series(eai_strbuf *b, const eai_bench_results *r, const eai_series *s)
{
    for (size_t i = 0; i < s->n; i++) {
        write_csv_text(b, eai_bench_results_path(r));
        eai_strbuf_char(b, ',');
        write_csv_text(b, s->name);
        eai_strbuf_printf(b, ",%zu", i + 1);
        for (size_t m = 0; m < EAI_METRIC_COUNT; m++) {
            eai_strbuf_char(b, ',');
            if (s->values[m])
                eai_strbuf_json_number(b, s->values[m][i]);
        }
        eai_strbuf_text(b, "\r\n");
    }
}

/* Every sample, a row a run: what a summary leaves out is what one opens a table for. */
static eai_status write_csv(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                            eai_error *err)
{
    (void)err;
    eai_strbuf_text(b, "file,case,run");
    for (size_t m = 0; m < EAI_METRIC_COUNT; m++)
        eai_strbuf_printf(b, ",%s", eai_metric_name((eai_metric)m));
    eai_strbuf_text(b, "\r\n");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < eai_bench_results_count(results[i]); k++)
            write_csv_series(b, results[i], eai_bench_results_at(results[i], k));
    }
    return EAI_OK;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static eai_status write_json(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                             eai_error *err)
{
    char *text = NULL;
    if (n != 1)
        return eai_error_set(err, EAI_ERR_USAGE, "a JSON report is of one result, not of %zu", n);
    EAI_TRY(eai_bench_results_to_json(&text, results[0], err));
    eai_strbuf_text(b, text);
    eai_strbuf_char(b, '\n');
    eai_free(text);
    return EAI_OK;
}

static const struct {
    const char *end;
    eai_status (*write)(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                        eai_error *err);
} formats[] = {
    [EAI_REPORT_JSON] = {".json", write_json},
    [EAI_REPORT_CSV] = {".csv", write_csv},
    [EAI_REPORT_MARKDOWN] = {".md", write_markdown},
    [EAI_REPORT_HTML] = {".html", bench__write_html},
};

eai_status eai_report_format_of(eai_report_format *out, const char *path, eai_error *err)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (strcmp(dot, formats[i].end) == 0) {
            *out = (eai_report_format)i;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_USAGE, "'%s' does not end in .json, .csv, .md or .html",
                         path);
}

eai_status eai_bench_report(char **out, const eai_bench_results *const *results, size_t n,
                            eai_report_format format, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_REPORT);
    *out = NULL;
    eai_status st = formats[format].write(&b, results, n, err);
    if (st == EAI_OK)
        st = eai_strbuf_check(&b, "the report", err);
    if (st == EAI_OK)
        *out = eai_strbuf_take(&b, NULL);
    eai_strbuf_deinit(&b);
    return st;
}
