/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/job_json.h"

#include "documents/request_fields.h"
#include "documents/train_json.h"
#include "formats/json_read.h"

#define MAX_MEGABYTES 100000000
#define MEGABYTE      1000000

/* A gate of null is none. */
static enum err_code read_gate(const json_t *request, struct job_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_GATE, spec->train.solver);
    const json_t *object = json_object_get(request, "gate");
    spec->gate.on = !json_is_null(object);
    return object != NULL && spec->gate.on ? json_fields_read(object, &place, &spec->gate, err)
                                           : ERR_OK;
}

static enum err_code read_limits(const json_t *request, struct job_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_LIMITS, spec->train.solver);
    const json_t *object = json_object_get(request, "limits");
    int64_t megabytes = 0;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_fields_read(object, &place, &spec->limits, err) != ERR_OK ||
        json_read_get_int(object, "limits", "memory_mb", false, 0, MAX_MEGABYTES, &megabytes,
                          err) != ERR_OK) {
        return err->code;
    }
    spec->limits.bytes = megabytes * MEGABYTE;
    return ERR_OK;
}

enum err_code job_json_read(const json_t *request, struct job_spec *spec, struct err *err)
{
    *spec = (struct job_spec){.gate = gate_defaults(), .promote = true};
    if (train_json_read(request, &spec->train, err) != ERR_OK) {
        return err->code;
    }
    const struct json_place top = request_place(REQUEST_TOP, spec->train.solver);
    if (json_fields_read_values(request, &top, spec, err) != ERR_OK ||
        read_gate(request, spec, err) != ERR_OK || read_limits(request, spec, err) != ERR_OK) {
        train_spec_release(&spec->train);
    }
    return err->code;
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
