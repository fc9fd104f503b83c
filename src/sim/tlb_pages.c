/* tlb_pages.c - numbers for pages.
 *
 * Problem: models of TLBs for several page sizes need, for each reference, small dense numbers instead of addresses, for the page in
 * every size and for what the tables above it cover; a hash look-up for each would cost more than the models.
 * Idea: only the base page is looked up, in leaves of 64 pages found by hashing, the last one remembered.  The larger pages around it
 * are numbered when it is, and found through arrays ever after.
 *
 * 1. Numbers count from 1 in the order of first sight, in each size by itself; 0 is no page.
 * 2. What is at a number never changes, and arrays never move, so others may read them while pages are added.
 * Rejected: growing arrays (they move), one hash table for each size (five look-ups for a new page are few, five for each reference
 * are not). */
#include "tlb_pages.h"
#include "../base/mem.h"
#include <string.h>

enum { LEAF_BITS = 6, LEAF_PAGES = 1 << LEAF_BITS };

struct tlb_leaf {
	uint64_t key;             /* of its first page, without the lower bits */
	struct tlb_leaf *next;    /* of the same space */
	uint32_t id[LEAF_PAGES];
};

static void *reserve(size_t element) { return mem_reserve((size_t)TLB_PAGES_MAX * element); }
static void unreserve(void *p, size_t element) { mem_unreserve(p, (size_t)TLB_PAGES_MAX * element); }

static enum pw_err size_init(struct tlb_pages *p, unsigned i, unsigned up)
{
	p->up[i] = (uint8_t)up;
	p->n_groups[i] = 1;
	p->group_key[i] = up ? reserve(sizeof(uint64_t)) : p->key;
	p->group[i] = up ? reserve(sizeof(uint32_t)) : NULL;
	if (!p->group_key[i] || (up && !p->group[i]))
		return PW_NOMEM;
	return up ? htab_init(&p->groups[i], 64) : PW_OK;
}

static enum pw_err level_init(struct tlb_pages *p, unsigned level, unsigned up)
{
	p->region_up[level] = (uint8_t)up;
	p->n_regions[level] = 1;
	p->region[level] = reserve(sizeof(uint32_t));
	return p->region[level] ? htab_init(&p->regions[level], 64) : PW_NOMEM;
}

enum pw_err tlb_pages_init(struct tlb_pages *p, const struct ptfmt *format, const uint8_t *size_shift, unsigned n_sizes)
{
	*p = (struct tlb_pages){ .n = 1, .n_sizes = n_sizes, .levels = format->levels };
	p->key = reserve(sizeof *p->key);
	p->of_space = mem_reserve(TLB_KEY_SPACES * sizeof *p->of_space);
	enum pw_err err = p->key && p->of_space ? htab_init(&p->leaves, 64) : PW_NOMEM;
	for (unsigned i = 0; i < n_sizes && err == PW_OK; i++)
		err = size_init(p, i, size_shift[i] - format->page_shift);
	for (unsigned level = 1; level < format->levels && err == PW_OK; level++)
		err = level_init(p, level, ptfmt_level_shift(format, level) - format->page_shift);
	if (err != PW_OK)
		tlb_pages_fini(p);
	return err;
}

void tlb_pages_fini(struct tlb_pages *p)
{
	for (uint32_t s = 0; p->of_space && s < p->n_spaces; s++)
		for (struct tlb_leaf *l = p->of_space[s], *next; l; l = next) {
			next = l->next;
			mem_free(l);
		}
	for (unsigned i = 0; i < p->n_sizes; i++) {
		if (p->up[i])
			unreserve(p->group_key[i], sizeof(uint64_t));
		unreserve(p->group[i], sizeof(uint32_t));
		htab_fini(&p->groups[i]);
	}
	for (unsigned level = 1; level < p->levels; level++) {
		unreserve(p->region[level], sizeof(uint32_t));
		htab_fini(&p->regions[level]);
	}
	unreserve(p->key, sizeof *p->key);
	mem_unreserve(p->of_space, TLB_KEY_SPACES * sizeof *p->of_space);
	htab_fini(&p->leaves);
	*p = (struct tlb_pages){ 0 };
}

enum pw_err tlb_pages_space(struct tlb_pages *p, uint32_t *ret)
{
	if (p->n_spaces == TLB_KEY_SPACES)
		return PW_LIMIT;
	*ret = p->n_spaces++;
	return PW_OK;
}

