/* SPDX-License-Identifier: Apache-2.0 */
#include "plot/cairo_api.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcairo.so.2"

/* A pointer to an object is one to a function in POSIX, though not in C. */
static enum err_code find(void *library, const char *name, void *function, size_t size,
                          struct err *err)
{
    void *found = dlsym(library, name);
    if (found == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "Cairo has no %s; version 1.16 or newer is needed (Debian: libcairo2)",
                       name);
    }
    memcpy(function, &found, size);
    return ERR_OK;
}

enum err_code cairo_api_load(struct cairo_api *out, struct err *err)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return err_set(err, ERR_UNSUPPORTED,
                       "pictures are drawn by Cairo, which is not installed (Debian: apt-get "
                       "install libcairo2); --as csv prints the numbers without it");
    }
#define CAIRO_FUNCTION(name)                                                                       \
    if (err->code == ERR_OK) {                                                                     \
        err_kept(find(library, #name, &out->name, sizeof out->name, err));                         \
    }
#include "plot/cairo_api.def"
#undef CAIRO_FUNCTION
    return err->code;
}
