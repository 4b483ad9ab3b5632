/* SPDX-License-Identifier: Apache-2.0 */
/* The ranks of MPI, whose mpi_ranks.c alone calls it; one_rank.c stands in where there is none. */
#ifndef MPI_RANKS_H
#define MPI_RANKS_H

#include "base/ranks.h"

/* Joins the other processes that mpirun, or another launcher, has started. A process that was
 * started alone is rank 0 of 1 and has no MPI. ERR_INTERNAL. */
enum err_code mpi_ranks_begin(int *argc, char ***argv, struct ranks *out,
                              struct err *err) MUST_CHECK;

/* Ranks on this machine, at least 1. */
int mpi_ranks_here(const struct ranks *ranks);

/* Ends all ranks at once unless status is 0; returns the status of the process. */
int mpi_ranks_end(const struct ranks *ranks, int status);

#endif
