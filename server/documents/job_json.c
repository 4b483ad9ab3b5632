/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/job_json.h"

#include "documents/request_fields.h"
#include "documents/train_json.h"
#include "formats/json_read.h"
#include "formats/json_write.h"

#include <string.h>

#define MAX_MEGABYTES 100000000
#define MEGABYTE      1000000

/* A gate of null is none. */
static enum err_code read_gate(const json_t *request, struct job_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_GATE, -1);
    const json_t *object = json_object_get(request, "gate");
    spec->gate.on = !json_is_null(object);
    return object != NULL && spec->gate.on ? json_fields_read(object, &place, &spec->gate, err)
                                           : ERR_OK;
}

static enum err_code read_limits(const json_t *request, struct job_spec *spec, struct err *err)
{
    const struct json_place place = request_place(REQUEST_LIMITS, -1);
    const json_t *object = json_object_get(request, "limits");
    int64_t megabytes = 0;
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_fields_read(object, &place, &spec->limits, err) != ERR_OK ||
        json_read_int((struct json_members){object, "limits", err}, "memory_mb", 0, MAX_MEGABYTES,
                      &megabytes) != ERR_OK) {
        return err->code;
    }
    spec->limits.bytes = megabytes * MEGABYTE;
    return ERR_OK;
}

/* A choice and a warm start do not go together; the start has been read only now. */
static enum err_code check_start(const struct job_spec *spec, struct err *err)
{
    const struct auto_spec choice = job_spec_auto(spec);
    return spec->choice.on ? auto_validate(&choice, err) : ERR_OK;
}

enum err_code job_json_read(const json_t *request, struct job_spec *spec, struct err *err)
{
    *spec = (struct job_spec){.gate = gate_defaults(), .promote = true, .place = JOB_ANYWHERE};
    if (train_json_read(request, spec, err) != ERR_OK) {
        return err->code;
    }
    spec->gives_seed = json_object_get(request, "seed") != NULL;
    spec->gives_split = json_object_get(json_object_get(request, "split"), "validation") != NULL ||
                        train_roles_have(&spec->train.roles, TRAIN_VALIDATION);
    const struct json_place top = request_place(
        REQUEST_TOP, spec->choice.on ? REQUEST_AUTO_VARIANT : (int)spec->train.solver);
    if (json_fields_read_values(request, &top, spec, err) != ERR_OK ||
        read_gate(request, spec, err) != ERR_OK || read_limits(request, spec, err) != ERR_OK ||
        check_start(spec, err) != ERR_OK) {
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

bool job_json_cut_place(char *text, size_t *len)
{
    static const char end[] = ",\"where\":\"launcher\"}";
    size_t n = sizeof end - 1;
    if (*len < n || memcmp(text + *len - n, end, n) != 0) {
        return false;
    }
    *len -= n - 1;
    text[*len - 1] = '}';
    text[*len] = '\0';
    return true;
}

static void write_gate(struct json_write *json, const struct gate_spec *gate)
{
    if (!gate->on) {
        json_write_null(json, "gate");
        return;
    }
    json_write_object(json, "gate");
    json_write_text(json, "metric", gate_metric_name(gate->metric));
    json_write_real(json, "max_increase", gate->max_increase);
    json_write_text(json, "rows", gate_rows_name(gate->rows));
    json_write_object_end(json);
}

void job_json_write(struct textbuf *text, const struct job_spec *spec)
{
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    train_json_write_members(&json, spec);
    write_gate(&json, &spec->gate);
    json_write_bool(&json, "promote", spec->promote);
    json_write_object(&json, "limits");
    json_write_int(&json, "seconds", spec->limits.seconds);
    json_write_int(&json, "memory_mb", spec->limits.bytes / MEGABYTE);
    json_write_object_end(&json);
    /* The last member: job_json_cut_place. */
    if (spec->place == JOB_LAUNCHER) {
        json_write_text(&json, "where", job_place_name(JOB_LAUNCHER));
    }
    json_write_object_end(&json);
    json_write_end(&json);
}
