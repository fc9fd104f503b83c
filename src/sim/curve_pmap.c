/* curve_pmap.c - translations as words of a curve's table.
 *
 * Problem: what unmap, fork, copy-on-write, exec, shared files and exits mean to pages is the kernel's business, and must not be
 * written a second time for curves.
 * Idea: the kernel does everything as always, over this pmap.  Each of its calls is a fact about the pages of the curve.
 *
 *      enter(vpn, frame)      word = frame, rights              the frame's first translation: the page is there
 *      remove, protect        words go, or lose rights
 *      page_protect(frame, 0) all words of the frame go         the page is no more: a hole in the stack
 *      test_clear(modified)   the page is clean                 what was written to it is not wanted
 *
 *      page[frame]   key of its only translation | head of its list ---> node {key, lost, class} ---> ...
 *
 * 1. A word's page is a frame whose record leads back to the word's key.  Its SHARED bit is set iff the record is a list.
 * 2. A list holds at least one node; one that is alone ends at its next use (until then it remembers what it has lost).
 * 3. The numbers of spaces that have gone are used again, when none of their words is left.
 * Rejected: pmap_model or pmap_machine below a recording policy (their translations would have to be cached again, and who shares a page
 * is not for a policy to know). */
#include "curve_pmap.h"
#include "../base/mem.h"
#include <string.h>

#define NODE_LIST (1ull << 63) /* in a page's record: the rest is the head of a list */
#define NO_KEY 0

struct curve_pmap {
	struct pmap pmap;
	uint32_t space;
};
struct curve_sys {
	struct pmap_sys sys;
	struct lru_curve *lru;
	uint64_t *page;          /* of each frame: key plus one, or NODE_LIST and a node plus one; 0: not mapped */
	uint64_t pages_room;
	struct curve_node *node;
	uint64_t nodes_room, nodes_fresh;
	uint32_t node_free;      /* plus one, linked by next */
	uint32_t *space_free;
	uint64_t *resident;      /* of each space: words that are translations */
	uint32_t n_spaces_free, spaces_room, n_spaces;
	const struct curve_pmap *copying;
	enum pw_err error;
};

static struct curve_sys *sys_of(const struct pmap_sys *s) { return (struct curve_sys *)(uintptr_t)s; }
static struct curve_pmap *space_of(const struct pmap *p) { return (struct curve_pmap *)(uintptr_t)p; }

static void note_error(struct curve_sys *s, enum pw_err err)
{
	if (s->error == PW_OK)
		s->error = err;
}

/* ---- rights ---- */

/* Whatever is mapped can be read, as the processors that have no right to read apart have it. */
static unsigned allow_of(unsigned prot)
{
	return (prot & (PMAP_READ | PMAP_WRITE | PMAP_EXEC) ? USE_LOAD : 0) | (prot & PMAP_WRITE ? USE_STORE : 0) |
	       (prot & PMAP_EXEC ? USE_FETCH : 0);
}

static unsigned prot_of(uint32_t word)
{
	return (word & USE_LOAD ? PMAP_READ : 0) | (word & USE_STORE ? PMAP_WRITE : 0) | (word & USE_FETCH ? PMAP_EXEC : 0) | PMAP_USER;
}

/* ---- who maps a page ---- */

static uint32_t node_take(struct curve_sys *s)
{
	if (s->node_free) {
		uint32_t i = s->node_free;
		s->node_free = s->node[i - 1].next;
		return i;
	}
	if (s->nodes_fresh == s->nodes_room) {
		uint64_t room = s->nodes_room ? s->nodes_room * 2 : 256;
		struct curve_node *grown = mem_realloc(s->node, room, sizeof *grown);
		if (!grown)
			return 0;
		s->node = grown;
		s->nodes_room = room;
	}
	return (uint32_t)++s->nodes_fresh;
}

static void node_give(struct curve_sys *s, uint32_t i)
{
	s->node[i - 1].next = s->node_free;
	s->node_free = i;
}

static uint32_t list_of(const struct curve_sys *s, uint32_t page) { return s->page[page] & NODE_LIST ? (uint32_t)s->page[page] : 0; }

