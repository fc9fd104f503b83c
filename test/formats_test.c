/* formats_test.c - every page-table format, for itself.
 *
 * Two kinds of tests.  Laws that hold for all: what is mapped translates, at each size a page can have and in both halves; a cold
 * walk reads one entry for each level; each reserved bit is refused; tables and TLBs agree whatever is done.  And words: entries
 * written down bit by bit from the manuals, which the descriptor must read as the manual does.  Other computers' MMUs read the same
 * tables in emulator_test. */
#include "table_frames.h"
#include "../src/base/rng.h"
#include "../src/machine/machine.h"
#include "../src/machine/walk.h"
#include "../src/pmap/pmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define RWX (PMAP_READ | PMAP_WRITE | PMAP_EXEC)

struct bed {
	const struct ptfmt *f;
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space;
	struct table_frames tables;
};

/* Tables come from the upper half of memory. */
static void bed_make(struct bed *b, const struct ptfmt *f, const char *tlbs, uint64_t frames)
{
	struct cpu_model cpu = { .name = "test", .asid_bits = 3 };
	struct pw_why why = { "" };
	assert_int_equal(tlb_parse(tlbs, cpu.tlb, &cpu.n_tlbs, &why), PW_OK);
	struct machine_config c = { .format = f, .frames = frames, .n_cpus = 1, .cpu = &cpu, .seed = 1 };
	*b = (struct bed){ .f = f, .tables.next = frames / 2 };
	assert_int_equal(machine_create(&c, &b->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(b->m, &b->sys), PW_OK);
	b->tables.machine = b->m;
	b->sys->env = table_frames_env(&b->tables);
	assert_int_equal(pmap_create(b->sys, &b->space), PW_OK);
	pmap_activate(b->space, 0);
}

static void bed_clear(struct bed *b)
{
	const char *flaw = pmap_flaw(b->space);
	if (flaw)
		fail_msg("%s: %s", b->f->name, flaw);
	pmap_unref(b->space);
	assert_int_equal(b->tables.taken, 0);
	pmap_sys_destroy(b->sys);
	machine_destroy(b->m);
}

static vaddr_t page_at(const struct bed *b, uint64_t vpn)
{
	return vaddr(ptfmt_extend(b->f, vpn << b->f->page_shift));
}

static void map(struct bed *b, vaddr_t va, uint64_t frame, unsigned level, unsigned prot)
{
	const struct pmap_mapping m = { .vpn = vpn_of(va, b->f->page_shift), .pfn = pfn(frame), .level = level, .prot = prot,
					.cause = ACCESS_LOAD };
	assert_int_equal(pmap_enter(b->space, &m), PW_OK);
}

static enum machine_fault touch(struct bed *b, vaddr_t va, enum access_kind kind)
{
	ref_t r = ref_make(va, kind);
	return machine_run(b->m, 0, &r, 1).fault;
}

static struct walk walk_of(struct bed *b, vaddr_t va, enum access_kind kind, bool user)
{
	const struct walk_want want = { .va = va, .kind = kind, .user = user };
	pfn_t root = ptfmt_upper(b->f, va) ? pmap_machine_upper_root(b->space) : pmap_machine_root(b->space);
	struct walk w;
	walk_from_root(b->f, machine_physmem(b->m), root, &want, &w);
	return w;
}

/* The lowest and the highest address of each half, in pages. */
static unsigned corners(const struct ptfmt *f, uint64_t ret[4])
{
	uint64_t pages = 1ull << (f->va_bits - f->page_shift), all = 1ull << (64 - f->page_shift);
	uint64_t half = f->sign_extended && !f->two_roots ? pages / 2 : pages;
	ret[0] = 0;
	ret[1] = half - 1;
	ret[2] = all - half;
	ret[3] = all - 1;
	return f->sign_extended ? 4 : 2;
}

static void corners_translate(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		uint64_t corner[4];
		unsigned n = corners(ptfmt_at(i), corner);
		bed_make(&b, ptfmt_at(i), "l1=4/2,l2=8/2", 1 << 14);
		for (unsigned c = 0; c < n; c++)
			map(&b, page_at(&b, corner[c]), 100 + c, 0, RWX | PMAP_USER);
		for (unsigned c = 0; c < n; c++) {
			vaddr_t va = page_at(&b, corner[c]);
			uint8_t said = (uint8_t)(7 + c), heard = 0;
			assert_int_equal(machine_write(b.m, 0, vaddr_add(va, 5), &said, 1).why, MACHINE_DONE);
			assert_int_equal(machine_read(b.m, 0, vaddr_add(va, 5), &heard, 1).why, MACHINE_DONE);
			assert_int_equal(heard, said);
			assert_int_equal(((uint8_t *)physmem_frame(machine_physmem(b.m), pfn(100 + c)))[5], said);
			assert_int_equal(pmap_page_test(b.sys, pfn(100 + c), PMAP_MODIFIED), PMAP_MODIFIED);
			vaddr_t beside = page_at(&b, c & 1 ? corner[c] - 1 : corner[c] + 1);
			assert_int_equal(touch(&b, beside, ACCESS_LOAD), MACHINE_FAULT_NOT_PRESENT);
		}
		bed_clear(&b);
	}
}

