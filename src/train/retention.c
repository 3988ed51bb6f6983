/* Which files of a checkpoint folder stay: the newest N states under names of their own,
 * state-000000120.safetensors, and nothing that a killed process left half-written.
 *
 * The newest has both names (a hard link, no second copy on the disk), so whatever happens at
 * whatever moment, state.safetensors is there whole. Files of later steps than the newest are of a
 * run that was given up, and go too. Start at train__keep_states. */
#include "train/trainer_state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>
#include <efficientai/weights.h>

#include "base/io.h"

#include "base/banned.h"

#define NAME_FORMAT "state-%09lld.safetensors"
#define NAME_BYTES  48

/* The step of a kept file's name, or -1 for other names. */
static int64_t step_of(const char *name)
{
    char again[NAME_BYTES];
    if (strncmp(name, "state-", 6) != 0 || name[6] < '0' || name[6] > '9')
        return -1;
    errno = 0;
    long long step = strtoll(name + 6, NULL, 10);
    snprintf(again, sizeof(again), NAME_FORMAT, step);
    return errno == 0 && strcmp(name, again) == 0 ? step : -1;
}

/* The second name, put in place in one go. Where links do not exist, a second copy. */
static eai_status add_name(const eai_weights *w, const char *folder, int64_t step, eai_error *err)
{
    eai_status st = EAI_OK;
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), NAME_FORMAT, (long long)step);
    char *from = eai_path_join(folder, TRAINER_STATE_FILE);
    char *to = eai_path_join(folder, name);
    char *passing = to ? eai_asprintf("%s.new", to) : NULL;
    if (!from || !passing) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
        goto done;
    }
    io__unlink(passing);
    if (io__link(from, passing) != 0) {
        st = eai_weights_save(w, to, NULL, err);
    } else if (io__rename(passing, to) != 0) {
        st = eai_error_set_errno(err, "cannot rename '%s' to '%s'", passing, to);
        io__unlink(passing);
    } else {
        io__unlink(passing); /* rename of a link to the same file leaves both */
    }
done:
    eai_free(from);
    eai_free(to);
    eai_free(passing);
    return st;
}

static eai_status remove_file(const char *folder, const char *name, eai_error *err)
{
    char *path = eai_path_join(folder, name);
    if (!path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    eai_status st = EAI_OK;
    if (io__unlink(path) != 0 && errno != ENOENT)
        st = eai_error_set_errno(err, "cannot remove '%s'", path);
    eai_free(path);
    return st;
}

static int by_step(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The steps of the kept files, rising; *steps is the caller's. */
static eai_status list_steps(int64_t **steps, size_t *n, const char *folder, eai_error *err)
{
    size_t cap = 0;
    struct dirent *entry;
    DIR *dir = opendir(folder);

    *steps = NULL;
    *n = 0;
    if (!dir)
        return eai_error_set_errno(err, "cannot list '%s'", folder);
    while ((entry = readdir(dir)) != NULL) {
        int64_t step = step_of(entry->d_name);
        if (step < 0)
            continue;
        if (*n == cap) {
            cap = cap * 2 + 16;
            int64_t *more = eai_realloc_array(*steps, cap, sizeof(*more));
            if (!more) {
                closedir(dir);
                eai_free(*steps);
                *steps = NULL;
                return eai_error_set(err, EAI_ERR_NOMEM, "no memory to list '%s'", folder);
            }
            *steps = more;
        }
        (*steps)[(*n)++] = step;
    }
    closedir(dir);
    if (*n > 0)
        qsort(*steps, *n, sizeof(**steps), by_step);
    return EAI_OK;
}

eai_status train__keep_states(const eai_weights *w, const char *folder, int64_t step, int64_t keep,
                              eai_error *err)
{
    int64_t *steps = NULL;
    size_t n = 0;

    if (keep > 1)
        EAI_TRY(add_name(w, folder, step, err));
    EAI_TRY(list_steps(&steps, &n, folder, err));
    eai_status st = EAI_OK;
    int64_t kept = 0;
    for (size_t i = n; st == EAI_OK && i-- > 0;) {
        bool stays = keep > 1 && steps[i] <= step && kept < keep;
        kept += stays;
        if (stays)
            continue;
        char name[NAME_BYTES];
        snprintf(name, sizeof(name), NAME_FORMAT, (long long)steps[i]);
        st = remove_file(folder, name, err);
    }
    eai_free(steps);
    return st == EAI_OK ? eai_fs_remove_left_overs(NULL, folder, TRAINER_STATE_FILE, err) : st;
}
