/* SPDX-License-Identifier: Apache-2.0 */
/* Spaces: names matched to places, members of categories, bytes, and what the network sees. */
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/codec.h"
#include "model/space_codec.h"
#include "model/space_names.h"
#include "model/space_rows.h"
#include "predict/precision.h"
#include "predict/predict.h"
#include "train/train.h"

#define N 40

/* k (real, in [0, 1]), mesh (coarse, fine, or 3), n (integer) -> T, p. */
static struct space *mixed_space(void)
{
    static const char *const names[] = {"k", "mesh", "n", "T", "p"};
    static const char *const values[] = {"coarse", "fine", "3"};
    struct err err = ERR_INIT;
    struct space *space = NULL;
    ck_assert_int_eq(space_of_names(3, 2, names, NULL, &space, &err), ERR_OK);
    struct space_input *k = &space->inputs[0];
    struct space_input *mesh = &space->inputs[1];
    k->unit = mem_strdup("W/m/K");
    k->has_bounds = true;
    k->bounds[1] = 1.0;
    k->distribution.kind = SPACE_TRIANGULAR;
    k->distribution.p[1] = 1.0;
    k->distribution.p[2] = 0.25;
    mesh->type = SPACE_CATEGORY;
    mesh->values = mem_zalloc_array(3, sizeof *mesh->values);
    mesh->n_values = 3;
    for (int i = 0; i < 3; i++) {
        mesh->values[i] = mem_strdup(values[i]);
    }
    mesh->has_default = true;
    mesh->default_value = 1.0;
    mesh->distribution.kind = SPACE_DISCRETE;
    mesh->distribution.n = 3;
    mesh->distribution.probabilities = mem_zalloc_array(3, sizeof(double));
    mesh->distribution.probabilities[0] = 0.25;
    mesh->distribution.probabilities[2] = 0.75;
    space->inputs[2].type = SPACE_INTEGER;
    space->outputs[0].positive = true;
    ck_assert_int_eq(space_validate(space, &err), ERR_OK);
    return space;
}

START_TEST(names_are_matched_in_any_order_and_refused_with_both_lists)
{
    static const struct {
        const char *names[6];
        enum space_part part;
        int places[5];
        const char *said; /* NULL: they match */
    } cases[] = {
        {{"k", "mesh", "n", "T", "p"}, SPACE_COLUMNS, {0, 1, 2, 3, 4}, NULL},
        {{"p", "n", "T", "k", "mesh"}, SPACE_COLUMNS, {4, 2, 3, 0, 1}, NULL},
        {{"n", "mesh", "k"}, SPACE_INPUTS, {2, 1, 0}, NULL},
        {{"p", "T"}, SPACE_OUTPUTS, {1, 0}, NULL},
        {{"k", "mesh", "n", "T"},
         SPACE_COLUMNS,
         {0},
         "\"p\" is missing; sent: k, mesh, n, T; known: k, mesh, n, T, p"},
        {{"k", "mesh", "N"},
         SPACE_INPUTS,
         {0},
         "\"N\" is no known column; sent: k, mesh, N; known"},
        {{"k", "mesh", "k"}, SPACE_INPUTS, {0}, "\"k\" is given twice; sent: k, mesh, k; known"},
        {{"k", "mesh", "n", "T"}, SPACE_INPUTS, {0}, "\"T\" is no known column"},
        {{"k", "mesh", "n", "T"}, SPACE_OUTPUTS, {0}, "\"k\" is no known column"},
    };
    struct space *space = mixed_space();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = ERR_INIT;
        int places[6] = {0};
        int n = 0;
        while (cases[i].names[n] != NULL) {
            n++;
        }
        enum err_code code = space_match(space, cases[i].part, cases[i].names, n, places, &err);
        if (cases[i].said != NULL) {
            ck_assert_int_eq(code, ERR_INVALID);
            ck_assert_msg(strstr(err.msg, cases[i].said) != NULL, "%s", err.msg);
        } else {
            ck_assert_msg(code == ERR_OK, "%s", err.msg);
            ck_assert_mem_eq(places, cases[i].places, (size_t)n * sizeof *places);
        }
    }
    ck_assert_int_eq(space_find(space, SPACE_OUTPUTS, "p"), 1);
    ck_assert_int_eq(space_find(space, SPACE_INPUTS, "p"), -1);
    space_unref(space);
}
END_TEST

