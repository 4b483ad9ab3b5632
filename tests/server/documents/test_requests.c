/* SPDX-License-Identifier: Apache-2.0 */
/* Training requests and policies: what is said of a key or a name that is not known. */
#include "documents/job_json.h"
#include "documents/policy_json.h"
#include "documents/request_fields.h"
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "formats/json_read.h"

struct refusal {
    const char *text;
    const char *message; /* NULL: it is none */
};

static const struct refusal requests[] = {
    /* names */
    {"{\"solver\":\"ensembel\"}",
     "solver \"ensembel\" is unknown (did you mean ensemble?); ensemble, rms, swag, mc_dropout, "
     "laplace, vi, amcmc, mala, hmc, nuts, bll, pbp, duq, evidence, conformal and auto are known"},
    {"{\"solver\":\"ensemble\",\"optimizer\":{\"name\":\"newton\"}}",
     "optimizer: name \"newton\" is unknown; sgd, adam, lbfgs and levenberg_marquardt are known"},
    {"{\"solver\":\"ensemble\",\"optimizer\":{\"schedule\":{\"name\":\"zigzag\"}}}",
     "schedule: name \"zigzag\" is unknown; constant, cosine, exponential, step, "
     "plateau and list are known"},
    {"{\"solver\":\"ensemble\",\"scaling\":{\"inputs\":\"cube\"}}",
     "scaling: inputs \"cube\" is unknown; none, standard, range, unit and log are known"},
    {"{\"solver\":\"ensemble\",\"scaling\":{\"outputs\":\"cube\"}}",
     "scaling: outputs \"cube\" is unknown; none, standard, range, unit and log are known"},
    {"{\"solver\":\"ensemble\",\"noise\":{\"kind\":\"white\"}}",
     "noise: kind \"white\" is unknown; given, estimated, learned and predicted are known"},
    {"{\"solver\":\"ensemble\",\"calibration\":{\"method\":\"platt\"}}",
     "calibration: method \"platt\" is unknown; none, split, cv+ and jackknife+ are known"},
    {"{\"solver\":\"ensemble\",\"gate\":{\"metric\":\"r2\"}}",
     "gate: metric \"r2\" is unknown; rmse, nll and crps are known"},
    {"{\"solver\":\"ensemble\",\"gate\":{\"rows\":\"some\"}}",
     "gate: rows \"some\" is unknown; known, all and new are known"},
    {"{\"solver\":\"ensemble\",\"start\":\"hot\"}",
     "request: start \"hot\" is unknown; cold and warm are known"},
    {"{\"solver\":\"laplace\",\"settings\":{\"hessian\":\"half\"}}",
     "settings: hessian \"half\" is unknown; gauss_newton, full and diagonal are known"},
    {"{\"solver\":\"ensemble\",\"architecture\":{\"activation\":\"cube\"}}",
     "architecture: activation \"cube\" is unknown; tanh, identity, relu, sin, silu and gelu are "
     "known"},
    {"{\"solver\":\"ensemble\",\"architecture\":{\"basis\":\"spline\"}}",
     "architecture: basis \"spline\" is unknown; constant, linear, quadratic, cubic, polynomial, "
     "nonparametric, legendre, chebyshev, fourier and qr are known"},
    /* keys that no object has */
    {"{\"solver\":\"ensemble\",\"settings\":{\"epoch\":1}}",
     "settings: key \"epoch\" is unknown (did you mean epochs?)"},
    {"{\"solver\":\"ensemble\",\"optimizer\":{\"lr\":1}}",
     "optimizer: key \"lr\" is unknown; name, learning_rate, weight_decay, momentum, beta1, beta2, "
     "epsilon, history and schedule are known"},
    {"{\"solver\":\"ensemble\",\"limits\":{\"hours\":1}}",
     "limits: key \"hours\" is unknown; seconds and memory_mb are known"},
    {"{\"solver\":\"ensemble\",\"budget\":1}",
     "request: key \"budget\" is unknown; did you mean \"budget_s\", which belongs here when the "
     "solver is auto?"},
    {"{\"solver\":\"ensemble\",\"flavour\":1}",
     "request: key \"flavour\" is unknown; solver, architecture, settings, optimizer, split, "
     "scaling, noise, columns, constraints, chain_start, prior, calibration, output_reduction, "
     "precision, start, seed, gate, promote, limits, .. are known"},
    /* keys that belong elsewhere */
    {"{\"solver\":\"ensemble\",\"epochs\":60}",
     "request: key \"epochs\" belongs under \"settings\""},
    {"{\"epochs\":60}", "request: key \"epochs\" belongs under \"settings\""},
    {"{\"solver\":\"ensemble\",\"chains\":4}",
     "request: key \"chains\" belongs under \"settings\" when the solver is amcmc, mala, hmc or "
     "nuts"},
    {"{\"solver\":\"nuts\",\"chains\":4}", "request: key \"chains\" belongs under \"settings\""},
    {"{\"solver\":\"ensemble\",\"sigma\":4}",
     "request: key \"sigma\" belongs under \"noise\" or under \"prior\""},
    {"{\"solver\":\"ensemble\",\"optimizer\":{\"step_epochs\":4}}",
     "optimizer: key \"step_epochs\" belongs under \"optimizer.schedule\""},
    {"{\"solver\":\"ensemble\",\"settings\":{\"seed\":4}}",
     "settings: key \"seed\" belongs at the top of the request"},
    {"{\"solver\":\"ensemble\",\"architecture\":{\"validation\":0.1}}",
     "architecture: key \"validation\" belongs under \"split\""},
    /* the same, misspelt */
    {"{\"solver\":\"ensemble\",\"epoch\":60}",
     "request: key \"epoch\" is unknown; did you mean \"epochs\", which belongs under "
     "\"settings\"?"},
    {"{\"epoch\":60}", "request: key \"epoch\" is unknown; did you mean \"epochs\", which belongs "
                       "under \"settings\"?"},
    {"{\"solver\":\"ensemble\",\"settings\":{\"learning-rate\":1}}",
     "settings: key \"learning-rate\" is unknown; did you mean \"learning_rate\", which belongs "
     "under \"optimizer\"?"},
    {"{\"solver\":\"ensemble\",\"settings\":{\"sede\":1}}",
     "settings: key \"sede\" is unknown; did you mean \"seed\", which belongs at the top of the "
     "request?"},
    {"{\"solver\":\"ensemble\",\"settings\":{\"warmpu\":1}}",
     "settings: key \"warmpu\" is unknown; did you mean \"warmup\", which belongs here when the "
     "solver is amcmc, mala, hmc or nuts?"},
    {"{\"solver\":\"ensemble\",\"chain\":4}",
     "request: key \"chain\" is unknown; did you mean \"chains\", which belongs under \"settings\" "
     "when the solver is amcmc, mala, hmc or nuts?"},
    /* settings of other solvers */
    {"{\"solver\":\"conformal\",\"settings\":{\"chains\":4}}",
     "settings: key \"chains\" belongs here when the solver is amcmc, mala, hmc or nuts, not "
     "ensemble"},
    {"{\"solver\":\"ensemble\",\"settings\":{\"epsilon\":4}}",
     "settings: key \"epsilon\" belongs here when the solver is mala, hmc or nuts, not ensemble; "
     "another belongs under \"optimizer\""},
    /* neither */
    {"[]", "request is an array, an object is needed"},
    {"{\"solver\":null}", "request: solver is null, a string is needed"},
    {"{\"solver\":\"ensemble\",\"noise\":{}}", "noise: kind is missing"},
    {"{\"solver\":\"ensemble\",\"optimizer\":null}", "optimizer is null, an object is needed"},
    {"{\"solver\":\"ensemble\",\"priority\":101}",
     "request: priority is 101, an integer from -100 to 100 is needed"},
    {"{\"solver\":\"ensemble\",\"gate\":null,\"prior\":null,\"limits\":null}", NULL},
    {"{\"solver\":\"ensemble\",\"architecture\":{\"final\":null}}", NULL},
};

