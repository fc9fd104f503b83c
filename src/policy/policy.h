/* policy.h - who leaves memory next.
 *
 * A policy sees slots (0 .. n-1, dense: places that hold a page) and keys (the identity of a page, which outlives its stay in a
 * slot).  It knows no page, object, machine or trace, so one file serves reclaim, the live pager, miss-ratio curves and the
 * replacement inside a TLB.  It is told what happens and decides one thing: victim() picks a slot *and* removes it.
 *
 * How much a policy sees of the references is part of its definition, because no hardware shows everything:
 *
 *   NOTHING   fifo, random: only arrivals and departures
 *   BITS      clock and its kin: asks env->test_clear_ref(slot), "was it referenced since I last asked?"
 *   RECENCY   lru, opt: before each victim(), the driver calls touch() once for every slot referenced since the last time,
 *             ordered by last reference.  For an order by recency that is as good as seeing every reference, and far cheaper.
 *   EVERY     touch() for every single reference (counting policies)
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_SLOT_NONE UINT32_MAX
#define POLICY_NEVER     UINT64_MAX /* next_use: not used again */

enum policy_sees { POLICY_SEES_NOTHING, POLICY_SEES_BITS, POLICY_SEES_RECENCY, POLICY_SEES_EVERY };

/* Supplied by the driver; functions a policy does not need may be NULL. */
struct policy_env {
	void *ctx;
	bool (*test_clear_ref)(void *ctx, uint32_t slot); /* sampled reference bit: read and clear */
	bool (*may_evict)(void *ctx, uint32_t slot);      /* false: busy or wired.  NULL: every slot may go */
	uint64_t (*next_use)(void *ctx, uint64_t key);    /* when the key is referenced next, or POLICY_NEVER */
	uint64_t seed;
};

struct policy_ops {
	const char *name;
	const char *paper;    /* where it is from: author, year */
	const char *variant;  /* the choices that books differ on, in words */
	enum policy_sees sees;
	bool wants_future;    /* needs env->next_use, so a trace that can be read twice */
	size_t (*bytes)(uint32_t n_slots);                                              /* of self; the driver allocates, zeroed */
	void (*init)(void *self, uint32_t n_slots, const struct policy_env *env);       /* env is kept, not copied */
	void (*enter)(void *self, uint32_t slot, uint64_t key);                         /* a page comes in */
	void (*touch)(void *self, uint32_t slot);                                       /* see above; NULL unless RECENCY or EVERY */
	uint32_t (*victim)(void *self);                                                 /* POLICY_SLOT_NONE: nothing may go */
	void (*leave)(void *self, uint32_t slot);                                       /* the owner freed it: not an eviction */
	void (*forget)(void *self, uint64_t key);                                       /* the identity died; NULL: no ghosts kept */
	const char *(*flaw)(const void *self);                                          /* NULL or the broken invariant */
};

/* name.  Adding a policy is one line here and one file. */
#define POLICY_LIST(X) \
	X(fifo)        \
	X(lru)         \
	X(clock)       \
	X(random)      \
	X(opt)

#define X(name) extern const struct policy_ops policy_##name;
POLICY_LIST(X)
#undef X

/* => NULL when unknown. */
const struct policy_ops *policy_find(const char *name);
/* The i-th of the list, NULL past its end. */
const struct policy_ops *policy_at(unsigned i);
