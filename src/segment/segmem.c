/* segmem.c - segments, the tables that name them, and the memory they lie in.
 *
 * Problem: a segment must lie in one piece.  Free memory may suffice and be of no use all the same, and whatever is done about it
 * (moving segments, sending them out) must keep every byte and be paid for.
 *
 * Idea: what a table names is not a place but a segment, which knows its place.  So moving it, sending it out or sharing it changes
 * one record, however many tables name it.
 *
 *      table of p        table of q              segments                        memory
 *      0  rx, ring 3 --- 0  rx, ring 3 ------->  bytes, place ------------------> |=====|
 *      1  rw, ring 3 ------------------------->  bytes, place, copy in swap       |..hole..|
 *      2  rw, ring 0 ------------------------->  bytes, not in memory, copy       |==========|
 *
 *      room for n bytes:  a hole? take it
 *                         n bytes free, and compacting allowed? compact: now there is a hole
 *                         a victim? send it out, look again
 *                         else refuse
 *
 * 1. A segment is in memory (in) or has a copy, or both; a copy is as good as memory unless dirty.
 * 2. refs is the number of entries that name it; the last one takes it along.
 * 3. Bytes beyond the old end of a grown segment, and all of a new one, are zero.
 * 4. A request that could not be met by sending everything away is refused before anybody leaves.
 *
 * Rejected: base and limit in the tables themselves, as hardware has them (each move would have to find every table).
 * Source: Denning, "Virtual Memory", Computing Surveys 2 (1970); Randell, "A Note on Storage Fragmentation and Program
 * Segmentation", CACM 12 (1969). */
#include "segmem.h"
#include "../base/htab.h"
#include "../base/list.h"
#include "../base/mem.h"
#include <assert.h>
#include <string.h>

struct segment {
	struct itree_node place; /* in: its bytes lie there */
	uint64_t bytes;
	uint64_t arrived, last_use; /* times in accesses; when it last came into memory */
	unsigned refs;
	bool in, dirty;
	uint8_t *copy;           /* in swap; NULL: it never left */
};

struct entry {
	struct list all;
	uint32_t owner, number;
	unsigned rights, ring;
	struct segment *segment;
};

struct segmem {
	struct segmem_config config;
	struct placement placement;
	uint8_t *bytes;
	uint64_t used_end;       /* bytes from here on have never been used: they are zero */
	struct list entries;
	struct htab index;       /* owner << 32 | number -> struct entry * */
	uint64_t now;
	struct segmem_counts counts;
};

static const char *const victims[] = {
#define X(name, word, text) word,
	SEGMEM_VICTIM_LIST(X)
#undef X
};

const char *segmem_victim_word(enum segmem_victim v) { return victims[v]; }

const char *segmem_fault_text(enum segmem_fault f)
{
	static const char *const texts[] = {
		[SEGMEM_FAULT_NONE] = "no fault",
#define X(name, word, text) [SEGMEM_FAULT_##name] = text,
		SEGMEM_FAULT_LIST(X)
#undef X
	};
	return texts[f];
}

const struct segmem_config *segmem_config(const struct segmem *m) { return &m->config; }
const struct placement *segmem_placement(const struct segmem *m) { return &m->placement; }
const struct segmem_counts *segmem_counts(const struct segmem *m) { return &m->counts; }

/* ---- finding ---- */

static struct segment *segment_at(const struct itree_node *n) { return (struct segment *)n; }
static struct entry *entry_of(struct list *l) { return container_of(l, struct entry, all); }
static uint64_t key_of(uint32_t owner, uint32_t number) { return (uint64_t)owner << 32 | number; }

static struct entry *entry_find(const struct segmem *m, uint32_t owner, uint32_t number)
{
	const uint64_t *at = htab_get(&m->index, key_of(owner, number));
	return at ? (struct entry *)(uintptr_t)*at : NULL;
}

static struct segmem_entry entry_describe(const struct entry *e)
{
	const struct segment *s = e->segment;
	return (struct segmem_entry){ .owner = e->owner, .number = e->number, .rights = e->rights, .ring = e->ring, .limit = s->bytes,
		                      .present = s->in, .base = paddr(s->in ? s->place.start : 0), .sharers = s->refs,
		                      .dirty = s->dirty };
}

