/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fisher's equation with a loss term, on 0 <= x <= 1 without flux through the ends:
 *
 *     u_t = D u_xx + k u (1 - u) - m u,    u(x, 0) = A exp(-(x / 0.2)^2)
 *
 * A population, or a burning front, starts at the left and invades the interval. The method of
 * lines, with second-order central differences on n equidistant nodes and ghost points at the ends,
 * leaves a stiff system u' = f(u) with a tridiagonal Jacobian J. In time it is integrated by the
 * L-stable Rosenbrock method ROS2 [1],
 *
 *     (I - g h J) k1 = f(u),   (I - g h J) k2 = f(u + h k1) - 2 k1,   g = 1 - 1/sqrt(2)
 *     u <- u + h (3 k1 + k2) / 2
 *
 * which has order 2. Since u + h k1 has order 1, h (k1 + k2) / 2 estimates the error, which sets
 * the step. The time integral of the mass is a trapezoidal sum over the same steps, also of
 * order 2.
 *
 * [1] J. G. Verwer, E. J. Spee, J. G. Blom, W. Hundsdorfer, A second-order Rosenbrock method
 *     applied to photochemical dispersion problems, SIAM J. Sci. Comput. 20(4), 1999.
 */
#include "reaction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GAMMA    0.29289321881345248 /* 1 - 1/sqrt(2) */
#define MIN_STEP 1e-12
#define BUMP     0.2

const char *const reaction_param_names[REACTION_PARAMS] = {"diffusivity", "growth", "loss",
                                                           "amplitude"};
const char *const reaction_output_names[REACTION_OUTPUTS] = {"mass", "middle", "mean_mass"};
const double reaction_range[REACTION_PARAMS][2] = {
    {0.002, 0.02}, {4.0, 10.0}, {0.2, 2.0}, {0.2, 0.9}};

struct reaction_grid reaction_default_grid(void)
{
    return (struct reaction_grid){.n_nodes = 161, .tolerance = 1e-5, .end = 1.0};
}

struct solver {
    const struct reaction *p;
    int n;
    double dx;
    double *u, *next, *k1, *k2; /* [n] */
    double *diagonal, *factor;  /* [n] of the elimination of I - g h J */
};

/* f(u): diffusion and reaction. */
static void rate(const struct solver *s, const double *u, double *f)
{
    double d = s->p->diffusivity / (s->dx * s->dx);
    for (int i = 0; i < s->n; i++) {
        double left = u[i > 0 ? i - 1 : 1];
        double right = u[i < s->n - 1 ? i + 1 : s->n - 2];
        f[i] = d * (left - 2.0 * u[i] + right) + s->p->growth * u[i] * (1.0 - u[i]) -
               s->p->loss * u[i];
    }
}

/* The off-diagonals of I - g h J: doubled at the ends, where the ghost point is a mirror image. */
static double upper(const struct solver *s, int i, double c)
{
    return i == 0 ? -2.0 * c : -c;
}

static double lower(const struct solver *s, int i, double c)
{
    return i == s->n - 1 ? -2.0 * c : -c;
}

static void factorise(struct solver *s, double h)
{
    double c = GAMMA * h * s->p->diffusivity / (s->dx * s->dx);
    for (int i = 0; i < s->n; i++) {
        double slope = s->p->growth * (1.0 - 2.0 * s->u[i]) - s->p->loss;
        s->diagonal[i] = 1.0 + 2.0 * c - GAMMA * h * slope;
        if (i > 0) {
            s->factor[i] = lower(s, i, c) / s->diagonal[i - 1];
            s->diagonal[i] -= s->factor[i] * upper(s, i - 1, c);
        }
    }
}

static void solve(const struct solver *s, double h, double *b)
{
    double c = GAMMA * h * s->p->diffusivity / (s->dx * s->dx);
    for (int i = 1; i < s->n; i++) {
        b[i] -= s->factor[i] * b[i - 1];
    }
    b[s->n - 1] /= s->diagonal[s->n - 1];
    for (int i = s->n - 2; i >= 0; i--) {
        b[i] = (b[i] - upper(s, i, c) * b[i + 1]) / s->diagonal[i];
    }
}

/* One trial step, whose result is in s->next; returns the estimated error over the tolerance. */
static double try_step(struct solver *s, double h, double tolerance)
{
    double sum = 0.0;
    factorise(s, h);
    rate(s, s->u, s->k1);
    solve(s, h, s->k1);
    for (int i = 0; i < s->n; i++) {
        s->next[i] = s->u[i] + h * s->k1[i];
    }
    rate(s, s->next, s->k2);
    for (int i = 0; i < s->n; i++) {
        s->k2[i] -= 2.0 * s->k1[i];
    }
    solve(s, h, s->k2);
    for (int i = 0; i < s->n; i++) {
        double error = 0.5 * h * (s->k1[i] + s->k2[i]);
        s->next[i] = s->u[i] + 0.5 * h * (3.0 * s->k1[i] + s->k2[i]);
        double scale = tolerance * (1.0 + fabs(s->next[i]));
        sum += (error / scale) * (error / scale);
    }
    return sqrt(sum / (double)s->n);
}

static double mass(const struct solver *s, const double *u)
{
    double sum = 0.5 * (u[0] + u[s->n - 1]);
    for (int i = 1; i < s->n - 1; i++) {
        sum += u[i];
    }
    return sum * s->dx;
}

static bool integrate(struct solver *s, const struct reaction_grid *grid,
                      struct reaction_result *result)
{
    double t = 0.0;
    double h = 1e-3 * grid->end;
    double integral = 0.0;
    while (t < grid->end) {
        h = t + h > grid->end ? grid->end - t : h;
        double error = try_step(s, h, grid->tolerance);
        if (error <= 1.0) {
            integral += 0.5 * h * (mass(s, s->u) + mass(s, s->next));
            t = t + h >= grid->end ? grid->end : t + h;
            memcpy(s->u, s->next, (size_t)s->n * sizeof *s->u);
        }
        /* The error is of order h^2; the step never changes by too large a factor. */
        h *= fmin(3.0, fmax(0.2, 0.9 / sqrt(fmax(error, 1e-10))));
        if (!(h > MIN_STEP * grid->end)) {
            return false;
        }
    }
    double at = 0.5 * (double)(s->n - 1);
    int i = (int)at;
    int j = i + 1 < s->n ? i + 1 : i;
    result->mass = mass(s, s->u);
    result->middle = s->u[i] + (at - (double)i) * (s->u[j] - s->u[i]);
    result->mean_mass = integral / grid->end;
    return true;
}

bool reaction_run(const struct reaction *param, const struct reaction_grid *grid,
                  struct reaction_result *result)
{
    struct solver s = {.p = param, .n = grid->n_nodes, .dx = 1.0 / (double)(grid->n_nodes - 1)};
    double *memory = calloc(6 * (size_t)s.n, sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    double **arrays[] = {&s.u, &s.next, &s.k1, &s.k2, &s.diagonal, &s.factor};
    for (size_t a = 0; a < sizeof arrays / sizeof *arrays; a++) {
        *arrays[a] = memory + a * (size_t)s.n;
    }
    for (int i = 0; i < s.n; i++) {
        double x = (double)i * s.dx / BUMP;
        s.u[i] = param->amplitude * exp(-x * x);
    }
    bool ok = integrate(&s, grid, result);
    free(memory);
    return ok;
}
