/* Reading of small files, see files.h. Start at machine__open. */
#include "machine/files.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

#define PATH_BYTES 1024
#define LINE_BYTES 1024
#define NUMBER_MAX 65535 /* of an entry of a folder */

const char *machine__root(void)
{
    const char *root = getenv("EAI_MACHINE_ROOT"); /* tests: a machine that was recorded */
    return root ? root : "";
}

EAI_PRINTF(2, 0) static FILE *open_below(const char *root, const char *fmt, va_list args)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s", root);
    if (n < 0 || (size_t)n >= sizeof(path))
        return NULL;
    int m = vsnprintf(path + n, sizeof(path) - (size_t)n, fmt, args);
    return m < 0 || (size_t)m >= sizeof(path) - (size_t)n ? NULL : fopen(path, "re");
}

FILE *machine__open(const char *root, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    FILE *f = open_below(root, fmt, args);
    va_end(args);
    return f;
}

/* Takes the file, which may be NULL. */
static bool first_line(char *out, size_t n, FILE *f)
{
    char line[LINE_BYTES];
    bool ok = f && fgets(line, sizeof(line), f);
    if (f)
        fclose(f);
    out[0] = '\0';
    if (!ok)
        return false;
    const char *start = line + strspn(line, " \t");
    size_t length = strcspn(start, "\n");
    while (length > 0 && isspace((unsigned char)start[length - 1]))
        length--;
    snprintf(out, n, "%.*s", (int)length, start);
    return out[0] != '\0';
}

bool machine__read_text(char *out, size_t n, const char *root, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    FILE *f = open_below(root, fmt, args);
    va_end(args);
    return first_line(out, n, f);
}

/* A whole number with a blank or the end behind it. */
static bool parse_number(int64_t *out, const char *text)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno != 0 || (*end && !isspace((unsigned char)*end)))
        return false;
    *out = n;
    return true;
}

bool machine__read_number(int64_t *out, const char *root, const char *fmt, ...)
{
    char text[64];
    va_list args;
    va_start(args, fmt);
    FILE *f = open_below(root, fmt, args);
    va_end(args);
    return first_line(text, sizeof(text), f) && parse_number(out, text);
}

bool machine__read_scaled(double *out, double scale, const char *root, const char *fmt, ...)
{
    char text[64];
    int64_t n;
    va_list args;
    va_start(args, fmt);
    FILE *f = open_below(root, fmt, args);
    va_end(args);
    if (!first_line(text, sizeof(text), f) || !parse_number(&n, text))
        return false;
    *out = (double)n * scale;
    return true;
}

bool machine__find_number(int64_t *out, FILE *f, const char *key)
{
    char line[LINE_BYTES];
    size_t n = strlen(key);
    if (!f)
        return false;
    rewind(f);
    while (fgets(line, sizeof(line), f)) {
        const char *rest = line + n;
        if (strncmp(line, key, n) != 0 || (*rest != ':' && *rest != ' '))
            continue;
        return parse_number(out, rest + (*rest == ':'));
    }
    return false;
}

/* prefix123 -> 123, -1 for other names. */
static int entry_number(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || !isdigit((unsigned char)name[n]))
        return -1;
    char *end;
    long number = strtol(name + n, &end, 10);
    return *end || number > NUMBER_MAX ? -1 : (int)number;
}

static int compare_numbers(const void *a, const void *b)
{
    const int *x = a;
    const int *y = b;
    return (*x > *y) - (*x < *y);
}

size_t machine__list_numbers(int *out, size_t max, const char *root, const char *folder,
                             const char *prefix)
{
    char path[PATH_BYTES];
    const struct dirent *entry;
    size_t n = 0;
    int length = snprintf(path, sizeof(path), "%s%s", root, folder);
    DIR *dir = length > 0 && (size_t)length < sizeof(path) ? opendir(path) : NULL;
    while (dir && n < max && (entry = readdir(dir))) {
        out[n] = entry_number(entry->d_name, prefix);
        n += out[n] >= 0;
    }
    if (dir)
        closedir(dir);
    qsort(out, n, sizeof(*out), compare_numbers);
    return n;
}

int machine__count_list(const char *text)
{
    int n = 0;
    while (*text) {
        char *end;
        long first = strtol(text, &end, 10);
        long last = first;
        if (end == text || first < 0)
            return 0;
        if (*end == '-') {
            text = end + 1;
            last = strtol(text, &end, 10);
            if (end == text || last < first)
                return 0;
        }
        if (last > NUMBER_MAX || (*end && *end != ',' && *end != '\n'))
            return 0;
        n += (int)(last - first) + 1;
        text = end + (*end != '\0');
    }
    return n;
}
