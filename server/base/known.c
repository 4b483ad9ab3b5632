/* SPDX-License-Identifier: Apache-2.0 */
#include "base/known.h"

#include "base/near_name.h"

#include <stdio.h>
#include <string.h>

bool known_list(struct names names, const char *joining, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < names.n; i++) {
        const char *before = i == 0 ? "" : i == names.n - 1 ? joining : ", ";
        int len = snprintf(out + used, size - used, "%s%s", before, names.list[i]);
        if (len < 0 || (size_t)len >= size - used) {
            out[used] = '\0';
            return false;
        }
        used += (size_t)len;
    }
    return true;
}

/* The known name that was probably meant; NULL when none is near. */
static const char *find_nearest(struct names names, const char *name)
{
    struct near_name near = near_name_of(name);
    for (int i = 0; i < names.n; i++) {
        near_name_try(&near, names.list[i]);
    }
    return near.best;
}

enum err_code known_refuse(const char *what, const char *name, struct names known, struct err *err)
{
    static const char end[] = " are known";
    char head[sizeof err->msg];
    char list[sizeof err->msg];
    const char *nearest = find_nearest(known, name);
    snprintf(head, sizeof head, "%s \"%.40s\" is unknown%s%s%s", what, name,
             nearest != NULL ? " (did you mean " : "", nearest != NULL ? nearest : "",
             nearest != NULL ? "?)" : "");
    size_t taken = strlen(head) + sizeof "; , .." + sizeof end;
    size_t room = taken < sizeof list ? sizeof list - taken : 1;
    if (known_list(known, " and ", list, room)) {
        return err_set(err, ERR_INVALID, "%s; %s%s", head, list, known.n == 1 ? " is known" : end);
    }
    if (nearest != NULL) {
        return err_set(err, ERR_INVALID, "%s", head);
    }
    return err_set(err, ERR_INVALID, "%s; %s, ..%s", head, list, end);
}
