/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bayesian last layer: a network is fitted. From then on its values before the post layer are fixed
 * features phi(x) = (z_L(x), 1), and each output's weights and bias in the post layer have the
 * exact posterior of a linear model on these features [1, section 3.5]:
 *
 *   y_j = phi' w_j + noise of precision beta_j,  w_j ~ N(0, I / alpha_j)
 *   A_j = alpha_j I + beta_j Phi'Phi,  w_j | y ~ N(beta_j A_j^-1 Phi'y_j, A_j^-1)
 *
 * alpha_j, and beta_j unless the noise is given or was estimated before, maximise the evidence of
 * output j (core/math/evidence.h). All outputs share Phi'Phi and its eigendecomposition
 * Phi'Phi = U' diag(l) U (eigenvectors in rows), in whose coordinates all matrices are diagonal.
 * With rho = alpha / beta:
 *
 *   mean = U' diag(1 / (l + rho)) U Phi'y,  covariance factor = U' diag(alpha + beta l)^-1/2
 *
 * rho is never below the eigenvalues' rounding error, so linearly dependent features do no harm.
 * The residual sum of squares is formed from residuals, not as a difference of large sums.
 *
 * An output that some rows miss is inferred from those that have it, with a Phi'Phi of its own;
 * neighbouring outputs that miss the same rows share it.
 *
 * When the noise is learned or estimated, the features come from a fit of the mean squared error
 * without a prior; when it is given, from a fit of the beliefs' negative log posterior. The
 * beliefs' prior applies only to the parameters of the features; the last layer's own prior has
 * precision alpha_j. The features were fitted to the same rows, which makes beta_j a little
 * optimistic. Validation rows choose the fit's epoch and so limit this.
 *
 * With hyperparameters by evidence the features are those of the networks of evidence_starts.h, and
 * beta_j is that of the error on rows not seen (evidence_starts_unseen): the residuals of the last
 * layer alone do not count the parameters of the features, and would make intervals far too narrow.
 *
 * After the fit come one pass over the rows, n (r + 1)^2 multiplications, and an eigenvector
 * problem of size r + 1: seconds for 1e5 rows of 100 features. After an interruption this part is
 * done again; the fit is kept.
 *
 * The posterior covers the post layer alone, and the network is linear in it, so the linearised
 * prediction is exact. QUiNN plans this solver but does not have it yet.
 *
 * [1] C. M. Bishop, Pattern Recognition and Machine Learning, 2006.
 */
#include "solve/solver_priv.h"

#include "base/mem.h"
#include "math/decompose.h"
#include "math/evidence.h"
#include "math/gemm.h"
#include "solve/evidence_starts.h"

#include <math.h>
#include <string.h>

#define TILE      256
#define PART      65536 /* rows added to Phi'Phi between two checks for cancellation */
#define MAX_COEFS 8000  /* o (r + 1): the factor is a square matrix of that size */

struct bll {
    struct solver_tasks tasks;
    const struct solver_settings *settings;
    struct gauss_mixture *mixture;
    struct fit_result *fits;        /* [members] */
    double *found;                  /* [4 x members x o] alpha, beta, gamma, log evidence */
    int *bounds;                    /* [members] outputs whose rho is at an end of its range */
    struct evidence_starts *starts; /* whose networks have the features; NULL: fits */
    double *unseen;                 /* [members x o] their error on rows not seen */
};

/* Scratch of a member; p = r + 1 features of all rows, or of those that have an output. */
struct features {
    int n, p, o;
    int *rows;         /* [n] which of all rows these are; NULL: all */
    bool decomposed;   /* u and l are known */
    double *phi;       /* [n x p] */
    double *u;         /* [p x p] eigenvectors of Phi'Phi in rows */
    double *l;         /* [p] eigenvalues */
    double *by_output; /* [n] a target's column */
    double *b;         /* [p] Phi'y */
    double *c;         /* [p] U Phi'y */
    double *w;         /* [p] */
};

