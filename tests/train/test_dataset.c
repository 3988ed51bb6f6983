/* Datasets: nothing lost or doubled by packing, intervals and targets as the model needs them, the
 * same order for the same seed, positions that can be restored. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/dataset.h>

enum { N_EXAMPLES = 97 };

typedef struct source {
    int32_t ids[N_EXAMPLES * 64];
    uint8_t mask[N_EXAMPLES * 64];
    size_t lengths[N_EXAMPLES];
    size_t total;
} source;

/* Example e has 2 + (e * 7) % 23 tokens: e * 1000 + place; the second half is learned. */
static void make_source(source *s)
{
    s->total = 0;
    for (size_t e = 0; e < N_EXAMPLES; e++) {
        s->lengths[e] = 2 + (e * 7) % 23;
        for (size_t i = 0; i < s->lengths[e]; i++, s->total++) {
            s->ids[s->total] = (int32_t)(e * 1000 + i);
            s->mask[s->total] = i * 2 >= s->lengths[e];
        }
    }
}

static eai_dataset *open_source(const source *s, eai_dataset_opts opts)
{
    eai_dataset *d = NULL;
    eai_error err = EAI_ERROR_INIT;
    assert_ok(eai_dataset_from_tokens(&d, s->ids, s->mask, s->lengths, N_EXAMPLES, &opts, &err),
              &err);
    return d;
}

/* Checks one batch against the source; marks examples in `seen`; returns its real tokens. */
static int64_t check_batch(const eai_batch *b, const source *s, int *seen)
{
    int64_t used = 0;
    int64_t learned = 0;
    size_t offset[N_EXAMPLES];
    size_t at = 0;
    for (size_t e = 0; e < N_EXAMPLES; e++) {
        offset[e] = at;
        at += s->lengths[e];
    }
    for (int64_t t = 0; t < b->n_tokens; t++) {
        if (b->end[t] == 0) { /* padding */
            assert_int_equal(b->start[t], 0);
            assert_int_equal(b->targets[t], EAI_IGNORE_TARGET);
            continue;
        }
        size_t e = (size_t)b->ids[t] / 1000;
        int32_t i = b->ids[t] % 1000;
        size_t n = s->lengths[e];
        assert_int_equal(b->positions[t], i);
        assert_int_equal(b->start[t], t - i);
        assert_int_equal(b->end[t], t + 1);
        assert_int_equal(b->ids[b->start[t]], (int32_t)(e * 1000));
        bool target = (size_t)i + 1 < n && s->mask[offset[e] + (size_t)i + 1];
        assert_int_equal(b->targets[t], target ? b->ids[t] + 1 : EAI_IGNORE_TARGET);
        learned += target;
        used++;
        seen[e] += i == 0;
    }
    assert_int_equal(used, b->n_used);
    assert_int_equal(learned, b->n_learned);
    return used;
}

static void check_epoch(eai_dataset_opts opts)
{
    eai_error err = EAI_ERROR_INIT;
    source *s = malloc(sizeof(*s));
    int seen[N_EXAMPLES] = {0};
    const eai_batch *b;
    int64_t used = 0;
    int64_t batches = 0;
    int64_t counted;
    int64_t largest;
    int64_t largest_seen = 0;
    make_source(s);
    eai_dataset *d = open_source(s, opts);
    assert_ok(eai_dataset_count_batches(&counted, d, 0, &err), &err);
    for (;; batches++) {
        assert_ok(eai_dataset_next(&b, d, &err), &err);
        if (!b)
            break;
        assert_true(b->n_tokens <= eai_dataset_max_tokens(d));
        used += check_batch(b, s, seen);
        largest_seen = b->n_tokens > largest_seen ? b->n_tokens : largest_seen;
        assert_ok(eai_dataset_largest_batch(&largest, d, 0, batches + 1, &err), &err);
        assert_int_equal(largest, largest_seen);
    }
    assert_ok(eai_dataset_count_batches(&counted, d, 0, &err), &err); /* now of the planned one */
    assert_int_equal(batches, counted);
    assert_int_equal(used, s->total);
    for (size_t e = 0; e < N_EXAMPLES; e++)
        assert_int_equal(seen[e], 1);
    if (opts.pack) /* best fit wastes little: under 10 % but for the last batch */
        assert_true((batches - 1) * eai_dataset_max_tokens(d) * 9 < used * 10);
    eai_dataset_free(d);
    free(s);
}

