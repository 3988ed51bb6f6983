/* Adapters in mlx-lm's layout: its keys, shapes and config, the same values on the way back, and
 * what is refused. That mlx-lm itself reads them and gives the same logits:
 * tools/oracles/mlx_lm_both_ways.py. */
#include "support/eai_test.h"

#include <math.h>
#include <unistd.h>

#include <jansson.h>

#include <efficientai/adapter.h>

#include "support/tiny_llama.h"

static eai_adapter *make_adapter(const eai_model *m, eai_adapter_opts opts)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter *a = NULL;
    const eai_parameter *p;
    assert_ok(eai_adapter_create(&a, m, &opts, &err), &err);
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 1; i < n; i += 2)
        hash_fill_uniform(p[i].data, HASH_STREAM_LORA_B, i, (size_t)eai_shape_elements(&p[i].shape),
                          0.1);
    return a;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void values_come_back(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    eai_adapter *b = NULL;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a =
        make_adapter(tiny.model, (eai_adapter_opts){5, 12, 0.125, "attention,up_proj", 3, true});
    assert_ok(eai_adapter_save_as(a, dir, "base", EAI_ADAPTER_MLX, &err), &err);
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
    assert_true(eai_adapter_dropout(b) == 0.125);
    assert_true(fabs(eai_adapter_scale(b) - 12 / sqrt(5)) < 1e-12);
    assert_string_equal(eai_adapter_targets(b), eai_adapter_targets(a));
    eai_adapter_free(a);
    eai_adapter_free(b);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* lora_a is A transposed, [n_in, r]; lora_b is B transposed, [r, n_out]. */
static void files_are_mlx_lms(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    eai_weights *w = NULL;
    const eai_parameter *p;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a =
        make_adapter(tiny.model, (eai_adapter_opts){4, 14, 0.25, "q_proj,down_proj", 3, false});
    assert_ok(eai_adapter_save_as(a, dir, "base", EAI_ADAPTER_MLX, &err), &err);
    assert_ok(eai_weights_open(&w, eai_test_path(dir, "adapters.safetensors"), &err), &err);
    assert_int_equal(eai_weights_count(w), 8);
    const eai_weight_tensor *t = eai_weights_find(w, "model.layers.1.mlp.down_proj.lora_b");
    assert_non_null(t);
    assert_true(eai_shape_equal(&t->shape, &EAI_SHAPE2(4, 32)));
    assert_int_equal(eai_adapter_parameters(&p, a), 8);
    assert_string_equal(p[7].name, "base_model.model.model.layers.1.mlp.down_proj.lora_B.weight");
    for (int64_t r = 0; r < 4; r++)
        for (int64_t j = 0; j < 32; j++)
            assert_true(((const float *)t->data)[r * 32 + j] == p[7].data[j * 4 + r]);
    eai_weights_close(w);

    json_t *root = json_load_file(eai_test_path(dir, "adapter_config.json"), 0, NULL);
    json_t *parameters = json_object_get(root, "lora_parameters");
    json_t *keys = json_object_get(parameters, "keys");
    assert_string_equal(json_string_value(json_object_get(root, "fine_tune_type")), "lora");
    assert_int_equal(json_integer_value(json_object_get(root, "num_layers")), 2);
    assert_int_equal(json_integer_value(json_object_get(parameters, "rank")), 4);
    assert_true(json_number_value(json_object_get(parameters, "scale")) == 3.5);
    assert_true(json_number_value(json_object_get(parameters, "dropout")) == 0.25);
    assert_int_equal(json_array_size(keys), 2);
    assert_string_equal(json_string_value(json_array_get(keys, 0)), "self_attn.q_proj");
    assert_string_equal(json_string_value(json_array_get(keys, 1)), "mlp.down_proj");
    json_decref(root);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* One layer of the last block alone: num_layers is 1, and only its key is there. */
static void some_layers_alone(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    char *again = eai_test_make_folder();
    tiny_llama tiny;
    eai_weights *w = NULL;
    eai_adapter *a = NULL;
    static const float values[4 * 32] = {0.5F, 0.25F};
    tiny_llama_open(&tiny, EAI_F32, true);
    assert_ok(eai_weights_create(&w, "x", &err), &err);
    assert_ok(eai_weights_add(w, "model.layers.1.self_attn.o_proj.lora_a", EAI_F32,
                              &EAI_SHAPE2(32, 4), values, &err),
              &err);
    assert_ok(eai_weights_add(w, "model.layers.1.self_attn.o_proj.lora_b", EAI_F32,
                              &EAI_SHAPE2(4, 32), values, &err),
              &err);
    assert_ok(eai_weights_save(w, eai_test_path(dir, "adapters.safetensors"), NULL, &err), &err);
    eai_weights_close(w);
    write_text(eai_test_path(dir, "adapter_config.json"),
               "{\"num_layers\": 2, \"lora_parameters\": {\"rank\": 4, \"scale\": 20.0}}");
    assert_ok(eai_adapter_load(&a, tiny.model, dir, &err), &err);
    assert_int_equal(eai_adapter_parameter_count(a), 2 * 4 * 32);
    assert_true(eai_adapter_scale(a) == 20 && eai_adapter_dropout(a) == 0);
    assert_ok(eai_adapter_save_as(a, again, "base", EAI_ADAPTER_MLX, &err), &err);
    json_t *root = json_load_file(eai_test_path(again, "adapter_config.json"), 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "num_layers")), 1);
    assert_int_equal(
        json_array_size(json_object_get(json_object_get(root, "lora_parameters"), "keys")), 1);
    json_decref(root);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
    eai_test_remove_folder(again);
}

