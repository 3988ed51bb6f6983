/* The pre-tokenizers: how text is cut into words before merging, one row a name.
 *
 * The names are those of tokenizer.ggml.pre. A model's tokenizer is a sequence of splits; here each
 * sequence is one pattern, so that one pass finds the words. To add a model: a row, and a line in
 * tools/oracles/tokenizer_lines.py that compares it with HF.
 *
 * What it does not do: normalization. Qwen 2's own tokenizer first brings text into form NFC; here,
 * as in llama.cpp, text is taken as it is.
 *
 * Traps. \s means White_Space in HF's engine; PCRE2's also has U+180E, hence the class below.
 * The categories are those of the PCRE2 installed (10.42: Unicode 14); letters that later versions
 * of Unicode added fall among the symbols there. */
#include <stdio.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "formats/tokenizer_internal.h"

#include "base/banned.h"

/* clang-format off */
#define SPACE "\\p{Z}\\t-\\r\\x{85}" /* White_Space, inside a class */
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define GPT2 CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+"                           \
    "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"
/* Every numeric character is first made a piece of its own, then each piece is cut as GPT-2 does: no
 * word reaches over a digit, and white space before a digit ends its piece as the end of text would. */
#define DIGITS_GPT2 "\\p{N}|" CONTRACTIONS "| ?\\p{L}+| ?[^" SPACE "\\p{L}\\p{N}]+"                    \
    "|[" SPACE "]+(?![^" SPACE "\\p{N}])|[" SPACE "]+"
#define CL100K(digits) "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                   \
    "| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+"                                      \
    "|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"

static const tokenizer_pre rows[] = {
    /* name        pattern                   ignore_merges */
    {"default",    GPT2,                     false},
    {"gpt-2",      GPT2,                     false},
    {"smollm",     DIGITS_GPT2,              false}, /* SmolLM, SmolLM2 */
    {"starcoder",  DIGITS_GPT2,              false},
    {"llama-bpe",  CL100K("\\p{N}{1,3}"),    true},  /* Llama 3 */
    {"qwen2",      CL100K("\\p{N}"),         false}, /* Qwen 2, 2.5 and 3 */
};
/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const char *const *eai_tokenizer_pre_names(void)
{
    static const char *const names[] = {"default",   "gpt-2", "smollm", "starcoder",
                                        "llama-bpe", "qwen2", NULL};
    return names;
}

static void *pcre_alloc(size_t bytes, void *ud)
{
    bool *no_memory = ud;
    void *p = eai_alloc(bytes);

    if (!p)
        *no_memory = true;
    return p;
}

static void pcre_free(void *p, void *ud)
{
    (void)ud;
    eai_free(p);
}

static eai_status no_such_pre(const char *name, eai_error *err)
{
    char known[256];
    size_t n = 0;

    for (size_t i = 0; i < N_ROWS; i++)
        n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", rows[i].name);
    return eai_error_set(err, EAI_ERR_UNSUPPORTED, "pre-tokenizer '%.64s' is not known (known: %s)",
                         name, known);
}

eai_status tokenizer__compile_pre(eai_tokenizer *t, const char *name, eai_error *err)
{
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_compile_context *context = NULL;

    for (size_t i = 0; i < N_ROWS && !t->pre; i++)
        if (strcmp(rows[i].name, name ? name : "default") == 0)
            t->pre = &rows[i];
    if (!t->pre)
        return no_such_pre(name, err);
    t->pcre_context = pcre2_general_context_create(pcre_alloc, pcre_free, &t->pcre_no_memory);
    if (t->pcre_context)
        context = pcre2_compile_context_create(t->pcre_context);
    if (context)
        t->pattern = pcre2_compile((PCRE2_SPTR)t->pre->pattern, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_UCP, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (t->pattern)
        /* Refused where no executable memory may be had: matching then runs interpreted. */
        t->jit = pcre2_jit_compile(t->pattern, PCRE2_JIT_COMPLETE) == 0;
    if (t->pcre_no_memory)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the pre-tokenizer '%s'",
                             t->pre->name);
    if (!t->pattern)
        return eai_error_set(err, EAI_ERR_INTERNAL,
                             "pattern of pre-tokenizer '%s': PCRE2 error %d at offset %zu",
                             t->pre->name, code, (size_t)offset);
    return EAI_OK;
}
