/* The files of a tokenizer: what a GGUF file's metadata becomes, what is copied, what is left
 * alone. That HF's `tokenizers` reads them and gives our ids is checked by
 * tools/oracles/merged_folder.py. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <jansson.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/tokenizer_files.h>

#include "base/json.h"
#include "support/gguf_build.h"

/* Token 5 has the text of token 1; 6 holds what JSON must escape; 7 is cut out of text but no
 * control token. */
static const char *const tokens[] = {"<s>", "a", "b", "\xC4\xA0", "ab", "a", "\"\\", "<tag>"};
static const int32_t types[] = {3, 1, 1, 1, 1, 1, 1, 4};
#define N_TOKENS (sizeof(types) / sizeof(types[0]))
#define TEMPLATE "{{ bos_token }}\n{{ '\\n' }}"

typedef struct base {
    gguf_build file;
    eai_weights *w;
    eai_tokenizer *t;
} base;

static void add_strings(gguf_build *b, const char *key, const char *const *list, size_t n)
{
    gguf_build_meta_array(b, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        gguf_build_text(b, list[i]);
}

static void open_base(base *b, const char *pre, bool add_bos)
{
    eai_error err = EAI_ERROR_INIT;
    static const char *const merges[] = {"a b"};
    memset(b, 0, sizeof(*b));
    gguf_build_header(&b->file, 3, 0, 9);
    gguf_build_meta_string(&b->file, "general.architecture", "other");
    gguf_build_meta_string(&b->file, "tokenizer.ggml.model", "gpt2");
    gguf_build_meta_string(&b->file, "tokenizer.ggml.pre", pre);
    add_strings(&b->file, "tokenizer.ggml.tokens", tokens, N_TOKENS);
    gguf_build_meta_array(&b->file, "tokenizer.ggml.token_type", GGUF_I32, N_TOKENS);
    gguf_build_bytes(&b->file, types, sizeof(types));
    add_strings(&b->file, "tokenizer.ggml.merges", merges, 1);
    gguf_build_meta_u32(&b->file, "tokenizer.ggml.bos_token_id", 0);
    gguf_build_meta(&b->file, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    gguf_build_bytes(&b->file, add_bos ? "\1" : "\0", 1);
    gguf_build_meta_string(&b->file, "tokenizer.chat_template", TEMPLATE);
    gguf_build_pad(&b->file, 32);
    assert_ok(eai_weights_parse(&b->w, b->file.data, b->file.n, "tiny.gguf", &err), &err);
    assert_ok(eai_tokenizer_from_weights(&b->t, b->w, &err), &err);
}

static void close_base(base *b)
{
    eai_tokenizer_free(b->t);
    eai_weights_close(b->w);
    gguf_build_free(&b->file);
}

static json_t *load(const char *folder, const char *name)
{
    eai_error err = EAI_ERROR_INIT;
    json_t *root = NULL;
    char *path = eai_path_join(folder, name);
    assert_ok(eai_json_load(&root, path, 1 << 20, &err), &err);
    eai_free(path);
    return root;
}

/* The value under `key` of the file is the JSON text. */
static void assert_value(const json_t *root, const char *key, const char *text)
{
    json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(wanted);
    json_t *seen = json_object_get(root, key);
    if (!json_equal(seen, wanted)) {
        char *shown = seen ? json_dumps(seen, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
        print_message("%s: %s, not %s\n", key, shown ? shown : "nothing", text);
        free(shown);
        fail();
    }
    json_decref(wanted);
}

#define PLAIN_TOKEN "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"

static void a_gguf_tokenizer_becomes_four_files(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    base b;
    bool written;
    char *folder = eai_test_make_folder();
    open_base(&b, "smollm", false);
    assert_ok(eai_tokenizer_write_files(&written, b.t, b.w, folder, &err), &err);
    assert_true(written);
    json_t *root = load(folder, "tokenizer.json");
    assert_value(root, "added_tokens",
                 "[{\"id\":0,\"content\":\"<s>\"," PLAIN_TOKEN ",\"special\":true},"
                 "{\"id\":7,\"content\":\"<tag>\"," PLAIN_TOKEN ",\"special\":false}]");
    assert_value(root, "normalizer", "null");
    assert_value(root, "post_processor", "null");
    const json_t *model = json_object_get(root, "model");
    assert_value(model, "vocab",
                 "{\"<s>\":0,\"b\":2,\"\\u0120\":3,\"ab\":4,\"a\":5,\"\\\"\\\\\":6,\"<tag>\":7}");
    assert_value(model, "merges", "[\"a b\"]");
    assert_value(model, "ignore_merges", "false");
    json_decref(root);
    root = load(folder, "tokenizer_config.json");
    assert_value(root, "bos_token", "\"<s>\"");
    assert_null(json_object_get(root, "eos_token"));
    assert_string_equal(json_string_value(json_object_get(root, "chat_template")), TEMPLATE);
    json_decref(root);
    root = load(folder, "special_tokens_map.json");
    assert_value(root, "additional_special_tokens", "[\"<s>\"]");
    json_decref(root);
    root = load(folder, "generation_config.json");
    assert_value(root, "bos_token_id", "0");
    assert_value(root, "eos_token_id", "[]");
    json_decref(root);
    close_base(&b);
    eai_test_remove_folder(folder);
}

static void a_start_token_is_a_template(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    base b;
    bool written;
    char *folder = eai_test_make_folder();
    open_base(&b, "llama-bpe", true);
    assert_ok(eai_tokenizer_write_files(&written, b.t, b.w, folder, &err), &err);
    json_t *root = load(folder, "tokenizer.json");
    assert_value(json_object_get(root, "model"), "ignore_merges", "true");
    const json_t *post = json_object_get(root, "post_processor");
    assert_value(post, "single",
                 "[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
                 "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]");
    assert_value(post, "special_tokens",
                 "{\"<s>\":{\"id\":\"<s>\",\"ids\":[0],\"tokens\":[\"<s>\"]}}");
    json_decref(root);
    close_base(&b);
    eai_test_remove_folder(folder);
}

/* What was written is read as the same tokenizer. */
static void check_read_back(const eai_tokenizer *t, const char *folder)
{
    static const char text[] = "It's  12345 \u4E2D\u6587\u3042 don't\r\n\n HeLLo<s>!!a ";
    eai_error err = EAI_ERROR_INIT;
    eai_tokenizer *back = NULL;
    int32_t *ids[2] = {NULL, NULL};
    size_t n[2] = {0, 0};

    assert_ok(eai_tokenizer_load(&back, folder, &err), &err);
    for (int i = 0; i < 2; i++)
        assert_ok(eai_tokenizer_encode(&ids[i], &n[i], i ? back : t, text, strlen(text),
                                       EAI_TOKENIZE_ADD_SPECIAL | EAI_TOKENIZE_PARSE_SPECIAL, &err),
                  &err);
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(ids[0], ids[1], n[0] * sizeof(*ids[0]));
    eai_free(ids[0]);
    eai_free(ids[1]);
    eai_tokenizer_free(back);
}

/* Every pre-tokenizer that can be read can be written, as JSON. */
static void every_pre_tokenizer_has_a_row(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    for (const char *const *name = eai_tokenizer_pre_names(); *name; name++) {
        base b;
        bool written;
        char *folder = eai_test_make_folder();
        open_base(&b, *name, false);
        assert_ok(eai_tokenizer_write_files(&written, b.t, b.w, folder, &err), &err);
        assert_true(written);
        json_t *root = load(folder, "tokenizer.json");
        assert_non_null(json_object_get(json_object_get(root, "pre_tokenizer"), "type"));
        json_decref(root);
        check_read_back(b.t, folder);
        close_base(&b);
        eai_test_remove_folder(folder);
    }
}

/* The files beside a safetensors file, as they are; without any nothing is written. */
static void files_of_a_folder_are_copied(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    bool written;
    char *from = eai_test_make_folder();
    char *to = eai_test_make_folder();
    char *label = eai_path_join(from, "model.safetensors");
    char *source = eai_path_join(from, "tokenizer.json");
    char *target = eai_path_join(to, "tokenizer.json");
    char *text = NULL;
    assert_ok(eai_weights_create(&w, label, &err), &err);
    assert_ok(eai_tokenizer_write_files(&written, NULL, w, to, &err), &err);
    assert_false(written);
    assert_false(eai_fs_exists(target));
    assert_ok(eai_fs_write_atomic(source, "{\"any\": 1}", 10, &err), &err);
    assert_ok(eai_tokenizer_write_files(&written, NULL, w, to, &err), &err);
    assert_true(written);
    assert_ok(eai_fs_read_file(&text, NULL, target, 100, &err), &err);
    assert_string_equal(text, "{\"any\": 1}");
    eai_free(text);
    eai_free(label);
    eai_free(source);
    eai_free(target);
    eai_weights_close(w);
    eai_test_remove_folder(from);
    eai_test_remove_folder(to);
}

typedef struct writing {
    base b;
    char *folder;
} writing;

static eai_status write_all(void *ud, eai_error *err)
{
    writing *x = ud;
    bool written;
    EAI_TRY(eai_tokenizer_write_files(&written, x->b.t, x->b.w, x->folder, err));
    assert_true(written);
    return EAI_OK;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    writing x = {.folder = eai_test_make_folder()};
    open_base(&x.b, "qwen2", true);
    eai_test_torture(write_all, &x);
    close_base(&x.b);
    eai_test_remove_folder(x.folder);
}

static void every_call_of_the_disk_may_fail(void **state)
{
    (void)state;
    writing x = {.folder = eai_test_make_folder()};
    open_base(&x.b, "qwen2", true);
    eai_test_io_torture(write_all, NULL, &x, x.folder);
    close_base(&x.b);
    eai_test_remove_folder(x.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_tokenizer_becomes_four_files),
        cmocka_unit_test(a_start_token_is_a_template),
        cmocka_unit_test(every_pre_tokenizer_has_a_row),
        cmocka_unit_test(files_of_a_folder_are_copied),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_call_of_the_disk_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
