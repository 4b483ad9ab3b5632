/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/exports.h"

#include "api/exports/answer_room.h"
#include "api/reply.h"
#include "documents/model_json.h"

#define NUMBER_CHARS 22 /* of a number in a document, with its comma */
#define OTHER_ARRAYS 8  /* of a document beside those of its posterior */

/* A document that is made from the model while it is sent; in the arena of its request. */
struct model_export {
    struct json_stream stream; /* first: the pointer to one is that to the other */
    struct answer_model model;
    struct answer_claim claim;
};

static void release_export(void *ctx)
{
    struct model_export *export = ctx;
    answer_room_release(&export->claim);
    answer_model_release(&export->model);
}

/* Numbers that become text at once, which is held until it is sent and twice while it grows: of a
 * mixture with more arrays than the stream has room for. */
static size_t held_chars(const struct model *model)
{
    bool few = 3 * model->gaussian.n_members < JSON_STREAM_TENSORS - OTHER_ARRAYS;
    return few ? 0 : 2 * NUMBER_CHARS * model_n_stored(model);
}

enum err_code export_document(struct app *app, const struct request *req, struct served *served,
                              struct response *res, struct err *err)
{
    struct model_export *export = arena_zalloc_array(req->arena, 1, sizeof *export);
    if (export == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (answer_model_hold(app, served, &export->model, err) == ERR_OK &&
        answer_room_claim(app, held_chars(served->model), &export->claim, err) == ERR_OK) {
        json_stream_init(&export->stream, req->arena);
        model_json_write(&export->stream.json, NULL, served->model);
        if (json_stream_end(&export->stream, err) == ERR_OK) {
            err_kept(reply_stream(res, &export->stream, req->arena, err));
        }
    }
    if (err->code != ERR_OK) {
        release_export(export);
        return err->code;
    }
    res->source.release = release_export;
    res->source.ctx = export;
    return ERR_OK;
}
