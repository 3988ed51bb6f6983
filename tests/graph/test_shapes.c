/* What the builder refuses: a row an operation and rule of shapes.c, with the message that a user
 * of graph.h sees. Shapes that are accepted are the business of tests/ops, where they are computed.
 */
#include <efficientai/graph.h>

#include "support/eai_test.h"

/* Operands that the rows take from; names say dtype and shape. */
typedef struct operands {
    eai_tensor *f23, *f32, *f2, *f3, *scalar; /* F32 [2,3], [3,2], [2], [3], [] */
    eai_tensor *f234, *f235, *f324;           /* F32 [2,3,4], [2,3,5], [3,2,4] */
    eai_tensor *i2, *i3, *i23;                /* I32 [2], [3], [2,3] */
    eai_tensor *q;                            /* Q8_0 [2,32] */
    eai_tensor *s23;                          /* a state, F32 [2,3] */
} operands;

static operands make_operands(eai_graph *g)
{
    static float values[6];
    static const char blocks[68];
    operands o = {
        .f23 = eai_input(g, "f23", EAI_F32, EAI_SHAPE2(2, 3)),
        .f32 = eai_input(g, "f32", EAI_F32, EAI_SHAPE2(3, 2)),
        .f2 = eai_input(g, "f2", EAI_F32, EAI_SHAPE1(2)),
        .f3 = eai_input(g, "f3", EAI_F32, EAI_SHAPE1(3)),
        .scalar = eai_input(g, "scalar", EAI_F32, (eai_shape){0, {0}}),
        .f234 = eai_input(g, "f234", EAI_F32, EAI_SHAPE3(2, 3, 4)),
        .f235 = eai_input(g, "f235", EAI_F32, EAI_SHAPE3(2, 3, 5)),
        .f324 = eai_input(g, "f324", EAI_F32, EAI_SHAPE3(3, 2, 4)),
        .i2 = eai_input(g, "i2", EAI_I32, EAI_SHAPE1(2)),
        .i3 = eai_input(g, "i3", EAI_I32, EAI_SHAPE1(3)),
        .i23 = eai_input(g, "i23", EAI_I32, EAI_SHAPE2(2, 3)),
        .q = eai_weight(g, "q", EAI_Q8_0, EAI_SHAPE2(2, 32), blocks),
        .s23 = eai_state(g, "s23", EAI_F32, EAI_SHAPE2(2, 3), values),
    };
    return o;
}

/* For rows in `refusals`: operations with options, written out where the row would be too long. */
static void transposed_batch(eai_graph *g, const operands *o)
{
    eai_matmul(g, o->f234, o->f32, (eai_matmul_opts){true, false, 1.0});
}

static void batches_differ(eai_graph *g, const operands *o)
{
    eai_matmul(g, o->f234, o->f324, (eai_matmul_opts){false, true, 1.0});
}

static void same_axis_twice(eai_graph *g, const operands *o)
{
    eai_permute(g, o->f23, (const int[]){1, 1});
}

static void adamw(eai_graph *g, const operands *o, eai_tensor *m, eai_tensor *grad,
                  eai_tensor *hyper)
{
    eai_adamw(g, o->s23, m, o->s23, grad, hyper, o->scalar, (eai_adamw_opts){0.9, 0.99, 1e-8, 0});
}

/* `build(g, o)` as one expression a row. */
#define ROW(name, expression)                                                                      \
    static void name(eai_graph *g, const operands *o)                                              \
    {                                                                                              \
        (void)o;                                                                                   \
        expression;                                                                                \
    }
