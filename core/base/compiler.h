/* SPDX-License-Identifier: Apache-2.0 */
/* The only compiler attributes used in the project. */
#ifndef COMPILER_H
#define COMPILER_H

#if defined(__GNUC__) || defined(__clang__)
#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NULL_ENDED             __attribute__((sentinel))
#else
#define MUST_CHECK
#define PRINTF_LIKE(fmt, args)
#define NULL_ENDED
#endif

#endif
