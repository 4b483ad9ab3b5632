/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/job_json.h"

#include "documents/train_json.h"
#include "formats/json_read.h"

#include <string.h>

#define MAX_SECONDS   (366 * 86400)
#define MAX_MEGABYTES 100000000
#define MEGABYTE      1000000

static enum err_code read_gate(const json_t *object, struct gate_spec *gate, struct err *err)
{
    static const char *const keys[] = {"metric", "max_increase", "rows", NULL};
    const char *metric = NULL;
    const char *rows = NULL;
    if (object == NULL) {
        return ERR_OK;
    }
    if (json_is_null(object)) {
        gate->on = false;
        return ERR_OK;
    }
    if (json_read_check_keys(object, "gate", keys, err) != ERR_OK ||
        json_read_get_text(object, "gate", "metric", false, 64, &metric, err) != ERR_OK ||
        json_read_get_text(object, "gate", "rows", false, 64, &rows, err) != ERR_OK ||
        json_read_get_real(object, "gate", "max_increase", false, 0.0, 1e6, &gate->max_increase,
                           err) != ERR_OK) {
        return err->code;
    }
    if (metric != NULL && !gate_metric_find(metric, &gate->metric)) {
        return err_set(err, ERR_INVALID,
                       "gate: metric \"%.40s\" is unknown; rmse, nll and crps are known", metric);
    }
    if (rows != NULL && !gate_rows_find(rows, &gate->rows)) {
        return err_set(err, ERR_INVALID,
                       "gate: rows \"%.40s\" is unknown; known, all and new are known", rows);
    }
    return ERR_OK;
}

static enum err_code read_limits(const json_t *object, struct job_limits *limits, struct err *err)
{
    static const char *const keys[] = {"seconds", "memory_mb", NULL};
    int64_t megabytes = 0;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "limits", keys, err) != ERR_OK ||
        json_read_get_int(object, "limits", "seconds", false, 0, MAX_SECONDS, &limits->seconds,
                          err) != ERR_OK ||
        json_read_get_int(object, "limits", "memory_mb", false, 0, MAX_MEGABYTES, &megabytes,
                          err) != ERR_OK) {
        return err->code;
    }
    limits->bytes = megabytes * MEGABYTE;
    return ERR_OK;
}

/* The keys that are not of the training itself; they leave the object. */
static enum err_code read_own(json_t *object, struct job_spec *spec, struct err *err)
{
    static const char *const own[] = {"gate", "promote", "limits", "priority"};
    int64_t priority = 0;
    if (read_gate(json_object_get(object, "gate"), &spec->gate, err) != ERR_OK ||
        read_limits(json_object_get(object, "limits"), &spec->limits, err) != ERR_OK ||
        json_read_get_bool(object, "request", "promote", false, &spec->promote, err) != ERR_OK ||
        json_read_get_int(object, "request", "priority", false, -JOB_MAX_PRIORITY, JOB_MAX_PRIORITY,
                          &priority, err) != ERR_OK) {
        return err->code;
    }
    spec->priority = (int)priority;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        json_object_del(object, own[i]);
    }
    return ERR_OK;
}

enum err_code job_json_read(json_t *object, struct job_spec *spec, struct err *err)
{
    *spec = (struct job_spec){.gate = gate_defaults(), .promote = true};
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "request is not an object");
    }
    if (read_own(object, spec, err) != ERR_OK) {
        return err->code;
    }
    return train_json_read(object, &spec->train, err);
}

enum err_code job_json_parse(const char *text, size_t len, struct job_spec *spec, struct err *err)
{
    json_t *object = NULL;
    struct arena arena = ARENA_INIT;
    *spec = (struct job_spec){.promote = false};
    if (json_read_parse(text, len, &arena, &object, err) == ERR_OK) {
        err_kept(job_json_read(object, spec, err));
    }
    arena_release(&arena);
    return err->code;
}

void job_json_write(struct textbuf *text, const struct job_spec *spec)
{
    const struct gate_spec *gate = &spec->gate;
    textbuf_puts(text, "{");
    train_json_write_members(text, &spec->train);
    if (gate->on) {
        textbuf_printf(
            text, ",\"gate\":{\"metric\":\"%s\",\"max_increase\":", gate_metric_name(gate->metric));
        textbuf_real(text, gate->max_increase);
        textbuf_printf(text, ",\"rows\":\"%s\"}", gate_rows_name(gate->rows));
    } else {
        textbuf_puts(text, ",\"gate\":null");
    }
    textbuf_printf(text, ",\"promote\":%s,\"limits\":{\"seconds\":%lld,\"memory_mb\":%lld}}",
                   spec->promote ? "true" : "false", (long long)spec->limits.seconds,
                   (long long)(spec->limits.bytes / MEGABYTE));
}
