/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No-U-Turn sampler with multinomial draws, as Stan's since 2.21. The trajectory doubles in a
 * random direction until it turns back on itself; a state is drawn with probability proportional to
 * exp(-H), biased towards the newer half at each doubling. A turn is seen by the generalised
 * criterion [5, A.4.2]: with rho the sum of the momenta of a stretch, both ends' velocities must
 * point along rho; it is also asked of each half with the first momentum of the other, which a turn
 * between the halves would otherwise escape.
 *
 * Vectors of each level of the recursion lie in the work space, so nothing is allocated and the
 * depth is bounded by max_depth.
 */
#include "sample/sampler_priv.h"

#include <math.h>
#include <string.h>

/* Vectors of one level of build. */
enum {
    INIT_END_P,
    INIT_END_V,
    INIT_RHO,
    FINAL_BEG_P,
    FINAL_BEG_V,
    FINAL_RHO,
    FINAL_Q,
    FINAL_GRAD,
    EXTRA,
    PER_LEVEL
};

/* Vectors of a transition. */
enum {
    FWD_Q,
    FWD_P,
    FWD_GRAD,
    BCK_Q,
    BCK_P,
    BCK_GRAD, /* ends of the trajectory */
    SAMPLE_Q,
    SAMPLE_GRAD,
    NEW_Q,
    NEW_GRAD, /* drawn so far; drawn from the new half */
    FWD_V,
    FWD_BCK_P,
    FWD_BCK_V,
    BCK_V,
    BCK_FWD_P,
    BCK_FWD_V, /* momenta and velocities at the */
    RHO,
    RHO_FWD,
    RHO_BCK,
    SUM, /* ends of both halves; sums */
    PER_STEP
};

struct tree {
    struct sampler *s;
    const struct target *target;
    struct rng *rng;
    double energy0;
    double epsilon;  /* with the direction's sign */
    struct phase at; /* the end that moves */
    double sum_accept;
    int n_leapfrog;
    bool divergent;
};

/* A state that may be drawn. */
struct state {
    double *q;
    double *grad;
    double logp;
};

static size_t work(int n, const struct sampler_settings *settings)
{
    return ((size_t)PER_STEP + (size_t)PER_LEVEL * (size_t)settings->max_depth) * (size_t)n;
}

static double *vector(const struct sampler *s, int which)
{
    return s->work + (ptrdiff_t)which * s->n;
}

static double *level_vector(const struct sampler *s, int depth, int which)
{
    return s->work + (ptrdiff_t)(PER_STEP + (depth - 1) * PER_LEVEL + which) * s->n;
}

static double log_add(double a, double b)
{
    double max = fmax(a, b);
    return max == -INFINITY ? max : max + log1p(exp(fmin(a, b) - max));
}

static void copy(int n, const double *from, double *to)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

static void add(int n, const double *a, double *to)
{
    for (int i = 0; i < n; i++) {
        to[i] += a[i];
    }
}

static void state_copy(int n, const struct state *from, struct state *to)
{
    copy(n, from->q, to->q);
    copy(n, from->grad, to->grad);
    to->logp = from->logp;
}

static void velocity(const struct sampler *s, const double *p, double *v)
{
    for (int i = 0; i < s->n; i++) {
        v[i] = s->inv_mass[i] * p[i];
    }
}

/* Do both ends still go along rho (+ extra, unless NULL)? */
static bool goes_on(int n, const double *v_begin, const double *v_end, const double *rho,
                    const double *extra)
{
    double begin = 0.0;
    double end = 0.0;
    for (int i = 0; i < n; i++) {
        double r = rho[i] + (extra != NULL ? extra[i] : 0.0);
        begin += v_begin[i] * r;
        end += v_end[i] * r;
    }
    return begin > 0.0 && end > 0.0;
}

/* What a stretch of the trajectory leaves: momenta and velocities at its ends, their sum. */
struct ends {
    double *p_begin, *v_begin;
    double *p_end, *v_end;
    double *rho; /* added to */
};

