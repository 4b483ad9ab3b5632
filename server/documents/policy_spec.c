/* SPDX-License-Identifier: Apache-2.0 */
#include "documents/policy_spec.h"

#include "base/mem.h"

struct policy_spec policy_spec_defaults(void)
{
    return (struct policy_spec){
        .daily_at = -1, .drift_increase = -1.0, .drift_rows = 100, .debounce_s = 30};
}

void policy_spec_release(struct policy_spec *spec)
{
    mem_free(spec->request);
    train_spec_release(&spec->job.train);
    spec->request = NULL;
}
