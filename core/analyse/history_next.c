/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points for the next wave are taken from those that the replicates have kept, one after another:
 * the least implausible first, then always the one that is farthest from those taken before [1], in
 * coordinates in which every input is uniform. Where experiments set inputs, the points take turns
 * between the experiments.
 *
 * [1] R. W. Kennard, L. A. Stone, Computer aided design of experiments, Technometrics 11(1), 1969.
 */
#include "analyse/history_priv.h"

#include <math.h>

/* Where an experiment sets inputs, a point has them. */
static void set_experiment(const struct history_run *run, int experiment, double *x)
{
    const double *fixed = run->spec->experiments[experiment].fixed;
    for (int b = 0; fixed != NULL && b < run->waves->d; b++) {
        x[b] = isnan(fixed[b]) ? x[b] : fixed[b];
    }
}

static const double *numbers_of(const struct history_work *work, const double *all, int replicate)
{
    return all + (size_t)replicate * work->at.all;
}

void history_find_best(const struct history_work *work, const double *all,
                       struct history_result *out)
{
    out->least = INFINITY;
    for (int r = 0; r < work->run->spec->replicates; r++) {
        const double *numbers = numbers_of(work, all, r);
        out->runs += numbers[work->at.runs];
        if (r == 0 || numbers[work->at.least] < out->least) {
            out->least = numbers[work->at.least];
            history_point(work, numbers + work->at.best, out->best);
        }
    }
    set_experiment(work->run, 0, out->best);
}

struct kept {
    int n;
    double *at;             /* [n x k] coordinates */
    const double **u;       /* [n] */
    double *implausibility; /* [n] */
    double *distance;       /* [n] squared, to the nearest that was taken */
};

static enum err_code gather(const struct history_work *work, const double *all,
                            struct arena *scratch, struct kept *out, struct err *err)
{
    size_t k = (size_t)work->k;
    size_t room = (size_t)work->room * (size_t)work->run->spec->replicates;
    out->at = arena_alloc_array(scratch, room * k, sizeof *out->at);
    out->u = arena_alloc_array(scratch, room, sizeof *out->u);
    out->implausibility = arena_alloc_array(scratch, room, sizeof *out->implausibility);
    out->distance = arena_alloc_array(scratch, room, sizeof *out->distance);
    if (out->at == NULL || out->u == NULL || out->implausibility == NULL || out->distance == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a history match");
    }
    for (int r = 0; r < work->run->spec->replicates; r++) {
        const double *numbers = numbers_of(work, all, r);
        size_t n = (size_t)fmin(fmax(numbers[work->at.n_kept], 0.0), work->room);
        for (size_t i = 0; i < n; i++) {
            size_t to = (size_t)out->n++;
            out->u[to] = numbers + work->at.kept + i * k;
            out->implausibility[to] = numbers[work->at.implausibility + i];
            out->distance[to] = INFINITY;
            for (size_t b = 0; b < k; b++) {
                out->at[to * k + b] = history_coordinate(work, (int)b, out->u[to][b]);
            }
        }
    }
    return ERR_OK;
}

/* The next point; -1: those that are left are where others were taken. */
static int find_next(const struct kept *kept, bool first)
{
    int best = -1;
    for (int i = 0; i < kept->n; i++) {
        bool better = best < 0 || (first ? kept->implausibility[i] < kept->implausibility[best]
                                         : kept->distance[i] > kept->distance[best]);
        best = better && kept->distance[i] > 0.0 ? i : best;
    }
    return best;
}

/* Takes a point: the others now know how far they are from it. */
static void take(const struct kept *kept, size_t k, size_t taken)
{
    for (size_t i = 0; i < (size_t)kept->n; i++) {
        double sum = 0.0;
        for (size_t b = 0; b < k; b++) {
            double delta = kept->at[i * k + b] - kept->at[taken * k + b];
            sum += delta * delta;
        }
        kept->distance[i] = fmin(kept->distance[i], sum);
    }
}

enum err_code history_choose_next(const struct history_work *work, const double *all,
                                  struct history_result *out, struct err *err)
{
    size_t d = (size_t)work->run->waves->d;
    struct arena scratch = ARENA_INIT;
    struct kept kept = {.n = 0};
    bool more = gather(work, all, &scratch, &kept, err) == ERR_OK;
    while (more && out->n_next < work->run->spec->n_next) {
        int best = find_next(&kept, out->n_next == 0);
        more = best >= 0;
        if (more) {
            double *x = out->next + (size_t)out->n_next * d;
            history_point(work, kept.u[best], x);
            set_experiment(work->run, out->n_next % work->run->spec->n_experiments, x);
            out->implausibility[out->n_next++] = kept.implausibility[best];
            take(&kept, (size_t)work->k, (size_t)best);
        }
    }
    arena_release(&scratch);
    return err->code;
}
