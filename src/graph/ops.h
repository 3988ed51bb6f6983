/* The operation table, nodes and tensors as the layers above the builder see them: autodiff,
 * planner, backends. Start at ops.def. */
#ifndef EAI_GRAPH_OPS_H
#define EAI_GRAPH_OPS_H

#include <efficientai/graph.h>
#include <efficientai/plan.h>

#define EAI_MAX_INPUTS  8
#define EAI_MAX_OUTPUTS 3

typedef enum eai_op {
#define EAI_OP(id, name, in0, in1, out, infer, grad, lower, cost, flags, doc) EAI_OP_##id,
#include "graph/ops.def"
#undef EAI_OP
    EAI_OP_COUNT
} eai_op;

enum {
    EAI_OPF_E = 1,  /* elementwise */
    EAI_OPF_M = 2,  /* mutates input 0 (ADAMW: inputs 0, 1, 2) */
    EAI_OPF_A = 4,  /* alias of input 0 */
    EAI_OPF_Z = 8,  /* zero gradient */
    EAI_OPF_I = 16, /* output may overwrite input 0 */
    EAI_OPF_R = 32, /* cheap to make again */
    EAI_OPF_H = 64, /* output 0 may be kept in half the bytes */
};

/* Parameters, one struct an operation that has any. Plain bytes: nodes are compared and cloned by
 * them. */
typedef union eai_op_params {
    struct {
        double value;
    } fill;
    struct {
        double scale, offset;
    } affine;
    struct {
        double exponent;
    } power;
    struct {
        int axes[EAI_MAX_DIMS];
    } permute;
    struct {
        unsigned axes;
        bool keep;
    } sum;
    struct {
        double alpha;
        bool trans_a, trans_b;
        double pair_alpha; /* of the second product of a fused step (backend.h) ... */
        bool chained;      /* ... whose left factor is a product itself, by this factor: */
        double chain_alpha;
    } matmul;
    struct {
        int64_t n;
    } scatter_rows;
    struct {
        double eps;
    } norm; /* rms_norm, rms_norm_grad */
    struct {
        double theta;
        bool inverse;
    } rope;
    struct {
        double scale;
    } attention; /* and attention_grad */
    struct {
        int64_t n_keys;
    } interval_mask;
    struct {
        int64_t width;
    } window_start;
    struct {
        double p;
        int64_t stream;
    } dropout;
    eai_adamw_opts adamw;
} eai_op_params;

typedef struct eai_node eai_node;

struct eai_tensor {
    eai_node *node; /* which made it */
    int index;      /* output number of that node */
    int id;         /* position in the graph's list of tensors */
    eai_dtype dtype;
    eai_shape shape;
    const char *name; /* leaves and outputs; else NULL */
};

struct eai_node {
    eai_op op;
    int id; /* position in the graph's list of nodes */
    int n_in, n_out;
    int segment; /* 0: none */
    eai_tensor *in[EAI_MAX_INPUTS];
    eai_tensor *out[EAI_MAX_OUTPUTS];
    eai_op_params params;
    void *data;               /* WEIGHT and STATE: the caller's memory */
    const eai_planes *planes; /* WEIGHT of a PLANAR type, else NULL */
    const char *scope;        /* where it was built, "" at the top */
};

/* Which input of a MATMUL is added, and where its second product begins (backend.h); -1: none. */
static inline int eai_step_addend(int n_in)
{
    return n_in == 3 || n_in == 5 ? 2 : -1;
}
static inline int eai_step_pair(int n_in)
{
    return n_in >= 4 ? n_in - 2 : -1;
}

typedef struct eai_op_spec {
    const char *name;
    const char *doc;
    int min_in, max_in, n_out;
    unsigned flags;
    /* Sets dtype and shape of every out of `n`; false after eai_graph_fail. NULL: made by the
     * planner. */
    bool (*infer)(eai_graph *g, eai_node *n);
    /* Fills din[i] for each i with want[i]; dout[j] may be NULL (nothing flows into that output).
     * False: this case is left to the gradient of the lowering. */
    bool (*grad)(eai_graph *g, const eai_node *n, eai_tensor *const *dout, const bool *want,
                 eai_tensor **din);
    /* Builds the same outputs from simpler operations. */
    void (*lower)(eai_graph *g, const eai_node *n, eai_tensor **out);
    double (*cost)(const eai_shape *in, int n_in, const eai_shape *out, const eai_op_params *p);
} eai_op_spec;

/* The row of an operation. Static. */
const eai_op_spec *eai_op_get(eai_op op);

/* Appends a node; NULL (sticky error) when an input is NULL or the shapes do not fit. `shape` is
 * the wanted shape for leaves, RESHAPE and BROADCAST_TO, else NULL. Returns the node; its out[] are
 * the results. */
eai_node *graph__add_node(eai_graph *g, eai_op op, eai_tensor *const *in, int n_in,
                          const eai_op_params *params, const eai_shape *shape, eai_dtype dtype);
int graph__node_count(const eai_graph *g);
eai_node *graph__node(const eai_graph *g, int i);
int graph__tensor_count(const eai_graph *g);
/* Named results, in order of eai_graph_output. */
int graph__output_count(const eai_graph *g);
eai_tensor *graph__output(const eai_graph *g, int i, const char **name);
bool graph__failed(const eai_graph *g);
/* Memory that lives as long as the graph; NULL (sticky error) on failure. */
void *graph__alloc(eai_graph *g, size_t bytes);
/* A copy of node n reading `in` instead, in segment 0; NULL on failure. */
eai_node *graph__clone(eai_graph *g, const eai_node *n, eai_tensor *const *in);

#endif
