/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "store/data/data_gather.h"

enum err_code store_open(struct db **out, const struct db_settings *settings, struct err *err)
{
    return db_open(out, settings, data_upgrade, err);
}
