/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a model is trained again by itself, as a document:
 *
 *    {"new_rows":500,                                  rows since the last job; 0: not a reason
 *     "every_s":86400, "daily_at":"02:30",             since the last job; UTC
 *     "drift":{"increase":0.5,"rows":100},             of the relative RMSE on fresh rows
 *     "debounce_s":30,                                 wait until rows have stopped coming
 *     "request":{"solver":"ensemble", ..}}             absent or null: as the default was trained
 *
 * Every key may be absent, but at least one reason must be there.
 */
#ifndef POLICY_JSON_H
#define POLICY_JSON_H

#include "base/err.h"
#include "base/textbuf.h"
#include "documents/policy_spec.h"

/* ERR_INVALID naming the key. On success the policy is the caller's to release. */
enum err_code policy_json_parse(const char *text, size_t len, struct policy_spec *policy,
                                struct err *err) MUST_CHECK;

/* Writes every setting. */
void policy_json_write(struct textbuf *text, const struct policy_spec *policy);

#endif
