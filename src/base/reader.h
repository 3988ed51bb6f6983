/* A cursor over untrusted bytes: little-endian numbers, each take checked.
 *
 *     eai_reader r;
 *     eai_reader_init(&r, data, size);
 *     uint32_t magic = eai_reader_u32(&r);
 *     uint64_t n = eai_reader_u64(&r);
 *     const uint8_t *name = eai_reader_bytes(&r, n);       // NULL when fewer than n are left
 *     if (r.failed) return eai_error_set(err, EAI_ERR_FORMAT, "cut short at byte %zu",
 * eai_reader_offset(&r));
 *
 * Taking beyond the end gives 0 (or NULL), moves nothing, and sets `failed` for good, so a parser
 * may read a whole header and check once - but must check before it trusts a count or loops over
 * one. Nothing is copied: pointers are into the bytes given. */
#ifndef EAI_BASE_READER_H
#define EAI_BASE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct eai_reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
} eai_reader;

void eai_reader_init(eai_reader *r, const void *data, size_t n);

/* Bytes before and behind the cursor. */
size_t eai_reader_offset(const eai_reader *r);
size_t eai_reader_left(const eai_reader *r);

uint8_t eai_reader_u8(eai_reader *r);
uint16_t eai_reader_u16(eai_reader *r);
uint32_t eai_reader_u32(eai_reader *r);
uint64_t eai_reader_u64(eai_reader *r);
int8_t eai_reader_i8(eai_reader *r);
int16_t eai_reader_i16(eai_reader *r);
int32_t eai_reader_i32(eai_reader *r);
int64_t eai_reader_i64(eai_reader *r);
float eai_reader_f32(eai_reader *r);
double eai_reader_f64(eai_reader *r);

/* The next n bytes, borrowed; NULL and failed when fewer are left. The count is 64 bits wide
 * because that is what files hold. */
const uint8_t *eai_reader_bytes(eai_reader *r, uint64_t n);
void eai_reader_skip(eai_reader *r, uint64_t n);

/* Moves to an offset from the start; beyond the end fails. */
void eai_reader_seek(eai_reader *r, uint64_t offset);

/* Moves on to the next multiple of `alignment` (at least 1) from the start. */
void eai_reader_align(eai_reader *r, uint64_t alignment);

#endif
