/* One LoRA step and twenty against PEFT: loss, every gradient, the updated adapter, the loss curve.
 *
 * The tiny model comes from a closed formula and is compared number by number; SmolLM2 needs the
 * model file and is compared by summaries (norm, four projections, first values of each tensor).
 * tests/data/README.md describes the fixtures; tools/oracles made them. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/npy.h>
#include <efficientai/trainer.h>

#include "support/tiny_llama.h"

static eai_npy *load(const char *folder, const char *name)
{
    char path[1024];
    eai_npy *a = NULL;
    eai_error err = EAI_ERROR_INIT;
    snprintf(path, sizeof(path), "%s/%s/%s.npy", EAI_TEST_DATA, folder, name);
    assert_ok(eai_npy_read(&a, path, &err), &err);
    return a;
}

/* ---- The two models
 * ------------------------------------------------------------------------------- */

typedef struct subject {
    const char *folder; /* of the fixtures */
    eai_weights *weights;
    eai_model *model;
    eai_adapter *adapter;
    eai_backend *backend;
    size_t *sorted; /* parameters in the byte order of their names */
    size_t n;
} subject;

/* The random Llama of peft_tiny: see the README beside it. */
static void open_tiny(subject *s)
{
    tiny_llama tiny;
    tiny_llama_open_peft(&tiny);
    s->weights = tiny.weights;
    s->model = tiny.model;
    s->folder = "peft_tiny";
}

static bool open_smollm2(subject *s)
{
    eai_error err = EAI_ERROR_INIT;
    const char *path = eai_test_model_path();
    if (!path)
        return false;
    assert_ok(eai_weights_open(&s->weights, path, &err), &err);
    assert_ok(eai_model_load(&s->model, s->weights, &err), &err);
    s->folder = "peft";
    return true;
}

static const eai_parameter *parameter(const subject *s, size_t sorted_index)
{
    const eai_parameter *p;
    eai_adapter_parameters(&p, s->adapter);
    return &p[s->sorted[sorted_index]];
}

/* The adapter with its first values by the formula, and the order in which fixtures list its
 * tensors. */
static void open_adapter(subject *s, int64_t rank, double b_range)
{
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    eai_backend_opts backend = EAI_BACKEND_OPTS_INIT;
    const eai_parameter *p;
    opts.rank = rank;
    opts.alpha = 2.0 * (double)rank;
    backend.n_threads = 2;
    backend.precision = EAI_PRECISION_F32;
    assert_ok(eai_backend_open(&s->backend, "cpu", &backend, &err), &err);
    assert_ok(eai_adapter_create(&s->adapter, s->model, &opts, &err), &err);
    s->n = eai_adapter_parameters(&p, s->adapter);
    s->sorted = malloc(s->n * sizeof(*s->sorted));
    assert_non_null(s->sorted);
    for (size_t i = 0; i < s->n; i++) { /* insertion sort by name */
        size_t at = i;
        while (at > 0 && strcmp(p[s->sorted[at - 1]].name, p[i].name) > 0) {
            s->sorted[at] = s->sorted[at - 1];
            at--;
        }
        s->sorted[at] = i;
    }
    for (size_t t = 0; t < s->n; t++) {
        const eai_parameter *x = parameter(s, t);
        size_t n = (size_t)eai_shape_elements(&x->shape);
        bool is_a = strstr(x->name, ".lora_A.") != NULL;
        if (is_a)
            hash_fill_uniform(x->data, HASH_STREAM_LORA_A, t, n,
                              1.0 / sqrt((double)x->shape.dim[1]));
        else if (b_range > 0)
            hash_fill_uniform(x->data, HASH_STREAM_LORA_B, t, n, b_range);
        else
            memset(x->data, 0, n * sizeof(float));
    }
}

static void close_subject(subject *s)
{
    free(s->sorted);
    eai_adapter_free(s->adapter);
    eai_model_free(s->model);
    eai_weights_close(s->weights);
    eai_backend_close(s->backend);
}

/* Rows of PREFIX_ids/mask/lengths as examples, in their order, `rows_a_step` to a batch. */
static eai_dataset *open_dataset(const subject *s, const char *prefix, int64_t rows_a_step)
{
    char name[64];
    eai_error err = EAI_ERROR_INIT;
    eai_dataset *d = NULL;
    eai_dataset_opts opts = EAI_DATASET_OPTS_INIT;
    snprintf(name, sizeof(name), "%s_ids", prefix);
    eai_npy *ids = load(s->folder, name);
    snprintf(name, sizeof(name), "%s_mask", prefix);
    eai_npy *mask = load(s->folder, name);
    snprintf(name, sizeof(name), "%s_lengths", prefix);
    eai_npy *lengths = load(s->folder, name);
    size_t rows = (size_t)ids->shape.dim[0];
    size_t longest = (size_t)ids->shape.dim[1];
    int32_t *flat_ids = malloc(rows * longest * sizeof(*flat_ids));
    uint8_t *flat_mask = malloc(rows * longest);
    size_t *n = malloc(rows * sizeof(*n));
    size_t at = 0;
    assert_true(flat_ids && flat_mask && n);
    for (size_t r = 0; r < rows; r++) {
        n[r] = (size_t)((int32_t *)lengths->data)[r];
        for (size_t i = 0; i < n[r]; i++, at++) {
            flat_ids[at] = ((int32_t *)ids->data)[r * longest + i];
            flat_mask[at] = (uint8_t)((int32_t *)mask->data)[r * longest + i];
        }
    }
    opts.seq_len = 512;
    opts.batch_size = rows_a_step;
    opts.pack = false;
    opts.shuffle = false;
    assert_ok(eai_dataset_from_tokens(&d, flat_ids, flat_mask, n, rows, &opts, &err), &err);
    free(flat_ids);
    free(flat_mask);
    free(n);
    eai_npy_free(ids);
    eai_npy_free(mask);
    eai_npy_free(lengths);
    return d;
}

