/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows of a request, as JSON, CSV, npy or npz, with what the client says about them. */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "api/app.h"
#include "api/rows/idempotency.h"
#include "api/rows/text_rows.h"
#include "jobs/model_space.h"
#include "store/data/data_append.h"

#define UPLOAD_PROVENANCE_MAX 16384 /* bytes of the JSON key "provenance" */

/* What the query says about outputs that are missing. */
enum upload_missing { UPLOAD_MISSING_UNTOLD, UPLOAD_MISSING_REFUSE, UPLOAD_MISSING_ALLOW };

#define UPLOAD_MAX_IDS 10000 /* of pending points */

struct upload {
    struct data_upload data;  /* borrows from the request, its arena and this struct */
    struct model_space space; /* of the model as the rows were read */
    struct space *own;        /* that comes with the rows; one reference; NULL: none */
    bool skip_nonfinite;      /* leave out rows with values that may not be there */
    enum upload_missing missing;
    struct nonfinite skipped;
    unsigned char *failed; /* [data.n] of the rows as they were sent; NULL: nobody said it */
    bool is_text;          /* CSV and its relatives */
    struct text_rows text; /* if so */
    int64_t n_closed;      /* of the ids that the query names */
    char key[IDEMPOTENCY_KEY_MAX + 1];
    unsigned char payload[SHA256_BYTES];
};

/*
 * Reads headers and query: key, digest of the payload, source, what to do with duplicates. data.key
 * stays NULL without a key. The payload is the body and all that changes how it is read; the source
 * is not part of it.
 */
enum err_code upload_read_head(const struct request *req, struct upload *up,
                               struct err *err) MUST_CHECK;

/*
 * Reads the rows, in the order of the model's space where columns have names; names that the model
 * does not have yet come with the rows. The columns of the model's rows say how many are outputs if
 * the query does not. Rows with a value that may not be there are refused (ERR_NONFINITE) or left
 * out: one that is infinite, a missing input, and a missing output unless the run failed by its
 * status or upload_may_miss.
 */
enum err_code upload_read_rows(struct app *app, const struct request *req, const char *model,
                               struct upload *up, struct err *err) MUST_CHECK;

/*
 * May outputs be missing? Where the query says so; and in JSON, whose null nobody writes for a
 * number, as long as the query does not say what to do with such rows.
 */
bool upload_may_miss(const struct upload *up);

/* A zeroed upload may be released. */
void upload_release(struct upload *up);

/* The space that the rows have: the model's, or the one that comes with them; NULL: none. */
const struct space *upload_space(const struct upload *up);

#endif
