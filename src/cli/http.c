/* HTTP over libcurl's easy interface: one handle a request, redirects by our own hand.
 *
 * Why redirects are not left to libcurl: whether a token is sent along to another host, another
 * port or another scheme changed between its versions. Here each hop is a request of its own and
 * send_hop() decides, in one line.
 *
 * What it does not do: many transfers at once, cookies, keeping connections open between requests,
 * or trying again - the caller knows what may be repeated. Start at http__perform. */
#include "cli/http.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include <efficientai/alloc.h>
#include <efficientai/log.h>

#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_REDIRECTS   10
#define CONNECT_SECONDS 20L
#define STALL_SECONDS   30L
#define STALL_BYTES     16L /* a second; less than that is no transfer */
#define ERROR_LIMIT     ((uint64_t)64 << 10)
#define MAX_URL         8192

/* One hop under way: what libcurl's callbacks work on. */
typedef struct hop {
    const http_request *request;
    http_response *response;
    eai_strbuf body;
    uint64_t n_taken; /* bytes of the body so far */
    eai_status st;    /* of the sink or of a limit; ends the transfer */
    eai_error *err;
    char error[CURL_ERROR_SIZE];
} hop;

static void init_library(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* libcurl asks for one call a process, before any other. */
static void init_library_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
}

/* ---- What comes in --------------------------------------------------------------------------- */

/* The value of a header line of `n` bytes when it has that name, without the blanks around. */
static bool header_is(const char *line, size_t n, const char *name, char *value, size_t size)
{
    size_t length = strlen(name);
    if (n <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return false;
    const char *from = line + length + 1;
    const char *to = line + n;
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    /* One that does not fit is as good as none: a cut ETag would be another one. */
    bool fits = (size_t)(to - from) < size;
    snprintf(value, size, "%.*s", fits ? (int)(to - from) : 0, from);
    return true;
}

/* The status of "HTTP/1.1 200 OK", 0 when there is none. */
static int status_of(const char *line, size_t n)
{
    const char *at = memchr(line, ' ', n);
    int status = 0;
    if (!at || line + n - at < 4)
        return 0;
    for (int i = 1; i <= 3; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        status = status * 10 + (at[i] - '0');
    }
    return status;
}

void http__take_header(http_response *r, const char *line, size_t n)
{
    char text[32];
    if (n > 5 &&
        strncmp(line, "HTTP/", 5) == 0) { /* of an answer before the last, "100 Continue" */
        r->etag[0] = '\0';
        r->content_range[0] = '\0';
        r->content_length = -1;
        r->retry_after = 0;
        r->status = status_of(line, n);
    } else if (header_is(line, n, "content-length", text, sizeof(text))) {
        r->content_length = strtoll(text, NULL, 10);
    } else if (header_is(line, n, "retry-after", text, sizeof(text))) {
        r->retry_after = strtol(text, NULL, 10);
    } else if (!header_is(line, n, "etag", r->etag, sizeof(r->etag))) {
        header_is(line, n, "content-range", r->content_range, sizeof(r->content_range));
    }
}

static size_t take_header(char *line, size_t size, size_t n, void *ud)
{
    http__take_header(((hop *)ud)->response, line, size * n);
    return size * n;
}

static size_t take_body(char *data, size_t size, size_t n, void *ud)
{
    hop *h = ud;
    bool good = h->response->status >= 200 && h->response->status < 300;
    uint64_t limit = good ? h->request->limit : ERROR_LIMIT;
    n *= size;
    if (n > limit - h->n_taken) {
        h->st = eai_error_set(h->err, EAI_ERR_LIMIT,
                              "the answer is longer than the %llu bytes that are allowed",
                              (unsigned long long)limit);
        return 0;
    }
    h->n_taken += n;
    if (good && h->request->sink) {
        h->st = h->request->sink(h->request->ud, h->response, data, n, h->err);
    } else {
        eai_strbuf_bytes(&h->body, data, n);
        h->st = eai_strbuf_check(&h->body, "the answer", h->err);
    }
    return h->st == EAI_OK ? n : 0;
}

/* ---- One hop --------------------------------------------------------------------------------- */

/* Scheme, host and port of a URL as one text, "https://host:443". Empty when it is no URL. */
static void origin_of(char *origin, size_t size, const char *url)
{
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    CURLU *u = curl_url();
    origin[0] = '\0';
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        int n = snprintf(origin, size, "%s://%s:%s", scheme, host, port);
        if (n < 0 || (size_t)n >= size)
            origin[0] = '\0';
    }
    for (char *c = origin; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Nobody listens on the way to this machine itself. */
static bool may_carry_token(const char *origin)
{
    return begins_with(origin, "https://") || begins_with(origin, "http://127.0.0.1:") ||
           begins_with(origin, "http://localhost:") || begins_with(origin, "http://[::1]:");
}

/* Adds a line to a list of libcurl's; false when memory is out (the list is as before then). */
static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static bool add_headers(struct curl_slist **list, const http_request *r, bool with_token)
{
    bool ok = add_header(list, "Accept-Encoding: identity");
    for (size_t i = 0; ok && r->headers && r->headers[i]; i++)
        ok = add_header(list, r->headers[i]);
    if (ok && with_token) {
        char *line = eai_asprintf("Authorization: Bearer %s", r->token);
        ok = line && add_header(list, line);
        eai_free(line);
    }
    return ok;
}

static void set_options(CURL *c, hop *h, const char *url, struct curl_slist *headers)
{
    const http_request *r = h->request;
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle || !*bundle)
        bundle = getenv("SSL_CERT_FILE");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L); /* no SIGALRM in a program with threads */
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME,
                     r->stall_seconds ? r->stall_seconds : STALL_SECONDS);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "efficientai/" EAI_VERSION);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
    if (bundle && *bundle)
        curl_easy_setopt(c, CURLOPT_CAINFO, bundle);
}

