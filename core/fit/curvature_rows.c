/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Second derivatives from the first derivatives of each row.
 *
 *   Gauss-Newton [1]  the sum over rows of J' L J. L is diagonal: it holds the objective's second
 *                     derivatives with respect to the outputs, or their expectation for predicted
 *                     noise. When each row of J is multiplied by the root of its L, the sum is one
 *                     matrix product.
 *   empirical Fisher  the sum over rows of squared gradients
 *
 * Rows are taken in groups that fill one buffer. For each group, tasks of ROWS rows first compute
 * the rows' derivatives; then tasks of COLUMNS columns add all of these to their columns of the
 * result. So no sum depends on which thread does what. Between two groups, a few seconds apart, the
 * result so far can be saved.
 *
 * Lines of J whose root of L they are multiplied by also make the gradient, J' first = lines'
 * (first / root), and the leverages, |T line|^2.
 *
 * [1] N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent,
 *     Neural Computation 14(7), 2002.
 */
#include "fit/curvature.h"

#include "base/mem.h"
#include "base/par.h"
#include "fit/curvature_priv.h"
#include "fit/output_curvature.h"
#include "math/gemm.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define ROWS     32    /* of a task of the first stage */
#define COLUMNS  64    /* of a task of the second stage */
#define LOWER    128   /* the same, on average, of sums that are computed again and again */
#define LOWER_STEP 8   /* whose blocks begin at a multiple of it */
#define MIN_FREE 1e-12 /* 1 - leverage, of which rounding may leave nothing */
#define BUFFER   (1 << 22) /* doubles of the buffer, 32 MB, unless a row takes more */

struct worker {
    struct resnet_tape *tape;
    struct output_curvature outputs;
    double *memory;
    double *f;       /* [ROWS x n_out] */
    double *scratch; /* [ROWS x n_out] */
};

struct curvature_rows {
    const struct curvature_problem *problem;
    bool fisher;     /* the diagonal of the empirical Fisher; false: Gauss-Newton */
    size_t n_params; /* P: columns of the result */
    size_t width;    /* columns of the buffer: P for fisher, K for Gauss-Newton */
    size_t columns;  /* of a task of the second stage */
    int n_blocks;    /* of the lower triangle, where sums are computed again and again */
    size_t per_row;  /* lines of the buffer that a row fills */
    int threads;
    size_t group;    /* rows of a full one */
    int first, rows; /* of the group */
    double *lines;   /* [rows x per_row][width] */
    double *errors;  /* [rows x per_row] first / root of each line; NULL: not wanted */
    struct worker *workers;
    double *result;   /* [P x P] or [P] */
    double *gradient; /* [K] */
    const double *t;  /* [K x K] of leverages */
    bool left_out;    /* variances of rows left out are wanted, not leverages */
};

/* The part of the result that a checkpoint saves. */
static struct curvature_sums sums_of(const struct curvature_rows *self)
{
    size_t n = self->n_params;
    return self->fisher ? (struct curvature_sums){.v = self->result, .rows = 1, .columns = n}
                        : (struct curvature_sums){
                              .v = self->result, .rows = n, .columns = n, .block = self->columns};
}

/* The rows of a group: as many as fill the buffer. */
static size_t group_rows(const struct curvature_rows *self)
{
    const struct curvature_problem *p = self->problem;
    size_t by_row = self->per_row * self->width;
    size_t rows = p->group_rows > 0 ? (size_t)p->group_rows : BUFFER / by_row;
    rows = rows > 1 ? rows : 1;
    return rows < (size_t)p->rows.n ? rows : (size_t)p->rows.n;
}

int curvature_threads(const struct curvature_problem *problem)
{
    int n = problem->n_threads;
    return n < 1 ? 1 : (n > PAR_MAX_THREADS ? PAR_MAX_THREADS : n);
}

void curvature_add_prior(const struct curvature_problem *problem, size_t stride, double *diagonal)
{
    const struct objective *obj = problem->objective;
    size_t n = (size_t)problem->net->n_params;
    size_t all = (size_t)objective_n_params(obj, problem->net);
    if (obj->kind != OBJECTIVE_NLP) {
        return;
    }
    double share = (double)problem->rows.n / (double)obj->n_total;
    for (size_t k = 0; k < all; k++) {
        double sigma = obj->prior_sigmas != NULL && k < n ? obj->prior_sigmas[k] : obj->prior_sigma;
        sigma = k < n ? sigma : OBJECTIVE_LOG_S_SD;
        if (sigma > 0.0) {
            diagonal[k * stride] += share / (sigma * sigma);
        }
    }
}

enum err_code curvature_check(const double *v, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i])) {
            return err_set(err, ERR_NUMERIC, "a second derivative is not finite");
        }
    }
    return ERR_OK;
}

