/* Adapters as files: a config beside a safetensors file, in the layout of PEFT (adapter_config.c)
 * or of mlx-lm (adapter_mlx.c).
 *
 * PEFT's keys are "base_model.model.<layer>.lora_A.weight" [r, n_in] and "...lora_B.weight" [n_out,
 * r], and "base_model.model.lm_head.weight" for modules that are saved as a whole; mlx-lm's are
 * "<layer>.lora_a" [n_in, r] and "<layer>.lora_b" [r, n_out]. On reading, the keys decide which
 * layers are changed, and the config only the numbers: this reads adapters whose target_modules is
 * a pattern, and those of some layers alone. Start at eai_adapter_save and eai_adapter_load. */
#include "lora/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/banned.h"

const lora__layout lora__layouts[] = {
    [EAI_ADAPTER_PEFT] = {"peft",
                          "adapter_model.safetensors",
                          LORA_KEY_PREFIX,
                          {".lora_A.weight", ".lora_B.weight"},
                          false},
    [EAI_ADAPTER_MLX] = {"mlx", "adapters.safetensors", "", {".lora_a", ".lora_b"}, true},
};

bool eai_adapter_format_from_name(eai_adapter_format *out, const char *name)
{
    for (int i = 0; i <= EAI_ADAPTER_MLX; i++) {
        if (strcmp(lora__layouts[i].name, name) == 0) {
            *out = (eai_adapter_format)i;
            return true;
        }
    }
    return false;
}

/* ---- Writing
 * ------------------------------------------------------------------------------------- */

