/* SPDX-License-Identifier: Apache-2.0 */
#include "http/framing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define READ_FACTOR 2 /* of the body limit: what announces more is answered at once */

/* Headers that decide where a body ends or which server is meant, and so may occur only once. */
static const char *const single[] = {"Content-Length", "Transfer-Encoding", "Host"};
#define N_SINGLE ((int)(sizeof single / sizeof *single))

/* Of a token of RFC 9110, section 5.6.2. Nearly all are letters. */
static bool is_in_token(unsigned char c)
{
    unsigned letter = (c | ('a' ^ 'A')) - (unsigned)'a';
    return letter < 26 || c == '-' || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+.^_`|~", c) != NULL);
}

static bool is_token(const char *text)
{
    const char *at = text;
    while (is_in_token((unsigned char)*at)) {
        at++;
    }
    return at != text && *at == '\0';
}

/* To its end in any case, so that the compiler can look at several characters at a time. */
static bool has_controls(const char *text)
{
    size_t n = strlen(text);
    unsigned char found = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        found |= (unsigned char)((c < ' ') & (c != '\t')) | (unsigned char)(c == 0x7f);
    }
    return found != 0;
}

static bool is_number(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 18 && text[n] == '\0';
}

static enum err_code check_header(const struct header *h, struct err *err)
{
    if (!is_token(h->name)) {
        return err_set(err, ERR_SYNTAX,
                       "a header's name holds a blank or another character that "
                       "no name may hold");
    }
    if (has_controls(h->value)) {
        return err_set(err, ERR_SYNTAX, "the header %.60s holds a control character", h->name);
    }
    return ERR_OK;
}

static enum err_code count_single(const struct request *req, int counts[N_SINGLE], struct err *err)
{
    for (int i = 0; i < req->n_headers; i++) {
        if (check_header(&req->headers[i], err) != ERR_OK) {
            return err->code;
        }
        for (int k = 0; k < N_SINGLE; k++) {
            bool same = header_is(&req->headers[i], single[k]);
            if (same && ++counts[k] > 1) {
                return err_set(err, ERR_SYNTAX, "the header %s stands more than once", single[k]);
            }
        }
    }
    return ERR_OK;
}

enum err_code framing_check(const struct request *req, const char *version, struct err *err)
{
    int counts[N_SINGLE] = {0};
    bool old = strcmp(version, "HTTP/1.0") == 0;
    if (!old && strcmp(version, "HTTP/1.1") != 0) {
        return err_set(err, ERR_SYNTAX, "the protocol is \"%.20s\", HTTP/1.1 is spoken here",
                       version);
    }
    if (count_single(req, counts, err) != ERR_OK) {
        return err->code;
    }
    const char *length = request_header(req, "Content-Length");
    const char *coding = request_header(req, "Transfer-Encoding");
    if (length != NULL && coding != NULL) {
        return err_set(err, ERR_SYNTAX,
                       "Content-Length and Transfer-Encoding contradict each other");
    }
    if (length != NULL && !is_number(length)) {
        return err_set(err, ERR_SYNTAX, "Content-Length is \"%.40s\", not a number", length);
    }
    if (coding != NULL && (old || strcasecmp(coding, "chunked") != 0)) {
        return err_set(err, ERR_SYNTAX, "Transfer-Encoding is \"%.40s\", only chunked is known, %s",
                       coding, "and only with HTTP/1.1");
    }
    if (!old && request_header(req, "Host") == NULL) {
        return err_set(err, ERR_SYNTAX, "the header Host is missing");
    }
    return ERR_OK;
}

bool framing_is_open(const struct request *req)
{
    bool usual = req->method == HTTP_POST || req->method == HTTP_PUT || req->method == HTTP_OTHER;
    return usual && request_header(req, "Content-Length") == NULL &&
           request_header(req, "Transfer-Encoding") == NULL;
}

bool framing_has_body(const struct request *req)
{
    const char *length = request_header(req, "Content-Length");
    return request_header(req, "Transfer-Encoding") != NULL ||
           (length != NULL && strspn(length, "0") != strlen(length));
}

bool framing_refuses_length(const struct request *req, size_t limit, struct err *err)
{
    const char *text = request_header(req, "Content-Length");
    if (text == NULL) {
        return false;
    }
    errno = 0;
    unsigned long long length = strtoull(text, NULL, 10);
    if (errno == 0 && length <= limit) {
        return false;
    }
    err_set(err, ERR_TOO_LARGE, "the body has %.20s bytes, at most %zu are taken", text, limit);
    return errno != 0 || length / READ_FACTOR > limit || request_header(req, "Expect") != NULL;
}
