/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/rows/rows_check.h"

#include "base/mem.h"
#include "jobs/rows/rows.h"
#include "store/data/data_read.h"
#include "store/data/data_stats.h"
#include "train/train_rows.h"

#include <math.h>

/* The column and value that are looked for. */
struct search {
    const struct space *space;
    struct train_bad_log bad;
    int stored;     /* the column among all of the rows */
    int64_t n_seen; /* rows */
};

static enum err_code begin_search(void *ctx, const struct data_summary *summary,
                                  const struct training_data *data, struct err *err)
{
    (void)ctx;
    (void)summary;
    (void)data;
    return err->code;
}

/* Refuses the first such row, or at the end of what is looked at the column as a whole. */
static enum err_code search_run(void *ctx, const struct data_run *run, struct err *err)
{
    struct search *search = ctx;
    size_t width = (size_t)run->d + (size_t)run->o;
    size_t column = (size_t)search->stored;
    for (int64_t i = 0; i < run->n; i++, search->n_seen++) {
        double value = run->rows[(size_t)i * width + column];
        struct train_bad_log found = search->bad;
        if (search->n_seen == ROWS_CHECK_MAX) {
            return train_refuse_log(search->space, &search->bad, err);
        }
        if (!(value > 0.0) && !isnan(value)) {
            found.row = search->n_seen;
            found.value = value;
            return train_refuse_log(search->space, &found, err);
        }
    }
    return ERR_OK;
}

static enum err_code refuse_log(const struct rows_check *check, const struct train_bad_log *bad,
                                int stored, struct err *err)
{
    struct search search = {.space = check->space, .bad = *bad, .stored = stored};
    const struct data_reading reading = {
        .begin = begin_search, .visit = search_run, .ctx = &search};
    return data_store_read(check->db, check->model, &reading, err);
}

/* The scaling of input or output column j. */
static enum scaler_kind kind_of(const struct rows_check *check, bool output, int j)
{
    if (check->base != NULL) {
        return output ? check->base->out[j].kind : check->base->in[j].kind;
    }
    if (!output && check->space != NULL && check->space->inputs[j].type == SPACE_CATEGORY) {
        return SCALER_NONE;
    }
    return output ? check->spec->output_scaling : check->spec->input_scaling;
}

/* Columns that have statistics. */
static int n_columns(const struct data_summary *summary)
{
    return (int)data_stats_width(summary->n_inputs, summary->n_outputs);
}

static enum err_code check_logs(const struct rows_check *check, const struct data_summary *summary,
                                const struct column_stats *columns, struct err *err)
{
    for (int c = 0; c < n_columns(summary) && err->code == ERR_OK; c++) {
        bool output = c >= summary->n_inputs;
        const struct train_bad_log bad = {output, output ? c - summary->n_inputs : c, -1,
                                          columns[c].low};
        if (kind_of(check, output, bad.column) == SCALER_LOG && columns[c].n > 0.0 &&
            !(columns[c].low > 0.0)) {
            int target =
                output && check->map != NULL ? check->map->targets[bad.column] : bad.column;
            err_kept(refuse_log(check, &bad, output ? summary->n_inputs + target : target, err));
        }
    }
    return err->code;
}

/* Columns that cannot be scaled whatever rows come; which of them train is not known here. */
static enum err_code check_spreads(const struct rows_check *check,
                                   const struct data_summary *summary,
                                   const struct column_stats *columns, struct err *err)
{
    for (int c = 0; c < n_columns(summary) && check->base == NULL; c++) {
        bool output = c >= summary->n_inputs;
        int j = output ? c - summary->n_inputs : c;
        const struct column_stats *column = &columns[c];
        const char *fault = column->n > 0.0 ? scaler_find_fault(kind_of(check, output, j),
                                                                column->low, column->high)
                                            : NULL;
        if (fault != NULL) {
            return train_refuse_spread(check->space, output, j,
                                       (const double[]){column->low, column->high}, fault, err);
        }
    }
    return ERR_OK;
}

/* How many of the rows that miss outputs train is not known here. */
static enum err_code check_parts(const struct rows_check *check, const struct train_load *load,
                                 struct err *err)
{
    /* Which rows the user keeps out is not known either. */
    bool known = check->map == NULL || check->map->validation < 0;
    return load->n_rows <= ROWS_MAX && !load->failed && known
               ? train_rows_check_parts(check->spec, (int)load->n_rows, err)
               : ERR_OK;
}

static enum err_code check_outputs(const struct rows_check *check,
                                   const struct data_summary *summary,
                                   const struct column_stats *columns, struct err *err)
{
    if (summary->n_failed == summary->n_rows) {
        return err_set(err, ERR_INVALID, "none of the %lld rows has an output to train on",
                       (long long)summary->n_rows);
    }
    for (int j = 0; j < n_columns(summary) - summary->n_inputs; j++) {
        if (columns[summary->n_inputs + j].n == 0.0) {
            return train_refuse_absent(check->space, summary->n_rows, j, err);
        }
    }
    return ERR_OK;
}

/* A space or a base for other rows is refused elsewhere, by what differs. */
static bool fits(const struct rows_check *check, const struct data_summary *summary)
{
    const struct space *space = check->space;
    const struct model *base = check->base;
    return (space == NULL || (space->d == summary->n_inputs && space->o == summary->n_outputs)) &&
           (base == NULL || (base->d == summary->n_inputs && base->o == summary->n_outputs));
}

/* Leaves inputs and targets of the columns. */
static void leave_targets(const struct rows_check *check, struct data_summary *summary,
                          struct column_stats *columns)
{
    const struct train_roles_map *map = check->map;
    if (map == NULL || map->n_columns != summary->n_outputs) {
        return;
    }
    for (int j = 0; j < map->o; j++) {
        columns[summary->n_inputs + j] = columns[summary->n_inputs + map->targets[j]];
    }
    summary->n_outputs = map->o;
}

enum err_code rows_check(const struct rows_check *check, struct train_load *load, struct err *err)
{
    struct data_summary summary;
    struct column_stats *columns = NULL;
    *load = (struct train_load){.n_rows = 0};
    if (data_store_columns(check->db, check->model, &summary, &columns, err) != ERR_OK ||
        columns == NULL) {
        return err->code;
    }
    leave_targets(check, &summary, columns);
    load->n_rows = summary.n_rows;
    load->failed = summary.n_failed > 0;
    for (int j = 0; j < n_columns(&summary) - summary.n_inputs; j++) {
        load->holes = load->holes || columns[summary.n_inputs + j].n < (double)(summary.n_rows);
    }
    if (fits(check, &summary) && check_outputs(check, &summary, columns, err) == ERR_OK &&
        check_logs(check, &summary, columns, err) == ERR_OK &&
        check_spreads(check, &summary, columns, err) == ERR_OK) {
        err_kept(check_parts(check, load, err));
    }
    mem_free(columns);
    return err->code;
}
