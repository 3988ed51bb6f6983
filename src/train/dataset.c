/* Datasets: examples, their packing into batches, and the position in them. Start at
 * eai_dataset_next.
 *
 * Packing: an epoch's examples are taken in a shuffled order; each goes into the fullest row that
 * still has room for it (best fit), else a new row is opened. Open rows wait in lists by room left,
 * so an example costs O(seq_len) at worst, whatever their number. Rows are then grouped into
 * batches in the order in which they were opened. All of it depends on (seed, epoch) only. */
#include <efficientai/dataset.h>

#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/chat.h>
#include <efficientai/rng.h>

#define PAD_TO    32 /* tokens of an unpacked batch are a multiple of this */
#define EPOCH_MAX ((int64_t)1 << 40)

typedef struct example {
    size_t first; /* of the dataset's ids */
    int32_t n;
} example;

struct eai_dataset {
    eai_dataset_opts opts;
    int32_t *ids;
    uint8_t *mask;
    size_t n_ids, cap_ids;
    example *examples;
    size_t n_examples, cap_examples;
    eai_dataset_stats stats;
    eai_dataset_position position;
    int64_t planned_epoch; /* that order/row_of/row_first describe; -1: none */
    size_t *order;         /* examples in the epoch's order, grouped by row */
    size_t *row_first;     /* [n_rows + 1] into order */
    size_t n_rows;
    int64_t max_tokens;
    eai_batch batch;
    int32_t *memory; /* of batch's vectors */
};

/* ---- Examples
 * ------------------------------------------------------------------------------------- */

static eai_status reserve_ids(eai_dataset *d, size_t more, eai_error *err)
{
    size_t need;
    if (!eai_size_add(&need, d->n_ids, more))
        return eai_error_set(err, EAI_ERR_NOMEM, "too many tokens");
    if (need > d->cap_ids) {
        size_t cap = need * 2 + 1024;
        int32_t *ids = eai_realloc_array(d->ids, cap, sizeof(*ids));
        if (ids)
            d->ids = ids;
        uint8_t *mask = eai_realloc_array(d->mask, cap, sizeof(*mask));
        if (mask)
            d->mask = mask;
        if (!ids || !mask)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tokens", cap);
        d->cap_ids = cap;
    }
    if (d->n_examples == d->cap_examples) {
        size_t cap = d->cap_examples * 2 + 64;
        example *e = eai_realloc_array(d->examples, cap, sizeof(*e));
        if (!e)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu examples", cap);
        d->examples = e;
        d->cap_examples = cap;
    }
    return EAI_OK;
}

/* Cuts, counts and keeps one example. The first token is never predicted. */
static eai_status add_example(eai_dataset *d, const int32_t *ids, const uint8_t *mask, size_t n,
                              eai_error *err)
{
    size_t learned = 0;
    if (n > d->stats.longest)
        d->stats.longest = n;
    if (n > (size_t)d->opts.seq_len) {
        n = (size_t)d->opts.seq_len;
        d->stats.cut++;
    }
    for (size_t i = 1; i < n; i++)
        learned += mask[i] != 0;
    if (learned == 0) {
        d->stats.left_out++;
        return EAI_OK;
    }
    EAI_TRY(reserve_ids(d, n, err));
    memcpy(d->ids + d->n_ids, ids, n * sizeof(*ids));
    memcpy(d->mask + d->n_ids, mask, n);
    d->examples[d->n_examples++] = (example){d->n_ids, (int32_t)n};
    d->n_ids += n;
    d->stats.examples++;
    d->stats.tokens += n;
    d->stats.learned_tokens += learned;
    return EAI_OK;
}

