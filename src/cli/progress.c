/* The progress line: redrawn on a terminal, plain lines now and then elsewhere.
 *
 * Why two ways: a log of CI with a thousand carriage returns is of no use, and a terminal with a
 * thousand lines neither. Log lines, which other threads may write too, appear above the line that
 * is being redrawn (base/log.h). What it does not do: run a timer of its own - a caller that does
 * not call shows no progress. Start at draw(). */
#include <efficientai/progress.h>

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <efficientai/alloc.h>
#include <efficientai/terminal.h>

#include "base/log.h"

#include "base/banned.h"

#define BAR_CELLS    20
#define LIVE_PERIOD  0.1  /* seconds between two redraws */
#define PLAIN_PERIOD 10.0 /* seconds between two plain lines */
#define LABEL_MAX    64
#define DETAIL_MAX   160
#define LINE_BYTES   512

struct eai_progress {
    FILE *out;
    bool live;
    char label[LABEL_MAX];
    char unit[16];
    uint64_t total; /* 0: unknown */
    uint64_t done;
    uint64_t first_done; /* of the first update: a resumed run does not start at 0 */
    double started;
    double last_drawn; /* < 0: never */
    bool updated;
    char detail[DETAIL_MAX];
    char shown[LINE_BYTES]; /* the line on the terminal; guarded by the log's lock */
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

eai_progress *eai_progress_create(FILE *out, bool live, const char *label, const char *unit,
                                  uint64_t total)
{
    eai_progress *p = eai_alloc_zeroed(1, sizeof(*p));
    if (!p)
        return NULL;
    p->out = out;
    p->live = live;
    snprintf(p->label, sizeof(p->label), "%s", label);
    snprintf(p->unit, sizeof(p->unit), "%s", unit);
    p->total = total;
    p->started = now_seconds();
    p->last_drawn = -1;
    return p;
}

/* "84/200 step" or "12.4 MB of 92.9 MB". */
static void format_count(char *buf, size_t n, const eai_progress *p)
{
    char done[32];
    char total[32];
    unsigned long long d = (unsigned long long)p->done;
    unsigned long long t = (unsigned long long)p->total;
    if (strcmp(p->unit, "B") == 0) {
        eai_format_bytes(done, sizeof(done), p->done);
        if (p->total)
            snprintf(buf, n, "%s of %s", done, eai_format_bytes(total, sizeof(total), p->total));
        else
            snprintf(buf, n, "%s", done);
    } else if (p->total) {
        snprintf(buf, n, "%llu/%llu %s", d, t, p->unit);
    } else {
        snprintf(buf, n, "%llu %s", d, p->unit);
    }
}

/* "1 min 10 s left" from the rate so far, the time taken when at the end, "" when unknown. */
static void format_time(char *buf, size_t n, const eai_progress *p, double now, bool at_end)
{
    char text[32];
    double elapsed = now - p->started;
    buf[0] = '\0';
    if (at_end) {
        snprintf(buf, n, "%s", eai_format_duration(text, sizeof(text), elapsed));
    } else if (p->total > p->done && (p->done - p->first_done) * 200 >= p->total && elapsed > 0) {
        /* not from the first few bytes: that would promise hours */
        double rate = (double)(p->done - p->first_done) / elapsed;
        double left = (double)(p->total - p->done) / rate;
        snprintf(buf, n, "%s left", eai_format_duration(text, sizeof(text), left));
    }
}

/* "34.1 MB/s" or "3.8 row/s" since the beginning; "" when unknown, or where the detail tells a rate
 * of its own ("412 tokens/s"). */
static void format_rate(char *buf, size_t n, const eai_progress *p, double now)
{
    char text[32];
    double elapsed = now - p->started;
    double rate = elapsed > 0 ? (double)(p->done - p->first_done) / elapsed : 0;

    buf[0] = '\0';
    if (rate <= 0 || elapsed < 0.5 || strstr(p->detail, "/s"))
        return;
    if (strcmp(p->unit, "B") == 0)
        snprintf(buf, n, "  %s/s", eai_format_bytes(text, sizeof(text), (uint64_t)rate));
    else
        snprintf(buf, n, rate < 100 ? "  %.2g %s/s" : "  %.0f %s/s", rate, p->unit);
}

static void format_bar(char *buf, const eai_progress *p)
{
    double part = p->total ? (double)p->done / (double)p->total : 0;
    int full = (int)(BAR_CELLS * (part > 1 ? 1 : part));
    buf[0] = '[';
    memset(buf + 1, '#', (size_t)full);
    memset(buf + 1 + full, '-', (size_t)(BAR_CELLS - full));
    memcpy(buf + 1 + BAR_CELLS, "]  ", 4);
}

/* Called by the log after a line of its own, with its lock held. */
static void redraw(void *ud)
{
    const eai_progress *p = ud;
    fputs(p->shown, p->out);
}

/* The line over the previous one, cut at the terminal's width; the last one stays. */
static void draw_live(eai_progress *p, const char *line, bool at_end)
{
    int width = eai_terminal_width(p->out) - 1;
    log__lock();
    snprintf(p->shown, sizeof(p->shown), "%.*s", width, line);
    fprintf(p->out, "\r%s\033[K%s", p->shown, at_end ? "\n" : "");
    fflush(p->out);
    if (at_end)
        log__clear_live(p);
    else
        log__set_live(p->out, redraw, p);
    log__unlock();
}

/* Writes the line for this moment. */
static void draw(eai_progress *p, bool at_end)
{
    double now = now_seconds();
    char line[LINE_BYTES];
    char bar[BAR_CELLS + 8] = "";
    char count[80];
    char rate[48];
    char left[48];
    format_count(count, sizeof(count), p);
    format_time(left, sizeof(left), p, now, at_end);
    if (p->live && p->total)
        format_bar(bar, p);
    format_rate(rate, sizeof(rate), p, now);
    int n = snprintf(line, sizeof(line), "%s  %s%s%s%s%s%s%s", p->label, bar, count,
                     p->detail[0] ? "  " : "", p->detail, rate, left[0] ? "  " : "", left);
    if (n < 0)
        return;
    if (p->live) {
        draw_live(p, line, at_end);
    } else {
        fprintf(p->out, "%s\n", line);
        fflush(p->out);
    }
    p->last_drawn = now;
}

EAI_PRINTF(2, 0)
static void set_detail(eai_progress *p, const char *fmt, va_list args)
{
    p->detail[0] = '\0';
    if (fmt)
        vsnprintf(p->detail, sizeof(p->detail), fmt, args);
}

void eai_progress_update(eai_progress *p, uint64_t done, const char *fmt, ...)
{
    if (!p)
        return;
    va_list args;
    va_start(args, fmt);
    set_detail(p, fmt, args);
    va_end(args);
    if (!p->updated) {
        p->updated = true;
        p->first_done = done;
    }
    p->done = done;
    double period = p->live ? LIVE_PERIOD : PLAIN_PERIOD;
    if (p->last_drawn < 0 || now_seconds() - p->last_drawn >= period)
        draw(p, false);
}

void eai_progress_note(eai_progress *p, const char *fmt, ...)
{
    if (!p)
        return;
    va_list args;
    va_start(args, fmt);
    log__lock();
    if (p->live)
        fputs(LOG_ERASE_LINE, p->out);
    vfprintf(p->out, fmt, args);
    va_end(args);
    fputc('\n', p->out);
    fflush(p->out);
    log__unlock();
    if (p->live && p->updated)
        draw(p, false);
}

void eai_progress_finish(eai_progress *p, const char *fmt, ...)
{
    if (!p)
        return;
    va_list args;
    va_start(args, fmt);
    set_detail(p, fmt, args);
    va_end(args);
    draw(p, true);
    eai_free(p);
}

void eai_progress_abandon(eai_progress *p)
{
    if (p && p->live && p->updated) {
        log__lock();
        log__clear_live(p);
        fputc('\n', p->out);
        fflush(p->out);
        log__unlock();
    }
    eai_free(p);
}
