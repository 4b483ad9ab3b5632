/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a model as bytes that formats 1 and 2 do not have; for codec.c. */
#ifndef CODEC_PRIV_H
#define CODEC_PRIV_H

#include "base/bytes.h"
#include "model/codec.h"

/* The enumerations of a model, stored by numbers that never change (codec_choices.c). */
enum codec_choice {
    CODEC_BASIS,       /* enum wpfn_basis */
    CODEC_ACTIVATION,  /* enum activation */
    CODEC_FINAL,       /* enum arch_final */
    CODEC_GRID,        /* enum arch_grid */
    CODEC_INDEX_RULE,  /* enum arch_index_rule */
    CODEC_SCALER,      /* enum scaler_kind */
    CODEC_CALIBRATION, /* enum conformal_method */
};

/* The number of a value of that enumeration; -1: it has none. */
int codec_number(enum codec_choice choice, int value);

void codec_put_choice(struct bytes_writer *w, enum codec_choice choice, int value);
/* Fails at a number that no value has. */
int codec_get_choice(struct bytes_reader *r, enum codec_choice choice);

/* An optional array: u32 1 and the values, or u32 0. */
void codec_put_array(struct bytes_writer *w, const double *values, size_t n);
double *codec_get_array(struct bytes_reader *r, size_t n);

/* Gaussians of n_params parameters; their number has been read before. m: draws. */
void codec_put_gaussians(struct bytes_writer *w, const struct gauss_mixture *mixture, int n_params);
void codec_get_gaussians(struct bytes_reader *r, struct gauss_mixture *mixture, int n_members,
                         int n_params, int m);

/* Calibration, the scores that format 2 does not have, the report, and what format 4 adds. */
void codec_put_extra(struct bytes_writer *w, const struct model *model, uint32_t format);

struct codec_reading {
    uint32_t format;
    bool within; /* another model */
};
void codec_get_extra(struct bytes_reader *r, struct model *model, const struct codec_reading *how);

/* codec_decode for a model within a model. */
enum err_code codec_decode_within(const void *bytes, size_t n_bytes, struct model **out,
                                  struct err *err) MUST_CHECK;

/* The oldest format that is written, 2 or later, that can hold the model. */
uint32_t codec_format(const struct model *model);

#endif
