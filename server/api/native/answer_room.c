/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/answer_room.h"

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
                                           .ctx = claim};
    }
}
