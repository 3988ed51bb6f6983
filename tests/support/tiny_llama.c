/* The tiny model of tiny_llama.h. Start at tiny_llama_logits for the mathematics. */
#include "support/tiny_llama.h"

#include <math.h>
#include <stdlib.h>

#include <efficientai/convert.h>
#include <efficientai/generate.h>

#include "support/eai_test.h"

/* ---- The formula
 * --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t hash_fill_bits(uint64_t stream, uint64_t tensor, uint64_t element)
{
    return mix(mix((stream << 32) + tensor) + element);
}

void hash_fill_uniform(float *out, uint64_t stream, uint64_t tensor, size_t n, double a)
{
    for (size_t e = 0; e < n; e++) {
        double unit = ((double)(hash_fill_bits(stream, tensor, e) >> 40) - 0x1p23) / 0x1p23;
        out[e] = (float)(a * unit);
    }
}

void hash_fill_integers(int32_t *out, uint64_t stream, uint64_t tensor, size_t n, int32_t limit)
{
    for (size_t e = 0; e < n; e++)
        out[e] = (int32_t)(hash_fill_bits(stream, tensor, e) % (uint64_t)limit);
}

/* ---- The model
 * ----------------------------------------------------------------------------------- */

eai_model_config tiny_llama_config(bool tied)
{
    return (eai_model_config){
        .family = "llama",
        .n_layers = TINY_LAYERS,
        .d_model = TINY_MODEL,
        .n_heads = TINY_HEADS,
        .n_kv_heads = TINY_KV_HEADS,
        .d_head = TINY_HEAD,
        .d_ffn = TINY_FFN,
        .vocab = TINY_VOCAB,
        .context = TINY_CONTEXT,
        .rope_theta = 10000.0,
        .rms_eps = 1e-5,
        .tied = tied,
    };
}

/* Adds tensor number t: uniform in +-a around `middle`, stored in `dtype`. */
static void add_tensor(eai_weights *w, const char *name, eai_dtype dtype, eai_shape shape,
                       uint64_t t, double a, float middle)
{
    eai_error err = EAI_ERROR_INIT;
    size_t n = (size_t)eai_shape_elements(&shape);
    size_t bytes;
    float *values = malloc(n * sizeof(float));
    assert_true(eai_tensor_bytes(&bytes, dtype, &shape));
    void *stored = malloc(bytes);
    assert_true(values && stored);
    hash_fill_uniform(values, HASH_STREAM_WEIGHTS, t, n, a);
    for (size_t i = 0; i < n; i++)
        values[i] += middle;
    assert_ok(eai_quantize_row(stored, dtype, values, (int64_t)n, &err), &err);
    assert_ok(eai_weights_add(w, name, dtype, &shape, stored, &err), &err);
    free(values);
    free(stored);
}

eai_weights *tiny_llama_weights(eai_dtype dtype, bool tied)
{
    static const struct {
        const char *name;
        int64_t rows, cols; /* rows 0: a norm */
    } slots[] = {
        {"input_layernorm", 0, TINY_MODEL},
        {"self_attn.q_proj", TINY_HEADS * TINY_HEAD, TINY_MODEL},
        {"self_attn.k_proj", TINY_KV_HEADS * TINY_HEAD, TINY_MODEL},
        {"self_attn.v_proj", TINY_KV_HEADS * TINY_HEAD, TINY_MODEL},
        {"self_attn.o_proj", TINY_MODEL, TINY_HEADS * TINY_HEAD},
        {"post_attention_layernorm", 0, TINY_MODEL},
        {"mlp.gate_proj", TINY_FFN, TINY_MODEL},
        {"mlp.up_proj", TINY_FFN, TINY_MODEL},
        {"mlp.down_proj", TINY_MODEL, TINY_FFN},
    };
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    uint64_t t = 0;
    eai_shape table = EAI_SHAPE2(TINY_VOCAB, TINY_MODEL);

    assert_ok(eai_weights_create(&w, "tiny", &err), &err);
    add_tensor(w, "model.embed_tokens.weight", dtype, table, t++, 0.5, 0);
    for (int layer = 0; layer < TINY_LAYERS; layer++) {
        for (size_t s = 0; s < sizeof(slots) / sizeof(slots[0]); s++) {
            char name[96];
            snprintf(name, sizeof(name), "model.layers.%d.%s.weight", layer, slots[s].name);
            if (slots[s].rows == 0)
                add_tensor(w, name, EAI_F32, EAI_SHAPE1(slots[s].cols), t++, 0.2, 1);
            else
                add_tensor(w, name, dtype, EAI_SHAPE2(slots[s].rows, slots[s].cols), t++, 0.4, 0);
        }
    }
    add_tensor(w, "model.norm.weight", EAI_F32, EAI_SHAPE1(TINY_MODEL), t++, 0.2, 1);
    if (!tied)
        add_tensor(w, "lm_head.weight", dtype, table, t++, 0.5, 0);
    return w;
}

