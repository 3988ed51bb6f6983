/* The trainer on a tiny model: it learns, the same seed gives the same bits, a resumed run is the
 * uninterrupted one, accumulation and recomputation change nothing, the plan's memory is what a run
 * takes. */
#include "support/eai_test.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/fs.h>
#include <efficientai/hardware.h>
#include <efficientai/trainer.h>

#include "support/tiny_llama.h"

enum { ROWS = 32, LENGTH = 14, MAX_STEPS = 400 };

/* A model, an adapter on it, 32 random rows, a trainer. */
typedef struct bench {
    tiny_llama tiny;
    eai_backend *backend;
    eai_adapter *adapter;
    eai_dataset *data;
    eai_lora_task task;
    eai_trainer *trainer;
} bench;

typedef struct bench_opts {
    int64_t steps, batch_size, accumulation;
    double lr, dropout;
    bool checkpoint_activations, no_pack;
    uint64_t seed;
    eai_dtype dtype;
    bool keep_best;
} bench_opts;

static const bench_opts usual = {12, 2, 1, 5e-3, 0, false, false, 3, EAI_F32, false};

static void open_bench(bench *b, bench_opts o)
{
    eai_error err = EAI_ERROR_INIT;
    int32_t ids[ROWS * LENGTH];
    uint8_t mask[ROWS * LENGTH];
    size_t lengths[ROWS];
    memset(b, 0, sizeof(*b));
    tiny_llama_open(&b->tiny, o.dtype, true);
    b->backend = tiny_backend();
    hash_fill_integers(ids, HASH_STREAM_IDS, 0, ROWS * LENGTH, TINY_VOCAB);
    for (size_t r = 0; r < ROWS; r++) {
        lengths[r] = LENGTH;
        ids[r * LENGTH] = (int32_t)r; /* the first token tells the rows apart */
        for (size_t i = 0; i < LENGTH; i++)
            mask[r * LENGTH + i] = i >= LENGTH / 2;
    }
    eai_adapter_opts lora = EAI_ADAPTER_OPTS_INIT;
    lora.rank = 16;
    lora.alpha = 32;
    lora.dropout = o.dropout;
    lora.seed = o.seed;
    assert_ok(eai_adapter_create(&b->adapter, b->tiny.model, &lora, &err), &err);
    eai_dataset_opts data = {4 * LENGTH, o.batch_size, !o.no_pack, true, false, o.seed};
    assert_ok(eai_dataset_from_tokens(&b->data, ids, mask, lengths, ROWS, &data, &err), &err);
    eai_lora_task_init(&b->task, b->tiny.model, b->adapter);
    eai_train_opts train = EAI_TRAIN_OPTS_INIT;
    train.steps = o.steps;
    train.learning_rate = o.lr;
    train.accumulation = o.accumulation;
    train.checkpoint_activations = o.checkpoint_activations;
    train.seed = o.seed;
    train.keep_best = o.keep_best;
    assert_ok(eai_trainer_create(&b->trainer, &b->task.base, b->backend, b->data, &train, &err),
              &err);
}

static void close_bench(bench *b)
{
    eai_trainer_free(b->trainer);
    eai_dataset_free(b->data);
    eai_adapter_free(b->adapter);
    tiny_llama_close(&b->tiny);
    eai_backend_close(b->backend);
}

static void run_steps(bench *b, int64_t n, double *losses)
{
    eai_error err = EAI_ERROR_INIT;
    for (int64_t i = 0; i < n; i++) {
        eai_train_step s;
        assert_ok(eai_trainer_step(&s, b->trainer, &err), &err);
        losses[s.step - 1] = s.loss;
    }
}

static void assert_same_adapter(const bench *a, const bench *b)
{
    const eai_parameter *p;
    const eai_parameter *q;
    size_t n = eai_adapter_parameters(&p, a->adapter);
    eai_adapter_parameters(&q, b->adapter);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(p[i].data, q[i].data,
                            (size_t)eai_shape_elements(&p[i].shape) * sizeof(float));
}

