/* SPDX-License-Identifier: Apache-2.0 */
/* The writer of the log against a pipe that is read, not read, or closed. */
#include "base/log.h"
#include "base/log_writer.h"
#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

struct fixture {
    int ends[2]; /* read, write */
    struct log_writer *writer;
    struct err err;
};

static struct fixture start_writer(void)
{
    struct fixture f = {.err = ERR_INIT};
    signal(SIGPIPE, SIG_IGN);
    ck_assert_int_eq(pipe(f.ends), 0);
    ck_assert_int_eq(log_writer_start(f.ends[1], &f.writer, &f.err), ERR_OK);
    return f;
}

static void close_pipe(const struct fixture *f)
{
    close(f->ends[0]);
    close(f->ends[1]);
}

START_TEST(lines_come_out_whole_and_in_order)
{
    struct fixture f = start_writer();
    char expected[64];
    char line[64];
    FILE *in = fdopen(f.ends[0], "r");
    for (int i = 0; i < 20000; i++) {
        int len = snprintf(line, sizeof line, "line %d %.*s\n", i, i % 30,
                           "..............................");
        ck_assert(log_writer_put(f.writer, line, (size_t)len));
        ck_assert_ptr_nonnull(fgets(expected, sizeof expected, in));
        ck_assert_str_eq(expected, line);
    }
    log_writer_stop(f.writer, 1000);
    fclose(in);
    close(f.ends[1]);
}
END_TEST

START_TEST(what_does_not_fit_is_dropped_and_counted)
{
    struct fixture f = start_writer();
    static char line[1024];
    long long taken = 0;
    long long tries = 2 * (long long)LOG_RING_BYTES / (long long)sizeof line;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (long long i = 0; i < tries; i++) {
        taken += log_writer_put(f.writer, line, sizeof line);
    }
    struct log_counts counts = log_writer_counts(f.writer);
    ck_assert_int_eq(counts.dropped, tries - taken);
    ck_assert_int_ge(taken, (long long)(LOG_RING_BYTES / sizeof line));
    ck_assert_int_gt(counts.dropped, 0);
    /* It is told of once there is room for the line, which the pipe may have made meanwhile. */
    long long told = log_writer_take_dropped(f.writer);
    ck_assert(told == 0 || told == counts.dropped);
    int64_t begin = clock_ns();
    log_writer_stop(f.writer, 100);
    ck_assert_int_lt(clock_ns() - begin, 10 * CLOCK_S);
    close(f.ends[0]); /* the thread may still hang in writing to the other end */
}
END_TEST

START_TEST(a_closed_reader_is_survived_and_counted)
{
    struct fixture f = start_writer();
    close(f.ends[0]);
    ck_assert(log_writer_put(f.writer, "one\n", 4));
    while (log_writer_counts(f.writer).dropped == 0) {
        usleep(100);
    }
    ck_assert_int_eq(log_writer_counts(f.writer).dropped, 1);
    ck_assert_int_eq(log_writer_take_dropped(f.writer), 1);
    ck_assert_int_eq(log_writer_take_dropped(f.writer), 0);
    log_writer_stop(f.writer, 1000);
    close(f.ends[1]);
}
END_TEST

START_TEST(a_kind_is_left_out_from_its_limit_on)
{
    struct fixture f = start_writer();
    struct log_left_out left_out;
    for (int i = 0; i < LOG_KIND_LINES; i++) {
        ck_assert(log_writer_admit(f.writer, LOG_WARN, "often", &left_out));
    }
    for (int i = 0; i < 3; i++) {
        ck_assert(!log_writer_admit(f.writer, LOG_WARN, "often", &left_out));
    }
    /* Another message, and another level of the same one, are other kinds. */
    ck_assert(log_writer_admit(f.writer, LOG_WARN, "rare", &left_out));
    ck_assert(log_writer_admit(f.writer, LOG_ERROR, "often", &left_out));
    ck_assert(!log_writer_next_left_out(f.writer, false, &left_out));
    ck_assert(log_writer_next_left_out(f.writer, true, &left_out));
    ck_assert_str_eq(left_out.message, "often");
    ck_assert_int_eq(left_out.count, 3);
    ck_assert(!log_writer_next_left_out(f.writer, true, &left_out));
    ck_assert_int_eq(log_writer_counts(f.writer).left_out, 3);
    log_writer_stop(f.writer, 1000);
    close_pipe(&f);
}
END_TEST

START_TEST(more_kinds_than_places_share_the_last_one)
{
    static char names[LOG_N_KINDS + 5][16];
    struct fixture f = start_writer();
    struct log_left_out left_out;
    int admitted = 0;
    for (int i = 0; i < LOG_N_KINDS + 5; i++) {
        snprintf(names[i], sizeof names[i], "kind %d", i);
        for (int k = 0; k <= LOG_KIND_LINES; k++) {
            admitted += log_writer_admit(f.writer, LOG_INFO, names[i], &left_out);
        }
    }
    ck_assert_int_eq(admitted, LOG_N_KINDS * LOG_KIND_LINES);
    int n_known = 0;
    while (log_writer_next_left_out(f.writer, true, &left_out)) {
        n_known += left_out.message != NULL;
        ck_assert_int_eq(left_out.count, left_out.message != NULL ? 1 : 6 + 5 * LOG_KIND_LINES);
    }
    ck_assert_int_eq(n_known, LOG_N_KINDS - 1);
    log_writer_stop(f.writer, 1000);
    close_pipe(&f);
}
END_TEST

START_TEST(the_latest_errors_are_kept)
{
    struct fixture f = start_writer();
    char text[LOG_ERROR_CHARS];
    ck_assert(!log_writer_get_error(f.writer, 0, text));
    for (int i = 0; i < LOG_N_ERRORS + 1; i++) {
        int len = snprintf(text, sizeof text, "error %d", i);
        log_writer_keep_error(f.writer, text, (size_t)len);
    }
    ck_assert(log_writer_get_error(f.writer, 0, text));
    ck_assert_str_eq(text, "error 8");
    ck_assert(log_writer_get_error(f.writer, LOG_N_ERRORS - 1, text));
    ck_assert_str_eq(text, "error 1");
    ck_assert(!log_writer_get_error(f.writer, LOG_N_ERRORS, text));
    log_writer_stop(f.writer, 1000);
    close_pipe(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_writer");
    TCase *tcase = tcase_create("log_writer");
    tcase_add_test(tcase, lines_come_out_whole_and_in_order);
    tcase_add_test(tcase, what_does_not_fit_is_dropped_and_counted);
    tcase_add_test(tcase, a_closed_reader_is_survived_and_counted);
    tcase_add_test(tcase, a_kind_is_left_out_from_its_limit_on);
    tcase_add_test(tcase, more_kinds_than_places_share_the_last_one);
    tcase_add_test(tcase, the_latest_errors_are_kept);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
