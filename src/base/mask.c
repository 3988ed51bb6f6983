/* Masking: one walk over the text, in which each place is asked what begins there.
 *
 * Rules that look ahead are asked at the start of a word only, look a bounded number of bytes
 * ahead or over what they then hide, and so the walk stays linear whatever the text is. A text that
 * is cut short in its buffer must not show the beginning of a secret either: the callers hand over
 * more than they keep. Start at find_secret. */
#include "base/mask.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#include "base/banned.h"

#define CUT           "..."
#define SECRET_MIN    6   /* of a named one; what is shorter is part of other words */
#define NAME_MAX      64  /* of a name in front of '=' or ':' */
#define BLANKS_MAX    4   /* around '=' and ':' */
#define LOOK_MAX      128 /* bytes that decide whether a value looks random */
#define RANDOM_MIN    8
#define RANDOM_LENGTH 24 /* from here on without a digit too: no word is as long */

/* What is found at a place: `keep` bytes that stay, then `hide` bytes; hide is 0 for nothing. */
typedef struct span {
    size_t keep;
    size_t hide;
} span;

static const span nothing = {0, 0};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static bool is_token(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("_-.+/=~", c));
}

/* A value that no word looks like: long enough, and with a digit in it. */
static bool looks_random(const char *text, size_t n)
{
    bool digit = false;
    size_t i = 0;
    for (; i < n && i < LOOK_MAX; i++) {
        if (!is_token(text[i]))
            return false;
        digit = digit || isdigit((unsigned char)text[i]);
    }
    return i >= RANDOM_LENGTH || (i >= RANDOM_MIN && digit);
}

/* ---- Shapes ---------------------------------------------------------------------------------- */

/* What may follow a prefix. */
enum { ALNUM, WORD, UPPER, TOKEN };

static const struct {
    const char *prefix;
    int alphabet;
    size_t least; /* bytes behind the prefix; honest ones have more */
    bool digit;   /* must be among them: the prefix begins ordinary names too */
} shapes[] = {
    {"hf_", ALNUM, 16, false},       /* Hugging Face */
    {"api_org_", ALNUM, 16, false},  /* the same, of organisations */
    {"sk-", WORD, 16, true},         /* OpenAI, Anthropic and others */
    {"ghp_", ALNUM, 16, false},      /* GitHub */
    {"gho_", ALNUM, 16, false},      /**/
    {"ghu_", ALNUM, 16, false},      /**/
    {"ghs_", ALNUM, 16, false},      /**/
    {"ghr_", ALNUM, 16, false},      /**/
    {"github_pat_", WORD, 16, true}, /**/
    {"glpat-", WORD, 16, false},     /* GitLab */
    {"xoxb-", WORD, 10, true},       /* Slack */
    {"xoxp-", WORD, 10, true},       /**/
    {"AKIA", UPPER, 16, false},      /* Amazon */
    {"ASIA", UPPER, 16, true},       /**/
    {"AIza", WORD, 30, false},       /* Google */
    {"npm_", ALNUM, 30, false},      /* registries of packages */
    {"pypi-", WORD, 30, true},       /**/
    {"eyJ", TOKEN, 20, true},        /* JSON Web Tokens: base64 of '{"' */
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static bool in_alphabet(int alphabet, char c)
{
    switch (alphabet) {
    case ALNUM:
        return isalnum((unsigned char)c);
    case WORD:
        return is_word(c);
    case UPPER:
        return isupper((unsigned char)c) || isdigit((unsigned char)c);
    default:
        return is_token(c);
    }
}

static span find_shape(const char *text)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        size_t n = strlen(shapes[i].prefix);
        bool digit = !shapes[i].digit;
        size_t length = n;
        if (strncmp(text, shapes[i].prefix, n) != 0)
            continue;
        for (; in_alphabet(shapes[i].alphabet, text[length]); length++)
            digit = digit || isdigit((unsigned char)text[length]);
        if (digit && length >= n + shapes[i].least)
            return (span){0, length};
    }
    return nothing;
}

/* "Bearer eyJ0..." without a name in front. */
static span find_bearer(const char *text)
{
    static const char word[] = "Bearer ";
    size_t n = sizeof(word) - 1;
    size_t length = n;
    if (strncasecmp(text, word, n) != 0)
        return nothing;
    while (is_token(text[length]))
        length++;
    return looks_random(text + n, length - n) ? (span){n, length - n} : nothing;
}

