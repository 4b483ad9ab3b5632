/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of a network's parameters, which may have a prior precision each: the weights of each
 * input in the pre layer, and each other part of the network.
 */
#ifndef PARAM_GROUPS_H
#define PARAM_GROUPS_H

#include "network/resnet.h"

/* The groups behind those of the inputs. */
enum param_part {
    PARAM_BIAS_PRE,
    PARAM_BLOCKS,
    PARAM_BLOCK_BIASES,
    PARAM_POST,
    PARAM_BIAS_POST,
    PARAM_PARTS
};

struct param_groups {
    int n_inputs; /* groups of inputs; 0 without a pre layer */
    int n;        /* n_inputs + PARAM_PARTS; those that the network lacks are empty */
    int n_params; /* K */
    int *of;      /* [K] group of each parameter; mem */
    int *size;    /* [n] parameters of each group; mem */
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code param_groups_init(struct param_groups *groups, const struct resnet *net,
                                struct err *err) MUST_CHECK;
void param_groups_release(struct param_groups *groups);

/* Name of a part in reports. */
const char *param_part_name(enum param_part part);

/* sums [n] <- the sum of values [K] in each group. */
void param_groups_sum(const struct param_groups *groups, const double *values, double *sums);

/* values [K] <- each parameter's value of its group. */
void param_groups_spread(const struct param_groups *groups, const double *by_group, double *values);

#endif
