/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No-U-Turn sampler with multinomial draws, as Stan's since 2.21. The trajectory doubles in a
 * random direction until it turns back on itself; a state is drawn with probability proportional to
 * exp(-H), with a bias towards the newer half at each doubling. A turn is detected by the
 * generalised criterion [5, A.4.2]: with rho the sum of the momenta of a stretch, the velocities at
 * both its ends must point along rho. The criterion is also applied to each half extended by the
 * nearest state of the other half, because a turn between the halves would otherwise be missed.
 *
 * All vectors lie in the work space, those of each level of the recursion too, so nothing is
 * allocated; max_depth bounds the depth.
 */
#include "sample/sampler_priv.h"

#include <math.h>
#include <string.h>

/* A state that may be drawn. */
struct state {
    double *q;
    double *grad;
    double logp;
};

/* The momenta and velocities at both ends of a stretch of the trajectory, and the sum of its
 * momenta. A stretch begins where it joins what was there before it. */
struct stretch {
    double *p_begin, *v_begin;
    double *p_end, *v_end;
    double *rho;
};

/* A side of the trajectory: what lies forward or backward of the latest join. */
struct side {
    struct phase outer;        /* its end, from which it grows */
    double *v_outer;           /* the velocity there */
    double *p_inner, *v_inner; /* at its state next to the join */
    double *rho;
};

struct trajectory {
    struct sampler *s;
    const struct target *target;
    struct rng *rng;
    struct side forward, backward;
    double *rho;         /* of all of it */
    double *p_end;       /* scratch */
    struct state sample; /* drawn from all of it */
    struct state fresh;  /* drawn from the half that is being built */
    double log_weight;   /* log of the sum of exp(energy0 - H) over its states */
    double energy0;      /* H at the start */
    double epsilon;      /* with the sign of the direction in which it grows */
    struct phase at;     /* the end that moves */
    double sum_accept;
    int n_leapfrog;
    bool divergent;
};

/* The vectors of one level of the recursion, in the order of the work space. */
enum {
    INIT_P_END,
    INIT_V_END,
    INIT_RHO,
    FINAL_P_BEGIN,
    FINAL_V_BEGIN,
    FINAL_RHO,
    FINAL_Q,
    FINAL_GRAD,
    WHOLE_RHO,
    PER_LEVEL
};

#define PER_SIDE       7
#define PER_TRAJECTORY (2 * PER_SIDE + 6)

static size_t nuts_work(int n, const struct sampler_settings *settings)
{
    return ((size_t)PER_TRAJECTORY + (size_t)PER_LEVEL * (size_t)settings->max_depth) * (size_t)n;
}

/* Levels count from 1 and follow the trajectory's own vectors. */
static double *level_vector(const struct sampler *s, int level, int which)
{
    return s->work + (ptrdiff_t)(PER_TRAJECTORY + (level - 1) * PER_LEVEL + which) * s->n;
}

static double *next_vector(double **free_work, int n)
{
    double *vector = *free_work;
    *free_work += n;
    return vector;
}

static struct side lay_out_side(double **free_work, int n)
{
    struct side side;
    side.outer.q = next_vector(free_work, n);
    side.outer.p = next_vector(free_work, n);
    side.outer.grad = next_vector(free_work, n);
    side.outer.logp = 0.0;
    side.v_outer = next_vector(free_work, n);
    side.p_inner = next_vector(free_work, n);
    side.v_inner = next_vector(free_work, n);
    side.rho = next_vector(free_work, n);
    return side;
}

static void lay_out(struct trajectory *t)
{
    int n = t->s->n;
    double *free_work = t->s->work;
    t->forward = lay_out_side(&free_work, n);
    t->backward = lay_out_side(&free_work, n);
    t->rho = next_vector(&free_work, n);
    t->p_end = next_vector(&free_work, n);
    t->sample.q = next_vector(&free_work, n);
    t->sample.grad = next_vector(&free_work, n);
    t->fresh.q = next_vector(&free_work, n);
    t->fresh.grad = next_vector(&free_work, n);
}

static double log_add(double a, double b)
{
    double max = fmax(a, b);
    return max == -INFINITY ? max : max + log1p(exp(fmin(a, b) - max));
}

static void copy_vector(int n, const double *from, double *to)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

static void clear_vector(int n, double *vector)
{
    memset(vector, 0, (size_t)n * sizeof *vector);
}

static void add_vector(int n, const double *a, double *to)
{
    for (int i = 0; i < n; i++) {
        to[i] += a[i];
    }
}

