/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single steps of samplers, three ways: from exact draws, which must stay exact draws, reversibly;
 * No-U-Turn against a second writing of it that keeps the whole trajectory; QUiNN's kernels step by
 * step. And the integrator's symmetries.
 *
 * Significance: a mean may be Z standard errors off, Z = 5, which a right sampler exceeds about
 * once in 2e6 comparisons (there are some 340); a chi-square may have a tail of 3e-7. Seeds are
 * fixed.
 */
#include "oracle.h"
#include "run.h"
#include "sampler_settings.h"
#include "targets.h"

#include <math.h>
#include <string.h>

#include "math/gemm.h"
#include "sample/sampler.h"
#include "sample/sampler_priv.h"
#include "solve/logpost.h"

#define Z 5.0

/* ---- kernels from exact draws ---- */

#define STARTS 40000
#define BINS   20

/* Fixed kernels: no adaptation, steps so large that errors of the correction show. */
static struct sampler_settings fixed_settings(enum sampler_kind kind, double epsilon)
{
    struct sampler_settings settings = test_sampler_settings(kind);
    settings.warmup = 0;
    settings.epsilon = epsilon;
    settings.leapfrog_steps = 3;
    settings.t0 = 1 << 30;
    return settings;
}

/* A kernel with the masses of the target's variances; q0 [n]. */
static void fixed_init(struct sampler *sampler, enum sampler_kind kind, double epsilon,
                       const struct known_target *known, const double *q0, struct rng *rng)
{
    struct err err = ERR_INIT;
    struct sampler_settings settings = fixed_settings(kind, epsilon);
    ck_assert_int_eq(sampler_init(sampler, &settings, &known->target, q0, rng, &err), ERR_OK);
    memcpy(sampler->inv_mass, known->variance, (size_t)known->target.n * sizeof(double));
}

/* Sums of a quantity whose mean is 0. */
struct sum {
    double value;
    double square;
};

static void sum_add(struct sum *sum, double value)
{
    sum->value += value;
    sum->square += value * value;
}

static void check_zero(const char *what, const struct sum *sum)
{
    ck_assert_msg(fabs(sum->value) <= Z * sqrt(sum->square), "%s is %g, 0 +- %g is expected", what,
                  sum->value / STARTS, sqrt(sum->square) / STARTS);
}

/*
 * x0 is an exact draw, so x1, the state after STEPS steps, must be one: whitened it has independent
 * standard normal coordinates, by moments and by ranks (a chi-square of BINS bins of their
 * distribution function). And x0 and x1 can be exchanged, for all these kernels are reversible:
 * what changes its sign when they are has mean 0. Nothing here depends on how well a chain mixes.
 */
struct exactness {
    struct sum mean[TARGETS_MAX], variance[TARGETS_MAX], product[TARGETS_MAX];
    struct sum swap[3][TARGETS_MAX];
    int bins[TARGETS_MAX][BINS];
};

static void exactness_add(struct exactness *e, int n, const double *z0, const double *z1)
{
    for (int i = 0; i < n; i++) {
        int j = (i + 1) % n;
        int bin = (int)(BINS * 0.5 * erfc(-z1[i] * M_SQRT1_2));
        e->bins[i][bin < BINS ? bin : BINS - 1]++;
        sum_add(&e->mean[i], z1[i]);
        sum_add(&e->variance[i], z1[i] * z1[i] - 1.0);
        sum_add(&e->product[i], z1[i] * z1[j]);
        sum_add(&e->swap[0][i], z0[i] * z1[i] * (z1[i] - z0[i]));
        sum_add(&e->swap[1][i], z0[i] * z1[i] * (z1[i] * z1[i] - z0[i] * z0[i]));
        sum_add(&e->swap[2][i], z0[i] * z1[j] - z1[i] * z0[j]);
    }
}

