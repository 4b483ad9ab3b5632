/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/json_load.h"

#include <setjmp.h>

#include "base/mem.h"

/* A parse under way, with the blocks that jansson has not given back. */
struct load {
    jmp_buf ended;
    void **blocks; /* [capacity], mem */
    size_t n, capacity;
};

static _Thread_local struct load *loading;

static bool make_room(struct load *load)
{
    if (load->n < load->capacity) {
        return true;
    }
    size_t capacity = load->capacity > 0 ? 2 * load->capacity : 64;
    void **blocks = mem_realloc_array(load->blocks, capacity, sizeof *blocks);
    if (blocks != NULL) {
        load->blocks = blocks;
        load->capacity = capacity;
    }
    return blocks != NULL;
}

static void *alloc_noted(size_t size)
{
    struct load *load = loading;
    if (load == NULL) {
        return mem_alloc(size);
    }
    void *block = make_room(load) ? mem_alloc(size) : NULL;
    if (block == NULL) {
        longjmp(load->ended, 1);
    }
    load->blocks[load->n++] = block;
    return block;
}

/* Blocks come back soon after they were taken, or are tables that have grown to twice the size. */
static void free_noted(void *block)
{
    struct load *load = loading;
    for (size_t i = load != NULL && block != NULL ? load->n : 0; i > 0; i--) {
        if (load->blocks[i - 1] == block) {
            load->blocks[i - 1] = load->blocks[--load->n];
            break;
        }
    }
    mem_free(block);
}

static void drop_blocks(struct load *load)
{
    while (load->n > 0) {
        mem_free(load->blocks[--load->n]);
    }
}

json_t *json_load_whole(const char *text, size_t len, size_t flags, json_error_t *error,
                        bool *is_short)
{
    json_malloc_t old_alloc;
    json_free_t old_free;
    struct load load = {.n = 0};
    json_t *volatile value = NULL;
    json_get_alloc_funcs(&old_alloc, &old_free);
    json_set_alloc_funcs(alloc_noted, free_noted);
    loading = &load;
    *is_short = true;
    if (setjmp(load.ended) == 0) {
        value = json_loadb(text, len, flags, error);
        *is_short = false;
    } else {
        drop_blocks(&load);
    }
    loading = NULL;
    json_set_alloc_funcs(old_alloc, old_free);
    mem_free(load.blocks);
    return value;
}
