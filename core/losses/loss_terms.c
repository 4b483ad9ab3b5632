/* SPDX-License-Identifier: Apache-2.0 */
#include "losses/loss_terms.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum err_code loss_terms_work_init(struct loss_terms_work *work, const struct resnet *net, int rows,
                                   struct err *err)
{
    size_t outs = (size_t)rows * (size_t)net->n_out;
    size_t ins = (size_t)rows * (size_t)net->arch.inputs;
    *work = (struct loss_terms_work){.net = net, .tangent = resnet_tangent_new(net, rows)};
    work->memory =
        mem_zalloc_array(3 * outs + 2 * ins + (size_t)net->n_params, sizeof *work->memory);
    if (work->tangent == NULL || work->memory == NULL) {
        loss_terms_work_release(work);
        return err_set(err, ERR_NOMEM, "no memory for the slopes of %d rows", rows);
    }
    work->pick = work->memory;
    work->none = work->pick + outs;
    work->change = work->none + outs;
    work->slopes = work->change + outs;
    work->push = work->slopes + ins;
    work->part = work->push + ins;
    return ERR_OK;
}

void loss_terms_work_release(struct loss_terms_work *work)
{
    resnet_tangent_free(work->tangent);
    mem_free(work->memory);
    *work = (struct loss_terms_work){.memory = NULL};
}

/* log v, from `end` downwards its tangent; *slope <- the derivative. */
static double log_with_tangent(double v, double end, double *slope)
{
    if (v >= end) {
        *slope = 1.0 / v;
        return log(v);
    }
    *slope = 1.0 / end;
    return log(end) + (v - end) / end;
}

double loss_terms_log(const struct loss_terms *terms, int j, double f, double y, double *slope)
{
    double shift = terms->log_shifts[j];
    double end = terms->log_ends[j];
    double unused;
    double of_y = log_with_tangent(y - shift, end, &unused);
    return log_with_tangent(f - shift, end, slope) - of_y;
}

double loss_terms_add_values(const struct loss_terms *terms, const struct resnet *net,
                             const struct loss_terms_tile *tile)
{
    size_t o = (size_t)terms->o;
    size_t outs = (size_t)net->n_out;
    double value = 0.0;
    if (terms->floors == NULL || !(terms->positive > 0.0)) {
        return 0.0;
    }
    for (size_t i = 0; i < (size_t)tile->n; i++) {
        for (size_t j = 0; j < o; j++) {
            double below = terms->floors[j] - tile->f[i * outs + j];
            double factor = terms->positive * tile->factors[i * o + j];
            if (below > 0.0) {
                value += 0.5 * factor * below * below;
                tile->df[i * outs + j] -= factor * below;
            }
        }
    }
    return value;
}

/* ---- slopes ---- */

/* One tile, as loss_terms_add_slopes has it. */
struct pass {
    const struct loss_terms *terms;
    struct resnet_tape *tape;
    const struct loss_terms_work *work;
    const struct loss_terms_tile *tile;
    double *grad; /* [K] or NULL */
};

static bool has_slopes(const struct loss_terms *terms, const struct loss_terms_tile *tile, size_t j)
{
    if (terms->derivatives > 0.0 && tile->jacobian != NULL) {
        return true;
    }
    for (size_t k = 0; terms->monotone > 0.0 && terms->signs != NULL && k < (size_t)terms->d; k++) {
        if (terms->signs[j * (size_t)terms->d + k] != 0) {
            return true;
        }
    }
    return false;
}

/* The terms of output j's slopes [n x d]; push [n x d] <- their derivatives by the slopes. */
static double push_slopes(const struct loss_terms *terms, const struct loss_terms_tile *tile,
                          size_t j, const double *slopes, double *push)
{
    size_t d = (size_t)terms->d;
    size_t o = (size_t)terms->o;
    double value = 0.0;
    for (size_t i = 0; i < (size_t)tile->n; i++) {
        double factor = tile->factors[i * o + j] / (double)terms->d;
        for (size_t k = 0; k < d; k++) {
            double slope = slopes[i * d + k];
            double given = tile->jacobian != NULL ? tile->jacobian[(i * o + j) * d + k] : NAN;
            double sign = terms->signs != NULL ? (double)terms->signs[j * d + k] : 0.0;
            double pushed = 0.0;
            if (terms->derivatives > 0.0 && !isnan(given)) {
                double lambda = terms->derivatives * factor;
                value += 0.5 * lambda * (slope - given) * (slope - given);
                pushed += lambda * (slope - given);
            }
            if (terms->monotone > 0.0 && sign * slope < 0.0) {
                double lambda = terms->monotone * factor;
                value += 0.5 * lambda * slope * slope;
                pushed += lambda * slope;
            }
            push[i * d + k] = pushed;
        }
    }
    return value;
}

