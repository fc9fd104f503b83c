/* slab.c - room for objects of many sizes, none larger than a page, with little waste.
 *
 * Problem: compressed pages have every size up to a page, come and go in any order, and the memory they take is the whole point:
 * a heap's headers, rounding and fragmentation would eat what compression gains.
 * Idea: sizes are rounded up to a sixty-fourth of a page, a class each; a slab is sixteen pages cut into places of one class.  Whose
 * object lies in a place stands in a word at the slab's end, outside the places (in the slab's record for the class of whole pages,
 * which would otherwise lose a sixteenth).  Free places are threaded through these words.
 *
 *     slab:  | place 0 | place 1 | ... | place n-1 | rest | word 0 .. word n-1 |      word: owner, or FREE | next free
 *
 * When an eighth of a class's places are free, and more than a slab has, its thinnest slab is emptied, one object at a time: at most
 * about one move for each object given back.
 *
 * 1. used of a slab is the number of its words without FREE; a slab with used == 0 has no class.
 * 2. A class's partial list holds exactly its slabs with a free place.
 * 3. held <= capacity, in slabs.
 * Rejected: two-sided pages (zbud: at most two objects a page), buddies (a quarter is lost to rounding).
 * Source: J. Bonwick, "The slab allocator", USENIX 1994; the classes follow the idea of Linux' zsmalloc. */
#include "slab.h"
#include "../base/list.h"
#include "../base/mem.h"
#include <string.h>
#include <sys/mman.h>

enum { CLASSES = 64, SLAB_PAGES = 16, ARENA_SLABS = 256, LOOK_AT = 16 };
#define WORD_FREE 0x80000000u
#define WORD_END 0x3ffu

struct slab {
	struct list partial;  /* in its class's list, or in the pool's free list */
	uint8_t *bytes;
	uint32_t *word;
	uint16_t class;       /* 1..CLASSES; 0: free */
	uint16_t n, used, first_free;
	uint32_t index;       /* of all slabs */
	uint32_t own_word[SLAB_PAGES];
};
struct arena {
	uint8_t *bytes;
	struct slab slab[ARENA_SLABS];
};
struct slab_class {
	struct list partial;
	uint64_t n_places, n_used;
};
struct slab_pool {
	uint32_t page_bytes, grain, slab_bytes;
	uint64_t held, capacity; /* in slabs */
	struct arena **arena;
	uint32_t n_arenas, arenas_max;
	struct list free;
	struct slab_class class[CLASSES + 1];
	struct slab *thin;       /* being emptied */
	uint32_t given;          /* the class that last got a place back: only it can have become thin */
};

enum { ARENAS_MAX = 1 << 18 };

struct slab_pool *slab_create(uint32_t page_bytes, uint64_t capacity)
{
	struct slab_pool *p = mem_zalloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->page_bytes = page_bytes;
	p->grain = page_bytes > CLASSES ? page_bytes / CLASSES : 1;
	p->slab_bytes = page_bytes * SLAB_PAGES;
	p->capacity = capacity / p->slab_bytes;
	p->arena = mem_reserve(ARENAS_MAX * sizeof *p->arena);
	list_init(&p->free);
	for (int i = 0; i <= CLASSES; i++)
		list_init(&p->class[i].partial);
	if (p->arena)
		return p;
	mem_free(p);
	return NULL;
}

void slab_destroy(struct slab_pool *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_arenas; i++) {
		mem_unreserve(p->arena[i]->bytes, (size_t)ARENA_SLABS * p->slab_bytes);
		mem_unreserve(p->arena[i], sizeof **p->arena);
	}
	mem_unreserve(p->arena, ARENAS_MAX * sizeof *p->arena);
	mem_free(p);
}

static uint32_t class_of(const struct slab_pool *p, uint32_t bytes)
{
	uint32_t c = (bytes + p->grain - 1) / p->grain;
	return c ? c : 1;
}

