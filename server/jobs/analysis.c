/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/analysis.h"

#include "base/mem.h"
#include "base/mem_account.h"
#include "base/mem_budget.h"
#include "documents/analyses/calibration_result.h"
#include "documents/analyses/history_result.h"
#include "jobs/analysis_waves.h"
#include "jobs/job_log.h"
#include "store/jobs/job_checkpoint_store.h"
#include "store/jobs/job_result_store.h"

#include <string.h>

/* ---- the request ---- */

enum err_code analysis_complete(struct db *db, const struct served *served,
                                const struct analysis_body *body, struct textbuf *out,
                                struct err *err)
{
    struct model_space stored = {.space = NULL};
    struct space *own = NULL;
    struct analysis_request request = {.space = NULL};
    struct analysis_waves waves = {.n = 0};
    if (model_space_load(db, served->name, &stored, err) == ERR_OK &&
        model_space_of_version(served->model, &own, err) == ERR_OK) {
        const struct analysis_subject subject = {.model = served->model,
                                                 .space = stored.space != NULL ? stored.space : own,
                                                 .calibrates = body->calibrates};
        if (analysis_request_parse(body->text, body->len, &subject, &request, err) == ERR_OK &&
            analysis_waves_hold(&waves, body->models, served->name, &request, err) == ERR_OK) {
            analysis_request_write(out, &request, served->version);
        }
    }
    analysis_waves_release(&waves);
    analysis_request_release(&request);
    space_unref(own);
    model_space_release(&stored);
    return err->code == ERR_OK && textbuf_failed(out)
               ? err_set(err, ERR_NOMEM, "no memory for an analysis")
               : err->code;
}

enum err_code analysis_read(struct attempt *attempt, struct err *err)
{
    attempt->limits = attempt->settings->max;
    attempt->is_read = true;
    return err->code;
}

/* ---- the attempt ---- */

static enum err_code read_version(struct attempt *attempt, struct err *err)
{
    const struct job_row *row = &attempt->row;
    if (models_get(attempt->settings->models, row->model, row->base_version, &attempt->base, err) ==
        ERR_NOT_FOUND) {
        err_clear(err);
        return err_set(err, ERR_CONFLICT, "version %lld was deleted", (long long)row->base_version);
    }
    return err->code;
}

static struct analysis_origin origin_of(const struct attempt *attempt)
{
    return (struct analysis_origin){.model = attempt->row.model,
                                    .version = attempt->base->version,
                                    .version_digest = attempt->base->digest,
                                    .request = attempt->request};
}

static struct analyse_terms terms_of(const struct attempt *attempt,
                                     const struct checkpoints *checkpoints)
{
    return (struct analyse_terms){.n_threads = attempt->settings->n_threads,
                                  .cancel = attempt->cancel,
                                  .checkpoint = &checkpoints->core,
                                  .progress = attempt->progress,
                                  .progress_ctx = attempt->progress_ctx};
}

/* Points to simulate next. */
struct next_points {
    int n;
    const double *x; /* [n x d] */
};

static enum err_code store_text(struct attempt *attempt, struct textbuf *text, struct err *err)
{
    return job_store_put_result(attempt->settings->db, attempt->row.id, text, NULL, err);
}

/* Those to simulate next become pending with the result. */
static enum err_code store_with_points(struct attempt *attempt,
                                       const struct analysis_request *request,
                                       const struct next_points *next, struct textbuf *text,
                                       struct err *err)
{
    const struct pending_points points = {.origin = "calibration",
                                          .n = request->hold_s > 0 ? next->n : 0,
                                          .d = request->space->d,
                                          .x = next->x,
                                          .expires_ms = db_now_ms() + 1000 * request->hold_s};
    return job_store_put_result(attempt->settings->db, attempt->row.id, text, &points, err);
}

