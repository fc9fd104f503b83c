/* options.h - the words that describe a machine, as options of the command, shared by every verb that builds one.
 *
 * A verb includes machine_argp among its children with a struct machine_words as input, and resolves the words afterwards. */
#pragma once
#include "../sim/words.h"
#include <argp.h>

extern const struct argp machine_argp;
extern const struct argp_option machine_options[];

/* Words to a machine.  => CLI_OK, or CLI_FAILED and one line on standard error; "help" as a name lists the names on standard output
 * and sets *listed. */
int machine_resolve(const struct machine_words *w, struct run_options *ret, bool *listed);
