/* SPDX-License-Identifier: Apache-2.0 */
#include "client/options.h"

#include "plot/theme.h"

const char *const options_formats[] = {"csv", "json", "npy", "npz", NULL};

const char *const options_pictures[] = {"svg", "png", "pdf", "csv", NULL};

const char *const options_states[] = {"queued", "running",   "succeeded",
                                      "failed", "cancelled", NULL};

static const char *const solvers[] = {"auto",
#define SOLVER(CODE, name, operations) name,
#include "solve/solver.def"
#undef SOLVER
                                      NULL};

/* The second form of a result has no name of its own. */
#define NAME_OF_NONE(name)         name,
#define NAME_OF_LEVELS(name)       name,
#define NAME_OF_TOTAL_LEVELS(name) name,
#define NAME_OF_COVERAGES(name)    name,
#define NAME_OF_DRAWS(name)        name,
#define NAME_OF_BETWEEN(name)      name,
#define NAME_OF_ALTERNATIVE(name)
static const char *const results[] = {
#define RESULT(FLAG, field, name, shape, join, option) NAME_OF_##option(name)
#include "predict/results.def"
#undef RESULT
    NULL};

const struct arg_option options_table[N_OPTIONS] = {
#define OPTION(id, ...) {__VA_ARGS__},
#include "client/options.def"
#undef OPTION
};

_Static_assert(N_OPTIONS <= ARGS_SET_OPTIONS, "a set of options is 64 bits");
