/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/analyses/analysis_result.h"

#include "formats/json_write.h"

static void write_axis(struct json_write *json, const struct analyse_axis *axis)
{
    json_write_object(json, NULL);
    json_write_text(json, "name", axis->name);
    if (axis->labels != NULL) {
        json_write_array(json, "labels");
        for (int i = 0; i < axis->n; i++) {
            json_write_text(json, NULL, axis->labels[i]);
        }
        json_write_array_end(json);
    } else {
        json_write_reals(json, "values", axis->values, (size_t)axis->n);
    }
    json_write_object_end(json);
}

/* Numbers of the axes from `axis` on, nested; *at moves on. */
static void write_numbers(struct json_write *json, const char *key,
                          const struct analyse_table *table, int axis, const double **at)
{
    if (axis >= ANALYSE_MAX_RANK || axis == table->rank) {
        json_write_real(json, key, *(*at)++);
        return;
    }
    json_write_array(json, key);
    for (int i = 0; i < table->axes[axis].n; i++) {
        write_numbers(json, NULL, table, axis + 1, at);
    }
    json_write_array_end(json);
}

static void write_part(struct json_write *json, const char *key, const struct analyse_table *table,
                       const double *numbers)
{
    const double *at = numbers + table->first;
    write_numbers(json, key, table, 0, &at);
}

void analysis_result_write(struct textbuf *text, const struct analysis_request *request,
                           const struct analysis_origin *origin,
                           const struct analyse_result *result)
{
    struct json_write json = json_write_to(text);
    json_write_object(&json, NULL);
    json_write_text(&json, "kind", analyse_kind_name(request->spec.kind));
    json_write_text(&json, "model", origin->model);
    json_write_int(&json, "version", origin->version);
    json_write_text(&json, "version_digest", origin->version_digest);
    json_write_int(&json, "draws", request->draws);
    json_write_int(&json, "replicates", request->spec.replicates);
    json_write_real(&json, "evaluations", result->runs);
    json_write_array(&json, "tables");
    for (int i = 0; i < result->n_tables; i++) {
        const struct analyse_table *table = &result->tables[i];
        json_write_object(&json, NULL);
        json_write_text(&json, "name", table->name);
        json_write_array(&json, "axes");
        for (int k = 0; k < table->rank; k++) {
            write_axis(&json, &table->axes[k]);
        }
        json_write_array_end(&json);
        write_part(&json, "estimate", table, result->estimate);
        write_part(&json, "sampling_error", table, result->sampling_error);
        write_part(&json, "surrogate_error", table, result->surrogate_error);
        write_part(&json, "lower", table, result->lower);
        write_part(&json, "upper", table, result->upper);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_raw(&json, "request", origin->request);
    json_write_object_end(&json);
    json_write_end(&json);
}
