/* Adapters that PEFT wrote, and what they compute: tests/data/peft_tiny and peft_adapters (the
 * README there describes them). What is guarded: keys, row order, scale and config as PEFT means
 * them; ranks and alphas by pattern, layers by pattern, an embedding or a head of the adapter's
 * own; and the way back through our files. The other direction, PEFT reading our files, needs PEFT:
 * tools/oracles/peft_adapters.py --read. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/generate.h>
#include <efficientai/npy.h>

#include "support/lora_step.h"
#include "support/tiny_llama.h"

enum { VOCAB = 320 };

static eai_npy *load(const char *name)
{
    char path[1024];
    eai_npy *a = NULL;
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/peft_tiny/%s.npy", EAI_TEST_DATA, name);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    return a;
}

/* The fixture's logits lie one sequence after the other. */
static void check_logits(const tiny_llama *tiny, const eai_adapter *a, const char *fixture)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *backend = tiny_backend();
    eai_npy *ids = load("one_step_ids");
    eai_npy *lengths = load("one_step_lengths");
    eai_npy *expected = load(fixture);
    const float *e = expected->data;

    assert_int_equal(expected->shape.dim[1], VOCAB);
    for (int64_t r = 0; r < ids->shape.dim[0]; r++) {
        size_t n = (size_t)((const int32_t *)lengths->data)[r];
        const int32_t *row = (const int32_t *)ids->data + r * ids->shape.dim[1];
        float *logits = malloc(n * VOCAB * sizeof(float));
        assert_non_null(logits);
        assert_ok(eai_generate_logits(logits, tiny->model, a, backend, row, n, &err), &err);
        assert_close(logits, e, n * VOCAB, 1e-4, 1e-4);
        e += n * VOCAB;
        free(logits);
    }
    eai_npy_free(ids);
    eai_npy_free(lengths);
    eai_npy_free(expected);
    eai_backend_close(backend);
}

static void test_adapter_of_peft_computes_the_same(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    tiny_llama tiny;
    eai_adapter *a = NULL;
    tiny_llama_open_peft(&tiny);
    check_logits(&tiny, NULL, "base_logits");
    assert_ok(eai_adapter_load(&a, tiny.model, EAI_TEST_DATA "/peft_tiny/adapter", &err), &err);
    assert_int_equal(eai_adapter_rank(a), 4);
    assert_true(eai_adapter_scale(a) == 2.0);
    check_logits(&tiny, a, "tuned_logits");
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
}

/* Its tensors are ours: an adapter made here, filled by the fixture's formula, has the same bits.
 */
static void test_names_and_shapes_are_pefts(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    tiny_llama tiny;
    eai_weights *w = NULL;
    eai_adapter *a = NULL;
    const eai_parameter *p;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    opts.rank = 4;
    tiny_llama_open_peft(&tiny);
    assert_ok(eai_adapter_create(&a, tiny.model, &opts, &err), &err);
    assert_ok(
        eai_weights_open(&w, EAI_TEST_DATA "/peft_tiny/adapter/adapter_model.safetensors", &err),
        &err);
    size_t n = eai_adapter_parameters(&p, a);
    assert_int_equal(n, eai_weights_count(w));
    for (size_t i = 0; i < n; i++) {
        const eai_weight_tensor *t = eai_weights_find(w, p[i].name);
        assert_non_null(t);
        assert_true(eai_shape_equal(&t->shape, &p[i].shape));
    }
    eai_weights_close(w);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
}

static void test_other_models_refuse_it(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    tiny_llama other;
    eai_adapter *a = NULL;
    tiny_llama_open(&other, EAI_F32, true);
    assert_fails(eai_adapter_load(&a, other.model, EAI_TEST_DATA "/peft_tiny/adapter", &err),
                 EAI_ERR_SHAPE, &err, "q_proj.lora_A.weight': shape [4,64], where this model");
    assert_null(a);
    tiny_llama_close(&other);
}

/* ---- Adapters of every kind, on the models of tests/data/families
 * --------------------------------- */

