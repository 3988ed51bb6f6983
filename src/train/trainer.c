/* The training loop's body: batches in, one update out. Start at eai_trainer_step. The graphs are
 * made in step_graph.c, files in checkpoint.c, validation losses are kept in validation.c. */
#include "train/trainer_state.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>

#define EPOCHS_SEEN 16 /* passes that are looked through for their largest batch */

/* ---- Plans by shape
 * ------------------------------------------------------------------------------- */

static train__setup setup_of(const eai_trainer *t)
{
    return (train__setup){t->task, t->slots, t->backend, &t->opts, t->keep};
}

static eai_status build_step(eai_plan **out, void *ports, const eai_plan_key *key,
                             const eai_plan *lender, void *ud, eai_error *err)
{
    const train__setup setup = setup_of(ud);
    return train__plan_step(out, ports, &setup, key->n[0], lender, err);
}

static eai_status plan_for(const eai_plan_entry **out, const eai_trainer *t, int64_t n_tokens,
                           eai_error *err)
{
    return eai_plan_cache_get(out, t->plans, (eai_plan_key){{n_tokens}}, err);
}

eai_status train__largest_plan(const eai_plan_entry **out, const eai_trainer *t, eai_error *err)
{
    return plan_for(out, t, t->largest, err);
}

/* All plans' memory, the largest step first: smaller ones then lie in its memory. */
static eai_status make_plans(eai_trainer *t, eai_error *err)
{
    const eai_plan_cache_opts opts = {TRAIN_PLANS, sizeof(train__ports), build_step, t};
    const eai_plan_entry *step;
    eai_plan_memory m;

    EAI_TRY(eai_plan_cache_create(&t->plans, &opts, err));
    EAI_TRY(train__largest_plan(&step, t, err));
    eai_plan_get_memory(&t->step_memory, step->plan);
    t->memory = t->step_memory;
    if (t->opts.accumulation == 1)
        return EAI_OK;
    const train__setup setup = setup_of(t);
    EAI_TRY(train__plan_update(&t->update, &t->update_ports, &setup, err));
    eai_plan_get_memory(&m, t->update);
    t->memory.activations += m.activations;
    t->memory.unplanned += m.unplanned;
    t->memory.live = m.live > t->memory.live ? m.live : t->memory.live;
    t->memory.workspace += m.workspace;
    t->memory.inputs += m.inputs;
    t->memory.states = m.states; /* the step's are among them */
    return EAI_OK;
}

/* ---- Creation
 * ------------------------------------------------------------------------------------- */

static eai_status check_opts(const eai_train_opts *o, eai_error *err)
{
    if (o->steps < 0 || (o->steps == 0 && !(o->epochs > 0 && o->epochs <= 1e6)))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "steps %lld, epochs %g: one of them must be above 0",
                             (long long)o->steps, o->epochs);
    if (o->accumulation < 1 || o->accumulation > 4096)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "accumulation %lld: allowed is 1 to 4096",
                             (long long)o->accumulation);
    if (!(o->learning_rate > 0 && o->learning_rate <= 10))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "learning-rate %g: allowed is above 0, up to 10", o->learning_rate);
    if (o->warmup < 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "warmup %lld: it must not be negative",
                             (long long)o->warmup);
    return EAI_OK;
}

/* Updates in the wanted number of passes; the last one of a pass may have fewer micro-batches. */
static eai_status count_steps(eai_trainer *t, eai_error *err)
{
    t->total = t->opts.steps;
    for (int64_t epoch = 0; t->opts.steps == 0; epoch++) {
        double left = t->opts.epochs - (double)epoch;
        int64_t batches;
        if (left <= 1e-9)
            break;
        EAI_TRY(eai_dataset_count_batches(&batches, t->train, epoch, err));
        double part = left < 1 ? left : 1;
        double updates = ceil((double)batches / (double)t->opts.accumulation);
        t->total += (int64_t)ceil(updates * part - 1e-9);
    }
    return EAI_OK;
}

/* The largest batch of the run, looked for in its first passes: without packing, a bound from the
 * longest examples would promise memory that no step takes. A larger one later gets a larger plan.
 */
static eai_status find_largest(eai_trainer *t, eai_error *err)
{
    int64_t left = t->total * t->opts.accumulation; /* batches */
    for (int64_t epoch = 0; epoch < EPOCHS_SEEN && left > 0; epoch++) {
        int64_t batches;
        int64_t largest;
        EAI_TRY(eai_dataset_count_batches(&batches, t->train, epoch, err));
        if (batches > left)
            batches = left;
        EAI_TRY(eai_dataset_largest_batch(&largest, t->train, epoch, batches, err));
        t->largest = largest > t->largest ? largest : t->largest;
        left -= batches;
    }
    return EAI_OK;
}

