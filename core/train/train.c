/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scalers are fitted to the training rows alone, so that scores on validation rows are honest.
 * The validation rows do choose the best epoch of each member, which makes their error a little
 * optimistic.
 *
 * Rows with the same inputs are on one side of the split, and in one fold (train/row_groups.h).
 *
 * Folds of cv+ and jackknife+ each run the solver on the other folds' rows; the model is all of
 * their posteriors together, in the order of the folds. The scalers come from all training rows,
 * and so does noise that is estimated before the solver starts; a fold's model knows this of its
 * own rows, and no more. It predicts as its part of the whole model does: in closed form, or from
 * the same draws that the whole model takes from it.
 *
 * Normalised scores of folds are divided by the fold's own standard deviation. This includes the
 * noise that the fold's solver found, or that was measured on the validation rows; the model stores
 * that noise, so that a prediction uses the same.
 */
#include "train/train.h"

#include "base/mem.h"
#include "base/ranks.h"
#include "fit/split.h"
#include "predict/conformal_scores.h"
#include "predict/evaluation.h"
#include "predict/precision.h"
#include "train/train_cross.h"
#include "train/train_field.h"
#include "train/train_part.h"
#include "train/train_priv.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tasks of scoring, which follow those of the solver runs; each fold has two of its own, and the
 * tasks of P(run succeeds) follow. */
enum { SCORE_NOISE, SCORE_CALIBRATION, SCORE_KEPT, SCORE_FOLDS };

_Static_assert((TRAIN_MAX_FOLDS + 1LL) * TRAIN_PART_TASKS + SCORE_FOLDS + 2LL * TRAIN_MAX_FOLDS +
                       FEASIBLE_MEMBERS <=
                   INT_MAX,
               "the last task of the last fold");

/* ---- rows ---- */

double train_calibration_share(const struct train_spec *spec)
{
    return spec->calibration.method == CONFORMAL_SPLIT ? spec->calibration.share : 0.0;
}

static enum err_code split_parts(struct trainee *t, struct err *err)
{
    struct train_rows *const parts[] = {
        [SPLIT_TRAIN] = &t->train, [SPLIT_KEPT] = &t->kept, [SPLIT_CALIBRATION] = &t->calibration};
    return train_rows_split(t->run->spec, &t->run->data, parts, err) == ERR_OK
               ? train_noise_of_rows(t, err)
               : err->code;
}

/* The training rows in a fold, or those in all others; scaled. */
static enum err_code gather_fold(const struct trainee *t, int fold, bool within,
                                 struct train_rows *rows, struct err *err)
{
    struct data all = train_rows_user(&t->train);
    int *index = mem_alloc_array((size_t)all.n, sizeof *index);
    int n = 0;
    if (index == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a fold");
    }
    for (int i = 0; i < all.n; i++) {
        if ((t->fold[i] == fold) == within) {
            index[n++] = i;
        }
    }
    if (train_rows_take(rows, &all, index, n, err) == ERR_OK &&
        train_rows_scale(rows, t->model, err) == ERR_OK && !within) {
        char where[64];
        snprintf(where, sizeof where, "outside fold %d", fold);
        err_kept(train_rows_check_outputs(rows, where, err));
    }
    mem_free(index);
    return err->code;
}

/* ---- the model ---- */

/* A model of the run's kind without its posterior; scalers not fitted. */
static enum err_code new_model(const struct train_run *run, int m, struct model **out,
                               struct err *err)
{
    const struct train_spec *spec = run->spec;
    struct model *model = NULL;
    if (model_new(&spec->arch, m, &model, err) != ERR_OK) {
        return err->code;
    }
    if (spec->noise == NOISE_PREDICTED) {
        model_predict_noise(model);
    }
    if (run->space != NULL && model_set_space(model, run->space, err) != ERR_OK) {
        model_unref(model);
        return err->code;
    }
    model->seed = spec->seed;
    model->precision = spec->precision;
    model->solver = mem_strdup(solver_name(spec->solver));
    model->settings = run->settings_text != NULL ? mem_strdup(run->settings_text) : NULL;
    model->training_range = mem_zalloc_array(2 * (size_t)model->d, sizeof(double));
    if (model->solver == NULL || model->training_range == NULL ||
        (run->settings_text != NULL && model->settings == NULL)) {
        model_unref(model);
        return err_set(err, ERR_NOMEM, "no memory for a model");
    }
    *out = model;
    return ERR_OK;
}

