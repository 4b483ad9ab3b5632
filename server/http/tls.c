/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define MAX_FILE_BYTES ((size_t)1024 * 1024)
#define MAX_CHAIN      16 /* certificates from the server's to its root */

/* How a file looked when it was read. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct pem {
    char *cert; /* mem, with a NUL */
    char *key;
};

struct tls {
    struct tls_settings settings;
    char *client_ca;
    struct stamp cert_stamp, key_stamp;
    bool failed;          /* the files could not be used: they are tried again */
    pthread_mutex_t lock; /* guards what follows */
    struct pem pem;
};

static void pem_release(struct pem *pem)
{
    mem_free(pem->cert);
    mem_free(pem->key);
}

static enum err_code read_file(const char *setting, const char *path, char **out, struct err *err)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return err_set(err, ERR_INVALID, "%s: %.200s cannot be read: %s", setting, path,
                       strerror(errno));
    }
    char *text = mem_alloc(MAX_FILE_BYTES + 1);
    size_t len = text != NULL ? fread(text, 1, MAX_FILE_BYTES + 1, file) : 0;
    bool failed = ferror(file) != 0;
    fclose(file);
    if (text == NULL) {
        return err_set(err, ERR_NOMEM, "no memory for %s", setting);
    }
    if (failed || len > MAX_FILE_BYTES) {
        err_set(err, ERR_INVALID, "%s: %.200s cannot be read or is larger than %zu bytes", setting,
                path, MAX_FILE_BYTES);
    } else {
        text[len] = '\0';
        *out = mem_strdup(text);
        if (*out == NULL) {
            err_set(err, ERR_NOMEM, "no memory for %s", setting);
        }
    }
    gnutls_memset(text, 0, MAX_FILE_BYTES + 1);
    mem_free(text);
    return err->code;
}

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

/* Are both usable, and do they belong together? */
static enum err_code check_pair(const struct pem *pem, struct err *err)
{
    gnutls_certificate_credentials_t trial = NULL;
    gnutls_datum_t cert = datum_of(pem->cert);
    gnutls_datum_t key = datum_of(pem->key);
    if (gnutls_certificate_allocate_credentials(&trial) != GNUTLS_E_SUCCESS) {
        return err_set(err, ERR_NOMEM, "no memory for tls_cert");
    }
    int status = gnutls_certificate_set_x509_key_mem(trial, &cert, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(trial);
    if (status == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return err_set(err, ERR_INVALID, "tls_key is not the key of the certificate in tls_cert");
    }
    if (status < 0) {
        return err_set(err, ERR_INVALID, "tls_cert and tls_key cannot be used: %s",
                       gnutls_strerror(status));
    }
    return ERR_OK;
}

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

static enum err_code load_pair(struct tls *tls, struct err *err)
{
    struct pem pem = {.cert = NULL};
    tls->cert_stamp = stamp_of(tls->settings.cert);
    tls->key_stamp = stamp_of(tls->settings.key);
    if (read_file("tls_cert", tls->settings.cert, &pem.cert, err) == ERR_OK &&
        read_file("tls_key", tls->settings.key, &pem.key, err) == ERR_OK &&
        check_pair(&pem, err) == ERR_OK) {
        pthread_mutex_lock(&tls->lock);
        struct pem old = tls->pem;
        tls->pem = pem;
        pthread_mutex_unlock(&tls->lock);
        pem = old;
    }
    pem_release(&pem);
    return err->code;
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
        err_kept(read_file("tls_client_ca", settings->client_ca, &tls->client_ca, err));
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
        pem_release(&tls->pem);
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
    tls->failed = load_pair(tls, &err) != ERR_OK;
    if (!tls->failed) {
        log_info(tls->settings.log, "certificate taken over", "file", tls->settings.cert, NULL);
    } else {
        log_error(tls->settings.log, "certificate not taken over", "reason", err_msg(&err), NULL);
    }
}

const char *tls_client_ca(const struct tls *tls)
{
    return tls->client_ca;
}

/* Copies, since the files may be read again during the handshake. */
static struct pem copy_pem(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    struct pem copy = {mem_strdup(tls->pem.cert), mem_strdup(tls->pem.key)};
    pthread_mutex_unlock(&tls->lock);
    return copy;
}

static int import_pair(const struct pem *pem, gnutls_pcert_st *chain, unsigned *n_certs,
                       gnutls_privkey_t *key)
{
    gnutls_datum_t cert_text = datum_of(pem->cert);
    gnutls_datum_t key_text = datum_of(pem->key);
    *n_certs = MAX_CHAIN;
    if (gnutls_pcert_list_import_x509_raw(chain, n_certs, &cert_text, GNUTLS_X509_FMT_PEM, 0) < 0) {
        return -1;
    }
    if (gnutls_privkey_init(key) == 0) {
        if (gnutls_privkey_import_x509_raw(*key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0) == 0) {
            return 0;
        }
        gnutls_privkey_deinit(*key);
    }
    for (unsigned i = 0; i < *n_certs; i++) {
        gnutls_pcert_deinit(&chain[i]);
    }
    return -1;
}

int tls_retrieve(struct tls *tls, gnutls_pcert_st **certs, unsigned *n_certs, gnutls_privkey_t *key)
{
    struct pem pem = copy_pem(tls);
    /* GnuTLS frees it after the handshake. */
    gnutls_pcert_st *chain = gnutls_calloc(MAX_CHAIN, sizeof *chain);
    int status = -1;
    if (pem.cert != NULL && pem.key != NULL && chain != NULL) {
        status = import_pair(&pem, chain, n_certs, key);
    }
    if (status == 0) {
        *certs = chain;
    } else {
        gnutls_free(chain);
    }
    pem_release(&pem);
    return status;
}

bool tls_knows_client(gnutls_session_t session)
{
    unsigned faults = 1;
    return gnutls_certificate_verify_peers2(session, &faults) == GNUTLS_E_SUCCESS && faults == 0;
}
