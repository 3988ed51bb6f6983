/* Merging: the model with an adapter worked into its weights, W' = W + scale * B A, as a Hugging
 * Face folder of plain floats or as a GGUF file of any type.
 *
 * The file is written a few rows at a time, each row unpacked, changed, and rounded to the wanted
 * type, so a merged model never lies in memory as a whole. Sums are in f32. Start at
 * eai_adapter_merge and eai_adapter_merge_gguf. */
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

    if (!changed && from.dtype == t->dtype && eai_dtype_get(t->dtype)->block > 1) {
        const char *in = (const char *)from.data + (size_t)first * bytes_in;
        memcpy(out, in, (size_t)n_rows * bytes_in); /* blocks stay as they are */
        return EAI_OK;
    }
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

static eai_status check_owner(const eai_adapter *a, const eai_model *m, eai_error *err)
{
    if (a && a->model != m)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "the adapter was made for another model object");
    return EAI_OK;
}

/* Writes by `save` what `w` lists, whose longest row is `longest`. */
typedef eai_status (*save_fn)(const eai_weights *w, const char *path,
                              const eai_weights_save_opts *opts, eai_error *err);

static eai_status save_merged(const eai_weights *w, int64_t longest, const eai_adapter *a,
                              const eai_model *m, save_fn save, const char *path, eai_error *err)
{
    merge_job job = {.adapter = a, .model = m};
    job.row = eai_alloc_array((size_t)longest, sizeof(float));
    if (!job.row)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to merge rows of %lld",
                             (long long)longest);
    eai_status st = save(w, path, &(eai_weights_save_opts){fill_rows, &job}, err);
    eai_free(job.row);
    return st;
}

/* ---- As a Hugging Face folder
 * --------------------------------------------------------------------------------- */

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
    int64_t longest;

    if (dtype != EAI_F32 && dtype != EAI_BF16 && dtype != EAI_F16)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "type %s: a merged model is f32, bf16 or f16",
                             eai_dtype_get(dtype)->name);
    EAI_TRY(check_owner(a, m, err));
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    EAI_TRY(eai_weights_create(&w, folder, err));
    st = list_tensors(w, &longest, a, m, dtype, err);
    if (st != EAI_OK)
        goto done;
    path = eai_path_join(folder, "model.safetensors");
    if (!path) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        goto done;
    }
    st = save_merged(w, longest, a, m, eai_weights_save, path, err);
    if (st == EAI_OK)
        st = model__save_config(m, folder, is_tied(a, m), dtype, err);
done:
    eai_free(path);
    eai_weights_close(w);
    return st;
}

/* ---- As a GGUF file
 * --------------------------------------------------------------------------------------- */

/* Types that a file may be asked for, with llama.cpp's number for such files. */
static const struct {
    eai_dtype dtype;
    int file_type;
} gguf_types[] = {
    {EAI_F32, 0},  {EAI_F16, 1},  {EAI_Q4_0, 2}, {EAI_Q4_1, 3},
    {EAI_Q8_0, 7}, {EAI_Q5_0, 8}, {EAI_Q5_1, 9}, {EAI_BF16, 32},
};

static int find_file_type(eai_dtype dtype)
{
    for (size_t i = 0; i < sizeof(gguf_types) / sizeof(gguf_types[0]); i++) {
        if (gguf_types[i].dtype == dtype)
            return gguf_types[i].file_type;
    }
    return -1;
}

/* Vectors, which are norms, biases and factors, stay as they are. */
static eai_status list_gguf(eai_weights *w, int64_t *longest, const eai_adapter *a,
                            const eai_model *m, eai_dtype dtype, eai_error *err)
{
    const eai_weights *from = eai_model_get_weights(m);
    const eai_model_config *c = eai_model_get_config(m);
    *longest = 1;
    EAI_TRY(eai_weights_copy_meta(w, from, err));
    if (dtype != EAI_DTYPE_COUNT)
        EAI_TRY(eai_weights_set_int(w, "general.file_type", find_file_type(dtype), err));
    for (size_t i = 0; i < eai_weights_count(from); i++) {
        const eai_weight_tensor *t = eai_weights_at(from, i);
        bool kept = dtype == EAI_DTYPE_COUNT || t->shape.n_dims < 2;
        int64_t n = t->shape.n_dims > 0 ? t->shape.dim[t->shape.n_dims - 1] : 1;
        *longest = n > *longest ? n : *longest;
        EAI_TRY(
            eai_weights_add_borrowed(w, t->name, kept ? t->dtype : dtype, &t->shape, NULL, err));
    }
    if (c->tied && !is_tied(a, m))
        EAI_TRY(eai_weights_add_borrowed(w, lora__whole_specs[LORA_HEAD].name,
                                         dtype == EAI_DTYPE_COUNT ? EAI_F32 : dtype,
                                         &EAI_SHAPE2(c->vocab, c->d_model), NULL, err));
    return EAI_OK;
}

eai_status eai_adapter_merge_gguf(const eai_adapter *a, const eai_model *m, const char *path,
                                  eai_dtype dtype, eai_error *err)
{
    const eai_weights *from = eai_model_get_weights(m);
    eai_weights *w = NULL;
    int64_t longest;

    if (dtype != EAI_DTYPE_COUNT && find_file_type(dtype) < 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "type %s: a GGUF file is written in f32, bf16, f16, q8_0, q5_1, q5_0, "
                             "q4_1, q4_0, or its model's types",
                             eai_dtype_get(dtype)->name);
    if (!eai_weights_get_string(from, "general.architecture"))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "'%s' is no GGUF file: its metadata and tokenizer would be missing",
                             eai_weights_path(from));
    EAI_TRY(check_owner(a, m, err));
    EAI_TRY(eai_weights_create(&w, path, err));
    eai_status st = list_gguf(w, &longest, a, m, dtype, err);
    if (st == EAI_OK)
        st = save_merged(w, longest, a, m, eai_weights_save_gguf, path, err);
    eai_weights_close(w);
    return st;
}
