/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model as bytes: what the registry keeps. The same model always gives the same bytes, so their
 * digest names its content.
 *
 * Layout, little-endian: "SRGMODEL", u32 format, architecture, scalers, noise, draws, training
 * range, names, units, texts, precision, scores; that is format 2. Format 3 adds whether the noise
 * is predicted, Gaussians in place of draws, more scores, calibration and report. Format 4 adds how
 * many rows had each output, where those that scored or calibrated the model missed some, constant
 * columns, and the probability of success, which is a model within the model. Format
 * 5 adds the space, in front of the scalers, in place of names and units. Format 6
 * has a reduction of the outputs, with scaling and noise of its coefficients in place of the
 * scalers of the outputs, and a space or names and units. A format is written only for a model that
 * has something of it: all others keep the bytes that older programs wrote. Every length is checked
 * on reading.
 */
#ifndef CODEC_H
#define CODEC_H

#include "model/model.h"

/* *bytes is the caller's (mem_free). ERR_NOMEM. */
enum err_code codec_encode(const struct model *model, unsigned char **bytes, size_t *n_bytes,
                           struct err *err) MUST_CHECK;

/* A published model with one reference. ERR_CORRUPT, ERR_UNSUPPORTED (newer format), ERR_NOMEM. */
enum err_code codec_decode(const void *bytes, size_t n_bytes, struct model **out,
                           struct err *err) MUST_CHECK;

#endif
