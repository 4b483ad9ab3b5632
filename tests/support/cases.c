/* SPDX-License-Identifier: Apache-2.0 */
#include "cases.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CASES 300
#define MAX_BYTES 65536
#define MAX_PATH  2048

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s cannot be read", path);
    char *bytes = calloc(1, MAX_BYTES + 1);
    ck_assert_ptr_nonnull(bytes);
    *len = fread(bytes, 1, MAX_BYTES, file);
    ck_assert_msg(feof(file), "%s is too long", path);
    fclose(file);
    return bytes;
}

/* The one file of the folder whose name begins so. */
static char *read_one(const char *folder, const char *beginning, size_t *len)
{
    char path[MAX_PATH] = "";
    DIR *dir = opendir(folder);
    ck_assert_msg(dir != NULL, "%s cannot be read", folder);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strncmp(entry->d_name, beginning, strlen(beginning)) == 0) {
            ck_assert_msg(path[0] == '\0', "%s has more than one %s", folder, beginning);
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        }
    }
    closedir(dir);
    ck_assert_msg(path[0] != '\0', "%s has no %s", folder, beginning);
    return read_file(path, len);
}

static int compare_names(const void *a, const void *b)
{
    const struct test_case *x = a;
    const struct test_case *y = b;
    return strcmp(x->name, y->name);
}

struct test_case *cases_load(const char *folder, int *n)
{
    struct test_case *cases = calloc(MAX_CASES, sizeof *cases);
    char top[MAX_PATH / 2];
    snprintf(top, sizeof top, "%s/%s", TEST_TOP, folder);
    DIR *dir = opendir(top);
    ck_assert_ptr_nonnull(cases);
    ck_assert_msg(dir != NULL, "%s cannot be read", top);
    *n = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[MAX_PATH];
        size_t len;
        if (entry->d_name[0] == '.') {
            continue;
        }
        ck_assert_int_lt(*n, MAX_CASES);
        struct test_case *c = &cases[(*n)++];
        snprintf(c->name, sizeof c->name, "%s", entry->d_name);
        snprintf(path, sizeof path, "%s/%s", top, c->name);
        c->input = read_one(path, "input", &c->n_input);
        c->expected = read_one(path, "expected", &len);
    }
    closedir(dir);
    ck_assert_msg(*n > 0, "%s holds no cases", top);
    qsort(cases, (size_t)*n, sizeof *cases, compare_names);
    return cases;
}

void cases_free(struct test_case *cases, int n)
{
    for (int i = 0; i < n; i++) {
        free(cases[i].input);
        free(cases[i].expected);
    }
    free(cases);
}

const char *cases_err_name(enum err_code code)
{
    static const char *const names[] = {
#define ERR(code, text) #code,
#include "base/err.def"
#undef ERR
    };
    return names[code];
}