/* What is given, what is to be learned of the same text, and the end token. */
static eai_status add_plain(eai_dataset *d, const eai_tokenizer *t, const char *given,
                            const char *learned, eai_error *err)
{
    eai_status st = EAI_OK;
    int32_t *ids[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    int32_t *all = NULL;
    uint8_t *mask = NULL;
    int32_t eos = eai_tokenizer_eos(t);

    st = eai_tokenizer_encode(&ids[0], &n[0], t, given, strlen(given), EAI_TOKENIZE_ADD_START, err);
    if (st == EAI_OK)
        st = eai_tokenizer_encode(&ids[1], &n[1], t, learned, strlen(learned),
                                  *given ? EAI_TOKENIZE_CONTINUE : EAI_TOKENIZE_PLAIN, err);
    if (st != EAI_OK)
        goto done;
    size_t total = n[0] + n[1] + (eos >= 0);
    all = eai_alloc_array(total + 1, sizeof(*all));
    mask = eai_alloc_zeroed(total + 1, 1);
    if (!all || !mask) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for an example of %zu tokens", total);
        goto done;
    }
    memcpy(all, ids[0], n[0] * sizeof(*all));
    memcpy(all + n[0], ids[1], n[1] * sizeof(*all));
    if (eos >= 0)
        all[total - 1] = eos;
    memset(mask, d->opts.learn_prompt, n[0]);
    memset(mask + n[0], 1, total - n[0]);
    st = add_example(d, all, mask, total, err);
done:
    eai_free(ids[0]);
    eai_free(ids[1]);
    eai_free(all);
    eai_free(mask);
    return st;
}

static eai_status add_chat(eai_dataset *d, const eai_tokenizer *t, const eai_chat_template *chat,
                           const eai_chat_message *messages, size_t n, eai_error *err)
{
    eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;
    EAI_TRY(eai_chat_tokenize(&tokens, chat, t, messages, n, err));
    if (d->opts.learn_prompt && tokens.n)
        memset(tokens.mask, 1, tokens.n);
    eai_status st = add_example(d, tokens.ids, tokens.mask, tokens.n, err);
    eai_chat_tokens_free(&tokens);
    return st;
}

static eai_status add_row(eai_dataset *d, const eai_row *row, const eai_tokenizer *t,
                          const eai_chat_template *chat, eai_error *err)
{
    if (row->kind == EAI_ROW_TEXT)
        return add_plain(d, t, "", row->text, err);
    if (row->kind == EAI_ROW_MESSAGES)
        return add_chat(d, t, chat, row->messages, row->n_messages, err);
    if (!chat)
        return add_plain(d, t, row->prompt, row->completion, err);
    const eai_chat_message messages[] = {{"user", row->prompt}, {"assistant", row->completion}};
    return add_chat(d, t, chat, messages, 2, err);
}

/* ---- An epoch's order
 * ----------------------------------------------------------------------------- */

typedef struct epoch_plan {
    size_t *order;
    size_t *row_first;
    size_t n_rows;
} epoch_plan;

static void free_plan(epoch_plan *p)
{
    eai_free(p->order);
    eai_free(p->row_first);
}

/* The examples of an epoch in their order. */
static void fill_order(size_t *order, const eai_dataset *d, int64_t epoch)
{
    for (size_t i = 0; i < d->n_examples; i++)
        order[i] = i;
    if (d->opts.shuffle) {
        eai_rng rng;
        eai_rng_init(&rng, d->opts.seed, (uint64_t)epoch);
        eai_rng_shuffle(&rng, order, d->n_examples, sizeof(*order));
    }
}

/* Rows of batch_size examples, in order. */
static eai_status group_plain(epoch_plan *p, const eai_dataset *d, eai_error *err)
{
    size_t group = (size_t)d->opts.batch_size;
    p->n_rows = (d->n_examples + group - 1) / group;
    p->row_first = eai_alloc_array(p->n_rows + 1, sizeof(*p->row_first));
    if (!p->row_first)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu batches", p->n_rows);
    for (size_t i = 0; i < p->n_rows; i++)
        p->row_first[i] = i * group;
    p->row_first[p->n_rows] = d->n_examples;
    return EAI_OK;
}

/* Best fit. list[room] is the first open row with that many tokens left, next[row] the one after
 * it. */