void segmem_each(const struct segmem *m, void (*visit)(void *ctx, const struct segmem_entry *e), void *ctx)
{
	list_each(at, &m->entries) {
		struct segmem_entry e = entry_describe(entry_of(at));
		visit(ctx, &e);
	}
}

/* ---- making room ---- */

uint64_t segmem_compact(struct segmem *m)
{
	uint64_t end = 0, moved = 0;
	for (struct itree_node *n = itree_first(&m->placement.pieces); n; n = itree_next(n)) {
		uint64_t bytes = n->end - n->start;
		if (n->start != end) {
			memmove(m->bytes + end, m->bytes + n->start, bytes);
			placement_slide(&m->placement, n, end);
			moved += bytes;
		}
		end += bytes;
	}
	m->counts.compactions++;
	m->counts.moved_bytes += moved;
	return moved;
}

/* => PW_NOMEM: nothing has changed */
static enum pw_err segment_send_out(struct segmem *m, struct segment *s)
{
	if (!s->copy) {
		s->copy = mem_alloc(s->bytes);
		if (!s->copy)
			return PW_NOMEM;
		s->dirty = true;
	}
	if (s->dirty) {
		memcpy(s->copy, m->bytes + s->place.start, s->bytes);
		m->counts.written_bytes += s->bytes;
	}
	placement_take(&m->placement, &s->place);
	s->in = s->dirty = false;
	m->counts.swapped_out++;
	return PW_OK;
}

/* Should a leave rather than b? */
static bool leaves_before(enum segmem_victim rule, const struct segment *a, const struct segment *b)
{
	if (rule == SEGMEM_VICTIM_FIFO)
		return a->arrived < b->arrived;
	if (rule == SEGMEM_VICTIM_LARGEST && a->bytes != b->bytes)
		return a->bytes > b->bytes;
	return a->last_use < b->last_use;
}

/* => NULL: nobody may leave */
static struct segment *victim_choose(const struct segmem *m)
{
	struct segment *chosen = NULL;
	if (m->config.victim == SEGMEM_VICTIM_NONE)
		return NULL;
	for (struct itree_node *n = itree_first(&m->placement.pieces); n; n = itree_next(n))
		if (!chosen || leaves_before(m->config.victim, segment_at(n), chosen))
			chosen = segment_at(n);
	return chosen;
}

static enum pw_err refuse(struct segmem *m, uint64_t bytes, struct pw_why *why)
{
	uint64_t free = m->placement.free;
	if (bytes > free) {
		m->counts.refused_full++;
		return pw_fail(why, PW_NOSPACE, "memory is too full: %llu bytes are wanted, %llu are free", (unsigned long long)bytes,
		               (unsigned long long)free);
	}
	m->counts.refused_fragmented++;
	return pw_fail(why, PW_NOSPACE, "external fragmentation: %llu bytes are wanted and %llu are free, but the largest hole has %llu",
	               (unsigned long long)bytes, (unsigned long long)free,
	               (unsigned long long)placement_holes(&m->placement).largest);
}

/* A hole for so many bytes, by every means that is allowed.  => PW_NOSPACE, PW_NOMEM with why */
static enum pw_err room_make(struct segmem *m, uint64_t bytes, uint64_t *ret, struct pw_why *why)
{
	if (bytes > m->config.bytes)
		return refuse(m, bytes, why);
	while (!placement_find(&m->placement, bytes, ret)) {
		if (m->config.compacts && bytes <= m->placement.free) {
			segmem_compact(m);
			continue;
		}
		struct segment *victim = victim_choose(m);
		if (!victim)
			return refuse(m, bytes, why);
		if (segment_send_out(m, victim) != PW_OK)
			return pw_fail(why, PW_NOMEM, "out of memory for the copy of a segment of %llu bytes",
			               (unsigned long long)victim->bytes);
	}
	return PW_OK;
}

static void bytes_zero(struct segmem *m, uint64_t start, uint64_t bytes)
{
	if (start < m->used_end)
		memset(m->bytes + start, 0, bytes < m->used_end - start ? bytes : m->used_end - start);
}

