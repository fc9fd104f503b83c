/* policy.h - who leaves memory next.
 *
 * A policy sees slots (0 .. n-1, dense: places that hold a page) and keys (the identity of a page, which outlives its stay in a
 * slot).  It knows no page, object, machine or trace, so one file serves reclaim, the live pager, miss-ratio curves and the
 * replacement inside a TLB.  It is told what happens and decides one thing: victim() picks a slot *and* removes it.
 *
 * How much a policy sees of the references is part of its definition, because no hardware shows everything:
 *
 *   NOTHING   fifo, random: only arrivals and departures
 *   BITS      clock and its kin: asks policy_was_used(env, slot), "was it referenced since I last asked?"
 *   RECENCY   lru, arc: the driver calls touch() once for every slot referenced since the last time, ordered by last reference.
 *             For a policy whose state depends only on that order it is as good as seeing every reference, and far cheaper.
 *   EVERY     touch() for every single reference, also for the second of two in a row to one page (counting policies)
 *
 * A fault on a page goes:   touch()* -> miss(key) -> victim() until there is room -> enter(slot, key) -> wake()*
 * Before miss, victim and wake the driver has told of every reference so far.  enter() stands for the reference that brought the
 * page in: when that one is restarted it is not reported again, as a bit or as a touch, unless the policy says arrival_counts. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_SLOT_NONE UINT32_MAX
#define POLICY_NEVER     UINT64_MAX /* next_use: not used again; due: need not be woken */
#define POLICY_PARAMS    4
#define POLICY_SPEC_MAX  96

enum policy_sees { POLICY_SEES_NOTHING, POLICY_SEES_BITS, POLICY_SEES_RECENCY, POLICY_SEES_EVERY };

/* A number a person may choose: "2q:in=25%,out=50%".  COUNT: an integer; SHARE: a part of something, "1%" or "0.01". */
enum policy_param_kind { POLICY_COUNT, POLICY_SHARE };
struct policy_param {
	const char *key;
	enum policy_param_kind kind;
	double initial, least, most;
	const char *text;     /* one line of help */
};
struct policy_params {
	bool given;                  /* false: the defaults are meant, so zeros are a good initial value */
	double value[POLICY_PARAMS]; /* in the order of the policy's list */
};

/* Supplied by the driver; functions a policy does not need may be NULL. */
struct policy_env {
	void *ctx;
	bool (*test_clear_ref)(void *ctx, uint32_t slot); /* sampled reference bit: read and clear */
	uint8_t *ref;                                     /* or, where the driver keeps exact bits: a byte for each slot */
	bool (*may_evict)(void *ctx, uint32_t slot);      /* false: busy or wired.  NULL: every slot may go */
	bool (*modified)(void *ctx, uint32_t slot);       /* would it have to be written back? */
	uint64_t (*next_use)(void *ctx, uint64_t key);    /* the time of the key's next reference after now, or POLICY_NEVER */
	const uint64_t *next;                             /* or, where the driver knows it for the page it tells of: that time */
	uint32_t *memo;       /* NULL, or a word for each key, where keys are small numbers: see ghost.h */
	const uint32_t *owner; /* NULL, or what the driver keeps of each slot: only to be fetched before it is needed */
	void *custom;         /* for a policy from outside the list: its own; NULL otherwise */
	uint64_t now;         /* virtual time: references made, the one that is being told of (touch) or has missed included */
	uint64_t seed;
	struct policy_params params;
};

