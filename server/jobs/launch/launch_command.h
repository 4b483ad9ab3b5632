/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The setting that says how a training is started elsewhere, such as "srun -n 64 {command}", as the
 * arguments of a program. No shell reads it: $, *, ;, | and \ are characters like any other. Words
 * are separated by blanks; a part in '' or "" may hold blanks. The word {command}, which occurs
 * exactly once, stands for all arguments of the program that trains.
 */
#ifndef LAUNCH_COMMAND_H
#define LAUNCH_COMMAND_H

#include "base/err.h"

/*
 * command: the program that trains and its arguments, ended by NULL; its words are copied as they
 * are. *out: the arguments, ended by NULL, in one block that the caller gives to mem_free.
 * ERR_INVALID: a quote is not closed, or {command} is not there once, or nothing comes before it;
 * ERR_NOMEM. On an error *out is NULL.
 */
enum err_code launch_command_split(const char *setting, const char *const *command, char ***out,
                                   struct err *err) MUST_CHECK;

#endif
