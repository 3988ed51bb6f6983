/* Repositories of Hugging Face's hub: their names, and what is in the cache of them.
 *
 * Nothing here uses the network; fetching is in hub_hf_fetch.c. A name is "hf:org/name@revision";
 * each part of it becomes part of a path and of an address, so it is held to the hub's own rules
 * for names, which leave no room for "..". Start at hf__resolve. */
#include "cli/hub_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/banned.h"

#define PREFIX         "hf:"
#define DEFAULT_BRANCH "main"
#define MAX_PART       96 /* the hub's own limit */
#define MAX_REVISION   200
#define MAX_LISTED     10000

bool eai_hub_is_repository(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* Letters, digits and "-._" (and '/' in a revision), not beginning or ending with one of "-./", no
 * "..", no "//". */
static bool is_good_part(const char *text, size_t n, size_t limit, bool slashes)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    if (n == 0 || n > limit || strchr("-./", text[0]) || strchr("-./", text[n - 1]))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!strchr(allowed, text[i]) || (text[i] == '/' && !slashes))
            return false;
        if (i > 0 && strchr("./", text[i]) && strchr("./", text[i - 1]))
            return false;
    }
    return true;
}

/* '/' as %2F: one folder holds all revisions. */
static char *ref_path(const char *folder, const char *revision)
{
    char escaped[(size_t)3 * MAX_REVISION + 1];
    size_t n = 0;
    for (; *revision && n + 3 < sizeof(escaped); revision++) {
        if (*revision == '/')
            n += (size_t)snprintf(escaped + n, sizeof(escaped) - n, "%%2F");
        else
            escaped[n++] = *revision;
    }
    escaped[n] = '\0';
    return eai_asprintf("%s/refs/%s", folder, escaped);
}

/* The other way round, in place. */
static void unescape_ref(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool slash = strncmp(from, "%2F", 3) == 0;
        *to = slash ? '/' : *from;
        from += slash ? 3 : 1;
    }
    *to = '\0';
}

eai_status hf__name_parse(hf_name *out, const char *text, eai_error *err)
{
    char *cache = NULL;
    *out = (hf_name){0};
    const char *repository = text + strlen(PREFIX);
    size_t n = strcspn(repository, "@");
    size_t n_organisation = strcspn(repository, "/@");
    const char *revision = repository[n] ? repository + n + 1 : DEFAULT_BRANCH;
    if (n_organisation >= n || !is_good_part(repository, n_organisation, MAX_PART, false) ||
        !is_good_part(repository + n_organisation + 1, n - n_organisation - 1, MAX_PART, false) ||
        !is_good_part(revision, strlen(revision), MAX_REVISION, true))
        return eai_error_set(err, EAI_ERR_ARGUMENT,
                             "'%s' is no name of a repository: hf:ORGANISATION/NAME or "
                             "hf:ORGANISATION/NAME@REVISION, of letters, digits and \"-._\"",
                             text);
    EAI_TRY(eai_fs_cache_dir(&cache, err));
    out->repository = eai_strndup(repository, n);
    out->revision = eai_strdup(revision);
    out->folder = eai_asprintf("%s/hf/%.*s", cache, (int)n, repository);
    out->ref = out->folder ? ref_path(out->folder, revision) : NULL;
    eai_free(cache);
    if (out->repository && out->revision && out->ref)
        return EAI_OK;
    hf__name_deinit(out);
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
}

void hf__name_deinit(hf_name *name)
{
    eai_free(name->repository);
    eai_free(name->revision);
    eai_free(name->folder);
    eai_free(name->ref);
    *name = (hf_name){0};
}

char *hf__snapshot_path(const hf_name *name, const char *commit)
{
    return eai_asprintf("%s/snapshots/%s", name->folder, commit);
}

char *hf__manifest_path(const hf_name *name, const char *commit)
{
    return eai_asprintf("%s/manifests/%s.json", name->folder, commit);
}

/* ---- What is in the cache -------------------------------------------------------------------- */

/* The manifest that the name stands for now, and the folder of its files. EAI_ERR_NOT_FOUND when
 * there is none, or a file of it is missing or of another size. */
