/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include "base/clock.h"
#include "base/version.h"
#include "client/interrupt.h"
#include "client/transfer.h"

#include <curl/curl.h>
#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "formats/media_type.h"

#define CONNECT_TIMEOUT_S 10.0
#define EXPECT_BYTES      ((size_t)1 << 20) /* bodies from here on are never sent at once */
#define AWAY_PAUSE_S      1                 /* between tries while the server does not answer */

struct connection {
    struct endpoint endpoint;
    char *authorization; /* a header; NULL: none */
    CURL *curl;
    bool reached;
};

void answer_release(struct answer *answer)
{
    mem_free(answer->data);
    *answer = (struct answer){.status = 0};
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state = CURLE_FAILED_INIT; /* written once, by curl_once */

/* libcurl stays ready to the end of the process, where other parts of it may use it too. */
static void init_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum err_code connection_open(const struct endpoint *endpoint, struct connection **out,
                              struct err *err)
{
    struct connection *c = mem_zalloc(sizeof *c);
    pthread_once(&curl_once, init_curl);
    if (c == NULL || curl_state != CURLE_OK) {
        mem_free(c);
        return err_set(err, ERR_NOMEM, "no memory for a connection");
    }
    c->endpoint = *endpoint;
    c->curl = curl_easy_init();
    if (c->curl == NULL) {
        connection_close(c);
        return err_set(err, ERR_NOMEM, "no memory for a connection");
    }
    *out = c;
    return ERR_OK;
}

void connection_close(struct connection *c)
{
    if (c != NULL) {
        curl_easy_cleanup(c->curl);
        mem_free(c->authorization);
        mem_free(c);
    }
}

enum err_code connection_set_token(struct connection *c, const char *token, struct err *err)
{
    static const char name[] = "Authorization: Bearer ";
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++) {
        if (token[i] <= ' ' || token[i] > '~') {
            return err_set(err, ERR_INVALID, "the token holds something else than visible ASCII");
        }
    }
    if (n == 0) {
        return err_set(err, ERR_INVALID, "the token is empty");
    }
    c->authorization = mem_alloc(sizeof name + n);
    if (c->authorization == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a connection");
    }
    memcpy(c->authorization, name, sizeof name - 1);
    memcpy(c->authorization + sizeof name - 1, token, n + 1);
    return ERR_OK;
}

bool connection_reached(const struct connection *c)
{
    return c->reached;
}

/* ---- a call ---- */

static bool add_header(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);
    *list = longer != NULL ? longer : *list;
    return longer != NULL;
}

static struct curl_slist *make_headers(const struct connection *c, const struct call *call)
{
    struct curl_slist *list = NULL;
    char type[128];
    snprintf(type, sizeof type, "Content-Type: %s", call->payload.type);
    bool fits = add_header(&list, "User-Agent: surrogated/" SURROGATED_VERSION);
    /* Without the empty header libcurl would declare an empty POST to be a form. */
    fits = fits && add_header(&list, call->payload.type != NULL ? type : "Content-Type:");
    if (call->at_once && call->payload.n_bytes < EXPECT_BYTES) {
        fits = fits && add_header(&list, "Expect:");
    }
    if (c->authorization != NULL) {
        fits = fits && add_header(&list, c->authorization);
    }
    for (int i = 0; i < CALL_MAX_HEADERS && call->headers[i] != NULL; i++) {
        fits = fits && add_header(&list, call->headers[i]);
    }
    if (!fits) {
        curl_slist_free_all(list);
        list = NULL;
    }
    return list;
}

/* Half of what fails with TLS has a remedy on the command line. */
static const char *find_remedy(const struct endpoint *endpoint, CURLcode code)
{
    switch ((int)code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return endpoint->tls_pin != NULL ? "; the server shows another certificate than tls_cert"
               : endpoint->tls_ca == NULL
                   ? "; --tls-ca names the authority of its certificate, or SURROGATED_TLS_CA"
                   : "; its certificate is not of an authority in tls-ca, or "
                     "of another host";
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
        return endpoint->tls_cert == NULL ? "; it may want a certificate (--tls-client-cert)"
                                          : "; it may not accept the certificate shown to it";
    default:
        return "";
    }
}

