/* Models in several files: the index, what it may name, and that index and files must say the same.
 */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/fs.h>
#include <efficientai/weights.h>

#define A "a.safetensors"
#define B "b.safetensors"

static void path_in(char *buf, size_t n, const char *folder, const char *name)
{
    snprintf(buf, n, "%s/%s", folder, name);
}

/* Writes a file with the tensors of `names`, ended by NULL; values count up from `first`. */
static void write_shard(const char *folder, const char *file, const char *const *names, float first)
{
    char path[1024];
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    float values[6];
    path_in(path, sizeof(path), folder, file);
    assert_ok(eai_weights_create(&w, file, &err), &err);
    for (size_t i = 0; names[i]; i++) {
        for (int j = 0; j < 6; j++)
            values[j] = first++;
        assert_ok(eai_weights_add(w, names[i], EAI_F32, &EAI_SHAPE2(2, 3), values, &err), &err);
    }
    assert_ok(eai_weights_save(w, path, NULL, &err), &err);
    eai_weights_close(w);
}

/* A folder with a.safetensors (x, y) and b.safetensors (z), and `index` as its index. */
static char *make_folder(const char *index)
{
    char path[1024];
    eai_error err = EAI_ERROR_INIT;
    char *folder = eai_test_make_folder();
    write_shard(folder, A, (const char *const[]){"x", "y", NULL}, 0);
    write_shard(folder, B, (const char *const[]){"z", NULL}, 100);
    path_in(path, sizeof(path), folder, "model.safetensors.index.json");
    assert_ok(eai_fs_write_atomic(path, index, strlen(index), &err), &err);
    return folder;
}

static eai_status open_index(eai_weights **out, const char *folder, eai_error *err)
{
    char path[1024];
    path_in(path, sizeof(path), folder, "model.safetensors.index.json");
    return eai_weights_open(out, path, err);
}

#define GOOD "{\"weight_map\":{\"x\":\"" A "\",\"z\":\"" B "\",\"y\":\"" A "\"}}"

static void test_tensors_of_all_files_are_one_set(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char *folder = make_folder("{\n  \"metadata\": {\"total_size\": 72},\n  \"weight_map\": {"
                               "\"x\":\"" A "\",\"z\":\"" B "\",\"y\":\"" A "\"}}");
    assert_ok(open_index(&w, folder, &err), &err);
    assert_int_equal(eai_weights_count(w), 3);
    assert_true(eai_weights_file_bytes(w) > 3 * 24 && eai_weights_file_bytes(w) % 8 == 0);
    assert_true(((const float *)eai_weights_find(w, "x")->data)[0] == 0);
    assert_true(((const float *)eai_weights_find(w, "y")->data)[0] == 6);
    assert_true(((const float *)eai_weights_find(w, "z")->data)[5] == 105);
    assert_null(eai_weights_find(w, "w"));
    assert_non_null(strstr(eai_weights_path(w), "model.safetensors.index.json"));
    eai_weights_close(w);
    eai_test_remove_folder(folder);
}

/* A tensor may lie in two files; the index says which one counts. */
static void test_the_index_decides(void **state)
{
    (void)state;
    eai_error err = EAI_ERROR_INIT;
    eai_weights *w = NULL;
    char *folder = make_folder(GOOD);
    write_shard(folder, B, (const char *const[]){"z", "x", NULL}, 200);
    assert_ok(open_index(&w, folder, &err), &err);
    assert_int_equal(eai_weights_count(w), 3);
    assert_true(((const float *)eai_weights_find(w, "x")->data)[0] == 0);
    assert_true(((const float *)eai_weights_find(w, "z")->data)[0] == 200);
    eai_weights_close(w);
    eai_test_remove_folder(folder);
}

