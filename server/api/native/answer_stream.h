/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer to a prediction that is computed while its client reads it. Only one block of one
 * result is in memory (core/predict/predict_block.h). When the block has been sent, its memory
 * becomes that of the next one, which a compute thread computes while the connection is suspended.
 * So a client that does not read holds one block, and costs no time.
 *
 * JSON has its results one after the other, so each result is a pass over the rows of its own.
 */
#ifndef ANSWER_STREAM_H
#define ANSWER_STREAM_H

#include "api/app.h"
#include "api/exports/answer_room.h"
#include "api/native/predict_answer.h"
#include "predict/predict_block.h"

/* Of numbers that are computed at a time. */
#define ANSWER_BLOCK_BYTES ((size_t)1 << 20)

struct answer_stream {
    struct app *app;
    const struct request *req;
    const struct prediction_request *request;
    struct served *served;     /* until answer_stream_begin has taken a reference: the caller's */
    struct answer_model model; /* the reference */
    struct predict_block block;
    struct predict_result result;
    struct arena arena; /* of the result */
    struct batch_item item;
    bool computing; /* a compute thread has the item */
    struct answer_text text;
    struct answer_claim claim;
};

/*
 * Begins with the first block, which stream->item then asks for; whoever computes it writes the
 * answer with answer_stream_send. The stream is zeroed, lies in the request's arena and borrows the
 * request. ERR_BUSY, ERR_TOO_LARGE: no room for one block or for the version. The caller releases
 * it after a failure, too.
 */
enum err_code answer_stream_begin(struct answer_stream *stream, struct err *err) MUST_CHECK;

/* With the first block in stream->result: fills the response, which takes the stream. *outside as
 * in predict_answer_write. After a failure the stream is still the caller's. */
enum err_code answer_stream_send(struct answer_stream *stream, struct response *res, long *outside,
                                 struct err *err) MUST_CHECK;

/* A zeroed stream is fine. */
void answer_stream_release(struct answer_stream *stream);

#endif