static void thirty_two_rows_are_learned_by_heart(void **state)
{
    (void)state;
    bench b;
    double losses[MAX_STEPS];
    bench_opts o = usual;
    o.steps = MAX_STEPS;
    o.batch_size = 8;
    o.lr = 2e-2;
    open_bench(&b, o);
    run_steps(&b, o.steps, losses);
    print_message("loss %.4f -> %.4f\n", losses[0], losses[o.steps - 1]);
    assert_true(losses[0] > 3);
    assert_true(losses[o.steps - 1] < 0.05);
    close_bench(&b);
}

static void a_quantized_base_is_learned_on_too(void **state)
{
    (void)state;
    bench b;
    double losses[MAX_STEPS];
    bench_opts o = usual;
    o.steps = 60;
    o.batch_size = 8;
    o.lr = 1e-2;
    o.dtype = EAI_Q4_1;
    open_bench(&b, o);
    run_steps(&b, o.steps, losses);
    assert_true(losses[o.steps - 1] < losses[0] - 1);
    close_bench(&b);
}

static void the_same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    bench a;
    bench b;
    bench c;
    double la[12];
    double lb[12];
    double lc[12];
    bench_opts o = usual;
    o.dropout = 0.1;
    open_bench(&a, o);
    open_bench(&b, o);
    run_steps(&a, 12, la);
    run_steps(&b, 12, lb);
    assert_memory_equal(la, lb, sizeof(la));
    assert_same_adapter(&a, &b);
    o.seed++;
    open_bench(&c, o);
    run_steps(&c, 12, lc);
    assert_true(memcmp(la, lc, sizeof(la)) != 0);
    close_bench(&a);
    close_bench(&b);
    close_bench(&c);
}

static void check_resume(bench_opts o)
{
    eai_error err = EAI_ERROR_INIT;
    bench whole;
    bench first;
    bench second;
    double lw[12];
    double lr[12];
    char *folder = eai_test_make_folder();
    open_bench(&whole, o);
    run_steps(&whole, 12, lw);
    open_bench(&first, o);
    run_steps(&first, 5, lr);
    assert_ok(eai_trainer_save(first.trainer, folder, 1, &err), &err);
    run_steps(&first, 2, lr); /* what came after the checkpoint is forgotten */
    close_bench(&first);
    open_bench(&second, o);
    assert_ok(eai_trainer_resume(second.trainer, folder, &err), &err);
    assert_int_equal(eai_trainer_steps_done(second.trainer), 5);
    run_steps(&second, 7, lr);
    assert_memory_equal(lw, lr, sizeof(lw));
    assert_memory_equal(eai_trainer_losses(whole.trainer), eai_trainer_losses(second.trainer),
                        12 * sizeof(float));
    assert_same_adapter(&whole, &second);
    close_bench(&whole);
    close_bench(&second);
    eai_test_remove_folder(folder);
}

static void a_resumed_run_is_the_uninterrupted_one(void **state)
{
    (void)state;
    bench_opts o = usual;
    check_resume(o);
    o.dropout = 0.2;
    o.accumulation = 3;
    check_resume(o);
    o.no_pack = true;
    check_resume(o);
}

static void another_run_cannot_be_resumed(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench a;
    bench b;
    double losses[12];
    char *folder = eai_test_make_folder();
    char path[256];
    bench_opts o = usual;
    open_bench(&a, o);
    assert_fails(eai_trainer_resume(a.trainer, folder, &err), EAI_ERR_IO, &err,
                 "state.safetensors");
    run_steps(&a, 2, losses);
    assert_ok(eai_trainer_save(a.trainer, folder, 1, &err), &err);
    o.lr *= 2;
    open_bench(&b, o);
    assert_fails(eai_trainer_resume(b.trainer, folder, &err), EAI_ERR_ARGUMENT, &err,
                 "learning_rate");
    assert_int_equal(eai_trainer_steps_done(b.trainer), 0);
    snprintf(path, sizeof(path), "%s/state.safetensors", folder);
    assert_int_equal(truncate(path, 1000), 0);
    assert_fails(eai_trainer_resume(a.trainer, folder, &err), EAI_ERR_FORMAT, &err, path);
    close_bench(&a);
    close_bench(&b);
    eai_test_remove_folder(folder);
}