static bool build_leaf(struct tree *t, struct state *propose, const struct ends *ends,
                       double *log_weight)
{
    struct sampler *s = t->s;
    int n = s->n;
    leapfrog_step(t->target, s->inv_mass, t->epsilon, &t->at);
    t->n_leapfrog++;
    double energy = leapfrog_energy(n, s->inv_mass, &t->at);
    double gain = t->energy0 - energy;
    t->divergent = t->divergent || !(-gain <= SAMPLER_DIVERGENCE);
    *log_weight = log_add(*log_weight, gain);
    t->sum_accept += gain > 0.0 ? 1.0 : exp(gain);
    copy(n, t->at.q, propose->q);
    copy(n, t->at.grad, propose->grad);
    propose->logp = t->at.logp;
    copy(n, t->at.p, ends->p_begin);
    copy(n, t->at.p, ends->p_end);
    velocity(s, t->at.p, ends->v_begin);
    copy(n, ends->v_begin, ends->v_end);
    add(n, t->at.p, ends->rho);
    return !t->divergent;
}

/* 2^depth further states; false when the trajectory must end. */
static bool build(struct tree *t, int depth, struct state *propose, const struct ends *ends,
                  double *log_weight)
{
    if (depth == 0) {
        return build_leaf(t, propose, ends, log_weight);
    }
    const struct sampler *s = t->s;
    int n = s->n;
    size_t bytes = (size_t)n * sizeof(double);
    double *rho_init = level_vector(s, depth, INIT_RHO);
    double *rho_final = level_vector(s, depth, FINAL_RHO);
    struct ends init = {.p_begin = ends->p_begin,
                        .v_begin = ends->v_begin,
                        .p_end = level_vector(s, depth, INIT_END_P),
                        .v_end = level_vector(s, depth, INIT_END_V),
                        .rho = rho_init};
    struct ends final = {.p_begin = level_vector(s, depth, FINAL_BEG_P),
                         .v_begin = level_vector(s, depth, FINAL_BEG_V),
                         .p_end = ends->p_end,
                         .v_end = ends->v_end,
                         .rho = rho_final};
    struct state propose_final = {.q = level_vector(s, depth, FINAL_Q),
                                  .grad = level_vector(s, depth, FINAL_GRAD)};
    double weight_init = -INFINITY;
    double weight_final = -INFINITY;
    memset(rho_init, 0, bytes);
    memset(rho_final, 0, bytes);
    if (!build(t, depth - 1, propose, &init, &weight_init) ||
        !build(t, depth - 1, &propose_final, &final, &weight_final)) {
        return false;
    }
    double weight = log_add(weight_init, weight_final);
    *log_weight = log_add(*log_weight, weight);
    /* Within a half: uniform over its states by weight. */
    double accept;
    if (sampler_accepts(weight_final - weight, t->rng, &accept)) {
        state_copy(n, &propose_final, propose);
    }
    double *rho = level_vector(s, depth, EXTRA);
    for (int i = 0; i < n; i++) {
        rho[i] = rho_init[i] + rho_final[i];
    }
    add(n, rho, ends->rho);
    return goes_on(n, ends->v_begin, ends->v_end, rho, NULL) &&
           goes_on(n, ends->v_begin, final.v_begin, rho_init, final.p_begin) &&
           goes_on(n, init.v_end, ends->v_end, rho_final, init.p_end);
}

/* Everything at the start: both ends, and the only state to draw. */
static void begin(struct tree *t, struct state *sample)
{
    struct sampler *s = t->s;
    int n = s->n;
    leapfrog_momentum(n, s->inv_mass, t->rng, vector(s, FWD_P));
    copy(n, s->q, vector(s, FWD_Q));
    copy(n, s->grad, vector(s, FWD_GRAD));
    copy(n, s->q, vector(s, BCK_Q));
    copy(n, vector(s, FWD_P), vector(s, BCK_P));
    copy(n, s->grad, vector(s, BCK_GRAD));
    velocity(s, vector(s, FWD_P), vector(s, FWD_V));
    copy(n, vector(s, FWD_V), vector(s, BCK_V));
    copy(n, vector(s, FWD_P), vector(s, FWD_BCK_P));
    copy(n, vector(s, FWD_P), vector(s, BCK_FWD_P));
    copy(n, vector(s, FWD_V), vector(s, FWD_BCK_V));
    copy(n, vector(s, FWD_V), vector(s, BCK_FWD_V));
    copy(n, vector(s, FWD_P), vector(s, RHO));
    copy(n, s->q, sample->q);
    copy(n, s->grad, sample->grad);
    sample->logp = s->logp;
}

