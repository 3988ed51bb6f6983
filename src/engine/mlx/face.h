/* What the plugin libefficientai_mlx offers: MLX's operations with C's calling convention. shim.cpp
 * implements it over MLX's own C++ headers; everything else here is C and sees only this.
 *
 * An mlx_array is a value that MLX computes when it is asked for. Functions that make one return
 * NULL after a failure, and once a session has failed all of them do, so that a caller checks once
 * (`failure`). What a function returns lives until the next `sweep` of its session, unless it was
 * kept in between.
 * Thread-safety: a session belongs to one thread at a time. */
#ifndef EAI_ENGINE_MLX_FACE_H
#define EAI_ENGINE_MLX_FACE_H

#include <efficientai/dtype.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when the table below does: a plugin of another one is refused. */
#define MLX_FACE_VERSION 1

typedef struct mlx_array mlx_array;
typedef struct mlx_session mlx_session;

typedef enum mlx_type {
    MLX_BOOL,
    MLX_U8,
    MLX_U32,
    MLX_U64,
    MLX_I32,
    MLX_I64,
    MLX_F16,
    MLX_BF16,
    MLX_F32,
} mlx_type;

typedef enum mlx_unary {
    MLX_NEGATIVE,
    MLX_EXP,
    MLX_LOG,
    MLX_SIGMOID,
    MLX_TANH,
    MLX_COS,
    MLX_SIN,
    MLX_SQUARE,
    MLX_SQRT,
    MLX_RSQRT,
} mlx_unary;

/* With NumPy's broadcasting and MLX's promotion of types; comparisons give MLX_BOOL. */
typedef enum mlx_binary {
    MLX_ADD,
    MLX_SUBTRACT,
    MLX_MULTIPLY,
    MLX_DIVIDE,
    MLX_MAXIMUM,
    MLX_MINIMUM,
    MLX_POWER,
    MLX_GREATER,
    MLX_GREATER_EQUAL,
    MLX_LESS,
    MLX_EQUAL,
    MLX_AND,
    MLX_XOR,
    MLX_SHIFT_RIGHT,
} mlx_binary;

/* A matrix as mx.quantize packs it: codes [rows, columns * bits / 32] of MLX_U32, scales [rows,
 * columns / group] and, for "affine", biases of the same shape. */
typedef struct mlx_packed {
    mlx_array *codes, *scales, *biases; /* biases NULL: the mode has none */
    int group, bits;
    const char *mode;
} mlx_packed;

typedef struct mlx_memory {
    size_t active, peak, cache;        /* bytes */
    size_t total, working_set;         /* of the device; 0: not known */
    char device[64], architecture[64]; /* "": not known */
} mlx_memory;

