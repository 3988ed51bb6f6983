/* Lines of mixed Unicode text, made by the rules of tools/oracles/tokenizer_lines.py, and hashes of
 * what tokenizers make of them.
 *
 *     static tokenizer_line l;
 *     tokenizer_line_make(&l, 1234);
 *     ... l.text, l.n ...
 */
#ifndef EAI_TEST_TOKENIZER_LINES_H
#define EAI_TEST_TOKENIZER_LINES_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#define TOKENIZER_LINE_MAX (1u << 16)

typedef struct tokenizer_line {
    uint64_t state; /* SplitMix64 */
    size_t n;
    char text[TOKENIZER_LINE_MAX];
} tokenizer_line;

void tokenizer_line_make(tokenizer_line *l, uint32_t i);

/* Adds 4 bytes, little-endian, to a hash. */
void tokenizer_hash_u32(EVP_MD_CTX *h, uint32_t v);
/* The hash in hexadecimal. */
void tokenizer_hash_end(char hex[65], EVP_MD_CTX *h);

#endif
