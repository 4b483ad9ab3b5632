/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP library alone: it reads any request to its end and answers a constant of the given size,
 * with as many threads as the server has. No server over this library can be faster.
 *
 * usage: bare_http PORT BYTES THREADS
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct MHD_Response *response;

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    static int begun;
    (void)ctx;
    (void)url;
    (void)method;
    (void)version;
    (void)data;
    if (*state == NULL) {
        *state = &begun;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s PORT BYTES THREADS\n", argv[0]);
        return 2;
    }
    size_t bytes = (size_t)atol(argv[2]);
    char *body = malloc(bytes + 1);
    memset(body, 'x', bytes);
    response = MHD_create_response_from_buffer(bytes, body, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, (uint16_t)atoi(argv[1]), NULL, NULL,
        on_request, NULL, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)atoi(argv[3]), MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "no daemon\n");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    pause();
    return 0;
}
