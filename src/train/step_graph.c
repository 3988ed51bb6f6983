/* Builds and plans the graphs of training. Start at train__plan_step. */
#include "train/step_graph.h"

#include <string.h>

#include <efficientai/alloc.h>

/* A graph under construction with the tensors that belong to the task. */
typedef struct step_build {
    eai_graph *g;
    const eai_train_task *task;
    const train__slot *slots;
    eai_tensor **tensors; /* parameters' states */
    eai_tensor **grads;
} step_build;

static void deinit_build(step_build *b)
{
    eai_graph_free(b->g);
    eai_free(b->tensors);
    eai_free(b->grads);
}

static eai_status init_build(step_build *b, const eai_train_task *task, const train__slot *slots,
                             eai_error *err)
{
    size_t n = task->n_parameters + 1;
    memset(b, 0, sizeof(*b));
    b->task = task;
    b->slots = slots;
    EAI_TRY(eai_graph_create(&b->g, err));
    b->tensors = eai_alloc_zeroed(n, sizeof(eai_tensor *));
    b->grads = eai_alloc_zeroed(n, sizeof(eai_tensor *));
    if (!b->tensors || !b->grads) {
        deinit_build(b);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the graph of %zu parameters", n);
    }
    return EAI_OK;
}

static eai_tensor *slot_state(const step_build *b, size_t i, const char *what, float *data)
{
    const eai_parameter *p = &b->task->parameters[i];
    char name[256];
    snprintf(name, sizeof(name), "%s.%s", what, p->name);
    return eai_state(b->g, name, EAI_F32, p->shape, data);
}

/* Clipping by the norm of all gradients together (torch's clip_grad_norm_), then AdamW. */
static void add_update(const step_build *b, const eai_train_opts *opts)
{
    eai_graph *g = b->g;
    eai_tensor *hyper = eai_input(g, "hyper", EAI_F32, EAI_SHAPE1(3));
    eai_tensor *squares = NULL;
    for (size_t i = 0; i < b->task->n_parameters; i++) {
        eai_tensor *s = eai_sum_all(g, eai_mul(g, b->grads[i], b->grads[i]));
        squares = squares ? eai_add(g, squares, s) : s;
    }
    eai_tensor *norm = eai_power(g, squares, 0.5);
    eai_tensor *scale = eai_fill(g, EAI_SHAPE0, 1);
    if (opts->max_grad_norm > 0) {
        eai_tensor *limit = eai_fill(g, EAI_SHAPE0, opts->max_grad_norm);
        scale = eai_minimum(g, scale, eai_div(g, limit, eai_affine(g, norm, 1, 1e-6)));
    }
    eai_graph_output(g, "grad_norm", norm);
    for (size_t i = 0; i < b->task->n_parameters; i++)
        eai_adamw(g, b->tensors[i], slot_state(b, i, "exp_avg", b->slots[i].m),
                  slot_state(b, i, "exp_avg_sq", b->slots[i].v), b->grads[i], hyper, scale,
                  opts->adamw);
}

static eai_status find(eai_operand *out, const eai_plan *plan, const char *name, bool wanted,
                       eai_error *err)
{
    memset(out, 0, sizeof(*out));
    return wanted ? eai_plan_find(out, plan, name, err) : EAI_OK;
}

static eai_status find_ports(train__ports *p, const eai_plan *plan, bool batch, bool train,
                             bool update, eai_error *err)
{
    EAI_TRY(find(&p->ids, plan, "ids", batch, err));
    EAI_TRY(find(&p->positions, plan, "positions", batch, err));
    EAI_TRY(find(&p->start, plan, "start", batch, err));
    EAI_TRY(find(&p->end, plan, "end", batch, err));
    EAI_TRY(find(&p->targets, plan, "targets", batch, err));
    EAI_TRY(find(&p->loss, plan, "loss", batch, err));
    EAI_TRY(find(&p->seed, plan, "seed", batch && train, err));
    EAI_TRY(find(&p->loss_scale, plan, "loss_scale", batch && train, err));
    EAI_TRY(find(&p->hyper, plan, "hyper", update, err));
    return find(&p->grad_norm, plan, "grad_norm", update, err);
}

static void keep_gradients(const step_build *b)
{
    for (size_t i = 0; i < b->task->n_parameters; i++) {
        char name[32];
        snprintf(name, sizeof(name), "grad.%zu", i);
        eai_graph_output(b->g, name, b->grads[i]);
    }
}