static void exactness_check(const struct exactness *e, int n, const char *name)
{
    for (int i = 0; i < n; i++) {
        char what[160];
        double chi2 = 0.0;
        for (int b = 0; b < BINS; b++) {
            double d = e->bins[i][b] - (double)STARTS / BINS;
            chi2 += d * d / ((double)STARTS / BINS);
        }
        /* 19 degrees of freedom: P(chi2 > 66.6) = 3e-7. */
        ck_assert_msg(chi2 < 66.6, "%s: chi-square %g of coordinate %d", name, chi2, i);
        snprintf(what, sizeof what, "%s: mean of coordinate %d", name, i);
        check_zero(what, &e->mean[i]);
        snprintf(what, sizeof what, "%s: variance - 1 of coordinate %d", name, i);
        check_zero(what, &e->variance[i]);
        snprintf(what, sizeof what, "%s: correlation of coordinates %d, %d", name, i, (i + 1) % n);
        if (n > 1) {
            check_zero(what, &e->product[i]);
        }
        for (int k = 0; k < 3; k++) {
            snprintf(what, sizeof what, "%s: asymmetry %d of coordinate %d", name, k, i);
            check_zero(what, &e->swap[k][i]);
        }
    }
}

static const double fixed_epsilon[][4] = {
    /* independent, correlated, banana, funnel */
    {0.0, 0.0, 0.0, 0.0},
    {1.0, 0.3, 1.0, 0.9},
    {1.3, 0.3, 0.8, 0.6},
    {1.5, 0.25, 0.8, 0.7},
};

START_TEST(kernels_keep_exact_draws_exact_and_are_reversible)
{
    enum sampler_kind kind = (enum sampler_kind)(_i / 4);
    const struct known_target *known = &known_targets[_i % 4];
    int n = known->target.n;
    int steps = kind == SAMPLER_AMCMC ? 4 : 2;
    struct exactness e = {0};
    double accept = 0.0;
    char name[60];
    struct rng rng;
    rng_init(&rng, 23, RNG_TEST, (uint32_t)_i);
    for (int k = 0; k < STARTS; k++) {
        struct sampler sampler;
        struct sampler_info info;
        double z0[TARGETS_MAX], z1[TARGETS_MAX], x0[TARGETS_MAX];
        for (int i = 0; i < n; i++) {
            z0[i] = rng_normal(&rng);
        }
        known->colour(z0, x0);
        fixed_init(&sampler, kind, fixed_epsilon[kind][_i % 4], known, x0, &rng);
        if (kind == SAMPLER_AMCMC) {
            /* Its first factor depends on the start; a fixed one makes the kernel symmetric. */
            double *factor = sampler.work + n + n * n;
            for (int i = 0; i < n; i++) {
                factor[i * n + i] = 0.8 * sqrt(known->variance[i]);
            }
        }
        for (int t = 0; t < steps; t++) {
            sampler_step(&sampler, &known->target, &rng, &info);
            accept += info.accept / (STARTS * steps);
        }
        known->whiten(sampler.q, z1);
        exactness_add(&e, n, z0, z1);
        sampler_release(&sampler);
    }
    snprintf(name, sizeof name, "%s on %s", sampler_name(kind), known->name);
    ck_assert_msg(accept > 0.2 && accept < 0.93, "%s: acceptance %g", name, accept);
    exactness_check(&e, n, name);
}
END_TEST

/* ---- No-U-Turn, written a second time ---- */

/*
 * Keeps every state of the trajectory at its place in time and asks for turns by plain sums of
 * momenta over stretches of it [a, b]; takes random numbers in the order of
 * core/sample/sampler_nuts.
 */
#define REF_MAX 2048 /* to each side */

struct ref {
    const struct known_target *known;
    const double *inv_mass;
    double epsilon;
    struct rng *rng;
    double q[2 * REF_MAX][TARGETS_MAX], p[2 * REF_MAX][TARGETS_MAX], grad[2 * REF_MAX][TARGETS_MAX];
    double energy[2 * REF_MAX]; /* minus that of the start */
    int first, last;            /* of the states there are */
    int n_leapfrog;
    bool divergent;
};

