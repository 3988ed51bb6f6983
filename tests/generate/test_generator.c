/* The generator on the tiny model. What is guarded: the cache (every size of piece, padding, reuse
 * of a prompt's beginning, the context's end) gives what one whole pass gives; stopping; requests
 * that make no sense; text that arrives in whole characters. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/generate.h>

#include "support/tiny_llama.h"

typedef struct session {
    tiny_llama tiny;
    eai_backend *backend;
    eai_generator *gen;
} session;

static void open_session(session *s, const eai_adapter *a, const eai_tokenizer *t,
                         int64_t n_context)
{
    eai_error err = EAI_ERROR_INIT;
    eai_generator_opts opts = {n_context};
    tiny_llama_open(&s->tiny, EAI_F32, true);
    s->backend = tiny_backend();
    assert_ok(eai_generator_create(&s->gen, s->tiny.model, a, s->backend, t, &opts, &err), &err);
}

static void close_session(session *s)
{
    eai_generator_free(s->gen);
    eai_backend_close(s->backend);
    tiny_llama_close(&s->tiny);
}

static eai_generation generate(session *s, const int32_t *ids, size_t n,
                               const eai_generate_opts *opts)
{
    eai_error err = EAI_ERROR_INIT;
    eai_generation out;
    assert_ok(eai_generator_run(&out, s->gen, ids, n, opts, &err), &err);
    return out;
}

/* ids[n ..] := the most likely continuation, each by a whole pass of plain loops. */
static void continue_slowly(int32_t *ids, size_t n, size_t n_new, const eai_model *m)
{
    static float logits[TINY_CONTEXT * TINY_VOCAB];
    for (size_t i = 0; i < n_new; i++, n++) {
        tiny_llama_logits(logits, m, ids, n, NULL, NULL);
        const float *last = logits + (n - 1) * TINY_VOCAB;
        ids[n] = 0;
        for (int32_t v = 1; v < TINY_VOCAB; v++) {
            if (last[v] > last[ids[n]])
                ids[n] = v;
        }
    }
}

/* Prompts of lengths around every size of piece, each continued greedily. */
static void test_cached_generation_equals_whole_passes(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 2, 3, 4, 5, 15, 16, 17, 23, 40, 63, 64, 65, 100};
    enum { N_NEW = 6 };
    session s;
    open_session(&s, NULL, NULL, TINY_CONTEXT);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int32_t ids[TINY_CONTEXT];
        eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
        opts.max_tokens = N_NEW;
        hash_fill_integers(ids, HASH_STREAM_IDS, 10 + i, lengths[i], TINY_VOCAB);
        continue_slowly(ids, lengths[i], N_NEW, s.tiny.model);
        eai_generation out = generate(&s, ids, lengths[i], &opts);
        assert_int_equal(out.n_ids, N_NEW);
        assert_int_equal(out.finish, EAI_FINISH_LENGTH);
        assert_int_equal(out.n_prompt, lengths[i]);
        assert_null(out.text);
        assert_memory_equal(out.ids, ids + lengths[i], N_NEW * sizeof(int32_t));
        eai_generation_deinit(&out);
    }
    close_session(&s);
}

static void test_common_beginnings_are_reused(void **state)
{
    (void)state;
    enum { N = 30, N_NEW = 5 };
    session s;
    int32_t ids[N + N_NEW];
    int32_t other[N + N_NEW];
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    opts.max_tokens = N_NEW;
    open_session(&s, NULL, NULL, 64);
    hash_fill_integers(ids, HASH_STREAM_IDS, 30, N, TINY_VOCAB);
    continue_slowly(ids, N, N_NEW, s.tiny.model);

    eai_generation out = generate(&s, ids, N, &opts);
    assert_int_equal(out.n_reused, 0);
    eai_generation_deinit(&out);

    memcpy(other, ids, sizeof(other)); /* parts from the first after 20 tokens */
    other[20] = (other[20] + 1) % TINY_VOCAB;
    continue_slowly(other, N, N_NEW, s.tiny.model);
    out = generate(&s, other, N, &opts);
    assert_int_equal(out.n_reused, 20);
    assert_memory_equal(out.ids, other + N, sizeof(int32_t) * N_NEW);
    eai_generation_deinit(&out);

    out = generate(&s, other, N, &opts); /* the same again: all but the last token */
    assert_int_equal(out.n_reused, N - 1);
    assert_memory_equal(out.ids, other + N, sizeof(int32_t) * N_NEW);
    eai_generation_deinit(&out);

    eai_generator_reset(s.gen);
    out = generate(&s, ids, N, &opts);
    assert_int_equal(out.n_reused, 0);
    assert_memory_equal(out.ids, ids + N, sizeof(int32_t) * N_NEW);
    eai_generation_deinit(&out);
    close_session(&s);
}

