/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server tells systemd about its state (sd_notify(3)), and the sockets that systemd hands
 * over (sd_listen_fds(3)). Both are plain protocols over a socket and the environment, so no
 * library is needed. Without systemd every function does nothing.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "base/compiler.h"
#include "base/config.h"
#include "base/err.h"

#include <stdint.h>

#define NOTIFY_FIRST_FD 3 /* of the sockets that are handed over */

/* Sends lines such as "READY=1" to the service manager. */
void notify_send(const char *state);

/* "RELOADING=1" with the time, as Type=notify-reload wants it; "READY=1" follows when it is
 * done. */
void notify_reloading(void);

/* Nanoseconds within which the watchdog expects a sign of life; 0: there is no watchdog. */
int64_t notify_watchdog_ns(void);

/* How many sockets were handed over to this process, from NOTIFY_FIRST_FD on; they are not passed
 * on to other programs. */
int notify_listen_fds(void);

/*
 * Puts into the config where the n sockets that were handed over listen, and the most that the mode
 * of any of their files allows: who may come without a token, and which names the server has,
 * follow from that. ERR_INVALID when one is no listening socket with an address.
 */
enum err_code notify_read_addresses(int n, struct config *config, struct err *err) MUST_CHECK;

#endif
