/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moments through a WP-ResNet. As in [1] each layer's inputs z are taken as independent of each
 * other and of the layer's weights, and a layer's pre-activation a = W z + b as Gaussian:
 *
 *   E a   = M zm + bm
 *   Var a = M^2 zv + V (zm^2 + zv) + bv         squares by element; M, V means, variances of W
 *
 * The weights of a block are W(t) = sum phi_k(t) W_k, so M = sum phi_k m_k, V = sum phi_k^2 v_k.
 * Blocks share the W_k. The dependence between layers that this causes is neglected, and so is the
 * dependence between the units of one layer.
 *
 * A residual block needs the moments of z + h act(a). z_j and a_j do depend on each other, through
 * W_jj z_j. Taking them as jointly Gaussian, Stein's lemma gives
 * Cov(z_j, act a_j) = E[act' a_j] M_jj Var z_j, so
 *
 *   Var = zv + 2 h E[act'] M_jj zv + h^2 Var[act a]
 *
 * which is exact when the weights are known and z is Gaussian, or when z is known. Leaving the
 * middle term out, as for layers without a skip, misjudges the variance by a factor that grows
 * with every block. A variance that comes out negative by rounding counts as 0.
 *
 * core/math/pbp_activation has the moments of the activations.
 *
 * [1] J. M. Hernandez-Lobato, R. P. Adams, Probabilistic Backpropagation for Scalable Learning of
 *     Bayesian Neural Networks, ICML 2015.
 */
#include "network/pbp_moments.h"

#include "base/mem.h"
#include "math/gemm.h"
#include "math/pbp_activation.h"

#include <string.h>

/* One activated layer's record. Vectors are [r]. */
struct layer {
    struct pbp_tanh act;
    double *am, *av;      /* moments of the pre-activation */
    double *zm, *zv;      /* of the layer's inputs (unused for the pre layer, whose input is x) */
    double *wm, *ws, *wv; /* [r x r] M, M^2 and V of a block; NULL for the pre layer */
    double *bm, *bv;      /* NULL: no bias */
    double *positive;     /* 1 where the output's variance was positive, else 0 */
};

struct pbp_moments {
    const struct resnet *net;
    const double *m, *v, *x, *xv;       /* of the last forward pass; borrowed */
    double *room;                       /* holds the arrays below and those of the layers */
    struct layer *layers;               /* [1 + n_blocks], owned */
    double *zm, *zv;                    /* [r] moments of the post layer's inputs */
    double *ws_pre, *ws_post;           /* squares of the means */
    double *qx, *q;                     /* [d], [r] second moments */
    double *gzm, *gzv, *gam, *gav, *gq; /* adjoints, [max(r, d, o)] */
    double *dm, *dv;                    /* [r x r] */
    double *scratch;                    /* pbp_activation_eval */
};

/* Hands out pieces of the room; with a NULL base it only adds up their sizes. */
struct cutter {
    double *base;
    size_t used;
};

static double *cut(struct cutter *c, size_t n)
{
    double *at = c->base != NULL ? c->base + c->used : NULL;
    c->used += (n + 7) & ~(size_t)7; /* cache lines */
    return at;
}

static void cut_layer(struct cutter *c, const struct resnet *net, bool block, struct layer *l)
{
    size_t r = (size_t)net->arch.width;
    double **const vectors[] = {
        &l->act.mean,
        &l->act.variance,
        &l->act.slope,
        &l->act.mean_m,
        &l->act.variance_m,
        &l->act.slope_m,
        &l->act.mean_v,
        &l->act.variance_v,
        &l->act.slope_v,
        &l->am,
        &l->av,
        &l->zm,
        &l->zv,
        &l->positive,
    };
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++) {
        *vectors[k] = cut(c, r);
    }
    l->wm = block ? cut(c, r * r) : NULL;
    l->ws = block ? cut(c, r * r) : NULL;
    l->wv = block ? cut(c, r * r) : NULL;
    l->bm = block && net->arch.bias ? cut(c, r) : NULL;
    l->bv = block && net->arch.bias ? cut(c, r) : NULL;
}

static size_t cut_all(struct pbp_moments *self)
{
    const struct resnet *net = self->net;
    size_t r = (size_t)net->arch.width;
    size_t d = (size_t)net->arch.inputs;
    size_t o = (size_t)net->arch.outputs;
    size_t max = r > d ? r : d;
    struct cutter c = {.base = self->room};
    double **const vectors[] = {&self->gzm, &self->gzv, &self->gam, &self->gav,
                                &self->gq,  &self->q,   &self->zm,  &self->zv};
    max = max > o ? max : o;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++) {
        *vectors[k] = cut(&c, max);
    }
    self->qx = cut(&c, d);
    self->ws_pre = cut(&c, net->arch.layer_pre ? r * d : 0);
    self->ws_post = cut(&c, net->arch.layer_post ? o * r : 0);
    self->dm = cut(&c, r * r);
    self->dv = cut(&c, r * r);
    self->scratch = cut(&c, pbp_activation_scratch(net->arch.activation, (int)r));
    for (int i = 0; i <= net->n_blocks; i++) {
        cut_layer(&c, net, i > 0, &self->layers[i]);
    }
    return c.used;
}

