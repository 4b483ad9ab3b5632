/* SPDX-License-Identifier: Apache-2.0 */
#include "library/handle.h"

#include "base/known.h"
#include "base/numtext.h"
#include "base/par.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"

#define DEFAULT_TIMEOUT_S 60.0
#define DEFAULT_RETRY_S   60.0
#define MAX_SECONDS       86400.0
#define MAX_RANK          1e9

static const char *const names[] = {
#define SETTING(ID, name, variable) name,
#include "library/settings.def"
#undef SETTING
};

static const char *const variables[] = {
#define SETTING(ID, name, variable) variable,
#include "library/settings.def"
#undef SETTING
};

/* Where launchers of MPI programs say which rank a process has: Open MPI and PMIx, MPICH and others
 * with PMI, MVAPICH, Slurm. */
static const char *const rank_variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                             "MV2_COMM_WORLD_RANK", "SLURM_PROCID"};

enum err_code settings_find(const char *name, enum setting *out, struct err *err)
{
    const struct names known = {names, N_SETTINGS};
    int at = names_find(known, name);
    if (at < 0) {
        return known_refuse("setting", name, known, err);
    }
    *out = (enum setting)at;
    return ERR_OK;
}

struct number_setting {
    double low, high;
    bool whole;
    double *out;
};

static enum err_code read_number(enum setting setting, const char *text,
                                 const struct number_setting *number, struct err *err)
{
    const char *end = text;
    double value = NAN;
    enum numtext_status status = numtext_read(text, text + strlen(text), &end, &value);
    if (status != NUMTEXT_OK || *end != '\0' || !(value >= number->low && value <= number->high) ||
        (number->whole && value != floor(value))) {
        return err_set(err, ERR_INVALID, "%s is \"%.40s\"; %s from %g to %g is needed",
                       names[setting], text, number->whole ? "a whole number" : "a number",
                       number->low, number->high);
    }
    *number->out = value;
    return ERR_OK;
}

static int64_t find_rank(void)
{
    for (size_t i = 0; i < sizeof rank_variables / sizeof *rank_variables; i++) {
        const char *text = getenv(rank_variables[i]);
        if (text != NULL && text[0] >= '0' && text[0] <= '9') {
            long long rank = strtoll(text, NULL, 10);
            return rank <= (long long)MAX_RANK ? rank : -1;
        }
    }
    return -1;
}

/* What of a setting is kept as a number. */
static enum err_code apply_number(struct surr *s, enum setting setting, const char *value,
                                  struct err *err)
{
    double threads = 1.0;
    double rank = -1.0;
    struct number_setting number = {.low = 0.0, .high = MAX_SECONDS};
    switch ((int)setting) {
    case SETTING_TIMEOUT:
        number.low = 0.001;
        number.out = &s->timeout_s;
        break;
    case SETTING_RETRY:
        number.out = &s->retry_s;
        break;
    case SETTING_THREADS:
        number = (struct number_setting){1.0, PAR_MAX_THREADS, true, &threads};
        break;
    case SETTING_RANK:
        number = (struct number_setting){0.0, MAX_RANK, true, &rank};
        break;
    default:
        return ERR_OK;
    }
    if (value == NULL) {
        s->timeout_s = setting == SETTING_TIMEOUT ? DEFAULT_TIMEOUT_S : s->timeout_s;
        s->retry_s = setting == SETTING_RETRY ? DEFAULT_RETRY_S : s->retry_s;
    } else if (read_number(setting, value, &number, err) != ERR_OK) {
        return err->code;
    }
    s->n_threads = setting == SETTING_THREADS ? (int)threads : s->n_threads;
    if (setting == SETTING_RANK) {
        s->rank = value != NULL ? (int64_t)rank : find_rank();
    }
    return ERR_OK;
}

static enum err_code check_text(enum setting setting, const char *value, struct err *err)
{
    if (value == NULL) {
        return ERR_OK;
    }
    if (setting == SETTING_SOURCE || setting == SETTING_VERSION) {
        for (const char *c = value; *c != '\0'; c++) {
            if ((unsigned char)*c < ' ') {
                return err_set(err, ERR_INVALID,
                               "%s holds a line break or another control character",
                               names[setting]);
            }
        }
    }
    return ERR_OK;
}

enum err_code settings_change(struct surr *s, enum setting setting, const char *value,
                              struct err *err)
{
    char *copy = value != NULL ? mem_strdup(value) : NULL;
    if (value != NULL && copy == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for a setting");
    }
    if (check_text(setting, value, err) != ERR_OK ||
        apply_number(s, setting, value, err) != ERR_OK) {
        mem_free(copy);
        return err->code;
    }
    char *old = s->settings[setting];
    if (old != NULL && setting == SETTING_TOKEN) {
        digest_forget(old, strlen(old));
    }
    mem_free(old);
    s->settings[setting] = copy;
    return ERR_OK;
}

enum err_code settings_init(struct surr *s, struct err *err)
{
    for (int i = 0; i < N_SETTINGS && err->code == ERR_OK; i++) {
        const char *value = variables[i] != NULL ? getenv(variables[i]) : NULL;
        err_kept(settings_change(s, (enum setting)i, value != NULL && *value != '\0' ? value : NULL,
                                 err));
    }
    return err->code;
}
