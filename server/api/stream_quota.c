/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stream_quota.h"

#include <arpa/inet.h>
#include <string.h>

#define NETWORK_BYTES 8 /* of IPv6 */

void stream_quota_init(struct stream_quota *quota)
{
    pthread_mutex_init(&quota->lock, NULL);
    quota->first = NULL;
}

void stream_quota_release(struct stream_quota *quota)
{
    pthread_mutex_destroy(&quota->lock);
}

/* IPv4 is mapped to IPv6: it is in the last four bytes, after two bytes of ones. False: no
 * limit. */
static bool read_address(const char *text, unsigned char out[STREAM_ADDRESS_BYTES])
{
    struct in_addr v4;
    struct in6_addr v6;
    char plain[INET6_ADDRSTRLEN] = "";
    memset(out, 0, STREAM_ADDRESS_BYTES);
    bool mapped = strncmp(text, "::ffff:", 7) == 0;
    if (inet_pton(AF_INET, mapped ? text + 7 : text, &v4) == 1) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &v4, sizeof v4);
        return ntohl(v4.s_addr) >> 24 != 127;
    }
    size_t len = strcspn(text, "%"); /* after it comes the interface of a link-local address */
    memcpy(plain, text, len < sizeof plain ? len : 0);
    if (inet_pton(AF_INET6, plain, &v6) != 1 || IN6_IS_ADDR_LOOPBACK(&v6)) {
        return false;
    }
    memcpy(out, &v6, NETWORK_BYTES);
    return true;
}

bool stream_quota_add(struct stream_quota *quota, struct stream_place *place, const char *address,
                      int max_each)
{
    int n = 0;
    if (!read_address(address, place->address)) {
        return true;
    }
    pthread_mutex_lock(&quota->lock);
    for (const struct stream_place *p = quota->first; p != NULL; p = p->next) {
        n += memcmp(p->address, place->address, STREAM_ADDRESS_BYTES) == 0;
    }
    place->counted = n < max_each;
    if (place->counted) {
        place->before = NULL;
        place->next = quota->first;
        if (quota->first != NULL) {
            quota->first->before = place;
        }
        quota->first = place;
    }
    pthread_mutex_unlock(&quota->lock);
    return place->counted;
}

void stream_quota_remove(struct stream_quota *quota, struct stream_place *place)
{
    if (!place->counted) {
        return;
    }
    pthread_mutex_lock(&quota->lock);
    if (place->before != NULL) {
        place->before->next = place->next;
    } else {
        quota->first = place->next;
    }
    if (place->next != NULL) {
        place->next->before = place->before;
    }
    place->counted = false;
    pthread_mutex_unlock(&quota->lock);
}
