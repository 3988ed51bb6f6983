/* Manifests: what is on the disk of one commit of a repository, with sizes and hashes.
 *
 * Why: what was checked when it was fetched can be checked again later, without a network, and a
 * set of files is whole only once its manifest is there. One JSON object:
 *     {"repository": "org/name", "commit": "40 digits", "licence": "...", "model": "FILE",
 *      "files": [{"name": "...", "bytes": 1, "sha256": "64 digits"}, ...]}
 * It is read as bounded and as distrustful as an answer of the server: names in it become paths.
 * Start at hub__manifest_load. */
#include "cli/hub_internal.h"

#include <string.h>

#include <efficientai/alloc.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define MANIFEST_LIMIT ((size_t)32 << 20)
#define MAX_LICENCE    64

bool hub__is_hex(const char *text, size_t n)
{
    return text && strlen(text) == n && strspn(text, "0123456789abcdef") == n;
}

bool hub__name_is_safe(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > HUB_MAX_NAME || name[0] == '/' || strchr(name, '\\'))
        return false;
    for (const char *part = name; part;) {
        size_t length = strcspn(part, "/");
        if (length == 0 || length > 255 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part = part[length] ? part + length + 1 : NULL;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        /* c2 80 .. c2 9f are control characters too */
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)name[i + 1] < 0xa0))
            return false;
    }
    return true;
}

void hub__manifest_deinit(hub_manifest *m)
{
    for (size_t i = 0; i < m->n_files; i++)
        eai_free(m->files[i].name);
    eai_free(m->files);
    eai_free(m->repository);
    eai_free(m->licence);
    eai_free(m->model);
    *m = (hub_manifest){0};
}

const hub_file *hub__manifest_find(const hub_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n_files; i++) {
        if (strcmp(m->files[i].name, name) == 0)
            return &m->files[i];
    }
    return NULL;
}

eai_status hub__manifest_put(hub_manifest *m, const char *name, uint64_t bytes, const char *sha256,
                             eai_error *err)
{
    size_t i = 0;
    while (i < m->n_files && strcmp(m->files[i].name, name) != 0)
        i++;
    if (i == m->n_files) {
        hub_file *more = eai_realloc_array(m->files, i + 1, sizeof(*more));
        if (more)
            m->files = more;
        char *copy = eai_strdup(name);
        if (!more || !copy) {
            eai_free(copy);
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a manifest");
        }
        m->files[i].name = copy;
        m->n_files++;
    }
    m->files[i].bytes = bytes;
    snprintf(m->files[i].sha256, sizeof(m->files[i].sha256), "%s", sha256);
    return EAI_OK;
}

uint64_t hub__manifest_bytes(const hub_manifest *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->n_files; i++)
        total += m->files[i].bytes; /* see HUB_MAX_BYTES */
    return total;
}

/* ---- Reading --------------------------------------------------------------------------------- */

static eai_status read_files(hub_manifest *m, const json_t *files, eai_error *err)
{
    size_t i;
    json_t *row;
    if (!json_is_array(files) || json_array_size(files) > HUB_MAX_FILES)
        return eai_error_set(err, EAI_ERR_FORMAT, "'files' is no list of up to %d", HUB_MAX_FILES);
    json_array_foreach(files, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *sha256 = json_string_value(json_object_get(row, "sha256"));
        json_int_t bytes = json_is_integer(json_object_get(row, "bytes"))
                               ? json_integer_value(json_object_get(row, "bytes"))
                               : -1;
        if (!name || !hub__name_is_safe(name) || !hub__is_hex(sha256, 64) || bytes < 0 ||
            (uint64_t)bytes > HUB_MAX_BYTES || hub__manifest_find(m, name))
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "file %zu: needs a name of its own, bytes and sha256", i);
        EAI_TRY(hub__manifest_put(m, name, (uint64_t)bytes, sha256, err));
    }
    return EAI_OK;
}

static eai_status read_manifest(hub_manifest *m, const json_t *root, eai_error *err)
{
    const char *repository = json_string_value(json_object_get(root, "repository"));
    const char *licence = json_string_value(json_object_get(root, "licence"));
    const char *model = json_string_value(json_object_get(root, "model"));
    const char *commit = json_string_value(json_object_get(root, "commit"));
    if (!repository || !licence || !model || !hub__is_hex(commit, HUB_COMMIT_SIZE - 1))
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "needs repository, licence, model and a commit of 40 digits");
    m->repository = eai_strdup(repository);
    m->licence = eai_strndup(licence, MAX_LICENCE);
    m->model = eai_strdup(model);
    memcpy(m->commit, commit, sizeof(m->commit));
    if (!m->repository || !m->licence || !m->model)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a manifest");
    EAI_TRY(read_files(m, json_object_get(root, "files"), err));
    if (*model && !hub__manifest_find(m, model))
        return eai_error_set(err, EAI_ERR_FORMAT, "its model '%s' is none of its files", model);
    return EAI_OK;
}

eai_status hub__manifest_read(hub_manifest *out, const json_t *root, const char *where,
                              eai_error *err)
{
    *out = (hub_manifest){0};
    eai_status st = read_manifest(out, root, err);
    if (st != EAI_OK) {
        hub__manifest_deinit(out);
        return eai_error_context(err, st, "%s", where);
    }
    return EAI_OK;
}

eai_status hub__manifest_load(hub_manifest *out, const char *path, eai_error *err)
{
    json_t *root = NULL;
    *out = (hub_manifest){0};
    EAI_TRY(eai_json_load(&root, path, MANIFEST_LIMIT, err));
    eai_status st = hub__manifest_read(out, root, path, err);
    json_decref(root);
    return st;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void write_text(eai_strbuf *b, const char *key, const char *value)
{
    eai_strbuf_printf(b, " \"%s\": ", key);
    eai_strbuf_json_string(b, value);
    eai_strbuf_text(b, ",\n");
}

eai_status hub__manifest_write(const hub_manifest *m, const char *path, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(MANIFEST_LIMIT);
    eai_strbuf_text(&b, "{\n");
    write_text(&b, "repository", m->repository);
    write_text(&b, "commit", m->commit);
    write_text(&b, "licence", m->licence);
    write_text(&b, "model", m->model);
    eai_strbuf_text(&b, " \"files\": [");
    for (size_t i = 0; i < m->n_files; i++) {
        eai_strbuf_printf(&b, "%s\n  {\"name\": ", i ? "," : "");
        eai_strbuf_json_string(&b, m->files[i].name);
        eai_strbuf_printf(&b, ", \"bytes\": %llu, \"sha256\": \"%s\"}",
                          (unsigned long long)m->files[i].bytes, m->files[i].sha256);
    }
    eai_strbuf_text(&b, "\n ]\n}\n");
    eai_status st = eai_strbuf_check(&b, "the manifest", err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(path, b.data, b.length, err);
    eai_strbuf_deinit(&b);
    return st;
}
