/* machine_test.c - formats, walks, TLBs and the run loop, against laws and against an independent TLB. */
#include "table_frames.h"
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/machine/cost.h"
#include "../src/machine/machine.h"
#include "../src/machine/walk.h"
#include "../src/pmap/pmap.h"
#include "reference_tlb.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- a machine with one space, whose frames are handed out in order ---- */

struct bench {
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space;
	struct table_frames tables;
};

static void bench_open(struct bench *b, const struct ptfmt *format, const struct cpu_model *cpu, uint64_t frames)
{
	struct machine_config c = { .format = format, .frames = frames, .n_cpus = 2, .cpu = cpu, .log_touches = true, .seed = 1 };
	struct pw_why why = { "" };
	*b = (struct bench){ .tables.next = frames / 2 };
	assert_int_equal(machine_create(&c, &b->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(b->m, &b->sys), PW_OK);
	b->tables.machine = b->m;
	b->sys->env = table_frames_env(&b->tables);
	assert_int_equal(pmap_create(b->sys, &b->space), PW_OK);
	pmap_activate(b->space, 0);
}

static void bench_close(struct bench *b)
{
	pmap_unref(b->space);
	assert_int_equal(b->tables.taken, 0);
	pmap_sys_destroy(b->sys);
	machine_destroy(b->m);
}

static void map_page(struct bench *b, uint64_t page, uint64_t frame, unsigned prot)
{
	const struct pmap_mapping m = { .vpn = vpn(page), .pfn = pfn(frame), .prot = prot | PMAP_USER, .cause = ACCESS_LOAD };
	assert_int_equal(pmap_enter(b->space, &m), PW_OK);
}

static struct machine_stop touch(struct bench *b, uint64_t address, enum access_kind kind)
{
	ref_t r = ref_make(vaddr(address), kind);
	return machine_run(b->m, 0, &r, 1);
}

static struct cpu_model cpu_with(const char *tlbs)
{
	struct cpu_model c = { .name = "test", .pwc_entries = { 0, 4, 2 }, .asid_bits = 2 };
	struct pw_why why = { "" };
	if (tlb_parse(tlbs, c.tlb, &c.n_tlbs, &why) != PW_OK)
		fail_msg("%s", why.text);
	return c;
}

/* ---- formats ---- */

static void formats_keep_their_laws(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		const struct ptfmt *f = ptfmt_at(i);
		const char *flaw = ptfmt_flaw(f);
		if (flaw)
			fail_msg("%s: %s", f->name, flaw);
		assert_ptr_equal(ptfmt_find(f->name), f);
	}
	struct ptfmt broken = *ptfmt_find("x86-64");
	broken.dirty = broken.accessed;
	assert_non_null(ptfmt_flaw(&broken));
	broken = *ptfmt_find("x86-64");
	broken.index_bits[2]--;
	assert_non_null(ptfmt_flaw(&broken));
}

static void entries_round_trip(void **state)
{
	(void)state;
	struct rng rng;
	rng_init(&rng, 11);
	for (unsigned i = 0; ptfmt_at(i); i++) {
		const struct ptfmt *f = ptfmt_at(i);
		for (unsigned n = 0; n < 1000; n++) {
			unsigned level = (unsigned)rng_below(&rng, f->levels), want = PT_READ | (rng_next(&rng) & 14);
			if (!(f->leaf_levels >> level & 1))
				continue;
			uint64_t frame = rng_next(&rng) & ((1ull << f->pfn_bits) - 1) & ~(ptfmt_level_pages(f, level) - 1);
			pte_t e = ptfmt_make_leaf(f, level, pfn(frame), want);
			assert_true(ptfmt_valid(f, e) && ptfmt_is_leaf(f, e, level));
			assert_false(ptfmt_reserved(f, e, level, true));
			assert_int_equal(ptfmt_pfn(f, e).v, frame);
			unsigned can = PT_READ | PT_WRITE | (f->user ? PT_USER : 0) | (f->exec || f->noexec ? PT_EXEC : 0);
			if (f->hashed)
				can = PT_READ | PT_USER | (want & PT_USER ? PT_WRITE : 0); /* the supervisor's own are never read-only */
			assert_int_equal(ptfmt_rights(f, e) & can, want & can);
		}
	}
}

