/* Merging: the model with an adapter worked into its weights, W' = W + scale * B A, as a Hugging
 * Face folder of plain floats, as the same with matrices that MLX packs, or as a GGUF file of any
 * type.
 *
 * The file is written a few rows at a time, each row unpacked, changed, and rounded to the wanted
 * type, so a merged model never lies in memory as a whole. Sums are in f32. Start at
 * eai_adapter_merge, eai_adapter_merge_mlx and eai_adapter_merge_gguf. */
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
    /* Of MLX's folders: how matrices are packed (NULL: each as the model's), the type of all else,
     * and a row's parts. */
    const eai_mlx_packing *packing;
    eai_dtype dtype;
    uint32_t *codes;
    uint8_t *scales, *biases;
} merge_job;

/* Where a tensor's rows come from. */
typedef struct row_source {
    eai_dtype dtype;
    const void *data;
    const eai_planes *planes; /* of PLANAR types, else NULL */
    int64_t linear;           /* the adapter's pair is added to it; -1: none */
} row_source;

/* Packed matrices as the model knows them; all else as the file has it, for the model's norms may
 * have 1 added. A head that the file lacks is the embedding. */
static const eai_weight_tensor *find_tensor(const eai_model *m, const char *name)
{
    int64_t entry = model__find_entry(m, name);
    if (entry >= 0 && model__tensor(m, (size_t)entry)->planes)
        return model__tensor(m, (size_t)entry);
    const eai_weight_tensor *t = eai_weights_find(eai_model_get_weights(m), name);
    return t ? t : &m->head;
}

