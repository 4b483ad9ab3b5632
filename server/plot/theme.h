/* SPDX-License-Identifier: Apache-2.0 */
/* The colours of pictures, on light and on dark paper: theme.def as two tables. */
#ifndef THEME_H
#define THEME_H

struct colour {
    double red, green, blue; /* 0 to 1 */
};

struct theme {
    const char *name;
#define THEME_COLOUR(name, light, dark) struct colour name;
#define THEME_SERIES(light, dark)
#include "plot/theme.def"
#undef THEME_COLOUR
#undef THEME_SERIES
};

#define THEME_BAND_ALPHA 0.2 /* of an area around a line */

/* NULL: there is none of that name. */
const struct theme *theme_find(const char *name);

/* The names, ended by NULL. */
extern const char *const theme_names[];

/* The colour of series k = 0, 1, ..; after the last comes the first again. */
struct colour theme_series(const struct theme *theme, int k);

#endif