void tiny_llama_open(tiny_llama *t, eai_dtype dtype, bool tied)
{
    eai_error err = EAI_ERROR_INIT;
    eai_model_config c = tiny_llama_config(tied);
    t->weights = tiny_llama_weights(dtype, tied);
    assert_ok(eai_model_create(&t->model, t->weights, &c, &err), &err);
}

/* Tensors are counted in the byte order of their names. */
void tiny_llama_open_peft(tiny_llama *t)
{
    static const struct {
        const char *name;
        int64_t rows, cols; /* rows 0: a norm */
    } slots[] = {
        {"input_layernorm", 0, 64},          {"mlp.down_proj", 64, 160},
        {"mlp.gate_proj", 160, 64},          {"mlp.up_proj", 160, 64},
        {"post_attention_layernorm", 0, 64}, {"self_attn.k_proj", 32, 64},
        {"self_attn.o_proj", 64, 64},        {"self_attn.q_proj", 64, 64},
        {"self_attn.v_proj", 32, 64},
    };
    const eai_model_config c = {"llama", 2, 64, 4, 2, 16, 160, 320, 512, 10000.0, 1e-5, true};
    eai_error err = EAI_ERROR_INIT;
    uint64_t n = 0;

    assert_ok(eai_weights_create(&t->weights, "peft_tiny", &err), &err);
    add_tensor(t->weights, "model.embed_tokens.weight", EAI_F32, EAI_SHAPE2(320, 64), n++, 0.25, 0);
    for (int layer = 0; layer < 2; layer++) {
        for (size_t s = 0; s < sizeof(slots) / sizeof(slots[0]); s++) {
            int64_t cols = slots[s].cols;
            char name[96];
            snprintf(name, sizeof(name), "model.layers.%d.%s.weight", layer, slots[s].name);
            if (slots[s].rows == 0)
                add_tensor(t->weights, name, EAI_F32, EAI_SHAPE1(cols), n++, 0.1, 1);
            else
                add_tensor(t->weights, name, EAI_F32, EAI_SHAPE2(slots[s].rows, cols), n++,
                           sqrt(3.0 / (double)cols), 0);
        }
    }
    add_tensor(t->weights, "model.norm.weight", EAI_F32, EAI_SHAPE1(64), n++, 0.1, 1);
    assert_ok(eai_model_create(&t->model, t->weights, &c, &err), &err);
}

void tiny_llama_close(tiny_llama *t)
{
    eai_model_free(t->model);
    eai_weights_close(t->weights);
}

/* ---- A forward pass of its own
 * ------------------------------------------------------------------- */

typedef struct pass {
    const eai_model *model;
    tiny_delta delta;
    void *ud;
    double *keys, *values; /* [layers][n][kv heads * head] */
    size_t n;
} pass;

static double *load_rows(const pass *p, const char *name, size_t *n_rows, size_t *n_cols)
{
    const eai_weight_tensor *t = eai_weights_find(eai_model_get_weights(p->model), name);
    assert_non_null(t);
    size_t n = (size_t)eai_shape_elements(&t->shape);
    float *f = malloc(n * sizeof(float));
    double *d = malloc(n * sizeof(double));
    assert_true(f && d);
    eai_dequantize_row(f, t->dtype, t->data, (int64_t)n);
    for (size_t i = 0; i < n; i++)
        d[i] = (double)f[i];
    free(f);
    *n_cols = (size_t)t->shape.dim[t->shape.n_dims - 1];
    *n_rows = n / *n_cols;
    return d;
}

