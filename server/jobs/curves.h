/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Losses by step of a job's members (or chains), thinned so that they stay small however long the
 * job runs: each member keeps at most CURVES_POINTS points at equal distances, and its last one. A
 * resumed job reports some steps again; a report of an earlier step replaces all later points.
 */
#ifndef CURVES_H
#define CURVES_H

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/err.h"

#define CURVES_MEMBERS 64 /* losses of further members are not kept */
#define CURVES_POINTS  128

struct curve_point {
    int step;
    double loss;       /* as reported, scaled units */
    double validation; /* NaN without validation rows */
};

struct curve {
    int stride; /* steps between kept points */
    int n;
    struct curve_point points[CURVES_POINTS];
    struct curve_point last; /* step 0: none */
};

struct curves {
    int n; /* members, up to the highest that reported */
    struct curve members[CURVES_MEMBERS];
};

/* A zeroed struct is empty. */
void curves_add(struct curves *curves, const struct progress *progress);

/* A failure to decode stays in the reader; the curves are empty then. */
void curves_encode(const struct curves *curves, struct bytes_writer *writer);
void curves_decode(struct curves *curves, struct bytes_reader *reader);

/* The i-th point of a member; the last one is included. False past the end. */
bool curves_point(const struct curves *curves, int member, int i, struct curve_point *out);

#endif
