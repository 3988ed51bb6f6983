/* Conversions between storage types and float: scalars here, rows in src/graph/convert.c.
 *
 * Use:
 *     float row[576];
 *     eai_dequantize_row(row, EAI_Q4_1, data, 576);              // any storage type to float
 *     EAI_TRY(eai_quantize_row(data, EAI_Q8_0, row, 576, err));  // and back
 *
 * These are the plain C reference: simple, exact, the same on every machine. The engine's kernels
 * have faster routines of their own, which tests compare with these. Rounding to f16 and bf16 is to
 * nearest, ties to even, as the instructions VCVTPS2PH and VCVTNEPS2BF16 do; NaN stays NaN (made
 * quiet), values too large become infinity, f16 subnormals are kept.
 *
 * All files that the toolkit reads are little-endian, and so must the machine be.
 * Thread-safety: pure functions. */
#ifndef EAI_CONVERT_H
#define EAI_CONVERT_H

#include <stdint.h>
#include <string.h>

#include <efficientai/dtype.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "EfficientAI needs a little-endian machine"
#endif

static inline uint32_t eai_f32_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline float eai_f32_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static inline float eai_bf16_to_f32(uint16_t h)
{
    return eai_f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t eai_bf16_from_f32(float x)
{
    uint32_t bits = eai_f32_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) /* NaN: rounding could carry it into infinity or zero */
        return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float eai_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t mantissa = h & 0x3ffu;

    if (exponent == 0x1f) /* infinity, or NaN made quiet */
        return eai_f32_from_bits(sign | 0x7f800000u | (mantissa << 13) |
                                 (mantissa ? 0x400000u : 0));
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 is exact in float */
        float value = (float)mantissa * 0x1p-24f;
        return sign ? -value : value;
    }
    return eai_f32_from_bits(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

static inline uint16_t eai_f16_from_f32(float x)
{
    uint32_t bits = eai_f32_bits(x);
    uint32_t sign = (bits >> 16) & 0x8000u;
    uint32_t a = bits & 0x7fffffffu;

    if (a > 0x7f800000u) /* NaN: quiet, the top bits of its payload kept */
        return (uint16_t)(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) /* 65520 is half way between 65504 and the 65536 that f16 lacks */
        return (uint16_t)(sign | 0x7c00u);
    if (a >= 0x38800000u) /* normal in f16: rebias the exponent by 127 - 15, round 13 bits away */
        return (uint16_t)(sign | ((a - 0x38000000u + 0xfffu + ((a >> 13) & 1u)) >> 13));
    if (a <= 0x33000000u) /* 2^-25 and less: nearest (ties to even) is zero */
        return (uint16_t)sign;
    /* subnormal in f16: the value in units of 2^-24 is mantissa >> shift, rounded */
    uint32_t shift = 126u - (a >> 23);
    uint32_t mantissa = (a & 0x7fffffu) | 0x800000u;
    uint32_t half = 1u << (shift - 1);
    uint32_t odd = (mantissa >> shift) & 1u;
    return (uint16_t)(sign | ((mantissa + half - 1u + odd) >> shift));
}

/* n elements of a row in storage type t, not a PLANAR one, as floats. n must be a whole number of
 * blocks; `row` needs no alignment. f64 and integers are rounded to float. */
EAI_API void eai_dequantize_row(float *out, eai_dtype t, const void *row, int64_t n);

/* The same of any type: n elements from `row` on, which lies among the codes of `planes` where the
 * type is PLANAR (else NULL) and begins a block. */
EAI_API void eai_unpack_row(float *out, eai_dtype t, const void *row, const eai_planes *planes,
                            int64_t n);

/* n floats into a row of storage type t (a float or quantized type), rounded as ggml's reference
 * does (convert.c says how). n must be a whole number of blocks; `row` needs no alignment.
 * Quantized types have no place for NaN, infinity or values beyond what an f16 scale reaches:
 * EAI_ERR_NUMERIC names the element. Integer types: EAI_ERR_UNSUPPORTED. */
EAI_API EAI_CHECKED eai_status eai_quantize_row(void *row, eai_dtype t, const float *in, int64_t n,
                                                eai_error *err);

#ifdef __cplusplus
}
#endif
#endif