static span find_pem(const char *text)
{
    static const char begin[] = "-----BEGIN ";
    static const char end[] = "-----END ";
    if (strncmp(text, begin, sizeof(begin) - 1) != 0)
        return nothing;
    const char *last = strstr(text, end);
    if (!last)
        return (span){0, strlen(text)};
    last += sizeof(end) - 1;
    const char *dashes = strstr(last, "-----");
    return (span){0, dashes ? (size_t)(dashes + 5 - text) : strlen(text)};
}

/* At "://": the password of "user:password@host", or a user that looks like a token. */
static span find_password(const char *text)
{
    size_t at = 0;
    size_t colon = 0;
    if (strncmp(text, "://", 3) != 0)
        return nothing;
    for (size_t i = 3; text[i] && !strchr("/?#\"'<> \t\r\n", text[i]); i++) {
        if (text[i] == '@')
            at = i;
        else if (text[i] == ':' && colon == 0)
            colon = i;
    }
    if (at > 0 && colon > 0 && colon + 1 < at)
        return (span){colon + 1, at - colon - 1};
    return at > 3 && colon == 0 && looks_random(text + 3, at - 3) ? (span){3, at - 3} : nothing;
}

/* ---- Values behind names --------------------------------------------------------------------- */

/* How sure a name makes: SURE hides any value, LIKELY one that looks random. */
enum { NO, LIKELY, SURE };

static const struct {
    const char *name; /* a whole name or its last words: "client_secret" ends with "secret" */
    int in_fields;    /* of a log line, where a programmer has chosen the name */
    int in_text;
} names[] = {
    {"password", SURE, SURE},
    {"passwd", SURE, SURE},
    {"passphrase", SURE, SURE},
    {"secret", SURE, SURE},
    {"api_key", SURE, SURE},
    {"apikey", SURE, SURE},
    {"access_key", SURE, SURE},
    {"access_key_id", SURE, SURE},
    {"secret_key", SURE, SURE},
    {"private_key", SURE, SURE},
    {"authorization", SURE, SURE},
    {"credential", SURE, LIKELY},
    {"credentials", SURE, LIKELY},
    {"cookie", SURE, LIKELY},
    {"hf_token", SURE, LIKELY},
    {"hub_token", SURE, LIKELY},
    {"api_token", SURE, LIKELY},
    {"auth_token", SURE, LIKELY},
    {"access_token", SURE, LIKELY},
    {"refresh_token", SURE, LIKELY},
    {"security_token", SURE, LIKELY},
    {"token", LIKELY, LIKELY}, /* "eos_token=</s>" is none; "token" alone is, see below */
    {"signature", LIKELY, LIKELY},
};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

/* Lower case with '_' for '-', the dashes of an option left out; false when it is too long. */
static bool normalize(char out[NAME_MAX], const char *name, size_t n)
{
    while (n > 0 && (*name == '-' || *name == '_')) {
        name++;
        n--;
    }
    if (n == 0 || n >= NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        out[i] = name[i] == '-' ? '_' : (char)tolower((unsigned char)name[i]);
    out[n] = '\0';
    return true;
}

/* The row of a name, or N_NAMES: its last words, whole. */
static size_t find_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < N_NAMES; i++) {
        size_t m = strlen(names[i].name);
        if (m <= n && strcmp(name + n - m, names[i].name) == 0 &&
            (m == n || name[n - m - 1] == '_'))
            return i;
    }
    return N_NAMES;
}

bool mask__is_secret_name(const char *name)
{
    char plain[NAME_MAX];
    if (!normalize(plain, name, strlen(name)))
        return false;
    size_t row = find_name(plain);
    return row < N_NAMES && (names[row].in_fields == SURE || strcmp(plain, "token") == 0);
}

static size_t skip_blanks(const char *text, size_t at)
{
    for (int i = 0; i < BLANKS_MAX && (text[at] == ' ' || text[at] == '\t'); i++)
        at++;
    return at;
}

/* The bytes of a value that begins at `text`; `quote` is what it stands in, or 0. */
static size_t value_length(const char *text, char quote)
{
    size_t n = 0;
    if (quote) {
        for (; text[n] && text[n] != quote; n++)
            n += text[n] == '\\' && text[n + 1];
        return n;
    }
    while (text[n] && !strchr(" \t\r\n,;&)}]\"'", text[n]))
        n++;
    return n;
}

