/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored rows as a version sees them. A version whose training took some columns of the rows for
 * weights and the like (core/train/train_roles.h) predicts the others, and is to be compared with
 * these alone.
 */
#ifndef ROW_ROLES_H
#define ROW_ROLES_H

#include "model/model.h"
#include "store/data/data_newest.h"

/*
 * Leaves of rows the inputs and the version's targets, as its settings name them; of a version
 * whose settings name none, all. space: of the stored rows; NULL: none. A column that is there no
 * more is no error: the rows then have other outputs than the version. ERR_NOMEM.
 */
enum err_code row_roles_leave_targets(const struct model *version, const struct space *space,
                                      struct data_newest *rows, struct err *err) MUST_CHECK;

/* *outputs <- how many outputs stored rows have, of which the version's are some: those that its
 * settings take for other roles are added. ERR_NOMEM. */
enum err_code row_roles_count_outputs(const struct model *version, int *outputs,
                                      struct err *err) MUST_CHECK;

#endif
