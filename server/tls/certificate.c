/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GnuTLS takes a certificate that it will then not show, such as one of a kind of key that the
 * priorities exclude. Clients would see a failed handshake, and the log nothing. So whether files
 * will do is found out by a handshake between two ends in memory.
 */
#include "tls/certificate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "base/mem.h"

#define MAX_FILE_BYTES ((size_t)1024 * 1024)
#define WIRE_BYTES     ((size_t)1024 * 1024) /* of one end's part of a handshake */
#define MAX_TURNS      64                    /* of both ends; a handshake has a few */
#define SHA256_BYTES   32

static gnutls_datum_t datum_of(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

/* ---- files ---- */

void certificate_release(struct certificate *self)
{
    mem_free(self->chain);
    mem_free(self->key);
    *self = (struct certificate){.chain = NULL};
}

static enum err_code read_file(const char *setting, const char *path, char **out, struct err *err)
{
    if (path[0] == '\0') {
        return err_set(err, ERR_INVALID, "%s is missing: TLS needs tls_cert and tls_key", setting);
    }
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

/* ---- lists of certificates ---- */

struct certificate_list {
    gnutls_x509_crt_t *list;
    unsigned n;
};

static void list_release(struct certificate_list *certs)
{
    for (unsigned i = 0; i < certs->n; i++) {
        gnutls_x509_crt_deinit(certs->list[i]);
    }
    gnutls_free(certs->list);
}

static enum err_code parse_list(const char *setting, const char *pem, struct certificate_list *out,
                                struct err *err)
{
    gnutls_datum_t text = datum_of(pem);
    int status = gnutls_x509_crt_list_import2(&out->list, &out->n, &text, GNUTLS_X509_FMT_PEM, 0);
    if (status < 0 || out->n == 0) {
        return err_set(err, ERR_INVALID, "%s holds no certificate that can be read: %s", setting,
                       gnutls_strerror(status));
    }
    return ERR_OK;
}

/* ---- the pair ---- */

int certificate_import(const struct certificate *self, gnutls_pcert_st *chain, unsigned *n,
                       gnutls_privkey_t *key)
{
    gnutls_datum_t chain_text = datum_of(self->chain);
    gnutls_datum_t key_text = datum_of(self->key);
    *n = CERTIFICATE_MAX_CHAIN;
    int status = gnutls_pcert_list_import_x509_raw(chain, n, &chain_text, GNUTLS_X509_FMT_PEM, 0);
    if (status < 0) {
        return status;
    }
    status = gnutls_privkey_init(key);
    if (status >= 0) {
        status = gnutls_privkey_import_x509_raw(*key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
        if (status >= 0) {
            return status;
        }
        gnutls_privkey_deinit(*key);
    }
    for (unsigned i = 0; i < *n; i++) {
        gnutls_pcert_deinit(&chain[i]);
    }
    return status;
}

/* Takes over what is imported; `trial` releases it. */
static int fill_credentials(const struct certificate *self, gnutls_certificate_credentials_t trial)
{
    gnutls_pcert_st chain[CERTIFICATE_MAX_CHAIN];
    gnutls_privkey_t key;
    unsigned n;
    int status = certificate_import(self, chain, &n, &key);
    if (status < 0) {
        return status;
    }
    status = gnutls_certificate_set_key(trial, NULL, 0, chain, (int)n, key);
    if (status < 0) {
        for (unsigned i = 0; i < n; i++) {
            gnutls_pcert_deinit(&chain[i]);
        }
        gnutls_privkey_deinit(key);
    }
    return status;
}

static enum err_code refuse_pair(int status, struct err *err)
{
    switch (status) {
    case GNUTLS_E_CERTIFICATE_KEY_MISMATCH:
        return err_set(err, ERR_INVALID, "tls_key is not the key of the certificate in tls_cert");
    case GNUTLS_E_MEMORY_ERROR:
        return err_set(err, ERR_NOMEM, "no memory for tls_cert");
    default:
        return err_set(err, ERR_INVALID, "tls_cert and tls_key cannot be used: %s",
                       gnutls_strerror(status));
    }
}

/* ---- a handshake in memory ---- */

/* What one end has sent and the other not yet read. */
struct wire {
    char *bytes; /* [WIRE_BYTES] */
    size_t n, n_read;
};

struct end {
    gnutls_session_t session;
    struct wire *out, *in;
    int status; /* of the handshake */
};

static ssize_t push(gnutls_transport_ptr_t ctx, const void *data, size_t n)
{
    struct end *end = ctx;
    struct wire *wire = end->out;
    if (n > WIRE_BYTES - wire->n) {
        gnutls_transport_set_errno(end->session, EMSGSIZE);
        return -1;
    }
    memcpy(wire->bytes + wire->n, data, n);
    wire->n += n;
    return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t ctx, void *data, size_t n)
{
    struct end *end = ctx;
    struct wire *wire = end->in;
    size_t left = wire->n - wire->n_read;
    if (left == 0) {
        gnutls_transport_set_errno(end->session, EAGAIN);
        return -1;
    }
    n = n < left ? n : left;
    memcpy(data, wire->bytes + wire->n_read, n);
    wire->n_read += n;
    return (ssize_t)n;
}

static int open_end(struct end *end, unsigned flags, gnutls_certificate_credentials_t credentials)
{
    int status = gnutls_init(&end->session, flags | GNUTLS_NONBLOCK);
    if (status < 0) {
        end->session = NULL;
        return status;
    }
    gnutls_transport_set_ptr(end->session, end);
    gnutls_transport_set_push_function(end->session, push);
    gnutls_transport_set_pull_function(end->session, pull);
    status = gnutls_priority_set_direct(end->session, TLS_PRIORITIES, NULL);
    return status < 0 ? status
                      : gnutls_credentials_set(end->session, GNUTLS_CRD_CERTIFICATE, credentials);
}

/* Each end in turn, until both are done or one gives up. The client takes any certificate. */
static int shake_hands(struct end *server, struct end *client)
{
    server->status = client->status = GNUTLS_E_AGAIN;
    for (int i = 0; i < MAX_TURNS; i++) {
        struct end *turn = i % 2 == 0 ? client : server;
        if (turn->status != GNUTLS_E_SUCCESS) {
            turn->status = gnutls_handshake(turn->session);
        }
        if (gnutls_error_is_fatal(turn->status) != 0) {
            return turn->status;
        }
        if (server->status == GNUTLS_E_SUCCESS && client->status == GNUTLS_E_SUCCESS) {
            return GNUTLS_E_SUCCESS;
        }
    }
    return GNUTLS_E_TIMEDOUT;
}

static int try_handshake(gnutls_certificate_credentials_t ours)
{
    struct wire wires[2] = {{.bytes = mem_alloc(WIRE_BYTES)}, {.bytes = mem_alloc(WIRE_BYTES)}};
    struct end server = {.out = &wires[0], .in = &wires[1]};
    struct end client = {.out = &wires[1], .in = &wires[0]};
    gnutls_certificate_credentials_t theirs = NULL;
    int status = GNUTLS_E_MEMORY_ERROR;
    if (wires[0].bytes != NULL && wires[1].bytes != NULL &&
        gnutls_certificate_allocate_credentials(&theirs) >= 0) {
        status = open_end(&server, GNUTLS_SERVER, ours);
    }
    if (status >= 0) {
        status = open_end(&client, GNUTLS_CLIENT, theirs);
    }
    if (status >= 0) {
        status = shake_hands(&server, &client);
    }
    gnutls_deinit(server.session);
    gnutls_deinit(client.session);
    gnutls_certificate_free_credentials(theirs);
    mem_free(wires[0].bytes);
    mem_free(wires[1].bytes);
    return status;
}

/* What is too much for it GnuTLS leaves out without a word. */
static enum err_code check_length(const char *pem, struct err *err)
{
    struct certificate_list certs = {.n = 0};
    if (parse_list("tls_cert", pem, &certs, err) == ERR_OK && certs.n > CERTIFICATE_MAX_CHAIN) {
        err_set(err, ERR_INVALID, "tls_cert has %u certificates, at most %d are sent to clients",
                certs.n, CERTIFICATE_MAX_CHAIN);
    }
    list_release(&certs);
    return err->code;
}

static enum err_code check_pair(const struct certificate *self, struct err *err)
{
    gnutls_certificate_credentials_t trial = NULL;
    if (gnutls_certificate_allocate_credentials(&trial) < 0) {
        return err_set(err, ERR_NOMEM, "no memory for tls_cert");
    }
    int status = fill_credentials(self, trial);
    if (status < 0) {
        err_kept(refuse_pair(status, err));
    } else if ((status = try_handshake(trial)) < 0) {
        err_set(err, ERR_INVALID, "no client could connect with tls_cert and tls_key: %s",
                gnutls_strerror(status));
    }
    gnutls_certificate_free_credentials(trial);
    return err->code;
}

enum err_code certificate_read(const char *chain_path, const char *key_path,
                               struct certificate *out, struct err *err)
{
    struct certificate read = {.chain = NULL};
    if (read_file("tls_cert", chain_path, &read.chain, err) != ERR_OK ||
        read_file("tls_key", key_path, &read.key, err) != ERR_OK ||
        check_length(read.chain, err) != ERR_OK || check_pair(&read, err) != ERR_OK) {
        certificate_release(&read);
        return err->code;
    }
    *out = read;
    return ERR_OK;
}

/* ---- facts ---- */

enum err_code certificate_read_times(const struct certificate *self, struct certificate_times *out,
                                     struct err *err)
{
    struct certificate_list certs = {.n = 0};
    if (parse_list("tls_cert", self->chain, &certs, err) != ERR_OK) {
        return err->code;
    }
    out->begin = gnutls_x509_crt_get_activation_time(certs.list[0]);
    out->end = gnutls_x509_crt_get_expiration_time(certs.list[0]);
    list_release(&certs);
    return ERR_OK;
}

enum err_code certificate_read_authorities(const char *path, char **out, struct err *err)
{
    struct certificate_list certs = {.n = 0};
    char *text = NULL;
    if (read_file("tls_client_ca", path, &text, err) == ERR_OK &&
        parse_list("tls_client_ca", text, &certs, err) == ERR_OK) {
        list_release(&certs);
        *out = text;
        text = NULL;
    }
    mem_free(text);
    return err->code;
}

static int write_pin(gnutls_x509_crt_t cert, char out[CERTIFICATE_PIN_CHARS])
{
    gnutls_pubkey_t key = NULL;
    gnutls_datum_t der = {.data = NULL};
    gnutls_datum_t text = {.data = NULL};
    unsigned char digest[SHA256_BYTES];
    gnutls_datum_t bytes = {.data = digest, .size = sizeof digest};
    int status = gnutls_pubkey_init(&key);
    status = status < 0 ? status : gnutls_pubkey_import_x509(key, cert, 0);
    status = status < 0 ? status : gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &der);
    status = status < 0 ? status : gnutls_hash_fast(GNUTLS_DIG_SHA256, der.data, der.size, digest);
    status = status < 0 ? status : gnutls_base64_encode2(&bytes, &text);
    if (status >= 0) {
        snprintf(out, CERTIFICATE_PIN_CHARS, "sha256//%.*s", (int)text.size,
                 (const char *)text.data);
    }
    gnutls_pubkey_deinit(key);
    gnutls_free(der.data);
    gnutls_free(text.data);
    return status;
}

enum err_code certificate_read_pin(const char *path, char out[CERTIFICATE_PIN_CHARS],
                                   struct err *err)
{
    struct certificate_list certs = {.n = 0};
    char *text = NULL;
    if (read_file("tls_cert", path, &text, err) == ERR_OK &&
        parse_list("tls_cert", text, &certs, err) == ERR_OK) {
        int status = write_pin(certs.list[0], out);
        if (status < 0) {
            err_set(err, ERR_INVALID, "tls_cert has no public key: %s", gnutls_strerror(status));
        }
    }
    list_release(&certs);
    mem_free(text);
    return err->code;
}