static struct slab *slab_of(const struct slab_pool *p, slab_ref ref)
{
	uint64_t i = (ref - 1) >> 10;
	return &p->arena[i / ARENA_SLABS]->slab[i % ARENA_SLABS];
}

static slab_ref ref_of(const struct slab *s, uint32_t place)
{
	return ((uint64_t)s->index << 10 | place) + 1;
}

void *slab_bytes(const struct slab_pool *p, slab_ref ref)
{
	const struct slab *s = slab_of(p, ref);
	return s->bytes + (size_t)((ref - 1) & 1023) * s->class * p->grain;
}

bool slab_fits(const struct slab_pool *p, slab_ref ref, uint32_t bytes)
{
	return slab_of(p, ref)->class == class_of(p, bytes);
}

static bool arena_add(struct slab_pool *p)
{
	if (p->n_arenas == ARENAS_MAX)
		return false;
	size_t bytes = (size_t)ARENA_SLABS * p->slab_bytes;
	struct arena *a = mem_reserve(sizeof *a);
	uint8_t *room = a ? mem_reserve(bytes) : NULL;
	if (!room) {
		mem_unreserve(a, sizeof *a);
		return false;
	}
	madvise(room, bytes, MADV_NOHUGEPAGE); /* a slab given back must not stay because its neighbours do */
	a->bytes = room;
	for (uint32_t i = ARENA_SLABS; i-- > 0;) {
		a->slab[i].bytes = room + (size_t)i * p->slab_bytes;
		a->slab[i].index = p->n_arenas * ARENA_SLABS + i;
		list_push_front(&p->free, &a->slab[i].partial);
	}
	p->arena[p->n_arenas++] = a;
	return true;
}

/* A fresh slab for the class.  => NULL: none within the capacity, or no memory */
static struct slab *slab_new(struct slab_pool *p, uint32_t class, bool *ret_nomem)
{
	if (p->held >= p->capacity)
		return NULL;
	if (list_empty(&p->free) && !arena_add(p)) {
		*ret_nomem = true;
		return NULL;
	}
	struct slab *s = container_of(p->free.next, struct slab, partial);
	uint32_t size = class * p->grain, n = p->slab_bytes / (size + (class == CLASSES ? 0 : 4));
	list_remove(&s->partial);
	s->class = (uint16_t)class;
	s->n = (uint16_t)(n < WORD_END ? n : WORD_END);
	s->used = s->first_free = 0;
	s->word = class == CLASSES ? s->own_word : (uint32_t *)(void *)(s->bytes + p->slab_bytes) - s->n;
	for (uint32_t i = 0; i < s->n; i++)
		s->word[i] = WORD_FREE | (i + 1 < s->n ? i + 1 : WORD_END);
	p->held++;
	p->class[class].n_places += s->n;
	list_push_front(&p->class[class].partial, &s->partial);
	return s;
}

static slab_ref place_take(struct slab_pool *p, struct slab *s, uint32_t owner)
{
	uint32_t place = s->first_free;
	s->first_free = s->word[place] & WORD_END;
	s->word[place] = owner;
	p->class[s->class].n_used++;
	if (++s->used == s->n)
		list_remove(&s->partial);
	return ref_of(s, place);
}

/* The first slab of a class with room that is not being emptied. */
static struct slab *partial_of(struct slab_pool *p, uint32_t class)
{
	list_each(it, &p->class[class].partial) {
		struct slab *s = container_of(it, struct slab, partial);
		if (s != p->thin)
			return s;
	}
	return NULL;
}

slab_ref slab_take(struct slab_pool *p, uint32_t bytes, uint32_t owner, bool *ret_nomem)
{
	uint32_t class = class_of(p, bytes);
	struct slab *s = partial_of(p, class);
	*ret_nomem = false;
	if (!s)
		s = slab_new(p, class, ret_nomem);
	for (uint32_t c = class + 1; !s && c <= CLASSES; c++)
		s = partial_of(p, c); /* rather a place too large than none */
	return s ? place_take(p, s, owner) : 0;
}

