/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ranks take to talk, with nothing to wait for: what server/outside/mpi_ranks.c does when
 * states are gathered (a broadcast from each rank) and when sums are swapped. Compiled by
 * tests/mpi.sh. Prints for each size one line "gather|swap ranks bytes seconds": bytes of all ranks
 * together for gather, of one rank to all others for swap; seconds the least of its repetitions,
 * since a machine of few processors has other work.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPEAT = 31, MAX_BYTES = 1 << 24 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each rank has n / n_ranks bytes. */
static void gather(char *all, int n, int n_ranks)
{
    unsigned long own = (unsigned long)(n / n_ranks);
    unsigned long counts[256];
    MPI_Allgather(&own, 1, MPI_UNSIGNED_LONG, counts, 1, MPI_UNSIGNED_LONG, MPI_COMM_WORLD);
    for (int rank = 0; rank < n_ranks; rank++) {
        MPI_Bcast(all + (size_t)rank * own, (int)counts[rank], MPI_BYTE, rank, MPI_COMM_WORLD);
    }
}

static void swap(char *all, int n, int n_ranks)
{
    int counts[256], offsets[256];
    for (int rank = 0; rank < n_ranks; rank++) {
        counts[rank] = n / n_ranks / (int)sizeof(double);
        offsets[rank] = rank * counts[rank];
    }
    MPI_Alltoallv(all, counts, offsets, MPI_DOUBLE, all + MAX_BYTES, counts, offsets, MPI_DOUBLE,
                  MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    int rank = 0;
    int n_ranks = 1;
    char *all = calloc(2, MAX_BYTES);
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &n_ranks);
    for (int what = 0; what < 2 && all != NULL && n_ranks <= 256; what++) {
        for (int n = 1 << 10; n <= MAX_BYTES; n *= 16) {
            double times[REPEAT];
            for (int i = 0; i < REPEAT; i++) {
                MPI_Barrier(MPI_COMM_WORLD);
                double begun = MPI_Wtime();
                if (what == 0) {
                    gather(all, n, n_ranks);
                } else {
                    swap(all, n, n_ranks);
                }
                times[i] = MPI_Wtime() - begun;
            }
            qsort(times, REPEAT, sizeof *times, compare);
            if (rank == 0) {
                printf("%s %d %d %.9f\n", what == 0 ? "gather" : "swap", n_ranks, n, times[0]);
            }
        }
    }
    free(all);
    return MPI_Finalize();
}
