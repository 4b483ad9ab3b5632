/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a request's head that the library hides. To 0.9.75 a header without a name, or a line
 * that begins with a NUL, is the end of the head: what follows would be run as the next request,
 * while a proxy in front took it for headers of this one. It also joins the lines of a folded
 * header, ends a value at a NUL, and takes a bare LF for the end of a line.
 *
 * None of this can be seen in the headers themselves, but in where they lie: the library leaves
 * them in the bytes that it has read. Headers that do not follow upon one another, with a CRLF
 * between them and two at the end, have something hidden between them.
 *
 * Some things nobody can tell even so: an empty header that ends in a bare LF (":\n") from the end
 * of a head, and a NUL before a bare LF from a CR. A line before the request that begins with a NUL
 * is skipped. The trailers of a body in chunks, which end at such lines too, are not seen at all. A
 * proxy that passes such lines on needs libmicrohttpd 1.0 behind it.
 */
#ifndef HEAD_CHECK_H
#define HEAD_CHECK_H

#include <stdbool.h>

struct MHD_Connection;

/*
 * Are the headers all that stands in the head? Method and version are those that the library passes
 * to its handler, not copies. Always true from 1.0.0 on, which refuses such heads itself.
 */
bool head_is_whole(struct MHD_Connection *connection, const char *method, const char *version);

#endif
