/* Numbered backups (backup.h).
 *
 * The order in which a backup is made: its checksum, for the number that it will have; then the
 * backup, in one step; then the oldest go. Killed in between, there is a checksum of a backup that
 * is not there, which means nothing and is overwritten by the next one, or one backup too many.
 * What it does not do: compress, or back up folders. Start at eai_backup_make(). */
#include <efficientai/backup.h>

#include "files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/io.h"
#include "base/temporary.h"

#include "base/banned.h"

#define DEFAULT_KEEP 10
#define MAX_NUMBER   999999999U
#define MAX_SUMS     ((size_t)1 << 20)
#define MAX_ATTEMPTS 100

/* A file and what is beside it. */
typedef struct original {
    const char *given; /* as the caller named it, for messages */
    char *path;        /* the file itself, a link followed */
    char *folder;
    char *name;
    char *sums; /* .NAME.~sums~ */
    eai_backup_list backups;
} original;

static eai_status no_memory(const char *path, eai_error *err)
{
    return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the backups of '%s'", path);
}

void eai_backup_list_deinit(eai_backup_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        eai_free(list->items[i].path);
    eai_free(list->items);
    *list = (eai_backup_list){0};
}

/* ---- What is there --------------------------------------------------------------------------- */

/* The number in "NAME.~12~", 0 for other names. */
static unsigned number_of(const char *entry, const char *name)
{
    size_t n = strlen(name);
    char *end = NULL;

    if (strncmp(entry, name, n) != 0 || strncmp(entry + n, ".~", 2) != 0)
        return 0;
    const char *digits = entry + n + 2;
    if (digits[0] < '1' || digits[0] > '9')
        return 0;
    errno = 0;
    unsigned long long number = strtoull(digits, &end, 10);
    if (errno != 0 || number > MAX_NUMBER || strcmp(end, "~") != 0)
        return 0;
    return (unsigned)number;
}

/* Adds the backup of that number, if it is a regular file. */
static eai_status add_backup(original *o, const char *entry, unsigned number, size_t *capacity,
                             eai_error *err)
{
    struct stat info;
    eai_backup_list *list = &o->backups;
    char *path = eai_path_join(o->folder, entry);

    if (!path)
        return no_memory(o->given, err);
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        eai_free(path);
        return EAI_OK;
    }
    if (list->n == *capacity) {
        size_t more = *capacity * 2 + 16;
        eai_backup *items = eai_realloc_array(list->items, more, sizeof(*items));
        if (!items) {
            eai_free(path);
            return no_memory(o->given, err);
        }
        list->items = items;
        *capacity = more;
    }
    list->items[list->n++] = (eai_backup){.number = number,
                                          .bytes = (uint64_t)info.st_size,
                                          .modified = (int64_t)info.st_mtime,
                                          .path = path};
    return EAI_OK;
}

static int newest_first(const void *a, const void *b)
{
    const eai_backup *x = a;
    const eai_backup *y = b;

    return (x->number < y->number) - (x->number > y->number);
}

/* Fills in the checksums that the list has. Without a list, or with one that cannot be read, they
 * are not known. */
static eai_status read_sums(const original *o, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    char *text = NULL;
    char *name = NULL;

    eai_status st = eai_fs_read_file(&text, NULL, o->sums, MAX_SUMS, err);
    if (st != EAI_OK)
        return st == EAI_ERR_NOMEM ? st : EAI_OK;
    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = end + (*end == '\n');
        *end = '\0';
        unsigned number = files__parse_sum(hex, &name, line) ? number_of(name, o->name) : 0;
        for (size_t i = 0; number > 0 && i < o->backups.n; i++) {
            if (o->backups.items[i].number == number)
                memcpy(o->backups.items[i].sha256, hex, sizeof(hex));
        }
        line = next;
    }
    eai_free(text);
    return EAI_OK;
}

static eai_status find_backups(original *o, eai_error *err)
{
    struct dirent *entry;
    size_t capacity = 0;
    DIR *dir = opendir(o->folder);

    if (!dir)
        return eai_error_set_errno(err, "cannot list the backups of '%s'", o->given);
    eai_status st = EAI_OK;
    while (st == EAI_OK && (entry = readdir(dir)) != NULL) {
        unsigned number = number_of(entry->d_name, o->name);
        if (number > 0)
            st = add_backup(o, entry->d_name, number, &capacity, err);
    }
    closedir(dir);
    if (st == EAI_OK && o->backups.n > 1)
        qsort(o->backups.items, o->backups.n, sizeof(eai_backup), newest_first);
    return st == EAI_OK ? read_sums(o, err) : st;
}

