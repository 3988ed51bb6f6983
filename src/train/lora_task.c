/* The task "adapters of a language model": the model's own build functions, with the adapter's
 * hook. */
#include <efficientai/trainer.h>

#include <string.h>

static eai_status build_lora(eai_tensor **nll, eai_tensor **tensors, const eai_train_task *base,
                             eai_graph *g, int64_t n_tokens, eai_tensor *seed, eai_error *err)
{
    const eai_lora_task *task = (const eai_lora_task *)base;
    eai_model_build b = {.graph = g, .model = task->model};
    eai_model_inputs in;
    eai_adapter_binding *binding = NULL;
    eai_tensor *const *bound = NULL;

    *nll = NULL;
    if (task->adapter) {
        bool dropout = seed && eai_adapter_dropout(task->adapter) > 0;
        EAI_TRY(eai_adapter_binding_create(&binding, task->adapter, g, dropout ? seed : NULL, err));
        eai_adapter_binding_attach(binding, &b);
    }
    eai_model_build_inputs(&in, &b, n_tokens);
    eai_tensor *targets = eai_input(g, "targets", EAI_I32, EAI_SHAPE1(n_tokens));
    eai_tensor *hidden = eai_model_build_hidden(&b, &in);
    *nll = eai_model_build_nll(&b, hidden, targets);
    if (binding) {
        size_t n = eai_adapter_binding_tensors(&bound, binding);
        memcpy(tensors, bound, n * sizeof(eai_tensor *));
    }
    eai_adapter_binding_free(binding);
    return eai_graph_check(g, err);
}

void eai_lora_task_init(eai_lora_task *task, const eai_model *model, eai_adapter *adapter)
{
    memset(task, 0, sizeof(*task));
    task->base.build = build_lora;
    task->model = model;
    task->adapter = adapter;
    if (adapter)
        task->base.n_parameters = eai_adapter_parameters(&task->base.parameters, adapter);
}