enum { N_IDS = 40, FAMILY_VOCAB = 64 };

typedef struct adapter_case {
    const char *name, *model, *file;
    size_t n_parameters;
} adapter_case;

static const adapter_case adapter_cases[] = {
    {"patterns", "llama3", "model.safetensors", 28},
    {"patterns_rslora", "llama3", "model.safetensors", 8},
    {"first_match", "llama3", "model.safetensors", 4},
    {"regex", "llama", "model.safetensors", 6},
    {"excluded", "qwen3", "model.safetensors.index.json", 6},
    {"layers", "gemma3", "model.safetensors", 8},
    {"head", "llama", "model.safetensors", 5},
    {"embedding", "llama", "model.safetensors", 5},
    {"tied_head", "llama3", "model.safetensors", 5},
    {"tied_embedding", "llama3", "model.safetensors", 5},
    {"tied_both", "gemma3", "model.safetensors", 8},
};
#define N_ADAPTER_CASES (sizeof(adapter_cases) / sizeof(adapter_cases[0]))

static eai_npy *load_from(const char *folder, const char *sub, const char *name)
{
    char path[1024];
    eai_npy *a = NULL;
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/%s/%s/%s.npy", EAI_TEST_DATA, folder, sub, name);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    return a;
}

static void open_model(tiny_llama *t, const adapter_case *c)
{
    char path[1024];
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/families/%s/%s", EAI_TEST_DATA, c->model, c->file);
    assert_ok(eai_weights_open(&t->weights, path, &err), &err);
    assert_ok(eai_model_load(&t->model, t->weights, &err), &err);
}

static const char *adapter_folder(const adapter_case *c)
{
    static char path[1024];
    snprintf(path, sizeof(path), "%s/peft_adapters/%s", EAI_TEST_DATA, c->name);
    return path;
}

/* The model's logits with adapter `a` (or none) against PEFT's, relative to the largest. */
static void check_case(const adapter_case *c, const char *way, const eai_model *m,
                       const eai_adapter *a)
{
    static float logits[N_IDS * FAMILY_VOCAB];
    eai_error err = EAI_ERROR_INIT;
    eai_backend *backend = tiny_backend();
    eai_npy *ids = load_from("families", c->model, "ids");
    eai_npy *expected = load_from("peft_adapters", c->name, "logits");
    const float *e = expected->data;
    double worst = 0;
    double largest = 0;
    assert_ok(eai_generate_logits(logits, m, a, backend, ids->data, N_IDS, &err), &err);
    for (int i = 0; i < N_IDS * FAMILY_VOCAB; i++) {
        double wrong = fabs((double)logits[i] - (double)e[i]);
        if (!(wrong <= worst)) /* NaN too */
            worst = wrong;
        if (fabs((double)e[i]) > largest)
            largest = fabs((double)e[i]);
    }
    print_message("%s, %s: worst error of a logit %.2g of the largest\n", c->name, way,
                  worst / largest);
    assert_true(worst / largest < 1e-5);
    eai_npy_free(ids);
    eai_npy_free(expected);
    eai_backend_close(backend);
}

/* Loss and gradient norm, of an embedding or a head of the adapter's own as well. */
static void check_step(const adapter_case *c, const eai_model *m, const eai_adapter *a)
{
    float measured[2];
    eai_backend *backend = tiny_backend();
    eai_npy *ids = load_from("families", c->model, "ids");
    eai_npy *expected = load_from("peft_adapters", c->name, "step");
    lora_step_run(measured, m, a, backend, ids->data, N_IDS);
    assert_close(measured, expected->data, 2, 1e-4, 0);
    eai_npy_free(ids);
    eai_npy_free(expected);
    eai_backend_close(backend);
}

static void test_every_kind_computes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ADAPTER_CASES; i++) {
        const adapter_case *c = &adapter_cases[i];
        eai_error err = EAI_ERROR_INIT;
        const eai_parameter *p;
        tiny_llama t;
        eai_adapter *a = NULL;
        open_model(&t, c);
        assert_ok(eai_adapter_load(&a, t.model, adapter_folder(c), &err), &err);
        assert_int_equal(eai_adapter_parameters(&p, a), c->n_parameters);
        check_case(c, "loaded", t.model, a);
        check_step(c, t.model, a);
        eai_adapter_free(a);
        tiny_llama_close(&t);
    }
}

