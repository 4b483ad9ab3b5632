/* SPDX-License-Identifier: Apache-2.0 */
/* A server's session over a channel, and a client's as GnuTLS makes it, over a pair of sockets. */
#include "run.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/channel.h"

#define SERVER 0
#define CLIENT 1

static int fds[2];
static gnutls_session_t sessions[2];
static gnutls_anon_server_credentials_t server_kind;
static gnutls_anon_client_credentials_t client_kind;
static struct tls_channel channel;

static void open_session(int side, unsigned flags, void *kind)
{
    static const char *priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2:+ANON-ECDH";
    ck_assert_int_eq(gnutls_init(&sessions[side], flags | GNUTLS_NO_SIGNAL), 0);
    ck_assert_int_eq(gnutls_priority_set_direct(sessions[side], priority, NULL), 0);
    ck_assert_int_eq(gnutls_credentials_set(sessions[side], GNUTLS_CRD_ANON, kind), 0);
    gnutls_transport_set_int(sessions[side], fds[side]);
}

static void setup(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ck_assert_int_eq(gnutls_anon_allocate_server_credentials(&server_kind), 0);
    ck_assert_int_eq(gnutls_anon_allocate_client_credentials(&client_kind), 0);
    open_session(SERVER, GNUTLS_SERVER, server_kind);
    open_session(CLIENT, GNUTLS_CLIENT, client_kind);
    tls_channel_init(&channel, sessions[SERVER], fds[SERVER]);
    int done[2] = {GNUTLS_E_AGAIN, GNUTLS_E_AGAIN};
    while (done[SERVER] != 0 || done[CLIENT] != 0) {
        for (int side = 0; side < 2; side++) {
            done[side] = done[side] != 0 ? gnutls_handshake(sessions[side]) : 0;
            ck_assert_msg(done[side] == 0 || done[side] == GNUTLS_E_AGAIN, "%s",
                          gnutls_strerror(done[side]));
        }
    }
}

static void teardown(void)
{
    for (int side = 0; side < 2; side++) {
        gnutls_deinit(sessions[side]);
        close(fds[side]);
    }
    gnutls_anon_free_server_credentials(server_kind);
    gnutls_anon_free_client_credentials(client_kind);
}

static void send_text(int side, const char *text)
{
    ck_assert_int_eq(gnutls_record_send(sessions[side], text, strlen(text)), (int)strlen(text));
}

/* Of one record, or the error. */
static const char *receive_text(int side)
{
    static char text[8192];
    ssize_t n = gnutls_record_recv(sessions[side], text, sizeof text - 1);
    if (n < 0) {
        return gnutls_strerror_name((int)n);
    }
    text[n] = '\0';
    return text;
}

/* ---- reading ---- */

START_TEST(records_that_came_together_are_read_one_by_one)
{
    send_text(CLIENT, "one");
    send_text(CLIENT, "two");
    send_text(CLIENT, "three");
    ck_assert_str_eq(receive_text(SERVER), "one");
    ck_assert_uint_gt(tls_channel_n_ahead(&channel), 0);
    char byte;
    ck_assert_int_eq(recv(fds[SERVER], &byte, 1, MSG_PEEK), -1); /* the system has none of it */
    ck_assert_str_eq(receive_text(SERVER), "two");
    ck_assert_str_eq(receive_text(SERVER), "three");
    ck_assert_uint_eq(tls_channel_n_ahead(&channel), 0);
    ck_assert_str_eq(receive_text(SERVER), "GNUTLS_E_AGAIN");
    send_text(CLIENT, "four");
    ck_assert_str_eq(receive_text(SERVER), "four");
}
END_TEST

START_TEST(the_end_is_seen_behind_the_records)
{
    send_text(CLIENT, "one");
    send_text(CLIENT, "two");
    if (_i == 0) {
        ck_assert_int_eq(gnutls_bye(sessions[CLIENT], GNUTLS_SHUT_WR), 0);
    }
    ck_assert_int_eq(shutdown(fds[CLIENT], SHUT_WR), 0);
    ck_assert_str_eq(receive_text(SERVER), "one");
    ck_assert_uint_gt(tls_channel_n_ahead(&channel), 0);
    ck_assert_str_eq(receive_text(SERVER), "two");
    ck_assert_str_eq(receive_text(SERVER), _i == 0 ? "" : "GNUTLS_E_PREMATURE_TERMINATION");
}
END_TEST

/* Lengths around what is read ahead; of each record but the last one a part stays behind. */
START_TEST(every_length_is_read_whole)
{
    static char text[6000];
    size_t n = TLS_CHANNEL_AHEAD - 100;
    for (; n < TLS_CHANNEL_AHEAD + 100; n++) {
        memset(text, 'a' + (int)(n % 26), n);
        text[n] = '\0';
        send_text(CLIENT, "short");
        send_text(CLIENT, text);
        send_text(CLIENT, text);
        ck_assert_str_eq(receive_text(SERVER), "short");
        ck_assert_str_eq(receive_text(SERVER), text);
        ck_assert_str_eq(receive_text(SERVER), text);
        ck_assert_uint_eq(tls_channel_n_ahead(&channel), 0);
    }
}
END_TEST

