/* segment_memory_test.c - memory given out in segments, against a model that has a byte for each byte.
 *
 * The model writes into a map of memory which segment each byte belongs to, looks for holes by counting, and moves by rewriting the
 * map.  Random operations are made on both; every base, every refusal, every byte and every figure must be the same, for each fit,
 * with and without compaction, for each way of swapping. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/segment/churn.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#define SEED 20261121u
enum { BYTES = 60, SEGMENTS = 12, STEPS = 8000 };

struct body {
	bool made, in;
	unsigned rights, ring, size;
	unsigned base;
	uint64_t arrived, used;
	uint8_t bytes[BYTES];
};

struct model {
	struct segmem_config c;
	int map[BYTES];          /* segment + 1; 0: free */
	struct body body[SEGMENTS];
	unsigned rover;
	uint64_t now, moved, swapped_out, swapped_in;
};

static unsigned hole_at(const struct model *m, unsigned at)
{
	unsigned n = 0;
	while (at + n < BYTES && !m->map[at + n])
		n++;
	return n;
}

static unsigned model_free(const struct model *m)
{
	unsigned n = 0;
	for (unsigned i = 0; i < BYTES; i++)
		n += !m->map[i];
	return n;
}

/* The first hole of the size from a place on, or -1; a place inside a hole counts as that hole's start. */
static int first_from(const struct model *m, unsigned from, unsigned size)
{
	while (from > 0 && from < BYTES && !m->map[from] && !m->map[from - 1])
		from--;
	for (unsigned at = from; at < BYTES; at++)
		if (hole_at(m, at) >= size)
			return (int)at;
	return -1;
}

static int model_find(const struct model *m, unsigned size)
{
	int best = -1;
	unsigned chosen = 0;
	if (m->c.fit == PLACEMENT_FIRST)
		return first_from(m, 0, size);
	if (m->c.fit == PLACEMENT_NEXT) {
		best = first_from(m, m->rover, size);
		return best >= 0 ? best : first_from(m, 0, size);
	}
	for (unsigned at = 0; at < BYTES; at += hole_at(m, at) ? hole_at(m, at) : 1) {
		unsigned n = hole_at(m, at);
		if (n >= size && (best < 0 || (m->c.fit == PLACEMENT_BEST ? n < chosen : n > chosen))) {
			best = (int)at;
			chosen = n;
		}
	}
	return best;
}

static void model_paint(struct model *m, unsigned i, int with)
{
	for (unsigned n = 0; n < m->body[i].size; n++)
		m->map[m->body[i].base + n] = with;
}

static void model_compact(struct model *m)
{
	unsigned end = 0;
	for (unsigned at = 0; at < BYTES;) {
		int who = m->map[at];
		if (!who) {
			at++;
			continue;
		}
		struct body *b = &m->body[who - 1];
		at = b->base + b->size;
		m->moved += b->base == end ? 0 : b->size;
		model_paint(m, (unsigned)who - 1, 0);
		b->base = end;
		model_paint(m, (unsigned)who - 1, who);
		end += b->size;
	}
}

static void model_send_out(struct model *m, unsigned i)
{
	model_paint(m, i, 0);
	m->body[i].in = false;
	m->swapped_out++;
}

static bool model_worse(const struct model *m, const struct body *a, const struct body *b)
{
	if (m->c.victim == SEGMEM_VICTIM_FIFO)
		return a->arrived < b->arrived || (a->arrived == b->arrived && a->base < b->base);
	if (m->c.victim == SEGMEM_VICTIM_LARGEST && a->size != b->size)
		return a->size > b->size;
	return a->used < b->used || (a->used == b->used && a->base < b->base);
}

/* A place for so many bytes, or -1; stays: who may not leave. */
static int model_room(struct model *m, unsigned size, int stays)
{
	int at;
	if (size > BYTES)
		return -1;
	while ((at = model_find(m, size)) < 0) {
		int victim = -1;
		if (m->c.compacts && model_free(m) >= size) {
			model_compact(m);
			continue;
		}
		for (int i = 0; i < SEGMENTS; i++)
			if (m->body[i].made && m->body[i].in && i != stays && (victim < 0 || model_worse(m, &m->body[i], &m->body[victim])))
				victim = i;
		if (victim < 0 || m->c.victim == SEGMEM_VICTIM_NONE)
			return -1;
		model_send_out(m, (unsigned)victim);
	}
	return at;
}

