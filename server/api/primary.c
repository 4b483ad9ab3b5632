/* SPDX-License-Identifier: Apache-2.0 */
#include "api/primary.h"

#include "base/textbuf.h"

#include <string.h>

const char *primary_address(const struct app *app)
{
    bool known =
        app->config != NULL && app->config->read_only && strcmp(app->config->primary, "none") != 0;
    return known ? app->config->primary : NULL;
}

/* RFC 3986: what stands for itself in a segment of a path, and in a key or a value of a query. */
static bool stands_for_itself(char c, const char *also)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && (strchr("-._~", c) != NULL || strchr(also, c) != NULL));
}

static void put_encoded(struct textbuf *text, const char *part, const char *also)
{
    for (const char *p = part; *p != '\0'; p++) {
        if (stands_for_itself(*p, also)) {
            textbuf_printf(text, "%c", *p);
        } else {
            textbuf_printf(text, "%%%02X", (unsigned char)*p);
        }
    }
}

bool primary_redirect(const struct app *app, const struct request *req, struct response *res)
{
    const char *address = primary_address(app);
    if (address == NULL || !app->config->redirect_writes) {
        return false;
    }
    struct textbuf text = textbuf_in(req->arena);
    textbuf_puts(&text, address);
    put_encoded(&text, req->path, "/@:");
    for (int i = 0; i < req->n_query; i++) {
        textbuf_puts(&text, i == 0 ? "?" : "&");
        put_encoded(&text, req->query[i].name, "");
        textbuf_puts(&text, "=");
        put_encoded(&text, req->query[i].value, "");
    }
    if (textbuf_failed(&text)) {
        return false;
    }
    response_header(res, "Location", text.data);
    res->status = 307;
    return true;
}
