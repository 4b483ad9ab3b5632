/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/attempt_choice.h"

#include "base/clock.h"
#include "base/mem.h"
#include "documents/job_json.h"

static double read_clock(void *ctx)
{
    (void)ctx;
    return (double)clock_ns() / (double)CLOCK_S;
}

/* The job's request with the chosen solver in place of auto. */
static enum err_code describe_chosen(void *ctx, const struct train_spec *chosen, char **text,
                                     struct err *err)
{
    struct attempt *attempt = ctx;
    struct job_spec spec = attempt->spec;
    struct arena arena = ARENA_INIT;
    struct textbuf out = textbuf_in(&arena);
    spec.train = *chosen;
    spec.choice.on = false;
    spec.choice.chosen = true;
    spec.choice.table = attempt->table;
    job_json_write(&out, &spec);
    *text = textbuf_failed(&out) ? NULL : mem_strdup(out.data);
    arena_release(&arena);
    return *text != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the chosen settings");
}

static void show_table(void *ctx, const struct auto_table *table)
{
    struct attempt *attempt = ctx;
    if (attempt->show != NULL) {
        attempt->show(attempt->progress_ctx, table);
    }
}

enum err_code attempt_choose(struct attempt *attempt, const struct train_run *run, struct err *err)
{
    const struct auto_spec spec = job_spec_auto(&attempt->spec);
    const struct auto_run choice = {
        .spec = &spec,
        .run = *run,
        .max_bytes = job_limits_tighter(attempt->settings->max.bytes, attempt->limits.bytes),
        .cross = &attempt->cross,
        .max_seconds = (double)attempt->limits.seconds * JOB_CHOICE_SHARE,
        .clock = read_clock,
        .describe = describe_chosen,
        .show = show_table,
        .ctx = attempt};
    mem_free(attempt->table);
    train_cross_release(&attempt->cross);
    attempt->table = mem_zalloc(sizeof *attempt->table);
    if (attempt->table == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the candidates of auto");
    }
    if (auto_train(&choice, attempt->table, &attempt->model, err) == ERR_OK) {
        const struct auto_table *table = attempt->table;
        const struct train_spec *chosen = &table->candidates[table->chosen].spec;
        attempt->spec.train.solver = chosen->solver;
        attempt->spec.train.validation = chosen->validation;
    }
    return err->code;
}