/* Sets the scalers, to those of the base or by the training rows, and scales all rows with them. */
static enum err_code scale_rows(struct trainee *t, struct err *err)
{
    const struct train_spec *spec = t->run->spec;
    struct model *model = t->model;
    if (spec->start == TRAIN_WARM) {
        memcpy(model->in, t->run->base->in, (size_t)model->d * sizeof *model->in);
        memcpy(model->out, t->run->base->out, (size_t)model->o * sizeof *model->out);
        if (train_facts_check_warm(t, err) != ERR_OK) {
            return err->code;
        }
    } else if (train_rows_fit(&t->train, spec->input_scaling, spec->output_scaling, model, err) !=
               ERR_OK) {
        return err->code;
    }
    train_rows_ranges(t->train.x, t->train.n, model->d, model->training_range);
    return train_rows_scale(&t->train, model, err) == ERR_OK &&
                   train_rows_scale(&t->kept, model, err) == ERR_OK
               ? train_rows_scale(&t->calibration, model, err)
               : err->code;
}

/* Moves a fold's posterior into the model: draws to their place, Gaussians after those already
 * there. */
static enum err_code add_posterior(struct model *model, int fold, int n_folds,
                                   struct solver_result *result, struct err *err)
{
    size_t k = (size_t)model->net.n_params;
    struct gauss_mixture *to = &model->gaussian;
    struct gauss_mixture *from = &result->gaussian;
    if (n_folds == 1) {
        model->m = result->m; /* without members that diverged */
    }
    if (from->n_members == 0) {
        memcpy(model->draws + (size_t)fold * (size_t)result->m * k, result->draws,
               (size_t)result->m * k * sizeof *model->draws);
        return ERR_OK;
    }
    size_t per_fold = (size_t)from->n_members;
    struct gauss *members =
        mem_realloc_array(to->members, (size_t)n_folds * per_fold, sizeof *members);
    if (members == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a posterior");
    }
    to->members = members;
    memcpy(members + to->n_members, from->members, per_fold * sizeof *members);
    to->n_members += from->n_members;
    to->n_draws = from->n_draws;
    to->seed = fold == 0 ? from->seed : to->seed;
    to->linearised = from->linearised;
    /* The members' arrays now belong to the model. */
    from->n_members = 0;
    return ERR_OK;
}

struct evaluation_run trainee_scoring(const struct trainee *t, int number)
{
    return (struct evaluation_run){.n_threads = t->run->n_threads,
                                   .cancel = t->run->cancel,
                                   .checkpoint = t->run->checkpoint,
                                   .task = train_part_task(t->n_folds + 1, number)};
}

/* ---- one run of the solver ---- */

