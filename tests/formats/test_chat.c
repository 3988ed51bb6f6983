/* Chat templates: the default model's against Jinja2 and HF `tokenizers` (fixture of
 * tools/oracles/chat_templates.py), and the masks of other templates on a vocabulary of bytes. */
#include "support/eai_test.h"

#include <jansson.h>
#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/chat.h>
#include <efficientai/weights.h>

#define MAX_MESSAGES 8

static json_t *fixture;

/* --- the default model --- */

static size_t read_messages(eai_chat_message *out, const json_t *row)
{
    const json_t *list = json_object_get(row, "messages");
    size_t i;
    json_t *m;

    assert_true(json_array_size(list) <= MAX_MESSAGES);
    json_array_foreach(list, i, m)
    {
        out[i].role = json_string_value(json_object_get(m, "role"));
        out[i].content = json_string_value(json_object_get(m, "content"));
    }
    return json_array_size(list);
}

static void check_text(const eai_chat_template *tpl, const eai_chat_message *m, size_t n,
                       bool prompt, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    char *text = NULL;
    size_t n_text = 0;

    assert_ok(eai_chat_render(&text, &n_text, tpl, m, n, prompt, &err), &err);
    assert_string_equal(text, expected);
    assert_int_equal(n_text, strlen(expected));
    eai_free(text);
}

static void check_tokens(const eai_chat_tokens *got, const json_t *row)
{
    const json_t *ids = json_object_get(row, "ids");
    const json_t *mask = json_object_get(row, "mask");

    assert_int_equal(got->n, json_array_size(ids));
    for (size_t i = 0; i < got->n; i++) {
        assert_int_equal(got->ids[i], json_integer_value(json_array_get(ids, i)));
        assert_int_equal(got->mask[i], json_integer_value(json_array_get(mask, i)));
    }
}

static void test_default_model(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    eai_tokenizer *t = NULL;
    eai_chat_template *tpl = NULL;
    const json_t *cases = json_object_get(fixture, "model");
    size_t i;
    json_t *row;

    (void)state;
    SKIP_WITHOUT_MODEL(eai_test_model_path());
    assert_ok(eai_weights_open(&w, eai_test_model_path(), &err), &err);
    assert_ok(eai_tokenizer_from_weights(&t, w, &err), &err);
    eai_weights_close(w);
    assert_ok(eai_chat_template_for(&tpl, t, 0, &err), &err);
    assert_true(json_array_size(cases) >= 7);
    json_array_foreach(cases, i, row)
    {
        eai_chat_message m[MAX_MESSAGES];
        size_t n = read_messages(m, row);
        eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;

        check_text(tpl, m, n, false, json_string_value(json_object_get(row, "text")));
        check_text(tpl, m, n, true, json_string_value(json_object_get(row, "prompt")));
        assert_ok(eai_chat_tokenize(&tokens, tpl, t, m, n, &err), &err);
        check_tokens(&tokens, row);
        eai_chat_tokens_free(&tokens);
    }
    /* without a question there is no prefix: the default system line comes with the first message
     */
    eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;
    const eai_chat_message lone = {"assistant", "Hello"};
    assert_fails(eai_chat_tokenize(&tokens, tpl, t, &lone, 1, &err), EAI_ERR_UNSUPPORTED, &err,
                 "first 0 of 1 messages and the generation prompt");
    eai_chat_template_free(tpl);
    eai_tokenizer_free(t);
}

/* --- a vocabulary of bytes --- */

enum { ID_START = 256, ID_END };

static eai_tokenizer *make_tokenizer(const char *chat_template)
{
    static char text[258][16];
    static const char *tokens[258];
    static int32_t types[258];
    eai_tokenizer_opts o = EAI_TOKENIZER_OPTS_INIT;
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    unsigned next = 256;

    for (unsigned b = 0; b < 256; b++) {
        bool own = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        unsigned c = own ? b : next++;

        if (c < 0x80)
            snprintf(text[b], sizeof(text[b]), "%c", (char)c);
        else
            snprintf(text[b], sizeof(text[b]), "%c%c", (char)(0xC0 | c >> 6),
                     (char)(0x80 | (c & 0x3F)));
        types[b] = EAI_TOKEN_NORMAL;
    }
    snprintf(text[ID_START], sizeof(text[0]), "<|im_start|>");
    snprintf(text[ID_END], sizeof(text[0]), "<|im_end|>");
    for (size_t i = 0; i < 258; i++)
        tokens[i] = text[i];
    types[ID_START] = types[ID_END] = EAI_TOKEN_CONTROL;
    o.tokens = tokens;
    o.token_types = types;
    o.n_tokens = 258;
    o.bos = ID_START;
    o.eos = ID_END;
    o.chat_template = chat_template;
    assert_ok(eai_tokenizer_create(&t, &o, &err), &err);
    return t;
}

static const eai_chat_message talk[] = {
    {"user", "hi"}, {"assistant", "yo"}, {"user", "so"}, {"assistant", "ok"}};

/* Every byte of the text, '-' where the mask is 0. */
static void check_mask(const char *template, const char *expected)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = make_tokenizer(template);
    eai_chat_template *tpl = NULL;
    eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;
    char shown[512] = "";
    size_t at = 0;

    assert_ok(eai_chat_template_for(&tpl, t, EAI_CHAT_FALLBACK_CHATML, &err), &err);
    assert_ok(eai_chat_tokenize(&tokens, tpl, t, talk, 4, &err), &err);
    for (size_t i = 0; i < tokens.n; i++)
        at += (size_t)snprintf(shown + at, sizeof(shown) - at, "%s",
                               tokens.mask[i] ? eai_tokenizer_piece(t, tokens.ids[i], NULL) : "-");
    assert_string_equal(shown, expected);
    eai_chat_tokens_free(&tokens);
    eai_chat_template_free(tpl);
    eai_tokenizer_free(t);
}

