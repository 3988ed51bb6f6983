/* The name that somebody may have meant. Start at eai_did_you_mean. */
#include "config/options_internal.h"

#include <string.h>

#include "base/banned.h"

/* The optimal string alignment distance: the usual table of prefixes against prefixes, of which
 * three rows are enough, with the extra step that two swapped neighbours cost one. */
size_t options__distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    size_t rows[3][LONGEST + 1];
    size_t n = strlen(a);
    size_t m = strlen(b);

    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        const size_t *before = rows[(i + 1) % 3]; /* row i - 2 */
        const size_t *above = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

size_t options__tolerance(const char *word)
{
    size_t n = strlen(word);

    return n < 2 ? 0 : n < 6 ? 1 : n / 3;
}

options_nearest options__nearest(const char *word)
{
    return (options_nearest){word, options__tolerance(word) + 1, NULL};
}

bool options__offer(options_nearest *n, const char *name)
{
    size_t distance = options__distance(n->word, name);

    if (distance >= n->best)
        return false;
    n->best = distance;
    n->name = name;
    return true;
}

const char *eai_did_you_mean(const char *word, const char *const *candidates, size_t n)
{
    options_nearest nearest = options__nearest(word);

    for (size_t i = 0; i < n; i++)
        options__offer(&nearest, candidates[i]);
    return nearest.name;
}
