/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicas that tell this server of themselves (setting announce_s of theirs), as long as they
 * do. They follow the registry file and need nothing of this server, so this is only for those who
 * look at it. Of bounded size: a new one takes the place of the one that has been silent longest.
 */
#ifndef REPLICAS_H
#define REPLICAS_H

#include "base/compiler.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define REPLICAS_MAX         64
#define REPLICA_NAME_CHARS   100
#define REPLICAS_FORGOTTEN_S 60 /* without a word */

struct replica {
    char name[REPLICA_NAME_CHARS + 1]; /* letters, digits and .:-_[] */
    int64_t version;                   /* of the registry, that it serves */
    int64_t heard_ns;                  /* by clock_ns */
};

struct replicas;

/* ERR_NOMEM. */
enum err_code replicas_new(struct replicas **out, struct err *err) MUST_CHECK;
void replicas_free(struct replicas *replicas); /* NULL is fine */

/* ERR_INVALID: no name. now_ns: by clock_ns. */
enum err_code replicas_note(struct replicas *replicas, const char *name, int64_t version,
                            int64_t now_ns, struct err *err) MUST_CHECK;

/* out [REPLICAS_MAX] <- those that are not forgotten, in order of their names; how many. NULL has
 * none. */
size_t replicas_list(struct replicas *replicas, int64_t now_ns, struct replica *out);

#endif