static void features_release(struct features *f)
{
    mem_free(f->rows);
    mem_free(f->phi);
    mem_free(f->u);
    mem_free(f->l);
    mem_free(f->by_output);
    mem_free(f->b);
    mem_free(f->c);
    mem_free(f->w);
}

static enum err_code features_init(struct features *f, const struct solver_problem *p,
                                   struct err *err)
{
    size_t n = (size_t)p->train.n;
    size_t width = (size_t)p->net->arch.width + 1;
    *f = (struct features){.n = p->train.n, .p = (int)width, .o = p->train.o};
    f->phi = mem_alloc_array(n, width * sizeof *f->phi);
    f->u = mem_zalloc_array(width * width, sizeof *f->u);
    f->l = mem_alloc_array(width, sizeof *f->l);
    f->by_output = mem_alloc_array(n, sizeof *f->by_output);
    f->b = mem_alloc_array(width, sizeof *f->b);
    f->c = mem_alloc_array(width, sizeof *f->c);
    f->w = mem_alloc_array(width, sizeof *f->w);
    if (f->phi == NULL || f->u == NULL || f->l == NULL || f->by_output == NULL || f->b == NULL ||
        f->c == NULL || f->w == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %d rows of %d features", f->n, f->p);
    }
    return ERR_OK;
}

/* Phi of all training rows. */
static enum err_code evaluate_features(struct features *f, const struct solver_problem *p,
                                       const double *params, struct err *err)
{
    const struct resnet *net = p->net;
    size_t r = (size_t)net->arch.width;
    double *pack = mem_alloc_array(net->pack_size, sizeof *pack);
    double *z = mem_alloc_array(2 * TILE * r, sizeof *z);
    if (pack == NULL || z == NULL) {
        err_set(err, ERR_NOMEM, "no memory for %d features", f->p);
        goto done;
    }
    const struct resnet_packed packed = {.net = net, .pack = pack, .scratch = z + TILE * r};
    resnet_pack(net, params, pack);
    for (int first = 0; first < f->n; first += TILE) {
        int rows = f->n - first < TILE ? f->n - first : TILE;
        if (cancel_is_requested(p->cancel)) {
            err_set(err, ERR_CANCELLED, "cancelled after the fit");
            goto done;
        }
        resnet_features(&packed, rows, p->train.x + (size_t)first * (size_t)p->train.d, z);
        for (int i = 0; i < rows; i++) {
            double *row = f->phi + (size_t)(first + i) * (r + 1);
            memcpy(row, z + (size_t)i * r, r * sizeof *row);
            row[r] = 1.0;
        }
    }
done:
    mem_free(pack);
    mem_free(z);
    return err->code;
}

/* Phi'Phi and its eigenvectors, unless they are known. */
static enum err_code decompose_features(struct features *f, const struct cancel *cancel,
                                        struct err *err)
{
    if (f->decomposed) {
        return ERR_OK;
    }
    for (int first = 0; first < f->n; first += PART) {
        int rows = f->n - first < PART ? f->n - first : PART;
        const double *phi = f->phi + (size_t)first * (size_t)f->p;
        if (cancel_is_requested(cancel)) {
            return err_set(err, ERR_CANCELLED, "cancelled after the fit");
        }
        gemm_tn(f->p, f->p, rows, phi, phi, first > 0 ? 1.0 : 0.0, f->u);
    }
    for (int i = 0; i < f->p * f->p; i++) {
        if (!isfinite(f->u[i])) {
            return err_set(err, ERR_NUMERIC, "the features of the last layer are not finite");
        }
    }
    f->decomposed = decompose_eigen(f->p, f->u, f->l, cancel, err) == ERR_OK;
    return err->code;
}

