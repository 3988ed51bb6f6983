/* Products for one instruction set: packing, the tile, the dot product. Compiled once for each
 * (layer.cmake); nothing here but static functions and one table.
 *
 * The order of reading: unpack.inc.c (storage formats), transpose.inc.c, then one of four kinds:
 *     f32           pack_f32.inc.c, tile_vector.inc.c, dot.inc.c
 *     bf16 pairs    bf16.inc.c, pack_bf16.inc.c, panel_bf16.inc.c, tile_vector.inc.c
 *     bf16 tiles    bf16.inc.c, pack_bf16.inc.c, tile_amx.inc.c
 *     bf16 blocks   bf16_neon.inc.c, pack_neon.inc.c, tile_neon.inc.c
 * What surrounds the tiles is product.c. */
#include "engine/cpu/gemm.h"
#include "engine/cpu/cpu.h"
#include "engine/cpu/isa.h"

#include "engine/cpu/unpack.inc.c"

#include "engine/cpu/transpose.inc.c"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* ---- Rows of every storage format
 * ------------------------------------------------------------------ */

/* Elements first .. first + n of a row; `first` is a multiple of 32. Whole blocks of 256 are
 * unrolled: their parts differ in shifts and scales, which are constants then. Plain types may end
 * in the middle of 32 elements: those are read from a copy. */
