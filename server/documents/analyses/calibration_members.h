/* SPDX-License-Identifier: Apache-2.0 */
/* The members that belong to a calibration alone. */
#ifndef CALIBRATION_MEMBERS_H
#define CALIBRATION_MEMBERS_H

#include "documents/analyses/analysis_request.h"
#include "formats/json_write.h"

#define CALIBRATION_MAX_EXPERIMENTS 500
#define CALIBRATION_MAX_REPLICATES  10000

/* "history" or "posterior". */
const char *calibration_kind_name(bool matches);

/* Sets `matches` by the kind. ERR_INVALID: an unknown kind; a member that it does not have. */
enum err_code calibration_check_keys(const json_t *object, struct analysis_request *request,
                                     struct err *err) MUST_CHECK;

/* Does every experiment of a request fix this input? False for requests without experiments. */
bool calibration_fixes_everywhere(const json_t *object, const char *input);
/* The same of a request that has been read; false for analyses. */
bool calibration_sets(const struct analysis_request *request, int input);

/* ERR_INVALID naming the place, ERR_NOMEM. */
enum err_code calibration_members_read(const json_t *object, struct analysis_request *request,
                                       struct err *err) MUST_CHECK;
/* {"T": 0.3, ..} of all outputs; *out stays when it is not there or null. */
enum err_code calibration_read_sizes(const json_t *object, const char *key,
                                     struct analysis_request *request, const double **out,
                                     struct err *err) MUST_CHECK;

/* "next" and "hold_s". */
enum err_code calibration_read_next(const json_t *object, struct analysis_request *request,
                                    struct err *err) MUST_CHECK;

void calibration_write_experiments(struct json_write *json, const struct analysis_request *request);
void calibration_write_sizes(struct json_write *json, const char *key,
                             const struct analysis_request *request, const double *sizes);
/* "sigma", "covariance"; "next", "hold_s". */
void calibration_write_noise(struct json_write *json, const struct analysis_request *request);
void calibration_write_next(struct json_write *json, const struct analysis_request *request);
void calibration_members_write(struct json_write *json, const struct analysis_request *request);

#endif
