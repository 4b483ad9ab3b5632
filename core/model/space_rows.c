/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A category with v values becomes v inputs of the network, of which the one of the row's member is
 * 1 and the others are 0. No order of the members is assumed, and no reference member is left out:
 * the network has a bias and a prior, so that a redundant input does no harm, and all members are
 * treated alike.
 */
#include "model/space_rows.h"

#include "base/numtext.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

int space_member(const struct space_input *input, const char *text, size_t len)
{
    for (int i = 0; i < input->n_values; i++) {
        if (strlen(input->values[i]) == len && memcmp(input->values[i], text, len) == 0) {
            return i;
        }
    }
    return -1;
}

int space_member_of_number(const struct space_input *input, double value)
{
    for (int i = 0; i < input->n_values; i++) {
        const char *text = input->values[i];
        const char *end = text + strlen(text);
        const char *next = NULL;
        double number;
        if (numtext_read(text, end, &next, &number) == NUMTEXT_OK && next == end &&
            number == value) {
            return i;
        }
    }
    return -1;
}

bool space_place_numbers(const struct space *space, const struct space_rows *rows,
                         struct space_fault *found)
{
    for (size_t i = 0; i < rows->n; i++) {
        for (int j = 0; j < space->d; j++) {
            double *value = &rows->v[i * rows->stride + (size_t)j];
            if (space->inputs[j].type != SPACE_CATEGORY || isnan(*value)) {
                continue;
            }
            int place = space_member_of_number(&space->inputs[j], *value);
            if (place < 0) {
                *found = (struct space_fault){i, j, *value};
                return true;
            }
            *value = place;
        }
    }
    return false;
}

bool space_find_fault(const struct space *space, const struct space_rows *rows,
                      struct space_fault *found)
{
    for (int j = 0; j < space->d; j++) {
        const struct space_input *input = &space->inputs[j];
        for (size_t i = 0; i < rows->n && input->type != SPACE_REAL; i++) {
            double value = rows->v[i * rows->stride + (size_t)j];
            bool whole = value == floor(value) || isnan(value);
            bool member = !(value < 0.0) && !(value >= input->n_values);
            if (!whole || (input->type == SPACE_CATEGORY && !member)) {
                *found = (struct space_fault){i, j, value};
                return true;
            }
        }
    }
    return false;
}

void space_describe_wanted(const struct space_input *input, char out[SPACE_WANTED_CHARS])
{
    char list[SPACE_WANTED_CHARS - 24];
    size_t used = 0;
    list[0] = '\0';
    if (input->type != SPACE_CATEGORY) {
        snprintf(out, SPACE_WANTED_CHARS, "an integer is needed");
        return;
    }
    for (int i = 0; i < input->n_values; i++) {
        size_t len = strnlen(input->values[i], 20);
        if (used + len + 10 > sizeof list) {
            snprintf(list + used, sizeof list - used, ", ..");
            break;
        }
        used += (size_t)snprintf(list + used, sizeof list - used, "%s\"%.20s\"", i > 0 ? ", " : "",
                                 input->values[i]);
    }
    snprintf(out, SPACE_WANTED_CHARS, "one of %s is needed", list);
}

int space_first_category(const struct space *space)
{
    for (int j = 0; j < space->d; j++) {
        if (space->inputs[j].type == SPACE_CATEGORY) {
            return j;
        }
    }
    return -1;
}

static int width_of(const struct space_input *input)
{
    return input->type == SPACE_CATEGORY ? input->n_values : 1;
}

int space_width(const struct space *space)
{
    int width = 0;
    for (int j = 0; j < space->d; j++) {
        width += width_of(&space->inputs[j]);
    }
    return width;
}

void space_expand(const struct space *space, size_t n, const double *z, double *out)
{
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < space->d; j++) {
            const struct space_input *input = &space->inputs[j];
            double value = z[i * (size_t)space->d + (size_t)j];
            if (input->type != SPACE_CATEGORY) {
                *out++ = value;
                continue;
            }
            for (int v = 0; v < input->n_values; v++) {
                *out++ = value == v ? 1.0 : 0.0;
            }
        }
    }
}

bool space_same_categories(const struct space *a, const struct space *b)
{
    bool equal = a->d == b->d;
    for (int j = 0; j < a->d && equal; j++) {
        const struct space_input *x = &a->inputs[j];
        const struct space_input *y = &b->inputs[j];
        equal = x->n_values == y->n_values;
        for (int i = 0; i < x->n_values && equal; i++) {
            equal = strcmp(x->values[i], y->values[i]) == 0;
        }
    }
    return equal;
}