static eai_status take_memory(eai_trainer *t, eai_error *err)
{
    size_t n = 0;
    bool sums = t->opts.accumulation > 1;
    for (size_t i = 0; i < t->task->n_parameters; i++)
        n += (size_t)eai_shape_elements(&t->task->parameters[i].shape);
    size_t tokens = (size_t)eai_dataset_max_tokens(t->train) * 5 * (size_t)t->opts.accumulation;
    t->slots = eai_alloc_zeroed(t->task->n_parameters, sizeof(*t->slots));
    t->moments = eai_alloc_zeroed(n * (sums ? 3 : 2), sizeof(*t->moments));
    t->losses = eai_alloc_zeroed((size_t)t->total + 1, sizeof(*t->losses));
    t->micro = eai_alloc_zeroed((size_t)t->opts.accumulation, sizeof(*t->micro));
    t->micro_memory = eai_alloc_array(tokens, sizeof(*t->micro_memory));
    if (t->opts.keep_best)
        t->best_parameters = eai_alloc_zeroed(n, sizeof(*t->best_parameters));
    if (!t->slots || !t->moments || !t->losses || !t->micro || !t->micro_memory ||
        (t->opts.keep_best && !t->best_parameters))
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the optimizer of %zu numbers", n);
    float *at = t->moments;
    for (size_t i = 0; i < t->task->n_parameters; i++) {
        size_t size = (size_t)eai_shape_elements(&t->task->parameters[i].shape);
        t->slots[i].m = at;
        t->slots[i].v = at + size;
        t->slots[i].sum = sums ? at + 2 * size : NULL;
        at += size * (sums ? 3 : 2);
    }
    return EAI_OK;
}

eai_status eai_trainer_create(eai_trainer **out, const eai_train_task *task, eai_backend *backend,
                              eai_dataset *train, const eai_train_opts *opts, eai_error *err)
{
    *out = NULL;
    EAI_TRY(check_opts(opts, err));
    if (task->n_parameters == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "there is nothing to train");
    eai_trainer *t = eai_alloc_zeroed(1, sizeof(*t));
    if (!t)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a trainer");
    t->task = task;
    t->backend = backend;
    t->train = train;
    t->opts = *opts;
    eai_status st = count_steps(t, err);
    if (st == EAI_OK)
        st = take_memory(t, err);
    if (st == EAI_OK)
        st = find_largest(t, err);
    if (st == EAI_OK)
        st = make_plans(t, err);
    if (st != EAI_OK) {
        eai_trainer_free(t);
        return st;
    }
    *out = t;
    return EAI_OK;
}

void eai_trainer_free(eai_trainer *t)
{
    if (!t)
        return;
    eai_plan_cache_free(t->plans);
    eai_plan_free(t->update);
    eai_free(t->slots);
    eai_free(t->moments);
    eai_free(t->losses);
    eai_free(t->micro);
    eai_free(t->micro_memory);
    eai_free(t->validations);
    eai_free(t->best_parameters);
    eai_free(t);
}

eai_status eai_trainer_keep_gradients(eai_trainer *t, eai_error *err)
{
    const eai_plan_entry *step;
    t->keep = true;
    t->last = NULL;
    eai_plan_cache_clear(t->plans);
    return train__largest_plan(&step, t, err);
}

eai_status eai_trainer_gradient(const float **out, const eai_trainer *t, size_t i, eai_error *err)
{
    char name[32];
    eai_operand o;
    snprintf(name, sizeof(name), "grad.%zu", i);
    *out = NULL;
    if (!t->last)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "no step has been made");
    EAI_TRY(eai_plan_find(&o, t->last, name, err));
    *out = o.data;
    return EAI_OK;
}

/* ---- One step
 * ------------------------------------------------------------------------------------- */

/* Copies a batch, which the dataset only lends until the next one. */
static void copy_batch(eai_batch *to, const eai_batch *from, int32_t *memory)
{
    size_t n = (size_t)from->n_tokens;
    *to = *from;
    int32_t **lists[] = {&to->ids, &to->positions, &to->start, &to->end, &to->targets};
    const int32_t *sources[] = {from->ids, from->positions, from->start, from->end, from->targets};
    for (size_t i = 0; i < 5; i++) {
        *lists[i] = memory + i * n;
        memcpy(*lists[i], sources[i], n * sizeof(int32_t));
    }
}

/* Takes the micro-batches of one update; fewer at the end of an epoch, never none. */
static eai_status take_batches(eai_trainer *t, eai_error *err)
{
    size_t stride = (size_t)eai_dataset_max_tokens(t->train) * 5;
    const eai_batch *batch;
    t->n_micro = 0;
    while (t->n_micro < t->opts.accumulation) {
        EAI_TRY(eai_dataset_next(&batch, t->train, err));
        if (!batch && t->n_micro > 0)
            break;
        if (batch) {
            copy_batch(&t->micro[t->n_micro], batch, t->micro_memory + (size_t)t->n_micro * stride);
            t->n_micro++;
        }
    }
    return EAI_OK;
}

