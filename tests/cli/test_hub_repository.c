/* Repositories of Hugging Face's hub without a network: their names, lists of files and which of
 * them are taken, manifests, the cache - what is refused, and with no memory. Fetching is in
 * tests/projects/models_of_hub.py. */
#include "support/eai_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hub.h>

#include "cli/http.h"
#include "cli/hub_internal.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* of "abc" */
#define BLOB   "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f"

static int use_empty_cache(void **state)
{
    *state = eai_test_make_folder();
    return setenv("EFFICIENTAI_CACHE", *state, 1);
}

static int remove_cache(void **state)
{
    eai_test_remove_folder(*state);
    return 0;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = eai_path_join(folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(eai_fs_mkdir_p(path, &err), &err);
    *slash = '/';
    assert_ok(eai_fs_write_atomic(path, text, strlen(text), &err), &err);
    eai_free(path);
}

/* A repository of one file as a fetch leaves it. */
static void put_repository(const char *cache, const char *name, const char *ref)
{
    char *folder = eai_asprintf("%s/hf/%s", cache, name);
    char *refs = eai_asprintf("refs/%s", ref);
    write_file(folder, refs, COMMIT "\n");
    write_file(folder, "snapshots/" COMMIT "/m.gguf", "abc");
    write_file(
        folder, "manifests/" COMMIT ".json",
        "{\"repository\": \"org/name\", \"commit\": \"" COMMIT "\", \"licence\": \"mit\", "
        "\"model\": \"m.gguf\", \"files\": [{\"name\": \"m.gguf\", \"bytes\": 3, \"sha256\": "
        "\"" SHA256 "\"}]}");
    eai_free(folder);
    eai_free(refs);
}

/* ---- Names ----------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    static const char *const bad[] = {
        "hf:",          "hf:name",       "hf:/name",        "hf:org/",         "hf:org/a/b",
        "hf:../a",      "hf:org/..",     "hf:org/a..b",     "hf:-org/a",       "hf:org/a.",
        "hf:org/a@",    "hf:org/a@../",  "hf:org/a@x/../y", "hf:org/a@x//y",   "hf:org/a b",
        "hf:org/a@b c", "hf:org@main/a", "hf:org/a\n",      "hf:org/\xc3\xa9",
    };
    eai_error err = EAI_ERROR_INIT;
    hf_name name;
    assert_true(eai_hub_is_repository("hf:x"));
    assert_false(eai_hub_is_repository("./hf:org/name"));
    assert_ok(hf__name_parse(&name, "hf:Qwen/Qwen2.5-0.5B_x", &err), &err);
    assert_string_equal(name.repository, "Qwen/Qwen2.5-0.5B_x");
    assert_string_equal(name.revision, "main");
    hf__name_deinit(&name);
    assert_ok(hf__name_parse(&name, "hf:org/name@refs/pr/1", &err), &err);
    char *expected = eai_asprintf("%s/hf/org/name/refs/refs%%2Fpr%%2F1", (char *)*state);
    assert_string_equal(name.ref, expected);
    assert_string_equal(name.revision, "refs/pr/1");
    eai_free(expected);
    hf__name_deinit(&name);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_fails(hf__name_parse(&name, bad[i], &err), EAI_ERR_ARGUMENT, &err,
                     "is no name of a repository: hf:ORGANISATION/NAME");
}

static void test_file_names(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "a/b.c", ".gitattributes", "..a", "a..", "\xc3\xa9"};
    static const char *const bad[] = {"",     "/",     "/a",    "a/",       "a//b",
                                      ".",    "..",    "../a",  "a/..",     "a/./b",
                                      "a\\b", "a\x1f", "a\x7f", "a\xc2\x85"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(hub__name_is_safe(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hub__name_is_safe(bad[i]));
}

static void test_escape(void **state)
{
    (void)state;
    char *text = http__escape("a/b c%\xc3\xa9?#-._~", true);
    assert_string_equal(text, "a/b%20c%25%C3%A9%3F%23-._~");
    eai_free(text);
    text = http__escape("refs/pr/1", false);
    assert_string_equal(text, "refs%2Fpr%2F1");
    eai_free(text);
    text = http__escape("", false);
    assert_string_equal(text, "");
    eai_free(text);
}

static void take_lines(http_response *r, const char *const *lines)
{
    *r = (http_response){.content_length = -1};
    for (; *lines; lines++)
        http__take_header(r, *lines, strlen(*lines));
}

static void test_the_head_of_an_answer(void **state)
{
    (void)state;
    http_response r;
    char etag[300];
    take_lines(&r, (const char *const[]){"HTTP/1.1 100 Continue\r\n", "ETag: \"old\"\r\n", "\r\n",
                                         "HTTP/2 206\r\n", "content-length:  100 \r\n",
                                         "Content-Range: bytes 1-100/200\r\n", "Retry-After: 3\r\n",
                                         "Etag-Like: \"no\"\r\n", NULL});
    assert_int_equal(r.status, 206);
    assert_int_equal(r.content_length, 100);
    assert_int_equal(r.retry_after, 3);
    assert_string_equal(r.content_range, "bytes 1-100/200");
    assert_string_equal(r.etag, "");
    int n = snprintf(etag, sizeof(etag), "ETag: \"%0280d\"", 1); /* too long: as good as none */
    http__take_header(&r, etag, (size_t)n);
    assert_string_equal(r.etag, "");
    take_lines(&r, (const char *const[]){"HTTP/1.1 9999999999\r\n", NULL});
    assert_int_equal(r.status, 999);
    take_lines(&r, (const char *const[]){"HTTP/1.1 20\r\n", NULL});
    assert_int_equal(r.status, 0);
    /* no byte behind the length is looked at */
    http__take_header(&r, "HTTP/1.1 2000", strlen("HTTP/1.1 20"));
    assert_int_equal(r.status, 0);
}

