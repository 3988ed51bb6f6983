/* Models: the table of families, and the object made from a file's tensors.
 *
 * Loading reads no weights: it finds each tensor that the family wants, checks shape and storage
 * type, and keeps where it lies in the mapped file. Only the norms are made f32 (some kilobytes),
 * because arithmetic operations want floats. Start at eai_model_create. Not here: reading the
 * configuration (config.c), building graphs (build.c and one file a family). */
#include "models/models.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>

#include "base/banned.h"

/* One row a family. */
#define FAMILY_TABLE(X) X(llama)

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

const model__family *model__find_family(const char *name)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    }
    return NULL;
}

eai_status model__unknown_family(const char *path, const char *name, eai_error *err)
{
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < N_FAMILIES && at < sizeof(known); i++)
        at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "",
                               families[i]->name);
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

/* A norm's weights as aligned f32: in place where the file has them so, else converted. */
static eai_status find_norm(eai_weight_tensor *out, eai_model *m, const char *name, int64_t n,
                            eai_error *err)
{
    EAI_TRY(find_tensor(out, m, name, EAI_SHAPE1(n), err));
    if (out->dtype == EAI_F32 && (uintptr_t)out->data % sizeof(float) == 0)
        return EAI_OK;
    float *copy = eai_arena_array(m->arena, (size_t)n, sizeof(float));
    if (!copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's norms");
    eai_dequantize_row(copy, out->dtype, out->data, n);
    out->dtype = EAI_F32;
    out->data = copy;
    out->bytes = (size_t)n * sizeof(float);
    return EAI_OK;
}

static eai_status find_slot(eai_model *m, int64_t layer, int slot, eai_error *err)
{
    const model__slot *s = &m->family->slots[slot];
    eai_weight_tensor *out = &m->blocks[layer * m->family->n_slots + slot];
    int64_t rows = get_dim(&m->config, s->rows);
    int64_t cols = get_dim(&m->config, s->cols);
    char name[128];

    snprintf(name, sizeof(name), "model.layers.%" PRId64 ".%s.weight", layer, s->name);
    if (!s->linear)
        return find_norm(out, m, name, cols, err);
    EAI_TRY(find_tensor(out, m, name, EAI_SHAPE2(rows, cols), err));

    eai_model_linear *l = &m->linears[m->n_linears++];
    size_t length = strlen(name) - strlen(".weight");
    *l = (eai_model_linear){
        .name = eai_arena_strndup(m->arena, name, length),
        .module = strrchr(s->name, '.') + 1, /* names of linear slots have a dot */
        .attention = s->attention,
        .n_in = cols,
        .n_out = rows,
        .dtype = out->dtype,
        .data = out->data,
    };
    return l->name ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
}

static eai_status find_tensors(eai_model *m, eai_error *err)
{
    const eai_model_config *c = &m->config;

    EAI_TRY(find_tensor(&m->embedding, m, "model.embed_tokens.weight",
                        EAI_SHAPE2(c->vocab, c->d_model), err));
    for (int64_t layer = 0; layer < c->n_layers; layer++) {
        for (int slot = 0; slot < m->family->n_slots; slot++)
            EAI_TRY(find_slot(m, layer, slot, err));
    }
    EAI_TRY(find_norm(&m->norm, m, "model.norm.weight", c->d_model, err));
    m->head = m->embedding;
    if (!c->tied)
        EAI_TRY(find_tensor(&m->head, m, "lm_head.weight", EAI_SHAPE2(c->vocab, c->d_model), err));
    return EAI_OK;
}

static eai_status alloc_tables(eai_model *m, eai_error *err)
{
    size_t n_blocks = (size_t)m->config.n_layers * (size_t)m->family->n_slots;
    for (int i = 0; i < m->family->n_slots; i++)
        m->linears_per_layer += m->family->slots[i].linear ? 1 : 0;
    m->blocks = eai_arena_zeroed(m->arena, n_blocks, sizeof(*m->blocks));
    m->linears = eai_arena_zeroed(m->arena, (size_t)m->config.n_layers * m->linears_per_layer,
                                  sizeof(*m->linears));
    if (!m->blocks || !m->linears)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
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
    const model__family *family = model__find_family(config->family ? config->family : "");
    if (!family)
        return model__unknown_family(path, config->family ? config->family : "", err);
    EAI_TRY(model__check_config(config, path, err));
    EAI_TRY(family->check(config, w, err));

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
    st = alloc_tables(m, err);
    if (st != EAI_OK)
        goto done;
    st = find_tensors(m, err);
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

size_t eai_model_linears(const eai_model_linear **out, const eai_model *m)
{
    *out = m->linears;
    return m->n_linears;
}

/* ---- All tensors in a row: embedding, blocks, norm, head
 * ----------------------------------------- */

static size_t count_block_tensors(const eai_model *m)
{
    return (size_t)m->config.n_layers * (size_t)m->family->n_slots;
}

size_t model__tensor_count(const eai_model *m)
{
    return count_block_tensors(m) + (m->config.tied ? 2 : 3);
}

const eai_weight_tensor *model__tensor(const eai_model *m, size_t i)
{
    size_t n = count_block_tensors(m);
    if (i == 0)
        return &m->embedding;
    if (i <= n)
        return &m->blocks[i - 1];
    return i == n + 1 ? &m->norm : &m->head;
}

int64_t model__tensor_linear(const eai_model *m, size_t i)
{
    if (i == 0 || i > count_block_tensors(m))
        return -1;
    size_t n_slots = (size_t)m->family->n_slots;
    size_t layer = (i - 1) / n_slots;
    size_t slot = (i - 1) % n_slots;
    if (!m->family->slots[slot].linear)
        return -1;
    size_t linear = layer * m->linears_per_layer;
    for (size_t s = 0; s < slot; s++)
        linear += m->family->slots[s].linear ? 1 : 0;
    return (int64_t)linear;
}
