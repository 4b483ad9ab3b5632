/* SPDX-License-Identifier: Apache-2.0 */
/* All rows of a query as one array. */
#ifndef QUERY_LIST_H
#define QUERY_LIST_H

#include "store/sqlite/query.h"

struct query_list {
    size_t size;                                 /* of one element */
    void (*get)(struct query *q, void *element); /* fills a zeroed element from the present row */
    void *array;                                 /* [n], mem; NULL as long as there is no row */
    size_t n;
    size_t capacity;
};

/*
 * Appends the rows of an open query and closes it; an error is collected by the query as usual. The
 * array is the caller's to free, after a failure too.
 */
enum err_code query_list_read(struct query_list *list, struct query *q) MUST_CHECK;

#endif