/* The textbook's translation: 0x12345678 is page 0x12345 offset 0x678; frame 0xABCDE gives 0xABCDE678. */
static void worked_translation(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1=4/2");
	static const char *const names[] = { "x86-64", "x86-32", "sv39", "sv48", "flat" };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct bench b;
		bench_open(&b, ptfmt_find(names[i]), &cpu, 0x100000);
		map_page(&b, 0x12345, 0xABCDE, PMAP_READ | PMAP_WRITE);
		const struct walk_want want = { .va = vaddr(0x12345678), .kind = ACCESS_LOAD, .user = true };
		struct walk w;
		walk_from_root(ptfmt_find(names[i]), machine_physmem(b.m), pmap_machine_root(b.space), &want, &w);
		assert_int_equal(w.fault, MACHINE_FAULT_NONE);
		assert_int_equal(pfn_addr(w.pfn, 12).v | 0x678, 0xABCDE678);
		assert_int_equal(touch(&b, 0x12345678, ACCESS_STORE).why, MACHINE_DONE);
		assert_int_equal(pmap_page_test(b.sys, pfn(0xABCDE), PMAP_MODIFIED), PMAP_MODIFIED);
		bench_close(&b);
	}
}

static void faults_have_their_reasons(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1=4/2");
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 16);
	map_page(&b, 1, 10, PMAP_READ);
	map_page(&b, 2, 11, PMAP_READ | PMAP_WRITE | PMAP_EXEC);
	const struct pmap_mapping kernel = { .vpn = vpn(3), .pfn = pfn(12), .prot = PMAP_READ, .cause = ACCESS_LOAD };
	assert_int_equal(pmap_enter(b.space, &kernel), PW_OK);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(touch(&b, 0x0000, ACCESS_LOAD).fault, MACHINE_FAULT_NOT_PRESENT);
		assert_int_equal(touch(&b, 0x1000, ACCESS_LOAD).why, MACHINE_DONE);
		assert_int_equal(touch(&b, 0x1000, ACCESS_STORE).fault, MACHINE_FAULT_WRITE);
		assert_int_equal(touch(&b, 0x1000, ACCESS_FETCH).fault, MACHINE_FAULT_EXEC);
		assert_int_equal(touch(&b, 0x2000, ACCESS_FETCH).why, MACHINE_DONE);
		assert_int_equal(touch(&b, 0x3000, ACCESS_LOAD).fault, MACHINE_FAULT_PRIVILEGE);
		assert_int_equal(touch(&b, 0x0000800000000000, ACCESS_LOAD).fault, MACHINE_FAULT_NONCANONICAL);
		assert_int_equal(touch(&b, 0x8000000000000000, ACCESS_LOAD).fault, MACHINE_FAULT_NONCANONICAL);
		assert_null(pmap_flaw(b.space));
	}
	struct machine_counts c;
	machine_counts(b.m, &c);
	assert_int_equal(c.references[ACCESS_LOAD], 2);
	assert_int_equal(c.references[ACCESS_FETCH], 2);
	bench_close(&b);
}

static void damaged_tables_fault(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("none");
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 12);
	map_page(&b, 5, 10, PMAP_READ);
	struct physmem *mem = machine_physmem(b.m);
	const struct walk_want want = { .va = vaddr(0x5000), .kind = ACCESS_LOAD, .user = true };
	struct walk w;
	walk_from_root(ptfmt_find("x86-64"), mem, pmap_machine_root(b.space), &want, &w);
	uint64_t good = w.entry.v;
	physmem_store(mem, w.entry_at, good | 1ull << 50, 8);
	assert_int_equal(touch(&b, 0x5000, ACCESS_LOAD).fault, MACHINE_FAULT_BADFRAME);
	paddr_t root_entry = pfn_addr(pmap_machine_root(b.space), 12);
	uint64_t top = physmem_load(mem, root_entry, 8);
	physmem_store(mem, root_entry, top | 1 << 7, 8);
	assert_int_equal(touch(&b, 0x5000, ACCESS_LOAD).fault, MACHINE_FAULT_RESERVED);
	physmem_store(mem, root_entry, top, 8);
	physmem_store(mem, w.entry_at, good, 8);
	assert_int_equal(touch(&b, 0x5000, ACCESS_LOAD).why, MACHINE_DONE);
	bench_close(&b);
}