static void model_put(struct model *m, unsigned i, unsigned at)
{
	m->body[i].base = at;
	m->body[i].in = true;
	model_paint(m, i, (int)i + 1);
	m->rover = at + m->body[i].size;
}

static bool model_resize(struct model *m, unsigned i, unsigned size)
{
	struct body *b = &m->body[i], old = *b;
	if (b->in && size != b->size) {
		unsigned room = b->size + hole_at(m, b->base + b->size);
		model_paint(m, i, 0);
		int at = (int)b->base;
		if (size > room)
			at = model_room(m, size, (int)i);
		if (at < 0) { /* back to its place, or where that is taken, to the only hole there is */
			int back = hole_at(m, old.base) >= old.size ? (int)old.base : model_find(m, old.size);
			unsigned rover = m->rover;
			model_put(m, i, (unsigned)back);
			m->rover = size > room ? m->rover : rover;
			return false;
		}
		if (size > room)
			m->moved += at == (int)old.base ? 0 : old.size;
		unsigned rover = m->rover;
		b->size = size;
		model_put(m, i, (unsigned)at);
		m->rover = size > room ? m->rover : rover;
	}
	if (size > old.size)
		memset(b->bytes + old.size, 0, size - old.size);
	b->size = size;
	return true;
}

/* ---- both ---- */

struct pair {
	struct model model;
	struct segmem *real;
	struct rng rng;
};

static unsigned pick(struct pair *p, unsigned n) { return (unsigned)rng_below(&p->rng, n); }

static void step_make(struct pair *p, unsigned i)
{
	struct body *b = &p->model.body[i];
	unsigned size = 1 + pick(p, pick(p, 12) ? 24 : BYTES + 8), rights = pick(p, 4) ? 7 : pick(p, 8), ring = pick(p, 4);
	struct segmem_entry e = { .owner = i % 3, .number = i, .rights = rights, .ring = ring, .limit = size };
	enum pw_err err = segmem_make(p->real, &e, NULL);
	if (b->made) {
		assert_int_equal(err, PW_EXISTS);
		return;
	}
	int at = model_room(&p->model, size, -1);
	assert_int_equal(err, at < 0 ? PW_NOSPACE : PW_OK);
	if (at < 0)
		return;
	*b = (struct body){ .made = true, .rights = rights, .ring = ring, .size = size, .arrived = p->model.now, .used = p->model.now };
	model_put(&p->model, i, (unsigned)at);
}

static void step_drop(struct pair *p, unsigned i)
{
	struct body *b = &p->model.body[i];
	assert_int_equal(segmem_drop(p->real, i % 3, i), b->made ? PW_OK : PW_NOTFOUND);
	if (b->made && b->in)
		model_paint(&p->model, i, 0);
	b->made = false;
}

static void step_resize(struct pair *p, unsigned i)
{
	struct body *b = &p->model.body[i];
	unsigned size = 1 + pick(p, pick(p, 10) ? 30 : BYTES);
	enum pw_err err = segmem_resize(p->real, i % 3, i, size, NULL);
	if (!b->made)
		assert_int_equal(err, PW_NOTFOUND);
	else
		assert_int_equal(err, model_resize(&p->model, i, size) ? PW_OK : PW_NOSPACE);
}

static enum segmem_fault model_fault(struct pair *p, unsigned i, const struct segmem_access *a)
{
	struct body *b = &p->model.body[i];
	if (!b->made)
		return SEGMEM_FAULT_NO_SEGMENT;
	if (a->ring > b->ring)
		return SEGMEM_FAULT_PRIVILEGE;
	if (!(b->rights >> a->kind & 1)) /* the rights are in the order of the kinds of access */
		return SEGMEM_FAULT_READ + a->kind;
	if (a->offset + a->bytes > b->size)
		return SEGMEM_FAULT_LIMIT;
	if (!b->in) {
		int at = model_room(&p->model, b->size, -1);
		if (at < 0)
			return SEGMEM_FAULT_NO_ROOM;
		model_put(&p->model, i, (unsigned)at);
		b->arrived = p->model.now;
		p->model.swapped_in++;
	}
	b->used = p->model.now;
	return SEGMEM_FAULT_NONE;
}

