/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models that were unloaded by a client of the Open Inference Protocol. Their versions leave
 * memory, and that protocol does not serve them until they are loaded again or the server starts
 * anew. The native API goes on reading them when they are asked for.
 */
#ifndef MODELS_UNLOAD_H
#define MODELS_UNLOAD_H

#include "live/models.h"

enum models_state {
    MODELS_READY,
    MODELS_UNLOADED,
    MODELS_BROKEN, /* the default version is damaged */
    MODELS_ABSENT  /* there is no such model in memory's list of names */
};

enum models_state models_state(struct models *models, const char *name);

/* ERR_NOT_FOUND. A model that is unloaded already, or is not, stays so. */
enum err_code models_unload(struct models *models, const char *name, struct err *err) MUST_CHECK;
enum err_code models_end_unload(struct models *models, const char *name,
                                struct err *err) MUST_CHECK;

/* The versions of a model that are in memory, at most n, with references that the caller gives
 * back. Returns how many, in the order of their numbers. */
size_t models_held(struct models *models, const char *name, struct served **out, size_t n);

#endif
