/* SPDX-License-Identifier: Apache-2.0 */
#include "constant_model.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "documents/model_json.h"

#define CONSTANT                                                                                   \
    "{\"architecture\":{\"inputs\":%d,\"outputs\":1,\"width\":1,\"layers\":0,\"basis\":"           \
    "\"constant\"},\"posterior\":{\"kind\":\"draws\",\"parameters\":[[%s1,0,0,%.17g,0,0]]},"       \
    "\"scaling\":{\"outputs\":[{\"kind\":\"range\",\"shift\":%.17g,\"scale\":%.17g}]},"            \
    "\"noise\":{\"sigma\":[0.5]}}"

static void write_constant(const struct constant *c, char *text, size_t size)
{
    snprintf(text, size, CONSTANT, c->d, c->d == 2 ? "1," : "", c->value, c->shift, c->scale);
}

struct model *constant_model(const struct constant *c)
{
    char text[1024];
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct model *model = NULL;
    write_constant(c, text, sizeof text);
    ck_assert_msg(model_json_parse(text, strlen(text), &arena, &model, &err) == ERR_OK, "%s",
                  err.msg);
    arena_release(&arena);
    return model;
}