static enum err_code judge_failure(const struct connection *c, CURLcode code, const char *detail,
                                   struct err *err)
{
    const struct endpoint *endpoint = &c->endpoint;
    if (code == CURLE_SSL_CACERT_BADFILE && endpoint->tls_ca != NULL) {
        return err_set(err, ERR_INVALID, "tls-ca %.80s cannot be used: %.80s", endpoint->tls_ca,
                       detail);
    }
    if (code == CURLE_SSL_CERTPROBLEM && endpoint->tls_cert != NULL) {
        return err_set(err, ERR_INVALID,
                       "tls-client-cert %.60s and tls-client-key cannot be used: %.80s",
                       endpoint->tls_cert, detail);
    }
    return err_set(err, ERR_IO, "no answer from %.80s: %.120s%s", endpoint->shown, detail,
                   endpoint_is_secure(endpoint) ? find_remedy(endpoint, code) : "");
}

static enum err_code judge_transfer(const struct connection *c, CURLcode code,
                                    const struct transfer *t, const char *detail, struct err *err)
{
    /* A server that refuses may answer and close before all is sent. */
    bool answered = t->answer->status >= 400;
    if (code == CURLE_OK || t->enough ||
        (answered && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR))) {
        return ERR_OK;
    }
    if (interrupt_seen()) {
        return err_set(err, ERR_CANCELLED, "interrupted");
    }
    if (t->failed != ERR_OK) {
        return err_set(err, t->failed, "%s", t->why);
    }
    if (code == CURLE_URL_MALFORMAT) {
        return err_set(err, ERR_INVALID, "\"%.100s\" is not the address of a server",
                       c->endpoint.shown);
    }
    if (code == CURLE_OUT_OF_MEMORY) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    return judge_failure(c, code, detail[0] != '\0' ? detail : curl_easy_strerror(code), err);
}

/* A header that holds a count; 0: there is none. */
static int64_t read_count(CURL *curl, const char *name)
{
    struct curl_header *header = NULL;
    int64_t count = 0;
    if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return 0;
    }
    for (const char *c = header->value; *c >= '0' && *c <= '9' && count < INT64_MAX / 100; c++) {
        count = 10 * count + (*c - '0');
    }
    return count;
}

static void read_info(CURL *curl, struct answer *answer)
{
    long status = 0;
    curl_off_t wait = 0;
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    answer->status = (int)status;
    answer->retry_after_s = wait > 0 && wait < 86400 ? (int)wait : 1;
    answer->is_json = type != NULL && strstr(type, "json") != NULL;
    answer->is_stream = media_type_is(type, "text/event-stream");
    answer->version = read_count(curl, "Surrogate-Version");
    answer->n_extrapolated = read_count(curl, "Surrogate-Extrapolated-Rows");
}

static bool has_sent(CURL *curl)
{
    long bytes = 0; /* of the request's head, which goes first */
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &bytes);
    return bytes > 0;
}

static long to_ms(double seconds)
{
    const double max_s = 1e6;
    return seconds > 0.0 ? (long)ceil(1000.0 * (seconds < max_s ? seconds : max_s)) : 0;
}

static void set_options(struct connection *c, const struct call *call, const char *url,
                        struct curl_slist *headers)
{
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    /* A name such as ".." must not change the path. */
    curl_easy_setopt(c->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT_MS, to_ms(CONNECT_TIMEOUT_S));
    curl_easy_setopt(c->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(c->curl, CURLOPT_FRESH_CONNECT, call->fresh ? 1L : 0L);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, to_ms(call->total_s));
    if (call->silence_s > 0) {
        curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(c->curl, CURLOPT_LOW_SPEED_TIME, (long)call->silence_s);
    }
}

static void set_endpoint(CURL *curl, const struct endpoint *endpoint)
{
    if (endpoint->unix_path != NULL) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, endpoint->unix_path);
    }
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (endpoint->tls_ca != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, endpoint->tls_ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* else the system's count as well */
    }
    if (endpoint->tls_cert != NULL) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT, endpoint->tls_cert);
        curl_easy_setopt(curl, CURLOPT_SSLKEY, endpoint->tls_key);
    }
    if (endpoint->tls_pin != NULL) {
        /* The key itself is known: neither who signed it matters nor for which name. */
        curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, endpoint->tls_pin);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

