/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is read of tokens. The first byte of an input says what the rest is:
 *
 *   A  an Authorization header, for a server that knows one token
 *   F  a file of tokens
 *   M  patterns of models, then names of models, one a line
 *   T  a time of expiry
 */
#define _GNU_SOURCE /* memfd_create */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "api/access.h"
#include "base/mem.h"
#include "access/token_file.h"
#include "store/store.h"
#include "lines.h"

#define HEX_32 "0123456789abcdef0123456789abcdef"
#define SECRET HEX_32 HEX_32
#define TOKEN  TOKEN_PREFIX "ci-1_" SECRET
#define DIGEST "sha256:" HEX_32 ":" SECRET

const struct seed fuzz_seeds[] = {
    SEED("ABearer " TOKEN),
    SEED("Abearer  " TOKEN),
    SEED("ABearer sgt_other_" SECRET),
    SEED("ABasic " TOKEN),
    SEED("F# tokens\nci predict sgt_ci_" SECRET " heat*,flow 2027-01-31\nop admin " DIGEST "\n"),
    SEED("Fa read " DIGEST " * never\nb write " DIGEST " x 2027-01-31T18:00:00Z # b\n"),
    SEED("Mheat*,flow-?\nheat-1\nflow-2\nother\n"),
    SEED("M*a*b*\naxbx\nba\n"),
    SEED("T2028-02-29"),
    SEED("T2027-01-31T18:00:00Z"),
    SEED("Tnever"),
    SEEDS_END};

const struct seed fuzz_words[] = {
    SEED("Bearer "), SEED(TOKEN),   SEED("sgt_"),       SEED("sha256:"), SEED(DIGEST),
    SEED(" admin "), SEED("never"), SEED("T24:00:00Z"), SEED("-02-30"),  SEED("*"),
    SEED("?"),       SEED("#"),     SEED(SECRET),       SEEDS_END};

/* ---- an Authorization header ---- */

static struct access *access_of_server;
static char folder[] = "/tmp/fuzz_token_XXXXXX";
static char tokens_path[64];

static void remove_folder(void)
{
    static const char *const names[] = {"tokens", "db", "db-wal", "db-shm", "db.lock"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* A server on an address that others can reach, which knows TOKEN. */
static void open_access(void)
{
    static struct config config;
    static struct log quiet = {.fd = STDERR_FILENO, .level = LOG_ERROR + 1};
    struct err err = ERR_INIT;
    struct db *db = NULL;
    char db_path[64];
    if (mkdtemp(folder) == NULL) {
        abort();
    }
    atexit(remove_folder);
    snprintf(db_path, sizeof db_path, "%s/db", folder);
    snprintf(tokens_path, sizeof tokens_path, "%s/tokens", folder);
    FILE *file = fopen(tokens_path, "w");
    if (file == NULL || fprintf(file, "ci-1 write " TOKEN " heat*\n") < 0 || fclose(file) != 0) {
        abort();
    }
    config_defaults(&config);
    snprintf(config.listen, sizeof config.listen, "0.0.0.0:80");
    snprintf(config.tokens_file, sizeof config.tokens_file, "%s", tokens_path);
    struct db_settings settings = {.path = db_path};
    if (store_open(&db, &settings, &err) != ERR_OK ||
        access_new(&config, db, &quiet, &access_of_server, &err) != ERR_OK) {
        fprintf(stderr, "%s\n", err_msg(&err));
        abort();
    }
}

static void check_header(const char *header, struct arena *arena)
{
    struct err err = ERR_INIT;
    struct header one = {"Authorization", header};
    struct request req = {.headers = &one, .n_headers = 1, .arena = arena};
    enum role role;
    if (access_of_server == NULL) {
        open_access();
    }
    const char *token = strlen(header) > 7 ? header + 7 + strspn(header + 7, " ") : "";
    bool good = strncasecmp(header, "bearer ", 7) == 0 && strcmp(token, TOKEN) == 0;
    if ((access_identify(access_of_server, &req, &role, &err) == ERR_OK) != good ||
        strstr(err.msg, SECRET) != NULL) {
        abort();
    }
    if (good && (role != ROLE_WRITE || strcmp(req.caller.who, "ci-1") != 0 ||
                 strcmp(req.caller.models, "heat*") != 0)) {
        abort();
    }
}

/* ---- a file ---- */

static void check_token(const struct token *token)
{
    char text[NAME_PATTERNS_CHARS + TOKEN_TEXT_CHARS + 8];
    const char *id;
    const char *secret;
    size_t n_id;
    snprintf(text, sizeof text, TOKEN_PREFIX "%s_" SECRET, token->id);
    if (!token_id_is_valid(token->id) || !name_patterns_are_valid(token->models) ||
        token->role < ROLE_PREDICT || token->role > ROLE_ADMIN || token->expires_ms < 0 ||
        token->revoked_ms != 0 || !token_split(text, &id, &n_id, &secret) ||
        n_id != strlen(token->id)) {
        abort();
    }
}

static void check_file(const char *text, size_t size)
{
    static int fd = -1;
    char path[64];
    struct err err = ERR_INIT;
    struct token *tokens = NULL;
    size_t n = 0;
    fd = fd >= 0 ? fd : memfd_create("tokens", 0);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, size, 0) != (ssize_t)size) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (token_file_read(path, &tokens, &n, &err) == ERR_OK) {
        for (size_t i = 0; i < n; i++) {
            check_token(&tokens[i]);
            for (size_t k = 0; k < i; k++) {
                if (strcmp(tokens[i].id, tokens[k].id) == 0) {
                    abort();
                }
            }
        }
    }
    if (strstr(err.msg, SECRET) != NULL) {
        abort();
    }
    mem_free(tokens);
}

