/* Products for one instruction set: packing, the tile, the dot product. Compiled once for each
 * (layer.cmake); nothing here but static functions and one table.
 *
 * The order of reading: unpack.inc.c (storage formats), transpose.inc.c, pack_b here, then the
 * tile: tile_f32.inc.c, tile_bf16.inc.c (AVX512-BF16) or tile_amx.inc.c. What surrounds the tiles
 * is product.c. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

#include "engine/cpu/unpack.inc.c"

#include "engine/cpu/transpose.inc.c"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* ---- Rows of every storage format
 * ------------------------------------------------------------------ */

/* Plain types may end in the middle of 32 elements: those are read from a copy. */
#define DEFINE_UNPACK(id, name)                                                                    \
    static void unpack_##name(float *out, const uint8_t *row, int64_t n)                           \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + 32 <= n; i += 32, row += BYTES32_##id) {                                        \
            v32 x = load32_##name(row);                                                            \
            for (int j = 0; j < N_PARTS; j++)                                                      \
                vf_store(out + i + V * j, x.part[j]);                                              \
        }                                                                                          \
        if (i < n) {                                                                               \
            uint8_t padded[BYTES32_##id] = {0};                                                    \
            float last[32];                                                                        \
            memcpy(padded, row, (size_t)(n - i) * (BYTES32_##id / 32));                            \
            v32 x = load32_##name(padded);                                                         \
            for (int j = 0; j < N_PARTS; j++)                                                      \
                vf_store(last + V * j, x.part[j]);                                                 \
            memcpy(out + i, last, (size_t)(n - i) * sizeof(float));                                \
        }                                                                                          \
    }
CPU_FORMATS(DEFINE_UNPACK)
#undef DEFINE_UNPACK

typedef void (*unpack_fn)(float *out, const uint8_t *row, int64_t n);

static const unpack_fn unpackers[EAI_DTYPE_COUNT] = {
#define ROW(id, name) [EAI_##id] = unpack_##name,
    CPU_FORMATS(ROW)
#undef ROW
};

/* Bytes of n elements, a whole number of blocks. */
static const struct {
    uint8_t block, bytes;
} format_sizes[EAI_DTYPE_COUNT] = {
#define ROW(id, name, block, bytes, st, kind) [EAI_##id] = {block, bytes},
    EAI_DTYPE_TABLE(ROW)
#undef ROW
};

/* Where element `at` (the first one of a block) of row `r` of B lies. */
static const uint8_t *find_element(const cpu_gemm_b *b, int64_t r, int64_t at)
{
    return b->data + (size_t)r * b->row_bytes +
           (size_t)(at / format_sizes[b->dtype].block) * format_sizes[b->dtype].bytes;
}

#define CHUNK 128 /* steps of K that are unpacked at a time, on the stack */

#if defined(EAI_ISA_AMX)
#include "engine/cpu/pack_bf16.inc.c"

#include "engine/cpu/tile_amx.inc.c"
#elif defined(EAI_ISA_BF16)
#include "engine/cpu/pack_bf16.inc.c"

#include "engine/cpu/tile_bf16.inc.c"
#else
#include "engine/cpu/tile_f32.inc.c"

#include "engine/cpu/dot.inc.c"
#endif

extern const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .unpack =
        {
#define ROW(id, name) [EAI_##id] = unpack_##name,
            CPU_FORMATS(ROW)
#undef ROW
        },
    GEMM_ROW,
};
