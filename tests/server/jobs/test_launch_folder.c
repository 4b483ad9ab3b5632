/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a launched job: what is in it, and what fails. */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "formats/json_read.h"
#include "formats/npy.h"
#include "documents/cross_file.h"
#include "documents/launch_json.h"
#include "documents/space_json.h"
#include "jobs/launch/launch_folder.h"

#define N_ROWS 3000 /* more than one block */

static const char request[] = "{\"solver\":\"ensemble\"}";
static char root[64];
static double x[2 * N_ROWS], y[N_ROWS];
static struct data data = {.n = N_ROWS, .d = 2, .o = 1, .x = x, .y = y};
static struct space *space;

static void begin(void)
{
    static const char document[] = "{\"inputs\":[\"a\",\"b\"],\"outputs\":[\"y\"]}";
    struct err err = ERR_INIT;
    json_read_init();
    snprintf(root, sizeof root, "/tmp/launch-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    for (int i = 0; i < N_ROWS; i++) {
        x[2 * i] = i;
        x[2 * i + 1] = -i;
        y[i] = i % 7 == 0 ? NAN : 0.5 * i;
    }
    ck_assert_int_eq(space_json_parse(document, sizeof document - 1, &space, &err), ERR_OK);
}

static void end(void)
{
    struct err err = ERR_INIT;
    space_unref(space);
    ck_assert_int_eq(launch_folder_remove(root, &err), ERR_OK);
}

static struct launch_inputs inputs(void)
{
    return (struct launch_inputs){
        .request = request, .n_request = sizeof request - 1, .data = &data, .space = space};
}

/* The bytes of a file of the job's folder. */
static void *read_file(const struct launch_folder *folder, const char *name, size_t *n)
{
    struct launch_folder job = *folder;
    struct err err = ERR_INIT;
    void *bytes = NULL;
    snprintf(job.run, sizeof job.run, "%s", folder->job);
    ck_assert_int_eq(launch_folder_read(&job, name, (size_t)1 << 24, &bytes, n, &err), ERR_OK);
    return bytes;
}

static void check_digest(const void *bytes, size_t n, const char *told)
{
    struct err err = ERR_INIT;
    unsigned char digest[SHA256_BYTES];
    char hex[DIGEST_HEX_CHARS + 1];
    ck_assert_int_eq(digest_sha256(bytes, n, digest, &err), ERR_OK);
    digest_hex(digest, hex);
    ck_assert_str_eq(hex, told);
}

START_TEST(everything_is_in_it)
{
    struct err err = ERR_INIT;
    struct launch_folder folder;
    struct arena arena = ARENA_INIT;
    struct npy npy;
    struct stat about;
    size_t n = 0;
    const struct launch_inputs in = inputs();
    ck_assert_int_eq(launch_folder_make(root, 7, &in, &folder, &err), ERR_OK);
    ck_assert_int_eq(stat(folder.job, &about), 0);
    ck_assert_int_eq((int)(about.st_mode & 0777), 0700);
    char *text = read_file(&folder, "request.json", &n);
    ck_assert_str_eq(text, request);
    check_digest(text, n, folder.request_sha256);
    mem_free(text);
    void *rows = read_file(&folder, "rows.npy", &n);
    check_digest(rows, n, folder.rows_sha256);
    ck_assert_int_eq(npy_parse(rows, n, N_ROWS, &arena, &npy, &err), ERR_OK);
    ck_assert_int_eq(npy.n, N_ROWS);
    ck_assert_int_eq(npy.k, 3);
    for (size_t i = 0; i < N_ROWS; i++) {
        const double row[] = {x[2 * i], x[2 * i + 1], y[i]};
        ck_assert_mem_eq(npy.values + 3 * i, row, sizeof row);
    }
    arena_release(&arena);
    mem_free(rows);
    text = read_file(&folder, "space.json", &n);
    struct space *again = NULL;
    ck_assert_int_eq(space_json_parse(text, n, &again, &err), ERR_OK);
    ck_assert_str_eq(again->inputs[1].name, "b");
    space_unref(again);
    mem_free(text);
}
END_TEST

static void count(void *ctx, int64_t job)
{
    *(int64_t *)ctx += job;
}