/* Of requests whose solver is chosen, also because they name none. */
static const struct refusal choices[] = {
    {"{}", NULL},
    {"{\"solver\":\"auto\",\"budget_s\":1.5,\"budget_fits\":0}", NULL},
    {"{\"budget_s\":-1}", "request: budget_s is -1, a number from 0 to 3.16224e+07 is needed"},
    {"{\"budget_fits\":1000001}",
     "request: budget_fits is 1000001, an integer from 0 to 1000000 is needed"},
    {"{\"budget_fits\":1000000}", NULL},
    {"{\"solver\":\"nuts\",\"budget_fits\":9}",
     "request: key \"budget_fits\" belongs here when the solver is auto, not nuts; another belongs "
     "under \"auto\""},
    {"{\"settings\":{\"epochs\":9,\"members\":2}}", NULL},
    {"{\"settings\":{\"chains\":9}}",
     "settings: key \"chains\" belongs here when the solver is amcmc, mala, hmc or nuts, not auto"},
    {"{\"settings\":{\"keep\":9,\"batch_size\":2}}",
     "settings: none of the solvers between which auto chooses has \"batch_size\" and all the "
     "other "
     "settings that are given"},
    {"{\"architecture\":{\"width\":-1}}",
     "architecture: width is -1, an integer from 0 to 4096 is needed"},
    {"{\"solver\":\"evidence\",\"auto\":{\"budget_s\":1,\"fixed\":[\"noise\"]}}", NULL},
    {"{\"solver\":\"evidence\",\"auto\":{\"fixed\":[\"seed\"]}}",
     "auto: fixed[0] is no part of a request such as \"noise\", \"architecture.width\" or "
     "\"settings.epochs\""},
    {"{\"solver\":\"evidence\",\"auto\":{\"fixed\":3}}",
     "auto: fixed is a number, an array of names is needed"},
};

