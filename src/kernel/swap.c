/* swap.c - slots over a store.
 *
 * Problem: give every evicted page a place, so that pages which leave together can be written together and come back together.
 * Idea: one word per slot, its page or 0; a hand that goes up through the slots (next fit).  The table grows with use, so a swap
 * place of any size costs only what was used of it.
 *
 * 1. used is the number of slots with an owner; each owner is an anonymous page that knows the slot.
 * 2. used <= limit, n_owners <= limit.
 * 3. Bytes of a slot are those its page had when it was last written there.
 * Rejected: a bitmap beside the table (the word says it already), first fit (it scatters what leaves together). */
#include "swap.h"
#include "../base/mem.h"
#include "state.h"
#include <string.h>

#define SWAP_SLOTS_MAX (1ull << 31)

void swap_init(struct swap *sw, struct store *store)
{
	*sw = (struct swap){ .store = store };
	if (store)
		sw->limit = store->n_slots < SWAP_SLOTS_MAX ? store->n_slots : SWAP_SLOTS_MAX;
}

void swap_fini(struct swap *sw)
{
	mem_free(sw->owner);
	swap_init(sw, NULL);
}

static enum pw_err table_grow(struct swap *sw)
{
	uint64_t n = sw->n_owners ? sw->n_owners * 2 : 1024;
	if (n > sw->limit)
		n = sw->limit;
	uint32_t *owner = mem_realloc(sw->owner, n, sizeof *owner);
	if (!owner)
		return PW_NOMEM;
	memset(owner + sw->n_owners, 0, (n - sw->n_owners) * sizeof *owner);
	sw->owner = owner;
	sw->n_owners = n;
	return PW_OK;
}

/* => some slot of the table is free, or it can grow */
static enum pw_err hand_move(struct swap *sw)
{
	for (;;) {
		while (sw->next < sw->n_owners && sw->owner[sw->next])
			sw->next++;
		if (sw->next < sw->n_owners)
			return PW_OK;
		bool sparse = sw->used * 2 < sw->n_owners;
		if (sw->n_owners < sw->limit && !sparse) {
			enum pw_err err = table_grow(sw);
			if (err)
				return err;
		} else {
			sw->next = 0;
		}
	}
}

enum pw_err swap_take(struct swap *sw, uint32_t anon, uint32_t *ret)
{
	if (swap_is_full(sw))
		return PW_NOSPACE;
	enum pw_err err = hand_move(sw);
	if (err)
		return err;
	*ret = (uint32_t)sw->next++;
	sw->owner[*ret] = anon;
	if (++sw->used > sw->peak)
		sw->peak = sw->used;
	return PW_OK;
}

void swap_give(struct swap *sw, uint32_t slot)
{
	sw->owner[slot] = ANON_NONE;
	sw->used--;
	store_discard(sw->store, slot, 1);
}

/* The time a transfer takes: consecutive slots go together. */
static void transfer_spend(struct kernel *k, enum store_direction direction, uint32_t n, const uint32_t slots[])
{
	struct store *s = k->swap.store;
	for (uint32_t first = 0, count; first < n; first += count) {
		for (count = 1; first + count < n && slots[first + count] == slots[first] + count;)
			count++;
		kernel_spend(k, s->ops->cost_ns(s, direction, slots[first], count));
	}
}

/* Slots and bytes as stores want them. */
struct transfer {
	uint64_t slot[SWAP_CLUSTER];
	void *page[SWAP_CLUSTER];
};

/* A transfer is accounted for.  => are there bytes to move? */
static bool transfer_begin(struct kernel *k, enum store_direction direction, uint32_t n, const uint32_t slots[], const uint32_t frames[],
                           struct transfer *t)
{
	bool is_read = direction == STORE_READ;
	transfer_spend(k, direction, n, slots);
	*(is_read ? &k->swap.reads : &k->swap.writes) += n;
	for (uint32_t i = 0; i < n; i++)
		page_used_by_kernel(k, frames[i], is_read ? ACCESS_STORE : ACCESS_LOAD);
	for (uint32_t i = 0; k->config.carries_data && i < n; i++) {
		t->slot[i] = slots[i];
		t->page[i] = page_bytes(k, frames[i]);
	}
	return k->config.carries_data;
}

enum pw_err swap_read(struct kernel *k, uint32_t n, const uint32_t slots[], const uint32_t frames[])
{
	struct swap *sw = &k->swap;
	struct transfer t;
	if (!transfer_begin(k, STORE_READ, n, slots, frames, &t))
		return PW_OK;
	enum pw_err err = store_read_slots(sw->store, n, t.slot, t.page, &sw->why);
	for (uint32_t i = 0; err == PW_IO && i < k->config.read_retries; i++)
		err = store_read_slots(sw->store, n, t.slot, t.page, &sw->why);
	return err;
}

enum pw_err swap_write(struct kernel *k, uint32_t n, const uint32_t slots[], const uint32_t frames[])
{
	struct swap *sw = &k->swap;
	struct transfer t;
	if (!transfer_begin(k, STORE_WRITE, n, slots, frames, &t))
		return PW_OK;
	return store_write_slots(sw->store, n, t.slot, (const void *const *)t.page, &sw->why);
}

const char *swap_flaw(const struct swap *sw)
{
	uint64_t used = 0;
	for (uint64_t i = 0; i < sw->n_owners; i++)
		used += sw->owner[i] != ANON_NONE;
	if (used != sw->used)
		return "swap: the count of used slots differs from the slots with an owner";
	return used <= sw->limit && sw->n_owners <= sw->limit ? NULL : "swap: more slots than the store has";
}

/* => n slots from first are used */
static enum pw_err run_copy(struct kernel *k, struct store *to, uint64_t first, uint32_t n, uint8_t *bytes, struct pw_why *why)
{
	void *pages[SWAP_CLUSTER];
	for (uint32_t i = 0; i < n; i++)
		pages[i] = bytes + (size_t)i * to->page_bytes;
	enum pw_err err = PW_IO;
	for (uint32_t tries = 0; (err == PW_IO || err == PW_NOSPACE) && tries <= k->config.read_retries; tries++) {
		err = store_read(k->swap.store, first, n, pages, why);
		if (!err)
			err = store_write(to, first, n, (const void *const *)pages, why);
	}
	return err;
}

enum pw_err kernel_swap_copy(struct kernel *k, struct store *to, struct pw_why *why)
{
	const struct swap *sw = &k->swap;
	uint8_t *bytes = mem_reserve((size_t)SWAP_CLUSTER * to->page_bytes);
	enum pw_err err = bytes ? PW_OK : pw_fail(why, PW_NOMEM, "no memory to copy swap with");
	for (uint64_t slot = 0, n; !err && slot < sw->n_owners; slot += n ? n : 1) {
		for (n = 0; n < SWAP_CLUSTER && slot + n < sw->n_owners && sw->owner[slot + n];)
			n++;
		if (n)
			err = run_copy(k, to, slot, (uint32_t)n, bytes, why);
	}
	mem_unreserve(bytes, (size_t)SWAP_CLUSTER * to->page_bytes);
	if (err)
		return err;
	for (uint32_t tries = 0; (err = store_flush(to, why)) == PW_IO && tries < k->config.read_retries;)
		tries++;
	return err;
}

void kernel_swap_change(struct kernel *k, struct store *to)
{
	k->swap.store = to;
	k->config.swap = to;
}