static void test_context_ends_generation(void **state)
{
    (void)state;
    enum { CONTEXT = 20, N = 17 };
    session s;
    int32_t ids[CONTEXT + 8];
    eai_error err = EAI_ERROR_INIT;
    eai_generation out;
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    open_session(&s, NULL, NULL, CONTEXT);
    assert_int_equal(eai_generator_context(s.gen), CONTEXT);
    hash_fill_integers(ids, HASH_STREAM_IDS, 31, N, TINY_VOCAB);
    continue_slowly(ids, N, CONTEXT - N + 1, s.tiny.model);

    out = generate(&s, ids, N, &opts); /* 3 more fit, and the token after them needs no room */
    assert_int_equal(out.finish, EAI_FINISH_CONTEXT);
    assert_int_equal(out.n_ids, CONTEXT - N + 1);
    assert_memory_equal(out.ids, ids + N, (CONTEXT - N + 1) * sizeof(int32_t));
    eai_generation_deinit(&out);
    assert_fails(eai_generator_run(&out, s.gen, ids, CONTEXT, &opts, &err), EAI_ERR_LIMIT, &err,
                 "the prompt has 20 tokens; the context of 20 leaves room for 19");
    assert_null(out.ids);
    close_session(&s);
}

/* ---- Stopping
 * ------------------------------------------------------------------------------------ */

static void test_stop_ids_end_it(void **state)
{
    (void)state;
    enum { N = 6, N_NEW = 12 };
    session s;
    int32_t ids[N + N_NEW];
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    open_session(&s, NULL, NULL, 64);
    hash_fill_integers(ids, HASH_STREAM_IDS, 32, N, TINY_VOCAB);
    continue_slowly(ids, N, N_NEW, s.tiny.model);
    size_t first = 0; /* where the id of place 3 comes for the first time */
    while (ids[N + first] != ids[N + 3])
        first++;
    const int32_t stops[] = {-5, ids[N + 3]};
    opts.stop_ids = stops;
    opts.n_stop_ids = 2;
    eai_generation out = generate(&s, ids, N, &opts);
    assert_int_equal(out.finish, EAI_FINISH_STOP);
    assert_int_equal(out.n_ids, first);
    eai_generation_deinit(&out);
    close_session(&s);
}

static void test_cancel_stops_at_once(void **state)
{
    (void)state;
    session s;
    int32_t ids[40];
    volatile sig_atomic_t cancel = 1;
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    open_session(&s, NULL, NULL, 64);
    hash_fill_integers(ids, HASH_STREAM_IDS, 33, 40, TINY_VOCAB);
    opts.cancel = &cancel;
    eai_generation out = generate(&s, ids, 40, &opts);
    assert_int_equal(out.finish, EAI_FINISH_CANCELLED);
    assert_int_equal(out.n_ids, 0);
    eai_generation_deinit(&out);
    cancel = 0; /* and the session is as good as before */
    opts.max_tokens = 4;
    out = generate(&s, ids, 40, &opts);
    assert_int_equal(out.n_ids, 4);
    eai_generation_deinit(&out);
    close_session(&s);
}