/* A bit above the address differs from what it must be: no translation, whatever the tables say. */
static void other_addresses_are_not_canonical(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		uint64_t corner[4];
		unsigned n = corners(ptfmt_at(i), corner);
		bed_make(&b, ptfmt_at(i), "l1=4/2", 1 << 14);
		for (unsigned c = 0; c < n; c++)
			for (unsigned bit = b.f->va_bits; bit < 62; bit++) {
				vaddr_t va = page_at(&b, corner[c]);
				assert_true(ptfmt_canonical(b.f, va));
				va.v ^= 1ull << bit;
				assert_false(ptfmt_canonical(b.f, va));
				assert_int_equal(touch(&b, va, ACCESS_LOAD), MACHINE_FAULT_NONCANONICAL);
			}
		bed_clear(&b);
	}
}

/* Levels a walk reads: PAE keeps the top one in registers. */
static void a_cold_walk_reads_one_entry_a_level(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		struct machine_counts c;
		bed_make(&b, ptfmt_at(i), "l1=4/2", 1 << 14);
		map(&b, page_at(&b, 3), 9, 0, RWX | PMAP_USER);
		assert_int_equal(touch(&b, page_at(&b, 3), ACCESS_LOAD), MACHINE_FAULT_NONE);
		machine_counts(b.m, &c);
		assert_int_equal(c.walks, 1);
		assert_int_equal(c.walk_references, b.f->levels - b.f->top_in_registers);
		if (strcmp(b.f->name, "x86-64-la57") == 0 || strcmp(b.f->name, "sv57") == 0)
			assert_int_equal(c.walk_references, 5);
		bed_clear(&b);
	}
}

