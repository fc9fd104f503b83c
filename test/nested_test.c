/* nested_test.c - guests: two stages of translation, against two walks made one after the other.
 *
 * A guest machine stands on a host machine.  The tables of both are made by pmap_machine, each in its own memory; what the guest's
 * MMU makes of an address must be what a plain walk of the guest's tables followed by a plain walk of the host's makes of it, in
 * whatever order things were mapped, taken back, made read-only or cached. */
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
#include <cmocka.h>

#define RWX (PMAP_READ | PMAP_WRITE | PMAP_EXEC | PMAP_USER)

struct half {
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space;
	const struct ptfmt *f;
	struct table_frames tables;
};

/* tlbs NULL: none, nor walk caches. */
static void half_make(struct half *b, const char *format, const char *tlbs, uint64_t frames, unsigned n_cpus, struct machine *host,
		      unsigned host_cpu)
{
	struct cpu_model cpu = { .name = "test", .asid_bits = 4 };
	struct pw_why why = { "" };
	if (tlbs) {
		assert_int_equal(tlb_parse(tlbs, cpu.tlb, &cpu.n_tlbs, &why), PW_OK);
		cpu.pwc_entries[1] = 4;
		cpu.pwc_entries[2] = 2;
	}
	*b = (struct half){ .f = ptfmt_find(format), .tables.next = frames / 2 };
	struct machine_config c = { .format = b->f, .frames = frames, .n_cpus = n_cpus, .cpu = &cpu, .seed = 1, .host = host,
				    .host_cpu = host_cpu };
	if (machine_create(&c, &b->m, &why) != PW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(pmap_machine_create(b->m, &b->sys), PW_OK);
	b->tables.machine = b->m;
	b->sys->env = table_frames_env(&b->tables);
	assert_int_equal(pmap_create(b->sys, &b->space), PW_OK);
	pmap_activate(b->space, 0);
}

static void half_clear(struct half *b)
{
	const char *flaw = pmap_flaw(b->space);
	if (flaw)
		fail_msg("%s: %s", b->f->name, flaw);
	pmap_unref(b->space);
	assert_int_equal(b->tables.taken, 0);
	pmap_sys_destroy(b->sys);
	machine_destroy(b->m);
}

static void map(struct half *b, uint64_t page, uint64_t frame, unsigned level, unsigned prot)
{
	const struct pmap_mapping m = { .vpn = vpn(page), .pfn = pfn(frame), .level = level, .prot = prot, .cause = ACCESS_LOAD };
	assert_int_equal(pmap_enter(b->space, &m), PW_OK);
}

static struct machine_stop touch(struct half *b, uint64_t page, enum access_kind kind)
{
	ref_t r = ref_make(vaddr(page << 12), kind);
	return machine_run(b->m, 0, &r, 1);
}

static struct walk plain_walk(const struct half *b, uint64_t va, enum access_kind kind)
{
	const struct walk_want want = { .va = vaddr(va), .kind = kind, .user = true };
	struct walk w;
	walk_from_root(b->f, machine_physmem(b->m), pmap_machine_root(b->space), &want, &w);
	return w;
}

static uint64_t walk_frame(const struct half *b, const struct walk *w, uint64_t va)
{
	return w->pfn.v + (va >> 12 & (ptfmt_level_pages(b->f, w->level) - 1));
}

static uint64_t reads(const struct half *b)
{
	struct machine_counts c;
	machine_counts(b->m, &c);
	return c.walk_references;
}

/* Serves host faults by mapping the frame asked for onto one of the same number plus 1000, until something else comes. */
static struct machine_stop touch_until(struct half *guest, struct half *host, uint64_t page, enum access_kind kind, unsigned *faults)
{
	struct machine_stop stop;
	for (*faults = 0; (stop = touch(guest, page, kind)).why == MACHINE_FAULTED && stop.fault == MACHINE_FAULT_HOST; ++*faults) {
		assert_true(*faults < 40);
		map(host, stop.host_at.v >> 12, (stop.host_at.v >> 12) + 1000, 0, RWX);
	}
	return stop;
}

static const struct {
	const char *guest, *host;
	unsigned most;
} pairs[] = {
	{ "x86-64", "ept", 24 },
	{ "sv39", "sv39x4", 15 },
	{ "x86-64-la57", "ept", 29 },
	{ "sv48", "sv39x4", 19 },
	{ "x86-pae", "ept", 14 }, /* two levels and a page: the third is in registers */
	{ "arm64-4k", "x86-64", 24 },
};

/* Nothing cached: (g + 1)(h + 1) - 1 entries; and on the way each address the host has not mapped is asked for, once. */
static void a_cold_walk_costs_the_product(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct half host, guest;
		struct machine_nested n;
		unsigned faults;
		half_make(&host, pairs[i].host, NULL, 1 << 14, 1, NULL, 0);
		half_make(&guest, pairs[i].guest, NULL, 1 << 12, 1, host.m, 0);
		map(&guest, 3, 9, 0, RWX);
		unsigned g = guest.f->levels - guest.f->top_in_registers;
		assert_int_equal(touch_until(&guest, &host, 3, ACCESS_LOAD, &faults).why, MACHINE_DONE);
		assert_int_equal(faults, g + 1);
		uint64_t before = reads(&guest) + reads(&host);
		assert_int_equal(touch(&guest, 3, ACCESS_LOAD).why, MACHINE_DONE);
		assert_int_equal(reads(&guest) + reads(&host) - before,
				 pairs[i].most);
		machine_nested(guest.m, &n);
		assert_int_equal(n.most, pairs[i].most);
		assert_int_equal(touch(&guest, 4, ACCESS_LOAD).fault, MACHINE_FAULT_NOT_PRESENT);
		half_clear(&guest);
		half_clear(&host);
	}
}