static struct tlb_leaf *leaf_find(struct tlb_pages *p, uint64_t key)
{
	key &= ~(uint64_t)(LEAF_PAGES - 1);
	if (p->recent && p->recent->key == key)
		return p->recent;
	const uint64_t *at = htab_get(&p->leaves, key);
	if (at)
		p->recent = (struct tlb_leaf *)(uintptr_t)*at;
	return at ? p->recent : NULL;
}

static struct tlb_leaf *leaf_make(struct tlb_pages *p, uint64_t key)
{
	struct tlb_leaf *l = mem_zalloc(1, sizeof *l);
	uint64_t *at = l ? htab_put(&p->leaves, key & ~(uint64_t)(LEAF_PAGES - 1)) : NULL;
	if (!at) {
		mem_free(l);
		return NULL;
	}
	*at = (uintptr_t)l;
	l->key = key & ~(uint64_t)(LEAF_PAGES - 1);
	l->next = p->of_space[tlb_key_space(key)];
	p->of_space[tlb_key_space(key)] = l;
	return l;
}

uint32_t tlb_pages_find(struct tlb_pages *p, uint32_t space, uint64_t page)
{
	uint64_t key = tlb_key(space, page);
	const struct tlb_leaf *l = leaf_find(p, key);
	return l ? l->id[key & (LEAF_PAGES - 1)] : 0;
}

/* The number of a key in a table of its own, new when the key is.  => 0: out of memory */
static uint32_t number_of(struct htab *h, uint64_t key, uint32_t *count, bool *ret_new)
{
	uint64_t *at = htab_put(h, key);
	if (!at)
		return 0;
	*ret_new = *at == 0;
	if (*ret_new)
		*at = (*count)++;
	return (uint32_t)*at;
}

/* The larger pages and the regions around a page that is being numbered. */
static enum pw_err page_place(struct tlb_pages *p, uint32_t id, uint32_t space, uint64_t page)
{
	bool fresh;
	for (unsigned i = 0; i < p->n_sizes; i++) {
		if (!p->up[i])
			continue;
		uint64_t key = tlb_key(space, page >> p->up[i]);
		uint32_t group = number_of(&p->groups[i], key, &p->n_groups[i], &fresh);
		if (!group)
			return PW_NOMEM;
		p->group[i][id] = group;
		if (fresh)
			p->group_key[i][group] = key;
	}
	for (unsigned level = 1; level < p->levels; level++) {
		uint64_t key = tlb_key(space, page >> p->region_up[level]);
		p->region[level][id] = number_of(&p->regions[level], key, &p->n_regions[level], &fresh);
		if (!p->region[level][id])
			return PW_NOMEM;
	}
	return PW_OK;
}

enum pw_err tlb_pages_get(struct tlb_pages *p, uint32_t space, uint64_t page, uint32_t *ret)
{
	uint64_t key = tlb_key(space, page);
	struct tlb_leaf *l = leaf_find(p, key);
	if (!l)
		l = leaf_make(p, key);
	if (!l)
		return PW_NOMEM;
	*ret = l->id[key & (LEAF_PAGES - 1)];
	if (*ret)
		return PW_OK;
	if (p->n == TLB_PAGES_MAX)
		return PW_LIMIT;
	enum pw_err err = page_place(p, p->n, space, tlb_key_page(key));
	if (err != PW_OK)
		return err;
	p->key[p->n] = key;
	l->id[key & (LEAF_PAGES - 1)] = *ret = p->n++;
	return PW_OK;
}

static void leaf_each(const struct tlb_leaf *l, uint64_t first, uint64_t end, void (*visit)(void *ctx, uint32_t id), void *ctx)
{
	uint64_t base = tlb_key_page(l->key);
	for (uint64_t i = first > base ? first - base : 0; i < LEAF_PAGES && base + i < end; i++)
		if (l->id[i])
			visit(ctx, l->id[i]);
}

void tlb_pages_each(struct tlb_pages *p, uint32_t space, struct vpn_range r, void (*visit)(void *ctx, uint32_t id), void *ctx)
{
	uint64_t first = tlb_key_page(r.first.v), end = first + r.count;
	if (r.count >> LEAF_BITS >= p->leaves.count) {
		for (const struct tlb_leaf *l = p->of_space[space]; l; l = l->next)
			leaf_each(l, first, end, visit, ctx);
		return;
	}
	for (uint64_t at = first & ~(uint64_t)(LEAF_PAGES - 1); at < end; at += LEAF_PAGES) {
		const struct tlb_leaf *l = leaf_find(p, tlb_key(space, at));
		if (l)
			leaf_each(l, first, end, visit, ctx);
	}
}
