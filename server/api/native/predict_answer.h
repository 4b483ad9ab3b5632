/* SPDX-License-Identifier: Apache-2.0 */
/* A prediction as the body of a response: JSON, or npy or npz with the rest in headers. */
#ifndef PREDICT_ANSWER_H
#define PREDICT_ANSWER_H

#include "api/native/prediction_request.h"
#include "formats/json_stream.h"
#include "formats/npy.h"
#include "formats/npz_stream.h"
#include "live/models.h"

struct predict_answer {
    const struct prediction_request *request;
    const struct served *served;         /* need not outlive predict_answer_write */
    const struct predict_result *result; /* NULL: its numbers are fed while they are sent */
    struct arena *arena; /* like request and result it must live until the response has been sent */
};

/*
 * Fills the response; *outside: rows outside the training range. ERR_NOMEM; ERR_NUMERIC (a value
 * beyond float32).
 */
enum err_code predict_answer_write(const struct predict_answer *answer, struct response *res,
                                   long *outside, struct err *err) MUST_CHECK;

/*
 * Headers for what an answer cannot say in its body: which version answered, and its warnings.
 * *outside as above. ERR_NOMEM.
 */
enum err_code predict_answer_headers(const struct served *served,
                                     const struct predict_request *request, struct arena *arena,
                                     struct response *res, long *outside,
                                     struct err *err) MUST_CHECK;

/* An answer whose numbers come block by block. */
struct answer_text {
    struct json_stream *json; /* NULL: npy or npz */
    uint64_t n_bytes;         /* of the whole; 0: not known */

    struct npz_stream *npz; /* NULL: another */
    unsigned want;          /* its results */

    /* npy */
    char head[NPY_HEAD_MAX];
    size_t n_head;
    size_t head_at;
    bool single;
    struct json_feed next; /* the number that follows */
    size_t n_left;         /* numbers that have not been read */
    const double *fed;
    size_t n_fed;
};

/* The same for an answer without a result: fills all of the response but its source. Sequences of
 * the text are results, by enum predict_index. */
enum err_code predict_answer_begin(const struct predict_answer *answer, struct answer_text *text,
                                   struct response *res, long *outside, struct err *err) MUST_CHECK;

/* As in json_stream.h. size: at least a number of npy. ERR_NUMERIC (a value beyond float32). */
enum err_code answer_text_read(struct answer_text *text, char *out, size_t size, size_t *n,
                               struct err *err) MUST_CHECK;
bool answer_text_needs(const struct answer_text *text, struct json_feed *next);
void answer_text_feed(struct answer_text *text, const double *values, size_t n);

#endif
