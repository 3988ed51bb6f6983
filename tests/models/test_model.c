/* Models: what is loaded, what is refused, and that the graph computes what plain loops compute.
 * What is guarded: order and names of the linear layers, the attention's intervals (packed examples
 * do not see each other), every storage type as a base, the loss against the logits, the hook. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include "support/tiny_llama.h"

/* ---- Loading
 * ------------------------------------------------------------------------------------- */

static void test_linear_layers_are_listed_in_order(void **state)
{
    (void)state;
    tiny_llama tiny;
    const eai_model_linear *l;
    tiny_llama_open(&tiny, EAI_Q4_1, true);

    assert_int_equal(eai_model_linears(&l, tiny.model), 14);
    assert_string_equal(l[0].name, "model.layers.0.self_attn.q_proj");
    assert_string_equal(l[0].module, "q_proj");
    assert_string_equal(l[3].module, "o_proj");
    assert_string_equal(l[6].module, "down_proj");
    assert_string_equal(l[13].name, "model.layers.1.mlp.down_proj");
    assert_true(l[3].attention);
    assert_false(l[4].attention);
    assert_int_equal(l[1].n_in, TINY_MODEL);
    assert_int_equal(l[1].n_out, TINY_KV_HEADS * TINY_HEAD);
    assert_int_equal(l[6].n_in, TINY_FFN);
    assert_int_equal(l[0].dtype, EAI_Q4_1);
    int64_t block = 2 * TINY_MODEL + TINY_MODEL * (2 * 32 + 2 * 16) + 3 * TINY_MODEL * TINY_FFN;
    assert_int_equal(eai_model_parameters(tiny.model),
                     TINY_VOCAB * TINY_MODEL + TINY_MODEL + TINY_LAYERS * block);
    assert_string_equal(eai_model_get_config(tiny.model)->family, "llama");
    assert_string_equal(eai_model_family_names()[0], "llama");
    tiny_llama_close(&tiny);
}

/* The message of creating a model from `w` with configuration `c`, which must fail. */
static void refuse(eai_weights *w, eai_model_config c, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_model *m = NULL;
    assert_fails(eai_model_create(&m, w, &c, &err), code, &err, text);
    assert_null(m);
}

static void test_bad_configurations_are_refused(void **state)
{
    (void)state;
    eai_weights *w = tiny_llama_weights(EAI_F32, true);
    eai_model_config c = tiny_llama_config(true);

    c.family = "transmogrifier";
    refuse(w, c, EAI_ERR_UNSUPPORTED,
           "architecture 'transmogrifier' is not supported; supported: llama");
    c = tiny_llama_config(true);
    c.n_layers = 0;
    refuse(w, c, EAI_ERR_FORMAT, "number of layers is 0, not in 1 to");
    c = tiny_llama_config(true);
    c.n_kv_heads = 3;
    refuse(w, c, EAI_ERR_FORMAT, "4 heads are no multiple of 3");
    c = tiny_llama_config(true);
    c.rope_theta = (double)NAN;
    refuse(w, c, EAI_ERR_FORMAT, "rotary base");
    c = tiny_llama_config(true);
    c.n_layers = 3;
    refuse(w, c, EAI_ERR_FORMAT,
           "tiny: tensor 'model.layers.2.self_attn.q_proj.weight' is missing");
    c = tiny_llama_config(true);
    c.d_ffn = 65;
    refuse(w, c, EAI_ERR_SHAPE,
           "tensor 'model.layers.0.mlp.gate_proj.weight': shape [64,32], where the "
           "model's configuration asks for [65,32]");
    c = tiny_llama_config(false);
    refuse(w, c, EAI_ERR_FORMAT, "tensor 'lm_head.weight' is missing");
    eai_weights_close(w);
}

static void test_tensors_of_wrong_type_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    int32_t table[4] = {0};
    eai_model_config c = tiny_llama_config(true);
    c.vocab = 2;
    c.d_model = 2;
    assert_ok(eai_weights_create(&w, "ints", &err), &err);
    assert_ok(
        eai_weights_add(w, "model.embed_tokens.weight", EAI_I32, &EAI_SHAPE2(2, 2), table, &err),
        &err);
    refuse(w, c, EAI_ERR_UNSUPPORTED,
           "ints: tensor 'model.embed_tokens.weight': type i32 is not usable");
    eai_weights_close(w);
}

