/* One forward and backward pass of a model with an adapter, without an update: for comparing with
 * PEFT's numbers. */
#ifndef EAI_TEST_LORA_STEP_H
#define EAI_TEST_LORA_STEP_H

#include <efficientai/adapter.h>
#include <efficientai/plan.h>

/* out[0]: mean loss of all next ids; out[1]: norm of its gradient by all of the adapter. */
void lora_step_run(float out[2], const eai_model *m, const eai_adapter *a, eai_backend *backend,
                   const int32_t *ids, int32_t n_ids);

#endif
