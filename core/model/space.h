/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input space of a model: what its inputs and outputs are called, in which units they are,
 * which values an input may have and how these are distributed.
 *
 * space_new makes an empty one, its maker fills in the fields, and space_validate checks it. From
 * then on it is immutable and shared by reference counts.
 *
 * A row of a model has one number for each input. The number of a category is the place of the
 * member in its list of values, from 0. The network sees a category as one 0 or 1 for each member
 * (model/space_rows.h).
 */
#ifndef SPACE_H
#define SPACE_H

#include "base/compiler.h"
#include "base/err.h"
#include "base/names.h"

#include <stdatomic.h>
#include <stdbool.h>

#define SPACE_MAX_NAME 128 /* bytes of a name, a unit and a member */
#define SPACE_MAX_OUTPUTS                                                                          \
    1000000                   /* of rows; a network has fewer (arch.h), unless they are reduced */
#define SPACE_MAX_VALUES 1000 /* members of a category, values of a discrete distribution */

enum space_type { SPACE_REAL, SPACE_INTEGER, SPACE_CATEGORY };
const char *space_type_name(enum space_type type);
struct names space_type_known(void);

enum space_distribution_kind {
#define DISTRIBUTION(NAME, name, p0, p1, p2, p3) SPACE_##NAME,
#include "model/space_distributions.def"
#undef DISTRIBUTION
};
#define SPACE_MAX_PARAMETERS 4
const char *space_distribution_name(enum space_distribution_kind kind);
struct names space_distribution_known(void);
/* The name of parameter k; NULL: the distribution has fewer. */
const char *space_parameter_name(enum space_distribution_kind kind, int k);
/* The place of the parameter of this name; -1: it has none of that name. */
int space_parameter_find(enum space_distribution_kind kind, const char *name);

struct space_distribution {
    enum space_distribution_kind kind;
    double p[SPACE_MAX_PARAMETERS];
    int n;                 /* discrete: how many values; those of a category are its members */
    double *values;        /* [n], ascending; NULL for a category; mem */
    double *probabilities; /* [n], sum 1; mem */
};

struct space_input {
    char *name; /* mem, as is all below */
    char *unit; /* NULL: none */
    enum space_type type;
    int n_values;
    char **values; /* [n_values] of a category */
    bool has_bounds;
    double bounds[2];
    bool has_default;
    double default_value; /* of a category the place of the member */
    struct space_distribution distribution;
};

struct space_output {
    char *name;
    char *unit;
    bool positive; /* its values are above 0 */
};

struct space {
    int d, o;
    struct space_input *inputs;   /* [d] */
    struct space_output *outputs; /* [o] */
    atomic_int refs;
};

/* ERR_LIMIT, ERR_NOMEM. */
enum err_code space_new(int d, int o, struct space **out, struct err *err) MUST_CHECK;
/* Of names alone; names [d + o], inputs first, units the same or NULL. Checked. */
enum err_code space_of_names(int d, int o, const char *const *names, const char *const *units,
                             struct space **out, struct err *err) MUST_CHECK;

struct space *space_ref(struct space *space);
/* Frees with the last reference; NULL is fine. */
void space_unref(struct space *space);

/*
 * ERR_INVALID, ERR_LIMIT naming the place as a document does, "inputs[2].bounds": names that are
 * empty, too long or given twice, bounds in the wrong order, a distribution that does not fit them,
 * a default that is no possible value.
 */
enum err_code space_validate(const struct space *space, struct err *err) MUST_CHECK;

/* Does it say nothing but names and units? */
bool space_is_plain(const struct space *space);

/* The name of a column: inputs first, then outputs. */
const char *space_column_name(const struct space *space, int column);

/* The limits of an input: its bounds, or those of its distribution; infinite where there are none.
 */
void space_limits(const struct space_input *input, double limits[2]);

/*
 * May rows that were stored under `old` be read under `next`? The number of inputs and outputs is
 * the same, a name that is in both has kept its place, and a category, which stays one, may only
 * have got more values at its end. Whether the rows of a real input are integers is not looked at.
 * ERR_CONFLICT, with the way out.
 */
enum err_code space_check_successor(const struct space *old, const struct space *next,
                                    struct err *err) MUST_CHECK;

/* The part of it that is about types and members alone. */
enum err_code space_check_types(const struct space *old, const struct space *next,
                                struct err *err) MUST_CHECK;

#endif