static void state_copy(int n, const struct state *from, struct state *to)
{
    copy_vector(n, from->q, to->q);
    copy_vector(n, from->grad, to->grad);
    to->logp = from->logp;
}

static void set_velocity(const struct sampler *s, const double *p, double *v)
{
    for (int i = 0; i < s->n; i++) {
        v[i] = s->inv_mass[i] * p[i];
    }
}

/* Do the velocities at both ends point along rho (+ p_extra, unless NULL)? */
static bool goes_straight(int n, const double *v_begin, const double *v_end, const double *rho,
                          const double *p_extra)
{
    double begin = 0.0;
    double end = 0.0;
    for (int i = 0; i < n; i++) {
        double r = rho[i] + (p_extra != NULL ? p_extra[i] : 0.0);
        begin += v_begin[i] * r;
        end += v_end[i] * r;
    }
    return begin > 0.0 && end > 0.0;
}

/* ---- subtrees ---- */

/* Adds one state by a leapfrog step. */
static bool build_leaf(struct trajectory *t, struct state *proposal, const struct stretch *stretch,
                       double *log_weight)
{
    struct sampler *s = t->s;
    int n = s->n;
    leapfrog_step(t->target, s->inv_mass, t->epsilon, &t->at);
    t->n_leapfrog++;
    double gain = t->energy0 - leapfrog_energy(n, s->inv_mass, &t->at);
    t->divergent = t->divergent || !(-gain <= SAMPLER_DIVERGENCE);
    *log_weight = log_add(*log_weight, gain);
    t->sum_accept += gain > 0.0 ? 1.0 : exp(gain);
    copy_vector(n, t->at.q, proposal->q);
    copy_vector(n, t->at.grad, proposal->grad);
    proposal->logp = t->at.logp;
    copy_vector(n, t->at.p, stretch->p_begin);
    copy_vector(n, t->at.p, stretch->p_end);
    set_velocity(s, t->at.p, stretch->v_begin);
    copy_vector(n, stretch->v_begin, stretch->v_end);
    add_vector(n, t->at.p, stretch->rho);
    return !t->divergent;
}

/*
 * A subtree of 2^depth further states ([4], algorithm 3): a proposal drawn from it by weight, its
 * ends, rho added to, and its weight added to. False when it turns or diverges, so that the
 * trajectory must end.
 */
static bool build_tree(struct trajectory *t, int depth, struct state *proposal,
                       const struct stretch *stretch, double *log_weight)
{
    if (depth == 0) {
        return build_leaf(t, proposal, stretch, log_weight);
    }
    const struct sampler *s = t->s;
    int n = s->n;
    struct stretch init = {.p_begin = stretch->p_begin,
                           .v_begin = stretch->v_begin,
                           .p_end = level_vector(s, depth, INIT_P_END),
                           .v_end = level_vector(s, depth, INIT_V_END),
                           .rho = level_vector(s, depth, INIT_RHO)};
    struct stretch final = {.p_begin = level_vector(s, depth, FINAL_P_BEGIN),
                            .v_begin = level_vector(s, depth, FINAL_V_BEGIN),
                            .p_end = stretch->p_end,
                            .v_end = stretch->v_end,
                            .rho = level_vector(s, depth, FINAL_RHO)};
    struct state proposal_final = {.q = level_vector(s, depth, FINAL_Q),
                                   .grad = level_vector(s, depth, FINAL_GRAD)};
    double weight_init = -INFINITY;
    double weight_final = -INFINITY;
    clear_vector(n, init.rho);
    clear_vector(n, final.rho);
    if (!build_tree(t, depth - 1, proposal, &init, &weight_init) ||
        !build_tree(t, depth - 1, &proposal_final, &final, &weight_final)) {
        return false;
    }
    double weight = log_add(weight_init, weight_final);
    *log_weight = log_add(*log_weight, weight);
    /* Within a subtree the draw is by weight alone, without a bias. */
    double accept;
    if (sampler_accepts(weight_final - weight, t->rng, &accept)) {
        state_copy(n, &proposal_final, proposal);
    }
    double *rho = level_vector(s, depth, WHOLE_RHO);
    for (int i = 0; i < n; i++) {
        rho[i] = init.rho[i] + final.rho[i];
    }
    add_vector(n, rho, stretch->rho);
    return goes_straight(n, stretch->v_begin, stretch->v_end, rho, NULL) &&
           goes_straight(n, stretch->v_begin, final.v_begin, init.rho, final.p_begin) &&
           goes_straight(n, init.v_end, stretch->v_end, final.rho, init.p_end);
}

