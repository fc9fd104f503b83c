/* tlb_bank.c - building the bank, looking up, choosing victims.
 *
 * Invariants:
 *  1. A tag appears at most once in an array, and only in the set of its page.
 *  2. stamp >= filled for every used slot, and both are at most the machine's time.
 *  3. Slots below n_first belong to first-rank arrays, and only they do. */
#include "tlb_bank.h"
#include "../base/mem.h"
#include <string.h>

static bool array_is_first(const struct cpu_model *m, unsigned i)
{
	for (unsigned kind = 0; kind < ACCESS_KINDS; kind++) {
		unsigned lowest = UINT8_MAX;
		for (unsigned j = 0; j < m->n_tlbs; j++)
			if (m->tlb[j].kinds >> kind & 1 && m->tlb[j].level < lowest)
				lowest = m->tlb[j].level;
		if (m->tlb[i].kinds >> kind & 1 && m->tlb[i].level == lowest)
			return true;
	}
	return false;
}

static void place_array(struct tlb_bank *b, const struct tlb_geometry *g)
{
	struct tlb_array *a = &b->array[b->n_arrays++];
	a->shape = *g;
	a->sets = g->entries / g->ways;
	a->sets_mask = a->sets - 1;
	a->sets_odd = a->sets & a->sets_mask ? a->sets : 0;
	a->stride = (g->ways + SCAN_LANES - 1) / SCAN_LANES * SCAN_LANES;
	a->first = b->n_slots;
	b->n_slots += a->sets * a->stride;
	unsigned i = 0;
	while (i < b->n_groups && strcmp(b->group[i], g->name) != 0)
		i++;
	if (i == b->n_groups)
		b->n_groups++;
	a->group = (uint8_t)i;
	b->group[i] = a->shape.name;
}

static const struct tlb_array *rank_plain(const struct tlb_bank *b, const struct tlb_rank *r)
{
	const struct tlb_array *only = NULL;
	for (unsigned i = 0; i < r->n; i++)
		if (b->array[r->array[i]].shape.page_levels & 1) {
			if (only)
				return NULL;
			only = &b->array[r->array[i]];
		}
	return only && only->shape.replace == TLB_lru && only->stride <= SCAN_MOST ? only : NULL;
}

static void rank_kind(struct tlb_bank *b, enum access_kind kind)
{
	for (unsigned level = 1; level <= 9; level++) {
		struct tlb_rank *r = &b->rank[kind][b->depth[kind]];
		for (unsigned i = 0; i < b->n_arrays; i++)
			if (b->array[i].shape.level == level && b->array[i].shape.kinds >> kind & 1) {
				r->array[r->n++] = (uint8_t)i;
				r->groups |= 1u << b->array[i].group;
			}
		if (r->n == 0)
			continue;
		r->plain = rank_plain(b, r);
		b->depth[kind]++;
	}
}

static void pad_sets(struct tlb_bank *b)
{
	for (unsigned i = 0; i < b->n_arrays; i++) {
		const struct tlb_array *a = &b->array[i];
		for (uint32_t set = 0; set < a->sets; set++)
			for (uint32_t way = a->shape.ways; way < a->stride; way++)
				b->stamp[a->first + set * a->stride + way] = SCAN_PAD_TIME;
	}
}

enum pw_err tlb_bank_init(struct tlb_bank *b, const struct cpu_model *model, const struct ptfmt *format, uint64_t seed,
			  struct pw_why *why)
{
	memset(b, 0, sizeof *b);
	rng_init(&b->rng, seed);
	b->levels_used = 1;
	b->simple = true;
	for (unsigned level = 0; level < format->levels; level++)
		b->level_shift[level] = (uint8_t)ptfmt_level_shift(format, level);
	for (unsigned i = 0; i < model->n_tlbs; i++)
		if (array_is_first(model, i))
			place_array(b, &model->tlb[i]);
	b->n_first = b->n_slots;
	for (unsigned i = 0; i < model->n_tlbs; i++)
		if (!array_is_first(model, i))
			place_array(b, &model->tlb[i]);
	for (unsigned kind = 0; kind < ACCESS_KINDS; kind++)
		rank_kind(b, (enum access_kind)kind);
	uint32_t n = b->n_slots ? b->n_slots : 1;
	b->tag = mem_zalloc(n, sizeof *b->tag);
	b->stamp = mem_zalloc(n, sizeof *b->stamp);
	b->filled = mem_zalloc(n, sizeof *b->filled);
	b->entry = mem_zalloc(n, sizeof *b->entry);
	if (!b->tag || !b->stamp || !b->filled || !b->entry) {
		tlb_bank_fini(b);
		return pw_fail(why, PW_NOMEM, "no memory for a TLB of %u entries", n);
	}
	pad_sets(b);
	return PW_OK;
}

