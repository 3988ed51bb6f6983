/* Adapters as objects: which layers are changed, the memory of A and B, their first values, and
 * their states in a graph.
 *
 * The binding is the whole of LoRA in a graph: apply_pair, a dozen lines. Everything else here is
 * names and tables. Not here: files (adapter_file.c), merging (merge.c), training (the trainer sees
 * eai_parameter and nothing of this). Start at eai_adapter_create and apply_pair. */
#include "lora/lora.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/rng.h>

#include "base/banned.h"

/* ---- Choosing layers
 * ----------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the modules among the chosen linear layers (all: layers NULL), each once, sorted,
 * joined. */
static void join_modules(char *buf, size_t n, const eai_model *m, const lora__layer *layers,
                         const char *glue)
{
    const eai_model_linear *linears;
    const char *names[64];
    size_t n_names = 0;
    size_t n_linears = eai_model_linears(&linears, m);

    for (size_t i = 0; i < n_linears; i++) {
        bool known = layers && !layers[i].chosen;
        for (size_t j = 0; j < n_names && !known; j++)
            known = strcmp(names[j], linears[i].module) == 0;
        if (!known && n_names < sizeof(names) / sizeof(names[0]))
            names[n_names++] = linears[i].module;
    }
    qsort(names, n_names, sizeof(names[0]), compare_names);
    size_t at = 0;
    buf[0] = '\0';
    for (size_t j = 0; j < n_names && at < n; j++)
        at += (size_t)snprintf(buf + at, n - at, "%s%s", j ? glue : "", names[j]);
}

void lora__list_modules(char *buf, size_t n, const eai_model *m)
{
    join_modules(buf, n, m, NULL, ", ");
}

/* Marks the linear layers that one word of the targets names; false when there is none. */
static bool choose_word(lora__layer *layers, const eai_model *m, const char *word, size_t n)
{
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);
    bool all =
        (n == 3 && memcmp(word, "all", 3) == 0) || (n == 10 && memcmp(word, "all-linear", 10) == 0);
    bool attention = n == 9 && memcmp(word, "attention", 9) == 0;
    bool mlp = n == 3 && memcmp(word, "mlp", 3) == 0;
    bool found = false;

    for (size_t i = 0; i < n_linears; i++) {
        const eai_model_linear *l = &linears[i];
        bool named = strlen(l->module) == n && memcmp(l->module, word, n) == 0;
        if (all || (attention && l->attention) || (mlp && !l->attention) || named) {
            layers[i].chosen = true;
            found = true;
        }
    }
    return found;
}

static eai_status choose_layers(lora__layer *layers, const eai_model *m, const char *targets,
                                eai_error *err)
{
    const char *p = targets;
    for (;;) {
        p += strspn(p, " ");
        size_t n = strcspn(p, ",");
        size_t length = n;
        while (length > 0 && p[length - 1] == ' ')
            length--;
        if (length == 0 || !choose_word(layers, m, p, length)) {
            char known[512];
            lora__list_modules(known, sizeof(known), m);
            return eai_error_set(
                err, EAI_ERR_ARGUMENT,
                "targets '%s': no linear layer is named '%.*s'; the model has %s (or all, "
                "attention, mlp)",
                targets, (int)length, p, known);
        }
        p += n;
        if (*p == '\0')
            return EAI_OK;
        p++;
    }
}

/* ---- The object
 * ---------------------------------------------------------------------------------- */

eai_status lora__check_opts(const eai_adapter_opts *o, const char *where, eai_error *err)
{
    if (o->rank < 1 || o->rank > EAI_ADAPTER_RANK_MAX)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%s: rank %lld is not in 1 to %d", where,
                             (long long)o->rank, EAI_ADAPTER_RANK_MAX);
    if (!(o->alpha > 0) || !isfinite(o->alpha))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "%s: alpha %g is not above 0", where, o->alpha);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "%s: dropout %g is not in 0 up to 1 (exclusive)", where, o->dropout);
    return EAI_OK;
}

const lora__whole_spec lora__whole_specs[LORA_N_WHOLE] = {
    [LORA_EMBEDDING] = {"embed_tokens", "model.embed_tokens.weight"},
    [LORA_HEAD] = {"lm_head", "lm_head.weight"},
};

double lora__scale(const eai_adapter *a, const lora__layer *l)
{
    return l->alpha / (a->use_rslora ? sqrt((double)l->rank) : (double)l->rank);
}

/* `name` lives in the arena. */
static bool add_parameter(eai_adapter *a, const char *name, eai_shape shape)
{
    size_t bytes = (size_t)eai_shape_elements(&shape) * sizeof(float);
    eai_parameter *p = &a->parameters[a->n_parameters];
    p->name = name;
    p->shape = shape;
    p->data = eai_alloc_aligned(64, bytes);
    if (!p->name || !p->data) {
        eai_free(p->data);
        return false;
    }
    memset(p->data, 0, bytes);
    a->n_parameters++;
    a->n_values += eai_shape_elements(&shape);
    return true;
}

