/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model as a file of safetensors: the model document without its draws is the text "model" of the
 * metadata, and the draws are tensors. They are one tensor "parameters" [draws x parameters], in
 * the order of the document, or a tensor for each part of the network, stacked over the draws:
 * weight_pre [draws x width x inputs], bias_pre, weight_post, bias_post, ww_0, ww_1, .., bb_0, ..
 */
#ifndef MODEL_TENSORS_H
#define MODEL_TENSORS_H

#include "base/textbuf.h"
#include "formats/safetensors.h"
#include "model/model.h"

#define MODEL_TENSORS_TEXT "model"      /* in the metadata */
#define MODEL_TENSORS_FLAT "parameters" /* the tensor of all */

/* A published model with one reference; the arena is scratch. Errors as of safetensors_parse and
 * model_json_parse. */
enum err_code model_tensors_parse(const char *bytes, size_t len, struct arena *arena,
                                  struct model **out, struct err *err) MUST_CHECK;

/* One tensor of the file: its numbers are those of each draw from `first` on. */
struct model_part {
    struct safetensor tensor; /* without bytes */
    size_t first;
    size_t n; /* numbers of a draw */
};

struct model_parts {
    struct model_part *list; /* [n] in the arena */
    int n;
};

/* flat: one tensor, else one for each part. ERR_NOMEM. */
enum err_code model_parts_list(const struct arch *arch, int n_draws, bool flat, struct arena *arena,
                               struct model_parts *out, struct err *err) MUST_CHECK;

/* The file up to its first number. ERR_UNSUPPORTED: the posterior is no list of draws; ERR_NOMEM.
 */
enum err_code model_tensors_head(const struct model *model, const struct model_parts *parts,
                                 struct textbuf *text, struct err *err) MUST_CHECK;

#endif