void tlb_bank_fini(struct tlb_bank *b)
{
	mem_free(b->tag);
	mem_free(b->stamp);
	mem_free(b->filled);
	mem_free(b->entry);
	b->tag = b->stamp = b->filled = NULL;
	b->entry = NULL;
}

static uint32_t lookup_level(const struct tlb_bank *b, const struct tlb_rank *r, vaddr_t va, uint16_t asid, unsigned level)
{
	for (unsigned i = 0; i < r->n; i++) {
		const struct tlb_array *a = &b->array[r->array[i]];
		if (!(a->shape.page_levels >> level & 1))
			continue;
		uint32_t slot = tlb_probe(b, a, va, asid, level);
		if (slot == TLB_SLOT_NONE && b->globals_used)
			slot = tlb_probe(b, a, va, TLB_ASID_GLOBAL, level);
		if (slot != TLB_SLOT_NONE)
			return slot;
	}
	return TLB_SLOT_NONE;
}

uint32_t tlb_lookup(const struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, uint16_t asid)
{
	for (unsigned used = b->levels_used, level; used; used &= used - 1) {
		level = (unsigned)__builtin_ctz(used);
		uint32_t slot = lookup_level(b, &b->rank[kind][depth], va, asid, level);
		if (slot != TLB_SLOT_NONE)
			return slot;
	}
	return TLB_SLOT_NONE;
}

/* An empty slot is older than all. */
static uint32_t oldest(const uint64_t *time, uint32_t base, uint32_t n)
{
	uint64_t least = time[base];
	uint32_t best = base;
	for (uint32_t i = base + 1; i < base + n; i++) {
		uint64_t t = time[i];
		best = t < least ? i : best;
		least = t < least ? t : least;
	}
	return best;
}

static uint64_t newest_time(const uint64_t *stamp, uint32_t base, uint32_t n)
{
	uint64_t newest = 0;
	for (uint32_t i = base; i < base + n; i++)
		if (stamp[i] > newest)
			newest = stamp[i];
	return newest;
}

/* The tree over n ways splits them into a left half, rounded up, and a right half. */
static uint32_t plru_victim(const uint64_t *stamp, uint32_t base, uint32_t n)
{
	while (n > 1) {
		uint32_t left = (n + 1) / 2;
		if (newest_time(stamp, base, left) < newest_time(stamp, base + left, n - left)) {
			n = left;
		} else {
			base += left;
			n -= left;
		}
	}
	return base;
}

static uint32_t set_victim(struct tlb_bank *b, const struct tlb_array *a, uint32_t base)
{
	uint32_t ways = a->shape.ways;
	if (a->shape.replace == TLB_lru)
		return oldest(b->stamp, base, ways);
	uint32_t first = oldest(b->filled, base, ways);
	if (a->shape.replace == TLB_fifo || b->tag[first] == 0)
		return first;
	if (a->shape.replace == TLB_plru)
		return plru_victim(b->stamp, base, ways);
	return base + (uint32_t)rng_below(&b->rng, ways);
}

/* Where several arrays of a rank can hold the page (Ice Lake's second level), the older victim goes. */
uint32_t tlb_victim(struct tlb_bank *b, enum access_kind kind, unsigned depth, vaddr_t va, unsigned level)
{
	const struct tlb_rank *r = &b->rank[kind][depth];
	uint64_t page = va.v >> b->level_shift[level];
	uint32_t best = TLB_SLOT_NONE;
	for (unsigned i = 0; i < r->n; i++) {
		const struct tlb_array *a = &b->array[r->array[i]];
		if (!(a->shape.page_levels >> level & 1))
			continue;
		uint32_t slot = set_victim(b, a, tlb_set(a, page));
		if (best == TLB_SLOT_NONE || b->stamp[slot] < b->stamp[best])
			best = slot;
	}
	return best;
}