static void test_content_ranges(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "bytes",
        "bytes 0-9/*",
        "bytes */10",
        "bytes -1-9/10",
        "bytes +0-9/10",
        "bytes 0- 9/10",
        "bytes 0-9/10 ",
        "bytes 9-1/10",
        "bytes 0-10/10",
        "bytes 0-1/18446744073709551616",
        "items 0-9/10",
    };
    uint64_t from = 0;
    uint64_t total = 0;
    assert_true(hub__content_range(&from, &total, "bytes 100-199/200"));
    assert_int_equal(from, 100);
    assert_int_equal(total, 200);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(hub__content_range(&from, &total, bad[i]));
}

/* ---- Lists of files -------------------------------------------------------------------------- */

/* A listing of files of one byte with these names, NULL at the end. */
static char *listing_of(const char *const *names)
{
    char *text = eai_strdup("{\"sha\": \"" COMMIT "\", \"siblings\": [");
    for (size_t i = 0; names[i]; i++) {
        char *longer =
            eai_asprintf("%s%s{\"rfilename\": \"%s\", \"size\": 1, \"blobId\": \"" BLOB "\"}", text,
                         i ? ", " : "", names[i]);
        eai_free(text);
        text = longer;
    }
    char *whole = eai_asprintf("%s]}", text);
    eai_free(text);
    return whole;
}

/* The chosen names with blanks between, sorted; the model to open in front. New memory. */
static char *choice_of(const char *const *names, const char *pattern)
{
    eai_error err = EAI_ERROR_INIT;
    const char *model;
    hub_listing l;
    char *text = listing_of(names);
    assert_ok(hub__listing_parse(&l, text, strlen(text), &err), &err);
    assert_ok(hub__listing_choose(&model, &l, pattern, &err), &err);
    char *result = eai_asprintf("%s:", model);
    for (size_t i = 0; i < l.n_entries; i++) {
        char *longer = l.entries[i].is_chosen ? eai_asprintf("%s %s", result, l.entries[i].name)
                                              : eai_strdup(result);
        eai_free(result);
        result = longer;
    }
    hub__listing_deinit(&l);
    eai_free(text);
    return result;
}

