/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers by which enumerations are stored are the codec's own: the place of a value in its
 * list below. An enumeration or a .def file may gain members anywhere and change its order, and
 * stored bytes keep their meaning. A new member is appended to its list here; nothing in a list
 * ever moves.
 */
#include "model/codec_priv.h"

#include <assert.h>

static const int bases[] = {
    WPFN_CONSTANT,      WPFN_LINEAR,   WPFN_QUADRATIC, WPFN_CUBIC,   WPFN_POLYNOMIAL,
    WPFN_NONPARAMETRIC, WPFN_LEGENDRE, WPFN_CHEBYSHEV, WPFN_FOURIER, WPFN_QR};
static const int activations[] = {ACT_TANH, ACT_IDENTITY, ACT_RELU, ACT_SIN, ACT_SILU, ACT_GELU};
static const int finals[] = {FINAL_NONE, FINAL_EXP, FINAL_LOGABS, FINAL_SUM};
static const int grids[] = {GRID_LEFT, GRID_CLOSED};
static const int index_rules[] = {INDEX_INTEGER, INDEX_QUINN};
static const int scalers[] = {SCALER_NONE, SCALER_STANDARD, SCALER_RANGE, SCALER_UNIT, SCALER_LOG};
static const int calibrations[] = {CONFORMAL_NONE, CONFORMAL_SPLIT, CONFORMAL_CV_PLUS,
                                   CONFORMAL_JACKKNIFE_PLUS};

#define LIST(values)                                                                               \
    {                                                                                              \
        values, (int)(sizeof values / sizeof *values)                                              \
    }
static const struct {
    const int *values;
    int n;
} lists[] = {
    [CODEC_BASIS] = LIST(bases),
    [CODEC_ACTIVATION] = LIST(activations),
    [CODEC_FINAL] = LIST(finals),
    [CODEC_GRID] = LIST(grids),
    [CODEC_INDEX_RULE] = LIST(index_rules),
    [CODEC_SCALER] = LIST(scalers),
    [CODEC_CALIBRATION] = LIST(calibrations),
};

int codec_number(enum codec_choice choice, int value)
{
    for (int i = 0; i < lists[choice].n; i++) {
        if (lists[choice].values[i] == value) {
            return i;
        }
    }
    return -1;
}

void codec_put_choice(struct bytes_writer *w, enum codec_choice choice, int value)
{
    int number = codec_number(choice, value);
    assert(number >= 0); /* otherwise the value is missing in its list above */
    bytes_put_u32(w, (uint32_t)number);
}

int codec_get_choice(struct bytes_reader *r, enum codec_choice choice)
{
    return lists[choice].values[bytes_get_int(r, lists[choice].n - 1)];
}
