/* Operands of steps as MLX's values: weights (shared by plans), inputs and states (taken anew in
 * each run), and what steps have made. Start at mlx__in. */
#include "engine/mlx/values.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/convert.h>
#include <efficientai/mlx_quant.h>

#include "graph/mlx_layout.h"

#include "base/banned.h"

/* Up to so many rows are multiplied by a packed matrix as it is on MLX's CPU, whose quantized
 * products are slow: beyond, unpacking it first costs less. */
#define PACKED_ROWS_ON_CPU 8

/* MLX's type for plain storage; false for others. */
static bool find_type(mlx_type *out, eai_dtype t)
{
    switch (t) {
    case EAI_F32:
        *out = MLX_F32;
        return true;
    case EAI_F16:
        *out = MLX_F16;
        return true;
    case EAI_BF16:
        *out = MLX_BF16;
        return true;
    case EAI_I32:
        *out = MLX_I32;
        return true;
    case EAI_I64:
        *out = MLX_I64;
        return true;
    case EAI_U8:
        *out = MLX_U8;
        return true;
    case EAI_U32:
        *out = MLX_U32;
        return true;
    default:
        return false;
    }
}

bool mlx__has_type(eai_dtype t)
{
    mlx_type type;
    return find_type(&type, t) || eai_dtype_get(t)->block > 1;
}

static bool is_integer(mlx_type t)
{
    return t != MLX_F16 && t != MLX_BF16 && t != MLX_F32;
}

static mlx_array *as_f32(mlx_backend *b, mlx_array *x)
{
    if (!x || b->face->type(x) == MLX_F32 || is_integer(b->face->type(x)))
        return x;
    return MLX(cast, x, MLX_F32);
}

static mlx_array *in_shape(mlx_backend *b, mlx_array *x, const eai_shape *shape)
{
    eai_shape now;
    if (!x)
        return NULL;
    b->face->shape(x, &now);
    return eai_shape_equal(&now, shape) ? x : MLX(reshape, x, shape);
}

/* ---- weights ---- */

/* A type of GGUF's that MLX has a layout for, in that. */
static bool take_laid_out(mlx_backend *b, mlx_weight *w, const eai_mlx_packing *p, int64_t rows,
                          int64_t cols)
{
    bool affine = p->mode == EAI_MLX_MODE_AFFINE;
    size_t row_bytes = eai_row_bytes(w->dtype, cols);
    size_t words = (size_t)(cols / 32 * p->bits);
    size_t groups = (size_t)(cols / p->group);
    size_t scale = (size_t)eai_dtype_get(p->type)->bytes;
    eai_shape shape = EAI_SHAPE2(rows, (int64_t)groups);
    uint32_t *codes = eai_alloc_array((size_t)rows * words + 1, sizeof(*codes));
    uint8_t *scales = eai_alloc_array((size_t)rows * groups + 1, scale);
    float *biases = eai_alloc_array(affine ? (size_t)rows * groups + 1 : 1, sizeof(*biases));
    bool ok = codes && scales && biases;

    for (int64_t r = 0; ok && r < rows; r++)
        graph__mlx_row(codes + (size_t)r * words, scales + (size_t)r * groups * scale,
                       affine ? biases + (size_t)r * groups : NULL, w->dtype,
                       (const uint8_t *)w->data + (size_t)r * row_bytes, cols);
    if (ok) {
        mlx_packed *to = &w->packed;
        *to = (mlx_packed){.group = p->group, .bits = p->bits, .mode = eai_mlx_mode_name(p->mode)};
        to->codes = b->face->keep(MLX(copy, codes, MLX_U32, &EAI_SHAPE2(rows, (int64_t)words)));
        to->scales = b->face->keep(MLX(copy, scales, affine ? MLX_F32 : MLX_U8, &shape));
        if (affine)
            to->biases = b->face->keep(MLX(copy, biases, MLX_F32, &shape));
        ok = to->codes && to->scales && (!affine || to->biases);
    }
    eai_free(codes);
    eai_free(scales);
    eai_free(biases);
    return ok;
}

/* Scales or biases: in the type in which products are made, as weights are. */
static mlx_array *take_plane(mlx_backend *b, const void *data, mlx_type type,
                             const eai_shape *shape)
{
    mlx_array *x = MLX(wrap, data, type, shape);
    mlx_array *made = b->base.precision == EAI_PRECISION_F32 ? as_f32(b, x) : x;
    made = b->face->keep(made);
    return made && (made == x || MLX(eval, &made, 1)) ? made : NULL;
}

/* MLX's own: its three arrays as they are. */
static bool take_planar(mlx_backend *b, mlx_weight *w, const eai_planes *planes, int64_t rows,
                        int64_t cols)
{
    eai_mlx_packing p = eai_mlx_packing_of(w->dtype, planes);
    eai_shape groups = EAI_SHAPE2(rows, cols / p.group);
    mlx_type type = MLX_F32;
    if (!find_type(&type, p.type))
        return false;
    w->packed.codes =
        b->face->keep(MLX(wrap, w->data, MLX_U32, &EAI_SHAPE2(rows, cols / 32 * p.bits)));
    w->packed.scales = take_plane(b, planes->scales, type, &groups);
    if (planes->biases)
        w->packed.biases = take_plane(b, planes->biases, type, &groups);
    w->packed.group = p.group;
    w->packed.bits = p.bits;
    w->packed.mode = eai_mlx_mode_name(p.mode);
    return w->packed.codes && w->packed.scales && (!planes->biases || w->packed.biases);
}