#define DEFINE_UNPACK(id, name)                                                                    \
    CPU_INLINE void store_##name(float *out, const uint8_t *p, unsigned at)                        \
    {                                                                                              \
        v32 x = load32_##name(p, at);                                                              \
        for (int j = 0; j < N_PARTS; j++)                                                          \
            vf_store(out + V * j, x.part[j]);                                                      \
    }                                                                                              \
    static void unpack_##name(float *out, const uint8_t *row, int64_t first, int64_t n)            \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        row += first / (32 * PARTS_##id) * BYTES_##id;                                             \
        if (PARTS_##id > 1) {                                                                      \
            unsigned at = (unsigned)(first / 32) % PARTS_##id;                                     \
            for (; i < n && at % PARTS_##id != 0; i += 32)                                         \
                store_##name(out + i, row, at++);                                                  \
            row += at > 0 ? BYTES_##id : 0;                                                        \
        }                                                                                          \
        for (; i + 32 * PARTS_##id <= n; i += 32 * PARTS_##id, row += BYTES_##id) {                \
            _Pragma("GCC unroll 8") for (unsigned at = 0; at < PARTS_##id; at++)                   \
                store_##name(out + i + 32 * at, row, at);                                          \
        }                                                                                          \
        if (PARTS_##id > 1) {                                                                      \
            for (unsigned at = 0; i < n; i += 32)                                                  \
                store_##name(out + i, row, at++);                                                  \
        }                                                                                          \
        if (i < n) {                                                                               \
            uint8_t padded[BYTES_##id] = {0};                                                      \
            float last[32];                                                                        \
            memcpy(padded, row, (size_t)(n - i) * (BYTES_##id / 32));                              \
            store_##name(last, padded, 0);                                                         \
            memcpy(out + i, last, (size_t)(n - i) * sizeof(float));                                \
        }                                                                                          \
    }
CPU_FORMATS(DEFINE_UNPACK)
#undef DEFINE_UNPACK

typedef void (*unpack_fn)(float *out, const uint8_t *row, int64_t first, int64_t n);

static const unpack_fn unpackers[EAI_DTYPE_COUNT] = {
#define ROW(id, name) [EAI_##id] = unpack_##name,
    CPU_FORMATS(ROW)
#undef ROW
};

static const struct {
    uint16_t block, bytes;
} format_sizes[EAI_DTYPE_COUNT] = {
#define ROW(id, name, block, bytes, st, kind) [EAI_##id] = {block, bytes},
    EAI_DTYPE_TABLE(ROW)
#undef ROW
};

/* Elements at .. at + n of row r of B; `at` is a multiple of 32. */
CPU_INLINE void unpack_b(float *out, const cpu_gemm_b *b, int64_t r, int64_t at, int64_t n)
{
    unpackers[b->dtype](out, b->data + (size_t)r * b->row_bytes, at, n);
}

/* Where the block that holds element `at` of row r of B begins: in plain types the element. */
static const uint8_t *find_element(const cpu_gemm_b *b, int64_t r, int64_t at)
{
    return b->data + (size_t)r * b->row_bytes +
           (size_t)(at / format_sizes[b->dtype].block) * format_sizes[b->dtype].bytes;
}

#define AHEAD 8 /* rows along N that are asked for before they are unpacked */

/* Asks for elements at .. at + n of row r, which may lie behind the last row, ahead of their use:
 * parts of rows are no sequence that the processor would foresee. */
CPU_INLINE void fetch_b(const cpu_gemm_b *b, int64_t r, int64_t at, int64_t n)
{
    const uint8_t *p = find_element(b, r, at);
    const uint8_t *end = find_element(b, r, at + n);
    for (; p < end; p += 64)
        __builtin_prefetch(p);
}

#define CHUNK 128 /* steps of K that are unpacked at a time, on the stack */

#define NR (2 * V)

/* c = alpha * acc + c_in for one row of nv vectors, of which n numbers exist. */
CPU_INLINE void finish_row(const cpu_tile *t, int64_t at, const vf *acc, int nv)
{
    if (t->n == nv * V) {
        for (int j = 0; j < nv; j++) {
            vf x = acc[j] * t->alpha;
            if (t->c_in)
                x = acc[j] * t->alpha + vf_load(t->c_in + at + j * V);
            vf_store(t->c + at + j * V, x);
        }
        return;
    }
    float row[NR] = {0};
    for (int j = 0; j < nv; j++)
        vf_store(row + j * V, acc[j]);
    for (int j = 0; j < t->n; j++)
        t->c[at + j] =
            t->c_in ? __builtin_fmaf(row[j], t->alpha, t->c_in[at + j]) : row[j] * t->alpha;
}

/* ---- The kinds of tiles
 * ---------------------------------------------------------------------------------- */

#if defined(EAI_ISA_AMX)

#define K_ALIGN 32
#define ELEMENT 2
#include "engine/cpu/bf16.inc.c"
#include "engine/cpu/pack_bf16.inc.c"
#include "engine/cpu/tile_amx.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR, .nr_half = V, .k_align = K_ALIGN, .element = ELEMENT,       \
    .panel = MR, .mc = 8 * MR, .nc = 192, .kc = 640, .begin = begin, .end = end

#elif defined(EAI_ISA_BF16)

#define MR      12
#define MR_HALF MR
#define PANEL   V
#define K_ALIGN 2
#define ELEMENT 2
#define STEPS   2
typedef uint32_t number;
#include "engine/cpu/bf16.inc.c"
CPU_INLINE vf multiply_add(vf acc, const number *a, vf b)
{
    return dot_pairs(acc, a, (vu)b);
}
#include "engine/cpu/pack_bf16.inc.c"
#include "engine/cpu/panel_bf16.inc.c"
#include "engine/cpu/tile_vector.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR_HALF, .nr_half = V, .k_align = K_ALIGN, .element = ELEMENT,  \
    .panel = PANEL, .mc = 16 * MR, .nc = 192, .kc = 640

#elif defined(EAI_ISA_BFMMLA)

#define MR      12
#define K_ALIGN 4
#define ELEMENT 2
#include "engine/cpu/bf16_neon.inc.c"
#include "engine/cpu/pack_neon.inc.c"
#include "engine/cpu/tile_neon.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR, .nr_half = V, .k_align = K_ALIGN, .element = ELEMENT,       \
    .panel = MR, .mc = 16 * MR, .nc = 192, .kc = 640

#else

#if EAI_ISA_WIDTH == 16 || defined(EAI_ISA_NEON)
#define MR 12 /* of 32 registers: 24 sums, 2 of B, 1 of A */
#define NC 192
#else
#define MR 6 /* of 16 registers: 12 sums, 2 of B, 1 of A */
#define NC 96
#endif
#define MR_HALF 12 /* with more rows in place, their addresses no longer fit in registers */
#define PANEL   ((MR + T - 1) / T * T) /* a step of K in a packed panel */
#define K_ALIGN 1
#define ELEMENT 4
#define STEPS   1
typedef float number;
CPU_INLINE vf multiply_add(vf acc, const number *a, vf b)
{
    return acc + vf_set(*a) * b;
}
#include "engine/cpu/dot.inc.c"
#include "engine/cpu/pack_f32.inc.c"
#include "engine/cpu/tile_vector.inc.c"
#define GEMM_ROW                                                                                   \
    .mr = MR, .nr = NR, .mr_half = MR_HALF, .nr_half = V, .direct = true, .k_align = K_ALIGN,      \
    .element = ELEMENT, .panel = PANEL, .mc = 16 * MR, .nc = NC, .kc = 320, .dot = dot

#endif

/* What differs between the kinds are rows along N, which fill all strips at a time, and one strip
 * of rows along K. */
static void pack_b(void *strips, const cpu_gemm_b *b, int64_t n0, int64_t n, int64_t k0, int64_t k)
{
    int64_t column = (k + K_ALIGN - 1) / K_ALIGN * K_ALIGN * ELEMENT; /* bytes */
    if (!b->along_k) {
        pack_along_n(strips, b, n0, n, k0, k);
        return;
    }
    for (int64_t j = 0; j < n; j += NR) {
        void *strip = (uint8_t *)strips + j * column;
        pack_strip_along_k(strip, b, n - j <= V ? V : NR, n0 + j, (int)MIN(NR, n - j), k0, k);
    }
}

extern const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME);
const cpu_gemm_table CPU_PASTE(cpu_gemm_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .pack_a = pack_a,
    .pack_b = pack_b,
    .tile = tile,
    .spin = spin,
    .unpack =
        {
#define ROW(id, name) [EAI_##id] = unpack_##name,
            CPU_FORMATS(ROW)
#undef ROW
        },
    GEMM_ROW,
};
