/* Fetching a repository of Hugging Face's hub: ask what there is, take what is needed, check it.
 *
 * Order is what keeps the cache whole: content is collected in partial/, checked, and renamed into
 * the folder of its commit; then the manifest of that commit is written, and last the reference of
 * the branch. A fetch that ends anywhere in between leaves what was there before in use, and what
 * it has fetched for the next one. A second fetch of the same commit with another --file adds to
 * it.
 *
 * Settings: $HF_ENDPOINT (a mirror in place of https://huggingface.co), $HF_TOKEN or
 * $HUGGING_FACE_HUB_TOKEN, and those of cli/http.h and hub.c. Start at eai_hub_fetch_repository. */
#include "cli/hub_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>
#include <efficientai/terminal.h>

#include "cli/http.h"

#include "base/banned.h"

#define DEFAULT_ENDPOINT "https://huggingface.co"
#define LISTING_LIMIT    ((uint64_t)64 << 20)
#define MAX_STALL        3600

/* One fetch under way. */
typedef struct fetch {
    hf_name name;
    const char *pattern; /* NULL: the model's weights */
    const char *token;   /* NULL: none */
    char *endpoint;      /* without a slash at the end */
    FILE *out;           /* progress; may be NULL */
    bool live;
    hub_listing listing;
    hub_manifest manifest;
    char *snapshot; /* FOLDER/snapshots/COMMIT */
    eai_progress *progress;
    uint64_t n_done; /* bytes of the files that are there */
} fetch;

static const char *token_of_user(void)
{
    const char *token = getenv("HF_TOKEN");
    if (!token || !*token)
        token = getenv("HUGGING_FACE_HUB_TOKEN");
    return token && *token ? token : NULL;
}

static eai_status set_endpoint(fetch *f, eai_error *err)
{
    const char *text = getenv("HF_ENDPOINT");
    if (!text || !*text)
        text = DEFAULT_ENDPOINT;
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '/')
        n--;
    f->endpoint = eai_strndup(text, n);
    return f->endpoint ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for an address");
}

/* ---- The list of files ----------------------------------------------------------------------- */

static eai_status refuse_listing(const fetch *f, const http_response *r, eai_error *err)
{
    eai_status st = http__status_error(r, err);
    if (r->status == 401 || r->status == 403)
        return eai_error_context(err, st, "no such repository, or a private or gated one (%s)",
                                 f->token ? "the token in HF_TOKEN does not open it"
                                          : "HF_TOKEN holds no token");
    return r->status == 404 ? eai_error_context(err, st, "no such repository or revision") : st;
}

/* The listing as the server sends it, trying again while it is busy. */
static eai_status ask(http_response *r, const fetch *f, const char *url, eai_error *err)
{
    const http_request q = {.url = url,
                            .token = f->token,
                            .limit = LISTING_LIMIT,
                            .stall_seconds = hub__setting("EFFICIENTAI_FETCH_STALL", MAX_STALL, 0)};
    int n = hub__attempts();
    for (int i = 1;; i++) {
        long retry_after;
        eai_status st = http__perform(r, &q, err);
        if (st == EAI_OK && r->status == 200)
            return EAI_OK;
        bool again = i < n && (st == EAI_OK ? http__is_transient(r->status) : st == EAI_ERR_IO);
        retry_after = st == EAI_OK ? r->retry_after : 0;
        if (st == EAI_OK)
            st = refuse_listing(f, r, err);
        http__response_deinit(r);
        if (!again)
            return st;
        if (f->out)
            fprintf(f->out, "%s; trying again (%d of %d)\n", err->message, i + 1, n);
        hub__pause(i, retry_after);
    }
}

