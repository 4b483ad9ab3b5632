/* SPDX-License-Identifier: Apache-2.0 */
/* Versions as files: what is written is read again, and what is not whole is refused. */
#include "run.h"

#include "base/mem.h"
#include "formats/model_file.h"

#include <stdio.h>
#include <string.h>

#define CONTENT   "the content, which is not looked into"
#define MAX_BYTES (MODEL_FILE_HEAD_MAX + sizeof CONTENT)

static size_t make_file(const char *name, unsigned char *bytes)
{
    struct err err = ERR_INIT;
    struct model_file file = {.version = 17, .content = CONTENT, .n_content = sizeof CONTENT};
    size_t n_head = 0;
    snprintf(file.model, sizeof file.model, "%s", name);
    ck_assert_int_eq(model_file_write_head(&file, bytes, &n_head, &err), ERR_OK);
    memcpy(bytes + n_head, CONTENT, sizeof CONTENT);
    return n_head + sizeof CONTENT;
}

START_TEST(a_file_is_read_as_it_was_written)
{
    char longest[MODEL_FILE_MAX_NAME + 1];
    memset(longest, 'm', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const names[] = {"", "flow", longest};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsigned char bytes[MAX_BYTES];
        struct err err = ERR_INIT;
        struct model_file file;
        size_t n = make_file(names[i], bytes);
        ck_assert_int_eq(model_file_read(bytes, n, &file, &err), ERR_OK);
        ck_assert_str_eq(file.model, names[i]);
        ck_assert_int_eq(file.version, 17);
        ck_assert_uint_eq(file.n_content, sizeof CONTENT);
        ck_assert_mem_eq(file.content, CONTENT, sizeof CONTENT);
    }
}
END_TEST

START_TEST(a_file_that_is_cut_or_too_long_is_refused)
{
    unsigned char bytes[MAX_BYTES + 1] = {0};
    size_t n = make_file("flow", bytes);
    for (size_t size = 0; size <= n + 1; size++) {
        struct err err = ERR_INIT;
        struct model_file file;
        /* A block of its own size, so that tools see every byte that is read behind it. */
        unsigned char *block = mem_dup(bytes, size);
        enum err_code code = model_file_read(block, size, &file, &err);
        ck_assert_msg(code == (size == n ? ERR_OK : ERR_CORRUPT), "%zu bytes: %s", size,
                      err_msg(&err));
        mem_free(block);
    }
}
END_TEST

START_TEST(a_file_with_a_changed_byte_is_refused)
{
    unsigned char bytes[MAX_BYTES];
    size_t n = make_file("flow", bytes);
    for (size_t at = 0; at < n; at++) {
        struct err err = ERR_INIT;
        struct model_file file;
        bool format = at >= 8 && at < 12;
        bytes[at] ^= 0x10;
        ck_assert_int_eq(model_file_read(bytes, n, &file, &err),
                         format ? ERR_UNSUPPORTED : ERR_CORRUPT);
        bytes[at] ^= 0x10;
    }
}
END_TEST

START_TEST(short_memory_is_told)
{
    struct model_file file = {.version = 1, .content = CONTENT, .n_content = sizeof CONTENT};
    unsigned char head[MODEL_FILE_HEAD_MAX];
    struct err err = ERR_INIT;
    size_t n_head = 0;
    mem_fail_after(1, true);
    ck_assert_int_eq(model_file_write_head(&file, head, &n_head, &err), ERR_NOMEM);
    mem_fail_after(0, false);
    ck_assert_uint_eq(n_head, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_file");
    TCase *tc = tcase_create("model_file");
    tcase_add_test(tc, a_file_is_read_as_it_was_written);
    tcase_add_test(tc, a_file_that_is_cut_or_too_long_is_refused);
    tcase_add_test(tc, a_file_with_a_changed_byte_is_refused);
    tcase_add_test(tc, short_memory_is_told);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
