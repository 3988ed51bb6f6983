/* All files of a log as one sequence of lines, oldest first.
 *
 * The log may be written, put aside and compressed while it is read. So the file in use is opened
 * first and the others are listed afterwards: what is put aside meanwhile is met in the list, known
 * by its number in the file system, and not read twice. A file of the list that has become a .gz is
 * looked for under that name. Bytes come through one buffer, lines are cut in it; a line that does
 * not fit is stepped over. Start at eai_log_reader_next. */
#include <efficientai/log_search.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <efficientai/alloc.h>

#include "base/io.h"
#include "base/log_internal.h"
#include "cli/log_line.h"

#include "base/banned.h"

#define CHUNK       ((size_t)64 << 10)
#define GZIP_WINDOW (15 + 16)
#define BYTES_MAX                                                                                  \
    ((uint64_t)4 << 30) /* of one file, uncompressed: what would fill more is no log */

/* Where bytes come from now; fd is -1 for nowhere. */
typedef struct source {
    int fd;
    bool compressed;
    bool ended;     /* of a compressed file: its end was there */
    bool no_memory; /* to uncompress more */
    z_stream stream;
    uint64_t n_bytes;
    unsigned char in[CHUNK];
} source;

struct eai_log_reader {
    char *path;
    int current; /* the file in use; -1: there is none */
    struct stat current_info;
    bool current_read;    /* it was put aside meanwhile, and is read as such */
    uint32_t last_number; /* of the list: the file in use will be put aside as the next one */
    log_archived *list;
    size_t n_list;
    size_t next; /* of the list; n_list: the file in use is next, then nothing */
    source from;
    bool drained;      /* the file in use was put aside, and has been read once more since */
    bool skipping;     /* over the rest of a line that is too long */
    size_t start, end; /* what is in the buffer and not handed out */
    char buffer[EAI_LOG_READ_MAX + 1];
    log_line line;
    eai_log_totals totals;
};

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

static eai_status open_current(eai_log_reader *r, eai_error *err)
{
    r->current = io__open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    if (r->current < 0)
        return errno == ENOENT ? EAI_OK : eai_error_set_errno(err, "cannot open log '%s'", r->path);
    if (io__fstat(r->current, &r->current_info) != 0)
        return eai_error_set_errno(err, "cannot read log '%s'", r->path);
    if (!S_ISREG(r->current_info.st_mode))
        return eai_error_set(err, EAI_ERR_IO, "cannot read log '%s': it is no regular file",
                             r->path);
    return EAI_OK;
}