/* On failure nothing is left in *out. */
static eai_status keep_or_free(eai_plan **out, eai_status st)
{
    if (st != EAI_OK) {
        eai_plan_free(*out);
        *out = NULL;
    }
    return st;
}

eai_status train__plan_step(eai_plan **out, train__ports *ports, const train__setup *setup,
                            int64_t n_tokens, const eai_plan *lender, eai_error *err)
{
    const eai_train_task *task = setup->task;
    const train__slot *slots = setup->slots;
    step_build b;
    eai_tensor *nll = NULL;
    bool update = slots[0].sum == NULL;
    eai_grad_opts grad_opts = {setup->opts->checkpoint_activations};

    *out = NULL;
    EAI_TRY(init_build(&b, task, slots, err));
    eai_tensor *seed = eai_input(b.g, "seed", EAI_I32, EAI_SHAPE1(2));
    eai_tensor *scale = eai_input(b.g, "loss_scale", EAI_F32, EAI_SHAPE0);
    eai_status st = task->build(&nll, b.tensors, task, b.g, n_tokens, seed, err);
    if (st != EAI_OK)
        goto done;
    eai_tensor *loss = eai_mul(b.g, eai_sum_all(b.g, nll), scale);
    eai_grad(b.g, loss, b.tensors, task->n_parameters, &grad_opts, b.grads);
    eai_graph_output(b.g, "loss", loss);
    if (setup->keep)
        keep_gradients(&b);
    if (update) {
        add_update(&b, setup->opts);
    } else {
        for (size_t i = 0; i < task->n_parameters; i++)
            eai_accumulate(b.g, slot_state(&b, i, "grad_sum", slots[i].sum), b.grads[i]);
    }
    st = eai_plan_create_sharing(out, b.g, setup->backend, lender, err);
    if (st == EAI_OK)
        st = find_ports(ports, *out, true, true, update, err);
done:
    deinit_build(&b);
    return keep_or_free(out, st);
}

eai_status train__plan_update(eai_plan **out, train__ports *ports, const train__setup *setup,
                              eai_error *err)
{
    const eai_train_task *task = setup->task;
    step_build b;

    *out = NULL;
    EAI_TRY(init_build(&b, task, setup->slots, err));
    for (size_t i = 0; i < task->n_parameters; i++) {
        b.tensors[i] = slot_state(&b, i, "parameter", task->parameters[i].data);
        b.grads[i] = slot_state(&b, i, "grad_sum", setup->slots[i].sum);
    }
    add_update(&b, setup->opts);
    for (size_t i = 0; i < task->n_parameters; i++)
        eai_assign(b.g, b.grads[i], eai_fill(b.g, task->parameters[i].shape, 0));
    eai_status st = eai_plan_create(out, b.g, setup->backend, err);
    if (st == EAI_OK)
        st = find_ports(ports, *out, false, true, true, err);
    deinit_build(&b);
    return keep_or_free(out, st);
}

eai_status train__plan_loss(eai_plan **out, train__ports *ports, const eai_train_task *task,
                            eai_backend *backend, int64_t n_tokens, const eai_plan *lender,
                            eai_error *err)
{
    step_build b;
    eai_tensor *nll = NULL;

    *out = NULL;
    EAI_TRY(init_build(&b, task, NULL, err));
    eai_status st = task->build(&nll, b.tensors, task, b.g, n_tokens, NULL, err);
    if (st == EAI_OK) {
        eai_graph_output(b.g, "loss", eai_sum_all(b.g, nll));
        st = eai_plan_create_sharing(out, b.g, backend, lender, err);
    }
    if (st == EAI_OK)
        st = find_ports(ports, *out, true, false, false, err);
    deinit_build(&b);
    return keep_or_free(out, st);
}

void train__feed(const train__ports *p, const eai_batch *batch)
{
    size_t bytes = (size_t)batch->n_tokens * sizeof(int32_t);
    memcpy(p->ids.data, batch->ids, bytes);
    memcpy(p->positions.data, batch->positions, bytes);
    memcpy(p->start.data, batch->start, bytes);
    memcpy(p->end.data, batch->end, bytes);
    memcpy(p->targets.data, batch->targets, bytes);
}

float train__scalar(const eai_operand *o)
{
    return o->dtype == EAI_F64 ? (float)*(const double *)o->data : *(const float *)o->data;
}
