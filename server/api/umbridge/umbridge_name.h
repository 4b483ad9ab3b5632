/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names under which UM-Bridge clients ask for a model: its own, and those of its views, such as
 * "heat.std" (umbridge_outputs.def). A model that has such a name itself comes first.
 */
#ifndef UMBRIDGE_NAME_H
#define UMBRIDGE_NAME_H

#include "base/names.h"
#include "live/models.h"
#include "predict/derivative.h"

/* The names of the outputs, by enum derivative_of. */
struct names umbridge_output_names(void);

struct umbridge_name {
    char model[NAME_MAX_CHARS + 1];
    enum derivative_of view;
};

/* Leads a name to its model; false: there is none of that name. */
bool umbridge_name_find(struct models *models, const char *name,
                        struct umbridge_name *out) MUST_CHECK;

#define UMBRIDGE_NAME_CHARS (NAME_MAX_CHARS + 16) /* with a suffix */

/* The name of a view; false when a model has this name itself, which then stands for that. */
bool umbridge_name_of_view(struct models *models, const char *model, enum derivative_of view,
                           char out[UMBRIDGE_NAME_CHARS]) MUST_CHECK;

#endif