typedef struct case_opts {
    int64_t steps;
    double lr, weight_decay;
} case_opts;

static eai_trainer *open_trainer(const subject *s, eai_lora_task *task, eai_dataset *d, case_opts c)
{
    eai_error err = EAI_ERROR_INIT;
    eai_trainer *t = NULL;
    eai_train_opts opts = EAI_TRAIN_OPTS_INIT;
    opts.steps = c.steps;
    opts.learning_rate = c.lr;
    opts.schedule = EAI_SCHEDULE_constant;
    opts.adamw.weight_decay = c.weight_decay;
    eai_lora_task_init(task, s->model, s->adapter);
    assert_ok(eai_trainer_create(&t, &task->base, s->backend, d, &opts, &err), &err);
    return t;
}

/* ---- Comparisons
 * ---------------------------------------------------------------------------------- */

/* |a - e| <= tolerance * (root mean square of the expected tensor) for each value. */
static void compare_tensor(const float *actual, const float *expected, size_t n, double tolerance,
                           const char *name)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += (double)expected[i] * (double)expected[i];
    double unit = sqrt(square / (double)n);
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)actual[i] - (double)expected[i]);
        if (!(off <= tolerance * unit))
            fail_msg("%s[%zu]: %.9g, expected %.9g (tolerance %g of %g)", name, i,
                     (double)actual[i], (double)expected[i], tolerance, unit);
    }
}

/* Norm, four projections and first four values against a summary row. */
static void compare_summary(const float *x, size_t n, size_t tensor, const float *expected,
                            double tolerance, const char *name)
{
    double sums[5] = {0};
    for (size_t i = 0; i < n; i++) {
        sums[0] += (double)x[i] * (double)x[i];
        for (uint64_t k = 0; k < 4; k++)
            sums[1 + k] += (hash_fill_bits(10 + k, tensor, i) >> 63 ? -1.0 : 1.0) * (double)x[i];
    }
    sums[0] = sqrt(sums[0]);
    double norm = (double)expected[0];
    for (size_t k = 0; k < 5; k++) {
        if (!(fabs(sums[k] - (double)expected[k]) <= tolerance * norm))
            fail_msg("%s: summary %zu is %.9g, expected %.9g (tolerance %g of %g)", name, k,
                     sums[k], (double)expected[k], tolerance, norm);
    }
    for (size_t k = 0; k < 4 && k < n; k++) {
        double off = fabs((double)x[k] - (double)expected[5 + k]);
        if (!(off <= tolerance * 10 * norm / sqrt((double)n)))
            fail_msg("%s[%zu]: %.9g, expected %.9g", name, k, (double)x[k],
                     (double)expected[5 + k]);
    }
}

static void compare_scalar(double actual, double expected, double tolerance, const char *what)
{
    if (!(fabs(actual - expected) <= tolerance * fabs(expected)))
        fail_msg("%s: %.9g, expected %.9g (relative %g)", what, actual, expected, tolerance);
}

/* ---- Tests
 * ---------------------------------------------------------------------------------------- */

static void one_step_of_the_tiny_model_is_pefts(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_lora_task task;
    eai_train_step step;
    subject s = {0};
    open_tiny(&s);
    open_adapter(&s, 4, 0.1);
    assert_int_equal(s.n, 28);
    eai_dataset *d = open_dataset(&s, "one_step", 3);
    eai_trainer *t = open_trainer(&s, &task, d, (case_opts){2, 1e-3, 0.1});
    eai_npy *gradients = load(s.folder, "gradients");
    eai_npy *updated = load(s.folder, "updated");

    assert_ok(eai_trainer_keep_gradients(t, &err), &err);
    assert_ok(eai_trainer_step(&step, t, &err), &err);
    assert_int_equal(step.learned, 47);
    compare_scalar(step.loss, 6.455357547590374, 1e-5, "loss");
    compare_scalar(step.grad_norm, 1.873504400253296, 1e-4, "gradient norm");
    size_t at = 0;
    for (size_t i = 0; i < s.n; i++) {
        const eai_parameter *p = parameter(&s, i);
        size_t n = (size_t)eai_shape_elements(&p->shape);
        const float *g = NULL;
        assert_ok(eai_trainer_gradient(&g, t, s.sorted[i], &err), &err);
        compare_tensor(g, (float *)gradients->data + at, n, 1e-4, p->name);
        compare_tensor(p->data, (float *)updated->data + at, n, 1e-4, p->name);
        at += n;
    }
    assert_int_equal(at, 8960);
    assert_ok(eai_trainer_step(&step, t, &err), &err);
    compare_scalar(step.loss, 6.335790355152231, 1e-5, "second loss");
    compare_scalar(step.grad_norm, 1.876137614250183, 1e-4, "second gradient norm");
    eai_npy_free(gradients);
    eai_npy_free(updated);
    eai_trainer_free(t);
    eai_dataset_free(d);
    close_subject(&s);
}