static double ref_energy(const struct ref *r, int at, double logp)
{
    double sum = -logp;
    for (int i = 0; i < r->known->target.n; i++) {
        sum += 0.5 * r->inv_mass[i] * r->p[at][i] * r->p[at][i];
    }
    return sum;
}

/* Do both ends of [a, b] go along the sum of momenta of [a, b] and `more`? */
static bool ref_straight(const struct ref *r, int a, int b, int more)
{
    double first = 0.0;
    double last = 0.0;
    int ends[2] = {a, b};
    if (more >= 0) {
        ends[more < a ? 0 : 1] = more;
    }
    for (int i = 0; i < r->known->target.n; i++) {
        double rho = 0.0;
        for (int k = ends[0]; k <= ends[1]; k++) {
            rho += r->p[k][i];
        }
        first += r->inv_mass[i] * r->p[ends[0]][i] * rho;
        last += r->inv_mass[i] * r->p[ends[1]][i] * rho;
    }
    return first > 0.0 && last > 0.0;
}

static double ref_weight(const struct ref *r, int a, int b)
{
    double sum = 0.0;
    for (int k = a; k <= b; k++) {
        sum += exp(-r->energy[k]);
    }
    return sum;
}

/* Whole [a, b] with halves [a, c] and [c + 1, b]. */
static bool ref_goes_on(const struct ref *r, int a, int c, int b)
{
    return ref_straight(r, a, b, -1) && ref_straight(r, a, c, c + 1) &&
           ref_straight(r, c + 1, b, c);
}

/* 2^depth states more in a direction; *drawn one of them. */
static bool ref_build(struct ref *r, int depth, int direction, double energy0, int *drawn)
{
    const struct target *target = &r->known->target;
    if (depth == 0) {
        int from = direction > 0 ? r->last : r->first;
        int to = from + direction;
        memcpy(r->q[to], r->q[from], sizeof r->q[to]);
        memcpy(r->p[to], r->p[from], sizeof r->p[to]);
        memcpy(r->grad[to], r->grad[from], sizeof r->grad[to]);
        for (int i = 0; i < target->n; i++) {
            r->p[to][i] += 0.5 * direction * r->epsilon * r->grad[to][i];
            r->q[to][i] += direction * r->epsilon * r->inv_mass[i] * r->p[to][i];
        }
        double logp = target->logp(target->ctx, r->q[to], r->grad[to]);
        for (int i = 0; i < target->n; i++) {
            r->p[to][i] += 0.5 * direction * r->epsilon * r->grad[to][i];
        }
        r->energy[to] = ref_energy(r, to, logp) - energy0;
        r->first = direction > 0 ? r->first : to;
        r->last = direction > 0 ? to : r->last;
        r->n_leapfrog++;
        *drawn = to;
        r->divergent = !(r->energy[to] <= 1000.0);
        return !r->divergent;
    }
    int size = 1 << (depth - 1);
    int other;
    if (!ref_build(r, depth - 1, direction, energy0, drawn) ||
        !ref_build(r, depth - 1, direction, energy0, &other)) {
        return false;
    }
    int a = direction > 0 ? r->last - 2 * size + 1 : r->first;
    int middle = a + size - 1;
    double left = ref_weight(r, a, middle);
    double right = ref_weight(r, middle + 1, a + 2 * size - 1);
    double newer = direction > 0 ? right : left;
    if (rng_uniform(r->rng) < newer / (left + right)) {
        *drawn = other;
    }
    return ref_goes_on(r, a, middle, a + 2 * size - 1);
}