static void test_choices(void **state)
{
    (void)state;
    static const struct {
        const char *names[8];
        const char *pattern;
        const char *expected;
    } cases[] = {
        {{"model.safetensors", "model.fp16.safetensors", "config.json", "README.md", "a.gguf",
          "sub/config.json", "tokenizer_config.json"},
         NULL,
         "model.safetensors: config.json model.safetensors tokenizer_config.json"},
        {{"model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors",
          "model.safetensors.index.json", "consolidated.safetensors"},
         NULL,
         "model.safetensors.index.json: model-00001-of-00002.safetensors "
         "model-00002-of-00002.safetensors model.safetensors.index.json"},
        {{"adapter_model.safetensors", "adapter_config.json", "x.safetensors"},
         NULL,
         "adapter_model.safetensors: adapter_config.json adapter_model.safetensors"},
        {{"a.safetensors", "b.safetensors"}, NULL, ": a.safetensors b.safetensors"},
        {{"sub/m.gguf", "chat_template.jinja"}, NULL, "sub/m.gguf: chat_template.jinja sub/m.gguf"},
        {{"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"},
         NULL,
         "m-00001-of-00002.gguf: m-00001-of-00002.gguf m-00002-of-00002.gguf"},
        {{"model.safetensors", "q4.gguf", "q8.gguf", "merges.txt"},
         "q4*",
         "q4.gguf: merges.txt q4.gguf"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *seen = choice_of(cases[i].names, cases[i].pattern);
        assert_string_equal(seen, cases[i].expected);
        eai_free(seen);
    }
}

static void test_listings_that_are_refused(void **state)
{
    (void)state;
    static const char *const several[] = {"a.gguf", "b.gguf", NULL};
    eai_error err = EAI_ERROR_INIT;
    const char *model;
    hub_listing l;
    char *text = listing_of(several);
    assert_ok(hub__listing_parse(&l, text, strlen(text), &err), &err);
    assert_fails(hub__listing_choose(&model, &l, NULL, &err), EAI_ERR_NOT_FOUND, &err,
                 "name one with --file; there are: a.gguf, b.gguf");
    assert_fails(hub__listing_choose(&model, &l, "c*", &err), EAI_ERR_NOT_FOUND, &err,
                 "no file matches");
    assert_string_equal(model, "");
    hub__listing_deinit(&l);
    eai_free(text);
    static const char lfs[] = "{\"sha\": \"" COMMIT "\", \"siblings\": [{\"rfilename\": \"a\", "
                              "\"size\": 1, \"lfs\": {\"sha256\": \"abc\", \"size\": 1}}]}";
    assert_fails(hub__listing_parse(&l, lfs, strlen(lfs), &err), EAI_ERR_FORMAT, &err,
                 "file 'a': its SHA-256 is not 64 digits");
    assert_int_equal(l.n_entries, 0);
}

static eai_status parse_and_choose(void *ud, eai_error *err)
{
    const char *model;
    hub_listing l;
    EAI_TRY(hub__listing_parse(&l, ud, strlen(ud), err));
    eai_status st = hub__listing_choose(&model, &l, NULL, err);
    hub__listing_deinit(&l);
    return st;
}

/* ---- The cache ------------------------------------------------------------------------------- */

static void test_cache(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_hub_cache *cache = NULL;
    char *path = NULL;
    assert_fails(eai_hub_resolve(&path, "hf:org/name", &err), EAI_ERR_NOT_FOUND, &err,
                 "model 'hf:org/name': it is not on this machine yet; run: efficientai models get "
                 "hf:org/name");
    assert_ok(eai_hub_cache_open(&cache, &err), &err);
    assert_int_equal(eai_hub_cache_count(cache), 0);
    eai_hub_cache_close(cache);

    put_repository(*state, "org/name", "main");
    put_repository(*state, "org/name", "refs%2Fpr%2F1");
    put_repository(*state, "a/b", "main");
    write_file(*state, "hf/a/b/refs/broken", "no commit\n");
    write_file(*state, "hf/stray", "a file in the way\n");
    assert_ok(eai_hub_resolve(&path, "hf:org/name", &err), &err);
    assert_true(eai_fs_exists(path));
    assert_ok(eai_hub_check("hf:org/name", &err), &err);
    assert_ok(eai_hub_cache_open(&cache, &err), &err);
    assert_int_equal(eai_hub_cache_count(cache), 3);
    assert_string_equal(eai_hub_cache_at(cache, 0)->name, "hf:a/b");
    assert_string_equal(eai_hub_cache_at(cache, 1)->name, "hf:org/name");
    assert_string_equal(eai_hub_cache_at(cache, 2)->name, "hf:org/name@refs/pr/1");
    assert_string_equal(eai_hub_cache_at(cache, 1)->path, path);
    assert_string_equal(eai_hub_cache_at(cache, 1)->sha256, SHA256);
    assert_int_equal(eai_hub_cache_at(cache, 1)->bytes, 3);
    assert_null(eai_hub_cache_at(cache, 3));
    eai_hub_cache_close(cache);

    assert_ok(eai_fs_write_atomic(path, "abd", 3, &err), &err);
    assert_fails(eai_hub_check("hf:org/name", &err), EAI_ERR_FORMAT, &err,
                 "is damaged: SHA-256 is");
    assert_int_equal(unlink(path), 0);
    assert_fails(eai_hub_check("hf:org/name", &err), EAI_ERR_NOT_FOUND, &err, "is missing");
    assert_ok(eai_hub_check("/some/file", &err), &err); /* nothing is recorded of it */
    eai_free(path);
}

static void test_manifests_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"\", \"commit\": \"../x\"}",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"\", \"commit\": \"" COMMIT "\"}",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"x\", \"commit\": \"" COMMIT
        "\", \"files\": []}",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"\", \"commit\": \"" COMMIT
        "\", \"files\": [{\"name\": \"../a\", \"bytes\": 1, \"sha256\": \"" SHA256 "\"}]}",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"\", \"commit\": \"" COMMIT
        "\", \"files\": [{\"name\": \"a\", \"bytes\": -1, \"sha256\": \"" SHA256 "\"}]}",
        "{\"repository\": \"a/b\", \"licence\": \"\", \"model\": \"\", \"commit\": \"" COMMIT
        "\", \"files\": [{\"name\": \"a\", \"bytes\": 1, \"sha256\": \"12\"}]}",
    };
    eai_error err = EAI_ERROR_INIT;
    hub_manifest m;
    char *path = eai_path_join(*state, "manifest.json");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_ok(eai_fs_write_atomic(path, bad[i], strlen(bad[i]), &err), &err);
        assert_fails(hub__manifest_load(&m, path, &err), EAI_ERR_FORMAT, &err, "manifest.json: ");
        assert_int_equal(m.n_files, 0);
    }
    eai_free(path);
}

