/* SPDX-License-Identifier: Apache-2.0 */
#include "live/served.h"

#include "base/mem.h"

#include <stdio.h>

struct served *served_new(const char *name, const struct version_row *row, struct model *model)
{
    struct served *served = mem_zalloc(sizeof *served);
    if (served != NULL) {
        snprintf(served->name, sizeof served->name, "%s", name);
        snprintf(served->digest, sizeof served->digest, "%s", row->digest);
        served->version = row->version;
        served->created_ms = row->created_ms;
        served->n_bytes = sizeof *served + model_bytes(model);
        served->model = model_ref(model);
        atomic_init(&served->refs, 1);
    }
    return served;
}

struct served *served_ref(struct served *served)
{
    if (served != NULL) {
        atomic_fetch_add_explicit(&served->refs, 1, memory_order_relaxed);
    }
    return served;
}

void served_unref(struct served *served)
{
    if (served != NULL && atomic_fetch_sub_explicit(&served->refs, 1, memory_order_acq_rel) == 1) {
        model_unref(served->model);
        mem_free(served);
    }
}