/* Every size of page: translated through, written to, split by a small page, and made whole again. */
static void every_size_of_page(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++)
		for (unsigned level = 1; level < ptfmt_at(i)->levels; level++) {
			struct bed b;
			const struct ptfmt *f = ptfmt_at(i);
			uint64_t pages = ptfmt_level_pages(f, level), corner[4];
			if (!(f->leaf_levels >> level & 1) || pages > 1 << 18)
				continue;
			bed_make(&b, f, "l1=8/2,l2=16/4", 4 * pages + (1 << 12));
			unsigned half = corners(f, corner);
			vaddr_t va = vaddr_add(page_at(&b, half > 2 ? corner[2] : pages), 0);
			map(&b, va, pages, level, RWX | PMAP_USER);
			struct walk w = walk_of(&b, vaddr_add(va, (pages - 1) << f->page_shift), ACCESS_LOAD, true);
			assert_int_equal(w.fault, MACHINE_FAULT_NONE);
			assert_int_equal(w.level, level);
			assert_int_equal(w.pfn.v, pages);
			for (uint64_t n = 0; n < pages; n += pages / 8)
				assert_int_equal(touch(&b, vaddr_add(va, n << f->page_shift), ACCESS_STORE), MACHINE_FAULT_NONE);
			assert_int_equal(pmap_page_test(b.sys, pfn(pages), PMAP_MODIFIED), PMAP_MODIFIED);
			map(&b, vaddr_add(va, 3ull << f->page_shift), 5, 0, PMAP_READ | PMAP_USER);
			assert_int_equal(touch(&b, vaddr_add(va, 4ull << f->page_shift), ACCESS_LOAD), MACHINE_FAULT_NOT_PRESENT);
			map(&b, va, pages, level, RWX | PMAP_USER);
			assert_int_equal(pmap_resident_pages(b.space), pages);
			bed_clear(&b);
		}
}

/* Setting any bit that the manual reserves, in an entry that translated, ends in the fault the format has for it. */
static void reserved_bits_are_refused(void **state)
{
	(void)state;
	unsigned refused = 0;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		const struct ptfmt *f = ptfmt_at(i);
		bed_make(&b, f, "l1=4/2", 1 << 14);
		vaddr_t va = page_at(&b, 3);
		map(&b, va, 9, 0, RWX | PMAP_USER);
		struct walk good = walk_of(&b, va, ACCESS_LOAD, true);
		for (unsigned level = 0; level < f->levels; level++)
			for (unsigned bit = 0; bit < 8u * f->entry_bytes; bit++) {
				struct physmem *mem = machine_physmem(b.m);
				uint64_t reserved = level ? f->reserved_table[level] : f->reserved_leaf[0];
				paddr_t at = good.entry_at;
				if (level > 0)
					at = paddr((good.table[level].v << f->page_shift) + ptfmt_index(f, va, level) * f->entry_bytes);
				pte_t e = ptfmt_load(f, mem, at);
				if (!(reserved >> bit & 1))
					continue;
				ptfmt_store(f, mem, at, pte(e.v | 1ull << bit));
				struct walk w = walk_of(&b, va, ACCESS_LOAD, true);
				assert_int_equal(w.fault, MACHINE_FAULT_RESERVED);
				assert_int_equal(w.level, level);
				ptfmt_store(f, mem, at, e);
				refused++;
			}
		bed_clear(&b);
	}
	assert_true(refused > 100);
}

/* Rights are kept for users and for the supervisor, and dirty survives the right to write. */
static void rights_are_kept(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		const struct ptfmt *f = ptfmt_at(i);
		bed_make(&b, f, "l1=4/2,l2=8/2", 1 << 14);
		bool can_forbid_exec = f->exec || f->noexec;
		for (unsigned n = 0; n < 16; n++) {
			unsigned prot = PMAP_READ | (n & 1 ? PMAP_WRITE : 0) | (n & 2 ? PMAP_EXEC : 0) | (n & 4 ? PMAP_USER : 0);
			vaddr_t va = page_at(&b, 50 + n);
			map(&b, va, 20 + n, 0, prot);
			bool user = n & 4 || (!f->user && !f->hashed);
			for (unsigned as_user = 0; as_user < 2; as_user++) {
				bool in = !as_user || user;
				assert_int_equal(walk_of(&b, va, ACCESS_LOAD, as_user).fault == MACHINE_FAULT_NONE, in);
				bool writable = n & 1 || (f->hashed && !user); /* the supervisor writes its own pages always */
				assert_int_equal(walk_of(&b, va, ACCESS_STORE, as_user).fault == MACHINE_FAULT_NONE, in && writable);
				assert_int_equal(walk_of(&b, va, ACCESS_FETCH, as_user).fault == MACHINE_FAULT_NONE,
						 in && (n & 2 || !can_forbid_exec));
			}
		}
		vaddr_t va = page_at(&b, 50 + 5);
		assert_int_equal(touch(&b, va, ACCESS_STORE), MACHINE_FAULT_NONE);
		pmap_protect(b.space, vpn_range(vpn(55), 1), PMAP_READ | PMAP_USER);
		assert_int_equal(touch(&b, va, ACCESS_STORE), MACHINE_FAULT_WRITE);
		assert_int_equal(pmap_page_test(b.sys, pfn(25), PMAP_MODIFIED), PMAP_MODIFIED);
		bed_clear(&b);
	}
}

