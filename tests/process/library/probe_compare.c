/* SPDX-License-Identifier: Apache-2.0 */
/* Both back ends answer the same bits, in all types and orders, alone and among threads. */
#include "probe.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define N_THREADS 4
#define N_ROUNDS  5

static const char *const result_names[PROBE_RESULTS] = {"mean", "std", "variance", "jacobian",
                                                        "jacobian_std"};

static void demand_same_bits(const struct probe_answer *a, const struct probe_answer *b,
                             const char *what)
{
    for (int k = 0; k < PROBE_RESULTS; k++) {
        if (memcmp(a->values[k], b->values[k], a->n_bytes[k]) != 0) {
            fprintf(stderr, "%s of ", result_names[k]);
            probe_demand(false, what);
        }
    }
    probe_demand(a->version == b->version, "the versions differ");
    probe_demand(a->n_extrapolated == b->n_extrapolated, "other rows are extrapolated");
}

/* The same numbers in the two orders. */
static void demand_same_numbers(const struct probe_answer *a, const struct probe_answer *b,
                                const struct probe_rows *rows)
{
    for (int k = 0; k < PROBE_RESULTS; k++) {
        size_t depth = k < 3 ? 1 : (size_t)rows->d;
        for (size_t i = 0; i < (size_t)rows->n; i++) {
            for (size_t j = 0; j < (size_t)rows->o; j++) {
                for (size_t l = 0; l < depth; l++) {
                    const size_t at[] = {i, j, l};
                    double first = probe_number(a, rows, k, at);
                    double second = probe_number(b, rows, k, at);
                    probe_demand(memcmp(&first, &second, sizeof first) == 0, "the orders differ");
                }
            }
        }
    }
}

static void print_answer(const struct probe_answer *answer, const struct probe_rows *rows)
{
    printf("version %lld extrapolated %lld\n", (long long)answer->version,
           (long long)answer->n_extrapolated);
    for (int k = 0; k < PROBE_RESULTS; k++) {
        printf("%s", result_names[k]);
        for (size_t at = 0; at < answer->n_bytes[k] / sizeof(double); at++) {
            double value;
            memcpy(&value, answer->values[k] + at * sizeof value, sizeof value);
            printf(" %a", value);
        }
        printf("\n");
    }
}

/* One result alone is what it is among the others. */
static void check_alone(struct surr *s, const struct probe_rows *rows,
                        const struct probe_answer *all)
{
    static double values[1 << 19];
    const struct surr_rows inputs = {.values = rows->x, .n_rows = rows->n, .n_columns = rows->d};
    for (int k = 0; k < (rows->no_derivatives ? 3 : PROBE_RESULTS); k++) {
        struct surr_prediction out = {.n_outputs = rows->o};
        void **fields[] = {&out.mean, &out.std, &out.variance, &out.jacobian, &out.jacobian_std};
        probe_demand(all->n_bytes[k] <= sizeof values, "too many rows for this test");
        *fields[k] = values;
        probe_demand_ok(surr_predict(s, &inputs, &out), s, result_names[k]);
        probe_demand(memcmp(values, all->values[k], all->n_bytes[k]) == 0,
                     "a result alone differs");
    }
}

int probe_compare(int argc, char **argv)
{
    struct surr *server = NULL;
    struct surr *file = NULL;
    struct probe_rows rows;
    struct probe_answer first = {.type = SURR_REAL64};
    probe_read_rows(&rows, false);
    rows.no_derivatives = argc > 3;
    probe_demand_ok(surr_open(&server, argv[0], argv[2]), server, "server");
    probe_demand_ok(surr_open(&file, argv[1], argv[2]), file, "file");
    for (int of_file = 0; of_file < 2; of_file++) {
        int d = 0;
        int o = 0;
        struct surr *s = of_file ? file : server;
        probe_demand_ok(surr_shape(s, &d, &o), s, "shape");
        probe_demand(d == rows.d && o == rows.o, "another shape");
    }
    for (int type = 0; type < 2; type++) {
        struct probe_answer of_rows = {.type = (enum surr_type)type, .order = SURR_ROW_MAJOR};
        for (int order = 0; order < 2; order++) {
            struct probe_answer a = {.type = (enum surr_type)type, .order = (enum surr_order)order};
            struct probe_answer b = a;
            probe_demand_ok(surr_set(file, "threads", order == 0 ? NULL : "3"), file, "threads");
            probe_demand_ok(probe_predict(server, &rows, &a), server, "predict");
            probe_demand_ok(probe_predict(file, &rows, &b), file, "predict");
            demand_same_bits(&a, &b, "server and file differs");
            if (order == 0) {
                of_rows = a;
                first = type == 0 ? a : first;
            } else {
                demand_same_numbers(&of_rows, &a, &rows);
                probe_release_answer(&a);
            }
            probe_release_answer(&b);
        }
        if (type == 1) {
            probe_release_answer(&of_rows);
        }
    }
    print_answer(&first, &rows);
    check_alone(server, &rows, &first);
    check_alone(file, &rows, &first);
    probe_release_answer(&first);
    probe_release_rows(&rows);
    surr_close(server);
    surr_close(file);
    return 0;
}

/* ---- threads ---- */

struct share {
    struct surr *handles[2];
    const struct probe_rows *rows;
    const struct probe_answer *expected;
};

static void *predict_again(void *ctx)
{
    const struct share *share = ctx;
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int k = 0; k < 2; k++) {
            struct probe_answer again = {.type = SURR_REAL64};
            struct probe_rows wrong = *share->rows;
            probe_demand_ok(probe_predict(share->handles[k], share->rows, &again),
                            share->handles[k], "predict");
            demand_same_bits(&again, share->expected, "another thread differs");
            probe_release_answer(&again);
            /* What fails in one thread does no harm in others. */
            wrong.o++;
            struct probe_answer refused = {.type = SURR_REAL64};
            probe_demand(probe_predict(share->handles[k], &wrong, &refused) == SURR_INVALID,
                         "a wrong number of outputs is taken");
            probe_demand(strstr(surr_error(share->handles[k]), "output") != NULL,
                         "the message is another");
            probe_release_answer(&refused);
        }
    }
    return NULL;
}

int probe_threads(int argc, char **argv)
{
    struct probe_rows rows;
    struct probe_answer expected = {.type = SURR_REAL64};
    struct share share = {.rows = &rows, .expected = &expected};
    pthread_t threads[N_THREADS];
    probe_read_rows(&rows, false);
    for (int k = 0; k < 2; k++) {
        probe_demand_ok(surr_open(&share.handles[k], argv[k], argv[2]), share.handles[k], "open");
    }
    probe_demand_ok(probe_predict(share.handles[1], &rows, &expected), share.handles[1], "predict");
    for (int t = 0; t < N_THREADS; t++) {
        probe_demand(pthread_create(&threads[t], NULL, predict_again, &share) == 0, "no thread");
    }
    for (int t = 0; t < N_THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    probe_release_answer(&expected);
    probe_release_rows(&rows);
    surr_close(share.handles[0]);
    surr_close(share.handles[1]);
    return 0;
}
