/* reference_policies.c - the books' algorithms, written for clearness alone.
 *
 * Every frame is a record; a victim is found by looking at all of them.  The choices books leave open are those documented in
 * docs of the policies: clock sets the bit on load and on reference and its hand stays behind the frame it replaced; opt, among
 * pages never used again, takes the lowest frame. */
#include "reference_policies.h"
#include "reference_lists.h"
#include <stdlib.h>
#include <string.h>

struct place {
	uint32_t page;
	bool used, written, bit;
	uint64_t loaded, last;  /* when */
	uint64_t next;          /* opt: when again */
};
struct book {
	struct place *place;
	uint32_t n, hand;
	int32_t *where;         /* of each page, or -1 */
	uint64_t *next_use;     /* of each reference */
};

static uint32_t choose_smallest_time(const struct book *b, bool by_load)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < b->n; i++) {
		uint64_t mine = by_load ? b->place[i].loaded : b->place[i].last;
		uint64_t bests = by_load ? b->place[best].loaded : b->place[best].last;
		if (mine < bests)
			best = i;
	}
	return best;
}

static uint32_t choose_farthest(const struct book *b)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < b->n; i++) {
		if (b->place[i].next > b->place[best].next)
			best = i;
	}
	return best;
}

static uint32_t choose_by_hand(struct book *b)
{
	while (b->place[b->hand].bit) {
		b->place[b->hand].bit = false;
		b->hand = (b->hand + 1) % b->n;
	}
	uint32_t found = b->hand;
	b->hand = (b->hand + 1) % b->n;
	return found;
}

static uint32_t choose(struct book *b, const char *name)
{
	for (uint32_t i = 0; i < b->n; i++) {
		if (!b->place[i].used)
			return i;
	}
	if (!strcmp(name, "fifo"))
		return choose_smallest_time(b, true);
	if (!strcmp(name, "lru"))
		return choose_smallest_time(b, false);
	return strcmp(name, "clock") ? choose_farthest(b) : choose_by_hand(b);
}

static void look_ahead(struct book *b, const uint32_t *page, uint64_t n, uint32_t n_pages)
{
	uint64_t *soonest = malloc(n_pages * sizeof *soonest);
	for (uint32_t i = 0; soonest && i < n_pages; i++)
		soonest[i] = UINT64_MAX;
	for (uint64_t i = n; soonest && i-- > 0;) {
		b->next_use[i] = soonest[page[i]];
		soonest[page[i]] = i;
	}
	free(soonest);
}

static void refer(struct book *b, const char *name, uint32_t page, bool store, uint64_t now, struct reference_result *r)
{
	int32_t at = b->where[page];
	if (at < 0) {
		r->faults++;
		at = (int32_t)choose(b, name);
		struct place *p = &b->place[at];
		if (p->used) {
			r->write_backs += p->written;
			b->where[p->page] = -1;
		}
		*p = (struct place){ .page = page, .used = true, .loaded = now };
		b->where[page] = at;
	}
	struct place *p = &b->place[at];
	p->last = now;
	p->bit = true;
	p->written |= store;
	p->next = b->next_use[now];
}

bool reference_policy_run(const char *name, const uint32_t *page, const bool *is_store, uint64_t n, uint32_t n_pages,
                          uint32_t n_frames, struct reference_result *ret)
{
	if (strcmp(name, "fifo") && strcmp(name, "lru") && strcmp(name, "clock") && strcmp(name, "opt"))
		return reference_lists_run(name, page, is_store, n, n_pages, n_frames, ret);
	struct book b = { .n = n_frames };
	b.place = calloc(n_frames, sizeof *b.place);
	b.where = malloc(n_pages * sizeof *b.where);
	b.next_use = malloc(n * sizeof *b.next_use);
	bool ok = b.place && b.where && b.next_use;
	*ret = (struct reference_result){ 0 };
	if (ok) {
		memset(b.where, 0xff, n_pages * sizeof *b.where);
		look_ahead(&b, page, n, n_pages);
		for (uint64_t i = 0; i < n; i++)
			refer(&b, name, page[i], is_store[i], i, ret);
	}
	free(b.place);
	free(b.where);
	free(b.next_use);
	return ok;
}
