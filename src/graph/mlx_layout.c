/* Block formats in MLX's layout. One function a format reads a group of 32; packing the codes is
 * the same for all. Start at the table. */
#include "graph/mlx_layout.h"

#include <string.h>

#include "graph/convert_internal.h"

#include "base/banned.h"

#define GROUP 32

typedef struct group {
    uint8_t q[GROUP];
    float scale, bias;
    uint8_t exponent; /* of mxfp4, which has no others */
} group;

/* The low halves of 16 bytes are elements 0 .. 15, the high ones 16 .. 31. */
static void read_nibbles(group *g, const uint8_t *p)
{
    for (int j = 0; j < GROUP / 2; j++) {
        g->q[j] = p[j] & 15;
        g->q[j + GROUP / 2] = p[j] >> 4;
    }
}

static void add_fifth_bits(group *g, const uint8_t *p)
{
    for (int j = 0; j < GROUP; j++)
        g->q[j] |= (uint8_t)((p[j / 8] >> j % 8 & 1) << 4);
}

static void read_q8_0(group *g, const uint8_t *row, int64_t i)
{
    row += i * 34;
    g->scale = load_f16(row);
    g->bias = -128 * g->scale;
    for (int j = 0; j < GROUP; j++)
        g->q[j] = row[2 + j] ^ 128;
}

static void read_q4_0(group *g, const uint8_t *row, int64_t i)
{
    row += i * 18;
    g->scale = load_f16(row);
    g->bias = -8 * g->scale;
    read_nibbles(g, row + 2);
}

static void read_q4_1(group *g, const uint8_t *row, int64_t i)
{
    row += i * 20;
    g->scale = load_f16(row);
    g->bias = load_f16(row + 2);
    read_nibbles(g, row + 4);
}

static void read_q5_0(group *g, const uint8_t *row, int64_t i)
{
    row += i * 22;
    g->scale = load_f16(row);
    g->bias = -16 * g->scale;
    read_nibbles(g, row + 6);
    add_fifth_bits(g, row + 2);
}

static void read_q5_1(group *g, const uint8_t *row, int64_t i)
{
    row += i * 24;
    g->scale = load_f16(row);
    g->bias = load_f16(row + 2);
    read_nibbles(g, row + 8);
    add_fifth_bits(g, row + 4);
}

/* Scale and bias of part k of a k-quant that begins with d and dmin. */
static void read_scales(group *g, const uint8_t *block, int k)
{
    int s = 0;
    int m = 0;
    convert__load_scale8(&s, &m, block + 4, k);
    g->scale = load_f16(block) * (float)s;
    g->bias = -(load_f16(block + 2) * (float)m);
}

static void read_q4_k(group *g, const uint8_t *row, int64_t i)
{
    int k = (int)(i % 8);
    row += i / 8 * 144;
    read_scales(g, row, k);
    for (int l = 0; l < GROUP; l++)
        g->q[l] = row[16 + 32 * (k / 2) + l] >> 4 * (k % 2) & 15;
}

static void read_q5_k(group *g, const uint8_t *row, int64_t i)
{
    int k = (int)(i % 8);
    row += i / 8 * 176;
    read_scales(g, row, k);
    for (int l = 0; l < GROUP; l++)
        g->q[l] = (uint8_t)((row[48 + 32 * (k / 2) + l] >> 4 * (k % 2) & 15) |
                            (row[16 + l] >> k & 1) << 4);
}

static void read_mxfp4(group *g, const uint8_t *row, int64_t i)
{
    row += i * 17;
    g->exponent = row[0];
    read_nibbles(g, row + 1);
}

static const struct {
    eai_mlx_mode mode;
    int bits;
    void (*read)(group *g, const uint8_t *row, int64_t i); /* group i of a row */
} formats[EAI_DTYPE_COUNT] = {
    [EAI_Q8_0] = {EAI_MLX_MODE_AFFINE, 8, read_q8_0},
    [EAI_Q4_0] = {EAI_MLX_MODE_AFFINE, 4, read_q4_0},
    [EAI_Q4_1] = {EAI_MLX_MODE_AFFINE, 4, read_q4_1},
    [EAI_Q5_0] = {EAI_MLX_MODE_AFFINE, 5, read_q5_0},
    [EAI_Q5_1] = {EAI_MLX_MODE_AFFINE, 5, read_q5_1},
    [EAI_Q4_K] = {EAI_MLX_MODE_AFFINE, 4, read_q4_k},
    [EAI_Q5_K] = {EAI_MLX_MODE_AFFINE, 5, read_q5_k},
    [EAI_MXFP4] = {EAI_MLX_MODE_MXFP4, 4, read_mxfp4},
};

bool graph__mlx_layout(eai_mlx_packing *out, eai_dtype t)
{
    *out = (eai_mlx_packing){formats[t].mode, formats[t].bits, GROUP,
                             formats[t].mode == EAI_MLX_MODE_AFFINE ? EAI_F32 : EAI_U8};
    return formats[t].bits > 0;
}

void graph__mlx_row(uint32_t *codes, void *scales, float *biases, eai_dtype t, const void *row,
                    int64_t n)
{
    int bits = formats[t].bits;
    memset(codes, 0, (size_t)(n / 32 * bits) * sizeof(*codes));
    for (int64_t i = 0; i < n / GROUP; i++) {
        group g;
        formats[t].read(&g, row, i);
        for (int j = 0; j < GROUP; j++)
            convert__put_code(codes, i * GROUP + j, bits, g.q[j]);
        if (formats[t].mode == EAI_MLX_MODE_AFFINE) {
            ((float *)scales)[i] = g.scale;
            biases[i] = g.bias;
        } else {
            ((uint8_t *)scales)[i] = g.exponent;
        }
    }
}
