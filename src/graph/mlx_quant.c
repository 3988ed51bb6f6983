/* mx.quantize and mx.dequantize, the plain C reference.
 *
 * How MLX chooses (its CPU and Metal kernels alike), in floats, rounding halves to even:
 *     affine  lo, hi the group's extremes; s = max((hi - lo) / (2^bits - 1), 1e-7), negative unless
 *             |lo| > |hi|; edge = the extreme of larger magnitude; q0 = round(edge / s); where that
 *             is not 0, s = edge / q0 and the bias is edge, else 0. q = round((x - bias) / s),
 * clipped. The edge is exact then, and so is zero. Only what is stored is rounded to the type.
 *     mxfp4, mxfp8   scale = ceil(log2(max|x| / 6 (448))) + 127, 127 for zeros
 *     nvfp4   scale = E4M3(max|x| / 6)
 *     E2M1    the nearest of 0 0.5 1 1.5 2 3 4 6, the smaller one at halves; no negative zero
 *     E4M3    to nearest even, beyond 448 that (FN: no infinity)
 * Start at eai_mlx_quantize_row. */
#include <efficientai/mlx_quant.h>

#include "graph/convert_internal.h"

#include "base/banned.h"

static const struct {
    const char *name;
    int bits, group; /* default */
} modes[] = {
    [EAI_MLX_MODE_AFFINE] = {"affine", 4, 64},
    [EAI_MLX_MODE_MXFP4] = {"mxfp4", 4, 32},
    [EAI_MLX_MODE_MXFP8] = {"mxfp8", 8, 32},
    [EAI_MLX_MODE_NVFP4] = {"nvfp4", 4, 16},
};

bool eai_mlx_mode_from_name(eai_mlx_mode *out, const char *name)
{
    for (int i = 0; i <= EAI_MLX_MODE_NVFP4; i++) {
        if (strcmp(modes[i].name, name) == 0) {
            *out = (eai_mlx_mode)i;
            return true;
        }
    }
    return false;
}

const char *eai_mlx_mode_name(eai_mlx_mode mode)
{
    return modes[mode].name;
}

/* One row a storage type. */
static const struct {
    eai_dtype dtype;
    eai_mlx_mode mode;
    int bits;
} types[] = {
    {EAI_MLX_Q2, EAI_MLX_MODE_AFFINE, 2},   {EAI_MLX_Q3, EAI_MLX_MODE_AFFINE, 3},
    {EAI_MLX_Q4, EAI_MLX_MODE_AFFINE, 4},   {EAI_MLX_Q5, EAI_MLX_MODE_AFFINE, 5},
    {EAI_MLX_Q6, EAI_MLX_MODE_AFFINE, 6},   {EAI_MLX_Q8, EAI_MLX_MODE_AFFINE, 8},
    {EAI_MLX_MXFP4, EAI_MLX_MODE_MXFP4, 4}, {EAI_MLX_MXFP8, EAI_MLX_MODE_MXFP8, 8},
    {EAI_MLX_NVFP4, EAI_MLX_MODE_NVFP4, 4},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

eai_dtype eai_mlx_dtype(const eai_mlx_packing *p)
{
    size_t i = 0;
    while (i + 1 < N_TYPES && (types[i].mode != p->mode || types[i].bits != p->bits))
        i++;
    return types[i].dtype;
}

eai_mlx_packing eai_mlx_packing_of(eai_dtype t, const eai_planes *planes)
{
    size_t i = 0;
    while (i + 1 < N_TYPES && types[i].dtype != t)
        i++;
    return (eai_mlx_packing){types[i].mode, types[i].bits, planes->group, planes->type};
}

static bool has_affine(int bits, int group)
{
    return bits >= 2 && bits <= 8 && bits != 7 && (group == 32 || group == 64 || group == 128);
}

eai_status eai_mlx_packing_check(eai_mlx_packing *p, int64_t n, eai_error *err)
{
    const char *name = modes[p->mode].name;
    bool affine = p->mode == EAI_MLX_MODE_AFFINE;
    if (p->bits == 0)
        p->bits = modes[p->mode].bits;
    if (p->group == 0)
        p->group = modes[p->mode].group;
    if (affine && !has_affine(p->bits, p->group))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "affine with %d bits and groups of %d; there are 2, 3, 4, 5, 6 and 8 "
                             "bits, groups of 32, 64 and 128",
                             p->bits, p->group);
    if (!affine && (p->bits != modes[p->mode].bits || p->group != modes[p->mode].group))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s with %d bits and groups of %d; it has %d and %d", name, p->bits,
                             p->group, modes[p->mode].bits, modes[p->mode].group);
    if (affine ? p->type != EAI_F32 && p->type != EAI_F16 && p->type != EAI_BF16
               : p->type != EAI_U8)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s with scales of type %s; %s", name,
                             eai_dtype_get(p->type)->name,
                             affine ? "there are f32, f16 and bf16" : "they are u8");
    if (n < 0 || n % p->group != 0 || n % 32 != 0)
        return eai_error_set(err, EAI_ERR_SHAPE,
                             "%s: rows of %lld elements are no whole number of groups of %d", name,
                             (long long)n, p->group < 32 ? 32 : p->group);
    return EAI_OK;
}