static void deinit_original(original *o)
{
    eai_free(o->path);
    eai_free(o->folder);
    eai_free(o->name);
    eai_free(o->sums);
    eai_backup_list_deinit(&o->backups);
}

/* On failure *o is empty. */
static eai_status init_original(original *o, const char *path, eai_error *err)
{
    char *real = realpath(path, NULL);

    *o = (original){.given = path};
    o->path = eai_strdup(real ? real : path);
    free(real);
    eai_status st =
        o->path ? files__split(&o->folder, &o->name, o->path, err) : no_memory(path, err);
    if (st == EAI_OK) {
        o->sums = eai_asprintf("%s/.%s.~sums~", o->folder, o->name);
        st = o->sums ? find_backups(o, err) : no_memory(path, err);
    }
    if (st != EAI_OK)
        deinit_original(o);
    return st;
}

eai_status eai_backup_find(eai_backup_list *out, const char *path, eai_error *err)
{
    original o;

    *out = (eai_backup_list){0};
    EAI_TRY(init_original(&o, path, err));
    *out = o.backups;
    o.backups = (eai_backup_list){0};
    deinit_original(&o);
    return EAI_OK;
}

/* ---- Making ---------------------------------------------------------------------------------- */

/* The checksums that are known, with that of the backup to come. */
static eai_status write_sums(const original *o, unsigned number, const char *hex, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_SUMS);
    eai_status st = EAI_OK;

    for (size_t i = 0; st == EAI_OK && i <= o->backups.n; i++) { /* one more: the new one */
        const eai_backup *old = i < o->backups.n ? &o->backups.items[i] : NULL;
        const char *sum = old ? old->sha256 : hex;
        char *name = eai_asprintf("%s.~%u~", o->name, old ? old->number : number);
        if (!name)
            st = no_memory(o->given, err);
        else if (sum[0])
            files__print_sum(&b, sum, name);
        eai_free(name);
    }
    if (st == EAI_OK)
        st = eai_strbuf_check(&b, "the checksums of backups", err);
    if (st == EAI_OK)
        st = eai_fs_write_atomic(o->sums, b.data, b.length, err);
    eai_strbuf_deinit(&b);
    return st;
}

/* Whether `path` is the file of `before`, and nobody wrote to it since. */
static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_ino == before->st_ino && now.st_dev == before->st_dev &&
           now.st_size == before->st_size && now.st_mtime == before->st_mtime;
}

/* The content under its second name, and a look whether it is what was summed. EAI_ERR_BUSY:
 * somebody replaced the file meanwhile, or made a backup of that number. */
static eai_status add_file(const original *o, const char *to, const struct stat *before,
                           const char *hex, eai_error *err)
{
    char actual[EAI_SHA256_HEX_SIZE];
    struct stat info;
    bool same = false;

    if (lstat(to, &info) == 0)
        return eai_error_set(err, EAI_ERR_BUSY, "'%s' is there already", to);
    if (io__link(o->path, to) == 0) {
        same = is_unchanged(to, before);
    } else {
        if (errno == EEXIST)
            return eai_error_set(err, EAI_ERR_BUSY, "'%s' is there already", to);
        EAI_TRY(files__copy_file(o->path, to, err));
        EAI_TRY(eai_sha256_file(actual, to, err));
        same = strcmp(actual, hex) == 0;
    }
    if (same)
        return temporary__sync_folder_of(to, o->given, err);
    if (io__unlink(to) != 0)
        return eai_error_set_errno(err, "cannot remove '%s'", to);
    return eai_error_set(err, EAI_ERR_BUSY, "'%s' changed while it was backed up", o->given);
}

/* Removes the oldest beyond the limits; `made` says that there is one more than the list has,
 * `spared` that one (0: none) is needed. */
static eai_status prune(const original *o, const eai_backup_opts *opts, uint64_t made_bytes,
                        unsigned spared, eai_error *err)
{
    size_t keep = opts && opts->keep ? opts->keep : DEFAULT_KEEP;
    uint64_t max_bytes = opts && opts->max_bytes ? opts->max_bytes : UINT64_MAX;
    uint64_t bytes = made_bytes;
    bool full = false;

    for (size_t i = 0; i < o->backups.n; i++) {
        const eai_backup *b = &o->backups.items[i];
        full = full || i + 1 >= keep || bytes > max_bytes || b->bytes > max_bytes - bytes;
        bytes += full ? 0 : b->bytes;
        if (!full || b->number == spared)
            continue;
        if (io__unlink(b->path) != 0 && errno != ENOENT)
            return eai_error_set_errno(err, "cannot remove '%s'", b->path);
        EAI_LOG(DEBUG, "files", "removed the old backup '%s'", b->path);
    }
    return EAI_OK;
}

