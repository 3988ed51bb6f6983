/* The generator: prompts through the cache, then one token at a time.
 *
 * A plan has fixed shapes, so prompts are taken in pieces of a few sizes, each with a plan that is
 * made once. The last piece may be padded: padded rows attend to nothing, and what they write into
 * the cache lies beyond the valid end, where the next piece overwrites it before anything looks.
 * Only the last valid row's logits are computed. The ids behind the cache's rows are remembered, so
 * that a prompt that begins in the same way starts where they part. Start at eai_generator_run and
 * feed_piece. Not here: how a token is chosen (sampler.c), and chat templates (formats). */
#include <efficientai/generate.h>

#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/clock.h>
#include <efficientai/convert.h>
#include <efficientai/plan_cache.h>

#include "base/strbuf.h"
#include "generate/sampler.h"

#include "base/banned.h"

static const int64_t piece_sizes[] = {1, 16, 32, 64, 128, 256, 512};
#define N_PIECES            ((int)(sizeof(piece_sizes) / sizeof(piece_sizes[0])))
#define CONTEXT_DEFAULT_MAX 4096
#define TEXT_BYTES_MAX      ((size_t)1 << 30)

/* Inputs and output of the plan for pieces of one size. */
typedef struct piece_ports {
    int32_t *ids, *positions, *start, *end, *at, *row;
    eai_operand logits; /* [1, vocab]; f64 on the reference backend */
} piece_ports;

struct eai_generator {
    const eai_model *model;
    const eai_adapter *adapter;
    eai_backend *backend;
    const eai_tokenizer *tokenizer;
    eai_model_cache cache;
    int32_t *cached; /* [n_context] the ids behind the cache's rows */
    int64_t n_cached;
    eai_plan_cache *plans; /* by tokens of a piece; ports are piece_ports */
    float *logits;         /* [vocab] of the last token that was fed */
};

/* ---- Plans
 * --------------------------------------------------------------------------------------- */

/* Builds model and adapter into `g`: inputs, and logits of rows `row` (all where n_rows is 0). */
static eai_status build_logits(eai_graph *g, const eai_model *model, const eai_adapter *adapter,
                               const eai_model_cache *cache, int64_t n_tokens, int64_t n_rows,
                               eai_error *err)
{
    eai_adapter_binding *bind = NULL;
    eai_model_build b = {.graph = g, .model = model, .cache = cache};
    eai_model_inputs in;
    eai_tensor *row = NULL;

    if (adapter) {
        EAI_TRY(eai_adapter_binding_create(&bind, adapter, g, NULL, err));
        eai_adapter_binding_attach(bind, &b);
    }
    eai_model_build_inputs(&in, &b, n_tokens);
    if (n_rows > 0)
        row = eai_input(g, "row", EAI_I32, EAI_SHAPE1(n_rows));
    eai_tensor *hidden = eai_model_build_hidden(&b, &in);
    eai_graph_output(g, "logits", eai_model_build_logits(&b, hidden, row));
    eai_adapter_binding_free(bind);
    return eai_graph_check(g, err);
}

static eai_status find_data(void *out, const eai_plan *plan, const char *name, eai_error *err)
{
    eai_operand o;
    EAI_TRY(eai_plan_find(&o, plan, name, err));
    memcpy(out, &o.data, sizeof(o.data)); /* `out` is some pointer's address */
    return EAI_OK;
}

static eai_status find_inputs(piece_ports *p, const eai_plan *plan, bool cached, eai_error *err)
{
    EAI_TRY(find_data(&p->ids, plan, "ids", err));
    EAI_TRY(find_data(&p->positions, plan, "positions", err));
    EAI_TRY(find_data(&p->start, plan, "start", err));
    EAI_TRY(find_data(&p->end, plan, "end", err));
    EAI_TRY(eai_plan_find(&p->logits, plan, "logits", err));
    if (cached) {
        EAI_TRY(find_data(&p->at, plan, "at", err));
        EAI_TRY(find_data(&p->row, plan, "row", err));
    }
    return EAI_OK;
}

