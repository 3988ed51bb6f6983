/* Rotary frequencies stretched to longer contexts: reading what a file asks for, and the factors by
 * which the frequency of each pair is divided.
 *
 * All kinds come down to one vector of factors, which eai_rope_scaled takes; YaRN scales the
 * rotated queries and keys as well, which is a factor of their product (config.c). The formulas are
 * those of transformers' modeling_rope_utils and of llama.cpp. Start at model__rope_factors. Not
 * here: kinds that change with the length of the text (longrope), which are refused. */
#include "models/models.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"

#define PI 3.14159265358979323846

static const char *const names[] = {"default", "linear", "dynamic", "llama3", "yarn", "table"};
#define N_NAMES 5 /* those that files have */

const char *model__rope_name(eai_rope_type type)
{
    return names[type];
}

/* ---- The factors
 * --------------------------------------------------------------------------------- */

/* Wavelengths beyond original / low are stretched by the factor, those within original / high are
 * kept, and between them the frequency is mixed. */
static double llama3_factor(const eai_rope_scaling *s, double frequency)
{
    double turns = s->original_context * frequency / (2 * PI);
    if (turns < s->low_freq_factor)
        return s->factor;
    if (turns > s->high_freq_factor)
        return 1;
    double kept = (turns - s->low_freq_factor) / (s->high_freq_factor - s->low_freq_factor);
    return 1 / ((1 - kept) / s->factor + kept);
}

/* The pair that makes `turns` turns in the first training's context. */
static double yarn_pair(const eai_rope_scaling *s, double turns, double width, double theta)
{
    return width * log(s->original_context / (turns * 2 * PI)) / (2 * log(theta));
}

/* Pairs before the ramp's begin are kept, those behind its end divided by the factor (Peng et al.
 * 2023, section 3.2). */
static double yarn_factor(const eai_rope_scaling *s, double pair, double width, double theta)
{
    double begin = yarn_pair(s, s->beta_fast, width, theta);
    double end = yarn_pair(s, s->beta_slow, width, theta);
    if (!s->untruncated) {
        begin = floor(begin);
        end = ceil(end);
    }
    begin = fmax(begin, 0);
    end = fmin(end, width - 1);
    if (begin == end)
        end += 0.001;
    double ramp = fmin(fmax((pair - begin) / (end - begin), 0), 1);
    return 1 / (ramp / s->factor + 1 - ramp);
}

static double get_factor(const eai_model_config *c, int64_t pair)
{
    const eai_rope_scaling *s = &c->rope_scaling;
    double width = (double)c->d_head;
    if (s->type == EAI_ROPE_LINEAR)
        return s->factor;
    if (s->type == EAI_ROPE_LLAMA3)
        return llama3_factor(s, pow(c->rope_theta, -2.0 * (double)pair / width));
    if (s->type == EAI_ROPE_YARN)
        return yarn_factor(s, (double)pair, width, c->rope_theta);
    return 1;
}

void model__rope_factors(float *factors, const eai_model_config *c)
{
    for (int64_t i = 0; i < c->d_head / 2; i++)
        factors[i] = (float)get_factor(c, i);
}

