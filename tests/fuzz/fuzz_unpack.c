/* Fuzz target: archives, read to their end with nothing written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "files/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const eai_unpack_opts opts = {.max_bytes = 1 << 20, .max_entries = 100};
    eai_error err = EAI_ERROR_INIT;
    eai_status st = unpack__check_memory(data, size, &opts, &err);

    if (st != EAI_OK && (err.code != st || strncmp(err.message, "memory: ", 8) != 0))
        abort();
    return 0;
}
