/* SPDX-License-Identifier: Apache-2.0 */
#include "api/rows/space_warnings.h"

#include "model/space_rows.h"

#include <math.h>
#include <strings.h>

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
        /* NaN, an output that is missing, is neither positive nor not. */
        bool outside = !isnan(value) && (space_is_outside(found->limits, value) ||
                                         (found->open && value == found->limits[0]));
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

/* ---- row numbers ---- */

#define MIN_COUNTED 5 /* rows; fewer may count by chance */

/* Names that programs and people give to a column which numbers the rows. */
static bool is_name_of_row_numbers(const char *name)
{
    static const char *const names[] = {"id",     "index", "idx",  "row",    "rows",   "no",  "nr",
                                        "number", "run",   "case", "run_id", "sample", "obs", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcasecmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * Does the first of several inputs count the rows from 0 or 1? Then it is probably the index of a
 * table that was written without a header, or with a name for it. An input with another name may
 * count, as times do.
 */
static bool counts_rows(const struct space *space, const struct data_upload *up)
{
    size_t k = (size_t)up->d + (size_t)up->o;
    if (up->n < MIN_COUNTED || up->d < 2 || up->origin != NULL ||
        (space != NULL && !is_name_of_row_numbers(space_column_name(space, 0)))) {
        return false;
    }
    for (int64_t i = 0; i < up->n; i++) {
        double first = up->rows[0];
        if ((first != 0.0 && first != 1.0) || up->rows[(size_t)i * k] != first + (double)i) {
            return false;
        }
    }
    return true;
}

static void write_row_numbers(struct json_write *json, const struct space *space,
                              const struct data_upload *up)
{
    json_write_object(json, NULL);
    json_write_text(json, "code", "row_numbers");
    json_write_int(json, "input", 0);
    json_write_text(json, "name", space != NULL ? space_column_name(space, 0) : NULL);
    json_write_int(json, "rows", up->n);
    json_write_object_end(json);
}

/* ---- all ---- */

/* Begins the array with its first member. */
static void begin_warning(struct json_write *json, bool *any)
{
    if (!*any) {
        json_write_array(json, "warnings");
        *any = true;
    }
}

void space_warnings_write(struct json_write *json, const struct space *space,
                          const struct data_upload *upload)
{
    bool any = false;
    struct finding found;
    if (counts_rows(space, upload)) {
        begin_warning(json, &any);
        write_row_numbers(json, space, upload);
    }
    for (int j = 0; space != NULL && j < space->d + space->o; j++) {
        if (!expect(space, j, &found)) {
            continue;
        }
        find_in_column(upload, j, &found);
        if (found.count > 0) {
            begin_warning(json, &any);
            write_finding(json, space, j, &found);
        }
    }
    if (any) {
        json_write_array_end(json);
    }
}