static void test_bad_indexes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        eai_status code;
        const char *text;
    } cases[] = {
        {"{\"weight_map\":", EAI_ERR_FORMAT, "model.safetensors.index.json"},
        {"{\"metadata\":{}}", EAI_ERR_FORMAT,
         "index.json: 'weight_map' is missing or no object of names"},
        {"{\"weight_map\":{}}", EAI_ERR_FORMAT, "'weight_map' is missing or no object"},
        {"{\"weight_map\":[1]}", EAI_ERR_FORMAT, "'weight_map' is missing or no object"},
        {"{\"weight_map\":{\"x\":1}}", EAI_ERR_FORMAT, "'weight_map' entry 'x': '(no text)'"},
        {"{\"weight_map\":{\"x\":\"../" A "\"}}", EAI_ERR_FORMAT,
         "'weight_map' entry 'x': '../" A "' is no name of a file beside the index"},
        {"{\"weight_map\":{\"x\":\"/etc/passwd\"}}", EAI_ERR_FORMAT, "'/etc/passwd' is no name"},
        {"{\"weight_map\":{\"x\":\"\"}}", EAI_ERR_FORMAT, "'' is no name"},
        {"{\"weight_map\":{\"x\":\"..\"}}", EAI_ERR_FORMAT, "'..' is no name"},
        {"{\"weight_map\":{\"x\":\"" A "\",\"x\":\"" A "\"}}", EAI_ERR_FORMAT, "duplicate"},
        {"{\"weight_map\":{\"x\":\"" A "\",\"y\":\"" A "\",\"z\":\"c.safetensors\"}}", EAI_ERR_IO,
         "c.safetensors'"},
        {"{\"weight_map\":{\"x\":\"" A "\",\"z\":\"" B "\"}}", EAI_ERR_FORMAT,
         "index.json: tensor 'y' of file '" A "' is not in the index"},
        {"{\"weight_map\":{\"x\":\"" A "\",\"y\":\"" A "\",\"z\":\"" B "\",\"w\":\"" B "\"}}",
         EAI_ERR_FORMAT, "index.json: tensor 'w' is not in file '" B "', where the index has it"},
        {"{\"weight_map\":{\"x\":\"model.safetensors.index.json\"}}", EAI_ERR_FORMAT,
         "an index of shards, where tensors are expected"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        eai_error err = EAI_ERROR_INIT;
        eai_weights *w = NULL;
        char *folder = make_folder(cases[i].index);
        assert_fails(open_index(&w, folder, &err), cases[i].code, &err, cases[i].text);
        assert_null(w);
        eai_test_remove_folder(folder);
    }
}

/* A shard that is damaged, or is no file of tensors. */
static void test_bad_shards_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        const char *text;
    } cases[] = {
        {"", "b.safetensors: neither a GGUF nor a safetensors file (0 bytes)"},
        {"\x40\0\0\0\0\0\0\0{", "b.safetensors: neither"},
        {"{\"weight_map\":{}}", "b.safetensors: an index of shards"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[1024];
        eai_error err = EAI_ERROR_INIT;
        eai_weights *w = NULL;
        char *folder = make_folder(GOOD);
        path_in(path, sizeof(path), folder, B);
        assert_ok(eai_fs_write_atomic(path, cases[i].content, strlen(cases[i].content), &err),
                  &err);
        assert_fails(open_index(&w, folder, &err), EAI_ERR_FORMAT, &err, cases[i].text);
        assert_null(w);
        eai_test_remove_folder(folder);
    }
}

static eai_status open_once(void *ud, eai_error *err)
{
    eai_weights *w = NULL;
    eai_status st = open_index(&w, ud, err);
    eai_weights_close(w);
    return st;
}

static void test_opening_survives_every_failing_allocation(void **state)
{
    (void)state;
    char *folder = make_folder(GOOD);
    eai_test_torture(open_once, folder);
    eai_test_remove_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors_of_all_files_are_one_set),
        cmocka_unit_test(test_the_index_decides),
        cmocka_unit_test(test_bad_indexes_are_refused),
        cmocka_unit_test(test_bad_shards_are_refused),
        cmocka_unit_test(test_opening_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
