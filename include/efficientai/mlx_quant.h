/* MLX's quantized matrices, without MLX: what mx.quantize and mx.dequantize of MLX 0.32 do, byte
 * for byte.
 *
 * Use:
 *     eai_mlx_packing p = {EAI_MLX_MODE_AFFINE, 4, 64, EAI_BF16};
 *     EAI_TRY(eai_mlx_packing_check(&p, 576, err));
 *     uint32_t codes[576 * 4 / 32];
 *     uint16_t scales[576 / 64], biases[576 / 64];
 *     EAI_TRY(eai_mlx_quantize_row(codes, scales, biases, &p, row, 576, err));
 *     eai_mlx_dequantize_row(row, codes, scales, biases, &p, 576);
 *
 * A row of n elements is n * bits / 32 words of codes, the first element in the lowest bits, and n
 * / group scales, for affine as many biases:
 *
 *     affine  2, 3, 4, 5, 6, 8 bits, groups of 32, 64, 128; x = scale * q + bias, f32, f16 or bf16
 *     mxfp4   4 bits, 32; x = 2^(scale - 127) * E2M1(q)  (OCP Microscaling Formats 1.0)
 *     mxfp8   8 bits, 32; x = 2^(scale - 127) * E4M3(q)
 *     nvfp4   4 bits, 16; x = E4M3(scale) * E2M1(q)
 *
 * Thread-safety: pure functions. */
#ifndef EAI_MLX_QUANT_H
#define EAI_MLX_QUANT_H

#include <stdbool.h>
#include <stdint.h>

#include <efficientai/dtype.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eai_mlx_mode {
    EAI_MLX_MODE_AFFINE,
    EAI_MLX_MODE_MXFP4,
    EAI_MLX_MODE_MXFP8,
    EAI_MLX_MODE_NVFP4,
} eai_mlx_mode;

typedef struct eai_mlx_packing {
    eai_mlx_mode mode;
    int bits, group; /* 0: the mode's default (affine 4 and 64) */
    eai_dtype type;  /* of scales and biases: EAI_F32, EAI_F16, EAI_BF16; but for affine EAI_U8 */
} eai_mlx_packing;

/* The storage type of such codes, for a packing that has been checked, and back: mode and bits. */
EAI_API eai_dtype eai_mlx_dtype(const eai_mlx_packing *p);
EAI_API eai_mlx_packing eai_mlx_packing_of(eai_dtype t, const eai_planes *planes);

/* "affine", "mxfp4", "mxfp8" or "nvfp4", as config.json says; false for any other. */
EAI_API bool eai_mlx_mode_from_name(eai_mlx_mode *out, const char *name);
EAI_API const char *eai_mlx_mode_name(eai_mlx_mode mode); /* static */

/* Fills in defaults, and refuses what MLX does not have, or rows of n elements that are no whole
 * number of groups and words: EAI_ERR_UNSUPPORTED, EAI_ERR_SHAPE. */
EAI_API EAI_CHECKED eai_status eai_mlx_packing_check(eai_mlx_packing *p, int64_t n, eai_error *err);

/* `biases` is NULL but for affine. EAI_ERR_NUMERIC where an element is no finite number. For affine
 * x has the values that the type of the scales can hold, else bytes differ from MLX's, which
 * quantizes a matrix of that type. Groups whose largest element is below 2^-124 have the scale 0
 * where MLX's byte wraps around to infinity. */
EAI_API EAI_CHECKED eai_status eai_mlx_quantize_row(uint32_t *codes, void *scales, void *biases,
                                                    const eai_mlx_packing *p, const float *x,
                                                    int64_t n, eai_error *err);
EAI_API void eai_mlx_dequantize_row(float *out, const uint32_t *codes, const void *scales,
                                    const void *biases, const eai_mlx_packing *p, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
