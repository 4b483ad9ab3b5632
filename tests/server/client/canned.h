/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a server for the client in the same process, without a socket. */
#ifndef CANNED_H
#define CANNED_H

#include <stddef.h>

/*
 * The answer to a request, in the memory of malloc, so that it is not among the allocations that
 * fail; the caller frees it. NULL: there is no such route. body: ended by NUL; n_body 0: there is
 * none.
 */
char *canned_answer(const char *method, const char *path, const char *body, size_t n_body);

#endif
