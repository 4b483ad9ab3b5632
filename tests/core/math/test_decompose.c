/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Factorisations that can be cancelled: factors are multiplied out again, for sizes around those of
 * the blocks, and eigenvalues are compared with those known in closed form.
 */
#include "run.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/decompose.h"
#include "math/gemm.h"
#include "math/linalg.h"

static const int sizes[] = {1, 2, 3, 31, 64, 95, 96, 97, 127, 128, 129, 257, 300};

#define N_SIZES ((int)(sizeof sizes / sizeof *sizes))

static double *room(int n)
{
    double *a = mem_alloc_array((size_t)n * (size_t)n, sizeof *a);
    ck_assert_ptr_nonnull(a);
    return a;
}

/* Random and positive definite, with condition numbers of a few hundred. */
static void make_definite(int n, double *a)
{
    struct rng rng;
    double *g = room(n);
    rng_init(&rng, 3, RNG_TEST, (uint32_t)n);
    for (int i = 0; i < n * n; i++) {
        g[i] = rng_normal(&rng);
        a[i] = i % (n + 1) == 0 ? 0.05 * n : 0.0;
    }
    gemm_tn(n, n, n, g, g, 1.0, a);
    mem_free(g);
}

/* Since only the lower triangle may be read, the upper one becomes NaN. */
static void spoil_upper(int n, double *a)
{
    for (int i = 0; i < n; i++) {
        for (int j = i + 1; j < n; j++) {
            a[(size_t)i * (size_t)n + (size_t)j] = NAN;
        }
    }
}

/* The largest difference between c and a' b, computed by plain sums. */
static double largest_difference(int n, const double *a, const double *b, const double *c)
{
    double max = 0.0;
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < n; j++) {
            double sum = 0.0;
            for (int k = 0; k < n; k++) {
                sum += a[(size_t)k * (size_t)n + (size_t)i] * b[(size_t)k * (size_t)n + (size_t)j];
            }
            double off = fabs(sum - c[(size_t)i * (size_t)n + (size_t)j]);
            max = off > max || isnan(off) ? off : max;
        }
    }
    return max;
}

static void make_identity(int n, double *a)
{
    for (int i = 0; i < n * n; i++) {
        a[i] = i % (n + 1) == 0 ? 1.0 : 0.0;
    }
}

START_TEST(a_cholesky_factor_and_its_inverse_multiply_out)
{
    int n = sizes[_i];
    double *a = room(n);
    double *l = room(n);
    double *inverse = room(n);
    struct err err = ERR_INIT;
    make_definite(n, a);
    memcpy(l, a, (size_t)n * (size_t)n * sizeof *a);
    spoil_upper(n, l);
    ck_assert_int_eq(decompose_cholesky(n, l, NULL, &err), ERR_OK);
    memcpy(inverse, l, (size_t)n * (size_t)n * sizeof *a);
    ck_assert_int_eq(decompose_invert_lower(n, inverse, NULL, &err), ERR_OK);
    linalg_transpose(n, l);
    ck_assert_double_le(largest_difference(n, l, l, a), 1e-13 * n * n);
    make_identity(n, a);
    linalg_transpose(n, l);
    linalg_transpose(n, inverse);
    ck_assert_double_le(largest_difference(n, inverse, l, a), 1e-12 * n);
    mem_free(a);
    mem_free(l);
    mem_free(inverse);
}
END_TEST

START_TEST(eigenvectors_multiply_out_and_are_orthonormal)
{
    int n = sizes[_i];
    size_t bytes = (size_t)n * (size_t)n * sizeof(double);
    double *a = room(n);
    double *u = room(n);
    double *scaled = room(n);
    double *w = mem_alloc_array((size_t)n, sizeof *w);
    double *alone = mem_alloc_array((size_t)n, sizeof *alone);
    struct err err = ERR_INIT;
    make_definite(n, a);
    for (int i = 0; i < n; i++) {
        a[(size_t)i * (size_t)n + (size_t)i] -= 0.3 * n; /* some are below 0 */
    }
    memcpy(u, a, bytes);
    spoil_upper(n, u);
    memcpy(scaled, u, bytes);
    ck_assert_int_eq(decompose_eigen(n, u, w, NULL, &err), ERR_OK);
    ck_assert_int_eq(decompose_eigenvalues(n, scaled, alone, NULL, &err), ERR_OK);
    for (int k = 0; k < n; k++) {
        ck_assert(k == 0 || w[k] >= w[k - 1]);
        ck_assert_double_eq_tol(w[k], alone[k], 1e-12 * n);
        for (int i = 0; i < n; i++) {
            scaled[(size_t)k * (size_t)n + (size_t)i] = w[k] * u[(size_t)k * (size_t)n + (size_t)i];
        }
    }
    ck_assert_double_le(largest_difference(n, u, scaled, a), 1e-12 * n);
    make_identity(n, a);
    ck_assert_double_le(largest_difference(n, u, u, a), 1e-13 * n);
    mem_free(a);
    mem_free(u);
    mem_free(scaled);
    mem_free(w);
    mem_free(alone);
}
END_TEST

/*
 * The matrix of second differences has the eigenvalues 2 - 2 cos(k pi / (n + 1)); a projection has
 * many equal ones.
 */