static void step_access(struct pair *p, unsigned i)
{
	uint8_t bytes[4];
	struct body *b = &p->model.body[i];
	struct segmem_access a = { .owner = i % 3, .number = i, .offset = pick(p, 30), .bytes = 1 + pick(p, 4),
		                   .kind = (enum access_kind)pick(p, ACCESS_KINDS), .ring = pick(p, 3) ? 0 : pick(p, 4), .data = bytes };
	for (unsigned n = 0; n < sizeof bytes; n++)
		bytes[n] = (uint8_t)rng_next(&p->rng);
	struct segmem_answer answer = segmem_access(p->real, &a);
	p->model.now++;
	enum segmem_fault want = model_fault(p, i, &a);
	assert_int_equal(answer.fault, want);
	if (want)
		return;
	assert_int_equal(answer.pa.v, b->base + a.offset);
	if (a.kind == ACCESS_STORE)
		memcpy(b->bytes + a.offset, bytes, a.bytes);
	else
		assert_memory_equal(b->bytes + a.offset, bytes, a.bytes);
}

static void entry_same(void *ctx, const struct segmem_entry *e)
{
	struct pair *p = ctx;
	const struct body *b = &p->model.body[e->number];
	assert_true(b->made);
	assert_int_equal(e->owner, e->number % 3);
	assert_int_equal(e->limit, b->size);
	assert_int_equal(e->present, b->in);
	if (b->in)
		assert_int_equal(e->base.v, b->base);
}

static void same(struct pair *p)
{
	const struct placement *place = segmem_placement(p->real);
	const struct segmem_counts *n = segmem_counts(p->real);
	const char *flaw = segmem_flaw(p->real);
	assert_string_equal(flaw ? flaw : "", "");
	segmem_each(p->real, entry_same, p);
	assert_int_equal(place->free, model_free(&p->model));
	unsigned largest = 0;
	for (unsigned at = 0; at < BYTES; at++)
		largest = hole_at(&p->model, at) > largest ? hole_at(&p->model, at) : largest;
	assert_int_equal(placement_holes(place).largest, largest);
	assert_int_equal(n->moved_bytes, p->model.moved);
	assert_int_equal(n->swapped_out, p->model.swapped_out);
	assert_int_equal(n->swapped_in, p->model.swapped_in);
}

static void random_run(const struct segmem_config *c, uint64_t seed)
{
	struct pair p = { .model = { .c = *c } };
	assert_int_equal(segmem_create(c, &p.real, NULL), PW_OK);
	rng_init(&p.rng, seed);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = pick(&p, SEGMENTS), what = pick(&p, 100);
		if (what < 25)
			step_make(&p, i);
		else if (what < 35)
			step_drop(&p, i);
		else if (what < 45)
			step_resize(&p, i);
		else if (what < 47 && p.model.body[i].made) {
			if (p.model.body[i].in)
				model_send_out(&p.model, i);
			assert_int_equal(segmem_swap_out(p.real, i % 3, i), PW_OK);
		} else if (what == 47) {
			model_compact(&p.model);
			segmem_compact(p.real);
		} else {
			step_access(&p, i);
		}
		same(&p);
	}
	segmem_destroy(p.real);
}

static void test_as_the_model(void **state)
{
	(void)state;
	print_message("seed %u\n", SEED);
	for (unsigned fit = 0; fit < PLACEMENT_FITS; fit++)
		for (unsigned victim = 0; victim < SEGMEM_VICTIMS; victim++)
			for (unsigned compacts = 0; compacts < 2; compacts++) {
				struct segmem_config c = { BYTES, (enum placement_fit)fit, compacts, (enum segmem_victim)victim };
				random_run(&c, SEED + fit * 100 + victim * 10 + compacts);
			}
}

/* ---- single cases ---- */

