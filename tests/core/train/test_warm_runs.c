/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What warm runs of every solver owe: the same model on any number of threads, after interruptions
 * and from a stored base; an orderly end by a cancel and when memory is short; refusals.
 */
#include "memory_checkpoint.h"
#include "warm_cases.h"

#include "solve/solver_mc_dropout.h"

/* A base of the first 30 rows, a warm run of 40. */
struct case_of {
    struct rows rows;
    struct train_spec spec;
    struct model *base;
    struct train_run run;
};

static void case_init(struct case_of *c, enum solver_kind kind)
{
    make_rows(&c->rows);
    c->spec = spec_of(kind, true);
    c->base = train(c->spec, &c->rows, 30, NULL, NULL);
    c->run = run_of(&c->spec, &c->rows, 40, c->base);
}

/* ---- the same, whatever happens ---- */

START_TEST(a_warm_run_depends_on_its_base_and_not_on_threads)
{
    enum solver_kind kind = (enum solver_kind)_i;
    static const int threads[] = {1, 2, 5};
    struct case_of c;
    struct err err = ERR_INIT;
    struct model *models[3] = {NULL};
    case_init(&c, kind);
    for (int i = 0; i < 3; i++) {
        c.run.n_threads = threads[i];
        ck_assert_int_eq(train_run(&c.run, &models[i], &err), ERR_OK);
        ck_assert(same_model(models[0], models[i]));
    }
    struct model *cold = train(c.spec, &c.rows, 40, NULL, NULL);
    struct model *again = train(c.spec, &c.rows, 40, models[0], NULL);
    ck_assert(!same_model(models[0], cold));
    ck_assert(!same_model(models[0], again));
    model_unref(cold);
    model_unref(again);
    for (int i = 0; i < 3; i++) {
        model_unref(models[i]);
    }
    model_unref(c.base);
}
END_TEST

START_TEST(a_stored_base_serves_as_well)
{
    struct case_of c;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct model *other = NULL;
    struct model *read = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0;
    case_init(&c, (enum solver_kind)_i);
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_OK);
    ck_assert_int_eq(codec_encode(c.base, &bytes, &n, &err), ERR_OK);
    ck_assert_int_eq(codec_decode(bytes, n, &read, &err), ERR_OK);
    c.run.base = read;
    ck_assert_int_eq(train_run(&c.run, &other, &err), ERR_OK);
    ck_assert(same_model(model, other));
    mem_free(bytes);
    model_unref(model);
    model_unref(other);
    model_unref(read);
    model_unref(c.base);
}
END_TEST

/* Dies after its n-th save, for every n, and continues. */
static void check_resumption(struct case_of *c, int every)
{
    struct err err = ERR_INIT;
    struct model *whole = NULL;
    enum err_code code = ERR_CANCELLED;
    c->run.checkpoint = NULL;
    c->run.cancel = NULL;
    ck_assert_int_eq(train_run(&c->run, &whole, &err), ERR_OK);
    for (int at = 1; code == ERR_CANCELLED; at++) {
        struct memory_checkpoint memory;
        struct cancel cancel = {false};
        struct model *model = NULL;
        memory_checkpoint_init(&memory, every);
        memory.cancel = &cancel;
        memory.die_after = at;
        c->run.checkpoint = &memory.checkpoint;
        c->run.cancel = &cancel;
        err_clear(&err);
        code = train_run(&c->run, &model, &err);
        if (code == ERR_CANCELLED) {
            err_clear(&err);
            atomic_store(&cancel.stop, false);
            memory_checkpoint_revive(&memory);
            ck_assert_int_eq(train_run(&c->run, &model, &err), ERR_OK);
            ck_assert_int_gt(memory.n_loads, 0);
        } else {
            ck_assert_int_gt(at, 1);
        }
        ck_assert_msg(same_model(whole, model), "%s differs when interrupted after save %d",
                      solver_name(c->spec.solver), at);
        model_unref(model);
        memory_checkpoint_release(&memory);
    }
    ck_assert_int_eq(code, ERR_OK);
    model_unref(whole);
}

