/* SPDX-License-Identifier: Apache-2.0 */
/* Noise and report of networks at maxima of the evidence. */
#include "solve/evidence_starts.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define AT_BOUND 1.01 /* times the lower bound of the noise: no larger is at the bound */

/* The mean over the kept fits of a number of each group. */
static void mean_of_kept(const struct evidence_starts *self, const double *by_group, double *mean)
{
    size_t g = (size_t)self->groups.n;
    memset(mean, 0, g * sizeof *mean);
    for (int s = 0; s < self->n_kept; s++) {
        for (size_t i = 0; i < g; i++) {
            mean[i] += by_group[(size_t)s * g + i] / (double)self->n_kept;
        }
    }
}

/* A number of each group: those of the inputs as a list, the others by name. */
static enum err_code report_groups(const struct evidence_starts *self, const char *what,
                                   const double *by_group, struct report *report, struct err *err)
{
    const struct param_groups *groups = &self->groups;
    char name[REPORT_NAME_CHARS];
    snprintf(name, sizeof name, "evidence.%s.inputs", what);
    if (groups->n_inputs > 0 &&
        report_add(report, name, groups->n_inputs, by_group, err) != ERR_OK) {
        return err->code;
    }
    for (int part = 0; part < PARAM_PARTS; part++) {
        int g = groups->n_inputs + part;
        snprintf(name, sizeof name, "evidence.%s.%s", what, param_part_name((enum param_part)part));
        if (groups->size[g] > 0 && report_add_number(report, name, by_group[g], err) != ERR_OK) {
            return err->code;
        }
    }
    return ERR_OK;
}

/*
 * Effective parameters, the geometric mean of the precisions, and the relevance of the inputs: the
 * prior's standard deviation of their weights (the root of the kept fits' mean variance), the
 * largest being 1. scratch: [(n_kept + 1) x groups]
 */
static enum err_code report_all_groups(const struct evidence_starts *self, double *scratch,
                                       struct report *report, struct err *err)
{
    size_t g = (size_t)self->groups.n;
    size_t d = (size_t)self->groups.n_inputs;
    double *mean = scratch + (size_t)self->n_kept * g;
    mean_of_kept(self, self->gamma, mean);
    if (report_groups(self, "effective_parameters", mean, report, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)self->n_kept * g; i++) {
        scratch[i] = log(self->alpha[(size_t)self->kept[i / g] * g + i % g]);
    }
    mean_of_kept(self, scratch, mean);
    for (size_t i = 0; i < g; i++) {
        mean[i] = exp(mean[i]);
    }
    if (report_groups(self, "prior_precision", mean, report, err) != ERR_OK || d == 0) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)self->n_kept * g; i++) {
        scratch[i] = exp(-scratch[i]);
    }
    mean_of_kept(self, scratch, mean);
    double max = 0.0;
    for (size_t i = 0; i < d; i++) {
        max = fmax(max, mean[i]);
    }
    for (size_t i = 0; i < d; i++) {
        mean[i] = sqrt(mean[i] / max);
    }
    return report_add(report, "evidence.relevance", (int)d, mean, err);
}

/* noise_sigma of the result: the root of the kept fits' mean variance. Warns of outputs whose noise
 * is at its lower bound. */
enum err_code evidence_starts_report_noise(const struct evidence_starts *self,
                                           struct solver_result *result, struct err *err)
{
    size_t o = (size_t)self->tasks->problem->train.o;
    int n_bound = 0;
    size_t first = 0;
    result->noise_sigma = mem_zalloc_array(o, sizeof *result->noise_sigma);
    if (result->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (size_t j = 0; j < o; j++) {
        double sum = 0.0;
        for (int s = 0; s < self->n_kept; s++) {
            double sigma = self->sigmas[(size_t)self->kept[s] * o + j];
            sum += sigma * sigma / (double)self->n_kept;
        }
        result->noise_sigma[j] = sqrt(sum);
        bool bound = result->noise_sigma[j] <= AT_BOUND * EVIDENCE_MIN_NOISE * self->spread[j];
        first = bound && n_bound == 0 ? j : first;
        n_bound += bound;
    }
    bool given = self->tasks->problem->beliefs.noise == NOISE_GIVEN;
    if (given) {
        memcpy(result->noise_sigma, self->tasks->problem->beliefs.noise_sigmas,
               o * sizeof *result->noise_sigma);
    } else if (n_bound > 0 &&
               report_warn(&result->report, err, "deterministic",
                           "output %zu%s follows the inputs without noise, as far as %d rows tell: "
                           "its noise is at the lower bound, %g of its standard deviation",
                           first, n_bound > 1 ? " and others" : "", self->tasks->problem->train.n,
                           EVIDENCE_MIN_NOISE) != ERR_OK) {
        return err->code;
    }
    return report_add(&result->report, "evidence.noise_sigma", (int)o, result->noise_sigma, err);
}

static enum err_code report_starts(const struct evidence_starts *self, struct report *report,
                                   double *scratch, struct err *err)
{
    int n = self->plan.n;
    int n_failed = 0;
    int first = 0;
    for (int i = n - 1; i >= 0; i--) {
        bool failed = self->failures[i].code != ERR_OK;
        n_failed += failed;
        first = failed ? i : first;
        scratch[i] = 0.0;
    }
    for (int s = 0; s < self->n_kept; s++) {
        scratch[self->kept[s]] = 1.0;
    }
    if (n_failed > 0 &&
        report_warn(report, err, "diverged", "%d of %d members diverged and are left out; %s",
                    n_failed, n, err_msg(&self->failures[first])) != ERR_OK) {
        return err->code;
    }
    return report_add(report, "evidence.log_evidence", n, self->evidence, err) == ERR_OK &&
                   report_add(report, "evidence.kept", n, scratch, err) == ERR_OK
               ? report_add(report, "evidence.iterations", n, self->iterations, err)
               : err->code;
}

enum err_code evidence_starts_report(const struct evidence_starts *self, struct report *report,
                                     struct err *err)
{
    size_t by_group = (size_t)(self->n_kept + 1) * (size_t)self->groups.n;
    size_t n = by_group > (size_t)self->plan.n ? by_group : (size_t)self->plan.n;
    double *scratch = mem_alloc_array(n, sizeof *scratch);
    if (scratch == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a report");
    }
    if (report_starts(self, report, scratch, err) == ERR_OK) {
        err_kept(report_all_groups(self, scratch, report, err));
    }
    mem_free(scratch);
    return err->code;
}
