/* What an instruction set brings to everything but products of matrices: vec.inc.c, compiled once
 * for each.
 *
 * Routines work on contiguous floats of one thread; splitting work over threads and finding rows
 * under broadcasting is the kernels' part (elementwise.c, norm.c, attention.c ...). `out` may be
 * the same memory as an input of the same size, never overlap it otherwise. All give NaN for NaN,
 * and are deterministic: the same numbers whatever the thread. */
#ifndef EAI_ENGINE_CPU_VEC_H
#define EAI_ENGINE_CPU_VEC_H

#include "graph/ops.h"

/* out[i] = f(a[i * step_a], b[i * step_b]); steps are 0 (one element for all) or 1. One-operand
 * operations ignore b. */
typedef void (*cpu_map)(float *out, const float *a, int step_a, const float *b, int step_b,
                        int64_t n, const eai_op_params *p);

/* Attention, as its routines see it: q, out, dout, dq [Tq, H, D]; k, v, dk, dv [Tk, Hkv, D]; lse
 * [H, Tq]. */
typedef struct cpu_attention {
    const float *q, *k, *v;
    const int32_t *start, *end; /* [Tq]; any values, cut to 0 .. Tk by the routines */
    float scale;
    int64_t n_queries, n_keys, n_heads, n_kv_heads, width;
    int64_t first_key, last_key; /* those that any query attends to */
    /* forward */
    float *out, *lse; /* lse may be NULL */
    void *tiles; /* keys transposed and values, as cpu_attention_tile_floats a tile: pack_keys */
    /* backward */
    const float *saved_out, *saved_lse, *dout;
    float *delta;   /* [Tq, H], dout . out: attention_delta */
    float *dk, *dv; /* NULL: not wanted */
} cpu_attention;

enum {
    CPU_ATTENTION_QUERIES =
        48,                   /* queries a tile: whole blocks of the 6 rows of the product kernel */
    CPU_ATTENTION_KEYS = 128, /* keys a tile */
    CPU_ATTENTION_FEW = 4,    /* up to so many queries are done by chunks of keys instead */
    CPU_ATTENTION_CHUNK = 256, /* keys a chunk */
};

/* Coefficients of one AdamW update, see eai_adamw. */
typedef struct cpu_adamw {
    float grad_scale, keep;         /* keep = 1 - lr * weight_decay */
    float beta1, beta2, new1, new2; /* new = 1 - beta, subtracted in double */
    float step, inverse_bias2, eps; /* step = lr / bias1 */
} cpu_adamw;

/* Which random words a dropout uses, see eai_dropout. */
typedef struct cpu_dropout {
    uint32_t key[2];
    uint64_t stream;
    uint32_t threshold; /* words below it drop their element */
    float scale;        /* of those that stay */
} cpu_dropout;

struct cpu_vec_table {
    const char *isa;
    cpu_map map[EAI_OP_COUNT]; /* elementwise operations, else NULL */
    void (*fill)(float *out, float value, int64_t n);
    void (*to_bf16)(uint16_t *out, const float *x, int64_t n); /* eai_bf16_from_f32 of each */
    /* Sum in float lanes over short blocks, of the blocks in double. */
    double (*sum)(const float *x, int64_t n);

    /* one row of n */
    void (*softmax)(float *out, const float *x, int64_t n);
    void (*log_softmax)(float *out, const float *x, int64_t n);
    /* A part of a softmax, n <= 1024: out[i] = e^(x[i] - *largest), *largest that of x; returns
     * their sum. Zeros where all are -inf. out may be NULL. */
    float (*softmax_part)(float *out, float *largest, const float *x, int64_t n);
    /* The same in bf16; the sum is of what was not rounded. */
    float (*softmax_halves)(uint16_t *out, float *largest, const float *x, int64_t n);
    void (*scale_halves)(float *out, const uint16_t *x, float factor, int64_t n); /* of bf16 */
    void (*rms_norm)(float *out, const float *x, const float *w, int64_t n, float eps);
    void (*rms_norm_grad)(float *dx, const float *x, const float *w, const float *dy, int64_t n,
                          float eps);
    void (*swiglu)(float *out, const float *gate, const float *up, int64_t n);
    /* dgate or dup may be NULL */
    void (*swiglu_grad)(float *dgate, float *dup, const float *gate, const float *up,
                        const float *dy, int64_t n);
    /* cosines and sines [n] of position * frequencies[n] */
    void (*rope_angles)(float *cosines, float *sines, const double *frequencies, double position,
                        int64_t n);
    /* one head of 2 * half */
    void (*rope)(float *out, const float *x, const float *cosines, const float *sines,
                 int64_t half);
    /* elements first .. first + n of a tensor; first is a multiple of 4 */
    void (*dropout)(float *out, const float *x, int64_t first, int64_t n, const cpu_dropout *d);
    void (*adamw)(float *p, float *m, float *v, const float *grad, int64_t n, const cpu_adamw *a);

    /* Attention: see vec_attention.h. */
    /* Fills z->tiles for one tile of keys of one key/value head. */
    void (*attention_pack)(const cpu_attention *z, int64_t kv_head, int64_t tile);
    /* out and lse of one tile of queries of one head. */
    void (*attention_forward)(const cpu_attention *z, int64_t head, int64_t tile, float *scratch);
    /* Fills z->delta for queries first .. last. */
    void (*attention_delta)(const cpu_attention *z, int64_t first, int64_t last);
    /* All that one tile of keys of one key/value head takes part in: writes its dk and dv, adds to
     * dq (NULL: not wanted). */
    void (*attention_backward)(const cpu_attention *z, int64_t kv_head, int64_t tile, float *dq,
                               float *scratch);
    /* Keys first .. last of one key/value head for all (few) queries: sums [group * Tq][D], largest
     * and total [group * Tq] of the unnormalised softmax. */
    void (*attention_chunk)(const cpu_attention *z, int64_t kv_head, int64_t first, int64_t last,
                            float *sums, float *largest, float *total, float *scratch);
};

/* Floats of z->tiles a tile; of the scratch of a routine. */
static inline int64_t cpu_attention_tile_floats(int64_t width)
{
    return 2 * CPU_ATTENTION_KEYS * width;
}
static inline int64_t cpu_attention_forward_floats(int64_t width)
{
    return CPU_ATTENTION_QUERIES * (CPU_ATTENTION_KEYS + 2 * width);
}
static inline int64_t cpu_attention_backward_floats(int64_t width)
{
    return CPU_ATTENTION_KEYS * width * 5 +
           CPU_ATTENTION_QUERIES * (4 * width + 3 * CPU_ATTENTION_KEYS + 2);
}
static inline int64_t cpu_attention_chunk_floats(void)
{
    return 6 * CPU_ATTENTION_CHUNK;
}

#endif