START_TEST(an_interrupted_warm_run_ends_as_an_unbroken_one)
{
    struct case_of c;
    case_init(&c, (enum solver_kind)_i);
    check_resumption(&c, 1);
    c.run.n_threads = 2;
    check_resumption(&c, 3);
    model_unref(c.base);
}
END_TEST

/* ---- its end ---- */

START_TEST(a_cancel_ends_a_warm_run_anywhere)
{
    struct case_of c;
    struct watch watch = {.calls = 0};
    struct err err = ERR_INIT;
    struct model *model = NULL;
    case_init(&c, (enum solver_kind)_i);
    c.run.progress = on_progress;
    c.run.progress_ctx = &watch;
    c.run.cancel = &watch.cancel;
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_OK);
    model_unref(model);
    int calls = watch.calls;
    long live = mem_live();
    ck_assert_int_gt(calls, 1);
    for (int at = 1; at < calls; at++) {
        watch = (struct watch){.stop_at = at};
        err_clear(&err);
        ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_CANCELLED);
        ck_assert_int_eq(mem_live(), live);
    }
    model_unref(c.base);
}
END_TEST

START_TEST(every_failed_allocation_of_a_warm_run_is_survived)
{
    struct case_of c;
    case_init(&c, (enum solver_kind)_i);
    long live = mem_live();
    for (int for_ever = 0; for_ever < 2; for_ever++) {
        for (long at = 1;; at++) {
            struct err err = ERR_INIT;
            struct model *model = NULL;
            mem_fail_after(at, for_ever == 1);
            enum err_code code = train_run(&c.run, &model, &err);
            long attempts = mem_attempts();
            mem_fail_after(0, false);
            model_unref(model);
            ck_assert_int_eq(mem_live(), live);
            if (attempts < at) {
                ck_assert_int_eq(code, ERR_OK);
                break;
            }
            ck_assert_msg(code == ERR_NOMEM, "%s, allocation %ld: %s", solver_name(c.spec.solver),
                          at, err_msg(&err));
        }
    }
    model_unref(c.base);
}
END_TEST

/* ---- scaling, noise, folds ---- */

START_TEST(a_warm_run_keeps_the_scaling_and_takes_rows_beyond_it)
{
    struct case_of c;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    case_init(&c, SOLVER_ENSEMBLE);
    c.rows.x[D * 35] = 1000.0;
    c.spec.validation = 0.0;
    c.spec.input_scaling = SCALER_STANDARD;
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_OK);
    ck_assert_int_eq(memcmp(model->in, c.base->in, D * sizeof *model->in), 0);
    ck_assert_int_eq(memcmp(model->out, c.base->out, O * sizeof *model->out), 0);
    ck_assert_int_eq(model->in[0].kind, SCALER_RANGE);
    ck_assert_double_eq(model->training_range[1], 1000.0);
    model_unref(model);
    model_unref(c.base);
}
END_TEST

START_TEST(folds_start_warm_and_say_so)
{
    static const enum solver_kind kinds[] = {SOLVER_ENSEMBLE, SOLVER_MC_DROPOUT, SOLVER_DUQ,
                                             SOLVER_PBP,      SOLVER_LAPLACE,    SOLVER_AMCMC,
                                             SOLVER_NUTS};
    struct rows rows;
    make_rows(&rows);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct train_spec spec = spec_of(kinds[i], true);
        spec.calibration.method = CONFORMAL_CV_PLUS;
        spec.calibration.folds = 3;
        struct model *base = train(spec, &rows, 30, NULL, NULL);
        ck_assert_int_eq(base->report.n_warnings > 0 &&
                             strcmp(base->report.warnings[0].code, "warm_folds") == 0,
                         0);
        struct model *model = train(spec, &rows, 40, base, NULL);
        ck_assert_int_eq(model->m, base->m);
        ck_assert_str_eq(model->report.warnings[0].code, "warm_folds");
        model_unref(model);
        model_unref(base);
    }
}
END_TEST

