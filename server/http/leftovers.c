/* SPDX-License-Identifier: Apache-2.0 */
#include "http/leftovers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE_BYTES ((size_t)16 * 1024)
#define MAX_PIECES  16 /* of a socket at a time, so that others get their turn */

static void drop_at(struct leftovers *leftovers, int i)
{
    close(leftovers->list[i].fd);
    leftovers->n--;
    memmove(&leftovers->list[i], &leftovers->list[i + 1],
            (size_t)(leftovers->n - i) * sizeof leftovers->list[0]);
}

void leftovers_take(struct leftovers *leftovers, int fd, int64_t now_ns)
{
    if (leftovers->n == LEFTOVERS_MAX) {
        drop_at(leftovers, 0);
    }
    leftovers->list[leftovers->n++] = (struct leftover){
        .fd = fd, .until_ns = now_ns + LEFTOVERS_S * CLOCK_S, .n_left = LEFTOVERS_BYTES};
}

int leftovers_fill(const struct leftovers *leftovers, struct pollfd *out)
{
    for (int i = 0; i < leftovers->n; i++) {
        out[i] = (struct pollfd){.fd = leftovers->list[i].fd, .events = POLLIN};
    }
    return leftovers->n;
}

/* False: the client has ended its side, or has sent more than is read. */
static bool throw_away(struct leftover *one)
{
    char piece[PIECE_BYTES];
    for (int i = 0; i < MAX_PIECES; i++) {
        ssize_t got = recv(one->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (got < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        }
        if (got == 0 || (size_t)got > one->n_left) {
            return false;
        }
        one->n_left -= (size_t)got;
    }
    return true;
}

void leftovers_read(struct leftovers *leftovers, int64_t now_ns)
{
    for (int i = 0; i < leftovers->n;) {
        struct leftover *one = &leftovers->list[i];
        if (now_ns < one->until_ns && throw_away(one)) {
            i++;
        } else {
            drop_at(leftovers, i);
        }
    }
}

void leftovers_close(struct leftovers *leftovers)
{
    while (leftovers->n > 0) {
        drop_at(leftovers, leftovers->n - 1);
    }
}
