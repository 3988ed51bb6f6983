/* What the files of the log share: log.c hands a record on, log_format.c makes a line of it,
 * log_file.c appends it to a file, log_archive.c looks after what was put aside. */
#ifndef EAI_BASE_LOG_INTERNAL_H
#define EAI_BASE_LOG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <efficientai/log.h>

/* A line with its end. The longest message and a dozen long fields fit; what does not is left out.
 */
#define LOG_LINE_MAX  16384
#define LOG_KEY_MAX   64  /* with its NUL */
#define LOG_VALUE_MAX 512 /* likewise */

/* Both return the bytes of the line in out, LOG_LINE_MAX of them at most, '\n' at its end. */
size_t log__format_text(char *out, const eai_log_record *r, bool color);
/* "module: message key=value", cut to fit into `size` bytes with its NUL; returns its length. */
size_t log__format_body(char *out, size_t size, const eai_log_record *r);
/* `now` is seconds since 1970; the source is written when `with_source`. */
size_t log__format_json(char *out, const eai_log_record *r, double now, bool with_source);

/* ---- A file of lines ------------------------------------------------------------------------- */

typedef struct log_file {
    char *path; /* NULL: no file */
    eai_log_file_opts opts;
    int fd;
    pid_t owner;      /* of fd's lock: a child after fork() opens its own */
    long day;         /* since 1970, of the first line; -1: none yet */
    uint64_t n_lost;  /* lines that could not be written */
    bool archive_due; /* a file was put aside: log__archive() is to be called */
} log_file;

/* Opens it, and fills in the defaults. On failure `f` has no file. */
EAI_CHECKED eai_status log__file_open(log_file *f, const char *path, const eai_log_file_opts *opts,
                                      eai_error *err);
void log__file_close(log_file *f);

/* Appends a line of n bytes, its '\n' among them, written on a day since 1970. */
void log__file_write(log_file *f, const char *line, size_t n, long day);

/* ---- What was put aside ---------------------------------------------------------------------- */

#define LOG_ARCHIVE_MAX 4096 /* files beside one log file; more are not looked at */

/* One file that was put aside, PATH.NNNNNN or PATH.NNNNNN.gz. */
typedef struct log_archived {
    uint32_t number;
    bool compressed;
    char *path; /* owned */
} log_archived;

/* Those of a log file, oldest first; a number that is there in both forms (a process was killed
 * while it compressed) is there once, plain. */
EAI_CHECKED eai_status log__archive_list(log_archived **out, size_t *n, const char *path,
                                         eai_error *err);
void log__archive_free(log_archived *list, size_t n);

/* Compresses all but the newest n_plain, removes what is older than keep_days. */
EAI_CHECKED eai_status log__archive(const char *path, const eai_log_file_opts *opts,
                                    eai_error *err);

#endif