START_TEST(checkpoints_stay_and_starts_do_not)
{
    struct err err = ERR_INIT;
    struct launch_folder first, second;
    char path[2 * PATH_MAX];
    int64_t sum = 0;
    const struct launch_inputs in = inputs();
    ck_assert_int_eq(launch_folder_make(root, 7, &in, &first, &err), ERR_OK);
    ck_assert(!launch_folder_has_checkpoint(&first));
    snprintf(path, sizeof path, "%s/checkpoints", first.job);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/checkpoints/task-0.state", first.job);
    FILE *state = fopen(path, "w");
    ck_assert_ptr_nonnull(state);
    fclose(state);
    ck_assert(launch_folder_has_checkpoint(&first));
    ck_assert_int_eq(launch_folder_make(root, 7, &in, &second, &err), ERR_OK);
    ck_assert(launch_folder_has_checkpoint(&second));
    ck_assert_int_ne(access(first.run, F_OK), 0);
    ck_assert_int_eq(access(second.run, F_OK), 0);
    ck_assert_int_eq(launch_folder_make(root, 30, &in, &first, &err), ERR_OK);
    snprintf(path, sizeof path, "%s/job-x", root);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(launch_folder_list(root, count, &sum, &err), ERR_OK);
    ck_assert_int_eq(sum, 37);
    ck_assert_int_eq(launch_folder_remove(second.job, &err), ERR_OK);
    ck_assert_int_ne(access(second.job, F_OK), 0);
    ck_assert_int_eq(launch_folder_remove(second.job, &err), ERR_OK);
    ck_assert_int_eq(launch_folder_list("/nowhere/at/all", count, &sum, &err), ERR_OK);
}
END_TEST

START_TEST(what_is_no_file_or_too_large_is_not_read)
{
    struct err err = ERR_INIT;
    struct launch_folder folder;
    char path[2 * PATH_MAX];
    void *bytes = NULL;
    size_t n = 0;
    const struct launch_inputs in = inputs();
    ck_assert_int_eq(launch_folder_make(root, 7, &in, &folder, &err), ERR_OK);
    ck_assert_int_eq(launch_folder_read(&folder, "result.json", 10, &bytes, &n, &err),
                     ERR_NOT_FOUND);
    err_clear(&err);
    snprintf(path, sizeof path, "%s/pipe", folder.run);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(launch_folder_read(&folder, "pipe", 10, &bytes, &n, &err), ERR_IO);
    err_clear(&err);
    snprintf(path, sizeof path, "%s/link", folder.run);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(launch_folder_read(&folder, "link", 1000000, &bytes, &n, &err), ERR_IO);
    err_clear(&err);
    struct launch_folder job = folder;
    snprintf(job.run, sizeof job.run, "%s", folder.job);
    ck_assert_int_eq(launch_folder_read(&job, "request.json", 3, &bytes, &n, &err), ERR_TOO_LARGE);
    err_clear(&err);
    ck_assert_ptr_null(bytes);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    const struct launch_inputs in = inputs();
    long live = mem_live();
    bool done = false;
    for (long i = 1; !done; i++) {
        struct err err = ERR_INIT;
        struct launch_folder folder;
        mem_fail_after(i, false);
        enum err_code code = launch_folder_make(root, 7, &in, &folder, &err);
        done = mem_attempts() < i;
        mem_fail_after(0, false);
        ck_assert_int_eq(code, done ? ERR_OK : ERR_NOMEM);
        ck_assert_int_eq(mem_live(), live);
        ck_assert_int_lt(i, 1000);
    }
}
END_TEST

/* Files may not grow beyond a limit: writes fail at each place in turn. */
START_TEST(every_write_may_fail)
{
    const struct launch_inputs in = inputs();
    struct rlimit before;
    long live = mem_live();
    size_t failed = 0;
    bool done = false;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t most = 0; !done; most = most < 256 ? most + 5 : most + 4096) {
        struct err err = ERR_INIT;
        struct launch_folder folder;
        struct rlimit limit = {.rlim_cur = most, .rlim_max = before.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        enum err_code code = launch_folder_make(root, 7, &in, &folder, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        done = code == ERR_OK;
        failed += !done;
        ck_assert(done || code == ERR_IO);
        ck_assert_int_eq(mem_live(), live);
        ck_assert_uint_lt(failed, 1000);
    }
    ck_assert_uint_gt(failed, 50);
}
END_TEST

START_TEST(lines_may_be_anything)
{
    static const char *const bad[] = {
        "",
        "garbage",
        "[]",
        "3",
        "null",
        "{}",
        "{\"event\":3}",
        "{\"event\":\"done\"}",
        "{\"event\":\"progress\"}",
        "{\"event\":\"progress\",\"fraction\":2,\"member\":0,\"members\":1,\"step\":1,\"steps\":1}",
        "{\"event\":\"progress\",\"fraction\":0.5,\"member\":1,\"members\":1,\"step\":1,\"steps\":"
        "1}",
        "{\"event\":\"progress\",\"fraction\":0.5,\"member\":0,\"members\":1,\"step\":1,\"steps\":"
        "0}",
        "{\"event\":\"progress\",\"fraction\":0.5,\"member\":-1,\"members\":1,\"step\":1,\"steps\":"
        "1}",
        "{\"event\":\"progress\",\"fraction\":0.5,\"member\":0,\"members\":9e99,\"step\":1,"
        "\"steps\":1}",
        "{\"event\":\"started\",\"ranks\":0}"};
    static const char good[] =
        "{\"event\":\"progress\",\"fraction\":0.25,\"member\":3,\"members\":8,"
        "\"step\":50,\"steps\":200,\"loss\":0.1,\"validation_loss\":null}";
    struct launch_line line;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        launch_json_read_line(bad[i], strlen(bad[i]), &line);
        ck_assert_int_eq(line.event, LAUNCH_OTHER);
    }
    launch_json_read_line(good, sizeof good - 1, &line);
    ck_assert_int_eq(line.event, LAUNCH_PROGRESS);
    ck_assert_int_eq(line.progress.member, 3);
    ck_assert_int_eq(line.progress.n_steps, 200);
    ck_assert(line.progress.loss == 0.1);
    ck_assert(isnan(line.progress.validation_loss));
    static const char *const results[] = {
        "",
        "{}",
        "[]",
        "{\"ok\":1}",
        "{\"ok\":true}",
        "{\"ok\":false}",
        "{\"ok\":true,\"bytes\":1,\"sha256\":\"a\",\"content_sha256\":\"a\"}"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        struct launch_result result;
        struct err err = ERR_INIT;
        ck_assert_int_ne(launch_json_parse_result(results[i], strlen(results[i]), &result, &err),
                         ERR_OK);
    }
    struct launch_result result;
    struct err err = ERR_INIT;
    static const char failed[] = "{\"ok\":false,\"code\":\"numeric\",\"message\":\"it \\u00fc\"}";
    ck_assert_int_eq(launch_json_parse_result(failed, sizeof failed - 1, &result, &err), ERR_OK);
    ck_assert_str_eq(result.message, "it ??");
    ck_assert(!result.was_stopped);
}
END_TEST