static eai_status write_and_load(void *ud, eai_error *err)
{
    hub_manifest m = {.repository = eai_strdup("a/b"),
                      .licence = eai_strdup("\"mit\""),
                      .model = eai_strdup("b"),
                      .commit = COMMIT};
    hub_manifest again = {0};
    eai_status st = m.repository && m.licence && m.model
                        ? hub__manifest_put(&m, "a", 5, SHA256, err)
                        : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a manifest");
    if (st == EAI_OK)
        st = hub__manifest_put(&m, "b", 7, SHA256, err);
    if (st == EAI_OK)
        st = hub__manifest_put(&m, "a", 6, SHA256, err);
    if (st == EAI_OK)
        st = hub__manifest_write(&m, ud, err);
    if (st == EAI_OK)
        st = hub__manifest_load(&again, ud, err);
    if (st == EAI_OK) {
        assert_int_equal(again.n_files, 2);
        assert_int_equal(hub__manifest_bytes(&again), 13);
        assert_string_equal(again.licence, "\"mit\"");
        assert_string_equal(again.commit, COMMIT);
        assert_int_equal(hub__manifest_find(&again, "a")->bytes, 6);
    }
    hub__manifest_deinit(&again);
    hub__manifest_deinit(&m);
    return st;
}

static eai_status use_cache(void *ud, eai_error *err)
{
    eai_hub_cache *cache = NULL;
    char *path = NULL;
    (void)ud;
    eai_status st = eai_hub_resolve(&path, "hf:org/name", err);
    if (st == EAI_OK)
        st = eai_hub_check("hf:org/name", err);
    if (st == EAI_OK)
        st = eai_hub_cache_open(&cache, err);
    eai_hub_cache_close(cache);
    eai_free(path);
    return st;
}

static void test_without_memory(void **state)
{
    static const char *const names[] = {"a.gguf", "config.json", NULL};
    char *path = eai_path_join(*state, "manifest.json");
    char *text = listing_of(names);
    eai_test_torture(write_and_load, path);
    eai_test_torture(parse_and_choose, text);
    put_repository(*state, "org/name", "main");
    eai_test_torture(use_cache, NULL);
    eai_free(path);
    eai_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_the_head_of_an_answer),
        cmocka_unit_test(test_content_ranges),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_listings_that_are_refused),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_manifests_that_are_refused),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, use_empty_cache, remove_cache);
}