static struct segmem *memory_of(uint64_t bytes, enum placement_fit fit, bool compacts, enum segmem_victim victim)
{
	struct segmem *m;
	struct segmem_config c = { bytes, fit, compacts, victim };
	assert_int_equal(segmem_create(&c, &m, NULL), PW_OK);
	return m;
}

static struct segmem_entry plain(uint32_t number, uint64_t limit)
{
	return (struct segmem_entry){ .owner = 1, .number = number, .rights = 7, .ring = 3, .limit = limit };
}

static uint64_t base_of(struct segmem *m, uint32_t number)
{
	struct segmem_access a = { .owner = 1, .number = number, .bytes = 1 };
	struct segmem_answer answer = segmem_access(m, &a);
	assert_int_equal(answer.fault, SEGMEM_FAULT_NONE);
	return answer.pa.v;
}

/* Holes of 100, 500, 200, 300 and 600 in this order; 212, 417, 112 and 426 are asked for: the exercise of the books. */
static void test_book_exercise(void **state)
{
	(void)state;
	static const uint64_t holes[] = { 100, 500, 200, 300, 600 }, wanted[] = { 212, 417, 112, 426 };
	/* Which hole each goes to, from 1; 0: it must wait. */
	static const unsigned answers[PLACEMENT_FITS][4] = {
		[PLACEMENT_FIRST] = { 2, 5, 2, 0 }, [PLACEMENT_BEST] = { 4, 2, 3, 5 }, [PLACEMENT_WORST] = { 5, 2, 5, 0 },
		[PLACEMENT_NEXT] = { 2, 5, 5, 0 },
	};
	for (unsigned fit = 0; fit < PLACEMENT_FITS; fit++) {
		struct placement p;
		struct itree_node wall[5], piece[4];
		uint64_t at = 0, start[5];
		placement_init(&p, 1704, (enum placement_fit)fit);
		for (unsigned i = 0; i < 5; i++) {
			start[i] = at;
			if (i < 4)
				placement_put(&p, &wall[i], at + holes[i], 1);
			at += holes[i] + 1;
		}
		p.rover = 0;
		for (unsigned i = 0; i < 4; i++) {
			uint64_t where;
			unsigned hole = 0;
			if (placement_find(&p, wanted[i], &where)) {
				placement_put(&p, &piece[i], where, wanted[i]);
				for (unsigned h = 0; h < 5; h++)
					hole = where >= start[h] ? h + 1 : hole;
			}
			assert_int_equal(hole, answers[fit][i]);
		}
		assert_null(placement_flaw(&p));
	}
}

/* A shared segment is one: what one table's owner writes the other reads, wherever it has been meanwhile. */
static void test_sharing(void **state)
{
	(void)state;
	struct segmem *m = memory_of(100, PLACEMENT_FIRST, true, SEGMEM_VICTIM_LRU);
	struct segmem_entry mine = plain(0, 40), theirs = { .owner = 2, .number = 7, .rights = SEGMEM_READ, .ring = 3 };
	uint8_t byte = 99, read = 0;
	struct segmem_access write = { .owner = 1, .offset = 5, .bytes = 1, .kind = ACCESS_STORE, .ring = 3, .data = &byte };
	struct segmem_access look = { .owner = 2, .number = 7, .offset = 5, .bytes = 1, .kind = ACCESS_LOAD, .ring = 3, .data = &read };
	assert_int_equal(segmem_make(m, &mine, NULL), PW_OK);
	assert_int_equal(segmem_share(m, 1, 0, &theirs), PW_OK);
	assert_int_equal(segmem_share(m, 1, 0, &theirs), PW_EXISTS);
	assert_int_equal(segmem_share(m, 1, 5, &theirs), PW_NOTFOUND);
	assert_int_equal(segmem_access(m, &write).fault, SEGMEM_FAULT_NONE);
	assert_int_equal(segmem_swap_out(m, 2, 7), PW_OK);
	struct segmem_answer answer = segmem_access(m, &look);
	assert_true(answer.swapped_in && answer.fault == SEGMEM_FAULT_NONE && read == 99);
	look.kind = ACCESS_STORE;
	assert_int_equal(segmem_access(m, &look).fault, SEGMEM_FAULT_WRITE);
	segmem_drop_all(m, 1);
	assert_int_equal(segmem_placement(m)->free, 60);
	look.kind = ACCESS_LOAD;
	assert_int_equal(segmem_access(m, &look).fault, SEGMEM_FAULT_NONE);
	assert_null(segmem_flaw(m));
	segmem_destroy(m);
}