START_TEST(lists_of_long_names_fit_a_message)
{
    enum { MANY = 600 };
    static char text[MANY][SPACE_MAX_NAME + 1];
    static const char *names[MANY];
    static int places[MANY];
    struct err err = ERR_INIT;
    struct space *space = NULL;
    for (int j = 0; j < MANY; j++) {
        memset(text[j], 'a' + j % 26, SPACE_MAX_NAME);
        snprintf(text[j], sizeof text[j], "%d", j);
        text[j][strlen(text[j])] = '_';
        names[j] = text[j];
    }
    ck_assert_int_eq(space_of_names(MANY - 1, 1, names, NULL, &space, &err), ERR_OK);
    names[7] = "other";
    ck_assert_int_eq(space_match(space, SPACE_COLUMNS, names, MANY, places, &err), ERR_INVALID);
    ck_assert_msg(strstr(err.msg, "\"other\" is no known column") != NULL &&
                      strstr(err.msg, "more; known: 0_") != NULL,
                  "%s", err.msg);
    space_unref(space);
}
END_TEST

START_TEST(members_are_found_by_text_and_by_number)
{
    struct space *space = mixed_space();
    const struct space_input *mesh = &space->inputs[1];
    struct space_fault fault;
    double v[] = {0.5, 3.0, 2.0, 0.5, (double)NAN, 7.0};
    double odd[] = {0.5, 1.0, 2.5};
    double beyond[] = {0.5, 3.0, 2.0};
    ck_assert_int_eq(space_member(mesh, "fine", 4), 1);
    ck_assert_int_eq(space_member(mesh, "fin", 3), -1);
    ck_assert_int_eq(space_member(mesh, "fine ", 5), -1);
    ck_assert_int_eq(space_member_of_number(mesh, 3.0), 2);
    ck_assert_int_eq(space_member_of_number(mesh, 0.0), -1);
    ck_assert(!space_place_numbers(space, &(struct space_rows){2, 3, v}, &fault));
    ck_assert(v[1] == 2.0 && isnan(v[4]));
    ck_assert(!space_find_fault(space, &(struct space_rows){2, 3, v}, &fault));
    ck_assert(space_find_fault(space, &(struct space_rows){1, 3, odd}, &fault));
    ck_assert(fault.column == 2 && fault.value == 2.5);
    ck_assert(space_find_fault(space, &(struct space_rows){1, 3, beyond}, &fault));
    ck_assert(fault.column == 1 && fault.value == 3.0);
    beyond[1] = 0.0;
    ck_assert(space_place_numbers(space, &(struct space_rows){1, 3, beyond}, &fault));
    ck_assert(fault.row == 0 && fault.column == 1);
    space_unref(space);
}
END_TEST

START_TEST(a_category_becomes_one_input_for_each_member)
{
    static const double z[] = {0.5, 0, -1, 0.25, 2, 4};
    static const double expected[] = {0.5, 1, 0, 0, -1, 0.25, 0, 0, 1, 4};
    double out[10];
    struct space *space = mixed_space();
    ck_assert_int_eq(space_width(space), 5);
    ck_assert_int_eq(space_first_category(space), 1);
    space_expand(space, 2, z, out);
    ck_assert_mem_eq(out, expected, sizeof expected);
    /* In place, from the end of the room to its beginning. */
    double room[10];
    memcpy(room + 4, z, sizeof z);
    space_expand(space, 2, room + 4, room);
    ck_assert_mem_eq(room, expected, sizeof expected);
    space_unref(space);
}
END_TEST

