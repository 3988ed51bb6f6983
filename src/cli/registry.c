/* The projects of this program: the built-in ones, then plugins.
 *
 * Why: somebody's own project should appear in `efficientai --help` without a rebuild. A plugin is
 * a shared object that exports `eai_project_descriptor`. Its abi and size are checked before
 * anything else of it is read; one that does not fit is reported and left out, so that a broken
 * plugin never takes the command away. What it does not do: look for folders (apps/efficientai.c
 * knows them). Start at open_plugin. */
#include <efficientai/project.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>

#include "base/banned.h"

#define DESCRIPTOR  "eai_project_descriptor"
#define MAX_PLUGINS 1024 /* in one folder: above that it is not a folder of plugins */

typedef struct entry {
    const eai_project *project;
    void *handle; /* of dlopen; NULL: built in */
    char *path;   /* of the plugin, owned; NULL: built in */
} entry;

struct eai_registry {
    entry *entries;
    size_t n;
    size_t capacity;
};

/* Where complaints about plugins go. */
typedef struct warner {
    void (*warn)(void *ud, const char *message);
    void *ud;
} warner;

static void complain(const warner *w, const eai_error *err)
{
    if (w->warn)
        w->warn(w->ud, err->message);
}

/* `handle` and `path` of a plugin, NULL for what is built in. */
static eai_status add(eai_registry *r, const eai_project *project, void *handle, const char *path,
                      eai_error *err)
{
    char *copy = path ? eai_strdup(path) : NULL;

    if (path && !copy)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of projects");
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 8;
        entry *entries = eai_realloc_array(r->entries, capacity, sizeof(*entries));
        if (!entries) {
            eai_free(copy);
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of projects");
        }
        r->entries = entries;
        r->capacity = capacity;
    }
    r->entries[r->n++] = (entry){project, handle, copy};
    return EAI_OK;
}

eai_status eai_registry_create(eai_registry **out, const eai_project *const *builtin,
                               size_t n_builtin, eai_error *err)
{
    eai_status st = EAI_OK;
    *out = NULL;
    eai_registry *r = eai_alloc_zeroed(1, sizeof(*r));
    if (!r)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of projects");
    for (size_t i = 0; st == EAI_OK && i < n_builtin; i++)
        st = add(r, builtin[i], NULL, NULL, err);
    if (st == EAI_OK)
        *out = r;
    else
        eai_registry_free(r);
    return st;
}

void eai_registry_free(eai_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        eai_free(r->entries[i].path);
        if (r->entries[i].handle)
            dlclose(r->entries[i].handle);
    }
    eai_free(r->entries);
    eai_free(r);
}

size_t eai_registry_count(const eai_registry *r)
{
    return r->n;
}

const eai_project *eai_registry_at(const eai_registry *r, size_t i)
{
    return i < r->n ? r->entries[i].project : NULL;
}

const char *eai_registry_path(const eai_registry *r, size_t i)
{
    return i < r->n ? r->entries[i].path : NULL;
}

const eai_project *eai_registry_find(const eai_registry *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->entries[i].project->name, name) == 0)
            return r->entries[i].project;
    }
    return NULL;
}

/* ---- Plugins --------------------------------------------------------------------------------- */

static eai_status check_descriptor(const eai_registry *r, const eai_project *p, const char *path,
                                   eai_error *err)
{
    if (p->abi != EAI_PROJECT_ABI || p->size != sizeof(*p))
        return eai_error_set(err, EAI_ERR_UNSUPPORTED,
                             "plugin '%s': built for interface %u (%u bytes), this program has %u "
                             "(%zu bytes)",
                             path, p->abi, p->size, EAI_PROJECT_ABI, sizeof(*p));
    if (!p->name || !*p->name || !p->version || !p->summary || !p->commands)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "plugin '%s': name, version, summary or commands are missing", path);
    if (eai_registry_find(r, p->name))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "plugin '%s': there is a project '%s' already, which stays", path,
                             p->name);
    return EAI_OK;
}

static eai_status open_plugin(eai_registry *r, const char *path, eai_error *err)
{
    eai_status st = EAI_OK;
    const eai_project *project = NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        st = eai_error_set(err, EAI_ERR_IO, "plugin '%s': %s", path, reason ? reason : "?");
        goto done;
    }
    project = dlsym(handle, DESCRIPTOR);
    if (!project) {
        st = eai_error_set(err, EAI_ERR_FORMAT, "plugin '%s': has no symbol %s", path, DESCRIPTOR);
        goto done;
    }
    st = check_descriptor(r, project, path, err);
    if (st == EAI_OK)
        st = add(r, project, handle, path, err);
    if (st != EAI_OK)
        goto done;
    EAI_LOG(INFO, "plugins", "'%s' is the project %s %s", path, project->name, project->version);
    handle = NULL; /* the registry's now */
done:
    if (handle)
        dlclose(handle);
    return st;
}

static bool is_plugin_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot != name && (strcmp(dot, ".so") == 0 || strcmp(dot, ".dylib") == 0);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the plugins in a folder, sorted, so that the outcome does not depend on the file
 * system. New memory in *names and in each of them. */
static eai_status list_plugins(char ***names, size_t *n_names, const char *folder, eai_error *err)
{
    eai_status st = EAI_OK;
    struct dirent *d;
    DIR *dir = opendir(folder);
    *names = NULL;
    *n_names = 0;
    if (!dir)
        return eai_error_set_errno(err, "cannot open the plugin folder '%s'", folder);
    *names = eai_alloc_zeroed(MAX_PLUGINS, sizeof(**names));
    if (!*names) {
        closedir(dir);
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the plugins of '%s'", folder);
    }
    while (st == EAI_OK && (d = readdir(dir)) != NULL) {
        if (!is_plugin_name(d->d_name))
            continue;
        if (*n_names == MAX_PLUGINS) {
            st = eai_error_set(err, EAI_ERR_LIMIT, "more than %d plugins in '%s'", MAX_PLUGINS,
                               folder);
            break;
        }
        char *name = eai_path_join(folder, d->d_name);
        if (name)
            (*names)[(*n_names)++] = name;
        else
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the plugins of '%s'", folder);
    }
    closedir(dir);
    if (st == EAI_OK)
        qsort((void *)*names, *n_names, sizeof(**names), compare_names);
    return st;
}

static void add_folder(eai_registry *r, const char *folder, const warner *w)
{
    eai_error err = EAI_ERROR_INIT;
    char **names = NULL;
    size_t n = 0;
    if (list_plugins(&names, &n, folder, &err) != EAI_OK)
        complain(w, &err);
    EAI_LOG(DEBUG, "plugins", "%zu files in '%s'", n, folder);
    for (size_t i = 0; i < n; i++) {
        if (open_plugin(r, names[i], &err) != EAI_OK)
            complain(w, &err);
        eai_free(names[i]);
    }
    eai_free((void *)names);
}

void eai_registry_add_plugins(eai_registry *r, const char *folders,
                              void (*warn)(void *ud, const char *message), void *ud)
{
    const warner w = {warn, ud};
    while (folders && *folders) {
        size_t length = strcspn(folders, ":");
        char *folder = eai_strndup(folders, length);
        if (!folder) {
            eai_error err = EAI_ERROR_INIT;
            eai_error_set(&err, EAI_ERR_NOMEM, "no memory for a plugin folder");
            complain(&w, &err);
        } else if (length > 0) {
            add_folder(r, folder, &w);
        }
        eai_free(folder);
        folders += length + (folders[length] == ':');
    }
}
