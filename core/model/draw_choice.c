/* SPDX-License-Identifier: Apache-2.0 */
#include "model/draw_choice.h"

#include "base/mem.h"
#include "model/codec.h"

#include <math.h>
#include <string.h>

/* The chains that the draws fall into, in their order: those of each fold are counted alike. */
static enum err_code count_chains(const struct model *whole, int *n, struct err *err)
{
    const struct report_item *item = report_find(&whole->report, DRAW_CHOICE_CHAINS);
    int folds = whole->conformal.n_folds > 1 ? whole->conformal.n_folds : 1;
    *n = item != NULL && item->n <= whole->m / folds ? item->n * folds : 0;
    if (*n < 1 || whole->gaussian.n_members > 0 || whole->m % *n != 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the draws of this version are not those of Markov chains, so that burn_in "
                       "and at mean nothing");
    }
    return ERR_OK;
}

/* *best <- the draw of the highest density, of those that are left of each chain. */
static enum err_code find_map(const struct model *whole, int n_chains, int burn_in, int *best,
                              struct err *err)
{
    const struct report_item *item = report_find(&whole->report, DRAW_CHOICE_LOG_POSTERIOR);
    int per_chain = whole->m / n_chains;
    if (item == NULL || item->n != whole->m) {
        return err_set(err, ERR_UNSUPPORTED,
                       "the posterior densities of this version's draws are not known, so that at "
                       "cannot be map");
    }
    *best = -1;
    for (int i = 0; i < whole->m; i++) {
        if (i % per_chain >= burn_in && !isnan(item->values[i]) &&
            (*best < 0 || item->values[i] > item->values[*best])) {
            *best = i;
        }
    }
    return *best >= 0 ? ERR_OK
                      : err_set(err, ERR_INVALID, "no draw has a posterior density that is known");
}

/* A copy of `whole` with the draws that stand in `view`, by the bytes that are stored of it. */
static enum err_code copy_part(struct model *view, struct model **out, struct err *err)
{
    unsigned char *bytes = NULL;
    size_t n_bytes = 0;
    view->conformal = (struct conformal){.method = CONFORMAL_NONE};
    if (codec_encode(view, &bytes, &n_bytes, err) == ERR_OK) {
        err_kept(codec_decode(bytes, n_bytes, out, err));
    }
    mem_free(bytes);
    return err->code;
}

enum err_code draw_choice_model(const struct model *whole, const struct draw_choice *part,
                                struct model **out, struct err *err)
{
    size_t k = (size_t)whole->net.n_params;
    struct model view;
    int n_chains = 0;
    int best = -1;
    if (count_chains(whole, &n_chains, err) != ERR_OK) {
        return err->code;
    }
    int per_chain = whole->m / n_chains;
    if (part->burn_in < 0 || part->burn_in >= per_chain) {
        return err_set(err, ERR_INVALID, "burn_in is %d, 0 to %d is possible: chains have %d draws",
                       part->burn_in, per_chain - 1, per_chain);
    }
    if (part->map && find_map(whole, n_chains, part->burn_in, &best, err) != ERR_OK) {
        return err->code;
    }
    memcpy(&view, whole, sizeof view); /* not the atomic count alone: nobody else has the copy */
    view.m = part->map ? 1 : n_chains * (per_chain - part->burn_in);
    view.draws = mem_alloc_array((size_t)view.m * k, sizeof *view.draws);
    if (view.draws == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d draws", view.m);
    }
    for (int i = 0, to = 0; i < whole->m; i++) {
        if (part->map ? i == best : i % per_chain >= part->burn_in) {
            memcpy(view.draws + (size_t)to++ * k, whole->draws + (size_t)i * k,
                   k * sizeof *view.draws);
        }
    }
    err_kept(copy_part(&view, out, err));
    mem_free(view.draws);
    return err->code;
}