/* A cross-validation as a file: the same again, and no damage is taken. */
START_TEST(predictions_of_folds_are_kept)
{
    int rows[] = {0, 3, 4};
    double mean[] = {1.0, -2.0, 3.0, 4.5, 0.0, 6.0};
    double std[] = {0.1, 0.2, 0.0, 0.4, 0.5, 0.6};
    const struct train_cross cross = {
        .n = 3, .o = 2, .n_folds = 5, .rows = rows, .mean = mean, .std = std};
    const struct train_cross nothing = {.n = 0};
    struct train_cross again = {.n = 0};
    struct err err = ERR_INIT;
    void *bytes = NULL;
    size_t n = 0;
    ck_assert_int_eq(cross_file_encode(&nothing, &bytes, &n, &err), ERR_OK);
    ck_assert_int_eq(cross_file_decode(bytes, n, 5, 2, &again, &err), ERR_OK);
    ck_assert_int_eq(again.n, 0);
    train_cross_release(&again);
    mem_free(bytes);
    ck_assert_int_eq(cross_file_encode(&cross, &bytes, &n, &err), ERR_OK);
    ck_assert_int_eq(cross_file_decode(bytes, n, 5, 2, &again, &err), ERR_OK);
    ck_assert_int_eq(again.n_folds, 5);
    ck_assert_mem_eq(again.rows, rows, sizeof rows);
    ck_assert_mem_eq(again.mean, mean, sizeof mean);
    ck_assert_mem_eq(again.std, std, sizeof std);
    train_cross_release(&again);
    for (size_t i = 0; i < n; i++) {
        ((unsigned char *)bytes)[i] ^= 1;
        ck_assert_int_eq(cross_file_decode(bytes, n, 5, 2, &again, &err), ERR_CORRUPT);
        ((unsigned char *)bytes)[i] ^= 1;
        err_clear(&err);
        ck_assert_int_eq(cross_file_decode(bytes, i, 5, 2, &again, &err), ERR_CORRUPT);
        err_clear(&err);
    }
    /* Fewer rows, other outputs. */
    ck_assert_int_eq(cross_file_decode(bytes, n, 4, 2, &again, &err), ERR_CORRUPT);
    err_clear(&err);
    ck_assert_int_eq(cross_file_decode(bytes, n, 5, 1, &again, &err), ERR_CORRUPT);
    err_clear(&err);
    mem_free(bytes);
    rows[2] = 2; /* not increasing */
    ck_assert_int_eq(cross_file_encode(&cross, &bytes, &n, &err), ERR_OK);
    ck_assert_int_eq(cross_file_decode(bytes, n, 5, 2, &again, &err), ERR_CORRUPT);
    mem_free(bytes);
    ck_assert_ptr_null(again.rows);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("launch_folder");
    TCase *tc = tcase_create("launch_folder");
    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, everything_is_in_it);
    tcase_add_test(tc, checkpoints_stay_and_starts_do_not);
    tcase_add_test(tc, what_is_no_file_or_too_large_is_not_read);
    tcase_add_test(tc, every_allocation_may_fail);
    tcase_add_test(tc, every_write_may_fail);
    tcase_add_test(tc, lines_may_be_anything);
    tcase_add_test(tc, predictions_of_folds_are_kept);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
