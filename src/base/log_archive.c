/* Log files that were put aside: which there are, and that old ones become small and then go.
 *
 * A file PATH.NNNNNN never changes again: whoever wants to write sees that PATH does not name it.
 * It is compressed into PATH.NNNNNN.gz beside it, which appears whole or not at all
 * (efficientai/fs.h), takes over its time, and only then is it removed. A process that is killed in
 * between leaves both; the plain one counts, and is compressed again. Two processes do not do the
 * same work, because whoever compresses holds the file's lock. Start at log__archive. */
#include "base/log_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <efficientai/alloc.h>
#include <efficientai/fs.h>

#include "base/io.h"

#include "base/banned.h"

#define DIGITS        6
#define CHUNK         ((size_t)64 << 10)
#define GZIP_WINDOW   (15 + 16) /* the largest window, with the header of gzip */
#define GZIP_MEMORY   8
#define SECONDS_A_DAY 86400

/* ---- The list -------------------------------------------------------------------------------- */

/* Is it BASE.NNNNNN or BASE.NNNNNN.gz? */
static bool parse_name(log_archived *out, const char *name, const char *base)
{
    size_t n = strlen(base);
    if (strncmp(name, base, n) != 0 || name[n] != '.')
        return false;
    const char *digits = name + n + 1;
    uint32_t number = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(digits[i] - '0');
    }
    const char *rest = digits + DIGITS;
    *out = (log_archived){.number = number, .compressed = strcmp(rest, ".gz") == 0};
    return number > 0 && (out->compressed || !*rest);
}

/* By number, plain ones first. */
static int compare(const void *a, const void *b)
{
    const log_archived *x = a;
    const log_archived *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (int)x->compressed - (int)y->compressed;
}

static size_t drop_doubles(log_archived *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && list[kept - 1].number == list[i].number)
            eai_free(list[i].path);
        else
            list[kept++] = list[i];
    }
    return kept;
}

/* Appends what `folder` has of the log file `base`. */
static eai_status add_entries(log_archived *list, size_t *n, DIR *dir, const char *folder,
                              const char *base, eai_error *err)
{
    const struct dirent *entry;
    while (*n < LOG_ARCHIVE_MAX && (entry = readdir(dir))) {
        if (!parse_name(&list[*n], entry->d_name, base))
            continue;
        list[*n].path = eai_path_join(folder, entry->d_name);
        if (!list[*n].path)
            return eai_error_set(err, EAI_ERR_NOMEM, "no memory for the files of log '%s'", base);
        (*n)++;
    }
    return EAI_OK;
}

eai_status log__archive_list(log_archived **out, size_t *n, const char *path, eai_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    eai_status st = EAI_OK;
    DIR *dir = NULL;
    size_t count = 0;

    *out = NULL;
    *n = 0;
    char *folder = slash ? eai_strndup(path, (size_t)(slash - path) + 1) : eai_strdup("");
    log_archived *list = eai_alloc_array(LOG_ARCHIVE_MAX, sizeof(*list));
    if (!folder || !list) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for the files of log '%s'", path);
        goto done;
    }
    dir = opendir(*folder ? folder : ".");
    if (!dir) {
        if (errno != ENOENT)
            st = eai_error_set_errno(err, "cannot read the folder of log '%s'", path);
        goto done;
    }
    st = add_entries(list, &count, dir, folder, base, err);
    if (st != EAI_OK)
        goto done;
    qsort(list, count, sizeof(*list), compare);
    *n = drop_doubles(list, count);
    *out = list;
    list = NULL;
    count = 0;
done:
    if (dir)
        closedir(dir);
    log__archive_free(list, count);
    eai_free(folder);
    return st;
}

void log__archive_free(log_archived *list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        eai_free(list[i].path);
    eai_free(list);
}

/* ---- Compressing ----------------------------------------------------------------------------- */

static void *zlib_alloc(void *ud, unsigned n, unsigned size)
{
    (void)ud;
    return eai_alloc_array(n, size);
}

static void zlib_free(void *ud, void *p)
{
    (void)ud;
    eai_free(p);
}

/* One file on its way: two halves of a buffer. */
typedef struct packing {
    z_stream stream;
    unsigned char *in;
    unsigned char *out;
    eai_file_writer *writer;
} packing;

