/* Storage types of tensors, one row each, and shapes.
 *
 * A row of a tensor (its last dimension) is a whole number of blocks. Plain types have blocks of
 * one element. Quantized types keep `block` elements in `bytes` bytes; they are operands of
 * products and of row look-ups, and are unpacked a panel at a time, never as a whole. To add a
 * storage format: a row here, its GGUF number in formats/gguf.c, its definition in
 * graph/convert_*.c (mlx_quant.c) and an unpack routine in engine/cpu/unpack.inc.c. */
#ifndef EAI_DTYPE_H
#define EAI_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/*    id    name     block bytes  safetensors  kind */
#define EAI_DTYPE_TABLE(X)                          \
    X(F32,  "f32",    1,  4,      "F32",  FLOAT)    \
    X(F64,  "f64",    1,  8,      "F64",  FLOAT)    \
    X(F16,  "f16",    1,  2,      "F16",  FLOAT)    \
    X(BF16, "bf16",   1,  2,      "BF16", FLOAT)    \
    X(I32,  "i32",    1,  4,      "I32",  INTEGER)  \
    X(I64,  "i64",    1,  8,      "I64",  INTEGER)  \
    X(U8,   "u8",     1,  1,      "U8",   INTEGER)  \
    X(U32,  "u32",    1,  4,      "U32",  INTEGER)  \
    X(Q8_0,  "q8_0",    32,  34, NULL, QUANTIZED) /* f16 d; 32 x i8: x = d*q */                                  \
    X(Q4_0,  "q4_0",    32,  18, NULL, QUANTIZED) /* f16 d; 16 x 2 nibbles: x = d*(q-8) */                       \
    X(Q4_1,  "q4_1",    32,  20, NULL, QUANTIZED) /* f16 d, f16 m; 16 x 2 nibbles: x = d*q + m */                \
    X(Q5_0,  "q5_0",    32,  22, NULL, QUANTIZED) /* f16 d; 32 fifth bits; 16 x 2 nibbles: x = d*(q-16) */       \
    X(Q5_1,  "q5_1",    32,  24, NULL, QUANTIZED) /* f16 d, f16 m; 32 fifth bits; 16 x 2 nibbles: x = d*q + m */ \
    X(IQ4_NL,"iq4_nl",  32,  18, NULL, QUANTIZED) /* f16 d; 16 x 2 nibbles: x = d*level[q], levels -127 .. 113 */ \
    X(MXFP4, "mxfp4",   32,  17, NULL, QUANTIZED) /* u8 e; 16 x 2 nibbles: x = 2^(e-127) * E2M1(q) */            \
    X(Q2_K,  "q2_K",   256,  84, NULL, QUANTIZED) /* 16 x (4 bits s, 4 bits m); 64 x 4 x 2 bits; f16 d, f16 dmin */ \
    X(Q3_K,  "q3_K",   256, 110, NULL, QUANTIZED) /* 32 x 8 third bits; 64 x 4 x 2 bits; 16 x 6 bits s; f16 d */ \
    X(Q4_K,  "q4_K",   256, 144, NULL, QUANTIZED) /* f16 d, f16 dmin; 8 x (6 bits s, 6 bits m); 128 x 2 nibbles */ \
    X(Q5_K,  "q5_K",   256, 176, NULL, QUANTIZED) /* f16 d, f16 dmin; 8 x (6, 6); 32 x 8 fifth bits; 128 x 2 nibbles */ \
    X(Q6_K,  "q6_K",   256, 210, NULL, QUANTIZED) /* 128 x 2 nibbles; 64 x 4 x 2 high bits; 16 x i8 s; f16 d */ \
    X(MLX_Q2, "mlx_q2", 32,   8, NULL, PLANAR) /* 32 codes, in planes a scale and a bias for each group of them */ \
    X(MLX_Q3, "mlx_q3", 32,  12, NULL, PLANAR)  \
    X(MLX_Q4, "mlx_q4", 32,  16, NULL, PLANAR)  \
    X(MLX_Q5, "mlx_q5", 32,  20, NULL, PLANAR)  \
    X(MLX_Q6, "mlx_q6", 32,  24, NULL, PLANAR)  \
    X(MLX_Q8, "mlx_q8", 32,  32, NULL, PLANAR)  \
    X(MLX_MXFP4, "mlx_mxfp4", 32, 16, NULL, PLANAR) \
    X(MLX_MXFP8, "mlx_mxfp8", 32, 32, NULL, PLANAR) \
    X(MLX_NVFP4, "mlx_nvfp4", 32, 16, NULL, PLANAR)
