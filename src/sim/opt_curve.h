/* opt_curve.h - faults of the optimal policy in every number of frames, in one pass over a log of uses.
 *
 * Faults are those of any correct optimal policy, for they are the least there can be.  Which of several pages that are never used again
 * leaves first changes no fault, but it changes which written pages are written back: those counts are of one such choice.
 *
 * Host memory: 4 bytes a use for its next use, about 26 a page. */
#pragma once
#include "lru_curve.h"
#include "use_log.h"

struct opt_curve;

/* => the log outlives the curve.  PW_NOMEM; PW_LIMIT: 2^32 uses or more */
must_use enum pw_err opt_curve_create(const struct use_log *log, struct opt_curve **ret);
void opt_curve_destroy(struct opt_curve *o);
/* Goes through n more entries, at most.  => false: that was the last */
bool opt_curve_step(struct opt_curve *o, uint64_t n);
double opt_curve_progress(const struct opt_curve *o);
/* always: faults that happen in every size.  written_back includes what the uncounted entries did. */
must_use enum pw_err opt_curve_totals(const struct opt_curve *o, uint64_t always, struct lru_totals *ret);
