/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/job_spec.h"

#include "base/names.h"

static const char *const metric_names[] = {"rmse", "nll", "crps"};
static const char *const rows_names[] = {"known", "all", "new"};

NAMES_DEFINE(gate_metric, enum gate_metric, metric_names)
NAMES_DEFINE(gate_rows, enum gate_rows, rows_names)

struct gate_spec gate_defaults(void)
{
    return (struct gate_spec){
        .on = true, .metric = GATE_RMSE, .rows = GATE_KNOWN, .max_increase = 0.1};
}
