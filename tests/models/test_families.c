/* Every family against transformers: the small models of tests/data/families (tests/data/README.md
 * describes them). What is guarded: what each family's configuration means, whole and sharded
 * files, the same weights from GGUF, all kinds of rotary scaling, sliding windows, decoding through
 * the cache, and gradients of adapters against PEFT's. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include <efficientai/adapter.h>
#include <efficientai/alloc.h>
#include <efficientai/generate.h>
#include <efficientai/npy.h>

#include "support/lora_step.h"
#include "support/tiny_llama.h"

enum { VOCAB = 64, N_IDS = 40, N_GREEDY = 16, RANK = 4 };

typedef struct family_case {
    const char *folder;
    const char *file;    /* of the weights */
    const char *variant; /* config_VARIANT.json in place of config.json; NULL: none */
} family_case;

#define WHOLE "model.safetensors"
#define INDEX "model.safetensors.index.json"
#define GGUF  "model.gguf"

static const family_case cases[] = {
    {"llama", WHOLE, NULL},       {"llama", GGUF, NULL},           {"llama3", WHOLE, NULL},
    {"llama3", GGUF, NULL},       {"llama3", WHOLE, "old_style"},  {"llama3", WHOLE, "linear"},
    {"llama3", WHOLE, "dynamic"}, {"llama3", WHOLE, "yarn"},       {"llama3", WHOLE, "yarn_scaled"},
    {"mistral", INDEX, NULL},     {"mistral", INDEX, "no_window"}, {"qwen2", WHOLE, NULL},
    {"qwen2", GGUF, NULL},        {"qwen2", WHOLE, "window"},      {"qwen2", WHOLE, "yarn"},
    {"qwen3", INDEX, NULL},       {"qwen3", GGUF, NULL},           {"qwen3", INDEX, "yarn"},
    {"smollm3", WHOLE, NULL},     {"smollm3", GGUF, NULL},         {"smollm3", WHOLE, "window"},
    {"gemma3", WHOLE, NULL},      {"gemma3", GGUF, NULL},          {"gemma3", WHOLE, "old_style"},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- Files
 * --------------------------------------------------------------------------------------- */

typedef struct subject {
    const family_case *c;
    eai_weights *weights;
    eai_model *model;
    eai_backend *backend;
    eai_npy *ids;
    char *folder; /* of a variant: links to the case's files; else NULL */
} subject;

static eai_npy *load(const family_case *c, const char *what)
{
    char path[1024];
    eai_npy *a = NULL;
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/families/%s/%s.npy", EAI_TEST_DATA, c->folder, what);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    return a;
}

static void link_file(const char *folder, const char *name, const char *from, const char *target)
{
    char to[1024];
    char path[1024];
    snprintf(to, sizeof(to), "%s/%s", folder, name);
    snprintf(path, sizeof(path), "%s/%s", from, target);
    assert_int_equal(symlink(path, to), 0);
}

/* A folder with the case's weights and the variant's configuration under the usual name. */
static char *make_variant(const family_case *c, const char *from)
{
    char config[64];
    char shard[64];
    char *folder = eai_test_make_folder();
    snprintf(config, sizeof(config), "config_%s.json", c->variant);
    link_file(folder, "config.json", from, config);
    link_file(folder, c->file, from, c->file);
    for (int n = 2; n <= 4; n += 2) { /* names of the shards of either folder; some lead nowhere */
        for (int i = 1; i <= n; i++) {
            snprintf(shard, sizeof(shard), "model-%05d-of-%05d.safetensors", i, n);
            link_file(folder, shard, from, shard);
        }
    }
    return folder;
}

static void open_subject(subject *s, const family_case *c)
{
    eai_error err = EAI_ERROR_INIT;
    char from[1024];
    char path[1200];
    *s = (subject){.c = c};
    snprintf(from, sizeof(from), "%s/families/%s", EAI_TEST_DATA, c->folder);
    if (c->variant)
        s->folder = make_variant(c, from);
    snprintf(path, sizeof(path), "%s/%s", s->folder ? s->folder : from, c->file);
    assert_ok(eai_weights_open(&s->weights, path, &err), &err);
    assert_ok(eai_model_load(&s->model, s->weights, &err), &err);
    assert_ok(eai_model_check_values(s->model, &err), &err);
    s->backend = tiny_backend();
    s->ids = load(c, "ids");
    assert_int_equal(s->ids->shape.dim[0], N_IDS);
    assert_int_equal(eai_model_get_config(s->model)->vocab, VOCAB);
}

static void close_subject(subject *s)
{
    eai_npy_free(s->ids);
    eai_backend_close(s->backend);
    eai_model_free(s->model);
    eai_weights_close(s->weights);
    if (s->folder)
        eai_test_remove_folder(s->folder);
}

/* ---- Logits
 * -------------------------------------------------------------------------------------- */

/* All logits of the case against transformers', relative to the largest. */
static void compare_logits(const family_case *c, const char *way, const float *logits)
{
    char what[64] = "logits";
    double worst = 0;
    double largest = 0;

    if (c->variant)
        snprintf(what, sizeof(what), "logits_%s", c->variant);
    eai_npy *expected = load(c, what);
    const float *e = expected->data;
    assert_int_equal(eai_shape_elements(&expected->shape), N_IDS * VOCAB);
    for (int i = 0; i < N_IDS * VOCAB; i++) {
        assert_true(isfinite(logits[i]));
        worst = eai_test_worse(worst, fabs((double)logits[i] - (double)e[i]));
        largest = eai_test_worse(largest, fabs((double)e[i]));
    }
    print_message("%s %s %s, %s: worst error of a logit %.2g of the largest\n", c->folder, c->file,
                  c->variant ? c->variant : "", way, worst / largest);
    assert_true(worst / largest < 1e-5);
    eai_npy_free(expected);
}

static void test_logits_are_those_of_transformers(void **state)
{
    (void)state;
    static float logits[N_IDS * VOCAB];
    for (size_t i = 0; i < N_CASES; i++) {
        eai_error err = EAI_ERROR_INIT;
        subject s;
        open_subject(&s, &cases[i]);
        assert_ok(eai_generate_logits(logits, s.model, NULL, s.backend, s.ids->data, N_IDS, &err),
                  &err);
        compare_logits(&cases[i], "at once", logits);
        close_subject(&s);
    }
}

/* A plan for one token through a cache of N_IDS rows. */
static eai_plan *make_step(const subject *s, const eai_model_cache *cache)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_plan *plan = NULL;
    eai_model_inputs in;
    assert_ok(eai_graph_create(&g, &err), &err);
    eai_model_build b = {.graph = g, .model = s->model, .cache = cache};
    eai_model_build_inputs(&in, &b, 1);
    eai_graph_output(g, "logits",
                     eai_model_build_logits(&b, eai_model_build_hidden(&b, &in), NULL));
    assert_ok(eai_graph_check(g, &err), &err);
    assert_ok(eai_plan_create(&plan, g, s->backend, &err), &err);
    eai_graph_free(g);
    return plan;
}

