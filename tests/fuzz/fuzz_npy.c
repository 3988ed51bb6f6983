/* Fuzz target: .npy files. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/npy.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_npy *a = NULL;
    eai_status st = eai_npy_parse(&a, data, size, "input", &err);

    if (st != EAI_OK) {
        if (a || err.code != st || strncmp(err.message, "input: ", 7) != 0)
            abort();
        return 0;
    }
    size_t bytes = 0;
    if (!eai_tensor_bytes(&bytes, a->dtype, &a->shape) || bytes != a->bytes)
        abort();
    eai_npy_free(a);
    return 0;
}
