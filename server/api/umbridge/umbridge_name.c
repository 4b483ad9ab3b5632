/* SPDX-License-Identifier: Apache-2.0 */
#include "api/umbridge/umbridge_name.h"

#include "store/models/model_name.h"

#include <stdio.h>
#include <string.h>

static const char *const names[] = {
#define OUTPUT(OF, name, suffix) [DERIVATIVE_OF_##OF] = (name),
#include "api/umbridge/umbridge_outputs.def"
#undef OUTPUT
};

static const char *const suffixes[] = {
#define OUTPUT(OF, name, suffix) [DERIVATIVE_OF_##OF] = (suffix),
#include "api/umbridge/umbridge_outputs.def"
#undef OUTPUT
};

#define N_OUTPUTS ((int)(sizeof names / sizeof *names))

struct names umbridge_output_names(void)
{
    return (struct names){names, N_OUTPUTS};
}

/* Splits a suffix off; false: the name has not this one. */
static bool split(const char *name, const char *suffix, char model[NAME_MAX_CHARS + 1])
{
    size_t len = strlen(name);
    size_t n_suffix = strlen(suffix);
    if (len <= n_suffix || len - n_suffix > NAME_MAX_CHARS ||
        strcmp(name + len - n_suffix, suffix) != 0) {
        return false;
    }
    memcpy(model, name, len - n_suffix);
    model[len - n_suffix] = '\0';
    return model_name_is_valid(model);
}

bool umbridge_name_find(struct models *models, const char *name, struct umbridge_name *out)
{
    for (int i = 0; i < N_OUTPUTS; i++) {
        /* The one without a suffix comes first. */
        if (split(name, suffixes[i], out->model) && models_has_name(models, out->model)) {
            out->view = (enum derivative_of)i;
            return true;
        }
    }
    return false;
}

bool umbridge_name_of_view(struct models *models, const char *model, enum derivative_of view,
                           char out[UMBRIDGE_NAME_CHARS])
{
    snprintf(out, UMBRIDGE_NAME_CHARS, "%s%s", model, suffixes[view]);
    return suffixes[view][0] == '\0' || !models_has_name(models, out);
}
