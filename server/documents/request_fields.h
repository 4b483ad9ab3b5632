/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a training request and their keys (documents/job_json.h, train_json.h). */
#ifndef REQUEST_FIELDS_H
#define REQUEST_FIELDS_H

#include "documents/json_fields.h"
#include "solve/solver.h"

enum request_object {
    REQUEST_TOP,
    REQUEST_ARCHITECTURE, /* struct arch */
    REQUEST_SETTINGS,     /* struct solver_settings; variants: enum solver_kind */
    REQUEST_OPTIMIZER,    /* struct optim_settings */
    REQUEST_SCHEDULE,     /* struct optim_settings */
    REQUEST_SPLIT,        /* struct train_spec */
    REQUEST_SCALING,      /* struct train_spec */
    REQUEST_NOISE,        /* struct train_spec */
    REQUEST_PRIOR,        /* struct train_prior */
    REQUEST_CALIBRATION,  /* struct train_calibration */
    REQUEST_GATE,         /* struct gate_spec */
    REQUEST_LIMITS,       /* struct job_limits */
    REQUEST_CHOICE,       /* struct job_auto */
    REQUEST_N_OBJECTS
};

extern const struct json_document request_document;

/* The request as an object of a policy. */
extern const struct json_fields request_of_policy;

/* The variant of a request whose solver is chosen; the others are the solvers. */
#define REQUEST_AUTO "auto"
enum { REQUEST_AUTO_VARIANT = SOLVER_EVIDENCE + 1 };

/* An object of a request for a solver, or REQUEST_AUTO_VARIANT; -1: not known. */
static inline struct json_place request_place(enum request_object object, int variant)
{
    return (struct json_place){&request_document, (int)object, variant};
}

#endif
