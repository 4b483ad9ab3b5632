/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that arrive in pieces, and the room they share. */
#include "run.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "http/body.h"

#define LIMIT 100000
#define MAX   ((size_t)250000)

static struct body_room room;
static char bytes[2 * LIMIT];

static void setup(void)
{
    room.max_body = LIMIT;
    room.max = MAX;
    atomic_store(&room.held, 0);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)('a' + i % 23);
    }
}

static enum err_code append(struct body *body, size_t size, struct err *err)
{
    ck_assert(body_append(body, &room, bytes + body->n, size, err));
    return err->code;
}

START_TEST(pieces_of_any_size_make_the_whole)
{
    struct body body = {.data = NULL};
    struct err err = ERR_INIT;
    for (size_t size = 1; body.n + size <= LIMIT; size = size * 5 / 3 + 1) {
        ck_assert_int_eq(append(&body, size, &err), ERR_OK);
        ck_assert_int_eq(body.data[body.n], '\0');
        ck_assert_uint_eq(atomic_load(&room.held), body.capacity);
        ck_assert_uint_gt(body.capacity, body.n);
    }
    ck_assert_int_eq(append(&body, LIMIT - body.n, &err), ERR_OK);
    ck_assert_uint_eq(body.n, LIMIT);
    ck_assert_uint_eq(body.capacity, LIMIT + 1);
    ck_assert_mem_eq(body.data, bytes, LIMIT);
    body_release(&body, &room);
    ck_assert_uint_eq(atomic_load(&room.held), 0);
}
END_TEST

START_TEST(one_that_is_too_long_is_let_go_and_read_within_reason)
{
    struct body body = {.data = NULL};
    struct err err = ERR_INIT;
    ck_assert_int_eq(append(&body, LIMIT, &err), ERR_OK);
    ck_assert_int_eq(append(&body, 1, &err), ERR_TOO_LARGE);
    ck_assert_uint_eq(atomic_load(&room.held), 0);
    ck_assert_ptr_null(body.data);
    ck_assert_uint_eq(body.n, 0);
    ck_assert(body_append(&body, &room, bytes, LIMIT, &err));
    ck_assert(body_append(&body, &room, bytes, LIMIT, &err));
    ck_assert(!body_append(&body, &room, bytes, LIMIT, &err));
    ck_assert_int_eq(err.code, ERR_TOO_LARGE);
    body_release(&body, &room);
}
END_TEST

START_TEST(a_body_may_become_as_large_as_the_room_that_is_left)
{
    struct body bodies[2] = {{.data = NULL}, {.data = NULL}};
    struct err err = ERR_INIT;
    room.max = 3 * (LIMIT + 1);
    ck_assert_int_eq(append(&bodies[0], LIMIT, &err), ERR_OK);
    ck_assert_int_eq(append(&bodies[1], LIMIT, &err), ERR_OK);
    body_release(&bodies[1], &room);
    room.max--; /* one byte less */
    ck_assert_int_eq(append(&bodies[1], LIMIT, &err), ERR_BUSY);
    ck_assert_int_gt(err.retry_s, 0);
    ck_assert_ptr_null(bodies[1].data);
    ck_assert_uint_eq(atomic_load(&room.held), bodies[0].capacity);
    body_release(&bodies[0], &room);
    err_clear(&err);
    ck_assert_int_eq(append(&bodies[1], LIMIT, &err), ERR_OK);
    body_release(&bodies[1], &room);
    ck_assert_uint_eq(atomic_load(&room.held), 0);
}
END_TEST

/* Bodies that grow as far as they can and then trickle do not shut others out. */
START_TEST(many_bodies_together_leave_room_for_another)
{
    enum { MANY = 134 };
    struct body bodies[MANY] = {{.data = NULL}};
    struct body another = {.data = NULL};
    struct err err = ERR_INIT;
    room.max = 40 * (size_t)LIMIT;
    for (int i = 0; i < MANY; i++) {
        while (bodies[i].n < LIMIT && err.code == ERR_OK) {
            /* Stops one step before it would be refused. */
            size_t size = LIMIT - bodies[i].n < 8192 ? LIMIT - bodies[i].n : 8192;
            size_t need = bodies[i].n + size + 1;
            size_t others = atomic_load(&room.held) - bodies[i].capacity;
            size_t left = room.max > others ? room.max - others : 0;
            if (need + need / 4 > BODY_SMALL && need + need / 4 > left / 2) {
                break;
            }
            ck_assert_int_eq(append(&bodies[i], size, &err), ERR_OK);
        }
        ck_assert_uint_le(atomic_load(&room.held), room.max + MANY * BODY_SMALL);
    }
    ck_assert_int_eq(append(&another, 50000, &err), ERR_OK);
    body_release(&another, &room);
    for (int i = 0; i < MANY; i++) {
        body_release(&bodies[i], &room);
    }
    ck_assert_uint_eq(atomic_load(&room.held), 0);
}
END_TEST