static void test_token_by_token_is_the_same(void **state)
{
    (void)state;
    static float logits[N_IDS * VOCAB];
    for (size_t i = 0; i < N_CASES; i++) {
        eai_error err = EAI_ERROR_INIT;
        subject s;
        size_t bytes;
        eai_model_cache cache = {.n_context = N_IDS};
        open_subject(&s, &cases[i]);
        assert_true(eai_model_cache_bytes(&bytes, s.model, N_IDS));
        cache.keys = calloc(1, bytes);
        cache.values = calloc(1, bytes);
        assert_true(cache.keys && cache.values);
        eai_plan *plan = make_step(&s, &cache);
        for (int32_t t = 0; t < N_IDS; t++) {
            tiny_input(plan, "ids")[0] = ((const int32_t *)s.ids->data)[t];
            tiny_input(plan, "positions")[0] = t;
            tiny_input(plan, "at")[0] = t;
            tiny_input(plan, "start")[0] = 0;
            tiny_input(plan, "end")[0] = t + 1;
            assert_ok(eai_plan_run(plan, &err), &err);
            tiny_output(logits + (ptrdiff_t)t * VOCAB, plan, "logits", VOCAB);
        }
        compare_logits(&cases[i], "token by token", logits);
        eai_plan_free(plan);
        free(cache.keys);
        free(cache.values);
        close_subject(&s);
    }
}

/* The generator: the prompt in pieces, then on through the cache. */
static void test_greedy_decoding_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        eai_error err = EAI_ERROR_INIT;
        subject s;
        eai_generator *gen = NULL;
        eai_generation r;
        eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
        if (cases[i].variant)
            continue;
        open_subject(&s, &cases[i]);
        eai_npy *expected = load(&cases[i], "greedy");
        opts.max_tokens = N_GREEDY;
        assert_ok(eai_generator_create(&gen, s.model, NULL, s.backend, NULL, NULL, &err), &err);
        assert_ok(eai_generator_run(&r, gen, s.ids->data, N_IDS, &opts, &err), &err);
        assert_int_equal(r.n_ids, N_GREEDY);
        assert_memory_equal(r.ids, expected->data, N_GREEDY * sizeof(int32_t));
        eai_generation_deinit(&r);
        eai_generator_free(gen);
        eai_npy_free(expected);
        close_subject(&s);
    }
}

