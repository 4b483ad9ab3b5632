/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place that a connection has among those of its thread: taken when the listener gives it to
 * the thread, given back when the HTTP library has closed it. Counted by thread and by address.
 */
#ifndef PLACE_H
#define PLACE_H

#include "http/serve.h"

struct MHD_Connection;

/* The address of its other end; NULL: not known. */
const struct sockaddr *place_address(struct MHD_Connection *connection);

/* NULL: there was no memory for it. */
struct connection *place_find(struct MHD_Connection *connection);

/* The address whose connections are counted; a proxy has as many as its clients need. */
struct peer place_peer(const struct serve *serve, const struct sockaddr *address);

/* A connection of an address more (1) or less (-1); false: it has as many as it may. */
bool place_count_peer(struct serve *serve, const struct peer *peer, int change);

/* A connection more or less, when it is given to the thread and when it is closed. */
void place_count(struct serve_thread *thread, int change);

/* Gives the library a connection that was counted. ctx: struct serve_thread. */
void place_add(void *ctx, struct MHD_Daemon *library, int fd, const struct sockaddr *from,
               socklen_t len);

/* The library has begun a connection. NULL: there is no memory for its place. */
struct connection *place_open(struct serve_thread *thread, struct MHD_Connection *connection);
/* It has closed it. place: NULL is fine. */
void place_close(struct serve_thread *thread, struct MHD_Connection *connection,
                 struct connection *place);

/*
 * Short answers over TLS are held until head and body are there, so that they go out as one record
 * (tls/channel.h). An answer is sent when the library says that it is complete, and at the latest
 * at the end of the library's turn: nothing is held while its thread sleeps.
 */

/* An answer with a body of `n` bytes is about to be handed to the library, and the connection stays
 * open after it: the library ends a session before it says that the last answer is complete. */
void place_hold(struct serve_thread *thread, struct connection *place, size_t n);

/* The answer is complete. */
void place_send_held(struct connection *place);

/* The library's turn is over. ctx: struct serve_thread. */
void place_send_all_held(void *ctx);

#endif