static enum err_code solve_part(const struct trainee *t, int fold, const struct train_rows *rows,
                                const struct train_rows *validation, struct solver_result *result,
                                struct err *err)
{
    const struct train_spec *spec = t->run->spec;
    double start = t->noise_sigmas != NULL && spec->noise == NOISE_ESTIMATED ? 0.1 : 0.0;
    double share = (1.0 - start) / (double)t->n_folds;
    const struct solver_given given = train_given(&spec->chains);
    struct train_part part = {.run = t->run,
                              .number = fold + 1,
                              .from = start + share * fold,
                              .to = start + share * (fold + 1)};
    struct solver_problem problem = {
        .net = &t->model->net,
        .train = train_rows_scaled(rows),
        .validation = train_rows_scaled(validation),
        .beliefs = {.noise = spec->noise,
                    .noise_sigmas = t->noise_sigmas,
                    .prior_sigmas = t->prior_sigmas,
                    .flat = spec->prior.flat},
        .terms = t->terms.terms,
        .given = spec->chains.n > 0 ? &given : NULL,
        .start = t->warm.start,
        .all_members = t->n_folds > 1, /* folds have equally many draws */
        /* Folds differ in their random numbers too. */
        .seed = (uint64_t)spec->seed + 0x9E3779B97F4A7C15u * (uint64_t)fold,
    };
    train_part_attach(&part, &problem);
    return solver_run(spec->solver, &problem, &spec->settings, result, err);
}

/* Copies a fold's share of the posterior from the whole model, which already has it. */
static enum err_code copy_posterior(const struct model *whole, int fold, struct model *own,
                                    struct err *err)
{
    size_t k = (size_t)whole->net.n_params;
    if (whole->gaussian.linearised) {
        int n = own->m / whole->gaussian.n_draws;
        return gauss_mixture_copy(&own->gaussian, &whole->gaussian, whole->net.n_params, fold * n,
                                  n, err);
    }
    for (int j = 0; j < own->m; j++) {
        int at = fold * own->m + j;
        double *draw = own->draws + (size_t)j * k;
        if (whole->gaussian.n_members > 0) {
            gauss_mixture_draw(&whole->gaussian, whole->net.n_params, at, draw);
        } else {
            memcpy(draw, whole->draws + (size_t)at * k, k * sizeof *draw);
        }
    }
    return ERR_OK;
}

/* A published model for a fold, trained on the rows of the other folds. */
static enum err_code new_fold_model(struct trainee *t, int fold, const struct solver_result *result,
                                    struct model **out, struct err *err)
{
    const struct model *whole = t->model;
    struct model *own = NULL;
    if (new_model(t->run, result->m, &own, err) != ERR_OK) {
        return err->code;
    }
    own->precision = PRECISION_FLOAT64;
    memcpy(own->in, whole->in, (size_t)own->d * sizeof *own->in);
    memcpy(own->out, whole->out, (size_t)own->o * sizeof *own->out);
    if (copy_posterior(whole, fold, own, err) != ERR_OK ||
        train_noise_add(t, own, result, 1, err) != ERR_OK || model_publish(own, err) != ERR_OK) {
        model_unref(own);
        return err->code;
    }
    *out = own;
    return ERR_OK;
}

/* The noise that normalised scores of a fold take into account. */
static enum err_code note_noise(const struct trainee *t, int fold, struct model *own,
                                struct err *err)
{
    double *noise = t->model->conformal.fold_noise;
    if (noise == NULL || train_noise_measure(t, SCORE_FOLDS + 2 * fold, own, err) != ERR_OK) {
        return err->code;
    }
    for (int j = 0; j < own->o; j++) {
        double sigma = own->noise_sigma != NULL ? own->noise_sigma[j] : 0.0;
        if (!isfinite(sigma * sigma) || (sigma > 0.0 && !isnormal(sigma * sigma))) {
            return err_set(err, ERR_UNSUPPORTED,
                           "calibration: the noise of output %d is %g, whose square is no number; "
                           "normalised scores of folds need another unit",
                           j, sigma);
        }
        noise[(size_t)fold * (size_t)own->o + (size_t)j] = sigma * sigma;
    }
    return ERR_OK;
}

/* Scores a fold's own rows with the model of the other folds, whose posterior the whole model
 * already has. */