static void slab_free(struct slab_pool *p, struct slab *s)
{
	p->class[s->class].n_places -= s->n;
	p->held--;
	list_remove(&s->partial);
	list_push_front(&p->free, &s->partial);
	s->class = 0;
	if (p->thin == s)
		p->thin = NULL;
	madvise(s->bytes, p->slab_bytes, MADV_DONTNEED);
}

void slab_give(struct slab_pool *p, slab_ref ref)
{
	struct slab *s = slab_of(p, ref);
	uint32_t place = (uint32_t)((ref - 1) & 1023);
	s->word[place] = WORD_FREE | s->first_free;
	s->first_free = (uint16_t)place;
	p->given = s->class;
	p->class[s->class].n_used--;
	if (s->used-- == s->n)
		list_push_back(&p->class[s->class].partial, &s->partial);
	if (!s->used)
		slab_free(p, s);
}

/* The thinnest of the first slabs in a list. */
static struct slab *thinnest(const struct slab_class *c)
{
	struct slab *best = NULL;
	int seen = 0;
	list_each(it, &c->partial) {
		struct slab *s = container_of(it, struct slab, partial);
		if (!best || s->used < best->used)
			best = s;
		if (++seen == LOOK_AT)
			break;
	}
	return best;
}

static bool thin_choose(struct slab_pool *p)
{
	struct slab_class *c = &p->class[p->given];
	uint64_t idle = c->n_places - c->n_used;
	struct slab *s = idle * 8 > c->n_places ? thinnest(c) : NULL;
	if (s && idle > s->n + s->n / 8u)
		p->thin = s;
	return p->thin != NULL;
}

bool slab_move(struct slab_pool *p, uint32_t *ret_owner, slab_ref *ret_from, slab_ref *ret_to)
{
	if (!p->thin && !thin_choose(p))
		return false;
	struct slab *from = p->thin, *to = partial_of(p, from->class);
	if (!to) {
		p->thin = NULL; /* the others have filled up meanwhile */
		return false;
	}
	uint32_t place = 0;
	while (from->word[place] & WORD_FREE)
		place++;
	*ret_owner = from->word[place];
	*ret_from = ref_of(from, place);
	*ret_to = place_take(p, to, *ret_owner);
	memcpy(slab_bytes(p, *ret_to), slab_bytes(p, *ret_from), (size_t)from->class * p->grain);
	return true;
}

uint64_t slab_held_bytes(const struct slab_pool *p)
{
	return p->held * p->slab_bytes;
}

static const char *one_flaw(const struct slab *s)
{
	uint32_t used = 0, n_free = 0;
	for (uint32_t i = 0; i < s->n; i++)
		used += !(s->word[i] & WORD_FREE);
	for (uint32_t at = s->first_free; at != WORD_END && n_free <= s->n; at = s->word[at] & WORD_END)
		n_free++;
	if (used != s->used || used + n_free != s->n)
		return "slab: the places in use differ from their count";
	return used && list_empty(&s->partial) == (used < s->n) ? "slab: in the list of partial ones, and full, or the reverse" : NULL;
}

const char *slab_flaw(const struct slab_pool *p)
{
	uint64_t held = 0, used = 0, counted = 0;
	for (uint64_t i = 0; i < (uint64_t)p->n_arenas * ARENA_SLABS; i++) {
		const struct slab *s = &p->arena[i / ARENA_SLABS]->slab[i % ARENA_SLABS];
		const char *flaw = s->class ? one_flaw(s) : NULL;
		if (flaw)
			return flaw;
		held += s->class != 0;
		used += s->class ? s->used : 0;
	}
	for (uint32_t i = 1; i <= CLASSES; i++)
		counted += p->class[i].n_used;
	if (counted != used)
		return "slab: the classes count other objects than the slabs";
	return held == p->held && held <= p->capacity ? NULL : "slab: more slabs are held than counted or allowed";
}
