/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of an inference request, and of its inputs and outputs. */
#ifndef INFER_PARAMETERS_H
#define INFER_PARAMETERS_H

#include "api/oip/infer_request.h"

#include <jansson.h>

/*
 * Parameters of the request: options of the prediction, binary_data_output, datatype (of outputs)
 * and timeout in microseconds. *type: TENSOR_N_TYPES when there is no datatype. ERR_INVALID,
 * ERR_NOMEM.
 */
enum err_code infer_parameters_read(const json_t *document, struct arena *arena,
                                    struct infer_request *request, enum tensor_type *type,
                                    struct err *err) MUST_CHECK;

/* Of an input, whose place `where` is: *n_bytes of its numbers behind the JSON; -1: none. */
enum err_code infer_parameters_of_input(const json_t *input, const char *where, int64_t *n_bytes,
                                        struct err *err) MUST_CHECK;

/* Of an output: what is not given stays. */
enum err_code infer_parameters_of_output(const json_t *output, const char *where, bool *binary,
                                         enum tensor_type *type, struct err *err) MUST_CHECK;

#endif