/* `cache` NULL: logits of all tokens. */
static eai_status make_plan(eai_plan **out, piece_ports *p, const eai_generator *gen,
                            const eai_model_cache *cache, int64_t n_tokens, const eai_plan *lender,
                            eai_error *err)
{
    eai_graph *g = NULL;

    *out = NULL;
    EAI_TRY(eai_graph_create(&g, err));
    eai_status st = build_logits(g, gen->model, gen->adapter, cache, n_tokens, cache ? 1 : 0, err);
    if (st == EAI_OK)
        st = eai_plan_create_sharing(out, g, gen->backend, lender, err);
    if (st == EAI_OK)
        st = find_inputs(p, *out, cache != NULL, err);
    if (st != EAI_OK) {
        eai_plan_free(*out);
        *out = NULL;
    }
    eai_graph_free(g);
    return st;
}

static eai_status build_piece(eai_plan **out, void *ports, const eai_plan_key *key,
                              const eai_plan *lender, void *ud, eai_error *err)
{
    const eai_generator *gen = ud;
    return make_plan(out, ports, gen, &gen->cache, key->n[0], lender, err);
}

/* ---- The object
 * ---------------------------------------------------------------------------------- */

static eai_status alloc_cache(eai_generator *gen, eai_error *err)
{
    size_t bytes;
    int64_t n = gen->cache.n_context;
    if (!eai_model_cache_bytes(&bytes, gen->model, n))
        return eai_error_set(err, EAI_ERR_LIMIT, "a cache of %lld tokens is too large",
                             (long long)n);
    /* zeroed memory takes no pages until it is written: a long context costs what is used of it */
    gen->cache.keys = eai_alloc_zeroed(bytes, 1);
    gen->cache.values = eai_alloc_zeroed(bytes, 1);
    gen->cached = eai_alloc_array((size_t)n, sizeof(*gen->cached));
    gen->logits = eai_alloc_array((size_t)eai_model_get_config(gen->model)->vocab, sizeof(float));
    if (!gen->cache.keys || !gen->cache.values || !gen->cached || !gen->logits)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a cache of %lld tokens (%zu MiB)",
                             (long long)n, bytes >> 19);
    return EAI_OK;
}

eai_status eai_generator_create(eai_generator **out, const eai_model *model,
                                const eai_adapter *adapter, eai_backend *backend,
                                const eai_tokenizer *tokenizer, const eai_generator_opts *opts,
                                eai_error *err)
{
    const eai_model_config *c = eai_model_get_config(model);
    int64_t n_context = opts ? opts->n_context : 0;

    *out = NULL;
    if (n_context == 0)
        n_context = c->context < CONTEXT_DEFAULT_MAX ? c->context : CONTEXT_DEFAULT_MAX;
    if (n_context < 2 || n_context > c->context)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "context of %lld tokens: the model allows 2 to %lld",
                             (long long)n_context, (long long)c->context);
    if (tokenizer && (int64_t)eai_tokenizer_vocab_size(tokenizer) > c->vocab)
        return eai_error_set(
            err, EAI_ERR_ARGUMENT,
            "the tokenizer has %zu tokens and the model %lld: they do not belong together",
            eai_tokenizer_vocab_size(tokenizer), (long long)c->vocab);

    eai_generator *gen = eai_alloc_zeroed(1, sizeof(*gen));
    if (!gen)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a generator");
    gen->model = model;
    gen->adapter = adapter;
    gen->backend = backend;
    gen->tokenizer = tokenizer;
    gen->cache.n_context = n_context;
    const eai_plan_cache_opts plans = {N_PIECES, sizeof(piece_ports), build_piece, gen};
    eai_status st = alloc_cache(gen, err);
    if (st == EAI_OK)
        st = eai_plan_cache_create(&gen->plans, &plans, err);
    if (st != EAI_OK) {
        eai_generator_free(gen);
        return st;
    }
    *out = gen;
    return EAI_OK;
}