static void test_masks(void **state)
{
    (void)state;
    /* ChatML, the fallback: each mark is one token */
    check_mask(NULL, "---------------------yo<|im_end|>----------------------ok<|im_end|>-");
    /* no closing token: the whole answer counts */
    check_mask("{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n\n{% endfor %}"
               "{% if add_generation_prompt %}a:{% endif %}",
               "--------yo\n\n--------ok\n\n");
    /* an answer without content or prompt */
    check_mask("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}", "----");
    check_mask("", "");
}

static void check_refused(const char *template, const char *message)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = make_tokenizer(template);
    eai_chat_template *tpl = NULL;
    eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;

    assert_ok(eai_chat_template_for(&tpl, t, 0, &err), &err);
    assert_fails(eai_chat_tokenize(&tokens, tpl, t, talk, 4, &err), EAI_ERR_UNSUPPORTED, &err,
                 message);
    assert_null(tokens.ids);
    assert_null(tokens.mask);
    assert_int_equal(tokens.n, 0);
    eai_chat_template_free(tpl);
    eai_tokenizer_free(t);
}

static void test_templates_that_rewrite_earlier_turns_are_refused(void **state)
{
    (void)state;
    check_refused("{% for m in messages %}{{ m.content if loop.last or m.role == 'user' else 'x' "
                  "}}{% endfor %}",
                  "first 2 of 4 messages");
    check_refused("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
                  "first 1 of 4 messages and the generation prompt");
    check_refused("{% for m in messages %}{{ m.content }}{% endfor %}"
                  "{% if add_generation_prompt %}<think>{% endif %}",
                  "the generation prompt does not begin");
}

/* --- templates that fail --- */

static void test_failures(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = make_tokenizer(NULL);
    eai_chat_template *tpl = NULL;
    char *text = NULL;
    const eai_chat_message no_content = {"user", NULL};
    const eai_chat_message no_role = {NULL, "x"};
    const eai_chat_message bad[] = {{"user", "ok"}, {"user", "\xff"}};

    (void)state;
    assert_fails(eai_chat_template_for(&tpl, t, 0, &err), EAI_ERR_NOT_FOUND, &err,
                 "no chat template");
    assert_null(tpl);
    assert_fails(eai_chat_template_create(&tpl, "\n{% if %}", 9, NULL, NULL, &err), EAI_ERR_FORMAT,
                 &err, "chat template: line 2: ");
    assert_null(tpl);
    assert_ok(eai_chat_template_for(&tpl, t, EAI_CHAT_FALLBACK_CHATML, &err), &err);
    assert_fails(eai_chat_render(&text, NULL, tpl, &no_content, 1, true, &err), EAI_ERR_ARGUMENT,
                 &err, "message 1 has no content");
    assert_fails(eai_chat_render(&text, NULL, tpl, &no_role, 1, true, &err), EAI_ERR_ARGUMENT, &err,
                 "message 1 has no role");
    assert_fails(eai_chat_render(&text, NULL, tpl, bad, 2, true, &err), EAI_ERR_ARGUMENT, &err,
                 "message 2 is not valid UTF-8");
    assert_int_equal(eai_chat_render(&text, NULL, tpl, bad, 2, true, NULL), EAI_ERR_ARGUMENT);
    assert_null(text);
    eai_chat_template_free(tpl);
    eai_chat_template_free(NULL);
    eai_tokenizer_free(t);
}

static void test_bos_and_eos_are_variables(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    static const char source[] = "{{ bos_token }}|{{ eos_token is defined }}";
    eai_chat_template *tpl = NULL;

    (void)state;
    assert_ok(eai_chat_template_create(&tpl, source, strlen(source), "<s>", NULL, &err), &err);
    check_text(tpl, NULL, 0, false, "<s>|False");
    eai_chat_template_free(tpl);
}

static eai_status tokenize(void *ud, eai_error *err)
{
    const eai_tokenizer *t = ud;
    eai_chat_template *tpl = NULL;
    eai_chat_tokens tokens = EAI_CHAT_TOKENS_INIT;

    eai_status st = eai_chat_template_for(&tpl, t, EAI_CHAT_FALLBACK_CHATML, err);
    if (st == EAI_OK)
        st = eai_chat_tokenize(&tokens, tpl, t, talk, 4, err);
    eai_chat_tokens_free(&tokens);
    eai_chat_template_free(tpl);
    return st;
}

static void test_every_allocation_may_fail(void **state)
{
    eai_tokenizer *t = make_tokenizer(NULL);

    (void)state;
    eai_test_torture(tokenize, t);
    eai_tokenizer_free(t);
}

static int setup(void **state)
{
    json_error_t where;

    (void)state;
    fixture = json_load_file(EAI_TEST_DATA "/chat_templates.json", 0, &where);
    return fixture ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_model),
        cmocka_unit_test(test_masks),
        cmocka_unit_test(test_templates_that_rewrite_earlier_turns_are_refused),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_bos_and_eos_are_variables),
        cmocka_unit_test(test_every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