/* One attempt, under the next number that is free. */
static eai_status make_one(const original *o, const struct stat *before, const char *hex,
                           unsigned number, eai_error *err)
{
    char *to = eai_asprintf("%s.~%u~", o->path, number);
    eai_status st = to ? write_sums(o, number, hex, err) : no_memory(o->given, err);

    if (st == EAI_OK)
        st = add_file(o, to, before, hex, err);
    eai_free(to);
    return st;
}

static eai_status make_backup(const char *path, const eai_backup_opts *opts, unsigned spared,
                              eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];
    struct stat before;
    original o;

    if (stat(path, &before) != 0) {
        if (errno == ENOENT)
            return EAI_OK;
        return eai_error_set_errno(err, "cannot back up '%s'", path);
    }
    if (!S_ISREG(before.st_mode))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "cannot back up '%s': it is no regular file",
                             path);
    EAI_TRY(init_original(&o, path, err));
    unsigned number = o.backups.n ? o.backups.items[0].number : 0;
    eai_status st = EAI_ERR_BUSY;
    for (int i = 0; st == EAI_ERR_BUSY && i < MAX_ATTEMPTS; i++) {
        st = stat(o.path, &before) == 0 ? eai_sha256_file(hex, o.path, err)
                                        : eai_error_set_errno(err, "cannot back up '%s'", path);
        if (st == EAI_OK && o.backups.n && strcmp(hex, o.backups.items[0].sha256) == 0)
            goto done; /* the newest one is that content */
        if (st == EAI_OK && number >= MAX_NUMBER)
            st = eai_error_set(err, EAI_ERR_LIMIT, "'%s' has a backup of number %u, the last one",
                               path, number);
        if (st == EAI_OK)
            st = make_one(&o, &before, hex, ++number, err);
    }
    if (st == EAI_OK)
        st = prune(&o, opts, (uint64_t)before.st_size, spared, err);
done:
    deinit_original(&o);
    return st;
}

eai_status eai_backup_make(const char *path, const eai_backup_opts *opts, eai_error *err)
{
    return make_backup(path, opts, 0, err);
}

/* ---- Restoring ------------------------------------------------------------------------------- */

static eai_status no_such_number(const original *o, unsigned number, eai_error *err)
{
    eai_strbuf b = EAI_STRBUF_INIT(200);

    for (size_t i = 0; i < o->backups.n; i++)
        eai_strbuf_printf(&b, "%s%u", i ? ", " : "", o->backups.items[i].number);
    eai_status st = eai_error_set(
        err, EAI_ERR_NOT_FOUND, "'%s' has no backup of number %u (there are: %s%s)", o->given,
        number, o->backups.n ? eai_strbuf_get(&b) : "none", b.status == EAI_OK ? "" : " ...");
    eai_strbuf_deinit(&b);
    return st;
}

static eai_status check_sum(const eai_backup *b, eai_error *err)
{
    char hex[EAI_SHA256_HEX_SIZE];

    if (b->sha256[0] == '\0')
        return EAI_OK;
    EAI_TRY(eai_sha256_file(hex, b->path, err));
    if (strcmp(hex, b->sha256) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "'%s' was changed since it was made: its SHA-256 is %s, was %s",
                             b->path, hex, b->sha256);
    return EAI_OK;
}

eai_status eai_backup_restore(const char *path, unsigned number, const eai_backup_opts *opts,
                              eai_error *err)
{
    const eai_backup *wanted = NULL;
    original o;

    EAI_TRY(init_original(&o, path, err));
    for (size_t i = 0; i < o.backups.n; i++) {
        if (o.backups.items[i].number == number)
            wanted = &o.backups.items[i];
    }
    eai_status st = wanted ? check_sum(wanted, err) : no_such_number(&o, number, err);
    if (st == EAI_OK)
        st = make_backup(path, opts, number, err);
    if (st == EAI_OK)
        st = files__copy_file(wanted->path, path, err);
    deinit_original(&o);
    return st;
}
