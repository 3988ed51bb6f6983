/* Fuzz target: any bytes as a tokenizer.json. One that is accepted has to encode some texts and the
 * file's own bytes without harm: places in order, decoding without an error, pieces that add up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 256

static void check_decoding(const eai_tokenizer *t, const int32_t *ids, size_t n_ids)
{
    char *text = NULL;
    size_t n = 0;
    size_t n_pieces = 0;

    if (eai_tokenizer_decode(&text, &n, t, ids, n_ids, EAI_DETOKENIZE_PLAIN, NULL) != EAI_OK)
        abort();
    for (size_t i = 0; i < n_ids; i++) {
        size_t n_piece = 0;

        if (!eai_tokenizer_piece(t, ids[i], &n_piece) || !eai_tokenizer_token(t, ids[i], NULL))
            abort();
        n_pieces += n_piece;
    }
    if (n > n_pieces)
        abort();
    eai_free(text);
}

/* Refusing a text is fine (a pattern that takes too long, an unknown character); an accepted one
 * has its places in order. */
static void encode(const eai_tokenizer *t, const char *text, size_t n)
{
    const unsigned flags = EAI_TOKENIZE_PARSE_SPECIAL | EAI_TOKENIZE_ADD_SPECIAL;
    eai_error err = EAI_ERROR_INIT;
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n_ids = 0;
    eai_status st = eai_tokenizer_encode_offsets(&ids, &starts, &n_ids, t, text, n, flags, &err);

    if (st != EAI_OK) {
        if (ids || starts || err.code != st || err.message[0] == '\0')
            abort();
        return;
    }
    for (size_t i = 0; i < n_ids; i++)
        if (starts[i] > n)
            abort();
    check_decoding(t, ids, n_ids);
    eai_free(ids);
    eai_free(starts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {
        "",
        "The <s>quick  brown\tfox, 12 345!</s>\n\n",
        "\u00e9e\u0301\u0323 \uFF21\uFB01 \u1100\u1161\u11A8 \u304B\u3099 \u2581a<0x0A>",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "\xff\xc3 \xe2\x96",
    };
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    eai_status st = eai_tokenizer_parse_json(&t, (const char *)data, size, "input", &err);

    if (st != EAI_OK) {
        if (t || err.code != st || err.message[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        encode(t, texts[i], strlen(texts[i]));
    encode(t, (const char *)data, size < MAX_TEXT ? size : MAX_TEXT);
    eai_tokenizer_free(t);
    return 0;
}
