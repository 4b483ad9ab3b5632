/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/query_list.h"

#include <string.h>

#include "base/mem.h"

#define FIRST_CAPACITY 16

/* Room for one more element; the array doubles. */
static bool make_room(struct query_list *list)
{
    if (list->n < list->capacity) {
        return true;
    }
    size_t capacity = list->capacity == 0 ? FIRST_CAPACITY : 2 * list->capacity;
    void *grown = mem_realloc_array(list->array, capacity, list->size);
    if (grown == NULL) {
        return false;
    }
    list->array = grown;
    list->capacity = capacity;
    return true;
}

enum err_code query_list_read(struct query_list *list, struct query *q)
{
    while (query_row(q)) {
        if (!make_room(list)) {
            err_set(q->err, ERR_NOMEM, "no memory for a list of the registry");
            break;
        }
        char *element = (char *)list->array + list->n * list->size;
        memset(element, 0, list->size);
        list->get(q, element);
        list->n++;
    }
    return query_close(q);
}
