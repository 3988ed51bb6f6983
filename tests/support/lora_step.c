/* See lora_step.h. Segments are computed again, as in training. */
#include "support/lora_step.h"

#include <math.h>

#include "support/eai_test.h"
#include "support/tiny_llama.h"

void lora_step_run(float out[2], const eai_model *m, const eai_adapter *a, eai_backend *backend,
                   const int32_t *ids, int32_t n_ids)
{
    eai_error err = EAI_ERROR_INIT;
    eai_graph *g = NULL;
    eai_plan *plan = NULL;
    eai_adapter_binding *bind = NULL;
    eai_tensor *const *wrt = NULL;
    eai_tensor *grads[256];
    eai_model_inputs in;
    assert_ok(eai_graph_create(&g, &err), &err);
    assert_ok(eai_adapter_binding_create(&bind, a, g, NULL, &err), &err);
    eai_model_build b = {.graph = g, .model = m};
    eai_adapter_binding_attach(bind, &b);
    eai_model_build_inputs(&in, &b, n_ids);
    eai_tensor *targets = eai_input(g, "targets", EAI_I32, EAI_SHAPE1(n_ids));
    eai_tensor *nll = eai_model_build_nll(&b, eai_model_build_hidden(&b, &in), targets);
    eai_tensor *loss = eai_scale(g, eai_sum_all(g, nll), 1.0 / (n_ids - 1));
    size_t n = eai_adapter_binding_tensors(&wrt, bind);
    assert_true(n <= sizeof(grads) / sizeof(grads[0]));
    eai_grad(g, loss, wrt, n, &(eai_grad_opts){.checkpoint = true}, grads);
    eai_tensor *squares = eai_fill(g, EAI_SHAPE1(1), 0);
    for (size_t i = 0; i < n; i++)
        squares = eai_add(g, squares, eai_sum_all(g, eai_mul(g, grads[i], grads[i])));
    eai_graph_output(g, "loss", loss);
    eai_graph_output(g, "squares", squares);
    assert_ok(eai_graph_check(g, &err), &err);
    assert_ok(eai_plan_create(&plan, g, backend, &err), &err);
    for (int32_t t = 0; t < n_ids; t++) {
        tiny_input(plan, "ids")[t] = ids[t];
        tiny_input(plan, "positions")[t] = t;
        tiny_input(plan, "start")[t] = 0;
        tiny_input(plan, "end")[t] = t + 1;
        tiny_input(plan, "targets")[t] = t + 1 < n_ids ? ids[t + 1] : -100;
    }
    assert_ok(eai_plan_run(plan, &err), &err);
    tiny_output(&out[0], plan, "loss", 1);
    tiny_output(&out[1], plan, "squares", 1);
    out[1] = sqrtf(out[1]);
    eai_plan_free(plan);
    eai_adapter_binding_free(bind);
    eai_graph_free(g);
}