/* y = (W + delta) x */
static void linear(double *y, const pass *p, const char *name, const double *x)
{
    char full[128];
    size_t rows, cols;
    snprintf(full, sizeof(full), "%s.weight", name);
    double *w = load_rows(p, full, &rows, &cols);
    const float *delta = p->delta ? p->delta(name, p->ud) : NULL;
    for (size_t r = 0; r < rows; r++) {
        y[r] = 0;
        for (size_t c = 0; c < cols; c++)
            y[r] += (w[r * cols + c] + (delta ? (double)delta[r * cols + c] : 0)) * x[c];
    }
    free(w);
}

static void rms_norm(double *y, const pass *p, const char *name, const double *x)
{
    size_t rows, cols;
    double *w = load_rows(p, name, &rows, &cols);
    double sum = 0;
    for (size_t i = 0; i < cols; i++)
        sum += x[i] * x[i];
    double r = 1 / sqrt(sum / (double)cols + eai_model_get_config(p->model)->rms_eps);
    for (size_t i = 0; i < cols; i++)
        y[i] = x[i] * r * w[i];
    free(w);
}

/* Rotates pairs (i, i + D/2) of each head by position * theta^(-2i/D). */
static void rope(double *x, size_t n_heads, size_t position, double theta)
{
    for (size_t h = 0; h < n_heads; h++) {
        double *v = x + h * TINY_HEAD;
        for (size_t i = 0; i < TINY_HEAD / 2; i++) {
            double angle = (double)position * pow(theta, -2.0 * (double)i / TINY_HEAD);
            double a = v[i];
            double b = v[i + TINY_HEAD / 2];
            v[i] = a * cos(angle) - b * sin(angle);
            v[i + TINY_HEAD / 2] = a * sin(angle) + b * cos(angle);
        }
    }
}

/* out of one head: softmax over tokens 0 .. t */
static void attend(double *out, const double *q, const double *keys, const double *values, size_t t)
{
    const size_t stride = TINY_KV_HEADS * TINY_HEAD;
    double *s = malloc((t + 1) * sizeof(double));
    double max = -(double)INFINITY;
    double sum = 0;
    assert_non_null(s);
    for (size_t j = 0; j <= t; j++) {
        s[j] = 0;
        for (size_t i = 0; i < TINY_HEAD; i++)
            s[j] += q[i] * keys[j * stride + i] / sqrt((double)TINY_HEAD);
        max = fmax(max, s[j]);
    }
    for (size_t j = 0; j <= t; j++)
        sum += s[j] = exp(s[j] - max);
    for (size_t i = 0; i < TINY_HEAD; i++) {
        out[i] = 0;
        for (size_t j = 0; j <= t; j++)
            out[i] += s[j] / sum * values[j * stride + i];
    }
    free(s);
}

static const char *in_layer(char *buf, size_t layer, const char *tail)
{
    snprintf(buf, 96, "model.layers.%zu.%s", layer, tail);
    return buf;
}

static void run_attention(double *x, const pass *p, size_t layer, size_t t)
{
    const size_t stride = TINY_KV_HEADS * TINY_HEAD;
    double theta = eai_model_get_config(p->model)->rope_theta;
    double *keys = p->keys + layer * p->n * stride;
    double *values = p->values + layer * p->n * stride;
    double h[TINY_MODEL], q[TINY_HEADS * TINY_HEAD], a[TINY_HEADS * TINY_HEAD], o[TINY_MODEL];
    char name[96];

    rms_norm(h, p, in_layer(name, layer, "input_layernorm.weight"), x);
    linear(q, p, in_layer(name, layer, "self_attn.q_proj"), h);
    linear(keys + t * stride, p, in_layer(name, layer, "self_attn.k_proj"), h);
    linear(values + t * stride, p, in_layer(name, layer, "self_attn.v_proj"), h);
    rope(q, TINY_HEADS, t, theta);
    rope(keys + t * stride, TINY_KV_HEADS, t, theta);
    for (size_t i = 0; i < TINY_HEADS; i++) {
        size_t kv = i / (TINY_HEADS / TINY_KV_HEADS) * TINY_HEAD;
        attend(a + i * TINY_HEAD, q + i * TINY_HEAD, keys + kv, values + kv, t);
    }
    linear(o, p, in_layer(name, layer, "self_attn.o_proj"), a);
    for (size_t i = 0; i < TINY_MODEL; i++)
        x[i] += o[i];
}

