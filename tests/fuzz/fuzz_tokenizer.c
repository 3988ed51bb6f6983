/* Fuzz target: tokenizing any bytes, and tokenizers of any vocabulary.
 *
 * Byte 0 below 128: the rest is text for a sound vocabulary that has all bytes; byte 0 chooses the
 * pre-tokenizer and the flags. What was encoded has to come back. From 128 on: the rest is a
 * vocabulary, a line a token (a line with a blank: a merge; one that starts with '!': a control
 * token), and also the text. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/tokenizer.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_TOKENS  268
#define MAX_ROWS  512
#define MAX_NAMES 64 /* byte 0 below 128, halved */

static void encode_and_decode(const eai_tokenizer *t, const char *text, size_t n, unsigned flags,
                              bool whole)
{
    int32_t *ids = NULL;
    size_t *starts = NULL;
    size_t n_ids = 0;
    char *back = NULL;
    size_t n_back = 0;

    if (eai_tokenizer_encode_offsets(&ids, &starts, &n_ids, t, text, n, flags, NULL) != EAI_OK)
        abort();
    for (size_t i = 0; i < n_ids; i++)
        if (starts[i] > n || (i && starts[i] < starts[i - 1]))
            abort();
    if (eai_tokenizer_decode(&back, &n_back, t, ids, n_ids, 0, NULL) != EAI_OK)
        abort();
    if (whole ? n_back != n || memcmp(back, text, n) != 0 : n_back > n)
        abort();
    if (eai_utf8_complete(text, n) > n || eai_utf8_complete(text, n) + 3 < n)
        abort();
    eai_free(back);
    eai_free(ids);
    eai_free(starts);
}

/* All bytes, some merges, some added tokens, with the k-th pre-tokenizer. */
static eai_tokenizer *make_sound(size_t k)
{
    static const char *const merges[] = {"a b", "ab c", "\u0120 a", "\u0120 \u0120", "1 2", "a a"};
    static const char *const joined[] = {"ab", "abc", "\u0120a", "\u0120\u0120", "12", "aa"};
    static const char *const added[] = {"<|a|>", "<|a", "<u>", "<u>u", "  ", "\xc3\xa9"};
    char text[256][4];
    const char *tokens[N_TOKENS];
    int32_t types[N_TOKENS];
    unsigned next = 256;
    eai_tokenizer *t = NULL;
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;

    memset(text, 0, sizeof(text));
    for (unsigned b = 0; b < 256; b++) {
        unsigned c = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : next++;

        text[b][0] = (char)(c < 0x80 ? c : 0xC0 | c >> 6);
        text[b][1] = (char)(c < 0x80 ? 0 : 0x80 | (c & 0x3F));
        tokens[b] = text[b];
        types[b] = EAI_TOKEN_NORMAL;
    }
    for (size_t i = 0; i < 6; i++) {
        tokens[256 + i] = joined[i];
        types[256 + i] = EAI_TOKEN_NORMAL;
        tokens[262 + i] = added[i];
        types[262 + i] = i < 2 || i == 3 ? EAI_TOKEN_CONTROL : EAI_TOKEN_USER_DEFINED;
    }
    o.tokens = tokens;
    o.token_types = types;
    o.n_tokens = N_TOKENS;
    o.merges = merges;
    o.n_merges = 6;
    o.pre = eai_tokenizer_pre_names()[k];
    if (eai_tokenizer_create(&t, &o, NULL) != EAI_OK)
        abort();
    return t;
}

static void try_vocabulary(const char *text, size_t n)
{
    const char *tokens[MAX_ROWS];
    size_t token_bytes[MAX_ROWS];
    int32_t types[MAX_ROWS];
    const char *merges[MAX_ROWS];
    size_t merge_bytes[MAX_ROWS];
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;

    for (size_t at = 0; at < n && o.n_tokens < MAX_ROWS && o.n_merges < MAX_ROWS;) {
        const char *newline = memchr(text + at, '\n', n - at);
        size_t length = newline ? (size_t)(newline - text) - at : n - at;

        if (memchr(text + at, ' ', length)) {
            merges[o.n_merges] = text + at;
            merge_bytes[o.n_merges++] = length;
        } else {
            tokens[o.n_tokens] = text + at;
            token_bytes[o.n_tokens] = length;
            types[o.n_tokens++] = length && text[at] == '!' ? EAI_TOKEN_CONTROL : EAI_TOKEN_NORMAL;
        }
        at += length + 1;
    }
    o.tokens = tokens;
    o.token_bytes = token_bytes;
    o.token_types = types;
    o.merges = merges;
    o.merge_bytes = merge_bytes;
    o.pre = "llama-bpe";
    eai_status st = eai_tokenizer_create(&t, &o, &err);
    if (st != EAI_OK) {
        if (t || err.code != st || err.message[0] == '\0')
            abort();
        return;
    }
    encode_and_decode(t, text, n, EAI_TOKENIZE_PARSE_SPECIAL, false);
    eai_tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eai_tokenizer *sound[MAX_NAMES];
    size_t n_names = 0;

    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    if (data[0] >= 128) {
        try_vocabulary(text, size - 1);
        return 0;
    }
    while (n_names < MAX_NAMES && eai_tokenizer_pre_names()[n_names])
        n_names++;
    size_t k = data[0] / 2 % n_names;
    if (!sound[k])
        sound[k] = make_sound(k);
    encode_and_decode(sound[k], text, size - 1, data[0] & 1 ? EAI_TOKENIZE_PARSE_SPECIAL : 0, true);
    return 0;
}
