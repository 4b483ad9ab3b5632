/* SPDX-License-Identifier: Apache-2.0 */
#include "fit/data.h"

#include "base/mem.h"

#include <float.h>
#include <math.h>
#include <string.h>

void data_find_holes(struct data *rows)
{
    size_t cells = (size_t)rows->n * (size_t)rows->o;
    size_t missing = 0;
    for (size_t c = 0; c < cells; c++) {
        missing += isnan(rows->y[c]) ? 1 : 0;
    }
    /* Rows without any output still have holes, which 0 would deny. */
    rows->present = missing > 0 ? fmax((double)(cells - missing) / (double)rows->n, DBL_MIN) : 0.0;
}

struct data data_part(const struct data *rows, int first, int n)
{
    struct data part = *rows;
    size_t at = (size_t)first;
    size_t o = (size_t)rows->o;
    part.n = n;
    part.x = rows->x + at * (size_t)rows->d;
    part.y = rows->y + at * o;
    part.weights = rows->weights != NULL ? rows->weights + at : NULL;
    part.sigmas = rows->sigmas != NULL ? rows->sigmas + at * o : NULL;
    part.jacobian = rows->jacobian != NULL ? rows->jacobian + at * o * (size_t)rows->d : NULL;
    part.kept = rows->kept != NULL ? rows->kept + at : NULL;
    return part;
}

void data_find_weight(struct data *rows)
{
    double sum = 0.0;
    for (int i = 0; rows->weights != NULL && i < rows->n; i++) {
        sum += rows->weights[i];
    }
    rows->mean_weight = rows->n > 0 ? sum / (double)rows->n : 0.0;
}

int data_count(const struct data *rows, int *counts)
{
    int n_some = 0;
    memset(counts, 0, (size_t)rows->o * sizeof *counts);
    for (size_t i = 0; i < (size_t)rows->n; i++) {
        const double *y = rows->y + i * (size_t)rows->o;
        bool some = false;
        for (int j = 0; j < rows->o; j++) {
            bool here = !isnan(y[j]);
            counts[j] += here;
            some = some || here;
        }
        n_some += some;
    }
    return n_some;
}

/* holes: NaN is allowed */
static enum err_code check_values(const double *v, size_t n, int k, bool holes, size_t first_row,
                                  struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < k; j++) {
            double value = v[i * (size_t)k + (size_t)j];
            if (!isfinite(value) && !(holes && isnan(value))) {
                size_t row = first_row + i;
                return err_set_at(err, ERR_NONFINITE, (int)row, j,
                                  "row %zu, column %d is not a finite number", row, j);
            }
        }
    }
    return ERR_OK;
}

enum err_code data_check_finite(const double *v, size_t n, int k, size_t first_row, struct err *err)
{
    return check_values(v, n, k, false, first_row, err);
}

enum err_code data_check_outputs(const double *v, size_t n, int k, size_t first_row,
                                 struct err *err)
{
    return check_values(v, n, k, true, first_row, err);
}

enum err_code data_check_extras(const struct data *rows, struct err *err)
{
    bool any = rows->weights == NULL;
    for (int i = 0; rows->weights != NULL && i < rows->n; i++) {
        if (!(rows->weights[i] >= 0.0 && isfinite(rows->weights[i]))) {
            return err_set_at(err, ERR_INVALID, i, -1,
                              "the weight of row %d is %g, a number of at least 0 is needed", i,
                              rows->weights[i]);
        }
        any = any || (rows->weights[i] > 0.0 && (rows->kept == NULL || !rows->kept[i]));
    }
    if (!any) {
        return err_set(err, ERR_INVALID, "no row that trains has a weight above 0");
    }
    for (int i = 0; rows->sigmas != NULL && i < rows->n; i++) {
        for (int j = 0; j < rows->o; j++) {
            size_t cell = (size_t)i * (size_t)rows->o + (size_t)j;
            double sigma = rows->sigmas[cell];
            if (!isnan(rows->y[cell]) && !(sigma > 0.0 && isfinite(sigma))) {
                return err_set_at(err, ERR_INVALID, i, j,
                                  "row %d has output %d, the standard deviation of whose noise is "
                                  "%g; a number above 0 is needed",
                                  i, j, sigma);
            }
        }
    }
    return ERR_OK;
}

enum err_code data_room_init(struct data_room *room, const struct data *like, int n,
                             struct err *err)
{
    size_t rows = (size_t)n;
    size_t o = (size_t)like->o;
    size_t d = (size_t)like->d;
    *room = (struct data_room){.x = NULL};
    room->x = mem_alloc_array(rows * d, sizeof *room->x);
    room->y = mem_alloc_array(rows * o, sizeof *room->y);
    room->weights = like->weights != NULL ? mem_alloc_array(rows, sizeof(double)) : NULL;
    room->sigmas = like->sigmas != NULL ? mem_alloc_array(rows * o, sizeof(double)) : NULL;
    room->jacobian = like->jacobian != NULL ? mem_alloc_array(rows * o * d, sizeof(double)) : NULL;
    room->kept = like->kept != NULL ? mem_alloc(rows) : NULL;
    if (room->x == NULL || room->y == NULL || (like->weights != NULL && room->weights == NULL) ||
        (like->sigmas != NULL && room->sigmas == NULL) ||
        (like->jacobian != NULL && room->jacobian == NULL) ||
        (like->kept != NULL && room->kept == NULL)) {
        data_room_release(room);
        return err_set(err, ERR_NOMEM, "no memory for %d rows", n);
    }
    return ERR_OK;
}

void data_room_release(struct data_room *room)
{
    mem_free(room->x);
    mem_free(room->y);
    mem_free(room->weights);
    mem_free(room->sigmas);
    mem_free(room->jacobian);
    mem_free(room->kept);
    *room = (struct data_room){.x = NULL};
}

struct data data_room_take(const struct data_room *room, const struct data *from, const int *index,
                           int n)
{
    struct data taken = *from;
    taken.n = n;
    taken.x = room->x;
    taken.y = room->y;
    taken.weights = room->weights;
    taken.sigmas = room->sigmas;
    taken.jacobian = room->jacobian;
    taken.kept = room->kept;
    data_gather(from->x, from->d, index, n, room->x);
    data_gather(from->y, from->o, index, n, room->y);
    if (room->weights != NULL) {
        data_gather(from->weights, 1, index, n, room->weights);
    }
    if (room->sigmas != NULL) {
        data_gather(from->sigmas, from->o, index, n, room->sigmas);
    }
    if (room->jacobian != NULL) {
        data_gather(from->jacobian, from->o * from->d, index, n, room->jacobian);
    }
    for (int i = 0; room->kept != NULL && i < n; i++) {
        room->kept[i] = from->kept[index[i]];
    }
    return taken;
}

void data_gather(const double *from, int k, const int *index, int n_index, double *to)
{
    for (int i = 0; i < n_index; i++) {
        memcpy(to + (size_t)i * (size_t)k, from + (size_t)index[i] * (size_t)k,
               (size_t)k * sizeof *to);
    }
}
