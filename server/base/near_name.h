/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the known names did somebody mean? Known names are offered one after the other; the
 * nearest one is kept if it is near enough to be a slip of the fingers.
 */
#ifndef NEAR_NAME_H
#define NEAR_NAME_H

#define NEAR_NAME_CHARS 64 /* longer names are near to none */

struct near_name {
    const char *given; /* borrowed */
    const char *best;  /* borrowed from the caller of near_name_try; NULL: none is near */
    int changes;       /* from `given` to `best` */
};

struct near_hint {
    char text[NEAR_NAME_CHARS + 32];
};

struct near_name near_name_of(const char *given);

/* Of two names that are equally near, the one that was offered first is kept. */
void near_name_try(struct near_name *near, const char *name);

/*
 * The end of an error message: "; did you mean --server?", or empty when no name is near. `mark`
 * stands before the name ("--", or "" for none).
 */
struct near_hint near_name_hint(const struct near_name *near, const char *mark);

#endif