/* ---- small floats ---- */

static const float e2m1[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

static uint32_t to_e2m1(float x)
{
    float a = fabsf(x);
    uint32_t q = 0;
    while (q < 7 && a > (e2m1[q] + e2m1[q + 1]) / 2)
        q++;
    return q > 0 && x < 0 ? q | 8 : q;
}

static float from_e2m1(uint32_t q)
{
    return q & 8 ? -e2m1[q & 7] : e2m1[q & 7];
}

static float from_e4m3(uint32_t q)
{
    int exponent = (int)(q >> 3 & 15);
    float mantissa = (float)(q & 7);
    float x = exponent ? ldexpf(8 + mantissa, exponent - 10) : ldexpf(mantissa, -9);
    if ((q & 127) == 127)
        x = NAN;
    return q & 128 ? -x : x;
}

static uint32_t to_e4m3(float x)
{
    float a = fabsf(x);
    uint32_t sign = signbit(x) ? 128 : 0;
    if (a >= 464) /* half way from 448 to what would be 480 */
        return sign | 126;
    int exponent = a > 0 ? ilogbf(a) : -9;
    if (exponent < -6)
        exponent = -6;
    /* a in units of the last place: up to 16, which carries into the exponent by itself */
    uint32_t units = (uint32_t)lrintf(ldexpf(a, 3 - exponent));
    if (exponent == -6)
        return sign | units;
    return sign | ((uint32_t)(exponent + 6) * 8 + units);
}

/* ---- scales of a group ---- */

static float load_scale(const void *scales, eai_dtype type, int64_t i)
{
    const uint8_t *p = scales;
    float x;
    if (type == EAI_F16)
        return load_f16(p + 2 * i);
    if (type == EAI_BF16)
        return eai_bf16_to_f32(load_u16(p + 2 * i));
    memcpy(&x, p + 4 * i, sizeof(x));
    return x;
}

static void store_scale(void *scales, eai_dtype type, int64_t i, float x)
{
    uint8_t *p = scales;
    if (type == EAI_F16)
        store_u16(p + 2 * i, eai_f16_from_f32(x));
    else if (type == EAI_BF16)
        store_u16(p + 2 * i, eai_bf16_from_f32(x));
    else
        memcpy(p + 4 * i, &x, sizeof(x));
}

typedef struct affine {
    float scale, bias;
} affine;

static affine choose_affine(const float *x, const eai_mlx_packing *p)
{
    float lo = x[0];
    float hi = x[0];
    for (int j = 1; j < p->group; j++) {
        lo = fminf(lo, x[j]);
        hi = fmaxf(hi, x[j]);
    }
    bool negative = fabsf(lo) > fabsf(hi);
    float scale = fmaxf((hi - lo) / (float)((1 << p->bits) - 1), 1e-7f);
    if (!negative)
        scale = -scale;
    float edge = negative ? lo : hi;
    float q0 = rintf(edge / scale);
    return q0 != 0 ? (affine){edge / q0, edge} : (affine){scale, 0};
}

static uint32_t affine_code(float x, affine a, int bits)
{
    float most = (float)((1 << bits) - 1);
    float q = rintf((x - a.bias) / a.scale);
    return (uint32_t)fminf(fmaxf(q, 0), most);
}

static float largest(const float *x, int n)
{
    float most = 0;
    for (int j = 0; j < n; j++)
        most = fmaxf(most, fabsf(x[j]));
    return most;
}

/* The stored byte of a group of small floats. */
static uint8_t choose_byte(const float *x, const eai_mlx_packing *p)
{
    float most = largest(x, p->group) / (p->bits == 8 ? 448.0f : 6.0f);
    if (p->mode == EAI_MLX_MODE_NVFP4)
        return (uint8_t)to_e4m3(most);
    if (most == 0)
        return 127;
    float e = ceilf(log2f(most)) + 127;
    return (uint8_t)fmaxf(e, 0);
}

static float byte_scale(uint8_t byte, eai_mlx_mode mode)
{
    return mode == EAI_MLX_MODE_NVFP4 ? from_e4m3(byte) : ldexpf(1, byte - 127);
}

/* ---- rows ---- */

static uint32_t get_code(const uint32_t *codes, int64_t i, int bits)
{
    int64_t at = i * bits;
    int shift = (int)(at % 32);
    uint32_t q = codes[at / 32] >> shift;
    if (shift + bits > 32)
        q |= codes[at / 32 + 1] << (32 - shift);
    return q & ((1u << bits) - 1);
}

static void quantize_affine(uint32_t *codes, void *scales, void *biases, const eai_mlx_packing *p,
                            const float *x, int64_t g)
{
    affine a = choose_affine(x + g * p->group, p);
    store_scale(scales, p->type, g, a.scale);
    store_scale(biases, p->type, g, a.bias);
    for (int64_t i = g * p->group; i < (g + 1) * p->group; i++)
        convert__put_code(codes, i, p->bits, affine_code(x[i], a, p->bits));
}

static void quantize_small(uint32_t *codes, void *scales, const eai_mlx_packing *p, const float *x,
                           int64_t g)
{
    uint8_t byte = choose_byte(x + g * p->group, p);
    float scale = byte_scale(byte, p->mode);
    ((uint8_t *)scales)[g] = byte;
    for (int64_t i = g * p->group; i < (g + 1) * p->group; i++) {
        float v = scale > 0 ? x[i] / scale : 0;
        convert__put_code(codes, i, p->bits, p->bits == 8 ? to_e4m3(v) : to_e2m1(v));
    }
}

eai_status eai_mlx_quantize_row(uint32_t *codes, void *scales, void *biases,
                                const eai_mlx_packing *p, const float *x, int64_t n, eai_error *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC, "element %lld is %g, which %s cannot hold",
                                 (long long)i, (double)x[i], modes[p->mode].name);
    memset(codes, 0, (size_t)(n / 32 * p->bits) * sizeof(*codes));
    for (int64_t g = 0; g < n / p->group; g++) {
        if (p->mode == EAI_MLX_MODE_AFFINE)
            quantize_affine(codes, scales, biases, p, x, g);
        else
            quantize_small(codes, scales, p, x, g);
    }
    return EAI_OK;
}

