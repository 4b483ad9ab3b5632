/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of a network's parameters, each with a prior precision of its own: the weights of each
 * input in the pre layer (automatic relevance determination: an input that does not matter gets a
 * large precision, and its weights go to 0), and each other part of the network.
 */
#ifndef EVIDENCE_GROUPS_H
#define EVIDENCE_GROUPS_H

#include "network/resnet.h"

/* The groups behind those of the inputs. */
enum evidence_part {
    EVIDENCE_BIAS_PRE,
    EVIDENCE_BLOCKS,
    EVIDENCE_BLOCK_BIASES,
    EVIDENCE_POST,
    EVIDENCE_BIAS_POST,
    EVIDENCE_PARTS
};

struct evidence_groups {
    int n_inputs; /* groups of inputs; 0 without a pre layer */
    int n;        /* n_inputs + EVIDENCE_PARTS; those that the network lacks are empty */
    int n_params; /* K */
    int *of;      /* [K] group of each parameter; mem */
    int *size;    /* [n] parameters of each group; mem */
};

/* A zeroed one may be released. ERR_NOMEM. */
enum err_code evidence_groups_init(struct evidence_groups *groups, const struct resnet *net,
                                   struct err *err) MUST_CHECK;
void evidence_groups_release(struct evidence_groups *groups);

/* Name of a part in reports. */
const char *evidence_part_name(enum evidence_part part);

/* sums [n] <- the sum of values [K] in each group. */
void evidence_groups_sum(const struct evidence_groups *groups, const double *values, double *sums);

/* values [K] <- each parameter's value of its group. */
void evidence_groups_spread(const struct evidence_groups *groups, const double *by_group,
                            double *values);

#endif