static void fill_hyper(float *hyper, const eai_trainer *t, double lr)
{
    double n = (double)(t->done + 1);
    hyper[0] = (float)lr;
    hyper[1] = (float)(1 - pow(t->opts.adamw.beta1, n));
    hyper[2] = (float)(1 - pow(t->opts.adamw.beta2, n));
}

static eai_status run_micro(eai_trainer *t, int64_t i, int64_t learned, double lr, double *loss,
                            eai_error *err)
{
    const eai_plan_entry *step;
    EAI_TRY(plan_for(&step, t, t->micro[i].n_tokens, err));
    train__ports *p = step->ports;
    train__feed(p, &t->micro[i]);
    int32_t *seed = p->seed.data;
    seed[0] = (int32_t)(uint32_t)(t->opts.seed ^ (t->opts.seed >> 32));
    seed[1] = (int32_t)(uint32_t)(t->done * t->opts.accumulation + i);
    *(float *)p->loss_scale.data = (float)(1.0 / (double)learned);
    if (p->hyper.data)
        fill_hyper(p->hyper.data, t, lr);
    EAI_TRY(eai_plan_run(step->plan, err));
    *loss += (double)train__scalar(&p->loss);
    t->last = step->plan;
    t->ports = p;
    return EAI_OK;
}

/* How far in the data, in passes. */
static double epochs_done(const eai_trainer *t)
{
    eai_dataset_position at = eai_dataset_get_position(t->train);
    int64_t batches = 0;
    if (eai_dataset_count_batches(&batches, t->train, at.epoch, NULL) != EAI_OK || batches == 0)
        return (double)at.epoch;
    return (double)at.epoch + (double)at.batch / (double)batches;
}

eai_status eai_trainer_step(eai_train_step *out, eai_trainer *t, eai_error *err)
{
    double start = eai_clock_seconds();
    double loss = 0;
    memset(out, 0, sizeof(*out));
    if (t->done >= t->total || t->over)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%s after %lld of %lld steps",
                             t->over ? "the best parameters were restored" : "training is over",
                             (long long)t->done, (long long)t->total);
    EAI_TRY(take_batches(t, err));
    for (int64_t i = 0; i < t->n_micro; i++) {
        out->learned += t->micro[i].n_learned;
        out->tokens += t->micro[i].n_used;
    }
    double lr = t->opts.learning_rate *
                eai_schedule_factor(t->opts.schedule, t->done + 1, t->opts.warmup, t->total);
    for (int64_t i = 0; i < t->n_micro; i++)
        EAI_TRY(run_micro(t, i, out->learned, lr, &loss, err));
    const train__ports *ports = t->ports;
    if (t->update) {
        fill_hyper(t->update_ports.hyper.data, t, lr);
        EAI_TRY(eai_plan_run(t->update, err));
        ports = &t->update_ports;
    }
    out->step = t->done + 1;
    out->loss = loss;
    out->grad_norm = (double)train__scalar(&ports->grad_norm);
    out->learning_rate = lr;
    out->epoch = epochs_done(t);
    if (!isfinite(loss) || !isfinite(out->grad_norm)) {
        return eai_error_set(err, EAI_ERR_NUMERIC,
                             "step %lld: the loss is %s, the gradient norm %g: the training has "
                             "diverged (a lower learning-rate than %g may help)",
                             (long long)out->step,
                             isnan(loss)   ? "nan"
                             : isinf(loss) ? "infinite"
                                           : "finite",
                             fabs(out->grad_norm), t->opts.learning_rate); /* no "-nan" */
    }
    t->losses[t->done++] = (float)loss;
    out->seconds = eai_clock_seconds() - start;
    return EAI_OK;
}

/* ---- Questions
 * ------------------------------------------------------------------------------------ */

int64_t eai_trainer_steps_done(const eai_trainer *t)
{
    return t->done;
}

int64_t eai_trainer_steps_total(const eai_trainer *t)
{
    return t->total;
}

bool eai_trainer_done(const eai_trainer *t)
{
    return t->done >= t->total;
}

bool eai_trainer_epoch_over(const eai_trainer *t)
{
    eai_dataset_position at = eai_dataset_get_position(t->train);
    int64_t batches;
    if (at.batch == 0)
        return at.epoch > 0;
    return eai_dataset_count_batches(&batches, t->train, at.epoch, NULL) == EAI_OK &&
           at.batch == batches;
}

const float *eai_trainer_losses(const eai_trainer *t)
{
    return t->losses;
}

void eai_trainer_get_memory(eai_plan_memory *out, const eai_trainer *t)
{
    *out = t->memory;
}

eai_status eai_trainer_print_plan(const eai_trainer *t, FILE *out, eai_error *err)
{
    const eai_plan_entry *step;
    EAI_TRY(train__largest_plan(&step, t, err));
    eai_plan_print(step->plan, out);
    if (t->update)
        eai_plan_print(t->update, out);
    return EAI_OK;
}
