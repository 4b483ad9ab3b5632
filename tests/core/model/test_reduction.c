/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions of fields against numpy's, and what must hold of any. */
#include "run.h"

#include "../../data/reduction_reference.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "math/gemm.h"
#include "model/reduction_fit.h"

#define N_REFERENCES ((int)(sizeof reduction_references / sizeof *reduction_references))

static double largest_gap(const double *a, const double *b, int n)
{
    double gap = 0.0;
    double size = 0.0;
    for (int i = 0; i < n; i++) {
        gap = fmax(gap, fabs(a[i] - b[i]));
        size = fmax(size, fabs(b[i]));
    }
    return gap / (size > 0.0 ? size : 1.0);
}

START_TEST(modes_coefficients_and_truncation_are_those_of_numpy)
{
    const struct reduction_reference *ref = &reduction_references[_i];
    struct err err = ERR_INIT;
    struct reduction *r = NULL;
    double c[64];
    const struct reduction_spec spec = {.on = true,
                                        .modes = ref->k,
                                        .n_weights = ref->weights != NULL ? ref->p : 0,
                                        .weights = (double *)ref->weights};
    ck_assert_int_eq(
        reduction_fit(&spec, &(struct reduction_rows){ref->n, ref->p, ref->y}, NULL, &r, &err),
        ERR_OK);
    ck_assert_int_eq(r->k, ref->k);
    ck_assert_double_le(largest_gap(r->mean, ref->mean, ref->p), 1e-14);
    ck_assert_double_le(largest_gap(r->modes, ref->modes, ref->p * ref->k), 1e-10);
    ck_assert_double_le(largest_gap(r->deviations, ref->deviations, ref->k), 1e-12);
    ck_assert_double_le(fabs(r->explained - ref->explained), 1e-12);
    double size = 1e-20;
    for (int j = 0; j < ref->p; j++) {
        size = fmax(size, ref->truncation[j]);
    }
    for (int j = 0; j < ref->p; j++) {
        ck_assert_double_le(fabs(r->truncation[j] - ref->truncation[j]), 1e-10 * size);
    }
    ck_assert_int_eq(reduction_encode(r, (size_t)ref->n, ref->y, c, &err), ERR_OK);
    ck_assert_double_le(largest_gap(c, ref->coefficients, ref->n * ref->k), 1e-10);
    ck_assert_int_eq(reduction_check(r, &err), ERR_OK);
    reduction_unref(r);
}
END_TEST

/* y [n x p] of smooth fields of `rank` shapes, and noise. */
static double *make_fields(int n, int p, int rank, double noise)
{
    double *y = mem_alloc_array((size_t)n * (size_t)p, sizeof *y);
    struct rng rng;
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < n; i++) {
        double a[8];
        for (int s = 0; s < rank; s++) {
            a[s] = rng_normal(&rng) / (1 + s);
        }
        for (int j = 0; j < p; j++) {
            double v = 3.0;
            for (int s = 0; s < rank; s++) {
                v += a[s] * cos(3.1 * (s + 1) * j / p);
            }
            y[(size_t)i * (size_t)p + (size_t)j] = v + noise * rng_normal(&rng);
        }
    }
    return y;
}

/* The eigenvectors of A A', which large fields need, against the singular vectors of A. */
START_TEST(large_fields_have_the_modes_of_small_ones)
{
    static const int shapes[][2] = {{600, 900}, {900, 600}};
    int n = shapes[_i][0];
    int p = shapes[_i][1];
    struct err err = ERR_INIT;
    struct reduction *r = NULL;
    double *y = make_fields(n, p, 3, 0.0); /* n p min(n, p) is 3.2e8 of 5e8: .. */
    double *more = mem_alloc_array(2 * (size_t)n * (size_t)p, sizeof *more);
    struct reduction *twice = NULL;
    const struct reduction_spec spec = {.on = true, .modes = 3};
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){n, p, y}, NULL, &r, &err),
                     ERR_OK);
    memcpy(more, y, (size_t)n * (size_t)p * sizeof *y); /* .. twice the rows are more */
    memcpy(more + (size_t)n * (size_t)p, y, (size_t)n * (size_t)p * sizeof *y);
    ck_assert_int_eq(
        reduction_fit(&spec, &(struct reduction_rows){2 * n, p, more}, NULL, &twice, &err), ERR_OK);
    ck_assert_int_eq(twice->k, 3);
    ck_assert_double_le(largest_gap(twice->modes, r->modes, 3 * p), 1e-8);
    ck_assert_double_le(largest_gap(twice->mean, r->mean, p), 1e-12);
    ck_assert_int_eq(reduction_check(twice, &err), ERR_OK);
    reduction_unref(r);
    reduction_unref(twice);
    mem_free(y);
    mem_free(more);
}
END_TEST

