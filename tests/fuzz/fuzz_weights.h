/* What the fuzz targets of weight files share. */
#ifndef EAI_FUZZ_WEIGHTS_H
#define EAI_FUZZ_WEIGHTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/weights.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned fuzz_sink; /* so that no read is optimized away */

static inline void fuzz_touch(const void *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fuzz_sink += ((const uint8_t *)data)[i];
}

static inline void fuzz_metadata(const eai_weights *w, const char *key)
{
    size_t n = 0;
    eai_meta_strings strings;
    const char *text = eai_weights_get_string(w, key);

    if (text)
        fuzz_touch(text, strlen(text) + 1);
    const int64_t *ints = eai_weights_get_ints(&n, w, key);
    if (ints)
        fuzz_touch(ints, n * sizeof(*ints));
    const double *floats = eai_weights_get_floats(&n, w, key);
    if (floats)
        fuzz_touch(floats, n * sizeof(*floats));
    if (eai_weights_get_strings(&strings, w, key)) {
        for (size_t i = 0; i < strings.n; i++)
            fuzz_touch(strings.text[i], strings.bytes[i]);
    }
}

/* Opens the bytes; aborts when what opened breaks the promises of weights.h, or a refusal has no
 * message. */
static inline void fuzz_weights(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_status st = eai_weights_parse(&w, data, size, "input", &err);

    if (st != EAI_OK) {
        if (w || err.code != st || strncmp(err.message, "input: ", 7) != 0)
            abort();
        return;
    }
    for (size_t i = 0; i < eai_weights_count(w); i++) {
        const eai_weight_tensor *t = eai_weights_at(w, i);
        size_t bytes = 0;
        if (!eai_tensor_bytes(&bytes, t->dtype, &t->shape) || bytes != t->bytes ||
            eai_weights_find(w, t->name) != t)
            abort();
        fuzz_touch(t->data, t->bytes);
    }
    for (size_t i = 0; i < eai_weights_meta_count(w); i++)
        fuzz_metadata(w, eai_weights_meta_key(w, i));
    eai_weights_close(w);
}

#endif