static eai_status save_config(const eai_adapter *a, const char *folder, const char *base_name,
                              eai_adapter_format format, eai_error *err)
{
    eai_status st;
    eai_strbuf b = EAI_STRBUF_INIT(1 << 20);
    char *path = eai_path_join(folder, LORA_CONFIG_FILE);

    if (format == EAI_ADAPTER_MLX)
        lora__write_mlx_config(&b, a, base_name);
    else
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

/* Parameter i as the layout calls it and has it: transposed, it is a copy. */
static eai_status add_parameter(eai_weights *w, const eai_adapter *a, size_t i,
                                const lora__layout *layout, eai_error *err)
{
    const eai_parameter *p = &a->parameters[i];
    if (!layout->transposed)
        return eai_weights_add_borrowed(w, p->name, EAI_F32, &p->shape, p->data, err);
    int64_t rows = p->shape.dim[0];
    int64_t cols = p->shape.dim[1];
    char *name = lora__name_in_file(p, i, layout);
    float *data = eai_alloc_array((size_t)(rows * cols), sizeof(*data));
    eai_status st = name && data ? EAI_OK : EAI_ERR_NOMEM;
    if (st != EAI_OK)
        eai_error_set(err, st, "no memory to write an adapter");
    for (int64_t r = 0; st == EAI_OK && r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            data[c * rows + r] = p->data[r * cols + c];
    if (st == EAI_OK)
        st = eai_weights_add(w, name, EAI_F32, &EAI_SHAPE2(cols, rows), data, err);
    eai_free(name);
    eai_free(data);
    return st;
}

static eai_status save_weights(const eai_adapter *a, const char *folder, const lora__layout *layout,
                               eai_error *err)
{
    eai_status st;
    eai_weights *w = NULL;
    char *path = eai_path_join(folder, layout->weights_file);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = eai_weights_create(&w, path, err);
    for (size_t i = 0; st == EAI_OK && i < a->n_parameters; i++)
        st = add_parameter(w, a, i, layout, err);
    if (st == EAI_OK)
        st = eai_weights_set_string(w, "format", layout->transposed ? "mlx" : "pt", err);
    if (st == EAI_OK)
        st = eai_weights_save(w, path, NULL, err);
    eai_weights_close(w);
    eai_free(path);
    return st;
}

eai_status eai_adapter_save_as(const eai_adapter *a, const char *folder, const char *base_name,
                               eai_adapter_format format, eai_error *err)
{
    if (format == EAI_ADAPTER_MLX)
        EAI_TRY(lora__check_mlx(a, err));
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    EAI_TRY(save_weights(a, folder, &lora__layouts[format], err));
    return save_config(a, folder, base_name, format, err);
}

eai_status eai_adapter_save(const eai_adapter *a, const char *folder, const char *base_name,
                            eai_error *err)
{
    return eai_adapter_save_as(a, folder, base_name, EAI_ADAPTER_PEFT, err);
}

/* ---- Reading the tensors
 * ------------------------------------------------------------------------- */

char *lora__name_in_file(const eai_parameter *p, size_t i, const lora__layout *layout)
{
    const lora__layout *ours = &lora__layouts[EAI_ADAPTER_PEFT];
    const char *layer = p->name + strlen(ours->prefix);
    int n = (int)(strlen(layer) - strlen(ours->tails[i % 2]));
    return eai_asprintf("%s%.*s%s", layout->prefix, n, layer, layout->tails[i % 2]);
}

/* The linear layer that key `name` belongs to, or -1. */
static int64_t find_linear(const eai_model *m, const char *name, const lora__layout *layout)
{
    const char *const *tails = layout->tails;
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    size_t prefix = strlen(layout->prefix);

    if (strncmp(name, layout->prefix, prefix) != 0)
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
                                const lora__layout *layout, const eai_weights *w, eai_error *err)
{
    if (eai_weights_count(w) == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: no tensors", eai_weights_path(w));
    for (size_t i = 0; i < eai_weights_count(w); i++) {
        const char *name = eai_weights_at(w, i)->name;
        int64_t linear = find_linear(m, name, layout);
        if (linear < 0 && !layout->transposed && find_whole(whole, name))
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

/* Finite numbers of that shape, as floats, in the file's order. */
static eai_status read_values(float *out, const eai_weights *w, const char *name,
                              const eai_shape *shape, eai_error *err)
{
    const char *path = eai_weights_path(w);
    const eai_weight_tensor *t = eai_weights_find(w, name);
    char seen[96];
    char wanted[96];

    if (!t)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: tensor '%s' is missing", path, name);
    if (!eai_shape_equal(&t->shape, shape))
        return eai_error_set(
            err, EAI_ERR_SHAPE,
            "%s: tensor '%s': shape %s, where this model and the config ask for %s", path, name,
            eai_shape_print(seen, sizeof(seen), &t->shape),
            eai_shape_print(wanted, sizeof(wanted), shape));
    if (eai_dtype_get(t->dtype)->kind != EAI_DTYPE_FLOAT)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: tensor '%s': type %s is no float type",
                             path, name, eai_dtype_get(t->dtype)->name);
    int64_t n = eai_shape_elements(&t->shape);
    eai_dequantize_row(out, t->dtype, t->data, n);
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(out[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC, "%s: tensor '%s': element %lld is %g", path,
                                 name, (long long)i, (double)out[i]);
    }
    return EAI_OK;
}

static eai_status read_transposed(eai_parameter *p, const eai_weights *w, const char *name,
                                  eai_error *err)
{
    int64_t rows = p->shape.dim[0];
    int64_t cols = p->shape.dim[1];
    float *data = eai_alloc_array((size_t)(rows * cols), sizeof(*data));
    if (!data)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for tensor '%s'", name);
    eai_status st = read_values(data, w, name, &EAI_SHAPE2(cols, rows), err);
    for (int64_t r = 0; st == EAI_OK && r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            p->data[r * cols + c] = data[c * rows + r];
    eai_free(data);
    return st;
}

static eai_status read_parameter(eai_adapter *a, size_t i, const lora__layout *layout,
                                 const eai_weights *w, eai_error *err)
{
    eai_parameter *p = &a->parameters[i];
    if (!layout->transposed)
        return read_values(p->data, w, p->name, &p->shape, err);
    char *name = lora__name_in_file(p, i, layout);
    eai_status st = name ? read_transposed(p, w, name, err)
                         : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    eai_free(name);
    return st;
}

eai_status lora__read_weights(eai_adapter **out, const eai_model *m, lora__layer *layers,
                              bool whole[LORA_N_WHOLE], const eai_adapter_opts *opts,
                              const lora__layout *layout, const eai_weights *w, eai_error *err)
{
    eai_adapter *a = NULL;
    eai_status st = choose_layers(layers, whole, m, layout, w, err);
    if (st == EAI_OK)
        st = lora__create_empty(&a, m, layers, whole, opts, err);
    for (size_t i = 0; st == EAI_OK && i < a->n_parameters; i++)
        st = read_parameter(a, i, layout, w, err);
    if (st == EAI_OK) {
        *out = a;
        a = NULL;
    }
    eai_adapter_free(a);
    return st;
}

/* mlx-lm's where its file is there and PEFT's is not. */
static eai_status find_layout(const lora__layout **out, char **path, const char *folder,
                              eai_error *err)
{
    const lora__layout *peft = &lora__layouts[EAI_ADAPTER_PEFT];
    const lora__layout *mlx = &lora__layouts[EAI_ADAPTER_MLX];
    char *first = eai_path_join(folder, peft->weights_file);
    char *second = eai_path_join(folder, mlx->weights_file);
    bool ok = first && second;
    bool is_mlx = ok && !eai_fs_exists(first) && eai_fs_exists(second);

    *out = is_mlx ? mlx : peft;
    *path = is_mlx ? second : first;
    eai_free(is_mlx ? first : second);
    return ok ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

eai_status eai_adapter_load(eai_adapter **out, const eai_model *m, const char *folder,
                            eai_error *err)
{
    eai_adapter_opts opts = EAI_ADAPTER_OPTS_INIT;
    const lora__layout *layout = NULL;
    eai_weights *w = NULL;
    bool whole[LORA_N_WHOLE] = {false};
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    lora__layer *layers = eai_alloc_zeroed(n_linears, sizeof(*layers));
    char *path = NULL;

    *out = NULL;
    eai_status st = layers
                        ? find_layout(&layout, &path, folder, err)
                        : eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu layers", n_linears);
    if (st == EAI_OK)
        st = lora__load_config(&opts, layers, whole, m, folder, layout, err);
    if (st == EAI_OK)
        st = eai_weights_open(&w, path, err);
    if (st == EAI_OK)
        st = lora__read_weights(out, m, layers, whole, &opts, layout, w, err);
    eai_weights_close(w);
    eai_free(path);
    eai_free(layers);
    return st;
}
