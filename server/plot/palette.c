/* SPDX-License-Identifier: Apache-2.0 */
/*
 * viridis is the map that S. van der Walt and N. Smith made for matplotlib (2015, CC0). It is a
 * curve in the space of colours, and is computed here by M. Zucker's polynomial of degree 6 for
 * each channel (2019, CC0), which differs from matplotlib's table of 256 by at most 0.02.
 */
#include "plot/palette.h"

#include <math.h>

#define DEGREE 6

static const double coefficients[DEGREE + 1][3] = {
    {0.2777273272234177, 0.005407344544966578, 0.3340998053353061},
    {0.1050930431085774, 1.404613529898575, 1.384590162594685},
    {-0.3308618287255563, 0.214847559468213, 0.09509516302823659},
    {-4.634230498983486, -5.799100973351585, -19.33244095627987},
    {6.228269936347081, 14.17993336680509, 56.69055260068105},
    {4.776384997670288, -13.74514537774601, -65.35303263337234},
    {-5.435455855934631, 4.645852612178535, 26.3124352495832},
};

static double clamp(double t)
{
    return t > 0.0 ? (t < 1.0 ? t : 1.0) : 0.0;
}

struct colour palette_viridis(double t)
{
    double channel[3] = {0.0, 0.0, 0.0};
    double at = clamp(t);
    for (int c = 0; c < 3; c++) {
        for (int k = DEGREE; k >= 0; k--) {
            channel[c] = channel[c] * at + coefficients[k][c];
        }
    }
    return (struct colour){clamp(channel[0]), clamp(channel[1]), clamp(channel[2])};
}

static double blend(double from, double to, double share)
{
    return from + (to - from) * share;
}

struct colour palette_diverging(double t, struct colour paper)
{
    static const struct colour blue = {0.0, 114.0 / 255.0, 178.0 / 255.0};
    static const struct colour vermilion = {213.0 / 255.0, 94.0 / 255.0, 0.0};
    double signed_share = 2.0 * clamp(t) - 1.0;
    const struct colour *end = signed_share < 0.0 ? &blue : &vermilion;
    double share = fabs(signed_share);
    return (struct colour){blend(paper.red, end->red, share), blend(paper.green, end->green, share),
                           blend(paper.blue, end->blue, share)};
}

static double linear_light(double channel)
{
    return channel <= 0.04045 ? channel / 12.92 : pow((channel + 0.055) / 1.055, 2.4);
}

double palette_luminance(struct colour colour)
{
    return 0.2126 * linear_light(colour.red) + 0.7152 * linear_light(colour.green) +
           0.0722 * linear_light(colour.blue);
}
