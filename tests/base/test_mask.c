/* Masking: what is known as a secret is hidden, prose is not, whatever the length and the place. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/clock.h>

#include "base/mask.h"

/* Tokens are written in two parts: this file must not look as if it held one. */
static const struct {
    const char *text;
    const char *masked;
} secret_rows[] = {
    {"password=hunter2", "password=***"},
    {"db_password = hunter2, next", "db_password = ***, next"},
    {"Password: hunter2", "Password: ***"},
    {"{\"api_key\": \"a b\\\"c\", \"n\": 1}", "{\"api_key\": \"***\", \"n\": 1}"},
    {"--api-key=xyz rest", "--api-key=*** rest"},
    {"client_secret='q w e'", "client_secret='***'"},
    {"HF_TOKEN=abcd1234efgh", "HF_TOKEN=***"},
    {"token=abcd1234efgh&x=1", "token=***&x=1"},
    {"Authorization: Bearer abc", "Authorization: Bearer ***"},
    {"authorization: Basic dXNlcjpwdw==", "authorization: Basic ***"},
    {"sent Bearer abc123def456 along", "sent Bearer *** along"},
    {"X-Api-Key: 1", "X-Api-Key: ***"},
    {"use hf_"
     "abcdefghijklmnopqrstuvwxyz now",
     "use *** now"},
    {"sk-"
     "proj-abc123def456ghi789",
     "***"},
    {"(ghp_"
     "16C7e42F292c6912E7710c838347Ae178B4a)",
     "(***)"},
    {"github_pat_"
     "11ABCDEFG0123456789_abc",
     "***"},
    {"AKIA"
     "IOSFODNN7EXAMPLE.",
     "***."},
    {"eyJ"
     "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_",
     "***"},
    {"https://me:pa:ss@host:80/p", "https://me:***@host:80/p"},
    {"https://a1b2c3d4e5@host/p", "https://***@host/p"},
    {"postgres://u:p@h", "postgres://u:***@h"},
    {"-----BEGIN RSA PRIVATE "
     "KEY-----?MIIE?-----END RSA PRIVATE "
     "KEY-----, ok",
     "***, ok"},
    {"private_key=-----BEGIN PRIVATE "
     "KEY----- MIIE",
     "private_key=***"},
    {"named-secret and xnamed-secretx", "*** and x***x"},
    {"named-secret-longer", "***"},
    {"https://named-secret:x@h", "https://***:***@h"},
};

static const char *const prose[] = {
    "the token is not sent to http://host: the connection is not encrypted",
    "token: 42 of 100 tokens",
    "eos_token=</s> pad_token=<|endoftext|> bos_token: '<s>'",
    "the password is wrong",
    "forgot password",
    "secret sauce, secretary",
    "n_tokens=1234567890 tokens_per_second=123.45",
    "sk-learn and sk-",
    "hf_hub_download_of_a_file hf:org/name",
    "bearer of bad news, Bearer authentication",
    "AKIAS ASIA eyJ",
    "http://host:8080/path?x=1 at 10:20:30",
    "mail me@host, a://b/c@d:e, ssh://git@host/x",
    "signature: none",
    "blk.0.attn_q.weight model.layers.0.self_attn.q_proj",
    ("0190163d8694739bad6be4d6e7d6a1c3 sha256 "
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    "author=me authority=1 keyboard=us monkey=2 key=value",
    "-v --verbose --log-level=debug",
    "tokenizer: unknown token 'abc12345678'",
    "-----",
    "",
};

static void check(const mask_secrets *s, const char *text, const char *expected)
{
    char out[512];
    mask__text(out, sizeof(out), text, strlen(text), s);
    assert_string_equal(out, expected);
}

static void secrets_are_hidden(void **state)
{
    mask_secrets *s = calloc(1, sizeof(*s));
    (void)state;
    assert_true(mask__add(s, "named-secret"));
    assert_true(mask__add(s, "named-secret-longer"));
    for (size_t i = 0; i < sizeof(secret_rows) / sizeof(secret_rows[0]); i++)
        check(s, secret_rows[i].text, secret_rows[i].masked);
    free(s);
}

static void prose_stays(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(prose) / sizeof(prose[0]); i++)
        check(NULL, prose[i], prose[i]);
}

static void names_of_fields(void **state)
{
    static const char *const secret[] = {"password", "Password",  "user-password", "HF_TOKEN",
                                         "token",    "--api-key", "cookie",        "client_secret"};
    static const char *const harmless[] = {"tokens",   "eos_token", "n",         "",         "keys",
                                           "api_keys", "pass",      "secretary", "authority"};
    (void)state;
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        assert_true(mask__is_secret_name(secret[i]));
    for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
        assert_false(mask__is_secret_name(harmless[i]));
}

static void what_can_be_named(void **state)
{
    mask_secrets *s = calloc(1, sizeof(*s));
    char text[MASK_SECRET_MAX + 2];
    (void)state;
    assert_false(mask__add(s, ""));
    assert_false(mask__add(s, "12345"));
    memset(text, 'x', sizeof(text));
    text[MASK_SECRET_MAX + 1] = '\0';
    assert_false(mask__add(s, text));
    text[MASK_SECRET_MAX] = '\0';
    assert_true(mask__add(s, text));
    assert_true(mask__add(s, text));
    assert_int_equal(s->n, 1);
    for (int i = 1; i < MASK_SECRETS; i++) {
        snprintf(text, sizeof(text), "secret %d", i);
        assert_true(mask__add(s, text));
    }
    assert_false(mask__add(s, "one too many"));
    free(s);
}

/* What does not fit ends with "...", and never with a part of a secret. */
static void long_texts_are_cut(void **state)
{
    char out[16];
    (void)state;
    mask__text(out, sizeof(out), "0123456789abcde", 15, NULL);
    assert_string_equal(out, "0123456789abcde");
    mask__text(out, sizeof(out), "0123456789abcdef", 16, NULL);
    assert_string_equal(out, "0123456789ab...");
    mask__text(out, sizeof(out), "01234567 password=hunter2", 25, NULL);
    assert_string_equal(out, "01234567 pas...");
    mask__text(out, sizeof(out), "012345 token=abcdefgh12345678", 8, NULL);
    assert_string_equal(out, "012345 t...");
    mask__text(out, sizeof(out),
               "0123 hf_"
               "abcdefghijklmnopqrst 9",
               6, NULL);
    assert_string_equal(out, "0123 ***...");
    mask__text(out, sizeof(out), "0123456789ab\xc3\xa4\xc3\xa4", 16, NULL);
    assert_string_equal(out, "0123456789ab...");
}

/* Time grows with the text, not with its square: each of these would take minutes. */
static void hostile_texts_take_no_time(void **state)
{
    static const char *const parts[] = {"token=",  "://",        "a-",          "-----BEGIN ",
                                        "Bearer ", "password= ", "\"secret\":", "eyJ",
                                        "://a:b@", "sk-a_"};
    const size_t n = (size_t)4 << 20;
    char *text = malloc(n + 1);
    char *out = malloc(2 * n);
    (void)state;
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        size_t length = strlen(parts[p]);
        for (size_t i = 0; i < n; i++)
            text[i] = parts[p][i % length];
        text[n] = '\0';
        double start = eai_clock_seconds();
        mask__text(out, 2 * n, text, n, NULL);
        assert_true(eai_clock_seconds() - start < 20);
    }
    free(text);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_are_hidden), cmocka_unit_test(prose_stays),
        cmocka_unit_test(names_of_fields),    cmocka_unit_test(what_can_be_named),
        cmocka_unit_test(long_texts_are_cut), cmocka_unit_test(hostile_texts_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
