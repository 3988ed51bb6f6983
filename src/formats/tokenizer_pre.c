/* The pre-tokenizers that GGUF files name: how text is cut into words, one row a name.
 *
 * The names are those of tokenizer.ggml.pre. A row is what the model's own tokenizer.json says: a
 * sequence of patterns, each of which isolates its matches. To add a model: a row, and a line in
 * tools/oracles/tokenizer_lines.py that compares it with HF.
 *
 * What it does not do: normalization. Qwen 2's own tokenizer first brings text into form NFC; here,
 * as in llama.cpp, text is taken as it is. */
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "formats/tokenizer_internal.h"

#include "base/banned.h"

/* clang-format off */
#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define GPT2 CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
/* Every numeric character is first made a piece of its own, then each piece is cut as GPT-2 does: no
 * word reaches over a digit, and white space before a digit ends its piece as the end of text would.
 * One pattern for both, so that one pass finds the words. */
#define DIGITS_GPT2 "\\p{N}|" CONTRACTIONS "| ?\\p{L}+| ?[^\\s\\p{L}\\p{N}]+"                        \
    "|\\s+(?![^\\s\\p{N}])|\\s+"
#define CL100K(digits) "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                 \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(digits, tail) "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail                        \
    "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" tail "|" digits                                    \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
/* CJK ideographs, and everything from U+0800 to U+D7FF beside them, as the model's file has it */
#define DEEPSEEK_CJK "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+"
#define DEEPSEEK_LETTERS                                                                            \
    "\\s?[A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF" \
    "\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5" \
    "\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA"    \
    "\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45"    \
    "\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"      \
    "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC"    \
    "\u2102\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139" \
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3" \
    "\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06"    \
    "\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3"              \
    "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF"           \
    "\U0001E900-\U0001E943]+"
#define DEEPSEEK_V3_WORDS                                                                           \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const tokenizer_pre rows[] = {
    /* name            ignore_merges */
    {"default",          false, {GPT2}},
    {"gpt-2",            false, {GPT2}},
    {"phi-2",            false, {GPT2}},
    {"olmo",             false, {GPT2}},
    {"mpt",              false, {GPT2}},
    {"smollm",           false, {DIGITS_GPT2}}, /* SmolLM, SmolLM2 */
    {"starcoder",        false, {DIGITS_GPT2}},
    {"refact",           false, {DIGITS_GPT2}},
    {"command-r",        false, {DIGITS_GPT2}},
    {"codeshell",        false, {DIGITS_GPT2}},
    {"exaone",           false, {DIGITS_GPT2}},
    {"llama-bpe",        true,  {CL100K("\\p{N}{1,3}")}}, /* Llama 3 */
    {"llama3",           true,  {CL100K("\\p{N}{1,3}")}},
    {"falcon3",          true,  {CL100K("\\p{N}{1,3}")}},
    {"dbrx",             false, {CL100K("\\p{N}{1,3}")}},
    {"smaug-bpe",        false, {CL100K("\\p{N}{1,3}")}},
    {"glm4",             false, {CL100K("\\p{N}{1,3}")}},
    {"qwen2",            false, {CL100K("\\p{N}")}},      /* Qwen 2, 2.5 and 3 */
    {"stablelm2",        false, {CL100K("\\p{N}")}},
    {"deepseek-r1-qwen", false, {CL100K("\\p{N}")}},
    {"megrez",           false, {CL100K("\\p{N}")}},
    {"tekken",           true,  {CASED("\\p{N}", "")}},   /* Mistral NeMo */
    {"gpt-4o",           false, {CASED("\\p{N}{1,3}", "(?i:" CONTRACTIONS ")?")}},
    {"deepseek-llm",     false, {"[\\r\\n]", DEEPSEEK_LETTERS,
                                 "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+",
                                 "\\s+$", DEEPSEEK_CJK, "\\p{N}+"}},
    {"deepseek-coder",   false, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}},
    {"deepseek-v3",      false, {"\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
                                 DEEPSEEK_V3_WORDS}},
};
/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const char *const *eai_tokenizer_pre_names(void)
{
    static const char *const names[] = {
        "default",     "gpt-2",     "phi-2",  "olmo",         "mpt",
        "smollm",      "starcoder", "refact", "command-r",    "codeshell",
        "exaone",      "llama-bpe", "llama3", "falcon3",      "dbrx",
        "smaug-bpe",   "glm4",      "qwen2",  "stablelm2",    "deepseek-r1-qwen",
        "megrez",      "tekken",    "gpt-4o", "deepseek-llm", "deepseek-coder",
        "deepseek-v3", NULL};
    return names;
}

static eai_status no_such_pre(const char *name, eai_error *err)
{
    eai_strbuf known = EAI_STRBUF_INIT(1024);

    for (size_t i = 0; i < N_ROWS; i++)
        eai_strbuf_printf(&known, "%s%s", i ? ", " : "", rows[i].name);
    eai_status st =
        eai_error_set(err, EAI_ERR_UNSUPPORTED, "pre-tokenizer '%.64s' is not known (known: %s)",
                      name, eai_strbuf_get(&known));
    eai_strbuf_deinit(&known);
    return st;
}

const tokenizer_pre *tokenizer__find_pre(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (strcmp(rows[i].name, name ? name : "default") == 0)
            return &rows[i];
    return NULL;
}

eai_status tokenizer__use_pre(eai_tokenizer *t, const char *name, eai_error *err)
{
    const tokenizer_pre *row = tokenizer__find_pre(name);

    if (!row)
        return no_such_pre(name, err);
    for (size_t i = 0; i < TOKENIZER_PRE_PATTERNS && row->patterns[i]; i++) {
        eai_status st = tokenizer__add_split(t, row->patterns[i], TOKENIZER_ISOLATED, false, err);

        if (st != EAI_OK)
            return eai_error_context(err, st, "pre-tokenizer '%s'", row->name);
    }
    t->byte_level = true;
    t->ignore_merges = row->ignore_merges;
    return EAI_OK;
}
