/* Merging: the model with an adapter worked into its weights, W' = W + scale * B A, as a file of
 * plain floats.
 *
 * The file is written a few rows at a time, each row unpacked, changed, and rounded to the wanted
 * type, so a merged model never lies in memory as a whole. Sums are in f32. Start at
 * eai_adapter_merge. */
#include "lora/lora.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "models/models.h"

#include "base/banned.h"

/* What making rows needs: the adapter and the tensors by name. */
typedef struct merge_job {
    const eai_adapter *adapter; /* or NULL */
    const eai_model *model;
    float *row; /* [longest row] */
} merge_job;

/* Where a tensor's rows come from. */
typedef struct row_source {
    eai_dtype dtype;
    const void *data;
    int64_t linear; /* the adapter's pair is added to it; -1: none */
} row_source;

/* The linear layer of that tensor, or -1. A linear search over some hundred names per piece of some
 * megabytes costs nothing. */
static int64_t find_linear(const eai_model *m, const char *name)
{
    size_t n = model__tensor_count(m);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(model__tensor(m, i)->name, name) == 0)
            return model__tensor_linear(m, i);
    }
    return -1;
}

/* The adapter's own embedding or head, else the file's tensor; a head that the file lacks is its
 * embedding. */
static row_source find_source(const merge_job *job, const char *name)
{
    const eai_adapter *a = job->adapter;
    for (int i = 0; a && i < LORA_N_WHOLE; i++) {
        if (a->whole[i] >= 0 && strcmp(name, lora__whole_specs[i].name) == 0)
            return (row_source){EAI_F32, a->parameters[a->whole[i]].data, -1};
    }
    const eai_weight_tensor *t = eai_weights_find(eai_model_get_weights(job->model), name);
    if (!t)
        t = &job->model->head;
    return (row_source){t->dtype, t->data, find_linear(job->model, name)};
}

/* row += scale * B[o] A */
static void add_delta(float *row, const eai_adapter *a, int64_t linear, int64_t o)
{
    const lora__layer *l = &a->layers[linear];
    const eai_parameter *pa = &a->parameters[2 * a->pair_of_linear[linear]];
    int64_t n_in = pa->shape.dim[1];

    for (int64_t r = 0; r < l->rank; r++) {
        float factor = (float)lora__scale(a, l) * pa[1].data[o * l->rank + r];
        const float *av = pa->data + r * n_in;
        for (int64_t i = 0; i < n_in; i++)
            row[i] += factor * av[i];
    }
}

static eai_status fill_rows(void *out, const eai_weight_tensor *t, int64_t first, int64_t n_rows,
                            void *ud, eai_error *err)
{
    merge_job *job = ud;
    const eai_adapter *a = job->adapter;
    row_source from = find_source(job, t->name);
    bool changed = a && from.linear >= 0 && a->pair_of_linear[from.linear] >= 0;
    int64_t n = t->shape.dim[t->shape.n_dims - 1];
    size_t bytes_in = eai_row_bytes(from.dtype, n);
    size_t bytes_out = eai_row_bytes(t->dtype, n);

    for (int64_t i = 0; i < n_rows; i++) {
        const char *in = (const char *)from.data + (size_t)(first + i) * bytes_in;
        eai_dequantize_row(job->row, from.dtype, in, n);
        if (changed)
            add_delta(job->row, a, from.linear, first + i);
        for (int64_t j = 0; j < n; j++) {
            if (!isfinite(job->row[j]) || (t->dtype == EAI_F16 && fabsf(job->row[j]) >= 65520.0f))
                return eai_error_set(err, EAI_ERR_NUMERIC,
                                     "tensor '%s': row %" PRId64 " has %g, which %s cannot hold",
                                     t->name, first + i, (double)job->row[j],
                                     eai_dtype_get(t->dtype)->name);
        }
        EAI_TRY(eai_quantize_row((char *)out + (size_t)i * bytes_out, t->dtype, job->row, n, err));
    }
    return EAI_OK;
}

/* Whether the merged model's head is its embedding: not when the adapter has one of its own. */
static bool is_tied(const eai_adapter *a, const eai_model *m)
{
    bool own = a && (a->whole[LORA_EMBEDDING] >= 0 || a->whole[LORA_HEAD] >= 0);
    return eai_model_get_config(m)->tied && !own;
}

/* Fills `w` with the merged model's tensor names and shapes in `dtype`, without data; *longest: of
 * the rows. */
static eai_status list_tensors(eai_weights *w, int64_t *longest, const eai_adapter *a,
                               const eai_model *m, eai_dtype dtype, eai_error *err)
{
    const eai_model_config *c = eai_model_get_config(m);
    *longest = 0;
    for (size_t i = 0; i < model__tensor_count(m); i++) {
        const eai_weight_tensor *t = model__tensor(m, i);
        int64_t n = t->shape.dim[t->shape.n_dims - 1];
        *longest = n > *longest ? n : *longest;
        EAI_TRY(eai_weights_add_borrowed(w, t->name, dtype, &t->shape, NULL, err));
    }
    if (c->tied && !is_tied(a, m))
        EAI_TRY(eai_weights_add_borrowed(w, lora__whole_specs[LORA_HEAD].name, dtype,
                                         &EAI_SHAPE2(c->vocab, c->d_model), NULL, err));
    return eai_weights_set_string(w, "format", "pt", err); /* transformers asks for it */
}

eai_status eai_adapter_merge(const eai_adapter *a, const eai_model *m, const char *folder,
                             eai_dtype dtype, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_weights *w = NULL;
    char *path = NULL;
    merge_job job = {.adapter = a, .model = m};
    int64_t longest;

    if (dtype != EAI_F32 && dtype != EAI_BF16 && dtype != EAI_F16)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "type %s: a merged model is f32, bf16 or f16",
                             eai_dtype_get(dtype)->name);
    if (a && a->model != m)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "the adapter was made for another model object");
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    EAI_TRY(eai_weights_create(&w, folder, err));
    st = list_tensors(w, &longest, a, m, dtype, err);
    if (st != EAI_OK)
        goto done;
    path = eai_path_join(folder, "model.safetensors");
    job.row = eai_alloc_array((size_t)longest, sizeof(float));
    if (!path || !job.row) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to merge rows of %lld",
                           (long long)longest);
        goto done;
    }
    st = eai_weights_save(w, path, &(eai_weights_save_opts){fill_rows, &job}, err);
    if (st == EAI_OK)
        st = model__save_config(m, folder, is_tied(a, m), dtype, err);
done:
    eai_free(path);
    eai_free(job.row);
    eai_weights_close(w);
    return st;
}
