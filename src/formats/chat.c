/* Chat templates: messages -> text, and for training, text -> ids with a mask of the answers.
 *
 * The mask is found by rendering, not by looking for marks in the text, so it works for any
 * template: what the conversation up to an answer adds to the conversation before it plus the
 * generation prompt is the answer. That needs every such text to begin the whole one, which is
 * checked, because some templates drop or rewrite earlier turns (thoughts of a reasoning model,
 * say).
 *
 * The whole text is tokenized once and the borders are looked up among the tokens' starts.
 * Tokenizing the parts separately could give other ids at the borders than a user of transformers
 * gets.
 *
 * Start at eai_chat_tokenize(). */
#include <efficientai/chat.h>

#include <string.h>

#include <efficientai/alloc.h>

#include "formats/jinja.h"

#include "base/banned.h"

/* A plain ChatML, for tokenizers that know its marks but bring no template. */
static const char chatml[] =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

struct eai_chat_template {
    jinja_template *jinja;
    char *bos_token; /* NULL: undefined in the template */
    char *eos_token;
};

eai_status eai_chat_template_create(eai_chat_template **out, const char *source, size_t n,
                                    const char *bos_token, const char *eos_token, eai_error *err)
{
    eai_status st = EAI_OK;
    eai_chat_template *t = eai_alloc_zeroed(1, sizeof(*t));

    *out = NULL;
    if (!t) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a chat template");
        goto done;
    }
    st = jinja__template_parse(&t->jinja, source, n, err);
    if (st != EAI_OK) {
        st = eai_error_context(err, st, "chat template");
        goto done;
    }
    t->bos_token = bos_token ? eai_strdup(bos_token) : NULL;
    t->eos_token = eos_token ? eai_strdup(eos_token) : NULL;
    if ((bos_token && !t->bos_token) || (eos_token && !t->eos_token)) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a chat template");
        goto done;
    }
    *out = t;
    t = NULL;
done:
    eai_chat_template_free(t);
    return st;
}

eai_status eai_chat_template_for(eai_chat_template **out, const eai_tokenizer *t, unsigned flags,
                                 eai_error *err)
{
    size_t n = 0;
    const char *source = eai_tokenizer_chat_template(t, &n);
    const char *bos = eai_tokenizer_token(t, eai_tokenizer_bos(t), NULL);
    const char *eos = eai_tokenizer_token(t, eai_tokenizer_eos(t), NULL);

    *out = NULL;
    if (!source && !(flags & EAI_CHAT_FALLBACK_CHATML))
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "the model has no chat template");
    if (!source) {
        source = chatml;
        n = sizeof(chatml) - 1;
    }
    return eai_chat_template_create(out, source, n, bos, eos, err);
}

void eai_chat_template_free(eai_chat_template *tpl)
{
    if (!tpl)
        return;
    jinja__template_free(tpl->jinja);
    eai_free(tpl->bos_token);
    eai_free(tpl->eos_token);
    eai_free(tpl);
}

/* --- rendering --- */

static eai_status check_messages(const eai_chat_message *messages, size_t n, eai_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (!messages[i].role || !messages[i].content)
            return eai_error_set(err, EAI_ERR_ARGUMENT, "message %zu has no %s", i + 1,
                                 messages[i].role ? "content" : "role");
    return EAI_OK;
}

static json_t *make_message(const eai_chat_message *m)
{
    return json_pack("{s:s, s:s}", "role", m->role, "content", m->content);
}

/* The template's variables; NULL after a message. */
static json_t *make_variables(const eai_chat_template *tpl, const eai_chat_message *messages,
                              size_t n, bool add_generation_prompt, eai_error *err)
{
    json_t *list = json_array();
    json_t *variables =
        json_pack("{s:O, s:b, s:s*, s:s*}", "messages", list, "add_generation_prompt",
                  add_generation_prompt, "bos_token", tpl->bos_token, "eos_token", tpl->eos_token);
    size_t i = 0;

    while (variables && i < n && json_array_append_new(list, make_message(&messages[i])) == 0)
        i++;
    json_decref(list);
    if (variables && i == n)
        return variables;
    json_decref(variables);
    if (variables) /* jansson takes valid UTF-8 only, and would otherwise be out of memory */
        (void)eai_error_set(err, EAI_ERR_ARGUMENT, "message %zu is not valid UTF-8", i + 1);
    else
        (void)eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu messages", n);
    return NULL;
}

