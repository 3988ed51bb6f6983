/* HTTP requests: a thin layer over libcurl for whoever in this program talks to a server.
 *
 *     http_request request = {.url = "https://host/api/x", .token = token, .limit = 1 << 20};
 *     http_response response;
 *     st = http__perform(&response, &request, err);
 *     if (st == EAI_OK && response.status == 200) use(response.body, response.body_bytes);
 *     http__response_deinit(&response);
 *
 * An answer of the server is a success whatever its status says: the caller knows what 404 means to
 * him, and http__status_error() makes an error of it. What fails is that no whole answer came.
 *
 * What holds for every request: only http and https; at most 10 redirects, of GET alone and never
 * from https to http; the token goes to the host, port and scheme of `url` and to no other, and
 * over http to this machine only; a server that sends next to nothing for `stall_seconds` is given
 * up; the environment's proxy settings hold (http_proxy, https_proxy, all_proxy, no_proxy), and
 * SSL_CERT_FILE or CURL_CA_BUNDLE name certificates in place of the system's. .netrc is not read
 * and there are no cookies.
 *
 * Thread-safety: any number of requests at a time. */
#ifndef EAI_CLI_HTTP_H
#define EAI_CLI_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <efficientai/error.h>

typedef struct http_response http_response;

typedef struct http_request {
    const char *url;
    const char *token;          /* sent as "Authorization: Bearer TOKEN"; NULL or "": none */
    const char *const *headers; /* further "Name: value" lines, a NULL at the end; NULL: none */
    uint64_t limit;             /* of the answer's body in bytes; a longer one is an error */
    long stall_seconds;         /* 0: 30 seconds */
    /* Takes the body of an answer with status 2xx, a piece at a time, in place of response.body.
     * `response` has status and headers already. Not EAI_OK: the transfer ends with that error. */
    eai_status (*sink)(void *ud, const http_response *response, const void *data, size_t n,
                       eai_error *err);
    void *ud;
} http_request;

struct http_response {
    int status;             /* 200, 404 ... */
    char etag[256];         /* of the last answer, with its quotes; "" when there is none */
    char content_range[64]; /* "bytes 100-199/200"; "" when there is none */
    int64_t content_length; /* -1 when it was not said */
    long retry_after;       /* seconds, 0 when it was not said */
    char *body;             /* NUL-terminated; NULL when nothing came or the sink took it */
    size_t body_bytes;
};

/* Sends one request and takes the whole answer. EAI_ERR_IO: no connection, a stall, an answer cut
 * short; EAI_ERR_LIMIT: longer than `limit`, or too many redirects; EAI_ERR_ARGUMENT: the URL or
 * the token. *response is to be given to http__response_deinit() in any case. */
EAI_CHECKED eai_status http__perform(http_response *response, const http_request *request,
                                     eai_error *err);
void http__response_deinit(http_response *response);

/* Looks at one line of an answer's head, of `n` bytes without a NUL: a status line begins a new
 * head, known names go into their fields, all else is ignored. */
void http__take_header(http_response *response, const char *line, size_t n);

/* An error out of an answer that the caller cannot use: EAI_ERR_NOT_FOUND for 404, else EAI_ERR_IO,
 * with the status and what it usually means. Returns the code. */
eai_status http__status_error(const http_response *response, eai_error *err);

/* Whether asking again may help: a server that is busy or broken for now. */
bool http__is_transient(int status);

/* `text` with everything but letters, digits and "-._~" as %XX; '/' stays when keep_slashes. New
 * memory (eai_free), NULL when there is none. */
char *http__escape(const char *text, bool keep_slashes);

#endif
