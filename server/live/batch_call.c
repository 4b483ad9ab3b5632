/* SPDX-License-Identifier: Apache-2.0 */
#include "live/batch_call.h"

#include "base/clock.h"
#include "predict/predict_join.h"

bool batch_item_is_void(const struct batch_item *item, struct err *err)
{
    if (item->deadline_ns != 0 && clock_ns() > item->deadline_ns) {
        err_set(err, ERR_DEADLINE, "the request's time ran out before it was answered");
    } else if (item->gone != NULL && item->gone(item->ctx)) {
        err_set(err, ERR_ABANDONED, "the client went away before the answer");
    }
    return err->code != ERR_OK;
}

void batch_item_compute(const struct batch_item *item, struct err *err)
{
    struct predict_request alone = *item->request;
    alone.n_threads = 1;
    err_kept(predict_run(item->model, &alone, item->arena, item->result, err));
}

enum err_code batch_call_begin(struct batch_call *call)
{
    struct batch_item *item = call->items;
    const struct model *model = item->model;
    if (call->n_items == 1) {
        return predict_begin(&call->predict, model, item->request, item->arena, item->result,
                             &call->err);
    }
    const struct predict_request **parts =
        arena_alloc_array(&call->arena, (size_t)call->n_items, sizeof *parts);
    if (parts == NULL) {
        return err_set(&call->err, ERR_NOMEM, "no memory for a prediction");
    }
    for (int i = 0; item != NULL; item = item->next) {
        parts[i++] = item->request;
    }
    if (predict_join(parts, call->n_items, model->d, &call->arena, &call->joint, &call->err) !=
        ERR_OK) {
        return call->err.code;
    }
    return predict_begin(&call->predict, model, &call->joint, &call->arena, &call->all, &call->err);
}

static enum err_code distribute(struct batch_call *call, struct err *err)
{
    struct batch_item *item = call->items;
    if (call->n_items == 1) {
        return predict_end(&call->predict, item->arena, err);
    }
    int first = 0;
    if (predict_end(&call->predict, &call->arena, err) != ERR_OK) {
        return err->code;
    }
    for (; item != NULL; item = item->next) {
        if (predict_slice(&call->predict, first, item->request, item->arena, item->result,
                          &item->err) == ERR_OK) {
            first += item->request->n;
        } else {
            return err_set(err, item->err.code, "%s", item->err.msg);
        }
    }
    return ERR_OK;
}

void batch_call_end(struct batch_call *call)
{
    bool failed = call->err.code != ERR_OK || distribute(call, &call->err) != ERR_OK;
    bool led = false;
    for (struct batch_item *item = call->items; item != NULL; item = item->next) {
        item->leads = item->counts_calls && !led;
        led |= item->leads;
        err_clear(&item->err);
        if (failed && (call->n_items == 1 || call->err.code == ERR_DRAINING)) {
            item->err = call->err;
        } else if (failed) {
            batch_item_compute(item, &item->err);
        }
    }
}

void batch_call_count(const struct batch_call *call, struct metrics *metrics)
{
    long n_rows = 0;
    for (const struct batch_item *item = call->items; item != NULL; item = item->next) {
        n_rows += item->request->n;
    }
    metrics_add(&metrics->batches, 1);
    metrics_add(&metrics->batched_requests, call->n_items);
    histogram_observe_size(&metrics->call_requests[0], call->n_items);
    histogram_observe_size(&metrics->call_rows[0], n_rows);
}
