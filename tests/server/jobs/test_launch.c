/* SPDX-License-Identifier: Apache-2.0 */
/* Where a training runs, and one whose launcher fails while memory does. */
#include "run.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "documents/job_json.h"
#include "formats/json_read.h"
#include "jobs/launch/launch.h"
#include "jobs/launch/launch_place.h"

static void parse(const char *text, struct job_spec *spec)
{
    struct err err = ERR_INIT;
    ck_assert_int_eq(job_json_parse(text, strlen(text), spec, &err), ERR_OK);
}

/* The text of a job for the launcher differs from that of one that runs here by its end alone. */
START_TEST(the_settings_of_a_version_do_not_say_where)
{
    struct arena arena = ARENA_INIT;
    struct textbuf here = textbuf_in(&arena);
    struct textbuf there = textbuf_in(&arena);
    struct job_spec spec;
    parse("{\"solver\":\"ensemble\",\"where\":\"here\"}", &spec);
    ck_assert_int_eq(spec.place, JOB_HERE);
    job_json_write(&here, &spec);
    ck_assert_ptr_null(strstr(here.data, "where"));
    size_t n = here.len;
    ck_assert(!job_json_cut_place(here.data, &n));
    spec.place = JOB_LAUNCHER;
    job_json_write(&there, &spec);
    train_spec_release(&spec.train);
    parse(there.data, &spec);
    ck_assert_int_eq(spec.place, JOB_LAUNCHER);
    ck_assert(job_json_cut_place(there.data, &there.len));
    ck_assert_uint_eq(there.len, here.len);
    ck_assert_str_eq(there.data, here.data);
    train_spec_release(&spec.train);
    arena_release(&arena);
}
END_TEST

static const struct {
    const char *request;
    bool on;
    int64_t min_rows, n_rows;
    int place; /* -1: refused */
} places[] = {
    {"{\"solver\":\"ensemble\"}", false, 0, 1000, JOB_HERE},
    {"{\"solver\":\"ensemble\"}", true, 0, 1000, JOB_HERE},
    {"{\"solver\":\"ensemble\"}", true, 1000, 999, JOB_HERE},
    {"{\"solver\":\"ensemble\"}", true, 1000, 1000, JOB_LAUNCHER},
    {"{\"solver\":\"ensemble\"}", false, 1000, 1000, JOB_HERE},
    {"{\"solver\":\"ensemble\",\"where\":\"here\"}", true, 1, 1000, JOB_HERE},
    {"{\"solver\":\"ensemble\",\"where\":\"launcher\"}", true, 0, 2, JOB_LAUNCHER},
    {"{\"solver\":\"ensemble\",\"where\":\"launcher\"}", false, 0, 2, -1},
    {"{}", true, 1, 10, JOB_LAUNCHER},
    {"{\"budget_fits\":3}", true, 1, 10, JOB_LAUNCHER},
    {"{\"budget_s\":3}", true, 1, 10, JOB_HERE},
    {"{\"budget_s\":3,\"where\":\"launcher\"}", true, 1, 10, -1},
    {"{\"limits\":{\"seconds\":3}}", true, 1, 10, JOB_HERE},
};

START_TEST(a_training_runs_where_it_shall)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const struct launch_policy policy = {.on = places[i].on, .min_rows = places[i].min_rows};
        struct err err = ERR_INIT;
        struct job_spec spec, again;
        parse(places[i].request, &spec);
        again = spec;
        enum err_code code = launch_place_choose(&policy, places[i].n_rows, false, &spec, &err);
        ck_assert_int_eq(code, places[i].place < 0 ? ERR_UNSUPPORTED : ERR_OK);
        if (code == ERR_OK) {
            ck_assert_int_eq((int)spec.place, places[i].place);
        }
        err_clear(&err);
        /* There is nobody to refuse it to. */
        ck_assert_int_eq(launch_place_choose(&policy, places[i].n_rows, true, &again, &err),
                         ERR_OK);
        ck_assert_int_eq((int)again.place, places[i].place < 0 ? JOB_HERE : places[i].place);
        train_spec_release(&spec.train);
    }
}
END_TEST

static void ignore_progress(void *ctx, const struct progress *progress)
{
    (void)ctx;
    (void)progress;
}

static void ignore_saved(void *ctx)
{
    (void)ctx;
}

static int count_open_files(void)
{
    int n = 0;
    DIR *files = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(files);
    while (readdir(files) != NULL) {
        n++;
    }
    closedir(files);
    return n;
}

START_TEST(every_allocation_may_fail)
{
    static const double x[] = {1, 2, 3, 4}, y[] = {1, 2};
    static const char request[] = "{\"solver\":\"ensemble\"}";
    static const char told[] = "the launcher ended with status 7: in /job-1/run-";
    const struct data data = {.n = 2, .d = 2, .o = 1, .x = x, .y = y};
    static struct launch_settings settings;
    char root[] = "/tmp/launch-XXXXXX";
    struct err err = ERR_INIT;
    bool done = false;
    ck_assert_ptr_nonnull(mkdtemp(root));
    settings = (struct launch_settings){.command = "sh -c 'echo in $PWD >&2; exit 7' {command}",
                                        .program = "x",
                                        .stop_ns = 1000000};
    snprintf(settings.root, sizeof settings.root, "%s", root);
    const struct launch_task task = {
        .job = 1,
        .model = "m",
        .inputs = {.request = request, .n_request = sizeof request - 1, .data = &data},
        .max_bytes = 1000000,
        .checkpoint_ms = 1000,
        .progress = ignore_progress,
        .saved = ignore_saved};
    long live = mem_live();
    int n_open = count_open_files();
    for (long i = 1; !done; i++) {
        struct model *model = NULL;
        struct train_cross cross = {.n = 0};
        err_clear(&err);
        mem_fail_after(i, false);
        enum err_code code = launch_train(&settings, &task, &model, &cross, &err);
        done = mem_attempts() < i;
        mem_fail_after(0, false);
        ck_assert(code == ERR_NUMERIC || (!done && code == ERR_NOMEM));
        /* What it printed, without the place of the folder. */
        ck_assert(code != ERR_NUMERIC || strncmp(err.msg, told, strlen(told)) == 0);
        ck_assert_ptr_null(model);
        ck_assert_int_eq(mem_live(), live);
        ck_assert_int_eq(count_open_files(), n_open);
        ck_assert_int_lt(i, 1000);
    }
    err_clear(&err);
    launch_clean(&settings, 1, false);
    ck_assert_int_eq(launch_folder_remove(root, &err), ERR_OK);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("launch");
    TCase *tc = tcase_create("launch");
    json_read_init();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_settings_of_a_version_do_not_say_where);
    tcase_add_test(tc, a_training_runs_where_it_shall);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