void eai_generator_free(eai_generator *gen)
{
    if (!gen)
        return;
    eai_plan_cache_free(gen->plans);
    eai_free(gen->cache.keys);
    eai_free(gen->cache.values);
    eai_free(gen->cached);
    eai_free(gen->logits);
    eai_free(gen);
}

void eai_generator_reset(eai_generator *gen)
{
    gen->n_cached = 0;
}

int64_t eai_generator_context(const eai_generator *gen)
{
    return gen->cache.n_context;
}

void eai_generation_deinit(eai_generation *r)
{
    eai_free(r->ids);
    eai_free(r->text);
    *r = (eai_generation)EAI_GENERATION_INIT;
}

/* ---- Feeding
 * ------------------------------------------------------------------------------------- */

/* Another run through all weights costs about as much as so many tokens more in a piece. */
#define RUN_TOKENS 13

/* The size of the next piece for n tokens: the smallest that holds them all if its padding costs
 * little more than another run would, else the largest that they fill. */
static int64_t choose_piece(int64_t n)
{
    for (int i = 0; i < N_PIECES; i++) {
        if (piece_sizes[i] >= n && piece_sizes[i] <= n + n / 8 + RUN_TOKENS)
            return piece_sizes[i];
    }
    int i = N_PIECES - 1;
    while (i > 0 && piece_sizes[i] > n)
        i--;
    return piece_sizes[i];
}

/* Row t of a plan: token `id` at `position`, seeing the cache's rows up to itself; padding sees
 * none. */
static void set_row(piece_ports *p, int64_t t, int32_t id, int64_t position, bool valid)
{
    p->ids[t] = id;
    p->positions[t] = (int32_t)position;
    p->start[t] = 0;
    p->end[t] = valid ? (int32_t)position + 1 : 0;
}

/* Runs one piece of at most n tokens; *fed: how many it took. gen->logits are then those of the
 * last. */
static eai_status feed_piece(int64_t *fed, eai_generator *gen, const int32_t *ids, int64_t n,
                             eai_error *err)
{
    const eai_plan_entry *piece;
    int64_t size = choose_piece(n);
    int64_t n_valid = n < size ? n : size;
    int64_t vocab = eai_model_get_config(gen->model)->vocab;

    EAI_TRY(eai_plan_cache_get(&piece, gen->plans, (eai_plan_key){{size}}, err));
    piece_ports *p = piece->ports;
    for (int64_t t = 0; t < size; t++) {
        bool valid = t < n_valid;
        set_row(p, t, valid ? ids[t] : 0, valid ? gen->n_cached + t : 0, valid);
    }
    p->at[0] = (int32_t)gen->n_cached;
    p->row[0] = (int32_t)(n_valid - 1);
    EAI_TRY(eai_plan_run(piece->plan, err));
    memcpy(gen->cached + gen->n_cached, ids, (size_t)n_valid * sizeof(*ids));
    gen->n_cached += n_valid;
    eai_dequantize_row(gen->logits, p->logits.dtype, p->logits.data, vocab);
    *fed = n_valid;
    return EAI_OK;
}

static bool is_cancelled(const eai_generate_opts *o)
{
    return o->cancel && *o->cancel != 0;
}

/* Feeds the part of the prompt that the cache does not hold. */
static eai_status feed_prompt(eai_generation *out, eai_generator *gen, const int32_t *ids,
                              int64_t n, const eai_generate_opts *o, eai_error *err)
{
    int64_t common = 0;
    while (common < gen->n_cached && common < n - 1 && gen->cached[common] == ids[common])
        common++; /* the last token is always fed: its logits are wanted */
    gen->n_cached = common;
    out->n_prompt = (size_t)n;
    out->n_reused = (size_t)common;
    while (gen->n_cached < n && !is_cancelled(o)) {
        int64_t fed;
        EAI_TRY(feed_piece(&fed, gen, ids + gen->n_cached, n - gen->n_cached, err));
    }
    return EAI_OK;
}

