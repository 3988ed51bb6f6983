/* Fuzz target: the file of a checkpoint, resumed by a trainer of four steps on a model of one
 * layer. A state that is accepted is within the run, and its validations are in order; one that is
 * refused leaves the trainer where it was. */
#include "fuzz/fuzz_model.h"

#include <string.h>

#include <efficientai/adapter.h>
#include <efficientai/dataset.h>

#include "train/trainer_state.h"

enum { STEPS = 4, N_TOKENS = 4 };

/* Lives as long as the program. */
static eai_trainer *make_trainer(void)
{
    static const int32_t ids[N_TOKENS] = {0, 1, 2, 3};
    static const uint8_t mask[N_TOKENS] = {0, 1, 1, 1};
    static const size_t lengths[] = {N_TOKENS};
    static eai_lora_task task;
    eai_error err = EAI_ERROR_INIT;
    eai_adapter_opts lora = EAI_ADAPTER_OPTS_INIT;
    eai_dataset_opts data = {8, 1, true, false, false, 0};
    eai_train_opts train = EAI_TRAIN_OPTS_INIT;
    eai_backend *backend = NULL;
    eai_adapter *adapter = NULL;
    eai_dataset *set = NULL;
    eai_trainer *t = NULL;
    lora.targets = "q_proj";
    lora.rank = 1;
    train.steps = STEPS;
    train.keep_best = true;
    if (eai_backend_open(&backend, "reference", NULL, &err) != EAI_OK ||
        eai_adapter_create(&adapter, fuzz_model(), &lora, &err) != EAI_OK ||
        eai_dataset_from_tokens(&set, ids, mask, lengths, 1, &data, &err) != EAI_OK)
        abort();
    eai_lora_task_init(&task, fuzz_model(), adapter);
    if (eai_trainer_create(&t, &task.base, backend, set, &train, &err) != EAI_OK)
        abort();
    return t;
}

static void check_accepted(const eai_trainer *t)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_batch *batch = NULL;
    if (t->done < 0 || t->done > STEPS)
        abort();
    for (int i = 0; i < 2; i++) { /* over the end of an epoch */
        if (eai_dataset_next(&batch, t->train, &err) != EAI_OK)
            abort();
    }
    for (size_t i = 0; i < t->n_validations; i++) {
        if (t->validations[i].step > t->done ||
            (i && t->validations[i].step <= t->validations[i - 1].step))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eai_trainer *t;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;

    if (!t)
        t = make_trainer();
    if (eai_weights_parse(&w, data, size, "input", NULL) != EAI_OK)
        return -1; /* the target "safetensors" is for these: keep it out of the corpus */
    int64_t before = t->done;
    eai_status st = train__restore(t, w, &err);
    if (st == EAI_OK)
        check_accepted(t);
    else if (err.code != st || err.message[0] == '\0' || t->done != before)
        abort();
    eai_weights_close(w);
    return 0;
}