static eai_status read_listing(fetch *f, eai_error *err)
{
    http_response r = {0};
    char *revision = http__escape(f->name.revision, false);
    char *url = revision ? eai_asprintf("%s/api/models/%s/revision/%s?blobs=true", f->endpoint,
                                        f->name.repository, revision)
                         : NULL;
    eai_status st =
        url ? ask(&r, f, url, err) : eai_error_set(err, EAI_ERR_NOMEM, "no memory for an address");
    if (st == EAI_OK)
        st = hub__listing_parse(&f->listing, r.body ? r.body : "", r.body_bytes, err);
    if (st == EAI_OK && hub__is_hex(f->name.revision, HUB_COMMIT_SIZE - 1) &&
        strcmp(f->name.revision, f->listing.commit) != 0)
        st = eai_error_set(err, EAI_ERR_FORMAT, "the server has commit %s where %s was asked for",
                           f->listing.commit, f->name.revision);
    http__response_deinit(&r);
    eai_free(revision);
    eai_free(url);
    return st;
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* What is there of this commit already, or an empty manifest. */
static eai_status start_manifest(fetch *f, const char *model, eai_error *err)
{
    char *path = hf__manifest_path(&f->name, f->listing.commit);
    f->snapshot = hf__snapshot_path(&f->name, f->listing.commit);
    if (path && eai_fs_exists(path) && hub__manifest_load(&f->manifest, path, err) != EAI_OK)
        EAI_LOG(WARN, "hub", "written anew: %s", err->message);
    eai_free(path);
    hub_manifest *m = &f->manifest;
    eai_free(m->repository);
    eai_free(m->licence);
    eai_free(m->model);
    m->repository = eai_strdup(f->name.repository);
    m->licence = eai_strdup(f->listing.licence);
    m->model = eai_strdup(model);
    snprintf(m->commit, sizeof(m->commit), "%s", f->listing.commit);
    if (!path || !f->snapshot || !m->repository || !m->licence || !m->model)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a manifest");
    return EAI_OK;
}

/* Makes the folders that a file in the snapshot needs. */
static eai_status make_folder_of(char *path, eai_error *err)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    eai_status st = eai_fs_mkdir_p(path, err);
    *slash = '/';
    return st;
}

/* The place of content under way. Without a hash to name it by, one of the commit and the name. */
static char *part_path(const fetch *f, const hub_entry *e)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char *key = *e->oid ? NULL : eai_asprintf("%s/%s", f->listing.commit, e->name);
    if (!*e->oid && (!key || eai_sha256_memory(hex, key, strlen(key), NULL) != EAI_OK)) {
        eai_free(key);
        return NULL;
    }
    eai_free(key);
    return eai_asprintf("%s/partial/%s", f->name.folder, *e->oid ? e->oid : hex);
}

static eai_status fetch_content(fetch *f, const hub_entry *e, const char *target, const char *part,
                                eai_error *err)
{
    char sha256[EAI_SHA256_HEX_SIZE];
    char *name = http__escape(e->name, true);
    char *url = name ? eai_asprintf("%s/%s/resolve/%s/%s", f->endpoint, f->name.repository,
                                    f->listing.commit, name)
                     : NULL;
    hub_download d = {.url = url,
                      .token = f->token,
                      .part = part,
                      .entry = e,
                      .progress = f->progress,
                      .n_before = f->n_done};
    eai_status st = url ? hub__download(sha256, &d, err)
                        : eai_error_set(err, EAI_ERR_NOMEM, "no memory for an address");
    if (st == EAI_OK)
        st = hub__put_in_place(part, target, err);
    if (st == EAI_OK)
        st = hub__manifest_put(&f->manifest, e->name, e->bytes, sha256, err);
    eai_free(name);
    eai_free(url);
    return st;
}

/* One chosen file, unless it is there. */
static eai_status fetch_file(fetch *f, const hub_entry *e, eai_error *err)
{
    char *target = eai_path_join(f->snapshot, e->name);
    char *part = part_path(f, e);
    eai_status st = EAI_OK;
    if (!target || !part) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        goto done;
    }
    if (!hub__manifest_find(&f->manifest, e->name) || !hub__has_size(target, e->bytes)) {
        st = make_folder_of(target, err);
        if (st == EAI_OK)
            st = make_folder_of(part, err);
        if (st == EAI_OK)
            st = fetch_content(f, e, target, part, err);
    }
    f->n_done += e->bytes;
done:
    eai_free(target);
    eai_free(part);
    return st;
}

/* Bytes that are chosen, and how many of them have to be fetched. Parts that are there already make
 * the second a little too large. */
