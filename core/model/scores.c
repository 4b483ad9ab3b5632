/* SPDX-License-Identifier: Apache-2.0 */
#include "model/scores.h"

#include "base/mem.h"

const double scores_intervals[SCORES_INTERVALS] = {0.5, 0.9, 0.95};

void scores_release(struct scores *s)
{
    mem_free(s->counts);
    mem_free(s->rmse);
    mem_free(s->output_range);
    mem_free(s->nll);
    mem_free(s->nll_draws);
    mem_free(s->crps);
    mem_free(s->coverage);
    mem_free(s->width);
    mem_free(s->calibration);
    *s = (struct scores){.n_rows = 0};
}
