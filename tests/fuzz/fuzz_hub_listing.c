/* Fuzz target: a model hub's list of files, after a first line that is the pattern of --file
 * (empty: none). Names of a list that is accepted may become paths; what is chosen of it is in it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "cli/hub_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_PATTERN 64

static void check_accepted(const hub_listing *l)
{
    if (!hub__is_hex(l->commit, HUB_COMMIT_SIZE - 1) || !l->licence)
        abort();
    for (size_t i = 0; i < l->n_entries; i++) {
        const hub_entry *e = &l->entries[i];
        if (!hub__name_is_safe(e->name) || e->bytes > HUB_MAX_BYTES ||
            strlen(e->oid) >= HUB_OID_SIZE || (i && strcmp(l->entries[i - 1].name, e->name) >= 0))
            abort();
    }
}

static void choose(hub_listing *l, const char *pattern)
{
    eai_error err = EAI_ERROR_INIT;
    const char *model = NULL;
    size_t n_chosen = 0;
    size_t n_models = 0;
    eai_status st = hub__listing_choose(&model, l, pattern, &err);
    if (st != EAI_OK) {
        if (err.code != st || err.message[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < l->n_entries; i++) {
        n_chosen += l->entries[i].is_chosen;
        n_models += l->entries[i].is_chosen && strcmp(l->entries[i].name, model) == 0;
    }
    if (n_chosen == 0 || (*model && n_models != 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    hub_listing l;
    char pattern[MAX_PATTERN + 1];
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t n = newline ? (size_t)(newline - data) : 0;

    if (!newline || n > MAX_PATTERN)
        return -1;
    memcpy(pattern, data, n);
    pattern[n] = '\0';
    eai_status st = hub__listing_parse(&l, (const char *)newline + 1, size - n - 1, &err);
    if (st == EAI_OK) {
        check_accepted(&l);
        choose(&l, *pattern ? pattern : NULL);
    } else if (l.entries || err.code != st || !strstr(err.message, "the list of files")) {
        abort();
    }
    hub__listing_deinit(&l);
    return 0;
}