static const struct refusal policies[] = {
    {"{\"new_row\":3}", "policy: key \"new_row\" is unknown (did you mean new_rows?); new_rows, "
                        "every_s, daily_at, drift, debounce_s and request are known"},
    {"{\"new_rows\":3,\"increase\":1}", "policy: key \"increase\" belongs under \"drift\""},
    {"{\"drift\":{\"increase\":1,\"every_s\":3}}",
     "drift: key \"every_s\" belongs at the top of the policy"},
    {"{\"new_rows\":3,\"solver\":\"vi\"}", "policy: key \"solver\" belongs under \"request\""},
    {"{\"new_rows\":3,\"epochs\":1}",
     "policy: key \"epochs\" belongs under \"settings\" of \"request\""},
    {"{\"new_rows\":3,\"epoch\":1}",
     "policy: key \"epoch\" is unknown; did you mean \"epochs\", which belongs under \"settings\" "
     "of \"request\"?"},
    {"{\"new_rows\":3,\"request\":{\"solver\":\"vi\",\"epochs\":1}}",
     "request: key \"epochs\" belongs under \"settings\""},
    {"{\"new_rows\":3,\"daily_at\":null,\"drift\":null,\"request\":null}", NULL},
};

static void compare(const struct refusal *expected, const struct err *err)
{
    ck_assert_msg((expected->message == NULL) == (err->code == ERR_OK), "%s: %s", expected->text,
                  err->msg);
    if (expected->message != NULL) {
        ck_assert_int_eq(err->code, ERR_INVALID);
        ck_assert_str_eq(err->msg, expected->message);
    }
}

START_TEST(a_request_is_refused_with_what_would_be_right)
{
    struct err err = ERR_INIT;
    struct job_spec spec;
    const char *text = requests[_i].text;
    if (job_json_parse(text, strlen(text), &spec, &err) == ERR_OK) {
        train_spec_release(&spec.train);
    }
    compare(&requests[_i], &err);
}
END_TEST

START_TEST(a_choice_is_refused_with_what_would_be_right)
{
    struct err err = ERR_INIT;
    struct job_spec spec;
    const char *text = choices[_i].text;
    if (job_json_parse(text, strlen(text), &spec, &err) == ERR_OK) {
        ck_assert(spec.choice.on != spec.choice.chosen);
        train_spec_release(&spec.train);
    }
    compare(&choices[_i], &err);
}
END_TEST