static void step(struct sampler *s, const struct target *target, struct rng *rng,
                 struct sampler_info *info)
{
    int n = s->n;
    size_t bytes = (size_t)n * sizeof *s->q;
    struct tree t = {.s = s, .target = target, .rng = rng};
    struct state sample = {.q = vector(s, SAMPLE_Q), .grad = vector(s, SAMPLE_GRAD)};
    struct state fresh = {.q = vector(s, NEW_Q), .grad = vector(s, NEW_GRAD)};
    double logp_fwd = s->logp;
    double logp_bck = s->logp;
    double log_weight = 0.0;
    double *rho = vector(s, RHO);
    double *rho_fwd = vector(s, RHO_FWD);
    double *rho_bck = vector(s, RHO_BCK);
    begin(&t, &sample);
    struct phase start = {.q = s->q, .p = vector(s, FWD_P), .grad = s->grad, .logp = s->logp};
    t.energy0 = leapfrog_energy(n, s->inv_mass, &start);
    bool go_on = true;
    while (go_on && info->depth < s->settings.max_depth) {
        double fresh_weight = -INFINITY;
        double accept;
        bool forward = rng_uniform(rng) > 0.5;
        memset(rho_fwd, 0, bytes);
        memset(rho_bck, 0, bytes);
        t.epsilon = forward ? s->epsilon : -s->epsilon;
        if (forward) {
            copy(n, rho, rho_bck);
            copy(n, vector(s, FWD_P), vector(s, BCK_FWD_P));
            copy(n, vector(s, FWD_V), vector(s, BCK_FWD_V));
            const struct ends ends = {.p_begin = vector(s, FWD_BCK_P),
                                      .v_begin = vector(s, FWD_BCK_V),
                                      .p_end = vector(s, SUM),
                                      .v_end = vector(s, FWD_V),
                                      .rho = rho_fwd};
            t.at =
                (struct phase){vector(s, FWD_Q), vector(s, FWD_P), vector(s, FWD_GRAD), logp_fwd};
            go_on = build(&t, info->depth, &fresh, &ends, &fresh_weight);
            logp_fwd = t.at.logp;
        } else {
            copy(n, rho, rho_fwd);
            copy(n, vector(s, BCK_P), vector(s, FWD_BCK_P));
            copy(n, vector(s, BCK_V), vector(s, FWD_BCK_V));
            const struct ends ends = {.p_begin = vector(s, BCK_FWD_P),
                                      .v_begin = vector(s, BCK_FWD_V),
                                      .p_end = vector(s, SUM),
                                      .v_end = vector(s, BCK_V),
                                      .rho = rho_bck};
            t.at =
                (struct phase){vector(s, BCK_Q), vector(s, BCK_P), vector(s, BCK_GRAD), logp_bck};
            go_on = build(&t, info->depth, &fresh, &ends, &fresh_weight);
            logp_bck = t.at.logp;
        }
        if (!go_on) {
            break;
        }
        info->depth++;
        /* Between halves: the newer one is favoured, which moves further. */
        if (sampler_accepts(fresh_weight - log_weight, rng, &accept)) {
            state_copy(n, &fresh, &sample);
            info->moved = true;
        }
        log_weight = log_add(log_weight, fresh_weight);
        for (int i = 0; i < n; i++) {
            rho[i] = rho_bck[i] + rho_fwd[i];
        }
        go_on = goes_on(n, vector(s, BCK_V), vector(s, FWD_V), rho, NULL) &&
                goes_on(n, vector(s, BCK_V), vector(s, FWD_BCK_V), rho_bck, vector(s, FWD_BCK_P)) &&
                goes_on(n, vector(s, BCK_FWD_V), vector(s, FWD_V), rho_fwd, vector(s, BCK_FWD_P));
    }
    copy(n, sample.q, s->q);
    copy(n, sample.grad, s->grad);
    s->logp = sample.logp;
    info->energy = t.energy0;
    info->accept = t.n_leapfrog > 0 ? t.sum_accept / t.n_leapfrog : 0.0;
    info->n_leapfrog = t.n_leapfrog;
    info->divergent = t.divergent;
}

const struct sampler_ops sampler_nuts_ops = {
    .work = work, .step = step, .gradient = true, .trees = true};