static eai_status add_pairs(eai_adapter *a, eai_error *err)
{
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, a->model);

    for (size_t i = 0; i < n_linears; i++) {
        const eai_model_linear *l = &linears[i];
        int64_t rank = a->layers[i].rank;
        a->pair_of_linear[i] = -1;
        if (!a->layers[i].chosen)
            continue;
        a->pair_of_linear[i] = (int64_t)a->n_pairs++;
        if (!add_parameter(a,
                           eai_arena_printf(a->arena, LORA_KEY_PREFIX "%s.lora_A.weight", l->name),
                           EAI_SHAPE2(rank, l->n_in)) ||
            !add_parameter(a,
                           eai_arena_printf(a->arena, LORA_KEY_PREFIX "%s.lora_B.weight", l->name),
                           EAI_SHAPE2(l->n_out, rank)))
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an adapter of rank %lld",
                                 (long long)rank);
    }
    return EAI_OK;
}

static eai_status add_whole(eai_adapter *a, const bool whole[LORA_N_WHOLE], eai_error *err)
{
    const eai_model_config *c = eai_model_get_config(a->model);
    for (int i = 0; i < LORA_N_WHOLE; i++) {
        a->whole[i] = -1;
        if (!whole[i])
            continue;
        a->whole[i] = (int64_t)a->n_parameters;
        const char *name =
            eai_arena_printf(a->arena, LORA_KEY_PREFIX "%s", lora__whole_specs[i].name);
        if (!add_parameter(a, name, EAI_SHAPE2(c->vocab, c->d_model)))
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an adapter's '%s'",
                                 lora__whole_specs[i].module);
    }
    return EAI_OK;
}

static eai_status fill_tables(eai_adapter *a, const lora__layer *layers,
                              const bool whole[LORA_N_WHOLE], eai_error *err)
{
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, a->model);
    char targets[512];
    size_t n_pairs = 0;

    for (size_t i = 0; i < n_linears; i++)
        n_pairs += layers[i].chosen ? 1 : 0;
    join_modules(targets, sizeof(targets), a->model, layers, ",");
    a->targets = eai_arena_strdup(a->arena, targets);
    a->layers = eai_arena_memdup(a->arena, layers, n_linears * sizeof(*layers));
    a->pair_of_linear = eai_arena_array(a->arena, n_linears, sizeof(*a->pair_of_linear));
    a->parameters = eai_arena_zeroed(a->arena, 2 * n_pairs + LORA_N_WHOLE, sizeof(*a->parameters));
    if (!a->targets || !a->layers || !a->pair_of_linear || !a->parameters)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an adapter's tables");
    EAI_TRY(add_pairs(a, err));
    return add_whole(a, whole, err);
}

eai_status lora__create_empty(eai_adapter **out, const eai_model *m, const lora__layer *layers,
                              const bool whole[LORA_N_WHOLE], const eai_adapter_opts *opts,
                              eai_error *err)
{
    eai_status st = EAI_OK;
    eai_adapter *a = eai_alloc_zeroed(1, sizeof(*a));

    *out = NULL;
    if (a)
        a->arena = eai_arena_create(0);
    if (!a || !a->arena) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for an adapter");
        goto done;
    }
    a->model = m;
    a->rank = opts->rank;
    a->alpha = opts->alpha;
    a->dropout = opts->dropout;
    a->use_rslora = opts->use_rslora;
    st = fill_tables(a, layers, whole, err);
    if (st != EAI_OK)
        goto done;
    *out = a;
    a = NULL;
done:
    eai_adapter_free(a);
    return st;
}

/* PEFT fills A with kaiming_uniform_(a = sqrt(5)): bound = sqrt(6 / ((1 + 5) n_in)) = 1 /
 * sqrt(n_in). */
static void fill_first_values(eai_adapter *a, uint64_t seed)
{
    for (size_t i = 0; i < a->n_pairs; i++) {
        eai_parameter *p = &a->parameters[2 * i];
        double bound = 1.0 / sqrt((double)p->shape.dim[1]);
        eai_rng rng;
        eai_rng_init(&rng, seed, i);
        eai_rng_fill_uniform(&rng, p->data, (size_t)eai_shape_elements(&p->shape), (float)-bound,
                             (float)bound);
    }
}