static void test_senseless_requests_are_refused(void **state)
{
    (void)state;
    session s;
    eai_error err = EAI_ERROR_INIT;
    eai_generation out;
    int32_t ids[] = {1, 2, TINY_VOCAB};
    eai_generate_opts good = EAI_GENERATE_OPTS_INIT;
    open_session(&s, NULL, NULL, 64);
    assert_fails(eai_generator_run(&out, s.gen, ids, 0, &good, &err), EAI_ERR_ARGUMENT, &err,
                 "the prompt has no tokens");
    assert_fails(eai_generator_run(&out, s.gen, ids, 3, &good, &err), EAI_ERR_ARGUMENT, &err,
                 "token 2 of the prompt is 96; the vocabulary has 0 to 95");
    ids[2] = -1;
    assert_fails(eai_generator_run(&out, s.gen, ids, 3, &good, &err), EAI_ERR_ARGUMENT, &err,
                 "is -1");
    const struct {
        eai_sampling sampling;
        int64_t max_tokens;
        const char *text;
    } cases[] = {
        {EAI_SAMPLING_INIT, 0, "max tokens 0"},
        {{-1, 0, 1, 0, 1, 0}, 1, "temperature -1"},
        {{1, -1, 1, 0, 1, 0}, 1, "top-k -1"},
        {{1, 0, 0, 0, 1, 0}, 1, "top-p 0"},
        {{1, 0, 1.5, 0, 1, 0}, 1, "top-p 1.5"},
        {{1, 0, 1, 2, 1, 0}, 1, "min-p 2"},
        {{1, 0, 1, 0, 0, 0}, 1, "repetition penalty 0"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
        opts.sampling = cases[i].sampling;
        opts.max_tokens = cases[i].max_tokens;
        assert_fails(eai_generator_run(&out, s.gen, ids, 2, &opts, &err), EAI_ERR_ARGUMENT, &err,
                     cases[i].text);
        assert_null(out.ids);
    }
    eai_generator *gen = NULL;
    eai_generator_opts large = {TINY_CONTEXT + 1};
    assert_fails(eai_generator_create(&gen, s.tiny.model, NULL, s.backend, NULL, &large, &err),
                 EAI_ERR_ARGUMENT, &err, "context of 129 tokens: the model allows 2 to 128");
    float logits[TINY_VOCAB];
    assert_fails(eai_generate_logits(logits, s.tiny.model, NULL, s.backend, ids + 2, 1, &err),
                 EAI_ERR_ARGUMENT, &err, "token 0 is -1");
    close_session(&s);
}

/* ---- Text
 * ---------------------------------------------------------------------------------------- */

/* A tokenizer in GPT-2's alphabet: a third of the tokens end with byte C3, a third begin with A9
 * (together a letter e with an accent), so that answers hold split characters; the last is the end
 * token. */
static eai_tokenizer *make_tokenizer(void)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    static char text[TINY_VOCAB][16];
    const char *tokens[TINY_VOCAB];
    int32_t types[TINY_VOCAB];
    for (int i = 0; i < TINY_VOCAB; i++) {
        char letter = (char)('A' + i / 3); /* makes each text unique */
        if (i % 3 == 0)
            snprintf(text[i], sizeof(text[i]), "%c\xc3\x83", letter); /* a letter, byte C3 */
        else
            snprintf(text[i], sizeof(text[i]), "%s%c", i % 3 == 1 ? "\xc2\xa9" : "x", letter);
        tokens[i] = text[i];
        types[i] = EAI_TOKEN_NORMAL;
    }
    tokens[TINY_VOCAB - 1] = "<end>";
    types[TINY_VOCAB - 1] = EAI_TOKEN_CONTROL;
    eai_tokenizer_opts opts = EAI_TOKENIZER_OPTS_INIT;
    opts.tokens = tokens;
    opts.token_types = types;
    opts.n_tokens = TINY_VOCAB;
    opts.eos = TINY_VOCAB - 1;
    assert_ok(eai_tokenizer_create(&t, &opts, &err), &err);
    return t;
}

typedef struct listener {
    char text[1024];
    size_t n;
    int calls, stop_after;
} listener;

static bool listen(const char *text, size_t n, void *ud)
{
    listener *l = ud;
    assert_true(n > 0 && l->n + n < sizeof(l->text));
    assert_int_equal(eai_utf8_complete(text, n), n);
    memcpy(l->text + l->n, text, n);
    l->n += n;
    return ++l->calls != l->stop_after;
}

static void test_text_streams_in_whole_characters(void **state)
{
    (void)state;
    session s;
    eai_error err = EAI_ERROR_INIT;
    int32_t ids[8];
    eai_tokenizer *t = make_tokenizer();
    listener l = {.stop_after = -1};
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    opts.max_tokens = 60;
    opts.sampling.temperature = 3;
    opts.sampling.seed = 11;
    opts.ignore_end = true;
    opts.on_text = listen;
    opts.ud = &l;
    open_session(&s, NULL, t, TINY_CONTEXT);
    hash_fill_integers(ids, HASH_STREAM_IDS, 34, 8, TINY_VOCAB);
    eai_generation out = generate(&s, ids, 8, &opts);
    assert_int_equal(out.n_ids, 60);

    char *text = NULL;
    size_t n = 0;
    assert_ok(
        eai_tokenizer_decode(&text, &n, t, out.ids, out.n_ids, EAI_DETOKENIZE_SKIP_SPECIAL, &err),
        &err);
    assert_int_equal(out.n_text, n);
    assert_memory_equal(out.text, text, n);
    assert_int_equal(l.n,
                     eai_utf8_complete(text, n)); /* all but an unfinished character at the end */
    assert_memory_equal(l.text, text, l.n);
    assert_non_null(strstr(out.text, "\xc3\xa9")); /* some character was split between tokens */

    listener brief = {.stop_after = 3};
    opts.ud = &brief;
    eai_generation cut = generate(&s, ids, 8, &opts);
    assert_int_equal(cut.finish, EAI_FINISH_CANCELLED);
    assert_int_equal(brief.calls, 3);
    assert_memory_equal(cut.ids, out.ids,
                        cut.n_ids * sizeof(int32_t)); /* the same seed, the same text */
    eai_generation_deinit(&cut);
    eai_generation_deinit(&out);
    eai_free(text);
    close_session(&s);
    eai_tokenizer_free(t);
}

