/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of a command of the client fails in turn, those of pictures above all: the
 * command says so or does without, ends with a status that is known, and gives all memory back.
 */
#include "canned.h"
#include "run.h"

#include "base/mem.h"
#include "client/client.h"
#include "client/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 12
#define OFTEN     250 /* of more allocations than these only some fail: those of long answers */

/* ---- in place of the connection: these names are given to the linker ---- */

enum err_code __wrap_connection_open(const struct endpoint *endpoint, struct connection **out,
                                     struct err *err);
enum err_code __wrap_connection_call(struct connection *connection, const struct call *call,
                                     struct answer *out, struct err *err);
enum err_code __wrap_connection_set_token(struct connection *connection, const char *token,
                                          struct err *err);
void __wrap_connection_close(struct connection *connection);
bool __wrap_connection_reached(const struct connection *connection);

enum err_code __wrap_connection_open(const struct endpoint *endpoint, struct connection **out,
                                     struct err *err)
{
    (void)endpoint;
    (void)err;
    *out = NULL;
    return ERR_OK;
}

enum err_code __wrap_connection_set_token(struct connection *connection, const char *token,
                                          struct err *err)
{
    (void)connection;
    (void)token;
    (void)err;
    return ERR_OK;
}

void __wrap_connection_close(struct connection *connection)
{
    (void)connection;
}

bool __wrap_connection_reached(const struct connection *connection)
{
    (void)connection;
    return true;
}

enum err_code __wrap_connection_call(struct connection *connection, const struct call *call,
                                     struct answer *out, struct err *err)
{
    const struct payload *sent = &call->payload;
    char *text = canned_answer(call->method, call->path, sent->bytes, sent->n_bytes);
    (void)connection;
    *out = (struct answer){.status = text != NULL ? 200 : 404, .is_json = true};
    if (text == NULL) {
        return err_set(err, ERR_CONFLICT, "%s %.80s: nothing is canned", call->method, call->path);
    }
    out->n_data = strlen(text);
    if (call->sink != NULL) {
        fwrite(text, 1, out->n_data, call->sink);
    } else if (call->piece != NULL) {
        (void)call->piece(call->piece_ctx, text, out->n_data);
    } else {
        out->data = mem_alloc(out->n_data + 1);
    }
    if (out->data != NULL) {
        memcpy(out->data, text, out->n_data + 1);
    } else {
        out->n_data = 0;
    }
    free(text);
    return out->data != NULL || call->sink != NULL || call->piece != NULL
               ? ERR_OK
               : err_set(err, ERR_NOMEM, "no memory for the answer");
}

/* ---- commands ---- */

static int run(const char *line)
{
    char copy[256];
    char *words[MAX_WORDS] = {"surrogated"};
    int n = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL && n < MAX_WORDS; word = strtok(NULL, " ")) {
        words[n++] = word;
    }
    return client_run(n, words);
}

/* The status is 0 without a fault. Then allocation 1, 2, .. fails, until the command needs no
 * more. */
static void shake(const char *line)
{
    mem_fail_after(0, false);
    ck_assert_msg(run(line) == 0, "%s", line);
    for (long at = 1;; at += at < OFTEN ? 1 : at / 20) {
        long live = mem_live();
        mem_fail_after(at, false);
        int status = run(line);
        long attempts = mem_attempts();
        mem_fail_after(0, false);
        ck_assert_msg(mem_live() == live, "%s, allocation %ld: %ld blocks stay", line, at,
                      mem_live() - live);
        if (attempts < at) {
            ck_assert_msg(status == 0, "%s: %d", line, status);
            return;
        }
        ck_assert_msg(status == 0 || status == 1, "%s, allocation %ld: %d", line, at, status);
    }
}

static const char *const pictures[] = {
    "parity", "residuals", "calibration", "pit",       "loss",     "chains",   "trace",
    "ranks",  "posterior", "landscape",   "relevance", "slices",   "map",      "covariance",
    "sobol",  "suggest",   "pareto",      "history",   "inferred", "parallel", "data",
};

/* Messages about memory are for nobody. */
static void setup(void)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stdout));
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

START_TEST(a_picture_survives)
{
    char line[200];
    snprintf(line, sizeof line, "plot m %s --as csv", pictures[_i]);
    shake(line);
}
END_TEST

START_TEST(a_drawn_picture_survives)
{
    shake("plot m parity --as svg");
    shake("plot m sobol --job 2 --as svg --size 300");
    shake("plot m history --as png --dpi 24 --size 200");
}
END_TEST

START_TEST(other_commands_survive)
{
    static const char *const lines[] = {
        "models",    "jobs",     "diagnostics m", "predict m --at 0.5,0.5",
        "suggest m", "design m", "optimize m",    "plot m slices --at 0.3,0.4 --as csv",
        "data m",    "jobs list"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        shake(lines[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_memory");
    TCase *tcase = tcase_create("allocations");
    tcase_set_timeout(tcase, 240);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, a_picture_survives, 0, sizeof pictures / sizeof *pictures);
    tcase_add_test(tcase, a_drawn_picture_survives);
    tcase_add_test(tcase, other_commands_survive);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
