/* ram.c - slots in the memory of the host, as they are.
 *
 * Problem: tests, the library and machines that lend memory want a swap place without a device, whose bytes can be used where they
 * lie, and which holds no more than what was written.
 * Idea: a slot has a fixed place in a leaf of reserved address space; the host gives memory only to places that are written.  What
 * is discarded is given back in runs, when enough of a leaf is dead: one call for many pages.
 *
 *     leaf:  bytes of its slots, one after another        live  1 1 0 0 1 0 ...
 *                                                         held  1 1 1 0 1 0 ...   the third is dead
 *
 * Pages that are lent to it (store_lend) it takes: what has no memory yet gets the page itself, and nothing is copied.
 *
 * 1. live is a subset of held; dead is the count of held and not live.
 * 2. Bits change under the lock only; the bytes of a live slot need none, for nobody else uses it (the contract of store.h).
 * 3. held_bytes <= capacity.
 * 4. Memory of a claimed leaf is touched only where it is held.  A slot is held from just before it is filled; until then it is its
 *    writer's alone, and a write that fails takes it back.
 * Its time is that of copying memory at bytes_per_s. */
#include "../base/mem.h"
#include "kind.h"
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RAM_LEAF_BYTES = 4 << 20, RAM_LEAF_SLOTS = 1024 };

struct ram_leaf {
	uint8_t *bytes;
	bool claimed;        /* its pages come by memory.fill */
	uint32_t n_live, n_held;
	uint64_t live[RAM_LEAF_SLOTS / 64], held[RAM_LEAF_SLOTS / 64];
};
struct ram {
	struct store store;
	struct slots slots;
	pthread_mutex_t lock;
	uint32_t dead_max;   /* of one leaf before they are given back; 0: pages too small to be */
	uint64_t n_held, capacity; /* in pages */
	uint64_t bytes_per_s;
	struct store_memory memory; /* claim NULL: none is lent */
};

