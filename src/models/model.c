/* Models: the table of families, and the object made from a file's tensors.
 *
 * Loading reads no weights: it finds each tensor that the family wants, checks shape and storage
 * type, and keeps where it lies in the mapped file. Only the norms are made f32 (some kilobytes),
 * because arithmetic operations want floats. Start at eai_model_create. Not here: reading the
 * configuration (config.c), building graphs (build.c, block.c). */
#include "models/models.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>

#include "base/banned.h"

/* One row a family. */
#define FAMILY_TABLE(X) X(llama) X(mistral) X(qwen2) X(qwen3) X(smollm3) X(gemma3)

static const model__family *const families[] = {
#define FAMILY_ROW(name) &model__##name,
    FAMILY_TABLE(FAMILY_ROW)
#undef FAMILY_ROW
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static const char *const family_names[] = {
#define FAMILY_NAME(name) #name,
    FAMILY_TABLE(FAMILY_NAME)
#undef FAMILY_NAME
        NULL,
};

const char *const *eai_model_family_names(void)
{
    return family_names;
}

/* The name in files of one kind, NULL where they have none. */
static const char *name_in(const model__family *f, bool gguf)
{
    return !gguf ? f->hf_type : f->no_gguf ? NULL : f->name;
}

const model__family *model__find_family(const char *name, bool gguf)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        const char *known = name_in(families[i], gguf);
        if (known && strcmp(known, name) == 0)
            return families[i];
    }
    return NULL;
}

eai_status model__unknown_family(const char *path, const char *name, bool gguf, eai_error *err)
{
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < N_FAMILIES && at < sizeof(known); i++) {
        const char *one = name_in(families[i], gguf);
        if (one)
            at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", at ? ", " : "", one);
    }
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "%s: architecture '%s' is not supported; supported: %s", path, name,
                         known);
}

/* ---- Finding and checking tensors
 * ---------------------------------------------------------------- */

static int64_t get_dim(const eai_model_config *c, model__dim d)
{
    switch (d) {
    case MODEL_DIM_NONE:
        return 0;
    case MODEL_DIM_MODEL:
        return c->d_model;
    case MODEL_DIM_Q:
        return c->n_heads * c->d_head;
    case MODEL_DIM_KV:
        return c->n_kv_heads * c->d_head;
    case MODEL_DIM_HEAD:
        return c->d_head;
    case MODEL_DIM_FFN:
        return c->d_ffn;
    }
    return 0;
}

/* The types that products and look-ups take: floats and block formats, but not f64. */
static bool is_operand_type(eai_dtype t)
{
    return t != EAI_F64 && eai_dtype_get(t)->kind != EAI_DTYPE_INTEGER;
}

static void list_operand_types(char *buf, size_t n)
{
    size_t at = 0;
    buf[0] = '\0';
    for (int t = 0; t < EAI_DTYPE_COUNT && at < n; t++) {
        if (is_operand_type((eai_dtype)t))
            at += (size_t)snprintf(buf + at, n - at, "%s%s", at ? ", " : "",
                                   eai_dtype_get((eai_dtype)t)->name);
    }
}

/* Copies tensor `name` into *out after checking it; the name goes to the model's arena. */
static eai_status find_tensor(eai_weight_tensor *out, eai_model *m, const char *name,
                              eai_shape shape, eai_error *err)
{
    const char *path = eai_weights_path(m->weights);
    const eai_weight_tensor *t = eai_weights_find(m->weights, name);
    if (!t)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: tensor '%s' is missing", path, name);
    eai_weight_tensor packed;
    if (t->dtype == EAI_U32 && shape.n_dims == 2) {
        EAI_TRY(model__find_packed(&packed, m, t, shape, err));
        t = &packed;
    }
    if (!eai_shape_equal(&t->shape, &shape)) {
        char seen[96];
        char wanted[96];
        return eai_error_set(
            err, EAI_ERR_SHAPE,
            "%s: tensor '%s': shape %s, where the model's configuration asks for %s", path, name,
            eai_shape_print(seen, sizeof(seen), &t->shape),
            eai_shape_print(wanted, sizeof(wanted), &shape));
    }
    if (!is_operand_type(t->dtype)) {
        char known[160];
        list_operand_types(known, sizeof(known));
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: tensor '%s': type %s is not usable as a weight; usable: %s", path,
                             name, eai_dtype_get(t->dtype)->name, known);
    }
    *out = *t;
    out->name = eai_arena_strdup(m->arena, name);
    if (!out->name)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
    m->n_parameters += eai_shape_elements(&shape);
    return EAI_OK;
}