/* What the file has and the configuration does not know would be left out of the computation. */
static void test_tensors_that_nothing_asks_for_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = tiny_llama_weights(EAI_F32, true);
    float factors[4] = {1, 1, 1, 1};
    assert_ok(eai_weights_add(w, "rope_freqs.weight", EAI_F32, &EAI_SHAPE1(4), factors, &err),
              &err);
    refuse(w, tiny_llama_config(true), EAI_ERR_UNSUPPORTED,
           "tiny: tensor 'rope_freqs.weight', but the configuration states no rotary scaling");
    eai_weights_close(w);

    float bias[TINY_MODEL] = {0};
    w = tiny_llama_weights(EAI_F32, true);
    assert_ok(eai_weights_add(w, "model.layers.1.self_attn.o_proj.bias", EAI_F32,
                              &EAI_SHAPE1(TINY_MODEL), bias, &err),
              &err);
    refuse(w, tiny_llama_config(true), EAI_ERR_UNSUPPORTED,
           "tiny: tensor 'model.layers.1.self_attn.o_proj.bias': the configuration states no such "
           "bias for a 'llama' model");
    eai_weights_close(w);
}

static void test_values_are_checked_on_request(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    const eai_weight_tensor *t =
        eai_weights_find(tiny.weights, "model.layers.1.mlp.down_proj.weight");
    float *values = malloc(t->bytes);
    assert_non_null(values);
    memcpy(values, t->data, t->bytes);
    values[3 * TINY_FFN + 5] = NAN;
    eai_model_free(tiny.model);
    eai_weights *w = NULL;
    assert_ok(eai_weights_create(&w, "tiny", &err), &err);
    for (size_t i = 0; i < eai_weights_count(tiny.weights); i++) {
        const eai_weight_tensor *u = eai_weights_at(tiny.weights, i);
        assert_ok(eai_weights_add_borrowed(w, u->name, u->dtype, &u->shape,
                                           u == t ? (void *)values : u->data, &err),
                  &err);
    }
    eai_model_config c = tiny_llama_config(true);
    assert_ok(eai_model_create(&tiny.model, w, &c, &err), &err); /* loading reads no values */
    assert_fails(eai_model_check_values(tiny.model, &err), EAI_ERR_NUMERIC, &err,
                 "tiny: tensor 'model.layers.1.mlp.down_proj.weight': element 5 of row 3 is nan, "
                 "not a finite number");
    values[3 * TINY_FFN + 5] = 0;
    assert_ok(eai_model_check_values(tiny.model, &err), &err);
    tiny_llama_close(&(tiny_llama){w, tiny.model});
    eai_weights_close(tiny.weights);
    free(values);
}

static eai_status create_once(void *ud, eai_error *err)
{
    eai_model *m = NULL;
    eai_model_config c = tiny_llama_config(true);
    c.rope_scaling = (eai_rope_scaling){.type = EAI_ROPE_LINEAR, .factor = 2};
    eai_status st = eai_model_create(&m, ud, &c, err);
    eai_model_free(m);
    return st;
}

static void test_creation_survives_every_failing_allocation(void **state)
{
    (void)state;
    eai_weights *w = tiny_llama_weights(EAI_F32, true);
    eai_test_torture(create_once, w);
    eai_weights_close(w);
}

/* ---- Computing
 * ----------------------------------------------------------------------------------- */

/* A plan of the tiny model with n tokens and all logits, and the loss of targets where wanted. */
static eai_plan *make_plan(eai_backend *backend, const eai_model *m, int64_t n, bool with_loss,
                           eai_linear_hook hook)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_plan *plan = NULL;
    eai_model_inputs in;
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_model_build b = {.graph = g, .model = m, .hook = hook};
    eai_model_build_inputs(&in, &b, n);
    assert_null(in.at);
    eai_tensor *h = eai_model_build_hidden(&b, &in);
    eai_graph_output(g, "logits", eai_model_build_logits(&b, h, NULL));
    if (with_loss) {
        eai_tensor *targets = eai_input(g, "targets", EAI_I32, EAI_SHAPE1(n));
        eai_graph_output(g, "nll", eai_model_build_nll(&b, h, targets));
    }
    assert_ok(eai_graph_check(g, &err), &err);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    eai_graph_free(g);
    return plan;
}

/* Row t of a plan's inputs: an id of the example that began at row `first`. */
static void set_row(eai_plan *plan, int64_t t, int32_t id, int64_t first)
{
    tiny_input(plan, "ids")[t] = id;
    tiny_input(plan, "positions")[t] = (int32_t)(t - first);
    tiny_input(plan, "start")[t] = (int32_t)first;
    tiny_input(plan, "end")[t] = (int32_t)t + 1;
}

