/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the launcher, from the server's. */
#ifndef LAUNCH_SETUP_H
#define LAUNCH_SETUP_H

#include "base/config.h"
#include "jobs/launch/launch.h"

/* The command is borrowed from the config. ERR_INVALID naming the setting; ERR_IO. */
enum err_code launch_setup(const struct config *config, const struct log *log,
                           struct launch_settings *out, struct err *err) MUST_CHECK;

#endif