/* ---- Adapters
 * ------------------------------------------------------------------------------------ */

/* Fills every tensor by the formula; its number is its place in the byte order of the names. */
static void fill_adapter(eai_adapter *a)
{
    const eai_parameter *p;
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 0; i < n; i++) {
        uint64_t place = 0;
        bool is_b = strstr(p[i].name, "lora_B") != NULL;
        for (size_t j = 0; j < n; j++)
            place += strcmp(p[j].name, p[i].name) < 0;
        hash_fill_uniform(p[i].data, is_b ? HASH_STREAM_LORA_B : HASH_STREAM_LORA_A, place,
                          (size_t)eai_shape_elements(&p[i].shape),
                          is_b ? 0.1 : 1.0 / sqrt((double)p[i].shape.dim[1]));
    }
}

static void test_adapter_gradients_are_those_of_peft(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        eai_error err = EAI_ERROR_INIT;
        subject s;
        eai_adapter *a = NULL;
        eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
        float measured[2];
        if (cases[i].variant)
            continue;
        open_subject(&s, &cases[i]);
        eai_npy *expected = load(&cases[i], "lora");
        opts.rank = RANK;
        opts.alpha = 2.0 * RANK;
        assert_ok(eai_adapter_create(&a, s.model, &opts, &err), &err);
        fill_adapter(a);
        lora_step_run(measured, s.model, a, s.backend, s.ids->data, N_IDS);
        print_message("%s %s: loss %.6f, gradient norm %.6f\n", cases[i].folder, cases[i].file,
                      (double)measured[0], (double)measured[1]);
        assert_close(measured, expected->data, 2, 1e-4, 0);
        eai_adapter_free(a);
        eai_npy_free(expected);
        close_subject(&s);
    }
}

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

/* $EFFICIENTAI_TEST_KEEP/CASE, for `tools/oracles/families.py --read`; else a temporary folder. */
static char *make_output(const family_case *c)
{
    const char *keep = getenv("EFFICIENTAI_TEST_KEEP");
    if (!keep)
        return eai_test_make_folder();
    const char *kind = strcmp(c->file, GGUF) == 0 ? "gguf" : c->variant ? c->variant : "config";
    return eai_asprintf("%s/%s-%s", keep, c->folder, kind);
}

/* What is written as a folder of Hugging Face's, config.json included, is the model that was read.
 */
static void test_written_folders_are_the_same_model(void **state)
{
    (void)state;
    static float logits[N_IDS * VOCAB];
    for (size_t i = 0; i < N_CASES; i++) {
        eai_error err = EAI_ERROR_INIT;
        char path[1200];
        subject s;
        eai_weights *w = NULL;
        eai_model *m = NULL;
        open_subject(&s, &cases[i]);
        char *folder = make_output(&cases[i]);
        snprintf(path, sizeof(path), "%s/model.safetensors", folder);
        eai_status st = eai_adapter_merge(NULL, s.model, folder, EAI_F32, &err);
        if (eai_model_get_config(s.model)->rope_scaling.type == EAI_ROPE_TABLE) {
            assert_fails(st, EAI_ERR_UNSUPPORTED, &err, "config.json cannot state the frequencies");
        } else {
            assert_ok(st, &err);
            assert_ok(eai_weights_open(&w, path, &err), &err);
            assert_ok(eai_model_load(&m, w, &err), &err);
            assert_ok(eai_generate_logits(logits, m, NULL, s.backend, s.ids->data, N_IDS, &err),
                      &err);
            compare_logits(&cases[i], "written", logits);
        }
        eai_model_free(m);
        eai_weights_close(w);
        if (getenv("EFFICIENTAI_TEST_KEEP"))
            eai_free(folder);
        else
            eai_test_remove_folder(folder);
        close_subject(&s);
    }
}

static eai_status load_once(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_model *m = NULL;
    eai_status st = eai_weights_open(&w, ud, err);
    if (st == EAI_OK)
        st = eai_model_load(&m, w, err);
    eai_model_free(m);
    eai_weights_close(w);
    return st;
}

static void test_loading_survives_every_failing_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        char path[1024];
        if (cases[i].variant)
            continue;
        snprintf(path, sizeof(path), "%s/families/%s/%s", EAI_TEST_DATA, cases[i].folder,
                 cases[i].file);
        eai_test_torture(load_once, path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_are_those_of_transformers),
        cmocka_unit_test(test_token_by_token_is_the_same),
        cmocka_unit_test(test_greedy_decoding_is_the_same),
        cmocka_unit_test(test_adapter_gradients_are_those_of_peft),
        cmocka_unit_test(test_written_folders_are_the_same_model),
        cmocka_unit_test(test_loading_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