/* Elements first .. first + n of all that the codes begin. */
static void unpack(float *out, const uint32_t *codes, const void *scales, const void *biases,
                   const eai_mlx_packing *p, int64_t first, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t g = (first + i) / p->group;
        uint32_t q = get_code(codes, first + i, p->bits);
        if (p->mode == EAI_MLX_MODE_AFFINE)
            out[i] = load_scale(scales, p->type, g) * (float)q + load_scale(biases, p->type, g);
        else
            out[i] = byte_scale(((const uint8_t *)scales)[g], p->mode) *
                     (p->bits == 8 ? from_e4m3(q) : from_e2m1(q));
    }
}

void eai_mlx_dequantize_row(float *out, const uint32_t *codes, const void *scales,
                            const void *biases, const eai_mlx_packing *p, int64_t n)
{
    unpack(out, codes, scales, biases, p, 0, n);
}

void convert__unpack_planar(float *out, eai_dtype t, const void *row, const eai_planes *planes,
                            int64_t n)
{
    const eai_dtype_spec *spec = eai_dtype_get(t);
    eai_mlx_packing p = eai_mlx_packing_of(t, planes);
    ptrdiff_t offset = (const char *)row - (const char *)planes->codes;
    unpack(out, planes->codes, planes->scales, planes->biases, &p,
           offset / spec->bytes * spec->block, n);
}