/* One request to one address. *next is where the answer sends us, NULL when it is the last word. */
static eai_status send_hop(char **next, hop *h, const char *url, bool with_token)
{
    struct curl_slist *headers = NULL;
    char *location = NULL;
    eai_status st = EAI_OK;
    CURL *c = curl_easy_init();
    *next = NULL;
    if (!c || !add_headers(&headers, h->request, with_token)) {
        st = eai_error_set(h->err, EAI_ERR_NOMEM, "no memory for a request");
        goto done;
    }
    set_options(c, h, url, headers);
    CURLcode code = curl_easy_perform(c);
    if (h->st != EAI_OK) {
        st = h->st;
    } else if (code == CURLE_OUT_OF_MEMORY) {
        st = eai_error_set(h->err, EAI_ERR_NOMEM, "no memory for a request");
    } else if (code != CURLE_OK) {
        char origin[256];
        origin_of(origin, sizeof(origin), url);
        st = eai_error_set(h->err, EAI_ERR_IO, "%s: %s", origin,
                           h->error[0] ? h->error : curl_easy_strerror(code));
    } else if (curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &location) == CURLE_OK && location) {
        *next = eai_strdup(location);
        if (!*next)
            st = eai_error_set(h->err, EAI_ERR_NOMEM, "no memory for a URL");
    }
done:
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    return st;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static bool has_control(const char *text)
{
    for (; text && *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    }
    return false;
}

static eai_status check_request(const http_request *r, const char *origin, eai_error *err)
{
    if (!begins_with(origin, "https://") && !begins_with(origin, "http://"))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "'%s' is no http or https address", r->url);
    if (has_control(r->token))
        return eai_error_set(err, EAI_ERR_ARGUMENT, "the token has a control character in it");
    return EAI_OK;
}

