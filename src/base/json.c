/* Reading JSON with our errors. */
#include "base/json.h"

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/banned.h"

static eai_status parse(json_t **out, const char *text, size_t n, const char *label, size_t flags,
                        eai_error *err)
{
    json_error_t e;
    *out = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | flags, &e);
    if (*out)
        return EAI_OK;
    /* jansson 2.14 leaves the message empty for most allocations that fail */
    if (json_error_code(&e) == json_error_out_of_memory || e.text[0] == '\0')
        return eai_error_set(err, EAI_ERR_NOMEM, "%s: no memory for the JSON value", label);
    return eai_error_set(err, EAI_ERR_FORMAT, "%s:%d:%d: no valid JSON: %s", label, e.line,
                         e.column, e.text);
}

eai_status eai_json_parse(json_t **out, const char *text, size_t n, const char *label,
                          eai_error *err)
{
    return parse(out, text, n, label, 0, err);
}

static eai_status load(json_t **out, const char *path, size_t limit, size_t flags, eai_error *err)
{
    char *text = NULL;
    size_t n = 0;

    *out = NULL;
    EAI_TRY(eai_fs_read_file(&text, &n, path, limit, err));
    eai_status st = parse(out, text, n, path, flags, err);
    eai_free(text);
    return st;
}

eai_status eai_json_load(json_t **out, const char *path, size_t limit, eai_error *err)
{
    return load(out, path, limit, 0, err);
}

eai_status eai_json_load_reals(json_t **out, const char *path, size_t limit, eai_error *err)
{
    return load(out, path, limit, JSON_DECODE_INT_AS_REAL, err);
}
