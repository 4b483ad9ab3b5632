/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a version, computed here instead of by the server: what each draw says, in the
 * order of the draws, and what any vector of parameters would say. The version is exported for it.
 */
#ifndef PLOT_NETWORK_H
#define PLOT_NETWORK_H

#include "client/plots/plot.h"
#include "model/model.h"

struct network {
    struct model *model;
    size_t n;                   /* rows */
    double *z;                  /* [n x the network's inputs] scaled */
    double *targets;            /* [n x o] scaled outputs; NaN: missing */
    double *pack, *scratch, *y; /* of network_run */
};

/* Exports the version. Its rows come later. What client_call returns; ERR_NOMEM. */
enum err_code network_open(struct plot *plot, struct network *out, struct err *err) MUST_CHECK;
void network_close(struct network *network);

/* Takes rows. ERR_INVALID: one that the model cannot scale; ERR_NOMEM. */
enum err_code network_take_rows(struct plot *plot, struct network *network,
                                const struct plot_rows *rows, struct err *err) MUST_CHECK;

/* network->y [n x n_out] <- scaled outputs of parameters [K] at all rows. */
void network_run(struct network *network, const double *parameters);

/* The mean over rows and outputs of the squared error of scaled outputs. */
double network_loss(struct network *network, const double *parameters);

/*
 * The chains of the version's posterior: the first n length draws, chain after chain. Those of the
 * other folds of a cross-validation follow them. n 0: there are none.
 */
struct chains {
    int n;
    size_t length;
};
struct chains network_chains(const struct network *network);

#endif
