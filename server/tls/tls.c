/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/tls.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "tls/certificate.h"

/* How a file looked when it was read. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct tls {
    struct tls_settings settings;
    char *client_ca;
    struct stamp cert_stamp, key_stamp;
    bool failed;          /* the files could not be used: they are tried again */
    pthread_mutex_t lock; /* guards what follows */
    struct certificate certificate;
};

static struct stamp stamp_of(const char *path)
{
    struct stat st;
    struct stamp stamp;
    memset(&stamp, 0, sizeof stamp); /* compared as bytes */
    if (stat(path, &st) == 0) {
        stamp.device = st.st_dev;
        stamp.inode = st.st_ino;
        stamp.size = st.st_size;
        stamp.modified = st.st_mtim;
    }
    return stamp;
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Clients will refuse it, but that is for the operator to mend, not for us to stop for. */
static void warn_of_times(const struct tls *tls, const struct certificate *certificate)
{
    struct certificate_times times;
    struct err err = ERR_INIT;
    time_t now = time(NULL);
    if (certificate_read_times(certificate, &times, &err) != ERR_OK) {
        return;
    }
    if (times.end < now) {
        log_warn(tls->settings.log, "the certificate has expired", "file", tls->settings.cert,
                 "expired_s_ago", LOG_INT(now - times.end), NULL);
    } else if (times.begin > now) {
        log_warn(tls->settings.log, "the certificate is not valid yet", "file", tls->settings.cert,
                 "valid_in_s", LOG_INT(times.begin - now), NULL);
    }
}

static enum err_code load_pair(struct tls *tls, struct err *err)
{
    struct certificate certificate = {.chain = NULL};
    tls->cert_stamp = stamp_of(tls->settings.cert);
    tls->key_stamp = stamp_of(tls->settings.key);
    if (certificate_read(tls->settings.cert, tls->settings.key, &certificate, err) == ERR_OK) {
        warn_of_times(tls, &certificate);
        pthread_mutex_lock(&tls->lock);
        struct certificate old = tls->certificate;
        tls->certificate = certificate;
        pthread_mutex_unlock(&tls->lock);
        certificate = old;
    }
    certificate_release(&certificate);
    return err->code;
}

bool tls_is_asked_for(const struct tls_settings *settings)
{
    const char *const files[] = {settings->cert, settings->key, settings->client_ca};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (files[i] != NULL && files[i][0] != '\0') {
            return true;
        }
    }
    return false;
}

enum err_code tls_open(const struct tls_settings *settings, struct tls **out, struct err *err)
{
    struct tls *tls = mem_zalloc(sizeof *tls);
    if (tls == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for TLS");
    }
    tls->settings = *settings;
    pthread_mutex_init(&tls->lock, NULL);
    if (load_pair(tls, err) == ERR_OK && settings->client_ca[0] != '\0') {
        err_kept(certificate_read_authorities(settings->client_ca, &tls->client_ca, err));
    }
    if (err->code != ERR_OK) {
        tls_close(tls);
        return err->code;
    }
    *out = tls;
    return ERR_OK;
}

void tls_close(struct tls *tls)
{
    if (tls != NULL) {
        certificate_release(&tls->certificate);
        mem_free(tls->client_ca);
        pthread_mutex_destroy(&tls->lock);
        mem_free(tls);
    }
}

void tls_refresh(struct tls *tls, bool force)
{
    struct err err = ERR_INIT;
    struct stamp cert = stamp_of(tls->settings.cert);
    struct stamp key = stamp_of(tls->settings.key);
    if (!force && !tls->failed && same_stamp(&cert, &tls->cert_stamp) &&
        same_stamp(&key, &tls->key_stamp)) {
        return;
    }
    bool told = !force && tls->failed && same_stamp(&cert, &tls->cert_stamp) &&
                same_stamp(&key, &tls->key_stamp);
    tls->failed = load_pair(tls, &err) != ERR_OK;
    if (!tls->failed) {
        log_info(tls->settings.log, "certificate taken over", "file", tls->settings.cert, NULL);
    } else if (!told) {
        log_error(tls->settings.log, "certificate not taken over", "reason", err_msg(&err), NULL);
    }
}

const char *tls_client_ca(const struct tls *tls)
{
    return tls->client_ca;
}

/* Copies, since the files may be read again during the handshake. */
static struct certificate copy_certificate(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    struct certificate copy = {mem_strdup(tls->certificate.chain),
                               mem_strdup(tls->certificate.key)};
    pthread_mutex_unlock(&tls->lock);
    return copy;
}

int tls_retrieve(struct tls *tls, gnutls_pcert_st **certs, unsigned *n_certs, gnutls_privkey_t *key)
{
    struct certificate copy = copy_certificate(tls);
    /* GnuTLS frees it after the handshake. */
    gnutls_pcert_st *chain = gnutls_calloc(CERTIFICATE_MAX_CHAIN, sizeof *chain);
    bool good = copy.chain != NULL && copy.key != NULL && chain != NULL &&
                certificate_import(&copy, chain, n_certs, key) >= 0;
    if (good) {
        *certs = chain;
    } else {
        gnutls_free(chain);
    }
    certificate_release(&copy);
    return good ? 0 : -1;
}

bool tls_knows_client(gnutls_session_t session)
{
    unsigned faults = 1;
    return gnutls_certificate_verify_peers2(session, &faults) == GNUTLS_E_SUCCESS && faults == 0;
}

void tls_send_last(gnutls_session_t session, const char *text, size_t n)
{
    if (gnutls_record_send(session, text, n) > 0) {
        (void)gnutls_bye(session, GNUTLS_SHUT_WR);
    }
}
