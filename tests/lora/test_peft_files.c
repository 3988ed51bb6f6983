/* An adapter that PEFT wrote, and what it computes: tests/data/peft_tiny (its README describes it).
 * What is guarded: keys, row order, scale and config as PEFT means them. The other direction, PEFT
 * reading our files, needs PEFT: tools/oracles has a script for it. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/generate.h>
#include <efficientai/npy.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapter_of_peft_computes_the_same),
        cmocka_unit_test(test_names_and_shapes_are_pefts),
        cmocka_unit_test(test_other_models_refuse_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
