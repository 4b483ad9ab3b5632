/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a fit in a checkpoint. */
#include "fit/fit_priv.h"

#include "base/mem.h"

void fit_put_state(const struct fit *fit, bool ended, const struct rng *rng,
                   struct bytes_writer *writer)
{
    const struct fit_result *result = fit->result;
    bytes_put_u32(writer, ended);
    bytes_put_f64(writer, &result->best_loss, 1);
    bytes_put_u32(writer, (uint32_t)result->best_epoch);
    bytes_put_u32(writer, (uint32_t)result->epochs);
    bytes_put_u32(writer, (uint32_t)fit->since_best);
    rng_save(rng, writer);
    bytes_put_f64(writer, fit->best, (size_t)fit->problem->loss.n_params);
    if (result->train_loss != NULL) {
        bytes_put_f64(writer, result->train_loss, (size_t)result->epochs);
        bytes_put_f64(writer, result->validation_loss, (size_t)result->epochs);
    }
}

enum err_code fit_save_end(const struct fit *fit, const struct rng *rng, struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct bytes_writer writer = {.data = NULL};
    if (p->checkpoint == NULL) {
        return ERR_OK;
    }
    fit_put_state(fit, true, rng, &writer);
    return checkpoint_save(p->checkpoint, p->task, &writer, err);
}

enum err_code fit_open_state(struct fit *fit, struct rng *rng, struct fit_state *state, bool *ended,
                             struct err *err)
{
    const struct fit_problem *p = fit->problem;
    struct fit_result *result = fit->result;
    struct bytes_reader *r = &state->reader;
    *state = (struct fit_state){.bytes = NULL};
    *ended = false;
    if (checkpoint_load(p->checkpoint, p->task, &state->bytes, r, &state->found, err) != ERR_OK ||
        !state->found) {
        return err->code;
    }
    fit->was_ended = bytes_get_int(r, 1) == 1;
    bytes_get_f64(r, &result->best_loss, 1);
    result->best_epoch = bytes_get_int(r, fit->settings->epochs);
    result->epochs = bytes_get_int(r, fit->settings->epochs);
    fit->since_best = bytes_get_int(r, fit->settings->epochs);
    rng_load(rng, r);
    bytes_get_f64(r, fit->best, (size_t)p->loss.n_params);
    if (result->train_loss != NULL) {
        bytes_get_f64(r, result->train_loss, (size_t)result->epochs);
        bytes_get_f64(r, result->validation_loss, (size_t)result->epochs);
    }
    state->found = !fit->was_ended;
    int patience = fit->settings->patience;
    *ended = fit->was_ended || (patience > 0 && fit->since_best >= patience);
    return ERR_OK;
}

enum err_code fit_close_state(struct fit_state *state, struct err *err)
{
    if (state->bytes != NULL && err->code == ERR_OK) {
        err_kept(checkpoint_check(&state->reader, err));
    }
    mem_free(state->bytes);
    state->bytes = NULL;
    return err->code;
}
