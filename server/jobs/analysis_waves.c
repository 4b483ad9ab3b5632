/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/analysis_waves.h"

#include "base/mem.h"
#include "live/served.h"

enum err_code analysis_waves_hold(struct analysis_waves *waves, struct models *models,
                                  const char *model, struct analysis_request *request,
                                  struct err *err)
{
    if (request->n_earlier == 0) {
        return ERR_OK;
    }
    waves->held = mem_zalloc_array((size_t)request->n_earlier, sizeof *waves->held);
    if (waves->held == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the earlier versions");
    }
    waves->n = request->n_earlier;
    for (int i = 0; i < waves->n && err->code == ERR_OK; i++) {
        if (models_get(models, model, request->earlier[i], &waves->held[i], err) == ERR_OK) {
            err_kept(analysis_request_add_wave(request, i, waves->held[i]->model, err));
        }
    }
    return err->code;
}

void analysis_waves_release(struct analysis_waves *waves)
{
    for (int i = 0; i < waves->n; i++) {
        served_unref(waves->held[i]);
    }
    mem_free(waves->held);
    *waves = (struct analysis_waves){.n = 0};
}
