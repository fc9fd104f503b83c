/* duel.h - policies alone, without a machine: many policies at many numbers of frames over one read of a stream.
 *
 * A cell is one policy at one number of frames.  The stream is dense page numbers (0, 1, 2 ... in order of first use, so that a
 * table indexed by them is small); every reference must be fed, also the second of two in a row to one page, because policies
 * that count count them.  Cells run on all cores.  An event-free trace has the faults and write-backs of `run --frames`. */
#pragma once
#include "../policy/policy.h"
#include <stdint.h>

struct duel;

struct duel_cell {
	const struct policy_ops *policy;
	struct policy_params params;   /* zeros: the defaults */
	uint32_t frames;               /* 1 to DUEL_FRAMES_MAX */
	uint64_t seed;
};
#define DUEL_FRAMES_MAX ((1u << 28) - 1)

/* A reference as duel_feed takes it.  => page < 2^31 - 1 */
static inline uint32_t duel_ref(uint32_t page, bool is_store) { return page << 1 | is_store; }

/* n_threads 0: as many as there are cores, at most one for each cell.  The cells are copied.
 * => PW_INVALID: frames out of range; PW_NOMEM */
must_use enum pw_err duel_create(const struct duel_cell *cells, unsigned n_cells, unsigned n_threads, struct duel **ret,
                                 struct pw_why *why);
void duel_destroy(struct duel *d);
/* Does a cell need to know the future? */
bool duel_wants_future(const struct duel *d);
/* Feeds n references.  next[i], needed when duel_wants_future, else NULL: when the page of refs[i] is referenced next, as a time:
 * the first reference ever fed has time 1; POLICY_NEVER: not again.  The arrays may be changed afterwards.
 * => PW_NOMEM: the duel is over, its results mean nothing */
must_use enum pw_err duel_feed(struct duel *d, const uint32_t *refs, const uint64_t *next, uint64_t n);
/* The page ceased to exist (unmapped, its process ended): its frame is free again, without an eviction or a write-back, and what
 * policies remember of it is forgotten.  Its number may be used again for another page.  => as duel_feed */
must_use enum pw_err duel_gone(struct duel *d, uint32_t page);

struct duel_result {
	uint64_t references, faults, evicted, written_back;
	uint32_t resident, resident_peak;
	double resident_mean;          /* pages resident when a reference is made, averaged over references */
};
/* What came of cell i so far.  => waits until everything that was fed is done */
void duel_result(struct duel *d, unsigned i, struct duel_result *ret);
/* Bytes of host memory reserved for all cells: an upper bound. */
uint64_t duel_bytes(const struct duel *d);
/* NULL, or the invariant that a cell's policy has broken. */
const char *duel_flaw(struct duel *d);
