/* Checkpoints: one safetensors file with all that a run depends on, so that it is there whole or
 * not at all. Tensors: "parameter.NAME", "exp_avg.NAME", "exp_avg_sq.NAME", "best.NAME" (with
 * keep_best, once there is a best), "losses" F32 [step], "validation" F64 [n, 2] of steps and
 * losses. Metadata: the counters, and every setting that shapes the run, compared on resume. Which
 * earlier ones are kept: retention.c. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>
#include <efficientai/weights.h>

#include "train/trainer_state.h"

#define FORMAT_NAME    "efficientai-checkpoint"
#define FORMAT_VERSION "2"

/* ---- Settings
 * ------------------------------------------------------------------------------------- */

typedef struct setting {
    const char *name;
    char value[48];
} setting;

#define N_SETTINGS 14

/* What must be the same for a continued run to be the same run. */
static void list_settings(setting *s, const eai_trainer *t)
{
    const eai_train_opts *o = &t->opts;
    const struct {
        const char *name;
        double value;
    } rows[N_SETTINGS - 3] = {
        {"learning_rate", o->learning_rate},
        {"accumulation", (double)o->accumulation},
        {"warmup", (double)o->warmup},
        {"max_grad_norm", o->max_grad_norm},
        {"beta1", o->adamw.beta1},
        {"beta2", o->adamw.beta2},
        {"eps", o->adamw.eps},
        {"weight_decay", o->adamw.weight_decay},
        {"batch_tokens", (double)eai_dataset_max_tokens(t->train)},
        {"parameters", (double)t->task->n_parameters},
        /* with a constant rate a run may be made longer */
        {"steps", o->schedule == EAI_SCHEDULE_constant ? 0 : (double)t->total},
    };
    int n = 0;
    for (; n < N_SETTINGS - 3; n++) {
        s[n].name = rows[n].name;
        snprintf(s[n].value, sizeof(s[n].value), "%.17g", rows[n].value);
    }
    s[n].name = "schedule";
    snprintf(s[n++].value, sizeof(s[0].value), "%s", eai_schedule_name(o->schedule));
    s[n].name = "seed";
    snprintf(s[n++].value, sizeof(s[0].value), "%llu", (unsigned long long)o->seed);
    s[n].name = "training_data";
    snprintf(s[n].value, sizeof(s[0].value), "%016llx",
             (unsigned long long)eai_dataset_digest(t->train));
}

/* ---- Saving
 * --------------------------------------------------------------------------------------- */

static eai_status add_tensor(eai_weights *w, const char *kind, const eai_parameter *p,
                             const float *data, eai_error *err)
{
    char name[512];
    snprintf(name, sizeof(name), "%s.%s", kind, p->name);
    return eai_weights_add_borrowed(w, name, EAI_F32, &p->shape, data, err);
}

static eai_status set_number(eai_weights *w, const char *key, int64_t value, eai_error *err)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    return eai_weights_set_string(w, key, text, err);
}

static eai_status add_validations(eai_weights *w, const eai_trainer *t, eai_error *err)
{
    eai_shape shape = EAI_SHAPE2((int64_t)t->n_validations, 2);
    double *rows = eai_alloc_array(t->n_validations * 2 + 1, sizeof(*rows));
    if (!rows)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a checkpoint");
    for (size_t i = 0; i < t->n_validations; i++) {
        rows[2 * i] = (double)t->validations[i].step;
        rows[2 * i + 1] = t->validations[i].loss;
    }
    eai_status st = eai_weights_add(w, "validation", EAI_F64, &shape, rows, err);
    eai_free(rows);
    return st;
}

static eai_status collect(eai_weights *w, const eai_trainer *t, eai_error *err)
{
    setting settings[N_SETTINGS];
    eai_shape n_losses = EAI_SHAPE1(t->done);
    const float *best = eai_trainer_best_validation(t) ? t->best_parameters : NULL;
    eai_dataset_position at = eai_dataset_get_position(t->train);

    for (size_t i = 0; i < t->task->n_parameters; i++) {
        const eai_parameter *p = &t->task->parameters[i];
        EAI_TRY(add_tensor(w, "parameter", p, p->data, err));
        EAI_TRY(add_tensor(w, "exp_avg", p, t->slots[i].m, err));
        EAI_TRY(add_tensor(w, "exp_avg_sq", p, t->slots[i].v, err));
        if (!best)
            continue;
        EAI_TRY(add_tensor(w, "best", p, best, err));
        best += eai_shape_elements(&p->shape);
    }
    EAI_TRY(eai_weights_add_borrowed(w, "losses", EAI_F32, &n_losses, t->losses, err));
    EAI_TRY(add_validations(w, t, err));
    EAI_TRY(eai_weights_set_string(w, "format", FORMAT_NAME, err));
    EAI_TRY(eai_weights_set_string(w, "version", FORMAT_VERSION, err));
    EAI_TRY(set_number(w, "step", t->done, err));
    EAI_TRY(set_number(w, "epoch", at.epoch, err));
    EAI_TRY(set_number(w, "batch", at.batch, err));
    list_settings(settings, t);
    for (int i = 0; i < N_SETTINGS; i++) {
        char key[64];
        snprintf(key, sizeof(key), "setting.%s", settings[i].name);
        EAI_TRY(eai_weights_set_string(w, key, settings[i].value, err));
    }
    return EAI_OK;
}

