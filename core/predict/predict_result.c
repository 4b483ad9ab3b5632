/* SPDX-License-Identifier: Apache-2.0 */
#include "predict/predict_result.h"

#include "predict/predict.h"

#include <string.h>

const struct predict_kind predict_kinds[PREDICT_N_RESULTS] = {
#define RESULT(FLAG, field, name, shape, join, option)                                             \
    {name, PREDICT_SHAPE_##shape, PREDICT_JOIN_##join, PREDICT_OPTION_##option},
#include "predict/results.def"
#undef RESULT
};

_Static_assert(PREDICT_N_RESULTS < 8 * sizeof(unsigned), "a set of results is an unsigned");
_Static_assert(sizeof(struct predict_result) == PREDICT_N_RESULTS * sizeof(double *),
               "an array by its name and by its index is the same");

/* Results that have a name of their own are listed. */
#define LIST_NONE(name)         ", " name
#define LIST_LEVELS(name)       ", " name
#define LIST_TOTAL_LEVELS(name) ", " name
#define LIST_COVERAGES(name)    ", " name
#define LIST_DRAWS(name)        ", " name
#define LIST_BETWEEN(name)      ", " name
#define LIST_ALTERNATIVE(name)

const char *predict_result_names(void)
{
    static const char names[] =
#define RESULT(FLAG, field, name, shape, join, option) LIST_##option(name)
#include "predict/results.def"
#undef RESULT
        ;
    return names + strlen(", ");
}

bool predict_result_find(const char *name, enum predict_index *index)
{
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        const struct predict_kind *kind = &predict_kinds[i];
        if (kind->option != PREDICT_OPTION_ALTERNATIVE && strcmp(kind->name, name) == 0) {
            *index = (enum predict_index)i;
            return true;
        }
    }
    return false;
}

struct predict_dims predict_result_dims(enum predict_index index, const struct model *model,
                                        const struct predict_request *req)
{
    size_t n = (size_t)req->n;
    size_t o = (size_t)predict_n_outputs(model, req);
    size_t d = (size_t)model->d;
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
        return (struct predict_dims){2, {n, o}, 0};
    case PREDICT_SHAPE_LEVELS_N_O:
        return (struct predict_dims){3, {(size_t)req->n_levels, n, o}, 1};
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
        return (struct predict_dims){3, {(size_t)req->n_total_levels, n, o}, 1};
    case PREDICT_SHAPE_N_O_O:
        return (struct predict_dims){3, {n, o, o}, 0};
    case PREDICT_SHAPE_O_N_N:
        return (struct predict_dims){3, {o, n, n}, 1};
    case PREDICT_SHAPE_SAMPLES_N_O:
        return (struct predict_dims){3, {(size_t)req->n_samples, n, o}, 1};
    case PREDICT_SHAPE_PAIR_N_O_D:
        return (struct predict_dims){4, {2, n, o, d}, 1};
    case PREDICT_SHAPE_ENDS_N_O:
        return (struct predict_dims){3, {2 * (size_t)req->n_intervals, n, o}, 1};
    case PREDICT_SHAPE_PAIR_N:
        return (struct predict_dims){2, {2, n}, 1};
    }
    return (struct predict_dims){.rank = 0};
}

enum err_code predict_result_alloc(struct predict_result *result, unsigned set,
                                   const struct model *model, const struct predict_request *req,
                                   struct arena *arena, struct err *err)
{
    *result = (struct predict_result){.mean = NULL};
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (!(set & (1U << i))) {
            continue;
        }
        struct predict_dims dims = predict_result_dims((enum predict_index)i, model, req);
        size_t count = 1;
        for (int k = 0; k < dims.rank; k++) {
            count *= dims.size[k];
        }
        result->at[i] = arena_alloc_array(arena, count, sizeof *result->at[i]);
        if (result->at[i] == NULL) {
            return err_set(err, ERR_NOMEM, "no memory for the answer");
        }
    }
    return ERR_OK;
}