/* A type that MLX has no layout for: as floats. */
static bool take_unpacked(mlx_backend *b, mlx_weight *w)
{
    int64_t n = eai_shape_elements(&w->shape);
    float *data = eai_alloc_array((size_t)n + 1, sizeof(*data));
    if (!data)
        return false;
    eai_dequantize_row(data, w->dtype, w->data, n);
    w->array = b->face->keep(MLX(copy, data, MLX_F32, &w->shape));
    eai_free(data);
    return w->array != NULL;
}

static bool take_plain(mlx_backend *b, mlx_weight *w, mlx_type type)
{
    mlx_array *x = MLX(wrap, w->data, type, &w->shape);
    bool copied = false;
    if (b->base.precision == EAI_PRECISION_F32) { /* what is multiplied in floats is kept so */
        mlx_array *floats = as_f32(b, x);
        copied = floats != x;
        x = floats;
    }
    w->array = b->face->keep(x);
    return w->array && (!copied || MLX(eval, &w->array, 1));
}

static void free_weight(mlx_backend *b, mlx_weight *w)
{
    mlx_array *parts[] = {w->array, w->packed.codes, w->packed.scales, w->packed.biases};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        b->face->drop(b->session, parts[i]);
    eai_free(w);
}

static eai_status make_weight(mlx_backend *b, mlx_weight **out, const mlx_leaf *leaf,
                              eai_error *err)
{
    mlx_type type;
    eai_mlx_packing packing;
    int64_t cols = leaf->shape.n_dims > 0 ? leaf->shape.dim[leaf->shape.n_dims - 1] : 1;
    mlx_weight *w = eai_alloc_zeroed(1, sizeof(*w));
    bool ok = false;

    *out = NULL;
    if (!w)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a weight");
    w->data = leaf->data;
    w->dtype = leaf->dtype;
    w->shape = leaf->shape;
    w->n_plans = 1;
    if (find_type(&type, w->dtype))
        ok = take_plain(b, w, type);
    else if (leaf->planes)
        ok = take_planar(b, w, leaf->planes, w->shape.dim[0], cols);
    else if (graph__mlx_layout(&packing, w->dtype) && w->shape.n_dims == 2)
        ok = take_laid_out(b, w, &packing, w->shape.dim[0], cols);
    else
        ok = take_unpacked(b, w);
    b->face->sweep(b->session);
    if (!ok) {
        char shape[96];
        free_weight(b, w);
        return mlx__report(b, EAI_ERR_NOMEM, err, "a weight of type %s %s",
                           eai_dtype_get(leaf->dtype)->name,
                           eai_shape_print(shape, sizeof(shape), &leaf->shape));
    }
    *out = w;
    return EAI_OK;
}

eai_status mlx__take_weight(mlx_backend *b, mlx_leaf *leaf, eai_error *err)
{
    for (size_t i = 0; i < b->n_weights; i++) {
        mlx_weight *w = b->weights[i];
        if (w->data == leaf->data && w->dtype == leaf->dtype &&
            eai_shape_elements(&w->shape) == eai_shape_elements(&leaf->shape)) {
            w->n_plans++;
            leaf->weight = w;
            return EAI_OK;
        }
    }
    if (b->n_weights == b->weights_cap) {
        size_t cap = b->weights_cap ? 2 * b->weights_cap : 64;
        mlx_weight **more = eai_realloc_array(b->weights, cap, sizeof(mlx_weight *));
        if (!more)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of weights");
        b->weights = more;
        b->weights_cap = cap;
    }
    EAI_TRY(make_weight(b, &leaf->weight, leaf, err));
    b->weights[b->n_weights++] = leaf->weight;
    return EAI_OK;
}

void mlx__return_weight(mlx_backend *b, mlx_leaf *leaf)
{
    if (!leaf->weight || --leaf->weight->n_plans > 0)
        return;
    for (size_t i = 0; i < b->n_weights; i++) {
        if (b->weights[i] == leaf->weight) {
            b->weights[i] = b->weights[--b->n_weights];
            break;
        }
    }
    free_weight(b, leaf->weight);
}

/* ---- inputs and states ---- */

void mlx__begin_leaf(mlx_backend *b, int i)
{
    mlx_leaf *leaf = &b->plan->leaves[i];
    mlx_slot *slot = &b->plan->slots[b->plan->n_values + i];
    mlx_type type = MLX_F32;

    leaf->changed = false;
    if (leaf->kind == EAI_OPERAND_WEIGHT || !find_type(&type, leaf->dtype))
        return;
    mlx_array *x = MLX(wrap, leaf->data, type, &leaf->shape);
    slot->array = b->face->keep(x);
    slot->before = b->face->keep(x);
}