/* ---- Answers
 * ------------------------------------------------------------------------------------- */

/* The answer while it grows. */
typedef struct answer {
    const eai_generate_opts *opts;
    const eai_tokenizer *tokenizer;
    eai_generation *out;
    eai_strbuf text;
    size_t shown; /* bytes of the text that the callback has had */
} answer;

static bool is_end(const answer *a, int32_t id)
{
    for (size_t i = 0; i < a->opts->n_stop_ids; i++) {
        if (a->opts->stop_ids[i] == id)
            return true;
    }
    return a->tokenizer && !a->opts->ignore_end && eai_tokenizer_is_end(a->tokenizer, id);
}

/* Adds a token's text and hands out what are whole characters; false when the callback wants no
 * more. */
static bool add_token(answer *a, int32_t id)
{
    a->out->ids[a->out->n_ids++] = id;
    if (!a->tokenizer || eai_tokenizer_type(a->tokenizer, id) == EAI_TOKEN_CONTROL)
        return true;
    size_t n = 0;
    const char *piece = a->text.length == 0 ? eai_tokenizer_first_piece(a->tokenizer, id, &n)
                                            : eai_tokenizer_piece(a->tokenizer, id, &n);
    if (piece)
        eai_strbuf_bytes(&a->text, piece, n);
    if (!a->opts->on_text)
        return true;
    const char *fresh = eai_strbuf_get(&a->text) + a->shown;
    n = eai_utf8_complete(fresh, a->text.length - a->shown);
    a->shown += n;
    return n == 0 || a->opts->on_text(fresh, n, a->opts->ud);
}

/* Chooses tokens and feeds them until something ends it. */
static eai_status answer_prompt(answer *a, eai_generator *gen, generate__sampler *s, eai_error *err)
{
    eai_generation *out = a->out;
    for (;;) {
        int32_t id;
        out->finish = EAI_FINISH_CANCELLED;
        if (is_cancelled(a->opts))
            return EAI_OK;
        EAI_TRY(generate__sampler_next(&id, s, gen->logits, err));
        out->finish = EAI_FINISH_STOP;
        if (is_end(a, id))
            return EAI_OK;
        generate__sampler_see(s, id);
        out->finish = EAI_FINISH_CANCELLED;
        if (!add_token(a, id))
            return EAI_OK;
        out->finish = EAI_FINISH_LENGTH;
        if ((int64_t)out->n_ids >= a->opts->max_tokens)
            return EAI_OK;
        out->finish = EAI_FINISH_CONTEXT;
        if (gen->n_cached >= gen->cache.n_context)
            return EAI_OK;
        int64_t fed;
        EAI_TRY(feed_piece(&fed, gen, &id, 1, err));
    }
}

static eai_status check_request(const eai_generator *gen, const int32_t *ids, size_t n_ids,
                                const eai_generate_opts *o, eai_error *err)
{
    int64_t vocab = eai_model_get_config(gen->model)->vocab;
    EAI_TRY(generate__check_sampling(&o->sampling, err));
    if (o->max_tokens < 1)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "max tokens %lld is not at least 1",
                             (long long)o->max_tokens);
    if (n_ids == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "the prompt has no tokens");
    if (n_ids >= (size_t)gen->cache.n_context)
        return eai_error_set(err, EAI_ERR_LIMIT,
                             "the prompt has %zu tokens; the context of %lld leaves room for %lld",
                             n_ids, (long long)gen->cache.n_context,
                             (long long)gen->cache.n_context - 1);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || ids[i] >= vocab)
            return eai_error_set(err, EAI_ERR_ARGUMENT,
                                 "token %zu of the prompt is %d; the vocabulary has 0 to %lld", i,
                                 ids[i], (long long)vocab - 1);
    }
    return EAI_OK;
}