static void segment_put(struct segmem *m, struct segment *s, uint64_t start)
{
	placement_put(&m->placement, &s->place, start, s->bytes);
	s->in = true;
	m->used_end = s->place.end > m->used_end ? s->place.end : m->used_end;
	m->counts.placed++;
}

/* => PW_NOSPACE, PW_NOMEM */
static enum pw_err segment_bring_in(struct segmem *m, struct segment *s)
{
	uint64_t start;
	enum pw_err err = room_make(m, s->bytes, &start, NULL);
	if (err)
		return err;
	segment_put(m, s, start);
	memcpy(m->bytes + start, s->copy, s->bytes);
	s->arrived = m->now;
	m->counts.swapped_in++;
	m->counts.read_bytes += s->bytes;
	return PW_OK;
}

/* ---- tables ---- */

/* => NULL: no memory */
static struct entry *entry_add(struct segmem *m, const struct segmem_entry *like, struct segment *s)
{
	struct entry *e = mem_alloc(sizeof *e);
	uint64_t *at = e ? htab_put(&m->index, key_of(like->owner, like->number)) : NULL;
	if (!at) {
		mem_free(e);
		return NULL;
	}
	*e = (struct entry){ .owner = like->owner, .number = like->number, .rights = like->rights, .ring = like->ring, .segment = s };
	*at = (uintptr_t)e;
	list_push_back(&m->entries, &e->all);
	s->refs++;
	return e;
}

static void segment_destroy(struct segmem *m, struct segment *s)
{
	if (s->in)
		placement_take(&m->placement, &s->place);
	mem_free(s->copy);
	mem_free(s);
}

static void entry_remove(struct segmem *m, struct entry *e)
{
	htab_delete(&m->index, key_of(e->owner, e->number));
	list_remove(&e->all);
	if (--e->segment->refs == 0)
		segment_destroy(m, e->segment);
	mem_free(e);
}

static enum pw_err make_check(const struct segmem *m, const struct segmem_entry *e, struct pw_why *why)
{
	if (entry_find(m, e->owner, e->number))
		return pw_fail(why, PW_EXISTS, "segment %u exists already", e->number);
	if (e->limit == 0)
		return pw_fail(why, PW_INVALID, "a segment has at least 1 byte");
	if (e->ring >= SEGMEM_RINGS)
		return pw_fail(why, PW_INVALID, "ring %u: rings are 0 to %d", e->ring, SEGMEM_RINGS - 1);
	if (e->present && !placement_is_free(&m->placement, e->base.v, e->limit))
		return pw_fail(why, PW_NOSPACE, "[%llu, %llu) is not all free memory", (unsigned long long)e->base.v,
		               (unsigned long long)e->base.v + e->limit);
	return PW_OK;
}

enum pw_err segmem_make(struct segmem *m, const struct segmem_entry *e, struct pw_why *why)
{
	uint64_t start = e->base.v;
	enum pw_err err = make_check(m, e, why);
	if (!err && !e->present)
		err = room_make(m, e->limit, &start, why);
	if (err)
		return err;
	struct segment *s = mem_zalloc(1, sizeof *s);
	if (!s || !entry_add(m, e, s)) {
		mem_free(s);
		return pw_fail(why, PW_NOMEM, "out of memory for a segment");
	}
	s->bytes = e->limit;
	s->arrived = s->last_use = m->now;
	bytes_zero(m, start, s->bytes);
	segment_put(m, s, start);
	return PW_OK;
}

enum pw_err segmem_share(struct segmem *m, uint32_t owner, uint32_t number, const struct segmem_entry *e)
{
	struct entry *from = entry_find(m, owner, number);
	if (!from)
		return PW_NOTFOUND;
	if (entry_find(m, e->owner, e->number))
		return PW_EXISTS;
	return entry_add(m, e, from->segment) ? PW_OK : PW_NOMEM;
}

enum pw_err segmem_drop(struct segmem *m, uint32_t owner, uint32_t number)
{
	struct entry *e = entry_find(m, owner, number);
	if (!e)
		return PW_NOTFOUND;
	entry_remove(m, e);
	return PW_OK;
}

void segmem_drop_all(struct segmem *m, uint32_t owner)
{
	list_each_safe(at, &m->entries)
		if (entry_of(at)->owner == owner)
			entry_remove(m, entry_of(at));
}

