/* One file of a repository: fetched, gone on with where an earlier attempt ended, and checked.
 *
 * The content is collected in a file named by its hash, so what is there of it always belongs to
 * the same content. Going on asks for a Range, with If-Range when the server gave a strong ETag
 * (kept beside, in PART.etag): a server whose file changed then sends all of it. In the end only
 * the hash decides; a wrong one after a continued fetch means one fetch from the start, a wrong one
 * of a fetch in one piece is an error. Why an attempt may be repeated: a connection that breaks, a
 * stall, a busy server. An attempt that brought a megabyte does not count, so a large file on a bad
 * line arrives. Start at hub__download. */
#include "base/io.h"
#include "cli/hub_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "cli/http.h"

#include "base/banned.h"

#define CHUNK_BYTES    ((size_t)1 << 20)
#define WORTH_BYTES    ((uint64_t)1 << 20)
#define MAX_STALL      3600
#define ETAG_FILE_SIZE 256

/* One attempt under way. */
typedef struct attempt {
    const hub_download *d;
    char *etag_path;  /* PART.etag */
    int fd;           /* PART */
    uint64_t offset;  /* bytes that are in PART */
    bool has_begun;   /* the first piece of the answer was looked at */
    bool is_ranged;   /* it continues */
    bool is_hopeless; /* of a failure: trying again cannot help */
    long retry_after;
} attempt;

/* ---- Hashes ---------------------------------------------------------------------------------- */

static void to_hex(char *hex, const unsigned char *digest, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
}

/* Git's name of a small file: the SHA-1 of "blob SIZE", a NUL, and the content. */
static eai_status hash_as_git(char *hex, const char *path, uint64_t bytes, eai_error *err)
{
    char header[40];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n_digest = 0;
    int n_header = snprintf(header, sizeof(header), "blob %" PRIu64, bytes) + 1;
    unsigned char *chunk = eai_alloc(CHUNK_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int fd = io__open(path, O_RDONLY | O_CLOEXEC, 0);
    bool ok = chunk && ctx && fd >= 0 && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, header, (size_t)n_header) == 1;
    for (ssize_t n = 1; ok && n > 0;) {
        n = io__read(fd, chunk, CHUNK_BYTES);
        ok = n >= 0 && EVP_DigestUpdate(ctx, chunk, (size_t)n) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, digest, &n_digest) == 1;
    if (ok)
        to_hex(hex, digest, n_digest);
    if (fd >= 0)
        io__close(fd);
    EVP_MD_CTX_free(ctx);
    eai_free(chunk);
    return ok ? EAI_OK : eai_error_set(err, EAI_ERR_IO, "cannot compute the SHA-1 of '%s'", path);
}

/* *sha256 of the whole PART; EAI_ERR_FORMAT when it is not what the listing says. */
static eai_status check_hash(char *sha256, const hub_download *d, eai_error *err)
{
    char git[EAI_SHA256_HEX_SIZE];
    const char *expected = d->entry->oid;
    const char *seen = sha256;
    EAI_TRY(eai_sha256_file(sha256, d->part, err));
    if (strlen(expected) == 40) {
        EAI_TRY(hash_as_git(git, d->part, d->entry->bytes, err));
        seen = git;
    }
    if (*expected && strcmp(seen, expected) != 0)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s is %s, expected %s",
                             seen == git ? "git's SHA-1" : "SHA-256", seen, expected);
    return EAI_OK;
}

/* ---- One attempt ----------------------------------------------------------------------------- */

static eai_status start_over(attempt *a, eai_error *err)
{
    a->offset = 0;
    if (ftruncate(a->fd, 0) != 0 || lseek(a->fd, 0, SEEK_SET) != 0)
        return eai_error_set_errno(err, "cannot empty '%s'", a->d->part);
    return EAI_OK;
}

/* Digits and nothing else up to `end`, which is stepped over. */
static bool take_number(uint64_t *out, const char **text, char end)
{
    char *after = NULL;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtoull(*text, &after, 10);
    if (errno || *after != end)
        return false;
    *text = after + (end != '\0');
    return true;
}