/* Warnings of warm starts; *first: the code of the first one. */
static int count_warm(const struct model *model, const char **first)
{
    int n = 0;
    for (int i = model->report.n_warnings - 1; i >= 0; i--) {
        if (strncmp(model->report.warnings[i].code, "warm_", 5) == 0) {
            *first = model->report.warnings[i].code;
            n++;
        }
    }
    return n;
}

START_TEST(another_seed_is_warned_of)
{
    struct case_of c;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    case_init(&c, SOLVER_ENSEMBLE);
    const char *code = NULL;
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_OK);
    ck_assert_int_eq(count_warm(model, &code), 0);
    model_unref(model);
    c.spec.seed++;
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_OK);
    ck_assert_int_eq(count_warm(model, &code), 1);
    ck_assert_str_eq(code, "warm_seed");
    model_unref(model);
    model_unref(c.base);
}
END_TEST

/* The warnings of a run that keeps these shares out, of a base that kept those of c. */
static int warned_of_split(struct case_of *c, double validation, double calibration)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct train_spec other = c->spec;
    struct train_run run = c->run;
    run.spec = &other;
    other.validation = validation;
    other.calibration.method = calibration > 0.0 ? CONFORMAL_SPLIT : CONFORMAL_NONE;
    other.calibration.share = calibration;
    ck_assert_msg(train_run(&run, &model, &err) == ERR_OK, "%s", err_msg(&err));
    const char *code = NULL;
    int n = count_warm(model, &code);
    ck_assert(n == 0 || strcmp(code, "warm_split") == 0);
    model_unref(model);
    return n;
}

START_TEST(rows_that_the_base_did_not_keep_out_are_warned_of)
{
    struct case_of c;
    case_init(&c, SOLVER_ENSEMBLE);
    double kept = c.spec.validation;
    ck_assert_double_gt(kept, 0.0);
    ck_assert_int_eq(warned_of_split(&c, kept, 0.0), 0);
    ck_assert_int_eq(warned_of_split(&c, 0.0, 0.0), 0);
    ck_assert_int_eq(warned_of_split(&c, 2.0 * kept, 0.0), 1);
    ck_assert_int_eq(warned_of_split(&c, kept, 0.3), 1);
    c.run.base_spec = NULL;
    ck_assert_int_eq(warned_of_split(&c, kept, 0.0), 1);
    ck_assert_int_eq(warned_of_split(&c, 0.0, 0.0), 0);
    model_unref(c.base);
}
END_TEST

START_TEST(noises_that_a_solver_can_have_start_warm)
{
    enum solver_kind kind = (enum solver_kind)_i;
    double sigma = 0.5;
    struct rows rows;
    make_rows(&rows);
    for (int noise = NOISE_GIVEN; noise <= NOISE_PREDICTED; noise++) {
        struct err err = ERR_INIT;
        struct train_spec spec = spec_of(kind, true);
        spec.noise = (enum noise_kind)noise;
        spec.noise_sigmas = noise == NOISE_GIVEN ? &sigma : NULL;
        spec.n_noise_sigmas = noise == NOISE_GIVEN ? 1 : 0;
        if (solver_check_noise(kind, spec.noise, &err) == ERR_OK) {
            struct model *base = train(spec, &rows, 30, NULL, NULL);
            struct model *model = train(spec, &rows, 40, base, NULL);
            model_unref(model);
            model_unref(base);
        }
    }
}
END_TEST

/* ---- refusals ---- */

static void refuse(const struct train_spec *spec, const struct case_of *c, enum err_code code,
                   const char *word)
{
    struct err err = ERR_INIT;
    struct model *model = NULL;
    struct train_run run = c->run;
    run.spec = spec;
    ck_assert_int_eq(train_check_base(spec, NULL, c->base, &err), code);
    ck_assert_msg(strstr(err.msg, word) != NULL, "%s: %s", word, err.msg);
    err_clear(&err);
    ck_assert_int_eq(train_run(&run, &model, &err), code);
    ck_assert_ptr_null(model);
}

