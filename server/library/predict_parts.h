/* SPDX-License-Identifier: Apache-2.0 */
/* What predictions of both back ends have in common: the results that are wanted, and parts of long
 * inputs. */
#ifndef PREDICT_PARTS_H
#define PREDICT_PARTS_H

#include "library/handle.h"
#include "library/row_views.h"
#include "predict/predict_result.h"

/* Numbers of inputs or of one result that are sent or computed at a time: 2 MiB. */
#define PREDICT_PART_NUMBERS ((size_t)1 << 18)

#define PREDICT_PARTS_RESULTS 4

/* A result that a server is asked for: one array of the caller's, or the two of the Jacobian. */
struct part_result {
    enum predict_index index;
    void *values[2]; /* NULL: not wanted */
};

struct predict_parts {
    const struct surr_rows *inputs;
    struct surr_prediction *out;
    struct part_result results[PREDICT_PARTS_RESULTS];
    int n_results;
    int rows_of_part;
};

/* ERR_INVALID, ERR_NONFINITE: what is wrong with inputs and arrays, whatever the model is. */
enum err_code predict_parts_init(const struct surr_rows *inputs, struct surr_prediction *out,
                                 struct predict_parts *parts, struct err *err) MUST_CHECK;

/* The rows of the part that begins at `first`. */
int predict_parts_count(const struct predict_parts *parts, int first);

/* Numbers of a row of the result, over both of its arrays. */
size_t predict_parts_width(const struct predict_parts *parts, const struct part_result *result);

/* Puts the rows of a part where the caller wants them. values: as in predict_result, [n x o] or
 * [2 x n x o x d]. ERR_NUMERIC. */
enum err_code predict_parts_write(const struct predict_parts *parts,
                                  const struct part_result *result, int first, const double *values,
                                  struct err *err) MUST_CHECK;

/* ERR_OK, ERR_SHAPE: what the model has is not what the caller has. */
enum err_code predict_parts_check(const struct predict_parts *parts, int d, int o,
                                  struct err *err) MUST_CHECK;

/* The two back ends. */
enum err_code file_predict(struct surr *s, const struct predict_parts *parts,
                           struct err *err) MUST_CHECK;
enum err_code server_predict(struct surr *s, const struct predict_parts *parts,
                             struct outcome *outcome, struct err *err) MUST_CHECK;

#endif