/* Losses and norms of twenty steps; returns the largest relative error of a loss. */
static void run_twenty(subject *s, eai_dataset *d, case_opts c, double tolerance)
{
    eai_error err = EAI_ERROR_INIT;
    eai_lora_task task;
    eai_trainer *t = open_trainer(s, &task, d, c);
    eai_npy *losses = load(s->folder, "twenty_steps_losses");
    eai_npy *norms = load(s->folder, "twenty_steps_norms");
    double worst = 0;
    for (size_t i = 0; i < 20; i++) {
        eai_train_step step;
        double expected = (double)((float *)losses->data)[i];
        assert_ok(eai_trainer_step(&step, t, &err), &err);
        compare_scalar(step.loss, expected, tolerance, "loss");
        compare_scalar(step.grad_norm, (double)((float *)norms->data)[i], 20 * tolerance, "norm");
        worst = eai_test_worse(worst, fabs(step.loss - expected) / expected);
    }
    print_message("20 steps: largest relative error of a loss %.2g\n", worst);
    assert_true(eai_trainer_done(t));
    assert_true((double)((float *)losses->data)[19] < (double)((float *)losses->data)[0]);
    eai_npy_free(losses);
    eai_npy_free(norms);
    eai_trainer_free(t);
}

static void twenty_steps_of_the_tiny_model_are_pefts(void **state)
{
    (void)state;
    subject s = {0};
    open_tiny(&s);
    open_adapter(&s, 4, 0);
    eai_dataset *d = open_dataset(&s, "twenty_steps", 2);
    run_twenty(&s, d, (case_opts){20, 1e-2, 0}, 1e-3);
    eai_dataset_free(d);
    close_subject(&s);
}

static void one_step_of_smollm2_is_pefts(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_lora_task task;
    eai_train_step step;
    subject s = {0};
    if (!open_smollm2(&s))
        SKIP_WITHOUT_MODEL(NULL);
    open_adapter(&s, 8, 0.02);
    assert_int_equal(s.n, 420);
    eai_dataset *d = open_dataset(&s, "one_step", 3);
    eai_trainer *t = open_trainer(&s, &task, d, (case_opts){1, 1e-4, 10});
    eai_npy *start = load(s.folder, "one_step_start");
    eai_npy *gradients = load(s.folder, "one_step_gradients");
    eai_npy *updated = load(s.folder, "one_step_updated");

    for (size_t i = 0; i < s.n; i++) {
        const eai_parameter *p = parameter(&s, i);
        compare_summary(p->data, (size_t)eai_shape_elements(&p->shape), i,
                        (float *)start->data + i * 9, 1e-6, p->name);
    }
    assert_ok(eai_trainer_keep_gradients(t, &err), &err);
    assert_ok(eai_trainer_step(&step, t, &err), &err);
    assert_int_equal(step.learned, 55);
    compare_scalar(step.loss, 3.224331344158465, 1e-4, "loss");
    compare_scalar(step.grad_norm, 1.807927131652832, 1e-4, "gradient norm");
    for (size_t i = 0; i < s.n; i++) {
        const eai_parameter *p = parameter(&s, i);
        size_t n = (size_t)eai_shape_elements(&p->shape);
        const float *g = NULL;
        assert_ok(eai_trainer_gradient(&g, t, s.sorted[i], &err), &err);
        compare_summary(g, n, i, (float *)gradients->data + i * 9, 1e-4, p->name);
        compare_summary(p->data, n, i, (float *)updated->data + i * 9, 1e-4, p->name);
    }
    eai_npy_free(start);
    eai_npy_free(gradients);
    eai_npy_free(updated);
    eai_trainer_free(t);
    eai_dataset_free(d);
    close_subject(&s);
}

static void twenty_steps_of_smollm2_are_pefts(void **state)
{
    (void)state;
    subject s = {0};
    if (!open_smollm2(&s))
        SKIP_WITHOUT_MODEL(NULL);
    open_adapter(&s, 8, 0);
    eai_dataset *d = open_dataset(&s, "twenty_steps", 2);
    run_twenty(&s, d, (case_opts){20, 5e-4, 0}, 1e-3);
    eai_dataset_free(d);
    close_subject(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step_of_the_tiny_model_is_pefts),
        cmocka_unit_test(twenty_steps_of_the_tiny_model_are_pefts),
        cmocka_unit_test(one_step_of_smollm2_is_pefts),
        cmocka_unit_test(twenty_steps_of_smollm2_are_pefts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