static eai_status group_packed(epoch_plan *p, const eai_dataset *d, eai_error *err)
{
    const size_t none = SIZE_MAX;
    size_t n = d->n_examples;
    size_t width = (size_t)d->opts.seq_len;
    size_t *list = eai_alloc_array(width + 1, sizeof(*list));
    size_t *next = eai_alloc_array(n, sizeof(*next));
    size_t *row_of = eai_alloc_array(n, sizeof(*row_of)); /* by place in the order */
    size_t *sorted = eai_alloc_array(n, sizeof(*sorted));
    eai_status st = EAI_OK;

    if (!list || !next || !row_of || !sorted) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to pack %zu examples", n);
        goto done;
    }
    for (size_t i = 0; i <= width; i++)
        list[i] = none;
    p->n_rows = 0;
    for (size_t i = 0; i < n; i++) {
        size_t length = (size_t)d->examples[p->order[i]].n;
        size_t room = length;
        while (room <= width && list[room] == none)
            room++;
        size_t row;
        if (room <= width) {
            row = list[room];
            list[room] = next[row];
        } else {
            row = p->n_rows++;
            room = width;
        }
        next[row] = list[room - length];
        list[room - length] = row;
        row_of[i] = row;
    }
    p->row_first = eai_alloc_zeroed(p->n_rows + 2, sizeof(*p->row_first));
    if (!p->row_first) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu rows", p->n_rows);
        goto done;
    }
    /* Counting sort of the examples by row; it keeps their order within a row. */
    for (size_t i = 0; i < n; i++)
        p->row_first[row_of[i] + 2]++;
    for (size_t i = 2; i < p->n_rows + 2; i++)
        p->row_first[i] += p->row_first[i - 1];
    for (size_t i = 0; i < n; i++)
        sorted[p->row_first[row_of[i] + 1]++] = p->order[i];
    memcpy(p->order, sorted, n * sizeof(*sorted));
done:
    eai_free(list);
    eai_free(next);
    eai_free(row_of);
    eai_free(sorted);
    return st;
}

static eai_status plan_epoch(epoch_plan *p, const eai_dataset *d, int64_t epoch, eai_error *err)
{
    memset(p, 0, sizeof(*p));
    p->order = eai_alloc_array(d->n_examples, sizeof(*p->order));
    if (!p->order)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu examples", d->n_examples);
    fill_order(p->order, d, epoch);
    eai_status st = d->opts.pack ? group_packed(p, d, err) : group_plain(p, d, err);
    if (st != EAI_OK)
        free_plan(p);
    return st;
}

/* Rows that make one batch. */
static size_t rows_per_batch(const eai_dataset *d)
{
    return d->opts.pack ? (size_t)d->opts.batch_size : 1;
}

static eai_status use_epoch(eai_dataset *d, int64_t epoch, eai_error *err)
{
    epoch_plan p;
    if (d->planned_epoch == epoch)
        return EAI_OK;
    EAI_TRY(plan_epoch(&p, d, epoch, err));
    eai_free(d->order);
    eai_free(d->row_first);
    d->order = p.order;
    d->row_first = p.row_first;
    d->n_rows = p.n_rows;
    d->planned_epoch = epoch;
    return EAI_OK;
}

eai_status eai_dataset_count_batches(int64_t *out, const eai_dataset *d, int64_t epoch,
                                     eai_error *err)
{
    epoch_plan p = {.n_rows = d->n_rows};
    if (epoch != d->planned_epoch) {
        EAI_TRY(plan_epoch(&p, d, epoch, err));
        free_plan(&p);
    }
    *out = (int64_t)((p.n_rows + rows_per_batch(d) - 1) / rows_per_batch(d));
    return EAI_OK;
}

/* Tokens of a batch of these examples, `order` [n]. */
static int64_t plain_tokens(const eai_dataset *d, const size_t *order, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += d->examples[order[i]].n;
    return (sum + PAD_TO - 1) / PAD_TO * PAD_TO;
}

eai_status eai_dataset_largest_batch(int64_t *out, const eai_dataset *d, int64_t epoch,
                                     int64_t n_batches, eai_error *err)
{
    epoch_plan p;
    *out = d->max_tokens;
    if (d->opts.pack)
        return EAI_OK;
    EAI_TRY(plan_epoch(&p, d, epoch, err));
    *out = 0;
    for (size_t row = 0; row < p.n_rows && (int64_t)row < n_batches; row++) {
        int64_t n =
            plain_tokens(d, p.order + p.row_first[row], p.row_first[row + 1] - p.row_first[row]);
        *out = n > *out ? n : *out;
    }
    free_plan(&p);
    return EAI_OK;
}

/* ---- Batches
 * -------------------------------------------------------------------------------------- */

