/* Fuzz target: the tokenizer in a GGUF file's metadata. One that is accepted has to encode some
 * texts without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>
#include <efficientai/weights.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const eai_tokenizer *t, const char *text)
{
    int32_t *ids = NULL;
    size_t n = 0;
    char *back = NULL;

    if (eai_tokenizer_encode(&ids, &n, t, text, strlen(text), EAI_TOKENIZE_PARSE_SPECIAL, NULL) !=
        EAI_OK)
        return; /* an unknown character and no unknown token */
    if (eai_tokenizer_decode(&back, NULL, t, ids, n, 0, NULL) != EAI_OK)
        abort();
    eai_free(back);
    eai_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_tokenizer *t = NULL;

    if (size < 4 || memcmp(data, "GGUF", 4) != 0)
        return -1; /* not this target's format: keep it out of the corpus */
    if (eai_weights_parse(&w, data, size, "input", NULL) != EAI_OK)
        return 0;
    eai_status st = eai_tokenizer_from_weights(&t, w, &err);
    if (st != EAI_OK && (t || err.code != st || err.message[0] == '\0'))
        abort();
    if (st == EAI_OK) {
        encode(t, "a  ab\u00e9 \xff 12 <s>\n");
        encode(t, "ababababababababababababababababababababababababababababababababababab");
    }
    eai_tokenizer_free(t);
    eai_weights_close(w);
    return 0;
}
