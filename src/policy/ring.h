/* ring.h - slots in order, as most policies keep them: a doubly linked ring threaded through an array, one link per slot.
 *
 * Links are stored plus one, so that an array of zeros is a ring nobody is in: a policy for sixteen million slots costs host
 * memory only for the slots that were ever used.  The head is a link that is no slot's, such as the one after the last: several
 * rings with different heads may share one array, because a slot is in one of them at a time.  First is oldest. */
#pragma once
#include "policy.h"

struct ring_link {
	uint32_t next, prev; /* plus one; 0: not in the ring */
};
struct ring {
	struct ring_link *link; /* n_slots + 1 of them */
	uint32_t head;
	uint32_t count;
};

static inline size_t ring_bytes(uint32_t n_slots) { return ((size_t)n_slots + 1) * sizeof(struct ring_link); }

static inline void ring_init(struct ring *r, struct ring_link *link, uint32_t head)
{
	*r = (struct ring){ .link = link, .head = head };
	link[head] = (struct ring_link){ head + 1, head + 1 };
}
static inline bool ring_has(const struct ring *r, uint32_t slot) { return r->link[slot].next != 0; }
static inline uint32_t ring_next(const struct ring *r, uint32_t slot) { return r->link[slot].next - 1; }
static inline uint32_t ring_prev(const struct ring *r, uint32_t slot) { return r->link[slot].prev - 1; }

/* The first slot of the ring, or the head when it is empty. */
static inline uint32_t ring_first(const struct ring *r) { return ring_next(r, r->head); }

/* => slot is not in the ring; at is, or is the head. */
static inline void ring_insert_before(struct ring *r, uint32_t at, uint32_t slot)
{
	uint32_t before = r->link[at].prev - 1;
	r->link[slot] = (struct ring_link){ .next = at + 1, .prev = before + 1 };
	r->link[before].next = slot + 1;
	r->link[at].prev = slot + 1;
	r->count++;
}
static inline void ring_push_back(struct ring *r, uint32_t slot) { ring_insert_before(r, r->head, slot); }

/* => slot is in the ring. */
static inline void ring_remove(struct ring *r, uint32_t slot)
{
	struct ring_link l = r->link[slot];
	r->link[l.prev - 1].next = l.next;
	r->link[l.next - 1].prev = l.prev;
	r->link[slot] = (struct ring_link){ 0, 0 };
	r->count--;
}

/* NULL, or the broken invariant. */
static inline const char *ring_flaw(const struct ring *r)
{
	uint32_t n = 0;
	for (uint32_t s = ring_first(r); s != r->head; s = ring_next(r, s)) {
		if (ring_next(r, r->link[s].prev - 1) != s)
			return "policy: a slot's neighbours do not agree that it is between them";
		if (++n > r->count)
			return "policy: more slots in the ring than were entered";
	}
	return n == r->count ? NULL : "policy: fewer slots in the ring than were entered";
}

/* => old is in the ring and new in none: new takes its place. */
static inline void ring_replace(struct ring *r, uint32_t old, uint32_t new)
{
	struct ring_link l = r->link[old];
	r->link[new] = l;
	r->link[l.prev - 1].next = new + 1;
	r->link[l.next - 1].prev = new + 1;
	r->link[old] = (struct ring_link){ 0, 0 };
}

/* => slot is in the ring: it becomes the last of it. */
static inline void ring_refresh(struct ring *r, uint32_t slot)
{
	struct ring_link l = r->link[slot];
	r->link[l.prev - 1].next = l.next;
	r->link[l.next - 1].prev = l.prev;
	uint32_t last = r->link[r->head].prev;
	r->link[slot] = (struct ring_link){ .next = r->head + 1, .prev = last };
	r->link[last - 1].next = slot + 1;
	r->link[r->head].prev = slot + 1;
}

/* The first slot in ring order that may go; POLICY_SLOT_NONE when none may. */
static inline uint32_t ring_first_evictable(const struct ring *r, const struct policy_env *env)
{
	for (uint32_t s = ring_first(r); s != r->head; s = ring_next(r, s)) {
		if (policy_may_evict(env, s))
			return s;
	}
	return POLICY_SLOT_NONE;
}

/* The same, removed. */
static inline uint32_t ring_take_first(struct ring *r, const struct policy_env *env)
{
	uint32_t s = ring_first_evictable(r, env);
	if (s != POLICY_SLOT_NONE)
		ring_remove(r, s);
	return s;
}
