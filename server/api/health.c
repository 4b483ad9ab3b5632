/* SPDX-License-Identifier: Apache-2.0 */
#include "api/health.h"

#include <stdio.h>
#include <string.h>

static const char *const part_names[HEALTH_N_PARTS] = {
    [HEALTH_REGISTRY] = "registry", [HEALTH_DISK] = "disk",     [HEALTH_TRAINER] = "trainer",
    [HEALTH_HTTP] = "http",         [HEALTH_MODELS] = "models",
};

void health_init(struct health *health)
{
    memset(health->reasons, 0, sizeof health->reasons);
    pthread_mutex_init(&health->lock, NULL);
}

void health_release(struct health *health)
{
    pthread_mutex_destroy(&health->lock);
}

bool health_set(struct health *health, enum health_part part, const char *reason)
{
    char next[HEALTH_REASON_CHARS];
    snprintf(next, sizeof next, "%s", reason != NULL ? reason : "");
    pthread_mutex_lock(&health->lock);
    bool news = strcmp(health->reasons[part], next) != 0;
    memcpy(health->reasons[part], next, sizeof next);
    pthread_mutex_unlock(&health->lock);
    return news;
}

bool health_get(struct health *health, enum health_part part, char *out)
{
    pthread_mutex_lock(&health->lock);
    memcpy(out, health->reasons[part], HEALTH_REASON_CHARS);
    pthread_mutex_unlock(&health->lock);
    return out[0] != '\0';
}

bool health_get_first(struct health *health, char *out)
{
    bool ill = false;
    for (int part = 0; part < HEALTH_N_PARTS && !ill; part++) {
        ill = health_get(health, (enum health_part)part, out);
    }
    return ill;
}

const char *health_part_name(enum health_part part)
{
    return part_names[part];
}
