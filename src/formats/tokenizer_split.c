/* Pre-tokenizers: how text is cut into words. One row a kind.
 *
 * Nearly all kinds are a pattern and what becomes of its matches (Split); the others are known
 * patterns under a name. Two kinds also change the text: Metaspace writes U+2581 for a space, and
 * ByteLevel may put a space in front. ByteLevel's alphabet is not written out: words stay bytes,
 * and the vocabulary is read as bytes instead (tokenizer_decode.c), which comes to the same.
 *
 * A step reads words and writes words; the steps of a tokenizer run one after the other, each on
 * every word by itself, so that no pattern sees beyond its word. To add a kind: a parse function
 * and a row in the table at the end. Start at tokenizer__pre_tokenize(). */
#include <string.h>

#include "formats/tokenizer_internal.h"
#include "formats/utf8.h"

#include "base/banned.h"

#define PATTERN_GPT2                                                                               \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define RUST_WORD           TOKENIZER_WORD "\\x{200C}\\x{200D}" /* this kind has Rust's \\w */
#define PATTERN_PUNCTUATION "[!-/:-@\\[-`{-~\\p{P}]"

eai_status tokenizer__pre_tokenize(const tokenizer_words **out, tokenizer_work *w,
                                   const tokenizer_view *v, eai_error *err)
{
    tokenizer_words *in = &w->words[0];
    tokenizer_words *next = &w->words[1];

    in->n = 0;
    in->view = *v;
    EAI_TRY(tokenizer__push_span(in, 0, v->n, err));
    for (size_t i = 0; i < w->t->pre.n; i++) {
        const tokenizer_step *s = &w->t->pre.steps[i];
        tokenizer_words *swap = in;

        next->n = 0;
        next->view = in->view;
        EAI_TRY(s->split(next, in, s, w, err));
        in = next;
        next = swap;
    }
    *out = in;
    return EAI_OK;
}

/* --- Split --- */

/* Where the words of one span start in `out`, and whether the last piece was a match. */
typedef struct cut {
    tokenizer_words *out;
    const tokenizer_step *s;
    size_t first;
    bool was_match;
} cut;

/* The next piece of a span, a match or what lies between two. */
static eai_status push_piece(cut *c, size_t start, size_t end, bool is_match, eai_error *err)
{
    bool has_last = c->out->n > c->first;
    bool joins = false;

    is_match = is_match != c->s->flag;
    switch ((tokenizer_behaviour)c->s->option) {
    case TOKENIZER_ISOLATED:
        break;
    case TOKENIZER_REMOVED:
        if (is_match)
            return EAI_OK;
        break;
    case TOKENIZER_MERGED_WITH_PREVIOUS:
        joins = is_match && !c->was_match;
        break;
    case TOKENIZER_MERGED_WITH_NEXT:
        joins = !is_match && c->was_match;
        break;
    case TOKENIZER_CONTIGUOUS:
        joins = is_match == c->was_match;
        break;
    }
    c->was_match = is_match;
    if (!joins || !has_last)
        return tokenizer__push_span(c->out, start, end, err);
    c->out->spans[c->out->n - 1].end = end;
    return EAI_OK;
}

static eai_status apply_split(tokenizer_words *out, const tokenizer_words *in,
                              const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    for (size_t i = 0; i < in->n; i++) {
        size_t base = in->spans[i].start;
        size_t n = in->spans[i].end - base;
        tokenizer_finder f = {s->pattern, in->view.bytes + base, n, 0, SIZE_MAX};
        cut c = {out, s, out->n, false};
        size_t done = 0;

        for (;;) {
            size_t from = 0;
            size_t to = 0;

            EAI_TRY(tokenizer__find(&from, &to, &f, w, err));
            if (from == SIZE_MAX)
                break;
            if (done < from)
                EAI_TRY(push_piece(&c, base + done, base + from, false, err));
            EAI_TRY(push_piece(&c, base + from, base + to, true, err));
            done = to;
        }
        if (done < n)
            EAI_TRY(push_piece(&c, base + done, base + n, false, err));
    }
    return EAI_OK;
}

/* A new step. ByteLevel has to be the last: behind it HF's patterns see letters of the alphabet. */
static eai_status add_step(tokenizer_step **out, eai_tokenizer *t, eai_error *err)
{
    *out = NULL;
    if (t->byte_level)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "it comes behind 'ByteLevel', which has to be "
                             "the last");
    return tokenizer__add_step(out, &t->pre, err);
}

