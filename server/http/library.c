/* SPDX-License-Identifier: Apache-2.0 */
/* An instance of the library for a thread, and what it calls beside requests. */
#include "http/serve_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tls/certificate.h"
#include "http/head.h"
#include "http/place.h"

/* Buffers of a connection. The library clears them after each request, so more is slower. */
#define CONNECTION_BYTES ((size_t)16 * 1024)
/* The library's own limit of connections is never met: worker.h says why. */
#define LIBRARY_CONNECTIONS 1000000000u
/* The strictest that RFC 9112 allows a server to be. */
#define STRICTEST_WITHIN_RULES 1

static void on_connection(void *ctx, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *place = place_open(ctx, connection);
    } else {
        place_close(ctx, connection, *place);
    }
}

/* Escapes are ours to decode, so that %00 and bad ones are seen. */
static size_t leave_escaped(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

static void on_log(void *ctx, const char *fmt, va_list args) PRINTF_LIKE(2, 0);

static void on_log(void *ctx, const char *fmt, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, fmt, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug(ctx, "http library", "text", text, NULL);
}

/* The session's pointer is the library's connection. */
static int retrieve_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                                gnutls_pcert_st **certs, unsigned *n_certs,
                                gnutls_ocsp_data_st **ocsp, unsigned *n_ocsp, gnutls_privkey_t *key,
                                unsigned *flags)
{
    (void)info;
    (void)ocsp;
    *n_ocsp = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    const struct connection *place = place_find(gnutls_session_get_ptr(session));
    return place != NULL ? tls_retrieve(place->tls, certs, n_certs, key) : -1;
}

struct MHD_Daemon *serve_open_library(void *ctx)
{
    struct serve_thread *thread = ctx;
    const struct daemon_settings *s = &thread->serve->settings;
    struct tls *tls = thread->tls;
    const char *client_ca = tls != NULL ? tls_client_ca(tls) : NULL;
    struct MHD_OptionItem items[] = {
#if MHD_VERSION >= 0x00097701
        /* What may be read in two ways is refused; http/head.h sees to older versions. */
        {MHD_OPTION_CLIENT_DISCIPLINE_LVL, STRICTEST_WITHIN_RULES, NULL},
#endif
        {tls != NULL ? MHD_OPTION_HTTPS_PRIORITIES : MHD_OPTION_END, 0,
         (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)retrieve_certificate},
        {client_ca != NULL ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         (void *)(uintptr_t)client_ca},
        {MHD_OPTION_END, 0, NULL}
    };
    return MHD_start_daemon(
        (tls != NULL ? MHD_USE_TLS : 0u) | MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
            MHD_USE_ERROR_LOG | MHD_ALLOW_SUSPEND_RESUME,
        0, NULL, NULL, serve_request, thread, MHD_OPTION_EXTERNAL_LOGGER, on_log, s->log,
        MHD_OPTION_CONNECTION_LIMIT, LIBRARY_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)s->idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_NOTIFY_COMPLETED, serve_completed, thread, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, thread, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, head_cut_query, NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}