ROW(partial_block, eai_input(g, "x", EAI_Q8_0, EAI_SHAPE2(2, 31)))
ROW(too_large, eai_input(g, "x", EAI_F32, EAI_SHAPE2((int64_t)1 << 40, (int64_t)1 << 40)))
ROW(add_integer, eai_add(g, o->f3, o->i3))
ROW(add_shapes, eai_add(g, o->f2, o->f3))
ROW(softmax_of_scalar, eai_softmax(g, o->scalar))
ROW(swiglu_shapes, eai_swiglu(g, o->f23, o->f32))
ROW(reshape_elements, eai_reshape(g, o->f23, EAI_SHAPE1(5)))
ROW(reshape_blocks, eai_reshape(g, o->q, EAI_SHAPE1(64)))
ROW(broadcast_shapes, eai_broadcast_to(g, o->f23, EAI_SHAPE2(4, 3)))
ROW(broadcast_down, eai_broadcast_to(g, o->f23, EAI_SHAPE1(3)))
ROW(sum_axis, eai_sum(g, o->f23, 4, false))
ROW(product_of_integer, eai_linear(g, o->f23, o->i23))
ROW(product_of_vectors, eai_linear(g, o->f3, o->f23))
ROW(product_of_batch, eai_linear(g, o->f23, o->f235))
ROW(product_inner, eai_linear(g, o->f23, o->f32))
ROW(gather_integer, eai_gather_rows(g, o->i23, o->i2))
ROW(gather_ids, eai_gather_rows(g, o->f23, o->i23))
ROW(scatter_vector, eai_scatter_rows(g, o->f3, o->i3, 4))
ROW(scatter_ids, eai_scatter_rows(g, o->f23, o->i3, 4))
ROW(norm_weight, eai_rms_norm(g, o->f23, o->f2, 1e-5))
ROW(rope_odd, eai_rope(g, o->f235, o->i2, 1e4))
ROW(rope_positions, eai_rope(g, o->f234, o->i3, 1e4))
ROW(rope_factors, eai_rope_scaled(g, o->f234, o->i2, o->f3, 1e4))
ROW(window_width, eai_window_start(g, o->i2, o->i2, 0))
ROW(window_ends, eai_window_start(g, o->i2, o->i3, 1))
ROW(mask_ends, eai_interval_mask(g, o->i2, o->i3, 4))
ROW(attention_width, eai_attention(g, o->f234, o->f235, o->f235, o->i2, o->i2, 1))
ROW(attention_values, eai_attention(g, o->f234, o->f234, o->f324, o->i2, o->i2, 1))
ROW(attention_heads, eai_attention(g, o->f234, o->f324, o->f324, o->i2, o->i2, 1))
ROW(attention_starts, eai_attention(g, o->f234, o->f234, o->f234, o->i3, o->i2, 1))
ROW(entropy_width, eai_linear_cross_entropy(g, o->f23, o->f32, o->i2))
ROW(entropy_integer, eai_linear_cross_entropy(g, o->f23, o->i23, o->i2))
ROW(entropy_targets, eai_linear_cross_entropy(g, o->f23, o->f23, o->i3))
ROW(dropout_all, eai_dropout(g, o->f23, o->i2, 1.0, 0))
ROW(dropout_seed, eai_dropout(g, o->f23, o->i3, 0.5, 0))
ROW(assign_input, eai_assign(g, o->f23, o->f23))
ROW(assign_shapes, eai_assign(g, o->s23, o->f32))
ROW(write_narrow, eai_write_rows(g, o->s23, o->f32, eai_input(g, "at", EAI_I32, EAI_SHAPE1(1))))
ROW(write_place, eai_write_rows(g, o->s23, o->f23, o->i2))
ROW(adamw_moment, adamw(g, o, o->f23, o->f23, o->f3))
ROW(adamw_gradient, adamw(g, o, o->s23, o->f32, o->f3))
ROW(adamw_hyper, adamw(g, o, o->s23, o->f23, o->f2))