static bool bit_get(const uint64_t *bits, uint32_t i)
{
	return __atomic_load_n(&bits[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1;
}

static void bit_set(uint64_t *bits, uint32_t i, bool value)
{
	uint64_t mask = 1ull << (i % 64), was = bits[i / 64];
	__atomic_store_n(&bits[i / 64], value ? was | mask : was & ~mask, __ATOMIC_RELAXED);
}

static uint8_t *ram_at(const struct ram *r, const struct ram_leaf *leaf, uint64_t slot)
{
	return leaf->bytes + (size_t)(slot % r->slots.leaf_slots) * r->store.page_bytes;
}

/* Gives the memory of dead slots back to the host.  => the lock is held */
static void leaf_trim(struct ram *r, struct ram_leaf *leaf)
{
	uint32_t n = r->slots.leaf_slots, i = 0;
	while (i < n) {
		uint32_t first = i;
		for (; i < n && bit_get(leaf->held, i) && !bit_get(leaf->live, i); i++)
			bit_set(leaf->held, i, false);
		if (i > first)
			madvise(ram_at(r, leaf, first), (size_t)(i - first) * r->store.page_bytes, MADV_DONTNEED);
		leaf->n_held -= i - first;
		r->n_held -= i - first;
		i += i == first;
	}
}

static void ram_trim(struct ram *r)
{
	for (uint64_t i = 0; r->dead_max && i < r->slots.n_used; i++) {
		struct ram_leaf *leaf = r->slots.leaf[i];
		if (leaf && leaf->n_held > leaf->n_live)
			leaf_trim(r, leaf);
	}
}

static size_t leaf_bytes(const struct ram *r)
{
	return (size_t)r->slots.leaf_slots * r->store.page_bytes;
}

static void leaf_claim(const struct ram *r, struct ram_leaf *leaf)
{
	leaf->claimed = r->memory.claim && r->memory.claim(r->memory.ctx, leaf->bytes, leaf_bytes(r));
}

/* => the lock is held.  The address space of a leaf: no large pages, which would hold more than was written. */
static bool leaf_reserve(struct ram *r, struct ram_leaf *leaf)
{
	if (leaf->bytes)
		return true;
	leaf->bytes = mem_reserve(leaf_bytes(r));
	if (!leaf->bytes)
		return false;
	madvise(leaf->bytes, leaf_bytes(r), MADV_NOHUGEPAGE);
	leaf_claim(r, leaf);
	return true;
}

/* Makes a slot live.  *ret_fresh: it had no memory, and has the right to some.  => on error nothing has changed */
static enum pw_err ram_take(struct ram *r, uint64_t slot, bool *ret_fresh)
{
	struct ram_leaf *leaf = slots_make(&r->slots, slot);
	uint32_t i = (uint32_t)(slot % r->slots.leaf_slots);
	enum pw_err err = leaf ? PW_OK : PW_NOMEM;
	*ret_fresh = false;
	if (!leaf || bit_get(leaf->live, i))
		return err;
	pthread_mutex_lock(&r->lock);
	if (!bit_get(leaf->held, i) && r->n_held >= r->capacity)
		ram_trim(r);
	*ret_fresh = !bit_get(leaf->held, i);
	if (!leaf_reserve(r, leaf))
		err = PW_NOMEM;
	else if (*ret_fresh && r->n_held >= r->capacity)
		err = PW_NOSPACE;
	if (!err) {
		leaf->n_held += *ret_fresh;
		r->n_held += *ret_fresh;
		leaf->n_live++;
		bit_set(leaf->held, i, true);
		bit_set(leaf->live, i, true);
	}
	pthread_mutex_unlock(&r->lock);
	return err;
}

/* => it was taken fresh, and got no memory */
static void ram_untake(struct ram *r, uint64_t slot)
{
	struct ram_leaf *leaf = slots_leaf(&r->slots, slot);
	uint32_t i = (uint32_t)(slot % r->slots.leaf_slots);
	pthread_mutex_lock(&r->lock);
	leaf->n_held--;
	r->n_held--;
	leaf->n_live--;
	bit_set(leaf->held, i, false);
	bit_set(leaf->live, i, false);
	pthread_mutex_unlock(&r->lock);
}

static const void *ram_borrow(struct store *s, uint64_t slot)
{
	const struct ram *r = (struct ram *)s;
	const struct ram_leaf *leaf = slots_leaf(&r->slots, slot);
	return leaf && bit_get(leaf->live, (uint32_t)(slot % r->slots.leaf_slots)) ? ram_at(r, leaf, slot) : NULL;
}

static enum pw_err ram_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	(void)why;
	for (uint32_t i = 0; i < n; i++) {
		const void *from = ram_borrow(s, slot[i]);
		if (from)
			memcpy(pages[i], from, s->page_bytes);
		else
			memset(pages[i], 0, s->page_bytes);
	}
	return PW_OK;
}

/* How many of the slots lie one after the other in one leaf, from the first on, all fresh or none. */
static uint32_t slots_together(const struct ram *r, const uint64_t slot[], const bool fresh[], uint32_t n)
{
	uint32_t count = 1;
	while (count < n && slot[count] == slot[0] + count && slot[count] % r->slots.leaf_slots && fresh[count] == fresh[0])
		count++;
	return count;
}

/* Slots that lie together.  What the host has to give, it gives in one call: a fault for each page would cost more than its copy.
 * Hosts that know no such call (before Linux 5.14) fault. */
static void run_write(struct ram *r, uint32_t n, const uint64_t slot[], bool fresh, const void *const pages[])
{
	const struct ram_leaf *leaf = slots_leaf(&r->slots, slot[0]);
	uint8_t *to = ram_at(r, leaf, slot[0]);
	if (fresh && leaf->claimed) {
		r->memory.fill(r->memory.ctx, to, n, pages);
		return;
	}
	if (n > 1 && fresh)
		madvise(to, (size_t)n * r->store.page_bytes, MADV_POPULATE_WRITE);
	for (uint32_t i = 0; i < n; i++)
		memcpy(to + (size_t)i * r->store.page_bytes, pages[i], r->store.page_bytes);
}

static enum pw_err ram_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	struct ram *r = (struct ram *)s;
	bool fresh[STORE_BATCH];
	enum pw_err err = PW_OK;
	uint32_t taken = 0;
	while (taken < n && !(err = ram_take(r, slot[taken], &fresh[taken])))
		taken++;
	for (uint32_t i = 0; err && i < taken; i++) {
		if (fresh[i])
			ram_untake(r, slot[i]);
	}
	for (uint32_t i = 0, count; !err && i < n; i += count) {
		count = slots_together(r, slot + i, fresh + i, n - i);
		run_write(r, count, slot + i, fresh[i], pages + i);
	}
	return !err ? PW_OK : pw_fail(why, err, "store ram: %s", err == PW_NOSPACE ? "its capacity is used up" : pw_err_text(err));
}

