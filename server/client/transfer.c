/* SPDX-License-Identifier: Apache-2.0 */
#include "client/transfer.h"

#include "client/interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "formats/media_type.h"

#define MAX_ANSWER_BYTES ((size_t)1 << 31)

/* The next bytes of a text that is one part of the payload. */
static size_t send_text(struct transfer *t, const char *text, size_t len, char *buffer, size_t room)
{
    size_t left = len - t->sent_of_part;
    size_t n = left < room ? left : room;
    if (n > 0) {
        memcpy(buffer, text + t->sent_of_part, n);
    }
    t->sent_of_part += n;
    return n;
}

static size_t on_send(char *buffer, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct payload *p = t->payload;
    const char *ends[] = {p->before, NULL, p->after};
    for (; t->part < 3; t->part++, t->sent_of_part = 0) {
        size_t n;
        if (t->part == 1 && p->file != NULL) {
            n = fread(buffer, 1, size * count, p->file);
            if (n == 0 && ferror(p->file)) {
                t->failed = interrupt_seen() ? ERR_CANCELLED : ERR_CORRUPT;
                t->why = "the file cannot be read";
                return CURL_READFUNC_ABORT;
            }
        } else if (t->part == 1) {
            n = send_text(t, p->bytes, p->n_bytes, buffer, size * count);
        } else {
            const char *text = ends[t->part] != NULL ? ends[t->part] : "";
            n = send_text(t, text, strlen(text), buffer, size * count);
        }
        if (n > 0) {
            return n;
        }
    }
    return 0;
}

/* Goes back to the beginning, for a request that must be sent again. */
static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;
    if (offset != 0 || origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    if (t->payload->file != NULL &&
        (t->start < 0 || fseeko(t->payload->file, t->start, SEEK_SET) != 0)) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    t->part = 0;
    t->sent_of_part = 0;
    return CURL_SEEKFUNC_OK;
}

static bool keep_bytes(struct transfer *t, const char *data, size_t n)
{
    struct answer *a = t->answer;
    if (n > MAX_ANSWER_BYTES - a->n_data) {
        return false;
    }
    if (a->n_data + n + 1 > t->capacity) {
        size_t capacity = t->capacity < 4096 ? 4096 : 2 * t->capacity;
        while (capacity < a->n_data + n + 1) {
            capacity *= 2;
        }
        char *grown = mem_realloc_array(a->data, capacity, 1);
        if (grown == NULL) {
            return false;
        }
        a->data = grown;
        t->capacity = capacity;
    }
    memcpy(a->data + a->n_data, data, n);
    a->n_data += n;
    a->data[a->n_data] = '\0';
    return true;
}

/* A page of HTML does not come from the server, and must not be taken for its answer. */
static bool is_page(CURL *curl)
{
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    return media_type_is(type, "text/html");
}

static size_t on_receive(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    long status = 0;
    size_t n = size * count;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status / 100 == 2 && is_page(t->curl)) {
        t->failed = ERR_CORRUPT;
        t->why = "a page of HTML came instead of an answer: something else is at that address";
        return 0;
    }
    if (t->sink != NULL && status / 100 == 2) {
        if (fwrite(data, 1, n, t->sink) != n) {
            t->failed = interrupt_seen() || errno == EPIPE ? ERR_CANCELLED : ERR_FULL;
            t->why = "the answer cannot be written";
            return 0;
        }
    } else if (t->piece != NULL && status / 100 == 2) {
        t->enough = !t->piece(t->piece_ctx, data, n);
        return t->enough ? 0 : n;
    } else if (!keep_bytes(t, data, n)) {
        t->failed = ERR_NOMEM;
        t->why = "no memory for the answer";
        return 0;
    }
    return n;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return interrupt_seen() ? 1 : 0;
}

/* Notes the position of the file. The bytes of the payload; -1: unknown, it is sent in chunks. */
static curl_off_t measure_payload(struct transfer *t)
{
    const struct payload *p = t->payload;
    struct stat about;
    size_t texts = (p->before != NULL ? strlen(p->before) : 0) +
                   (p->after != NULL ? strlen(p->after) : 0) + p->n_bytes;
    t->start = -1;
    if (p->file == NULL) {
        return (curl_off_t)texts;
    }
    if (fstat(fileno(p->file), &about) != 0 || !S_ISREG(about.st_mode)) {
        return -1;
    }
    t->start = ftello(p->file);
    return t->start < 0 ? -1 : (curl_off_t)(about.st_size - t->start) + (curl_off_t)texts;
}

static void set_payload(struct transfer *t, const struct call *call)
{
    CURL *curl = t->curl;
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (call->payload.type != NULL) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(curl, CURLOPT_READDATA, t);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, measure_payload(t));
    } else if (strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
        /* An empty body: Content-Length: 0. */
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
}

void transfer_prepare(struct transfer *t, const struct call *call)
{
    curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_receive);
    curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    set_payload(t, call);
}

bool transfer_rewind(struct transfer *t)
{
    return on_rewind(t, 0, SEEK_SET) == CURL_SEEKFUNC_OK;
}