static void run_ffn(double *x, const pass *p, size_t layer)
{
    double h[TINY_MODEL], gate[TINY_FFN], up[TINY_FFN], o[TINY_MODEL];
    char name[96];

    rms_norm(h, p, in_layer(name, layer, "post_attention_layernorm.weight"), x);
    linear(gate, p, in_layer(name, layer, "mlp.gate_proj"), h);
    linear(up, p, in_layer(name, layer, "mlp.up_proj"), h);
    for (size_t i = 0; i < TINY_FFN; i++)
        gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
    linear(o, p, in_layer(name, layer, "mlp.down_proj"), gate);
    for (size_t i = 0; i < TINY_MODEL; i++)
        x[i] += o[i];
}

void tiny_llama_logits(float *logits, const eai_model *m, const int32_t *ids, size_t n,
                       tiny_delta delta, void *ud)
{
    size_t cache = TINY_LAYERS * n * TINY_KV_HEADS * TINY_HEAD;
    pass p = {m, delta, ud, malloc(cache * sizeof(double)), malloc(cache * sizeof(double)), n};
    size_t rows, cols;
    bool tied = eai_model_get_config(m)->tied;
    assert_true(p.keys && p.values);
    double *embedding = load_rows(&p, "model.embed_tokens.weight", &rows, &cols);
    double *head =
        load_rows(&p, tied ? "model.embed_tokens.weight" : "lm_head.weight", &rows, &cols);

    for (size_t t = 0; t < n; t++) {
        double x[TINY_MODEL], h[TINY_MODEL];
        memcpy(x, embedding + (size_t)ids[t] * TINY_MODEL, sizeof(x));
        for (size_t layer = 0; layer < TINY_LAYERS; layer++) {
            run_attention(x, &p, layer, t);
            run_ffn(x, &p, layer);
        }
        rms_norm(h, &p, "model.norm.weight", x);
        for (size_t v = 0; v < TINY_VOCAB; v++) {
            double sum = 0;
            for (size_t i = 0; i < TINY_MODEL; i++)
                sum += head[v * TINY_MODEL + i] * h[i];
            logits[t * TINY_VOCAB + v] = (float)sum;
        }
    }
    free(embedding);
    free(head);
    free(p.keys);
    free(p.values);
}

/* ---- Plans
 * --------------------------------------------------------------------------------------- */

eai_backend *tiny_backend(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *b = NULL;
    const char *name = getenv("EFFICIENTAI_TEST_BACKEND");
    eai_backend_opts opts = {.n_threads = 2, .precision = EAI_PRECISION_F32};
    assert_ok(eai_backend_open(&b, name && *name ? name : "cpu", &opts, &err), &err);
    return b;
}

void tiny_generate_logits(float *logits, const eai_model *m, const eai_adapter *a, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    eai_backend *backend = tiny_backend();
    int32_t *ids = malloc(n * sizeof(*ids));
    assert_non_null(ids);
    hash_fill_integers(ids, HASH_STREAM_IDS, 5, n, TINY_VOCAB);
    assert_ok(eai_generate_logits(logits, m, a, backend, ids, n, &err), &err);
    free(ids);
    eai_backend_close(backend);
}

int32_t *tiny_input(const eai_plan *plan, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand o;
    assert_ok(eai_plan_find(&o, plan, name, &err), &err);
    assert_int_equal(o.dtype, EAI_I32);
    return o.data;
}

void tiny_output(float *out, const eai_plan *plan, const char *name, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    eai_operand o;
    assert_ok(eai_plan_find(&o, plan, name, &err), &err);
    assert_true((size_t)eai_shape_elements(&o.shape) >= n);
    eai_dequantize_row(out, o.dtype, o.data, (int64_t)n);
}