/* Four batches of 1 row accumulated are one batch of 4 rows, but for the order of additions. */
static void accumulation_is_a_larger_batch(void **state)
{
    (void)state;
    bench one;
    bench four;
    double l1[6];
    double l4[6];
    bench_opts o = usual;
    o.steps = 6;
    o.batch_size = 4;
    open_bench(&one, o);
    o.batch_size = 1;
    o.accumulation = 4;
    open_bench(&four, o);
    run_steps(&one, 6, l1);
    run_steps(&four, 6, l4);
    for (int i = 0; i < 6; i++)
        assert_true(fabs(l1[i] - l4[i]) < 1e-4 * l1[i]);
    close_bench(&one);
    close_bench(&four);
}

static void recomputing_activations_changes_nothing_but_memory(void **state)
{
    (void)state;
    bench plain;
    bench saved;
    double lp[12];
    double ls[12];
    eai_plan_memory mp;
    eai_plan_memory ms;
    bench_opts o = usual;
    o.dropout = 0.1;
    open_bench(&plain, o);
    o.checkpoint_activations = true;
    open_bench(&saved, o);
    run_steps(&plain, 12, lp);
    run_steps(&saved, 12, ls);
    for (int i = 0; i < 12; i++)
        assert_true(fabs(lp[i] - ls[i]) < 1e-5 * lp[i]);
    eai_trainer_get_memory(&mp, plain.trainer);
    eai_trainer_get_memory(&ms, saved.trainer);
    print_message("activations %zu, recomputed %zu bytes\n", mp.activations, ms.activations);
    assert_true(ms.activations < mp.activations);
    close_bench(&plain);
    close_bench(&saved);
}

static void evaluation_gives_the_loss_of_training(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    double losses[1];
    eai_evaluator *e = NULL;
    eai_evaluation result;
    bench_opts o = usual;
    o.batch_size = ROWS; /* the whole set in one batch */
    open_bench(&b, o);
    assert_ok(eai_evaluator_create(&e, &b.task.base, b.backend, b.trainer, &err), &err);
    assert_ok(eai_evaluator_run(&result, e, b.data, NULL, &err), &err);
    assert_int_equal(result.tokens, ROWS * LENGTH / 2);
    run_steps(&b, 1, losses);
    assert_true(fabs(result.loss - losses[0]) < 1e-5 * losses[0]);
    eai_evaluator_free(e);
    close_bench(&b);
}

static void an_evaluation_can_be_stopped(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    eai_evaluator *e = NULL;
    eai_evaluation whole;
    eai_evaluation again;
    volatile sig_atomic_t cancel = 1;
    open_bench(&b, usual);
    assert_ok(eai_evaluator_create(&e, &b.task.base, b.backend, NULL, &err), &err);
    assert_ok(eai_evaluator_run(&whole, e, b.data, NULL, &err), &err);
    assert_fails(eai_evaluator_run(&again, e, b.data, &cancel, &err), EAI_ERR_CANCELLED, &err,
                 "stopped");
    cancel = 0;
    assert_ok(eai_evaluator_run(&again, e, b.data, &cancel, &err), &err);
    assert_memory_equal(&whole, &again, sizeof(whole));
    eai_evaluator_free(e);
    close_bench(&b);
}

static void add_validations(bench *b, const double *losses, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    double ignored[MAX_STEPS];
    for (size_t i = 0; i < n; i++) {
        run_steps(b, 1, ignored);
        assert_ok(eai_trainer_add_validation(b->trainer, losses[i], &err), &err);
    }
}

/* As transformers' EarlyStoppingCallback counts: a gain is more than the threshold below the best.
 */