/* "Basic " and the like in front of what is secret in a header. */
static size_t scheme_length(const char *text)
{
    static const char *const schemes[] = {"Bearer ", "Basic ", "Token ", "Digest "};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    }
    return 0;
}

/* `name = value`, `name: value`, `"name": "value"`. */
static span find_named(const char *text)
{
    char name[NAME_MAX];
    size_t n = 0;
    while (n < NAME_MAX && is_word(text[n]))
        n++;
    if (!normalize(name, text, n))
        return nothing;
    size_t row = find_name(name);
    if (row == N_NAMES)
        return nothing;
    size_t at = n;
    at += text[at] == '"' || text[at] == '\'';
    at = skip_blanks(text, at);
    if (text[at] != '=' && text[at] != ':')
        return nothing;
    at = skip_blanks(text, at + 1);
    char quote = text[at] == '"' || text[at] == '\'' ? text[at] : '\0';
    at += quote != '\0';
    at += scheme_length(text + at);
    span pem = find_pem(text + at);
    size_t length = pem.hide ? pem.hide : value_length(text + at, quote);
    bool hide = names[row].in_text == SURE || pem.hide || looks_random(text + at, length);
    return hide && length > 0 ? (span){at, length} : nothing;
}

/* ---- Named secrets --------------------------------------------------------------------------- */

bool mask__add(mask_secrets *s, const char *secret)
{
    size_t n = strlen(secret);
    if (n < SECRET_MIN || n > MASK_SECRET_MAX)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        if (s->each[i].length == n && memcmp(s->each[i].text, secret, n) == 0)
            return true;
    }
    if (s->n == MASK_SECRETS)
        return false;
    s->each[s->n].length = n;
    memcpy(s->each[s->n].text, secret, n);
    s->n++;
    s->starts[(unsigned char)*secret] = true;
    return true;
}

/* The longest one that stands here: one may begin with another. */
static span find_added(const mask_secrets *s, const char *text)
{
    size_t longest = 0;
    if (!s || !s->starts[(unsigned char)*text])
        return nothing;
    for (size_t i = 0; i < s->n; i++) {
        size_t n = s->each[i].length;
        if (n > longest && strncmp(text, s->each[i].text, n) == 0)
            longest = n;
    }
    return (span){0, longest};
}

/* ---- The walk -------------------------------------------------------------------------------- */

static span find_secret(const char *text, char before, const mask_secrets *s)
{
    static span (*const rules[])(const char *text) = {find_pem, find_named, find_shape,
                                                      find_bearer};
    span found = find_added(s, text);
    if (!found.hide && *text == ':')
        found = find_password(text);
    if (found.hide || is_word(before) || !is_word(*text))
        return found;
    for (size_t i = 0; !found.hide && i < sizeof(rules) / sizeof(rules[0]); i++)
        found = rules[i](text);
    return found;
}

/* Appends at most what fits; *n is what it would have been. */
static void append(char *out, size_t size, size_t *n, const char *text, size_t length)
{
    if (*n < size)
        memcpy(out + *n, text, length < size - *n ? length : size - *n);
    *n += length;
}

void mask__text(char *out, size_t size, const char *text, size_t n_text, const mask_secrets *s)
{
    const char *end = text + n_text;
    const char *hide = NULL; /* what a rule has found further on, and its end */
    const char *hide_end = NULL;
    size_t n = 0;
    char before = '\0';
    while (*text && text < end && n < size) {
        bool waiting = hide && text < hide;
        span found = hide && !waiting ? (span){0, (size_t)(hide_end - text)}
                     : waiting        ? find_added(s, text)
                                      : find_secret(text, before, s);
        if (found.hide && found.keep == 0) {
            append(out, size, &n, MASK_HIDDEN, strlen(MASK_HIDDEN));
            text += found.hide;
            hide = hide && text < hide_end ? (text > hide ? text : hide) : NULL;
        } else {
            if (found.hide) {
                hide = text + found.keep;
                hide_end = hide + found.hide;
            }
            append(out, size, &n, text++, 1);
        }
        before = text[-1];
    }
    if (*text == '\0' && n < size) {
        out[n] = '\0';
    } else if (n + sizeof(CUT) <= size) {
        memcpy(out + n, CUT, sizeof(CUT));
    } else {
        out[size - 1] = '\0';
        text__mark_cut(out, size);
    }
}
