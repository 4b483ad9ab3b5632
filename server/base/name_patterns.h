/* SPDX-License-Identifier: Apache-2.0 */
/* Names of models and patterns of such names, separated by commas: "heat-*,flow". */
#ifndef NAME_PATTERNS_H
#define NAME_PATTERNS_H

#include <stdbool.h>

#define NAME_PATTERNS_CHARS 255

/* 1 to NAME_PATTERNS_CHARS characters of names, '*', '?' and commas. */
bool name_patterns_are_valid(const char *patterns);

/* Does one of the patterns match the name? */
bool name_patterns_match(const char *patterns, const char *name);

#endif
