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

/* The number of a model's tensor by name. A linear search over some hundred names per piece of some
 * megabytes costs nothing. */
static size_t find_index(const eai_model *m, const char *name)
{
    size_t n = model__tensor_count(m);
    size_t i = 0;
    while (i < n && strcmp(model__tensor(m, i)->name, name) != 0)
        i++;
    return i;
}

/* row += scale * B[o] A */
static void add_delta(float *row, const eai_adapter *a, int64_t pair, int64_t o)
{
    const eai_parameter *pa = &a->parameters[2 * pair];
    const eai_parameter *pb = &a->parameters[2 * pair + 1];
    int64_t n_in = pa->shape.dim[1];

    for (int64_t r = 0; r < a->rank; r++) {
        float factor = (float)a->scale * pb->data[o * a->rank + r];
        const float *av = pa->data + r * n_in;
        for (int64_t i = 0; i < n_in; i++)
            row[i] += factor * av[i];
    }
}

static eai_status fill_rows(void *out, const eai_weight_tensor *t, int64_t first, int64_t n_rows,
                            void *ud, eai_error *err)
{
    merge_job *job = ud;
    size_t index = find_index(job->model, t->name);
    const eai_weight_tensor *base = eai_weights_find(eai_model_get_weights(job->model), t->name);
    int64_t linear = model__tensor_linear(job->model, index);
    int64_t pair = job->adapter && linear >= 0 ? job->adapter->pair_of_linear[linear] : -1;
    int64_t n = base->shape.dim[base->shape.n_dims - 1];
    size_t bytes_in = eai_row_bytes(base->dtype, n);
    size_t bytes_out = eai_row_bytes(t->dtype, n);

    for (int64_t i = 0; i < n_rows; i++) {
        const char *in = (const char *)base->data + (size_t)(first + i) * bytes_in;
        eai_dequantize_row(job->row, base->dtype, in, n);
        if (pair >= 0)
            add_delta(job->row, job->adapter, pair, first + i);
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

/* Fills `w` with the model's tensor names and shapes in `dtype`, without data; *longest: of the
 * rows. */
static eai_status list_tensors(eai_weights *w, int64_t *longest, const eai_model *m,
                               eai_dtype dtype, eai_error *err)
{
    *longest = 0;
    for (size_t i = 0; i < model__tensor_count(m); i++) {
        const eai_weight_tensor *t = model__tensor(m, i);
        int64_t n = t->shape.dim[t->shape.n_dims - 1];
        *longest = n > *longest ? n : *longest;
        EAI_TRY(eai_weights_add_borrowed(w, t->name, dtype, &t->shape, NULL, err));
    }
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
    st = list_tensors(w, &longest, m, dtype, err);
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
        st = model__save_config(m, folder, eai_model_get_config(m)->tied, dtype, err);
done:
    eai_free(path);
    eai_free(job.row);
    eai_weights_close(w);
    return st;
}
