/* SPDX-License-Identifier: Apache-2.0 */
#include "api/head/query_keys.h"

#include "base/known.h"

#include <string.h>

#define MAX_KEYS 16 /* of a route */

static bool is_given_before(const struct request *req, int index)
{
    for (int i = 0; i < index; i++) {
        if (strcmp(req->query[i].name, req->query[index].name) == 0) {
            return true;
        }
    }
    return false;
}

/* Splits the text, which is changed; returns how many keys there are. */
static int split_keys(char *text, const char **keys)
{
    int n = 0;
    for (char *rest = NULL, *key = strtok_r(text, " ", &rest); key != NULL && n < MAX_KEYS;
         key = strtok_r(NULL, " ", &rest)) {
        keys[n++] = key;
    }
    return n;
}

static bool is_known(const char *name, const char *const *keys, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(name, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

enum err_code query_keys_check(const struct request *req, const char *known, struct err *err)
{
    const char *keys[MAX_KEYS];
    char text[128];
    if (req->n_query == 0) {
        return ERR_OK;
    }
    for (int i = 0; i < req->n_query; i++) {
        if (is_given_before(req, i)) {
            return err_set(err, ERR_INVALID, "query: %.40s is given twice", req->query[i].name);
        }
    }
    if (strcmp(known, "*") == 0) {
        return ERR_OK;
    }
    memcpy(text, known, strlen(known) + 1);
    int n = split_keys(text, keys);
    for (int i = 0; i < req->n_query; i++) {
        const char *name = req->query[i].name;
        if (n == 0) {
            return err_set(err, ERR_INVALID, "query: \"%.40s\" is unknown; this takes no query",
                           name);
        }
        if (!is_known(name, keys, n)) {
            return known_refuse("query: key", name, (struct names){keys, n}, err);
        }
    }
    return ERR_OK;
}