/* part <- the features of the rows that have output j; its room is for all rows. */
static void choose_rows(const struct features *all, const struct data *rows, int j,
                        struct features *part)
{
    size_t width = (size_t)all->p;
    bool same = part->n > 0;
    int n = 0;
    for (int i = 0; i < all->n; i++) {
        if (isnan(rows->y[(size_t)i * (size_t)rows->o + (size_t)j])) {
            continue;
        }
        same = same && n < part->n && part->rows[n] == i;
        part->rows[n] = i;
        memcpy(part->phi + (size_t)n * width, all->phi + (size_t)i * width,
               width * sizeof *part->phi);
        n++;
    }
    part->decomposed = same && n == part->n && part->decomposed;
    part->n = n;
}

/* *use <- the features that output j is inferred from. part: a zeroed one at first. */
static enum err_code features_of_output(struct features *all, const struct solver_problem *p, int j,
                                        struct features *part, struct features **use,
                                        struct err *err)
{
    *use = all;
    if (data_has_holes(&p->train)) {
        if (part->phi == NULL && features_init(part, p, err) != ERR_OK) {
            return err->code;
        }
        if (part->rows == NULL) {
            part->rows = mem_alloc_array((size_t)all->n, sizeof *part->rows);
            part->n = 0;
        }
        if (part->rows == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the rows of an output");
        }
        choose_rows(all, &p->train, j, part);
        *use = part->n < all->n ? part : all;
    }
    return decompose_features(*use, p->cancel, err);
}

/* w <- U' diag(1 / (l + rho)) c */
static void find_weights(const struct features *f, double rho, double *w)
{
    memset(w, 0, (size_t)f->p * sizeof *w);
    for (int k = 0; k < f->p; k++) {
        double scale = f->c[k] / (fmax(f->l[k], 0.0) + rho);
        const double *u = f->u + (size_t)k * (size_t)f->p;
        for (int i = 0; i < f->p; i++) {
            w[i] += scale * u[i];
        }
    }
}

/* |y - Phi w|^2 + rho |w|^2 */
static double penalised_squares(const struct features *f, double rho)
{
    double sum = 0.0;
    for (int i = 0; i < f->n; i++) {
        double residual = f->by_output[i];
        const double *row = f->phi + (size_t)i * (size_t)f->p;
        for (int k = 0; k < f->p; k++) {
            residual -= row[k] * f->w[k];
        }
        sum += residual * residual;
    }
    for (int k = 0; k < f->p; k++) {
        sum += rho * f->w[k] * f->w[k];
    }
    return sum;
}

/* Evidence and posterior of output j; on return f->w holds the mean. precision: 0 when not
 * known. */
static struct evidence_point infer_output(struct features *f, const struct data *rows, int j,
                                          double precision)
{
    struct evidence e = {
        .n_params = f->p,
        .eigenvalues = f->l,
        .n_rows = f->n,
        .rho0 = evidence_min_rho(f->p, f->l),
        .c = f->c,
        .precision = precision,
        .max_precision = 1.0 / (EVIDENCE_MIN_SIGMA * EVIDENCE_MIN_SIGMA),
    };
    for (int i = 0; i < f->n; i++) {
        size_t row = (size_t)(f->rows != NULL ? f->rows[i] : i);
        f->by_output[i] = rows->y[row * (size_t)f->o + (size_t)j];
    }
    gemm_tn(f->p, 1, f->n, f->phi, f->by_output, 0.0, f->b);
    gemm_nn(f->p, 1, f->p, f->u, f->b, 0.0, f->c);
    find_weights(f, e.rho0, f->w);
    e.s0 = penalised_squares(f, e.rho0);
    struct evidence_point best = evidence_maximise(&e);
    find_weights(f, best.alpha / best.beta, f->w);
    return best;
}

/* Output j's mean and block of the factor in the flat order: weights [o x r], then biases [o]. */
static void keep_output(const struct features *f, int j, const struct evidence_point *at,
                        struct gauss *g)
{
    int r = f->p - 1;
    for (int i = 0; i < f->p; i++) {
        size_t place = (size_t)(i < r ? j * r + i : f->o * r + j);
        double *row = g->factor + place * (size_t)g->rank + (size_t)j * (size_t)f->p;
        g->mean[(size_t)g->first + place] = f->w[i];
        for (int k = 0; k < f->p; k++) {
            double precision = at->alpha + at->beta * fmax(f->l[k], 0.0);
            row[k] = f->u[(size_t)k * (size_t)f->p + (size_t)i] / sqrt(precision);
        }
    }
}