/* ---- growing ---- */

/* Back to where it was, or, since everybody has moved or left in the meantime, to the one hole that there is. */
static void segment_put_back(struct segmem *m, struct segment *s, uint64_t start, const uint8_t *bytes)
{
	bool found = placement_is_free(&m->placement, start, s->bytes) || placement_find(&m->placement, s->bytes, &start);
	assert(found);
	(void)found;
	placement_put(&m->placement, &s->place, start, s->bytes);
	memcpy(m->bytes + start, bytes, s->bytes);
}

/* In memory, but with no room behind it: it steps aside while room is made. */
static enum pw_err segment_grow_elsewhere(struct segmem *m, struct segment *s, uint64_t bytes, struct pw_why *why)
{
	uint64_t old = s->place.start, start;
	uint8_t *aside = mem_alloc(s->bytes);
	if (!aside)
		return pw_fail(why, PW_NOMEM, "out of memory to move a segment of %llu bytes", (unsigned long long)s->bytes);
	memcpy(aside, m->bytes + old, s->bytes);
	placement_take(&m->placement, &s->place);
	enum pw_err err = room_make(m, bytes, &start, why);
	if (err) {
		segment_put_back(m, s, old, aside);
	} else {
		m->counts.moved_bytes += start == old ? 0 : s->bytes;
		memcpy(m->bytes + start, aside, s->bytes);
		bytes_zero(m, start + s->bytes, bytes - s->bytes);
		s->bytes = bytes;
		segment_put(m, s, start);
	}
	mem_free(aside);
	return err;
}

/* The copy is not one of the new size: it goes, and with it what it saved. */
static void copy_forget(struct segment *s)
{
	mem_free(s->copy);
	s->copy = NULL;
	s->dirty = true;
}

/* Out of memory, only its copy has a size. */
static enum pw_err copy_resize(struct segment *s, uint64_t bytes, struct pw_why *why)
{
	uint8_t *grown = mem_realloc(s->copy, bytes, 1);
	if (!grown)
		return pw_fail(why, PW_NOMEM, "out of memory for the copy of a segment of %llu bytes", (unsigned long long)bytes);
	if (bytes > s->bytes)
		memset(grown + s->bytes, 0, bytes - s->bytes);
	s->copy = grown;
	s->bytes = bytes;
	return PW_OK;
}

enum pw_err segmem_resize(struct segmem *m, uint32_t owner, uint32_t number, uint64_t limit, struct pw_why *why)
{
	struct entry *e = entry_find(m, owner, number);
	if (!e)
		return pw_fail(why, PW_NOTFOUND, "there is no segment %u", number);
	struct segment *s = e->segment;
	if (limit == 0 || limit > m->config.bytes)
		return pw_fail(why, PW_INVALID, "a segment has from 1 byte to all %llu of memory", (unsigned long long)m->config.bytes);
	if (limit == s->bytes)
		return PW_OK;
	if (!s->in)
		return copy_resize(s, limit, why);
	if (!placement_resize(&m->placement, &s->place, limit)) {
		enum pw_err err = segment_grow_elsewhere(m, s, limit, why);
		if (err)
			return err;
	} else if (limit > s->bytes) {
		bytes_zero(m, s->place.start + s->bytes, limit - s->bytes);
	}
	s->bytes = limit;
	m->used_end = s->place.end > m->used_end ? s->place.end : m->used_end;
	copy_forget(s);
	return PW_OK;
}

enum pw_err segmem_swap_out(struct segmem *m, uint32_t owner, uint32_t number)
{
	struct entry *e = entry_find(m, owner, number);
	if (!e)
		return PW_NOTFOUND;
	return e->segment->in ? segment_send_out(m, e->segment) : PW_OK;
}

/* ---- accesses ---- */

