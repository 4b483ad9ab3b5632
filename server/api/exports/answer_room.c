/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/answer_room.h"

#define MEGABYTE 1000000
#define RETRY_S  2 /* until other clients may have read their answers */

static enum err_code refuse(struct app *app, size_t n_bytes, size_t max, struct err *err)
{
    metrics_add(&app->metrics->answers_refused, 1);
    if (n_bytes > max) {
        return err_set(err, ERR_TOO_LARGE,
                       "the answer would take %zu MB of memory, all answers together may take %zu "
                       "MB (answers_mb); ask for fewer rows or results at a time",
                       n_bytes / MEGABYTE + 1, max / MEGABYTE);
    }
    err_set(err, ERR_BUSY,
            "answers that other clients have not read leave no room for one of %zu MB (answers_mb)",
            n_bytes / MEGABYTE + 1);
    err->retry_s = RETRY_S;
    return err->code;
}

bool answer_room_try(struct app *app, size_t n_bytes, struct answer_claim *claim)
{
    size_t max = (size_t)app->config->answers_mb * MEGABYTE;
    size_t held = atomic_load_explicit(&app->answer_bytes, memory_order_relaxed);
    do {
        if (n_bytes > max || (held > 0 && (held > max || n_bytes > (max - held) / 2))) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&app->answer_bytes, &held, held + n_bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    *claim = (struct answer_claim){.app = app, .n_bytes = n_bytes};
    return true;
}

enum err_code answer_room_claim_always(struct app *app, size_t n_bytes, struct answer_claim *claim,
                                       struct err *err)
{
    size_t max = (size_t)app->config->answers_mb * MEGABYTE;
    return answer_room_try(app, n_bytes, claim) ? ERR_OK : refuse(app, n_bytes, max, err);
}

enum err_code answer_room_claim(struct app *app, size_t n_bytes, struct answer_claim *claim,
                                struct err *err)
{
    *claim = (struct answer_claim){.app = app};
    return n_bytes > ANSWER_SMALL ? answer_room_claim_always(app, n_bytes, claim, err) : ERR_OK;
}

void answer_room_release(struct answer_claim *claim)
{
    if (claim->n_bytes > 0) {
        atomic_fetch_sub_explicit(&claim->app->answer_bytes, claim->n_bytes, memory_order_relaxed);
        claim->n_bytes = 0;
    }
}

static size_t read_source(void *ctx, char *out, size_t size)
{
    const struct answer_claim *claim = ctx;
    return claim->source.read(claim->source.ctx, out, size);
}

static void release_source(void *ctx)
{
    struct answer_claim *claim = ctx;
    if (claim->source.release != NULL) {
        claim->source.release(claim->source.ctx);
    }
    answer_room_release(claim);
}

void answer_room_hand_over(struct answer_claim *claim, struct response *res)
{
    if (claim->n_bytes > 0) {
        claim->source = res->source;
        res->source = (struct body_source){.read = claim->source.read != NULL ? read_source : NULL,
                                           .release = release_source,
                                           .ctx = claim,
                                           .needs_no_body = claim->source.needs_no_body,
                                           .n_bytes = claim->source.n_bytes};
    }
}

/* ---- versions ---- */

/* One more answer is made from a version that others are made from already. */
static bool join_streams(struct served *served)
{
    int n = atomic_load_explicit(&served->n_streams, memory_order_relaxed);
    while (n > 0) {
        if (atomic_compare_exchange_weak_explicit(&served->n_streams, &n, n + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

static bool claim_model(struct app *app, size_t n_bytes)
{
    size_t max = (size_t)app->config->answers_mb * MEGABYTE;
    size_t held = atomic_load_explicit(&app->streamed_model_bytes, memory_order_relaxed);
    do {
        if (held > 0 && (held > max || n_bytes > max - held)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&app->streamed_model_bytes, &held,
                                                    held + n_bytes, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void release_model(struct app *app, size_t n_bytes)
{
    atomic_fetch_sub_explicit(&app->streamed_model_bytes, n_bytes, memory_order_relaxed);
}

enum err_code answer_model_hold(struct app *app, struct served *served, struct answer_model *model,
                                struct err *err)
{
    while (!join_streams(served)) {
        int none = 0;
        if (!claim_model(app, served->n_bytes)) {
            metrics_add(&app->metrics->answers_refused, 1);
            err_set(
                err, ERR_BUSY,
                "answers of other models that clients have not read leave no room (answers_mb)");
            err->retry_s = RETRY_S;
            return err->code;
        }
        if (atomic_compare_exchange_strong_explicit(&served->n_streams, &none, 1,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            break;
        }
        release_model(app, served->n_bytes); /* another answer was faster */
    }
    *model = (struct answer_model){.app = app, .served = served_ref(served)};
    return ERR_OK;
}

void answer_model_release(struct answer_model *model)
{
    struct served *served = model->served;
    if (served == NULL) {
        return;
    }
    if (atomic_fetch_sub_explicit(&served->n_streams, 1, memory_order_relaxed) == 1) {
        release_model(model->app, served->n_bytes);
    }
    model->served = NULL;
    served_unref(served);
}
