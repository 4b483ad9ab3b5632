/* SPDX-License-Identifier: Apache-2.0 */
#include "api/oip/oip_model.h"

#include "api/oip/infer_request.h"
#include "api/reply.h"
#include "live/models_unload.h"
#include "predict/predict_units.h"

#define ANY (-1)

enum err_code oip_model_target(struct app *app, const struct request *req, const char **name,
                               struct version_ref *ref, struct err *err)
{
    *ref = (struct version_ref){.kind = VERSION_DEFAULT};
    if (reply_model_name(req->params[0], name, err) != ERR_OK ||
        (req->n_params > 1 && version_ref_parse(req->params[1], ref, err) != ERR_OK)) {
        return err->code;
    }
    if (models_state(app->models, *name) == MODELS_UNLOADED) {
        return err_set(err, ERR_BUSY,
                       "model %s is unloaded; POST %s/v2/repository/models/%s/load makes it ready",
                       *name, config_base(app->config), *name);
    }
    return ERR_OK;
}

enum err_code oip_model_find(struct app *app, const struct request *req, struct served **out,
                             struct err *err)
{
    const char *name;
    struct version_ref ref;
    return oip_model_target(app, req, &name, &ref, err) == ERR_OK
               ? models_find(app->models, name, &ref, out, err)
               : err->code;
}

struct oip_tensor oip_model_input(const struct model *model)
{
    return (struct oip_tensor){.name = INFER_INPUT, .rank = 2, .shape = {ANY, model->d}};
}

/* Results that not every model has. */
static bool can_answer(const struct model *model, enum predict_index index)
{
    switch ((enum predict_want)(1U << index)) {
    case PREDICT_NOISE_VARIANCE:
    case PREDICT_TOTAL_VARIANCE:
    case PREDICT_TOTAL_QUANTILES:
        return model_knows_noise(model);
    case PREDICT_VARIANCE:
    case PREDICT_COVARIANCE_OUTPUTS:
        return predict_units_have_squares(model);
    case PREDICT_FEASIBLE:
        return model->feasible != NULL;
    case PREDICT_COVARIANCE_ROWS:
        return false; /* the name stands for that between outputs */
    case PREDICT_MEAN:
    case PREDICT_STD:
    case PREDICT_QUANTILES:
    case PREDICT_SAMPLES:
    case PREDICT_JACOBIAN:
    case PREDICT_INTERVALS:
        return true;
    }
    return true;
}

bool oip_model_output(const struct model *model, enum predict_index index, struct oip_tensor *out)
{
    const int64_t d = model->d;
    const int64_t o = model->o;
    const char *name = predict_kinds[index].name;
    switch (predict_kinds[index].shape) {
    case PREDICT_SHAPE_N_O:
        *out = (struct oip_tensor){name, 2, {ANY, o}};
        break;
    case PREDICT_SHAPE_LEVELS_N_O:
    case PREDICT_SHAPE_TOTAL_LEVELS_N_O:
    case PREDICT_SHAPE_SAMPLES_N_O:
    case PREDICT_SHAPE_ENDS_N_O:
        *out = (struct oip_tensor){name, 3, {ANY, ANY, o}};
        break;
    case PREDICT_SHAPE_N_O_O:
        *out = (struct oip_tensor){name, 3, {ANY, o, o}};
        break;
    case PREDICT_SHAPE_O_N_N:
        *out = (struct oip_tensor){name, 3, {o, ANY, ANY}};
        break;
    case PREDICT_SHAPE_PAIR_N_O_D:
        *out = (struct oip_tensor){name, 4, {2, ANY, o, d}};
        break;
    case PREDICT_SHAPE_PAIR_N:
        *out = (struct oip_tensor){name, 2, {2, ANY}};
        break;
    }
    return can_answer(model, index);
}