/* What is clean and has a copy leaves without being written. */
static void test_clean_leaves_free(void **state)
{
	(void)state;
	struct segmem *m = memory_of(100, PLACEMENT_FIRST, false, SEGMEM_VICTIM_LRU);
	struct segmem_entry a = plain(0, 80), b = plain(1, 80);
	assert_int_equal(segmem_make(m, &a, NULL), PW_OK);
	assert_int_equal(segmem_make(m, &b, NULL), PW_OK);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(base_of(m, i % 2), 0);
	assert_int_equal(segmem_counts(m)->swapped_out, 7);
	assert_int_equal(segmem_counts(m)->written_bytes, 160);
	assert_int_equal(segmem_counts(m)->read_bytes, 480);
	segmem_destroy(m);
}

/* Refused for want of a hole and refused for want of memory are two things, and compaction cures the first. */
static void test_fragmentation_is_named(void **state)
{
	(void)state;
	for (unsigned compacts = 0; compacts < 2; compacts++) {
		struct segmem *m = memory_of(100, PLACEMENT_FIRST, compacts, SEGMEM_VICTIM_NONE);
		struct pw_why why = { "" };
		for (unsigned i = 0; i < 5; i++) {
			struct segmem_entry e = plain(i, 20);
			assert_int_equal(segmem_make(m, &e, NULL), PW_OK);
		}
		segmem_drop(m, 1, 1);
		segmem_drop(m, 1, 3);
		assert_true(placement_holes(segmem_placement(m)).fragmentation == 0.5);
		struct segmem_entry e = plain(9, 40), large = plain(10, 41);
		assert_int_equal(segmem_make(m, &large, &why), PW_NOSPACE);
		assert_non_null(strstr(why.text, "too full"));
		assert_int_equal(segmem_make(m, &e, &why), compacts ? PW_OK : PW_NOSPACE);
		assert_int_equal(segmem_counts(m)->refused_fragmented, !compacts);
		assert_int_equal(segmem_counts(m)->moved_bytes, compacts ? 40 : 0);
		if (!compacts)
			assert_non_null(strstr(why.text, "external fragmentation: 40 bytes are wanted and 40 are free"));
		segmem_destroy(m);
	}
}

/* Every allocation fails once: nothing is lost, every byte is still what was written. */
static void test_allocations_fail(void **state)
{
	(void)state;
	for (uint64_t kth = 1;; kth++) {
		struct segmem *m = memory_of(100, PLACEMENT_BEST, true, SEGMEM_VICTIM_LRU);
		uint8_t byte[3] = { 11, 22, 33 }, read;
		bool made[3] = { false };
		inject_arm(INJECT_ALLOC, kth, INJECT_ONCE);
		for (uint32_t i = 0; i < 3; i++) {
			struct segmem_entry e = plain(i, 40);
			struct segmem_access a = { .owner = 1, .number = i, .offset = 7, .bytes = 1, .kind = ACCESS_STORE };
			a.data = &byte[i];
			made[i] = segmem_make(m, &e, NULL) == PW_OK && segmem_access(m, &a).fault == SEGMEM_FAULT_NONE;
		}
		enum pw_err grown = segmem_resize(m, 1, 0, 70, NULL);
		assert_true(grown == PW_OK || grown == PW_NOMEM || (grown == PW_NOTFOUND && !made[0]));
		bool reached = inject_count(INJECT_ALLOC) >= kth;
		inject_disarm();
		const char *flaw = segmem_flaw(m);
		assert_string_equal(flaw ? flaw : "", "");
		for (uint32_t i = 0; i < 3; i++) {
			struct segmem_access a = { .owner = 1, .number = i, .offset = 7, .bytes = 1, .kind = ACCESS_LOAD, .data = &read };
			if (!made[i])
				continue;
			assert_int_equal(segmem_access(m, &a).fault, SEGMEM_FAULT_NONE);
			assert_int_equal(read, byte[i]);
		}
		segmem_destroy(m);
		if (!reached)
			break;
	}
}

