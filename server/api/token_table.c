/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is a hash table with open addressing, by id, of at most half as many tokens as places.
 * It is replaced as a whole. A request copies the token that it names, so that the digest is
 * computed without the lock.
 *
 * One thread looks at a time. It keeps what each source had, and sorts both into a new table when
 * one of them has changed.
 */
#include "api/token_table.h"

#include "base/clock.h"
#include "base/mem.h"
#include "access/token_file.h"
#include "store/access/token_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>

#define N_PLACES  4096 /* a power of two, at least twice the tokens of registry and file */
#define LOOK_NS   CLOCK_S
#define NO_CHANGE (-1)

_Static_assert(N_PLACES >= 4 * TOKEN_MAX_COUNT, "the table must have free places");

struct place {
    struct token token; /* an empty id: the place is free */
    struct usage usage;
};

/* The tokens of one source, as they were read last. */
struct source {
    struct token *tokens; /* [n] */
    size_t n;
    bool failed; /* its last look */
};

struct token_table {
    struct db *db;
    const char *path; /* of the file; NULL: none */
    const struct log *log;
    atomic_llong looked_ns;
    atomic_llong generation;
    atomic_size_t n_tokens;

    pthread_mutex_t turn; /* guards `looking` */
    pthread_cond_t over;  /* a look */
    bool looking;

