/* Adapters: creation, files, merging, and that the graph computes W x + scale * B A x. What is
 * guarded: PEFT's keys, shapes and config, the initial values, refusal of adapters that do not fit,
 * merge == unmerged. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include <efficientai/adapter.h>

#include "support/tiny_llama.h"

enum { N_LINEARS = 14, N_IDS = 9 };

static eai_adapter *make_adapter(const eai_model *m, const char *targets, int64_t rank)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *a = NULL;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    opts.targets = targets;
    opts.rank = rank;
    opts.seed = 7;
    assert_ok(eai_adapter_create(&a, m, &opts, &err), &err);
    return a;
}

/* Gives every B a value by formula, so that the adapter does something. */
static void fill_b(eai_adapter *a, double range)
{
    const eai_parameter *p;
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 1; i < n; i += 2)
        hash_fill_uniform(p[i].data, HASH_STREAM_LORA_B, i, (size_t)eai_shape_elements(&p[i].shape),
                          range);
}

/* ---- Creation
 * ------------------------------------------------------------------------------------ */

static void test_first_values(void **state)
{
    (void)state;
    tiny_llama tiny;
    const eai_parameter *p;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "all", 4);

    assert_int_equal(eai_adapter_parameters(&p, a), 2 * N_LINEARS);
    assert_string_equal(p[0].name,
                        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    assert_string_equal(p[1].name,
                        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
    assert_string_equal(p[27].name, "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight");
    int64_t count = 0;
    for (size_t i = 0; i < 2 * N_LINEARS; i++) {
        const eai_shape *s = &p[i].shape;
        double bound = 1 / sqrt((double)s->dim[1]);
        double largest = 0;
        double sum = 0;
        for (int64_t j = 0; j < eai_shape_elements(s); j++) {
            largest = eai_test_worse(largest, fabs((double)p[i].data[j]));
            sum += (double)p[i].data[j];
        }
        count += eai_shape_elements(s);
        if (i % 2 == 1) {
            assert_true(largest == 0);
            continue;
        }
        assert_int_equal(s->dim[0], 4);
        assert_true(largest <= bound && largest > 0.9 * bound);
        double mean = sum / (double)eai_shape_elements(s); /* sigma of it: bound / sqrt(3 n) */
        assert_true(fabs(mean) < 4 * bound / sqrt(3.0 * (double)eai_shape_elements(s)));
    }
    assert_int_equal(eai_adapter_parameter_count(a), count);
    assert_true(memcmp(p[0].data, p[2].data, 64 * sizeof(float)) != 0);
    assert_true(eai_adapter_scale(a) == 4.0);
    assert_string_equal(eai_adapter_targets(a),
                        "down_proj,gate_proj,k_proj,o_proj,q_proj,up_proj,v_proj");

    const eai_parameter *q;
    eai_adapter *b = make_adapter(tiny.model, "all-linear", 4);
    eai_adapter_parameters(&q, b);
    for (size_t i = 0; i < 2 * N_LINEARS; i++)
        assert_memory_equal(p[i].data, q[i].data,
                            (size_t)eai_shape_elements(&p[i].shape) * sizeof(float));
    eai_adapter_free(a);
    eai_adapter_free(b);
    tiny_llama_close(&tiny);
}

static void test_targets_choose_layers(void **state)
{
    (void)state;
    static const struct {
        const char *targets, *sorted;
        size_t n_pairs;
    } cases[] = {
        {"attention", "k_proj,o_proj,q_proj,v_proj", 8},
        {"mlp", "down_proj,gate_proj,up_proj", 6},
        {"v_proj, q_proj", "q_proj,v_proj", 4},
        {"attention,down_proj", "down_proj,k_proj,o_proj,q_proj,v_proj", 10},
    };
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const eai_parameter *p;
        eai_adapter *a = make_adapter(tiny.model, cases[i].targets, 2);
        assert_int_equal(eai_adapter_parameters(&p, a), 2 * cases[i].n_pairs);
        assert_string_equal(eai_adapter_targets(a), cases[i].sorted);
        eai_adapter_free(a);
    }
    tiny_llama_close(&tiny);
}

