/* fetch.h - what a policy will need soon is fetched before it needs it.
 *
 * Problem: in a duel over many pages most of a policy's state is in no cache.  The page that leaves is the one nobody has looked at for
 * longest, so its links, its key and its word are each waited for in turn; so are those of the oldest ghost, and of one that is found.
 * Idea: who leaves is known long before.  Departures follow the order of a ring, so after each the next two are prepared, in two steps,
 * because the second step needs what the first has fetched:
 *
 *      ring   first ---------> second ------> third ...
 *             fetch the word   fetch the links, the key and the state at its slot
 *             its key names
 *
 * Which pages are referenced soon is known too: the driver tells soon() of them, see policy.h.
 *
 * 1. Fetching changes nothing and reads nothing that is not the policy's own; a wrong guess costs a line of cache. */
#pragma once
#include "ghost.h"
#include "ring.h"

/* Nodes are slots and then ghosts: the page of this one will be referenced.  state: by slot. */
static inline void fetch_node(const struct ghosts *g, const struct ring_link *link, const uint8_t *state, uint32_t n_slots, uint32_t node)
{
	policy_fetch(&link[node]);
	policy_fetch(node < n_slots ? (const void *)&state[node] : &g->at[node - n_slots]);
}

/* The same for a policy that does nothing at a hit. */
static inline void fetch_ghost(const struct ghosts *g, const struct ring_link *link, uint32_t n_slots, uint32_t node)
{
	uint32_t ghost = node < n_slots ? 0 : node - n_slots;
	policy_fetch(&g->at[ghost]);
	policy_fetch(&link[n_slots + ghost]);
}

/* The slots of this ring will leave, first to last. */
static inline void fetch_leaving(const struct ring *r, const struct policy_env *env, const uint64_t *key, const uint8_t *state)
{
	uint32_t first = ring_first(r), second;
	if (first == r->head || (second = ring_next(r, first)) == r->head)
		return;
	if (env->memo)
		policy_fetch(&env->memo[key[first]]);
	if (env->owner)
		policy_fetch(&env->owner[second]);
	policy_fetch(&r->link[second]);
	policy_fetch(&key[second]);
	policy_fetch(&state[second]);
}

/* The same for a policy that keeps links alone: the driver knows the page of each slot. */
static inline void fetch_leaving_links(const struct ring *r, const struct policy_env *env)
{
	uint32_t first = ring_first(r), second;
	if (!env->owner || first == r->head || (second = ring_next(r, first)) == r->head)
		return;
	policy_fetch(&env->memo[env->owner[first]]);
	policy_fetch(&env->owner[second]);
	policy_fetch(&r->link[second]);
}

/* The ghosts of this ring will be forgotten, first to last.  Their nodes begin at n_slots. */
static inline void fetch_forgotten(const struct ring *r, const struct ghosts *g, uint32_t n_slots)
{
	uint32_t first = ring_first(r), second;
	if (first == r->head || (second = ring_next(r, first)) == r->head)
		return;
	policy_fetch(&r->link[second]);
	policy_fetch(&g->at[second - n_slots]);
}
