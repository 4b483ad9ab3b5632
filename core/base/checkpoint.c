/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checkpoint.h"

#include "base/mem.h"

bool checkpoint_due(const struct checkpoint *checkpoint, int task)
{
    return checkpoint != NULL && checkpoint->due(checkpoint->ctx, task);
}

enum err_code checkpoint_save(const struct checkpoint *checkpoint, int task,
                              struct bytes_writer *writer, struct err *err)
{
    if (writer->failed) {
        err_set(err, ERR_NOMEM, "no memory for a checkpoint");
    } else if (checkpoint != NULL) {
        err_kept(checkpoint->save(checkpoint->ctx, task, writer->data, writer->size, err));
    }
    mem_free(writer->data);
    *writer = (struct bytes_writer){.data = NULL};
    return err->code;
}

enum err_code checkpoint_load(const struct checkpoint *checkpoint, int task, void **bytes,
                              struct bytes_reader *reader, bool *found, struct err *err)
{
    size_t n_bytes = 0;
    *bytes = NULL;
    *found = false;
    *reader = (struct bytes_reader){.data = NULL};
    if (checkpoint == NULL) {
        return ERR_OK;
    }
    enum err_code code = checkpoint->load(checkpoint->ctx, task, bytes, &n_bytes, err);
    if (code == ERR_NOT_FOUND) {
        err_clear(err);
        return ERR_OK;
    }
    if (code == ERR_OK) {
        *reader = (struct bytes_reader){.data = *bytes, .left = n_bytes};
        *found = true;
    }
    return code;
}

enum err_code checkpoint_check(const struct bytes_reader *reader, struct err *err)
{
    if (reader->no_memory) {
        return err_set(err, ERR_NOMEM, "no memory for a checkpoint");
    }
    if (reader->failed || reader->left != 0) {
        return err_set(err, ERR_CORRUPT, "the checkpoint is damaged");
    }
    return ERR_OK;
}