static void test_bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        eai_adapter_opts opts;
        const char *text;
    } cases[] = {
        {{0, 16, 0, "all", 0, false}, "rank 0 is not in 1 to 256"},
        {{257, 16, 0, "all", 0, false}, "rank 257 is not in 1 to 256"},
        {{8, 0, 0, "all", 0, false}, "alpha 0 is not above 0"},
        {{8, (double)NAN, 0, "all", 0, false}, "alpha nan"},
        {{8, 16, 1, "all", 0, false}, "dropout 1 is not in 0"},
        {{8, 16, 0, "q_proj,query", 0, false},
         "targets 'q_proj,query': no linear layer is named 'query'; the model has down_proj, "
         "gate_proj, "
         "k_proj, o_proj, q_proj, up_proj, v_proj (or all, attention, mlp)"},
        {{8, 16, 0, "q_proj,", 0, false}, "no linear layer is named ''"},
        {{8, 16, 0, "", 0, false}, "no linear layer is named ''"},
    };
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_adapter *a = NULL;
        assert_fails(eai_adapter_create(&a, tiny.model, &cases[i].opts, &err), EAI_ERR_ARGUMENT,
                     &err, cases[i].text);
        assert_null(a);
    }
    tiny_llama_close(&tiny);
}

static eai_status create_once(void *ud, eai_error *err)
{
    eai_adapter *a = NULL;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    eai_status st = eai_adapter_create(&a, ud, &opts, err);
    eai_adapter_free(a);
    return st;
}

static void test_creation_survives_every_failing_allocation(void **state)
{
    (void)state;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_test_torture(create_once, tiny.model);
    tiny_llama_close(&tiny);
}

/* ---- Computing
 * ----------------------------------------------------------------------------------- */

/* scale * B A of a linear layer, by plain loops. */
static const float *get_delta(const char *linear, void *ud)
{
    static float delta[TINY_FFN * TINY_FFN];
    const eai_adapter *a = ud;
    const eai_parameter *p;
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 0; i < n; i += 2) {
        size_t length = strlen(linear);
        const char *name = p[i].name + strlen("base_model.model.");
        if (strncmp(name, linear, length) != 0 || name[length] != '.')
            continue;
        int64_t rank = p[i].shape.dim[0];
        int64_t n_in = p[i].shape.dim[1];
        for (int64_t o = 0; o < p[i + 1].shape.dim[0]; o++) {
            for (int64_t c = 0; c < n_in; c++) {
                double sum = 0;
                for (int64_t r = 0; r < rank; r++)
                    sum += (double)p[i + 1].data[o * rank + r] * (double)p[i].data[r * n_in + c];
                delta[o * n_in + c] = (float)(eai_adapter_scale(a) * sum);
            }
        }
        return delta;
    }
    return NULL;
}

static void test_graph_adds_the_product(void **state)
{
    (void)state;
    static const char *const targets[] = {"all", "q_proj,down_proj"};
    static float expected[N_IDS * TINY_VOCAB];
    static float logits[N_IDS * TINY_VOCAB];
    int32_t ids[N_IDS];
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_Q4_0, true);
    hash_fill_integers(ids, HASH_STREAM_IDS, 5, N_IDS, TINY_VOCAB);
    for (int i = 0; i < 2; i++) {
        eai_adapter *a = make_adapter(tiny.model, targets[i], 3);
        /* B is zero: the base model, exactly as without an adapter */
        tiny_generate_logits(expected, tiny.model, NULL, N_IDS);
        tiny_generate_logits(logits, tiny.model, a, N_IDS);
        assert_close(logits, expected, N_IDS * TINY_VOCAB, 1e-6, 1e-6);
        fill_b(a, 0.3);
        tiny_llama_logits(expected, tiny.model, ids, N_IDS, get_delta, a);
        tiny_generate_logits(logits, tiny.model, a, N_IDS);
        assert_close(logits, expected, N_IDS * TINY_VOCAB, 3e-5, 3e-5);
        eai_adapter_free(a);
    }
    tiny_llama_close(&tiny);
}

/* Dropout of the adapter's input: on with a seed alone, different for each seed, the same for the
 * same. */