static void random_changes(void **state)
{
	(void)state;
	for (unsigned i = 0; ptfmt_at(i); i++) {
		struct bed b;
		struct rng r;
		uint64_t corner[4];
		unsigned n = corners(ptfmt_at(i), corner);
		bed_make(&b, ptfmt_at(i), "l1d=6/2,l1i=2/fa,l2=12/3:random", 1 << 14);
		rng_init(&r, 500 + i);
		for (unsigned step = 0; step < 1500; step++) {
			unsigned c = (unsigned)rng_below(&r, n);
			uint64_t page = c & 1 ? corner[c] - rng_below(&r, 700) : corner[c] + rng_below(&r, 700);
			vaddr_t va = page_at(&b, page);
			struct vpn_range range = vpn_range(vpn_of(va, b.f->page_shift), c & 1 ? corner[c] - page + 1 : rng_below(&r, 90));
			switch (rng_below(&r, 6)) {
			case 0: pmap_remove(b.space, range); break;
			case 1: pmap_protect(b.space, range, PMAP_READ | PMAP_USER); break;
			case 2: pmap_page_protect(b.sys, pfn(rng_below(&r, 500)), rng_below(&r, 2) ? PMAP_READ : 0); break;
			case 3: pmap_page_test_clear(b.sys, pfn(rng_below(&r, 500)), PMAP_MODIFIED | PMAP_REFERENCED); break;
			case 4: map(&b, va, rng_below(&r, 500), 0, (unsigned)rng_below(&r, 8) | PMAP_READ | PMAP_USER); break;
			default:
				for (unsigned t = 0; t < 10; t++)
					touch(&b, va, (enum access_kind)rng_below(&r, 3));
			}
			const char *flaw = step % 16 ? machine_flaw(b.m) : pmap_flaw(b.space);
			if (flaw)
				fail_msg("%s, step %u: %s", b.f->name, step, flaw);
		}
		bed_clear(&b);
	}
}

/* ---- words from the manuals ---- */

struct word {
	const char *format;
	unsigned level;
	uint64_t entry;
	int leaf;            /* 1: a leaf, 0: a table, -1: refused */
	uint64_t frame;
	unsigned rights;     /* PT_* of the leaf */
	bool accessed, dirty;
};

