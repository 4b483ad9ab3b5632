/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/model_name.h"

#include <string.h>

bool model_name_is_valid(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t len = strlen(name);
    if (len < 1 || len > NAME_MAX_CHARS || strchr(first, name[0]) == NULL) {
        return false;
    }
    for (size_t i = 1; i < len; i++) {
        if (strchr(first, name[i]) == NULL && strchr("._-", name[i]) == NULL) {
            return false;
        }
    }
    return true;
}