static eai_status find_snapshot(hub_manifest *m, char **snapshot, const hf_name *name,
                                eai_error *err)
{
    char *commit = NULL;
    char *path = NULL;
    eai_status st = EAI_OK;
    *m = (hub_manifest){0};
    *snapshot = NULL;
    if (!eai_fs_exists(name->ref))
        return eai_error_set(err, EAI_ERR_NOT_FOUND, "it is not on this machine yet");
    EAI_TRY(eai_fs_read_file(&commit, NULL, name->ref, HUB_COMMIT_SIZE, err));
    commit[strcspn(commit, "\n")] = '\0';
    if (!hub__is_hex(commit, HUB_COMMIT_SIZE - 1)) {
        st = eai_error_set(err, EAI_ERR_FORMAT, "'%s' holds no commit", name->ref);
        goto done;
    }
    path = hf__manifest_path(name, commit);
    *snapshot = hf__snapshot_path(name, commit);
    if (!path || !*snapshot) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        goto done;
    }
    st = hub__manifest_load(m, path, err);
    for (size_t i = 0; st == EAI_OK && i < m->n_files; i++) {
        char *file = eai_path_join(*snapshot, m->files[i].name);
        if (!file)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        else if (!hub__has_size(file, m->files[i].bytes))
            st = eai_error_set(err, EAI_ERR_NOT_FOUND, "'%s' is missing or has not %llu bytes",
                               file, (unsigned long long)m->files[i].bytes);
        eai_free(file);
    }
done:
    if (st != EAI_OK) {
        hub__manifest_deinit(m);
        eai_free(*snapshot);
        *snapshot = NULL;
    }
    eai_free(path);
    eai_free(commit);
    return st;
}

/* As find_snapshot, from a text, with an error that says what to run. */
static eai_status open_snapshot(hub_manifest *m, char **snapshot, const char *text, eai_error *err)
{
    hf_name name;
    *m = (hub_manifest){0};
    *snapshot = NULL;
    EAI_TRY(hf__name_parse(&name, text, err));
    eai_error reason = EAI_ERROR_INIT;
    eai_status st = find_snapshot(m, snapshot, &name, &reason);
    hf__name_deinit(&name);
    if (st == EAI_OK || st == EAI_ERR_NOMEM)
        return st == EAI_OK ? EAI_OK : eai_error_set(err, st, "%s", reason.message);
    return eai_error_set(err, st, "model '%s': %s; run: efficientai models get %s", text,
                         reason.message, text);
}