struct pbp_moments *pbp_moments_new(const struct resnet *net)
{
    struct pbp_moments *self = mem_zalloc(sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->net = net;
    self->layers = mem_zalloc_array((size_t)net->n_blocks + 1, sizeof *self->layers);
    if (self->layers != NULL) {
        self->room = mem_zalloc_array(cut_all(self), sizeof *self->room);
    }
    if (self->room == NULL) {
        pbp_moments_free(self);
        return NULL;
    }
    cut_all(self);
    return self;
}

void pbp_moments_free(struct pbp_moments *self)
{
    if (self != NULL) {
        mem_free(self->room);
        mem_free(self->layers);
        mem_free(self);
    }
}

/* y += A x and y += A' x, A [rows x cols] */
static void times(int rows, int cols, const double *a, const double *x, double *y)
{
    cblas_dgemv(CblasRowMajor, CblasNoTrans, rows, cols, 1.0, a, cols, x, 1, 1.0, y, 1);
}

static void times_transposed(int rows, int cols, const double *a, const double *x, double *y)
{
    cblas_dgemv(CblasRowMajor, CblasTrans, rows, cols, 1.0, a, cols, x, 1, 1.0, y, 1);
}

static void square(size_t n, const double *restrict a, double *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = a[i] * a[i];
    }
}

/* The factors by which the numbers of a block's coefficients are summed: phi, or phi^2. */
struct mix {
    int n; /* coefficients */
    const double *phi;
    bool squared;
};

static struct mix mix_of(const struct resnet *net, int block, bool squared)
{
    return (struct mix){.n = net->n_coef,
                        .phi = net->phi + (size_t)block * (size_t)net->n_coef,
                        .squared = squared};
}

static double mix_factor(const struct mix *mix, int k)
{
    return mix->squared ? mix->phi[k] * mix->phi[k] : mix->phi[k];
}

/* out [size] <- the sum over coefficients of factor_k coefs_k. */
static void combine(struct mix mix, const double *coefs, size_t size, double *restrict out)
{
    memset(out, 0, size * sizeof *out);
    for (int k = 0; k < mix.n; k++) {
        double factor = mix_factor(&mix, k);
        const double *restrict from = coefs + (size_t)k * size;
        for (size_t i = 0; factor != 0.0 && i < size; i++) {
            out[i] += factor * from[i];
        }
    }
}

/* g_k += factor_k d, the reverse of combine. */
static void spread(struct mix mix, const double *restrict d, size_t size, double *g)
{
    for (int k = 0; k < mix.n; k++) {
        double factor = mix_factor(&mix, k);
        double *restrict to = g + (size_t)k * size;
        for (size_t i = 0; factor != 0.0 && i < size; i++) {
            to[i] += factor * d[i];
        }
    }
}

/* A linear layer: weights' moments, biases' (NULL: none). */
struct linear {
    int rows, cols;
    const double *wm, *ws, *wv, *bm, *bv;
};

/* am, av <- moments of W z + b. q: [cols], left with zm^2 + zv. */
static void linear_forward(const struct linear *l, struct gaussians z, double *q, double *am,
                           double *av)
{
    const double *zm = z.mean;
    const double *zv = z.variance;
    size_t bytes = (size_t)l->rows * sizeof(double);
    for (int i = 0; i < l->cols; i++) {
        q[i] = zm[i] * zm[i] + (zv != NULL ? zv[i] : 0.0);
    }
    memset(am, 0, bytes);
    memset(av, 0, bytes);
    if (l->bm != NULL) {
        memcpy(am, l->bm, bytes);
        memcpy(av, l->bv, bytes);
    }
    times(l->rows, l->cols, l->wm, zm, am);
    times(l->rows, l->cols, l->wv, q, av);
    if (zv != NULL) {
        times(l->rows, l->cols, l->ws, zv, av);
    }
}