static void validations_without_a_gain_are_counted(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    open_bench(&b, usual);
    assert_null(eai_trainer_best_validation(b.trainer));
    assert_ok(eai_trainer_add_validation(b.trainer, 0.5, &err), &err); /* before training */
    assert_null(eai_trainer_best_validation(b.trainer));
    assert_int_equal(eai_trainer_stalled_validations(b.trainer, 0), 0);
    assert_fails(eai_trainer_add_validation(b.trainer, 0.5, &err), EAI_ERR_ARGUMENT, &err,
                 "step 0 has a validation loss");
    add_validations(&b, (const double[]){3, 2, 2, 1.9, (double)NAN, 1.95, 1.9}, 7);
    assert_int_equal(eai_trainer_best_validation(b.trainer)->step, 4);
    assert_int_equal(eai_trainer_stalled_validations(b.trainer, 0), 3);
    assert_int_equal(eai_trainer_stalled_validations(b.trainer, 0.5), 5);
    add_validations(&b, (const double[]){1}, 1);
    assert_int_equal(eai_trainer_stalled_validations(b.trainer, 0.5), 0);
    close_bench(&b);
}

/* The best parameters and all validation losses go through a checkpoint. */
static void the_best_parameters_come_back(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench a;
    bench b;
    bench at_best;
    eai_train_step step;
    const eai_validation *list;
    double losses[12];
    char *folder = eai_test_make_folder();
    bench_opts o = usual;
    o.keep_best = true;
    open_bench(&a, o);
    assert_fails(eai_trainer_restore_best(a.trainer, &err), EAI_ERR_NOT_FOUND, &err,
                 "no validation loss");
    add_validations(&a, (const double[]){3, 2, 1, 4, 5}, 5);
    assert_ok(eai_trainer_save(a.trainer, folder, 1, &err), &err);
    open_bench(&b, o);
    assert_ok(eai_trainer_resume(b.trainer, folder, &err), &err);
    assert_int_equal(eai_trainer_validations(&list, b.trainer), 5);
    assert_true(list[4].step == 5 && list[4].loss == 5);
    add_validations(&b, (const double[]){1}, 1); /* no lower: the first stays */
    assert_ok(eai_trainer_restore_best(b.trainer, &err), &err);
    open_bench(&at_best, usual);
    run_steps(&at_best, 3, losses);
    assert_same_adapter(&b, &at_best);
    assert_fails(eai_trainer_step(&step, b.trainer, &err), EAI_ERR_ARGUMENT, &err, "restored");
    assert_fails(eai_trainer_save(b.trainer, folder, 1, &err), EAI_ERR_ARGUMENT, &err, "restored");
    assert_fails(eai_trainer_restore_best(at_best.trainer, &err), EAI_ERR_ARGUMENT, &err,
                 "keep_best");
    /* a checkpoint without them cannot continue a run that wants them */
    assert_ok(eai_trainer_add_validation(at_best.trainer, 1, &err), &err);
    assert_ok(eai_trainer_save(at_best.trainer, folder, 1, &err), &err);
    assert_fails(eai_trainer_resume(a.trainer, folder, &err), EAI_ERR_FORMAT, &err, "best.");
    assert_int_equal(eai_trainer_steps_done(a.trainer), 5);
    close_bench(&a);
    close_bench(&b);
    close_bench(&at_best);
    eai_test_remove_folder(folder);
}

static bool has_state(const char *folder, int step)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/state-%09d.safetensors", folder, step);
    return eai_fs_exists(path);
}