struct curve_node *curve_node_at(struct pmap_sys *sys, uint32_t page, uint64_t key)
{
	struct curve_sys *s = sys_of(sys);
	uint32_t i = list_of(s, page);
	while (i && s->node[i - 1].key != key)
		i = s->node[i - 1].next;
	return i ? &s->node[i - 1] : NULL;
}

/* The only translation becomes a list of one. */
static enum pw_err page_share(struct curve_sys *s, uint32_t page)
{
	uint32_t i = node_take(s);
	if (!i)
		return PW_NOMEM;
	uint64_t key = s->page[page] - 1;
	s->node[i - 1] = (struct curve_node){ .key = key, .class = s->lru->page[page].class };
	s->page[page] = NODE_LIST | i;
	*dense_get(&s->lru->table, key) |= LRU_WORD_SHARED;
	return PW_OK;
}

static enum pw_err page_cover(struct curve_sys *s, uint32_t page)
{
	if (page >= LRU_PAGES_MAX)
		return PW_LIMIT;
	if (page >= s->pages_room) {
		uint64_t room = s->pages_room * 2 > page ? s->pages_room * 2 : page + 1024ull;
		uint64_t *grown = mem_realloc(s->page, room, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		for (uint64_t i = s->pages_room; i < room; i++)
			grown[i] = 0;
		s->page = grown;
		s->pages_room = room;
	}
	return lru_curve_cover(s->lru, page);
}

/* The word of key, not in use, becomes a translation of the page. */
static enum pw_err link_word(struct curve_sys *s, uint64_t key, uint32_t *word, uint32_t page, unsigned allow)
{
	enum pw_err err = page_cover(s, page);
	if (err != PW_OK)
		return err;
	if (!s->page[page]) {
		s->page[page] = key + 1;
		*word = lru_word(page, false, allow);
		s->resident[dense_space(key)]++;
		return PW_OK;
	}
	if (!list_of(s, page))
		err = page_share(s, page);
	uint32_t i = err == PW_OK ? node_take(s) : 0;
	if (!i)
		return PW_NOMEM;
	uint32_t lost = 0;
	if (s->copying) {
		const struct curve_node *from = curve_node_at(&s->sys, page, dense_key(s->copying->space, dense_page(key)));
		lost = from ? from->lost : 0;
	}
	s->node[i - 1] = (struct curve_node){ .key = key, .lost = lost, .class = CURVE_CLASS_NONE, .next = list_of(s, page) };
	s->page[page] = NODE_LIST | i;
	*word = lru_word(page, true, allow);
	s->resident[dense_space(key)]++;
	return PW_OK;
}

static void unlink_word(struct curve_sys *s, uint64_t key, uint32_t *word)
{
	uint32_t page = lru_word_page(*word), i = list_of(s, page), *from = NULL;
	*word = 0;
	s->resident[dense_space(key)]--;
	if (!i) {
		s->page[page] = NO_KEY;
		return;
	}
	while (s->node[i - 1].key != key) {
		from = &s->node[i - 1].next;
		i = *from;
	}
	uint32_t next = s->node[i - 1].next;
	if (from)
		*from = next;
	else
		s->page[page] = next ? NODE_LIST | next : NO_KEY;
	node_give(s, i);
}

void curve_page_used(struct pmap_sys *sys, uint32_t page, uint64_t depth)
{
	struct curve_sys *s = sys_of(sys);
	if (page >= s->pages_room)
		return;
	if (s->page[page] && !list_of(s, page) && page_share(s, page) != PW_OK)
		note_error(s, PW_NOMEM);
	for (uint32_t i = list_of(s, page); i; i = s->node[i - 1].next)
		if (s->node[i - 1].lost < depth)
			s->node[i - 1].lost = (uint32_t)depth;
}

uint64_t curve_node_used(struct pmap_sys *sys, uint32_t page, struct curve_node *by, uint64_t depth)
{
	struct curve_sys *s = sys_of(sys);
	uint64_t found = by->lost > depth ? by->lost : depth;
	uint32_t head = list_of(s, page);
	curve_page_used(sys, page, depth);
	by->lost = 0;
	if (!by->next && &s->node[head - 1] == by) {
		*dense_get(&s->lru->table, by->key) &= ~(uint32_t)LRU_WORD_SHARED;
		s->page[page] = by->key + 1;
		node_give(s, head);
	}
	return found;
}

/* ---- the contract ---- */

static enum pw_err curve_pmap_create(struct pmap_sys *sys, struct pmap **ret)
{
	struct curve_sys *s = sys_of(sys);
	struct curve_pmap *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return PW_NOMEM;
	if (s->n_spaces == s->spaces_room) { /* room to give every number back */
		uint32_t *grown = mem_realloc(s->space_free, s->spaces_room + 64ull, sizeof *grown);
		s->space_free = grown ? grown : s->space_free;
		uint64_t *resident = mem_realloc(s->resident, s->spaces_room + 64ull, sizeof *resident);
		s->resident = resident ? resident : s->resident;
		if (!grown || !resident) {
			mem_free(p);
			return PW_NOMEM;
		}
		memset(resident + s->spaces_room, 0, 64 * sizeof *resident);
		s->spaces_room += 64;
	}
	p->pmap.sys = sys;
	p->space = s->n_spaces_free ? s->space_free[--s->n_spaces_free] : s->n_spaces++;
	*ret = &p->pmap;
	return PW_OK;
}

static void word_remove(void *ctx, uint64_t key, uint32_t *word) { unlink_word(ctx, key, word); }

static struct vpn_range everything(void) { return vpn_range(vpn(0), 1ull << DENSE_PAGE_BITS); }

static void curve_pmap_remove(struct pmap *p, struct vpn_range r)
{
	struct curve_sys *s = sys_of(p->sys);
	uint64_t end = r.first.v + r.count, most = 1ull << DENSE_PAGE_BITS;
	if (r.first.v < most)
		dense_each(&s->lru->table, dense_key(space_of(p)->space, r.first.v), (end < most ? end : most) - r.first.v, word_remove, s);
}

static void curve_pmap_unref(struct pmap *p)
{
	struct curve_sys *s = sys_of(p->sys);
	curve_pmap_remove(p, everything());
	s->space_free[s->n_spaces_free++] = space_of(p)->space;
	mem_free(p);
}

static enum pw_err curve_pmap_enter(struct pmap *p, const struct pmap_mapping *m)
{
	struct curve_sys *s = sys_of(p->sys);
	if (m->level || m->vpn.v >> DENSE_PAGE_BITS)
		return m->level ? PW_UNSUPPORTED : PW_INVALID;
	uint64_t key = dense_key(space_of(p)->space, m->vpn.v);
	uint32_t *word = dense_put(&s->lru->table, key), page = (uint32_t)m->pfn.v;
	if (!word)
		return PW_NOMEM;
	if (*word && lru_word_page(*word) == page) {
		*word = (*word & ~(uint32_t)LRU_WORD_ALLOW) | allow_of(m->prot);
		return PW_OK;
	}
	if (*word)
		unlink_word(s, key, word);
	return link_word(s, key, word, page, allow_of(m->prot));
}

static void word_protect(void *ctx, uint64_t key, uint32_t *word)
{
	(void)key;
	*word &= ~(uint32_t)LRU_WORD_ALLOW | *(const unsigned *)ctx;
}

static void curve_pmap_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	unsigned allow = allow_of(prot);
	uint64_t most = 1ull << DENSE_PAGE_BITS, count = r.first.v < most ? most - r.first.v : 0;
	dense_each(&sys_of(p->sys)->lru->table, dense_key(space_of(p)->space, r.first.v), r.count < count ? r.count : count, word_protect,
	           &allow);
}