static const struct word words[] = {
	/* SDM 3A, tables 4-15 to 4-20: P R/W U/S A D; NX; a 1 GiB page with PS; PS in a PML5E is reserved. */
	{ "x86-64-la57", 0, 0x8000000012345067, 1, 0x12345, PT_READ | PT_WRITE | PT_USER, true, true },
	{ "x86-64-la57", 2, 0x00000000400000e7, 1, 0x40000, PT_READ | PT_WRITE | PT_EXEC | PT_USER, true, true },
	{ "x86-64-la57", 4, 0x0000000012345067, 0, 0x12345, 0, false, false },
	{ "x86-64-la57", 4, 0x00000000123450e7, -1, 0, 0, false, false },
	/* SDM 3A, tables 4-8 to 4-11: a PDPTE has P and a frame; R/W there is reserved, and so is bit 52 everywhere. */
	{ "x86-pae", 2, 0x0000000000345001, 0, 0x345, 0, false, false },
	{ "x86-pae", 2, 0x0000000000345003, -1, 0, 0, false, false },
	{ "x86-pae", 1, 0x80000000002000e3, 1, 0x200, PT_READ | PT_WRITE, true, true },
	{ "x86-pae", 0, 0x0010000000345007, -1, 0, 0, false, false },
	/* RISC-V privileged, figure of the Sv32 entry: V R W X U G A D, frame from bit 10. */
	{ "sv32", 0, 0x048d14df, 1, 0x12345, PT_READ | PT_WRITE | PT_EXEC | PT_USER, true, true },
	{ "sv32", 1, 0x00100c4b, 1, 0x403, 0, false, false },
	{ "sv32", 1, 0x048d1401, 0, 0x12345, 0, false, false },
	{ "sv57", 4, 0x048d1401, 0, 0x12345, 0, false, false },
	{ "sv57", 0, 0x048d1405, -1, 0, 0, false, false },
	/* SDM 3C, tables 29-1 to 29-6: R W X, type 6, A and D in bits 8 and 9; write without read is a misconfiguration. */
	{ "ept", 0, 0x0000000012345337, 1, 0x12345, PT_READ | PT_WRITE | PT_EXEC | PT_USER, true, true },
	{ "ept", 3, 0x0000000012345007, 0, 0x12345, 0, false, false },
	{ "ept", 0, 0x0000000012345036, -1, 0, 0, false, false },
	{ "ept", 3, 0x0000000012345087, -1, 0, 0, false, false },
	/* Arm ARM, D8.3: page 11, block 01, table 11; AF 10, AP[2] 7, AP[1] 6, DBM 51, PXN 53, UXN 54. */
	{ "arm64-4k", 0, 0x0020000012345f43, 1, 0x12345, PT_READ | PT_WRITE | PT_EXEC | PT_USER, true, true },
	{ "arm64-4k", 0, 0x0068000012345fc3, 1, 0x12345, PT_READ | PT_WRITE | PT_USER, true, false },
	{ "arm64-4k", 0, 0x0060000012345bc3, 1, 0x12345, PT_READ | PT_USER, false, false },
	{ "arm64-4k", 0, 0x0040000012345f83, 1, 0x12345, PT_READ | PT_EXEC, true, false },
	{ "arm64-4k", 1, 0x0060000012200f41, 1, 0x12200, PT_READ | PT_WRITE | PT_USER, true, true },
	{ "arm64-4k", 1, 0x0000000012345003, 0, 0x12345, 0, false, false },
	{ "arm64-4k", 0, 0x0060000012345f41, -1, 0, 0, false, false },
	{ "arm64-4k", 3, 0x0060000012345f41, -1, 0, 0, false, false },
	{ "arm64-16k", 1, 0x0060000012000f41, 1, 0x4800, PT_READ | PT_WRITE | PT_USER, true, true },
	{ "arm64-16k", 2, 0x0060000012000f41, -1, 0, 0, false, false },
	{ "arm64-64k", 0, 0x0060000012340f43, 1, 0x1234, PT_READ | PT_WRITE | PT_USER, true, true },
	{ "arm64-64k", 1, 0x0060000020000f41, 1, 0x2000, PT_READ | PT_WRITE | PT_USER, true, true },
};

