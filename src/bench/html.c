/* One page of results that needs nothing else: tables, and a strip of all samples of each case,
 * with its median and its interval, as SVG in the page. It follows the reader's light or dark
 * setting and prints. Texts of files are escaped, and nothing on the page runs or is fetched. Start
 * at bench__write_html. */
#include "bench/results.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define WIDTH     720 /* of a strip */
#define MARGIN    12
#define ROW       58 /* height of a series: its label, its dots */
#define DOTS      26 /* height of the dots */
#define AXIS      34
#define MAX_DOTS  2000
#define MAX_PLOTS 200

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<title>Benchmark results</title>\n<style>\n"
    ":root { color-scheme: light dark; --ink: #1b1f24; --pale: #5b6570; --paper: #ffffff; "
    "--line: #d4dae0; --dot: #1f6fb4; --band: #b9d6ef; --mark: #b3401f; }\n"
    "@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --pale: #a3adb7; "
    "--paper: #15181b; --line: #39414a; --dot: #6db3ee; --band: #23415b; --mark: #ff9b73; } }\n"
    "@media print { :root { --ink: #000000; --paper: #ffffff; --pale: #333333; } "
    "figure, tr { break-inside: avoid; } }\n"
    "body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); "
    "max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }\n"
    ".scroll { overflow-x: auto; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; }\n"
    "caption { text-align: left; color: var(--pale); padding-bottom: .4rem; }\n"
    "th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; "
    "white-space: nowrap; }\n"
    "th[scope=row], .facts td, .facts th { text-align: left; white-space: normal; "
    "overflow-wrap: anywhere; }\n"
    "figure { margin: 1.5rem 0; }\nsvg { max-width: 100%; height: auto; }\n"
    "text { fill: var(--ink); font: 12px system-ui, sans-serif; }\n.tick { fill: var(--pale); }\n"
    ".axis { stroke: var(--line); }\n.dot { fill: var(--dot); fill-opacity: .55; }\n"
    ".far { fill: none; stroke: var(--dot); }\n"
    ".band { fill: var(--band); }\n.median { stroke: var(--mark); stroke-width: 2; }\n"
    "</style>\n</head>\n<body>\n<h1>Benchmark results</h1>\n";

static void write_text(eai_strbuf *b, const char *text)
{
    for (; *text; text++) {
        const char *entity = *text == '&'    ? "&amp;"
                             : *text == '<'  ? "&lt;"
                             : *text == '>'  ? "&gt;"
                             : *text == '"'  ? "&quot;"
                             : *text == '\'' ? "&#39;"
                                             : NULL;
        if (entity)
            eai_strbuf_text(b, entity);
        else
            eai_strbuf_char(b, *text);
    }
}