/* The file to open, or the folder when no single one is. */
static eai_status model_path(char **out, const hub_manifest *m, const char *snapshot,
                             eai_error *err)
{
    *out = *m->model ? eai_path_join(snapshot, m->model) : eai_strdup(snapshot);
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

eai_status hf__resolve(char **out, const char *name, eai_error *err)
{
    hub_manifest m;
    char *snapshot = NULL;
    *out = NULL;
    EAI_TRY(open_snapshot(&m, &snapshot, name, err));
    eai_status st = model_path(out, &m, snapshot, err);
    if (st == EAI_OK)
        EAI_LOG(DEBUG, "hub", "model %s is '%s'", name, *out);
    hub__manifest_deinit(&m);
    eai_free(snapshot);
    return st;
}

eai_status hf__check(const char *name, eai_error *err)
{
    hub_manifest m;
    char *snapshot = NULL;
    EAI_TRY(open_snapshot(&m, &snapshot, name, err));
    eai_status st = EAI_OK;
    for (size_t i = 0; st == EAI_OK && i < m.n_files; i++) {
        char hex[EAI_SHA256_HEX_SIZE];
        char *file = eai_path_join(snapshot, m.files[i].name);
        st = file ? eai_sha256_file(hex, file, err)
                  : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        if (st == EAI_OK && strcmp(hex, m.files[i].sha256) != 0)
            st = eai_error_set(err, EAI_ERR_FORMAT,
                               "'%s' is damaged: SHA-256 is %s, expected %s; remove it and run: "
                               "efficientai models get %s",
                               file, hex, m.files[i].sha256, name);
        eai_free(file);
    }
    hub__manifest_deinit(&m);
    eai_free(snapshot);
    return st;
}

/* ---- The list -------------------------------------------------------------------------------- */

struct eai_hub_cache {
    eai_hub_cached *models;
    size_t n;
};

/* Fills in one row. Not there, or not whole: EAI_ERR_NOT_FOUND. */
static eai_status describe(eai_hub_cached *row, const char *name, eai_error *err)
{
    hub_manifest m;
    char *snapshot = NULL;
    EAI_TRY(open_snapshot(&m, &snapshot, name, err));
    const hub_file *file = hub__manifest_find(&m, m.model);
    eai_status st = model_path(&row->path, &m, snapshot, err);
    row->name = eai_strdup(name);
    row->file = eai_strdup(m.model);
    row->licence = eai_strdup(m.licence);
    row->bytes = hub__manifest_bytes(&m);
    snprintf(row->sha256, sizeof(row->sha256), "%s", file ? file->sha256 : "");
    if (st == EAI_OK && (!row->name || !row->file || !row->licence))
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of models");
    hub__manifest_deinit(&m);
    eai_free(snapshot);
    return st;
}

static void deinit_row(eai_hub_cached *row)
{
    eai_free(row->name);
    eai_free(row->file);
    eai_free(row->licence);
    eai_free(row->path);
    *row = (eai_hub_cached){0};
}

static eai_status add_row(eai_hub_cache *cache, const char *name, eai_error *err)
{
    eai_error reason = EAI_ERROR_INIT;
    eai_hub_cached *more;
    if (cache->n >= MAX_LISTED)
        return EAI_OK;
    more = eai_realloc_array(cache->models, cache->n + 1, sizeof(*more));
    if (!more)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of models");
    cache->models = more;
    more[cache->n] = (eai_hub_cached){0};
    eai_status st = describe(&more[cache->n], name, &reason);
    if (st == EAI_OK) {
        cache->n++;
        return EAI_OK;
    }
    deinit_row(&more[cache->n]);
    if (st == EAI_ERR_NOMEM)
        return eai_error_set(err, st, "%s", reason.message);
    EAI_LOG(DEBUG, "hub", "left out of the list: %s", reason.message);
    return EAI_OK;
}

/* Calls `visit` with "FOLDER/ENTRY" and `prefix` followed by the entry, for all but hidden ones. A
 * folder that cannot be read has none. */
static eai_status
walk(eai_hub_cache *cache, const char *folder, const char *prefix,
     eai_status (*visit)(eai_hub_cache *, const char *, const char *, eai_error *), eai_error *err)
{
    eai_status st = EAI_OK;
    struct dirent *d;
    DIR *dir = opendir(folder);
    while (st == EAI_OK && dir && (d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        char *path = eai_path_join(folder, d->d_name);
        char *name = eai_asprintf("%s%s", prefix, d->d_name);
        st = path && name ? visit(cache, path, name, err)
                          : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        eai_free(path);
        eai_free(name);
    }
    if (dir)
        closedir(dir);
    return st;
}

/* `name` is "hf:org/name@REF". */
static eai_status visit_ref(eai_hub_cache *cache, const char *path, const char *name,
                            eai_error *err)
{
    (void)path;
    char *text = eai_strdup(name);
    if (!text)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    char *at = strchr(text, '@');
    unescape_ref(at);
    if (strcmp(at + 1, DEFAULT_BRANCH) == 0)
        *at = '\0';
    eai_status st = add_row(cache, text, err);
    eai_free(text);
    return st;
}

static eai_status visit_repository(eai_hub_cache *cache, const char *path, const char *name,
                                   eai_error *err)
{
    char *refs = eai_path_join(path, "refs");
    char *prefix = eai_asprintf("%s@", name);
    eai_status st =
        refs && prefix && !strchr(name, '@') ? walk(cache, refs, prefix, visit_ref, err) : EAI_OK;
    if (!refs || !prefix)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_free(refs);
    eai_free(prefix);
    return st;
}

static eai_status visit_organisation(eai_hub_cache *cache, const char *path, const char *name,
                                     eai_error *err)
{
    char *prefix = eai_asprintf("%s/", name);
    eai_status st = prefix ? walk(cache, path, prefix, visit_repository, err)
                           : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_free(prefix);
    return st;
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const eai_hub_cached *)a)->name, ((const eai_hub_cached *)b)->name);
}

eai_status eai_hub_cache_open(eai_hub_cache **out, eai_error *err)
{
    char *cache = NULL;
    char *folder = NULL;
    eai_status st = EAI_OK;
    *out = NULL;
    EAI_TRY(eai_fs_cache_dir(&cache, err));
    eai_hub_cache *list = eai_alloc_zeroed(1, sizeof(*list));
    folder = eai_path_join(cache, "hf");
    if (!list || !folder)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the list of models");
    if (st == EAI_OK)
        st = walk(list, folder, PREFIX, visit_organisation, err);
    if (st == EAI_OK) {
        if (list->n)
            qsort(list->models, list->n, sizeof(*list->models), compare_rows);
        *out = list;
        list = NULL;
    }
    eai_hub_cache_close(list);
    eai_free(folder);
    eai_free(cache);
    return st;
}

void eai_hub_cache_close(eai_hub_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->n; i++)
        deinit_row(&cache->models[i]);
    eai_free(cache->models);
    eai_free(cache);
}

size_t eai_hub_cache_count(const eai_hub_cache *cache)
{
    return cache->n;
}

const eai_hub_cached *eai_hub_cache_at(const eai_hub_cache *cache, size_t i)
{
    return i < cache->n ? &cache->models[i] : NULL;
}
