/* The graph: tensor operations under construction.
 *
 * Use:
 *     eai_graph *g;
 *     EAI_TRY(eai_graph_create(&g, err));
 *     eai_tensor *x = eai_input(g, "x", EAI_F32, EAI_SHAPE2(4, 512));
 *     eai_tensor *w = eai_weight(g, "w", EAI_Q4_1, EAI_SHAPE2(768, 512), bytes);
 *     eai_tensor *y = eai_silu(g, eai_linear(g, x, w));     // may be NULL: g remembers why
 *     eai_tensor *loss = eai_sum_all(g, y);
 *     eai_grad(g, loss, (eai_tensor *[]){x}, 1, NULL, &dx);
 *     EAI_TRY(eai_graph_check(g, err));                      // the one check
 *     eai_graph_output(g, "loss", loss);
 *     EAI_TRY(eai_plan_create(&plan, g, backend, err));      // plan.h
 *
 * Errors are sticky: an operation on tensors that do not fit returns NULL and the graph keeps the
 * first error with the scope it happened in ("layers.3.mlp.up: matmul: [4,512] x [768,768]: inner
 * 512 != 768"); NULL as an input gives NULL. Nothing is computed here: a plan does that.
 *
 * Order is meaning: operations run in the order of their creation, and those that change a state
 * (eai_assign, eai_accumulate, eai_write_rows, eai_adamw) change it for every later operation.
 *
 * Arithmetic is on F32 tensors; weights and tables may be stored in any type of dtype.h. All
 * tensors are contiguous, outermost dimension first. Tensors belong to the graph and are freed with
 * it. Thread-safety: a graph belongs to one thread at a time. */
#ifndef EAI_GRAPH_H
#define EAI_GRAPH_H

#include <efficientai/dtype.h>
#include <efficientai/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eai_graph eai_graph;
typedef struct eai_tensor eai_tensor;

EAI_API EAI_CHECKED eai_status eai_graph_create(eai_graph **out, eai_error *err);
EAI_API void eai_graph_free(eai_graph *g);
/* EAI_OK, or the first error of all that was built. */
EAI_API EAI_CHECKED eai_status eai_graph_check(const eai_graph *g, eai_error *err);
/* Records an error of the builder's own (a missing weight, say); returns NULL. */
EAI_API eai_tensor *eai_graph_fail(eai_graph *g, eai_status code, const char *fmt, ...)
    EAI_PRINTF(3, 4);

/* Scopes name what is being built, for messages and profiles: "layers.3" inside "model". */
EAI_API void eai_scope_push(eai_graph *g, const char *fmt, ...) EAI_PRINTF(2, 3);
EAI_API void eai_scope_pop(eai_graph *g);

/* Activation checkpointing: operations created between begin and end form one segment. With
 * eai_grad_opts.checkpoint, the backward pass keeps only the segment's inputs and computes the rest
 * of it again just before it is needed (Chen et al. 2016). Segments do not nest. */
EAI_API void eai_segment_begin(eai_graph *g);
EAI_API void eai_segment_end(eai_graph *g);

/* ---- Leaves
 * -------------------------------------------------------------------------------------- */

/* Memory owned by the plan, filled by the caller before each run (eai_plan_find by name). */
EAI_API eai_tensor *eai_input(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape);
/* Read-only bytes owned by the caller, which must outlive every plan. Any dtype. */
EAI_API eai_tensor *eai_weight(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape,
                               const void *data);
/* The same with the planes of a PLANAR dtype, kept as a pointer; NULL for every other. */
EAI_API eai_tensor *eai_weight_planar(eai_graph *g, const char *name, eai_dtype dtype,
                                      eai_shape shape, const void *data, const eai_planes *planes);
/* Memory that operations may change, owned by the caller, which must outlive every plan:
 * parameters, optimizer moments, key/value caches. One tensor object a state and graph. */
EAI_API eai_tensor *eai_state(eai_graph *g, const char *name, eai_dtype dtype, eai_shape shape,
                              void *data);
/* F32 tensor filled with one value. */
EAI_API eai_tensor *eai_fill(eai_graph *g, eai_shape shape, double value);

/* Names `t` as a result that the caller will read after a run. */
EAI_API void eai_graph_output(eai_graph *g, const char *name, eai_tensor *t);

EAI_API const eai_shape *eai_tensor_shape(const eai_tensor *t); /* t not NULL */
EAI_API eai_dtype eai_tensor_dtype(const eai_tensor *t);

