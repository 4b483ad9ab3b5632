/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/space_warnings.h"

#include "model/space_rows.h"

#include <math.h>

/* What is expected of a column, and what is there. */
struct finding {
    const char *code;
    double limits[2];
    bool open;     /* the lower limit itself is outside too */
    int64_t count; /* of rows */
    int64_t first; /* row, as the client counts */
    double value;  /* there */
};

static void find_in_column(const struct data_upload *up, int column, struct finding *found)
{
    size_t k = (size_t)up->d + (size_t)up->o;
    for (int64_t i = 0; i < up->n; i++) {
        double value = up->rows[(size_t)i * k + (size_t)column];
        bool outside =
            space_is_outside(found->limits, value) || (found->open && !(value > found->limits[0]));
        if (outside && found->count++ == 0) {
            found->first = up->origin != NULL ? up->origin[i] : i;
            found->value = value;
        }
    }
}

/* False: nothing is expected of the column. */
static bool expect(const struct space *space, int column, struct finding *out)
{
    *out = (struct finding){.code = "outside_bounds", .limits = {-INFINITY, INFINITY}};
    if (column >= space->d) {
        *out = (struct finding){.code = "not_positive", .limits = {0.0, INFINITY}, .open = true};
        return space->outputs[column - space->d].positive;
    }
    if (space->inputs[column].type != SPACE_CATEGORY) {
        space_limits(&space->inputs[column], out->limits);
    }
    return isfinite(out->limits[0]) || isfinite(out->limits[1]);
}

static void write_finding(struct json_write *json, const struct space *space, int column,
                          const struct finding *found)
{
    bool input = column < space->d;
    json_write_object(json, NULL);
    json_write_text(json, "code", found->code);
    json_write_int(json, input ? "input" : "output", input ? column : column - space->d);
    json_write_text(json, "name", space_column_name(space, column));
    json_write_int(json, "rows", found->count);
    json_write_int(json, "first_row", found->first);
    json_write_real(json, "value", found->value);
    json_write_reals(json, "bounds", input ? found->limits : NULL, 2);
    json_write_object_end(json);
}

void space_warnings_write(struct json_write *json, const struct space *space,
                          const struct data_upload *upload)
{
    bool any = false;
    struct finding found;
    for (int j = 0; j < space->d + space->o; j++) {
        if (!expect(space, j, &found)) {
            continue;
        }
        find_in_column(upload, j, &found);
        if (found.count > 0 && !any) {
            json_write_array(json, "warnings");
            any = true;
        }
        if (found.count > 0) {
            write_finding(json, space, j, &found);
        }
    }
    if (any) {
        json_write_array_end(json);
    }
}