static void set_last_number(eai_log_reader *r)
{
    if (r->n_list > 0)
        r->last_number = r->list[r->n_list - 1].number;
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void close_source(eai_log_reader *r)
{
    if (r->from.compressed)
        inflateEnd(&r->from.stream);
    if (r->from.fd >= 0 && r->from.fd != r->current)
        io__close(r->from.fd);
    r->from.fd = -1;
    r->from.compressed = false;
}

static eai_status use_source(eai_log_reader *r, int fd, bool compressed, eai_error *err)
{
    r->from.fd = fd;
    r->from.n_bytes = 0;
    r->from.ended = false;
    r->from.no_memory = false;
    r->totals.n_files++;
    if (!compressed)
        return EAI_OK;
    r->from.stream = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
    if (inflateInit2(&r->from.stream, GZIP_WINDOW) != Z_OK)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to read log '%s'", r->path);
    r->from.compressed = true;
    return EAI_OK;
}

/* Opens list[i], or what has become of it; -1 when it is gone. */
static int open_archived(bool *compressed, const log_archived *a)
{
    int fd = io__open(a->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
    *compressed = a->compressed;
    if (fd >= 0 || a->compressed)
        return fd;
    char *path = eai_asprintf("%s.gz", a->path);
    fd = path ? io__open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0) : -1;
    eai_free(path);
    *compressed = true;
    return fd;
}

/* Goes on to the next file; from.fd stays -1 when there is none. */
static eai_status next_source(eai_log_reader *r, eai_error *err)
{
    while (r->next < r->n_list) {
        bool compressed;
        struct stat info;
        int fd = open_archived(&compressed, &r->list[r->next++]);
        if (fd < 0)
            continue;
        if (io__fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
            r->current_read =
                r->current_read || (r->current >= 0 && info.st_ino == r->current_info.st_ino &&
                                    info.st_dev == r->current_info.st_dev);
            return use_source(r, fd, compressed, err);
        }
        io__close(fd);
    }
    if (r->next > r->n_list)
        return EAI_OK;
    r->next++;
    if (r->current_read) { /* what PATH names now is the one after it */
        r->current_read = false;
        io__close(r->current);
        r->current = -1;
        EAI_TRY(open_current(r, err));
    }
    return r->current >= 0 ? use_source(r, r->current, false, err) : EAI_OK;
}

/* Up to n bytes of an open compressed file; *broken when it is none or not whole. */
static size_t inflate_some(bool *broken, source *s, char *out, size_t n)
{
    s->stream.next_out = (unsigned char *)out;
    s->stream.avail_out = (unsigned)n;
    while (!s->ended && s->stream.avail_out == n) {
        if (s->stream.avail_in == 0) {
            ssize_t got = io__read(s->fd, s->in, CHUNK);
            if (got <= 0)
                break;
            s->stream.next_in = s->in;
            s->stream.avail_in = (unsigned)got;
        }
        int code = inflate(&s->stream, Z_NO_FLUSH);
        s->ended = code == Z_STREAM_END;
        s->no_memory = code == Z_MEM_ERROR;
        if (code != Z_OK && code != Z_STREAM_END)
            break;
    }
    *broken = !s->ended && s->stream.avail_out == n;
    return n - s->stream.avail_out;
}

/* Up to n bytes of the source; 0 at its end. */
static size_t read_some(bool *broken, source *s, char *out, size_t n)
{
    size_t got = 0;
    *broken = false;
    if (s->n_bytes > BYTES_MAX) {
        *broken = true;
    } else if (s->compressed) {
        got = inflate_some(broken, s, out, n);
    } else {
        ssize_t done = io__read(s->fd, out, n);
        *broken = done < 0;
        got = done < 0 ? 0 : (size_t)done;
    }
    s->n_bytes += got;
    return got;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* Hands out what is up to `end` of the buffer, if it is a line of a log. */
static bool take_line(eai_log_reader *r, size_t end)
{
    char *text = r->buffer + r->start;
    size_t n = end - r->start;
    bool skip = r->skipping;
    r->skipping = false;
    log_line__deinit(&r->line);
    r->buffer[end] = '\0';
    if (n == 0 && !skip)
        return false;
    if (!skip && log_line__parse(&r->line, text, n)) {
        r->totals.n_lines++;
        return true;
    }
    r->totals.n_broken++;
    return false;
}

/* The next line within the buffer. */
static bool next_in_buffer(eai_log_reader *r)
{
    char *newline;
    while ((newline = memchr(r->buffer + r->start, '\n', r->end - r->start))) {
        size_t end = (size_t)(newline - r->buffer);
        bool taken = take_line(r, end);
        r->start = end + 1;
        if (taken)
            return true;
    }
    return false;
}

/* Room behind what is left in the buffer; a line that fills all of it is too long. */
static void make_room(eai_log_reader *r)
{
    size_t left = r->end - r->start;
    if (left == EAI_LOG_READ_MAX) {
        r->skipping = true;
        left = 0;
    }
    memmove(r->buffer, r->buffer + r->start, left);
    r->start = 0;
    r->end = left;
}

/* At the end of a file. The one in use stays open: there may be more, and half a line may become
 * whole. */
static bool end_source(eai_log_reader *r, bool broken)
{
    bool taken = false;
    if (r->from.fd == r->current && !broken)
        return false;
    close_source(r);
    r->totals.n_broken += broken;
    if (r->end > r->start || r->skipping)
        taken = take_line(r, r->end);
    r->start = 0;
    r->end = 0;
    return taken;
}

/* Does PATH name another file than the one that was read to its end? */
static bool is_replaced(const eai_log_reader *r)
{
    struct stat now;
    bool there = stat(r->path, &now) == 0;
    if (r->current < 0)
        return there;
    return !there || now.st_ino != r->current_info.st_ino || now.st_dev != r->current_info.st_dev;
}

/* At the end of all: has the file in use been put aside, and others after it? Those that were
 * become the list to read. *more says whether to go on. */
static eai_status look_again(bool *more, eai_log_reader *r, eai_error *err)
{
    uint32_t n_read = r->current >= 0; /* it is the next number now */
    *more = is_replaced(r);
    if (!*more)
        return EAI_OK;
    if (r->from.fd >= 0 && !r->drained) { /* what was written until then */
        r->drained = true;
        return EAI_OK;
    }
    close_source(r);
    if (r->current >= 0)
        io__close(r->current);
    r->current = -1;
    r->from.fd = -1;
    r->drained = false;
    r->totals.n_broken += r->end > r->start || r->skipping;
    r->skipping = false;
    r->start = 0;
    r->end = 0;
    EAI_TRY(open_current(r, err));
    log__archive_free(r->list, r->n_list);
    EAI_TRY(log__archive_list(&r->list, &r->n_list, r->path, err));
    for (r->next = 0; r->next < r->n_list; r->next++) {
        if (r->list[r->next].number > r->last_number + n_read)
            break;
    }
    set_last_number(r);
    *more = r->next < r->n_list || r->current >= 0;
    return EAI_OK;
}

eai_status eai_log_reader_next(const eai_log_line **out, eai_log_reader *r, eai_error *err)
{
    *out = NULL;
    for (bool more = true; more;) {
        bool broken;
        if (r->from.fd < 0)
            EAI_TRY(next_source(r, err));
        if (r->from.fd < 0) {
            EAI_TRY(look_again(&more, r, err));
            continue;
        }
        bool found = next_in_buffer(r);
        if (!found) {
            make_room(r);
            size_t got =
                read_some(&broken, &r->from, r->buffer + r->end, EAI_LOG_READ_MAX - r->end);
            if (r->from.no_memory)
                return eai_error_set(err, EAI_ERR_NOMEM, "no memory to read log '%s'", r->path);
            r->end += got;
            r->totals.n_bytes += got;
            if (got > 0)
                continue;
            bool in_use = r->from.fd == r->current && !broken;
            found = end_source(r, broken);
            if (in_use)
                EAI_TRY(look_again(&more, r, err));
        }
        if (found) {
            *out = &r->line.line;
            return EAI_OK;
        }
    }
    return EAI_OK;
}

/* ---- The reader ------------------------------------------------------------------------------ */

eai_status eai_log_reader_open(eai_log_reader **out, const char *path, eai_error *err)
{
    eai_status st = EAI_OK;
    *out = NULL;
    eai_log_reader *r = eai_alloc_zeroed(1, sizeof(*r));
    if (!r)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory to read log '%s'", path);
    r->from.fd = -1;
    r->current = -1;
    r->path = eai_strdup(path);
    if (!r->path)
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to read log '%s'", path);
    if (st == EAI_OK)
        st = open_current(r, err);
    if (st == EAI_OK)
        st = log__archive_list(&r->list, &r->n_list, path, err);
    set_last_number(r);
    if (st == EAI_OK && r->current < 0 && r->n_list == 0)
        st = eai_error_set(err, EAI_ERR_NOT_FOUND, "there is no log '%s'", path);
    if (st == EAI_OK)
        *out = r;
    else
        eai_log_reader_close(r);
    return st;
}

eai_log_totals eai_log_reader_totals(const eai_log_reader *r)
{
    eai_log_totals t = r->totals;
    t.n_broken += r->end > r->start; /* half a line at the end of the file in use */
    return t;
}

void eai_log_reader_close(eai_log_reader *r)
{
    if (!r)
        return;
    close_source(r);
    if (r->current >= 0)
        io__close(r->current);
    log_line__deinit(&r->line);
    log__archive_free(r->list, r->n_list);
    eai_free(r->path);
    eai_free(r);
}

/* ---- Old files ------------------------------------------------------------------------------- */

static eai_status clean_file(const char *file, double before, bool dry,
                             void (*each)(void *ud, const char *file, uint64_t bytes), void *ud,
                             eai_error *err)
{
    struct stat info;
    if (stat(file, &info) != 0 || (double)info.st_mtime >= before)
        return EAI_OK;
    if (!dry && io__unlink(file) != 0 && errno != ENOENT)
        return eai_error_set_errno(err, "cannot remove '%s'", file);
    if (each)
        each(ud, file, (uint64_t)info.st_size);
    return EAI_OK;
}

eai_status eai_log_clean(const char *path, double before, bool dry,
                         void (*each)(void *ud, const char *file, uint64_t bytes), void *ud,
                         eai_error *err)
{
    log_archived *list;
    size_t n;
    EAI_TRY(log__archive_list(&list, &n, path, err));
    eai_status st = EAI_OK;
    for (size_t i = 0; st == EAI_OK && i < n; i++)
        st = clean_file(list[i].path, before, dry, each, ud, err);
    log__archive_free(list, n);
    return st;
}
