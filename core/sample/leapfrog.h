/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hamiltonian dynamics of H(q, p) = -log density(q) + p' M^-1 p / 2 with a diagonal mass matrix M,
 * integrated by the leapfrog scheme [1]: reversible and volume-preserving, which the samplers over
 * it rely on.
 *
 * [1] R. M. Neal, MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, 2011,
 *     eqs. 5.18 to 5.20.
 */
#ifndef LEAPFROG_H
#define LEAPFROG_H

#include "base/rng.h"
#include "sample/target.h"

/* A point of phase space; arrays [n] are the caller's. */
struct phase {
    double *q;
    double *p;
    double *grad; /* of the log density at q */
    double logp;  /* log density at q */
};

/* p ~ N(0, M); inv_mass [n]: the diagonal of M^-1. */
void leapfrog_momentum(int n, const double *inv_mass, struct rng *rng, double *p);

/* p' M^-1 p / 2 */
double leapfrog_kinetic(int n, const double *inv_mass, const double *p);

/* H at the point; +infinity where the density is impossible or not a number. */
double leapfrog_energy(int n, const double *inv_mass, const struct phase *at);

/* One step of size epsilon (negative: back in time). at->grad must belong to at->q. */
void leapfrog_step(const struct target *target, const double *inv_mass, double epsilon,
                   struct phase *at);

#endif
