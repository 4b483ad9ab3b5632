/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of UM-Bridge 1.0 [1]: {"name":..,"config":{..},"input":[[..],..], ..}. They are read
 * in the order in which clients expect errors: the name, then, for the model that has it, the rest.
 * Keys that the protocol does not have are left alone; those of the config, which chooses what is
 * computed, are not.
 *
 * A vector of one number may be that number, since MATLAB's and R's writers of JSON take the
 * brackets away.
 *
 * [1] https://github.com/UM-Bridge/umbridge, testing/protocol_conformity_1.0 and umbridge/um.py.
 */
#ifndef UMBRIDGE_REQUEST_H
#define UMBRIDGE_REQUEST_H

#include "api/umbridge/umbridge_name.h"
#include "formats/json_read.h"

#define UMBRIDGE_MAX_OUTPUTS 5 /* each output once */

struct umbridge_request {
    const json_t *body;
    const char *name;

    /* of the config */
    struct version_ref version;
    int n_outputs;
    enum derivative_of outputs[UMBRIDGE_MAX_OUTPUTS];
    struct predict_request predict; /* its levels and seed; then all that outputs need */

    /* of what is computed, for a model */
    struct derivative derivative; /* kind, of, sens, vec */
};

/* Reads the body as far as the name. ERR_SYNTAX, ERR_INVALID, ERR_NOMEM. */
enum err_code umbridge_request_parse(const char *text, size_t len, struct arena *arena,
                                     struct umbridge_request *request, struct err *err) MUST_CHECK;

/*
 * Reads the config, where "outputs" are those of the view unless it names others. ERR_INVALID,
 * ERR_NOMEM.
 */
enum err_code umbridge_request_config(struct umbridge_request *request, enum derivative_of view,
                                      struct arena *arena, struct err *err) MUST_CHECK;

/* How many numbers output `index` has. */
size_t umbridge_request_size(const struct umbridge_request *request, const struct model *model,
                             int index);

/* Reads "input" for a model into predict. ERR_SHAPE, ERR_INVALID, ERR_NOMEM. */
enum err_code umbridge_request_input(struct umbridge_request *request, const struct model *model,
                                     struct arena *arena, struct err *err) MUST_CHECK;

/*
 * Reads which output is derived by which input, and along what. kind: of the route. ERR_INVALID,
 * ERR_SHAPE, ERR_NOMEM; ERR_UNSUPPORTED: the model has no such derivative of that output.
 */
enum err_code umbridge_request_directions(struct umbridge_request *request,
                                          const struct model *model, enum derivative_kind kind,
                                          struct arena *arena, struct err *err) MUST_CHECK;

#endif