START_TEST(bytes_give_the_same_space_and_no_damage_passes)
{
    struct space *space = mixed_space();
    struct bytes_writer w = {.data = NULL};
    struct bytes_writer again = {.data = NULL};
    space_encode(&w, space);
    ck_assert(!w.failed);
    struct bytes_reader r = {.data = w.data, .left = w.size};
    struct space *back = space_decode(&r);
    ck_assert_ptr_nonnull(back);
    ck_assert_uint_eq(r.left, 0);
    space_encode(&again, back);
    ck_assert_uint_eq(again.size, w.size);
    ck_assert_mem_eq(again.data, w.data, w.size);
    space_unref(back);
    for (size_t size = 0; size < w.size; size++) {
        struct bytes_reader cut = {.data = w.data, .left = size};
        ck_assert_ptr_null(space_decode(&cut));
        ck_assert(cut.failed);
    }
    for (size_t at = 0; at < w.size; at++) {
        unsigned char before = w.data[at];
        w.data[at] ^= 0x55;
        struct bytes_reader damaged = {.data = w.data, .left = w.size};
        space_unref(space_decode(&damaged)); /* it may mean another space, but nothing crashes */
        w.data[at] = before;
    }
    mem_free(w.data);
    mem_free(again.data);
    space_unref(space);
}
END_TEST

START_TEST(successors_keep_places_types_and_members)
{
    static const char *const swapped[] = {"mesh", "k", "n", "T", "p"};
    static const char *const renamed[] = {"k", "mesh", "steps", "T", "p"};
    struct space *old = mixed_space();
    struct space *next = mixed_space();
    struct space *other = NULL;
    struct err err = ERR_INIT;
    ck_assert_int_eq(space_check_successor(old, next, &err), ERR_OK);
    mem_free(next->inputs[1].values[0]);
    next->inputs[1].values[0] = mem_strdup("rough");
    ck_assert_int_eq(space_check_successor(old, next, &err), ERR_CONFLICT);
    ck_assert_msg(strstr(err.msg, "inputs[1].values") != NULL, "%s", err.msg);
    err_clear(&err);
    ck_assert_int_eq(space_of_names(3, 2, swapped, NULL, &other, &err), ERR_OK);
    ck_assert_int_eq(space_check_successor(old, other, &err), ERR_CONFLICT);
    ck_assert_msg(strstr(err.msg, "\"mesh\" in column 1, not 0") != NULL, "%s", err.msg);
    space_unref(other);
    err_clear(&err);
    ck_assert_int_eq(space_of_names(3, 2, renamed, NULL, &other, &err), ERR_OK);
    ck_assert_int_eq(space_check_successor(old, other, &err), ERR_CONFLICT);
    ck_assert_msg(strstr(err.msg, "inputs[1].type") != NULL, "%s", err.msg);
    space_unref(other);
    err_clear(&err);
    ck_assert_int_eq(space_of_names(2, 2, swapped, NULL, &other, &err), ERR_OK);
    ck_assert_int_eq(space_check_successor(old, other, &err), ERR_CONFLICT);
    space_unref(other);
    space_unref(next);
    space_unref(old);
}
END_TEST

/* ---- models ---- */

static void make_rows(double *x, double *wide, double *y)
{
    struct rng rng;
    rng_init(&rng, 3, RNG_TEST, 0);
    for (int i = 0; i < N; i++) {
        double k = rng_uniform(&rng);
        int mesh = i % 3;
        int n = (int)(10.0 * rng_uniform(&rng));
        x[3 * i] = k;
        x[3 * i + 1] = mesh;
        x[3 * i + 2] = n;
        wide[5 * i] = k;
        wide[5 * i + 4] = n;
        for (int v = 0; v < 3; v++) {
            wide[5 * i + 1 + v] = mesh == v;
        }
        y[2 * i] = 2.0 * k + mesh * mesh + 0.1 * n;
        y[2 * i + 1] = k * n - mesh;
    }
}