static void test_end_tokens_end_it(void **state)
{
    (void)state;
    session s;
    int32_t ids[4];
    eai_tokenizer *t = make_tokenizer();
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    opts.sampling.temperature = 8; /* nearly uniform: the end token comes sooner or later */
    opts.max_tokens = 1000;
    open_session(&s, NULL, t, TINY_CONTEXT);
    hash_fill_integers(ids, HASH_STREAM_IDS, 35, 4, TINY_VOCAB);
    bool ended = false;
    for (uint64_t seed = 0; seed < 20 && !ended; seed++) {
        opts.sampling.seed = seed;
        eai_generation out = generate(&s, ids, 4, &opts);
        ended = out.finish == EAI_FINISH_STOP;
        for (size_t i = 0; i < out.n_ids; i++)
            assert_int_not_equal(out.ids[i], TINY_VOCAB - 1);
        eai_generation_deinit(&out);
    }
    assert_true(ended);
    close_session(&s);
    eai_tokenizer_free(t);
}

/* A session that is given an adapter generates with it. */
static void test_adapter_takes_part(void **state)
{
    (void)state;
    enum { N = 9 };
    eai_error err = EAI_ERROR_INIT;
    static float full[N * TINY_VOCAB];
    int32_t ids[N];
    session s;
    const eai_parameter *p;
    eai_adapter *a = NULL;
    eai_adapter_opts lora = EAI_ADAPTER_OPTS_INIT;
    open_session(&s, NULL, NULL, 64);
    hash_fill_integers(ids, HASH_STREAM_IDS, 36, N, TINY_VOCAB);
    assert_ok(eai_adapter_create(&a, s.tiny.model, &lora, &err), &err);
    size_t n = eai_adapter_parameters(&p, a);
    for (size_t i = 1; i < n; i += 2)
        hash_fill_uniform(p[i].data, HASH_STREAM_LORA_B, i, (size_t)eai_shape_elements(&p[i].shape),
                          0.5);
    eai_generator *gen = NULL;
    assert_ok(eai_generator_create(&gen, s.tiny.model, a, s.backend, NULL, NULL, &err), &err);
    eai_generate_opts opts = EAI_GENERATE_OPTS_INIT;
    opts.max_tokens = 1;
    eai_generation out;
    assert_ok(eai_generator_run(&out, gen, ids, N, &opts, &err), &err);
    assert_ok(eai_generate_logits(full, s.tiny.model, a, s.backend, ids, N, &err), &err);
    int32_t best = 0;
    for (int32_t v = 1; v < TINY_VOCAB; v++) {
        if (full[(N - 1) * TINY_VOCAB + v] > full[(N - 1) * TINY_VOCAB + best])
            best = v;
    }
    assert_int_equal(out.ids[0], best);
    eai_generation_deinit(&out);
    eai_generator_free(gen);
    eai_adapter_free(a);
    close_session(&s);
}

static eai_status generate_once(void *ud, eai_error *err)
{
    const session *s = ud;
    static const int32_t ids[] = {1, 2, 3, 4, 5};
    eai_generator *gen = NULL;
    eai_generation out = EAI_GENERATION_INIT;
    eai_generator_opts opts = {16};
    eai_generate_opts run = EAI_GENERATE_OPTS_INIT;
    run.max_tokens = 2;
    eai_status st = eai_generator_create(&gen, s->tiny.model, NULL, s->backend, NULL, &opts, err);
    if (st == EAI_OK)
        st = eai_generator_run(&out, gen, ids, 5, &run, err);
    eai_generation_deinit(&out);
    eai_generator_free(gen);
    return st;
}

static void test_every_failing_allocation_is_reported(void **state)
{
    (void)state;
    session s;
    open_session(&s, NULL, NULL, 16);
    eai_test_torture(generate_once, &s);
    close_session(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cached_generation_equals_whole_passes),
        cmocka_unit_test(test_common_beginnings_are_reused),
        cmocka_unit_test(test_context_ends_generation),
        cmocka_unit_test(test_stop_ids_end_it),
        cmocka_unit_test(test_cancel_stops_at_once),
        cmocka_unit_test(test_senseless_requests_are_refused),
        cmocka_unit_test(test_text_streams_in_whole_characters),
        cmocka_unit_test(test_end_tokens_end_it),
        cmocka_unit_test(test_adapter_takes_part),
        cmocka_unit_test(test_every_failing_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