/* The client's bytes reach the server one at a time. */
START_TEST(a_record_may_come_in_pieces)
{
    char sealed[256];
    int way[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, way), 0);
    gnutls_transport_set_int(sessions[CLIENT], way[0]);
    send_text(CLIENT, "piece");
    ssize_t n = read(way[1], sealed, sizeof sealed);
    ck_assert_int_gt(n, 20);
    for (ssize_t i = 0; i < n; i++) {
        ck_assert_str_eq(receive_text(SERVER), "GNUTLS_E_AGAIN");
        ck_assert_int_eq(write(fds[CLIENT], sealed + i, 1), 1);
    }
    ck_assert_str_eq(receive_text(SERVER), "piece");
    close(way[0]);
    close(way[1]);
}
END_TEST

START_TEST(a_wait_ends_when_there_is_something)
{
    gnutls_record_set_timeout(sessions[SERVER], 1);
    ck_assert_str_eq(receive_text(SERVER), "GNUTLS_E_TIMEDOUT");
    send_text(CLIENT, "one");
    send_text(CLIENT, "two");
    ck_assert_str_eq(receive_text(SERVER), "one");
    ck_assert_str_eq(receive_text(SERVER), "two");
}
END_TEST

/* ---- writing ---- */

START_TEST(head_and_body_go_as_one_record)
{
    for (int again = 0; again < 3; again++) {
        tls_channel_hold(&channel, 4);
        ck_assert(channel.holds);
        ck_assert_int_eq(tls_channel_flush(&channel, false), TLS_FLUSH_NOTHING);
        ck_assert(channel.holds);
        send_text(SERVER, "head, ");
        send_text(SERVER, "body");
        ck_assert_str_eq(receive_text(CLIENT), "GNUTLS_E_AGAIN");
        ck_assert_int_eq(tls_channel_flush(&channel, again == 1), TLS_FLUSH_SENT);
        ck_assert_str_eq(receive_text(CLIENT), "head, body");
        ck_assert_int_eq(tls_channel_flush(&channel, true), TLS_FLUSH_SENT);
    }
    send_text(SERVER, "not ");
    send_text(SERVER, "held");
    ck_assert_str_eq(receive_text(CLIENT), "not ");
    ck_assert_str_eq(receive_text(CLIENT), "held");
}
END_TEST

START_TEST(nothing_is_held_after_an_answer_without_a_byte)
{
    tls_channel_hold(&channel, 4);
    ck_assert_int_eq(tls_channel_flush(&channel, true), TLS_FLUSH_SENT);
    send_text(SERVER, "next");
    ck_assert_str_eq(receive_text(CLIENT), "next");
}
END_TEST

START_TEST(only_short_bodies_are_held)
{
    static const struct {
        size_t n;
        bool held;
    } cases[] = {
        {0, false},
        {1, true},
        {TLS_CHANNEL_MAX_HELD, true},
        {TLS_CHANNEL_MAX_HELD + 1, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tls_channel_hold(&channel, cases[i].n);
        ck_assert_int_eq(channel.holds, cases[i].held);
        ck_assert_int_eq(tls_channel_flush(&channel, true), TLS_FLUSH_SENT);
    }
}
END_TEST

/* As long as its client leaves answers in the system. */
START_TEST(nothing_is_held_for_a_client_that_does_not_read)
{
    int n = 0;
    for (; n < 100; n++) {
        tls_channel_hold(&channel, TLS_CHANNEL_MAX_HELD);
        if (!channel.holds) {
            break;
        }
        send_text(SERVER, "answer");
        ck_assert_int_eq(tls_channel_flush(&channel, true), TLS_FLUSH_SENT);
    }
    ck_assert_int_gt(n, 0);
    ck_assert_int_lt(n, 5);
    for (int i = 0; i < n; i++) {
        ck_assert_str_eq(receive_text(CLIENT), "answer");
    }
    tls_channel_hold(&channel, TLS_CHANNEL_MAX_HELD);
    ck_assert(channel.holds);
    ck_assert_int_eq(tls_channel_flush(&channel, true), TLS_FLUSH_SENT);
}
END_TEST

/* What the system does not take within a moment ends the connection; so does a client that has
 * gone.
 */
START_TEST(an_answer_that_cannot_be_sent_fails)
{
    char filling[4096] = "";
    tls_channel_hold(&channel, 6);
    send_text(SERVER, "answer");
    if (_i == 0) {
        while (write(fds[SERVER], filling, sizeof filling) > 0) {
        }
    } else {
        ck_assert_int_eq(shutdown(fds[SERVER], SHUT_WR), 0);
    }
    ck_assert_int_eq(tls_channel_flush(&channel, false), TLS_FLUSH_FAILED);
    ck_assert(!channel.holds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("channel");
    TCase *tc = tcase_create("channel");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, records_that_came_together_are_read_one_by_one);
    tcase_add_loop_test(tc, the_end_is_seen_behind_the_records, 0, 2);
    tcase_add_test(tc, every_length_is_read_whole);
    tcase_add_test(tc, a_record_may_come_in_pieces);
    tcase_add_test(tc, a_wait_ends_when_there_is_something);
    tcase_add_test(tc, head_and_body_go_as_one_record);
    tcase_add_test(tc, nothing_is_held_after_an_answer_without_a_byte);
    tcase_add_test(tc, only_short_bodies_are_held);
    tcase_add_test(tc, nothing_is_held_for_a_client_that_does_not_read);
    tcase_add_loop_test(tc, an_answer_that_cannot_be_sent_fails, 0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
