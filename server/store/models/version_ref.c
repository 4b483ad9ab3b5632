/* SPDX-License-Identifier: Apache-2.0 */
#include "store/models/version_ref.h"

#include <stdio.h>
#include <string.h>

#include "base/digits.h"

bool alias_name_is_valid(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz";
    static const char later[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= ALIAS_MAX_CHARS && strchr(first, name[0]) != NULL &&
           strspn(name, later) == len && strcmp(name, "default") != 0 &&
           strcmp(name, "previous") != 0;
}

enum err_code version_ref_parse(const char *text, struct version_ref *out, struct err *err)
{
    struct version_ref ref = {.kind = VERSION_DEFAULT};
    if (strcmp(text, "@previous") == 0) {
        ref.kind = VERSION_PREVIOUS;
    } else if (text[0] == '@' && alias_name_is_valid(text + 1)) {
        ref.kind = VERSION_ALIAS;
        snprintf(ref.alias, sizeof ref.alias, "%s", text + 1);
    } else if (digits_parse(text, &ref.number)) {
        ref.kind = VERSION_NUMBER;
    } else if (strcmp(text, "@default") != 0) {
        return err_set(err, ERR_INVALID, "version is \"%.70s\"; " VERSION_REF_RULE " is needed",
                       text);
    }
    *out = ref;
    return ERR_OK;
}

struct version_ref version_ref_number(int64_t number)
{
    return (struct version_ref){.kind = number == 0 ? VERSION_DEFAULT : VERSION_NUMBER,
                                .number = number};
}

enum err_code version_number_absent(int64_t number, const char *model, struct err *err)
{
    return err_set(err, ERR_NOT_FOUND, "model %.64s has no version %lld", model, (long long)number);
}

enum err_code version_ref_absent(const struct version_ref *ref, const char *model, struct err *err)
{
    switch (ref->kind) {
    case VERSION_DEFAULT:
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no version yet", model);
    case VERSION_PREVIOUS:
        return err_set(err, ERR_NOT_FOUND,
                       "model %.64s has no version that was the default before the present one",
                       model);
    case VERSION_ALIAS:
        return err_set(err, ERR_NOT_FOUND, "model %.64s has no alias %.64s", model, ref->alias);
    case VERSION_NUMBER:
        break;
    }
    return version_number_absent(ref->number, model, err);
}