    /* Of the thread that looks alone. */
    struct source stored;
    struct source filed;
    int64_t change;       /* of the registry, NO_CHANGE: not read yet */
    struct timespec time; /* of the file */

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

/* ---- the sources ---- */

static void keep_tokens(struct source *source, struct token *tokens, size_t n)
{
    mem_free(source->tokens);
    source->tokens = tokens;
    source->n = n;
}

/* *changed: there is something new. */
static enum err_code read_registry(struct token_table *table, bool *changed, struct err *err)
{
    struct token *tokens = NULL;
    size_t n = 0;
    int64_t change = table->change;
    if (token_store_change(table->db, &change, err) != ERR_OK || change == table->change) {
        return err->code;
    }
    if (token_store_list(table->db, &tokens, &n, err) != ERR_OK) {
        mem_free(tokens);
        return err->code;
    }
    keep_tokens(&table->stored, tokens, n);
    table->change = change;
    *changed = true;
    return ERR_OK;
}

static enum err_code read_file(struct token_table *table, bool *changed, struct err *err)
{
    struct token *tokens = NULL;
    size_t n = 0;
    struct stat about;
    if (table->path == NULL) {
        return ERR_OK;
    }
    if (stat(table->path, &about) != 0) {
        return err_set(err, ERR_IO, "tokens_file cannot be found");
    }
    struct timespec time = about.st_ctim; /* unlike the time of its content nobody can set it */
    if (time.tv_sec == table->time.tv_sec && time.tv_nsec == table->time.tv_nsec) {
        return ERR_OK;
    }
    if (token_file_read(table->path, &tokens, &n, err) != ERR_OK) {
        mem_free(tokens);
        return err->code;
    }
    keep_tokens(&table->filed, tokens, n);
    table->time = time;
    *changed = true;
    return ERR_OK;
}

/* ---- the table ---- */

static void add_tokens(struct place *places, const struct source *source)
{
    for (size_t i = 0; i < source->n; i++) {
        const struct token *token = &source->tokens[i];
        find_place(places, token->id, strlen(token->id))->token = *token;
    }
}

static void keep_usage(struct place *places, struct place *before)
{
    for (size_t i = 0; before != NULL && i < N_PLACES; i++) {
        const char *id = places[i].token.id;
        if (id[0] != '\0') {
            places[i].usage = find_place(before, id, strlen(id))->usage;
        }
    }
}

static enum err_code replace_table(struct token_table *table, struct err *err)
{
    struct place *places = mem_zalloc_array(N_PLACES, sizeof *places);
    if (places == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    /* Those of the file come last: one of the same id replaces that of the registry. */
    add_tokens(places, &table->stored);
    add_tokens(places, &table->filed);
    pthread_mutex_lock(&table->lock);
    struct place *before = table->places;
    keep_usage(places, before);
    table->places = places;
    pthread_mutex_unlock(&table->lock);
    mem_free(before);
    atomic_store_explicit(&table->n_tokens, table->stored.n + table->filed.n, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
    return ERR_OK;
}

/* ---- looks ---- */

/* A fault that lasts is told once. */
static void tell_fault(const struct token_table *table, struct source *source,
                       const struct err *fault)
{
    bool failed = fault->code != ERR_OK;
    if (failed && !source->failed) {
        log_error(table->log, "tokens not read again", "reason", err_msg(fault), NULL);
    }
    source->failed = failed;
}

/* The first fault of all. */
static enum err_code read_sources(struct token_table *table, struct err *err)
{
    bool changed = false;
    struct err of_file = ERR_INIT;
    err_kept(read_registry(table, &changed, err));
    err_kept(read_file(table, &changed, &of_file));
    if (table->places != NULL) { /* at the start the caller tells of them */
        tell_fault(table, &table->stored, err);
        tell_fault(table, &table->filed, &of_file);
    }
    if (err->code == ERR_OK && of_file.code != ERR_OK) {
        *err = of_file;
    }
    bool first = table->places == NULL;
    if (first ? err->code == ERR_OK : changed) {
        struct err memory = ERR_INIT;
        if (replace_table(table, &memory) != ERR_OK) {
            table->change = NO_CHANGE; /* so that the next look tries again */
            *err = err->code == ERR_OK ? memory : *err;
        }
    }
    return err->code;
}

/* False: another thread is looking, and we do not wait for it. */
static bool begin_look(struct token_table *table, bool wait)
{
    pthread_mutex_lock(&table->turn);
    while (table->looking && wait) {
        pthread_cond_wait(&table->over, &table->turn);
    }
    bool mine = !table->looking;
    table->looking = true;
    pthread_mutex_unlock(&table->turn);
    return mine;
}

static void end_look(struct token_table *table)
{
    pthread_mutex_lock(&table->turn);
    table->looking = false;
    pthread_cond_broadcast(&table->over);
    pthread_mutex_unlock(&table->turn);
}

/* The time is set before the look, so that a look that is asked for meanwhile is not forgotten. */
static enum err_code look(struct token_table *table, int64_t now_ns, struct err *err)
{
    atomic_store_explicit(&table->looked_ns, now_ns, memory_order_relaxed);
    return read_sources(table, err);
}

void token_table_refresh(struct token_table *table, int64_t now_ns)
{
    struct err ignored = ERR_INIT;
    if (now_ns - atomic_load_explicit(&table->looked_ns, memory_order_relaxed) >= LOOK_NS &&
        begin_look(table, false)) {
        err_kept(look(table, now_ns, &ignored));
        end_look(table);
    }
}

void token_table_look(struct token_table *table)
{
    struct err fault = ERR_INIT;
    (void)begin_look(table, true);
    if (look(table, clock_ns(), &fault) != ERR_OK) {
        atomic_store_explicit(&table->looked_ns, clock_ns() - 2 * LOOK_NS, memory_order_relaxed);
    }
    end_look(table);
}

/* ---- beginning and end ---- */

enum err_code token_table_new(struct db *db, const char *path, const struct log *log,
                              struct token_table **out, struct err *err)
{
    struct token_table *table = mem_zalloc(sizeof *table);
    if (table == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for tokens");
    }
    table->db = db;
    table->path = path;
    table->log = log;
    table->change = NO_CHANGE;
    pthread_mutex_init(&table->turn, NULL);
    pthread_cond_init(&table->over, NULL);
    pthread_mutex_init(&table->lock, NULL);
    if (look(table, clock_ns(), err) != ERR_OK) {
        token_table_free(table);
        return err->code;
    }
    *out = table;
    return ERR_OK;
}

void token_table_free(struct token_table *table)
{
    if (table != NULL) {
        pthread_mutex_destroy(&table->turn);
        pthread_cond_destroy(&table->over);
        pthread_mutex_destroy(&table->lock);
        mem_free(table->stored.tokens);
        mem_free(table->filed.tokens);
        mem_free(table->places);
        mem_free(table);
    }
}

/* ---- questions ---- */

size_t token_table_count(const struct token_table *table)
{
    return atomic_load_explicit(&table->n_tokens, memory_order_relaxed);
}

int64_t token_table_generation(const struct token_table *table)
{
    return atomic_load_explicit(&table->generation, memory_order_acquire);
}

bool token_table_has_good(struct token_table *table)
{
    bool found = false;
    pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < N_PLACES && !found; i++) {
        const struct token *token = &table->places[i].token;
        found = token->id[0] != '\0' && token_is_good(token, db_now_ms());
    }
    pthread_mutex_unlock(&table->lock);
    return found;
}

void token_table_find(struct token_table *table, const char *id, size_t n, struct token *out)
{
    pthread_mutex_lock(&table->lock);
    *out = find_place(table->places, id, n)->token;
    pthread_mutex_unlock(&table->lock);
}

/* ---- limits ---- */

/* NULL: the token has gone meanwhile. */
static struct usage *find_usage_locked(struct token_table *table, const char *id)
{
    struct place *place = find_place(table->places, id, strlen(id));
    return place->token.id[0] != '\0' ? &place->usage : NULL;
}

bool token_table_admit(struct token_table *table, const char *id, const struct limits *limits,
                       struct excess *excess)
{
    int64_t now_ns = clock_ns();
    pthread_mutex_lock(&table->lock);
    struct usage *usage = find_usage_locked(table, id);
    bool admitted = usage == NULL || usage_admit(usage, limits, now_ns, excess);
    pthread_mutex_unlock(&table->lock);
    return admitted;
}

void token_table_end(struct token_table *table, const char *id)
{
    pthread_mutex_lock(&table->lock);
    struct usage *usage = find_usage_locked(table, id);
    if (usage != NULL) {
        usage_end(usage);
    }
    pthread_mutex_unlock(&table->lock);
}

void token_table_charge(struct token_table *table, const char *id, const struct limits *limits,
                        enum limit limit, int64_t n)
{
    int64_t now_ns = clock_ns();
    pthread_mutex_lock(&table->lock);
    struct usage *usage = find_usage_locked(table, id);
    if (usage != NULL) {
        usage_charge(usage, limits, limit, n, now_ns);
    }
    pthread_mutex_unlock(&table->lock);
}