static const struct {
    void (*build)(eai_graph *g, const operands *o);
    const char *message;
} refusals[] = {
    {partial_block, "input: q8_0 [2,31]: not a whole number of blocks, or too large"},
    {too_large, "[1099511627776,1099511627776]: not a whole number of blocks, or too large"},
    {add_integer, "add: i32 [3]: a float tensor is needed"},
    {add_shapes, "add: f32 [2] and f32 [3]: cannot be broadcast"},
    {softmax_of_scalar, "softmax: f32 []: at least one dimension is needed"},
    {swiglu_shapes, "swiglu: f32 [2,3] and f32 [3,2]: shapes differ"},
    {reshape_elements, "reshape: f32 [2,3] and f32 [5]: another number of elements"},
    {reshape_blocks, "reshape: q8_0 [2,32]: stored types cannot be reshaped"},
    {same_axis_twice, "permute: f32 [2,3]: axes are no permutation"},
    {broadcast_shapes, "broadcast_to: f32 [2,3] and f32 [4,3]: cannot be broadcast"},
    {broadcast_down, "broadcast_to: f32 [2,3] and f32 [3]: cannot be broadcast"},
    {sum_axis, "sum: f32 [2,3]: an axis is out of range"},
    {product_of_integer, "f32 [2,3] and i32 [2,3]: a product needs float or quantized operands"},
    {product_of_vectors, "matmul: f32 [3] and f32 [2,3]: a product needs two dimensions"},
    {product_of_batch, "matmul: f32 [2,3] and f32 [2,3,5]: leading dimensions differ"},
    {product_inner, "matmul: f32 [2,3] and f32 [3,2]: inner 3 != 2"},
    {batches_differ, "matmul: f32 [2,3,4] and f32 [3,2,4]: leading dimensions differ"},
    {transposed_batch, "[3,2]: a transposed batch needs a batched right side"},
    {gather_integer, "i32 [2,3]: a float or quantized table with two dimensions is needed"},
    {gather_ids, "gather_rows: i32 [2,3] and f32 [2,3]: an i32 vector of matching length"},
    {scatter_vector, "scatter_rows: f32 [3]: two dimensions are needed"},
    {scatter_ids, "scatter_rows: i32 [3] and f32 [2,3]: an i32 vector of matching length"},
    {norm_weight, "rms_norm: f32 [2,3] and f32 [2]: the weight must match the last dimension"},
    {rope_odd, "rope: f32 [2,3,5]: [T, heads, even D] is needed"},
    {rope_positions, "rope: i32 [3] and f32 [2,3,4]: an i32 vector of matching length"},
    {rope_factors, "rope: f32 [2,3,4] and f32 [3]: an f32 factor for each of D/2 pairs"},
    {window_width, "window_start: i32 [2]: a window of at least 1 is needed"},
    {window_ends, "window_start: i32 [3] and i32 [2]: an i32 vector of matching length"},
    {mask_ends, "interval_mask: i32 [3] and i32 [2]: an i32 vector of matching length"},
    {attention_width, "f32 [2,3,4] and f32 [2,3,5]: q [Tq,H,D] and k [Tk,Hkv,D] are needed"},
    {attention_values, "attention: f32 [2,3,4] and f32 [3,2,4]: k and v differ"},
    {attention_heads, "query heads must be a multiple of key heads"},
    {attention_starts, "attention: i32 [3] and f32 [2,3,4]: an i32 vector of matching length"},
    {entropy_width, "linear_ce: f32 [2,3] and f32 [3,2]: h [T,D] and w [V,D] are needed"},
    {entropy_integer, "linear_ce: f32 [2,3] and i32 [2,3]: h [T,D] and w [V,D] are needed"},
    {entropy_targets, "linear_ce: i32 [3] and f32 [2,3]: an i32 vector of matching length"},
    {dropout_all, "dropout: f32 [2,3]: the probability must be in [0, 1)"},
    {dropout_seed, "dropout: i32 [3] and f32 [2,3]: an i32 vector of matching length"},
    {assign_input, "assign: f32 [2,3]: a float state is needed"},
    {assign_shapes, "assign: f32 [2,3] and f32 [3,2]: shapes differ"},
    {write_narrow, "write_rows: f32 [2,3] and f32 [3,2]: rows differ"},
    {write_place, "write_rows: i32 [2] and f32 [2,3]: an i32 vector of matching length"},
    {adamw_moment, "adamw: f32 [2,3]: a float state is needed"},
    {adamw_gradient, "f32 [2,3] and f32 [3,2]: parameter, moments and gradient differ"},
    {adamw_hyper, "adamw: f32 [2] and f32 []: hyper has 3 elements, grad_scale one"},
};

static void shapes_that_do_not_fit_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_graph *g;
        assert_ok(eai_graph_create(&g, &err), &err);
        operands o = make_operands(g);
        assert_ok(eai_graph_check(g, &err), &err);
        refusals[i].build(g, &o);
        assert_fails(eai_graph_check(g, &err), EAI_ERR_SHAPE, &err, refusals[i].message);
        eai_graph_free(g);
    }
}

static void a_gradient_needs_a_scalar(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g;
    eai_tensor *dx = NULL;
    assert_ok(eai_graph_create(&g, &err), &err);
    operands o = make_operands(g);
    eai_grad(g, o.f23, &o.f23, 1, NULL, &dx);
    assert_fails(eai_graph_check(g, &err), EAI_ERR_SHAPE, &err, "the loss [2,3] is no scalar");
    eai_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_that_do_not_fit_are_named),
        cmocka_unit_test(a_gradient_needs_a_scalar),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
