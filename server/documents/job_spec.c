/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/job_spec.h"

#include "base/names.h"

static const char *const metric_names[] = {"rmse", "nll", "crps"};
static const char *const rows_names[] = {"known", "all", "new"};
static const char *const place_names[] = {"here", "launcher"};

NAMES_DEFINE(gate_metric, enum gate_metric, metric_names)
NAMES_DEFINE(gate_rows, enum gate_rows, rows_names)
NAMES_DEFINE(job_place, enum job_place, place_names)

struct gate_spec gate_defaults(void)
{
    return (struct gate_spec){
        .on = true, .metric = GATE_RMSE, .rows = GATE_KNOWN, .max_increase = 0.1};
}

int64_t job_limits_tighter(int64_t a, int64_t b)
{
    return a == 0 || (b > 0 && b < a) ? b : a;
}

struct auto_spec job_spec_auto(const struct job_spec *spec)
{
    const struct job_auto *choice = &spec->choice;
    return (struct auto_spec){.base = spec->train,
                              .fixed = choice->fixed,
                              .settings = choice->settings,
                              .fits = choice->fits,
                              .seconds = choice->seconds};
}

void job_spec_choose_again(struct job_spec *spec)
{
    struct train_spec *train = &spec->train;
    unsigned fixed = spec->choice.fixed;
    const struct train_spec defaults = train_defaults(train->solver);
    if ((fixed & AUTO_FIXED_NOISE) == 0) {
        train_spec_release(train);
        train->noise = defaults.noise;
    }
    if ((fixed & AUTO_FIXED_PRIOR) == 0) {
        train->prior = defaults.prior;
    }
    if ((fixed & AUTO_FIXED_OUTPUT_SCALING) == 0) {
        train->output_scaling = defaults.output_scaling;
    }
    if ((fixed & AUTO_FIXED_VALIDATION) == 0) {
        train->validation = defaults.validation;
    }
    train->arch.inputs = train->arch.outputs = 0; /* those of the rows */
    train->start = TRAIN_COLD;
    spec->choice.on = true;
    spec->choice.chosen = false;
}