/* ---- patterns and times ---- */

/* By recursion, as a pattern is defined. */
static bool matches(const char *pattern, const char *end, const char *name)
{
    if (pattern == end) {
        return *name == '\0';
    }
    if (*pattern == '*') {
        return matches(pattern + 1, end, name) ||
               (*name != '\0' && matches(pattern, end, name + 1));
    }
    return *name != '\0' && (*pattern == '?' || *pattern == *name) &&
           matches(pattern + 1, end, name + 1);
}

static void check_models(char *text)
{
    char *rest = text;
    const char *models = next_line(&rest);
    bool usable = strlen(models) <= 16; /* the recursion takes long */
    bool valid = name_patterns_are_valid(models);
    if (valid !=
        (models[0] != '\0' && strlen(models) <= NAME_PATTERNS_CHARS &&
         strspn(models, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-*?,") ==
             strlen(models))) {
        abort();
    }
    for (int i = 0; i < 4; i++) {
        const char *name = next_line(&rest);
        bool found = false;
        for (const char *at = models; usable && strlen(name) <= 16;) {
            const char *end = strchr(at, ',');
            end = end != NULL ? end : at + strlen(at);
            found = found || (end > at && matches(at, end, name));
            if (*end == '\0') {
                if (found != name_patterns_match(models, name)) {
                    abort();
                }
                break;
            }
            at = end + 1;
        }
        (void)name_patterns_match(models, name);
    }
}

/* A time that is taken reads as it was written when it is written again. */
static void check_time(const char *text)
{
    int64_t ms = -1;
    char day[40];
    char second[40];
    struct tm parts;
    if (!token_parse_time(text, &ms) || strcmp(text, "never") == 0) {
        return;
    }
    time_t seconds = (time_t)(ms / 1000);
    if (ms < 0 || ms % 1000 != 0 || gmtime_r(&seconds, &parts) == NULL) {
        abort();
    }
    strftime(day, sizeof day, "%Y-%m-%d", &parts);
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%SZ", &parts);
    if (strcmp(text, second) != 0 && (strcmp(text, day) != 0 || ms % 86400000 != 0)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    char *text = arena_strndup(&arena, (const char *)data, size);
    switch (size > 0 ? data[0] : '\0') {
    case 'A':
        check_header(text + 1, &arena);
        break;
    case 'F':
        check_file(text + 1, size - 1);
        break;
    case 'M':
        check_models(text + 1);
        break;
    case 'T':
        check_time(text + 1);
        break;
    default:
        break;
    }
    arena_release(&arena);
    return 0;
}
