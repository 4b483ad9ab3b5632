/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A warm run keeps the scalers of its base, and each of its solver runs, including those of folds,
 * begins at the base's posterior.
 *
 * A model's report says into which groups its draws fall: it lists the chains or networks of one
 * fold, and the folds follow one another. Where the report is missing or does not fit the draws, as
 * in models from elsewhere, the draws are one group without an order.
 */
#include "train/train_warm.h"

#include "base/mem.h"
#include "model/space_rows.h"

#include <math.h>

#define MIN_SIGMA 1e-4 /* of scaled outputs, the same as for an estimated noise */

void train_warm_release(struct train_warm *warm)
{
    mem_free(warm->networks);
    mem_free(warm->log_s);
    *warm = (struct train_warm){.networks = NULL};
}

/*
 * warm->log_s, with the default where the noise cannot be used: that of a logarithmic output may
 * be stored in another unit than it was learned in, and one near 0 makes a likelihood from which no
 * fit can start.
 */
static enum err_code find_noise(struct train_warm *warm, const struct model *base, struct err *err)
{
    if (base->noise_sigma == NULL) {
        return ERR_OK;
    }
    warm->log_s = mem_alloc_array((size_t)base->o, sizeof *warm->log_s);
    if (warm->log_s == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (int j = 0; j < base->o; j++) {
        double sigma = base->noise_sigma[j] / base->out[j].scale;
        bool in_unit = base->out[j].kind != SCALER_LOG || base->noise_of_logs;
        bool known = in_unit && sigma >= MIN_SIGMA;
        warm->log_s[j] = known ? log(sigma) : OBJECTIVE_LOG_S_MEAN;
    }
    warm->parts.log_s = warm->log_s;
    return ERR_OK;
}

enum err_code train_warm_init(struct train_warm *warm, const struct model *base, struct err *err)
{
    *warm = (struct train_warm){.parts = {.net = &base->net,
                                          .m = base->m,
                                          .draws = base->draws,
                                          .gaussian = &base->gaussian,
                                          .report = &base->report}};
    struct solver_start *start = &warm->parts;
    int n_folds = base->conformal.n_folds > 1 ? base->conformal.n_folds : 1;
    int solver = names_find(solver_known(), base->solver);
    if (solver >= 0) {
        start->known = true;
        start->solver = (enum solver_kind)solver;
    }
    solver_start_find_groups(start, n_folds);
    if (find_noise(warm, base, err) != ERR_OK ||
        solver_start_find_networks(start, &warm->networks, err) != ERR_OK) {
        train_warm_release(warm);
        return err->code;
    }
    warm->start = start;
    return ERR_OK;
}

/* ---- is the base of the same architecture? ---- */

/* A field of an architecture: a choice with its names, or a number. */
struct difference {
    const char *what;
    const char *wanted, *had;
    int n_wanted, n_had; /* when there are no names */
};

static enum err_code refuse_difference(const struct difference *d, struct err *err)
{
    if (d->wanted != NULL) {
        return err_set(err, ERR_INVALID,
                       "a warm start needs the model's own architecture; %s is %s, the model's "
                       "is %s",
                       d->what, d->wanted, d->had);
    }
    return err_set(err, ERR_INVALID,
                   "a warm start needs the model's own architecture; %s is %d, the model's is %d",
                   d->what, d->n_wanted, d->n_had);
}

static const char *flag_text(bool value)
{
    return value ? "true" : "false";
}

static enum err_code check_arch(const struct arch *a, const struct arch *b, struct err *err)
{
    const struct difference fields[] = {
        {"inputs", NULL, NULL, a->inputs, b->inputs},
        {"outputs", NULL, NULL, a->outputs, b->outputs},
        {"width", NULL, NULL, a->width, b->width},
        {"layers", NULL, NULL, a->layers, b->layers},
        {"basis", wpfn_name(a->basis), wpfn_name(b->basis), (int)a->basis, (int)b->basis},
        {"order", NULL, NULL, a->order, b->order},
        {"bias", flag_text(a->bias), flag_text(b->bias), a->bias, b->bias},
        {"outer_bias", flag_text(a->outer_bias), flag_text(b->outer_bias), a->outer_bias,
         b->outer_bias},
        {"activation", arch_activation_name(a->activation), arch_activation_name(b->activation),
         (int)a->activation, (int)b->activation},
        {"residual", flag_text(a->residual), flag_text(b->residual), a->residual, b->residual},
        {"layer_pre", flag_text(a->layer_pre), flag_text(b->layer_pre), a->layer_pre, b->layer_pre},
        {"layer_post", flag_text(a->layer_post), flag_text(b->layer_post), a->layer_post,
         b->layer_post},
        {"final", arch_final_name(a->final), arch_final_name(b->final), (int)a->final,
         (int)b->final},
        {"grid", arch_grid_name(a->grid), arch_grid_name(b->grid), (int)a->grid, (int)b->grid},
        {"index_rule", arch_index_rule_name(a->index_rule), arch_index_rule_name(b->index_rule),
         (int)a->index_rule, (int)b->index_rule},
        {"number of parameters", NULL, NULL, arch_n_params(a), arch_n_params(b)},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].n_wanted != fields[i].n_had) {
            return refuse_difference(&fields[i], err);
        }
    }
    return arch_equal(a, b) ? ERR_OK
                            : err_set(err, ERR_INVALID,
                                      "a warm start needs the model's own architecture; horizon "
                                      "is %.10g, the model's is %.10g",
                                      a->horizon, b->horizon);
}

