/* The bounded cursor of reader.h. Everything goes through eai_reader_bytes(). */
#include "base/reader.h"

#include <string.h>

#include "base/banned.h"

void eai_reader_init(eai_reader *r, const void *data, size_t n)
{
    static const uint8_t nothing[1];

    r->start = n ? data : nothing;
    r->at = r->start;
    r->end = r->start + n;
    r->failed = false;
}

size_t eai_reader_offset(const eai_reader *r)
{
    return (size_t)(r->at - r->start);
}

size_t eai_reader_left(const eai_reader *r)
{
    return (size_t)(r->end - r->at);
}

const uint8_t *eai_reader_bytes(eai_reader *r, uint64_t n)
{
    if (r->failed || n > eai_reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

void eai_reader_skip(eai_reader *r, uint64_t n)
{
    (void)eai_reader_bytes(r, n);
}

void eai_reader_seek(eai_reader *r, uint64_t offset)
{
    if (r->failed || offset > (uint64_t)(r->end - r->start))
        r->failed = true;
    else
        r->at = r->start + offset;
}

void eai_reader_align(eai_reader *r, uint64_t alignment)
{
    if (alignment == 0) {
        r->failed = true;
        return;
    }
    uint64_t rest = eai_reader_offset(r) % alignment;
    if (rest)
        eai_reader_skip(r, alignment - rest);
}

/* The next n <= 8 bytes as a little-endian number, 0 beyond the end. */
static uint64_t take_number(eai_reader *r, int n)
{
    const uint8_t *p = eai_reader_bytes(r, (uint64_t)n);
    uint64_t value = 0;

    for (int i = n - 1; p && i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

uint8_t eai_reader_u8(eai_reader *r)
{
    return (uint8_t)take_number(r, 1);
}

uint16_t eai_reader_u16(eai_reader *r)
{
    return (uint16_t)take_number(r, 2);
}

uint32_t eai_reader_u32(eai_reader *r)
{
    return (uint32_t)take_number(r, 4);
}

uint64_t eai_reader_u64(eai_reader *r)
{
    return take_number(r, 8);
}

int8_t eai_reader_i8(eai_reader *r)
{
    return (int8_t)eai_reader_u8(r);
}

int16_t eai_reader_i16(eai_reader *r)
{
    return (int16_t)eai_reader_u16(r);
}

int32_t eai_reader_i32(eai_reader *r)
{
    return (int32_t)eai_reader_u32(r);
}

int64_t eai_reader_i64(eai_reader *r)
{
    return (int64_t)eai_reader_u64(r);
}

float eai_reader_f32(eai_reader *r)
{
    uint32_t bits = eai_reader_u32(r);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

double eai_reader_f64(eai_reader *r)
{
    uint64_t bits = eai_reader_u64(r);
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}
