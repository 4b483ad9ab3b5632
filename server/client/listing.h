/* SPDX-License-Identifier: Apache-2.0 */
/* What the server answers, printed for people: a list as a table, any other document by lines. */
#ifndef LISTING_H
#define LISTING_H

#include "client/client.h"
#include "client/table.h"

/* A list of the server and the table that shows it. */
struct listing {
    const char *path;
    const char *key;   /* of the list in the answer */
    const char *heads; /* as table_in takes them */
    /* Fills the last row of the table, which is empty, from an element of the list. */
    void (*fill)(struct client *client, struct table *table, const json_t *element);
};

/* NULL for the path: ERR_NOMEM. */
enum err_code listing_print(struct client *client, const struct listing *listing,
                            struct err *err) MUST_CHECK;

/* All of the document at a path, a line for each member. NULL for the path: ERR_NOMEM. */
enum err_code listing_describe(struct client *client, const char *path, struct err *err) MUST_CHECK;

#endif
