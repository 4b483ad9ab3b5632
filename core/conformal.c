/* SPDX-License-Identifier: Apache-2.0 */
#include "conformal.h"

#include "mem.h"
#include "names.h"

static const char *const method_names[] = {"none", "split", "cv+", "jackknife+"};

NAMES_DEFINE(conformal_method, enum conformal_method, method_names)

void conformal_release(struct conformal *conformal)
{
    mem_free(conformal->fold);
    mem_free(conformal->scores);
    *conformal = (struct conformal){.method = CONFORMAL_NONE};
}

enum err_code conformal_scores(const struct model *model, const struct data *rows, bool normalised,
                               int n_threads, double *scores, struct err *err)
{
    return err_set(err, ERR_UNSUPPORTED, "not written yet");
}
