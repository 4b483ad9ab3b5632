/* SPDX-License-Identifier: Apache-2.0 */
#include "http/place.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tls/channel.h"

const struct sockaddr *place_address(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info != NULL ? info->client_addr : NULL;
}

struct connection *place_find(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

struct peer place_peer(const struct serve *serve, const struct sockaddr *address)
{
    const struct proxies *proxies = serve->settings.proxies;
    if (proxies != NULL && proxies_trust(proxies, address)) {
        return (struct peer){{0}};
    }
    return peer_of(address);
}

/* Without memory for it the session works as GnuTLS made it. */
static struct tls_channel *open_channel(struct MHD_Connection *connection, int fd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    struct tls_channel *channel = info != NULL ? mem_alloc(sizeof *channel) : NULL;
    if (channel != NULL) {
        tls_channel_init(channel, info->tls_session, fd);
    }
    return channel;
}

struct connection *place_open(struct serve_thread *thread, struct MHD_Connection *connection)
{
    const struct sockaddr *address = place_address(connection);
    const struct proxies *proxies = thread->serve->settings.proxies;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *place = info != NULL ? mem_alloc(sizeof *place) : NULL;
    if (place != NULL) {
        connections_add(&thread->connections, place, info->connect_fd, clock_ns());
        place->tls = thread->tls;
        place->channel = thread->tls != NULL ? open_channel(connection, place->fd) : NULL;
        place->peer = address != NULL ? peer_of(address) : (struct peer){{0}};
        place->of_proxy = proxies != NULL && address != NULL && proxies_trust(proxies, address);
    }
    return place;
}

void place_count(struct serve_thread *thread, int change)
{
    atomic_fetch_add_explicit(&thread->serve->connections, change, memory_order_relaxed);
    atomic_fetch_add_explicit(&thread->n_given, change, memory_order_relaxed);
}

bool place_count_peer(struct serve *serve, const struct peer *peer, int change)
{
    struct peers *peers = serve->settings.peers;
    if (peers != NULL && change > 0) {
        return peers_add(peers, peer, PEER_CONNECTIONS, serve->settings.max_peer_connections);
    }
    if (peers != NULL) {
        peers_remove(peers, peer, PEER_CONNECTIONS);
    }
    return true;
}

static void end_connection(struct serve_thread *thread, const struct sockaddr *address)
{
    thread->ended = true;
    place_count(thread, -1);
    if (address != NULL) {
        struct peer peer = place_peer(thread->serve, address);
        (void)place_count_peer(thread->serve, &peer, -1);
    }
}

/* When it fails the library has closed the socket, before or after it announced the connection. */
void place_add(void *ctx, struct MHD_Daemon *library, int fd, const struct sockaddr *from,
               socklen_t len)
{
    struct serve_thread *thread = ctx;
    thread->ended = false;
    if (MHD_add_connection(library, fd, from, len) != MHD_YES && !thread->ended) {
        end_connection(thread, from);
    }
}

static void forget_held(struct connections *all, const struct connection *connection)
{
    struct connection **at = &all->held;
    while (*at != NULL && *at != connection) {
        at = &(*at)->next_held;
    }
    if (*at != NULL) {
        *at = connection->next_held;
    }
}

void place_close(struct serve_thread *thread, struct MHD_Connection *connection,
                 struct connection *place)
{
    if (place != NULL) {
        forget_held(&thread->connections, place);
        connections_remove(&thread->connections, place);
        token_memory_forget(&place->memory);
        mem_free(place->channel);
        mem_free(place);
    }
    end_connection(thread, place_address(connection));
}

/* ---- short answers over TLS ---- */

void place_hold(struct serve_thread *thread, struct connection *place, size_t n)
{
    struct connections *all = &thread->connections;
    tls_channel_hold(place->channel, n);
    if (place->channel->holds && !place->listed) {
        place->listed = true;
        place->next_held = all->held;
        all->held = place;
    }
}

/* False: all that it holds has been sent, or never will be. */
static bool is_left(struct connection *place, bool complete)
{
    enum tls_flush flush = tls_channel_flush(place->channel, complete);
    if (flush == TLS_FLUSH_FAILED) {
        place->cut = true;
        (void)shutdown(place->fd, SHUT_RDWR);
    }
    return flush == TLS_FLUSH_NOTHING;
}

void place_send_held(struct connection *place)
{
    if (place->channel != NULL) {
        (void)is_left(place, true);
    }
}

void place_send_all_held(void *ctx)
{
    struct serve_thread *thread = ctx;
    struct connection **at = &thread->connections.held;
    while (*at != NULL) {
        struct connection *place = *at;
        if (is_left(place, false)) {
            at = &place->next_held; /* the library has not written any of the answer yet */
        } else {
            place->listed = false;
            *at = place->next_held;
        }
    }
}
