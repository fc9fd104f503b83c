/* options.h - the words that describe a machine, shared by every verb that builds one.
 *
 * A verb includes machine_argp among its children with a struct machine_words as input, and resolves the words afterwards, so the
 * order in which they were typed never matters. */
#pragma once
#include "../sim/run.h"
#include <argp.h>

/* What was typed: NULL where nothing was. */
struct machine_words {
	const char *frames, *ram, *page, *format, *cpu, *tlb, *cpus, *policy, *refbits, *personality, *swap, *cost, *seed, *limit,
		*warmup, *tau;
	bool cold;
};

extern const struct argp machine_argp;
extern const struct argp_option machine_options[];

/* Words to a machine.  => CLI_OK, or CLI_FAILED and one line on standard error; "help" as a name lists the names on standard output
 * and sets *listed. */
int machine_resolve(const struct machine_words *w, struct run_options *ret, bool *listed);