/* The adapter's own embedding or head, else the model's tensor. */
static row_source find_source(const merge_job *job, const char *name)
{
    const eai_adapter *a = job->adapter;
    for (int i = 0; a && i < LORA_N_WHOLE; i++) {
        if (a->whole[i] >= 0 && strcmp(name, lora__whole_specs[i].name) == 0)
            return (row_source){EAI_F32, a->parameters[a->whole[i]].data, NULL, -1};
    }
    const eai_weight_tensor *t = find_tensor(job->model, name);
    int64_t entry = model__find_entry(job->model, name);
    int64_t linear = entry < 0 ? -1 : model__tensor_linear(job->model, (size_t)entry);
    return (row_source){t->dtype, t->data, t->planes, linear};
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

static bool is_changed(const merge_job *job, const row_source *from)
{
    return job->adapter && from->linear >= 0 && job->adapter->pair_of_linear[from->linear] >= 0;
}

/* Row i of the merged tensor into job->row: n numbers that `dtype` can hold. */
static eai_status make_row(const merge_job *job, const row_source *from, const char *name,
                           int64_t i, int64_t n, eai_dtype dtype, eai_error *err)
{
    const char *in = (const char *)from->data + (size_t)i * eai_row_bytes(from->dtype, n);
    eai_unpack_row(job->row, from->dtype, in, from->planes, n);
    if (is_changed(job, from))
        add_delta(job->row, job->adapter, from->linear, i);
    for (int64_t j = 0; j < n; j++) {
        if (!isfinite(job->row[j]) || (dtype == EAI_F16 && fabsf(job->row[j]) >= 65520.0f))
            return eai_error_set(err, EAI_ERR_NUMERIC,
                                 "tensor '%s': row %" PRId64 " has %g, which %s cannot hold", name,
                                 i, (double)job->row[j], eai_dtype_get(dtype)->name);
    }
    return EAI_OK;
}

static eai_status fill_rows(void *out, const eai_weight_tensor *t, int64_t first, int64_t n_rows,
                            void *ud, eai_error *err)
{
    merge_job *job = ud;
    row_source from = find_source(job, t->name);
    int64_t n = t->shape.dim[t->shape.n_dims - 1];
    size_t bytes_in = eai_row_bytes(from.dtype, n);
    size_t bytes_out = eai_row_bytes(t->dtype, n);

    if (!is_changed(job, &from) && from.dtype == t->dtype && eai_dtype_get(t->dtype)->block > 1) {
        const char *in = (const char *)from.data + (size_t)first * bytes_in;
        memcpy(out, in, (size_t)n_rows * bytes_in); /* blocks stay as they are */
        return EAI_OK;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        EAI_TRY(make_row(job, &from, t->name, first + i, n, t->dtype, err));
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
        st = model__save_config(m, folder, &(model__written){is_tied(a, m), dtype, NULL, false},
                                err);
done:
    eai_free(path);
    eai_weights_close(w);
    return st;
}

/* ---- As a folder of MLX's
 * ------------------------------------------------------------------------------------ */

/* "a.weight" is packed as a.weight, a.scales and a.biases. */
static const char *const parts[] = {".weight", ".scales", ".biases"};
enum { PART_CODES, PART_SCALES, PART_BIASES };

/* How the matrix of that name and shape is to be packed; false: not at all. Those are matrices
 * whose rows are whole groups, as mlx-lm packs them: linear layers and embeddings. */
static bool find_packing(eai_mlx_packing *p, const merge_job *job, const char *name,
                         const eai_shape *shape)
{
    size_t n = strlen(name);
    size_t tail = strlen(parts[PART_CODES]);
    int64_t cols = shape->dim[shape->n_dims - 1];
    if (shape->n_dims != 2 || n <= tail || strcmp(name + n - tail, parts[PART_CODES]) != 0)
        return false;
    if (!job->packing) {
        const eai_weight_tensor *t = find_tensor(job->model, name);
        if (t->planes)
            *p = eai_mlx_packing_of(t->dtype, t->planes);
        return t->planes != NULL;
    }
    *p = *job->packing;
    return cols % p->group == 0 && cols % 32 == 0;
}

static char *name_part(const char *name, int part)
{
    int n = (int)(strlen(name) - strlen(parts[PART_CODES]));
    return eai_asprintf("%.*s%s", n, name, parts[part]);
}

static eai_status list_packed(eai_weights *w, const char *name, const eai_shape *shape,
                              const eai_mlx_packing *p, eai_error *err)
{
    const int64_t cols[] = {shape->dim[1] * p->bits / 32, shape->dim[1] / p->group,
                            shape->dim[1] / p->group};
    const eai_dtype types[] = {EAI_U32, p->type, p->type};
    int n = p->mode == EAI_MLX_MODE_AFFINE ? 3 : 2;
    eai_status st = EAI_OK;
    for (int i = 0; st == EAI_OK && i < n; i++) {
        char *part = name_part(name, i);
        st = part ? eai_weights_add_borrowed(w, part, types[i], &EAI_SHAPE2(shape->dim[0], cols[i]),
                                             NULL, err)
                  : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
        eai_free(part);
    }
    return st;
}

/* The tensors of `plain`, matrices in parts. */
static eai_status list_mlx(eai_weights *w, const eai_weights *plain, const merge_job *job,
                           eai_error *err)
{
    for (size_t i = 0; i < eai_weights_count(plain); i++) {
        const eai_weight_tensor *t = eai_weights_at(plain, i);
        eai_mlx_packing p;
        if (find_packing(&p, job, t->name, &t->shape))
            EAI_TRY(list_packed(w, t->name, &t->shape, &p, err));
        else
            EAI_TRY(eai_weights_add_borrowed(w, t->name, t->dtype, &t->shape, NULL, err));
    }
    return eai_weights_set_string(w, "format", "mlx", err);
}

/* Which part of a packed matrix tensor `t` is; -1: it is none. */
static int part_of(const eai_weight_tensor *t)
{
    for (int i = PART_SCALES; i <= PART_BIASES; i++) {
        size_t n = strlen(t->name);
        size_t tail = strlen(parts[i]);
        if (n > tail && strcmp(t->name + n - tail, parts[i]) == 0 && t->shape.n_dims == 2)
            return i;
    }
    return t->dtype == EAI_U32 ? PART_CODES : -1;
}

/* A row's numbers as the folder's type holds them, packed. */
static eai_status pack_row(const merge_job *job, const eai_mlx_packing *p, int64_t n,
                           eai_error *err)
{
    eai_dtype type = p->mode == EAI_MLX_MODE_AFFINE ? p->type : job->dtype;
    for (int64_t j = 0; j < n; j++) {
        if (type == EAI_BF16)
            job->row[j] = eai_bf16_to_f32(eai_bf16_from_f32(job->row[j]));
        else if (type == EAI_F16)
            job->row[j] = eai_f16_to_f32(eai_f16_from_f32(job->row[j]));
    }
    return eai_mlx_quantize_row(job->codes, job->scales, job->biases, p, job->row, n, err);
}

/* A part of a matrix that stays as it is. */
static void copy_part(void *out, const row_source *from, int part, size_t offset, size_t bytes)
{
    const void *of[] = {from->data, from->planes->scales, from->planes->biases};
    memcpy(out, (const char *)of[part] + offset, bytes);
}

/* Rows of part `part` of the matrix `name`, which has n columns. */
static eai_status fill_part(void *out, const merge_job *job, const char *name, int part,
                            const eai_weight_tensor *t, int64_t first, int64_t n_rows,
                            eai_error *err)
{
    eai_mlx_packing p;
    row_source from = find_source(job, name);
    const eai_shape shape = find_tensor(job->model, name)->shape; /* also of packed ones' numbers */
    size_t bytes = eai_row_bytes(t->dtype, t->shape.dim[1]);
    const void *made[] = {job->codes, job->scales, job->biases};
    if (!find_packing(&p, job, name, &shape))
        return eai_error_set(err, EAI_ERR_INTERNAL, "tensor '%s' is listed as packed", name);
    if (!job->packing && from.planes && !is_changed(job, &from)) {
        copy_part(out, &from, part, (size_t)first * bytes, (size_t)n_rows * bytes);
        return EAI_OK;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        EAI_TRY(make_row(job, &from, name, first + i, shape.dim[1], job->dtype, err));
        EAI_TRY(pack_row(job, &p, shape.dim[1], err));
        memcpy((char *)out + (size_t)i * bytes, made[part], bytes);
    }
    return EAI_OK;
}

static eai_status fill_mlx_rows(void *out, const eai_weight_tensor *t, int64_t first,
                                int64_t n_rows, void *ud, eai_error *err)
{
    int part = part_of(t);
    if (part < 0)
        return fill_rows(out, t, first, n_rows, ud, err);
    size_t stem = strlen(t->name) - strlen(parts[part]);
    char *name = eai_asprintf("%.*s%s", (int)stem, t->name, parts[PART_CODES]);
    if (!name)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    eai_status st = fill_part(out, ud, name, part, t, first, n_rows, err);
    eai_free(name);
    return st;
}

static eai_status save_mlx(const eai_weights *w, int64_t longest, merge_job *job, const char *path,
                           eai_error *err)
{
    job->row = eai_alloc_array((size_t)longest, sizeof(float));
    job->codes = eai_alloc_array((size_t)longest, sizeof(*job->codes));
    job->scales = eai_alloc_array((size_t)longest, sizeof(float));
    job->biases = eai_alloc_array((size_t)longest, sizeof(float));
    eai_status st = EAI_OK;
    if (job->row && job->codes && job->scales && job->biases)
        st = eai_weights_save(w, path, &(eai_weights_save_opts){fill_mlx_rows, job}, err);
    else
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to merge rows of %lld",
                           (long long)longest);
    eai_free(job->row);
    eai_free(job->codes);
    eai_free(job->scales);
    eai_free(job->biases);
    return st;
}

eai_status eai_adapter_merge_mlx(const eai_adapter *a, const eai_model *m, const char *folder,
                                 eai_dtype dtype, const eai_mlx_packing *packing, eai_error *err)
{
    eai_mlx_packing p = packing ? *packing : (eai_mlx_packing){0};
    merge_job job = {.adapter = a, .model = m, .packing = packing ? &p : NULL, .dtype = dtype};
    eai_weights *plain = NULL;
    eai_weights *w = NULL;
    char *path = NULL;
    int64_t longest = 0;

    if (dtype != EAI_F32 && dtype != EAI_BF16 && dtype != EAI_F16)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "type %s: a merged model is f32, bf16 or f16",
                             eai_dtype_get(dtype)->name);
    if (!packing && !eai_model_is_packed(m))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' has no packed matrices",
                             eai_weights_path(eai_model_get_weights(m)));
    p.type = p.mode == EAI_MLX_MODE_AFFINE ? dtype : EAI_U8;
    EAI_TRY(eai_mlx_packing_check(&p, 0, err));
    EAI_TRY(check_owner(a, m, err));
    EAI_TRY(eai_fs_mkdir_p(folder, err));
    eai_status st = eai_weights_create(&plain, folder, err);
    if (st == EAI_OK)
        st = eai_weights_create(&w, folder, err);
    if (st == EAI_OK)
        st = list_tensors(plain, &longest, a, m, dtype, err);
    if (st == EAI_OK)
        st = list_mlx(w, plain, &job, err);
    if (st == EAI_OK && !(path = eai_path_join(folder, "model.safetensors")))
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = save_mlx(w, longest, &job, path, err);
    if (st == EAI_OK)
        st = model__save_config(
            m, folder,
            &(model__written){is_tied(a, m), dtype, packing ? &p : NULL, packing == NULL}, err);
    eai_free(path);
    eai_weights_close(plain);
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