static void huge_pages_translate(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1d=8/2,l1i=2/fa,l2=16/4");
	static const char *const names[] = { "x86-64", "x86-32", "sv39", "sv48" };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		struct bench b;
		const struct ptfmt *f = ptfmt_find(names[i]);
		bench_open(&b, f, &cpu, 1 << 14);
		uint64_t pages = ptfmt_level_pages(f, 1);
		const struct pmap_mapping m = { .vpn = vpn(2 * pages), .pfn = pfn(pages), .level = 1,
						.prot = PMAP_READ | PMAP_WRITE | PMAP_USER, .cause = ACCESS_LOAD };
		assert_int_equal(pmap_enter(b.space, &m), PW_OK);
		for (uint64_t n = 0; n < pages; n++)
			assert_int_equal(touch(&b, (2 * pages + n) << 12, ACCESS_STORE).why, MACHINE_DONE);
		struct machine_counts c;
		machine_counts(b.m, &c);
		assert_int_equal(c.walks, 1);
		assert_int_equal(pmap_resident_pages(b.space), pages);
		map_page(&b, 2 * pages + 3, 5, PMAP_READ); /* a base page in the middle: the large one is forgotten */
		assert_int_equal(touch(&b, (2 * pages + 4) << 12, ACCESS_LOAD).fault, MACHINE_FAULT_NOT_PRESENT);
		assert_int_equal(touch(&b, (2 * pages + 3) << 12, ACCESS_LOAD).why, MACHINE_DONE);
		assert_int_equal(pmap_page_test(b.sys, pfn(pages), PMAP_MODIFIED), PMAP_MODIFIED);
		assert_int_equal(pmap_enter(b.space, &m), PW_OK); /* and back over the small one */
		assert_int_equal(pmap_resident_pages(b.space), pages);
		assert_null(pmap_flaw(b.space));
		bench_close(&b);
	}
}

/* ---- TLBs against the reference ---- */

struct shape {
	const char *text;
	unsigned first, first_ways, second, second_ways;
	enum reference_order order;
	uint64_t pages;
};

static void compare_tlbs(const struct shape *s, const ref_t *refs, uint64_t n)
{
	struct cpu_model cpu = cpu_with(s->text);
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 15);
	for (uint64_t i = 0; i < s->pages; i++)
		map_page(&b, 0x400 + i, i, PMAP_READ | PMAP_WRITE | PMAP_EXEC);
	struct reference_level first = reference_level_make(s->first, s->first_ways, s->order);
	struct reference_level second = reference_level_make(s->second ? s->second : 1, s->second ? s->second_ways : 1, s->order);
	for (uint64_t i = 0; i < n; i++)
		reference_access(&first, s->second ? &second : NULL, ref_va(refs[i]).v >> 12);
	for (uint64_t done = 0; done < n; done += 1000)
		assert_int_equal(machine_run(b.m, 0, refs + done, 1000).why, MACHINE_DONE);
	struct tlb_counts one = machine_tlb_counts(b.m, 0);
	if (one.misses != first.misses)
		fail_msg("%s: first level misses %llu, reference %llu", s->text, (unsigned long long)one.misses,
			 (unsigned long long)first.misses);
	assert_int_equal(one.accesses, n);
	struct machine_counts c;
	machine_counts(b.m, &c);
	assert_int_equal(c.walks, s->second ? second.misses : first.misses);
	if (s->second)
		assert_int_equal(machine_tlb_counts(b.m, 1).misses, second.misses);
	const char *flaw = machine_flaw(b.m);
	if (flaw)
		fail_msg("%s: %s", s->text, flaw);
	reference_level_free(&first);
	reference_level_free(&second);
	bench_close(&b);
}