static void the_newest_checkpoints_are_kept(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench a;
    bench b;
    double losses[12];
    char path[512];
    char *folder = eai_test_make_folder();
    open_bench(&a, usual);
    snprintf(path, sizeof(path), "%s/state-000000777.safetensors", folder);
    assert_ok(eai_fs_write_atomic(path, "of another run", 14, &err), &err);
    snprintf(path, sizeof(path), "%s/state-7.safetensors", folder);
    assert_ok(eai_fs_write_atomic(path, "not ours", 8, &err), &err);
    for (int i = 1; i <= 5; i++) {
        run_steps(&a, 1, losses);
        assert_ok(eai_trainer_save(a.trainer, folder, 3, &err), &err);
        for (int step = 1; step <= 5; step++)
            assert_int_equal(has_state(folder, step), step <= i && step > i - 3);
        assert_false(has_state(folder, 777));
    }
    open_bench(&b, usual);
    assert_ok(eai_trainer_resume(b.trainer, folder, &err), &err);
    assert_int_equal(eai_trainer_steps_done(b.trainer), 5);
    snprintf(path, sizeof(path), "%s/state-000000003.safetensors", folder);
    assert_ok(eai_trainer_resume(b.trainer, path, &err), &err);
    assert_int_equal(eai_trainer_steps_done(b.trainer), 3);
    run_steps(&b, 9, losses);
    run_steps(&a, 7, losses);
    assert_same_adapter(&a, &b);
    assert_ok(eai_trainer_save(a.trainer, folder, 1, &err), &err);
    for (int step = 1; step <= 12; step++)
        assert_false(has_state(folder, step));
    snprintf(path, sizeof(path), "%s/state-7.safetensors", folder);
    assert_true(eai_fs_exists(path));
    close_bench(&a);
    close_bench(&b);
    eai_test_remove_folder(folder);
}

static void a_pass_over_the_data_is_noticed(void **state)
{
    (void)state;
    bench b;
    double losses[40];
    bench_opts o = usual;
    o.steps = 9;
    o.no_pack = true;
    o.batch_size = 8;
    o.accumulation = 3; /* 4 batches an epoch: updates of 3 and 1 */
    open_bench(&b, o);
    assert_false(eai_trainer_epoch_over(b.trainer));
    for (int i = 1; i <= 9; i++) {
        run_steps(&b, 1, losses);
        assert_int_equal(eai_trainer_epoch_over(b.trainer), i % 2 == 0);
    }
    close_bench(&b);
    o.accumulation = 1;
    open_bench(&b, o);
    for (int i = 1; i <= 9; i++) {
        run_steps(&b, 1, losses);
        assert_int_equal(eai_trainer_epoch_over(b.trainer), i % 4 == 0);
    }
    close_bench(&b);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    eai_trainer *t = NULL;
    open_bench(&b, usual);
    eai_train_opts o = EAI_TRAIN_OPTS_INIT;
    o.learning_rate = (double)NAN;
    assert_fails(eai_trainer_create(&t, &b.task.base, b.backend, b.data, &o, &err),
                 EAI_ERR_ARGUMENT, &err, "learning-rate nan");
    o = (eai_train_opts)EAI_TRAIN_OPTS_INIT;
    o.accumulation = 0;
    assert_fails(eai_trainer_create(&t, &b.task.base, b.backend, b.data, &o, &err),
                 EAI_ERR_ARGUMENT, &err, "accumulation 0");
    o = (eai_train_opts)EAI_TRAIN_OPTS_INIT;
    o.epochs = -1;
    assert_fails(eai_trainer_create(&t, &b.task.base, b.backend, b.data, &o, &err),
                 EAI_ERR_ARGUMENT, &err, "epochs -1");
    o = (eai_train_opts)EAI_TRAIN_OPTS_INIT;
    assert_null(t);
    close_bench(&b);
}

/* A loss that is no number stops the run and says where. */
static void divergence_is_an_error(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    bench b;
    eai_train_step s;
    const eai_parameter *p;
    open_bench(&b, usual);
    eai_adapter_parameters(&p, b.adapter);
    p[0].data[0] = NAN;
    assert_fails(eai_trainer_step(&s, b.trainer, &err), EAI_ERR_NUMERIC, &err,
                 "step 1: the loss is nan");
    close_bench(&b);
}

static void schedules_follow_their_formulas(void **state)
{
    (void)state;
    eai_schedule s;
    assert_true(eai_schedule_from_name(&s, "cosine"));
    assert_false(eai_schedule_from_name(&s, "cosinus"));
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_constant, 77, 0, 100) - 1) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_linear, 1, 0, 100) - 1) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_linear, 51, 0, 100) - 0.5) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_linear, 1, 10, 110)) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_linear, 6, 10, 110) - 0.5) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_linear, 61, 10, 110) - 0.5) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_cosine, 51, 0, 100) - 0.5) < 1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_cosine, 26, 0, 100) - (1 + sqrt(0.5)) / 2) <
                1e-12);
    assert_true(fabs(eai_schedule_factor(EAI_SCHEDULE_polynomial, 51, 0, 100) - 0.25) < 1e-12);
}