static struct model *train(const double *x, int d, const double *y, struct space *space,
                           enum solver_kind solver)
{
    struct train_spec spec = train_defaults(solver);
    struct model *model = NULL;
    struct err err = ERR_INIT;
    spec.arch.width = 6;
    spec.arch.layers = 1;
    spec.settings.members = 2;
    spec.settings.epochs = 30;
    spec.input_scaling = SCALER_NONE;
    spec.settings.draws = 5;
    struct train_run run = {.spec = &spec,
                            .data = {.n = N, .d = d, .o = 2, .x = x, .y = y},
                            .space = space,
                            .n_threads = 2};
    ck_assert_int_eq(train_resolve(&spec, 5, 2, &err), ERR_OK);
    ck_assert_msg(train_run(&run, &model, &err) == ERR_OK, "%s", err.msg);
    return model;
}

static void predict(const struct model *model, const double *x, double *mean, double *variance)
{
    struct arena arena = ARENA_INIT;
    struct predict_result result;
    struct err err = ERR_INIT;
    struct predict_request req = {
        .n = N, .x = x, .want = PREDICT_MEAN | PREDICT_VARIANCE, .n_threads = 2};
    ck_assert_msg(predict_run(model, &req, &arena, &result, &err) == ERR_OK, "%s", err.msg);
    memcpy(mean, result.mean, 2 * N * sizeof *mean);
    memcpy(variance, result.variance, 2 * N * sizeof *variance);
    arena_release(&arena);
}

/* Rows written out by hand train the same network to the same bits, from draws and in closed form.
 */
START_TEST(a_category_equals_its_members_as_inputs)
{
    static const enum solver_kind solvers[] = {SOLVER_ENSEMBLE, SOLVER_LAPLACE};
    static double x[3 * N], wide[5 * N], y[2 * N];
    double a[2 * N], b[2 * N], va[2 * N], vb[2 * N];
    make_rows(x, wide, y);
    for (size_t i = 0; i < sizeof solvers / sizeof *solvers; i++) {
        struct space *space = mixed_space();
        struct model *with = train(x, 3, y, space, solvers[i]);
        struct model *without = train(wide, 5, y, NULL, solvers[i]);
        space_unref(space); /* the model has a reference of its own */
        ck_assert_int_eq(with->d, 3);
        ck_assert_int_eq(with->net.arch.inputs, 5);
        ck_assert_str_eq(with->input_names[1], "mesh");
        ck_assert_str_eq(with->input_units[0], "W/m/K");
        ck_assert_mem_eq(with->draws, without->draws,
                         (size_t)with->m * (size_t)with->net.n_params * sizeof *with->draws);
        predict(with, x, a, va);
        predict(without, wide, b, vb);
        ck_assert_mem_eq(a, b, sizeof a);
        ck_assert_mem_eq(va, vb, sizeof va);
        model_unref(with);
        model_unref(without);
    }
}
END_TEST