static enum err_code send_once(struct connection *c, const struct call *call, struct transfer *t,
                               struct err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct arena arena = ARENA_INIT;
    char *url = arena_printf(&arena, "%s%s", c->endpoint.url, call->path);
    struct curl_slist *headers = make_headers(c, call);
    if (url == NULL || headers == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the request");
        goto done;
    }
    set_options(c, call, url, headers);
    set_endpoint(c->curl, &c->endpoint);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, detail);
    transfer_prepare(t, call);
    CURLcode code = curl_easy_perform(c->curl);
    read_info(c->curl, t->answer);
    t->answer->timed_out = code == CURLE_OPERATION_TIMEDOUT;
    c->reached = c->reached || has_sent(c->curl) || t->answer->status != 0;
    err_kept(judge_transfer(c, code, t, detail, err));
done:
    curl_slist_free_all(headers);
    arena_release(&arena);
    return err->code;
}

/* The problem document as one sentence that says nothing twice. */
static enum err_code report_refusal(const struct connection *c, const struct answer *a,
                                    struct err *err)
{
    json_t *doc = a->is_json ? json_loadb(a->data, a->n_data, 0, NULL) : NULL;
    const char *title = json_string_value(json_object_get(doc, "title"));
    const char *detail = json_string_value(json_object_get(doc, "detail"));
    const json_t *row = json_object_get(doc, "row");
    const json_t *column = json_object_get(doc, "column");
    if (title == NULL) {
        err_set(err, ERR_CONFLICT, "%.80s answered with status %d", c->endpoint.shown, a->status);
    } else if (detail == NULL || strcmp(title, detail) == 0) {
        err_set(err, ERR_CONFLICT, "%s", title);
    } else if (json_is_integer(row) && strstr(detail, "row") == NULL &&
               json_object_get(doc, "line") == NULL) {
        err_set(err, ERR_CONFLICT, "%s: %s (row %d)", title, detail, (int)json_integer_value(row));
    } else {
        err_set(err, ERR_CONFLICT, "%s: %s", title, detail);
    }
    err->row = json_is_integer(row) ? (int)json_integer_value(row) : -1;
    err->column = json_is_integer(column) ? (int)json_integer_value(column) : -1;
    json_decref(doc);
    return err->code;
}

/* Seconds until another try makes sense; 0: it does not. */
static int pause_before_next(const struct connection *c, const struct call *call,
                             const struct answer *answer, const struct err *err)
{
    if (err->code != ERR_OK) {
        bool may = call->repeats && (c->reached || call->waits);
        return err->code == ERR_IO && may ? AWAY_PAUSE_S : 0;
    }
    bool busy = answer->status == 429 || answer->status == 503;
    bool away = answer->status == 502 || answer->status == 504; /* as a proxy says */
    return busy || (away && call->repeats) ? answer->retry_after_s : 0;
}

enum err_code connection_call(struct connection *c, const struct call *call, struct answer *out,
                              struct err *err)
{
    int64_t end = clock_ns() + (int64_t)(1e9 * call->retry_s);
    struct transfer t = {.curl = c->curl,
                         .payload = &call->payload,
                         .sink = call->sink,
                         .piece = call->piece,
                         .piece_ctx = call->piece_ctx};
    *out = (struct answer){.status = 0};
    t.answer = out;
    for (;;) {
        err_kept(send_once(c, call, &t, err));
        int pause_s = pause_before_next(c, call, out, err);
        if (pause_s == 0 || clock_ns() + (int64_t)pause_s * 1000000000 > end ||
            !transfer_rewind(&t)) {
            break;
        }
        err_clear(err);
        answer_release(out);
        t.capacity = 0;
        if (!interrupt_sleep(pause_s)) {
            return err_set(err, ERR_CANCELLED, "interrupted");
        }
    }
    if (err->code != ERR_OK) {
        /* Half an answer is dropped; its status may still tell something. */
        mem_free(out->data);
        out->data = NULL;
        out->n_data = 0;
        return err->code;
    }
    return out->status / 100 == 2 ? ERR_OK : report_refusal(c, out, err);
}

void connection_escape(struct textbuf *url, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@,";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            textbuf_put(url, text, 1);
        } else {
            textbuf_printf(url, "%%%02X", (unsigned char)*text);
        }
    }
}
