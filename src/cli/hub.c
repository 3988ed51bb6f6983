/* The model hub: names to files, and what every way of fetching has in common.
 *
 * A name is that of a row of hub_models.def, fetched by hub_pip.c, or "hf:org/name[@revision]", a
 * repository of Hugging Face's hub (hub_hf.c). Everything else is a path. Start at
 * eai_hub_resolve. */
#include "cli/hub_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/hub.h>
#include <efficientai/log.h>
#include <efficientai/options.h>

#include "base/io.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define DEFAULT_ATTEMPTS 3
#define MAX_PAUSE        64 /* seconds */

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

eai_status hub__model_folder(char **out, const eai_hub_model *model, eai_error *err)
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
    EAI_TRY(hub__model_folder(&folder, model, err));
    *out = eai_path_join(folder, model->file);
    eai_free(folder);
    return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
}

bool hub__has_size(const char *path, uint64_t bytes)
{
    struct stat s;
    return path && stat(path, &s) == 0 && S_ISREG(s.st_mode) && (uint64_t)s.st_size == bytes;
}

bool eai_hub_is_cached(const eai_hub_model *model)
{
    char *path = NULL;
    bool cached = eai_hub_path(&path, model, NULL) == EAI_OK && hub__has_size(path, model->bytes);
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
    if (eai_hub_is_repository(name_or_path))
        return hf__resolve(out, name_or_path, err);
    const eai_hub_model *model = eai_hub_find(name_or_path);
    if (!model) {
        if (!eai_fs_exists(name_or_path))
            return refuse_unknown(name_or_path, err);
        *out = path_of_model(name_or_path);
        return *out ? EAI_OK : eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    }
    EAI_TRY(eai_hub_path(out, model, err));
    if (hub__has_size(*out, model->bytes)) {
        EAI_LOG(DEBUG, "hub", "model %s is '%s'", model->name, *out);
        return EAI_OK;
    }
    eai_free(*out);
    *out = NULL;
    return eai_error_set(err, EAI_ERR_NOT_FOUND,
                         "model '%s' is not on this machine yet; run: efficientai models get %s",
                         model->name, model->name);
}

/* ---- Checking -------------------------------------------------------------------------------- */

eai_status eai_hub_check(const char *name_or_path, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char *path = NULL;
    const eai_hub_model *model = eai_hub_find(name_or_path);
    if (eai_hub_is_repository(name_or_path))
        return hf__check(name_or_path, err);
    if (!model)
        return EAI_OK; /* nothing is recorded of a file of the user's own */
    EAI_TRY(eai_hub_resolve(&path, name_or_path, err));
    eai_status st = eai_sha256_file(hex, path, err);
    if (st == EAI_OK && strcmp(hex, model->sha256) != 0)
        st = eai_error_set(err, EAI_ERR_FORMAT,
                           "'%s' is damaged: SHA-256 is %s, expected %s; remove it and run: "
                           "efficientai models get %s",
                           path, hex, model->sha256, model->name);
    eai_free(path);
    return st;
}

/* ---- What all fetching has in common --------------------------------------------------------- */

/* A whole number from the environment within [1, max], else the default. */
long hub__setting(const char *variable, long max, long otherwise)
{
    const char *text = getenv(variable);
    char *end = NULL;
    long n = text && *text ? strtol(text, &end, 10) : otherwise;
    return end && (*end || n < 1 || n > max) ? otherwise : n;
}

int hub__attempts(void)
{
    return (int)hub__setting("EFFICIENTAI_FETCH_ATTEMPTS", 100, DEFAULT_ATTEMPTS);
}

void hub__pause(int attempt, long at_least)
{
    long seconds = 1L << (attempt < 7 ? attempt - 1 : 6);
    if (at_least > seconds)
        seconds = at_least < MAX_PAUSE ? at_least : MAX_PAUSE;
    const struct timespec pause = {seconds, 0};
    nanosleep(&pause, NULL);
}

eai_status hub__refuse_offline(eai_error *err)
{
    static const char *const variables[] = {"EFFICIENTAI_OFFLINE", "HF_HUB_OFFLINE"};
    static const char *const yes[] = {"1", "true", "yes", "on"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);
        for (size_t k = 0; value && k < sizeof(yes) / sizeof(yes[0]); k++) {
            if (strcasecmp(value, yes[k]) == 0)
                return eai_error_set(err, EAI_ERR_NOT_FOUND,
                                     "not in the cache, and %s=%s forbids to fetch it",
                                     variables[i], value);
        }
    }
    return EAI_OK;
}

/* On the disk before it gets its name: after a power cut there is no file with holes in it. */
eai_status hub__put_in_place(const char *file, const char *target, eai_error *err)
{
    int fd = io__open(file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", file);
    int failed = io__sync(fd);
    eai_status st = failed ? eai_error_set_errno(err, "cannot sync '%s'", file) : EAI_OK;
    io__close(fd);
    if (st == EAI_OK && io__rename(file, target) != 0)
        st = eai_error_set_errno(err, "cannot rename '%s' to '%s'", file, target);
    return st;
}

static void say_that_it_waits(void *ud, const char *holder)
{
    FILE *progress = ud;
    if (progress) {
        fprintf(progress, "%s fetches this model; waiting for it\n", holder);
        fflush(progress);
    }
}

eai_status hub__lock_folder(eai_lock **out, const char *folder, FILE *progress, eai_error *err)
{
    const eai_lock_opts opts = {.timeout = -1, .waiting = say_that_it_waits, .ud = progress};
    char *path = eai_path_join(folder, "lock");

    *out = NULL;
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = eai_lock_open(out, path, &opts, err);
    eai_free(path);
    return st;
}
