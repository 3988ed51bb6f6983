/* The registry: built-in projects, and what plugins of every kind lead to. */
#include "support/eai_test.h"

#include <stdlib.h>

#include <efficientai/alloc.h>
#include <efficientai/project.h>

static const eai_command no_commands[] = {{0}};
static const eai_project builtin_a = {EAI_PROJECT_ABI, sizeof(eai_project), "a", "1",
                                      "first",         no_commands};
static const eai_project builtin_plugged = {EAI_PROJECT_ABI, sizeof(eai_project), "plugged-in", "1",
                                            "built in",      no_commands};

/* Warnings, one after the other. */
typedef struct warnings {
    size_t n;
    char text[4096];
} warnings;

static void note_warning(void *ud, const char *message)
{
    warnings *w = ud;
    size_t used = strlen(w->text);
    w->n++;
    snprintf(w->text + used, sizeof(w->text) - used, "%s\n", message);
}

static eai_registry *make_registry(const eai_project *const *projects, size_t n)
{
    eai_error err = EAI_ERROR_INIT;
    eai_registry *r = NULL;
    assert_ok(eai_registry_create(&r, projects, n, &err), &err);
    return r;
}

static void test_builtin(void **state)
{
    (void)state;
    const eai_project *const projects[] = {&builtin_a, &builtin_plugged};
    eai_registry *r = make_registry(projects, 2);
    assert_int_equal(eai_registry_count(r), 2);
    assert_ptr_equal(eai_registry_at(r, 1), &builtin_plugged);
    assert_null(eai_registry_at(r, 2));
    assert_ptr_equal(eai_registry_find(r, "a"), &builtin_a);
    assert_null(eai_registry_find(r, "b"));
    eai_registry_free(r);
    eai_registry_free(NULL);
}

/* One good plugin; its twin, an old one, a nameless one, one without a descriptor and a text file
 * are each told about and left out; notes.txt is not even looked at. */
static void test_plugins(void **state)
{
    (void)state;
    const eai_project *const projects[] = {&builtin_a};
    warnings w = {0};
    eai_registry *r = make_registry(projects, 1);
    eai_registry_add_plugins(r, EAI_TEST_PLUGINS, note_warning, &w);
    assert_int_equal(eai_registry_count(r), 2);
    const eai_project *p = eai_registry_find(r, "plugged-in");
    assert_non_null(p);
    assert_string_equal(p->version, "9.9");
    assert_non_null(eai_project_find_command(p, "hello"));
    assert_null(eai_project_find_command(p, "goodbye"));
    assert_int_equal(w.n, 5);
    assert_non_null(strstr(w.text, "good_again.so': there is a project 'plugged-in' already"));
    assert_non_null(strstr(w.text, "old.so': built for interface 0"));
    assert_non_null(strstr(w.text, "nameless.so': name, version, summary or commands are missing"));
    assert_non_null(strstr(w.text, "empty.so': has no symbol eai_project_descriptor"));
    assert_non_null(strstr(w.text, "broken.so"));
    assert_null(strstr(w.text, "notes.txt"));
    eai_registry_free(r);
}

static void test_builtin_wins(void **state)
{
    (void)state;
    const eai_project *const projects[] = {&builtin_plugged};
    warnings w = {0};
    eai_registry *r = make_registry(projects, 1);
    eai_registry_add_plugins(r, EAI_TEST_PLUGINS, note_warning, &w);
    assert_int_equal(eai_registry_count(r), 1);
    assert_ptr_equal(eai_registry_find(r, "plugged-in"), &builtin_plugged);
    assert_int_equal(w.n, 6);
    eai_registry_free(r);
}

static void test_folder_lists(void **state)
{
    (void)state;
    warnings w = {0};
    eai_registry *r = make_registry(NULL, 0);
    eai_registry_add_plugins(r, NULL, note_warning, &w);
    eai_registry_add_plugins(r, "", note_warning, &w);
    eai_registry_add_plugins(r, "::", note_warning, &w);
    assert_int_equal(w.n, 0);
    eai_registry_add_plugins(r, "/no/such/folder::/nor/this/one:", note_warning, &w);
    assert_int_equal(w.n, 2);
    assert_non_null(strstr(w.text, "'/nor/this/one': No such file or directory"));
    eai_registry_add_plugins(r, "/no/such/folder", NULL, NULL); /* nobody listens */
    assert_int_equal(eai_registry_count(r), 0);
    eai_registry_free(r);
}

static eai_status create_many(void *ud, eai_error *err)
{
    (void)ud;
    const eai_project *projects[20];
    eai_registry *r = NULL;
    for (int i = 0; i < 20; i++)
        projects[i] = &builtin_a;
    eai_status st = eai_registry_create(&r, projects, 20, err);
    eai_registry_free(r);
    return st;
}

static void test_without_memory(void **state)
{
    (void)state;
    eai_test_torture(create_many, NULL);
}

/* Plugins whose n-th allocation fails: reported, never a crash, and the good one is there or not.
 */
static void test_plugins_without_memory(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 60; n++) {
        warnings w = {0};
        eai_registry *r = make_registry(NULL, 0);
        eai_alloc_fail_at(n);
        eai_registry_add_plugins(r, EAI_TEST_PLUGINS, note_warning, &w);
        bool reached = eai_alloc_count() >= n;
        eai_alloc_fail_at(0);
        assert_true(w.n > 0);
        assert_true(reached ? eai_registry_count(r) <= 1 : eai_registry_count(r) == 1);
        eai_registry_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),        cmocka_unit_test(test_plugins),
        cmocka_unit_test(test_builtin_wins),   cmocka_unit_test(test_folder_lists),
        cmocka_unit_test(test_without_memory), cmocka_unit_test(test_plugins_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
