/* Exact match of greedy answers. Start at eai_exact_match_run. */
#include <efficientai/evaluate.h>

#include <ctype.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/chat.h>
#include <efficientai/clock.h>

#define EXTRA_TOKENS 16 /* beyond the expected answer: enough to see that a longer one is wrong */

/* What comes before a row's answer, and the answer. Borrowed from the row. */
typedef struct question {
    eai_chat_message own[1];
    const eai_chat_message *messages;
    size_t n_messages;
    const char *expected;
} question;

static bool ask(question *q, const eai_row *row)
{
    if (row->kind == EAI_ROW_PROMPT) {
        q->own[0] = (eai_chat_message){"user", row->prompt};
        q->messages = q->own;
        q->n_messages = 1;
        q->expected = row->completion;
        return true;
    }
    if (row->kind != EAI_ROW_MESSAGES || row->n_messages < 2)
        return false;
    const eai_chat_message *last = &row->messages[row->n_messages - 1];
    if (strcmp(last->role, "assistant") != 0)
        return false;
    q->messages = row->messages;
    q->n_messages = row->n_messages - 1;
    q->expected = last->content;
    return true;
}

bool eai_rows_have_answers(const eai_rows *rows)
{
    question q;
    for (size_t i = 0; i < eai_rows_count(rows); i++) {
        if (ask(&q, eai_rows_at(rows, i)))
            return true;
    }
    return false;
}

/* The text between leading and trailing white space. */
static size_t trim(const char **text)
{
    while (isspace((unsigned char)**text))
        (*text)++;
    size_t n = strlen(*text);
    while (n && isspace((unsigned char)(*text)[n - 1]))
        n--;
    return n;
}

static bool same_answer(const char *a, const char *b)
{
    size_t na = trim(&a);
    size_t nb = trim(&b);
    return na == nb && memcmp(a, b, na) == 0;
}

/* Prompt ids and the number of tokens of the expected answer. */
static eai_status tokenize(int32_t **ids, size_t *n_ids, size_t *n_expected, const eai_tokenizer *t,
                           const eai_chat_template *chat, const question *q, eai_error *err)
{
    char *text = NULL;
    size_t n_text = 0;
    int32_t *answer = NULL;

    if (chat) {
        EAI_TRY(eai_chat_render(&text, &n_text, chat, q->messages, q->n_messages, true, err));
    } else {
        text = eai_strdup(q->messages[0].content);
        if (!text)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a prompt");
        n_text = strlen(text);
    }
    unsigned flags = chat ? EAI_TOKENIZE_PARSE_SPECIAL : EAI_TOKENIZE_ADD_START;
    eai_status st = eai_tokenizer_encode(ids, n_ids, t, text, n_text, flags, err);
    eai_free(text);
    if (st == EAI_OK) {
        st = eai_tokenizer_encode(&answer, n_expected, t, q->expected, strlen(q->expected),
                                  EAI_TOKENIZE_CONTINUE, err);
        if (st != EAI_OK) {
            eai_free(*ids);
            *ids = NULL;
        }
    }
    eai_free(answer);
    return st;
}

static eai_status judge(eai_exact_match *out, eai_exact_match_row *row, eai_generator *gen,
                        const eai_tokenizer *t, const eai_chat_template *chat, const question *q,
                        const eai_exact_match_opts *opts, eai_error *err)
{
    int32_t *ids = NULL;
    size_t n_ids = 0;
    size_t n_expected = 0;
    eai_generation g = EAI_GENERATION_INIT;
    eai_generate_opts generate = EAI_GENERATE_OPTS_INIT;

    EAI_TRY(tokenize(&ids, &n_ids, &n_expected, t, chat, q, err));
    generate.max_tokens = opts->max_tokens ? opts->max_tokens : (int64_t)n_expected + EXTRA_TOKENS;
    generate.cancel = opts->cancel;
    eai_status st = eai_generator_run(&g, gen, ids, n_ids, &generate, err);
    eai_free(ids);
    if (st != EAI_OK)
        return st;
    if (g.finish == EAI_FINISH_CANCELLED)
        st = eai_error_set(err, EAI_ERR_CANCELLED, "stopped after %lld rows", (long long)out->rows);
    row->expected = q->expected;
    row->answer = g.text;
    row->matched = st == EAI_OK && same_answer(g.text, q->expected);
    out->generated_tokens += (int64_t)g.n_ids;
    if (st == EAI_OK) {
        out->rows++;
        out->matched += row->matched;
        if (opts->on_row)
            opts->on_row(row, opts->ud);
    }
    eai_generation_deinit(&g);
    return st;
}

eai_status eai_exact_match_run(eai_exact_match *out, eai_generator *gen,
                               const eai_tokenizer *tokenizer, const eai_rows *rows,
                               const eai_exact_match_opts *opts, eai_error *err)
{
    const eai_exact_match_opts defaults = {0};
    eai_chat_template *chat = NULL;
    double start = eai_clock_seconds();
    eai_status st = EAI_OK;

    memset(out, 0, sizeof(*out));
    if (!opts)
        opts = &defaults;
    if (eai_tokenizer_chat_template(tokenizer, NULL) || eai_rows_kind(rows) == EAI_ROW_MESSAGES)
        EAI_TRY(eai_chat_template_for(&chat, tokenizer, 0, err));
    for (size_t i = 0; st == EAI_OK && i < eai_rows_count(rows); i++) {
        question q;
        eai_exact_match_row row = {.row = i};
        if (opts->limit && out->rows >= opts->limit)
            break;
        if (!ask(&q, eai_rows_at(rows, i)))
            continue;
        st = judge(out, &row, gen, tokenizer, chat, &q, opts, err);
        if (st != EAI_OK)
            st = eai_error_context(err, st, "%s:%zu", eai_rows_path(rows),
                                   eai_rows_at(rows, i)->line);
    }
    eai_chat_template_free(chat);
    out->seconds = eai_clock_seconds() - start;
    return st;
}