static void tlbs_equal_the_reference(void **state)
{
	(void)state;
	static const struct shape shapes[] = {
		{ "l1=64/4,l2=1536/12", 64, 4, 1536, 12, REFERENCE_RECENCY, 4000 },
		{ "l1=2/1", 2, 1, 0, 0, REFERENCE_RECENCY, 5 },
		{ "l1=1/fa,l2=2/fa", 1, 1, 2, 2, REFERENCE_RECENCY, 4 },
		{ "l1=64/fa,l2=600/6", 64, 64, 600, 6, REFERENCE_RECENCY, 900 },  /* 100 sets */
		{ "l1=12/4,l2=105/5", 12, 4, 105, 5, REFERENCE_RECENCY, 200 },    /* 3 and 21 sets */
		{ "l1=16/4:fifo,l2=96/8:fifo", 16, 4, 96, 8, REFERENCE_ARRIVAL, 150 },
		{ "l1=300/fa", 300, 300, 0, 0, REFERENCE_RECENCY, 400 },
	};
	enum { REFS = 200000 };
	ref_t *refs = malloc(REFS * sizeof *refs);
	struct rng rng;
	for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (uint64_t seed = 1; seed <= 3; seed++) {
			rng_init(&rng, seed * 100 + i);
			uint64_t near = 0;
			for (unsigned n = 0; n < REFS; n++) {
				if (rng_below(&rng, 4) == 0)
					near = rng_below(&rng, shapes[i].pages);
				uint64_t page = (near + rng_below(&rng, 3)) % shapes[i].pages;
				refs[n] = ref_make(vaddr((0x400 + page) << 12 | rng_below(&rng, 4096)),
						   (enum access_kind)rng_below(&rng, ACCESS_KINDS));
			}
			compare_tlbs(&shapes[i], refs, REFS);
		}
	free(refs);
}

/* Tree-plru by its definition, one bit a node, against the machine that derives the bits from times. */
static void plru_equals_its_bits(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1=4/4:plru");
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 12);
	for (uint64_t i = 0; i < 7; i++)
		map_page(&b, i, 100 + i, PMAP_READ);
	struct rng rng;
	rng_init(&rng, 5);
	int64_t way[4] = { -1, -1, -1, -1 };
	bool root = false, left = false, right = false; /* set: the victim is on the right */
	uint64_t misses = 0;
	for (unsigned n = 0; n < 20000; n++) {
		int64_t page = (int64_t)rng_below(&rng, 7);
		unsigned w = 0;
		while (w < 4 && way[w] != page)
			w++;
		if (w == 4) {
			misses++;
			for (w = 0; w < 4 && way[w] >= 0; w++)
				;
			if (w == 4)
				w = root ? 2 + right : left;
			way[w] = page;
		}
		root = w < 2;
		*(w < 2 ? &left : &right) = w % 2 == 0;
		assert_int_equal(touch(&b, (uint64_t)page << 12, ACCESS_LOAD).why, MACHINE_DONE);
	}
	assert_int_equal(machine_tlb_counts(b.m, 0).misses, misses);
	bench_close(&b);
}

static void split_tlbs_keep_kinds_apart(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1d=4/fa,l1i=4/fa,l2=64/4");
	struct bench b;
	bench_open(&b, ptfmt_find("sv39"), &cpu, 1 << 12);
	map_page(&b, 1, 100, PMAP_READ | PMAP_EXEC);
	for (unsigned i = 0; i < 5; i++) {
		touch(&b, 0x1000, ACCESS_LOAD);
		touch(&b, 0x1000, ACCESS_FETCH);
	}
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t accesses[] = { 5, 5, 2 };
		assert_int_equal(machine_tlb_counts(b.m, i).accesses, accesses[i]);
		assert_int_equal(machine_tlb_counts(b.m, i).misses, 1);
	}
	bench_close(&b);
}

/* ---- time ---- */

static void touched_is_in_order_of_last_use(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1d=8/2,l1i=4/fa,l2=32/4");
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 12);
	enum { PAGES = 700 }; /* sometimes more than one portion */
	for (uint64_t i = 0; i < PAGES; i++)
		map_page(&b, i, i, PMAP_READ | PMAP_EXEC);
	struct rng rng;
	rng_init(&rng, 8);
	uint64_t last[PAGES] = { 0 }, now = 0, drained = 0;
	const pfn_t *got;
	for (unsigned round = 0; round < 300; round++) {
		for (uint64_t n = rng_below(&rng, round % 10 ? 400 : 9000); n > 0; n--) {
			uint64_t page = rng_below(&rng, 1 + rng_below(&rng, PAGES));
			touch(&b, page << 12, rng_below(&rng, 3) ? ACCESS_LOAD : ACCESS_FETCH);
			last[page] = ++now;
		}
		uint64_t expected = 0, before = drained, told = 0;
		for (uint64_t i = 0; i < PAGES; i++)
			expected += last[i] > drained;
		for (uint64_t n; (n = machine_touched(b.m, &got)) > 0; told += n)
			for (uint64_t i = 0; i < n; i++) {
				assert_true(last[got[i].v] > before);
				assert_int_equal(machine_frame_last_use(b.m, got[i]), last[got[i].v]);
				before = last[got[i].v];
			}
		assert_int_equal(told, expected);
		drained = now;
	}
	bench_close(&b);
}