eai_status model__check_rope(const eai_model_config *c, const char *where, eai_error *err)
{
    const eai_rope_scaling *s = &c->rope_scaling;
    bool ramp = s->type == EAI_ROPE_LLAMA3 || s->type == EAI_ROPE_YARN;
    bool ok = s->type == EAI_ROPE_PLAIN || s->type == EAI_ROPE_TABLE ||
              (s->factor >= 1 && s->factor <= 1e6);

    if (!ok)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: rotary scaling '%s': 'factor' is %g, not in 1 to 1000000", where,
                             names[s->type], s->factor);
    if (ramp && !(s->original_context >= 1 && s->original_context <= 1e9))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: rotary scaling '%s': 'original_max_position_embeddings' is %g, "
                             "not in 1 to 1e9",
                             where, names[s->type], s->original_context);
    if (s->type == EAI_ROPE_LLAMA3 &&
        !(s->low_freq_factor > 0 && s->high_freq_factor > s->low_freq_factor &&
          isfinite(s->high_freq_factor)))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: rotary scaling 'llama3': 'low_freq_factor' %g is not above 0 and "
                             "below 'high_freq_factor' %g",
                             where, s->low_freq_factor, s->high_freq_factor);
    if (s->type == EAI_ROPE_YARN &&
        !(s->beta_slow > 0 && s->beta_fast >= s->beta_slow && s->beta_fast < 1e6 &&
          s->attention_factor > 0 && s->attention_factor < 1e6))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "%s: rotary scaling 'yarn': 'beta_slow' %g, 'beta_fast' %g and "
                             "'attention_factor' %g are not above 0, in this order",
                             where, s->beta_slow, s->beta_fast, s->attention_factor);
    return EAI_OK;
}

/* ---- config.json
 * --------------------------------------------------------------------------------- */

/* 0.1 scale log(factor) + 1, the paper's equation 22 with DeepSeek's scale */
static double yarn_mscale(double factor, double scale)
{
    return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

static eai_status read_yarn(eai_rope_scaling *s, const json_t *v, const char *path, eai_error *err)
{
    double mscale = 0;
    double mscale_all = 0;
    bool truncate = true;

    EAI_TRY(model__json_float(&s->beta_fast, v, "beta_fast", path, err));
    EAI_TRY(model__json_float(&s->beta_slow, v, "beta_slow", path, err));
    EAI_TRY(model__json_float(&mscale, v, "mscale", path, err));
    EAI_TRY(model__json_float(&mscale_all, v, "mscale_all_dim", path, err));
    EAI_TRY(model__json_bool(&truncate, v, "truncate", path, err));
    s->untruncated = !truncate;
    s->attention_factor = yarn_mscale(s->factor, 1);
    if (mscale > 0 && mscale_all > 0)
        s->attention_factor = yarn_mscale(s->factor, mscale) / yarn_mscale(s->factor, mscale_all);
    return model__json_float(&s->attention_factor, v, "attention_factor", path, err);
}

static eai_status find_type(eai_rope_type *out, const json_t *v, const char *key, const char *path,
                            eai_error *err)
{
    const char *type = json_string_value(json_object_get(v, "rope_type"));
    if (!type)
        type = json_string_value(json_object_get(v, "type"));
    *out = EAI_ROPE_PLAIN;
    for (int i = 0; json_is_object(v) && (i == 0 || type) && i < N_NAMES; i++) {
        if (!type || strcmp(type, names[i]) == 0) {
            *out = (eai_rope_type)i;
            return EAI_OK;
        }
    }
    return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                         "%s: '%s' of type '%s'; supported: default, linear, dynamic, llama3, yarn",
                         path, key, type ? type : "?");
}

eai_status model__json_rope(double *theta, eai_rope_scaling *s, const json_t *value,
                            const char *key, const eai_model_config *c, const char *path,
                            eai_error *err)
{
    double rotated = 1;

    *s = (eai_rope_scaling){.beta_fast = 32, .beta_slow = 1, .attention_factor = 1};
    s->original_context = (double)c->context;
    EAI_TRY(find_type(&s->type, value, key, path, err));
    EAI_TRY(model__json_float(theta, value, "rope_theta", path, err));
    EAI_TRY(model__json_float(&rotated, value, "partial_rotary_factor", path, err));
    if (rotated != 1)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: 'partial_rotary_factor' is %g; only 1 is supported", path,
                             rotated);
    EAI_TRY(model__json_float(&s->factor, value, "factor", path, err));
    EAI_TRY(model__json_float(&s->original_context, value, "original_max_position_embeddings", path,
                              err));
    EAI_TRY(model__json_float(&s->low_freq_factor, value, "low_freq_factor", path, err));
    EAI_TRY(model__json_float(&s->high_freq_factor, value, "high_freq_factor", path, err));
    return s->type == EAI_ROPE_YARN ? read_yarn(s, value, path, err) : EAI_OK;
}

