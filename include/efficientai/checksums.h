/* Lists of checksums, as `sha256sum` writes and checks them.
 *
 * Use:
 *     EAI_TRY(eai_checksums_write("model", &err));              // model/SHA256SUMS
 *
 *     static void tell(void *ud, const eai_checksums_finding *f)
 *     {
 *         fprintf(ud, "%s: %s\n", f->name, f->text);            // "a.bin: differs"
 *     }
 *     eai_checksums_report report;
 *     st = eai_checksums_check(&report, "model/SHA256SUMS", tell, stderr, err);
 *     // not EAI_OK: "model/SHA256SUMS: 3 of 12 files are not as listed: 2 differing, 1 missing"
 *
 * A line is 64 hexadecimal digits, a space, a space or '*', and a name relative to the list's
 * folder; a name with a backslash or the end of a line in it is written as \\, \n or \r, and the
 * line then begins with a backslash. Thread-safety: all functions may be called from any thread. */
#ifndef EAI_CHECKSUMS_H
#define EAI_CHECKSUMS_H

#include <stddef.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EAI_CHECKSUMS_NAME "SHA256SUMS"

/* Writes FOLDER/SHA256SUMS with a line for each regular file below the folder (but itself), by
 * name; links are not followed. EAI_ERR_NOT_FOUND when there is no file. */
EAI_API EAI_CHECKED eai_status eai_checksums_write(const char *folder, eai_error *err);

/* What is wrong with a line. The texts are borrowed, during the call. */
typedef struct eai_checksums_finding {
    size_t line;      /* from 1 */
    const char *name; /* the file as the list has it; the list's own where the line has none */
    const char *text; /* "differs", "is missing", why it cannot be read, "line 3 is no checksum" */
} eai_checksums_finding;

typedef struct eai_checksums_report {
    size_t n_good, n_differ, n_missing, n_unreadable;
    size_t n_bad_lines; /* no checksum, or of a file that is not below the list's folder */
} eai_checksums_report;

/* Checks every line, also behind one that is wrong; `tell` (may be NULL) hears of each that is not
 * good. EAI_OK: all are good, and there is at least one. EAI_ERR_FORMAT sums up what is wrong;
 * empty lines and those that start with '#' are passed by. Of at most 64 MiB. */
EAI_API EAI_CHECKED eai_status eai_checksums_check(
    eai_checksums_report *out, const char *path,
    void (*tell)(void *ud, const eai_checksums_finding *finding), void *ud, eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