START_TEST(as_many_modes_are_taken_as_explain_the_share)
{
    static const double shares[] = {0.5, 0.9, 0.99, 1.0};
    struct err err = ERR_INIT;
    double *y = make_fields(40, 30, 4, 1e-3);
    int last = 0;
    for (int i = 0; i < 4; i++) {
        struct reduction *r = NULL;
        const struct reduction_spec spec = {.on = true, .explained = shares[i]};
        ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){40, 30, y}, NULL, &r, &err),
                         ERR_OK);
        ck_assert_double_ge(r->explained, shares[i] - 1e-12);
        ck_assert_int_ge(r->k, last);
        if (r->k > 1) { /* one fewer would not have been enough */
            struct reduction *fewer = NULL;
            const struct reduction_spec less = {.on = true, .modes = r->k - 1};
            ck_assert_int_eq(
                reduction_fit(&less, &(struct reduction_rows){40, 30, y}, NULL, &fewer, &err),
                ERR_OK);
            ck_assert_double_lt(fewer->explained, shares[i]);
            reduction_unref(fewer);
        }
        last = r->k;
        reduction_unref(r);
    }
    ck_assert_int_eq(last, 30);
    mem_free(y);
}
END_TEST

START_TEST(all_modes_give_the_fields_back)
{
    struct err err = ERR_INIT;
    double *y = make_fields(12, 700, 4, 0.1);
    struct reduction *r = NULL;
    const struct reduction_spec spec = {.on = true, .explained = 1.0};
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){12, 700, y}, NULL, &r, &err),
                     ERR_OK);
    ck_assert_int_eq(r->k, 11);
    for (int i = 0; i < 12; i++) {
        double c[11];
        double back[REDUCTION_BLOCK];
        struct reduction_points points;
        ck_assert_int_eq(reduction_encode(r, 1, y + (size_t)i * 700, c, &err), ERR_OK);
        for (int first = 0; first < 700; first += REDUCTION_BLOCK) {
            int n = 700 - first < REDUCTION_BLOCK ? 700 - first : REDUCTION_BLOCK;
            reduction_take_points(r, (struct reduction_choice){NULL, (size_t)first, n}, NULL,
                                  &points);
            reduction_decode(r, &points, c, back);
            ck_assert_double_le(largest_gap(back, y + (size_t)i * 700 + first, n), 1e-13);
        }
    }
    for (int j = 0; j < 700; j++) {
        ck_assert_double_eq(r->truncation[j], 0.0);
    }
    reduction_unref(r);
    mem_free(y);
}
END_TEST

START_TEST(points_have_the_same_bits_whichever_are_beside_them)
{
    static const int list[] = {699, 3, 255, 256, 300, 0};
    struct err err = ERR_INIT;
    double *y = make_fields(20, 700, 4, 0.1);
    struct reduction *r = NULL;
    const struct reduction_spec spec = {.on = true, .modes = 7};
    struct reduction_points some;
    struct reduction_points one;
    double scratch[7 * REDUCTION_BLOCK];
    double c[7], s[49], found[6], single;
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){20, 700, y}, NULL, &r, &err),
                     ERR_OK);
    ck_assert_int_eq(reduction_encode(r, 1, y, c, &err), ERR_OK);
    for (int i = 0; i < 49; i++) {
        s[i] = i % 8 == 0 ? 2.0 + i : 0.1 * (i / 7 + i % 7);
    }
    reduction_take_points(r, (struct reduction_choice){list, 0, 6}, scratch, &some);
    for (int what = 0; what < 3; what++) {
        for (int j = 0; j < 6; j++) {
            reduction_take_points(r, (struct reduction_choice){NULL, (size_t)list[j], 1}, NULL,
                                  &one);
            if (what == 0) {
                reduction_decode(r, &some, c, found);
                reduction_decode(r, &one, c, &single);
            } else if (what == 1) {
                reduction_variance(r, &some, s, found);
                reduction_variance(r, &one, s, &single);
                double direct = reduction_covariance_at(r, s, (size_t)list[j], (size_t)list[j]);
                ck_assert_double_eq_tol(single, direct, 1e-12 * direct);
            } else {
                reduction_independent(r, &some, s, found);
                reduction_independent(r, &one, s, &single);
            }
            ck_assert_int_eq(memcmp(&found[j], &single, sizeof single), 0);
            ck_assert_double_eq(some.truncation[j], one.truncation[0]);
        }
    }
    reduction_unref(r);
    mem_free(y);
}
END_TEST