/* Whether a redirect may be followed. */
static eai_status check_redirect(const char *from, const char *to, const char *url, int n,
                                 eai_error *err)
{
    if (n >= MAX_REDIRECTS)
        return eai_error_set(err, EAI_ERR_LIMIT, "%s: more than %d redirects", from, MAX_REDIRECTS);
    if (strlen(url) > MAX_URL || !*to)
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: redirects to what is no address", from);
    if (!begins_with(to, "https://") && (begins_with(from, "https://") || !begins_with(to, "http")))
        return eai_error_set(err, EAI_ERR_FORMAT, "%s: redirects to %s, which is not secure", from,
                             to);
    return EAI_OK;
}

static void reset_response(http_response *response)
{
    *response = (http_response){.content_length = -1};
}

eai_status http__perform(http_response *response, const http_request *request, eai_error *err)
{
    char first[256];
    char origin[256];
    char *url = eai_strdup(request->url);
    hop h = {.request = request, .response = response, .err = err};
    eai_status st = EAI_OK;

    reset_response(response);
    init_library_once();
    eai_strbuf_init(&h.body, (size_t)(request->limit > ERROR_LIMIT ? request->limit : ERROR_LIMIT));
    if (!url) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory for a URL");
        goto done;
    }
    origin_of(first, sizeof(first), url);
    st = check_request(request, first, err);
    snprintf(origin, sizeof(origin), "%s", first);
    bool has_token = request->token && *request->token;
    if (has_token)
        eai_log_mask(request->token); /* whatever shape it has */
    if (has_token && !may_carry_token(first))
        EAI_LOG(WARN, "http", "the token is not sent to %s: the connection is not encrypted",
                first);
    for (int n = 0; st == EAI_OK; n++) {
        char *next = NULL;
        char to[256];
        /* The one place that decides where a token goes. */
        bool with_token = has_token && strcmp(origin, first) == 0 && may_carry_token(origin);
        EAI_LOG(DEBUG, "http", "GET %s%s", origin, with_token ? " with a token" : "");
        h.n_taken = 0;
        eai_strbuf_clear(&h.body);
        st = send_hop(&next, &h, url, with_token);
        if (st != EAI_OK || !next)
            break;
        origin_of(to, sizeof(to), next);
        st = check_redirect(origin, to, next, n, err);
        snprintf(origin, sizeof(origin), "%s", to);
        eai_free(url);
        url = next;
    }
    if (st == EAI_OK)
        response->body = eai_strbuf_take(&h.body, &response->body_bytes);
done:
    eai_strbuf_deinit(&h.body);
    eai_free(url);
    return st;
}

void http__response_deinit(http_response *response)
{
    eai_free(response->body);
    reset_response(response);
}

bool http__is_transient(int status)
{
    return status == 408 || status == 429 || status >= 500;
}

eai_status http__status_error(const http_response *response, eai_error *err)
{
    static const struct {
        int status;
        const char *meaning;
    } known[] = {
        {401, "not signed in, or the token is not valid"},
        {403, "not allowed with this token, or with none"},
        {404, "no such thing there"},
        {429, "too many requests for now"},
    };
    const char *meaning = response->status >= 500 ? "the server has a problem" : "not understood";
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == response->status)
            meaning = known[i].meaning;
    }
    return eai_error_set(err, response->status == 404 ? EAI_ERR_NOT_FOUND : EAI_ERR_IO,
                         "the server answers %d: %s", response->status, meaning);
}

char *http__escape(const char *text, bool keep_slashes)
{
    eai_strbuf b = EAI_STRBUF_INIT(MAX_URL);
    for (; *text; text++) {
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) ||
            (*text == '/' && keep_slashes))
            eai_strbuf_char(&b, *text);
        else
            eai_strbuf_printf(&b, "%%%02X", (unsigned)(unsigned char)*text);
    }
    char *out = b.data ? eai_strbuf_take(&b, NULL) : eai_strdup("");
    eai_strbuf_deinit(&b);
    return out;
}
