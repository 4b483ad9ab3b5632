/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows train, and which are kept out: first for validation and scores, then, of the others,
 * for calibration.
 *
 * A row's role depends only on its place, the seed and the shares, and not on how many rows follow.
 * So a row that was kept out remains so when rows are appended, and versions that were trained one
 * after the other can be compared on rows that none of them has seen. Of every 1 / share
 * consecutive rows one is chosen at random, so that the number of rows chosen is n share, to within
 * one.
 *
 * The rows here are those with different inputs; train/row_groups.h has the others follow them.
 */
#ifndef SPLIT_H
#define SPLIT_H

#include <stdint.h>

enum split_role { SPLIT_TRAIN, SPLIT_KEPT, SPLIT_CALIBRATION };

/*
 * role [n] <- the rows' roles. The shares lie in [0, 0.9]: validation of all rows, calibration of
 * the rows that are left. From two rows or more a positive share takes at least one row and never
 * all. While there are fewer than 1 / share rows, the row that is taken may change as rows are
 * appended.
 */
void split_rows(uint64_t seed, int n, double validation, double calibration, unsigned char *role);

#endif
