/* Fuzz target: the manifest of a repository on the disk. Names of one that is accepted may become
 * paths, each is there once, and the model is one of them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hub_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const hub_manifest *m)
{
    uint64_t total = 0;
    if (!hub__is_hex(m->commit, HUB_COMMIT_SIZE - 1) || m->n_files > HUB_MAX_FILES)
        abort();
    if (*m->model && !hub__manifest_find(m, m->model))
        abort();
    for (size_t i = 0; i < m->n_files; i++) {
        const hub_file *f = &m->files[i];
        if (!hub__name_is_safe(f->name) || !hub__is_hex(f->sha256, 64) ||
            hub__manifest_find(m, f->name) != f)
            abort();
        total += f->bytes;
    }
    if (total != hub__manifest_bytes(m))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    hub_manifest m = {0};
    json_t *root = NULL;
    eai_status st = eai_json_parse(&root, (const char *)data, size, "input", &err);

    if (st == EAI_OK)
        st = hub__manifest_read(&m, root, "input", &err);
    json_decref(root);
    if (st == EAI_OK)
        check_accepted(&m);
    else if (m.files || err.code != st || strncmp(err.message, "input", 5) != 0)
        abort();
    hub__manifest_deinit(&m);
    return 0;
}
