/* SmolLM2 against transformers: the fixtures of tests/data/logits (its README describes them).
 * Needs the default model's file, and says so where it is absent. What is guarded: the whole way
 * from a quantized GGUF file to logits in f32, packed examples, and greedy decoding through the
 * cache. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/generate.h>
#include <efficientai/npy.h>
#include <efficientai/tokenizer.h>

#include "support/tiny_llama.h"

typedef struct subject {
    eai_weights *weights;
    eai_model *model;
    eai_backend *backend;
} subject;

static void open_subject(subject *s, const char *path)
{
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_weights_open(&s->weights, path, &err), &err);
    assert_ok(eai_model_load(&s->model, s->weights, &err), &err);
    s->backend = tiny_backend();
}

static void close_subject(subject *s)
{
    eai_backend_close(s->backend);
    eai_model_free(s->model);
    eai_weights_close(s->weights);
}

static eai_npy *load(const char *text, const char *what)
{
    char path[1024];
    eai_npy *a = NULL;
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/logits/%s%s.npy", EAI_TEST_DATA, text, what);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    return a;
}

static void test_configuration(void **state)
{
    (void)state;
    const char *path = eai_test_model_path();
    SKIP_WITHOUT_MODEL(path);
    subject s;
    open_subject(&s, path);
    const eai_model_config *c = eai_model_get_config(s.model);
    assert_int_equal(c->n_layers, 30);
    assert_int_equal(c->d_model, 576);
    assert_int_equal(c->n_heads, 9);
    assert_int_equal(c->n_kv_heads, 3);
    assert_int_equal(c->d_head, 64);
    assert_int_equal(c->d_ffn, 1536);
    assert_int_equal(c->vocab, 49152);
    assert_int_equal(c->context, 8192);
    assert_true(c->rope_theta == 100000.0);
    assert_true(fabs(c->rms_eps - 1e-5) < 1e-9);
    assert_true(c->tied);
    assert_int_equal(eai_model_parameters(s.model), 134515008);
    close_subject(&s);
}

/* Largest |logit| of a text's stored ones: what errors are relative to. */
static double largest(const eai_npy *top)
{
    const float *x = top->data;
    double max = 0;
    for (int64_t i = 0; i < eai_shape_elements(&top->shape); i++)
        max = eai_test_worse(max, fabs((double)x[i]));
    return max;
}

/* Compares logits [n, vocab] with the fixtures of `text`. */
static void compare_logits(const char *text, const float *logits, int64_t vocab)
{
    eai_npy *top_ids = load(text, "_top_ids");
    eai_npy *top = load(text, "_top_logits");
    eai_npy *sample_ids = load("vocab_sample", "");
    eai_npy *sample = load(text, "_sample_logits");
    eai_npy *sums = load(text, "_logsumexp");
    double scale = largest(top);
    double worst = 0;
    int64_t n_sample = sample_ids->shape.dim[0];

    for (int64_t t = 0; t < top->shape.dim[0]; t++) {
        const float *row = logits + t * vocab;
        for (int64_t i = 0; i < 8; i++) {
            int32_t id = ((const int32_t *)top_ids->data)[8 * t + i];
            double expected = (double)((const float *)top->data)[8 * t + i];
            worst = eai_test_worse(worst, fabs((double)row[id] - expected));
        }
        for (int64_t i = 0; i < n_sample; i++) {
            int32_t id = ((const int32_t *)sample_ids->data)[i];
            double expected = (double)((const float *)sample->data)[n_sample * t + i];
            worst = eai_test_worse(worst, fabs((double)row[id] - expected));
        }
        double max = (double)((const float *)top->data)[8 * t];
        double sum = 0;
        for (int64_t v = 0; v < vocab; v++)
            sum += exp((double)row[v] - max);
        worst =
            eai_test_worse(worst, fabs(max + log(sum) - (double)((const float *)sums->data)[t]));
    }
    print_message("%s: worst error of a logit %.2g of the largest\n", text, worst / scale);
    assert_true(worst / scale < 1e-3);
    eai_npy_free(top_ids);
    eai_npy_free(top);
    eai_npy_free(sample_ids);
    eai_npy_free(sample);
    eai_npy_free(sums);
}