/* Derivatives with respect to the moments of a layer. */
struct derivatives {
    const double *by_mean;
    const double *by_variance;
};

/* d_wm, d_wv <- derivatives with respect to the weights' moments, from those with respect to the
 * layer's. */
static void linear_weights(const struct linear *l, struct gaussians z, struct derivatives g,
                           double *restrict d_wm, double *restrict d_wv)
{
    const double *zm = z.mean;
    const double *zv = z.variance;
    const double *gam = g.by_mean;
    const double *gav = g.by_variance;
    size_t cols = (size_t)l->cols;
    for (size_t j = 0; j < (size_t)l->rows; j++) {
        const double *restrict wm = l->wm + j * cols;
        for (size_t i = 0; i < cols; i++) {
            d_wm[j * cols + i] = gam[j] * zm[i];
            d_wv[j * cols + i] = gav[j] * (zm[i] * zm[i]);
        }
        for (size_t i = 0; zv != NULL && i < cols; i++) {
            d_wm[j * cols + i] += 2.0 * gav[j] * wm[i] * zv[i];
            d_wv[j * cols + i] += gav[j] * zv[i];
        }
    }
}

/* self->gzm, gzv += derivatives with respect to the moments of the inputs, whose mean is zm. */
static void linear_inputs(const struct pbp_moments *self, const struct linear *l, const double *zm,
                          struct derivatives g)
{
    double *gq = self->gq;
    double *gzm = self->gzm;
    double *gzv = self->gzv;
    memset(gq, 0, (size_t)l->cols * sizeof *gq);
    times_transposed(l->rows, l->cols, l->wv, g.by_variance, gq);
    times_transposed(l->rows, l->cols, l->wm, g.by_mean, gzm);
    times_transposed(l->rows, l->cols, l->ws, g.by_variance, gzv);
    for (int i = 0; i < l->cols; i++) {
        gzm[i] += 2.0 * zm[i] * gq[i];
        gzv[i] += gq[i];
    }
}

/* The moments of act(a) with all derivatives. */
static void activate(struct pbp_moments *self, struct layer *l)
{
    int r = self->net->arch.width;
    size_t bytes = (size_t)r * sizeof(double);
    const struct pbp_tanh *act = &l->act;
    if (self->net->arch.activation != ACT_IDENTITY) {
        pbp_activation_eval(self->net->arch.activation, r, (struct pbp_normal){l->am, l->av}, act,
                            self->scratch);
        return;
    }
    /* For the identity all other derivatives are 0, as they have been since the room was
     * allocated. */
    memcpy(act->mean, l->am, bytes);
    memcpy(act->variance, l->av, bytes);
    for (int j = 0; j < r; j++) {
        act->slope[j] = act->mean_m[j] = act->variance_v[j] = 1.0;
    }
}

/* Values from an offset on; NULL at -1. */
static const double *part_of(const double *values, int offset)
{
    return offset >= 0 ? values + offset : NULL;
}

static void put_part(double *values, int offset, const double *from, size_t bytes)
{
    if (offset >= 0) {
        memcpy(values + offset, from, bytes);
    }
}

static struct linear pre_of(const struct pbp_moments *self)
{
    const struct resnet *net = self->net;
    return (struct linear){
        .rows = net->arch.width,
        .cols = net->arch.inputs,
        .wm = self->m + net->off.weight_pre,
        .ws = self->ws_pre,
        .wv = self->v + net->off.weight_pre,
        .bm = part_of(self->m, net->off.bias_pre),
        .bv = part_of(self->v, net->off.bias_pre),
    };
}

static struct linear post_of(const struct pbp_moments *self)
{
    const struct resnet *net = self->net;
    return (struct linear){
        .rows = net->arch.outputs,
        .cols = net->arch.width,
        .wm = self->m + net->off.weight_post,
        .ws = self->ws_post,
        .wv = self->v + net->off.weight_post,
        .bm = part_of(self->m, net->off.bias_post),
        .bv = part_of(self->v, net->off.bias_post),
    };
}

static struct linear block_of(const struct pbp_moments *self, const struct layer *l)
{
    return (struct linear){
        .rows = self->net->arch.width,
        .cols = self->net->arch.width,
        .wm = l->wm,
        .ws = l->ws,
        .wv = l->wv,
        .bm = l->bm,
        .bv = l->bv,
    };
}

