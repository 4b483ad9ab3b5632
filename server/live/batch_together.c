/* SPDX-License-Identifier: Apache-2.0 */
#include "live/batch_together.h"

#include "base/clock.h"
#include "predict/predict_join.h"

/* Takes those that can join the first of n items (NULL: taken before) out of them, up to as many
 * rows as a call may have; returns a list of them. */
static struct batch_item *take_joinable(struct batch_item **items, int n, long max_rows,
                                        int *n_taken)
{
    struct batch_item *first = items[0];
    struct batch_item *last = first;
    long rows = first->request->n;
    *n_taken = 1;
    for (int i = 1; i < n; i++) {
        struct batch_item *item = items[i];
        if (item != NULL && item->model == first->model && rows + item->request->n <= max_rows &&
            predict_can_join(first->request, item->request)) {
            rows += item->request->n;
            last->next = item;
            last = item;
            items[i] = NULL;
            ++*n_taken;
        }
    }
    last->next = NULL;
    return first;
}

/* A list of several items as one call, all of whose tiles run here. */
static void run_call(const struct batch_together *together, struct batch_item *items, int n_items)
{
    struct batch_call *call = together->call;
    *call = (struct batch_call){
        .items = items, .n_items = n_items, .arena = call->arena, .err = ERR_INIT};
    if (batch_call_begin(call) == ERR_OK) {
        for (int tile = 0; tile < call->predict.n_tiles && call->err.code == ERR_OK; tile++) {
            err_kept(predict_tile(&call->predict, tile, together->scratch, &call->err));
            metrics_add(&together->metrics->tiles, 1);
            arena_clear(together->scratch);
        }
    }
    batch_call_end(call);
    batch_call_count(call, together->metrics);
    arena_clear(&call->arena);
}

static void run_list(const struct batch_together *together, struct batch_item *items, int n_items)
{
    int64_t now_ns = clock_ns();
    for (struct batch_item *item = items; item != NULL; item = item->next) {
        item->begun_ns = now_ns;
    }
    if (together->call != NULL && n_items > 1) {
        run_call(together, items, n_items);
        return;
    }
    for (struct batch_item *item = items; item != NULL; item = item->next) {
        err_clear(&item->err);
        batch_item_compute(item, &item->err);
    }
}

void batch_together_run(const struct batch_together *together, struct batch_item *const *items,
                        int n)
{
    struct batch_item *left[BATCH_TOGETHER_MAX];
    for (int i = 0; i < n; i++) {
        left[i] = items[i];
    }
    for (int i = 0; i < n; i++) {
        if (left[i] != NULL) {
            int n_items;
            struct batch_item *first = take_joinable(left + i, n - i, together->max_rows, &n_items);
            run_list(together, first, n_items);
        }
    }
}