static bool curve_pmap_extract(struct pmap *p, vpn_t n, struct pmap_mapping *ret)
{
	const struct curve_sys *s = sys_of(p->sys);
	const uint32_t *word = n.v >> DENSE_PAGE_BITS ? NULL : dense_get(&s->lru->table, dense_key(space_of(p)->space, n.v));
	if (!word || !*word)
		return false;
	*ret = (struct pmap_mapping){ .vpn = n, .pfn = pfn(lru_word_page(*word)), .prot = prot_of(*word) };
	return true;
}

static void curve_pmap_nothing(struct pmap *p) { (void)p; }
static void curve_pmap_activate(struct pmap *p, unsigned cpu) { (void)p, (void)cpu; }
static uint64_t curve_pmap_none(const struct pmap *p) { (void)p; return 0; }

/* The page is no more, or its mappings lose rights.  One that was copied and never mapped has a place in the stack, too. */
static void curve_pmap_page_protect(struct pmap_sys *sys, pfn_t f, unsigned prot)
{
	struct curve_sys *s = sys_of(sys);
	uint32_t page = (uint32_t)f.v;
	if (prot || page >= s->pages_room)
		return;
	while (s->page[page]) {
		uint32_t i = list_of(s, page);
		uint64_t key = i ? s->node[i - 1].key : s->page[page] - 1;
		unlink_word(s, key, dense_get(&s->lru->table, key));
	}
	if (page >= s->lru->n_pages)
		return;
	enum pw_err err = lru_curve_die(s->lru, page);
	if (err != PW_OK)
		note_error(s, err);
}