static void packing_keeps_every_example_once(void **state)
{
    (void)state;
    check_epoch((eai_dataset_opts){32, 4, true, true, false, 1});
    check_epoch((eai_dataset_opts){24, 1, true, false, false, 1});
    check_epoch((eai_dataset_opts){64, 3, true, true, false, 9});
}

static void batches_without_packing_keep_every_example_once(void **state)
{
    (void)state;
    check_epoch((eai_dataset_opts){32, 4, false, true, false, 1});
    check_epoch((eai_dataset_opts){32, 1000, false, false, false, 1});
}

/* The first id of each batch of two epochs. */
static void first_ids(int32_t *out, size_t n, eai_dataset *d)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_batch *b;
    for (size_t i = 0; i < n;) {
        assert_ok(eai_dataset_next(&b, d, &err), &err);
        if (b)
            out[i++] = b->ids[0];
    }
}

static void order_depends_on_seed_and_epoch_only(void **state)
{
    (void)state;
    source *s = malloc(sizeof(*s));
    int32_t a[12];
    int32_t b[12];
    make_source(s);
    eai_dataset *one = open_source(s, (eai_dataset_opts){64, 4, true, true, false, 5});
    eai_dataset *two = open_source(s, (eai_dataset_opts){64, 4, true, true, false, 5});
    eai_dataset *other = open_source(s, (eai_dataset_opts){64, 4, true, true, false, 6});
    first_ids(a, 12, one);
    first_ids(b, 12, two);
    assert_memory_equal(a, b, sizeof(a));
    assert_true(eai_dataset_get_position(one).epoch >= 1);
    assert_true(memcmp(a, a + 6, 6 * sizeof(*a)) != 0);
    first_ids(b, 12, other);
    assert_true(memcmp(a, b, sizeof(a)) != 0);
    eai_dataset_free(one);
    eai_dataset_free(two);
    eai_dataset_free(other);
    free(s);
}

static void a_position_can_be_restored(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    source *s = malloc(sizeof(*s));
    int32_t head[9];
    int32_t rest[8];
    int32_t again[8];
    make_source(s);
    eai_dataset *d = open_source(s, (eai_dataset_opts){48, 2, true, true, false, 5});
    first_ids(head, 9, d);
    eai_dataset_position at = eai_dataset_get_position(d);
    first_ids(rest, 8, d);
    assert_ok(eai_dataset_set_position(d, at, &err), &err);
    first_ids(again, 8, d);
    assert_memory_equal(rest, again, sizeof(rest));
    assert_fails(eai_dataset_set_position(d, (eai_dataset_position){0, 1000}, &err),
                 EAI_ERR_ARGUMENT, &err, "batch 1000");
    assert_fails(eai_dataset_set_position(d, (eai_dataset_position){INT64_MAX, 0}, &err),
                 EAI_ERR_ARGUMENT, &err, "epochs 0 to 1099511627776");
    eai_dataset_free(d);
    free(s);
}

static void long_examples_are_cut_and_empty_ones_left_out(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_dataset *d = NULL;
    eai_dataset_stats n;
    const int32_t ids[24] = {0};
    const uint8_t mask[24] = {[11] = 1, [12] = 1, [23] = 1};
    const size_t lengths[2] = {12, 12};
    eai_dataset_opts opts = {10, 1, true, false, false, 0};
    /* cut to 10 tokens both lose their answers; the first token of row 1 is marked, but never
     * predicted */
    assert_fails(eai_dataset_from_tokens(&d, ids, mask, lengths, 2, &opts, &err), EAI_ERR_ARGUMENT,
                 &err, "nothing");
    opts.seq_len = 12;
    assert_ok(eai_dataset_from_tokens(&d, ids, mask, lengths, 2, &opts, &err), &err);
    eai_dataset_get_stats(&n, d);
    assert_int_equal(n.examples, 2);
    assert_int_equal(n.learned_tokens, 2);
    assert_int_equal(n.cut, 0);
    eai_dataset_free(d);
    opts.seq_len = 4;
    assert_fails(eai_dataset_from_tokens(&d, ids, mask, lengths, 2, &opts, &err), EAI_ERR_ARGUMENT,
                 &err, "seq-len 4");
}

