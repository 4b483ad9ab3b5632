/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens are kept in a hash table by id, with open addressing, which is at most half full and is
 * replaced as a whole. A request copies the token that it names, so that the digest is computed
 * without the lock.
 */
#include "api/access.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/token_file.h"
#include "store/access/token_store.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define N_PLACES  4096 /* a power of two, at least twice the tokens of registry and file */
#define NO_FILE   "none"
#define SCHEME    "Bearer "
#define LOOK_NS   CLOCK_S
#define NO_CHANGE (-1)

_Static_assert(N_PLACES >= 4 * TOKEN_MAX_COUNT, "the table must have free places");

struct place {
    struct token token; /* an empty id: the place is free */
    int64_t second;     /* of the last request, by clock_ns */
    int64_t n_requests; /* in that second */
};

struct access {
    struct db *db;
    const char *path; /* of the file; NULL: none */
    const struct log *log;
    bool is_loopback;
    bool always; /* tokens are needed even when there are none */

    atomic_llong looked_ns;
    atomic_bool needed; /* tokens */
    /* Used only by the thread that is checking for changes. */
    atomic_flag looking;
    int64_t change;        /* of the registry, NO_CHANGE: not read yet */
    struct timespec mtime; /* of the file */
    bool failed;           /* the last check failed */

    pthread_mutex_t lock; /* guards what follows */
    struct place *places; /* [N_PLACES] */
};

static unsigned hash(const char *id, size_t n)
{
    unsigned h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (unsigned char)id[i]) * 16777619u;
    }
    return h;
}

/* The place of an id, or the free one where it belongs. */
static struct place *find_place(struct place *places, const char *id, size_t n)
{
    unsigned at = hash(id, n);
    for (;; at++) {
        struct place *place = &places[at & (N_PLACES - 1)];
        bool same = strncmp(place->token.id, id, n) == 0 && place->token.id[n] == '\0';
        if (place->token.id[0] == '\0' || same) {
            return place;
        }
    }
}

/* ---- reading the tokens ---- */

/* Tokens of the file come last: one of the same id replaces that of the registry. */
static void add_tokens(struct place *places, const struct token *tokens, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        find_place(places, tokens[i].id, strlen(tokens[i].id))->token = tokens[i];
    }
}

static void keep_counts(struct place *places, struct place *before)
{
    for (size_t i = 0; before != NULL && i < N_PLACES; i++) {
        const char *id = places[i].token.id;
        if (id[0] != '\0') {
            const struct place *old = find_place(before, id, strlen(id));
            places[i].second = old->second;
            places[i].n_requests = old->n_requests;
        }
    }
}

