/* SPDX-License-Identifier: Apache-2.0 */
/* Tangent passes against their adjoints and against central differences of gradients. */
#include "posed.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>

#include "math/gemm.h"
#include "network/resnet_tangent.h"

static void normals(struct rng *rng, size_t n, double *v)
{
    for (size_t k = 0; k < n; k++) {
        v[k] = rng_normal(rng);
    }
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (size_t k = 0; k < n; k++) {
        sum += a[k] * b[k];
    }
    return sum;
}

START_TEST(tangents_are_adjoint_to_gradients)
{
    for (size_t i = 0; i < (size_t)posed_n_kinds; i++) {
        struct posed f;
        struct rng rng;
        ck_assert(posed_init(&f, &posed_kinds[i], POSED_NLL, POSED_ROWS));
        size_t k = (size_t)f.net.n_params;
        size_t d = (size_t)(POSED_ROWS * f.net.arch.inputs);
        size_t o = (size_t)(POSED_ROWS * f.net.n_out);
        double *v = calloc(2 * k + 2 * d + 3 * o, sizeof *v);
        double *grad = v + k;
        double *u = grad + k;
        double *dx = u + d;
        double *w = dx + d;
        double *y = w + o;
        double *dy = y + o;
        struct resnet_tape *tape = resnet_tape_new(&f.net, POSED_ROWS + 2);
        struct resnet_tangent *tangent = resnet_tangent_new(&f.net, POSED_ROWS + 5);
        rng_init(&rng, 4, RNG_TEST, (uint32_t)i);
        normals(&rng, k, v);
        normals(&rng, d, u);
        normals(&rng, o, w);
        resnet_set_params(tape, f.params);
        resnet_forward(tape, POSED_ROWS, f.x, y);
        resnet_backward(tape, w, grad, dx);
        for (int which = 1; which < 4; which++) {
            resnet_tangent_forward(tangent, tape, which & 1 ? v : NULL, which & 2 ? u : NULL, dy);
            double forward = dot(o, w, dy);
            double back = (which & 1 ? dot(k, grad, v) : 0.0) + (which & 2 ? dot(d, dx, u) : 0.0);
            double scale = 0.0;
            for (size_t c = 0; c < o; c++) {
                scale += fabs(w[c] * dy[c]);
            }
            ck_assert_msg(fabs(forward - back) <= 1e-13 * scale, "%s, %d: %.17g, %.17g",
                          posed_kinds[i].name, which, forward, back);
        }
        resnet_tangent_free(tangent);
        resnet_tape_free(tape);
        posed_release(&f);
        free(v);
    }
}
END_TEST

/* Gradients at the point moved by t along (v, u), for dF/dy = w + t dw. */
static void gradients_at(struct posed *f, struct resnet_tape *tape, const double *const at[4],
                         double t, double *grad, double *dx)
{
    size_t k = (size_t)f->net.n_params;
    size_t d = (size_t)(POSED_ROWS * f->net.arch.inputs);
    size_t o = (size_t)(POSED_ROWS * f->net.n_out);
    double *params = calloc(k + d + 2 * o, sizeof *params);
    double *x = params + k;
    double *w = x + d;
    for (size_t i = 0; i < k; i++) {
        params[i] = f->params[i] + t * at[0][i];
    }
    for (size_t i = 0; i < d; i++) {
        x[i] = f->x[i] + t * at[1][i];
    }
    for (size_t i = 0; i < o; i++) {
        w[i] = at[2][i] + t * at[3][i];
    }
    resnet_set_params(tape, params);
    resnet_forward(tape, POSED_ROWS, x, w + o);
    resnet_backward(tape, w, grad, dx);
    free(params);
}

START_TEST(tangents_of_gradients_match_central_differences)
{
    for (size_t i = 0; i < (size_t)posed_n_kinds; i++) {
        struct posed f;
        struct rng rng;
        const double step = 1e-5;
        ck_assert(posed_init(&f, &posed_kinds[i], POSED_NLL, POSED_ROWS));
        size_t k = (size_t)f.net.n_params;
        size_t d = (size_t)(POSED_ROWS * f.net.arch.inputs);
        size_t o = (size_t)(POSED_ROWS * f.net.n_out);
        size_t all = k + d;
        double *v = calloc(4 * all + 4 * o, sizeof *v);
        double *w = v + all;
        double *dw = w + o;
        double *up = dw + o;
        double *down = up + all;
        double *found = down + all;
        double *y = found + all;
        const double *const at[4] = {v, v + k, w, dw};
        struct resnet_tape *tape = resnet_tape_new(&f.net, POSED_ROWS);
        struct resnet_tangent *tangent = resnet_tangent_new(&f.net, POSED_ROWS);
        rng_init(&rng, 5, RNG_TEST, (uint32_t)i);
        normals(&rng, all + 2 * o, v);
        gradients_at(&f, tape, at, step, up, up + k);
        gradients_at(&f, tape, at, -step, down, down + k);
        resnet_set_params(tape, f.params);
        resnet_forward(tape, POSED_ROWS, f.x, y);
        resnet_tangent_adjoint(tape, w);
        resnet_tangent_forward(tangent, tape, v, v + k, y + o);
        resnet_tangent_backward(tangent, dw, found, found + k);
        double scale = 1.0;
        for (size_t c = 0; c < all; c++) {
            scale = fmax(scale, fabs(found[c]));
        }
        for (size_t c = 0; c < all; c++) {
            double expected = (up[c] - down[c]) / (2.0 * step);
            ck_assert_msg(fabs(found[c] - expected) <= 1e-7 * scale, "%s, %zu of %zu: %g, not %g",
                          posed_kinds[i].name, c, k, found[c], expected);
        }
        resnet_tangent_free(tangent);
        resnet_tape_free(tape);
        posed_release(&f);
        free(v);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tangent");
    TCase *tc = tcase_create("tangent");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, tangents_are_adjoint_to_gradients);
    tcase_add_test(tc, tangents_of_gradients_match_central_differences);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