static eai_status add_split(eai_tokenizer *t, const tokenizer_pattern *pattern, int behaviour,
                            bool invert, eai_error *err)
{
    tokenizer_step *s = NULL;

    EAI_TRY(add_step(&s, t, err));
    s->split = apply_split;
    s->pattern = pattern;
    s->option = behaviour;
    s->flag = invert;
    return EAI_OK;
}

eai_status tokenizer__add_split(eai_tokenizer *t, const char *pattern,
                                tokenizer_behaviour behaviour, bool invert, eai_error *err)
{
    const tokenizer_pattern *compiled = NULL;

    EAI_TRY(tokenizer__compile(&compiled, t, pattern, strlen(pattern), false, err));
    return add_split(t, compiled, behaviour, invert, err);
}

static eai_status read_behaviour(int *out, const json_t *o, eai_error *err)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious",
                                        "MergedWithNext", "Contiguous"};

    return tokenizer__field_name(out, o, "behavior", names, 5, err);
}

static eai_status parse_split(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const tokenizer_pattern *pattern = NULL;
    int behaviour = TOKENIZER_ISOLATED;
    bool invert = false;

    EAI_TRY(tokenizer__field_pattern(&pattern, t, o, err));
    EAI_TRY(read_behaviour(&behaviour, o, err));
    EAI_TRY(tokenizer__field_bool(&invert, o, "invert", err));
    return add_split(t, pattern, behaviour, invert, err);
}

/* --- patterns under a name --- */

static eai_status parse_digits(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    bool individual = false;

    EAI_TRY(tokenizer__field_bool(&individual, o, "individual_digits", err));
    return tokenizer__add_split(t, "\\p{N}", individual ? TOKENIZER_ISOLATED : TOKENIZER_CONTIGUOUS,
                                false, err);
}

static eai_status parse_punctuation(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    int behaviour = TOKENIZER_ISOLATED;

    EAI_TRY(read_behaviour(&behaviour, o, err));
    return tokenizer__add_split(t, PATTERN_PUNCTUATION, (tokenizer_behaviour)behaviour, false, err);
}

static eai_status parse_whitespace(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return tokenizer__add_split(t, "[" RUST_WORD "]+|[^\\s" RUST_WORD "]+", TOKENIZER_REMOVED, true,
                                err);
}

static eai_status parse_whitespace_split(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    (void)o;
    return tokenizer__add_split(t, "\\s", TOKENIZER_REMOVED, false, err);
}

static eai_status parse_bert(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    EAI_TRY(parse_whitespace_split(t, o, err));
    return tokenizer__add_split(t, PATTERN_PUNCTUATION, TOKENIZER_ISOLATED, false, err);
}

static eai_status parse_delimiter(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    const tokenizer_pattern *pattern = NULL;
    const char *text = NULL;
    size_t n = 0;

    EAI_TRY(tokenizer__need_text(&text, &n, o, "delimiter", err));
    EAI_TRY(tokenizer__compile(&pattern, t, text, n, true, err));
    return add_split(t, pattern, TOKENIZER_REMOVED, false, err);
}

/* --- ByteLevel --- */

static eai_status apply_prefix_space(tokenizer_words *out, const tokenizer_words *in,
                                     const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    tokenizer_text *text = tokenizer__other_text(w, &in->view);

    (void)s;
    for (size_t i = 0; i < in->n; i++) {
        const tokenizer_span *word = &in->spans[i];
        size_t start = text->n;

        bool goes_on = i == 0 && tokenizer__goes_on(w, &in->view);
        if (in->view.bytes[word->start] != ' ' && !goes_on)
            tokenizer__put(text, " ", 1, tokenizer__origin(&in->view, word->start));
        tokenizer__put_part(text, &in->view, word->start, word->end);
        EAI_TRY(tokenizer__push_span(out, start, text->n, err));
    }
    out->view = tokenizer__view(text, &in->view);
    return tokenizer__text_check(text, err);
}

static eai_status parse_byte_level(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    bool add_prefix = true;
    bool use_regex = true;
    tokenizer_step *s = NULL;

    EAI_TRY(tokenizer__field_bool(&add_prefix, o, "add_prefix_space", err));
    EAI_TRY(tokenizer__field_bool(&use_regex, o, "use_regex", err));
    if (add_prefix) {
        EAI_TRY(add_step(&s, t, err));
        s->split = apply_prefix_space;
    }
    if (use_regex)
        EAI_TRY(tokenizer__add_split(t, PATTERN_GPT2, TOKENIZER_ISOLATED, false, err));
    t->byte_level = true;
    return EAI_OK;
}

