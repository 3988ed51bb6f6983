/* Adapters as files, in the layout of PEFT: adapter_model.safetensors, and adapter_config.json
 * (adapter_config.c).
 *
 * Keys are "base_model.model.<layer>.lora_A.weight" [r, n_in] and "...lora_B.weight" [n_out, r],
 * and "base_model.model.lm_head.weight" for modules that are saved as a whole. On reading, the keys
 * decide which layers are changed, and the config only the numbers: this reads adapters whose
 * target_modules is a pattern, and those of some layers alone. Start at eai_adapter_save and
 * eai_adapter_load. */
#include "lora/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/banned.h"

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

static eai_status save_config(const eai_adapter *a, const char *folder, const char *base_name,
                              eai_error *err)
{
    eai_status st;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 20);
    char *path = eai_path_join(folder, LORA_CONFIG_FILE);

    lora__write_config(&b, a, base_name);
    st = eai_strbuf_check(&b, LORA_CONFIG_FILE, err);
    if (st == EAI_OK && !path)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_free(path);
    eai_strbuf_deinit(&b);
    return st;
}

static eai_status save_weights(const eai_adapter *a, const char *folder, eai_error *err)
{
    eai_status st;
    eai_weights *w = NULL;
    char *path = eai_path_join(folder, LORA_WEIGHTS_FILE);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_weights_create(&w, path, err);
    for (size_t i = 0; st == EAI_OK && i < a->n_parameters; i++) {
        const eai_parameter *p = &a->parameters[i];
        st = eai_weights_add_borrowed(w, p->name, EAI_F32, &p->shape, p->data, err);
    }
    if (st == EAI_OK)
        st = eai_weights_set_string(w, "format", "pt", err);
    if (st == EAI_OK)
        st = eai_weights_save(w, path, NULL, err);
    eai_weights_close(w);
    eai_free(path);
    return st;
}

eai_status eai_adapter_save(const eai_adapter *a, const char *folder, const char *base_name,
                            eai_error *err)
{
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    EAI_TRY(save_weights(a, folder, err));
    return save_config(a, folder, base_name, err);
}

/* ---- Reading the tensors
 * ------------------------------------------------------------------------- */

/* The linear layer that key `name` belongs to, or -1. */
static int64_t find_linear(const eai_model *m, const char *name)
{
    static const char *const tails[] = {".lora_A.weight", ".lora_B.weight"};
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    size_t prefix = strlen(LORA_KEY_PREFIX);

    if (strncmp(name, LORA_KEY_PREFIX, prefix) != 0)
        return -1;
    for (size_t i = 0; i < n_linears; i++) {
        size_t n = strlen(linears[i].name);
        if (strncmp(name + prefix, linears[i].name, n) != 0)
            continue;
        const char *tail = name + prefix + n;
        if (strcmp(tail, tails[0]) == 0 || strcmp(tail, tails[1]) == 0)
            return (int64_t)i;
    }
    return -1;
}

static bool find_whole(bool whole[LORA_N_WHOLE], const char *name)
{
    size_t prefix = strlen(LORA_KEY_PREFIX);
    for (int i = 0; i < LORA_N_WHOLE; i++) {
        if (strncmp(name, LORA_KEY_PREFIX, prefix) == 0 &&
            strcmp(name + prefix, lora__whole_specs[i].name) == 0) {
            whole[i] = true;
            return true;
        }
    }
    return false;
}

/* Marks the layers and whole modules that the file has tensors for; every tensor must belong to
 * one. */
static eai_status choose_layers(lora__layer *layers, bool whole[LORA_N_WHOLE], const eai_model *m,
                                const eai_weights *w, eai_error *err)
{
    if (eai_weights_count(w) == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no tensors", eai_weights_path(w));
    for (size_t i = 0; i < eai_weights_count(w); i++) {
        const char *name = eai_weights_at(w, i)->name;
        int64_t linear = find_linear(m, name);
        if (linear < 0 && find_whole(whole, name))
            continue;
        if (linear < 0) {
            char known[512];
            lora__list_modules(known, sizeof(known), m);
            return eai_error_set(
                err, EAI_ERR_FORMAT,
                "%s: tensor '%s' belongs to no layer of the model, which has %lld layers "
                "with %s",
                eai_weights_path(w), name, (long long)eai_model_get_config(m)->n_layers, known);
        }
        layers[linear].chosen = true;
    }
    return EAI_OK;
}

static eai_status read_values(eai_parameter *p, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);
    const eai_weight_tensor *t = eai_weights_find(w, p->name);
    char seen[96];
    char wanted[96];

    if (!t)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: tensor '%s' is missing", path, p->name);
    if (!eai_shape_equal(&t->shape, &p->shape))
        return eai_error_set(
            err, EAI_ERR_SHAPE,
            "%s: tensor '%s': shape %s, where this model and the config ask for %s", path, p->name,
            eai_shape_print(seen, sizeof(seen), &t->shape),
            eai_shape_print(wanted, sizeof(wanted), &p->shape));
    if (eai_dtype_get(t->dtype)->kind != EAI_DTYPE_FLOAT)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: tensor '%s': type %s is no float type",
                             path, p->name, eai_dtype_get(t->dtype)->name);
    int64_t n = eai_shape_elements(&t->shape);
    eai_dequantize_row(p->data, t->dtype, t->data, n);
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(p->data[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC, "%s: tensor '%s': element %lld is %g", path,
                                 p->name, (long long)i, (double)p->data[i]);
    }
    return EAI_OK;
}

eai_status lora__read_weights(eai_adapter **out, const eai_model *m, lora__layer *layers,
                              bool whole[LORA_N_WHOLE], const eai_adapter_opts *opts,
                              const eai_weights *w, eai_error *err)
{
    eai_adapter *a = NULL;
    eai_status st = choose_layers(layers, whole, m, w, err);
    if (st == EAI_OK)
        st = lora__create_empty(&a, m, layers, whole, opts, err);
    for (size_t i = 0; st == EAI_OK && i < a->n_parameters; i++)
        st = read_values(&a->parameters[i], w, err);
    if (st == EAI_OK) {
        *out = a;
        a = NULL;
    }
    eai_adapter_free(a);
    return st;
}

eai_status eai_adapter_load(eai_adapter **out, const eai_model *m, const char *folder,
                            eai_error *err)
{
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    eai_weights *w = NULL;
    bool whole[LORA_N_WHOLE] = {false};
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    lora__layer *layers = eai_alloc_zeroed(n_linears, sizeof(*layers));
    char *path = eai_path_join(folder, LORA_WEIGHTS_FILE);
    eai_status st = EAI_OK;

    *out = NULL;
    if (!layers || !path) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu layers", n_linears);
        goto done;
    }
    st = lora__load_config(&opts, layers, whole, m, folder, err);
    if (st == EAI_OK)
        st = eai_weights_open(&w, path, err);
    if (st == EAI_OK)
        st = lora__read_weights(out, m, layers, whole, &opts, w, err);
done:
    eai_weights_close(w);
    eai_free(path);
    eai_free(layers);
    return st;
}