/* The same by evidence. */
static enum err_code take_features(struct bll *bll, int member, double *params, struct err *err)
{
    struct evidence_starts *starts = bll->starts;
    size_t k = (size_t)bll->tasks.problem->net->n_params;
    size_t o = (size_t)bll->tasks.problem->train.o;
    struct evidence_opened opened = {.fit = {.memory = NULL}};
    if (evidence_starts_open(starts, member, &opened, err) == ERR_OK &&
        evidence_starts_unseen(starts, &opened, bll->unseen + (size_t)member * o, err) == ERR_OK) {
        memcpy(params, opened.fit.lm.params, k * sizeof *params);
        evidence_starts_tell_end(starts, starts->kept[member], &opened);
    }
    evidence_starts_close(&opened);
    return err->code;
}

/* Fits the network whose features are used; params [those of the objective]. */
static enum err_code fit_features(struct bll *bll, int member, double *params, struct err *err)
{
    const struct solver_problem *p = bll->tasks.problem;
    const struct solver_part part = solver_part_of(&bll->tasks, bll->settings, member);
    struct objective objective = solver_objective(p);
    if (bll->starts != NULL) {
        return take_features(bll, member, params, err);
    }
    if (p->beliefs.noise != NOISE_GIVEN) {
        objective = (struct objective){.kind = OBJECTIVE_MSE};
    }
    return solver_fit_objective(&part, &objective, params, &bll->fits[member], err);
}

/* The noise of an output, if it is known before the last layer is inferred; else 0. */
static double given_sigma(const struct bll *bll, int member, int j)
{
    const struct solver_problem *p = bll->tasks.problem;
    if (bll->starts != NULL) {
        return bll->unseen[(size_t)member * (size_t)p->train.o + (size_t)j];
    }
    return p->beliefs.noise == NOISE_GIVEN ? p->beliefs.noise_sigmas[j] : 0.0;
}

enum { PIECES = 10 };

/* All that a member leaves, for the other ranks. */
static void list_pieces(const struct bll *bll, int member, struct ranks_piece *pieces)
{
    const struct solver_problem *p = bll->tasks.problem;
    const struct gauss *g = &bll->mixture->members[member];
    struct fit_result *fit = &bll->fits[member];
    size_t o = (size_t)p->train.o;
    size_t of_all = (size_t)bll->settings->members * o;
    int n = 0;
    pieces[n++] = (struct ranks_piece){g->mean, (size_t)p->net->n_params * sizeof *g->mean};
    pieces[n++] =
        (struct ranks_piece){g->factor, (size_t)g->n * (size_t)g->rank * sizeof *g->factor};
    for (size_t k = 0; k < 5; k++) { /* with what is in `unseen` */
        pieces[n++] = (struct ranks_piece){bll->found + k * of_all + (size_t)member * o,
                                           o * sizeof *bll->found};
    }
    pieces[n++] = (struct ranks_piece){&bll->bounds[member], sizeof *bll->bounds};
    pieces[n++] = (struct ranks_piece){fit, sizeof *fit};
    pieces[n] = (struct ranks_piece){NULL, 0};
    if (bll->starts != NULL) {
        size_t g_params = (size_t)bll->starts->groups.n;
        pieces[n] = (struct ranks_piece){bll->starts->gamma + (size_t)member * g_params,
                                         g_params * sizeof *bll->starts->gamma};
    }
}