static void run(eai_plan *plan)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_plan_run(plan, &err), &err);
}

static void check_logits(eai_dtype dtype, bool tied, double rtol)
{
    enum { N = 21 };
    static float expected[N * TINY_VOCAB];
    static float logits[N * TINY_VOCAB];
    tiny_llama tiny;
    int32_t ids[N];
    tiny_llama_open(&tiny, dtype, tied);
    eai_backend *backend = tiny_backend();
    eai_plan *plan = make_plan(backend, tiny.model, N, false, (eai_linear_hook){NULL, NULL});

    hash_fill_integers(ids, HASH_STREAM_IDS, 1, N, TINY_VOCAB);
    tiny_llama_logits(expected, tiny.model, ids, N, NULL, NULL);
    for (int t = 0; t < N; t++)
        set_row(plan, t, ids[t], 0);
    run(plan);
    tiny_output(logits, plan, "logits", N * TINY_VOCAB);
    assert_close(logits, expected, N * TINY_VOCAB, rtol, rtol);
    eai_plan_free(plan);
    eai_backend_close(backend);
    tiny_llama_close(&tiny);
}

static void test_logits_equal_plain_loops(void **state)
{
    (void)state;
    check_logits(EAI_F32, true, 2e-5);
    check_logits(EAI_F32, false, 2e-5);
}

static void test_every_storage_type_is_a_base(void **state)
{
    (void)state;
    static const eai_dtype types[] = {EAI_F16,  EAI_BF16, EAI_Q8_0,   EAI_Q4_0, EAI_Q4_1,
                                      EAI_Q5_0, EAI_Q5_1, EAI_IQ4_NL, EAI_MXFP4};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        check_logits(types[i], true, 2e-5);
}

/* Three examples in one row, and padding behind them, give what each gives alone. */
static void test_packed_examples_do_not_see_each_other(void **state)
{
    (void)state;
    enum { N = 24 };
    static const int lengths[] = {7, 1, 12};
    static float alone[N * TINY_VOCAB];
    static float logits[N * TINY_VOCAB];
    tiny_llama tiny;
    int32_t ids[N];
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_backend *backend = tiny_backend();
    eai_plan *plan = make_plan(backend, tiny.model, N, false, (eai_linear_hook){NULL, NULL});

    hash_fill_integers(ids, HASH_STREAM_IDS, 2, N, TINY_VOCAB);
    int64_t first = 0;
    for (int e = 0; e < 3; e++) {
        for (int t = 0; t < lengths[e]; t++)
            set_row(plan, first + t, ids[first + t], first);
        tiny_llama_logits(alone + first * TINY_VOCAB, tiny.model, ids + first, (size_t)lengths[e],
                          NULL, NULL);
        first += lengths[e];
    }
    for (int64_t t = first; t < N; t++) {
        set_row(plan, t, 0, t);
        tiny_input(plan, "start")[t] = 0;
        tiny_input(plan, "end")[t] = 0;
    }
    run(plan);
    tiny_output(logits, plan, "logits", N * TINY_VOCAB);
    assert_close(logits, alone, (size_t)first * TINY_VOCAB, 2e-5, 2e-5);
    for (int64_t i = first * TINY_VOCAB; i < N * TINY_VOCAB; i++)
        assert_true(isfinite(logits[i])); /* padding must not poison gradients */
    eai_plan_free(plan);
    eai_backend_close(backend);
    tiny_llama_close(&tiny);
}

static void test_loss_is_that_of_the_logits(void **state)
{
    (void)state;
    enum { N = 13 };
    tiny_llama tiny;
    int32_t ids[N + 1];
    float expected[N], nll[N], logits[N * TINY_VOCAB];
    tiny_llama_open(&tiny, EAI_Q8_0, false);
    eai_backend *backend = tiny_backend();
    eai_plan *plan = make_plan(backend, tiny.model, N, true, (eai_linear_hook){NULL, NULL});
    int32_t *targets = tiny_input(plan, "targets");

    hash_fill_integers(ids, HASH_STREAM_IDS, 3, N + 1, TINY_VOCAB);
    for (int t = 0; t < N; t++) {
        set_row(plan, t, ids[t], 0);
        targets[t] = t == 4 ? -100 : ids[t + 1];
    }
    run(plan);
    tiny_output(logits, plan, "logits", N * TINY_VOCAB);
    tiny_output(nll, plan, "nll", N);
    for (int t = 0; t < N; t++) {
        double sum = 0;
        for (int v = 0; v < TINY_VOCAB; v++)
            sum += exp((double)logits[t * TINY_VOCAB + v]);
        expected[t] = t == 4 ? 0 : (float)(log(sum) - (double)logits[t * TINY_VOCAB + targets[t]]);
    }
    assert_close(nll, expected, N, 1e-4, 1e-5);
    eai_plan_free(plan);
    eai_backend_close(backend);
    tiny_llama_close(&tiny);
}

