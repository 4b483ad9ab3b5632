/* SPDX-License-Identifier: Apache-2.0 */
#include "api/readiness.h"

#include "store/sqlite/db_presence.h"

#include <stdio.h>

/* Probes need no token, and nobody without one learns the name of a model. */
static const char unnamed_models[] = "models could not be loaded; GET /v1/status names one";

bool readiness_find_reason(struct app *app, int part, char *out)
{
    struct err err = ERR_INIT;
    if (part == HEALTH_REGISTRY &&
        (db_check_presence(app->db, &err) != ERR_OK || !db_is_alive(app->db))) {
        const char *why = err.code != ERR_OK ? err_msg(&err) : "the registry file cannot be read";
        snprintf(out, HEALTH_REASON_CHARS, "%s", why);
        return true;
    }
    return app->health != NULL && part != HEALTH_REGISTRY &&
           health_get(app->health, (enum health_part)part, out);
}

/* Ready: models are loaded, the registry answers and can be written to, the threads live, and the
 * server is not stopping. */
enum err_code readiness_check(struct app *app, struct readiness *out, struct err *err)
{
    out->n_reasons = 0;
    if (atomic_load_explicit(&app->draining, memory_order_relaxed)) {
        return err_set(err, ERR_DRAINING, "the server is stopping");
    }
    if (!models_is_loaded(app->models)) {
        return err_set(err, ERR_BUSY, "models are being loaded");
    }
    for (int part = 0; part < HEALTH_N_PARTS; part++) {
        struct readiness_reason *reason = &out->reasons[out->n_reasons];
        bool found = readiness_find_reason(app, part, reason->text);
        reason->part = part;
        if (found && part == HEALTH_MODELS && access_asks(app->access)) {
            snprintf(reason->text, sizeof reason->text, "%s", unnamed_models);
        }
        out->n_reasons += found;
    }
    return ERR_OK;
}
