/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/rows/row_roles.h"

#include "documents/job_json.h"

#include <string.h>

static void leave(const struct train_roles_map *map, struct data_newest *rows)
{
    size_t from = (size_t)rows->d + (size_t)rows->o;
    size_t to = (size_t)rows->d + (size_t)map->o;
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        const double *row = rows->rows + i * from;
        double *left = rows->rows + i * to;
        memmove(left, row, (size_t)rows->d * sizeof *left);
        /* Targets are in their order, so none is overwritten before it is moved. */
        for (int j = 0; j < map->o; j++) {
            left[rows->d + j] = row[rows->d + map->targets[j]];
        }
    }
    rows->o = map->o;
}

enum err_code row_roles_count_outputs(const struct model *version, int *outputs, struct err *err)
{
    struct job_spec spec = {.promote = false};
    const char *settings = version->settings;
    *outputs = version->o;
    if (settings == NULL) {
        return ERR_OK;
    }
    if (job_json_parse(settings, strlen(settings), &spec, err) != ERR_OK) {
        if (err->code != ERR_NOMEM) {
            err_clear(err); /* the settings of a registered version may be any text */
        }
        return err->code;
    }
    *outputs += spec.train.roles.n_columns;
    train_spec_release(&spec.train);
    return ERR_OK;
}

enum err_code row_roles_leave_targets(const struct model *version, const struct space *space,
                                      struct data_newest *rows, struct err *err)
{
    struct job_spec spec = {.promote = false};
    struct train_roles_map map = {.targets = NULL};
    const char *settings = version->settings;
    if (settings == NULL || version->o == rows->o) {
        return ERR_OK;
    }
    if (job_json_parse(settings, strlen(settings), &spec, err) != ERR_OK) {
        if (err->code != ERR_NOMEM) {
            err_clear(err); /* the settings of a registered version may be any text */
        }
        return err->code;
    }
    if (spec.train.roles.n_columns > 0) {
        if (train_roles_map(&spec.train.roles, space, rows->d, rows->o, &map, err) == ERR_OK) {
            leave(&map, rows);
        } else if (err->code != ERR_NOMEM) {
            err_clear(err);
        }
    }
    train_roles_map_release(&map);
    train_spec_release(&spec.train);
    return err->code;
}
