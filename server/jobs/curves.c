/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/curves.h"

#include <math.h>
#include <string.h>

/* Removes every second point: those that stay are twice as far apart. */
static void drop_every_second(struct curve *curve)
{
    int n = 0;
    for (int i = 0; i < curve->n; i += 2) {
        curve->points[n++] = curve->points[i];
    }
    curve->n = n;
    curve->stride *= 2;
}

void curves_add(struct curves *curves, const struct progress *progress)
{
    int member = progress->member;
    if (member < 0 || member >= CURVES_MEMBERS || progress->step < 1) {
        return;
    }
    struct curve *curve = &curves->members[member];
    curves->n = member < curves->n ? curves->n : member + 1;
    curve->stride = curve->stride > 0 ? curve->stride : 1;
    while (curve->n > 0 && curve->points[curve->n - 1].step >= progress->step) {
        curve->n--;
    }
    curve->last = (struct curve_point){progress->step, progress->loss, progress->validation_loss};
    if (curve->n > 0 && progress->step - curve->points[curve->n - 1].step < curve->stride) {
        return;
    }
    if (curve->n == CURVES_POINTS) {
        drop_every_second(curve);
        if (progress->step - curve->points[curve->n - 1].step < curve->stride) {
            return;
        }
    }
    curve->points[curve->n++] = curve->last;
}

bool curves_point(const struct curves *curves, int member, int i, struct curve_point *out)
{
    const struct curve *curve = &curves->members[member];
    if (i < curve->n) {
        *out = curve->points[i];
        return true;
    }
    *out = curve->last;
    return i == curve->n && curve->last.step > 0 &&
           (curve->n == 0 || curve->last.step > curve->points[curve->n - 1].step);
}

void curves_encode(const struct curves *curves, struct bytes_writer *writer)
{
    bytes_put_u32(writer, (uint32_t)curves->n);
    for (int j = 0; j < curves->n; j++) {
        const struct curve *curve = &curves->members[j];
        bytes_put_u32(writer, (uint32_t)curve->stride);
        bytes_put_u32(writer, (uint32_t)curve->n);
        for (int i = 0; i <= curve->n; i++) {
            const struct curve_point *point = i < curve->n ? &curve->points[i] : &curve->last;
            bytes_put_u32(writer, (uint32_t)point->step);
            bytes_put_f64(writer, &point->loss, 1);
            bytes_put_f64(writer, &point->validation, 1);
        }
    }
}

void curves_decode(struct curves *curves, struct bytes_reader *reader)
{
    memset(curves, 0, sizeof *curves);
    curves->n = bytes_get_int(reader, CURVES_MEMBERS);
    for (int j = 0; j < curves->n; j++) {
        struct curve *curve = &curves->members[j];
        curve->stride = bytes_get_int(reader, INT32_MAX);
        curve->n = bytes_get_int(reader, CURVES_POINTS);
        for (int i = 0; i <= curve->n; i++) {
            struct curve_point *point = i < curve->n ? &curve->points[i] : &curve->last;
            point->step = bytes_get_int(reader, INT32_MAX);
            bytes_get_f64(reader, &point->loss, 1);
            bytes_get_f64(reader, &point->validation, 1);
        }
    }
    if (reader->failed) {
        memset(curves, 0, sizeof *curves);
    }
}
