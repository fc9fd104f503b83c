/* churn.h - segments that come and go by chance, to compare ways of placing them.
 *
 * Every step one segment is asked for, of a size and a life drawn from the seed; those whose life has ended go first.  The same seed
 * asks for the same segments whatever the memory does with them, so results can be put side by side. */
#pragma once
#include "segmem.h"

struct churn {
	uint64_t steps, seed;
	uint64_t smallest, largest; /* bytes of a segment: any in between is as likely */
	double load;             /* what is wanted at once, on average, as a part of memory */
};

struct churn_result {
	uint64_t requests, refused;
	uint64_t refused_fragmented; /* of those: enough was free, but in pieces */
	double used, fragmentation; /* mean after each step of the second half, when it has settled; both 0 to 1 */
	double holes, segments;  /* likewise */
	struct segmem_counts counts;
};

/* => PW_INVALID with why, PW_NOMEM */
must_use enum pw_err churn_run(const struct segmem_config *memory, const struct churn *c, struct churn_result *ret, struct pw_why *why);
