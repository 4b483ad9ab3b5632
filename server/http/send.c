/* SPDX-License-Identifier: Apache-2.0 */
/* Answers are handed to the library, which sends them. */
#include "http/serve_priv.h"

#include "http/place.h"

#define STREAM_BLOCK  ((size_t)64 * 1024) /* bytes asked from a source at a time */
#define ENDLESS_BLOCK ((size_t)4 * 1024)  /* of one that mostly waits */

static ssize_t read_source(void *ctx, uint64_t pos, char *out, size_t size)
{
    const struct body_source *source = ctx;
    (void)pos;
    size_t n = source->read(source->ctx, out, size);
    if (n == BODY_SOURCE_FAILED) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (n == BODY_SOURCE_WAIT) {
        return 0; /* suspended; called again when resumed */
    }
    return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static struct MHD_Response *create_response(struct exchange *ex, const struct response *res)
{
    ex->source = res->source; /* also one that is only released */
    if (res->source.read != NULL) {
        if (ex->source.endless) {
            atomic_fetch_add_explicit(&ex->serve->endless, 1, memory_order_relaxed);
        }
        struct MHD_Response *out = MHD_create_response_from_callback(
            res->source.n_bytes > 0 ? res->source.n_bytes : MHD_SIZE_UNKNOWN,
            ex->source.endless ? ENDLESS_BLOCK : STREAM_BLOCK, read_source, &ex->source, NULL);
        if (out != NULL && ex->req.method == HTTP_HEAD && res->source.n_bytes == 0) {
            /* No chunks: the library (0.9.75) would send the end of a body that is not there, and
             * the client would take it for the beginning of the next answer. */
            (void)MHD_set_response_options(out, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
        }
        return out;
    }
    /* The bytes live in the exchange's arena, which outlasts the sending. */
    return MHD_create_response_from_buffer(
        res->n_body, res->n_body > 0 ? (void *)res->body : (void *)"", MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result send_response(struct exchange *ex, const struct response *res)
{
    struct MHD_Response *out = create_response(ex, res);
    if (out == NULL) {
        return MHD_NO;
    }
    enum MHD_Result ok = MHD_YES;
    if (res->content_type != NULL) {
        ok = MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, res->content_type);
    }
    for (int i = 0; ok == MHD_YES && i < res->n_headers; i++) {
        ok = MHD_add_response_header(out, res->headers[i].name, res->headers[i].value);
    }
    if (ok == MHD_YES && ex->closes) {
        ok = MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    if (ok == MHD_YES && ex->stays && res->source.read == NULL) {
        place_hold(ex->thread, ex->place, res->n_body);
    }
    if (ok == MHD_YES) {
        ok = MHD_queue_response(ex->connection, (unsigned)res->status, out);
    }
    MHD_destroy_response(out);
    return ok;
}