typedef struct mlx_face {
    int version;                  /* MLX_FACE_VERSION */
    const char *built_against;    /* MLX's version when the plugin was compiled: "0.32.4" ... */
    const char *(*running)(void); /* ... and the one that it found when it was loaded */
    bool (*has_gpu)(void);

    /* NULL after a failure, which `why` says. */
    mlx_session *(*open)(bool gpu, char *why, size_t n);
    void (*close)(mlx_session *s);
    const char *(*failure)(const mlx_session *s); /* NULL: none; the text lives until `forgive` */
    bool (*out_of_memory)(const mlx_session *s);  /* that was the failure */
    void (*forgive)(mlx_session *s);

    /* Frees what was made and is not kept. */
    void (*sweep)(mlx_session *s);
    mlx_array *(*keep)(mlx_array *a);           /* returns a */
    void (*drop)(mlx_session *s, mlx_array *a); /* undoes one keep; NULL is nothing */
    /* Computes n values (NULL ones are left out); false after a failure. */
    bool (*eval)(mlx_session *s, mlx_array *const *a, size_t n);
    /* Its elements in order, computed where they are not yet; NULL after a failure. Valid until it
     * is freed. */
    const void *(*data)(mlx_session *s, mlx_array *a);
    mlx_type (*type)(const mlx_array *a);
    void (*shape)(const mlx_array *a, eai_shape *out);
    size_t (*bytes)(const mlx_array *a);

    /* Over the caller's memory, which must live as long as anything made of it is computed: no copy
     * where MLX can do without, else copied now. */
    mlx_array *(*wrap)(mlx_session *s, const void *data, mlx_type t, const eai_shape *shape);
    mlx_array *(*copy)(mlx_session *s, const void *data, mlx_type t, const eai_shape *shape);
    mlx_array *(*scalar)(mlx_session *s, double value, mlx_type t);
    mlx_array *(*full)(mlx_session *s, double value, mlx_type t, const eai_shape *shape);
    mlx_array *(*arange)(mlx_session *s, int64_t n, mlx_type t); /* 0 .. n - 1 */

    mlx_array *(*unary)(mlx_session *s, mlx_unary op, mlx_array *x);
    mlx_array *(*binary)(mlx_session *s, mlx_binary op, mlx_array *a, mlx_array *b);
    mlx_array *(*where)(mlx_session *s, mlx_array *condition, mlx_array *a, mlx_array *b);
    mlx_array *(*cast)(mlx_session *s, mlx_array *x, mlx_type t);

    mlx_array *(*reshape)(mlx_session *s, mlx_array *x, const eai_shape *shape);
    mlx_array *(*transpose)(mlx_session *s, mlx_array *x, const int *axes);
    mlx_array *(*broadcast_to)(mlx_session *s, mlx_array *x, const eai_shape *shape);
    /* Elements start .. stop - 1 of one axis. */
    mlx_array *(*slice)(mlx_session *s, mlx_array *x, int axis, int64_t start, int64_t stop);
    /* x with `update` in place of rows `at` .. of axis 0, in x's memory where nothing else reads
     * it. */
    mlx_array *(*put_rows)(mlx_session *s, mlx_array *x, mlx_array *update, int64_t at);
    mlx_array *(*concatenate)(mlx_session *s, mlx_array *a, mlx_array *b, int axis);
    mlx_array *(*stack_last)(mlx_session *s, mlx_array *const *a,
                             int n); /* along a new last axis */

    /* Over the axes in the set; they stay with size 1 where `keep`. */
    mlx_array *(*sum)(mlx_session *s, mlx_array *x, unsigned axes, bool keep);
    /* Over the last axis, which stays with size 1. */
    mlx_array *(*max_last)(mlx_session *s, mlx_array *x);
    mlx_array *(*logsumexp_last)(mlx_session *s, mlx_array *x);
    mlx_array *(*softmax_last)(mlx_session *s, mlx_array *x);

    mlx_array *(*matmul)(mlx_session *s, mlx_array *a, mlx_array *b);
    /* Rows of axis 0; ids must exist. */
    mlx_array *(*take_rows)(mlx_session *s, mlx_array *x, mlx_array *ids);
    mlx_array *(*take_along_last)(mlx_session *s, mlx_array *x, mlx_array *ids);
    /* x [V, ..] + update [T, ..] in rows ids [T], which must exist. */
    mlx_array *(*add_rows)(mlx_session *s, mlx_array *x, mlx_array *ids, mlx_array *update);

    mlx_array *(*rms_norm)(mlx_session *s, mlx_array *x, mlx_array *weight, double eps);
    /* x [.., T, D], of positions first, first + 1, ..; halves of D are the pairs. freqs [D / 2] or
     * NULL: base^(2i / D). scale -1 turns backwards. */
    mlx_array *(*rope)(mlx_session *s, mlx_array *x, double base, double scale, int64_t first,
                       mlx_array *freqs);
    /* q [B, H, Tq, D], k and v [B, Hkv, Tk, D]; mask of MLX_BOOL that broadcasts to [B, H, Tq, Tk],
     * or NULL: all keys, or, where `causal`, all but the later ones (the last query sees all). */
    mlx_array *(*attention)(mlx_session *s, mlx_array *q, mlx_array *k, mlx_array *v, double scale,
                            bool causal, mlx_array *mask);

    mlx_array *(*dequantize)(mlx_session *s, const mlx_packed *w, mlx_type t);
    /* x w^T where trans, else x w. */
    mlx_array *(*quantized_matmul)(mlx_session *s, mlx_array *x, const mlx_packed *w, bool trans);

    void (*memory)(mlx_session *s, mlx_memory *out);
    /* Bytes that MLX takes at most, keeps for reuse, and wires; false where MLX refuses. SIZE_MAX
     * leaves a limit as it is. */
    bool (*limit)(mlx_session *s, size_t memory, size_t cache, size_t wired);
} mlx_face;

/* The only symbol that the plugin exports. */
#define MLX_FACE_SYMBOL "efficientai_mlx_face"
__attribute__((visibility("default"))) const mlx_face *efficientai_mlx_face(void);

#ifdef __cplusplus
}
#endif
#endif
