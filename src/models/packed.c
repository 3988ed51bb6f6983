/* Matrices of MLX's folders: "a.weight" holds codes, "a.scales" and "a.biases" lie beside it, and
 * config.json says how they are packed:
 *     "quantization": {"group_size": 64, "bits": 4, "mode": "affine",
 *                      "model.layers.0.mlp.down_proj": {"group_size": 32, "bits": 8},
 *                      "lm_head": false}
 * "mode" may be missing; a layer's own entry stands for itself, its missing values are the mode's
 * defaults. mlx-lm packs what has scales, and so do we. Start at model__find_packed. */
#include "models/models.h"

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/mlx_quant.h>

#include "base/json.h"

#include "base/banned.h"

#define KEY "quantization"

static eai_status read_entry(eai_mlx_packing *p, const json_t *entry, const char *path,
                             eai_error *err)
{
    const json_t *mode = json_object_get(entry, "mode");
    int64_t bits = 0;
    int64_t group = 0;

    *p = (eai_mlx_packing){.mode = EAI_MLX_MODE_AFFINE, .type = EAI_F32};
    if (mode &&
        (!json_is_string(mode) || !eai_mlx_mode_from_name(&p->mode, json_string_value(mode))))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: '" KEY "': 'mode' is '%.100s'; supported: affine, mxfp4, mxfp8, "
                             "nvfp4",
                             path, json_is_string(mode) ? json_string_value(mode) : "no text");
    if (json_is_true(json_object_get(entry, "global_scale")))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: '" KEY "': 'global_scale' is not supported", path);
    EAI_TRY(model__json_int(&bits, entry, "bits", false, path, err));
    EAI_TRY(model__json_int(&group, entry, "group_size", false, path, err));
    if (bits < 0 || bits > 64 || group < 0 || group > 4096)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "%s: '" KEY "': %lld bits in groups of %lld",
                             path, (long long)bits, (long long)group);
    p->bits = (int)bits;
    p->group = (int)group;
    if (p->mode != EAI_MLX_MODE_AFFINE)
        p->type = EAI_U8;
    eai_status st = eai_mlx_packing_check(p, 0, err);
    return st == EAI_OK ? st : eai_error_context(err, st, "%s: '" KEY "'", path);
}

eai_status model__json_packing(bool *packed, eai_mlx_packing *p, const json_t *root,
                               const char *module, const char *path, eai_error *err)
{
    const json_t *all = json_object_get(root, KEY);
    const json_t *own = module ? json_object_get(all, module) : NULL;

    *packed = false;
    if (!all || json_is_null(all))
        return EAI_OK;
    if (!json_is_object(all))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: '" KEY "' is no object", path);
    if (own && !json_is_object(own) && !json_is_boolean(own))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: '" KEY "': '%s' is neither an object, true nor false", path,
                             module);
    *packed = !json_is_false(own);
    return read_entry(p, json_is_object(own) ? own : all, path, err);
}

/* ---- Tensors ---- */

static eai_status check_part(const eai_model *m, const eai_weight_tensor *t, eai_dtype type,
                             eai_shape shape, const eai_mlx_packing *p, eai_error *err)
{
    char seen[96];
    char wanted[96];
    if (t->dtype == type && eai_shape_equal(&t->shape, &shape))
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_SHAPE,
                         "%s: tensor '%s': %s %s, where %s of %d bits in groups of %d asks for %s "
                         "%s",
                         eai_weights_path(m->weights), t->name, eai_dtype_get(t->dtype)->name,
                         eai_shape_print(seen, sizeof(seen), &t->shape), eai_mlx_mode_name(p->mode),
                         p->bits, p->group, eai_dtype_get(type)->name,
                         eai_shape_print(wanted, sizeof(wanted), &shape));
}

/* The tensor beside codes `name`, "a.weight": "a.scales", say. */
static eai_status find_beside(const eai_weight_tensor **out, const eai_model *m, const char *name,
                              const char *last, eai_error *err)
{
    char *beside =
        eai_arena_printf(m->arena, "%.*s%s", (int)(strrchr(name, '.') - name), name, last);
    if (!beside)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    *out = eai_weights_find(m->weights, beside);
    if (!*out)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: tensor '%s' is missing, but '%s' is packed",
                             eai_weights_path(m->weights), beside, name);
    return EAI_OK;
}

static eai_status find_planes(eai_planes *out, const eai_model *m, const eai_weight_tensor *codes,
                              eai_mlx_packing *p, eai_shape shape, eai_error *err)
{
    const eai_weight_tensor *t;
    EAI_TRY(find_beside(&t, m, codes->name, ".scales", err));
    if (p->mode == EAI_MLX_MODE_AFFINE && (t->dtype == EAI_F16 || t->dtype == EAI_BF16))
        p->type = t->dtype;
    EAI_TRY(check_part(m, t, p->type, shape, p, err));
    *out = (eai_planes){codes->data, t->data, NULL, p->type, p->group};
    if (p->mode != EAI_MLX_MODE_AFFINE)
        return EAI_OK;
    EAI_TRY(find_beside(&t, m, codes->name, ".biases", err));
    EAI_TRY(check_part(m, t, p->type, shape, p, err));
    out->biases = t->data;
    return EAI_OK;
}

/* config.json beside the weights, once a model. */
static eai_status load_config(eai_model *m, char **path, eai_error *err)
{
    *path = model__config_path(m->weights);
    if (!*path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (m->config_json)
        return EAI_OK;
    return eai_json_load(&m->config_json, *path, MODEL_CONFIG_BYTES_MAX, err);
}

static eai_status find_packing(eai_mlx_packing *p, eai_model *m, const char *name, eai_error *err)
{
    char *path = NULL;
    bool packed = false;
    char *module = eai_arena_strndup(m->arena, name, (size_t)(strrchr(name, '.') - name));
    if (!module)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    eai_status st = load_config(m, &path, err);
    if (st == EAI_OK)
        st = model__json_packing(&packed, p, m->config_json, module, path, err);
    if (st == EAI_OK && !packed)
        st = eai_error_set(err, EAI_ERR_FORMAT,
                           "%s: tensor '%s' is packed (u32), but '%s' has no '" KEY "' of it",
                           eai_weights_path(m->weights), name, path);
    eai_free(path);
    return st;
}

eai_status model__find_packed(eai_weight_tensor *out, eai_model *m, const eai_weight_tensor *codes,
                              eai_shape shape, eai_error *err)
{
    eai_mlx_packing p;
    EAI_TRY(find_packing(&p, m, codes->name, err));
    eai_status st = eai_mlx_packing_check(&p, shape.dim[1], err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "%s: tensor '%s'", eai_weights_path(m->weights),
                                 codes->name);
    EAI_TRY(check_part(m, codes, EAI_U32, EAI_SHAPE2(shape.dim[0], shape.dim[1] / 32 * p.bits), &p,
                       err));
    eai_planes *planes = eai_arena_zeroed(m->arena, 1, sizeof(*planes));
    if (!planes)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the model's tables");
    EAI_TRY(
        find_planes(planes, m, codes, &p, EAI_SHAPE2(shape.dim[0], shape.dim[1] / p.group), err));
    *out = (eai_weight_tensor){.name = codes->name,
                               .dtype = eai_mlx_dtype(&p),
                               .shape = shape,
                               .data = codes->data,
                               .bytes = codes->bytes,
                               .planes = planes};
    return EAI_OK;
}