static enum err_code calibrate_once(struct attempt *attempt, const struct analysis_request *request,
                                    struct checkpoints *checkpoints, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct calibrate_result result;
    struct calibrate_design next;
    const struct analysis_origin origin = origin_of(attempt);
    struct calibrate_run run = analysis_request_calibration(request);
    run.terms = terms_of(attempt, checkpoints);
    if (calibrate_run(&run, &arena, &result, err) == ERR_OK &&
        calibrate_design_find(&run, &result, request->n_next, &arena, &next, err) == ERR_OK &&
        calibration_result_write(&text, request, &origin, &result, &next, err) == ERR_OK) {
        const struct next_points points = {next.n, next.x};
        err_kept(store_with_points(attempt, request, &points, &text, err));
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code match_once(struct attempt *attempt, const struct analysis_request *request,
                                struct checkpoints *checkpoints, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct history_result result;
    const struct analysis_origin origin = origin_of(attempt);
    struct history_run run = analysis_request_history(request);
    run.terms = terms_of(attempt, checkpoints);
    if (history_run(&run, &arena, &result, err) == ERR_OK) {
        const struct next_points points = {result.n_next, result.next};
        history_result_write(&text, request, &origin, &result);
        err_kept(store_with_points(attempt, request, &points, &text, err));
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code analyse_once(struct attempt *attempt, struct checkpoints *checkpoints,
                                  const void *ctx, struct err *err)
{
    const struct analysis_request *request = ctx;
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct analyse_result result;
    const struct analysis_origin origin = origin_of(attempt);
    if (request->calibrates) {
        return request->matches ? match_once(attempt, request, checkpoints, err)
                                : calibrate_once(attempt, request, checkpoints, err);
    }
    struct analyse_run run = analysis_request_run(request);
    run.terms = terms_of(attempt, checkpoints);
    if (analyse_run(&run, &arena, &result, err) == ERR_OK) {
        analysis_result_write(&text, request, &origin, &result);
        err_kept(store_text(attempt, &text, err));
    }
    arena_release(&arena);
    return err->code;
}

static enum err_code analyse_with_checkpoints(struct attempt *attempt,
                                              const struct analysis_request *request,
                                              struct err *err)
{
    const struct checkpoints_inputs inputs = {.request = attempt->request,
                                              .n_request = attempt->n_request,
                                              .fingerprint = attempt->base->digest,
                                              .base_version = attempt->base->version};
    return attempt_with_checkpoints(attempt, &inputs, analyse_once, request, err);
}

static enum err_code hold_waves(struct attempt *attempt, struct analysis_request *request,
                                struct analysis_waves *waves, struct err *err)
{
    if (analysis_waves_hold(waves, attempt->settings->models, attempt->row.model, request, err) ==
        ERR_NOT_FOUND) {
        err_clear(err);
        return err_set(err, ERR_CONFLICT, "an earlier version was deleted");
    }
    return err->code;
}

static enum err_code analyse(struct attempt *attempt, struct err *err)
{
    struct analysis_request request = {.space = NULL};
    struct analysis_waves waves = {.n = 0};
    if (read_version(attempt, err) != ERR_OK) {
        return err->code;
    }
    const struct analysis_subject subject = {.model = attempt->base->model,
                                             .calibrates = attempt->row.kind == JOB_CALIBRATION};
    if (analysis_request_parse(attempt->request, attempt->n_request, &subject, &request, err) ==
            ERR_OK &&
        hold_waves(attempt, &request, &waves, err) == ERR_OK) {
        err_kept(analyse_with_checkpoints(attempt, &request, err));
    }
    analysis_waves_release(&waves);
    analysis_request_release(&request);
    return err->code;
}

enum err_code analysis_run(struct attempt *attempt, struct err *err)
{
    struct mem_account account = {.limit = (size_t)attempt->limits.bytes};
    enum mem_kind kind = mem_kind_use(MEM_TRAINING);
    mem_account_use(&account);
    err_kept(analyse(attempt, err));
    mem_account_use(NULL);
    mem_kind_use(kind);
    if (err->code == ERR_NOMEM && atomic_load(&account.refused)) {
        err_clear(err);
        return err_set(err, ERR_LIMIT, "the analysis needs more memory than its limit of %lld MB",
                       (long long)(attempt->limits.bytes / 1000000));
    }
    return err->code;
}
