/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of the same name are one list, in their order. It is read from its end, where the proxies'
 * own words stand: before them a client may have opened a quote and not closed it. The last
 * PROXIES_MAX_HOPS elements are looked at, for nobody has more proxies.
 */
#include "http/forwarded.h"

#include <string.h>
#include <strings.h>

struct span {
    const char *text;
    const char *end;
};

struct hops {
    struct proxies_hop at[PROXIES_MAX_HOPS]; /* filled from the end */
    int first;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.text < s.end && is_blank(s.text[0])) {
        s.text++;
    }
    while (s.text < s.end && is_blank(s.end[-1])) {
        s.end--;
    }
    return s;
}

/* Is the character at `at`, in quotes, behind a backslash that stands for itself no more? */
static bool is_escaped(const char *line, const char *at)
{
    const char *p = at;
    while (p > line && p[-1] == '\\') {
        p--;
    }
    return (at - p) % 2 != 0;
}

/* The begin of the element that ends at `end`: behind the last comma outside quotes. */
static const char *find_begin(const char *line, const char *end, bool has_quotes)
{
    bool quoted = false;
    const char *p = end;
    for (; p > line && (quoted || p[-1] != ','); p--) {
        if (has_quotes && p[-1] == '"' && !is_escaped(line, p - 1)) {
            quoted = !quoted;
        }
    }
    return p;
}

/* The end of the parameter that begins at `text`: the first semicolon outside quotes. */
static const char *find_semicolon(const char *text, const char *end)
{
    bool quoted = false;
    const char *p = text;
    for (; p < end && (quoted || *p != ';'); p++) {
        if (*p == '"' && !is_escaped(text, p)) {
            quoted = !quoted;
        }
    }
    return p;
}

/* `for=192.0.2.1;proto=https`: what stands behind "for=", without its quotes. Empty, and so no
 * address, when the proxy does not tell. */
static struct span find_for(struct span element)
{
    static const char key[] = "for=";
    const size_t n_key = sizeof key - 1;
    const char *text = element.text;
    while (text < element.end) {
        const char *stop = find_semicolon(text, element.end);
        struct span pair = trim((struct span){text, stop});
        if ((size_t)(pair.end - pair.text) >= n_key && strncasecmp(pair.text, key, n_key) == 0) {
            pair.text += n_key;
            bool quoted = pair.end - pair.text >= 2 && pair.text[0] == '"' && pair.end[-1] == '"';
            return quoted ? (struct span){pair.text + 1, pair.end - 1} : pair;
        }
        text = stop < element.end ? stop + 1 : stop;
    }
    return (struct span){element.end, element.end};
}

/* Empty elements of a list mean nothing. */
static void add_line(struct hops *hops, const char *line, bool forwarded)
{
    const char *end = line + strlen(line);
    for (;;) {
        const char *begin = find_begin(line, end, forwarded);
        struct span element = trim((struct span){begin, end});
        if (element.text < element.end && hops->first > 0) {
            struct span hop = forwarded ? find_for(element) : element;
            hops->at[--hops->first] = (struct proxies_hop){hop.text, (size_t)(hop.end - hop.text)};
        }
        if (begin == line || hops->first == 0) {
            return;
        }
        end = begin - 1;
    }
}

bool forwarded_find_client(const struct proxies *proxies, const struct request *req,
                           union proxies_address *out)
{
    struct hops hops = {.first = PROXIES_MAX_HOPS};
    const char *name = proxies->forwarded ? PROXIES_FORWARDED : PROXIES_USUAL;
    for (int i = req->n_headers - 1; i >= 0; i--) {
        if (strcasecmp(req->headers[i].name, name) == 0) {
            add_line(&hops, req->headers[i].value, proxies->forwarded);
        }
    }
    return proxies_find_client(proxies, hops.at + hops.first, PROXIES_MAX_HOPS - hops.first, out);
}