/* ---- GGUF
 * ---------------------------------------------------------------------------------------- */

/* llama.cpp stores Llama 3's factors as a tensor and not the numbers they come from. All released
 * models have them from 8,192 tokens, 1 and 4; where these give the table, the configuration can be
 * written again. */
static eai_status read_table(eai_model_config *c, const eai_weights *w, const eai_weight_tensor *t,
                             eai_error *err)
{
    const float *stored = t->data;
    int64_t n = c->d_head / 2;
    double largest = 1;

    if (t->dtype != EAI_F32 || !eai_shape_equal(&t->shape, &EAI_SHAPE1(n)))
        return eai_error_set(err, EAI_ERR_SHAPE,
                             "%s: tensor '%s' has not one f32 factor for each of %" PRId64 " pairs",
                             eai_weights_path(w), t->name, n);
    for (int64_t i = 0; i < n; i++) {
        if (!(stored[i] > 0) || !isfinite(stored[i]))
            return eai_error_set(err, EAI_ERR_NUMERIC,
                                 "%s: tensor '%s': factor %" PRId64 " is %g, not above 0",
                                 eai_weights_path(w), t->name, i, (double)stored[i]);
        largest = fmax(largest, (double)stored[i]);
    }
    c->rope_scaling = (eai_rope_scaling){.type = EAI_ROPE_LLAMA3,
                                         .factor = largest,
                                         .original_context = 8192,
                                         .low_freq_factor = 1,
                                         .high_freq_factor = 4};
    for (int64_t i = 0; i < n; i++) {
        if (fabs(get_factor(c, i) - (double)stored[i]) > 1e-4 * (double)stored[i])
            c->rope_scaling = (eai_rope_scaling){.type = EAI_ROPE_TABLE};
    }
    return EAI_OK;
}

eai_status model__gguf_rope(eai_model_config *c, const eai_weights *w, eai_error *err)
{
    char key[128];
    eai_rope_scaling *s = &c->rope_scaling;
    const eai_weight_tensor *table = eai_weights_find(w, "rope_freqs.weight");
    double factor = 1;
    double log_multiplier = 0;

    snprintf(key, sizeof(key), "%s.rope.scaling.type",
             eai_weights_get_string(w, "general.architecture"));
    const char *type = eai_weights_get_string(w, key);
    if (table)
        return read_table(c, w, table, err);
    if (!type || strcmp(type, "none") == 0)
        return EAI_OK;
    *s = (eai_rope_scaling){.beta_fast = 32, .beta_slow = 1, .attention_factor = 1};
    s->type = strcmp(type, "yarn") == 0 ? EAI_ROPE_YARN : EAI_ROPE_LINEAR;
    EAI_TRY(model__gguf_float(&log_multiplier, w, "rope.scaling.yarn_log_multiplier", false, err));
    if ((s->type == EAI_ROPE_LINEAR && strcmp(type, "linear") != 0) || log_multiplier != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "%s: metadata '%s' is '%s'%s; supported: none, linear, yarn without "
                             "'yarn_log_multiplier'",
                             eai_weights_path(w), key, type,
                             log_multiplier != 0 ? " with 'yarn_log_multiplier'" : "");
    EAI_TRY(model__gguf_float(&s->factor, w, "rope.scaling.factor", true, err));
    s->original_context = (double)c->context;
    EAI_TRY(model__gguf_float(&s->original_context, w, "rope.scaling.original_context_length",
                              false, err));
    EAI_TRY(model__gguf_float(&s->beta_fast, w, "rope.scaling.yarn_beta_fast", false, err));
    EAI_TRY(model__gguf_float(&s->beta_slow, w, "rope.scaling.yarn_beta_slow", false, err));
    EAI_TRY(model__gguf_float(&factor, w, "rope.scaling.attn_factor", false, err));
    s->attention_factor = factor * yarn_mscale(s->factor, 1);
    return EAI_OK;
}
