/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/history_members.h"

#include "documents/analyses/calibration_members.h"
#include "formats/json_read.h"

#define DEFAULT_GRID   20
#define DEFAULT_CUTOFF 3.0
#define MAX_CUTOFF     1e6

enum err_code history_check_keys(const json_t *object, struct err *err)
{
    static const char *const keys[] = {"kind",        "version",
                                       "space",       "outputs",
                                       "fixed",       "seed",
                                       "points",      "replicates",
                                       "draws",       "priority",
                                       "experiments", "sigma",
                                       "covariance",  "discrepancy_sigma",
                                       "cutoff",      "order",
                                       "grid",        "earlier",
                                       "next",        "hold_s",
                                       NULL};
    return json_read_check_keys(object, "the request", keys, err);
}

/* The versions of the waves before, in their order. */
static enum err_code read_earlier(const json_t *object, struct analysis_request *request,
                                  struct err *err)
{
    const json_t *list = json_object_get(object, "earlier");
    size_t n = json_array_size(list);
    if ((list != NULL && !json_is_array(list)) || n >= HISTORY_MAX_WAVES) {
        return err_set(err, ERR_INVALID, "earlier must be an array of at most %d versions",
                       HISTORY_MAX_WAVES - 1);
    }
    request->earlier = arena_alloc_array(&request->arena, n + 1, sizeof *request->earlier);
    request->of_waves = arena_zalloc_array(&request->arena, n + 1, sizeof *request->of_waves);
    request->waves = arena_zalloc_array(&request->arena, n + 1, sizeof *request->waves);
    if (request->earlier == NULL || request->of_waves == NULL || request->waves == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a history match");
    }
    for (size_t i = 0; i < n; i++) {
        if (!json_read_whole(json_array_get(list, i), &request->earlier[i]) ||
            request->earlier[i] < 1) {
            return err_set(err, ERR_INVALID, "earlier[%zu] must be the number of a version", i);
        }
    }
    request->n_earlier = (int)n;
    return ERR_OK;
}

enum err_code history_members_read(const json_t *object, struct analysis_request *request,
                                   struct err *err)
{
    const struct json_members members = {object, "the request", err};
    const struct calibrate_spec *shared = &request->calibration;
    struct history_spec *spec = &request->history;
    int64_t order = 1;
    int64_t grid = DEFAULT_GRID;
    spec->cutoff = DEFAULT_CUTOFF;
    json_read_int(members, "order", 1, HISTORY_MAX_ORDER, &order);
    json_read_int(members, "grid", 0, HISTORY_MAX_GRID, &grid);
    json_read_real(members, "cutoff", 0.0, MAX_CUTOFF, &spec->cutoff);
    if (err->code != ERR_OK ||
        calibration_read_sizes(object, "discrepancy_sigma", request, &spec->discrepancy, err) !=
            ERR_OK ||
        calibration_read_next(object, request, err) != ERR_OK) {
        return err->code;
    }
    spec->seed = request->spec.seed;
    spec->n = request->spec.n;
    spec->replicates = request->spec.replicates;
    spec->order = (int)order;
    spec->grid = (int)grid;
    spec->n_next = request->n_next;
    spec->n_experiments = shared->n_experiments;
    spec->experiments = shared->experiments;
    spec->sigma = shared->sigma;
    spec->covariance = shared->covariance;
    return read_earlier(object, request, err);
}

void history_members_write(struct json_write *json, const struct analysis_request *request)
{
    const struct history_spec *spec = &request->history;
    calibration_write_experiments(json, request);
    calibration_write_noise(json, request);
    calibration_write_sizes(json, "discrepancy_sigma", request, spec->discrepancy);
    json_write_real(json, "cutoff", spec->cutoff);
    json_write_int(json, "order", spec->order);
    json_write_int(json, "grid", spec->grid);
    json_write_array(json, "earlier");
    for (int i = 0; i < request->n_earlier; i++) {
        json_write_int(json, NULL, request->earlier[i]);
    }
    json_write_array_end(json);
    calibration_write_next(json, request);
}