/* One transition from q [n], which takes the new state; returns the depth. */
static int ref_step(struct ref *r, double *q, int max_depth)
{
    const struct target *target = &r->known->target;
    int at = REF_MAX;
    int drawn = at;
    int depth = 0;
    bool go_on = true;
    r->first = r->last = at;
    r->n_leapfrog = 0;
    r->divergent = false;
    memcpy(r->q[at], q, (size_t)target->n * sizeof *q);
    double logp = target->logp(target->ctx, q, r->grad[at]);
    for (int i = 0; i < target->n; i++) {
        r->p[at][i] = rng_normal(r->rng) / sqrt(r->inv_mass[i]);
    }
    double energy0 = ref_energy(r, at, logp);
    r->energy[at] = 0.0;
    while (go_on && depth < max_depth) {
        int fresh;
        int a = r->first;
        int b = r->last;
        int direction = rng_uniform(r->rng) > 0.5 ? 1 : -1;
        if (!ref_build(r, depth, direction, energy0, &fresh)) {
            break;
        }
        depth++;
        double old = ref_weight(r, a, b);
        double newer =
            direction > 0 ? ref_weight(r, b + 1, r->last) : ref_weight(r, r->first, a - 1);
        if (rng_uniform(r->rng) < newer / old) {
            drawn = fresh;
        }
        go_on = ref_goes_on(r, r->first, direction > 0 ? b : a - 1, r->last);
    }
    memcpy(q, r->q[drawn], (size_t)target->n * sizeof *q);
    return depth;
}

START_TEST(no_u_turn_agrees_with_a_second_writing)
{
    static struct ref r;
    const struct known_target *known = &known_targets[_i];
    int n = known->target.n;
    int deep = 0;
    struct sampler_settings settings = test_sampler_settings(SAMPLER_NUTS);
    for (int k = 0; k < 3000; k++) {
        struct sampler sampler;
        struct sampler_info info;
        struct rng rng;
        double z[TARGETS_MAX], x[TARGETS_MAX];
        rng_init(&rng, 29, RNG_TEST, (uint32_t)(4 * k + _i));
        for (int i = 0; i < n; i++) {
            z[i] = rng_normal(&rng);
        }
        known->colour(z, x);
        /* From long trajectories to divergent ones. */
        double epsilon = 0.05 * exp(4.0 * rng_uniform(&rng));
        fixed_init(&sampler, SAMPLER_NUTS, epsilon, known, x, &rng);
        struct rng copy = rng;
        r.known = known;
        r.inv_mass = known->variance;
        r.epsilon = epsilon;
        r.rng = &copy;
        int depth = ref_step(&r, x, settings.max_depth);
        sampler_step(&sampler, &known->target, &rng, &info);
        ck_assert_int_eq(info.depth, depth);
        ck_assert_int_eq(info.n_leapfrog, r.n_leapfrog);
        ck_assert_int_eq(info.divergent, r.divergent);
        ck_assert_int_eq(memcmp(&rng, &copy, sizeof rng), 0);
        for (int i = 0; i < n; i++) {
            ck_assert_double_eq_tol(sampler.q[i], x[i], 1e-8 * (1.0 + fabs(x[i])));
        }
        deep += depth >= 5;
        sampler_release(&sampler);
    }
    ck_assert_int_gt(deep, 100);
}
END_TEST

/* ---- the integrator ---- */

START_TEST(leapfrog_is_reversible_and_keeps_volume)
{
    for (int t = 0; t < n_known_targets; t++) {
        const struct target *target = &known_targets[t].target;
        int n = target->n;
        double inv_mass[TARGETS_MAX] = {0.5, 2.0, 1.0, 0.3, 4.0};
        double q[TARGETS_MAX], p[TARGETS_MAX], grad[TARGETS_MAX], q0[TARGETS_MAX], p0[TARGETS_MAX];
        struct phase at = {.q = q, .p = p, .grad = grad};
        for (int i = 0; i < n; i++) {
            q[i] = q0[i] = known_targets[t].mean[i] + 0.3 - 0.1 * i;
            p[i] = p0[i] = 0.5 - 0.2 * i;
        }
        at.logp = target->logp(target->ctx, q, grad);
        for (int k = 0; k < 20; k++) {
            leapfrog_step(target, inv_mass, 0.02, &at);
        }
        for (int k = 0; k < 20; k++) {
            leapfrog_step(target, inv_mass, -0.02, &at);
        }
        for (int i = 0; i < n; i++) {
            ck_assert_double_eq_tol(q[i], q0[i], 1e-10);
            ck_assert_double_eq_tol(p[i], p0[i], 1e-10);
        }
    }
}
END_TEST