static void test_logits_are_those_of_transformers(void **state)
{
    (void)state;
    static const char *const texts[] = {"story", "code", "chat"};
    const char *path = eai_test_model_path();
    SKIP_WITHOUT_MODEL(path);
    subject s;
    open_subject(&s, path);
    int64_t vocab = eai_model_get_config(s.model)->vocab;
    for (int i = 0; i < 3; i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_npy *ids = load(texts[i], "_ids");
        size_t n = (size_t)ids->shape.dim[0];
        float *logits = malloc(n * (size_t)vocab * sizeof(float));
        assert_non_null(logits);
        assert_ok(eai_generate_logits(logits, s.model, NULL, s.backend, ids->data, n, &err), &err);
        compare_logits(texts[i], logits, vocab);
        free(logits);
        eai_npy_free(ids);
    }
    close_subject(&s);
}

/* Puts a text into rows first .. of a plan's inputs; returns the row behind it. */
static int64_t put_text(eai_plan *plan, const eai_npy *ids, int64_t first)
{
    int64_t n = ids->shape.dim[0];
    for (int64_t t = 0; t < n; t++) {
        tiny_input(plan, "ids")[first + t] = ((const int32_t *)ids->data)[t];
        tiny_input(plan, "positions")[first + t] = (int32_t)t;
        tiny_input(plan, "start")[first + t] = (int32_t)first;
        tiny_input(plan, "end")[first + t] = (int32_t)(first + t + 1);
    }
    return first + n;
}

static void test_packed_texts_are_those_alone(void **state)
{
    (void)state;
    const char *path = eai_test_model_path();
    SKIP_WITHOUT_MODEL(path);
    subject s;
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_plan *plan = NULL;
    eai_model_inputs in;
    eai_npy *code = load("code", "_ids");
    eai_npy *chat = load("chat", "_ids");
    int64_t n = code->shape.dim[0] + chat->shape.dim[0];
    open_subject(&s, path);
    int64_t vocab = eai_model_get_config(s.model)->vocab;

    assert_ok(eai_graph_create(&g, &err), &err);
    eai_model_build b = {.graph = g, .model = s.model};
    eai_model_build_inputs(&in, &b, n);
    eai_tensor *h = eai_model_build_hidden(&b, &in);
    eai_graph_output(g, "logits", eai_model_build_logits(&b, h, NULL));
    assert_ok(eai_plan_create(&plan, g, s.backend, &err), &err);
    eai_graph_free(g);
    int64_t second = put_text(plan, code, 0);
    assert_int_equal(put_text(plan, chat, second), n);
    assert_ok(eai_plan_run(plan, &err), &err);
    float *logits = malloc((size_t)(n * vocab) * sizeof(float));
    assert_non_null(logits);
    tiny_output(logits, plan, "logits", (size_t)(n * vocab));
    compare_logits("code", logits, vocab);
    compare_logits("chat", logits + second * vocab, vocab);
    free(logits);
    eai_plan_free(plan);
    eai_npy_free(code);
    eai_npy_free(chat);
    close_subject(&s);
}

static void test_greedy_decoding_is_that_of_transformers(void **state)
{
    (void)state;
    static const char *const prompts[] = {"greedy_capital", "greedy_water", "greedy_raw"};
    const char *path = eai_test_model_path();
    SKIP_WITHOUT_MODEL(path);
    subject s;
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *tok = NULL;
    eai_generator *gen = NULL;
    open_subject(&s, path);
    assert_ok(eai_tokenizer_from_weights(&tok, s.weights, &err), &err);
    assert_ok(eai_generator_create(&gen, s.model, NULL, s.backend, tok, NULL, &err), &err);
    for (int i = 0; i < 3; i++) {
        eai_npy *prompt = load(prompts[i], "_prompt");
        eai_npy *ids = load(prompts[i], "_ids");
        eai_generation out;
        eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
        opts.max_tokens = ids->shape.dim[0];
        opts.ignore_end = true;
        assert_ok(
            eai_generator_run(&out, gen, prompt->data, (size_t)prompt->shape.dim[0], &opts, &err),
            &err);
        assert_int_equal(out.n_ids, ids->shape.dim[0]);
        assert_memory_equal(out.ids, ids->data, ids->bytes);
        eai_generation_deinit(&out);

        opts.ignore_end = false;
        if (i == 0) { /* the golden sentence, and only it */
            assert_ok(eai_generator_run(&out, gen, prompt->data, (size_t)prompt->shape.dim[0],
                                        &opts, &err),
                      &err);
            assert_string_equal(out.text, "The capital of France is Paris.");
            assert_int_equal(out.finish, EAI_FINISH_STOP);
            eai_generation_deinit(&out);
        }
        eai_npy_free(prompt);
        eai_npy_free(ids);
    }
    eai_generator_free(gen);
    eai_tokenizer_free(tok);
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_logits_are_those_of_transformers),
        cmocka_unit_test(test_packed_texts_are_those_alone),
        cmocka_unit_test(test_greedy_decoding_is_that_of_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
