/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request for an analysis: the body of POST /v1/models/{m}/analyses, and the text that its job
 * keeps, in which everything stands that the result depends on.
 *
 *    "kind": "sobol"                     core/analyse/analyse.def
 *    "version": "@default"
 *    "space": {..}                       the model's own when it is absent
 *    "outputs": ["T"]                    all
 *    "fixed": {"k": 0.4, "mesh": "fine"} inputs that have one value
 *    "seed": 1, "points": 1024, "replicates": 16, "draws": 100, "priority": 0
 *
 *    sobol             "second_order": true, "groups": [["k","h"], ..]
 *    shapley           "correlation": [{"inputs": ["k","h"], "value": 0.6}, ..]
 *    propagate         "quantiles": [0.05, 0.95], "bins": 50
 *    failure           "region": [{"output": "T", "above": 900}, ..], "method": "subset"
 *    slices            "slices": [["k"], ["k","h"]], "grid": 51, "at": {"k": 0.4}
 *
 * A calibration, of POST /v1/models/{m}/calibrations, has no kind, points and replicates, but
 *
 *    "experiments": [{"fixed": {"t": 0.5}, "outputs": [[1.3, 0.4], [1.1, 0.7]]}, ..]
 *                                        rows are replicates; numbers in the order of "outputs"
 *    "sigma": {"T": 0.3}                 of the noise; or "covariance": [[..]]; else it is inferred
 *    "scale": {"T": 0.2}                 about what an unknown sigma, or the discrepancy, may be
 *    "discrepancy": false
 *    "surrogate_error": "covariance", "chains": 4, "warmup": 500, "samples": 500
 *    "temperatures": 1                   more: parallel tempering (core/analyse/calibrate_ladder.h)
 *    "next": 10, "hold_s": 86400         points to simulate next, and how long they are pending
 *
 * or, with "kind": "history", is a history match (core/analyse/history.h), which has points,
 * replicates, next, hold_s, experiments, and sigma or covariance, and
 *
 *    "discrepancy_sigma": {"T": 0.1}     standard deviations of the discrepancy
 *    "cutoff": 3, "order": 1, "grid": 20
 *    "earlier": [1, 2]                   versions of the waves before
 */
#ifndef ANALYSIS_REQUEST_H
#define ANALYSIS_REQUEST_H

#include "analyse/analyse.h"
#include "analyse/calibrate.h"
#include "analyse/history.h"
#include "base/textbuf.h"

#include <jansson.h>

#define ANALYSIS_MAX_PRIORITY 100

struct analysis_request {
    struct arena arena; /* of all that follows */
    struct space *space;
    bool
        calibrates; /* `calibration` is what is asked for; of `spec` only names and seed are used */
    struct calibrate_spec calibration;
    bool matches; /* of a request that calibrates: `history` is what is asked for */
    struct history_spec history;
    int n_earlier;
    int64_t *earlier;             /* [n_earlier] versions */
    struct field_model *of_waves; /* [n_earlier] */
    struct field *waves;          /* [n_earlier + 1] the last one is `field` */
    int n_next;                   /* points to simulate next .. */
    int64_t hold_s;               /* .. and how long they are pending; 0: not at all */
    struct analyse_spec spec;
    struct law *laws; /* [d] */
    int n_outputs;
    int *outputs; /* [n_outputs] of the model's */
    int draws;    /* of the model's that are used */
    int64_t priority;
    struct field_model of;
    struct field field;
};

/* What a request is about. */
struct analysis_subject {
    const struct model *model;
    struct space *space; /* the model's; NULL: it has none */
    bool calibrates;     /* the request is for a calibration */
};

/*
 * Reads and checks a request, analyse_check included. ERR_INVALID, ERR_LIMIT naming the place;
 * ERR_CONFLICT: there is no space, or none of this model. The field refers to the model. A zeroed
 * request may be released, also after a failure.
 */
enum err_code analysis_request_read(const json_t *object, const struct analysis_subject *subject,
                                    struct analysis_request *out, struct err *err) MUST_CHECK;
enum err_code analysis_request_parse(const char *text, size_t len,
                                     const struct analysis_subject *subject,
                                     struct analysis_request *out, struct err *err) MUST_CHECK;
void analysis_request_release(struct analysis_request *request);

/* Sets an earlier wave of a history match, with all its draws, or as many as the last wave has when
 * that has not all; the model must stay. ERR_CONFLICT: it has other inputs, outputs or categories.
 * ERR_NOMEM. */
enum err_code analysis_request_add_wave(struct analysis_request *request, int wave,
                                        const struct model *model, struct err *err) MUST_CHECK;

/* What analyse_run, calibrate_run or history_run takes but for threads, cancel, checkpoint and
 * progress. */
struct analyse_run analysis_request_run(const struct analysis_request *request);
struct calibrate_run analysis_request_calibration(const struct analysis_request *request);
/* All earlier waves were set. */
struct history_run analysis_request_history(const struct analysis_request *request);

/* The whole request with every default, as JSON. */
void analysis_request_write(struct textbuf *text, const struct analysis_request *request,
                            int64_t version);

#endif