/* ---- spaces ---- */

static void asids_run_out_and_nothing_leaks(void **state)
{
	(void)state;
	struct cpu_model cpu = cpu_with("l1=16/4,l2=64/4"); /* two ASID bits: three spaces at a time */
	struct bench b;
	bench_open(&b, ptfmt_find("x86-64"), &cpu, 1 << 14);
	struct pmap *space[9];
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(pmap_create(b.sys, &space[i]), PW_OK);
		const struct pmap_mapping m = { .vpn = vpn(7), .pfn = pfn(50 + i), .prot = PMAP_READ | PMAP_WRITE | PMAP_USER };
		assert_int_equal(pmap_enter(space[i], &m), PW_OK);
	}
	struct rng rng;
	rng_init(&rng, 4);
	for (unsigned n = 0; n < 3000; n++) {
		unsigned i = (unsigned)rng_below(&rng, 9), got = 99;
		pmap_activate(space[i], rng_below(&rng, 4) == 0);
		pmap_activate(space[i], 0);
		if (n < 9)
			i = n, pmap_activate(space[i], 0);
		uint32_t mine = 1000 + i;
		assert_int_equal(machine_write(b.m, 0, vaddr(0x7ffe), &mine, 1).why, MACHINE_DONE);
		assert_int_equal(machine_read(b.m, 0, vaddr(0x7ffe), &got, 1).why, MACHINE_DONE);
		assert_int_equal((uint8_t)got, (uint8_t)mine);
		assert_int_equal(*((uint8_t *)physmem_frame(machine_physmem(b.m), pfn(50 + i)) + 0xffe), (uint8_t)mine);
		assert_null(machine_flaw(b.m));
	}
	for (unsigned i = 0; i < 9; i++)
		pmap_unref(space[i]);
	bench_close(&b);
}

/* Whatever is done to the tables, the TLBs never say otherwise. */
static void random_changes_leave_no_stale_entry(void **state)
{
	(void)state;
	static const char *const names[] = { "x86-64", "x86-32", "sv39", "sv48", "flat" };
	struct cpu_model cpu = cpu_with("l1d=6/2,l1i=2/fa,l2=12/3:random");
	struct ptfmt flat;
	assert_int_equal(ptfmt_flat_make(12, 24, &flat, NULL), PW_OK);
	for (unsigned f = 0; f < sizeof names / sizeof *names; f++) {
		struct bench b;
		bench_open(&b, f == 4 ? &flat : ptfmt_find(names[f]), &cpu, 1 << 16);
		struct rng rng;
		rng_init(&rng, 70 + f);
		for (unsigned n = 0; n < 4000; n++) {
			uint64_t page = rng_below(&rng, 40) * 97;
			switch (rng_below(&rng, 6)) {
			case 0:
				map_page(&b, page, rng_below(&rng, 500), (unsigned)rng_below(&rng, 8) | PMAP_READ);
				break;
			case 1:
				pmap_remove(b.space, vpn_range(vpn(page), 1 + rng_below(&rng, 300)));
				break;
			case 2:
				pmap_protect(b.space, vpn_range(vpn(page), 1 + rng_below(&rng, 300)), PMAP_READ);
				break;
			case 3:
				pmap_page_protect(b.sys, pfn(rng_below(&rng, 500)), rng_below(&rng, 2) ? PMAP_READ : 0);
				break;
			case 4:
				pmap_page_test_clear(b.sys, pfn(rng_below(&rng, 500)), PMAP_MODIFIED | PMAP_REFERENCED);
				break;
			default:
				for (unsigned i = 0; i < 10; i++)
					touch(&b, page << 12, (enum access_kind)rng_below(&rng, 3));
			}
			const char *flaw = pmap_flaw(b.space);
			if (flaw)
				fail_msg("%s, step %u: %s", names[f], n, flaw);
		}
		bench_close(&b);
	}
}