/* --- Metaspace --- */

enum { PREPEND_ALWAYS, PREPEND_FIRST, PREPEND_NEVER };

static bool starts_with(const tokenizer_view *v, const tokenizer_span *word, const char *s,
                        size_t n)
{
    return word->end - word->start >= n && memcmp(v->bytes + word->start, s, n) == 0;
}

/* Does a mark go in front of the word? Not where it starts with one, or will. */
static bool is_prepended(const tokenizer_work *w, const tokenizer_words *in,
                         const tokenizer_span *word, const tokenizer_step *s)
{
    bool is_first =
        tokenizer__origin(&in->view, word->start) == 0 || (in->view.is_start && word->start == 0);

    if (s->option == PREPEND_NEVER || (s->option == PREPEND_FIRST && !is_first) ||
        (word->start == 0 && tokenizer__goes_on(w, &in->view)))
        return false;
    return in->view.bytes[word->start] != ' ' && !starts_with(&in->view, word, s->text, s->n_text);
}

/* Cuts [start, end) of the text in front of every mark. */
static eai_status cut_at_marks(tokenizer_words *out, const tokenizer_text *text, size_t start,
                               size_t end, const tokenizer_step *s, eai_error *err)
{
    for (size_t at = start; at < end; at++) {
        if (at > start && end - at >= s->n_text &&
            memcmp(text->bytes + at, s->text, s->n_text) == 0) {
            EAI_TRY(tokenizer__push_span(out, start, at, err));
            start = at;
        }
    }
    return tokenizer__push_span(out, start, end, err);
}

static eai_status apply_metaspace(tokenizer_words *out, const tokenizer_words *in,
                                  const tokenizer_step *s, tokenizer_work *w, eai_error *err)
{
    tokenizer_text *text = tokenizer__other_text(w, &in->view);

    for (size_t i = 0; i < in->n; i++) {
        const tokenizer_span *word = &in->spans[i];
        size_t start = text->n;

        if (is_prepended(w, in, word, s))
            tokenizer__put(text, s->text, s->n_text, tokenizer__origin(&in->view, word->start));
        for (size_t at = word->start, end; at < word->end; at = end) {
            for (end = at; end < word->end && in->view.bytes[end] != ' ';)
                end++;
            tokenizer__put_part(text, &in->view, at, end);
            if (end < word->end)
                tokenizer__put(text, s->text, s->n_text, tokenizer__origin(&in->view, end++));
        }
        EAI_TRY(tokenizer__text_check(text, err));
        if (s->flag)
            EAI_TRY(cut_at_marks(out, text, start, text->n, s, err));
        else
            EAI_TRY(tokenizer__push_span(out, start, text->n, err));
    }
    out->view = tokenizer__view(text, &in->view);
    return EAI_OK;
}

static eai_status parse_metaspace(eai_tokenizer *t, const json_t *o, eai_error *err)
{
    static const char *const schemes[] = {"always", "first", "never"};
    const char *mark = TOKENIZER_MARK;
    size_t n = strlen(mark);
    bool add_prefix = true;
    tokenizer_step *s = NULL;

    EAI_TRY(add_step(&s, t, err));
    s->split = apply_metaspace;
    s->option = PREPEND_ALWAYS;
    s->flag = true;
    EAI_TRY(tokenizer__field_text(&mark, &n, o, "replacement", err));
    EAI_TRY(tokenizer__field_bool(&add_prefix, o, "add_prefix_space", err));
    EAI_TRY(tokenizer__field_name(&s->option, o, "prepend_scheme", schemes, 3, err));
    EAI_TRY(tokenizer__field_bool(&s->flag, o, "split", err));
    if (!add_prefix)
        s->option = PREPEND_NEVER;
    if (n == 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "replacement is '', not one character");
    return tokenizer__set_text(s, t, mark, n, err);
}

const tokenizer_kind tokenizer__pre_kinds[] = {
    {"Split", parse_split},
    {"ByteLevel", parse_byte_level},
    {"Metaspace", parse_metaspace},
    {"Digits", parse_digits},
    {"Punctuation", parse_punctuation},
    {"Whitespace", parse_whitespace},
    {"WhitespaceSplit", parse_whitespace_split},
    {"BertPreTokenizer", parse_bert},
    {"CharDelimiterSplit", parse_delimiter},
    {NULL, NULL},
};
