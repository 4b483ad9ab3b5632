/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cairo, loaded when a picture is drawn. Linked in the usual way it and the twenty libraries that
 * it needs would be loaded at every start of the program: that takes 2 ms of processor, three times
 * what the start of an empty program takes, and the server never draws. So the program starts and
 * serves where libcairo2 is not installed, too.
 */
#ifndef CAIRO_API_H
#define CAIRO_API_H

#include "base/compiler.h"
#include "base/err.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>

struct cairo_api {
#define CAIRO_FUNCTION(name) __typeof__(name) *name;
#include "plot/cairo_api.def"
#undef CAIRO_FUNCTION
};

/* ERR_UNSUPPORTED: Cairo is not installed, or too old. It stays loaded until the process ends. */
enum err_code cairo_api_load(struct cairo_api *out, struct err *err) MUST_CHECK;

#endif
