/* `efficientai logs search | stats | clean | path`: what log files hold, see
 * include/efficientai/log_search.h. */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/log_search.h>
#include <efficientai/terminal.h>

#include "catalog.h"
#include "json_output.h"

#include "base/banned.h"

#define LIMIT_MAX 1000000
#define NAMES_MAX 10000 /* of modules and runs that are counted apart */

static double seconds_since_1970(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The log that is meant: --file, else the one that this machine's programs write. New memory. */
static eai_status find_log(char **out, const char *file, eai_error *err)
{
    if (!file)
        return eai_log_default_path(out, err);
    *out = eai_strdup(file);
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the log's name");
}

static eai_status open_log(eai_log_reader **out, const char *file, eai_error *err)
{
    char *path = NULL;
    *out = NULL;
    EAI_TRY(find_log(&path, file, err));
    eai_status st = eai_log_reader_open(out, path, err);
    if (st == EAI_ERR_NOT_FOUND && !file)
        eai_error_set(
            err, st,
            "there is no log '%s'; EFFICIENTAI_LOG_FILE=auto or --log-file auto writes one", path);
    eai_free(path);
    return st;
}

/* Broken lines are no failure, but nobody should think that all was seen. */
static void tell_broken(const eai_command_context *ctx, const eai_log_reader *r)
{
    eai_log_totals t = eai_log_reader_totals(r);
    unsigned long long broken = t.n_broken;
    if (broken > 0)
        fprintf(ctx->progress, "%llu of %llu lines could not be read\n", broken,
                broken + t.n_lines);
}

#define FILE_OPTION(args)                                                                          \
    {                                                                                              \
        .name = "file", .type = EAI_OPT_PATH, .offset = offsetof(args, file),                      \
        .value_name = "FILE", .help = "the log; default: what 'efficientai logs path' says"        \
    }

/* ---- search ---------------------------------------------------------------------------------- */

typedef struct search_args {
    const char *file;
    const char *level;
    const char *since;
    const char *until;
    const char *run;
    const char *module;
    const char *field;
    bool json;
    bool follow;
    int64_t limit;
} search_args;

static const eai_option search_options[] = {
    FILE_OPTION(search_args),
    {.name = "level",
     .type = EAI_OPT_ENUM,
     .offset = offsetof(search_args, level),
     .value_name = "LEVEL",
     .choices = "error|warn|info|debug|trace",
     .help = "lines of this level and more severe ones"},
    {.name = "since",
     .type = EAI_OPT_STRING,
     .offset = offsetof(search_args, since),
     .value_name = "TIME",
     .help = "from then on: 2026-11-22T23:37:58Z, 2026-11-22, 2h, '7d ago', yesterday"},
    {.name = "until",
     .type = EAI_OPT_STRING,
     .offset = offsetof(search_args, until),
     .value_name = "TIME",
     .help = "up to then"},
    {.name = "run",
     .type = EAI_OPT_STRING,
     .offset = offsetof(search_args, run),
     .value_name = "ID",
     .help = "of this run; the start of its name is enough"},
    {.name = "module",
     .type = EAI_OPT_STRING,
     .offset = offsetof(search_args, module),
     .value_name = "NAME",
     .help = "of this part of the toolkit"},
    {.name = "field",
     .type = EAI_OPT_STRING,
     .offset = offsetof(search_args, field),
     .value_name = "KEY[=VALUE]",
     .help = "with this field"},
    {.name = "limit",
     .type = EAI_OPT_INT,
     .offset = offsetof(search_args, limit),
     .default_value = "0",
     .value_name = "N",
     .min = 0,
     .max = LIMIT_MAX,
     .help = "only the last N of them; 0: all"},
    {.name = "json",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(search_args, json),
     .help = "lines as they are in the file"},
    {.name = "follow",
     .key = 'f',
     .type = EAI_OPT_FLAG,
     .offset = offsetof(search_args, follow),
     .help = "and those that are written from now on, until Ctrl-C"},
    {0},
};

static eai_status make_query(eai_log_query *q, const search_args *a, const char *pattern,
                             eai_error *err)
{
    double now = seconds_since_1970();
    *q = (eai_log_query){.pattern = pattern,
                         .run = a->run,
                         .module = a->module,
                         .field = a->field,
                         .has_level = a->level != NULL,
                         .has_since = a->since != NULL,
                         .has_until = a->until != NULL};
    if (a->level)
        EAI_TRY(eai_log_parse_level(&q->level, a->level, "--level", err));
    if (a->since)
        EAI_TRY(eai_log_parse_time(&q->since, a->since, now, "--since", err));
    if (a->until)
        EAI_TRY(eai_log_parse_time(&q->until, a->until, now, "--until", err));
    return EAI_OK;
}

/* A search under way. The last `limit` lines wait in a ring until the end is known. */
typedef struct search {
    FILE *out;
    bool json;
    bool color;
    char body[EAI_LOG_READ_MAX];
    char **ring;
    size_t n_ring;
    size_t n_found;
} search;

/* The line as it is printed, in new memory; NULL when there is none left. */
static char *render(search *s, const eai_log_line *line)
{
    static const char *const colors[] = {"\033[1;31m", "\033[33m", "\033[32m", "\033[36m",
                                         "\033[2m"};
    if (s->json)
        return eai_strdup(line->text);
    eai_log_line_body(s->body, line);
    return eai_asprintf("%s %s%-5s%s %s", line->time, s->color ? colors[line->level] : "",
                        eai_log_level_name(line->level), s->color ? "\033[0m" : "", s->body);
}

static eai_status take_line(search *s, const eai_log_line *line, eai_error *err)
{
    char *text = render(s, line);
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a line of the log");
    if (s->n_ring == 0) {
        fprintf(s->out, "%s\n", text);
        eai_free(text);
    } else {
        char **slot = &s->ring[s->n_found % s->n_ring];
        eai_free(*slot);
        *slot = text;
    }
    s->n_found++;
    return EAI_OK;
}

/* Prints what waits; further lines are printed at once. */
static void empty_ring(search *s)
{
    for (size_t i = 0; i < s->n_ring; i++) {
        char **slot = &s->ring[(s->n_found + i) % s->n_ring];
        if (*slot)
            fprintf(s->out, "%s\n", *slot);
        eai_free(*slot);
        *slot = NULL;
    }
    s->n_ring = 0;
}

static eai_status read_to_end(search *s, eai_log_reader *r, const eai_log_matcher *m,
                              eai_error *err)
{
    for (;;) {
        const eai_log_line *line;
        bool wanted;
        EAI_TRY(eai_log_reader_next(&line, r, err));
        if (!line)
            return EAI_OK;
        EAI_TRY(eai_log_matches(&wanted, m, line, err));
        if (wanted)
            EAI_TRY(take_line(s, line, err));
    }
}

/* Ends with the process, or when nobody reads any more. */
static eai_status follow(search *s, eai_log_reader *r, const eai_log_matcher *m, eai_error *err)
{
    const struct timespec pause = {0, 200 * 1000 * 1000};
    while (fflush(s->out) == 0) {
        nanosleep(&pause, NULL);
        EAI_TRY(read_to_end(s, r, m, err));
    }
    return EAI_OK;
}

static eai_status run_search(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const search_args *a = args;
    const char *const *operands;
    eai_log_query query;
    eai_log_matcher *m = NULL;
    eai_log_reader *r = NULL;
    int n = eai_options_operands(ctx->set, &operands);
    if (n > 1)
        return eai_error_set(err, EAI_ERR_USAGE, "%s takes one pattern, not %d", ctx->program, n);
    EAI_TRY(make_query(&query, a, n ? operands[0] : NULL, err));
    EAI_TRY(eai_log_matcher_create(&m, &query, err));
    size_t n_ring = (size_t)a->limit;
    search *s = eai_alloc_zeroed(1, sizeof(*s));
    char **ring = eai_alloc_zeroed(n_ring + 1, sizeof(*ring));
    eai_status st = s && ring ? open_log(&r, a->file, err)
                              : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a search");
    if (st != EAI_OK)
        goto done;
    *s = (search){.out = ctx->out,
                  .json = a->json,
                  .color = eai_terminal_has_color(ctx->out),
                  .ring = ring,
                  .n_ring = n_ring};
    st = read_to_end(s, r, m, err);
    empty_ring(s);
    if (st == EAI_OK)
        tell_broken(ctx, r);
    if (st == EAI_OK && a->follow)
        st = follow(s, r, m, err);
done:
    eai_log_reader_close(r);
    eai_log_matcher_free(m);
    eai_free((void *)ring);
    eai_free(s);
    return st;
}

/* ---- stats ----------------------------------------------------------------------------------- */

typedef struct stats_args {
    const char *file;
    bool json;
} stats_args;

static const eai_option stats_options[] = {
    FILE_OPTION(stats_args),
    JSON_OPTION(stats_args),
    {0},
};

enum { N_LEVELS = EAI_LOG_TRACE + 1 };

typedef struct stats {
    uint64_t levels[N_LEVELS];
    json_t *modules; /* name -> lines */
    json_t *runs;
    char first[40]; /* "" when there is no line */
    char last[40];
} stats;

/* Adds one to a name's count, up to NAMES_MAX names; false when memory is out. */
static bool count_name(json_t *counts, const char *name)
{
    json_t *old = json_object_get(counts, name);
    if (!old && json_object_size(counts) >= NAMES_MAX)
        return true;
    return json_object_set_new(counts, name, json_integer(json_integer_value(old) + 1)) == 0;
}

static eai_status count_lines(stats *s, eai_log_reader *r, eai_error *err)
{
    const eai_log_line *line;
    for (;;) {
        EAI_TRY(eai_log_reader_next(&line, r, err));
        if (!line)
            return EAI_OK;
        s->levels[line->level]++;
        if (!count_name(s->modules, line->module) ||
            (*line->run && !count_name(s->runs, line->run)))
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the names in the log");
        if (!s->first[0])
            snprintf(s->first, sizeof(s->first), "%s", line->time);
        snprintf(s->last, sizeof(s->last), "%s", line->time);
    }
}

static void print_stats(const stats *s, eai_log_totals t, FILE *out)
{
    char size[32];
    const char *name;
    json_t *count;
    fprintf(out, "files    %llu, %s uncompressed\n", (unsigned long long)t.n_files,
            eai_format_bytes(size, sizeof(size), t.n_bytes));
    fprintf(out, "lines    %llu, and %llu that could not be read\n", (unsigned long long)t.n_lines,
            (unsigned long long)t.n_broken);
    if (s->first[0])
        fprintf(out, "time     %s to %s\n", s->first, s->last);
    fprintf(out, "runs     %zu\nlevels  ", json_object_size(s->runs));
    for (int i = 0; i < N_LEVELS; i++)
        fprintf(out, " %s %llu%s", eai_log_level_name((eai_log_level)i),
                (unsigned long long)s->levels[i], i + 1 < N_LEVELS ? "," : "\n");
    fputs("modules ", out);
    const char *separator = " ";
    json_object_foreach(s->modules, name, count)
    {
        fprintf(out, "%s%s %lld", separator, name, (long long)json_integer_value(count));
        separator = ", ";
    }
    fputc('\n', out);
}

static eai_status print_stats_json(const stats *s, eai_log_totals t, FILE *out, eai_error *err)
{
    json_t *levels = json_object();
    for (int i = 0; i < N_LEVELS; i++)
        json_object_set_new(levels, eai_log_level_name((eai_log_level)i),
                            json_integer((json_int_t)s->levels[i]));
    json_t *root = json_pack("{s:I, s:I, s:I, s:I, s:s?, s:s?, s:o, s:O, s:O}", "files",
                             (json_int_t)t.n_files, "bytes", (json_int_t)t.n_bytes, "lines",
                             (json_int_t)t.n_lines, "broken", (json_int_t)t.n_broken, "first",
                             s->first[0] ? s->first : NULL, "last", s->last[0] ? s->last : NULL,
                             "levels", levels, "modules", s->modules, "runs", s->runs);
    return json_output(root, out, err);
}

static eai_status run_stats(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const stats_args *a = args;
    stats s = {.modules = json_object(), .runs = json_object()};
    eai_log_reader *r = NULL;
    eai_status st = open_log(&r, a->file, err);
    if (st == EAI_OK)
        st = count_lines(&s, r, err);
    if (st == EAI_OK && a->json)
        st = print_stats_json(&s, eai_log_reader_totals(r), ctx->out, err);
    else if (st == EAI_OK)
        print_stats(&s, eai_log_reader_totals(r), ctx->out);
    eai_log_reader_close(r);
    json_decref(s.modules);
    json_decref(s.runs);
    return st;
}

/* ---- clean, path ----------------------------------------------------------------------------- */

typedef struct clean_args {
    const char *file;
    const char *older_than;
    bool dry_run;
} clean_args;

static const eai_option clean_options[] = {
    FILE_OPTION(clean_args),
    {.name = "older-than",
     .type = EAI_OPT_STRING,
     .offset = offsetof(clean_args, older_than),
     .default_value = "30d",
     .value_name = "TIME",
     .help = "that were last written longer ago: 12h, 30d, 8w"},
    {.name = "dry-run",
     .type = EAI_OPT_FLAG,
     .offset = offsetof(clean_args, dry_run),
     .help = "only say which"},
    {0},
};

/* What was removed so far. */
typedef struct cleaning {
    FILE *out;
    bool dry;
    uint64_t n_files;
    uint64_t n_bytes;
} cleaning;

static void tell_removed(void *ud, const char *file, uint64_t bytes)
{
    cleaning *c = ud;
    char size[32];
    c->n_files++;
    c->n_bytes += bytes;
    fprintf(c->out, "%s  %s, %s\n", c->dry ? "would remove" : "removed", file,
            eai_format_bytes(size, sizeof(size), bytes));
}

static eai_status run_clean(const eai_command_context *ctx, const void *args, eai_error *err)
{
    const clean_args *a = args;
    cleaning c = {.out = ctx->out, .dry = a->dry_run};
    double age;
    char size[32];
    char *path = NULL;
    EAI_TRY(eai_log_parse_duration(&age, a->older_than, "--older-than", err));
    EAI_TRY(find_log(&path, a->file, err));
    eai_status st =
        eai_log_clean(path, seconds_since_1970() - age, a->dry_run, tell_removed, &c, err);
    if (st == EAI_OK)
        fprintf(ctx->out, "%llu file%s, %s\n", (unsigned long long)c.n_files,
                c.n_files == 1 ? "" : "s", eai_format_bytes(size, sizeof(size), c.n_bytes));
    eai_free(path);
    return st;
}

static eai_status run_path(const eai_command_context *ctx, const void *args, eai_error *err)
{
    char *path = NULL;
    (void)args;
    EAI_TRY(eai_log_default_path(&path, err));
    fprintf(ctx->out, "%s\n", path);
    eai_free(path);
    return EAI_OK;
}

static const eai_command commands[] = {
    {.name = "search",
     .summary = "lines of the log files by pattern, level, time, run, field",
     .options = search_options,
     .args_bytes = sizeof(search_args),
     .run = run_search,
     .usage = "[PATTERN]",
     .help = "PATTERN is a regular expression (PCRE2) on \"module: message key=value ...\".\n"
             "Files that were put aside are read too, the compressed ones among them.\n\n"
             "Lines are kept when EFFICIENTAI_LOG_FILE names a file or is 'auto', or by\n"
             "'efficientai --log-file FILE COMMAND'. EFFICIENTAI_LOG_MAX_MB (10), _BACKUPS (5),\n"
             "_KEEP_DAYS (30) and _DAILY (0) say how; 0 is never."},
    {.name = "stats",
     .summary = "how many lines of which level, module and run there are",
     .options = stats_options,
     .args_bytes = sizeof(stats_args),
     .run = run_stats},
    {.name = "clean",
     .summary = "remove old log files",
     .options = clean_options,
     .args_bytes = sizeof(clean_args),
     .run = run_clean,
     .help = "Only files that were put aside are removed, never the one in use."},
    {.name = "path", .summary = "print where the log file is", .run = run_path},
    {0},
};

const eai_project group_logs = {
    .abi = EAI_PROJECT_ABI,
    .size = sizeof(eai_project),
    .name = "logs",
    .version = EAI_VERSION,
    .summary = "what log files hold",
    .commands = commands,
};