START_TEST(what_has_no_modes_is_refused)
{
    struct err err = ERR_INIT;
    struct reduction *r = NULL;
    double y[] = {1, 2, 3, 1, 2, 3, 1, 2, 3};
    double weights[] = {1, 0, 1};
    double huge[] = {1e200, 1, 2, -1e200, 3, 4, 0, 1, 1};
    struct reduction_spec spec = {.on = true, .modes = 2};
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){3, 3, y}, NULL, &r, &err),
                     ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err_msg(&err), "the same"));
    err_clear(&err);
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){1, 3, y}, NULL, &r, &err),
                     ERR_INVALID);
    err_clear(&err);
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){3, 3, huge}, NULL, &r, &err),
                     ERR_INVALID);
    err_clear(&err);
    spec.n_weights = 2;
    spec.weights = weights;
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){3, 3, y}, NULL, &r, &err),
                     ERR_SHAPE);
    err_clear(&err);
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_INVALID);
    err_clear(&err);
    spec.modes = REDUCTION_MAX_MODES + 1;
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_LIMIT);
    err_clear(&err);
    spec = (struct reduction_spec){.on = true, .explained = 1.5};
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_INVALID);
    ck_assert_ptr_null(r);
}
END_TEST

START_TEST(a_grid_has_the_weights_of_the_trapezoidal_rule)
{
    struct err err = ERR_INIT;
    double axes[] = {0.0, 1.0, 3.0, 10.0, 20.0}; /* x, then y */
    const double expected[] = {2.5, 2.5, 7.5, 7.5, 5.0, 5.0};
    const double places[] = {0, 10, 0, 20, 1, 10, 1, 20, 3, 10, 3, 20};
    double weights[6];
    double coordinates[12];
    struct reduction_spec spec = {.on = true,
                                  .modes = 1,
                                  .q = 2,
                                  .axis = {3, 2},
                                  .n_coordinates = 5,
                                  .coordinates = axes,
                                  .trapezoid = true};
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_OK);
    ck_assert_int_eq(reduction_spec_fit(&spec, 6, &err), ERR_OK);
    reduction_spec_weights(&spec, 6, weights);
    reduction_spec_coordinates(&spec, 6, coordinates);
    ck_assert_int_eq(memcmp(weights, expected, sizeof expected), 0);
    ck_assert_int_eq(memcmp(coordinates, places, sizeof places), 0);
    ck_assert_int_eq(reduction_spec_fit(&spec, 5, &err), ERR_SHAPE);
    err_clear(&err);
    axes[1] = 0.0;
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_INVALID);
    err_clear(&err);
    /* Points on a line are an axis. */
    double line[] = {0.0, 1.0, 4.0};
    spec = (struct reduction_spec){
        .on = true, .modes = 1, .q = 1, .n_coordinates = 3, .coordinates = line, .trapezoid = true};
    ck_assert_int_eq(reduction_spec_check(&spec, &err), ERR_OK);
    reduction_spec_weights(&spec, 3, weights);
    ck_assert_double_eq(weights[0], 0.5);
    ck_assert_double_eq(weights[1], 2.0);
    ck_assert_double_eq(weights[2], 1.5);
}
END_TEST