void mlx__end_slot(mlx_backend *b, mlx_slot *slot)
{
    b->face->drop(b->session, slot->array);
    b->face->drop(b->session, slot->before);
    memset(slot, 0, sizeof(*slot));
}

/* ---- operands ---- */

static const mlx_leaf *leaf_of(const mlx_backend *b, int i)
{
    int slot = b->plan->in[b->step][i];
    return slot >= b->plan->n_values ? &b->plan->leaves[slot - b->plan->n_values] : NULL;
}

mlx_array *mlx__in(mlx_backend *b, const eai_step *s, int i)
{
    const mlx_leaf *leaf = leaf_of(b, i);
    mlx_array *x = b->plan->slots[b->plan->in[b->step][i]].array;
    if (leaf && leaf->weight) {
        const mlx_weight *w = leaf->weight;
        x = w->packed.codes ? MLX(dequantize, &w->packed, MLX_F32) : w->array;
    }
    return in_shape(b, as_f32(b, x), &s->in[i].shape);
}

mlx_array *mlx__in_half(mlx_backend *b, const eai_step *s, int i)
{
    const mlx_leaf *leaf = leaf_of(b, i);
    mlx_array *x = leaf && leaf->weight ? leaf->weight->array : NULL;
    if (!x || b->base.precision == EAI_PRECISION_F32 || b->face->type(x) == MLX_F32 ||
        is_integer(b->face->type(x)))
        return NULL;
    return in_shape(b, x, &s->in[i].shape);
}

const mlx_packed *mlx__in_packed(mlx_backend *b, const eai_step *s, int i)
{
    const mlx_leaf *leaf = leaf_of(b, i);
    if (!leaf || !leaf->weight || !leaf->weight->packed.codes)
        return NULL;
    return eai_shape_equal(&leaf->weight->shape, &s->in[i].shape) ? &leaf->weight->packed : NULL;
}

bool mlx__multiplies_packed(const mlx_backend *b, int64_t rows)
{
    return b->gpu || rows <= PACKED_ROWS_ON_CPU;
}

const int32_t *mlx__in_integers(mlx_backend *b, int i)
{
    const mlx_leaf *leaf = leaf_of(b, i);
    if (leaf && !leaf->changed)
        return leaf->data;
    return b->face->data(b->session, b->plan->slots[b->plan->in[b->step][i]].array);
}

bool mlx__is_wanted(const eai_step *s, int j)
{
    return s->out[j].data != NULL;
}

void mlx__put(mlx_backend *b, const eai_step *s, int j, mlx_array *x)
{
    mlx_slot *slot = &b->plan->slots[s->out_value[j]];
    b->face->drop(b->session, slot->array);
    slot->array = b->face->keep(x);
}

void mlx__change(mlx_backend *b, int i, mlx_array *x, bool in_place)
{
    int at = b->plan->in[b->step][i];
    mlx_slot *slot = &b->plan->slots[at];
    mlx_leaf *leaf = &b->plan->leaves[at - b->plan->n_values];
    mlx_type type = MLX_F32;
    leaf->changed = true;
    x = in_shape(b, x, &leaf->shape);
    if (x && find_type(&type, leaf->dtype) && b->face->type(x) != type)
        x = MLX(cast, x, type);
    b->face->drop(b->session, slot->array);
    slot->array = b->face->keep(x);
    if (in_place) {
        b->face->drop(b->session, slot->before);
        slot->before = NULL;
    }
}

/* ---- expressions ---- */

mlx_array *mlx__number(mlx_backend *b, double value)
{
    return MLX(scalar, value, MLX_F32);
}

mlx_array *mlx__scaled(mlx_backend *b, mlx_array *x, double scale)
{
    return scale == 1 ? x : mlx__mul(b, x, mlx__number(b, scale)); /* 1 is a value, no sum */
}

mlx_array *mlx__add(mlx_backend *b, mlx_array *x, mlx_array *y)
{
    return MLX(binary, MLX_ADD, x, y);
}

mlx_array *mlx__sub(mlx_backend *b, mlx_array *x, mlx_array *y)
{
    return MLX(binary, MLX_SUBTRACT, x, y);
}

mlx_array *mlx__mul(mlx_backend *b, mlx_array *x, mlx_array *y)
{
    return MLX(binary, MLX_MULTIPLY, x, y);
}

mlx_array *mlx__div(mlx_backend *b, mlx_array *x, mlx_array *y)
{
    return MLX(binary, MLX_DIVIDE, x, y);
}

mlx_array *mlx__swap_last(mlx_backend *b, mlx_array *x)
{
    eai_shape shape;
    int axes[EAI_MAX_DIMS];
    if (!x)
        return NULL;
    b->face->shape(x, &shape);
    for (int d = 0; d < shape.n_dims; d++)
        axes[d] = d;
    axes[shape.n_dims - 2] = shape.n_dims - 1;
    axes[shape.n_dims - 1] = shape.n_dims - 2;
    return MLX(transpose, x, axes);
}
