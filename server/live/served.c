/* SPDX-License-Identifier: Apache-2.0 */
#include "live/served.h"

#include "base/mem.h"
#include "formats/json_write.h"

#include <stdio.h>

/* Made once, since answers only copy them. False: no memory. */
static bool note_warnings(struct served *served, const struct report *report)
{
    struct arena arena = ARENA_INIT;
    struct textbuf list = textbuf_in(&arena);
    struct textbuf codes = textbuf_in(&arena);
    bool noted = true;
    for (int i = 0; i < report->n_warnings; i++) {
        const struct report_warning *warning = &report->warnings[i];
        if (!report_is_told(warning->code)) {
            continue;
        }
        textbuf_puts(&list, list.len > 0 ? "," : "");
        struct json_write json = json_write_to(&list);
        json_write_object(&json, NULL);
        json_write_text(&json, "code", warning->code);
        json_write_text(&json, "text", warning->text);
        json_write_object_end(&json);
        textbuf_printf(&codes, "%s%s", codes.len > 0 ? ", " : "", warning->code);
    }
    if (textbuf_failed(&list) || textbuf_failed(&codes)) {
        noted = false;
    } else if (list.len > 0) {
        served->warnings = mem_strdup(list.data);
        served->warning_codes = mem_strdup(codes.data);
        noted = served->warnings != NULL && served->warning_codes != NULL;
    }
    arena_release(&arena);
    return noted;
}

static void served_free(struct served *served)
{
    model_unref(served->model);
    mem_free(served->warnings);
    mem_free(served->warning_codes);
    mem_free(served);
}

struct served *served_new(const char *name, const struct version_row *row, struct model *model)
{
    struct served *served = mem_zalloc(sizeof *served);
    if (served != NULL) {
        snprintf(served->name, sizeof served->name, "%s", name);
        snprintf(served->digest, sizeof served->digest, "%s", row->digest);
        served->version = row->version;
        served->created_ms = row->created_ms;
        served->n_bytes = sizeof *served + model_bytes(model);
        served->model = model_ref(model);
        atomic_init(&served->refs, 1);
        if (!note_warnings(served, &model->report)) {
            served_free(served);
            return NULL;
        }
    }
    return served;
}

struct served *served_ref(struct served *served)
{
    if (served != NULL) {
        atomic_fetch_add_explicit(&served->refs, 1, memory_order_relaxed);
    }
    return served;
}

void served_unref(struct served *served)
{
    if (served != NULL && atomic_fetch_sub_explicit(&served->refs, 1, memory_order_acq_rel) == 1) {
        served_free(served);
    }
}
