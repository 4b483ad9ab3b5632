/* SPDX-License-Identifier: Apache-2.0 */
#include "client/commands/confirm.h"

#include "client/interrupt.h"
#include "client/terminal.h"

#include <stdio.h>
#include <string.h>

enum err_code confirm(const struct client *client, const char *question, struct err *err)
{
    char answer[16] = "";
    if (client->args->values[OPT_YES] != NULL || !terminal_is(stdin) || !terminal_is(stderr)) {
        return ERR_OK;
    }
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        answer[0] = '\0'; /* Ctrl-D or Ctrl-C */
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    if (!interrupt_seen() && (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0)) {
        return ERR_OK;
    }
    fputs("nothing was deleted\n", stderr);
    return err_set(err, ERR_CANCELLED, "nothing was deleted");
}