eai_status eai_trainer_save(const eai_trainer *t, const char *folder, int64_t keep, eai_error *err)
{
    eai_weights *w = NULL;
    char *path = NULL;

    if (t->over)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "the best parameters were restored: they are no state to continue");
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    eai_status st = eai_weights_create(&w, TRAINER_STATE_FILE, err);
    if (st == EAI_OK)
        st = collect(w, t, err);
    if (st == EAI_OK) {
        path = eai_path_join(folder, TRAINER_STATE_FILE);
        st = path ? eai_weights_save(w, path, NULL, err)
                  : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    if (st == EAI_OK)
        st = train__keep_states(w, folder, t->done, keep, err);
    if (st == EAI_OK)
        EAI_LOG(INFO, "train", "checkpoint of step %lld in '%s'", (long long)t->done, folder);
    eai_free(path);
    eai_weights_close(w);
    return st;
}

/* ---- Resuming
 * ------------------------------------------------------------------------------------- */

static eai_status get_number(int64_t *out, const eai_weights *w, const char *key, eai_error *err)
{
    const char *text = eai_weights_get_string(w, key);
    char *end = NULL;
    errno = 0;
    long long v = text ? strtoll(text, &end, 10) : -1;
    if (!text || end == text || *end || errno || v < 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "metadata '%s' is '%s': a number from 0 is needed", key,
                             text ? text : "(missing)");
    *out = v;
    return EAI_OK;
}

static eai_status compare_settings(const eai_weights *w, const eai_trainer *t, eai_error *err)
{
    setting settings[N_SETTINGS];
    list_settings(settings, t);
    for (int i = 0; i < N_SETTINGS; i++) {
        char key[64];
        snprintf(key, sizeof(key), "setting.%s", settings[i].name);
        const char *was = eai_weights_get_string(w, key);
        if (!was || strcmp(was, settings[i].value) != 0)
            return eai_error_set(
                err, EAI_ERR_ARGUMENT,
                "the checkpoint was made with %s %s, this run has %s: continue with the "
                "same settings and data, or start anew in another folder",
                settings[i].name, was ? was : "(none)", settings[i].value);
    }
    return EAI_OK;
}

static eai_status find_tensor(const float **out, const eai_weights *w, const char *kind,
                              const eai_parameter *p, eai_error *err)
{
    char name[512];
    char seen[64] = "nothing";
    char wanted[64];

    *out = NULL;
    snprintf(name, sizeof(name), "%s.%s", kind, p->name);
    const eai_weight_tensor *x = eai_weights_find(w, name);
    if (!x || x->dtype != EAI_F32 || !eai_shape_equal(&x->shape, &p->shape)) {
        if (x)
            eai_shape_print(seen, sizeof(seen), &x->shape);
        return eai_error_set(err, EAI_ERR_FORMAT, "tensor '%s': %s seen, f32 %s needed", name, seen,
                             eai_shape_print(wanted, sizeof(wanted), &p->shape));
    }
    *out = x->data;
    return EAI_OK;
}

/* Checks everything before anything is changed; `apply` then copies. */
static eai_status load_tensors(eai_trainer *t, const eai_weights *w, bool best, bool apply,
                               eai_error *err)
{
    float *best_to = t->best_parameters;
    for (size_t i = 0; i < t->task->n_parameters; i++) {
        const eai_parameter *p = &t->task->parameters[i];
        const float *x[4] = {NULL};
        EAI_TRY(find_tensor(&x[0], w, "parameter", p, err));
        EAI_TRY(find_tensor(&x[1], w, "exp_avg", p, err));
        EAI_TRY(find_tensor(&x[2], w, "exp_avg_sq", p, err));
        if (best)
            EAI_TRY(find_tensor(&x[3], w, "best", p, err));
        if (!apply)
            continue;
        size_t n = (size_t)eai_shape_elements(&p->shape);
        memcpy(p->data, x[0], n * sizeof(float));
        memcpy(t->slots[i].m, x[1], n * sizeof(float));
        memcpy(t->slots[i].v, x[2], n * sizeof(float));
        if (best) {
            memcpy(best_to, x[3], n * sizeof(float));
            best_to += n;
        }
    }
    return EAI_OK;
}