START_TEST(gradients_of_the_targets_are_right)
{
    for (int t = 0; t < n_known_targets; t++) {
        const struct known_target *known = &known_targets[t];
        int n = known->target.n;
        double z[TARGETS_MAX] = {0.3, -0.7, 1.1, 0.2, -0.4};
        double x[TARGETS_MAX], back[TARGETS_MAX], grad[TARGETS_MAX];
        double square = 0.0;
        known->colour(z, x);
        known->whiten(x, back);
        double value = known->target.logp(NULL, x, grad);
        for (int i = 0; i < n; i++) {
            double h = 1e-5 * sqrt(known->variance[i]);
            double at = x[i];
            ck_assert_double_eq_tol(back[i], z[i], 1e-12);
            x[i] = at + h;
            double above = known->target.logp(NULL, x, NULL);
            x[i] = at - h;
            double below = known->target.logp(NULL, x, NULL);
            x[i] = at;
            ck_assert_double_eq_tol((above - below) / (2.0 * h), grad[i],
                                    1e-7 * (1.0 + fabs(grad[i])));
            square += z[i] * z[i];
        }
        /* The density is that of z times the map's Jacobian, which only the funnel's varies. */
        double jacobian = t == 3 ? -1.5 * x[0] : 0.0;
        ck_assert_double_eq_tol(value, -0.5 * square + jacobian, 1e-12);
    }
}
END_TEST

/* The energy error of a path of fixed length falls as the square of the step. */
START_TEST(leapfrog_is_of_second_order)
{
    const struct target *target = &known_targets[2].target;
    double inv_mass[2] = {1.0, 1.0};
    double errors[2];
    for (int k = 0; k < 2; k++) {
        double q[2] = {0.7, -0.4}, p[2] = {0.9, 0.3}, grad[2];
        struct phase at = {.q = q, .p = p, .grad = grad};
        int steps = k == 0 ? 50 : 100;
        at.logp = target->logp(target->ctx, q, grad);
        double before = leapfrog_energy(2, inv_mass, &at);
        for (int i = 0; i < steps; i++) {
            leapfrog_step(target, inv_mass, 1.0 / steps, &at);
        }
        errors[k] = fabs(leapfrog_energy(2, inv_mass, &at) - before);
    }
    ck_assert_double_eq_tol(errors[0] / errors[1], 4.0, 0.2);
}
END_TEST

/* ---- QUiNN's kernels ---- */

static void check_kernel(const json_t *item, const struct target *target, const double *state)
{
    int n;
    double *start = oracle_numbers(
        json_object_get(item, json_object_get(item, "momentum") != NULL ? "momentum" : "noise"),
        &n);
    double *expected = oracle_numbers(json_object_get(item, "proposal"), NULL);
    double epsilon = json_number_value(json_object_get(item, "epsilon"));
    const json_t *steps = json_object_get(item, "leapfrog_steps");
    double *memory = calloc((size_t)(3 * n), sizeof *memory);
    double *ones = calloc((size_t)n, sizeof *ones);
    struct phase at = {.q = memory, .p = memory + n, .grad = memory + 2 * n};
    memcpy(at.q, state, (size_t)n * sizeof *at.q);
    memcpy(at.p, start, (size_t)n * sizeof *at.p);
    for (int i = 0; i < n; i++) {
        ones[i] = 1.0;
    }
    at.logp = target->logp(target->ctx, at.q, at.grad);
    ck_assert_double_eq_tol(leapfrog_kinetic(n, ones, at.p),
                            json_number_value(json_object_get(item, "kinetic_before")), 1e-11);
    ck_assert_double_eq_tol(
        at.logp, json_number_value(json_object_get(item, "log_likelihood_before")), 1e-9);
    for (int k = steps != NULL ? (int)json_integer_value(steps) : 1; k > 0; k--) {
        leapfrog_step(target, ones, epsilon, &at);
    }
    ck_assert_double_le(oracle_error(at.q, expected, n), 1e-12);
    ck_assert_double_eq_tol(leapfrog_kinetic(n, ones, at.p),
                            json_number_value(json_object_get(item, "kinetic_after")), 1e-10);
    ck_assert_double_eq_tol(at.logp,
                            json_number_value(json_object_get(item, "log_likelihood_after")), 1e-9);
    free(start);
    free(expected);
    free(memory);
    free(ones);
}