static void run_dropout(float *out, const tiny_llama *tiny, const eai_adapter *a,
                        int32_t seed_value)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_plan *plan = NULL;
    eai_adapter_binding *bind = NULL;
    eai_model_inputs in;
    eai_tensor *const *tensors;
    eai_backend *backend = tiny_backend();
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_tensor *seed = seed_value >= 0 ? eai_input(g, "seed", EAI_I32, EAI_SHAPE1(2)) : NULL;
    assert_ok(eai_adapter_binding_create(&bind, a, g, seed, &err), &err);
    assert_int_equal(eai_adapter_binding_tensors(&tensors, bind), 2 * N_LINEARS);
    assert_int_equal(eai_tensor_shape(tensors[1])->dim[1], eai_adapter_rank(a));
    eai_model_build b = {.graph = g, .model = tiny->model};
    eai_adapter_binding_attach(bind, &b);
    eai_model_build_inputs(&in, &b, N_IDS);
    eai_tensor *h = eai_model_build_hidden(&b, &in);
    eai_graph_output(g, "logits", eai_model_build_logits(&b, h, NULL));
    eai_adapter_binding_free(bind);
    assert_ok(eai_graph_check(g, &err), &err);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    eai_graph_free(g);

    hash_fill_integers(tiny_input(plan, "ids"), HASH_STREAM_IDS, 5, N_IDS, TINY_VOCAB);
    for (int32_t t = 0; t < N_IDS; t++) {
        tiny_input(plan, "positions")[t] = t;
        tiny_input(plan, "start")[t] = 0;
        tiny_input(plan, "end")[t] = t + 1;
    }
    if (seed) {
        tiny_input(plan, "seed")[0] = seed_value;
        tiny_input(plan, "seed")[1] = 0;
    }
    assert_ok(eai_plan_run(plan, &err), &err);
    tiny_output(out, plan, "logits", N_IDS * TINY_VOCAB);
    eai_plan_free(plan);
    eai_backend_close(backend);
}

static void test_dropout_follows_the_seed(void **state)
{
    (void)state;
    static float off[N_IDS * TINY_VOCAB], one[N_IDS * TINY_VOCAB], again[N_IDS * TINY_VOCAB],
        two[N_IDS * TINY_VOCAB], plain[N_IDS * TINY_VOCAB];
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *a = NULL;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    opts.dropout = 0.25;
    assert_ok(eai_adapter_create(&a, tiny.model, &opts, &err), &err);
    fill_b(a, 0.3);
    run_dropout(off, &tiny, a, -1);
    run_dropout(one, &tiny, a, 1);
    run_dropout(again, &tiny, a, 1);
    run_dropout(two, &tiny, a, 2);
    tiny_generate_logits(plain, tiny.model, a, N_IDS);
    assert_close(off, plain, N_IDS * TINY_VOCAB, 1e-6, 1e-6);
    assert_memory_equal(one, again, sizeof(one));
    assert_memory_not_equal(one, two, sizeof(one));
    assert_memory_not_equal(one, off, sizeof(one));
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
}

/* ---- Files
 * --------------------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    eai_adapter *b = NULL;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter_opts opts = {5, 12, 0.125, "attention,up_proj", 3, true};
    eai_adapter *a = NULL;
    assert_ok(eai_adapter_create(&a, tiny.model, &opts, &err), &err);
    fill_b(a, 0.1);
    assert_ok(eai_adapter_save(a, dir, "some/base \"model\"", &err), &err);
    assert_ok(eai_adapter_load(&b, tiny.model, dir, &err), &err);

    const eai_parameter *p;
    const eai_parameter *q;
    size_t n = eai_adapter_parameters(&p, a);
    assert_int_equal(eai_adapter_parameters(&q, b), n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(p[i].name, q[i].name);
        assert_true(eai_shape_equal(&p[i].shape, &q[i].shape));
        assert_memory_equal(p[i].data, q[i].data,
                            (size_t)eai_shape_elements(&p[i].shape) * sizeof(float));
    }
    assert_int_equal(eai_adapter_rank(b), 5);
    assert_true(eai_adapter_alpha(b) == 12.0);
    assert_true(eai_adapter_dropout(b) == 0.125);
    assert_true(eai_adapter_rslora(b));
    assert_true(eai_adapter_scale(b) == eai_adapter_scale(a));
    assert_true(fabs(eai_adapter_scale(a) - 12 / sqrt(5)) < 1e-12);
    assert_string_equal(eai_adapter_targets(b), eai_adapter_targets(a));
    eai_adapter_free(a);
    eai_adapter_free(b);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* What PEFT reads: the exact set of keys in the tensors' file, and the fields of the config. */
