/* Unpacking of a recorded machine. Start at machine_tree_put. */
#include "support/machine_tree.h"

#include "support/eai_test.h"

#include <efficientai/fs.h>

static FILE *start_file(const char *folder, const char *path)
{
    char whole[1024];
    eai_error err = EAI_ERROR_INIT;
    assert_true(snprintf(whole, sizeof(whole), "%s%s", folder, path) < (int)sizeof(whole));
    char *slash = strrchr(whole, '/');
    *slash = '\0';
    assert_ok(eai_fs_mkdir_p(whole, &err), &err);
    *slash = '/';
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    return f;
}

void machine_tree_put(const char *folder, const char *name, bool later)
{
    char line[1024];
    FILE *out = NULL;
    bool second = false;
    snprintf(line, sizeof(line), EAI_TEST_DATA "/machine/%s.tree", name);
    FILE *in = fopen(line, "r");
    assert_non_null(in);
    while (fgets(line, sizeof(line), in)) {
        bool starts = strncmp(line, "== ", 3) == 0;
        if (out && (starts || strcmp(line, "@\n") == 0)) {
            fclose(out);
            out = NULL;
        }
        if (strcmp(line, "@\n") == 0) {
            second = true;
        } else if (starts && second == later) {
            line[strcspn(line, "\n")] = '\0';
            out = start_file(folder, line + 3);
        } else if (out && !starts) {
            fputs(line, out);
        }
    }
    if (out)
        fclose(out);
    fclose(in);
}