static enum err_code run_member(void *ctx, int worker, int member, struct err *err)
{
    struct bll *bll = ctx;
    const struct solver_problem *p = bll->tasks.problem;
    struct gauss *g = &bll->mixture->members[member];
    size_t of_all = (size_t)bll->settings->members * (size_t)p->train.o;
    struct features f = {.n = 0};
    struct features part = {.n = 0};
    struct ranks_piece pieces[PIECES];
    (void)worker;
    list_pieces(bll, member, pieces);
    if (ranks_hear(p->checkpoint, member, pieces, PIECES)) {
        return ERR_OK;
    }
    if (fit_features(bll, member, g->mean, err) != ERR_OK || features_init(&f, p, err) != ERR_OK ||
        evaluate_features(&f, p, g->mean, err) != ERR_OK) {
        goto done;
    }
    for (int j = 0; j < f.o; j++) {
        double sigma = given_sigma(bll, member, j);
        struct features *use = NULL;
        if (features_of_output(&f, p, j, &part, &use, err) != ERR_OK) {
            goto done;
        }
        struct evidence_point at =
            infer_output(use, &p->train, j, sigma > 0.0 ? 1 / (sigma * sigma) : 0.0);
        double *found = bll->found + (size_t)member * (size_t)f.o + (size_t)j;
        if (!isfinite(at.log_evidence)) {
            err_set(err, ERR_NUMERIC, "the evidence of output %d is not finite", j);
            goto done;
        }
        found[0] = at.alpha;
        found[of_all] = at.beta;
        found[2 * of_all] = at.gamma;
        found[3 * of_all] = at.log_evidence;
        bll->bounds[member] += at.at_bound;
        keep_output(use, j, &at, g);
    }
    err_kept(ranks_tell(p->checkpoint, member, pieces, PIECES, err));
done:
    features_release(&f);
    features_release(&part);
    if (err->code != ERR_OK) {
        err_prefix(err, "member %d", member);
    }
    return err->code;
}

/* Fills the report, and noise_sigma with the root of the members' mean variance. */
static enum err_code collect_results(const struct bll *bll, struct solver_result *result,
                                     struct err *err)
{
    static const char *const names[] = {"bll.alpha", "bll.beta", "bll.gamma", "bll.log_evidence"};
    int members = bll->settings->members;
    int o = bll->tasks.problem->train.o;
    int bounds = 0;
    result->noise_sigma = mem_zalloc_array((size_t)o, sizeof *result->noise_sigma);
    if (result->noise_sigma == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the noise");
    }
    for (int i = 0; i < members; i++) {
        bounds += bll->bounds[i];
        for (int j = 0; j < o; j++) {
            result->noise_sigma[j] +=
                1.0 / bll->found[(size_t)(members + i) * (size_t)o + (size_t)j];
        }
    }
    for (int j = 0; j < o; j++) {
        result->noise_sigma[j] = sqrt(result->noise_sigma[j] / (double)members);
    }
    for (int k = 0; k < 4 && err->code == ERR_OK; k++) {
        err_kept(report_add(&result->report, names[k], members * o,
                            bll->found + (size_t)(k * members) * (size_t)o, err));
    }
    if (bounds > 0 && err->code == ERR_OK) {
        err_kept(report_warn(&result->report, err, "evidence_at_bound",
                             "the evidence of %d outputs has no maximum: the rows do not "
                             "determine the last layer, or leave no residual",
                             bounds));
    }
    if (err->code != ERR_OK) {
        return err->code;
    }
    return bll->starts != NULL ? evidence_starts_report(bll->starts, &result->report, err)
                               : solver_report_fits(&result->report, members, bll->fits, err);
}

static enum err_code check_size(const struct solver_settings *settings, const struct resnet *net,
                                bool flat, struct err *err)
{
    const struct arch *a = &net->arch;
    (void)settings;
    (void)flat;
    if (a->outputs > MAX_COEFS / (a->width + 1)) {
        return err_set(err, ERR_LIMIT,
                       "the last layer has %d outputs of %d parameters each; bll takes at most %d "
                       "in all",
                       a->outputs, a->width + 1, MAX_COEFS);
    }
    return ERR_OK;
}

