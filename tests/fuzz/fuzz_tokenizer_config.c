/* Fuzz target: the small files beside a tokenizer.json, as members of one JSON object: "config",
 * "special_map", "generation", "model_config". Special ids of a tokenizer that is accepted are in
 * its vocabulary. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "base/json.h"
#include "formats/tokenizer_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char plain_text[] =
    "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"<s>\": 0, \"</s>\": 1, \"a\": 2}, \"merges\": "
    "[]}}";

/* Borrowed; absent unless it is an object, as a file that is none is refused before. */
static json_t *member(json_t *root, const char *key)
{
    json_t *v = json_object_get(root, key);
    return json_is_object(v) ? v : NULL;
}

static void check_id(const eai_tokenizer *t, int32_t id)
{
    if (id < -1 || (id >= 0 && !eai_tokenizer_token(t, id, NULL)))
        abort();
}

static void check_accepted(const eai_tokenizer *t)
{
    int32_t *ids = NULL;
    size_t n = 0;
    check_id(t, t->bos);
    check_id(t, t->eos);
    check_id(t, t->pad);
    check_id(t, t->unk);
    for (size_t i = 0; i < t->n_ends; i++)
        check_id(t, t->ends[i]);
    if (eai_tokenizer_encode(&ids, &n, t, "a", 1, EAI_TOKENIZE_ADD_SPECIAL, NULL) != EAI_OK)
        abort();
    for (size_t i = 0; i < n; i++)
        check_id(t, ids[i]);
    eai_free(ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *plain;
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *t = NULL;
    json_t *root = NULL;

    if (!plain)
        plain = json_loads(plain_text, 0, NULL);
    if (eai_json_parse(&root, (const char *)data, size, "input", &err) != EAI_OK)
        return -1; /* other targets are for JSON itself: keep it out of the corpus */
    tokenizer_folder f = {.path = "/nonexistent",
                          .config = member(root, "config"),
                          .special_map = member(root, "special_map"),
                          .generation = member(root, "generation"),
                          .model_config = member(root, "model_config")};
    if (tokenizer__read_json(&t, plain, &err) != EAI_OK)
        abort();
    eai_status st = tokenizer__use_folder(t, &f, &err);
    if (st == EAI_OK)
        check_accepted(t);
    else if (err.code != st || strncmp(err.message, f.path, strlen(f.path)) != 0)
        abort();
    eai_tokenizer_free(t);
    json_decref(root);
    return 0;
}
