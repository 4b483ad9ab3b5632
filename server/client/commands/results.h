/* SPDX-License-Identifier: Apache-2.0 */
/* What an analysis or a calibration found, as CSV. */
#ifndef RESULTS_H
#define RESULTS_H

#include "client/client.h"

/*
 * Prints the result of a job: a line for each number, with the table, its place along each axis,
 * and the number with its errors; of a calibration a line for each parameter, of a history match
 * one for each wave, and then the points to simulate next with their ids. With --json the server's
 * JSON.
 */
enum err_code result_print(struct client *client, const char *id, struct err *err) MUST_CHECK;

#endif
