/* The validation losses of a run: the list, the best one and its parameters, and how long there has
 * been no gain. They belong to the trainer because a continued run needs them: checkpoints hold
 * them (checkpoint.c). What is validated, and when, is the caller's. Start at
 * eai_trainer_add_validation.
 */
#include "train/trainer_state.h"

#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/banned.h"

static eai_status reserve(eai_trainer *t, eai_error *err)
{
    if (t->n_validations < t->cap_validations)
        return EAI_OK;
    size_t cap = t->cap_validations * 2 + 16;
    eai_validation *list = eai_realloc_array(t->validations, cap, sizeof(*list));
    if (!list)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu validation losses", cap);
    t->validations = list;
    t->cap_validations = cap;
    return EAI_OK;
}

static void copy_parameters(const eai_trainer *t, bool back)
{
    float *at = t->best_parameters;
    for (size_t i = 0; i < t->task->n_parameters; i++) {
        const eai_parameter *p = &t->task->parameters[i];
        size_t n = (size_t)eai_shape_elements(&p->shape);
        memcpy(back ? p->data : at, back ? at : p->data, n * sizeof(*at));
        at += n;
    }
}

eai_status eai_trainer_add_validation(eai_trainer *t, double loss, eai_error *err)
{
    size_t n = t->n_validations;
    if (n > 0 && t->validations[n - 1].step >= t->done)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "step %lld has a validation loss already",
                             (long long)t->done);
    EAI_TRY(reserve(t, err));
    t->validations[t->n_validations++] = (eai_validation){t->done, loss};
    if (t->best_parameters && eai_trainer_best_validation(t) == &t->validations[n])
        copy_parameters(t, false);
    return EAI_OK;
}

size_t eai_trainer_validations(const eai_validation **out, const eai_trainer *t)
{
    *out = t->validations;
    return t->n_validations;
}

const eai_validation *train__best_of(const eai_validation *list, size_t n)
{
    const eai_validation *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const eai_validation *v = &list[i];
        if (v->step > 0 && isfinite(v->loss) && (!best || v->loss < best->loss))
            best = v;
    }
    return best;
}

const eai_validation *eai_trainer_best_validation(const eai_trainer *t)
{
    return train__best_of(t->validations, t->n_validations);
}

int64_t eai_trainer_stalled_validations(const eai_trainer *t, double threshold)
{
    double best = (double)INFINITY;
    int64_t stalled = 0;
    for (size_t i = 0; i < t->n_validations; i++) {
        const eai_validation *v = &t->validations[i];
        if (v->step == 0)
            continue;
        stalled = best - v->loss > threshold ? 0 : stalled + 1;
        best = v->loss < best ? v->loss : best;
    }
    return stalled;
}

eai_status eai_trainer_restore_best(eai_trainer *t, eai_error *err)
{
    if (!t->best_parameters)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "the trainer was made without keep_best");
    if (!eai_trainer_best_validation(t))
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "there is no validation loss after a step");
    copy_parameters(t, true);
    t->over = true;
    return EAI_OK;
}