/* References at random to 60 pages and some that are not there, in batches; those that fault are left out. */
static void counts_of_history(const struct ptfmt *f, const struct cpu_model *cpu, uint64_t seed, struct machine_counts *ret)
{
	struct bench b;
	struct rng rng;
	ref_t refs[4000];
	rng_init(&rng, seed);
	bench_open(&b, f, cpu, 8192); /* half of them for tables: that of the flat format is large */
	for (uint64_t page = 0; page < 60; page++)
		map_page(&b, page * 37, page, page % 3 ? PMAP_READ | PMAP_WRITE | PMAP_EXEC : PMAP_READ);
	for (unsigned i = 0; i < 4000; i++)
		refs[i] = ref_make(vaddr(rng_below(&rng, 62) * 37 << f->page_shift), (enum access_kind)rng_below(&rng, ACCESS_KINDS));
	for (uint64_t at = 0; at < 4000; at++)
		at += machine_run(b.m, 0, refs + at, 4000 - at).done;
	assert_null(machine_flaw(b.m));
	machine_counts(b.m, ret);
	bench_close(&b);
}

/* A format by another name is served by the instance for all formats. */
static void instances_of_formats_count_alike(void **state)
{
	(void)state;
	const struct cpu_model cpu[] = { cpu_with("l1d=4/2,l1i=4/2,l2=12/4"), cpu_with("l1=6/3:fifo,l2=9/3"), cpu_with("none") };
	for (unsigned i = 0; ptfmt_at(i); i++)
		for (unsigned n = 0; n < 3 && !ptfmt_at(i)->hashed; n++) {
			struct ptfmt renamed = *ptfmt_at(i);
			struct machine_counts own, general;
			renamed.name = "another";
			counts_of_history(ptfmt_at(i), &cpu[n], 100 * i + n, &own);
			counts_of_history(&renamed, &cpu[n], 100 * i + n, &general);
			assert_true(own.walks > 100 && own.faults[MACHINE_FAULT_NOT_PRESENT] > 0);
			assert_memory_equal(&own, &general, sizeof own);
		}
}

static void bad_words_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "l1", "l1=", "l1=0", "l1=64/5", "l1=64/4:best", "x1=4", "l1=4,l1=4", "l0=4", "l1=4/0" };
	struct tlb_geometry g[TLB_ARRAYS];
	unsigned n;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct pw_why why = { "" };
		if (tlb_parse(bad[i], g, &n, &why) == PW_OK)
			fail_msg("'%s' was taken for a TLB", bad[i]);
		assert_true(why.text[0]);
	}
	struct cost_model cost = cost_default;
	struct pw_why why = { "" };
	assert_int_equal(cost_parse("tlb2_hit=9,fault_zero=1", &cost, &why), PW_OK);
	assert_int_equal(cost.tlb2_hit, 9);
	assert_int_equal(cost_parse("speed=9", &cost, &why), PW_INVALID);
	assert_int_equal(cost_parse("clock_mhz=0", &cost, &why), PW_INVALID);
	assert_int_equal(cost.clock_mhz, cost_default.clock_mhz);
}

static void every_failing_allocation_is_survived(void **state)
{
	(void)state;
	struct machine_config c = { .format = ptfmt_find("x86-64"), .frames = 64, .n_cpus = 2, .cpu = cpu_find("icelake") };
	for (uint64_t k = 1;; k++) {
		struct machine *m;
		struct pmap_sys *sys = NULL;
		struct pw_why why = { "" };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = machine_create(&c, &m, &why);
		if (err == PW_OK)
			err = pmap_machine_create(m, &sys);
		bool reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		assert_int_equal(err, reached ? PW_NOMEM : PW_OK);
		if (sys)
			pmap_sys_destroy(sys);
		machine_destroy(m);
		if (!reached)
			return;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_keep_their_laws),
		cmocka_unit_test(entries_round_trip),
		cmocka_unit_test(worked_translation),
		cmocka_unit_test(faults_have_their_reasons),
		cmocka_unit_test(damaged_tables_fault),
		cmocka_unit_test(huge_pages_translate),
		cmocka_unit_test(tlbs_equal_the_reference),
		cmocka_unit_test(plru_equals_its_bits),
		cmocka_unit_test(split_tlbs_keep_kinds_apart),
		cmocka_unit_test(touched_is_in_order_of_last_use),
		cmocka_unit_test(asids_run_out_and_nothing_leaks),
		cmocka_unit_test(random_changes_leave_no_stale_entry),
		cmocka_unit_test(instances_of_formats_count_alike),
		cmocka_unit_test(bad_words_are_refused),
		cmocka_unit_test(every_failing_allocation_is_survived),
	};
	return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