/* Hands what is in p->in to zlib and writes what comes out. */
static eai_status deflate_chunk(packing *p, size_t n, bool last, eai_error *err)
{
    p->stream.next_in = p->in;
    p->stream.avail_in = (unsigned)n;
    do {
        p->stream.next_out = p->out;
        p->stream.avail_out = CHUNK;
        deflate(&p->stream, last ? Z_FINISH : Z_NO_FLUSH); /* cannot fail: there is room */
        EAI_TRY(eai_file_writer_write(p->writer, p->out, CHUNK - p->stream.avail_out, err));
    } while (p->stream.avail_out == 0);
    return EAI_OK;
}

static eai_status deflate_all(packing *p, int fd, const char *path, eai_error *err)
{
    for (;;) {
        ssize_t n = io__read(fd, p->in, CHUNK);
        if (n < 0)
            return eai_error_set_errno(err, "cannot read '%s'", path);
        EAI_TRY(deflate_chunk(p, (size_t)n, n == 0, err));
        if (n == 0)
            return EAI_OK;
    }
}

static eai_status write_compressed(const char *target, int fd, const char *path, eai_error *err)
{
    packing p = {.stream = {.zalloc = zlib_alloc, .zfree = zlib_free}};
    eai_status st = EAI_OK;
    bool ready = false;
    p.in = eai_alloc(2 * CHUNK);
    if (p.in)
        ready = deflateInit2(&p.stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                             Z_DEFAULT_STRATEGY) == Z_OK;
    if (!ready) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to compress '%s'", path);
        goto done;
    }
    p.out = p.in + CHUNK;
    st = eai_file_writer_open(&p.writer, target, err);
    if (st != EAI_OK)
        goto done;
    st = deflate_all(&p, fd, path, err);
    st = eai_file_writer_finish(p.writer, st, err);
done:
    if (ready)
        deflateEnd(&p.stream);
    eai_free(p.in);
    return st;
}

/* The file is open and locked. */
static eai_status compress_locked(const char *path, int fd, eai_error *err)
{
    struct stat info;
    if (io__fstat(fd, &info) != 0)
        return eai_error_set_errno(err, "cannot read '%s'", path);
    if (info.st_nlink == 0) /* another process was quicker */
        return EAI_OK;
    char *target = eai_asprintf("%s.gz", path);
    if (!target)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to compress '%s'", path);
    eai_status st = write_compressed(target, fd, path, err);
    if (st == EAI_OK) {
        const struct timespec times[2] = {{info.st_atime, 0}, {info.st_mtime, 0}};
        /* else it only stays longer, or is read by those who could not read the other one */
        if (utimensat(AT_FDCWD, target, times, 0) != 0 || chmod(target, info.st_mode & 0777) != 0)
            errno = 0;
        if (io__unlink(path) != 0 && errno != ENOENT)
            st = eai_error_set_errno(err, "cannot remove '%s'", path);
    }
    eai_free(target);
    return st;
}

static eai_status compress_file(const char *path, eai_error *err)
{
    int fd = io__open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return errno == ENOENT ? EAI_OK : eai_error_set_errno(err, "cannot open '%s'", path);
    eai_status st = EAI_OK;
    if (io__lock(fd, LOCK_EX | LOCK_NB) == 0)
        st = compress_locked(path, fd, err);
    else if (errno != EWOULDBLOCK) /* another process is at it */
        st = eai_error_set_errno(err, "cannot lock '%s'", path);
    io__close(fd);
    return st;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static eai_status remove_old(const char *path, time_t before, eai_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0 || info.st_mtime >= before)
        return EAI_OK;
    if (io__unlink(path) != 0 && errno != ENOENT)
        return eai_error_set_errno(err, "cannot remove '%s'", path);
    return EAI_OK;
}

eai_status log__archive(const char *path, const eai_log_file_opts *opts, eai_error *err)
{
    log_archived *list;
    size_t n;
    EAI_TRY(log__archive_list(&list, &n, path, err));
    eai_status st = EAI_OK;
    size_t n_plain = opts->n_plain < 0 ? 0 : (size_t)opts->n_plain;
    time_t before = time(NULL) - (time_t)opts->keep_days * SECONDS_A_DAY;
    for (size_t i = 0; st == EAI_OK && i < n; i++) {
        if (!list[i].compressed && i + n_plain < n)
            st = compress_file(list[i].path, err);
    }
    log__archive_free(list, n);
    if (st != EAI_OK || opts->keep_days < 0)
        return st;
    EAI_TRY(log__archive_list(&list, &n, path, err));
    for (size_t i = 0; st == EAI_OK && i < n; i++)
        st = remove_old(list[i].path, before, err);
    log__archive_free(list, n);
    return st;
}