static enum err_code worker_init(struct worker *w, const struct resnet *net, struct err *err)
{
    size_t cells = ROWS * (size_t)net->n_out;
    w->tape = resnet_tape_new(net, ROWS);
    w->memory = mem_zalloc_array(4 * cells, sizeof *w->memory);
    if (w->tape == NULL || w->memory == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for derivatives by %d parameters", net->n_params);
    }
    w->outputs = (struct output_curvature){.first = w->memory, .second = w->memory + cells};
    w->f = w->memory + 2 * cells;
    w->scratch = w->memory + 3 * cells;
    return ERR_OK;
}

/* Gradients of `rows` rows, with 1 - w_j (f - y)^2 for each learned log s_j. */
static void gradient_lines(const struct curvature_rows *self, int rows, struct worker *w,
                           double *lines)
{
    size_t o = (size_t)self->problem->net->n_out;
    size_t k = (size_t)self->problem->net->n_params;
    resnet_row_gradients(w->tape, w->outputs.first, lines, self->width);
    for (size_t c = 0; self->width > k && c < (size_t)rows * o; c++) {
        double first = w->outputs.first[c];
        double weight = w->outputs.second[c]; /* 0: the row misses this output */
        lines[c / o * self->width + k + c % o] = weight > 0.0 ? 1.0 - first * first / weight : 0.0;
    }
}

/* The Jacobian of `rows` rows of the group from `begin` on, each line multiplied by the root of its
 * output's second derivative. */
static void jacobian_lines(const struct curvature_rows *self, int begin, int rows, struct worker *w)
{
    size_t n_lines = (size_t)rows * self->per_row;
    size_t first_line = (size_t)begin * self->per_row;
    double *lines = self->lines + first_line * self->width;
    resnet_param_jacobian(w->tape, lines, w->scratch);
    for (size_t c = 0; c < n_lines; c++) {
        double root = sqrt(w->outputs.second[c]);
        for (size_t k = 0; k < self->width; k++) {
            lines[c * self->width + k] *= root;
        }
        if (self->errors != NULL) {
            self->errors[first_line + c] = root > 0.0 ? w->outputs.first[c] / root : 0.0;
        }
    }
}