/* Appends an example at token `at` of the batch. */
static void put_example(eai_batch *b, const eai_dataset *d, const example *e, int32_t at)
{
    const int32_t *ids = d->ids + e->first;
    const uint8_t *mask = d->mask + e->first;
    for (int32_t i = 0; i < e->n; i++) {
        bool learned = i + 1 < e->n && mask[i + 1];
        b->ids[at + i] = ids[i];
        b->positions[at + i] = i;
        b->start[at + i] = at;
        b->end[at + i] = at + i + 1;
        b->targets[at + i] = learned ? ids[i + 1] : EAI_IGNORE_TARGET;
        b->n_learned += learned;
    }
    b->n_used += e->n;
    b->n_examples++;
}

static void fill_batch(eai_dataset *d, size_t first_row, size_t end_row)
{
    eai_batch *b = &d->batch;
    size_t first = d->row_first[first_row];
    int64_t n = d->opts.pack ? d->max_tokens
                             : plain_tokens(d, d->order + first, d->row_first[end_row] - first);
    b->n_tokens = n;
    b->n_used = 0;
    b->n_learned = 0;
    b->n_examples = 0;
    memset(d->memory, 0, (size_t)d->max_tokens * 5 * sizeof(*d->memory));
    for (int64_t i = 0; i < n; i++)
        b->targets[i] = EAI_IGNORE_TARGET;
    int32_t at = 0;
    for (size_t row = first_row; row < end_row; row++) {
        if (d->opts.pack)
            at = (int32_t)((int64_t)(row - first_row) * d->opts.seq_len);
        for (size_t i = d->row_first[row]; i < d->row_first[row + 1]; i++) {
            const example *e = &d->examples[d->order[i]];
            put_example(b, d, e, at);
            at += e->n;
        }
    }
}

eai_status eai_dataset_next(const eai_batch **out, eai_dataset *d, eai_error *err)
{
    *out = NULL;
    EAI_TRY(use_epoch(d, d->position.epoch, err));
    size_t step = rows_per_batch(d);
    size_t first = (size_t)d->position.batch * step;
    if (first >= d->n_rows) {
        d->position = (eai_dataset_position){d->position.epoch + 1, 0};
        return EAI_OK;
    }
    size_t end = first + step < d->n_rows ? first + step : d->n_rows;
    fill_batch(d, first, end);
    d->position.batch++;
    *out = &d->batch;
    return EAI_OK;
}

/* ---- Creation
 * ------------------------------------------------------------------------------------- */

static eai_status check_opts(const eai_dataset_opts *o, eai_error *err)
{
    if (o->seq_len < 8 || o->seq_len > 1048576)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "seq-len %lld: allowed is 8 to 1048576",
                             (long long)o->seq_len);
    if (o->batch_size < 1 || o->batch_size > 65536 || o->batch_size * o->seq_len > (1 << 24))
        return eai_error_set(
            err, EAI_ERR_ARGUMENT,
            "batch-size %lld with seq-len %lld: allowed is 1 to 65536, and at most "
            "16777216 tokens a batch",
            (long long)o->batch_size, (long long)o->seq_len);
    return EAI_OK;
}

/* Room for the largest batch. Without packing that is the batch_size longest examples. */
static eai_status finish(eai_dataset *d, eai_error *err)
{
    if (d->n_examples == 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "nothing to learn in any example (%zu left out: an answer must begin "
                             "before token %lld)",
                             d->stats.left_out, (long long)d->opts.seq_len);
    int64_t group = d->opts.batch_size;
    if (!d->opts.pack && (size_t)group > d->n_examples)
        group = (int64_t)d->n_examples;
    int64_t longest = 0;
    for (size_t i = 0; i < d->n_examples; i++) {
        if (d->examples[i].n > longest)
            longest = d->examples[i].n;
    }
    d->max_tokens =
        d->opts.pack ? group * d->opts.seq_len : (group * longest + PAD_TO - 1) / PAD_TO * PAD_TO;
    size_t n = (size_t)d->max_tokens;
    d->memory = eai_alloc_zeroed(n * 5, sizeof(*d->memory));
    if (!d->memory)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a batch of %zu tokens", n);
    d->batch.ids = d->memory;
    d->batch.positions = d->memory + n;
    d->batch.start = d->memory + 2 * n;
    d->batch.end = d->memory + 3 * n;
    d->batch.targets = d->memory + 4 * n;
    return EAI_OK;
}

