/* See places.h. Start at places_prefix. */
#include "places.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/banned.h"

/* The path of this program in buf, links followed; false when the system does not tell. */
static bool executable_path(char *buf, size_t n)
{
#ifdef __APPLE__
    uint32_t size = (uint32_t)n;
    if (_NSGetExecutablePath(buf, &size) != 0)
        return false;
    char *real = realpath(buf, NULL);
    bool fits = real && strlen(real) < n;
    if (fits)
        memcpy(buf, real, strlen(real) + 1);
    free(real);
    return fits;
#else
    ssize_t length = readlink("/proc/self/exe", buf, n - 1);
    if (length < 0)
        return false;
    buf[length] = '\0';
    return true;
#endif
}

char *places_prefix(void)
{
    char path[4096];

    if (!executable_path(path, sizeof(path)))
        return NULL;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(path, '/');
        if (!slash)
            return NULL;
        *slash = '\0';
    }
    return eai_strdup(path);
}

/* Is there a file or folder of this name in the folder? */
static bool has(const char *folder, const char *name)
{
    char *path = eai_path_join(folder, name);
    bool found = path && eai_fs_exists(path);

    eai_free(path);
    return found;
}

char *places_build(void)
{
    char *prefix = places_prefix();

    if (prefix && !has(prefix, "CMakeCache.txt")) {
        eai_free(prefix);
        prefix = NULL;
    }
    return prefix;
}

/* The innermost folder from `path` upwards that is a source tree; `path` is cut. */
static bool climb_to_source(char *path)
{
    while (*path) {
        if (has(path, "projects") && has(path, "include/efficientai/project.h"))
            return true;
        char *slash = strrchr(path, '/');
        if (!slash)
            return false;
        *slash = '\0';
    }
    return false;
}

char *places_source(void)
{
    char *build = places_build();
    char here[PATH_MAX];

    if (build && climb_to_source(build))
        return build;
    eai_free(build);
    if (getcwd(here, sizeof(here)) && climb_to_source(here))
        return eai_strdup(here);
    return NULL;
}

char *places_program(const char *name)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        size_t n = strcspn(path, ":");
        char *file = eai_asprintf("%.*s/%s", (int)n, path, name);
        if (file && n > 0 && access(file, X_OK) == 0 && !eai_fs_is_folder(file))
            return file;
        eai_free(file);
        path += n + (path[n] == ':');
    }
    return NULL;
}

char *places_template(void)
{
    char *source = places_source();
    char *prefix = places_prefix();
    char *folder = source ? eai_path_join(source, "projects/template") : NULL;

    if (!folder || !eai_fs_is_folder(folder)) {
        eai_free(folder);
        folder = prefix ? eai_path_join(prefix, "share/efficientai/template") : NULL;
    }
    if (folder && !eai_fs_is_folder(folder)) {
        eai_free(folder);
        folder = NULL;
    }
    eai_free(source);
    eai_free(prefix);
    return folder;
}