static void add_part(const struct pass *pass)
{
    for (int k = 0; k < pass->work->net->n_params; k++) {
        pass->grad[k] += pass->work->part[k];
    }
}

/* The terms of output j's slopes. */
static double add_slopes_of(const struct pass *pass, size_t j)
{
    const struct loss_terms_work *work = pass->work;
    size_t outs = (size_t)work->net->n_out;
    for (size_t c = 0; c < (size_t)pass->tile->n * outs; c++) {
        work->pick[c] = c % outs == j ? 1.0 : 0.0;
    }
    resnet_backward(pass->tape, work->pick, NULL, work->slopes);
    double value = push_slopes(pass->terms, pass->tile, j, work->slopes, work->push);
    if (pass->grad != NULL) {
        resnet_tangent_adjoint(pass->tape, work->pick);
        resnet_tangent_forward(work->tangent, pass->tape, NULL, work->push, work->change);
        resnet_tangent_backward(work->tangent, work->none, work->part, NULL);
        add_part(pass);
    }
    return value;
}

/* ---- periods ---- */

/* work->pick <- the values of the tile's rows with input k at v. */
static void forward_at(const struct pass *pass, size_t k, double v)
{
    const struct loss_terms_work *work = pass->work;
    size_t d = (size_t)pass->terms->d;
    size_t n = (size_t)pass->tile->n;
    memcpy(work->slopes, pass->tile->x, n * d * sizeof *work->slopes);
    for (size_t i = 0; i < n; i++) {
        work->slopes[i * d + k] = v;
    }
    resnet_forward(pass->tape, (int)n, work->slopes, work->pick);
}

static double add_period(const struct pass *pass, size_t k)
{
    const struct loss_terms_work *work = pass->work;
    const double *edges = pass->terms->edges + 2 * k;
    size_t o = (size_t)pass->terms->o;
    size_t outs = (size_t)work->net->n_out;
    size_t cells = (size_t)pass->tile->n * outs;
    double value = 0.0;
    forward_at(pass, k, edges[0]);
    memcpy(work->change, work->pick, cells * sizeof *work->change);
    forward_at(pass, k, edges[1]);
    /* change <- dF/df at the high edge; at the low one it is the opposite */
    for (size_t c = 0; c < cells; c++) {
        size_t j = c % outs;
        double gap = work->pick[c] - work->change[c];
        double lambda = j < o ? pass->terms->periodic * pass->tile->factors[c / outs * o + j] : 0.0;
        value += 0.5 * lambda * gap * gap;
        work->change[c] = lambda * gap;
    }
    if (pass->grad == NULL) {
        return value;
    }
    resnet_backward(pass->tape, work->change, work->part, NULL);
    add_part(pass);
    forward_at(pass, k, edges[0]);
    for (size_t c = 0; c < cells; c++) {
        work->change[c] = -work->change[c];
    }
    resnet_backward(pass->tape, work->change, work->part, NULL);
    add_part(pass);
    return value;
}

double loss_terms_add_slopes(const struct loss_terms *terms, struct resnet_tape *tape,
                             const struct loss_terms_work *work, const struct loss_terms_tile *tile,
                             double *grad)
{
    const struct pass pass = {terms, tape, work, tile, grad};
    double value = 0.0;
    for (size_t j = 0; j < (size_t)terms->o; j++) {
        if (has_slopes(terms, tile, j)) {
            value += add_slopes_of(&pass, j);
        }
    }
    for (size_t k = 0; terms->edges != NULL && terms->periodic > 0.0 && k < (size_t)terms->d; k++) {
        if (!isnan(terms->edges[2 * k])) {
            value += add_period(&pass, k);
        }
    }
    return value;
}
