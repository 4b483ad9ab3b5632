/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a document as tables: a line for each key says what its value is and where it
 * goes. The same lines say which keys an object knows, so that messages can list them.
 *
 * A document is a list of such objects. A key in the wrong one is therefore refused with the name
 * of the right one. An object may have variants with different keys: the settings of each solver.
 */
#ifndef JSON_FIELDS_H
#define JSON_FIELDS_H

#include "base/err.h"
#include "base/names.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_FIELDS_MAX 64 /* keys of an object */

enum json_field_type {
    JSON_FIELD_OTHER, /* has a reader of its own, as objects have */
    JSON_FIELD_INT,   /* an int */
    JSON_FIELD_INT64, /* an int64_t */
    JSON_FIELD_REAL,  /* a double */
    JSON_FIELD_FLAG,  /* a bool */
    JSON_FIELD_NAME,  /* an enumeration, or an int, by name */
};

struct json_field {
    const char *key;
    enum json_field_type type;
    bool required;
    bool null;       /* null is taken and leaves the field as it is, like an absent key */
    size_t offset;   /* in the struct that is read */
    double min, max; /* of numbers */
    struct names (*known)(void); /* the names of JSON_FIELD_NAME, or .. */
    const char *choices;         /* .. the same as "a|b|c" */
    unsigned variants;           /* bits: the variants that have the key; 0: all */
};

/* Lines of a table; the value goes to a member of struct `of`. */
#define FIELD_OTHER(name)                                                                          \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_OTHER                                                      \
    }
#define FIELD_INT(name, low, high, of, member)                                                     \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_INT, .min = (low), .max = (high), FIELD_TO(of, member)     \
    }
#define FIELD_INT64(name, low, high, of, member)                                                   \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_INT64, .min = (low), .max = (high), FIELD_TO(of, member)   \
    }
#define FIELD_REAL(name, low, high, of, member)                                                    \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_REAL, .min = (low), .max = (high), FIELD_TO(of, member)    \
    }
#define FIELD_FLAG(name, of, member)                                                               \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_FLAG, FIELD_TO(of, member)                                 \
    }
#define FIELD_NAME(name, prefix, of, member)                                                       \
    {                                                                                              \
        .key = name, .type = JSON_FIELD_NAME, .known = prefix##_known, FIELD_TO(of, member)        \
    }
#define FIELD_TO(of, member) .offset = offsetof(struct of, member)

struct json_fields {
    const char *name;  /* "schedule", in messages about its values */
    const char *where; /* "under \"optimizer.schedule\"": a key that is misplaced belongs there */
    const struct json_field *list;
    int n;
};

struct json_document {
    const struct json_fields *const *objects;
    int n_objects;
    /* The key whose value chooses the variant, "solver", and its names; NULL: there are no
     * variants. */
    const char *variant;
    struct names (*variants)(void);
    /* A document that is the value of one of this one's keys; NULL: none. */
    const struct json_document *inner;
    const char *inner_where; /* "of \"request\"" */
};

/* One object of a document, in one of its variants. */
struct json_place {
    const struct json_document *document;
    int object;
    int variant; /* -1: not known; every variant's keys are taken */
};

/*
 * Reads the fields of an object into a struct, except those of JSON_FIELD_OTHER; what is absent
 * stays as it is. ERR_INVALID naming the key, and where an unknown one belongs.
 */
enum err_code json_fields_read(const json_t *object, const struct json_place *place, void *out,
                               struct err *err) MUST_CHECK;

/* The two halves of it. */
enum err_code json_fields_check_keys(const json_t *object, const struct json_place *place,
                                     struct err *err) MUST_CHECK;
enum err_code json_fields_read_values(const json_t *object, const struct json_place *place,
                                      void *out, struct err *err) MUST_CHECK;

#endif
