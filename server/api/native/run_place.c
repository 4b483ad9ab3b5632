/* SPDX-License-Identifier: Apache-2.0 */
#include "api/native/run_place.h"

#include "api/app.h"
#include "api/dispatch.h"
#include "base/mem_budget.h"

_Static_assert(EXCHANGE_MAX_GATHERED <= BATCH_TOGETHER_MAX,
               "all that is gathered must run together");

enum run_place run_find_place(struct batcher *batcher, const struct request *req,
                              struct batch_item *item)
{
    if (req->ops != NULL && req->ops->gather != NULL && batcher_gains(item) &&
        req->ops->gather(req->exchange, item)) {
        return RUN_GATHERED;
    }
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    bool done = batcher_run(batcher, item);
    mem_kind_use(kind);
    return done ? RUN_DONE : RUN_QUEUED;
}

void dispatch_gathered(void *ctx, void *const *items, int n)
{
    struct app *app = ctx;
    struct batch_item *batch[EXCHANGE_MAX_GATHERED];
    for (int i = 0; i < n; i++) {
        batch[i] = items[i];
    }
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    batcher_run_all(app->batcher, batch, n);
    mem_kind_use(kind);
}