/* A space without categories, and none, see numbers as they are. */
static enum err_code check_categories(const struct space *space, const struct model *base,
                                      struct err *err)
{
    bool any = space != NULL && space_first_category(space) >= 0;
    if (any == model_has_categories(base) && (!any || space_same_categories(space, base->space))) {
        return ERR_OK;
    }
    return err_set(err, ERR_INVALID,
                   "a warm start needs the model's own categories, which have changed since; "
                   "\"start\":\"cold\" does not");
}

enum err_code train_check_base(const struct train_spec *spec, const struct space *space,
                               const struct model *base, struct err *err)
{
    bool predicted = spec->noise == NOISE_PREDICTED;
    struct train_warm warm;
    struct train_spec own = *spec;
    struct model view;
    if (spec->reduction.on != (base->reduction != NULL)) {
        return err_set(err, ERR_INVALID, "a warm start %s output_reduction needs a model %s one",
                       spec->reduction.on ? "with" : "without",
                       spec->reduction.on ? "with" : "without");
    }
    if (base->reduction != NULL) { /* its modes stay, however many are asked for */
        if (spec->reduction.p != base->o) {
            return err_set(err, ERR_INVALID,
                           "a warm start needs the model's own outputs; there are %d, the model "
                           "has %d",
                           spec->reduction.p, base->o);
        }
        own.arch.outputs = base->net.arch.outputs;
        model_view_coefficients(base, &view);
        spec = &own;
        base = &view;
    }
    if (predicted != base->noise_predicted) {
        return err_set(err, ERR_INVALID,
                       "a warm start with %s noise needs a model whose noise is %spredicted",
                       noise_kind_name(spec->noise), predicted ? "" : "not ");
    }
    if (check_categories(space, base, err) != ERR_OK ||
        check_arch(&spec->arch, &base->net.arch, err) != ERR_OK ||
        train_warm_init(&warm, base, err) != ERR_OK) {
        return err->code;
    }
    err_kept(solver_check_start(spec->solver, warm.start, err));
    train_warm_release(&warm);
    return err->code;
}

/* ---- for a run ---- */

enum err_code train_warm_begin(struct train_warm *warm, const struct train_run *run,
                               struct err *err)
{
    *warm = (struct train_warm){.start = NULL};
    if (run->spec->start == TRAIN_COLD) {
        return ERR_OK;
    }
    if (run->base == NULL) {
        return err_set(err, ERR_INVALID, "a warm start needs a model to start from");
    }
    return train_check_base(run->spec, run->space, run->base, err) == ERR_OK
               ? train_warm_init(warm, run->base, err)
               : err->code;
}

/* Could rows that are kept out here have trained a base of the same seed? Rows for validation are
 * chosen first, so calibration takes none of them (split.h). */
static bool keeps_others_out(const struct train_spec *spec, const struct train_spec *base)
{
    double calibration = train_calibration_share(spec);
    bool same = base != NULL && base->validation == spec->validation;
    return (spec->validation > 0.0 && !same) ||
           (calibration > 0.0 && (!same || train_calibration_share(base) != calibration));
}

enum err_code train_warm_warn(const struct train_run *run, int n_folds, struct report *report,
                              struct err *err)
{
    if (run->spec->start == TRAIN_COLD) {
        return ERR_OK;
    }
    if (n_folds > 1 &&
        report_warn(report, err, "warm_folds",
                    "the folds started from a model that may have been trained on their own rows: "
                    "their scores, and the intervals made from them, may be too small") != ERR_OK) {
        return err->code;
    }
    if (run->base->seed != run->spec->seed) {
        return report_warn(report, err, "warm_seed",
                           "the base model has seed %lld, this one %lld: the base may have been "
                           "trained on rows that are kept out here, and their scores may then be "
                           "too good",
                           (long long)run->base->seed, (long long)run->spec->seed);
    }
    if (keeps_others_out(run->spec, run->base_spec)) {
        return report_warn(report, err, "warm_split",
                           "the base model %s: it may have been trained on rows that are kept out "
                           "here, and their scores and intervals may then be too good",
                           run->base_spec != NULL ? "kept other shares of the rows out"
                                                  : "does not say which rows it kept out");
    }
    return ERR_OK;
}