static eai_status count_bytes(uint64_t *total, uint64_t *missing, const fetch *f, eai_error *err)
{
    *total = *missing = 0;
    for (size_t i = 0; i < f->listing.n_entries; i++) {
        const hub_entry *e = &f->listing.entries[i];
        if (!e->is_chosen)
            continue;
        char *target = eai_path_join(f->snapshot, e->name);
        if (!target)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        *total += e->bytes;
        if (!hub__manifest_find(&f->manifest, e->name) || !hub__has_size(target, e->bytes))
            *missing += e->bytes;
        eai_free(target);
    }
    return EAI_OK;
}

static eai_status fetch_files(fetch *f, eai_error *err)
{
    uint64_t total = 0;
    uint64_t missing = 0;
    eai_status st = count_bytes(&total, &missing, f, err);
    if (st == EAI_OK)
        st = eai_fs_check_space(f->name.folder, missing, err); /* rather now than after an hour */
    if (st != EAI_OK)
        return st;
    f->progress = f->out && missing
                      ? eai_progress_create(f->out, f->live, f->name.repository, "B", total)
                      : NULL;
    for (size_t i = 0; st == EAI_OK && i < f->listing.n_entries; i++) {
        if (f->listing.entries[i].is_chosen)
            st = fetch_file(f, &f->listing.entries[i], err);
    }
    if (st == EAI_OK && f->progress) {
        eai_progress_update(f->progress, total, NULL);
        eai_progress_finish(f->progress, NULL);
    } else {
        eai_progress_abandon(f->progress);
    }
    f->progress = NULL;
    return st;
}

/* The files are there: now the manifest, and last the reference, which makes them the model. */
static eai_status record(fetch *f, eai_error *err)
{
    char line[HUB_COMMIT_SIZE + 1];
    char *path = hf__manifest_path(&f->name, f->listing.commit);
    eai_status st = path ? make_folder_of(path, err)
                         : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK)
        st = hub__manifest_write(&f->manifest, path, err);
    if (st == EAI_OK)
        st = make_folder_of(f->name.ref, err);
    snprintf(line, sizeof(line), "%s\n", f->listing.commit);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(f->name.ref, line, strlen(line), err);
    eai_free(path);
    return st;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static eai_status fetch_locked(fetch *f, eai_error *err)
{
    const char *model = "";
    EAI_TRY(read_listing(f, err));
    EAI_TRY(hub__listing_choose(&model, &f->listing, f->pattern, err));
    EAI_TRY(start_manifest(f, model, err));
    EAI_TRY(fetch_files(f, err));
    return record(f, err);
}

/* Fetches, unless the user forbids the network and the model is there. */
static eai_status fetch_or_use(fetch *f, const char *name, eai_error *err)
{
    char *path = NULL;
    eai_lock *lock = NULL;
    eai_status offline = hub__refuse_offline(err);
    if (offline != EAI_OK) {
        bool cached = !f->pattern && hf__resolve(&path, name, NULL) == EAI_OK;
        eai_free(path);
        return cached ? EAI_OK : offline;
    }
    eai_status st = set_endpoint(f, err);
    if (st == EAI_OK)
        st = eai_fs_mkdir_p(f->name.folder, err);
    if (st == EAI_OK)
        st = hub__lock_folder(&lock, f->name.folder, f->out, err);
    if (st == EAI_OK)
        st = fetch_locked(f, err);
    eai_lock_close(lock);
    return st;
}

eai_status eai_hub_fetch_repository(char **out, const char *name, const char *pattern,
                                    FILE *progress, bool live, eai_error *err)
{
    fetch f = {.pattern = pattern, .token = token_of_user(), .out = progress, .live = live};
    eai_error local = EAI_ERROR_INIT; /* messages are wanted here even when the caller has no use */
    *out = NULL;
    if (!err)
        err = &local;
    EAI_TRY(hf__name_parse(&f.name, name, err));
    eai_status st = fetch_or_use(&f, name, err);
    if (st != EAI_OK)
        eai_error_context(err, st, "model '%s'", name);
    else
        st = hf__resolve(out, name, err);
    hub__listing_deinit(&f.listing);
    hub__manifest_deinit(&f.manifest);
    hf__name_deinit(&f.name);
    eai_free(f.endpoint);
    eai_free(f.snapshot);
    return st;
}