/* The parts that leave less to be chosen, each by itself and with its bit. */
static const struct {
    const char *text;
    unsigned fixed;
    const char *setting; /* NULL: none */
} given[] = {
    {"{}", 0, NULL},
    {"{\"architecture\":{\"order\":0}}", 0, NULL},
    {"{\"architecture\":{\"width\":7}}", AUTO_FIXED_WIDTH, NULL},
    {"{\"architecture\":{\"layers\":1,\"basis\":\"cubic\"}}", AUTO_FIXED_LAYERS | AUTO_FIXED_BASIS,
     NULL},
    {"{\"noise\":{\"kind\":\"given\",\"sigma\":0.5}}", AUTO_FIXED_NOISE, NULL},
    {"{\"prior\":{\"sigma\":3}}", AUTO_FIXED_PRIOR, NULL},
    {"{\"scaling\":{\"inputs\":\"standard\"}}", 0, NULL},
    {"{\"scaling\":{\"outputs\":\"standard\"}}", AUTO_FIXED_OUTPUT_SCALING, NULL},
    {"{\"optimizer\":{\"learning_rate\":0.02}}", AUTO_FIXED_OPTIMIZER, NULL},
    {"{\"settings\":{\"members\":5}}", 0, "members"},
    {"{\"budget_s\":2.5,\"budget_fits\":12,\"seed\":4}", 0, NULL},
};

static void check_given(const struct job_spec *spec, int i)
{
    int n = 0;
    const struct solver_setting *list = solver_setting_list(&n);
    ck_assert_uint_eq(spec->choice.fixed, given[i].fixed);
    for (int k = 0; k < n; k++) {
        bool expected = given[i].setting != NULL && strcmp(given[i].setting, list[k].name) == 0;
        ck_assert_int_eq((int)(spec->choice.settings >> k & 1u), expected);
    }
}

/* As a job keeps it, then as the version keeps it whose solver was chosen, and chosen again. */
START_TEST(what_is_given_with_a_choice_is_kept)
{
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct job_spec spec, again, chosen, third;
    struct textbuf texts[4];
    for (int i = 0; i < 4; i++) {
        texts[i] = textbuf_in(&arena);
    }
    ck_assert_int_eq(job_json_parse(given[_i].text, strlen(given[_i].text), &spec, &err), ERR_OK);
    check_given(&spec, _i);
    job_json_write(&texts[0], &spec);
    ck_assert_int_eq(job_json_parse(texts[0].data, texts[0].len, &again, &err), ERR_OK);
    check_given(&again, _i);
    job_json_write(&texts[1], &again);
    ck_assert_str_eq(texts[1].data, texts[0].data);

    again.choice.on = false;
    again.choice.chosen = true;
    again.train.solver = SOLVER_ENSEMBLE;
    job_json_write(&texts[2], &again);
    ck_assert_int_eq(job_json_parse(texts[2].data, texts[2].len, &chosen, &err), ERR_OK);
    ck_assert(chosen.choice.chosen && !chosen.choice.on);
    check_given(&chosen, _i);
    chosen.train.output_scaling = (given[_i].fixed & AUTO_FIXED_OUTPUT_SCALING) != 0
                                      ? chosen.train.output_scaling
                                      : SCALER_LOG;
    job_spec_choose_again(&chosen);
    job_json_write(&texts[3], &chosen);
    ck_assert_str_eq(texts[3].data, texts[0].data);
    ck_assert_int_eq(job_json_parse(texts[3].data, texts[3].len, &third, &err), ERR_OK);
    train_spec_release(&spec.train);
    train_spec_release(&again.train);
    train_spec_release(&chosen.train);
    train_spec_release(&third.train);
    arena_release(&arena);
}
END_TEST

START_TEST(a_choice_has_no_warm_start)
{
    struct err err = ERR_INIT;
    struct job_spec spec;
    static const char text[] = "{\"start\":\"warm\"}";
    ck_assert_int_eq(job_json_parse(text, strlen(text), &spec, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "warm start"));
}
END_TEST

START_TEST(a_policy_is_refused_with_what_would_be_right)
{
    struct err err = ERR_INIT;
    struct policy_spec policy;
    const char *text = policies[_i].text;
    if (policy_json_parse(text, strlen(text), &policy, &err) == ERR_OK) {
        policy_spec_release(&policy);
    }
    compare(&policies[_i], &err);
}
END_TEST

static bool has_key(const struct json_fields *object, const char *key)
{
    bool found = false;
    for (int i = 0; i < object->n; i++) {
        found |= strcmp(object->list[i].key, key) == 0;
    }
    return found;
}

