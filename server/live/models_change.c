/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that change the store and then the memory. */
#include "live/models_priv.h"

#include "base/mem.h"
#include "model/codec.h"
#include "store/models/model_admin.h"

enum err_code models_put(struct models *models, struct model *model, struct put_request *put,
                         struct put_result *out, struct err *err)
{
    unsigned char *bytes = NULL;
    if (codec_encode(model, &bytes, &put->n_bytes, err) != ERR_OK) {
        return err->code;
    }
    put->bytes = bytes;
    if (model_store_put(models->db, put, out, err) == ERR_OK) {
        models_follow(models, put->model, model, out->version);
    }
    put->bytes = NULL;
    mem_free(bytes);
    return err->code;
}

enum err_code models_delete(struct models *models, const char *name, struct err *err)
{
    if (model_store_delete(models->db, name, err) == ERR_OK) {
        models_follow(models, name, NULL, 0);
    }
    return err->code;
}

enum err_code models_delete_version(struct models *models, const char *name,
                                    const struct version_ref *ref, struct err *err)
{
    if (model_store_delete_version(models->db, name, ref, err) == ERR_OK) {
        models_follow(models, name, NULL, 0);
    }
    return err->code;
}

enum err_code models_set_default(struct models *models, const char *name,
                                 const struct version_ref *ref, int64_t *version, struct err *err)
{
    struct served *served = NULL;
    if (models_find(models, name, ref, &served, err) != ERR_OK) {
        struct err found = *err;
        struct err looking = ERR_INIT;
        struct version_row row = {.damaged = false};
        /* Another version than a damaged one can be chosen; a damaged page of the file is an
         * error. */
        if (found.code == ERR_CORRUPT &&
            models_find_row(models, name, ref, &row, &looking) != ERR_OK && row.damaged) {
            err_clear(err);
            return err_set(err, ERR_CONFLICT, "%s", err_msg(&found));
        }
        return err->code;
    }
    if (model_store_set_default(models->db, name, ref, version, err) == ERR_OK) {
        models_follow(models, name, served->model, served->version);
    }
    served_unref(served);
    return err->code;
}

enum err_code models_set_keep(struct models *models, const char *name, int64_t keep_versions,
                              int64_t *n_deleted, struct err *err)
{
    if (model_store_set_keep(models->db, name, keep_versions, n_deleted, err) == ERR_OK) {
        models_follow(models, name, NULL, 0);
    }
    return err->code;
}

enum err_code models_set_alias(struct models *models, const char *name, const char *alias,
                               const struct version_ref *ref, struct alias_put *out,
                               struct err *err)
{
    if (alias_store_set(models->db, name, alias, ref, out, err) == ERR_OK) {
        models_follow(models, name, NULL, 0);
    }
    return err->code;
}

enum err_code models_delete_alias(struct models *models, const char *name, const char *alias,
                                  struct err *err)
{
    if (alias_store_delete(models->db, name, alias, err) == ERR_OK) {
        models_follow(models, name, NULL, 0);
    }
    return err->code;
}
