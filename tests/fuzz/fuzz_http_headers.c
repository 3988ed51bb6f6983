/* Fuzz target: the head of a server's answer, a line at a time, and the Content-Range in it. Each
 * line lies in memory of its own size, for libcurl promises no NUL behind it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/http.h"
#include "cli/hub_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_line(http_response *r, const uint8_t *line, size_t n)
{
    char *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    memcpy(copy, line, n);
    http__take_header(r, copy, n);
    free(copy);
}

static void check_response(const http_response *r)
{
    uint64_t from = 0;
    uint64_t total = 0;
    if (r->status < 0 || r->status > 999 || r->body || r->body_bytes)
        abort();
    if (!memchr(r->etag, '\0', sizeof(r->etag)) ||
        !memchr(r->content_range, '\0', sizeof(r->content_range)))
        abort();
    if (hub__content_range(&from, &total, r->content_range) && from >= total)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http_response r = {.content_length = -1};
    while (size > 0) {
        const uint8_t *newline = memchr(data, '\n', size);
        size_t n = newline ? (size_t)(newline - data) + 1 : size;
        take_line(&r, data, n);
        check_response(&r);
        data += n;
        size -= n;
    }
    return 0;
}