/* ---- the trajectory ---- */

static void begin_side(const struct sampler *s, const double *p, struct side *side)
{
    int n = s->n;
    copy_vector(n, s->q, side->outer.q);
    copy_vector(n, p, side->outer.p);
    copy_vector(n, s->grad, side->outer.grad);
    side->outer.logp = s->logp;
    set_velocity(s, p, side->v_outer);
    copy_vector(n, p, side->p_inner);
    copy_vector(n, side->v_outer, side->v_inner);
}

/* The start with a fresh momentum: the only state so far, and so the one that is drawn. */
static void begin_trajectory(struct trajectory *t)
{
    struct sampler *s = t->s;
    lay_out(t);
    leapfrog_momentum(s->n, s->inv_mass, t->rng, t->rho);
    begin_side(s, t->rho, &t->forward);
    begin_side(s, t->rho, &t->backward);
    t->energy0 = leapfrog_energy(s->n, s->inv_mass, &t->forward.outer);
    t->log_weight = 0.0;
    copy_vector(s->n, s->q, t->sample.q);
    copy_vector(s->n, s->grad, t->sample.grad);
    t->sample.logp = s->logp;
}

/*
 * Builds 2^depth more states in a random direction: they become the side that lies there, and all
 * that was there before becomes the other side. False when the new half turns or diverges.
 */
static bool double_trajectory(struct trajectory *t, int depth, double *fresh_weight)
{
    int n = t->s->n;
    bool forward = rng_uniform(t->rng) > 0.5;
    struct side *grown = forward ? &t->forward : &t->backward;
    struct side *old = forward ? &t->backward : &t->forward;
    copy_vector(n, t->rho, old->rho);
    copy_vector(n, grown->outer.p, old->p_inner);
    copy_vector(n, grown->v_outer, old->v_inner);
    clear_vector(n, grown->rho);
    const struct stretch stretch = {.p_begin = grown->p_inner,
                                    .v_begin = grown->v_inner,
                                    .p_end = t->p_end,
                                    .v_end = grown->v_outer,
                                    .rho = grown->rho};
    t->epsilon = forward ? t->s->epsilon : -t->s->epsilon;
    t->at = grown->outer;
    bool whole = build_tree(t, depth, &t->fresh, &stretch, fresh_weight);
    grown->outer.logp = t->at.logp;
    return whole;
}

/* Draws from the new half or stays: biased progressive sampling ([5], A.3.2), which favours the
 * newer half and so moves further. */
static bool draw_from_halves(struct trajectory *t, double fresh_weight)
{
    double accept;
    bool moved = sampler_accepts(fresh_weight - t->log_weight, t->rng, &accept);
    if (moved) {
        state_copy(t->s->n, &t->fresh, &t->sample);
    }
    t->log_weight = log_add(t->log_weight, fresh_weight);
    return moved;
}

static bool has_turned(struct trajectory *t)
{
    int n = t->s->n;
    const struct side *f = &t->forward;
    const struct side *b = &t->backward;
    for (int i = 0; i < n; i++) {
        t->rho[i] = b->rho[i] + f->rho[i];
    }
    return !(goes_straight(n, b->v_outer, f->v_outer, t->rho, NULL) &&
             goes_straight(n, b->v_outer, f->v_inner, b->rho, f->p_inner) &&
             goes_straight(n, b->v_inner, f->v_outer, f->rho, b->p_inner));
}

static void step_nuts(struct sampler *s, const struct target *target, struct rng *rng,
                      struct sampler_info *info)
{
    struct trajectory t = {.s = s, .target = target, .rng = rng};
    begin_trajectory(&t);
    while (info->depth < s->settings.max_depth) {
        double fresh_weight = -INFINITY;
        if (!double_trajectory(&t, info->depth, &fresh_weight)) {
            break;
        }
        info->depth++;
        if (draw_from_halves(&t, fresh_weight)) {
            info->moved = true;
        }
        if (has_turned(&t)) {
            break;
        }
    }
    copy_vector(s->n, t.sample.q, s->q);
    copy_vector(s->n, t.sample.grad, s->grad);
    s->logp = t.sample.logp;
    info->energy = t.energy0;
    info->accept = t.n_leapfrog > 0 ? t.sum_accept / t.n_leapfrog : 0.0;
    info->n_leapfrog = t.n_leapfrog;
    info->divergent = t.divergent;
}

const struct sampler_ops sampler_nuts_ops = {
    .work = nuts_work, .step = step_nuts, .gradient = true, .trees = true};
