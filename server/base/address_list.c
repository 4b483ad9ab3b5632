/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address_list.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS           " \t"
#define MAX_TEXT         (ADDRESS_HOST_CHARS + ADDRESS_PORT_CHARS + 8)
#define OTHERS_MAY_WRITE 022u
#define OWNER_MAY        0600u

/* The next item without the blanks around it; false: it is longer than any address. */
static bool next_item(const char **list, char out[MAX_TEXT])
{
    const char *text = *list + strspn(*list, BLANKS);
    size_t n = strcspn(text, ",");
    *list = text + n + (text[n] == ',');
    while (n > 0 && strchr(BLANKS, text[n - 1]) != NULL) {
        n--;
    }
    if (n >= MAX_TEXT) {
        return false;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

enum err_code address_list_parse(const char *text, struct address_list *out, struct err *err)
{
    struct address_list list = {.n = 0};
    const char *rest = text;
    do {
        char item[MAX_TEXT];
        if (list.n == ADDRESS_LIST_MAX) {
            return err_set(err, ERR_INVALID, "listen has more than %d addresses", ADDRESS_LIST_MAX);
        }
        if (!next_item(&rest, item)) {
            return err_set(err, ERR_INVALID,
                           "listen is \"%.60s..\", which is too long for an address", text);
        }
        if (address_parse(item, &list.at[list.n++], err) != ERR_OK) {
            return err->code;
        }
    } while (*rest != '\0');
    *out = list;
    return ERR_OK;
}

enum err_code address_mode_parse(const char *text, unsigned *out, struct err *err)
{
    size_t len = strlen(text);
    unsigned long mode = strtoul(text, NULL, 8);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len || mode > 0777 ||
        (mode & OWNER_MAY) != OWNER_MAY) {
        return err_set(err, ERR_INVALID,
                       "socket_mode is \"%.40s\"; octal digits from 0600 to 0777 are needed, such "
                       "as 0660, which let the owner read and write",
                       text);
    }
    *out = (unsigned)mode;
    return ERR_OK;
}

const struct address *address_list_find_open(const struct address_list *list, unsigned socket_mode)
{
    for (int i = 0; i < list->n; i++) {
        const struct address *at = &list->at[i];
        bool open = at->path[0] != '\0' ? (socket_mode & OTHERS_MAY_WRITE) != 0
                                        : !address_is_loopback(at->host);
        if (open) {
            return at;
        }
    }
    return NULL;
}

const struct address *address_list_find_unix(const struct address_list *list)
{
    for (int i = 0; i < list->n; i++) {
        if (list->at[i].path[0] != '\0') {
            return &list->at[i];
        }
    }
    return NULL;
}