/* With a nested TLB and walk caches on both sides the same walk costs less, and with a TLB the next reference none at all. */
static void caches_make_it_cheaper(void **state)
{
	(void)state;
	struct half host, guest;
	unsigned faults;
	half_make(&host, "ept", "l1=16", 1 << 14, 1, NULL, 0);
	half_make(&guest, "x86-64", "l1=8/2", 1 << 12, 1, host.m, 0);
	for (uint64_t page = 0; page < 64; page++)
		map(&guest, page, 100 + page, 0, RWX);
	for (uint64_t page = 0; page < 64; page++)
		assert_int_equal(touch_until(&guest, &host, page, ACCESS_STORE, &faults).why, MACHINE_DONE);
	uint64_t before = reads(&guest) + reads(&host);
	assert_int_equal(touch(&guest, 63, ACCESS_STORE).why, MACHINE_DONE);
	assert_int_equal(reads(&guest) + reads(&host), before);
	assert_int_equal(touch(&guest, 0, ACCESS_STORE).why, MACHINE_DONE);
	assert_in_range(reads(&guest) + reads(&host) - before, 2, 4);
	half_clear(&guest);
	half_clear(&host);
}

/* What the host forbids or has not is the host's fault; what the guest's tables say is the guest's. */
static void faults_are_told_apart(void **state)
{
	(void)state;
	struct half host, guest;
	unsigned faults;
	half_make(&host, "ept", "l1=16", 1 << 14, 1, NULL, 0);
	half_make(&guest, "x86-64", "l1=8/2,l2=16/4", 1 << 12, 1, host.m, 0);
	map(&guest, 3, 9, 0, PMAP_READ | PMAP_USER);
	map(&guest, 4, 10, 0, RWX);
	assert_int_equal(touch_until(&guest, &host, 3, ACCESS_LOAD, &faults).why, MACHINE_DONE);
	assert_int_equal(touch(&guest, 3, ACCESS_STORE).fault, MACHINE_FAULT_WRITE);
	map(&host, 10, 2000, 0, PMAP_READ | PMAP_USER);
	assert_int_equal(touch(&guest, 4, ACCESS_LOAD).why, MACHINE_DONE);
	struct machine_stop stop = touch(&guest, 4, ACCESS_STORE);
	assert_int_equal(stop.fault, MACHINE_FAULT_HOST);
	assert_int_equal(stop.host_fault, MACHINE_FAULT_WRITE);
	assert_int_equal(stop.host_at.v >> 12, 10);
	assert_int_equal(stop.host_kind, ACCESS_STORE);
	map(&host, 10, 2000, 0, RWX);
	assert_int_equal(touch(&guest, 4, ACCESS_STORE).why, MACHINE_DONE);
	pmap_remove(host.space, vpn_range(vpn(10), 1)); /* the host takes the page back: the guest's TLB must not know better */
	stop = touch(&guest, 4, ACCESS_LOAD);
	assert_int_equal(stop.fault, MACHINE_FAULT_HOST);
	assert_int_equal(stop.host_fault, MACHINE_FAULT_NOT_PRESENT);
	assert_null(machine_flaw(guest.m));
	half_clear(&guest);
	half_clear(&host);
}

