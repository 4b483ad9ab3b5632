/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows train, and which are kept out: for validation and scores, and of the others for
 * calibration.
 *
 * A row's role depends on its place, the seed and the shares alone, not on how many rows follow, so
 * that a row that was kept out once stays so as rows are appended, and versions trained one after
 * the other can be compared on rows that none of them has seen. Of each 1 / share rows in a row one
 * is taken, at random; so the count is n share up to one, whatever n.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include <stdint.h>

enum split_role { SPLIT_TRAIN, SPLIT_KEPT, SPLIT_CALIBRATION };

/*
 * role: [n]. Shares in [0, 0.9]: validation of all rows, calibration of those not kept. Of two rows
 * or more a positive share takes at least one and never all: of fewer than 1 / share rows it is
 * some row, which may become another while they are so few.
 */
void split_rows(uint64_t seed, int n, double validation, double calibration, unsigned char *role);

#endif
