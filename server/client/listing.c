/* SPDX-License-Identifier: Apache-2.0 */
#include "client/listing.h"

#include "client/describe.h"

enum err_code listing_print(struct client *client, const struct listing *listing, struct err *err)
{
    json_t *doc = NULL;
    struct table table = table_in(&client->arena, listing->heads);
    if (client_ask(client, "GET", listing->path, NULL, &doc, err) != ERR_OK || doc == NULL) {
        return err->code;
    }
    const json_t *list = client_list(doc, listing->key, err);
    for (size_t i = 0; i < json_array_size(list); i++) {
        table_row(&table);
        listing->fill(client, &table, json_array_get(list, i));
    }
    if (list != NULL) {
        err_kept(table_print(&table, stdout, err));
    }
    json_decref(doc);
    return err->code;
}

enum err_code listing_describe(struct client *client, const char *path, struct err *err)
{
    json_t *doc = NULL;
    if (client_ask(client, "GET", path, NULL, &doc, err) == ERR_OK && doc != NULL) {
        err_kept(describe_object(doc, &client->arena, stdout, err));
    }
    json_decref(doc);
    return err->code;
}
