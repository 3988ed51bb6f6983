/* Log files read back: every line of a log and of what was put aside of it, and a query on them.
 *
 * Use:
 *     eai_log_reader *r = NULL;
 *     eai_log_matcher *m = NULL;
 *     const eai_log_query query = {.pattern = "tensor", .level = EAI_LOG_WARN, .has_level = true};
 *     EAI_TRY(eai_log_matcher_create(&m, &query, err));
 *     st = eai_log_reader_open(&r, path, err);
 *     while (st == EAI_OK && (st = eai_log_reader_next(&line, r, err)) == EAI_OK && line) {
 *         st = eai_log_matches(&yes, m, line, err);
 *         ...
 *     }
 *
 * What is read is of unknown origin: a line has at most EAI_LOG_READ_MAX bytes, one that is no
 * object with the members of the log is counted as broken and stepped over, and texts are handed
 * out without control characters. Thread-safety: distinct objects may be used from distinct
 * threads. */
#ifndef EAI_LOG_SEARCH_H
#define EAI_LOG_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>
#include <efficientai/log.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_LOG_READ_MAX ((size_t)64 << 10) /* bytes of a line */

/* A line. All texts are borrowed, until the next line is read. */
typedef struct eai_log_line {
    const char *text; /* as it is in the file, without its end */
    double seconds;   /* since 1970 */
    const char *time; /* "2026-11-22T23:37:58.123Z" */
    eai_log_level level;
    const char *module;
    const char *message;
    const char *run; /* "" when the line has none */
    size_t n_fields; /* the first EAI_LOG_FIELDS_MAX of the other members that are no arrays and no
                        objects */
    const eai_log_field *fields;
} eai_log_line;

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct eai_log_reader eai_log_reader;

/* Opens the log at `path` and finds what was put aside: PATH.NNNNNN and PATH.NNNNNN.gz.
 * EAI_ERR_NOT_FOUND when there is none of all. */
EAI_API EAI_CHECKED eai_status eai_log_reader_open(eai_log_reader **out, const char *path,
                                                   eai_error *err);

/* The next line, oldest first, *out NULL behind the last. Calling it again then looks for lines
 * that have been written since. A file that cannot be read whole counts as a broken line. */
EAI_API EAI_CHECKED eai_status eai_log_reader_next(const eai_log_line **out, eai_log_reader *r,
                                                   eai_error *err);
EAI_API void eai_log_reader_close(eai_log_reader *r); /* NULL is fine */

/* What has been read so far. */
typedef struct eai_log_totals {
    uint64_t n_files;
    uint64_t n_bytes; /* uncompressed */
    uint64_t n_lines; /* whole ones */
    uint64_t n_broken;
} eai_log_totals;
EAI_API eai_log_totals eai_log_reader_totals(const eai_log_reader *r);

/* ---- A query --------------------------------------------------------------------------------- */

/* Zero is "any". Texts are borrowed by the matcher. */
typedef struct eai_log_query {
    const char *pattern; /* a regular expression (PCRE2) on "module: message key=value ..." */
    bool has_level;
    eai_log_level level; /* and more severe ones */
    bool has_since, has_until;
    double since, until; /* seconds since 1970, both included */
    const char *run;     /* the start of its name */
    const char *module;
    const char *field; /* "key=value", or "key" for any value */
} eai_log_query;

typedef struct eai_log_matcher eai_log_matcher;

/* EAI_ERR_USAGE for a pattern that is none, with the place. */
EAI_API EAI_CHECKED eai_status eai_log_matcher_create(eai_log_matcher **out,
                                                      const eai_log_query *query, eai_error *err);
/* EAI_ERR_LIMIT when the pattern takes too long on this line. */
EAI_API EAI_CHECKED eai_status eai_log_matches(bool *out, const eai_log_matcher *m,
                                               const eai_log_line *line, eai_error *err);
EAI_API void eai_log_matcher_free(eai_log_matcher *m); /* NULL is fine */

/* A point in time as a user writes it: "2026-11-22", "2026-11-22T23:37[:58[.5]][Z or +02:00]" (UTC
 * unless it says), "90s", "30m", "2h ago", "7d", "1w" (before `now`, seconds since 1970), "now",
 * "today", "yesterday". EAI_ERR_USAGE otherwise; `what` names where the text came from. */
EAI_API EAI_CHECKED eai_status eai_log_parse_time(double *out, const char *text, double now,
                                                  const char *what, eai_error *err);

/* A length of time: "90s", "30m", "2h", "7d", "1w". */
EAI_API EAI_CHECKED eai_status eai_log_parse_duration(double *seconds, const char *text,
                                                      const char *what, eai_error *err);

/* "module: message key=value ..." into out, cut where it does not fit into EAI_LOG_READ_MAX bytes;
 * returns its length. */
EAI_API size_t eai_log_line_body(char *out, const eai_log_line *line);

/* ---- Old files ------------------------------------------------------------------------------- */

/* Calls `each` for every file that was put aside of the log at `path` and was last written before
 * `before` (seconds since 1970), oldest first, and removes it unless `dry`. `each` may be NULL. */
EAI_API EAI_CHECKED eai_status eai_log_clean(const char *path, double before, bool dry,
                                             void (*each)(void *ud, const char *file,
                                                          uint64_t bytes),
                                             void *ud, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