static unsigned curve_pmap_page_test(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	const struct lru_curve *l = sys_of(sys)->lru;
	return f.v < l->n_pages && l->page[f.v].dirty != LRU_CLEAN ? mask & PMAP_MODIFIED : 0;
}

static unsigned curve_pmap_page_test_clear(struct pmap_sys *sys, pfn_t f, unsigned mask)
{
	unsigned was = curve_pmap_page_test(sys, f, mask);
	if (was)
		lru_curve_clean(sys_of(sys)->lru, (uint32_t)f.v);
	return was;
}

static uint64_t curve_pmap_resident(const struct pmap *p) { return sys_of(p->sys)->resident[space_of(p)->space]; }

static const char *curve_pmap_flaw(const struct pmap *p) { (void)p; return NULL; }

static void curve_sys_destroy(struct pmap_sys *sys)
{
	struct curve_sys *s = sys_of(sys);
	mem_free(s->page);
	mem_free(s->node);
	mem_free(s->space_free);
	mem_free(s->resident);
	mem_free(s);
}

static const struct pmap_ops curve_pmap_ops = {
	.name = "curve", .create = curve_pmap_create, .unref = curve_pmap_unref, .enter = curve_pmap_enter, .remove = curve_pmap_remove,
	.protect = curve_pmap_protect, .extract = curve_pmap_extract, .update = curve_pmap_nothing, .activate = curve_pmap_activate,
	.page_protect = curve_pmap_page_protect, .page_test_clear = curve_pmap_page_test_clear, .page_test = curve_pmap_page_test,
	.forget = curve_pmap_nothing, .table_bytes = curve_pmap_none, .resident_pages = curve_pmap_resident, .flaw = curve_pmap_flaw,
	.destroy = curve_sys_destroy,
};

enum pw_err curve_sys_create(struct lru_curve *l, unsigned page_shift, struct pmap_sys **ret)
{
	struct curve_sys *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return PW_NOMEM;
	*s = (struct curve_sys){ .sys = { .ops = &curve_pmap_ops, .page_shift = page_shift }, .lru = l };
	*ret = &s->sys;
	return PW_OK;
}

enum pw_err curve_sys_error(struct pmap_sys *sys)
{
	enum pw_err err = sys_of(sys)->error;
	sys_of(sys)->error = PW_OK;
	return err;
}

void curve_sys_copying(struct pmap_sys *sys, const struct pmap *from) { sys_of(sys)->copying = from ? space_of(from) : NULL; }
uint32_t curve_pmap_space(const struct pmap *p) { return space_of(p)->space; }

uint64_t curve_sys_bytes(const struct pmap_sys *sys)
{
	const struct curve_sys *s = sys_of(sys);
	return s->pages_room * sizeof *s->page + s->nodes_room * sizeof *s->node;
}
