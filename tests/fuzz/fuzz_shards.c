/* Fuzz target: the index of a model in several files. None of the files that it names is there, so
 * nothing may open, and nothing beside its own folder may be asked for. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/weights_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FOLDER "/nonexistent/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    if (eai_weights_create(&w, "input", &err) != EAI_OK)
        abort();
    eai_status st = shards__open(w, FOLDER "index.json", (const char *)data, size, &err);
    if (st == EAI_OK || err.code != st || strncmp(err.message, FOLDER, strlen(FOLDER)) != 0)
        abort();
    eai_weights_close(w);
    return 0;
}
