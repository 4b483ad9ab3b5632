/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/request_fields.h"

#include "documents/arch_json.h"
#include "documents/job_spec.h"

#include <limits.h>

#define BIG         1e300
#define MAX_SECONDS (366 * 86400)
#define MAX_FITS    1000000
/* Keys of requests with auto, and those of all others. */
#define OF_AUTO    .variants = 1u << REQUEST_AUTO_VARIANT
#define OF_SOLVERS .variants = (1u << REQUEST_AUTO_VARIANT) - 1u

/* Settings of the solvers between which auto chooses may be given with auto. */
#define OF_SETTING(solvers)                                                                        \
    .variants =                                                                                    \
        (solvers) | (((solvers) & (unsigned)AUTO_SOLVERS) != 0 ? 1u << REQUEST_AUTO_VARIANT : 0u)

/* The range of these is checked by train_validate. */
#define REAL(name, of, member) FIELD_REAL(name, -BIG, BIG, of, member)

/* Values of FIELD_OTHER are read by train_json.c and job_json.c. */
static const struct json_field top_fields[] = {
    FIELD_OTHER("solver"),
    {.key = "budget_s",
     .type = JSON_FIELD_REAL,
     .max = MAX_SECONDS,
     FIELD_TO(job_spec, choice.seconds),
     OF_AUTO},
    {.key = "budget_fits",
     .type = JSON_FIELD_INT,
     .max = MAX_FITS,
     FIELD_TO(job_spec, choice.fits),
     OF_AUTO},
    FIELD_OTHER("architecture"),
    FIELD_OTHER("settings"),
    FIELD_OTHER("optimizer"),
    FIELD_OTHER("split"),
    FIELD_OTHER("scaling"),
    FIELD_OTHER("noise"),
    {.key = "columns", .type = JSON_FIELD_OTHER, OF_SOLVERS},
    {.key = "constraints", .type = JSON_FIELD_OTHER, OF_SOLVERS},
    {.key = "chain_start", .type = JSON_FIELD_OTHER, OF_SOLVERS},
    FIELD_OTHER("prior"),
    FIELD_OTHER("calibration"),
    FIELD_OTHER("output_reduction"),
    FIELD_OTHER("precision"),
    FIELD_NAME("start", train_start, job_spec, train.start),
    FIELD_OTHER("seed"),
    FIELD_OTHER("gate"),
    FIELD_FLAG("promote", job_spec, promote),
    FIELD_OTHER("limits"),
    FIELD_OTHER("space"),
    FIELD_INT("priority", -JOB_MAX_PRIORITY, JOB_MAX_PRIORITY, job_spec, priority),
    FIELD_NAME("where", job_place, job_spec, place),
    {.key = "auto", .type = JSON_FIELD_OTHER, OF_SOLVERS},
};

static const struct json_field settings_fields[] = {
#define SOLVER_FIELD(field) .key = #field, FIELD_TO(solver_settings, field)
#define SETTING_INT(field, low, high, value, solvers)                                              \
    {SOLVER_FIELD(field), .type = JSON_FIELD_INT, .min = (low), .max = (high), OF_SETTING(solvers)},
#define SETTING_REAL(field, low, high, value, solvers)                                             \
    {SOLVER_FIELD(field), .type = JSON_FIELD_REAL, .min = (low), .max = (high),                    \
     OF_SETTING(solvers)},
#define SETTING_FLAG(field, value, solvers)                                                        \
    {SOLVER_FIELD(field), .type = JSON_FIELD_FLAG, OF_SETTING(solvers)},
#define SETTING_CHOICE(field, names, value, solvers)                                               \
    {SOLVER_FIELD(field), .type = JSON_FIELD_NAME, .choices = (names), OF_SETTING(solvers)},
#include "solve/solver_settings.def"
#undef SETTING_INT
#undef SETTING_REAL
#undef SETTING_FLAG
#undef SETTING_CHOICE
};

static const struct json_field optimizer_fields[] = {
    FIELD_NAME("name", optim, optim_settings, kind),
    REAL("learning_rate", optim_settings, learning_rate),
    REAL("weight_decay", optim_settings, weight_decay),
    REAL("momentum", optim_settings, momentum),
    REAL("beta1", optim_settings, beta1),
    REAL("beta2", optim_settings, beta2),
    REAL("epsilon", optim_settings, epsilon),
    FIELD_INT("history", 0, INT_MAX, optim_settings, history),
    FIELD_OTHER("schedule"),
};

static const struct json_field schedule_fields[] = {
    FIELD_NAME("name", optim_schedule, optim_settings, schedule),
    REAL("final_factor", optim_settings, final_factor),
    REAL("step_factor", optim_settings, step_factor),
    FIELD_INT("step_epochs", 0, INT_MAX, optim_settings, step_epochs),
    FIELD_INT("plateau_patience", 0, INT_MAX, optim_settings, plateau_patience),
    FIELD_INT("plateau_cooldown", 0, INT_MAX, optim_settings, plateau_cooldown),
    REAL("plateau_threshold", optim_settings, plateau_threshold),
    REAL("min_factor", optim_settings, min_factor),
    FIELD_OTHER("rates"),
};

