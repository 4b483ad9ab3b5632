/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as .npz, which is a zip file of .npy arrays (numpy.savez, numpy.savez_compressed). Two ways
 * to name the arrays are read:
 *
 *     x [n x d], y [n x o]     inputs and outputs; also called inputs and outputs. One output of
 *                              each row may be an array of n numbers.
 *     NAME [n], NAME [n], ..   a column each, by its name
 *
 * An array of two dimensions that is called x or inputs says which of them it is.
 */
#ifndef NPZ_H
#define NPZ_H

#include "formats/npy.h"
#include "formats/zip.h"

struct npz_rows {
    struct npy rows; /* outputs behind the inputs; names: of columns, NULL for x and y */
    int n_outputs;   /* columns of y; 0: the arrays do not say */
};

/*
 * The arrays of a zip file that was read; numbers may lie in its bytes. Values may be NaN or
 * infinite. Errors name the member. ERR_SYNTAX (a member is damaged or no npy), ERR_UNSUPPORTED
 * (numbers of another type, records), ERR_SHAPE (arrays of other lengths or dimensions),
 * ERR_INVALID (a name beside x and y), ERR_TOO_LARGE (over max_rows), ERR_NOMEM.
 */
enum err_code npz_read(const struct zip *zip, int max_rows, struct arena *arena,
                       struct npz_rows *out, struct err *err) MUST_CHECK;

#endif