static void check_adaptive(const json_t *item)
{
    int n_all, n;
    const json_t *chain = json_object_get(item, "chain");
    double *states = oracle_numbers(chain, &n_all);
    double *mean = oracle_numbers(json_object_get(item, "running_mean"), &n);
    double *cov = oracle_numbers(json_object_get(item, "running_covariance"), NULL);
    double *proposal = oracle_numbers(json_object_get(item, "proposal_covariance"), NULL);
    double gamma = json_number_value(json_object_get(item, "gamma"));
    double m[8] = {0}, c[64] = {0}, delta[8];
    memcpy(m, states, (size_t)n * sizeof *m);
    for (int t = 1; t < n_all / n; t++) {
        sampler_observe(&(struct sampler_moments){n, m, c, delta}, t, states + t * n);
    }
    ck_assert_double_le(oracle_error(m, mean, n), 1e-12);
    ck_assert_double_le(oracle_error(c, cov, n * n), 1e-12);
    for (int i = 0; i < n * n; i++) {
        c[i] = sampler_amcmc_scale(gamma, n) * (c[i] + (i % (n + 1) == 0 ? 1e-8 : 0.0));
    }
    ck_assert_double_le(oracle_error(c, proposal, n * n), 1e-12);
    free(states);
    free(mean);
    free(cov);
    free(proposal);
}

START_TEST(kernels_agree_with_quinn)
{
    json_t *root = oracle_load("mcmc.json");
    if (root == NULL) {
        return;
    }
    struct err err = ERR_INIT;
    struct arch arch = oracle_arch(json_object_get(root, "architecture"));
    struct resnet net;
    struct logpost logpost;
    struct data rows = {.d = arch.inputs, .o = arch.outputs};
    double *state = oracle_numbers(json_object_get(root, "state"), NULL);
    double *x = oracle_numbers(json_object_get(root, "x"), &rows.n);
    double *y = oracle_numbers(json_object_get(root, "y"), NULL);
    rows.n /= arch.inputs;
    rows.x = x;
    rows.y = y;
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    struct objective objective = {.kind = OBJECTIVE_NLL,
                                  .noise_sigma =
                                      json_number_value(json_object_get(root, "noise_sigma"))};
    ck_assert_int_eq(logpost_init(&logpost, &objective, &net, &rows, &err), ERR_OK);
    struct target target = logpost_target(&logpost);
    const json_t *kernels = json_object_get(root, "kernels");
    for (size_t k = 0; k < json_array_size(kernels); k++) {
        check_kernel(json_array_get(kernels, k), &target, state);
    }
    check_adaptive(json_object_get(root, "adaptive_metropolis"));
    logpost_release(&logpost);
    resnet_release(&net);
    free(x);
    free(y);
    free(state);
    json_decref(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler steps");
    TCase *tc = tcase_create("sampler steps");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 200);
    tcase_add_loop_test(tc, kernels_keep_exact_draws_exact_and_are_reversible, 0, 16);
    tcase_add_loop_test(tc, no_u_turn_agrees_with_a_second_writing, 0, 4);
    tcase_add_test(tc, gradients_of_the_targets_are_right);
    tcase_add_test(tc, leapfrog_is_reversible_and_keeps_volume);
    tcase_add_test(tc, leapfrog_is_of_second_order);
    tcase_add_test(tc, kernels_agree_with_quinn);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