static enum err_code load_table(struct access *access, size_t *n_tokens, struct err *err)
{
    struct token *stored = NULL;
    struct token *filed = NULL;
    size_t n_stored = 0;
    size_t n_filed = 0;
    struct place *places = mem_zalloc_array(N_PLACES, sizeof *places);
    if (places == NULL) {
        err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    if (err->code == ERR_OK && token_store_list(access->db, &stored, &n_stored, err) == ERR_OK &&
        (access->path == NULL || token_file_read(access->path, &filed, &n_filed, err) == ERR_OK)) {
        add_tokens(places, stored, n_stored);
        add_tokens(places, filed, n_filed);
        pthread_mutex_lock(&access->lock);
        struct place *before = access->places;
        keep_counts(places, before);
        access->places = places;
        pthread_mutex_unlock(&access->lock);
        places = before;
        *n_tokens = n_stored + n_filed;
    }
    mem_free(stored);
    mem_free(filed);
    mem_free(places);
    return err->code;
}

/* The state of registry and file; true: it differs from the one that was read last. */
static bool has_changed(struct access *access, int64_t *change, struct timespec *mtime,
                        struct err *err)
{
    struct stat about = {.st_mode = 0};
    *change = access->change;
    err_kept(token_store_change(access->db, change, err));
    if (access->path != NULL && stat(access->path, &about) != 0) {
        err_set(err, ERR_IO, "tokens_file cannot be found");
    }
    *mtime = about.st_ctim; /* nobody can set it, unlike st_mtim */
    return *change != access->change || mtime->tv_sec != access->mtime.tv_sec ||
           mtime->tv_nsec != access->mtime.tv_nsec;
}

static enum err_code look(struct access *access, struct err *err)
{
    int64_t change;
    struct timespec mtime;
    size_t n_tokens = 0;
    if (!has_changed(access, &change, &mtime, err) || err->code != ERR_OK ||
        load_table(access, &n_tokens, err) != ERR_OK) {
        return err->code;
    }
    access->change = change;
    access->mtime = mtime;
    bool needed = access->always || (!access->is_loopback && n_tokens > 0);
    atomic_store_explicit(&access->needed, needed, memory_order_relaxed);
    return ERR_OK;
}

/* A fault leaves the tokens as they were, and is logged once. */
static void look_again(struct access *access, int64_t now_ns)
{
    struct err err = ERR_INIT;
    if (now_ns - atomic_load_explicit(&access->looked_ns, memory_order_relaxed) < LOOK_NS ||
        atomic_flag_test_and_set_explicit(&access->looking, memory_order_acquire)) {
        return;
    }
    bool failed = look(access, &err) != ERR_OK;
    if (failed && !access->failed) {
        log_error(access->log, "tokens not read again", "reason", err_msg(&err), NULL);
    }
    access->failed = failed;
    atomic_store_explicit(&access->looked_ns, now_ns, memory_order_relaxed);
    atomic_flag_clear_explicit(&access->looking, memory_order_release);
}

void access_notify(struct access *access)
{
    if (access != NULL) {
        atomic_store_explicit(&access->looked_ns, clock_ns() - LOOK_NS, memory_order_relaxed);
    }
}

/* ---- beginning and end ---- */

static bool has_good_token(const struct access *access)
{
    for (size_t i = 0; i < N_PLACES; i++) {
        const struct token *token = &access->places[i].token;
        if (token->id[0] != '\0' && token_is_good(token, db_now_ms())) {
            return true;
        }
    }
    return false;
}

static enum err_code check_start(const struct access *access, const struct config *config,
                                 struct err *err)
{
    if (has_good_token(access) || (access->is_loopback && !config->require_tokens)) {
        return ERR_OK;
    }
    if (config->require_tokens) {
        return err_set(err, ERR_INVALID,
                       "require_tokens is true, but there is no valid token; make one with "
                       "`surrogated token create --role admin --db FILE`");
    }
    if (!config->insecure) {
        return err_set(err, ERR_INVALID,
                       "listen is %.60s, which others can reach, and there is no valid token; make "
                       "one with `surrogated token create --role admin --db FILE`, or let anybody "
                       "in with --insecure true",
                       config->listen);
    }
    return ERR_OK;
}

enum err_code access_new(const struct config *config, struct db *db, const struct log *log,
                         struct access **out, struct err *err)
{
    struct address address;
    if (address_parse(config->listen, &address, err) != ERR_OK) {
        return err->code;
    }
    struct access *access = mem_zalloc(sizeof *access);
    if (access == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    access->db = db;
    access->log = log;
    access->path = strcmp(config->tokens_file, NO_FILE) != 0 ? config->tokens_file : NULL;
    access->is_loopback = address_is_loopback(address.host);
    access->always = config->require_tokens || !(access->is_loopback || config->insecure);
    access->change = NO_CHANGE;
    atomic_flag_clear(&access->looking);
    pthread_mutex_init(&access->lock, NULL);
    if (look(access, err) != ERR_OK || check_start(access, config, err) != ERR_OK) {
        access_free(access);
        return err->code;
    }
    atomic_store_explicit(&access->looked_ns, clock_ns(), memory_order_relaxed);
    *out = access;
    return ERR_OK;
}

void access_free(struct access *access)
{
    if (access != NULL) {
        pthread_mutex_destroy(&access->lock);
        mem_free(access->places);
        mem_free(access);
    }
}

/* ---- a request ---- */

/* The token that a request names, and whether it is that of the secret. */
static bool find_token(struct access *access, const char *header, struct token *out)
{
    const char *id;
    const char *secret;
    size_t n;
    size_t n_scheme = sizeof SCHEME - 1;
    if (header == NULL || strncasecmp(header, SCHEME, n_scheme) != 0) {
        return false;
    }
    header += n_scheme;
    if (!token_split(header + strspn(header, " "), &id, &n, &secret)) {
        return false;
    }
    pthread_mutex_lock(&access->lock);
    *out = find_place(access->places, id, n)->token;
    pthread_mutex_unlock(&access->lock);
    /* An unknown id takes as long as a wrong secret. */
    return token_has_secret(out, secret) && out->id[0] != '\0';
}

static bool has_rate(struct access *access, const struct token *token, int64_t now_ns)
{
    int64_t second = now_ns / CLOCK_S;
    bool fits = true;
    if (token->max_rate > 0) {
        pthread_mutex_lock(&access->lock);
        struct place *place = find_place(access->places, token->id, strlen(token->id));
        if (place->second != second) {
            place->second = second;
            place->n_requests = 0;
        }
        fits = place->n_requests < token->max_rate;
        place->n_requests += fits;
        pthread_mutex_unlock(&access->lock);
    }
    return fits;
}

static enum err_code keep_token(struct request *req, const struct token *token, struct err *err)
{
    req->who = arena_strndup(req->arena, token->id, strlen(token->id));
    if (strcmp(token->models, TOKEN_ALL_MODELS) != 0) {
        req->models = arena_strndup(req->arena, token->models, strlen(token->models));
    }
    if (req->who == NULL || (req->models == NULL && strcmp(token->models, TOKEN_ALL_MODELS) != 0)) {
        return err_set(err, ERR_NOMEM, "no memory for the request");
    }
    return ERR_OK;
}

enum err_code access_identify(struct access *access, struct request *req, enum role *role,
                              struct err *err)
{
    struct token token = {.id = ""};
    *role = ROLE_ADMIN;
    req->who = ACCESS_LOOPBACK;
    if (access == NULL || (access->is_loopback && !access->always)) {
        return ERR_OK; /* whatever tokens there are */
    }
    look_again(access, req->arrived_ns);
    if (!atomic_load_explicit(&access->needed, memory_order_relaxed)) {
        req->who = ACCESS_ANYBODY;
        return ERR_OK;
    }
    const char *header = request_header(req, "Authorization");
    if (header == NULL) {
        return err_set(err, ERR_UNAUTHORIZED,
                       "this server needs a token in the header Authorization: Bearer ..");
    }
    if (!find_token(access, header, &token)) {
        return err_set(err, ERR_UNAUTHORIZED, "the token is not known here");
    }
    if (!token_is_good(&token, db_now_ms())) {
        return err_set(err, ERR_UNAUTHORIZED, "the token \"%s\" %s", token.id,
                       token.revoked_ms != 0 ? "was revoked" : "has expired");
    }
    if (!has_rate(access, &token, req->arrived_ns)) {
        return err_set(err, ERR_RATE, "the token \"%s\" may send %lld requests a second", token.id,
                       (long long)token.max_rate);
    }
    *role = token.role;
    return keep_token(req, &token, err);
}

bool access_sees(const struct request *req, const char *model)
{
    return req->models == NULL || token_models_match(req->models, model);
}

enum err_code access_check_model(const struct request *req, const char *model, struct err *err)
{
    if (!access_sees(req, model)) {
        return err_set(err, ERR_FORBIDDEN, "the token \"%s\" is not for model %.64s", req->who,
                       model);
    }
    return ERR_OK;
}