static eai_status create_empty(eai_dataset **out, const eai_dataset_opts *opts, eai_error *err)
{
    *out = NULL;
    EAI_TRY(check_opts(opts, err));
    eai_dataset *d = eai_alloc_zeroed(1, sizeof(*d));
    if (!d)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a dataset");
    d->opts = *opts;
    d->planned_epoch = -1;
    *out = d;
    return EAI_OK;
}

eai_status eai_dataset_create(eai_dataset **out, const eai_rows *rows,
                              const eai_tokenizer *tokenizer, const eai_dataset_opts *opts,
                              eai_error *err)
{
    eai_status st = EAI_OK;
    eai_dataset *d = NULL;
    eai_chat_template *chat = NULL;

    *out = NULL;
    EAI_TRY(create_empty(&d, opts, err));
    bool template = eai_tokenizer_chat_template(tokenizer, NULL) != NULL;
    if (template || eai_rows_kind(rows) == EAI_ROW_MESSAGES)
        st = eai_chat_template_for(&chat, tokenizer, 0, err);
    for (size_t i = 0; st == EAI_OK && i < eai_rows_count(rows); i++) {
        const eai_row *row = eai_rows_at(rows, i);
        st = add_row(d, row, tokenizer, chat, err);
        if (st != EAI_OK)
            st = eai_error_context(err, st, "%s:%zu", eai_rows_path(rows), row->line);
    }
    if (st == EAI_OK) {
        st = finish(d, err);
        if (st != EAI_OK)
            st = eai_error_context(err, st, "%s", eai_rows_path(rows));
    }
    eai_chat_template_free(chat);
    if (st != EAI_OK) {
        eai_dataset_free(d);
        return st;
    }
    *out = d;
    return EAI_OK;
}

eai_status eai_dataset_from_tokens(eai_dataset **out, const int32_t *ids, const uint8_t *mask,
                                   const size_t *lengths, size_t n_examples,
                                   const eai_dataset_opts *opts, eai_error *err)
{
    eai_dataset *d = NULL;
    size_t at = 0;

    *out = NULL;
    EAI_TRY(create_empty(&d, opts, err));
    eai_status st = EAI_OK;
    for (size_t i = 0; st == EAI_OK && i < n_examples; i++) {
        st = add_example(d, ids + at, mask + at, lengths[i], err);
        at += lengths[i];
    }
    if (st == EAI_OK)
        st = finish(d, err);
    if (st != EAI_OK) {
        eai_dataset_free(d);
        return st;
    }
    *out = d;
    return EAI_OK;
}

void eai_dataset_free(eai_dataset *d)
{
    if (!d)
        return;
    eai_free(d->ids);
    eai_free(d->mask);
    eai_free(d->examples);
    eai_free(d->order);
    eai_free(d->row_first);
    eai_free(d->memory);
    eai_free(d);
}

void eai_dataset_get_stats(eai_dataset_stats *out, const eai_dataset *d)
{
    *out = d->stats;
}

/* FNV-1a over the ids, masks and lengths. */
uint64_t eai_dataset_digest(const eai_dataset *d)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < d->n_examples; i++) {
        const example *e = &d->examples[i];
        h = (h ^ (uint64_t)e->n) * 1099511628211u;
        for (size_t j = e->first; j < e->first + (size_t)e->n; j++)
            h = (h ^ ((uint64_t)(uint32_t)d->ids[j] << 1 | d->mask[j])) * 1099511628211u;
    }
    return h;
}

int64_t eai_dataset_max_tokens(const eai_dataset *d)
{
    return d->max_tokens;
}

eai_dataset_position eai_dataset_get_position(const eai_dataset *d)
{
    return d->position;
}

eai_status eai_dataset_set_position(eai_dataset *d, eai_dataset_position p, eai_error *err)
{
    int64_t batches;
    if (p.epoch < 0 || p.epoch > EPOCH_MAX || p.batch < 0)
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "position %lld:%lld in the data: epochs 0 to %lld and batches from 0 "
                             "are allowed",
                             (long long)p.epoch, (long long)p.batch, (long long)EPOCH_MAX);
    EAI_TRY(eai_dataset_count_batches(&batches, d, p.epoch, err));
    if (p.batch > batches)
        return eai_error_set(err, EAI_ERR_ARGUMENT, "batch %lld of epoch %lld: it has %lld",
                             (long long)p.batch, (long long)p.epoch, (long long)batches);
    d->position = p;
    return EAI_OK;
}
