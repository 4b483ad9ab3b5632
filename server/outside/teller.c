/* SPDX-License-Identifier: Apache-2.0 */
#include "outside/teller.h"

#include "base/clock.h"
#include "formats/json_write.h"
#include "outside/folder.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum err_code teller_open(struct teller *teller, const char *path, struct err *err)
{
    *teller = (struct teller){.file = stderr};
    if (path != NULL) {
        teller->file = fopen(path, "ab");
    }
    return teller->file != NULL
               ? ERR_OK
               : err_set(err, ERR_IO, "%.120s cannot be opened: %s", path, strerror(errno));
}

void teller_close(struct teller *teller)
{
    if (teller->file != NULL && teller->file != stderr) {
        fclose(teller->file);
    }
    teller->file = NULL;
}

/* A line that cannot be written is lost; the version counts. */
static void put_line(const struct teller *teller, struct textbuf *text)
{
    textbuf_put_char(text, '\n');
    if (!textbuf_failed(text)) {
        fwrite(text->data, 1, text->len, teller->file);
        fflush(teller->file);
    }
}

void teller_tell_start(struct teller *teller, const struct teller_start *start)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    if (teller->file != NULL) {
        json_write_object(&json, NULL);
        json_write_text(&json, "event", "started");
        json_write_int(&json, "ranks", start->ranks);
        json_write_int(&json, "threads", start->threads);
        json_write_int(&json, "rows", start->rows);
        json_write_int(&json, "inputs", start->inputs);
        json_write_int(&json, "outputs", start->outputs);
        json_write_object_end(&json);
        put_line(teller, &text);
    }
    arena_release(&arena);
}

void teller_progress(void *ctx, const struct progress *progress)
{
    struct teller *teller = ctx;
    int64_t now = clock_ns();
    if (teller->file == NULL ||
        (teller->last_ns != 0 && now - teller->last_ns < TELLER_EVERY_MS * CLOCK_MS)) {
        return;
    }
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    teller->last_ns = now;
    json_write_object(&json, NULL);
    json_write_text(&json, "event", "progress");
    json_write_real(&json, "fraction", progress->fraction);
    json_write_int(&json, "member", progress->member);
    json_write_int(&json, "members", progress->n_members);
    json_write_int(&json, "step", progress->step);
    json_write_int(&json, "steps", progress->n_steps);
    json_write_real(&json, "loss", progress->loss);
    json_write_real(&json, "validation_loss", progress->validation_loss);
    json_write_object_end(&json);
    put_line(teller, &text);
    arena_release(&arena);
}

void teller_code(enum err_code code, char *out)
{
    static const char *const names[] = {
#define ERR(name, text) #name,
#include "base/err.def"
#undef ERR
    };
    size_t i = 0;
    for (const char *at = names[code]; *at != '\0' && i < 31; at++) {
        out[i++] = (char)tolower((unsigned char)*at);
    }
    out[i] = '\0';
}

static void write_failure(struct json_write *json, const struct err *err)
{
    char code[32];
    teller_code(err->code, code);
    json_write_text(json, "code", code);
    json_write_text(json, "message", err_msg(err));
}

void teller_tell_end(struct teller *teller, const struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    bool failed = err != NULL && err->code != ERR_OK;
    if (teller->file != NULL) {
        json_write_object(&json, NULL);
        json_write_text(&json, "event", failed ? "failed" : "done");
        if (failed) {
            write_failure(&json, err);
        }
        json_write_object_end(&json);
        put_line(teller, &text);
    }
    arena_release(&arena);
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)CLOCK_S;
}

static void write_costs(struct json_write *json, const struct rank_costs *costs)
{
    json_write_object(json, "costs");
    json_write_real(json, "together_s", seconds(costs->cpu_ns[RANKS_TOGETHER]));
    json_write_real(json, "apart_s", seconds(costs->cpu_ns[RANKS_APART]));
    json_write_real(json, "replay_s", seconds(costs->cpu_ns[RANKS_REPLAY]));
    json_write_int(json, "exchanges", costs->exchanges);
    json_write_int(json, "exchanged_bytes", costs->bytes);
    json_write_real(json, "waited_s", seconds(costs->waited_ns));
    json_write_int(json, "swaps", costs->swaps);
    json_write_int(json, "swapped_bytes", costs->swapped_bytes);
    json_write_real(json, "swapped_s", seconds(costs->swapped_ns));
    json_write_object_end(json);
}

enum err_code teller_write_result(const char *path, int rank, const struct teller_result *result,
                                  const struct err *failure, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct textbuf text = textbuf_in(&arena);
    struct json_write json = json_write_to(&text);
    bool ok = failure->code == ERR_OK;
    json_write_object(&json, NULL);
    json_write_bool(&json, "ok", ok);
    if (ok) {
        json_write_int(&json, "ranks", result->ranks);
        if (result->costs != NULL) {
            write_costs(&json, result->costs);
        }
        json_write_int(&json, "bytes", (int64_t)result->bytes);
        json_write_text(&json, "sha256", result->sha256);
        json_write_text(&json, "content_sha256", result->content_sha256);
        json_write_text(&json, "request_sha256", result->request_sha256);
        json_write_text(&json, "rows_sha256", result->rows_sha256);
    } else {
        write_failure(&json, failure);
    }
    json_write_object_end(&json);
    textbuf_put_char(&text, '\n');
    if (textbuf_failed(&text)) {
        err_set(err, ERR_NOMEM, "no memory for the result");
    } else {
        const struct folder_part part = {text.data, text.len};
        err_kept(folder_write_file(path, rank, &part, 1, err));
    }
    arena_release(&arena);
    return err->code;
}
