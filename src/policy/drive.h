/* drive.h - a policy alone over a stream of dense page numbers: no machine, no kernel, nothing but the counting of faults.
 *
 * Problem: a duel asks how often a policy faults, millions of references a second.  Through function pointers each hit would cost
 * a mispredicted call or two beside its cache misses.
 * Idea: one body, always inline, that takes the policy as a constant.  Each policy's file ends with POLICY_DRIVE(id), which makes
 * an instance of it where touch(), enter() and victim() are known and inlined; whoever drives calls the instance once for each
 * batch.  The word of a page says all there is about it, so a hit reads one word, and those to come are fetched ahead:
 *
 *      | written | 0 | slot + 1 |     in memory          | 0 | 1 | ghost + 1 |     not in memory; the policy may remember it
 *          1       1       30                               0: not known at all
 *
 * 1. page[owner[s]] names s for every slot s in use, and no other word names it.
 * 2. Free slots are those from fresh on, and a list through owner, last freed first taken: as the kernel does it.
 * 3. refs[n .. n + DRIVE_AHEAD) may be read; they need not mean anything but pages below n_pages. */
#pragma once
#include "ghost.h"

enum { DRIVE_AHEAD = 24, DRIVE_SOON = 10 };
#define DRIVE_WRITTEN (1u << 31)
#define DRIVE_SLOT    (GHOST_MEMO - 1)

struct drive {
	void *self;
	struct policy_env env;
	uint32_t *page;            /* by page, n_pages of them; env.memo is the same */
	uint32_t *owner;           /* by slot: its page; free: the next free slot plus one */
	uint64_t next;             /* time of the next reference to the page being told of */
	uint32_t n_slots, fresh, free;
	uint32_t resident, resident_peak;
	uint64_t faults, evicted, written_back;
	uint64_t since;            /* up to this time, resident pages are summed */
	double resident_sum;       /* over references: pages resident when it is made */
};

#define DRIVE_INLINE static inline __attribute__((always_inline, unused))

/* The number of resident pages is about to change. */
DRIVE_INLINE void drive_resident(struct drive *d, int change)
{
	d->resident_sum += (double)d->resident * (double)(d->env.now - d->since);
	d->since = d->env.now;
	d->resident += (uint32_t)change;
	if (d->resident > d->resident_peak)
		d->resident_peak = d->resident;
}

/* The page of this word is referenced soon.  A page that is not known at all may be taken for the first. */
DRIVE_INLINE void drive_soon(struct drive *d, uint32_t word, const struct policy_ops *ops)
{
	uint32_t at = word & DRIVE_SLOT;
	at -= at != 0;
	ops->soon(d->self, at + (word & GHOST_MEMO ? d->n_slots : 0));
}

/* The policy gave the slot up.  => the slot is free, but in no list */
DRIVE_INLINE void drive_evict(struct drive *d, uint32_t slot)
{
	uint32_t *word = &d->page[d->owner[slot]];
	d->evicted++;
	d->written_back += *word >> 31;
	*word = *word & GHOST_MEMO ? *word & ~DRIVE_WRITTEN : 0;
}

/* Does the word say that the page is in memory? */
DRIVE_INLINE bool drive_has(uint32_t word) { return (word & ~DRIVE_WRITTEN) - 1 < DRIVE_SLOT; }

DRIVE_INLINE void drive_free(struct drive *d, uint32_t slot)
{
	d->owner[slot] = d->free;
	d->free = slot + 1;
	drive_resident(d, -1);
}

DRIVE_INLINE void drive_wake(struct drive *d, const struct policy_ops *ops)
{
	for (uint32_t slot; (slot = ops->wake(d->self)) != POLICY_SLOT_NONE;) {
		drive_evict(d, slot);
		drive_free(d, slot);
	}
}

DRIVE_INLINE uint32_t drive_room(struct drive *d, const struct policy_ops *ops)
{
	if (d->resident == d->n_slots) {
		uint32_t slot = ops->victim(d->self);
		drive_evict(d, slot);
		return slot;
	}
	uint32_t slot = d->free ? d->free - 1 : d->fresh++;
	if (d->free)
		d->free = d->owner[slot];
	drive_resident(d, 1);
	return slot;
}

DRIVE_INLINE void drive_miss(struct drive *d, uint32_t ref, const struct policy_ops *ops)
{
	uint32_t id = ref >> 1;
	d->faults++;
	if (ops->miss)
		ops->miss(d->self, id);
	uint32_t slot = drive_room(d, ops);
	d->owner[slot] = id;
	if (ops->sees == POLICY_SEES_BITS)
		d->env.ref[slot] = ops->arrival_counts;
	ops->enter(d->self, slot, id);
	d->page[id] = (slot + 1) | ref << 31; /* the policy has taken what it remembered of the page */
	if (ops->wake)
		drive_wake(d, ops);
}

DRIVE_INLINE void drive_body(struct drive *d, const uint32_t *refs, const uint64_t *next, uint64_t n, const struct policy_ops *ops,
                             void (*miss)(struct drive *d, uint32_t ref))
{
	uint32_t *const page = d->page;
	uint8_t *const bit = d->env.ref;
	const uint64_t begin = d->env.now;
	for (uint64_t i = 0; i < n; i++) {
		__builtin_prefetch(&page[refs[i + DRIVE_AHEAD] >> 1], 1);
		if (ops->soon)
			drive_soon(d, page[refs[i + DRIVE_SOON] >> 1], ops);
		uint32_t ref = refs[i], id = ref >> 1, word = page[id];
		if (ops->wants_future)
			d->next = next[i];
		if (__builtin_expect(!drive_has(word), 0)) {
			d->env.now = begin + i + 1;
			miss(d, ref);
			continue;
		}
		page[id] = word | ref << 31;
		uint32_t slot = (word & DRIVE_SLOT) - 1;
		if (ops->sees == POLICY_SEES_BITS) {
			bit[slot] = 1;
		} else if (ops->sees > POLICY_SEES_BITS) {
			d->env.now = begin + i + 1;
			ops->touch(d->self, slot);
			if (ops->wants_future && ops->variable) /* it may know already that nobody needs the page any more */
				drive_wake(d, ops);
		}
	}
	d->env.now = begin + n;
}

#define POLICY_DRIVE(id) \
	static __attribute__((noinline)) void id##_drive_miss(struct drive *d, uint32_t ref) { drive_miss(d, ref, &policy_##id); } \
	static void id##_drive(struct drive *d, const uint32_t *refs, const uint64_t *next, uint64_t n) \
	{ \
		drive_body(d, refs, next, n, &policy_##id, id##_drive_miss); \
	}
/* Before the policy's table, which names the instance that comes after it. */
#define POLICY_DRIVE_DECLARE(id) \
	static void id##_drive(struct drive *d, const uint32_t *refs, const uint64_t *next, uint64_t n);
