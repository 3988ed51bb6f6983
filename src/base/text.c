/* Text from files and from the network must not reach a terminal as control codes, and one that is
 * cut is cut between characters. */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

void text__clean(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        } else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
            p[0] = '?';
            p[1] = '?';
        }
    }
}

void text__mark_cut(char *s, size_t size)
{
    size_t end = size - 4;

    while (end > 0 && ((unsigned char)s[end] & 0xc0) == 0x80)
        end--;
    memcpy(s + end, "...", 4);
}

char *text__bytes(char *buf, size_t n, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1000;
        unit++;
    }
    snprintf(buf, n, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buf;
}