bool hub__content_range(uint64_t *from, uint64_t *total, const char *text)
{
    uint64_t last = 0;
    if (strncmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    return take_number(from, &text, '-') && take_number(&last, &text, '/') &&
           take_number(total, &text, '\0') && *from <= last && last < *total;
}

/* The answer's headers, before its first byte: does it continue, or is it the whole file? */
static eai_status begin(attempt *a, const http_response *r, eai_error *err)
{
    uint64_t from = 0;
    uint64_t total = 0;
    uint64_t size = a->d->entry->bytes;
    a->has_begun = true;
    if (r->status == 206) {
        if (!hub__content_range(&from, &total, r->content_range) || from != a->offset ||
            total != size) {
            a->is_hopeless = true;
            return eai_error_set(err, EAI_ERR_FORMAT,
                                 "the server sends '%s' where %" PRIu64 "-%" PRIu64 "/%" PRIu64
                                 " was asked for",
                                 r->content_range, a->offset, size - 1, size);
        }
        a->is_ranged = true;
    } else if (a->offset > 0) {
        EAI_TRY(start_over(a, err));
    }
    if (r->content_length >= 0 && (uint64_t)r->content_length != size - a->offset) {
        a->is_hopeless = true;
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "the server sends %" PRId64 " bytes, the list of files says %" PRIu64,
                             r->content_length, size - a->offset);
    }
    /* A weak one ("W/...") does not promise the same bytes. */
    if (r->etag[0] == '"')
        return eai_fs_write_atomic(a->etag_path, r->etag, strlen(r->etag), err);
    if (!a->is_ranged)
        unlink(a->etag_path);
    return EAI_OK;
}

static eai_status take_piece(void *ud, const http_response *r, const void *data, size_t n,
                             eai_error *err)
{
    attempt *a = ud;
    const char *bytes = data;
    if (!a->has_begun)
        EAI_TRY(begin(a, r, err));
    if (n > a->d->entry->bytes - a->offset) {
        a->is_hopeless = true;
        return eai_error_set(err, EAI_ERR_FORMAT,
                             "the server sends more than the %" PRIu64
                             " bytes of the list of files",
                             a->d->entry->bytes);
    }
    while (n > 0) {
        ssize_t written = io__write(a->fd, bytes, n);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            a->is_hopeless = true;
            return eai_error_set_errno(err, "cannot write '%s'", a->d->part);
        }
        bytes += written;
        n -= (size_t)written;
        a->offset += (uint64_t)written;
    }
    eai_progress_update(a->d->progress, a->d->n_before + a->offset, "%s", a->d->entry->name);
    return EAI_OK;
}

/* An error for a status that brings no content, and whether to ask again. */
static eai_status refuse_status(attempt *a, const http_response *r, eai_error *err)
{
    if (r->status == 416) { /* what is there is of no use to this server */
        EAI_TRY(start_over(a, err));
        unlink(a->etag_path);
        return eai_error_set(err, EAI_ERR_IO, "the server cannot go on where the last fetch ended");
    }
    a->is_hopeless = !http__is_transient(r->status);
    a->retry_after = r->retry_after;
    return http__status_error(r, err);
}

