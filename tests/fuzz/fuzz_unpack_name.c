/* Fuzz target: the name of an archive's entry, and behind a NUL where it links to. A name that is
 * accepted stays below its folder and is cleaned already; a link that is accepted stays there too,
 * whatever the parts that it goes down through are. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>

#include "files/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
    char *again = NULL;

    for (const char *part = name; *part;) {
        size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && memcmp(part, "..", 2) == 0))
            abort();
        part += n;
        if (part[0] == '/' && part[1] == '\0')
            abort();
        part += *part == '/';
    }
    if (unpack__clean_name(&again, name, 32, NULL) != EAI_OK || strcmp(again, name) != 0)
        abort();
    eai_free(again);
}

/* Up as often as the link's folder is deep, and no ".." behind anything else. */
static void check_link(const char *name, const char *target)
{
    const char *down = target;
    int depth = 0;

    for (const char *c = name; *c; c++)
        depth += *c == '/';
    for (;;) {
        if (strncmp(down, "../", 3) == 0 || strcmp(down, "..") == 0) {
            depth--;
            down += 2;
        } else if (strncmp(down, "./", 2) == 0 || (down > target && *down == '/')) {
            down += 1;
        } else {
            break;
        }
    }
    if (depth < 0 || target[0] == '/' || strstr(down, "/../") != NULL)
        abort();
}

static void try_names(const char *raw, const char *target)
{
    eai_error err = EAI_ERROR_INIT;
    unpack_names names = {.max_n = 100};
    unpack_name *found = NULL;
    char *name = NULL;
    eai_status st = unpack__clean_name(&name, raw, 32, &err);

    if (st != EAI_OK) {
        if (name || err.code != st || err.message[0] == '\0')
            abort();
        return;
    }
    check_name(name);
    if (unpack__check_link(name, target, &err) == EAI_OK)
        check_link(name, target);
    if (name[0] && unpack__names_add(&names, name, UNPACK_FILE, &err) == EAI_OK) {
        if (unpack__names_find(&found, &names, name, &err) != EAI_OK || !found ||
            unpack__names_add(&names, name, UNPACK_FILE, &err) != EAI_ERR_FORMAT)
            abort();
    }
    unpack__names_deinit(&names);
    eai_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = eai_alloc(size + 2);

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = text[size + 1] = '\0';
    try_names(text, text + strlen(text) + 1);
    eai_free(text);
    return 0;
}
