/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes of the Open Inference Protocol share: which model is meant, and its tensors. */
#ifndef OIP_MODEL_H
#define OIP_MODEL_H

#include "api/app.h"
#include "formats/json_write.h"
#include "predict/predict.h"

/* Model and version of the path. ERR_BUSY: the model is unloaded (models_unload.h); ERR_INVALID. */
enum err_code oip_model_target(struct app *app, const struct request *req, const char **name,
                               struct version_ref *ref, struct err *err) MUST_CHECK;

/* The same, and a reference to the version, which is read if it is not in memory. */
enum err_code oip_model_find(struct app *app, const struct request *req, struct served **out,
                             struct err *err) MUST_CHECK;

/* A tensor of a model, as metadata describe it. -1: any size. */
struct oip_tensor {
    const char *name;
    int rank;
    int64_t shape[PREDICT_MAX_RANK];
};

struct oip_tensor oip_model_input(const struct model *model);

/* The output of this index; false: the model cannot answer it, or it has the name of another. */
bool oip_model_output(const struct model *model, enum predict_index index, struct oip_tensor *out);

#endif
