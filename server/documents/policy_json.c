/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/policy_json.h"

#include "documents/job_json.h"
#include "formats/json_read.h"

#include <stdio.h>
#include <string.h>

#define MAX_ROWS     100000000
#define MAX_SECONDS  (366 * 86400)
#define MAX_DEBOUNCE 86400
#define MAX_REQUEST  65536

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

static enum err_code read_drift(const json_t *object, struct policy_spec *policy, struct err *err)
{
    static const char *const keys[] = {"increase", "rows", NULL};
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_read_check_keys(object, "drift", keys, err) != ERR_OK ||
        json_read_get_real(object, "drift", "increase", true, 0.0, 1e6, &policy->drift_increase,
                           err) != ERR_OK) {
        return err->code;
    }
    return json_read_get_int(object, "drift", "rows", false, 2, 1000000, &policy->drift_rows, err);
}

/* Its text is kept as well: the policy's document shows the request as it was given. */
static enum err_code read_request(json_t *object, struct policy_spec *policy, struct err *err)
{
    if (object == NULL || json_is_null(object)) {
        return ERR_OK;
    }
    if (json_read_dump(object, MAX_REQUEST, "request", &policy->request, err) != ERR_OK) {
        return err->code;
    }
    return job_json_read(object, &policy->job, err);
}

static enum err_code read_policy(json_t *object, struct policy_spec *policy, struct err *err)
{
    static const char *const keys[] = {"new_rows",   "every_s", "daily_at", "drift",
                                       "debounce_s", "request", NULL};
    const char *daily_at = NULL;
    if (json_read_check_keys(object, "policy", keys, err) != ERR_OK ||
        json_read_get_int(object, "policy", "new_rows", false, 0, MAX_ROWS, &policy->new_rows,
                          err) != ERR_OK ||
        json_read_get_int(object, "policy", "every_s", false, 0, MAX_SECONDS, &policy->every_s,
                          err) != ERR_OK ||
        json_read_get_int(object, "policy", "debounce_s", false, 0, MAX_DEBOUNCE,
                          &policy->debounce_s, err) != ERR_OK) {
        return err->code;
    }
    if (!json_is_null(json_object_get(object, "daily_at")) &&
        json_read_get_text(object, "policy", "daily_at", false, 20, &daily_at, err) != ERR_OK) {
        return err->code;
    }
    if ((daily_at != NULL && read_time_of_day(daily_at, &policy->daily_at, err) != ERR_OK) ||
        read_drift(json_object_get(object, "drift"), policy, err) != ERR_OK ||
        read_request(json_object_get(object, "request"), policy, err) != ERR_OK) {
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
    json_t *object = NULL;
    struct arena arena = ARENA_INIT;
    *policy = policy_spec_defaults();
    if (json_read_parse(text, len, &arena, &object, err) == ERR_OK) {
        err_kept(read_policy(object, policy, err));
    }
    if (err->code != ERR_OK) {
        policy_spec_release(policy);
    }
    arena_release(&arena);
    return err->code;
}

void policy_json_write(struct textbuf *text, const struct policy_spec *policy)
{
    textbuf_printf(text,
                   "{\"new_rows\":%lld,\"every_s\":%lld,\"daily_at\":", (long long)policy->new_rows,
                   (long long)policy->every_s);
    if (policy->daily_at >= 0) {
        textbuf_printf(text, "\"%02d:%02d\"", policy->daily_at / 60, policy->daily_at % 60);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_puts(text, ",\"drift\":");
    if (policy->drift_increase >= 0.0) {
        textbuf_puts(text, "{\"increase\":");
        textbuf_real(text, policy->drift_increase);
        textbuf_printf(text, ",\"rows\":%lld}", (long long)policy->drift_rows);
    } else {
        textbuf_puts(text, "null");
    }
    textbuf_printf(text, ",\"debounce_s\":%lld,\"request\":%s}", (long long)policy->debounce_s,
                   policy->request != NULL ? policy->request : "null");
}
