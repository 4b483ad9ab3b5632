/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/leapfrog.h"

#include <math.h>

void leapfrog_momentum(int n, const double *inv_mass, struct rng *rng, double *p)
{
    for (int i = 0; i < n; i++) {
        p[i] = rng_normal(rng) / sqrt(inv_mass[i]);
    }
}

double leapfrog_kinetic(int n, const double *inv_mass, const double *p)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++) {
        sum += p[i] * p[i] * inv_mass[i];
    }
    return 0.5 * sum;
}

double leapfrog_energy(int n, const double *inv_mass, const struct phase *at)
{
    double energy = leapfrog_kinetic(n, inv_mass, at->p) - at->logp;
    return isnan(energy) ? INFINITY : energy;
}

void leapfrog_step(const struct target *target, const double *inv_mass, double epsilon,
                   struct phase *at)
{
    int n = target->n;
    for (int i = 0; i < n; i++) {
        at->p[i] += 0.5 * epsilon * at->grad[i];
        at->q[i] += epsilon * inv_mass[i] * at->p[i];
    }
    at->logp = target->logp(target->ctx, at->q, at->grad);
    for (int i = 0; i < n; i++) {
        at->p[i] += 0.5 * epsilon * at->grad[i];
    }
}
