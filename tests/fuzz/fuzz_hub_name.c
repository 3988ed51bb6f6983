/* Fuzz target: names of repositories, "hf:org/name@revision", and of files in them. An accepted one
 * stays inside the cache whatever it is made of, and is the same again from its parts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/hub_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CACHE    "/cache"
#define MAX_NAME 1024

/* A path below `folder` with no part that leads out of it. */
static void check_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0 || path[n] != '/')
        abort();
    if (strstr(path, "/../") || strstr(path, "/./") || strstr(path, "//"))
        abort();
    n = strlen(path);
    if (path[n - 1] == '/' || (n > 2 && strcmp(path + n - 3, "/..") == 0))
        abort();
}

static void check_accepted(const hf_name *name)
{
    char text[MAX_NAME + 8];
    eai_error err = EAI_ERROR_INIT;
    hf_name again;
    check_inside(name->folder, CACHE "/hf");
    check_inside(name->ref, name->folder);
    snprintf(text, sizeof(text), "hf:%s@%s", name->repository, name->revision);
    if (hf__name_parse(&again, text, &err) != EAI_OK ||
        strcmp(again.repository, name->repository) != 0 ||
        strcmp(again.revision, name->revision) != 0 || strcmp(again.ref, name->ref) != 0)
        abort();
    hf__name_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_NAME + 1];
    char path[MAX_NAME + 8];
    eai_error err = EAI_ERROR_INIT;
    hf_name name;

    if (size > MAX_NAME - 3)
        return -1;
    setenv("EFFICIENTAI_CACHE", CACHE, 1);
    memcpy(text, "hf:", 3);
    memcpy(text + 3, data, size);
    text[3 + size] = '\0';
    eai_status st = hf__name_parse(&name, text, &err);
    if (st == EAI_OK)
        check_accepted(&name);
    else if (name.folder || err.code != st || err.message[0] == '\0')
        abort();
    hf__name_deinit(&name);
    if (hub__name_is_safe(text + 3)) {
        snprintf(path, sizeof(path), "/f/%s", text + 3);
        check_inside(path, "/f");
    }
    return 0;
}