/* Room for the answer's ids: no more than the cache can follow, and the one beyond it. */
static eai_status alloc_answer(eai_generation *out, const eai_generator *gen, size_t n_prompt,
                               const eai_generate_opts *o, eai_error *err)
{
    int64_t room = gen->cache.n_context - (int64_t)n_prompt + 1;
    if (o->max_tokens < room)
        room = o->max_tokens;
    out->ids = eai_alloc_array((size_t)room, sizeof(*out->ids));
    return out->ids
               ? EAI_OK
               : eai_error_set(err, EAI_ERR_NOMEM, "no memory for %lld tokens", (long long)room);
}

static eai_status take_text(eai_generation *out, answer *a, eai_error *err)
{
    if (!a->tokenizer)
        return EAI_OK;
    eai_strbuf_bytes(&a->text, "", 0);
    EAI_TRY(eai_strbuf_check(&a->text, "the answer", err));
    if (a->text.length == 0)
        out->text = eai_strdup("");
    else
        out->text = eai_strbuf_take(&a->text, &out->n_text);
    return out->text ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for the answer");
}

eai_status eai_generator_run(eai_generation *out, eai_generator *gen, const int32_t *ids,
                             size_t n_ids, const eai_generate_opts *opts, eai_error *err)
{
    eai_status st;
    generate__sampler sampler;
    answer a = {opts, gen->tokenizer, out, EAI_STRBUF_INIT(TEXT_BYTES_MAX), 0};

    *out = (eai_generation)EAI_GENERATION_INIT;
    EAI_TRY(check_request(gen, ids, n_ids, opts, err));
    EAI_TRY(generate__sampler_init(&sampler, &opts->sampling,
                                   eai_model_get_config(gen->model)->vocab, err));
    for (size_t i = 0; i < n_ids; i++)
        generate__sampler_see(&sampler, ids[i]);
    st = alloc_answer(out, gen, n_ids, opts, err);
    if (st != EAI_OK)
        goto done;
    double t0 = eai_clock_seconds();
    st = feed_prompt(out, gen, ids, (int64_t)n_ids, opts, err);
    if (st != EAI_OK)
        goto done;
    double t1 = eai_clock_seconds();
    st = answer_prompt(&a, gen, &sampler, err);
    if (st != EAI_OK)
        goto done;
    out->prefill_seconds = t1 - t0;
    out->decode_seconds = eai_clock_seconds() - t1;
    st = take_text(out, &a, err);
done:
    if (st != EAI_OK)
        eai_generation_deinit(out);
    eai_strbuf_deinit(&a.text);
    generate__sampler_deinit(&sampler);
    return st;
}

eai_status eai_generate_logits(float *out, const eai_model *model, const eai_adapter *adapter,
                               eai_backend *backend, const int32_t *ids, size_t n_ids,
                               eai_error *err)
{
    const eai_model_config *c = eai_model_get_config(model);
    const eai_generator gen = {.model = model, .adapter = adapter, .backend = backend};
    piece_ports p = {0};
    eai_plan *plan = NULL;

    if (n_ids == 0 || n_ids > (size_t)c->context)
        return eai_error_set(err, EAI_ERR_LIMIT, "%zu tokens: the model takes 1 to %lld", n_ids,
                             (long long)c->context);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || ids[i] >= c->vocab)
            return eai_error_set(err, EAI_ERR_ARGUMENT,
                                 "token %zu is %d; the vocabulary has 0 to %lld", i, ids[i],
                                 (long long)c->vocab - 1);
    }
    EAI_TRY(make_plan(&plan, &p, &gen, NULL, (int64_t)n_ids, NULL, err));
    for (size_t t = 0; t < n_ids; t++)
        set_row(&p, (int64_t)t, ids[t], (int64_t)t, true);
    eai_status st = eai_plan_run(plan, err);
    if (st == EAI_OK)
        eai_dequantize_row(out, p.logits.dtype, p.logits.data, (int64_t)n_ids * c->vocab);
    eai_plan_free(plan);
    return st;
}