/* Saved and loaded again, for PEFT too: $EFFICIENTAI_TEST_KEEP/CASE is what `peft_adapters.py
 * --read` takes. */
static void test_every_kind_survives_saving(void **state)
{
    (void)state;
    const char *keep = getenv("EFFICIENTAI_TEST_KEEP");
    char *temporary = eai_test_make_folder();
    for (size_t i = 0; i < N_ADAPTER_CASES; i++) {
        const adapter_case *c = &adapter_cases[i];
        char folder[1024];
        eai_error err = EAI_ERROR_INIT;
        tiny_llama t;
        eai_adapter *a = NULL;
        snprintf(folder, sizeof(folder), "%s/%s", keep ? keep : temporary, c->name);
        open_model(&t, c);
        assert_ok(eai_adapter_load(&a, t.model, adapter_folder(c), &err), &err);
        assert_ok(eai_adapter_save(a, folder, c->model, &err), &err);
        eai_adapter_free(a);
        assert_ok(eai_adapter_load(&a, t.model, folder, &err), &err);
        check_case(c, "saved", t.model, a);
        eai_adapter_free(a);
        tiny_llama_close(&t);
    }
    eai_test_remove_folder(temporary);
}

/* Merged into the weights: a head of the adapter's own makes a tied model untied. */
static void test_every_kind_can_be_merged(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ADAPTER_CASES; i++) {
        const adapter_case *c = &adapter_cases[i];
        char path[1024];
        char *folder = eai_test_make_folder();
        eai_error err = EAI_ERROR_INIT;
        tiny_llama t;
        tiny_llama merged;
        eai_adapter *a = NULL;
        open_model(&t, c);
        assert_ok(eai_adapter_load(&a, t.model, adapter_folder(c), &err), &err);
        assert_ok(eai_adapter_merge(a, t.model, folder, EAI_F32, &err), &err);
        snprintf(path, sizeof(path), "%s/model.safetensors", folder);
        assert_ok(eai_weights_open(&merged.weights, path, &err), &err);
        assert_ok(eai_model_load(&merged.model, merged.weights, &err), &err);
        bool own = c->n_parameters % 2 == 1 || strcmp(c->name, "tied_both") == 0;
        assert_int_equal(eai_model_get_config(merged.model)->tied,
                         eai_model_get_config(t.model)->tied && !own);
        check_case(c, "merged", merged.model, NULL);
        tiny_llama_close(&merged);
        eai_adapter_free(a);
        tiny_llama_close(&t);
        eai_test_remove_folder(folder);
    }
}

typedef struct load_job {
    const eai_model *model;
    const char *folder;
} load_job;

static eai_status load_once(void *ud, eai_error *err)
{
    const load_job *job = ud;
    eai_adapter *a = NULL;
    eai_status st = eai_adapter_load(&a, job->model, job->folder, err);
    eai_adapter_free(a);
    return st;
}

static void test_loading_survives_every_failing_allocation(void **state)
{
    (void)state;
    static const size_t chosen[] = {0, 10}; /* patterns; whole modules */
    for (size_t i = 0; i < 2; i++) {
        const adapter_case *c = &adapter_cases[chosen[i]];
        tiny_llama t;
        open_model(&t, c);
        eai_test_torture(load_once, &(load_job){t.model, adapter_folder(c)});
        tiny_llama_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapter_of_peft_computes_the_same),
        cmocka_unit_test(test_names_and_shapes_are_pefts),
        cmocka_unit_test(test_other_models_refuse_it),
        cmocka_unit_test(test_every_kind_computes_the_same),
        cmocka_unit_test(test_every_kind_survives_saving),
        cmocka_unit_test(test_every_kind_can_be_merged),
        cmocka_unit_test(test_loading_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