#define GOOD "{\"num_layers\":2,\"lora_parameters\":{\"rank\":4,\"scale\":2"

static void bad_ones_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config, *text;
        eai_status code;
    } cases[] = {
        {"{\"fine_tune_type\":\"dora\"}", "'fine_tune_type' is 'dora'; only 'lora'",
         EAI_ERR_UNSUPPORTED},
        {"{\"fine_tune_type\":7}", "'fine_tune_type' is '(no text)'", EAI_ERR_UNSUPPORTED},
        {"{}", "'lora_parameters' is missing", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":[]}", "'lora_parameters' is no object", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"scale\":2}}", "'rank' is missing", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"rank\":4}}", "'scale' is missing", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"rank\":4,\"scale\":\"2\"}}", "'scale' is not a number",
         EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"rank\":2.5,\"scale\":2}}", "'rank' is 2.5", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"rank\":0,\"scale\":2}}", "rank 0", EAI_ERR_ARGUMENT},
        {"{\"lora_parameters\":{\"rank\":300,\"scale\":2}}", "rank 300", EAI_ERR_ARGUMENT},
        {"{\"lora_parameters\":{\"rank\":4,\"scale\":-2}}", "alpha -8", EAI_ERR_ARGUMENT},
        {GOOD ",\"dropout\":1}}", "dropout 1", EAI_ERR_ARGUMENT},
        {GOOD ",\"dropout\":null}}", "'dropout' is not a number", EAI_ERR_FORMAT},
        {"{\"lora_parameters\":{\"rank\":5,\"scale\":2}}",
         "lora_a': shape [32,4], where this model and the config ask for [32,5]", EAI_ERR_SHAPE},
    };
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, (eai_adapter_opts){4, 8, 0, "q_proj", 3, false});
    eai_adapter *b = NULL;
    assert_ok(eai_adapter_save_as(a, dir, "base", EAI_ADAPTER_MLX, &err), &err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_text(eai_test_path(dir, "adapter_config.json"), cases[i].config);
        assert_fails(eai_adapter_load(&b, tiny.model, dir, &err), cases[i].code, &err,
                     cases[i].text);
        assert_null(b);
    }
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

/* PEFT states ranks and alphas of single layers; mlx-lm does not. Nothing is written then. */
static void what_it_cannot_state_is_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    char *dir = eai_test_make_folder();
    char *other = eai_test_make_folder();
    tiny_llama tiny;
    eai_adapter *b = NULL;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a =
        make_adapter(tiny.model, (eai_adapter_opts){4, 8, 0, "q_proj,v_proj", 3, false});
    assert_ok(eai_adapter_save(a, dir, "base", &err), &err);
    write_text(
        eai_test_path(dir, "adapter_config.json"),
        "{\"peft_type\":\"LORA\",\"r\":4,\"lora_alpha\":8,\"alpha_pattern\":{\"v_proj\":3}}");
    assert_ok(eai_adapter_load(&b, tiny.model, dir, &err), &err);
    assert_fails(eai_adapter_save_as(b, other, "base", EAI_ADAPTER_MLX, &err), EAI_ERR_UNSUPPORTED,
                 &err, "layers.0.self_attn.v_proj has rank 4 and alpha 3, others 4 and 8");
    assert_true(access(eai_test_path(other, "adapters.safetensors"), F_OK) != 0);
    eai_adapter_free(a);
    eai_adapter_free(b);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
    eai_test_remove_folder(other);
}

typedef struct file_job {
    const eai_model *model;
    const eai_adapter *adapter;
    const char *dir;
} file_job;

static eai_status save_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    return eai_adapter_save_as(job->adapter, job->dir, "base", EAI_ADAPTER_MLX, err);
}

static eai_status load_once(void *ud, eai_error *err)
{
    const file_job *job = ud;
    eai_adapter *a = NULL;
    eai_status st = eai_adapter_load(&a, job->model, job->dir, err);
    eai_adapter_free(a);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    char *dir = eai_test_make_folder();
    tiny_llama tiny;
    tiny_llama_open(&tiny, EAI_F32, true);
    eai_adapter *a = make_adapter(tiny.model, (eai_adapter_opts){2, 8, 0, "q_proj", 3, false});
    file_job job = {tiny.model, a, dir};
    eai_test_torture(save_once, &job);
    eai_test_torture(load_once, &job);
    eai_adapter_free(a);
    tiny_llama_close(&tiny);
    eai_test_remove_folder(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(files_are_mlx_lms),
        cmocka_unit_test(some_layers_alone),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(what_it_cannot_state_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("lora.mlx_files", tests, NULL, NULL);
}