static enum err_code score_fold(struct trainee *t, int fold, const struct solver_result *result,
                                struct err *err)
{
    const struct conformal *conformal = &t->model->conformal;
    struct evaluation_run run = trainee_scoring(t, SCORE_FOLDS + 2 * fold + 1);
    struct model *own = NULL;
    struct train_rows rows = {.n = 0};
    size_t o = (size_t)t->model->o;
    size_t at = 0;
    double *found = NULL;
    if (new_fold_model(t, fold, result, &own, err) != ERR_OK ||
        note_noise(t, fold, own, err) != ERR_OK ||
        gather_fold(t, fold, true, &rows, err) != ERR_OK) {
        goto done;
    }
    struct data data = train_rows_user(&rows);
    found = mem_alloc_array((size_t)rows.n * o, sizeof *found);
    if (found == NULL) {
        err_set(err, ERR_NOMEM, "no memory for the scores of a fold");
        goto done;
    }
    if (conformal_scores(own, &data, t->run->spec->calibration.normalised, &run, found, err) !=
        ERR_OK) {
        goto done;
    }
    for (int i = 0; i < t->train.n; i++) {
        if (t->fold[i] == fold) {
            memcpy(conformal->scores + (size_t)i * o, found + at, o * sizeof *found);
            at += o;
        }
    }
done:
    model_unref(own);
    train_rows_release(&rows);
    mem_free(found);
    return err->code;
}

/* Runs the solver on the complement of a fold. */
static enum err_code solve_fold(const struct trainee *t, int fold, struct solver_result *result,
                                struct err *err)
{
    const struct train_rows none = {
        .n = 0, .d = t->model->d, .width = t->model->net.arch.inputs, .o = t->model->o};
    struct train_rows rows = {.n = 0};
    if (gather_fold(t, fold, false, &rows, err) == ERR_OK) {
        err_kept(solve_part(t, fold, &rows, t->kept.n > 0 ? &t->kept : &none, result, err));
    }
    train_rows_release(&rows);
    return err->code;
}

/* ---- folds over several ranks ---- */

/* Neighbouring folds, each solved by one of the ranks. */
struct fold_round {
    const struct trainee *t;
    struct solver_result *results; /* [n_ranks]; mem; NULL: every fold is solved by all ranks */
    int n_ranks;
    int first, n; /* folds */
};

/* Are whole folds quicker than the networks of one fold after the other, over so many ranks? */
static bool takes_folds_apart(const struct trainee *t, int n_ranks)
{
    const struct train_spec *spec = t->run->spec;
    double ranks = n_ranks;
    double networks = solver_n_networks(spec->solver, &spec->settings);
    return n_ranks > 1 && ceil(t->n_folds / ranks) * networks < t->n_folds * ceil(networks / ranks);
}

static enum err_code begin_rounds(const struct trainee *t, struct fold_round *round,
                                  struct err *err)
{
    *round = (struct fold_round){.t = t, .n_ranks = ranks_count(t->run->checkpoint)};
    if (takes_folds_apart(t, round->n_ranks)) {
        round->results = mem_zalloc_array((size_t)round->n_ranks, sizeof *round->results);
        return round->results != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for folds");
    }
    return ERR_OK;
}

static void end_rounds(struct fold_round *round)
{
    for (int i = 0; i < round->n && round->results != NULL; i++) {
        solver_result_release(&round->results[i]);
    }
    mem_free(round->results);
}

static enum err_code solve_one(void *ctx, int worker, int task, struct err *err)
{
    struct fold_round *round = ctx;
    (void)worker;
    return solve_fold(round->t, round->first + task, &round->results[task], err);
}

/* *result <- that of a fold; folds are asked for in their order. */
static enum err_code next_fold(struct fold_round *round, int fold, struct solver_result *result,
                               struct err *err)
{
    const struct trainee *t = round->t;
    if (round->results == NULL) {
        return solve_fold(t, fold, result, err);
    }
    if (fold == round->first + round->n) {
        int left = t->n_folds - fold;
        round->first = fold;
        round->n = left < round->n_ranks ? left : round->n_ranks;
        if (ranks_run(t->run->checkpoint, 1, round->n, solve_one, round, err) != ERR_OK) {
            return err->code;
        }
    }
    *result = round->results[fold - round->first];
    round->results[fold - round->first] = (struct solver_result){.m = 0};
    return ERR_OK;
}