static void test_files_are_pefts(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    eai_weights *w = NULL;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "v_proj,q_proj", 2);
    assert_ok(eai_adapter_save(a, dir, "base", &err), &err);

    assert_ok(eai_weights_open(&w, eai_test_path(dir, "adapter_model.safetensors"), &err), &err);
    assert_int_equal(eai_weights_count(w), 8);
    const eai_weight_tensor *t =
        eai_weights_find(w, "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight");
    assert_non_null(t);
    assert_int_equal(t->dtype, EAI_F32);
    assert_int_equal(t->shape.n_dims, 2);
    assert_int_equal(t->shape.dim[0], TINY_KV_HEADS * TINY_HEAD);
    assert_int_equal(t->shape.dim[1], 2);
    assert_string_equal(eai_weights_get_string(w, "format"), "pt");
    eai_weights_close(w);

    json_t *c =
        json_load_file(eai_test_path(dir, "adapter_config.json"), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(c);
    assert_string_equal(json_string_value(json_object_get(c, "peft_type")), "LORA");
    assert_string_equal(json_string_value(json_object_get(c, "task_type")), "CAUSAL_LM");
    assert_string_equal(json_string_value(json_object_get(c, "bias")), "none");
    assert_string_equal(json_string_value(json_object_get(c, "base_model_name_or_path")), "base");
    assert_int_equal(json_integer_value(json_object_get(c, "r")), 2);
    assert_true(json_number_value(json_object_get(c, "lora_alpha")) == 16.0);
    assert_true(json_is_false(json_object_get(c, "fan_in_fan_out")));
    const json_t *modules = json_object_get(c, "target_modules");
    assert_int_equal(json_array_size(modules), 2);
    assert_string_equal(json_string_value(json_array_get(modules, 0)), "q_proj");
    assert_string_equal(json_string_value(json_array_get(modules, 1)), "v_proj");
    json_decref(c);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* Saving and loading, with the n-th allocation failing: an error, and no half of an adapter. */
typedef struct file_job {
    const eai_model *model;
    const eai_adapter *adapter;
    const char *dir;
} file_job;

static eai_status save_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    return eai_adapter_save(job->adapter, job->dir, "base", err);
}

static eai_status load_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    eai_adapter *a = NULL;
    eai_status st = eai_adapter_load(&a, job->model, job->dir, err);
    eai_adapter_free(a);
    return st;
}

static eai_status merge_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    return eai_adapter_merge(job->adapter, job->model, job->dir, EAI_F32, err);
}

static void test_files_survive_every_failing_allocation(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "q_proj", 2);
    file_job job = {tiny.model, a, dir};
    eai_test_torture(save_once, &job);
    eai_test_torture(load_once, &job);
    eai_test_torture(merge_once, &job);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* The folder holds a whole adapter (a model) at all times once it had one. */
static void check_adapter(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(load_once(ud, &err), &err);
}

static void check_merged(void *ud)
{
    const file_job *job = ud;
    char path[512];
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    snprintf(path, sizeof(path), "%s/model.safetensors", job->dir);
    assert_ok(eai_weights_open(&w, path, &err), &err);
    assert_int_equal(eai_weights_count(w), eai_weights_count(eai_model_get_weights(job->model)));
    eai_weights_close(w);
}