eai_status eai_chat_render(char **text, size_t *n_text, const eai_chat_template *tpl,
                           const eai_chat_message *messages, size_t n_messages,
                           bool add_generation_prompt, eai_error *err)
{
    eai_error own = EAI_ERROR_INIT; /* make_variables() tells its status through it */

    *text = NULL;
    if (n_text)
        *n_text = 0;
    EAI_TRY(check_messages(messages, n_messages, err));
    json_t *variables = make_variables(tpl, messages, n_messages, add_generation_prompt, &own);
    if (!variables) {
        if (err)
            *err = own;
        return own.code;
    }
    eai_status st = jinja__render(text, n_text, tpl->jinja, variables, NULL, err);
    json_decref(variables);
    return st == EAI_OK ? st : eai_error_context(err, st, "chat template");
}

/* --- masks --- */

typedef struct conversation {
    const eai_chat_template *tpl;
    const eai_tokenizer *tokenizer;
    const eai_chat_message *messages;
    size_t n_messages;
    char *text; /* of the whole conversation */
    size_t n_text;
    size_t *starts; /* of its tokens */
} conversation;

/* The length of the text of the first n messages, which has to begin the whole text. */
static eai_status prefix_length(size_t *out, const conversation *c, size_t n, bool prompt,
                                eai_error *err)
{
    char *text = NULL;

    EAI_TRY(eai_chat_render(&text, out, c->tpl, c->messages, n, prompt, err));
    bool fits = text && *out <= c->n_text && memcmp(text, c->text, *out) == 0;
    eai_free(text);
    if (fits)
        return EAI_OK;
    return eai_error_set(
        err, EAI_ERR_UNSUPPORTED,
        "chat template: its text for the first %zu of %zu messages%s does not begin its "
        "text for all of them, so the answers cannot be told from the rest",
        n, c->n_messages, prompt ? " and the generation prompt" : "");
}

/* Marks the tokens that start in [start, end), up to the last closing one where there is any. */
static void mark(eai_chat_tokens *out, const conversation *c, size_t start, size_t end)
{
    size_t first = 0;

    while (first < out->n && c->starts[first] < start)
        first++;
    size_t last = first;
    size_t marked = first;
    for (; last < out->n && c->starts[last] < end; last++)
        if (eai_tokenizer_is_end(c->tokenizer, out->ids[last]))
            marked = last + 1;
    if (marked == first)
        marked = last;
    for (size_t i = first; i < marked; i++)
        out->mask[i] = 1;
}

static eai_status mark_answers(eai_chat_tokens *out, const conversation *c, eai_error *err)
{
    for (size_t i = 0; i < c->n_messages; i++) {
        size_t start = 0;
        size_t end = c->n_text;

        if (strcmp(c->messages[i].role, "assistant") != 0)
            continue;
        EAI_TRY(prefix_length(&start, c, i, true, err));
        if (i + 1 < c->n_messages)
            EAI_TRY(prefix_length(&end, c, i + 1, false, err));
        if (end < start)
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "chat template: message %zu makes the text shorter", i + 1);
        mark(out, c, start, end);
    }
    return EAI_OK;
}

eai_status eai_chat_tokenize(eai_chat_tokens *out, const eai_chat_template *tpl,
                             const eai_tokenizer *t, const eai_chat_message *messages,
                             size_t n_messages, eai_error *err)
{
    eai_status st = EAI_OK;
    conversation c = {tpl, t, messages, n_messages, NULL, 0, NULL};

    *out = (eai_chat_tokens)EAI_CHAT_TOKENS_INIT;
    st = eai_chat_render(&c.text, &c.n_text, tpl, messages, n_messages, false, err);
    if (st != EAI_OK)
        goto done;
    st = eai_tokenizer_encode_offsets(&out->ids, &c.starts, &out->n, t, c.text, c.n_text,
                                      EAI_TOKENIZE_PARSE_SPECIAL, err);
    if (st != EAI_OK)
        goto done;
    out->mask = eai_alloc_zeroed(out->n, sizeof(*out->mask));
    if (!out->mask) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for %zu tokens", out->n);
        goto done;
    }
    st = mark_answers(out, &c, err);
done:
    if (st != EAI_OK)
        eai_chat_tokens_free(out);
    eai_free(c.text);
    eai_free(c.starts);
    return st;
}

void eai_chat_tokens_free(eai_chat_tokens *tokens)
{
    eai_free(tokens->ids);
    eai_free(tokens->mask);
    *tokens = (eai_chat_tokens)EAI_CHAT_TOKENS_INIT;
}
