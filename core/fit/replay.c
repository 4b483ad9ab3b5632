/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/replay.h"

#include "base/mem.h"

#include <limits.h>
#include <string.h>

void replay_init(struct replay *replay, int n)
{
    size_t bytes = (1 + (size_t)n) * sizeof(double);
    *replay = (struct replay){.n = (size_t)n, .max = REPLAY_MAX_BYTES / bytes};
}

void replay_release(struct replay *replay)
{
    mem_free(replay->values);
    *replay = (struct replay){.values = NULL};
}

void replay_restart(struct replay *replay)
{
    replay->count = 0;
    replay->next = 0;
}

bool replay_tell(struct replay *replay, double *value, double *grad)
{
    if (replay->next >= replay->count) {
        return false;
    }
    const double *from = replay->values + replay->next * (1 + replay->n);
    *value = from[0];
    if (replay->n > 0) {
        memcpy(grad, from + 1, replay->n * sizeof *grad);
    }
    replay->next++;
    return true;
}

/* Makes room for `count` evaluations. */
static enum err_code reserve_room(struct replay *replay, size_t count, struct err *err)
{
    size_t room = replay->room > 0 ? replay->room : 8;
    if (count <= replay->room) {
        return ERR_OK;
    }
    while (room < count) {
        room *= 2;
    }
    room = room < replay->max ? room : replay->max;
    double *values = mem_realloc_array(replay->values, room, (1 + replay->n) * sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %zu evaluations of a step", room);
    }
    replay->values = values;
    replay->room = room;
    return ERR_OK;
}

void replay_keep(struct replay *replay, double value, const double *grad)
{
    struct err none = ERR_INIT;
    if (replay->count >= replay->max) {
        return;
    }
    if (reserve_room(replay, replay->count + 1, &none) != ERR_OK) {
        replay->max = replay->count;
        return;
    }
    double *to = replay->values + replay->count * (1 + replay->n);
    to[0] = value;
    if (replay->n > 0) {
        memcpy(to + 1, grad, replay->n * sizeof *to);
    }
    replay->count++;
    replay->next = replay->count;
}

void replay_save(const struct replay *replay, struct bytes_writer *writer)
{
    bytes_put_u32(writer, (uint32_t)replay->count);
    bytes_put_f64(writer, replay->values, replay->count * (1 + replay->n));
}

enum err_code replay_load(struct replay *replay, struct bytes_reader *reader, struct err *err)
{
    size_t max = replay->max < INT_MAX ? replay->max : INT_MAX;
    size_t count = (size_t)bytes_get_int(reader, (int)max);
    replay_restart(replay);
    if (reader->failed || count > reader->left / sizeof(double)) {
        reader->failed = true;
        return ERR_OK;
    }
    if (reserve_room(replay, count, err) != ERR_OK) {
        return err->code;
    }
    bytes_get_f64(reader, replay->values, count * (1 + replay->n));
    replay->count = reader->failed ? 0 : count;
    return ERR_OK;
}
