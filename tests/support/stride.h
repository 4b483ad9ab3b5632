/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Under a sanitizer, which is slow, a test of every n takes each STRIDE-th of them, the first ones
 * all: what goes wrong at some n nearly always does at its neighbours.
 */
#ifndef STRIDE_H
#define STRIDE_H

#if defined(__SANITIZE_THREAD__)
#define STRIDE 23
#elif defined(__SANITIZE_ADDRESS__)
#define STRIDE 7
#else
#define STRIDE 1
#endif

/* The n after this one, where `usual` is the step without a sanitizer. */
static inline long stride_next(long n, long usual)
{
    return n < 5 ? n + 1 : n + usual * STRIDE;
}

#endif