/* The first stage's task. */
static enum err_code fill_lines(void *ctx, int worker, int task, struct err *err)
{
    const struct curvature_rows *self = ctx;
    const struct curvature_problem *p = self->problem;
    struct worker *w = &self->workers[worker];
    int begin = task * ROWS;
    int rows = self->rows - begin < ROWS ? self->rows - begin : ROWS;
    size_t first = (size_t)(self->first + begin);
    if (cancel_is_requested(p->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled");
    }
    if (w->tape == NULL && worker_init(w, p->net, err) != ERR_OK) {
        return err->code;
    }
    resnet_set_params(w->tape, p->params);
    resnet_forward(w->tape, rows, p->rows.x + first * (size_t)p->rows.d, w->f);
    const struct output_tile tile = {
        .rows = rows, .f = w->f, .y = p->rows.y + first * (size_t)p->rows.o};
    output_curvature(p, &tile, !self->fisher, &w->outputs);
    if (self->fisher) {
        gradient_lines(self, rows, w, self->lines + (size_t)begin * self->width);
    } else {
        jacobian_lines(self, begin, rows, w);
    }
    return ERR_OK;
}

/*
 * The second stage of sums that are computed again and again: blocks of rows of the lower triangle,
 * equally large, so that a task's rows become fewer towards the end. No product is made twice: the
 * square on the diagonal is a rank-k update.
 */
static int lower_begin(const struct curvature_rows *self, int task)
{
    double share = sqrt((double)task / (double)self->n_blocks);
    int row = (int)(share * (double)self->width);
    return task == self->n_blocks ? (int)self->width : row - row % LOWER_STEP;
}

static enum err_code add_to_lower(void *ctx, int worker, int task, struct err *err)
{
    const struct curvature_rows *self = ctx;
    int n_lines = self->rows * (int)self->per_row;
    int width = (int)self->width;
    int begin = lower_begin(self, task);
    int rows = lower_begin(self, task + 1) - begin;
    double *to = self->result + (size_t)begin * self->n_params;
    (void)worker;
    if (cancel_is_requested(self->problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled");
    }
    if (rows == 0) {
        return ERR_OK;
    }
    if (begin > 0) {
        gemm_tn_part(rows, begin, n_lines, self->lines + begin, width, self->lines, width, 1.0, to,
                     (int)self->n_params);
    }
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, rows, n_lines, 1.0, self->lines + begin,
                width, 1.0, to + begin, (int)self->n_params);
    cblas_dgemv(CblasRowMajor, CblasTrans, n_lines, rows, 1.0, self->lines + begin, width,
                self->errors, 1, 1.0, self->gradient + begin, 1);
    return ERR_OK;
}

/* The second stage's task. */
static enum err_code add_to_columns(void *ctx, int worker, int task, struct err *err)
{
    const struct curvature_rows *self = ctx;
    size_t n_lines = (size_t)self->rows * self->per_row;
    size_t begin = (size_t)task * self->columns;
    size_t end = begin + self->columns < self->width ? begin + self->columns : self->width;
    if (cancel_is_requested(self->problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled");
    }
    if (!self->fisher) {
        /* The block on the diagonal, and what stands above it. */
        gemm_tn_part((int)end, (int)(end - begin), (int)n_lines, self->lines, (int)self->width,
                     self->lines + begin, (int)self->width, 1.0, self->result + begin,
                     (int)self->n_params);
        return ERR_OK;
    }
    for (size_t i = 0; i < n_lines; i++) {
        for (size_t k = begin; k < end; k++) {
            double g = self->lines[i * self->width + k];
            self->result[k] += g * g;
        }
    }
    return ERR_OK;
}

static void stages_release(struct curvature_rows *self)
{
    for (int i = 0; self->workers != NULL && i < self->threads; i++) {
        resnet_tape_free(self->workers[i].tape);
        mem_free(self->workers[i].memory);
    }
    mem_free(self->workers);
    mem_free(self->lines);
    mem_free(self->errors);
}

/* Memory of the stages; with_errors: of the gradient too. Release in any case. */
static enum err_code stages_init(struct curvature_rows *self, bool with_errors, struct err *err)
{
    self->threads = curvature_threads(self->problem);
    self->group = group_rows(self);
    size_t n_lines = self->group * self->per_row;
    self->workers = mem_zalloc_array((size_t)self->threads, sizeof *self->workers);
    self->lines = mem_alloc_array(n_lines * self->width, sizeof *self->lines);
    self->errors = with_errors ? mem_alloc_array(n_lines, sizeof *self->errors) : NULL;
    if (self->workers == NULL || self->lines == NULL || (with_errors && self->errors == NULL)) {
        return err_set(err, ERR_NOMEM, "no memory for derivatives of %d rows", (int)self->group);
    }
    return ERR_OK;
}

/* Both stages for the group of rows from self->first on; the second one in n_tasks tasks. */
static enum err_code add_group(struct curvature_rows *self, par_fn *second, int n_tasks,
                               struct err *err)
{
    int left = self->problem->rows.n - self->first;
    self->rows = left < (int)self->group ? left : (int)self->group;
    if (par_run(self->threads, (self->rows + ROWS - 1) / ROWS, fill_lines, self, err) == ERR_OK) {
        err_kept(par_run(self->threads, n_tasks, second, self, err));
    }
    self->first += self->rows;
    return err->code;
}

static int count_columns(const struct curvature_rows *self)
{
    return (int)((self->width + self->columns - 1) / self->columns);
}

/* Sums over group after group, from where an interrupted run stopped. */
static enum err_code sum_groups(struct curvature_rows *self, struct err *err)
{
    const struct curvature_problem *p = self->problem;
    struct curvature_sums sums = sums_of(self);
    if (stages_init(self, false, err) == ERR_OK) {
        self->first = 0;
        err_kept(curvature_resume(p, &sums, &self->first, err));
    }
    while (self->first < p->rows.n && err->code == ERR_OK) {
        if (add_group(self, add_to_columns, count_columns(self), err) == ERR_OK) {
            err_kept(curvature_save_if_due(p, &sums, self->first, err));
        }
    }
    stages_release(self);
    return err->code;
}

enum err_code curvature_gauss_newton(const struct curvature_problem *problem, double *h,
                                     struct err *err)
{
    size_t k = (size_t)problem->net->n_params;
    size_t n = (size_t)objective_n_params(problem->objective, problem->net);
    struct curvature_rows self = {.problem = problem,
                                  .n_params = n,
                                  .width = k,
                                  .columns = COLUMNS,
                                  .per_row = (size_t)problem->net->n_out,
                                  .result = h};
    memset(h, 0, n * n * sizeof *h);
    if (sum_groups(&self, err) != ERR_OK) {
        return err->code;
    }
    for (size_t i = 0; i < k; i++) {
        for (size_t j = 0; j < i; j++) {
            h[i * n + j] = h[j * n + i];
        }
    }
    int counts[ARCH_MAX_OUTPUTS];
    bool holes = n > k && data_has_holes(&problem->rows);
    if (holes) {
        data_count(&problem->rows, counts);
    }
    for (size_t j = k; j < n; j++) {
        h[j * n + j] = 2.0 * (double)(holes ? counts[j - k] : problem->rows.n);
    }
    curvature_add_prior(problem, n + 1, h);
    return curvature_check(h, n * n, err);
}

enum err_code curvature_fisher_diagonal(const struct curvature_problem *problem, double *diagonal,
                                        struct err *err)
{
    size_t n = (size_t)objective_n_params(problem->objective, problem->net);
    struct curvature_rows self = {.problem = problem,
                                  .fisher = true,
                                  .n_params = n,
                                  .width = n,
                                  .columns = COLUMNS,
                                  .per_row = 1,
                                  .result = diagonal};
    memset(diagonal, 0, n * sizeof *diagonal);
    if (sum_groups(&self, err) != ERR_OK) {
        return err->code;
    }
    curvature_add_prior(problem, 1, diagonal);
    return curvature_check(diagonal, n, err);
}

/* ---- again and again ---- */

enum err_code curvature_rows_new(struct curvature_rows **out,
                                 const struct curvature_problem *problem, struct err *err)
{
    size_t k = (size_t)problem->net->n_params;
    struct curvature_rows *self = mem_zalloc(sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for derivatives");
    }
    *self = (struct curvature_rows){.problem = problem,
                                    .n_params = k,
                                    .width = k,
                                    .n_blocks = (int)((k + LOWER - 1) / LOWER),
                                    .per_row = (size_t)problem->net->n_out};
    if (stages_init(self, true, err) != ERR_OK) {
        curvature_rows_free(self);
        return err->code;
    }
    *out = self;
    return ERR_OK;
}

void curvature_rows_free(struct curvature_rows *self)
{
    if (self != NULL) {
        stages_release(self);
        mem_free(self);
    }
}

enum err_code curvature_rows_normal(struct curvature_rows *self, double *sums, double *gradient,
                                    struct err *err)
{
    memset(sums, 0, self->width * self->width * sizeof *sums);
    memset(gradient, 0, self->width * sizeof *gradient);
    self->result = sums;
    self->gradient = gradient;
    self->first = 0;
    while (self->first < self->problem->rows.n &&
           add_group(self, add_to_lower, self->n_blocks, err) == ERR_OK) {
    }
    return err->code;
}

enum err_code curvature_rows_lines(struct curvature_rows *self, const double **lines,
                                   const double **errors, struct err *err)
{
    self->first = 0;
    self->rows = self->problem->rows.n;
    assert(self->group == (size_t)self->rows);
    *lines = self->lines;
    *errors = self->errors;
    return par_run(self->threads, (self->rows + ROWS - 1) / ROWS, fill_lines, self, err);
}

/* The lines of ROWS rows become T line, and what is wanted of their squares is left in errors. */
static enum err_code square_lines(void *ctx, int worker, int task, struct err *err)
{
    struct curvature_rows *self = ctx;
    size_t begin = (size_t)task * ROWS;
    size_t end = begin + ROWS < (size_t)self->rows ? begin + ROWS : (size_t)self->rows;
    size_t n_lines = (end - begin) * self->per_row;
    double *lines = self->lines + begin * self->per_row * self->width;
    (void)worker;
    if (cancel_is_requested(self->problem->cancel)) {
        return err_set(err, ERR_CANCELLED, "cancelled");
    }
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)n_lines,
                (int)self->width, 1.0, self->t, (int)self->width, lines, (int)self->width);
    for (size_t c = 0; c < n_lines; c++) {
        const double *line = lines + c * self->width;
        double leverage = cblas_ddot((int)self->width, line, 1, line, 1);
        self->errors[begin * self->per_row + c] =
            self->left_out ? 1.0 / fmax(1.0 - leverage, MIN_FREE) : leverage;
    }
    return ERR_OK;
}

/* wanted [o] <- the sums of what square_lines leaves in errors. */
static enum err_code sum_lines(struct curvature_rows *self, const double *t, double *wanted,
                               struct err *err)
{
    memset(wanted, 0, self->per_row * sizeof *wanted);
    self->t = t;
    self->first = 0;
    while (self->first < self->problem->rows.n) {
        int left = self->problem->rows.n - self->first;
        int rows = left < (int)self->group ? left : (int)self->group;
        if (add_group(self, square_lines, (rows + ROWS - 1) / ROWS, err) != ERR_OK) {
            break;
        }
        for (size_t c = 0; c < (size_t)rows * self->per_row; c++) {
            wanted[c % self->per_row] += self->errors[c];
        }
    }
    return err->code;
}

enum err_code curvature_rows_leverage(struct curvature_rows *self, const double *t,
                                      double *leverages, struct err *err)
{
    self->left_out = false;
    return sum_lines(self, t, leverages, err);
}

enum err_code curvature_rows_left_out(struct curvature_rows *self, const double *t,
                                      double *variances, struct err *err)
{
    self->left_out = true;
    return sum_lines(self, t, variances, err);
}