static const char *label_of(const eai_bench_results *r)
{
    const char *path = eai_bench_results_path(r);
    return *path ? path : eai_bench_results_bench(r);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static eai_status write_rows(eai_strbuf *b, const eai_bench_results *r, eai_error *err)
{
    for (size_t i = 0; i < eai_bench_results_count(r); i++) {
        eai_bench_cells cells;
        const eai_series *s = eai_bench_results_at(r, i);
        EAI_TRY(eai_bench_fill_cells(&cells, s, err));
        eai_strbuf_text(b, "<tr><th scope=\"row\">");
        write_text(b, s->name);
        eai_strbuf_text(b, "</th>");
        for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
            eai_strbuf_printf(b, "<td>%s</td>", cells.texts[c]);
        eai_strbuf_text(b, "</tr>\n");
    }
    return EAI_OK;
}

static void write_facts(eai_strbuf *b, const eai_bench_results *r)
{
    static const eai_facts kinds[] = {EAI_FACTS_MACHINE, EAI_FACTS_ENVIRONMENT};
    static const char *const titles[] = {"The machine", "The environment"};
    for (size_t k = 0; k < 2; k++) {
        eai_strbuf_printf(b,
                          "<details><summary>%s</summary>\n<table class=\"facts\"><caption>%s"
                          "</caption>\n<tbody>\n",
                          titles[k], titles[k]);
        for (size_t i = 0; i < eai_bench_results_fact_count(r, kinds[k]); i++) {
            eai_fact f = eai_bench_results_fact_at(r, kinds[k], i);
            eai_strbuf_text(b, "<tr><th scope=\"row\">");
            write_text(b, f.name);
            eai_strbuf_text(b, "</th><td>");
            write_text(b, f.value);
            eai_strbuf_text(b, "</td></tr>\n");
        }
        eai_strbuf_text(b, "</tbody></table></details>\n");
    }
}

static eai_status write_section(eai_strbuf *b, const eai_bench_results *r, eai_error *err)
{
    char hash[EAI_FINGERPRINT_SIZE];
    EAI_TRY(eai_bench_results_fingerprint(hash, r, err));
    eai_strbuf_text(b, "<section>\n<h2>");
    write_text(b, label_of(r));
    eai_strbuf_printf(b,
                      "</h2>\n<div class=\"scroll\"><table>\n<caption>Wall time of each case, "
                      "medians with half of their 95 %% intervals; machine %s</caption>\n"
                      "<thead><tr><th scope=\"col\">case</th>",
                      hash);
    for (size_t c = 0; c < EAI_BENCH_COLUMN_COUNT; c++)
        eai_strbuf_printf(b, "<th scope=\"col\">%s</th>",
                          c == EAI_BENCH_PRECISION ? "\xC2\xB1"
                                                   : eai_bench_column_title((eai_bench_column)c));
    eai_strbuf_text(b, "</tr></thead>\n<tbody>\n");
    EAI_TRY(write_rows(b, r, err));
    eai_strbuf_text(b, "</tbody></table></div>\n");
    write_facts(b, r);
    eai_strbuf_text(b, "</section>\n");
    return EAI_OK;
}

/* ---- Strips ---------------------------------------------------------------------------------- */

/* Seconds to places along a strip. */
typedef struct scale {
    double low, high;
} scale;

static double place(const scale *s, double seconds)
{
    return MARGIN + (WIDTH - 2 * MARGIN) * (seconds - s->low) / (s->high - s->low);
}

/* From the least to the most of all series, but no further than Tukey's outer fences: one run that
 * took ten times as long would push all others into a corner. */
static eai_status find_scale(scale *out, const eai_bench_results *const *results, size_t n,
                             const char *name, eai_error *err)
{
    scale s = {HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; i < n; i++) {
        eai_summary t;
        const eai_series *series = eai_bench_results_find(results[i], name);
        if (!series)
            continue;
        EAI_TRY(eai_series_summarize(&t, series, EAI_METRIC_SECONDS, err));
        s.low = fmin(s.low, fmax(t.least, t.outliers.outer.low));
        s.high = fmax(s.high, fmin(t.most, t.outliers.outer.high));
    }
    double edge = fmax(s.high > s.low ? 0.02 * (s.high - s.low) : 0.01 * s.high, 1e-12);
    *out = (scale){fmax(0, s.low - edge), s.high + edge};
    return EAI_OK;
}

/* 1, 2 or 5 times a power of ten: some five ticks. */
static double find_step(const scale *s)
{
    double raw = (s->high - s->low) / 5;
    double power = pow(10, floor(log10(raw)));
    double digit = raw / power;
    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void write_axis(eai_strbuf *b, const scale *s, double y)
{
    double step = find_step(s);
    char text[32];
    eai_strbuf_printf(b, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%g\" y2=\"%g\"/>\n", MARGIN,
                      WIDTH - MARGIN, y, y);
    for (int i = 0; i < 20; i++) {
        double seconds = (ceil(s->low / step) + i) * step;
        if (!(seconds <= s->high))
            break;
        double x = place(s, seconds);
        eai_strbuf_printf(b,
                          "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>"
                          "<text class=\"tick\" x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%s"
                          "</text>\n",
                          x, x, y, y + 5, x, y + 20,
                          eai_bench_format_seconds(text, sizeof(text), seconds));
    }
}

/* Dots lie at heights that repeat as late as can be (multiples of the golden ratio), so that equal
 * times stay apart. Of very many samples every k-th is drawn. */
static void write_dots(eai_strbuf *b, const scale *s, const eai_series *series, double top)
{
    size_t every = series->n / MAX_DOTS + 1;
    for (size_t i = 0; i < series->n; i += every) {
        double height = fmod((double)i * 0.6180339887498949, 1);
        double seconds = series->values[EAI_METRIC_SECONDS][i];
        double drawn = fmin(fmax(seconds, s->low), s->high);
        eai_strbuf_printf(b, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n",
                          drawn == seconds ? "dot" : "far", place(s, drawn), top + DOTS * height);
    }
}

static eai_status write_strip(eai_strbuf *b, const scale *s, const eai_bench_results *r,
                              const eai_series *series, double top, eai_error *err)
{
    eai_summary t;
    char text[32];
    EAI_TRY(eai_series_summarize(&t, series, EAI_METRIC_SECONDS, err));
    double low = place(s, t.interval.low);
    eai_strbuf_printf(b, "<text x=\"%d\" y=\"%g\">", MARGIN, top + 14);
    write_text(b, label_of(r));
    eai_strbuf_printf(b, ": median %s, %zu runs</text>\n",
                      eai_bench_format_seconds(text, sizeof(text), t.median), series->n);
    double dots = top + 22;
    eai_strbuf_printf(b,
                      "<rect class=\"band\" x=\"%.1f\" y=\"%g\" width=\"%.1f\" height=\"%d\"/>\n",
                      low, dots - 3, fmax(1, place(s, t.interval.high) - low), DOTS + 6);
    write_dots(b, s, series, dots);
    double x = place(s, t.median);
    eai_strbuf_printf(b, "<line class=\"median\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%g\" y2=\"%g\"/>\n",
                      x, x, dots - 3, dots + DOTS + 3);
    return EAI_OK;
}

/* The same case of all results, one strip below the other on one axis. */
static eai_status write_figure(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                               const char *name, eai_error *err)
{
    size_t rows = 0;
    scale s;
    EAI_TRY(find_scale(&s, results, n, name, err));
    for (size_t i = 0; i < n; i++)
        rows += eai_bench_results_find(results[i], name) != NULL;
    size_t height = rows * ROW + AXIS;
    eai_strbuf_text(b, "<figure>\n<figcaption>");
    write_text(b, name);
    eai_strbuf_printf(b,
                      "</figcaption>\n<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
                      "viewBox=\"0 0 %d %zu\" width=\"%d\" height=\"%zu\">\n<title>",
                      WIDTH, height, WIDTH, height);
    write_text(b, name);
    eai_strbuf_text(b, ": wall time of every run, its median and 95 % interval</title>\n");
    double top = 0;
    for (size_t i = 0; i < n; i++) {
        const eai_series *series = eai_bench_results_find(results[i], name);
        if (!series)
            continue;
        EAI_TRY(write_strip(b, &s, results[i], series, top, err));
        top += ROW;
    }
    write_axis(b, &s, top + 4);
    eai_strbuf_text(b, "</svg>\n</figure>\n");
    return EAI_OK;
}

static bool is_in_earlier(const eai_bench_results *const *results, size_t i, const char *name)
{
    while (i-- > 0) {
        if (eai_bench_results_find(results[i], name))
            return true;
    }
    return false;
}

eai_status bench__write_html(eai_strbuf *b, const eai_bench_results *const *results, size_t n,
                             eai_error *err)
{
    size_t plots = 0;
    eai_strbuf_text(b, head);
    for (size_t i = 0; i < n; i++)
        EAI_TRY(write_section(b, results[i], err));
    eai_strbuf_text(b,
                    "<section>\n<h2>Every run</h2>\n<p>A dot is a run; the line is the median, "
                    "the band its 95 % interval. The height of a dot means nothing; a hollow one "
                    "at an edge lies beyond it.</p>\n");
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < eai_bench_results_count(results[i]); k++) {
            const char *name = eai_bench_results_at(results[i], k)->name;
            if (is_in_earlier(results, i, name) || plots == MAX_PLOTS)
                continue;
            EAI_TRY(write_figure(b, results, n, name, err));
            plots++;
        }
    }
    if (plots == MAX_PLOTS)
        eai_strbuf_printf(b, "<p>The first %d cases are drawn.</p>\n", MAX_PLOTS);
    eai_strbuf_text(b, "</section>\n</body>\n</html>\n");
    return EAI_OK;
}