/* A norm's or a bias's numbers as aligned f32, in place where the file has them so. `add` is added
 * to each. */
static eai_status find_vector(eai_weight_tensor *out, eai_model *m, const char *name, int64_t n,
                              float add, eai_error *err)
{
    EAI_TRY(find_tensor(out, m, name, EAI_SHAPE1(n), err));
    if (out->dtype == EAI_F32 && (uintptr_t)out->data % sizeof(float) == 0 && add == 0)
        return EAI_OK;
    float *copy = eai_arena_array(m->arena, (size_t)n, sizeof(float));
    if (!copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's norms");
    eai_dequantize_row(copy, out->dtype, out->data, n);
    for (int64_t i = 0; i < n; i++)
        copy[i] += add;
    out->dtype = EAI_F32;
    out->data = copy;
    out->bytes = (size_t)n * sizeof(float);
    return EAI_OK;
}

/* What norms have added to the numbers of the file. */
static float norm_offset(const eai_model *m)
{
    return m->has & MODEL_NORM_PLUS_ONE ? 1.0f : 0.0f;
}

static eai_status add_linear(eai_model *m, int64_t layer, model__role role,
                             const eai_weight_tensor *t, eai_error *err)
{
    eai_model_linear *l = &m->linears[layer * MODEL_N_LINEARS + role];
    char *name = eai_arena_strndup(m->arena, t->name, strlen(t->name) - strlen(".weight"));
    if (!name)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
    *l = (eai_model_linear){
        .name = name,
        .module = strrchr(name, '.') + 1,
        .attention = model__slots[role].attention,
        .n_in = t->shape.dim[1],
        .n_out = t->shape.dim[0],
        .dtype = t->dtype,
        .data = t->data,
    };
    return EAI_OK;
}

static void add_entry(eai_model *m, const eai_weight_tensor *t, int64_t linear)
{
    m->entries[m->n_entries++] = (model__entry){t, linear};
}

/* A bias that the configuration does not state would be left out of the computation. */
static eai_status refuse_bias(const eai_model *m, const char *name, eai_error *err)
{
    if (!eai_weights_find(m->weights, name))
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "%s: tensor '%s': the configuration states no such bias for a '%s' model",
                         eai_weights_path(m->weights), name, m->family->name);
}

static eai_status find_slot(eai_model *m, int64_t layer, model__role role, eai_error *err)
{
    const model__slot *s = &model__slots[role];
    eai_weight_tensor *out = &m->blocks[layer * MODEL_N_SLOTS + role];
    int64_t rows = get_dim(&m->config, s->rows);
    int64_t cols = get_dim(&m->config, s->cols);
    char name[128];

    snprintf(name, sizeof(name), "model.layers.%" PRId64 ".%s", layer, s->name);
    if ((m->has & s->needs) != s->needs || (m->has & s->lacks) != 0)
        return s->kind == MODEL_BIAS ? refuse_bias(m, name, err) : EAI_OK;
    if (s->kind == MODEL_LINEAR) {
        EAI_TRY(find_tensor(out, m, name, EAI_SHAPE2(rows, cols), err));
        EAI_TRY(add_linear(m, layer, role, out, err));
    } else {
        EAI_TRY(find_vector(out, m, name, cols, s->kind == MODEL_NORM ? norm_offset(m) : 0, err));
    }
    add_entry(m, out, s->kind == MODEL_LINEAR ? layer * MODEL_N_LINEARS + (int64_t)role : -1);
    return EAI_OK;
}

