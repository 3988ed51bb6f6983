/* Small files of /proc and /sys: a text, a number, the entries of a folder. All below a root, which
 * is "" but for tests, that replay what other machines said. What is not there, not readable or no
 * number is no value; nothing is ever an error. */
#ifndef EAI_MACHINE_FILES_H
#define EAI_MACHINE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <efficientai/error.h>

/* $EAI_MACHINE_ROOT, else "". */
const char *machine__root(void);

/* Opens ROOT and the path that the format gives; NULL when that fails. */
FILE *machine__open(const char *root, const char *fmt, ...) EAI_PRINTF(2, 3);

/* The first line without its end and blanks around it; "" and false when there is none. */
bool machine__read_text(char *out, size_t n, const char *root, const char *fmt, ...)
    EAI_PRINTF(4, 5);

/* The whole number that is the first word of the file. */
bool machine__read_number(int64_t *out, const char *root, const char *fmt, ...) EAI_PRINTF(3, 4);

/* *out = that number times `scale`; untouched when there is none. */
bool machine__read_scaled(double *out, double scale, const char *root, const char *fmt, ...)
    EAI_PRINTF(4, 5);

/* The number behind `key` at the start of a line, with an optional ':' between ("VmRSS:  12 kB",
 * "pswpin 5"). Reads on from where the file is and goes back to its start first. */
bool machine__find_number(int64_t *out, FILE *f, const char *key);

/* The numbers in front of which the entries of a folder begin with `prefix`, ascending: hwmon0,
 * hwmon2 -> 0, 2. At most `max`; returns how many. Names that go on behind the digits are no such
 * entries. */
size_t machine__list_numbers(int *out, size_t max, const char *root, const char *folder,
                             const char *prefix);

/* CPUs in a list such as "0-3,8"; 0 for anything else. */
int machine__count_list(const char *text);

#endif