/* Every key of every object, in every other one. */
START_TEST(each_misplaced_key_is_told_where_it_belongs)
{
    int n_misplaced = 0;
    for (int from = 0; from < request_document.n_objects; from++) {
        const struct json_fields *home = request_document.objects[from];
        for (int k = 0; k < home->n; k++) {
            for (int to = 0; to < request_document.n_objects; to++) {
                struct err err = ERR_INIT;
                struct arena arena = ARENA_INIT;
                json_t *object = NULL;
                char text[128];
                const struct json_place place = {&request_document, to, -1};
                if (has_key(request_document.objects[to], home->list[k].key)) {
                    continue;
                }
                snprintf(text, sizeof text, "{\"%s\":1}", home->list[k].key);
                ck_assert_int_eq(json_read_parse(text, strlen(text), &arena, &object, &err),
                                 ERR_OK);
                ck_assert_int_eq(json_fields_check_keys(object, &place, &err), ERR_INVALID);
                ck_assert_msg(strstr(err.msg, home->where) != NULL, "%s", err.msg);
                arena_release(&arena);
                n_misplaced++;
            }
        }
    }
    ck_assert_int_gt(n_misplaced, 500);
}
END_TEST

START_TEST(each_setting_is_taken_from_the_solvers_that_have_it_alone)
{
    int n = 0;
    const struct solver_setting *list = solver_setting_list(&n);
    for (int i = 0; i < n; i++) {
        for (int solver = 0; solver < solver_known().n; solver++) {
            struct err err = ERR_INIT;
            struct arena arena = ARENA_INIT;
            json_t *object = NULL;
            char text[128];
            const struct json_place place = request_place(REQUEST_SETTINGS, solver);
            bool used = solver_setting_used(&list[i], (enum solver_kind)solver);
            snprintf(text, sizeof text, "{\"%s\":1}", list[i].name);
            ck_assert_int_eq(json_read_parse(text, strlen(text), &arena, &object, &err), ERR_OK);
            ck_assert_int_eq(json_fields_check_keys(object, &place, &err),
                             used ? ERR_OK : ERR_INVALID);
            ck_assert(used || strstr(err.msg, "when the solver is") != NULL);
            arena_release(&arena);
        }
    }
}
END_TEST

/* Is a request that says this of the training left to the rows? */
static bool is_plain(const char *text)
{
    struct job_spec spec;
    struct err err = ERR_INIT;
    ck_assert_msg(job_json_parse(text, strlen(text), &spec, &err) == ERR_OK, "%s", err_msg(&err));
    bool plain = spec.train.plain;
    train_spec_release(&spec.train);
    return plain;
}

START_TEST(a_request_that_says_nothing_of_the_fit_is_left_to_the_rows)
{
    ck_assert(is_plain("{\"solver\":\"ensemble\"}"));
    ck_assert(is_plain("{\"solver\":\"nuts\",\"seed\":1,\"split\":{\"validation\":0},"
                       "\"settings\":{\"chains\":2,\"draws\":7}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"settings\":{\"members\":2,\"epochs\":9}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"settings\":{\"hyperparameters\":\"given\"}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"architecture\":{}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"optimizer\":{}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"prior\":null}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"noise\":{\"kind\":\"learned\"}}"));
    ck_assert(!is_plain("{\"solver\":\"ensemble\",\"scaling\":{\"outputs\":\"log\"}}"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("requests");
    TCase *tcase = tcase_create("requests");
    json_read_init();
    tcase_add_loop_test(tcase, a_request_is_refused_with_what_would_be_right, 0,
                        (int)(sizeof requests / sizeof *requests));
    tcase_add_loop_test(tcase, a_choice_is_refused_with_what_would_be_right, 0,
                        (int)(sizeof choices / sizeof *choices));
    tcase_add_loop_test(tcase, what_is_given_with_a_choice_is_kept, 0,
                        (int)(sizeof given / sizeof *given));
    tcase_add_test(tcase, a_choice_has_no_warm_start);
    tcase_add_loop_test(tcase, a_policy_is_refused_with_what_would_be_right, 0,
                        (int)(sizeof policies / sizeof *policies));
    tcase_add_test(tcase, a_request_that_says_nothing_of_the_fit_is_left_to_the_rows);
    tcase_add_test(tcase, each_misplaced_key_is_told_where_it_belongs);
    tcase_add_test(tcase, each_setting_is_taken_from_the_solvers_that_have_it_alone);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