START_TEST(known_eigenvalues_are_found)
{
    int n = sizes[_i];
    double *a = room(n);
    double *w = mem_alloc_array((size_t)n, sizeof *w);
    struct err err = ERR_INIT;
    for (int vectors = 0; vectors < 2; vectors++) {
        memset(a, 0, (size_t)n * (size_t)n * sizeof *a);
        for (int i = 0; i < n; i++) {
            a[(size_t)i * (size_t)n + (size_t)i] = 2.0;
            if (i > 0) {
                a[(size_t)i * (size_t)n + (size_t)i - 1] = -1.0;
            }
        }
        ck_assert_int_eq(vectors ? decompose_eigen(n, a, w, NULL, &err)
                                 : decompose_eigenvalues(n, a, w, NULL, &err),
                         ERR_OK);
        for (int k = 0; k < n; k++) {
            ck_assert_double_eq_tol(w[k], 2.0 - 2.0 * cos((k + 1) * acos(-1.0) / (n + 1)), 1e-13);
        }
        for (int i = 0; i < n * n; i++) {
            a[i] = (i % (n + 1) == 0 ? 1.0 : 0.0) - 1.0 / n;
        }
        ck_assert_int_eq(vectors ? decompose_eigen(n, a, w, NULL, &err)
                                 : decompose_eigenvalues(n, a, w, NULL, &err),
                         ERR_OK);
        ck_assert_double_eq_tol(w[0], 0.0, 1e-13);
        for (int k = 1; k < n; k++) {
            ck_assert_double_eq_tol(w[k], 1.0, 1e-13);
        }
    }
    mem_free(a);
    mem_free(w);
}
END_TEST

START_TEST(matrices_without_a_factorisation_are_errors)
{
    int n = 140;
    double *a = room(n);
    double *w = mem_alloc_array((size_t)n, sizeof *w);
    struct err err = ERR_INIT;
    make_definite(n, a);
    a[135 * n + 135] = -1.0;
    ck_assert_int_eq(decompose_cholesky(n, a, NULL, &err), ERR_NUMERIC);
    err_clear(&err);
    make_definite(n, a);
    a[100 * n + 7] = NAN;
    ck_assert_int_eq(decompose_eigen(n, a, w, NULL, &err), ERR_NUMERIC);
    err_clear(&err);
    make_definite(n, a);
    a[139 * n + 139] = INFINITY;
    ck_assert_int_eq(decompose_eigenvalues(n, a, w, NULL, &err), ERR_NUMERIC);
    for (long fail = 1; fail < 20; fail++) {
        err_clear(&err);
        make_definite(n, a);
        mem_fail_after(fail, true);
        enum err_code code = decompose_eigen(n, a, w, NULL, &err);
        bool failed = mem_attempts() >= fail;
        mem_fail_after(0, false);
        ck_assert_int_eq(code, failed ? ERR_NOMEM : ERR_OK);
    }
    mem_free(a);
    mem_free(w);
}
END_TEST

struct job {
    int n;
    double *a;
    double *w;
    struct cancel cancel;
    atomic_bool begun;
    enum err_code code[4];
};

static void *decompose_all(void *arg)
{
    struct job *job = arg;
    for (int i = 0; i < 4; i++) {
        struct err err = ERR_INIT;
        make_definite(job->n, job->a);
        atomic_store(&job->begun, true);
        job->code[i] = i == 0   ? decompose_cholesky(job->n, job->a, &job->cancel, &err)
                       : i == 1 ? decompose_invert_lower(job->n, job->a, &job->cancel, &err)
                       : i == 2 ? decompose_eigen(job->n, job->a, job->w, &job->cancel, &err)
                                : decompose_eigenvalues(job->n, job->a, job->w, &job->cancel, &err);
    }
    return NULL;
}

START_TEST(a_cancel_ends_each_of_them)
{
    struct job job = {.n = 700};
    pthread_t thread;
    job.a = room(job.n);
    job.w = mem_alloc_array((size_t)job.n, sizeof *job.w);
    cancel_request(&job.cancel);
    decompose_all(&job);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(job.code[i], ERR_CANCELLED);
    }
    atomic_store(&job.cancel.stop, false);
    atomic_store(&job.begun, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, decompose_all, &job), 0);
    while (!atomic_load(&job.begun)) {
        continue;
    }
    cancel_request(&job.cancel);
    pthread_join(thread, NULL);
    /* The first one may just have ended; all later ones see the flag. */
    for (int i = 1; i < 4; i++) {
        ck_assert_int_eq(job.code[i], ERR_CANCELLED);
    }
    mem_free(job.a);
    mem_free(job.w);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decompose");
    TCase *tc = tcase_create("decompose");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_cholesky_factor_and_its_inverse_multiply_out, 0, N_SIZES);
    tcase_add_loop_test(tc, eigenvectors_multiply_out_and_are_orthonormal, 0, N_SIZES);
    tcase_add_loop_test(tc, known_eigenvalues_are_found, 0, N_SIZES);
    tcase_add_test(tc, matrices_without_a_factorisation_are_errors);
    tcase_add_test(tc, a_cancel_ends_each_of_them);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