/* ---- all of them ---- */

/* Runs the solver on each fold's complement and gathers posterior, noise, scores and report. */
static enum err_code solve_folds(struct trainee *t, struct err *err)
{
    struct conformal *c = &t->model->conformal;
    struct fold_round round = {.results = NULL};
    size_t o = (size_t)t->model->o;
    bool normalised = t->run->spec->calibration.normalised;
    c->scores = mem_alloc_array((size_t)t->train.n * o, sizeof *c->scores);
    if (normalised) {
        c->fold_noise = mem_alloc_array((size_t)t->n_folds * o, sizeof *c->fold_noise);
    }
    if (c->scores == NULL || (normalised && c->fold_noise == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for the calibration");
    }
    err_kept(begin_rounds(t, &round, err));
    for (int fold = 0; fold < t->n_folds && err->code == ERR_OK; fold++) {
        struct solver_result result = {.m = 0};
        if (next_fold(&round, fold, &result, err) == ERR_OK &&
            add_posterior(t->model, fold, t->n_folds, &result, err) == ERR_OK &&
            score_fold(t, fold, &result, err) == ERR_OK &&
            train_noise_add(t, t->model, &result, t->n_folds, err) == ERR_OK && fold == 0) {
            err_kept(report_append(&t->model->report, &result.report, NULL, err));
        }
        for (int i = 0; i < result.report.n_warnings && err->code == ERR_OK; i++) {
            err_kept(report_warn(&t->model->report, err, result.report.warnings[i].code, "%s",
                                 result.report.warnings[i].text));
        }
        solver_result_release(&result);
    }
    end_rounds(&round);
    c->method = t->run->spec->calibration.method;
    c->normalised = normalised;
    c->n_folds = t->n_folds;
    c->n = t->train.n;
    c->fold = t->fold;
    t->fold = NULL;
    return err->code;
}

static enum err_code solve_whole(struct trainee *t, struct err *err)
{
    struct solver_result result = {.m = 0};
    if (solve_part(t, 0, &t->train, &t->kept, &result, err) == ERR_OK &&
        add_posterior(t->model, 0, 1, &result, err) == ERR_OK &&
        train_noise_add(t, t->model, &result, 1, err) == ERR_OK) {
        err_kept(report_append(&t->model->report, &result.report, NULL, err));
    }
    solver_result_release(&result);
    return err->code;
}

/* Takes what a cross-validation says for the scores of the model. */
static enum err_code score_cross(struct trainee *t, const double *range, struct err *err)
{
    const struct train_cross *cross = t->run->cross;
    const struct train_cross_rows rows = {.data = &t->run->data, .output_range = range};
    struct model *model = t->model;
    return train_cross_score(cross, &rows, model, &model->scores, err) == ERR_OK
               ? report_add_number(&model->report, "scores.folds", cross->n_folds, err)
               : err->code;
}

/* Scores a published model: conformal scores on the calibration rows, all scores on the validation
 * rows. */
static enum err_code score_model(struct trainee *t, struct err *err)
{
    struct model *model = t->model;
    const struct train_spec *spec = t->run->spec;
    struct data kept = train_rows_user(&t->kept);
    struct data rows = train_rows_user(&t->calibration);
    struct evaluation_run run = trainee_scoring(t, SCORE_CALIBRATION);
    if (train_noise_measure(t, SCORE_NOISE, model, err) != ERR_OK) {
        return err->code;
    }
    if (spec->calibration.method == CONFORMAL_SPLIT) {
        struct conformal *c = &model->conformal;
        *c = (struct conformal){.method = CONFORMAL_SPLIT,
                                .normalised = spec->calibration.normalised,
                                .n_folds = 1,
                                .n = rows.n};
        c->scores = mem_alloc_array((size_t)rows.n * (size_t)model->o, sizeof *c->scores);
        if (c->scores == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the calibration");
        }
        if (conformal_scores(model, &rows, c->normalised, &run, c->scores, err) != ERR_OK ||
            conformal_count(c, model->o, err) != ERR_OK) {
            return err->code;
        }
    }
    double *range = mem_alloc_array(2 * (size_t)model->o, sizeof *range);
    if (range == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to score a model");
    }
    train_rows_ranges(t->train.y, t->train.n, model->o, range);
    run = trainee_scoring(t, SCORE_KEPT);
    if (kept.n > 0) {
        err_kept(evaluation_score(model, &kept, range, &run, &model->scores, err));
    } else if (t->run->cross != NULL) {
        err_kept(score_cross(t, range, err));
    }
    mem_free(range);
    return err->code;
}

static enum err_code add_feasible(struct trainee *t, struct err *err)
{
    return train_feasible(t, trainee_scoring(t, SCORE_FOLDS + 2 * t->n_folds).task, err);
}

static enum err_code make_terms(struct trainee *t, struct err *err)
{
    const struct train_spec *spec = t->run->spec;
    const struct data rows = train_rows_user(&t->train);
    return train_terms_make(&spec->roles, &spec->settings, t->model, &rows, &t->terms, err);
}

/* What follows once the model is there: it is published, scored and judged. */
static enum err_code finish_model(struct trainee *t, struct train_field *field, struct err *err)
{
    if ((field != NULL && train_field_attach(field, t, err) != ERR_OK) ||
        precision_publish(t->model, err) != ERR_OK || score_model(t, err) != ERR_OK) {
        return err->code;
    }
    return field != NULL ? train_field_judge(t, err) : train_facts_judge(t, err);
}

enum err_code train_run(const struct train_run *run, struct model **out, struct err *err)
{
    return run->spec->reduction.on ? train_field_run(run, out, err)
                                   : train_run_coefficients(run, NULL, out, err);
}

enum err_code train_run_coefficients(const struct train_run *run, struct train_field *field,
                                     struct model **out, struct err *err)
{
    struct trainee t = {.run = run};
    if (train_check_rows(run, err) != ERR_OK || train_warm_begin(&t.warm, run, err) != ERR_OK ||
        split_parts(&t, err) != ERR_OK ||
        train_rows_choose_folds(run->spec, &t.train, &t.n_folds, &t.fold, err) != ERR_OK ||
        new_model(run, t.n_folds * solver_n_draws(run->spec->solver, &run->spec->settings),
                  &t.model, err) != ERR_OK ||
        (run->report != NULL &&
         report_append(&t.model->report, run->report, NULL, err) != ERR_OK) ||
        scale_rows(&t, err) != ERR_OK || train_facts_warn(&t, err) != ERR_OK ||
        train_warm_warn(run, t.n_folds, &t.model->report, err) != ERR_OK ||
        train_prior_sigmas(&run->spec->prior, &t.model->net, &t.prior_sigmas, err) != ERR_OK ||
        make_terms(&t, err) != ERR_OK || train_noise_begin(&t, err) != ERR_OK ||
        (t.n_folds > 1 ? solve_folds(&t, err) : solve_whole(&t, err)) != ERR_OK ||
        add_feasible(&t, err) != ERR_OK || finish_model(&t, field, err) != ERR_OK) {
        model_unref(t.model);
        goto done;
    }
    *out = t.model;
done:
    train_rows_release(&t.train);
    train_rows_release(&t.kept);
    train_rows_release(&t.calibration);
    train_warm_release(&t.warm);
    mem_free(t.fold);
    mem_free(t.prior_sigmas);
    mem_free(t.noise_sigmas);
    mem_free(t.own_sigmas);
    train_terms_release(&t.terms);
    return err->code;
}