/* A large page of one side only is cached in the pieces of the other. */
static void large_pages_meet_small_ones(void **state)
{
	(void)state;
	for (unsigned both = 0; both < 4; both++) {
		struct half host, guest;
		struct machine_counts c;
		struct machine_nested n;
		unsigned faults;
		half_make(&host, "ept", "l1=16", 1 << 14, 1, NULL, 0);
		half_make(&guest, "x86-64", "l1=16", 1 << 13, 1, host.m, 0);
		if (both & 1)
			map(&guest, 512, 512, 1, RWX);
		for (uint64_t page = 0; page < 8 && !(both & 1); page++)
			map(&guest, 512 + page, 512 + page, 0, RWX);
		if (both & 2)
			map(&host, 512, 1024, 1, RWX);
		for (uint64_t page = 0; page < 8 && !(both & 2); page++)
			map(&host, 512 + page, 1024 + page, 0, RWX);
		for (unsigned round = 0; round < 3; round++)
			for (uint64_t page = 0; page < 8; page++)
				assert_int_equal(touch_until(&guest, &host, 512 + page, ACCESS_STORE, &faults).why, MACHINE_DONE);
		machine_counts(guest.m, &c);
		machine_nested(guest.m, &n);
		assert_int_equal(c.walks, both == 3 ? 1 : 8);
		assert_int_equal(n.fractured, both == 1 ? 8 : 0);
		assert_null(machine_flaw(guest.m));
		half_clear(&guest);
		half_clear(&host);
	}
}

/* Random changes of either side: where the guest's MMU ends is where two plain walks end, and no store escapes the host. */
static void both_walks_agree(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		struct half host, guest;
		struct rng r;
		bool stored[1 << 12] = { false };
		rng_init(&r, 900 + i);
		half_make(&host, pairs[i].host, "l1=8/2", 1 << 14, 1, NULL, 0);
		half_make(&guest, pairs[i].guest, "l1=6/2,l2=12/3", 1 << 12, 1, host.m, 0);
		for (unsigned step = 0; step < 6000; step++) {
			uint64_t page = rng_below(&r, 30) * 61, gfn = rng_below(&r, 40);
			enum access_kind kind = (enum access_kind)rng_below(&r, 3);
			unsigned what = (unsigned)rng_below(&r, 20), faults;
			if (what == 0)
				map(&guest, page, gfn, 0, PMAP_USER | PMAP_READ | (unsigned)rng_below(&r, 8));
			else if (what == 1)
				pmap_remove(guest.space, vpn_range(vpn(page), rng_below(&r, 200)));
			else if (what == 2 && !stored[gfn])
				pmap_remove(host.space, vpn_range(vpn(gfn), 1));
			else if (what == 3)
				pmap_protect(host.space, vpn_range(vpn(gfn), 1), PMAP_READ | PMAP_EXEC | PMAP_USER);
			if (what < 4)
				continue;
			struct machine_stop stop = touch_until(&guest, &host, page, kind, &faults);
			struct walk w = plain_walk(&guest, page << 12, kind);
			assert_int_equal(stop.why == MACHINE_DONE ? MACHINE_FAULT_NONE : stop.fault, w.fault);
			if (w.fault != MACHINE_FAULT_NONE)
				continue;
			uint64_t at = walk_frame(&guest, &w, page << 12);
			struct walk second = plain_walk(&host, at << 12, kind);
			assert_int_equal(second.fault, MACHINE_FAULT_NONE);
			if (kind == ACCESS_STORE)
				stored[at] = true;
			if (stored[at] && kind == ACCESS_STORE)
				assert_int_equal(pmap_page_test(host.sys, second.pfn, PMAP_MODIFIED), PMAP_MODIFIED);
			if (step % 16 == 0)
				assert_null(machine_flaw(guest.m));
		}
		half_clear(&guest);
		half_clear(&host);
	}
}

