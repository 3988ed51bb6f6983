/* Everything but products of matrices, compiled once an instruction set (layer.cmake). Only static
 * functions and one table: see isa.h for why. Elementwise operations are here, rows of layers in
 * vec_rows.h, attention in vec_attention.h, exp and its kin in vec_math.h. */
#include "engine/cpu/vec.h"

#include <efficientai/convert.h>

#include "engine/cpu/cpu.h"

#include "engine/cpu/vec_attention.h"
#include "engine/cpu/vec_math.h"
#include "engine/cpu/vec_rows.h"

/* An elementwise operation: `value` in vectors a and b, p the parameters. The steps are constants
 * in each of the loops, so that a repeated element is loaded once. */
/* clang-format off */
#define LOAD(x, step, i) ((step) ? vf_load((x) + (i)) : vf_set(*(x)))
#define LOAD_PART(x, step, i, n) ((step) ? vf_load_part((x) + (i), n) : vf_set(*(x)))

#define MAP1(name, value)                                                                          \
    CPU_INLINE vf name##_vector(vf a, const eai_op_params *p)                                      \
    {                                                                                              \
        (void)p;                                                                                   \
        return value;                                                                              \
    }                                                                                              \
    static void map_##name(float *out, const float *x, int step_a, const float *y, int step_b,     \
                           int64_t n, const eai_op_params *p)                                      \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        (void)y;                                                                                   \
        (void)step_b;                                                                              \
        for (; i + V <= n; i += V)                                                                 \
            vf_store(out + i, name##_vector(LOAD(x, step_a, i), p));                               \
        if (i < n)                                                                                 \
            vf_store_part(out + i, name##_vector(LOAD_PART(x, step_a, i, n - i), p), n - i);       \
    }

#define MAP2_LOOP(name, step_x, step_y)                                                            \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + V <= n; i += V)                                                                 \
            vf_store(out + i, name##_vector(LOAD(x, step_x, i), LOAD(y, step_y, i)));              \
        if (i < n)                                                                                 \
            vf_store_part(out + i,                                                                 \
                          name##_vector(LOAD_PART(x, step_x, i, n - i),                            \
                                        LOAD_PART(y, step_y, i, n - i)),                           \
                          n - i);                                                                  \
    } while (0)

#define MAP2(name, value)                                                                          \
    CPU_INLINE vf name##_vector(vf a, vf b)                                                        \
    {                                                                                              \
        return value;                                                                              \
    }                                                                                              \
    static void map_##name(float *out, const float *x, int step_a, const float *y, int step_b,     \
                           int64_t n, const eai_op_params *p)                                      \
    {                                                                                              \
        (void)p;                                                                                   \
        if (step_a && step_b)                                                                      \
            MAP2_LOOP(name, 1, 1);                                                                 \
        else if (step_a)                                                                           \
            MAP2_LOOP(name, 1, 0);                                                                 \
        else                                                                                       \
            MAP2_LOOP(name, 0, step_b);                                                            \
    }

MAP2(add, a + b)
MAP2(sub, a - b)
MAP2(mul, a * b)
MAP2(div, a / b)
MAP2(maximum, vf_max(a, b))
MAP2(minimum, vf_min(a, b))
MAP2(greater, (vf)((a > b) & (vi)vf_set(1.0f)))
MAP1(affine, a * (float)p->affine.scale + (float)p->affine.offset)
MAP1(exp, vf_exp(a))
MAP1(log, vf_log(a))
MAP1(sigmoid, vf_sigmoid(a))
MAP1(tanh, vf_tanh(a))
MAP1(silu, a * vf_sigmoid(a))
MAP1(square, a * a)
MAP1(inverse, 1.0f / a)
/* clang-format on */

/* x^c. The exponents that gradients and norms use are exact and quick; others are the C library's,
 * which is slow and right (e^(c log x) would lose digits for large exponents). */
static void map_power(float *out, const float *x, int step_a, const float *y, int step_b, int64_t n,
                      const eai_op_params *p)
{
    double c = p->power.exponent;
    if (c == 2)
        map_square(out, x, step_a, y, step_b, n, p);
    else if (c == -1)
        map_inverse(out, x, step_a, y, step_b, n, p);
    else if (c == 0.5)
        for (int64_t i = 0; i < n; i++)
            out[i] = sqrtf(x[i * step_a]);
    else if (c == -0.5)
        for (int64_t i = 0; i < n; i++)
            out[i] = 1.0f / sqrtf(x[i * step_a]);
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = powf(x[i * step_a], (float)c);
}

static void fill(float *out, float value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = value;
}

static void to_bf16(uint16_t *out, const float *x, int64_t n)
{
    typedef uint16_t halves __attribute__((vector_size(2 * V)));
    int64_t i = 0;
    for (; i + V <= n; i += V) {
        vu bits = (vu)vf_load(x + i);
        vu nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        vu nan = (vu)((bits & 0x7fffffff) > 0x7f800000);
        vu rounded = (nearest & ~nan) | ((bits >> 16 | 0x40) & nan);
        halves r = __builtin_convertvector(rounded, halves);
        memcpy(out + i, &r, sizeof(r));
    }
    for (; i < n; i++)
        out[i] = eai_bf16_from_f32(x[i]);
}

extern const cpu_vec_table CPU_PASTE(cpu_vec_, EAI_ISA_NAME);
const cpu_vec_table CPU_PASTE(cpu_vec_, EAI_ISA_NAME) = {
    .isa = CPU_STRING(EAI_ISA_NAME),
    .map =
        {
            [EAI_OP_ADD] = map_add,
            [EAI_OP_SUB] = map_sub,
            [EAI_OP_MUL] = map_mul,
            [EAI_OP_DIV] = map_div,
            [EAI_OP_MAXIMUM] = map_maximum,
            [EAI_OP_MINIMUM] = map_minimum,
            [EAI_OP_GREATER] = map_greater,
            [EAI_OP_AFFINE] = map_affine,
            [EAI_OP_POWER] = map_power,
            [EAI_OP_EXP] = map_exp,
            [EAI_OP_LOG] = map_log,
            [EAI_OP_SIGMOID] = map_sigmoid,
            [EAI_OP_TANH] = map_tanh,
            [EAI_OP_SILU] = map_silu,
        },
    .fill = fill,
    .to_bf16 = to_bf16,
    .sum = sum_row,
    .softmax = softmax_row,
    .log_softmax = log_softmax_row,
    .softmax_part = softmax_part_row,
    .softmax_halves = softmax_halves_row,
    .scale_halves = scale_halves_row,
    .rms_norm = rms_norm_row,
    .rms_norm_grad = rms_norm_grad_row,
    .swiglu = swiglu_row,
    .swiglu_grad = swiglu_grad_row,
    .rope_angles = rope_angles,
    .rope = rope_head,
    .dropout = drop_row,
    .adamw = adamw_row,
    .attention_pack = pack_keys,
    .attention_forward = attend_tile,
    .attention_delta = find_delta,
    .attention_backward = differentiate_tile,
    .attention_chunk = attend_chunk,
};