/* What table and rights say, before anything is moved. */
static enum segmem_fault refusal(const struct entry *e, const struct segmem_access *a)
{
	static const struct { unsigned right; enum segmem_fault fault; } needs[ACCESS_KINDS] = {
		[ACCESS_LOAD] = { SEGMEM_READ, SEGMEM_FAULT_READ }, [ACCESS_STORE] = { SEGMEM_WRITE, SEGMEM_FAULT_WRITE },
		[ACCESS_FETCH] = { SEGMEM_EXEC, SEGMEM_FAULT_EXEC },
	};
	if (a->ring > e->ring)
		return SEGMEM_FAULT_PRIVILEGE;
	if (!(e->rights & needs[a->kind].right))
		return needs[a->kind].fault;
	uint64_t limit = e->segment->bytes;
	return a->offset >= limit || a->bytes > limit - a->offset ? SEGMEM_FAULT_LIMIT : SEGMEM_FAULT_NONE;
}

static void bytes_move(struct segmem *m, const struct segmem_access *a, uint64_t pa)
{
	if (a->data && a->kind == ACCESS_STORE)
		memcpy(m->bytes + pa, a->data, a->bytes);
	else if (a->data)
		memcpy(a->data, m->bytes + pa, a->bytes);
}

struct segmem_answer segmem_access(struct segmem *m, const struct segmem_access *a)
{
	struct segmem_answer answer = { .fault = SEGMEM_FAULT_NO_SEGMENT };
	struct entry *e = entry_find(m, a->owner, a->number);
	m->counts.accesses++;
	m->now++;
	if (e) {
		answer.entry = entry_describe(e);
		answer.fault = refusal(e, a);
	}
	if (!answer.fault && !e->segment->in) {
		answer.swapped_in = segment_bring_in(m, e->segment) == PW_OK;
		answer.fault = answer.swapped_in ? SEGMEM_FAULT_NONE : SEGMEM_FAULT_NO_ROOM;
	}
	m->counts.faults[answer.fault]++;
	if (answer.fault)
		return answer;
	e->segment->last_use = m->now;
	e->segment->dirty |= a->kind == ACCESS_STORE;
	answer.pa = paddr(e->segment->place.start + a->offset);
	bytes_move(m, a, answer.pa.v);
	return answer;
}

/* ---- the whole ---- */

enum pw_err segmem_create(const struct segmem_config *c, struct segmem **ret, struct pw_why *why)
{
	*ret = NULL;
	if (c->bytes == 0 || c->bytes > SEGMEM_MOST)
		return pw_fail(why, PW_INVALID, "a memory for segments has from 1 byte to 1G");
	struct segmem *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return pw_fail(why, PW_NOMEM, "out of memory for segments");
	m->config = *c;
	list_init(&m->entries);
	placement_init(&m->placement, c->bytes, c->fit);
	m->bytes = mem_reserve(c->bytes);
	if (!m->bytes || htab_init(&m->index, 16) != PW_OK) {
		segmem_destroy(m);
		return pw_fail(why, PW_NOMEM, "out of memory for segments");
	}
	*ret = m;
	return PW_OK;
}

void segmem_destroy(struct segmem *m)
{
	if (!m)
		return;
	list_each_safe(at, &m->entries)
		entry_remove(m, entry_of(at));
	htab_fini(&m->index);
	if (m->bytes)
		mem_unreserve(m->bytes, m->config.bytes);
	mem_free(m);
}

static const char *segment_flaw(const struct segment *s)
{
	if (s->refs == 0)
		return "segmem: a segment is in no table";
	if (!s->in && !s->copy)
		return "segmem: a segment is neither in memory nor in swap";
	if (s->in && s->place.end - s->place.start != s->bytes)
		return "segmem: a segment's place is not of its size";
	return NULL;
}

const char *segmem_flaw(const struct segmem *m)
{
	uint64_t refs = 0, entries = 0;
	for (const struct itree_node *n = itree_first(&m->placement.pieces); n; n = itree_next(n))
		if (!segment_at(n)->in)
			return "segmem: a segment that is swapped out has a place in memory";
	list_each(at, &m->entries) {
		const struct entry *e = entry_of(at);
		const char *flaw = segment_flaw(e->segment);
		entries++;
		refs += e->segment->in && itree_find(&m->placement.pieces, e->segment->place.start) == &e->segment->place;
		refs += !e->segment->in;
		if (flaw)
			return flaw;
		if (entry_find(m, e->owner, e->number) != e)
			return "segmem: a table does not lead to its segment";
	}
	if (refs != entries || m->index.count != entries)
		return "segmem: tables and memory do not agree";
	return placement_flaw(&m->placement);
}
