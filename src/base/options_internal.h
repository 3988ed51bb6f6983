/* Shared by options.c (parsing) and options_text.c (help, JSON, spelling). Nobody else includes it.
 */
#ifndef EAI_BASE_OPTIONS_INTERNAL_H
#define EAI_BASE_OPTIONS_INTERNAL_H

#include <efficientai/options.h>

/* Enough for the words of options__allowed_range(). */
#define OPTIONS_RANGE_MAX 96

/* Does the row limit its number? */
bool options__has_range(const eai_option *o);

/* "1 to 256", "at least 1" or "at most 8" into buf; returns buf. */
const char *options__allowed_range(char buf[OPTIONS_RANGE_MAX], const eai_option *o);

/* Damerau-Levenshtein distance (adjacent swaps count one); SIZE_MAX for words above 64 bytes. */
size_t options__distance(const char *a, const char *b);

/* The largest distance at which `word` still counts as misspelt. */
size_t options__tolerance(const char *word);

#endif