START_TEST(another_network_is_refused_and_the_difference_named)
{
    static const char *const words[] = {
        "inputs is 3, the model's is 2",
        "outputs is 1, the model's is 2",
        "width is 4, the model's is 3",
        "layers is 5, the model's is 1",
        "basis is cubic, the model's is linear",
        "bias is false, the model's is true",
        "activation is identity",
        "residual is false",
        "layer_pre is false",
        "layer_post is false",
        "final is exp, the model's is none",
        "grid is closed",
        "index_rule is quinn",
        "horizon is 2, the model's is 1",
        "whose noise is predicted",
    };
    enum { N_SPECS = sizeof words / sizeof *words };
    struct train_spec specs[N_SPECS];
    struct case_of c;
    struct err err = ERR_INIT;
    case_init(&c, SOLVER_ENSEMBLE);
    ck_assert_int_eq(train_check_base(&c.spec, NULL, c.base, &err), ERR_OK);
    for (int i = 0; i < N_SPECS; i++) {
        specs[i] = c.spec;
    }
    specs[0].arch.inputs = 3;
    specs[1].arch.outputs = 1;
    specs[2].arch.width = 4;
    specs[3].arch.layers = 5;
    specs[4].arch.basis = WPFN_CUBIC;
    specs[5].arch.bias = false;
    specs[6].arch.activation = ACT_IDENTITY;
    specs[7].arch.residual = false;
    specs[8].arch.layer_pre = false;
    specs[9].arch.layer_post = false;
    specs[10].arch.final = FINAL_EXP;
    specs[11].arch.grid = GRID_CLOSED;
    specs[12].arch.index_rule = INDEX_QUINN;
    specs[13].arch.horizon = 2.0;
    specs[14].noise = NOISE_PREDICTED;
    for (int i = 0; i < N_SPECS; i++) {
        refuse(&specs[i], &c, ERR_INVALID, words[i]);
    }
    model_unref(c.base);
}
END_TEST

START_TEST(predicted_noise_is_refused_to_others)
{
    struct case_of c;
    make_rows(&c.rows);
    c.spec = spec_of(SOLVER_ENSEMBLE, true);
    c.spec.noise = NOISE_PREDICTED;
    c.base = train(c.spec, &c.rows, 30, NULL, NULL);
    c.run = run_of(&c.spec, &c.rows, 40, c.base);
    struct train_spec spec = spec_of(SOLVER_ENSEMBLE, true);
    (void)run_of(&spec, &c.rows, 40, c.base);
    refuse(&spec, &c, ERR_INVALID, "not predicted");
    model_unref(c.base);
}
END_TEST

START_TEST(a_warm_run_without_a_base_is_refused)
{
    struct case_of c;
    struct err err = ERR_INIT;
    struct model *model = NULL;
    case_init(&c, SOLVER_ENSEMBLE);
    c.run.base = NULL;
    ck_assert_int_eq(train_run(&c.run, &model, &err), ERR_INVALID);
    model_unref(c.base);
}
END_TEST

/* A copy of a model that says less of itself: without one item of its report. */
static struct model *without(const struct model *model, const char *item)
{
    struct err err = ERR_INIT;
    struct model *copy = NULL;
    unsigned char *bytes = NULL;
    size_t n = 0;
    ck_assert_int_eq(codec_encode(model, &bytes, &n, &err), ERR_OK);
    ck_assert_int_eq(codec_decode(bytes, n, &copy, &err), ERR_OK);
    mem_free(bytes);
    for (int i = 0; i < copy->report.n_items; i++) {
        if (strcmp(copy->report.items[i].name, item) == 0) {
            copy->report.items[i].name[0] = '-';
        }
    }
    return copy;
}

