/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/inputs.h"

#include "base/build.h"
#include "base/mem.h"
#include "documents/job_json.h"
#include "documents/space_json.h"
#include "formats/model_file.h"
#include "model/codec.h"
#include "outside/folder.h"
#include "outside/rows_share.h"

#include <stdio.h>
#include <string.h>

void inputs_release(struct inputs *inputs)
{
    train_spec_release(&inputs->spec.train);
    train_spec_release(&inputs->base_spec.train);
    mem_free(inputs->request);
    mem_free(inputs->x);
    mem_free(inputs->y);
    train_roles_rows_release(&inputs->columns);
    space_unref(inputs->space);
    model_unref(inputs->base);
    *inputs = (struct inputs){.request = NULL};
}

/* ---- files, the same on all ranks ---- */

struct file {
    void *bytes; /* mem, with a NUL behind it */
    size_t n;
};

/* Rank 0 sends the code of its error and the bytes of the file, or of the message. */
static enum err_code share(const struct ranks *ranks, const struct err *own, struct file *file,
                           struct err *err)
{
    struct bytes_writer w = {.data = NULL};
    void *all = NULL;
    size_t *sizes = mem_zalloc_array((size_t)ranks->n, sizeof *sizes);
    if (ranks->rank == 0) {
        bytes_put_u32(&w, (uint32_t)own->code);
        bytes_put_text(&w, own->msg);
        bytes_put(&w, file->bytes, file->n);
        bytes_put(&w, "", 1);
    }
    if (sizes == NULL || w.failed) {
        err_set(err, ERR_NOMEM, "no memory for the files of the training");
    } else if (ranks->gather(ranks->ctx, w.data, w.size, &all, sizes, err) == ERR_OK) {
        struct bytes_reader r = {.data = all, .left = sizes[0]};
        uint32_t code = bytes_get_u32(&r);
        char *text = bytes_get_text(&r, sizeof err->msg);
        if (code != ERR_OK) {
            err_set(err, (enum err_code)code, "%s", text != NULL ? text : "");
        } else if (r.failed || r.left == 0) {
            err_set(err, ERR_CORRUPT, "rank 0 sent no file");
        } else {
            mem_free(file->bytes);
            file->n = r.left - 1;
            memmove(all, r.data, r.left);
            file->bytes = all;
            all = NULL;
        }
        mem_free(text);
    }
    mem_free(w.data);
    mem_free(all);
    mem_free(sizes);
    return err->code;
}

static enum err_code read_file(const struct ranks *ranks, const char *path, struct file *file,
                               struct err *err)
{
    struct err own = ERR_INIT;
    *file = (struct file){.bytes = NULL};
    if (ranks->rank == 0) {
        err_kept(folder_read_file(path, &file->bytes, &file->n, &own));
    }
    if (ranks->n == 1) {
        *err = own;
        return err->code;
    }
    return share(ranks, &own, file, err);
}

/* ---- what is in them ---- */

static enum err_code take_request(struct inputs *inputs, struct file *file, struct err *err)
{
    if (job_json_parse(file->bytes, file->n, &inputs->spec, err) != ERR_OK) {
        err_prefix(err, "request");
        return err->code;
    }
    if (memchr(file->bytes, '\0', file->n) != NULL) {
        return err_set(err, ERR_INVALID, "request: there is a NUL in it");
    }
    inputs->request = file->bytes;
    file->bytes = NULL;
    return digest_sha256(inputs->request, file->n, inputs->request_digest, err);
}

static enum err_code take_base(struct inputs *inputs, const struct file *file, struct err *err)
{
    struct model_file base;
    if (model_file_read(file->bytes, file->n, &base, err) != ERR_OK ||
        codec_decode(base.content, base.n_content, &inputs->base, err) != ERR_OK) {
        err_prefix(err, "base");
        return err->code;
    }
    const char *text = inputs->base->settings;
    if (text == NULL) {
        return ERR_OK;
    }
    if (job_json_parse(text, strlen(text), &inputs->base_spec, err) == ERR_OK) {
        inputs->knows_base_spec = true;
    } else if (err->code != ERR_NOMEM) {
        err_clear(err); /* the settings of a registered version may be any text */
    }
    return err->code;
}

/* ---- the whole ---- */

static enum err_code identify(struct inputs *inputs, const struct file *files, int n,
                              struct err *err)
{
    char build[BUILD_CHARS];
    struct digest digest = {.state = NULL};
    build_describe(build, sizeof build);
    if (digest_open(&digest, err) == ERR_OK &&
        digest_add(&digest, build, strlen(build), err) == ERR_OK &&
        digest_add(&digest, inputs->request_digest, SHA256_BYTES, err) == ERR_OK) {
        err_kept(digest_add(&digest, inputs->rows_digest, SHA256_BYTES, err));
    }
    for (int i = 0; i < n && err->code == ERR_OK; i++) {
        unsigned char one[SHA256_BYTES];
        if (digest_sha256(files[i].bytes, files[i].n, one, err) == ERR_OK) {
            err_kept(digest_add(&digest, one, sizeof one, err));
        }
    }
    digest_close(&digest, err->code == ERR_OK ? inputs->identity : NULL);
    return err->code;
}

enum err_code inputs_read(struct inputs *inputs, const struct inputs_paths *paths,
                          const struct ranks *ranks, struct err *err)
{
    struct file request = {.bytes = NULL};
    struct file more[2] = {{.bytes = NULL}, {.bytes = NULL}}; /* space and base */
    *inputs = (struct inputs){.request = NULL};
    if (read_file(ranks, paths->request, &request, err) == ERR_OK &&
        take_request(inputs, &request, err) == ERR_OK) {
        paths->begin_limits(paths->ctx, &inputs->spec.limits);
    }
    if (err->code == ERR_OK && paths->space != NULL &&
        read_file(ranks, paths->space, &more[0], err) == ERR_OK &&
        space_json_parse(more[0].bytes, more[0].n, &inputs->space, err) != ERR_OK) {
        err_prefix(err, "space");
    }
    if (err->code == ERR_OK && paths->base != NULL &&
        read_file(ranks, paths->base, &more[1], err) == ERR_OK) {
        err_kept(take_base(inputs, &more[1], err));
    }
    if (err->code == ERR_OK && inputs->spec.train.start == TRAIN_WARM && inputs->base == NULL) {
        err_set(err, ERR_INVALID, "a warm start needs --base");
    }
    if (err->code == ERR_OK && rows_share(inputs, paths, ranks, err) == ERR_OK &&
        identify(inputs, more, 2, err) == ERR_OK) {
        err_kept(train_roles_apply(&inputs->spec.train.roles, &inputs->data, &inputs->space,
                                   &inputs->columns, err));
    }
    mem_free(request.bytes);
    mem_free(more[0].bytes);
    mem_free(more[1].bytes);
    return err->code;
}
