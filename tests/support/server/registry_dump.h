/* SPDX-License-Identifier: Apache-2.0 */
/* What a registry holds, as text that does not depend on the order in which it came there. */
#ifndef REGISTRY_DUMP_H
#define REGISTRY_DUMP_H

#include "store/sqlite/db.h"

#define REGISTRY_DUMP 4096

/*
 * Of the model m: digests of versions, which is the default and which were, what they are called,
 * the policy, counts and checksums of rows and batches. Stored content is verified on the way.
 * Failures fail the test.
 */
void registry_dump(struct db *db, char *out);

#endif
