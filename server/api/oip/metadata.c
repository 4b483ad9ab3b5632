/* SPDX-License-Identifier: Apache-2.0 */
/* One model in the words of the Open Inference Protocol: metadata, readiness, and its configuration
 * as Triton writes it. */
#include "api/handlers.h"

#include "api/oip/oip_model.h"
#include "api/reply.h"
#include "formats/tensor_type.h"

#include <stdio.h>

#define PLATFORM     "surrogated_wpresnet"
#define VERSION_SIZE 24

static const char *version_text(int64_t version, char text[VERSION_SIZE])
{
    snprintf(text, VERSION_SIZE, "%lld", (long long)version);
    return text;
}

static void write_shape(struct json_write *json, const char *key, const struct oip_tensor *tensor)
{
    json_write_array(json, key);
    for (int k = 0; k < tensor->rank; k++) {
        json_write_int(json, NULL, tensor->shape[k]);
    }
    json_write_array_end(json);
}

/* What a document about tensors calls their members. */
struct tensor_words {
    const char *inputs, *outputs, *type, *type_prefix, *shape;
};

static void write_tensor(struct json_write *json, const struct tensor_words *words,
                         const struct oip_tensor *tensor)
{
    char type[16];
    snprintf(type, sizeof type, "%s%s", words->type_prefix, tensor_type_oip().list[TENSOR_F64]);
    json_write_object(json, NULL);
    json_write_text(json, "name", tensor->name);
    json_write_text(json, words->type, type);
    write_shape(json, words->shape, tensor);
    json_write_object_end(json);
}

static void write_tensors(struct json_write *json, const struct tensor_words *words,
                          const struct model *model)
{
    struct oip_tensor tensor = oip_model_input(model);
    json_write_array(json, words->inputs);
    write_tensor(json, words, &tensor);
    json_write_array_end(json);
    json_write_array(json, words->outputs);
    for (int i = 0; i < PREDICT_N_RESULTS; i++) {
        if (oip_model_output(model, (enum predict_index)i, &tensor)) {
            write_tensor(json, words, &tensor);
        }
    }
    json_write_array_end(json);
}

/* All versions, or the one that the path names. */
static enum err_code write_versions(struct app *app, const struct request *req,
                                    const struct served *served, struct json_write *json,
                                    struct err *err)
{
    char text[VERSION_SIZE];
    struct model_view view = {.n_versions = 0};
    if (req->n_params < 2 && model_store_view(app->db, served->name, &view, err) != ERR_OK) {
        return err->code;
    }
    json_write_array(json, "versions");
    for (size_t i = 0; i < view.n_versions; i++) {
        json_write_text(json, NULL, version_text(view.versions[i].version, text));
    }
    if (req->n_params > 1) {
        json_write_text(json, NULL, version_text(served->version, text));
    }
    json_write_array_end(json);
    model_view_release(&view);
    return ERR_OK;
}

enum err_code handle_oip_model(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    static const struct tensor_words words = {"inputs", "outputs", "datatype", "", "shape"};
    struct served *served = NULL;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (oip_model_find(app, req, &served, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "name", served->name);
    if (write_versions(app, req, served, &json, err) == ERR_OK) {
        json_write_text(&json, "platform", PLATFORM);
        write_tensors(&json, &words, served->model);
        json_write_object_end(&json);
        err_kept(reply_json(res, 200, &json, err));
    }
    served_unref(served);
    return err->code;
}

/* A version that can be found can be asked; it is read for that, if it has to be. */
enum err_code handle_oip_model_ready(struct app *app, const struct request *req,
                                     struct response *res, struct err *err)
{
    struct served *served = NULL;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (oip_model_find(app, req, &served, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "name", served->name);
    json_write_bool(&json, "ready", true);
    json_write_object_end(&json);
    served_unref(served);
    return reply_json(res, 200, &json, err);
}

/* max_batch_size 0 means to Triton's clients that the shapes are whole, with the rows in them. */
enum err_code handle_oip_config(struct app *app, const struct request *req, struct response *res,
                                struct err *err)
{
    static const struct tensor_words words = {"input", "output", "data_type", "TYPE_", "dims"};
    struct served *served = NULL;
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    if (oip_model_find(app, req, &served, err) != ERR_OK) {
        return err->code;
    }
    json_write_object(&json, NULL);
    json_write_text(&json, "name", served->name);
    json_write_text(&json, "platform", PLATFORM);
    json_write_text(&json, "backend", "surrogated");
    json_write_int(&json, "max_batch_size", 0);
    write_tensors(&json, &words, served->model);
    json_write_object_end(&json);
    served_unref(served);
    return reply_json(res, 200, &json, err);
}
