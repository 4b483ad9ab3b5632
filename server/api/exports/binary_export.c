/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exports/exports.h"

#include "api/exports/answer_room.h"
#include "base/mem.h"
#include "base/mem_budget.h"
#include "formats/model_file.h"
#include "store/models/model_store.h"

#include <stdio.h>
#include <string.h>

/* A version as a file (formats/model_file.h); in the arena of its request. */
struct binary_export {
    unsigned char head[MODEL_FILE_HEAD_MAX];
    size_t n_head;
    unsigned char *content; /* mem */
    size_t n_content;
    size_t at; /* bytes that have been sent */
    struct answer_claim claim;
};

static size_t read_binary(void *ctx, char *out, size_t size)
{
    struct binary_export *export = ctx;
    size_t in_content = export->at > export->n_head ? export->at - export->n_head : 0;
    bool head = export->at < export->n_head;
    const unsigned char *from = head ? export->head + export->at : export->content + in_content;
    size_t left = head ? export->n_head - export->at : export->n_content - in_content;
    size_t n = left < size ? left : size;
    memcpy(out, from, n);
    export->at += n;
    return n;
}

static void release_binary(void *ctx)
{
    struct binary_export *export = ctx;
    mem_free(export->content);
    answer_room_release(&export->claim);
}

/* The bytes that are stored, which the store has compared with their digests. */
static enum err_code load_binary(struct app *app, const struct version_row *row,
                                 struct binary_export *export, struct err *err)
{
    void *content = NULL;
    if (answer_room_claim(app, (size_t)row->n_bytes, &export->claim, err) != ERR_OK ||
        model_store_load(app->db, row->model, row->version, &content, &export->n_content, err) !=
            ERR_OK) {
        return err->code;
    }
    export->content = content;
    struct model_file file = {
        .version = row->version, .content = content, .n_content = export->n_content};
    snprintf(file.model, sizeof file.model, "%s", row->model);
    return model_file_write_head(&file, export->head, &export->n_head, err);
}

enum err_code export_binary(struct app *app, const struct request *req,
                            const struct version_row *row, struct response *res, struct err *err)
{
    struct binary_export *export = arena_zalloc_array(req->arena, 1, sizeof *export);
    if (export == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    enum mem_kind kind = mem_kind_use(MEM_ANSWERS);
    err_kept(load_binary(app, row, export, err));
    mem_kind_use(kind);
    if (err->code != ERR_OK) {
        release_binary(export);
        return err->code;
    }
    res->status = 200;
    res->content_type = "application/octet-stream";
    res->source = (struct body_source){.read = read_binary,
                                       .release = release_binary,
                                       .ctx = export,
                                       .needs_no_body = true,
                                       .n_bytes = export->n_head + export->n_content};
    return ERR_OK;
}