/* Two guests in turn on one host CPU, as two of its spaces: each has its own page behind the same address. */
static void two_guests_are_apart(void **state)
{
	(void)state;
	struct half host, guest[2];
	unsigned faults;
	half_make(&host, "sv39x4", "l1=16", 1 << 14, 2, NULL, 0);
	struct pmap *space[2] = { host.space, NULL };
	assert_int_equal(pmap_create(host.sys, &space[1]), PW_OK);
	for (unsigned g = 0; g < 2; g++) {
		half_make(&guest[g], "sv39", "l1=8/2", 1 << 12, 1, host.m, g);
		map(&guest[g], 3, 9, 0, RWX);
	}
	for (unsigned round = 0; round < 20; round++)
		for (unsigned g = 0; g < 2; g++) {
			pmap_activate(space[g], g);
			struct machine_stop stop;
			for (faults = 0; (stop = touch(&guest[g], 3, ACCESS_STORE)).why == MACHINE_FAULTED; faults++) {
				assert_int_equal(stop.fault, MACHINE_FAULT_HOST);
				const struct pmap_mapping m = { .vpn = vpn(stop.host_at.v >> 12), .prot = RWX,
					.pfn = pfn((stop.host_at.v >> 12) + 100 + 4000 * g) };
				assert_int_equal(pmap_enter(space[g], &m), PW_OK);
				assert_true(faults < 10);
			}
		}
	assert_int_equal(pmap_page_test(host.sys, pfn(109), PMAP_MODIFIED), PMAP_MODIFIED);
	assert_int_equal(pmap_page_test(host.sys, pfn(4109), PMAP_MODIFIED), PMAP_MODIFIED);
	half_clear(&guest[0]);
	half_clear(&guest[1]);
	pmap_unref(space[1]);
	half_clear(&host);
}

static void impossible_guests_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *guest, *host;
		uint64_t frames;
		unsigned cpus;
	} cases[] = { { "arm64-64k", "ept", 64, 1 }, { "x86-64", "x86-32", 1ull << 21, 1 }, { "x86-64", "ept", 64, 2 } };
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct half host;
		struct pw_why why = { "" };
		struct machine *m = NULL;
		half_make(&host, cases[i].host, NULL, 1 << 12, 1, NULL, 0);
		struct machine_config c = { .format = ptfmt_find(cases[i].guest), .frames = cases[i].frames, .n_cpus = cases[i].cpus,
					    .cpu = cpu_at(0), .host = host.m };
		assert_int_equal(machine_create(&c, &m, &why), PW_INVALID);
		assert_true(why.text[0] && !m);
		half_clear(&host);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cold_walk_costs_the_product),
		cmocka_unit_test(caches_make_it_cheaper),
		cmocka_unit_test(faults_are_told_apart),
		cmocka_unit_test(large_pages_meet_small_ones),
		cmocka_unit_test(both_walks_agree),
		cmocka_unit_test(two_guests_are_apart),
		cmocka_unit_test(impossible_guests_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