static eai_status find_tensors(eai_model *m, eai_error *err)
{
    const eai_model_config *c = &m->config;
    eai_shape table = EAI_SHAPE2(c->vocab, c->d_model);

    EAI_TRY(find_tensor(&m->embedding, m, "model.embed_tokens.weight", table, err));
    add_entry(m, &m->embedding, -1);
    for (int64_t layer = 0; layer < c->n_layers; layer++) {
        for (int role = 0; role < MODEL_N_SLOTS; role++)
            EAI_TRY(find_slot(m, layer, (model__role)role, err));
    }
    EAI_TRY(find_vector(&m->norm, m, "model.norm.weight", c->d_model, norm_offset(m), err));
    add_entry(m, &m->norm, -1);
    m->head = m->embedding;
    if (c->tied)
        return EAI_OK;
    EAI_TRY(find_tensor(&m->head, m, "lm_head.weight", table, err));
    add_entry(m, &m->head, -1);
    return EAI_OK;
}

static eai_status alloc_tables(eai_model *m, eai_error *err)
{
    size_t n_layers = (size_t)m->config.n_layers;
    m->blocks = eai_arena_zeroed(m->arena, n_layers * MODEL_N_SLOTS, sizeof(*m->blocks));
    m->linears = eai_arena_zeroed(m->arena, n_layers * MODEL_N_LINEARS, sizeof(*m->linears));
    m->entries = eai_arena_zeroed(m->arena, n_layers * MODEL_N_SLOTS + 3, sizeof(*m->entries));
    if (!m->blocks || !m->linears || !m->entries)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
    return EAI_OK;
}

/* Frequency factors, where there are any. A table in the file that nothing asks for is a Llama 3.1
 * without its configuration, and would give wrong text, slowly. */
static eai_status make_rope(eai_model *m, eai_error *err)
{
    const eai_model_config *c = &m->config;
    const char *path = eai_weights_path(m->weights);
    const eai_weight_tensor *t = eai_weights_find(m->weights, "rope_freqs.weight");
    eai_rope_type type = c->rope_scaling.type;

    if (t && type == EAI_ROPE_PLAIN)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: tensor 'rope_freqs.weight', but the configuration states no "
                             "rotary scaling",
                             path);
    if (type == EAI_ROPE_PLAIN || type == EAI_ROPE_DYNAMIC)
        return EAI_OK;
    if (type == EAI_ROPE_TABLE &&
        (!t || t->dtype != EAI_F32 || !eai_shape_equal(&t->shape, &EAI_SHAPE1(c->d_head / 2))))
        return eai_error_set(err, EAI_ERR_SHAPE,
                             "%s: tensor 'rope_freqs.weight' is missing, or no f32 [%" PRId64 "]",
                             path, c->d_head / 2);
    m->rope_factors = eai_arena_array(m->arena, (size_t)c->d_head / 2, sizeof(float));
    if (!m->rope_factors)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for rotary frequencies");
    if (type == EAI_ROPE_TABLE)
        memcpy(m->rope_factors, t->data, t->bytes);
    else
        model__rope_factors(m->rope_factors, c);
    return EAI_OK;
}

/* ---- The object
 * ---------------------------------------------------------------------------------- */

