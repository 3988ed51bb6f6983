/* Keys of PEFT's rank_pattern and alpha_pattern: regular expressions on the names of modules.
 *
 * PEFT matches "(.*\.)?(KEY)$" from the start of the name with Python's `re`; PCRE2 reads the same
 * language as far as names of modules go. Keys come from a file of unknown origin, so the time that
 * one may take is bounded. Start at lora__match_pattern. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <efficientai/alloc.h>

#include "lora/lora.h"

#include "base/banned.h"

#define STEPS_MAX 100000 /* of matching one key with one name; honest ones take some hundred */

static void *pcre_alloc(size_t n, void *ud)
{
    (void)ud;
    return eai_alloc(n);
}

static void pcre_free(void *p, void *ud)
{
    (void)ud;
    eai_free(p);
}

/* What PCRE2 needs for one key. */
typedef struct matcher {
    pcre2_general_context *memory;
    pcre2_compile_context *compiling;
    pcre2_match_context *matching;
    pcre2_code *code;
    pcre2_match_data *match;
} matcher;

static void free_matcher(matcher *m)
{
    pcre2_match_data_free(m->match);
    pcre2_code_free(m->code);
    pcre2_match_context_free(m->matching);
    pcre2_compile_context_free(m->compiling);
    pcre2_general_context_free(m->memory);
}

static eai_status compile_key(matcher *m, const char *key, eai_error *err)
{
    int code = PCRE2_ERROR_NOMEMORY;
    PCRE2_SIZE offset = 0;
    PCRE2_UCHAR reason[120] = "";
    char *text = eai_asprintf("(.*\\.)?(%s)$", key);

    m->memory = text ? pcre2_general_context_create(pcre_alloc, pcre_free, NULL) : NULL;
    m->compiling = m->memory ? pcre2_compile_context_create(m->memory) : NULL;
    m->matching = m->compiling ? pcre2_match_context_create(m->memory) : NULL;
    if (m->matching)
        m->code =
            pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                          PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY, &code, &offset, m->compiling);
    m->match = m->code ? pcre2_match_data_create_from_pattern(m->code, m->memory) : NULL;
    eai_free(text);
    if (m->match) {
        pcre2_set_match_limit(m->matching, STEPS_MAX);
        return EAI_OK;
    }
    if (!m->matching || m->code || code == PCRE2_ERROR_HEAP_FAILED)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the pattern '%.100s'", key);
    pcre2_get_error_message(code, reason, sizeof(reason));
    return eai_error_set(err, EAI_ERR_FORMAT, "pattern '%.100s' is no regular expression: %s", key,
                         (const char *)reason);
}

static eai_status match_names(bool *out, const matcher *m, const char *key,
                              const eai_model_linear *linears, size_t n, eai_error *err)
{
    for (size_t i = 0; i < n; i++) {
        int code = pcre2_match(m->code, (PCRE2_SPTR)linears[i].name, PCRE2_ZERO_TERMINATED, 0, 0,
                               m->match, m->matching);
        out[i] = code > 0;
        if (code == PCRE2_ERROR_NOMEMORY)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the pattern '%.100s'", key);
        if (code < 0 && code != PCRE2_ERROR_NOMATCH)
            return eai_error_set(err, EAI_ERR_LIMIT, "pattern '%.100s' takes too long to match",
                                 key);
    }
    return EAI_OK;
}

eai_status lora__match_pattern(bool *out, const char *key, const eai_model_linear *linears,
                               size_t n, eai_error *err)
{
    matcher m = {0};
    eai_status st = compile_key(&m, key, err);
    if (st == EAI_OK)
        st = match_names(out, &m, key, linears, n, err);
    free_matcher(&m);
    return st;
}
