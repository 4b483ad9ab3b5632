/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a version is referred to: by its number, as the default of its model, as the default before
 * that one, or by an alias. In text: "3", "@default", "@previous", "@prod". A zeroed reference is
 * the default.
 */
#ifndef VERSION_REF_H
#define VERSION_REF_H

#include "base/compiler.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ALIAS_MAX_CHARS 64

/* What is allowed, for messages. */
#define VERSION_REF_RULE                                                                           \
    "a number from 1, \"@default\", \"@previous\" or an alias such as \"@prod\""

enum version_kind { VERSION_DEFAULT, VERSION_PREVIOUS, VERSION_ALIAS, VERSION_NUMBER };

struct version_ref {
    enum version_kind kind;
    int64_t number;                  /* from 1, with VERSION_NUMBER */
    char alias[ALIAS_MAX_CHARS + 1]; /* with VERSION_ALIAS, without the '@' */
};

/* Is this a legal alias? [a-z][a-z0-9._-]*, at most ALIAS_MAX_CHARS, not "default", "previous". */
bool alias_name_is_valid(const char *name);

/* ERR_INVALID, with the rule. */
enum err_code version_ref_parse(const char *text, struct version_ref *out,
                                struct err *err) MUST_CHECK;

/* 0 stands for the default. */
struct version_ref version_ref_number(int64_t number);

/*
 * Sets ERR_NOT_FOUND, saying that the model does not have what is referred to: "model heat has no
 * version 3", "model heat has no alias prod", "model heat has no version yet" ...
 */
enum err_code version_ref_absent(const struct version_ref *ref, const char *model, struct err *err);
enum err_code version_number_absent(int64_t number, const char *model, struct err *err);

#endif
