/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a model as bytes that only format 3 has; for codec.c. */
#ifndef CODEC_PRIV_H
#define CODEC_PRIV_H

#include "base/bytes.h"
#include "model/model.h"

/* An optional array: u32 1 and the values, or u32 0. */
void codec_put_array(struct bytes_writer *w, const double *values, size_t n);
double *codec_get_array(struct bytes_reader *r, size_t n);

/* Gaussians of K parameters; the number of members has been read, and draws are m. */
void codec_put_gaussians(struct bytes_writer *w, const struct gauss_mixture *mixture, int n_params);
void codec_get_gaussians(struct bytes_reader *r, struct gauss_mixture *mixture, int n_members,
                         int n_params, int m);

/* Calibration, the scores that format 2 has not, and the report. */
void codec_put_extra(struct bytes_writer *w, const struct model *model);
void codec_get_extra(struct bytes_reader *r, struct model *model);

/* Is there anything that format 2 cannot hold? */
bool codec_needs_format_3(const struct model *model);

#endif
