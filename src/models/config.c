/* A model's configuration: where it comes from, and what is sane.
 *
 * Files of both kinds state the same dozen numbers under different names (config_gguf.c,
 * config_json.c). Shapes are computed from them, so each is checked here before anything is done
 * with it. What a file asks for and this code does not do is refused rather than ignored. Start at
 * model__read_config. */
#include "models/models.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/json.h"

#include "base/banned.h"

eai_status model__check_count(const char *where, const char *name, int64_t value, int64_t max,
                              eai_error *err)
{
    if (value >= 1 && value <= max)
        return EAI_OK;
    return eai_error_set(err, EAI_ERR_FORMAT, "%s: %s is %" PRId64 ", not in 1 to %" PRId64, where,
                         name, value, max);
}

/* A layer is local only where there is a window, and only layers that exist are anything. */
static eai_status check_layers(const eai_model_config *c, const char *where, eai_error *err)
{
    bool local = false;
    for (int64_t i = 0; i < EAI_MODEL_LAYERS_MAX; i++) {
        bool any = eai_layer_set_has(&c->local, i) || eai_layer_set_has(&c->unrotated, i);
        if (any && i >= c->n_layers)
            return eai_error_set(err, EAI_ERR_FORMAT, "%s: layer %" PRId64 " of %" PRId64, where, i,
                                 c->n_layers);
        local = local || eai_layer_set_has(&c->local, i);
    }
    if (c->window < 0 || c->window > 1 << 30 || (local && c->window == 0))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: a sliding window of %" PRId64 " tokens, not in 1 to %d", where,
                             c->window, 1 << 30);
    return EAI_OK;
}

static eai_status check_reals(const eai_model_config *c, const char *where, eai_error *err)
{
    if (!(c->rope_theta > 0) || !isfinite(c->rope_theta) || !(c->rope_theta_local >= 0) ||
        !isfinite(c->rope_theta_local))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: rotary base %g is not above 0", where,
                             c->rope_theta > 0 ? c->rope_theta_local : c->rope_theta);
    if (!(c->rms_eps >= 0 && c->rms_eps < 1))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: norm epsilon %g is not in 0 to 1", where,
                             c->rms_eps);
    if (!(c->attention_scale >= 0) || !isfinite(c->attention_scale))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: attention scale %g is not above 0", where,
                             c->attention_scale);
    return model__check_rope(c, where, err);
}

eai_status model__check_config(const eai_model_config *c, const char *where, eai_error *err)
{
    const struct {
        const char *name;
        int64_t value, max;
    } counts[] = {
        {"number of layers", c->n_layers, EAI_MODEL_LAYERS_MAX},
        {"model width", c->d_model, 1 << 20},
        {"number of heads", c->n_heads, 1 << 14},
        {"number of key/value heads", c->n_kv_heads, 1 << 14},
        {"head width", c->d_head, 1 << 14},
        {"feed-forward width", c->d_ffn, 1 << 22},
        {"vocabulary", c->vocab, 1 << 24},
        {"context", c->context, 1 << 30},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        EAI_TRY(model__check_count(where, counts[i].name, counts[i].value, counts[i].max, err));
    if (c->n_heads % c->n_kv_heads != 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: %" PRId64 " heads are no multiple of %" PRId64 " key/value heads",
                             where, c->n_heads, c->n_kv_heads);
    if (c->d_head % 2 != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: head width %" PRId64 " is odd", where,
                             c->d_head);
    EAI_TRY(check_layers(c, where, err));
    return check_reals(c, where, err);
}

/* ---- Where it comes from
 * ------------------------------------------------------------------------- */

char *model__config_path(const eai_weights *w)
{
    const char *path = eai_weights_path(w);
    const char *slash = strrchr(path, '/');
    if (!slash)
        return eai_strdup("config.json");
    return eai_asprintf("%.*sconfig.json", (int)(slash - path + 1), path);
}

static eai_status read_json_beside(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    eai_status st;
    json_t *root = NULL;
    char *path = model__config_path(w);

    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (!eai_fs_exists(path)) {
        st = eai_error_set(err, EAI_ERR_NOT_FOUND,
                           "%s: no metadata 'general.architecture', and no '%s' beside it",
                           eai_weights_path(w), path);
        goto done;
    }
    st = eai_json_load(&root, path, MODEL_CONFIG_BYTES_MAX, err);
    if (st == EAI_OK)
        st = model__read_json(c, root, path, err);
done:
    json_decref(root);
    eai_free(path);
    return st;
}

eai_status model__read_config(eai_model_config *out, const eai_weights *w, eai_error *err)
{
    const char *path = eai_weights_path(w);
    const char *arch = eai_weights_get_string(w, "general.architecture");

    *out = (eai_model_config){0};
    if (!arch) {
        EAI_TRY(read_json_beside(out, w, err));
        return model__check_config(out, path, err);
    }
    const model__family *family = model__find_family(arch, true);
    if (!family)
        return model__unknown_family(path, arch, true, err);
    EAI_TRY(model__read_gguf(out, w, family, err));
    return model__check_config(out, path, err);
}