/* ---- The hook
 * ------------------------------------------------------------------------------------ */

typedef struct hook_log {
    const eai_model_linear *linears;
    size_t calls;
} hook_log;

static eai_tensor *count_calls(eai_graph *g, size_t linear, eai_tensor *x, eai_tensor *w, void *ud)
{
    hook_log *log = ud;
    const eai_model_linear *l = &log->linears[linear];
    assert_int_equal(linear, log->calls); /* in the order of eai_model_linears */
    log->calls++;
    assert_int_equal(eai_tensor_shape(w)->dim[0], l->n_out);
    assert_int_equal(eai_tensor_shape(w)->dim[1], l->n_in);
    assert_int_equal(eai_tensor_shape(x)->dim[1], l->n_in);
    eai_tensor *y = eai_linear(g, x, w);
    return linear == 3 ? eai_scale(g, y, 0.5) : y;
}

static const float *halve_first_o_proj(const char *name, void *ud)
{
    static float delta[TINY_MODEL * TINY_HEADS * TINY_HEAD];
    const eai_model_linear *l = ud;
    if (strcmp(name, "model.layers.0.self_attn.o_proj") != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(delta) / sizeof(delta[0]); i++)
        delta[i] = -0.5f * ((const float *)l[3].data)[i];
    return delta;
}

static void test_hook_sees_each_linear_layer_once(void **state)
{
    (void)state;
    enum { N = 5 };
    float expected[N * TINY_VOCAB], logits[N * TINY_VOCAB];
    int32_t ids[N];
    hook_log log = {0};
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_backend *backend = tiny_backend();
    size_t n = eai_model_linears(&log.linears, tiny.model);
    eai_plan *plan = make_plan(backend, tiny.model, N, false, (eai_linear_hook){count_calls, &log});

    assert_int_equal(log.calls, n);
    hash_fill_integers(ids, HASH_STREAM_IDS, 4, N, TINY_VOCAB);
    for (int t = 0; t < N; t++)
        set_row(plan, t, ids[t], 0);
    run(plan);
    eai_model_linear copy[4];
    memcpy(copy, log.linears, sizeof(copy));
    tiny_llama_logits(expected, tiny.model, ids, N, halve_first_o_proj, copy);
    tiny_output(logits, plan, "logits", N * TINY_VOCAB);
    assert_close(logits, expected, N * TINY_VOCAB, 2e-5, 2e-5);
    eai_plan_free(plan);
    eai_backend_close(backend);
    tiny_llama_close(&tiny);
}

/* A failing build reports where it failed: the place in the model is part of the message. */
static eai_tensor *fail_there(eai_graph *g, size_t linear, eai_tensor *x, eai_tensor *w, void *ud)
{
    (void)ud;
    return linear == 9 ? eai_add(g, x, w) : eai_linear(g, x, w);
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_model_inputs in;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_model_build b = {.graph = g, .model = tiny.model, .hook = {fail_there, NULL}};
    eai_model_build_inputs(&in, &b, 3);
    assert_null(eai_model_build_logits(&b, eai_model_build_hidden(&b, &in), NULL));
    assert_fails(eai_graph_check(g, &err), EAI_ERR_SHAPE, &err, "layers.1.self_attn.v_proj");
    eai_graph_free(g);
    tiny_llama_close(&tiny);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_layers_are_listed_in_order),
        cmocka_unit_test(test_bad_configurations_are_refused),
        cmocka_unit_test(test_tensors_of_wrong_type_are_refused),
        cmocka_unit_test(test_tensors_that_nothing_asks_for_are_refused),
        cmocka_unit_test(test_values_are_checked_on_request),
        cmocka_unit_test(test_creation_survives_every_failing_allocation),
        cmocka_unit_test(test_logits_equal_plain_loops),
        cmocka_unit_test(test_every_storage_type_is_a_base),
        cmocka_unit_test(test_packed_examples_do_not_see_each_other),
        cmocka_unit_test(test_loss_is_that_of_the_logits),
        cmocka_unit_test(test_hook_sees_each_linear_layer_once),
        cmocka_unit_test(test_errors_name_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