/* *list is the caller's, [*n]; steps rise, up to `last`. */
static eai_status read_validations(eai_validation **list, size_t *n, const eai_weights *w,
                                   int64_t last, eai_error *err)
{
    const eai_weight_tensor *x = eai_weights_find(w, "validation");
    *list = NULL;
    if (!x || x->dtype != EAI_F64 || x->shape.n_dims != 2 || x->shape.dim[1] != 2)
        return eai_error_set(err, EAI_ERR_FORMAT, "tensor 'validation': f64 [n,2] is needed");
    double before = -1;
    *n = (size_t)x->shape.dim[0];
    *list = eai_alloc_array(*n + 1, sizeof(**list));
    if (!*list)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu validation losses", *n);
    for (size_t i = 0; i < *n; i++) {
        double row[2];
        memcpy(row, (const char *)x->data + i * sizeof(row), sizeof(row));
        if (!(row[0] > before && row[0] <= (double)last && row[0] == floor(row[0])))
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "tensor 'validation': step %g after step %g: whole steps that "
                                 "rise up to %lld are allowed",
                                 row[0], before, (long long)last);
        before = row[0];
        (*list)[i] = (eai_validation){(int64_t)row[0], row[1]};
    }
    return EAI_OK;
}

/* The validation losses replace those of the trainer. */
static eai_status load_all(eai_trainer *t, const eai_weights *w, int64_t step,
                           eai_dataset_position at, eai_error *err)
{
    eai_validation *list;
    size_t n = 0;
    eai_status st = read_validations(&list, &n, w, step, err);
    bool best = st == EAI_OK && t->best_parameters && train__best_of(list, n);
    if (st == EAI_OK)
        st = load_tensors(t, w, best, false, err);
    if (st == EAI_OK)
        st = eai_dataset_set_position(t->train, at, err);
    if (st == EAI_OK)
        st = load_tensors(t, w, best, true, err);
    if (st != EAI_OK) {
        eai_free(list);
        return st;
    }
    eai_free(t->validations);
    t->validations = list;
    t->n_validations = n;
    t->cap_validations = n;
    return EAI_OK;
}

eai_status train__restore(eai_trainer *t, const eai_weights *w, eai_error *err)
{
    eai_dataset_position at;
    int64_t step;
    const char *format = eai_weights_get_string(w, "format");
    const char *version = eai_weights_get_string(w, "version");

    if (!format || strcmp(format, FORMAT_NAME) != 0 || !version ||
        strcmp(version, FORMAT_VERSION) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "no checkpoint of format %s %s", FORMAT_NAME,
                             FORMAT_VERSION);
    EAI_TRY(get_number(&step, w, "step", err));
    EAI_TRY(get_number(&at.epoch, w, "epoch", err));
    EAI_TRY(get_number(&at.batch, w, "batch", err));
    EAI_TRY(compare_settings(w, t, err));
    const eai_weight_tensor *losses = eai_weights_find(w, "losses");
    if (step > t->total || !losses || losses->dtype != EAI_F32 || losses->shape.n_dims != 1 ||
        losses->shape.dim[0] != step)
        return eai_error_set(err, EAI_ERR_FORMAT, "step %lld of %lld does not fit the losses kept",
                             (long long)step, (long long)t->total);
    EAI_TRY(load_all(t, w, step, at, err));
    if (losses->bytes)
        memcpy(t->losses, losses->data, losses->bytes);
    t->done = step;
    return EAI_OK;
}

eai_status eai_trainer_resume(eai_trainer *t, const char *path, eai_error *err)
{
    eai_weights *w = NULL;
    char *file = eai_fs_is_folder(path) || !eai_fs_exists(path)
                     ? eai_path_join(path, TRAINER_STATE_FILE)
                     : eai_strdup(path);
    if (!file)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = eai_weights_open(&w, file, err);
    if (st == EAI_OK) {
        st = train__restore(t, w, err);
        if (st != EAI_OK)
            st = eai_error_context(err, st, "%s", file);
        else
            EAI_LOG(INFO, "train", "continuing after step %lld of '%s'", (long long)t->done, file);
    }
    eai_weights_close(w);
    eai_free(file);
    return st;
}