START_TEST(a_fit_can_be_cancelled)
{
    struct err err = ERR_INIT;
    struct reduction *r = NULL;
    struct cancel cancel;
    double *y = make_fields(10, 20, 2, 0.1);
    const struct reduction_spec spec = {.on = true, .modes = 2};
    memset(&cancel, 0, sizeof cancel);
    cancel_request(&cancel);
    ck_assert_int_eq(reduction_fit(&spec, &(struct reduction_rows){10, 20, y}, &cancel, &r, &err),
                     ERR_CANCELLED);
    mem_free(y);
}
END_TEST

START_TEST(failed_allocations_are_survived)
{
    double *y = make_fields(10, 20, 2, 0.1);
    double weights[20];
    double coordinates[40] = {0.0};
    for (int j = 0; j < 20; j++) {
        weights[j] = 1.0 + j;
    }
    const struct reduction_spec spec = {.on = true,
                                        .explained = 0.9,
                                        .q = 2,
                                        .n_coordinates = 40,
                                        .coordinates = coordinates,
                                        .n_weights = 20,
                                        .weights = weights};
    long live = mem_live();
    for (long at = 1;; at++) {
        struct err err = ERR_INIT;
        struct reduction *r = NULL;
        mem_fail_after(at, true);
        enum err_code code =
            reduction_fit(&spec, &(struct reduction_rows){10, 20, y}, NULL, &r, &err);
        bool all = mem_attempts() < at;
        mem_fail_after(0, false);
        if (all) {
            ck_assert_int_eq(code, ERR_OK);
            reduction_unref(r);
            break;
        }
        ck_assert_int_eq(code, ERR_NOMEM);
        ck_assert_ptr_null(r);
        ck_assert_int_eq(mem_live(), live);
    }
    mem_free(y);
}
END_TEST

START_TEST(bytes_are_read_back_and_damage_is_refused)
{
    const struct reduction_reference *ref = &reduction_references[1];
    struct err err = ERR_INIT;
    struct reduction *r = NULL;
    struct bytes_writer w = {.data = NULL};
    double coordinates[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    const struct reduction_spec spec = {.on = true,
                                        .modes = 3,
                                        .q = 1,
                                        .n_coordinates = 9,
                                        .coordinates = coordinates,
                                        .n_weights = 9,
                                        .weights = (double *)ref->weights};
    ck_assert_int_eq(
        reduction_fit(&spec, &(struct reduction_rows){ref->n, ref->p, ref->y}, NULL, &r, &err),
        ERR_OK);
    reduction_put(&w, r);
    ck_assert(!w.failed);
    for (size_t size = 0; size <= w.size; size++) {
        struct bytes_reader reader = {.data = w.data, .left = size};
        struct reduction *back = reduction_get(&reader);
        if (size < w.size) {
            ck_assert_ptr_null(back);
            ck_assert(reader.failed);
            continue;
        }
        ck_assert_int_eq(memcmp(back->modes, r->modes, 27 * sizeof(double)), 0);
        ck_assert_int_eq(memcmp(back->coordinates, coordinates, sizeof coordinates), 0);
        ck_assert_int_eq(memcmp(back->truncation, r->truncation, 9 * sizeof(double)), 0);
        ck_assert_double_eq(back->explained, r->explained);
        back->modes[4] += 0.1; /* no longer of length 1 */
        ck_assert_int_eq(reduction_check(back, &err), ERR_INVALID);
        reduction_unref(back);
    }
    reduction_unref(r);
    mem_free(w.data);
}
END_TEST

int main(void)
{
    gemm_use_one_thread();
    Suite *s = suite_create("core/reduction");
    TCase *tc = tcase_create("reduction");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, modes_coefficients_and_truncation_are_those_of_numpy, 0, N_REFERENCES);
    tcase_add_loop_test(tc, large_fields_have_the_modes_of_small_ones, 0, 2);
    tcase_add_test(tc, as_many_modes_are_taken_as_explain_the_share);
    tcase_add_test(tc, all_modes_give_the_fields_back);
    tcase_add_test(tc, points_have_the_same_bits_whichever_are_beside_them);
    tcase_add_test(tc, what_has_no_modes_is_refused);
    tcase_add_test(tc, a_grid_has_the_weights_of_the_trapezoidal_rule);
    tcase_add_test(tc, a_fit_can_be_cancelled);
    tcase_add_test(tc, failed_allocations_are_survived);
    tcase_add_test(tc, bytes_are_read_back_and_damage_is_refused);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
