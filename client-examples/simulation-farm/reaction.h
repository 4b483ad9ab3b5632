/* SPDX-License-Identifier: Apache-2.0 */
/* A reaction-diffusion equation with four uncertain parameters and three quantities of interest. */
#ifndef REACTION_H
#define REACTION_H

#include <stdbool.h>

#define REACTION_PARAMS  4
#define REACTION_OUTPUTS 3

struct reaction {
    double diffusivity; /* D, length^2 / time */
    double growth;      /* k, 1 / time */
    double loss;        /* m, 1 / time */
    double amplitude;   /* A of the initial bump */
};

struct reaction_result {
    double mass;      /* integral of u over x at the end */
    double middle;    /* u(0.5) at the end */
    double mean_mass; /* mass averaged over time */
};

struct reaction_grid {
    int n_nodes;      /* at least 3 */
    double tolerance; /* of a time step, relative and absolute */
    double end;       /* T */
};

/* Parameters in the order of struct reaction: names, lowest and highest values; and outputs. */
extern const char *const reaction_param_names[REACTION_PARAMS];
extern const char *const reaction_output_names[REACTION_OUTPUTS];
extern const double reaction_range[REACTION_PARAMS][2];

/* The grid for training rows. */
struct reaction_grid reaction_default_grid(void);

/* One simulation; false when memory is short or the step size collapses. */
bool reaction_run(const struct reaction *param, const struct reaction_grid *grid,
                  struct reaction_result *result);

#endif