/* Asks for what is missing. Afterwards PART may have grown, whatever the outcome. */
static eai_status transfer(attempt *a, eai_error *err)
{
    char etag[ETAG_FILE_SIZE] = "";
    char range[64];
    char if_range[ETAG_FILE_SIZE + 16];
    const char *headers[3] = {NULL};
    char *kept = NULL;
    http_response r;
    http_request q = {.url = a->d->url,
                      .token = a->d->token,
                      .headers = headers,
                      .limit = a->d->entry->bytes,
                      .stall_seconds = hub__setting("EFFICIENTAI_FETCH_STALL", MAX_STALL, 0),
                      .sink = take_piece,
                      .ud = a};
    if (a->offset > 0) {
        snprintf(range, sizeof(range), "Range: bytes=%" PRIu64 "-", a->offset);
        headers[0] = range;
        if (eai_fs_read_file(&kept, NULL, a->etag_path, sizeof(etag) - 1, NULL) == EAI_OK)
            snprintf(etag, sizeof(etag), "%s", kept);
        eai_free(kept);
        if (etag[0] == '"') {
            snprintf(if_range, sizeof(if_range), "If-Range: %s", etag);
            headers[1] = if_range;
        }
    }
    eai_status st = http__perform(&r, &q, err);
    if (st == EAI_OK && (r.status < 200 || r.status > 299))
        st = refuse_status(a, &r, err);
    else if (st == EAI_OK && a->offset < a->d->entry->bytes)
        st = eai_error_set(err, EAI_ERR_IO, "ended after %" PRIu64 " of %" PRIu64 " bytes",
                           a->offset, a->d->entry->bytes);
    else if (st != EAI_OK && st != EAI_ERR_IO)
        a->is_hopeless = true;
    http__response_deinit(&r);
    return st;
}

/* Opens PART at its end; one that is too long is nothing to go on with. */
static eai_status open_part(attempt *a, eai_error *err)
{
    struct stat s;
    a->fd = io__open(a->d->part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (a->fd < 0 || fstat(a->fd, &s) != 0 || lseek(a->fd, 0, SEEK_END) < 0)
        return eai_error_set_errno(err, "cannot open '%s'", a->d->part);
    a->offset = (uint64_t)s.st_size;
    return a->offset > a->d->entry->bytes ? start_over(a, err) : EAI_OK;
}

/* What is missing, then the hash of all of it. */
static eai_status attempt_once(attempt *a, char *sha256, eai_error *err)
{
    bool was_there = a->offset > 0;
    eai_status st = EAI_OK;
    a->has_begun = a->is_ranged = a->is_hopeless = false;
    a->retry_after = 0;
    if (a->offset < a->d->entry->bytes)
        st = transfer(a, err);
    if (st != EAI_OK)
        return st;
    st = check_hash(sha256, a->d, err);
    if (st != EAI_ERR_FORMAT) {
        a->is_hopeless = true;
        return st;
    }
    /* All in one piece and wrong: the server has another file. Else the beginning may be wrong. */
    a->is_hopeless = !was_there || (a->has_begun && !a->is_ranged);
    unlink(a->etag_path);
    if (start_over(a, NULL) != EAI_OK)
        a->is_hopeless = true;
    return st;
}

eai_status hub__download(char sha256[EAI_SHA256_HEX_SIZE], const hub_download *d, eai_error *err)
{
    attempt a = {.d = d, .fd = -1, .etag_path = eai_asprintf("%s.etag", d->part)};
    int n = hub__attempts();
    eai_status st = EAI_OK;
    if (!a.etag_path)
        return eai_error_set(err, EAI_ERR_NOMEM, "no memory for a path");
    st = open_part(&a, err);
    if (st == EAI_OK && a.offset > 0)
        EAI_LOG(INFO, "hub", "going on with %s after %" PRIu64 " of %" PRIu64 " bytes",
                d->entry->name, a.offset, d->entry->bytes);
    for (int i = 1; st == EAI_OK; i++) {
        uint64_t before = a.offset;
        st = attempt_once(&a, sha256, err);
        if (a.offset >= before + WORTH_BYTES)
            i = 1;
        if (st == EAI_OK || a.is_hopeless || i >= n)
            break;
        eai_progress_note(d->progress, "%s: %s; trying again (%d of %d)", d->entry->name,
                          err ? err->message : "failed", i + 1, n);
        hub__pause(i, a.retry_after);
        st = EAI_OK;
    }
    if (a.fd >= 0)
        io__close(a.fd);
    if (st == EAI_OK)
        unlink(a.etag_path);
    eai_free(a.etag_path);
    return st == EAI_OK ? EAI_OK : eai_error_context(err, st, "file '%s'", d->entry->name);
}
