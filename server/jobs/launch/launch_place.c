/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/launch/launch_place.h"

/* NULL: a launcher can take it. */
static const char *find_obstacle(const struct launch_policy *policy, const struct job_spec *spec)
{
    return !policy->on ? "this server has no launcher (its setting launcher)"
           : spec->choice.on && (spec->choice.seconds > 0.0 || spec->limits.seconds > 0)
               ? "a choice within seconds goes by the server's clock; budget_fits is needed"
               : NULL;
}

enum err_code launch_place_choose(const struct launch_policy *policy, int64_t n_rows,
                                  bool gives_way, struct job_spec *spec, struct err *err)
{
    const char *obstacle = find_obstacle(policy, spec);
    bool is_large = policy->min_rows > 0 && n_rows >= policy->min_rows;
    bool wanted =
        spec->place == JOB_LAUNCHER || (spec->place == JOB_ANYWHERE && is_large && policy->on);
    if (spec->place == JOB_LAUNCHER && obstacle != NULL && !gives_way) {
        return err_set(err, ERR_UNSUPPORTED, "where is \"launcher\", but %s", obstacle);
    }
    spec->place = wanted && obstacle == NULL ? JOB_LAUNCHER : JOB_HERE;
    return ERR_OK;
}