static void ram_lend(struct store *s, const struct store_memory *memory)
{
	struct ram *r = (struct ram *)s;
	r->memory = memory ? *memory : (struct store_memory){ NULL, NULL, NULL };
	for (uint64_t i = 0; i < r->slots.n_used; i++) {
		struct ram_leaf *leaf = r->slots.leaf[i];
		if (leaf && leaf->bytes)
			leaf_claim(r, leaf);
	}
}

static void ram_discard(struct store *s, uint64_t slot, uint32_t n)
{
	struct ram *r = (struct ram *)s;
	pthread_mutex_lock(&r->lock);
	for (uint64_t k = slot; k < slot + n; k++) {
		struct ram_leaf *leaf = slots_leaf(&r->slots, k);
		uint32_t i = (uint32_t)(k % r->slots.leaf_slots);
		if (!leaf || !bit_get(leaf->live, i))
			continue;
		bit_set(leaf->live, i, false);
		leaf->n_live--;
		if (r->dead_max && (leaf->n_held - leaf->n_live >= r->dead_max || !leaf->n_live))
			leaf_trim(r, leaf);
	}
	pthread_mutex_unlock(&r->lock);
}

static void ram_stats(struct store *s, struct store_stats *sum)
{
	struct ram *r = (struct ram *)s;
	pthread_mutex_lock(&r->lock);
	sum->memory_bytes += r->n_held * s->page_bytes;
	pthread_mutex_unlock(&r->lock);
}

static uint64_t ram_cost_ns(struct store *s, enum store_direction d, uint64_t slot, uint32_t n)
{
	(void)d, (void)slot;
	return store_transfer_ns(s, n, ((struct ram *)s)->bytes_per_s);
}

static void ram_close(struct store *s)
{
	struct ram *r = (struct ram *)s;
	for (uint64_t i = 0; r->slots.leaf && i < r->slots.n_used; i++) {
		struct ram_leaf *leaf = r->slots.leaf[i];
		if (leaf)
			mem_unreserve(leaf->bytes, leaf_bytes(r));
	}
	slots_fini(&r->slots);
	pthread_mutex_destroy(&r->lock);
	mem_free(r);
}

static const struct store_ops ram_ops = {
	.name = "ram",
	.summary = "memory of this computer, at the speed of a copy",
	.read = ram_read,
	.write = ram_write,
	.discard = ram_discard,
	.borrow = ram_borrow,
	.lend = ram_lend,
	.stats = ram_stats,
	.cost_ns = ram_cost_ns,
	.close = ram_close,
};

static uint32_t leaf_slots_for(uint32_t page_bytes)
{
	uint32_t n = RAM_LEAF_SLOTS;
	while (n > 1 && (uint64_t)n * page_bytes > RAM_LEAF_BYTES)
		n /= 2;
	return n;
}

static enum pw_err ram_open(const struct store_spec *spec, const struct store *like, struct store **ret, struct pw_why *why)
{
	uint64_t bytes_per_s = 8ull << 30;
	const struct store_param param[] = { { "bytes_per_s", &bytes_per_s } };
	enum pw_err err = store_params("ram", spec->args, param, 1, why);
	struct ram *r = err ? NULL : mem_zalloc(1, sizeof *r);
	if (!r)
		return err ? err : pw_fail(why, PW_NOMEM, "store ram: %s", pw_err_text(PW_NOMEM));
	uint32_t leaf_slots = leaf_slots_for(like->page_bytes);
	r->store = store_of_kind(like, &ram_ops);
	r->bytes_per_s = bytes_per_s;
	r->capacity = spec->capacity ? spec->capacity / like->page_bytes : UINT64_MAX;
	r->dead_max = like->page_bytes % (uint64_t)sysconf(_SC_PAGESIZE) ? 0 : (leaf_slots + 3) / 4;
	pthread_mutex_init(&r->lock, NULL);
	if (!slots_init(&r->slots, r->store.n_slots, leaf_slots, sizeof(struct ram_leaf))) {
		ram_close(&r->store);
		return pw_fail(why, PW_NOMEM, "store ram: %s", pw_err_text(PW_NOMEM));
	}
	*ret = &r->store;
	return PW_OK;
}

const struct store_kind store_kind_ram = { .ops = &ram_ops, .form = "ram[=SIZE]", .sized = true, .open = ram_open };
