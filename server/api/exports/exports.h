/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version as its client asks for it, sent without a second copy of its numbers: the JSON document
 * and safetensors from the model in memory, a file of bytes as they are stored. Each may be
 * registered or read again. ERR_NOMEM; ERR_BUSY, ERR_TOO_LARGE: no room for the answer.
 */
#ifndef EXPORTS_H
#define EXPORTS_H

#include "api/app.h"
#include "http/exchange.h"
#include "live/models.h"
#include "store/models/model_view.h"

/* documents/model_json.h */
enum err_code export_document(struct app *app, const struct request *req, struct served *served,
                              struct response *res, struct err *err) MUST_CHECK;

/* documents/model_tensors.h; flat: one tensor, the draws as rows. ERR_UNSUPPORTED: Gaussians. */
enum err_code export_tensors(struct app *app, const struct request *req, struct served *served,
                             bool flat, struct response *res, struct err *err) MUST_CHECK;

/* formats/model_file.h */
enum err_code export_binary(struct app *app, const struct request *req,
                            const struct version_row *row, struct response *res,
                            struct err *err) MUST_CHECK;

#endif
