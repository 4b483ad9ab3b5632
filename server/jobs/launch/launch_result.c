/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/launch/launch_result.h"

#include "base/mem.h"
#include "documents/cross_file.h"
#include "documents/launch_json.h"
#include "formats/model_file.h"
#include "model/codec.h"

#include <string.h>
#include <unistd.h>

#define MAX_RESULT_BYTES ((size_t)64 << 10)

bool launch_result_is_there(const struct launch_folder *folder)
{
    char path[PATH_MAX];
    struct err unread = ERR_INIT;
    return launch_folder_file(folder, "result.json", path, &unread) == ERR_OK &&
           access(path, R_OK) == 0;
}

/* Only memory and disk of this server are a reason to try again. */
static enum err_code judge(struct err *err)
{
    if (err->code != ERR_OK && err->code != ERR_NOMEM && err->code != ERR_IO) {
        err->code = ERR_CORRUPT;
    }
    return err->code;
}

static enum err_code read_result(const struct launch_folder *folder, struct launch_result *out,
                                 struct err *err)
{
    void *text = NULL;
    size_t n = 0;
    if (launch_folder_read(folder, "result.json", MAX_RESULT_BYTES, &text, &n, err) ==
        ERR_NOT_FOUND) {
        err_clear(err);
        return err_set(err, ERR_NUMERIC, "the training left no result");
    }
    if (err->code == ERR_OK && launch_json_parse_result(text, n, out, err) != ERR_OK) {
        err_prefix(err, "the training's result.json");
    }
    mem_free(text);
    if (judge(err) == ERR_OK && !out->ok) {
        err_set(err, ERR_NUMERIC, "the launched training %s: %s",
                out->was_stopped ? "was stopped, and not by this server" : "failed", out->message);
    }
    return err->code;
}

static enum err_code check_digest(const void *bytes, size_t n, const char *told, const char *what,
                                  struct err *err)
{
    unsigned char digest[SHA256_BYTES];
    char hex[DIGEST_HEX_CHARS + 1];
    if (digest_sha256(bytes, n, digest, err) != ERR_OK) {
        return err->code;
    }
    digest_hex(digest, hex);
    return strcmp(hex, told) == 0 ? ERR_OK
                                  : err_set(err, ERR_CORRUPT,
                                            "the training's %s has the fingerprint %.16s.., its "
                                            "result tells %.16s..",
                                            what, hex, told);
}

/* The training has read what was written for it. */
static enum err_code check_read(const struct launch_folder *folder,
                                const struct launch_result *result, struct err *err)
{
    if (strcmp(result->request_sha256, folder->request_sha256) != 0) {
        return err_set(err, ERR_CORRUPT, "the training read another request than this job's");
    }
    return strcmp(result->rows_sha256, folder->rows_sha256) == 0
               ? ERR_OK
               : err_set(err, ERR_CORRUPT, "the training read other rows than this job's");
}

/* Whoever compares it with the served version gives it rows of this shape. */
static enum err_code check_model(const struct model *model, const struct launch_expected *expected,
                                 struct err *err)
{
    const char *settings = model->settings != NULL ? model->settings : "";
    if (model->d != expected->d || model->o != expected->o) {
        return err_set(err, ERR_CORRUPT,
                       "the version has %d inputs and %d outputs, the rows have %d and %d",
                       model->d, model->o, expected->d, expected->o);
    }
    if (!expected->chooses && (strlen(settings) != expected->n_request ||
                               memcmp(settings, expected->request, expected->n_request) != 0)) {
        return err_set(err, ERR_CORRUPT, "the version has other settings than the job's request");
    }
    return ERR_OK;
}

static enum err_code decode(const void *bytes, size_t n, const struct launch_result *result,
                            struct model **out, struct err *err)
{
    struct model_file file;
    return (int64_t)n != result->bytes
               ? err_set(err, ERR_CORRUPT,
                         "the training's version.bin has %zu bytes, its result tells %lld", n,
                         (long long)result->bytes)
           : check_digest(bytes, n, result->sha256, "version.bin", err) == ERR_OK &&
                   model_file_read(bytes, n, &file, err) == ERR_OK &&
                   check_digest(file.content, file.n_content, result->content_sha256, "version",
                                err) == ERR_OK
               ? codec_decode(file.content, file.n_content, out, err)
               : err->code;
}

static enum err_code read_cross(const struct launch_folder *folder,
                                const struct launch_expected *expected, struct train_cross *out,
                                struct err *err)
{
    void *bytes = NULL;
    size_t n = 0;
    if (launch_folder_read(folder, "cross.bin", expected->max_bytes, &bytes, &n, err) == ERR_OK) {
        err_kept(cross_file_decode(bytes, n, expected->n, expected->o, out, err));
    }
    mem_free(bytes);
    return err->code;
}

enum err_code launch_result_take(const struct launch_folder *folder,
                                 const struct launch_expected *expected, struct model **out,
                                 struct train_cross *cross, struct err *err)
{
    struct launch_result result;
    struct train_cross none = {.n = 0};
    struct model *model = NULL;
    void *bytes = NULL;
    size_t n = 0;
    if (read_result(folder, &result, err) != ERR_OK || check_read(folder, &result, err) != ERR_OK) {
        return err->code;
    }
    if (launch_folder_read(folder, "version.bin", expected->max_bytes, &bytes, &n, err) == ERR_OK &&
        decode(bytes, n, &result, &model, err) == ERR_OK &&
        check_model(model, expected, err) == ERR_OK &&
        (!expected->chooses || read_cross(folder, expected, &none, err) == ERR_OK)) {
        *out = model;
        *cross = none;
        model = NULL;
    }
    model_unref(model);
    mem_free(bytes);
    return judge(err);
}
