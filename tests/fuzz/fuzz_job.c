/* SPDX-License-Identifier: Apache-2.0 */
/* Training requests and policies: what is accepted must be the same after it was written and read
 * again, because a job keeps only its text. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#include "documents/job_json.h"
#include "documents/policy_json.h"
#include "formats/json_read.h"

const struct seed fuzz_seeds[] = {
    SEED("{\"solver\":\"ensemble\",\"seed\":1,\"architecture\":{\"inputs\":2,\"outputs\":1,"
         "\"width\":8,\"layers\":2},"
         "\"settings\":{\"epochs\":10,\"members\":2},\"gate\":{\"metric\":\"crps\","
         "\"max_increase\":0.25,\"rows\":\"all\"},\"limits\":{\"seconds\":60,\"memory_mb\":100},"
         "\"priority\":-3,\"promote\":false}"),
    SEED("{\"solver\":\"nuts\",\"gate\":null,\"noise\":{\"kind\":\"given\",\"sigma\":[0.1,0.2]},"
         "\"prior\":{\"sigma\":2,\"fan_in\":true},\"calibration\":{\"method\":\"split\"},"
         "\"optimizer\":{\"name\":\"lbfgs\"},\"split\":{\"validation\":0.2}}"),
    SEED("{\"new_rows\":500,\"every_s\":3600,\"daily_at\":\"02:30\",\"drift\":{\"increase\":0.5,"
         "\"rows\":50},\"debounce_s\":5,\"request\":{\"solver\":\"swag\",\"priority\":1}}"),
    SEEDS_END};

const struct seed fuzz_words[] = {SEED("\"gate\":null,"), SEED("\"start\":\"warm\","),
                                  SEED("1e308"),          SEED("-1"),
                                  SEED("null"),           SEED("\"limits\":{},"),
                                  SEED("known"),          SEED("23:59"),
                                  SEED("\"drift\":{},"),  SEED("vi"),
                                  SEED("float32"),        SEEDS_END};

static void check_job(const char *text, size_t size, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct job_spec spec;
    struct job_spec again;
    struct textbuf first = textbuf_in(arena);
    struct textbuf second = textbuf_in(arena);
    if (job_json_parse(text, size, &spec, &err) != ERR_OK) {
        return;
    }
    job_json_write(&first, &spec);
    /* Inputs and outputs are the data's; the text of a job has them. */
    if (spec.train.arch.inputs > 0 && spec.train.arch.outputs > 0) {
        if (job_json_parse(first.data, first.len, &again, &err) != ERR_OK) {
            abort();
        }
        job_json_write(&second, &again);
        train_spec_release(&again.train);
        if (strcmp(first.data, second.data) != 0) {
            abort();
        }
    }
    train_spec_release(&spec.train);
}

static void check_policy(const char *text, size_t size, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct policy_spec policy;
    struct policy_spec again;
    struct textbuf first = textbuf_in(arena);
    struct textbuf second = textbuf_in(arena);
    if (policy_json_parse(text, size, &policy, &err) != ERR_OK) {
        return;
    }
    policy_json_write(&first, &policy);
    policy_spec_release(&policy);
    if (policy_json_parse(first.data, first.len, &again, &err) != ERR_OK) {
        abort();
    }
    policy_json_write(&second, &again);
    policy_spec_release(&again);
    if (strcmp(first.data, second.data) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    struct arena arena = ARENA_INIT;
    if (begun++ == 0) {
        json_read_init();
    }
    char *text = arena_strndup(&arena, (const char *)data, size);
    check_job(text, size, &arena);
    check_policy(text, size, &arena);
    arena_release(&arena);
    return 0;
}