/* The nibbles of blocks of 32: byte j holds element j in its low half and element j+16 in its high
 * half. Blocks of 256 ("k-quants") have groups of 16 (q2_K, q3_K, q6_K) or 32 elements with scales
 * of their own: x = d*s*q - dmin*m; graph/convert_k.c says which bits are whose.
 * PLANAR types are those of MLX (mlx_quant.h): a block is its codes alone, the first element in the
 * lowest bits; scales lie in arrays of their own, eai_planes. */
/* clang-format on */

typedef enum eai_dtype {
#define EAI_DTYPE_ENUM(id, name, block, bytes, st, kind) EAI_##id,
    EAI_DTYPE_TABLE(EAI_DTYPE_ENUM)
#undef EAI_DTYPE_ENUM
        EAI_DTYPE_COUNT
} eai_dtype;

typedef enum eai_dtype_kind {
    EAI_DTYPE_FLOAT,
    EAI_DTYPE_INTEGER,
    EAI_DTYPE_QUANTIZED,
    EAI_DTYPE_PLANAR
} eai_dtype_kind;

typedef struct eai_dtype_spec {
    const char *name;        /* "q4_1" */
    int block;               /* elements a block */
    int bytes;               /* bytes a block */
    const char *safetensors; /* the name in that format, or NULL */
    eai_dtype_kind kind;
} eai_dtype_spec;

/* The row of a type. `t` must be valid. Static. */
EAI_API const eai_dtype_spec *eai_dtype_get(eai_dtype t);
/* Finds a type by name; false when there is none. */
EAI_API bool eai_dtype_from_name(eai_dtype *out, const char *name);

/* What belongs to the codes of a PLANAR tensor. Scale i is that of elements i * group ..
 * (i + 1) * group - 1, counted from the first row's first. */
typedef struct eai_planes {
    const void *codes;  /* of the first row: from where rows lie follows which scales they have */
    const void *scales; /* aligned for its elements */
    const void *biases; /* as many; NULL but for affine types */
    eai_dtype type;     /* of both: EAI_F32, EAI_F16, EAI_BF16; but for affine types EAI_U8 */
    int group;          /* 32, 64 or 128; of mlx_nvfp4 16 */
} eai_planes;

#define EAI_MAX_DIMS 5

/* Dimensions, outermost first, contiguous. n_dims 0 is a scalar (one element). */
typedef struct eai_shape {
    int n_dims;
    int64_t dim[EAI_MAX_DIMS];
} eai_shape;

#define EAI_SHAPE0             ((eai_shape){0, {0}})
#define EAI_SHAPE1(a)          ((eai_shape){1, {(a)}})
#define EAI_SHAPE2(a, b)       ((eai_shape){2, {(a), (b)}})
#define EAI_SHAPE3(a, b, c)    ((eai_shape){3, {(a), (b), (c)}})
#define EAI_SHAPE4(a, b, c, d) ((eai_shape){4, {(a), (b), (c), (d)}})

EAI_API int64_t eai_shape_elements(const eai_shape *s); /* product; 1 for a scalar */
EAI_API bool eai_shape_equal(const eai_shape *a, const eai_shape *b);
/* "[4,512]" into buf; returns buf. */
EAI_API char *eai_shape_print(char *buf, size_t n, const eai_shape *s);
/* Bytes of a tensor; false when the last dimension is no whole number of blocks, a dimension is
 * negative or the size overflows. */
EAI_API bool eai_tensor_bytes(size_t *out, eai_dtype t, const eai_shape *s);
/* Bytes of one row of n elements (n a multiple of the block). */
EAI_API size_t eai_row_bytes(eai_dtype t, int64_t n);

#ifdef __cplusplus
}
#endif
#endif