/* A row of JSON becomes these ids, of which the first n_given are not learned. */
static void check_row(const eai_tokenizer *t, const char *row, const int32_t *ids, size_t n,
                      size_t n_given)
{
    eai_error err = EAI_ERROR_INIT;
    eai_rows *rows = NULL;
    eai_dataset *d = NULL;
    const eai_batch *b;
    eai_dataset_opts opts = {32, 1, false, false, false, 0};
    assert_ok(eai_rows_parse(&rows, row, strlen(row), "r", &err), &err);
    assert_ok(eai_dataset_create(&d, rows, t, &opts, &err), &err);
    assert_ok(eai_dataset_next(&b, d, &err), &err);
    assert_int_equal(b->n_used, n);
    assert_memory_equal(b->ids, ids, n * sizeof(int32_t));
    for (size_t k = 1; k < n; k++)
        assert_int_equal(b->targets[k - 1], k < n_given ? EAI_IGNORE_TARGET : ids[k]);
    eai_dataset_free(d);
    eai_rows_free(rows);
}

/* A prompt and what completes it are one text: the tokenizer's space is in front of the first only.
 */
static void a_completion_goes_on_from_its_prompt(void **state)
{
    (void)state;
    static const char tokenizer[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"\u2581\":0,\"a\":1,\"b\":2},\"merges\":[]},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\"}}";
    static const struct {
        const char *row;
        int32_t ids[4];
        size_t n, n_given;
    } cases[] = {
        {"{\"prompt\": \"a\", \"completion\": \"b\"}", {0, 1, 2}, 3, 2},
        {"{\"prompt\": \"a\", \"completion\": \" b\"}", {0, 1, 0, 2}, 4, 2},
        {"{\"text\": \"ab\"}", {0, 1, 2}, 3, 0},
    };
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    assert_ok(eai_tokenizer_parse_json(&t, tokenizer, strlen(tokenizer), "t", &err), &err);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        check_row(t, cases[i].row, cases[i].ids, cases[i].n, cases[i].n_given);
    eai_tokenizer_free(t);
}

/* bos comes before the prompt; eos ends the answer and is learned, whether the tokenizer adds it to
 * texts or not. */
static void the_end_token_comes_after_the_answer(void **state)
{
    (void)state;
    static const char *const tokens[] = {"<s>", "</s>", "a", "b"};
    static const int32_t types[] = {EAI_TOKEN_CONTROL, EAI_TOKEN_CONTROL, EAI_TOKEN_NORMAL,
                                    EAI_TOKEN_NORMAL};
    static const struct {
        const char *row;
        int32_t ids[4];
        size_t n, n_given;
    } cases[] = {
        {"{\"prompt\": \"a\", \"completion\": \"b\"}", {0, 2, 3, 1}, 4, 2},
        {"{\"text\": \"ab\"}", {0, 2, 3, 1}, 4, 1},
    };
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;
    o.tokens = tokens;
    o.token_types = types;
    o.n_tokens = 4;
    o.bos = 0;
    o.eos = 1;
    o.add_bos = true;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_tokenizer *t = NULL;
        o.add_eos = i % 2 != 0;
        assert_ok(eai_tokenizer_create(&t, &o, &err), &err);
        check_row(t, cases[i / 2].row, cases[i / 2].ids, cases[i / 2].n, cases[i / 2].n_given);
        eai_tokenizer_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packing_keeps_every_example_once),
        cmocka_unit_test(batches_without_packing_keep_every_example_once),
        cmocka_unit_test(order_depends_on_seed_and_epoch_only),
        cmocka_unit_test(a_position_can_be_restored),
        cmocka_unit_test(a_completion_goes_on_from_its_prompt),
        cmocka_unit_test(the_end_token_comes_after_the_answer),
        cmocka_unit_test(long_examples_are_cut_and_empty_ones_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