/* ---- Arithmetic, broadcasting as NumPy does
 * ------------------------------------------------------ */
EAI_API eai_tensor *eai_add(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_sub(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_mul(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_div(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_maximum(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_minimum(eai_graph *g, eai_tensor *a, eai_tensor *b);
EAI_API eai_tensor *eai_greater(eai_graph *g, eai_tensor *a,
                                eai_tensor *b); /* 1 where a > b, else 0 */

EAI_API eai_tensor *eai_affine(eai_graph *g, eai_tensor *x, double scale,
                               double offset); /* scale*x+offset */
EAI_API eai_tensor *eai_scale(eai_graph *g, eai_tensor *x, double scale);
EAI_API eai_tensor *eai_power(eai_graph *g, eai_tensor *x,
                              double exponent); /* x > 0 unless integer */
EAI_API eai_tensor *eai_exp(eai_graph *g, eai_tensor *x);
EAI_API eai_tensor *eai_log(eai_graph *g, eai_tensor *x);
EAI_API eai_tensor *eai_sigmoid(eai_graph *g, eai_tensor *x);
EAI_API eai_tensor *eai_tanh(eai_graph *g, eai_tensor *x);
EAI_API eai_tensor *eai_silu(eai_graph *g, eai_tensor *x); /* x * sigmoid(x) */

/* ---- Shape
 * --------------------------------------------------------------------------------------- */
EAI_API eai_tensor *eai_reshape(eai_graph *g, eai_tensor *x, eai_shape shape); /* no copy */
/* out.dim[i] = x.dim[axes[i]] */
EAI_API eai_tensor *eai_permute(eai_graph *g, eai_tensor *x, const int *axes);
EAI_API eai_tensor *eai_broadcast_to(eai_graph *g, eai_tensor *x, eai_shape shape);
/* Sums over the axes whose bit is set in `axes`; they stay as size 1 when keep is true. */
EAI_API eai_tensor *eai_sum(eai_graph *g, eai_tensor *x, unsigned axes, bool keep);
EAI_API eai_tensor *eai_sum_all(eai_graph *g, eai_tensor *x); /* scalar */
/* Sums x down to `shape`, the reverse of a broadcast. */
EAI_API eai_tensor *eai_sum_to(eai_graph *g, eai_tensor *x, const eai_shape *shape);

/* ---- Products
 * ------------------------------------------------------------------------------------ */
typedef struct eai_matmul_opts {
    bool trans_a, trans_b;
    double alpha; /* factor of the product */
} eai_matmul_opts;
#define EAI_MATMUL_OPTS_INIT ((eai_matmul_opts){false, false, 1.0})
/* alpha * op(a) op(b): a [.., M, K], b [.., K, N] (as stored after op) -> [.., M, N]. Leading
 * dimensions are equal, or b has just two. b may be of any storage type; a must be a float tensor.
 */
EAI_API eai_tensor *eai_matmul(eai_graph *g, eai_tensor *a, eai_tensor *b, eai_matmul_opts opts);
/* x w^T: x [.., K], w [N, K] -> [.., N]; the layout of linear layers in files. */
EAI_API eai_tensor *eai_linear(eai_graph *g, eai_tensor *x, eai_tensor *w);

/* Rows of a table [V, D] (any storage type) at ids I32 [T] -> [T, D]. Ids outside 0..V-1 give
 * zeros. */
EAI_API eai_tensor *eai_gather_rows(eai_graph *g, eai_tensor *table, eai_tensor *ids);
/* [n, D] of zeros, then out[ids[t]] += x[t]. */
EAI_API eai_tensor *eai_scatter_rows(eai_graph *g, eai_tensor *x, eai_tensor *ids, int64_t n);

/* ---- Networks
 * ------------------------------------------------------------------------------------ */
EAI_API eai_tensor *eai_softmax(eai_graph *g,
                                eai_tensor *x); /* last axis; fully -inf rows give 0 */
EAI_API eai_tensor *eai_log_softmax(eai_graph *g, eai_tensor *x); /* last axis */
/* x / sqrt(mean(x^2) + eps) * w over the last axis; w [D] (Zhang & Sennrich 2019). */
EAI_API eai_tensor *eai_rms_norm(eai_graph *g, eai_tensor *x, eai_tensor *w, double eps);
/* silu(gate) * up (Shazeer 2020). */
EAI_API eai_tensor *eai_swiglu(eai_graph *g, eai_tensor *gate, eai_tensor *up);
/* Rotary position embedding, half-rotated as in Hugging Face's Llama: pairs (i, i + D/2).
 * x [T, H, D], positions I32 [T], angle = position * theta^(-2i/D) (Su et al. 2021). */
EAI_API eai_tensor *eai_rope(eai_graph *g, eai_tensor *x, eai_tensor *positions, double theta);
/* The same with the frequency of pair i divided by factors[i], F32 [D/2]: what models stretched to
 * longer contexts ask for. The factors get no gradient. */
EAI_API eai_tensor *eai_rope_scaled(eai_graph *g, eai_tensor *x, eai_tensor *positions,
                                    eai_tensor *factors, double theta);
/* softmax(scale * q k^T) v, query t attending to keys start[t] <= j < end[t]. One rule for all
 * masks that are intervals: causal (end = t+1), packed examples (start = first token of the
 * example), a cache (end = position + 1), sliding windows, bidirectional. An empty interval gives
 * zeros. q [Tq, H, D], k and v [Tk, Hkv, D] with H a multiple of Hkv; start, end I32 [Tq] -> [Tq,
 * H, D]. */
EAI_API eai_tensor *eai_attention(eai_graph *g, eai_tensor *q, eai_tensor *k, eai_tensor *v,
                                  eai_tensor *start, eai_tensor *end, double scale);
/* max(start, end - width), I32 [T]: intervals cut to their last `width` keys. With it as `start`,
 * attention sees a sliding window. */
EAI_API eai_tensor *eai_window_start(eai_graph *g, eai_tensor *start, eai_tensor *end,
                                     int64_t width);
/* Additive mask of the same intervals: 0 inside, -inf outside; [Tq, n_keys]. */
EAI_API eai_tensor *eai_interval_mask(eai_graph *g, eai_tensor *start, eai_tensor *end,
                                      int64_t n_keys);
/* Cross-entropy of the product h w^T against targets, without ever holding all logits:
 * h [T, D], w [V, D] (any storage type), targets I32 [T] (outside 0..V-1, as -100: ignored, nll 0)
 * -> nll [T] = -log softmax(h w^T)[target]. */
EAI_API eai_tensor *eai_linear_cross_entropy(eai_graph *g, eai_tensor *h, eai_tensor *w,
                                             eai_tensor *targets);
/* Zeroes elements with probability p and scales the rest by 1/(1-p). seed I32 [2], fed by the
 * caller, and `stream`, different for each call site, choose the mask: the same values give the
 * same mask. */
EAI_API eai_tensor *eai_dropout(eai_graph *g, eai_tensor *x, eai_tensor *seed, double p,
                                int64_t stream);

/* ---- Changes of state (always run, in order)
 * ----------------------------------------------------- */
EAI_API void eai_assign(eai_graph *g, eai_tensor *state, eai_tensor *x);
EAI_API void eai_accumulate(eai_graph *g, eai_tensor *state, eai_tensor *x); /* state += x */
/* state[at[0] + t] = x[t] for rows t of x; `at` I32 [1]; rows beyond the end are dropped. */
EAI_API void eai_write_rows(eai_graph *g, eai_tensor *state, eai_tensor *x, eai_tensor *at);
typedef struct eai_adamw_opts {
    double beta1, beta2, eps, weight_decay;
} eai_adamw_opts;
/* AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW: p *= 1 - lr*wd; m, v moments of
 * grad * grad_scale; p -= lr * (m / bias1) / (sqrt(v / bias2) + eps).
 * hyper F32 [3]: lr, bias1 = 1 - beta1^t, bias2 = 1 - beta2^t, fed by the caller; grad_scale:
 * scalar. */
EAI_API void eai_adamw(eai_graph *g, eai_tensor *p, eai_tensor *m, eai_tensor *v, eai_tensor *grad,
                       eai_tensor *hyper, eai_tensor *grad_scale, eai_adamw_opts opts);

/* ---- Gradients
 * ----------------------------------------------------------------------------------- */
typedef struct eai_grad_opts {
    bool checkpoint; /* recompute segments, see eai_segment_begin */
} eai_grad_opts;
/* Appends the reverse pass: grads[i] = d loss / d wrt[i], of wrt[i]'s shape; zeros where loss does
 * not depend on it. `loss` is a scalar. The gradients are ordinary tensors of the graph and can be
 * differentiated again. `opts` may be NULL. */
EAI_API void eai_grad(eai_graph *g, eai_tensor *loss, eai_tensor *const *wrt, size_t n,
                      const eai_grad_opts *opts, eai_tensor **grads);

#ifdef __cplusplus
}
#endif
#endif