START_TEST(no_more_room_is_taken_than_a_quarter_beyond_what_has_arrived)
{
    struct body body = {.data = NULL};
    struct err err = ERR_INIT;
    while (body.n + 1000 <= LIMIT) {
        ck_assert_int_eq(append(&body, 1000, &err), ERR_OK);
        ck_assert_uint_le(body.capacity, body.n + body.n / 4 + 4096);
    }
    body_release(&body, &room);
}
END_TEST

/* Pieces are then copied once on average, not four times. */
START_TEST(a_buffer_grows_twofold_in_an_empty_room)
{
    const size_t wide = (size_t)1 << 30;
    struct body_room empty = {.max = wide, .max_body = wide};
    struct body body = {.data = NULL};
    struct err err = ERR_INIT;
    int times = 0;
    for (size_t had = 0; body.n < ((size_t)1 << 20); had = body.capacity) {
        ck_assert(body_append(&body, &empty, bytes, 4096, &err));
        times += body.capacity != had;
    }
    ck_assert_int_le(times, 10);
    body_release(&body, &empty);
}
END_TEST

START_TEST(a_body_alone_may_be_larger_than_the_room)
{
    struct body body = {.data = NULL};
    struct body other = {.data = NULL};
    struct err err = ERR_INIT;
    room.max = 1000;
    ck_assert_int_eq(append(&body, LIMIT, &err), ERR_OK);
    /* And small ones are let in while it is there. */
    ck_assert_int_eq(append(&other, 1, &err), ERR_OK);
    ck_assert_int_eq(append(&other, BODY_SMALL / 2, &err), ERR_OK);
    ck_assert_int_eq(append(&other, BODY_SMALL / 2, &err), ERR_BUSY);
    body_release(&body, &room);
    body_release(&other, &room);
    ck_assert_uint_eq(atomic_load(&room.held), 0);
}
END_TEST

START_TEST(short_memory_is_told_and_counted_right)
{
    for (long n = 1; n < 8; n++) {
        struct body body = {.data = NULL};
        struct err err = ERR_INIT;
        mem_fail_after(n, true);
        while (err.code == ERR_OK && body.n < LIMIT) {
            (void)append(&body, 1000, &err);
            ck_assert_uint_eq(atomic_load(&room.held), body.capacity);
        }
        bool failed = mem_attempts() >= n;
        mem_fail_after(0, false);
        ck_assert_int_eq(err.code, failed ? ERR_NOMEM : ERR_OK);
        body_release(&body, &room);
        ck_assert_uint_eq(atomic_load(&room.held), 0);
    }
}
END_TEST

START_TEST(what_a_body_grows_to_is_counted_until_it_is_released)
{
    struct body body = {.data = NULL};
    struct body other = {.data = NULL};
    struct err err = ERR_INIT;
    ck_assert_int_eq(append(&body, 100, &err), ERR_OK);
    ck_assert_int_eq(body_hold(&body, &room, LIMIT + 1, &err), ERR_TOO_LARGE);
    err_clear(&err);
    ck_assert_int_eq(body_hold(&body, &room, LIMIT, &err), ERR_OK);
    ck_assert_uint_eq(atomic_load(&room.held), body.capacity + LIMIT);
    room.max = LIMIT;
    ck_assert_int_eq(body_hold(&other, &room, LIMIT, &err), ERR_BUSY);
    ck_assert_int_gt(err.retry_s, 0);
    body_end(&body, &room);
    ck_assert_uint_eq(atomic_load(&room.held), 0);
    body_free_spare(&body);
}
END_TEST

static void *upload(void *arg)
{
    struct rng rng;
    rng_init(&rng, *(const uint64_t *)arg, RNG_TEST, 0);
    for (int i = 0; i < 300; i++) {
        struct body body = {.data = NULL};
        struct err err = ERR_INIT;
        while (err.code == ERR_OK && body.n < LIMIT) {
            size_t size = 1 + (size_t)(rng_uniform(&rng) * 20000);
            size = size < LIMIT - body.n ? size : LIMIT - body.n;
            (void)append(&body, size, &err);
        }
        ck_assert(err.code == ERR_BUSY || memcmp(body.data, bytes, LIMIT) == 0);
        body_release(&body, &room);
    }
    return NULL;
}

START_TEST(threads_share_it)
{
    pthread_t threads[4];
    uint64_t seeds[4] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, upload, &seeds[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(atomic_load(&room.held), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("body");
    TCase *tc = tcase_create("body");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, pieces_of_any_size_make_the_whole);
    tcase_add_test(tc, one_that_is_too_long_is_let_go_and_read_within_reason);
    tcase_add_test(tc, a_body_may_become_as_large_as_the_room_that_is_left);
    tcase_add_test(tc, many_bodies_together_leave_room_for_another);
    tcase_add_test(tc, no_more_room_is_taken_than_a_quarter_beyond_what_has_arrived);
    tcase_add_test(tc, a_buffer_grows_twofold_in_an_empty_room);
    tcase_add_test(tc, a_body_alone_may_be_larger_than_the_room);
    tcase_add_test(tc, short_memory_is_told_and_counted_right);
    tcase_add_test(tc, what_a_body_grows_to_is_counted_until_it_is_released);
    tcase_add_test(tc, threads_share_it);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