/* Step 3 fails its allocations one by one; every failure is an error with a message, and nothing
 * leaks. */
static eai_status create_trainer(void *ud, eai_error *err)
{
    bench *b = ud;
    eai_trainer *t = NULL;
    eai_train_opts o = EAI_TRAIN_OPTS_INIT;
    o.accumulation = 2;
    o.keep_best = true;
    eai_status st = eai_trainer_create(&t, &b->task.base, b->backend, b->data, &o, err);
    eai_trainer_free(t);
    return st;
}

typedef struct saving {
    bench b;
    char *folder;
} saving;

static eai_status save_and_resume(void *ud, eai_error *err)
{
    saving *s = ud;
    EAI_TRY(eai_trainer_save(s->b.trainer, s->folder, 2, err));
    return eai_trainer_resume(s->b.trainer, s->folder, err);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bench b;
    open_bench(&b, usual);
    eai_test_torture(create_trainer, &b);
    close_bench(&b);
    saving s = {.folder = eai_test_make_folder()};
    bench_opts o = usual;
    o.keep_best = true;
    open_bench(&s.b, o);
    add_validations(&s.b, (const double[]){3, 2}, 2);
    eai_test_torture(save_and_resume, &s);
    close_bench(&s.b);
    eai_test_remove_folder(s.folder);
}

static eai_status save_two(void *ud, eai_error *err)
{
    const saving *s = ud;
    return eai_trainer_save(s->b.trainer, s->folder, 2, err);
}

/* Whatever became of the newer state, there is one to go on from; then the older one again. */
static void check_state(void *ud)
{
    const saving *s = ud;
    eai_error err = EAI_ERROR_INIT;
    bench other;
    open_bench(&other, usual);
    assert_ok(eai_trainer_resume(other.trainer, s->folder, &err), &err);
    assert_in_range(eai_trainer_steps_done(other.trainer), 1, 2);
    if (eai_trainer_steps_done(other.trainer) == 2) {
        char path[512];
        snprintf(path, sizeof(path), "%s/state-000000001.safetensors", s->folder);
        assert_ok(eai_trainer_resume(other.trainer, path, &err), &err);
        assert_ok(eai_trainer_save(other.trainer, s->folder, 2, &err), &err);
    }
    close_bench(&other);
}

static void every_call_of_the_disk_may_fail(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    double losses[2];
    saving s = {.folder = eai_test_make_folder()};
    open_bench(&s.b, usual);
    run_steps(&s.b, 1, losses);
    assert_ok(save_two(&s, &err), &err);
    run_steps(&s.b, 1, losses);
    eai_test_io_torture(save_two, check_state, &s, s.folder);
    close_bench(&s.b);
    eai_test_remove_folder(s.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thirty_two_rows_are_learned_by_heart),
        cmocka_unit_test(a_quantized_base_is_learned_on_too),
        cmocka_unit_test(the_same_seed_gives_the_same_bits),
        cmocka_unit_test(a_resumed_run_is_the_uninterrupted_one),
        cmocka_unit_test(another_run_cannot_be_resumed),
        cmocka_unit_test(accumulation_is_a_larger_batch),
        cmocka_unit_test(recomputing_activations_changes_nothing_but_memory),
        cmocka_unit_test(evaluation_gives_the_loss_of_training),
        cmocka_unit_test(an_evaluation_can_be_stopped),
        cmocka_unit_test(validations_without_a_gain_are_counted),
        cmocka_unit_test(the_best_parameters_come_back),
        cmocka_unit_test(the_newest_checkpoints_are_kept),
        cmocka_unit_test(a_pass_over_the_data_is_noticed),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(divergence_is_an_error),
        cmocka_unit_test(schedules_follow_their_formulas),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_call_of_the_disk_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