static const struct json_field split_fields[] = {
    REAL("validation", train_spec, validation),
};

static const struct json_field scaling_fields[] = {
    FIELD_NAME("inputs", scaler_kind, train_spec, input_scaling),
    FIELD_NAME("outputs", scaler_kind, train_spec, output_scaling),
};

static const struct json_field noise_fields[] = {
    {.key = "kind",
     .type = JSON_FIELD_NAME,
     .required = true,
     .known = noise_kind_known,
     FIELD_TO(train_spec, noise)},
    FIELD_OTHER("sigma"),
};

static const struct json_field prior_fields[] = {
    REAL("sigma", train_prior, sigma),         REAL("pre", train_prior, pre),
    REAL("post", train_prior, post),           REAL("blocks", train_prior, blocks),
    FIELD_FLAG("fan_in", train_prior, fan_in),
};

static const struct json_field calibration_fields[] = {
    {.key = "method",
     .type = JSON_FIELD_NAME,
     .required = true,
     .known = conformal_method_known,
     FIELD_TO(train_calibration, method)},
    REAL("share", train_calibration, share),
    FIELD_INT("folds", 0, INT_MAX, train_calibration, folds),
    FIELD_FLAG("normalised", train_calibration, normalised),
};

static const struct json_field gate_fields[] = {
    FIELD_NAME("metric", gate_metric, gate_spec, metric),
    FIELD_REAL("max_increase", 0, 1e6, gate_spec, max_increase),
    FIELD_NAME("rows", gate_rows, gate_spec, rows),
};

static const struct json_field limits_fields[] = {
    FIELD_INT64("seconds", 0, MAX_SECONDS, job_limits, seconds),
    FIELD_OTHER("memory_mb"),
};

static const struct json_field choice_fields[] = {
    FIELD_REAL("budget_s", 0, MAX_SECONDS, job_auto, seconds),
    FIELD_INT("budget_fits", 0, MAX_FITS, job_auto, fits),
    FIELD_OTHER("fixed"),
    FIELD_OTHER("failed"),
};

#define OBJECT(fields, title, place)                                                               \
    {                                                                                              \
        title, place, fields, (int)(sizeof fields / sizeof *fields)                                \
    }

static const struct json_fields top = OBJECT(top_fields, "request", "at the top of the request");
const struct json_fields request_of_policy = OBJECT(top_fields, "request", "under \"request\"");
static const struct json_fields settings =
    OBJECT(settings_fields, "settings", "under \"settings\"");
static const struct json_fields optimizer =
    OBJECT(optimizer_fields, "optimizer", "under \"optimizer\"");
static const struct json_fields schedule =
    OBJECT(schedule_fields, "schedule", "under \"optimizer.schedule\"");
static const struct json_fields split = OBJECT(split_fields, "split", "under \"split\"");
static const struct json_fields scaling = OBJECT(scaling_fields, "scaling", "under \"scaling\"");
static const struct json_fields noise = OBJECT(noise_fields, "noise", "under \"noise\"");
static const struct json_fields prior = OBJECT(prior_fields, "prior", "under \"prior\"");
static const struct json_fields calibration =
    OBJECT(calibration_fields, "calibration", "under \"calibration\"");
static const struct json_fields gate = OBJECT(gate_fields, "gate", "under \"gate\"");
static const struct json_fields limits = OBJECT(limits_fields, "limits", "under \"limits\"");

static const struct json_fields choice = OBJECT(choice_fields, "auto", "under \"auto\"");

static const struct json_fields *const objects[REQUEST_N_OBJECTS] = {
    [REQUEST_TOP] = &top,           [REQUEST_ARCHITECTURE] = &arch_json_fields,
    [REQUEST_SETTINGS] = &settings, [REQUEST_OPTIMIZER] = &optimizer,
    [REQUEST_SCHEDULE] = &schedule, [REQUEST_SPLIT] = &split,
    [REQUEST_SCALING] = &scaling,   [REQUEST_NOISE] = &noise,
    [REQUEST_PRIOR] = &prior,       [REQUEST_CALIBRATION] = &calibration,
    [REQUEST_GATE] = &gate,         [REQUEST_LIMITS] = &limits,
    [REQUEST_CHOICE] = &choice,
};

static const char *const variant_names[] = {
#define SOLVER(code, name, operations) name,
#include "solve/solver.def"
#undef SOLVER
    REQUEST_AUTO};
_Static_assert(sizeof variant_names / sizeof *variant_names == REQUEST_AUTO_VARIANT + 1,
               "auto comes after the last solver");

static struct names known_variants(void)
{
    return (struct names){.list = variant_names, .n = REQUEST_AUTO_VARIANT + 1};
}

const struct json_document request_document = {.objects = objects,
                                               .n_objects = REQUEST_N_OBJECTS,
                                               .variant = "solver",
                                               .variants = known_variants};