static void pre_forward(struct pbp_moments *self, double *zm, double *zv)
{
    const struct resnet *net = self->net;
    size_t bytes = (size_t)net->arch.width * sizeof *zm;
    struct layer *l = &self->layers[0];
    if (!net->arch.layer_pre) {
        memcpy(zm, self->x, bytes);
        memset(zv, 0, bytes);
        if (self->xv != NULL) {
            memcpy(zv, self->xv, bytes);
        }
        return;
    }
    struct linear pre = pre_of(self);
    square((size_t)pre.rows * (size_t)pre.cols, pre.wm, self->ws_pre);
    linear_forward(&pre, (struct gaussians){self->x, self->xv}, self->qx, l->am, l->av);
    activate(self, l);
    memcpy(zm, l->act.mean, bytes);
    memcpy(zv, l->act.variance, bytes);
}

static void block_weights(struct pbp_moments *self, int block)
{
    const struct resnet *net = self->net;
    size_t r = (size_t)net->arch.width;
    struct layer *l = &self->layers[block + 1];
    struct mix means = mix_of(net, block, false);
    struct mix variances = mix_of(net, block, true);
    combine(means, self->m + net->off.ww, r * r, l->wm);
    combine(variances, self->v + net->off.ww, r * r, l->wv);
    square(r * r, l->wm, l->ws);
    if (net->arch.bias) {
        combine(means, self->m + net->off.bb, r, l->bm);
        combine(variances, self->v + net->off.bb, r, l->bv);
    }
}

/* From the zm, zv in the layer's record to the moments zm, zv of the block's outputs. */
static void block_forward(struct pbp_moments *self, int block, double *zm, double *zv)
{
    const struct resnet *net = self->net;
    int r = net->arch.width;
    struct layer *l = &self->layers[block + 1];
    block_weights(self, block);
    struct linear linear = block_of(self, l);
    linear_forward(&linear, (struct gaussians){l->zm, l->zv}, self->q, l->am, l->av);
    activate(self, l);
    if (!net->arch.residual) {
        memcpy(zm, l->act.mean, (size_t)r * sizeof *zm);
        memcpy(zv, l->act.variance, (size_t)r * sizeof *zv);
        return;
    }
    double h = net->step;
    for (int j = 0; j < r; j++) {
        double covariance = l->act.slope[j] * l->wm[(size_t)j * (size_t)(r + 1)] * l->zv[j];
        double variance = l->zv[j] + 2.0 * h * covariance + h * h * l->act.variance[j];
        zm[j] = l->zm[j] + h * l->act.mean[j];
        l->positive[j] = variance > 0.0 ? 1.0 : 0.0;
        zv[j] = variance > 0.0 ? variance : 0.0;
    }
}

void pbp_moments_forward(struct pbp_moments *self, struct gaussians params, struct gaussians inputs,
                         double *mean, double *variance)
{
    const struct resnet *net = self->net;
    self->m = params.mean;
    self->v = params.variance;
    self->x = inputs.mean;
    self->xv = inputs.variance;
    pre_forward(self, self->layers[1].zm, self->layers[1].zv);
    for (int i = 0; i < net->n_blocks; i++) {
        bool last = i + 1 == net->n_blocks;
        block_forward(self, i, last ? self->zm : self->layers[i + 2].zm,
                      last ? self->zv : self->layers[i + 2].zv);
    }
    if (net->arch.layer_post) {
        struct linear post = post_of(self);
        square((size_t)post.rows * (size_t)post.cols, post.wm, self->ws_post);
        linear_forward(&post, (struct gaussians){self->zm, self->zv}, self->q, mean, variance);
    } else {
        memcpy(mean, self->zm, (size_t)net->arch.outputs * sizeof *mean);
        memcpy(variance, self->zv, (size_t)net->arch.outputs * sizeof *variance);
    }
}

/* gam, gav <- derivatives with respect to the moments of a, from those with respect to E act(a),
 * Var act(a) and E act'(a). */
static void activation_backward(const struct pbp_moments *self, const struct layer *l,
                                const double *by_mean, const double *by_variance,
                                const double *by_slope)
{
    const struct pbp_tanh *act = &l->act;
    for (int j = 0; j < self->net->arch.width; j++) {
        double slope = by_slope != NULL ? by_slope[j] : 0.0;
        self->gam[j] = by_mean[j] * act->mean_m[j] + by_variance[j] * act->variance_m[j] +
                       slope * act->slope_m[j];
        self->gav[j] = by_mean[j] * act->mean_v[j] + by_variance[j] * act->variance_v[j] +
                       slope * act->slope_v[j];
    }
}

