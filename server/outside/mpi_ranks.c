/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/mpi_ranks.h"

#include "base/mem.h"

#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>

/* MPI counts in an int; a broadcast has at most so many bytes. */
#define PIECE ((size_t)1 << 28)

static enum err_code gather(void *ctx, const void *bytes, size_t n_bytes, void **all, size_t *sizes,
                            struct err *err)
{
    const struct ranks *ranks = ctx;
    uint64_t own = n_bytes;
    size_t total = 0;
    uint64_t *counts = mem_zalloc_array((size_t)ranks->n, sizeof *counts);
    *all = NULL;
    if (counts == NULL) {
        return err_set(err, ERR_NOMEM, "no memory to talk with %d ranks", ranks->n);
    }
    bool ok = MPI_Allgather(&own, 1, MPI_UINT64_T, counts, 1, MPI_UINT64_T, MPI_COMM_WORLD) ==
              MPI_SUCCESS;
    for (int i = 0; i < ranks->n && ok; i++) {
        sizes[i] = (size_t)counts[i];
        total += sizes[i];
    }
    mem_free(counts);
    char *at = ok ? mem_alloc(total + 1) : NULL;
    if (at == NULL) {
        return ok ? err_set(err, ERR_NOMEM, "no memory for %zu bytes of other ranks", total)
                  : err_set(err, ERR_INTERNAL, "MPI_Allgather failed");
    }
    *all = at;
    for (int rank = 0; rank < ranks->n && ok; rank++) {
        if (rank == ranks->rank) {
            for (size_t i = 0; i < n_bytes; i++) {
                at[i] = ((const char *)bytes)[i];
            }
        }
        for (size_t left = sizes[rank]; left > 0 && ok;) {
            size_t piece = left < PIECE ? left : PIECE;
            ok = MPI_Bcast(at, (int)piece, MPI_BYTE, rank, MPI_COMM_WORLD) == MPI_SUCCESS;
            at += piece;
            left -= piece;
        }
    }
    if (!ok) {
        mem_free(*all);
        *all = NULL;
        return err_set(err, ERR_INTERNAL, "MPI_Bcast failed");
    }
    return ERR_OK;
}

static enum err_code swap(void *ctx, const struct ranks_swap *what, struct err *err)
{
    (void)ctx;
    return MPI_Alltoallv(what->to, what->to_counts, what->to_offsets, MPI_DOUBLE, what->from,
                         what->from_counts, what->from_offsets, MPI_DOUBLE,
                         MPI_COMM_WORLD) == MPI_SUCCESS
               ? ERR_OK
               : err_set(err, ERR_INTERNAL, "MPI_Alltoallv failed");
}

/* Has a launcher started this process as one of several? */
static bool is_launched(void)
{
    static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (getenv(marks[i]) != NULL) {
            return true;
        }
    }
    return false;
}

enum err_code mpi_ranks_begin(int *argc, char ***argv, struct ranks *out, struct err *err)
{
    int has = MPI_THREAD_SINGLE;
    *out = (struct ranks){.rank = 0, .n = 1, .ctx = out, .gather = gather, .swap = swap};
    if (!is_launched()) {
        /* Several processes that know nothing of each other would write the same files. */
        const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
        return tasks == NULL || strtol(tasks, NULL, 10) <= 1
                   ? ERR_OK
                   : err_set(err, ERR_UNSUPPORTED,
                             "srun started %.20s tasks without MPI; srun --mpi=pmix is needed",
                             tasks);
    }
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &has) != MPI_SUCCESS ||
        has < MPI_THREAD_FUNNELED ||
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN) != MPI_SUCCESS ||
        MPI_Comm_rank(MPI_COMM_WORLD, &out->rank) != MPI_SUCCESS ||
        MPI_Comm_size(MPI_COMM_WORLD, &out->n) != MPI_SUCCESS) {
        return err_set(err, ERR_INTERNAL, "MPI cannot be started");
    }
    return ERR_OK;
}

int mpi_ranks_here(const struct ranks *ranks)
{
    MPI_Comm here;
    int n = 1;
    if (ranks->n > 1 && MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL,
                                            &here) == MPI_SUCCESS) {
        if (MPI_Comm_size(here, &n) != MPI_SUCCESS) {
            n = 1;
        }
        MPI_Comm_free(&here);
    }
    return n;
}

int mpi_ranks_end(const struct ranks *ranks, int status)
{
    int begun = 0;
    MPI_Initialized(&begun);
    if (begun && status != 0 && ranks->n > 1) {
        MPI_Abort(MPI_COMM_WORLD, status);
    }
    if (begun) {
        MPI_Finalize();
    }
    return status;
}
