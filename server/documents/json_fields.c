/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/json_fields.h"

#include "base/known.h"
#include "base/near_name.h"
#include "formats/json_read.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAME_CHARS 64
#define MAX_CHOICES    120
#define MAX_WHAT       80 /* characters of the name of a value in a message */

_Static_assert(sizeof(enum json_field_type) == sizeof(int), "enumerations are read as ints");

static const struct json_fields *object_of(const struct json_place *place)
{
    return place->document->objects[place->object];
}

static bool has_variant(const struct json_field *field, int variant)
{
    return field->variants == 0 || variant < 0 || (field->variants >> variant & 1U) != 0;
}

static const struct json_field *find_field(const struct json_fields *object, const char *key)
{
    for (int i = 0; i < object->n; i++) {
        if (strcmp(object->list[i].key, key) == 0) {
            return &object->list[i];
        }
    }
    return NULL;
}

/* ---- unknown keys ---- */

/* The names of the object's keys; list: room for JSON_FIELDS_MAX. */
static struct names keys_of(const struct json_place *place, const char **list)
{
    const struct json_fields *object = object_of(place);
    struct names keys = {.list = list};
    for (int i = 0; i < object->n && keys.n < JSON_FIELDS_MAX; i++) {
        if (has_variant(&object->list[i], place->variant)) {
            list[keys.n++] = object->list[i].key;
        }
    }
    return keys;
}

/* ` when the solver is amcmc, mala, hmc or nuts` */
static void write_variants(const struct json_document *document, const struct json_field *field,
                           char *out, size_t size)
{
    const char *list[JSON_FIELDS_MAX];
    struct names all = document->variants();
    struct names having = {.list = list};
    for (int i = 0; i < all.n && having.n < JSON_FIELDS_MAX; i++) {
        if (has_variant(field, i)) {
            list[having.n++] = all.list[i];
        }
    }
    int used = snprintf(out, size, " when the %s is ", document->variant);
    (void)known_list(having, " or ", out + used, size - (size_t)used);
}

/* Where else a key belongs: `under "noise" or under "prior"`; empty: nowhere. */
static void write_elsewhere(const struct json_place *place, const char *key, char *out, size_t size)
{
    const char *list[JSON_FIELDS_MAX];
    struct names places = {.list = list};
    const struct json_field *field = NULL;
    for (int i = 0; i < place->document->n_objects && places.n < JSON_FIELDS_MAX; i++) {
        const struct json_fields *other = place->document->objects[i];
        const struct json_field *found = i != place->object ? find_field(other, key) : NULL;
        if (found != NULL) {
            list[places.n++] = other->where;
            field = found;
        }
    }
    (void)known_list(places, " or ", out, size);
    if (places.n == 0 && place->document->inner != NULL) {
        const struct json_place nowhere = {place->document->inner, -1, -1};
        write_elsewhere(&nowhere, key, out, size);
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "",
                 used > 0 ? place->document->inner_where : "");
    }
    if (places.n == 1 && !has_variant(field, place->variant)) {
        size_t used = strlen(out);
        write_variants(place->document, field, out + used, size - used);
    }
}

/* Offers the keys of all objects of a document, and of the one inside it. */
static void try_all_keys(const struct json_document *document, struct near_name *near)
{
    for (int i = 0; i < document->n_objects; i++) {
        for (int k = 0; k < document->objects[i]->n; k++) {
            near_name_try(near, document->objects[i]->list[k].key);
        }
    }
    if (document->inner != NULL) {
        try_all_keys(document->inner, near);
    }
}

/*
 * A key that is nowhere: it may be nearer to one of another object, or of this one in another
 * variant, than to those that may be here.
 */
static enum err_code refuse_unknown(const struct json_place *place, const char *key,
                                    struct err *err)
{
    const struct json_fields *object = object_of(place);
    const char *list[JSON_FIELDS_MAX];
    const struct names keys = keys_of(place, list);
    struct near_name near = near_name_of(key);
    char what[MAX_WHAT];
    char where[160];
    for (int i = 0; i < keys.n; i++) {
        near_name_try(&near, keys.list[i]);
    }
    const char *own = near.best;
    try_all_keys(place->document, &near);
    if (near.best == own) {
        snprintf(what, sizeof what, "%s: key", object->name);
        return known_refuse(what, key, keys, err);
    }
    const struct json_field *field = find_field(object, near.best);
    if (field != NULL) {
        snprintf(where, sizeof where, "here");
        write_variants(place->document, field, where + 4, sizeof where - 4);
    } else {
        write_elsewhere(place, near.best, where, sizeof where);
    }
    return err_set(err, ERR_INVALID,
                   "%s: key \"%.40s\" is unknown; did you mean \"%s\", which belongs %s?",
                   object->name, key, near.best, where);
}