struct drive;
struct policy_ops {
	const char *name;
	const char *paper;    /* where it is from: author, year */
	const char *variant;  /* the choices that books differ on, in words */
	enum policy_sees sees;
	bool arrival_counts;  /* the reference that brings a page in sets its bit; RECENCY: being told of it does no harm */
	bool timed;           /* env->now means something to it */
	bool wants_future;    /* needs env->next_use, so a trace that can be read twice */
	bool variable;        /* the number of resident pages is the policy's own: frames are only an upper bound */
	const struct policy_param *param; /* at most POLICY_PARAMS, ended by one without key; NULL: none */
	size_t (*bytes)(uint32_t n_slots, const struct policy_params *p);               /* of self; the driver allocates, zeroed */
	void (*init)(void *self, uint32_t n_slots, const struct policy_env *env);       /* env is kept, not copied */
	void (*miss)(void *self, uint64_t key);                                         /* key is about to enter; NULL: no matter */
	void (*enter)(void *self, uint32_t slot, uint64_t key);                         /* a page comes in */
	void (*touch)(void *self, uint32_t slot);                                       /* see above; NULL unless RECENCY or EVERY */
	void (*soon)(void *self, uint32_t node);  /* of a slot, or n_slots + ghost: its page comes soon, fetch; NULL: not worth it */
	uint32_t (*victim)(void *self);                                                 /* POLICY_SLOT_NONE: nothing may go */
	void (*leave)(void *self, uint32_t slot);                                       /* the owner freed it: not an eviction */
	void (*forget)(void *self, uint64_t key);                                       /* the identity died; NULL: no ghosts kept */
	uint64_t (*due)(const void *self);      /* the virtual time at which it wants to be woken; NULL: never */
	uint32_t (*wake)(void *self);           /* then, and after each enter, until it gives up no more: a slot, or NONE */
	const char *(*flaw)(const void *self);                                          /* NULL or the broken invariant */
	void (*drive)(struct drive *d, const uint32_t *refs, const uint64_t *next, uint64_t n); /* drive.h; NULL: not yet */
};

/* The identifier of each.  Adding a policy is one line here and one file. */
#define POLICY_LIST(X) \
	X(fifo)          \
	X(second_chance) \
	X(clock)         \
	X(clock_0)       \
	X(lru)           \
	X(mru)           \
	X(lfu)           \
	X(nru)           \
	X(aging)         \
	X(random)        \
	X(two_q)         \
	X(arc)           \
	X(car)           \
	X(lirs)          \
	X(clock_pro)     \
	X(wsclock)       \
	X(mglru)         \
	X(linux_lists)   \
	X(s3_fifo)       \
	X(sieve)         \
	X(opt)           \
	X(ws)            \
	X(pff)           \
	X(vmin)

/* Hidden, so that the compiler may look into the constants also where code is position independent. */
#define X(id) extern const struct policy_ops policy_##id __attribute__((visibility("hidden")));
POLICY_LIST(X)
#undef X

/* => NULL when unknown. */
const struct policy_ops *policy_find(const char *name);
/* The i-th of the list, NULL past its end. */
const struct policy_ops *policy_at(unsigned i);
/* These, or the defaults if none are given. */
struct policy_params policy_params_of(const struct policy_ops *p, const struct policy_params *params);
/* "lru", "ws:tau=10000", "2q:in=25%,out=50%".  => PW_NOTFOUND: no policy has this name; PW_INVALID with why */
must_use enum pw_err policy_parse(const char *spec, const struct policy_ops **ret, struct policy_params *ret_params, struct pw_why *why);
/* The name with those parameters that are not the defaults, as policy_parse reads it: into buf, returned. */
char *policy_text(char *buf, size_t size, const struct policy_ops *p, const struct policy_params *params);

/* Of references in a row to one page, does it matter to the policy how many there are, when there are more than two? */
static inline bool policy_counts(const struct policy_ops *p) { return p->sees == POLICY_SEES_EVERY || p->timed; }

/* This will be needed.  gcc takes a function that only fetches for one without effect and drops its calls: the empty asm is one. */
static inline void policy_fetch(const void *at)
{
	__builtin_prefetch(at, 1);
	__asm__ volatile("");
}

/* Was the slot referenced since this was last asked? */
static inline bool policy_was_used(const struct policy_env *env, uint32_t slot)
{
	if (!env->ref)
		return env->test_clear_ref(env->ctx, slot);
	bool was = env->ref[slot];
	env->ref[slot] = 0;
	return was;
}

/* Whether the driver lets this slot go. */
static inline bool policy_may_evict(const struct policy_env *env, uint32_t slot)
{
	return !env->may_evict || env->may_evict(env->ctx, slot);
}

/* When is the page of this key, of which the policy is being told, referenced next? */
static inline uint64_t policy_next_use(const struct policy_env *env, uint64_t key)
{
	return env->next ? *env->next : env->next_use(env->ctx, key);
}