/*
 * On entry gzm, gzv are the derivatives with respect to the moments of the block's outputs; on
 * return the part of those with respect to its inputs that does not go through a. Sets gam, gav,
 * and diagonal [r], the derivatives with respect to M_jj through the covariance. diagonal may be
 * l->positive: each of its numbers is read before it is written.
 */
static void block_adjoint(struct pbp_moments *self, const struct layer *l, double *diagonal)
{
    const struct resnet *net = self->net;
    int r = net->arch.width;
    double h = net->step;
    double *by_mean = l->am; /* the moments of the pre-activation are no longer needed */
    double *by_variance = l->av;
    double *by_slope = self->q;
    if (!net->arch.residual) {
        activation_backward(self, l, self->gzm, self->gzv, NULL);
        memset(self->gzm, 0, (size_t)r * sizeof(double));
        memset(self->gzv, 0, (size_t)r * sizeof(double));
        memset(diagonal, 0, (size_t)r * sizeof(double));
        return;
    }
    for (int j = 0; j < r; j++) {
        double g = self->gzv[j] * l->positive[j];
        double w = l->wm[(size_t)j * (size_t)(r + 1)];
        by_mean[j] = h * self->gzm[j];
        by_variance[j] = h * h * g;
        by_slope[j] = 2.0 * h * g * w * l->zv[j];
        diagonal[j] = 2.0 * h * g * l->act.slope[j] * l->zv[j];
        self->gzv[j] = g * (1.0 + 2.0 * h * l->act.slope[j] * w);
    }
    activation_backward(self, l, by_mean, by_variance, by_slope);
}

static void block_backward(struct pbp_moments *self, int block, double *gm, double *gv)
{
    const struct resnet *net = self->net;
    size_t r = (size_t)net->arch.width;
    struct layer *l = &self->layers[block + 1];
    struct linear linear = block_of(self, l);
    double *diagonal = l->positive;
    block_adjoint(self, l, diagonal);
    struct derivatives by_layer = {self->gam, self->gav};
    struct mix means = mix_of(net, block, false);
    struct mix variances = mix_of(net, block, true);
    linear_weights(&linear, (struct gaussians){l->zm, l->zv}, by_layer, self->dm, self->dv);
    for (size_t j = 0; j < r; j++) {
        self->dm[j * (r + 1)] += diagonal[j];
    }
    spread(means, self->dm, r * r, gm + net->off.ww);
    spread(variances, self->dv, r * r, gv + net->off.ww);
    if (net->arch.bias) {
        spread(means, self->gam, r, gm + net->off.bb);
        spread(variances, self->gav, r, gv + net->off.bb);
    }
    linear_inputs(self, &linear, l->zm, by_layer);
}

void pbp_moments_backward(struct pbp_moments *self, const double *d_mean, const double *d_variance,
                          double *gm, double *gv)
{
    const struct resnet *net = self->net;
    const struct arch_offsets *off = &net->off;
    size_t o_bytes = (size_t)net->arch.outputs * sizeof(double);
    size_t r_bytes = (size_t)net->arch.width * sizeof(double);
    memset(gm, 0, (size_t)net->n_params * sizeof *gm);
    memset(gv, 0, (size_t)net->n_params * sizeof *gv);
    if (net->arch.layer_post) {
        struct linear post = post_of(self);
        memset(self->gzm, 0, r_bytes);
        memset(self->gzv, 0, r_bytes);
        struct derivatives by_outputs = {d_mean, d_variance};
        linear_weights(&post, (struct gaussians){self->zm, self->zv}, by_outputs,
                       gm + off->weight_post, gv + off->weight_post);
        put_part(gm, off->bias_post, d_mean, o_bytes);
        put_part(gv, off->bias_post, d_variance, o_bytes);
        linear_inputs(self, &post, self->zm, by_outputs);
    } else {
        memcpy(self->gzm, d_mean, o_bytes);
        memcpy(self->gzv, d_variance, o_bytes);
    }
    for (int i = net->n_blocks; i-- > 0;) {
        block_backward(self, i, gm, gv);
    }
    if (net->arch.layer_pre) {
        struct linear pre = pre_of(self);
        activation_backward(self, &self->layers[0], self->gzm, self->gzv, NULL);
        linear_weights(&pre, (struct gaussians){self->x, self->xv},
                       (struct derivatives){self->gam, self->gav}, gm + off->weight_pre,
                       gv + off->weight_pre);
        put_part(gm, off->bias_pre, self->gam, r_bytes);
        put_part(gv, off->bias_pre, self->gav, r_bytes);
    }
}
