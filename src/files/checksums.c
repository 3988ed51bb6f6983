/* SHA256SUMS files (checksums.h describes the format).
 *
 * A list may come from anywhere: a name that leaves its folder is a bad line and is not opened, for
 * whether a file of somebody else's has a certain content is nobody's business. Start at
 * eai_checksums_check() and files__parse_sum(). */
#include <efficientai/checksums.h>

#include "files/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/tree.h>

#include "base/banned.h"

#define MAX_LIST   ((size_t)64 << 20)
#define HEX_DIGITS (EAI_SHA256_HEX_SIZE - 1)

/* ---- Lines ----------------------------------------------------------------------------------- */

void files__print_sum(eai_strbuf *b, const char *hex, const char *name)
{
    bool escaped = strpbrk(name, "\\\n\r") != NULL;

    eai_strbuf_printf(b, "%s%s  ", escaped ? "\\" : "", hex);
    for (const char *c = name; *c; c++) {
        if (*c == '\\')
            eai_strbuf_text(b, "\\\\");
        else if (*c == '\n')
            eai_strbuf_text(b, "\\n");
        else if (*c == '\r')
            eai_strbuf_text(b, "\\r");
        else
            eai_strbuf_char(b, *c);
    }
    eai_strbuf_char(b, '\n');
}

/* Undoes the escapes in place; false for one that does not exist. */
static bool unescape(char *name)
{
    char *to = name;

    for (const char *c = name; *c; c++) {
        if (*c != '\\') {
            *to++ = *c;
            continue;
        }
        c++;
        if (*c != '\\' && *c != 'n' && *c != 'r')
            return false;
        *to++ = (char)(*c == 'n' ? '\n' : *c == 'r' ? '\r' : '\\');
    }
    *to = '\0';
    return true;
}

bool files__parse_sum(char hex[EAI_SHA256_HEX_SIZE], char **name, char *line)
{
    bool escaped = line[0] == '\\';

    line += escaped;
    if (strspn(line, "0123456789abcdefABCDEF") != HEX_DIGITS || line[HEX_DIGITS] != ' ' ||
        (line[HEX_DIGITS + 1] != ' ' && line[HEX_DIGITS + 1] != '*') ||
        line[HEX_DIGITS + 2] == '\0')
        return false;
    for (size_t i = 0; i < HEX_DIGITS; i++)
        hex[i] = (char)(line[i] >= 'A' && line[i] <= 'F' ? line[i] + ('a' - 'A') : line[i]);
    hex[HEX_DIGITS] = '\0';
    *name = line + HEX_DIGITS + 2;
    return !escaped || unescape(*name);
}

/* Relative, and no part of it "..". */
static bool stays_below(const char *name)
{
    if (name[0] == '/')
        return false;
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static eai_status print_list(eai_strbuf *b, const char *folder, const eai_fs_list *found,
                             eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];

    for (size_t i = 0; i < found->n; i++) {
        if (strcmp(found->paths[i], EAI_CHECKSUMS_NAME) == 0)
            continue;
        char *path = eai_path_join(folder, found->paths[i]);
        if (!path)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path in '%s'", folder);
        eai_status st = eai_sha256_file(hex, path, err);
        eai_free(path);
        if (st != EAI_OK)
            return st;
        files__print_sum(b, hex, found->paths[i]);
    }
    if (b->length == 0 && b->status == EAI_OK)
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "'%s' has no files to sum", folder);
    return eai_strbuf_check(b, "the list of checksums", err);
}

eai_status eai_checksums_write(const char *folder, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_LIST);
    eai_fs_list found = {0};
    char *path = eai_path_join(folder, EAI_CHECKSUMS_NAME);
    eai_status st = path ? eai_fs_remove_left_overs(NULL, folder, EAI_CHECKSUMS_NAME, err)
                         : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");

    if (st == EAI_OK)
        st = eai_fs_find(&found, folder, "*", NULL, err);
    if (st == EAI_OK)
        st = print_list(&b, folder, &found, err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_fs_list_deinit(&found);
    eai_strbuf_deinit(&b);
    eai_free(path);
    return st;
}

/* ---- Checking -------------------------------------------------------------------------------- */

typedef struct checking {
    eai_checksums_report *report;
    const char *path; /* of the list */
    const char *folder;
    void (*tell)(void *ud, const eai_checksums_finding *finding);
    void *ud;
} checking;