eai_status eai_adapter_create(eai_adapter **out, const eai_model *m, const eai_adapter_opts *opts,
                              eai_error *err)
{
    eai_status st;
    eai_adapter *a = NULL;
    const eai_model_linear *linears;
    size_t n_linears = eai_model_linears(&linears, m);

    *out = NULL;
    EAI_TRY(lora__check_opts(opts, "adapter", err));
    const bool whole[LORA_N_WHOLE] = {false};
    lora__layer *layers = eai_alloc_zeroed(n_linears, sizeof(*layers));
    if (!layers)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu layers", n_linears);
    for (size_t i = 0; i < n_linears; i++)
        layers[i] = (lora__layer){.rank = opts->rank, .alpha = opts->alpha};
    st = choose_layers(layers, m, opts->targets ? opts->targets : "all", err);
    if (st == EAI_OK)
        st = lora__create_empty(&a, m, layers, whole, opts, err);
    if (a)
        fill_first_values(a, opts->seed);
    *out = a;
    eai_free(layers);
    return st;
}

void eai_adapter_free(eai_adapter *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_parameters; i++)
        eai_free(a->parameters[i].data);
    eai_arena_free(a->arena);
    eai_free(a);
}

int64_t eai_adapter_rank(const eai_adapter *a)
{
    return a->rank;
}

double eai_adapter_alpha(const eai_adapter *a)
{
    return a->alpha;
}

double eai_adapter_dropout(const eai_adapter *a)
{
    return a->dropout;
}

double eai_adapter_scale(const eai_adapter *a)
{
    return lora__scale(a, &(lora__layer){.rank = a->rank, .alpha = a->alpha});
}

bool eai_adapter_rslora(const eai_adapter *a)
{
    return a->use_rslora;
}

const char *eai_adapter_targets(const eai_adapter *a)
{
    return a->targets;
}

int64_t eai_adapter_parameter_count(const eai_adapter *a)
{
    return a->n_values;
}

size_t eai_adapter_parameters(const eai_parameter **out, const eai_adapter *a)
{
    *out = a->parameters;
    return a->n_parameters;
}

/* ---- In a graph
 * ---------------------------------------------------------------------------------- */

struct eai_adapter_binding {
    const eai_adapter *adapter;
    eai_tensor *seed;     /* I32 [2] or NULL: no dropout */
    eai_tensor **tensors; /* [n_parameters], in their order */
};

eai_status eai_adapter_binding_create(eai_adapter_binding **out, const eai_adapter *a, eai_graph *g,
                                      eai_tensor *seed, eai_error *err)
{
    eai_adapter_binding *b = eai_alloc_zeroed(1, sizeof(*b));

    *out = NULL;
    if (b)
        b->tensors = eai_alloc_zeroed(a->n_parameters, sizeof(eai_tensor *));
    if (!b || !b->tensors) {
        eai_adapter_binding_free(b);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for an adapter's binding");
    }
    b->adapter = a;
    b->seed = seed;
    for (size_t i = 0; i < a->n_parameters; i++) {
        const eai_parameter *p = &a->parameters[i];
        b->tensors[i] = eai_state(g, p->name, EAI_F32, p->shape, p->data);
    }
    *out = b;
    return EAI_OK;
}

void eai_adapter_binding_free(eai_adapter_binding *b)
{
    if (!b)
        return;
    eai_free(b->tensors);
    eai_free(b);
}

/* y = w x + scale * B (A dropout(x)). The factor rides on the second product, and the sum follows
 * it directly, so that a planner can let that product add into the first one's result. */
static eai_tensor *apply_pair(eai_graph *g, size_t linear, eai_tensor *x, eai_tensor *w, void *ud)
{
    const eai_adapter_binding *bind = ud;
    const eai_adapter *a = bind->adapter;
    eai_tensor *y = eai_linear(g, x, w);
    int64_t pair = a->pair_of_linear[linear];

    if (pair < 0)
        return y;
    if (bind->seed && a->dropout > 0)
        x = eai_dropout(g, x, bind->seed, a->dropout, pair);
    double scale = lora__scale(a, &a->layers[linear]);
    eai_scope_push(g, "lora");
    eai_tensor *h = eai_linear(g, x, bind->tensors[2 * pair]); /* [T, r] */
    eai_tensor *delta = eai_matmul(g, h, bind->tensors[2 * pair + 1],
                                   (eai_matmul_opts){.trans_b = true, .alpha = scale});
    y = eai_add(g, y, delta);
    eai_scope_pop(g);
    return y;
}

void eai_adapter_binding_attach(eai_adapter_binding *b, eai_model_build *build)
{
    const int64_t *whole = b->adapter->whole;
    build->hook = (eai_linear_hook){apply_pair, b};
    if (whole[LORA_EMBEDDING] >= 0)
        build->new_embedding = b->tensors[whole[LORA_EMBEDDING]];
    if (whole[LORA_HEAD] >= 0)
        build->new_head = b->tensors[whole[LORA_HEAD]];
}

size_t eai_adapter_binding_tensors(eai_tensor *const **out, const eai_adapter_binding *b)
{
    *out = b->tensors;
    return b->adapter->n_parameters;
}
