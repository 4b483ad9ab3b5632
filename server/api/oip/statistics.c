/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics extension, as Triton writes it. A version's numbers begin when it is read into
 * memory. */
#include "api/handlers.h"

#include "api/oip/oip_model.h"
#include "api/reply.h"
#include "base/mem.h"
#include "live/models_unload.h"

#include <stdio.h>

#define MAX_MODELS   2000 /* of which there are statistics, the first by name */
#define MAX_VERSIONS 1100 /* of one model, all that memory holds */

static long long value_of(const atomic_llong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void write_duration(struct json_write *json, const char *key, long long count, long long ns)
{
    json_write_object(json, key);
    json_write_int(json, "count", count);
    json_write_int(json, "ns", ns);
    json_write_object_end(json);
}

static void write_times(struct json_write *json, const struct served_stats *stats)
{
    long long n = value_of(&stats->n_success);
    json_write_object(json, "inference_stats");
    write_duration(json, "success", n, value_of(&stats->success_ns));
    write_duration(json, "fail", value_of(&stats->n_fail), value_of(&stats->fail_ns));
    write_duration(json, "queue", n, value_of(&stats->queue_ns));
    write_duration(json, "compute_input", n, value_of(&stats->input_ns));
    write_duration(json, "compute_infer", n, value_of(&stats->compute_ns));
    write_duration(json, "compute_output", n, value_of(&stats->output_ns));
    write_duration(json, "cache_hit", 0, 0); /* there is no cache of answers */
    write_duration(json, "cache_miss", 0, 0);
    json_write_object_end(json);
}

static void write_version(struct json_write *json, const struct served *served)
{
    const struct served_stats *stats = &served->stats;
    char version[24];
    snprintf(version, sizeof version, "%lld", (long long)served->version);
    json_write_object(json, NULL);
    json_write_text(json, "name", served->name);
    json_write_text(json, "version", version);
    json_write_int(json, "last_inference", value_of(&stats->last_ms));
    json_write_int(json, "inference_count", value_of(&stats->n_rows));
    json_write_int(json, "execution_count", value_of(&stats->n_calls));
    write_times(json, stats);
    json_write_object(json, "response_stats"); /* of models that answer more than once */
    json_write_object_end(json);
    json_write_array(json, "batch_stats");
    json_write_array_end(json);
    json_write_array(json, "memory_usage");
    json_write_object(json, NULL);
    json_write_text(json, "type", "CPU");
    json_write_int(json, "id", 0);
    json_write_int(json, "byte_size", (int64_t)served->n_bytes);
    json_write_object_end(json);
    json_write_array_end(json);
    json_write_object_end(json);
}

/* Gives the references back. */
static enum err_code reply_versions(const struct request *req, struct response *res,
                                    struct served **versions, size_t n, struct err *err)
{
    struct textbuf text = textbuf_in(req->arena);
    struct json_write json = json_write_to(&text);
    json_write_object(&json, NULL);
    json_write_array(&json, "model_stats");
    for (size_t i = 0; i < n; i++) {
        if (access_sees(req, versions[i]->name)) {
            write_version(&json, versions[i]);
        }
        served_unref(versions[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    return reply_json(res, 200, &json, err);
}

/* The default versions in memory. */
enum err_code handle_oip_all_stats(struct app *app, const struct request *req, struct response *res,
                                   struct err *err)
{
    struct served **versions = arena_alloc_array(req->arena, MAX_MODELS, sizeof(struct served *));
    if (versions == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    size_t n = models_served(app->models, versions, MAX_MODELS);
    return reply_versions(req, res, versions, n < MAX_MODELS ? n : MAX_MODELS, err);
}

/* The version that the path names, or all of the model that are in memory, its default among
 * them. */
enum err_code handle_oip_stats(struct app *app, const struct request *req, struct response *res,
                               struct err *err)
{
    struct served **versions = arena_alloc_array(req->arena, MAX_VERSIONS, sizeof(struct served *));
    struct served *served = NULL;
    if (versions == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for the answer");
    }
    if (oip_model_find(app, req, &served, err) != ERR_OK) {
        return err->code;
    }
    if (req->n_params > 1) {
        versions[0] = served;
        return reply_versions(req, res, versions, 1, err);
    }
    size_t n = models_held(app->models, served->name, versions, MAX_VERSIONS);
    served_unref(served);
    return reply_versions(req, res, versions, n, err);
}