/* Counts a finding and tells of it. */
static void find_fault(const checking *c, size_t *counter, size_t line, const char *name,
                       const char *text)
{
    const eai_checksums_finding finding = {line, name, text};

    ++*counter;
    if (c->tell)
        c->tell(c->ud, &finding);
}

static eai_status check_existing(const checking *c, size_t line, const char *hex, const char *name,
                                 const char *path, eai_error *err)
{
    char actual[EAI_SHA256_HEX_SIZE];
    eai_error reason = EAI_ERROR_INIT;
    eai_status st = eai_sha256_file(actual, path, &reason);

    if (st == EAI_ERR_NOMEM)
        return eai_error_set(err, st, "%s", reason.message);
    if (st != EAI_OK)
        find_fault(c, &c->report->n_unreadable, line, name, reason.message);
    else if (strcmp(actual, hex) != 0)
        find_fault(c, &c->report->n_differ, line, name, "differs");
    else
        c->report->n_good++;
    return EAI_OK;
}

static eai_status check_line(const checking *c, size_t line, char *text, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char what[64];
    struct stat info;
    char *name = NULL;
    eai_status st = EAI_OK;

    if (text[0] == '\0' || text[0] == '#')
        return EAI_OK;
    if (!files__parse_sum(hex, &name, text)) {
        snprintf(what, sizeof(what), "line %zu is no checksum", line);
        find_fault(c, &c->report->n_bad_lines, line, c->path, what);
        return EAI_OK;
    }
    if (!stays_below(name)) {
        find_fault(c, &c->report->n_bad_lines, line, name, "is not below the list's folder");
        return EAI_OK;
    }
    char *path = eai_path_join(c->folder, name);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR))
        find_fault(c, &c->report->n_missing, line, name, "is missing");
    else
        st = check_existing(c, line, hex, name, path, err);
    eai_free(path);
    return st;
}

/* EAI_OK, or a sentence of the numbers that are not 0. */
static eai_status sum_up(const checking *c, eai_error *err)
{
    const eai_checksums_report *r = c->report;
    const struct {
        size_t n;
        const char *what;
    } faults[] = {
        {r->n_differ, "differing"},
        {r->n_missing, "missing"},
        {r->n_unreadable, "unreadable"},
        {r->n_bad_lines, "on bad lines"},
    };
    char text[160] = "";
    size_t length = 0;
    size_t n_wrong = 0;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        n_wrong += faults[i].n;
        if (faults[i].n > 0 && length < sizeof(text))
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%zu %s",
                                       length ? ", " : "", faults[i].n, faults[i].what);
    }
    if (n_wrong > 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: %zu of %zu files are not as listed: %s",
                             c->path, n_wrong, n_wrong + r->n_good, text);
    if (r->n_good == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no checksums in it", c->path);
    return EAI_OK;
}

/* A NUL in the list would hide the rest of its line. */
static eai_status check_lines(const checking *c, char *list, size_t n, eai_error *err)
{
    eai_status st = EAI_OK;
    size_t line = 0;

    if (memchr(list, '\0', n))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no text: it has a NUL in it", c->path);
    for (char *text = list; st == EAI_OK && *text;) {
        char *next = text + strcspn(text, "\n");
        size_t length = (size_t)(next - text);
        next += *next == '\n';
        if (length > 0 && text[length - 1] == '\r')
            length--;
        text[length] = '\0';
        st = check_line(c, ++line, text, err);
        text = next;
    }
    return st == EAI_OK ? sum_up(c, err) : st;
}

eai_status eai_checksums_check(eai_checksums_report *out, const char *path,
                               void (*tell)(void *ud, const eai_checksums_finding *finding),
                               void *ud, eai_error *err)
{
    checking c = {.report = out, .path = path, .tell = tell, .ud = ud};
    char *folder = NULL;
    char *name = NULL;
    char *list = NULL;
    size_t n = 0;

    *out = (eai_checksums_report){0};
    EAI_TRY(files__split(&folder, &name, path, err));
    c.folder = folder;
    eai_status st = eai_fs_read_file(&list, &n, path, MAX_LIST, err);
    if (st == EAI_OK)
        st = check_lines(&c, list, n, err);
    eai_free(list);
    eai_free(folder);
    eai_free(name);
    return st;
}