START_TEST(a_base_that_lacks_what_a_solver_needs_is_refused)
{
    static const struct {
        enum solver_kind kind;
        const char *item;
        enum err_code code;
    } cases[] = {
        {SOLVER_MC_DROPOUT, MC_DROPOUT_REPORTED, ERR_UNSUPPORTED},
        {SOLVER_DUQ, "duq.anchor_weights", ERR_UNSUPPORTED},
        {SOLVER_DUQ, "duq.bias", ERR_UNSUPPORTED},
        {SOLVER_PBP, "members.lambda", ERR_UNSUPPORTED},
        {SOLVER_NUTS, "chains.step_size", ERR_OK},
        {SOLVER_NUTS, "chains.accept", ERR_OK},
        {SOLVER_ENSEMBLE, "members.best_loss", ERR_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct case_of c;
        struct err err = ERR_INIT;
        case_init(&c, cases[i].kind);
        struct model *less = without(c.base, cases[i].item);
        ck_assert_int_eq(train_check_base(&c.spec, NULL, less, &err), cases[i].code);
        if (cases[i].code == ERR_OK) {
            model_unref(train(c.spec, &c.rows, 40, less, NULL));
        }
        model_unref(less);
        model_unref(c.base);
    }
}
END_TEST

START_TEST(dropout_networks_are_found_again_or_refused)
{
    struct case_of c;
    struct err err = ERR_INIT;
    make_rows(&c.rows);
    c.spec = spec_of(SOLVER_MC_DROPOUT, true);
    c.spec.settings.draws = 1;
    c.spec.settings.dropout = 0.9;
    c.base = train(c.spec, &c.rows, 30, NULL, NULL);
    c.run = run_of(&c.spec, &c.rows, 40, c.base);
    ck_assert_int_eq(train_check_base(&c.spec, NULL, c.base, &err), ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "out of every draw"));
    model_unref(c.base);

    /* By hand: a network, masked by the solver's own masks. */
    struct resnet net;
    struct arch arch = arch_default(D, O);
    struct rng rng;
    enum { DRAWS = 30 };
    arch.width = 4;
    arch.layers = 2;
    err_clear(&err);
    ck_assert_int_eq(resnet_init(&net, &arch, &err), ERR_OK);
    size_t k = (size_t)net.n_params;
    double *network = mem_alloc_array(k, sizeof *network);
    double *found = mem_alloc_array(k, sizeof *found);
    double *draws = mem_alloc_array(DRAWS * k, sizeof *draws);
    rng_init(&rng, 3, RNG_TEST, 0);
    for (size_t i = 0; i < k; i++) {
        network[i] = rng_normal(&rng);
    }
    for (size_t i = 0; i < DRAWS; i++) {
        mc_dropout_mask(&net, 0.3, &rng, draws + i * k);
        for (size_t j = 0; j < k; j++) {
            draws[i * k + j] *= network[j];
        }
    }
    ck_assert(mc_dropout_network(&net, 0.3, DRAWS, draws, found));
    for (size_t i = 0; i < k; i++) {
        ck_assert_double_eq_tol(found[i], network[i], 1e-15 * fabs(network[i]));
    }
    mem_free(network);
    mem_free(found);
    mem_free(draws);
    resnet_release(&net);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warm_runs");
    TCase *tc = tcase_create("warm_runs");
    gemm_use_one_thread();
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, a_warm_run_depends_on_its_base_and_not_on_threads, 0, N_KINDS);
    tcase_add_loop_test(tc, a_stored_base_serves_as_well, 0, N_KINDS);
    tcase_add_loop_test(tc, an_interrupted_warm_run_ends_as_an_unbroken_one, 0, N_KINDS);
    tcase_add_loop_test(tc, a_cancel_ends_a_warm_run_anywhere, 0, N_KINDS);
    tcase_add_loop_test(tc, every_failed_allocation_of_a_warm_run_is_survived, 0, N_KINDS);
    tcase_add_loop_test(tc, noises_that_a_solver_can_have_start_warm, 0, N_KINDS);
    tcase_add_test(tc, a_warm_run_keeps_the_scaling_and_takes_rows_beyond_it);
    tcase_add_test(tc, folds_start_warm_and_say_so);
    tcase_add_test(tc, another_seed_is_warned_of);
    tcase_add_test(tc, rows_that_the_base_did_not_keep_out_are_warned_of);
    tcase_add_test(tc, another_network_is_refused_and_the_difference_named);
    tcase_add_test(tc, predicted_noise_is_refused_to_others);
    tcase_add_test(tc, a_warm_run_without_a_base_is_refused);
    tcase_add_test(tc, a_base_that_lacks_what_a_solver_needs_is_refused);
    tcase_add_test(tc, dropout_networks_are_found_again_or_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
