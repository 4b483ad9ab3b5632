/* SPDX-License-Identifier: Apache-2.0 */
/* Colours of maps: a number between 0 and 1 as a colour. */
#ifndef PALETTE_H
#define PALETTE_H

#include "plot/theme.h"

/* From dark blue over green to yellow, evenly in lightness and for any colour vision. */
struct colour palette_viridis(double t);

/*
 * For signed numbers: the blue of Okabe and Ito at 0, the paper at 1/2, their vermilion at 1.
 */
struct colour palette_diverging(double t, struct colour paper);

/* How light a colour is, 0 to 1: its relative luminance by WCAG 2. */
double palette_luminance(struct colour colour);

#endif