static enum err_code refuse_key(const struct json_place *place, const char *key, struct err *err)
{
    const char *name = object_of(place)->name;
    const struct json_field *field = find_field(object_of(place), key);
    char elsewhere[160];
    write_elsewhere(place, key, elsewhere, sizeof elsewhere);
    if (field != NULL) {
        char variants[120];
        write_variants(place->document, field, variants, sizeof variants);
        return err_set(err, ERR_INVALID, "%s: key \"%s\" belongs here%s, not %s%s%s", name, key,
                       variants, place->document->variants().list[place->variant],
                       elsewhere[0] != '\0' ? "; another belongs " : "", elsewhere);
    }
    if (elsewhere[0] != '\0') {
        return err_set(err, ERR_INVALID, "%s: key \"%s\" belongs %s", name, key, elsewhere);
    }
    return refuse_unknown(place, key, err);
}

enum err_code json_fields_check_keys(const json_t *object, const struct json_place *place,
                                     struct err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object)) {
        return err_set(err, ERR_INVALID, "%s is %s, an object is needed", object_of(place)->name,
                       json_read_kind(object));
    }
    json_object_foreach((json_t *)object, key, value)
    {
        const struct json_field *field = find_field(object_of(place), key);
        if (field == NULL || !has_variant(field, place->variant)) {
            return refuse_key(place, key, err);
        }
    }
    return ERR_OK;
}

/* ---- values ---- */

/* The names of "a|b|c"; they point into text, which has room for choices. */
static struct names split_choices(const char *choices, char *text, size_t size, const char **list)
{
    struct names names = {.list = list};
    snprintf(text, size, "%s", choices);
    for (char *at = text; at != NULL && names.n < JSON_FIELDS_MAX;) {
        char *end = strchr(at, '|');
        list[names.n++] = at;
        if (end != NULL) {
            *end++ = '\0';
        }
        at = end;
    }
    return names;
}

static enum err_code read_name(struct json_members of, const struct json_field *field, int *out)
{
    const char *name = NULL;
    const char *list[JSON_FIELDS_MAX];
    char choices[MAX_CHOICES];
    if (json_read_text(of, field->key, MAX_NAME_CHARS, &name) != ERR_OK || name == NULL) {
        return of.err->code;
    }
    struct names known = field->known != NULL
                             ? field->known()
                             : split_choices(field->choices, choices, sizeof choices, list);
    int value = names_find(known, name);
    if (value < 0) {
        char what[MAX_WHAT];
        snprintf(what, sizeof what, "%s: %s", of.where, field->key);
        return known_refuse(what, name, known, of.err);
    }
    *out = value;
    return ERR_OK;
}

/* An int, or an enumeration, which has the size of one. */
static enum err_code read_int(struct json_members of, const struct json_field *field, void *out)
{
    int value;
    memcpy(&value, out, sizeof value);
    if (field->type == JSON_FIELD_NAME) {
        err_kept(read_name(of, field, &value));
    } else {
        int64_t wide = value;
        json_read_int(of, field->key, (int64_t)field->min, (int64_t)field->max, &wide);
        value = (int)wide;
    }
    memcpy(out, &value, sizeof value);
    return of.err->code;
}

static enum err_code read_value(struct json_members of, const struct json_field *field, void *out)
{
    if (field->required && json_read_require(of, field->key) != ERR_OK) {
        return of.err->code;
    }
    switch (field->type) {
    case JSON_FIELD_OTHER:
        break;
    case JSON_FIELD_INT:
    case JSON_FIELD_NAME:
        return read_int(of, field, out);
    case JSON_FIELD_INT64:
        return json_read_int(of, field->key, (int64_t)field->min, (int64_t)field->max, out);
    case JSON_FIELD_REAL:
        return json_read_real(of, field->key, field->min, field->max, out);
    case JSON_FIELD_FLAG:
        return json_read_bool(of, field->key, out);
    }
    return ERR_OK;
}

enum err_code json_fields_read_values(const json_t *object, const struct json_place *place,
                                      void *out, struct err *err)
{
    const struct json_fields *of = object_of(place);
    const struct json_members members = {object, of->name, err};
    for (int i = 0; i < of->n && err->code == ERR_OK; i++) {
        const struct json_field *field = &of->list[i];
        bool absent = field->null && json_is_null(json_object_get(object, field->key));
        if (has_variant(field, place->variant) && !absent) {
            err_kept(read_value(members, field, (char *)out + field->offset));
        }
    }
    return err->code;
}

enum err_code json_fields_read(const json_t *object, const struct json_place *place, void *out,
                               struct err *err)
{
    return json_fields_check_keys(object, place, err) == ERR_OK
               ? json_fields_read_values(object, place, out, err)
               : err->code;
}