/* Starts and their choice, when the features come from networks of the highest evidence; there are
 * then as many members as are kept. */
static enum err_code run_starts(struct bll *bll, struct evidence_starts *starts,
                                struct solver_settings *settings, struct err *err)
{
    const struct evidence_plan plan = {.settings = bll->settings,
                                       .n = bll->tasks.n,
                                       .keep = settings->members,
                                       .gap = settings->evidence_gap};
    if (evidence_starts_run(starts, &bll->tasks, &plan, err) == ERR_OK) {
        evidence_starts_tell_left_out(starts);
        settings->members = starts->n_kept;
        bll->settings = settings;
        bll->starts = starts;
    }
    return err->code;
}

static enum err_code infer_members(struct bll *bll, struct solver_result *result, struct err *err)
{
    const struct solver_problem *p = bll->tasks.problem;
    size_t members = (size_t)bll->settings->members;
    size_t o = (size_t)p->train.o;
    bll->fits = mem_zalloc_array(members, sizeof *bll->fits);
    bll->found = mem_zalloc_array(5 * members, o * sizeof *bll->found);
    bll->bounds = mem_zalloc_array(members, sizeof *bll->bounds);
    if (bll->fits == NULL || bll->found == NULL || bll->bounds == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu members", members);
    }
    bll->unseen = bll->found + 4 * members * o;
    return ranks_run(p->checkpoint, p->n_threads, (int)members, run_member, bll, err) == ERR_OK
               ? collect_results(bll, result, err)
               : err->code;
}

static enum err_code run_bll(const struct solver_problem *problem,
                             const struct solver_settings *settings, struct solver_result *result,
                             struct err *err)
{
    const struct resnet *net = problem->net;
    struct bll bll = {.settings = settings, .mixture = &result->gaussian};
    struct evidence_starts starts = {.memory = NULL};
    int n = net->arch.outputs * (net->arch.width + 1);
    const struct gauss_shape shape = {
        .n_params = net->n_params, .first = net->off.weight_post, .n = n, .rank = n};
    bool evidence = settings->hyperparameters == HYPER_EVIDENCE;
    int n_tasks =
        evidence && settings->members < EVIDENCE_STARTS ? EVIDENCE_STARTS : settings->members;
    struct solver_settings own = *settings;
    if (solver_tasks_init(&bll.tasks, problem, n_tasks, err) == ERR_OK &&
        (!evidence || run_starts(&bll, &starts, &own, err) == ERR_OK) &&
        solver_gaussians_new(result, problem, &own, &shape, err) == ERR_OK) {
        result->m = own.members * own.draws;
        result->gaussian.linearised = settings->predictive == PREDICTIVE_LINEARISED;
        err_kept(infer_members(&bll, result, err));
    }
    mem_free(bll.fits);
    mem_free(bll.found);
    mem_free(bll.bounds);
    evidence_starts_release(&starts);
    solver_tasks_release(&bll.tasks);
    return err->code;
}

/* The last layer's factor of each member, in the result and in the model; features of each
 * thread. */
static double values_held(const struct solver_settings *s, const struct resnet *net, int n_threads)
{
    double n = (double)net->arch.outputs * (net->arch.width + 1.0);
    double width = net->arch.width + 1.0;
    double threads = n_threads < s->members ? n_threads : s->members;
    return 2.0 * s->members * (n * n + 2.0 * net->n_params) + 2.0 * threads * width * width;
}

/* Features, and the column of a target. */
static double values_of_row(const struct resnet *net)
{
    return net->arch.width + 2.0;
}

const struct solver_ops solver_bll_ops = {
    .run = run_bll,
    .check_size = check_size,
    .values = values_held,
    .row_values = values_of_row,
    .draws = DRAWS_OF_MEMBERS,
    .one_member = true,
    .noises = NOISES_CONSTANT,
    .noise = NOISE_LEARNED,
    .squared_error = true,
    .needs_post = true,
    .needs_outer_bias = true,
    .needs_no_final = true,
};
