/* Fuzz target: the GGUF reader with the translation of names and row order. Whatever opens is read
 * to the last byte and through every getter. */
#include "fuzz/fuzz_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        return -1; /* not this target's format: keep it out of the corpus */
    fuzz_weights(data, size);
    return 0;
}