static void test_wrong_configurations(void **state)
{
	(void)state;
	struct segmem *m;
	struct segmem_config none = { 0 }, huge = { .bytes = SEGMEM_MOST + 1 };
	struct pw_why why;
	assert_int_equal(segmem_create(&none, &m, &why), PW_INVALID);
	assert_int_equal(segmem_create(&huge, &m, &why), PW_INVALID);
	m = memory_of(10, PLACEMENT_FIRST, true, SEGMEM_VICTIM_LRU);
	struct segmem_entry e = plain(0, 0);
	assert_int_equal(segmem_make(m, &e, &why), PW_INVALID);
	e = plain(0, 4);
	e.ring = 4;
	assert_int_equal(segmem_make(m, &e, &why), PW_INVALID);
	e.ring = 3;
	e.present = true;
	e.base = paddr(7);
	assert_int_equal(segmem_make(m, &e, &why), PW_NOSPACE);
	e.base = paddr(UINT64_MAX - 1);
	assert_int_equal(segmem_make(m, &e, &why), PW_NOSPACE);
	e.base = paddr(6);
	assert_int_equal(segmem_make(m, &e, &why), PW_OK);
	assert_int_equal(base_of(m, 0), 6);
	struct segmem_access a = { .owner = 1, .offset = UINT64_MAX, .bytes = 2 };
	assert_int_equal(segmem_access(m, &a).fault, SEGMEM_FAULT_LIMIT);
	assert_int_equal(segmem_resize(m, 1, 0, 11, &why), PW_INVALID);
	segmem_destroy(m);
}

/* ---- churn ---- */

/* The same requests for every fit; with compaction nothing is refused while enough is free; Knuth's half as many holes as segments. */
static void test_churn(void **state)
{
	(void)state;
	struct churn c = { .steps = 4000, .seed = SEED, .smallest = 100, .largest = 3000, .load = 0.8 };
	for (unsigned fit = 0; fit < PLACEMENT_FITS; fit++) {
		struct segmem_config bare = { 1 << 16, (enum placement_fit)fit, false, SEGMEM_VICTIM_NONE }, compact = bare;
		struct churn_result r, again, compacted;
		compact.compacts = true;
		assert_int_equal(churn_run(&bare, &c, &r, NULL), PW_OK);
		assert_int_equal(churn_run(&bare, &c, &again, NULL), PW_OK);
		assert_memory_equal(&r, &again, sizeof r);
		assert_int_equal(churn_run(&compact, &c, &compacted, NULL), PW_OK);
		assert_true(r.refused_fragmented > 0 && r.used > 0.4 && r.used < 0.9 && r.fragmentation > 0.2);
		assert_true(r.holes > r.segments * 0.25 && r.holes < r.segments * 0.75);
		assert_int_equal(compacted.refused_fragmented, 0);
		assert_true(compacted.refused < r.refused && compacted.counts.moved_bytes > 0);
		print_message("%-5s  %4llu of %llu refused, %4llu of them for fragmentation; %.0f %% used, %.0f %% fragmented\n",
		              placement_fit_word((enum placement_fit)fit), (unsigned long long)r.refused,
		              (unsigned long long)r.requests, (unsigned long long)r.refused_fragmented, 100 * r.used,
		              100 * r.fragmentation);
	}
	c.load = 0;
	struct segmem_config any = { .bytes = 4096 };
	struct churn_result ignored;
	struct pw_why why;
	assert_int_equal(churn_run(&any, &c, &ignored, &why), PW_INVALID);
	c = (struct churn){ .steps = 10, .smallest = 10, .largest = 5000, .load = 1 };
	assert_int_equal(churn_run(&any, &c, &ignored, &why), PW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_the_model), cmocka_unit_test(test_book_exercise), cmocka_unit_test(test_sharing),
		cmocka_unit_test(test_clean_leaves_free), cmocka_unit_test(test_fragmentation_is_named),
		cmocka_unit_test(test_allocations_fail), cmocka_unit_test(test_wrong_configurations), cmocka_unit_test(test_churn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