eai_status eai_model_create(eai_model **out, const eai_weights *w, const eai_model_config *config,
                            eai_error *err)
{
    eai_status st = EAI_OK;
    eai_model *m = NULL;
    const char *path = eai_weights_path(w);

    *out = NULL;
    const model__family *family = NULL;
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (config->family && strcmp(families[i]->name, config->family) == 0)
            family = families[i];
    }
    if (!family)
        return model__unknown_family(path, config->family ? config->family : "", false, err);
    EAI_TRY(model__check_config(config, path, err));

    m = eai_alloc_zeroed(1, sizeof(*m));
    if (m)
        m->arena = eai_arena_create(0);
    if (!m || !m->arena) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a model");
        goto done;
    }
    m->weights = w;
    m->family = family;
    m->config = *config;
    m->config.family = family->name;
    m->has = family->traits | (config->bias_qkv ? MODEL_BIAS_QKV : 0) |
             (config->bias_o ? MODEL_BIAS_O : 0) | (config->bias_mlp ? MODEL_BIAS_MLP : 0);
    st = alloc_tables(m, err);
    if (st == EAI_OK)
        st = find_tensors(m, err);
    if (st == EAI_OK)
        st = make_rope(m, err);
    json_decref(m->config_json);
    m->config_json = NULL;
    if (st != EAI_OK)
        goto done;
    *out = m;
    m = NULL;
done:
    eai_model_free(m);
    return st;
}

eai_status eai_model_load(eai_model **out, const eai_weights *w, eai_error *err)
{
    eai_model_config config;

    *out = NULL;
    EAI_TRY(model__read_config(&config, w, err));
    return eai_model_create(out, w, &config, err);
}

void eai_model_free(eai_model *m)
{
    if (!m)
        return;
    eai_arena_free(m->arena);
    eai_free(m);
}

const eai_model_config *eai_model_get_config(const eai_model *m)
{
    return &m->config;
}

const eai_weights *eai_model_get_weights(const eai_model *m)
{
    return m->weights;
}

int64_t eai_model_parameters(const eai_model *m)
{
    return m->n_parameters;
}

bool eai_model_is_packed(const eai_model *m)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        if (m->entries[i].tensor->planes)
            return true;
    }
    return false;
}

size_t eai_model_linears(const eai_model_linear **out, const eai_model *m)
{
    *out = m->linears;
    return (size_t)m->config.n_layers * MODEL_N_LINEARS;
}

/* ---- All tensors in a row
 * ------------------------------------------------------------------------ */

size_t model__tensor_count(const eai_model *m)
{
    return m->n_entries;
}

const eai_weight_tensor *model__tensor(const eai_model *m, size_t i)
{
    return m->entries[i].tensor;
}

int64_t model__find_entry(const eai_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        if (strcmp(m->entries[i].tensor->name, name) == 0)
            return (int64_t)i;
    }
    return -1;
}

int64_t model__tensor_linear(const eai_model *m, size_t i)
{
    return m->entries[i].linear;
}

/* One tensor, row by row. */
static eai_status check_values(const eai_model *m, const eai_weight_tensor *t, float *row,
                               eai_error *err)
{
    int64_t n = t->shape.dim[t->shape.n_dims - 1];
    int64_t n_rows = n ? eai_shape_elements(&t->shape) / n : 0;
    size_t bytes = eai_row_bytes(t->dtype, n);

    for (int64_t r = 0; r < n_rows; r++) {
        eai_unpack_row(row, t->dtype, (const char *)t->data + (size_t)r * bytes, t->planes, n);
        for (int64_t i = 0; i < n; i++) {
            if (!isfinite(row[i]))
                return eai_error_set(err, EAI_ERR_NUMERIC,
                                     "%s: tensor '%s': element %" PRId64 " of row %" PRId64
                                     " is %g, not a finite number",
                                     eai_weights_path(m->weights), t->name, i, r, (double)row[i]);
        }
    }
    return EAI_OK;
}

eai_status eai_model_check_values(const eai_model *m, eai_error *err)
{
    eai_status st = EAI_OK;
    int64_t longest = m->config.d_model > m->config.d_ffn ? m->config.d_model : m->config.d_ffn;
    int64_t heads = m->config.n_heads * m->config.d_head;
    float *row = eai_alloc_array((size_t)(longest > heads ? longest : heads), sizeof(*row));

    if (!row)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a row of weights");
    for (size_t i = 0; st == EAI_OK && i < m->n_entries; i++)
        st = check_values(m, m->entries[i].tensor, row, err);
    eai_free(row);
    return st;
}