static void words_mean_what_the_manual_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		const struct word *w = &words[i];
		const struct ptfmt *f = ptfmt_find(w->format);
		pte_t e = pte(w->entry);
		bool leaf = ptfmt_is_leaf(f, e, w->level), refused = !ptfmt_valid(f, e) || ptfmt_reserved(f, e, w->level, leaf);
		if (w->leaf == 1 && w->rights == 0) {
			assert_true(refused); /* a large page off its boundary */
			continue;
		}
		if (refused != (w->leaf < 0))
			fail_msg("%s, word %u: %s", f->name, i, refused ? "refused" : "not refused");
		if (refused)
			continue;
		assert_int_equal(leaf, w->leaf);
		assert_int_equal(ptfmt_pfn(f, e).v, w->frame);
		if (!leaf)
			continue;
		if ((ptfmt_rights(f, e) & ~PT_GLOBAL) != w->rights)
			fail_msg("%s, word %u: rights %x, expected %x", f->name, i, ptfmt_rights(f, e), w->rights);
		assert_int_equal(ptfmt_accessed(f, e), w->accessed);
		assert_int_equal(ptfmt_dirty(f, e), w->dirty);
	}
}

/* The two uppermost descriptors of an AArch64 walk limit what is below: APTable 62..61, XNTable 60, PXNTable 59. */
static void arm_tables_limit_rights(void **state)
{
	(void)state;
	static const struct {
		uint64_t bits;
		bool user, store, user_fetch, system_fetch;
	} cases[] = {
		{ 0, true, true, true, true },
		{ 1ull << 62, true, false, true, true },
		{ 1ull << 61, false, true, false, true },
		{ 1ull << 60, true, true, false, true },
		{ 1ull << 59, true, true, true, false },
	};
	struct bed b;
	bed_make(&b, ptfmt_find("arm64-4k"), "l1=4/2", 1 << 14);
	vaddr_t users = page_at(&b, 3), systems = page_at(&b, 4);
	map(&b, users, 9, 0, RWX | PMAP_USER);
	map(&b, systems, 10, 0, RWX);
	struct walk good = walk_of(&b, users, ACCESS_LOAD, true);
	for (unsigned level = 1; level < 4; level++)
		for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
			struct physmem *mem = machine_physmem(b.m);
			paddr_t at = paddr((good.table[level].v << 12) + ptfmt_index(b.f, users, level) * 8);
			uint64_t e = physmem_load(mem, at, 8);
			physmem_store(mem, at, e | cases[i].bits, 8);
			assert_int_equal(walk_of(&b, users, ACCESS_LOAD, true).fault == MACHINE_FAULT_NONE, cases[i].user);
			assert_int_equal(walk_of(&b, users, ACCESS_STORE, false).fault == MACHINE_FAULT_NONE, cases[i].store);
			assert_int_equal(walk_of(&b, users, ACCESS_FETCH, true).fault == MACHINE_FAULT_NONE, cases[i].user_fetch);
			assert_int_equal(walk_of(&b, systems, ACCESS_FETCH, false).fault == MACHINE_FAULT_NONE, cases[i].system_fetch);
			physmem_store(mem, at, e, 8);
		}
	bed_clear(&b);
}

/* A PDPTE of PAE carries no rights and no accessed bit: neither does a walk set one. */
static void pae_top_entries_are_bare(void **state)
{
	(void)state;
	struct bed b;
	bed_make(&b, ptfmt_find("x86-pae"), "l1=4/2", 1 << 14);
	map(&b, page_at(&b, 3), 9, 0, RWX | PMAP_USER);
	assert_int_equal(touch(&b, page_at(&b, 3), ACCESS_STORE), MACHINE_FAULT_NONE);
	uint64_t top = physmem_load(machine_physmem(b.m), pfn_addr(pmap_machine_root(b.space), 12), 8);
	assert_int_equal(top & 0xfff, 1);
	bed_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(corners_translate),
		cmocka_unit_test(other_addresses_are_not_canonical),
		cmocka_unit_test(a_cold_walk_reads_one_entry_a_level),
		cmocka_unit_test(every_size_of_page),
		cmocka_unit_test(reserved_bits_are_refused),
		cmocka_unit_test(rights_are_kept),
		cmocka_unit_test(random_changes),
		cmocka_unit_test(words_mean_what_the_manual_says),
		cmocka_unit_test(arm_tables_limit_rights),
		cmocka_unit_test(pae_top_entries_are_bare),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
