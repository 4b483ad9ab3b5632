/* SPDX-License-Identifier: Apache-2.0 */
/* The draws of a model as functions: their values, and their derivatives against differences. */
#include "run.h"

#include <math.h>
#include <string.h>

#include "analyse/field.h"
#include "linear_cases.h"

#define ROWS 5
#define STEP 1e-5

static struct model *model_of(int which)
{
    if (which > 0) {
        return gaussian_model(&setups[which == 1 ? 2 : 4]); /* in closed form, with known and with
                                                               predicted noise */
    }
    struct err err = ERR_INIT;
    struct model *model = NULL;
    const struct setup setup = {.out = SCALER_RANGE};
    struct arch arch = arch_of(&setup);
    struct rng rng;
    ck_assert_int_eq(model_new(&arch, 6, &model, &err), ERR_OK);
    rng_init(&rng, 32, RNG_TEST, 0);
    for (int k = 0; k < 6 * model->net.n_params; k++) {
        model->draws[k] = 0.5 * rng_normal(&rng);
    }
    set_scalers(&setup, model);
    ck_assert_msg(model_publish(model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

struct posed {
    struct model *model;
    struct field_model of;
    struct field field;
    struct arena arena;
    double x[ROWS * 8];
};

static const int outputs[] = {1, 0};

static void pose(struct posed *p, int which)
{
    struct err err = ERR_INIT;
    struct rng rng;
    *p = (struct posed){.model = model_of(which), .arena = ARENA_INIT};
    ck_assert_int_le(p->model->d, 8);
    p->of = (struct field_model){.model = p->model, .outputs = outputs, .seed = 5};
    int o = p->model->o < 2 ? p->model->o : 2;
    ck_assert_int_eq(o, 2);
    ck_assert_int_eq(field_of_model(&p->of, o, 4, &p->arena, &p->field, &err), ERR_OK);
    rng_init(&rng, 8, RNG_TEST, 0);
    for (int i = 0; i < ROWS * p->model->d; i++) {
        p->x[i] = 1.0 + 0.5 * rng_uniform(&rng);
    }
}

static void release(struct posed *p)
{
    arena_release(&p->arena);
    model_unref(p->model);
}

static void values(struct posed *p, const double *x, double *y)
{
    struct err err = ERR_INIT;
    struct arena scratch = ARENA_INIT;
    const struct field_rows rows = {.first = 1, .m = 2, .n = ROWS, .x = x};
    ck_assert_msg(p->field.ops->values(&p->field, &rows, &scratch, y, &err) == ERR_OK, "%s",
                  err.msg);
    arena_release(&scratch);
}

START_TEST(values_are_the_samples_of_a_prediction)
{
    struct posed p;
    double y[2 * ROWS * 2];
    struct err err = ERR_INIT;
    struct predict_result result;
    pose(&p, _i);
    values(&p, p.x, y);
    const struct predict_request all = {
        .n = ROWS, .x = p.x, .want = PREDICT_SAMPLES, .n_samples = 4, .seed = 5, .n_threads = 1};
    ck_assert_int_eq(predict_run(p.model, &all, &p.arena, &result, &err), ERR_OK);
    for (int i = 0; i < 2 * ROWS; i++) {
        for (int a = 0; a < 2; a++) {
            double sample = result.samples[(ROWS + i) * p.model->o + outputs[a]];
            ck_assert_double_eq(y[i * 2 + a], sample);
        }
    }
    release(&p);
}
END_TEST

START_TEST(derivatives_are_those_of_the_values)
{
    struct posed p;
    struct err err = ERR_INIT;
    double moved[ROWS * 8];
    double up[2 * ROWS * 2];
    double down[2 * ROWS * 2];
    pose(&p, _i);
    int d = p.model->d;
    double *jac = arena_alloc_array(&p.arena, (size_t)(2 * ROWS * 2 * d), sizeof *jac);
    struct arena scratch = ARENA_INIT;
    const struct field_rows rows = {.first = 1, .m = 2, .n = ROWS, .x = p.x};
    ck_assert_msg(p.field.ops->jacobian(&p.field, &rows, &scratch, jac, &err) == ERR_OK, "%s",
                  err.msg);
    double largest = 0.0;
    for (int k = 0; k < 2 * ROWS * 2 * d; k++) {
        largest = fmax(largest, fabs(jac[k]));
    }
    for (int b = 0; b < d; b++) {
        memcpy(moved, p.x, sizeof moved);
        for (int i = 0; i < ROWS; i++) {
            moved[i * d + b] = p.x[i * d + b] + STEP;
        }
        values(&p, moved, up);
        for (int i = 0; i < ROWS; i++) {
            moved[i * d + b] = p.x[i * d + b] - STEP;
        }
        values(&p, moved, down);
        for (int k = 0; k < 2 * ROWS * 2; k++) {
            double difference = (up[k] - down[k]) / (2.0 * STEP);
            ck_assert_double_eq_tol(jac[k * d + b], difference, 1e-7 * fmax(largest, 1.0));
        }
    }
    ck_assert_double_gt(largest, 1e-3);
    arena_release(&scratch);
    release(&p);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("field");
    TCase *tcase = tcase_create("draws");
    tcase_add_loop_test(tcase, values_are_the_samples_of_a_prediction, 0, 3);
    tcase_add_loop_test(tcase, derivatives_are_those_of_the_values, 0, 3);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