static void test_files_survive_every_fault_of_the_disk(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    eai_error err = EAI_ERROR_INIT;
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "q_proj", 2);
    file_job job = {tiny.model, a, dir};
    assert_ok(save_once(&job, &err), &err);
    eai_test_io_torture(save_once, check_adapter, &job, dir);
    eai_test_io_torture(load_once, NULL, &job, dir);
    assert_ok(merge_once(&job, &err), &err);
    eai_test_io_torture(merge_once, check_merged, &job, dir);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void expect_refused(const eai_model *m, const char *dir, eai_status code, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *a = NULL;
    assert_fails(eai_adapter_load(&a, m, dir, &err), code, &err, text);
    assert_null(a);
}

#define GOOD "{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":8"

static void test_bad_configs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config, *text;
        eai_status code;
    } cases[] = {
        {"{", "adapter_config.json", EAI_ERR_FORMAT},
        {"[]", "peft_type", EAI_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"IA3\"}", "'peft_type' is 'IA3'; only 'LORA'", EAI_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"LORA\",\"lora_alpha\":8}", "'r' is missing", EAI_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":\"8\",\"lora_alpha\":8}", "'r' is not a number",
         EAI_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":2.5,\"lora_alpha\":8}", "'r' is 2.5", EAI_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":0,\"lora_alpha\":8}", "rank 0", EAI_ERR_ARGUMENT},
        {"{\"peft_type\":\"LORA\",\"r\":8}", "'lora_alpha' is missing", EAI_ERR_FORMAT},
        {"{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":-1}", "alpha -1", EAI_ERR_ARGUMENT},
        {"{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":8,\"use_dora\":true}", "'use_dora' is set",
         EAI_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":8,\"init_lora_weights\":\"pissa_niter_"
         "4\"}",
         "'init_lora_weights' is 'pissa_niter_4'", EAI_ERR_UNSUPPORTED},
        {"{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":8,\"bias\":\"all\"}", "'bias' is set",
         EAI_ERR_UNSUPPORTED},
        {GOOD ",\"fan_in_fan_out\":true}", "'fan_in_fan_out' is set, which is not supported",
         EAI_ERR_UNSUPPORTED},
        {GOOD ",\"rank_pattern\":{\"q_proj\":4}}",
         "q_proj.lora_A.weight': shape [8,32], where this model and the config ask for [4,32]",
         EAI_ERR_SHAPE},
        {GOOD ",\"rank_pattern\":{\"q_proj\":0}}",
         "adapter_config.json: 'rank_pattern' of 'q_proj' is 0, no whole number in 1 to 256",
         EAI_ERR_FORMAT},
        {GOOD ",\"rank_pattern\":{\"q_proj\":1.5}}", "'rank_pattern' of 'q_proj' is 1.5",
         EAI_ERR_FORMAT},
        {GOOD ",\"rank_pattern\":{\"q_proj\":\"4\"}}", "'rank_pattern' of 'q_proj' is not a number",
         EAI_ERR_FORMAT},
        {GOOD ",\"rank_pattern\":[4]}", "'rank_pattern' is no object", EAI_ERR_FORMAT},
        {GOOD ",\"alpha_pattern\":{\"(q_proj\":4}}",
         "pattern '(q_proj' is no regular expression: missing closing parenthesis", EAI_ERR_FORMAT},
        {GOOD ",\"alpha_pattern\":{\"q_proj\":-4}}",
         "'alpha_pattern' of 'q_proj' is -4, not above 0", EAI_ERR_FORMAT},
        {GOOD ",\"alpha_pattern\":{\"((.*)*)*[0-9]\":4}}", "pattern '((.*)*)*[0-9]' takes too long",
         EAI_ERR_LIMIT},
        {GOOD ",\"modules_to_save\":[\"lm_head\"]}",
         "tensor 'base_model.model.lm_head.weight' is missing", EAI_ERR_FORMAT},
        {GOOD ",\"modules_to_save\":[\"score\"]}",
         "'modules_to_save' has 'score'; supported: embed_tokens, lm_head", EAI_ERR_UNSUPPORTED},
        {GOOD ",\"modules_to_save\":\"lm_head\"}", "'modules_to_save' is no list", EAI_ERR_FORMAT},
    };
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "all", 8);
    assert_ok(eai_adapter_save(a, dir, "base", &err), &err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_text(eai_test_path(dir, "adapter_config.json"), cases[i].config);
        expect_refused(tiny.model, dir, cases[i].code, cases[i].text);
    }
    expect_refused(tiny.model, "/nonexistent", EAI_ERR_IO, "/nonexistent/adapter_config.json");
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* Writes tensors q_proj A and B of layer `layer` with the given shapes into `dir`. */
static void write_tensors(const char *dir, int layer, const char *module, eai_shape a, eai_shape b,
                          float value, bool with_b)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char name[128];
    static float zeros[4096];
    memset(zeros, 0, sizeof(zeros));
    zeros[3] = value;
    assert_ok(eai_weights_create(&w, "x", &err), &err);
    snprintf(name, sizeof(name), "base_model.model.model.layers.%d.self_attn.%s.lora_A.weight",
             layer, module);
    assert_ok(eai_weights_add(w, name, EAI_F32, &a, zeros, &err), &err);
    snprintf(name, sizeof(name), "base_model.model.model.layers.%d.self_attn.%s.lora_B.weight",
             layer, module);
    if (with_b)
        assert_ok(eai_weights_add(w, name, EAI_F32, &b, zeros, &err), &err);
    assert_ok(eai_weights_save(w, eai_test_path(dir, "adapter_model.safetensors"), NULL, &err),
              &err);
    eai_weights_close(w);
}

