/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/theme.h"

#include <stddef.h>
#include <string.h>

#define CHANNEL(hex, shift) ((double)(((hex) >> (shift)) & 0xff) / 255.0)
#define COLOUR_OF(hex)                                                                             \
    {                                                                                              \
        CHANNEL(hex, 16), CHANNEL(hex, 8), CHANNEL(hex, 0)                                         \
    }

#define THEME_SERIES(light, dark)
static const struct theme themes[] = {
    {
        .name = "light",
#define THEME_COLOUR(name, light, dark) .name = COLOUR_OF(light),
#include "plot/theme.def"
#undef THEME_COLOUR
    },
    {
        .name = "dark",
#define THEME_COLOUR(name, light, dark) .name = COLOUR_OF(dark),
#include "plot/theme.def"
#undef THEME_COLOUR
    },
};
#undef THEME_SERIES

#define THEME_COLOUR(name, light, dark)
static const struct colour series[][2] = {
#define THEME_SERIES(light, dark) {COLOUR_OF(light), COLOUR_OF(dark)},
#include "plot/theme.def"
#undef THEME_SERIES
};
#undef THEME_COLOUR

#define N_THEMES ((int)(sizeof themes / sizeof *themes))
#define N_SERIES ((int)(sizeof series / sizeof *series))

const char *const theme_names[] = {"light", "dark", NULL};

const struct theme *theme_find(const char *name)
{
    for (int i = 0; i < N_THEMES; i++) {
        if (strcmp(themes[i].name, name) == 0) {
            return &themes[i];
        }
    }
    return NULL;
}

struct colour theme_series(const struct theme *theme, int k)
{
    return series[k % N_SERIES][theme - themes];
}
