/* SPDX-License-Identifier: Apache-2.0 */
/* What `surrogated models` does with versions and their names. */
#ifndef CMD_VERSIONS_H
#define CMD_VERSIONS_H

#include "client/client.h"

enum err_code versions_show(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_promote(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_alias(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_unalias(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_keep(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_policy(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_history(struct client *client, struct err *err) MUST_CHECK;
enum err_code versions_compare(struct client *client, struct err *err) MUST_CHECK;

#endif
