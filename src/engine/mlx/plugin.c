/* Finding and loading the plugin. What can be wrong is said in one line: no plugin, no MLX, another
 * table, another MLX than the plugin was compiled against (its C++ symbols change between patch
 * releases). */
#define _GNU_SOURCE /* dladdr; POSIX has it since 2024 */
#include "engine/mlx/plugin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "base/banned.h"

#if defined(__APPLE__)
#define PLUGIN "libefficientai_mlx.dylib"
#else
#define PLUGIN "libefficientai_mlx.so"
#endif
#define HINT "'make mlx' builds it, and EFFICIENTAI_MLX may name it"

/* FOLDER/TAIL if there is such a file, else NULL. */
static char *find_in(const char *folder, const char *tail)
{
    char *path = eai_asprintf("%s/%s", folder, tail);
    if (path && eai_fs_exists(path))
        return path;
    eai_free(path);
    return NULL;
}

/* The caller frees *out. */
static eai_status find_plugin(char **out, eai_error *err)
{
    const char *named = getenv("EFFICIENTAI_MLX");
    Dl_info info;

    *out = NULL;
    if (named && *named) {
        if (!eai_fs_exists(named))
            return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                                 "backend mlx: EFFICIENTAI_MLX names %s, which is not there",
                                 named);
        *out = eai_strdup(named);
        return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    if (!dladdr((void *)(uintptr_t)mlx__load, &info) || !info.dli_fname)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED, "backend mlx: no %s; " HINT, PLUGIN);
    char *folder = eai_strdup(info.dli_fname);
    if (!folder)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    char *slash = strrchr(folder, '/');
    snprintf(slash ? slash : folder, 2, "%s", slash ? "" : "."); /* a path has two bytes at least */
    *out = find_in(folder, PLUGIN);
    if (!*out)
        *out = find_in(folder, "../lib/" PLUGIN);
    if (!*out)
        eai_error_set(err, EAI_ERR_UNSUPPORTED, "backend mlx: no %s in %s or %s/../lib; " HINT,
                      PLUGIN, folder, folder);
    eai_free(folder);
    return *out ? EAI_OK : EAI_ERR_UNSUPPORTED;
}

static eai_status load(const mlx_face **out, const char *path, eai_error *err)
{
    typedef const mlx_face *get_face(void);
    get_face *get = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "backend mlx: the plugin cannot be loaded, is MLX installed? %s",
                             dlerror());
    void *symbol = dlsym(library, MLX_FACE_SYMBOL);
    memcpy(&get, &symbol, sizeof(get)); /* ISO C has no cast from data to functions */
    const mlx_face *face = get ? get() : NULL;
    if (!face || face->version != MLX_FACE_VERSION) {
        eai_error_set(
            err, EAI_ERR_UNSUPPORTED,
            "backend mlx: %s is of another version of this toolkit (table %d, wanted %d); "
            "'make mlx' builds it anew",
            path, face ? face->version : 0, MLX_FACE_VERSION);
        dlclose(library);
        return EAI_ERR_UNSUPPORTED;
    }
    if (strcmp(face->running(), face->built_against) != 0)
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "backend mlx: %s was built against MLX %s, but MLX %s is installed; "
                             "'make mlx' builds it anew",
                             path, face->built_against, face->running());
    EAI_LOG(DEBUG, "engine", "loaded %s, MLX %s", path, face->running());
    *out = face;
    return EAI_OK;
}

eai_status mlx__load(const mlx_face **out, eai_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const mlx_face *loaded;
    eai_status st = EAI_OK;

    pthread_mutex_lock(&lock);
    if (!loaded) {
        char *path = NULL;
        st = find_plugin(&path, err);
        if (st == EAI_OK)
            st = load(&loaded, path, err);
        eai_free(path);
    }
    *out = loaded;
    pthread_mutex_unlock(&lock);
    return st;
}
