/* Operation cases: one row says how to build an operation and on what; the runner (test_ops.c)
 * reads each row four ways: against the reference, gradient, second gradient, lowering. A row of
 * ops.def that no case covers fails the test `every_op_is_tested`.
 *
 * To add a case: a row in the file of its family. Sizes should hit the tails of vectors: 1, 7, 8,
 * 15, 16, 17, 31, 33, 65. */
#ifndef EAI_TESTS_OPS_CASES_H
#define EAI_TESTS_OPS_CASES_H

#include <efficientai/plan.h>

#include "graph/ops.h"

/* What a leaf is filled with. Floats that are differentiated come first. */
typedef enum op_fill {
    FILL_NONE,
    FILL_VALUES,   /* -2 .. 2 */
    FILL_POSITIVE, /* 0.5 .. 2.5 */
    FILL_GRID, /* multiples of 0.1: with FILL_OFFSET no two are equal, for operations with kinks */
    FILL_OFFSET, /* those plus 0.05 */
    FILL_SMALL,  /* -0.5 .. 0.5 */
    FILL_LAST_DIFFERENTIABLE = FILL_SMALL,
    FILL_FIXED,     /* -1 .. 1, of any storage type, not differentiated: eai_weight */
    FILL_MASKED,    /* -2 .. 2, every third -inf, the first row all -inf; not differentiated */
    FILL_SQUARES,   /* 0 .. 1, not differentiated */
    FILL_FACTORS,   /* 0.5 .. 8.5, f32 in every backend, not differentiated: eai_weight */
    FILL_HYPER,     /* AdamW's learning rate and bias corrections */
    FILL_IDS,       /* i32, -1 .. p[0], both just outside of 0 .. p[0]-1 included */
    FILL_POSITIONS, /* i32, scattered up to 5000 */
    FILL_START,     /* i32, the mask's intervals over p[0] keys, see op_mask */
    FILL_END,
    FILL_SEED, /* i32 [2] */
    FILL_AT,   /* i32 [1]: p[0] */
} op_fill;

typedef enum op_mask {
    MASK_CAUSAL,
    MASK_FULL,
    MASK_PACKED, /* examples of 5, 13 and 30 tokens, again and again, causal inside each */
    MASK_WINDOW, /* the last 7 keys */
    MASK_RAGGED, /* any intervals, some empty, some beyond the ends */
} op_mask;

typedef struct op_leaf {
    op_fill fill;
    eai_shape shape;
    eai_dtype dtype; /* EAI_F32 is the value 0 */
} op_leaf;

typedef struct op_case op_case;

/* Builds the operation on the leaves; returns the number of results put into out[]. */
typedef int (*op_build)(eai_graph *g, const op_case *c, eai_tensor *const *in, eai_tensor **out);

struct op_case {
    eai_op op;
    const char *name; /* of the variant; may be NULL */
    op_build build;
    op_leaf in[EAI_MAX_INPUTS];
    double p[4]; /* parameters, as the builder function takes them */
    int axes[EAI_MAX_DIMS];
    eai_shape shape; /* a wanted shape */
    op_mask mask;
    int64_t steps;    /* that the plan of a backend that fuses has; 0: any number */
    double tolerance; /* of the CPU against the reference, relative to the largest value; 0: 2e-6 */
    bool check_only;  /* too large, or not differentiable */
    bool no_second;
};

typedef struct op_case_list {
    const op_case *cases;
    size_t n;
} op_case_list;

extern const op_case_list cases_elementwise;
extern const op_case_list cases_shape;
extern const op_case_list cases_product;
extern const op_case_list cases_network;
extern const op_case_list cases_attention;
extern const op_case_list cases_update;

#define CASE_LIST(array)                                                                           \
    {                                                                                              \
        array, sizeof(array) / sizeof(array[0])                                                    \
    }

#define S0                                                                                         \
    {                                                                                              \
        0,                                                                                         \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define S1(a)                                                                                      \
    {                                                                                              \
        1,                                                                                         \
        {                                                                                          \
            a                                                                                      \
        }                                                                                          \
    }
#define S2(a, b)                                                                                   \
    {                                                                                              \
        2,                                                                                         \
        {                                                                                          \
            a, b                                                                                   \
        }                                                                                          \
    }
#define S3(a, b, c)                                                                                \
    {                                                                                              \
        3,                                                                                         \
        {                                                                                          \
            a, b, c                                                                                \
        }                                                                                          \
    }
#define S4(a, b, c, d)                                                                             \
    {                                                                                              \
        4,                                                                                         \
        {                                                                                          \
            a, b, c, d                                                                             \
        }                                                                                          \
    }

#endif