START_TEST(a_model_with_a_space_survives_its_bytes_and_refuses_what_it_cannot)
{
    static double x[3 * N], wide[5 * N], y[2 * N];
    double a[2 * N], b[2 * N], variance[2 * N];
    struct err err = ERR_INIT;
    struct space *space = mixed_space();
    struct model *back = NULL;
    struct arena arena = ARENA_INIT;
    struct predict_result result;
    unsigned char *bytes = NULL;
    unsigned char *again = NULL;
    size_t n_bytes = 0;
    size_t n_again = 0;
    make_rows(x, wide, y);
    struct model *model = train(x, 3, y, space, SOLVER_ENSEMBLE);
    ck_assert_int_eq(codec_encode(model, &bytes, &n_bytes, &err), ERR_OK);
    ck_assert_int_eq(bytes[8], 5); /* the format */
    ck_assert_int_eq(codec_decode(bytes, n_bytes, &back, &err), ERR_OK);
    ck_assert_int_eq(codec_encode(back, &again, &n_again, &err), ERR_OK);
    ck_assert(n_again == n_bytes && memcmp(again, bytes, n_bytes) == 0);
    ck_assert_str_eq(back->output_names[1], "p");
    predict(model, x, a, variance);
    predict(back, x, b, variance);
    ck_assert_mem_eq(a, b, sizeof a);
    struct predict_request req = {.n = N, .x = x, .want = PREDICT_JACOBIAN, .n_threads = 1};
    ck_assert_int_eq(predict_run(back, &req, &arena, &result, &err), ERR_UNSUPPORTED);
    ck_assert_msg(strstr(err.msg, "\"mesh\"") != NULL, "%s", err.msg);
    err_clear(&err);
    req.want = PREDICT_MEAN;
    x[3 * 4 + 1] = 3.0;
    ck_assert_int_eq(predict_run(back, &req, &arena, &result, &err), ERR_INVALID);
    ck_assert(err.row == 4 && err.column == 1);
    for (size_t size = 0; size < n_bytes; size += 7) {
        struct model *cut = NULL;
        err_clear(&err);
        ck_assert_int_ne(codec_decode(bytes, size, &cut, &err), ERR_OK);
    }
    arena_release(&arena);
    mem_free(bytes);
    mem_free(again);
    model_unref(model);
    model_unref(back);
    space_unref(space);
}
END_TEST

/* A space without categories changes no bit of a model but for its names, and derivatives by
 * integers are those of reals. */
START_TEST(integers_are_scaled_as_reals)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "T", "p"};
    static double x[3 * N], wide[5 * N], y[2 * N];
    struct err err = ERR_INIT;
    struct space *space = NULL;
    struct arena arena = ARENA_INIT;
    struct predict_result with, without;
    make_rows(x, wide, y);
    ck_assert_int_eq(space_of_names(5, 2, names, NULL, &space, &err), ERR_OK);
    space->inputs[4].type = SPACE_INTEGER;
    struct model *a = train(wide, 5, y, space, SOLVER_ENSEMBLE);
    struct model *b = train(wide, 5, y, NULL, SOLVER_ENSEMBLE);
    struct predict_request req = {.n = N, .x = wide, .want = PREDICT_JACOBIAN, .n_threads = 1};
    ck_assert_int_eq(predict_run(a, &req, &arena, &with, &err), ERR_OK);
    ck_assert_int_eq(predict_run(b, &req, &arena, &without, &err), ERR_OK);
    ck_assert_mem_eq(with.jacobian, without.jacobian, 2 * N * 2 * 5 * sizeof(double));
    arena_release(&arena);
    model_unref(a);
    model_unref(b);
    space_unref(space);
}
END_TEST

START_TEST(short_memory_is_an_error)
{
    struct space *space = mixed_space();
    struct bytes_writer w = {.data = NULL};
    space_encode(&w, space);
    bool done = false;
    for (long n = 1; n < 100 && !done; n++) {
        struct bytes_reader r = {.data = w.data, .left = w.size};
        mem_fail_after(n, false);
        struct space *back = space_decode(&r);
        mem_fail_after(0, false);
        done = back != NULL;
        ck_assert(done || r.no_memory);
        space_unref(back);
    }
    ck_assert(done);
    mem_free(w.data);
    space_unref(space);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("space");
    TCase *tc = tcase_create("space");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, names_are_matched_in_any_order_and_refused_with_both_lists);
    tcase_add_test(tc, lists_of_long_names_fit_a_message);
    tcase_add_test(tc, members_are_found_by_text_and_by_number);
    tcase_add_test(tc, a_category_becomes_one_input_for_each_member);
    tcase_add_test(tc, bytes_give_the_same_space_and_no_damage_passes);
    tcase_add_test(tc, successors_keep_places_types_and_members);
    tcase_add_test(tc, a_category_equals_its_members_as_inputs);
    tcase_add_test(tc, a_model_with_a_space_survives_its_bytes_and_refuses_what_it_cannot);
    tcase_add_test(tc, integers_are_scaled_as_reals);
    tcase_add_test(tc, short_memory_is_an_error);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