static void test_adapters_of_other_models_are_refused(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    eai_shape a = EAI_SHAPE2(4, 32);
    eai_shape b = EAI_SHAPE2(32, 4);
    tiny_llama_open(&tiny, EAI_F32, true);
    write_text(eai_test_path(dir, "adapter_config.json"),
               "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8,\"target_modules\":\".*q_proj\"}");

    write_tensors(dir, 1, "q_proj", a, b, 0, true); /* one layer alone is fine */
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *loaded = NULL;
    assert_ok(eai_adapter_load(&loaded, tiny.model, dir, &err), &err);
    const eai_parameter *p;
    assert_int_equal(eai_adapter_parameters(&p, loaded), 2);
    eai_adapter_free(loaded);

    write_tensors(dir, 0, "q_proj", EAI_SHAPE2(4, 64), b, 0, true);
    expect_refused(
        tiny.model, dir, EAI_ERR_SHAPE,
        "tensor 'base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight': shape [4,64], "
        "where this model and the config ask for [4,32]");
    write_tensors(dir, 0, "q_proj", a, EAI_SHAPE2(32, 8), 0, true);
    expect_refused(tiny.model, dir, EAI_ERR_SHAPE, "lora_B.weight': shape [32,8]");
    write_tensors(dir, 0, "q_proj", a, b, 0, false);
    expect_refused(tiny.model, dir, EAI_ERR_FORMAT, "q_proj.lora_B.weight' is missing");
    write_tensors(dir, 2, "q_proj", a, b, 0, true);
    expect_refused(
        tiny.model, dir, EAI_ERR_FORMAT,
        "layers.2.self_attn.q_proj.lora_A.weight' belongs to no layer of the model, which has 2 "
        "layers with down_proj");
    write_tensors(dir, 0, "qkv_proj", a, b, 0, true);
    expect_refused(tiny.model, dir, EAI_ERR_FORMAT, "belongs to no layer");
    write_tensors(dir, 0, "q_proj", a, b, NAN, true);
    expect_refused(tiny.model, dir, EAI_ERR_NUMERIC, "lora_A.weight': element 3 is nan");
    write_tensors(dir, 0, "q_proj", a, b, INFINITY, true);
    expect_refused(tiny.model, dir, EAI_ERR_NUMERIC, "element 3 is inf");
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* ---- Merging
 * ------------------------------------------------------------------------------------- */

static void check_merge(eai_dtype base, bool tied, eai_dtype dtype, double tolerance)
{
    static float unmerged[N_IDS * TINY_VOCAB];
    static float merged[N_IDS * TINY_VOCAB];
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    eai_weights *w = NULL;
    eai_model *m = NULL;
    tiny_llama tiny;
    tiny_llama_open(&tiny, base, tied);
    eai_adapter *a = make_adapter(tiny.model, "all", 4);
    fill_b(a, 0.3);
    tiny_generate_logits(unmerged, tiny.model, a, N_IDS);

    assert_ok(eai_adapter_merge(a, tiny.model, dir, dtype, &err), &err);
    assert_ok(eai_weights_open(&w, eai_test_path(dir, "model.safetensors"), &err), &err);
    assert_int_equal(eai_weights_count(w), 2 + 9 * TINY_LAYERS + (tied ? 0 : 1));
    for (size_t i = 0; i < eai_weights_count(w); i++)
        assert_int_equal(eai_weights_at(w, i)->dtype, dtype);
    assert_ok(eai_model_load(&m, w, &err), &err); /* by the config.json beside it */
    assert_int_equal(eai_model_get_config(m)->tied, tied);
    assert_int_equal(eai_model_get_config(m)->context, TINY_CONTEXT);
    assert_int_equal(eai_model_parameters(m), eai_model_parameters(tiny.model));
    json_t *config =
        json_load_file(eai_test_path(dir, "config.json"), JSON_REJECT_DUPLICATES, NULL);
    const char *class =
        json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    assert_non_null(class);
    assert_string_equal(class, "LlamaForCausalLM"); /* transformers chooses by it */
    json_decref(config);
    tiny_generate_logits(merged, m, NULL, N_IDS);
    assert_close(merged, unmerged, N_IDS * TINY_VOCAB, tolerance, tolerance);
    eai_model_free(m);
    eai_weights_close(w);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

static void test_merged_model_equals_unmerged(void **state)
{
    (void)state;
    check_merge(EAI_F32, true, EAI_F32, 1e-4);
    check_merge(EAI_Q4_1, false, EAI_F32, 1e-4);
    check_merge(EAI_Q8_0, true, EAI_F16, 2e-2);
    check_merge(EAI_F32, true, EAI_BF16, 2e-1);
}

static void test_bad_merges_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    const eai_parameter *p;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama other;
    tiny_llama_open(&tiny, EAI_F32, true);
    tiny_llama_open(&other, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, "all", 2);
    assert_fails(eai_adapter_merge(a, tiny.model, "/tmp", EAI_Q4_0, &err), EAI_ERR_ARGUMENT, &err,
                 "type q4_0: a merged model is f32, bf16 or f16");
    assert_fails(eai_adapter_merge(a, other.model, "/tmp", EAI_F32, &err), EAI_ERR_ARGUMENT, &err,
                 "another model");
    assert_fails(eai_adapter_merge(a, tiny.model, "/dev/null/x", EAI_F32, &err), EAI_ERR_IO, &err,
                 "/dev/null");
    /* values that the wanted type cannot hold leave no file */
    eai_adapter_parameters(&p, a);
    p[1].data[0] = 1e7f;
    assert_fails(eai_adapter_merge(a, tiny.model, dir, EAI_F16, &err), EAI_ERR_NUMERIC, &err,
                 "tensor 'model.layers.0.self_attn.q_proj.weight': row 0 has");
    p[1].data[0] = NAN;
    assert_fails(eai_adapter_merge(a, tiny.model, dir, EAI_F32, &err), EAI_ERR_NUMERIC, &err,
                 "f32");
    FILE *f = fopen(eai_test_path(dir, "model.safetensors"), "rb");
    assert_null(f);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    tiny_llama_close(&other);
    eai_test_remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_values),
        cmocka_unit_test(test_targets_choose_layers),
        cmocka_unit_test(test_bad_options_are_refused),
        cmocka_unit_test(test_creation_survives_every_failing_allocation),
        cmocka_unit_test(test_graph_adds_the_product),
        cmocka_unit_test(test_dropout_follows_the_seed),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_files_are_pefts),
        cmocka_unit_test(test_files_survive_every_failing_allocation),
        cmocka_unit_test(test_files_survive_every_fault_of_the_disk),
        cmocka_unit_test(test_bad_configs_are_refused),
        cmocka_unit_test(test_adapters_of_other_models_are_refused),
        cmocka_unit_test(test_merged_model_equals_unmerged),
        cmocka_unit_test(test_bad_merges_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
