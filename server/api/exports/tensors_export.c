/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/exports.h"

#include "api/exports/answer_room.h"
#include "base/textbuf.h"
#include "documents/model_tensors.h"
#include "formats/media_type.h"

#include <string.h>

/* A file of safetensors whose numbers are copied from the model while it is sent. */
struct tensors_export {
    struct textbuf head;
    size_t at; /* in the head */
    struct model_parts parts;
    int part;    /* the one being sent */
    int draw;    /* of it */
    size_t next; /* byte of that draw's numbers */
    struct answer_model model;
    struct answer_claim claim;
};

/* The next bytes of the present draw of the present part. */
static size_t copy_numbers(struct tensors_export *export, char *out, size_t size)
{
    const struct model *model = export->model.served->model;
    const struct model_part *part = &export->parts.list[export->part];
    const double *draw = model->draws + (size_t) export->draw * (size_t)model->net.n_params;
    size_t n_bytes = part->n * sizeof(double);
    size_t n = n_bytes - export->next < size ? n_bytes - export->next : size;
    memcpy(out, (const char *)(draw + part->first) + export->next, n);
    export->next += n;
    if (export->next == n_bytes) {
        export->next = 0;
        export->draw++;
    }
    if (export->draw == model->m) {
        export->draw = 0;
        export->part++;
    }
    return n;
}

static size_t read_tensors(void *ctx, char *out, size_t size)
{
    struct tensors_export *export = ctx;
    size_t n = export->head.len - export->at;
    n = n < size ? n : size;
    memcpy(out, export->head.data + export->at, n);
    export->at += n;
    while (n < size && export->part < export->parts.n) {
        n += copy_numbers(export, out + n, size - n);
    }
    return n;
}

static void release_tensors(void *ctx)
{
    struct tensors_export *export = ctx;
    answer_room_release(&export->claim);
    answer_model_release(&export->model);
}

enum err_code export_tensors(struct app *app, const struct request *req, struct served *served,
                             bool flat, struct response *res, struct err *err)
{
    const struct model *model = served->model;
    struct tensors_export *export = arena_zalloc_array(req->arena, 1, sizeof *export);
    size_t n_bytes = (size_t)model->m * (size_t)model->net.n_params * sizeof(double);
    if (export == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    export->head = textbuf_in(req->arena);
    if (answer_model_hold(app, served, &export->model, err) != ERR_OK ||
        model_parts_list(&model->net.arch, model->m, flat, req->arena, &export->parts, err) !=
            ERR_OK ||
        model_tensors_head(model, &export->parts, &export->head, err) != ERR_OK ||
        answer_room_claim(app, 3 * export->head.len, &export->claim, err) != ERR_OK) {
        release_tensors(export);
        return err->code;
    }
    res->status = 200;
    res->content_type = MEDIA_TYPE_SAFETENSORS;
    res->source = (struct body_source){.read = read_tensors,
                                       .release = release_tensors,
                                       .ctx = export,
                                       .n_bytes = export->head.len + n_bytes};
    return ERR_OK;
}
