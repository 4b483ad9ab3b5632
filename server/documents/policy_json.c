/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/policy_json.h"

#include "documents/job_json.h"
#include "documents/request_fields.h"
#include "formats/json_read.h"
#include "formats/json_write.h"

#include <stdio.h>
#include <string.h>

#define MAX_ROWS       100000000
#define MAX_SECONDS    (366 * 86400)
#define MAX_DEBOUNCE   86400
#define MAX_DRIFT_ROWS 1000000
#define MAX_REQUEST    65536

static const struct json_field policy_fields[] = {
    FIELD_INT64("new_rows", 0, MAX_ROWS, policy_spec, new_rows),
    FIELD_INT64("every_s", 0, MAX_SECONDS, policy_spec, every_s),
    FIELD_OTHER("daily_at"),
    FIELD_OTHER("drift"),
    FIELD_INT64("debounce_s", 0, MAX_DEBOUNCE, policy_spec, debounce_s),
    FIELD_OTHER("request"),
};
static const struct json_field drift_fields[] = {
    {.key = "increase",
     .type = JSON_FIELD_REAL,
     .required = true,
     .max = 1e6,
     FIELD_TO(policy_spec, drift_increase)},
    FIELD_INT64("rows", 2, MAX_DRIFT_ROWS, policy_spec, drift_rows),
};
static const struct json_fields policy_object = {
    "policy", "at the top of the policy", policy_fields,
    (int)(sizeof policy_fields / sizeof *policy_fields)};
static const struct json_fields drift_object = {"drift", "under \"drift\"", drift_fields,
                                                (int)(sizeof drift_fields / sizeof *drift_fields)};

enum { POLICY, DRIFT, REQUEST };
static const struct json_fields *const objects[] = {
    [POLICY] = &policy_object, [DRIFT] = &drift_object, [REQUEST] = &request_of_policy};
static const struct json_document policy_document = {.objects = objects,
                                                     .n_objects =
                                                         (int)(sizeof objects / sizeof *objects),
                                                     .inner = &request_document,
                                                     .inner_where = "of \"request\""};

/* "02:30" as a minute of the day. */
static enum err_code read_time_of_day(const char *text, int *minute, struct err *err)
{
    static const char digits[] = "0123456789";
    bool shaped = strlen(text) == 5 && strspn(text, digits) == 2 && text[2] == ':' &&
                  strspn(text + 3, digits) == 2;
    int hours = shaped ? 10 * (text[0] - '0') + text[1] - '0' : 24;
    int minutes = shaped ? 10 * (text[3] - '0') + text[4] - '0' : 60;
    if (hours > 23 || minutes > 59) {
        return err_set(err, ERR_INVALID,
                       "daily_at is \"%.20s\"; a time such as \"02:30\" (UTC) is "
                       "needed",
                       text);
    }
    *minute = 60 * hours + minutes;
    return ERR_OK;
}

static enum err_code read_drift(const json_t *document, struct policy_spec *policy, struct err *err)
{
    const struct json_place place = {&policy_document, DRIFT, -1};
    const json_t *object = json_object_get(document, "drift");
    return object != NULL && !json_is_null(object) ? json_fields_read(object, &place, policy, err)
                                                   : ERR_OK;
}

/* Its text is kept as well: the policy's document shows the request as it was given. */
static enum err_code read_request(const json_t *object, struct policy_spec *policy, struct err *err)
{
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_object_get(object, "space") != NULL) {
        return err_set(
            err, ERR_INVALID,
            "request: a policy has no space; PUT /v1/models/NAME/space sets the model's");
    }
    if (json_read_dump(object, MAX_REQUEST, "request", &policy->request, err) != ERR_OK) {
        return err->code;
    }
    return job_json_read(object, &policy->job, err);
}

static enum err_code read_policy(const json_t *document, struct policy_spec *policy,
                                 struct err *err)
{
    const struct json_place place = {&policy_document, POLICY, -1};
    const char *daily_at = NULL;
    if (json_fields_read(document, &place, policy, err) != ERR_OK) {
        return err->code;
    }
    if (!json_is_null(json_object_get(document, "daily_at")) &&
        json_read_text((struct json_members){document, "policy", err}, "daily_at", 20, &daily_at) !=
            ERR_OK) {
        return err->code;
    }
    if ((daily_at != NULL && read_time_of_day(daily_at, &policy->daily_at, err) != ERR_OK) ||
        read_drift(document, policy, err) != ERR_OK ||
        read_request(json_object_get(document, "request"), policy, err) != ERR_OK) {
        return err->code;
    }
    if (policy->new_rows == 0 && policy->every_s == 0 && policy->daily_at < 0 &&
        policy->drift_increase < 0.0) {
        return err_set(err, ERR_INVALID,
                       "the policy gives no reason to train: new_rows, every_s, daily_at or drift "
                       "is needed");
    }
    return ERR_OK;
}

enum err_code policy_json_parse(const char *text, size_t len, struct policy_spec *policy,
                                struct err *err)
{
    json_t *document = NULL;
    struct arena arena = ARENA_INIT;
    *policy = policy_spec_defaults();
    if (json_read_parse(text, len, &arena, &document, err) == ERR_OK) {
        err_kept(read_policy(document, policy, err));
    }
    if (err->code != ERR_OK) {
        policy_spec_release(policy);
    }
    arena_release(&arena);
    return err->code;
}

static void write_drift(struct json_write *json, const struct policy_spec *policy)
{
    if (policy->drift_increase < 0.0) {
        json_write_null(json, "drift");
        return;
    }
    json_write_object(json, "drift");
    json_write_real(json, "increase", policy->drift_increase);
    json_write_int(json, "rows", policy->drift_rows);
    json_write_object_end(json);
}

void policy_json_write(struct textbuf *text, const struct policy_spec *policy)
{
    struct json_write json = json_write_to(text);
    char daily_at[32];
    snprintf(daily_at, sizeof daily_at, "%02d:%02d", policy->daily_at / 60, policy->daily_at % 60);
    json_write_object(&json, NULL);
    json_write_int(&json, "new_rows", policy->new_rows);
    json_write_int(&json, "every_s", policy->every_s);
    json_write_text(&json, "daily_at", policy->daily_at >= 0 ? daily_at : NULL);
    write_drift(&json, policy);
    json_write_int(&json, "debounce_s", policy->debounce_s);
    json_write_raw(&json, "request", policy->request);
    json_write_object_end(&json);
    json_write_end(&json);
}
