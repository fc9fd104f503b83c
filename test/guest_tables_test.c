/* guest_tables_test.c - two stages of translation, walked by another machine.
 *
 * Problem: nested translation is checked against plain walks by nested_test.c, which are by the same hand.
 * Idea: the tables of a guest and of its host, both built by ours for random mappings with large pages and holes, become the memory of
 * qemu-system.  RISC-V's hypervisor extension and AMD's nested paging make the guest's loads, stores and fetches one at a time, each of
 * which must lead to the same place, or be stopped by the same stage, at the same address of the guest's memory.
 *
 *      guest's tables (their own memory)  --copied to where the host's tables have each frame-->  image
 *      host's tables (the image's last frames)                                                  -->  image
 *
 * Each data word of the image that is looked at has been given its own address before, so what a load brings says where it went.
 * Accessed and dirty bits of the guest's leaves are set beforehand: whether setting them needs the host's right to store is seen
 * differently by that RISC-V (it does not ask) and by the manual.  Where the guest's tables cannot be read, it says "load" whatever the
 * access was; the manual says the access. */
#include "emulator.h"
#include "../src/base/rng.h"
#include "../src/machine/machine.h"
#include "../src/machine/walk.h"
#include "../src/pmap/pmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SEED 20261121u
#define CODE_AT (3ull << 30) /* where nothing else is */

/* A gigabyte of data, two of the guest's, and tables above; of the guest's address space, ISLANDS pieces are used. */
enum { DATA = 1 << 18, GUEST_DATA = 2 * DATA, TABLES = 2048, ISLANDS = 5, ISLAND_PAGES = 400, MAPPINGS = 2500, PROBES = 160 };

struct half {
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space;
	const struct ptfmt *f;
	uint64_t data, next;     /* frames for data, and the next one for a table, above them */
};

struct pair {
	struct half guest, host;
	struct rng r;
	vaddr_t island[ISLANDS];
	char dir[200], image[240];
	uint64_t code;           /* the guest's frame with its instructions */
	uint64_t table_frames;   /* host frames dealt to the guest's tables, from the end of the host's own on */
};

static enum pw_err table_take(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct half *h = ctx;
	(void)owner;
	h->next = (h->next + n - 1) / n * n; /* the root of Sv39x4 is four frames, aligned as the manual wants */
	*ret = pfn(h->next);
	h->next += n;
	for (uint64_t i = 0; i < n; i++)
		physmem_zero(machine_physmem(h->m), pfn(ret->v + i));
	return h->next < h->data + TABLES / 2 ? PW_OK : PW_NOFRAMES;
}

static void table_give(void *ctx, struct pmap *owner, pfn_t first, uint64_t n) { (void)ctx, (void)owner, (void)first, (void)n; }

static void half_init(struct half *h, const char *format, uint64_t data, struct machine *host)
{
	struct cpu_model cpu = { .name = "test", .asid_bits = 4 };
	struct pw_why why = { "" };
	*h = (struct half){ .f = ptfmt_find(format), .data = data, .next = data };
	struct machine_config c = { .format = h->f, .frames = data + TABLES, .n_cpus = 1, .cpu = &cpu, .seed = SEED, .host = host };
	if (machine_create(&c, &h->m, &why) != PW_OK)
		fail_msg("%s", why.text);
	assert_int_equal(pmap_machine_create(h->m, &h->sys), PW_OK);
	h->sys->env = (struct pmap_env){ h, table_take, table_give };
	assert_int_equal(pmap_create(h->sys, &h->space), PW_OK);
	pmap_activate(h->space, 0);
}

static void half_fini(struct half *h)
{
	pmap_unref(h->space);
	pmap_sys_destroy(h->sys);
	machine_destroy(h->m);
}

static void map(struct half *h, uint64_t page, uint64_t frame, unsigned level, unsigned prot)
{
	uint64_t pages = ptfmt_level_pages(h->f, level);
	struct pmap_mapping m = { .vpn = vpn(page & ~(pages - 1)), .pfn = pfn(frame & ~(pages - 1)), .level = level, .prot = prot,
		                  .cause = prot & PMAP_WRITE ? ACCESS_STORE : ACCESS_LOAD };
	pmap_remove(h->space, vpn_range(m.vpn, pages));
	assert_int_equal(pmap_enter(h->space, &m), PW_OK);
}

static unsigned some_rights(struct pair *p)
{
	static const unsigned choice[] = { PMAP_READ, PMAP_READ | PMAP_WRITE, PMAP_READ | PMAP_EXEC, PMAP_EXEC,
		PMAP_READ | PMAP_WRITE | PMAP_EXEC, PMAP_READ | PMAP_WRITE | PMAP_EXEC };
	return choice[rng_below(&p->r, 6)] | (rng_below(&p->r, 10) ? PMAP_USER : 0);
}

static vaddr_t somewhere(struct pair *p)
{
	return vaddr_add(p->island[rng_below(&p->r, ISLANDS)], rng_below(&p->r, (uint64_t)ISLAND_PAGES << 12));
}

/* Large pages have places of their own, where nothing small takes their place: the guest's behind its first and second gigabyte. */
static vaddr_t somewhere_large(struct pair *p, unsigned level)
{
	return vaddr(((uint64_t)level << 30) + rng_below(&p->r, level == 1 ? 4 << 20 : 1 << 30));
}

/* The guest's space, and so its tables. */
static void guest_fill(struct pair *p)
{
	enum { ALL = PMAP_READ | PMAP_WRITE | PMAP_EXEC | PMAP_USER };
	const struct ptfmt *f = p->guest.f;
	uint64_t half = 1ull << (f->va_bits - 1), bytes = (uint64_t)ISLAND_PAGES << 12;
	const uint64_t fixed[] = { 0, half - bytes, ~(half - 1), 0 - bytes };
	for (unsigned i = 0; i < ISLANDS; i++)
		p->island[i] = vaddr(i < 4 ? fixed[i] : rng_below(&p->r, half - bytes) & ~4095ull);
	for (unsigned i = 0; i < MAPPINGS; i++)
		map(&p->guest, somewhere(p).v >> 12 & ((1ull << 52) - 1), rng_below(&p->r, GUEST_DATA), 0, some_rights(p));
	map(&p->guest, DATA, rng_below(&p->r, GUEST_DATA), 1, ALL);
	map(&p->guest, DATA + 512, rng_below(&p->r, GUEST_DATA), 1, PMAP_READ | PMAP_USER);
	map(&p->guest, 2 * DATA, rng_below(&p->r, GUEST_DATA), 2, ALL);
}

/* The guest's table of the lowest level for the middle of an island. */
static uint64_t leaf_table(const struct pair *p, unsigned island)
{
	for (uint64_t page = ISLAND_PAGES / 2;; page++) {
		const struct walk_want want = { .va = vaddr_add(p->island[island], page << 12), .kind = ACCESS_LOAD };
		struct walk w;
		walk_from_root(p->guest.f, machine_physmem(p->guest.m), pmap_machine_root(p->guest.space), &want, &w);
		if (w.level == 0)
			return w.table[0].v;
	}
}

static bool is_large(uint64_t page) { return page >= DATA || (page >> 9) * 0x9e3779b97f4a7c15ull >> 62 == 0; }

/* The host has the guest's second gigabyte in one page, a quarter of the first in pages of 2M, much of the rest in small ones; and nearly
 * all of the guest's tables, each frame of which has one of the host's to itself. */
static void host_fill(struct pair *p)
{
	map(&p->host, DATA, 0, 2, PMAP_READ | PMAP_WRITE | PMAP_EXEC | PMAP_USER);
	for (uint64_t page = 0; page < DATA; page += 512)
		if (is_large(page))
			map(&p->host, page, rng_below(&p->r, DATA), 1, some_rights(p));
	for (unsigned i = 0; i < 2 * MAPPINGS; i++) {
		struct walk_want want = { .va = somewhere(p), .kind = ACCESS_LOAD };
		struct walk w;
		walk_from_root(p->guest.f, machine_physmem(p->guest.m), pmap_machine_root(p->guest.space), &want, &w);
		if (w.fault == MACHINE_FAULT_NONE && rng_below(&p->r, 4) && !is_large(w.pfn.v))
			map(&p->host, w.pfn.v, rng_below(&p->r, DATA), 0, some_rights(p));
	}
	uint64_t hole = leaf_table(p, 1), unreadable = leaf_table(p, 3);
	for (uint64_t f = GUEST_DATA; f < p->guest.next; f++) {
		unsigned prot = f == unreadable ? PMAP_EXEC | PMAP_USER : PMAP_READ | PMAP_WRITE | PMAP_USER;
		if (f == p->code)
			prot |= PMAP_EXEC;
		if (f != hole)
			map(&p->host, f, DATA + TABLES / 2 + p->table_frames++, 0, prot);
	}
	assert_true(p->table_frames < TABLES / 2 - EMULATOR_BYTES / 4096);
}

/* Some leaves of the host become nonsense, as damage would make them: the lowest six bits are what they may be. */
static void host_damage(struct pair *p)
{
	struct physmem *mem = machine_physmem(p->host.m);
	for (unsigned i = 0; i < 60; i++) {
		struct walk_want want = { .va = vaddr(rng_below(&p->r, (uint64_t)DATA << 12)), .kind = ACCESS_LOAD, .user = true };
		struct walk w;
		walk_from_root(p->host.f, mem, pmap_machine_root(p->host.space), &want, &w);
		if (w.fault != MACHINE_FAULT_NONE)
			continue;
		ptfmt_store(p->host.f, mem, w.entry_at, pte(w.entry.v ^ (1ull + rng_below(&p->r, 63))));
	}
	machine_flush_all(p->host.m);
}

static struct walk host_walk(const struct pair *p, uint64_t pa)
{
	const struct walk_want want = { .va = vaddr(pa), .kind = ACCESS_LOAD, .user = true };
	struct walk w;
	walk_from_root(p->host.f, machine_physmem(p->host.m), pmap_machine_root(p->host.space), &want, &w);
	return w;
}

static uint64_t walked(const struct walk *w, const struct ptfmt *f, uint64_t address)
{
	return (w->pfn.v << 12) + (address & ((1ull << ptfmt_level_shift(f, w->level)) - 1));
}

/* The host's memory, with the guest's tables where the host has them. */
static void image_write(const struct pair *p)
{
	struct physmem *host = machine_physmem(p->host.m), *guest = machine_physmem(p->guest.m);
	struct pw_why why;
	for (uint64_t f = GUEST_DATA; f < p->guest.next; f++) {
		struct walk_want want = { .va = vaddr(f << 12), .kind = ACCESS_LOAD, .user = true };
		struct walk w;
		walk_from_root(p->host.f, host, pmap_machine_root(p->host.space), &want, &w);
		if (w.fault == MACHINE_FAULT_NONE || w.fault == MACHINE_FAULT_READ)
			memcpy(host->bytes + (w.pfn.v << 12), guest->bytes + (f << 12), 4096);
	}
	FILE *file = fopen(p->image, "wb");
	assert_non_null(file);
	assert_int_equal(physmem_dump(host, file, &why), PW_OK);
	assert_int_equal(fclose(file), 0);
}

/* A page with the guest's instructions, in a frame like those of its tables. */
static void code_place(struct pair *p)
{
	pfn_t frame;
	assert_int_equal(table_take(&p->guest, NULL, 1, &frame), PW_OK);
	p->code = frame.v;
	emulator_guest_code(machine_physmem(p->guest.m)->bytes + (frame.v << 12));
	map(&p->guest, CODE_AT >> 12, frame.v, 0, PMAP_READ | PMAP_EXEC | PMAP_USER);
}

static void pair_init(struct pair *p, const char *format, const char *host)
{
	const char *tmp = getenv("TMPDIR");
	*p = (struct pair){ .table_frames = 0 };
	rng_init(&p->r, SEED + (uint64_t)format[3]);
	snprintf(p->dir, sizeof p->dir, "%s/guest-tables.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->image, sizeof p->image, "%s/image", p->dir);
	half_init(&p->host, host, DATA, NULL);
	half_init(&p->guest, format, GUEST_DATA, p->host.m);
	guest_fill(p);
	code_place(p);
	host_fill(p);
	host_damage(p);
	image_write(p);
}

static void pair_fini(struct pair *p)
{
	unlink(p->image);
	assert_int_equal(rmdir(p->dir), 0);
	half_fini(&p->guest);
	half_fini(&p->host);
}

/* What our two machines make of an access. */
struct ours {
	unsigned cause;
	uint64_t guest_address;  /* of a trap of the second stage */
	uint64_t pa;             /* no trap */
	bool large, host_large;  /* no trap: the leaf of either stage */
};

static struct ours our_access(struct pair *p, uint64_t va, enum access_kind kind, bool user)
{
	static const unsigned first[] = { [ACCESS_LOAD] = 13, [ACCESS_STORE] = 15, [ACCESS_FETCH] = 12 };
	static const unsigned second[] = { [ACCESS_LOAD] = 21, [ACCESS_STORE] = 23, [ACCESS_FETCH] = 20 };
	paddr_t gpa;
	machine_set_supervisor(p->guest.m, 0, !user);
	struct machine_stop stop = machine_translate(p->guest.m, 0, vaddr(va), kind, &gpa);
	if (stop.why == MACHINE_DONE) {
		const struct walk_want want = { .va = vaddr(va), .kind = ACCESS_LOAD };
		struct walk w = host_walk(p, gpa.v), first_stage;
		walk_from_root(p->guest.f, machine_physmem(p->guest.m), pmap_machine_root(p->guest.space), &want, &first_stage);
		return (struct ours){ EMULATOR_NO_TRAP, 0, walked(&w, p->host.f, gpa.v), first_stage.level > 0, w.level > 0 };
	}
	if (stop.fault == MACHINE_FAULT_HOST)
		return (struct ours){ .cause = second[kind], .guest_address = stop.host_at.v };
	return (struct ours){ .cause = first[kind] };
}

struct tally {
	unsigned none, large, host_large, first, second, table; /* the last: of those before, while reading the guest's tables */
};

static void tally_add(struct tally *t, const struct ours *o)
{
	t->none += o->cause == EMULATOR_NO_TRAP;
	t->large += o->large;
	t->host_large += o->host_large;
	t->first += o->cause >= 12 && o->cause <= 15;
	t->second += o->cause >= 20 && o->cause <= 23;
	t->table += o->cause >= 20 && o->cause <= 23 && o->guest_address >> 12 >= GUEST_DATA;
}

static void access_same(struct pair *p, struct emulator *e, uint64_t va, enum access_kind kind, bool user, struct tally *t)
{
	static const enum emulator_kind kinds[] = { [ACCESS_LOAD] = EMULATOR_LOAD, [ACCESS_STORE] = EMULATOR_STORE,
		                                    [ACCESS_FETCH] = EMULATOR_FETCH };
	va = (va & ~7ull) | (kind == ACCESS_FETCH ? 4 : 0);
	struct ours o = our_access(p, va, kind, user);
	uint64_t word = o.pa;
	if (o.cause == EMULATOR_NO_TRAP)
		emulator_poke(e, o.pa & ~7ull, kind == ACCESS_FETCH ? emulator_no_instruction(e) : o.pa);
	struct emulator_trap theirs = emulator_guest_access(e, va, kinds[kind], user, &word);
	if (kind == ACCESS_FETCH && theirs.cause == EMULATOR_FETCHED)
		theirs.cause = EMULATOR_NO_TRAP;
	if (o.cause >= 20 && o.cause <= 23 && o.guest_address >> 12 >= GUEST_DATA && theirs.cause == 21)
		theirs.cause = o.cause;
	if (o.cause != theirs.cause || (theirs.cause >= 20 && theirs.cause <= 23 && (o.guest_address & ~3ull) != theirs.guest_address))
		print_error("seed %u, %s, 0x%llx, kind %d, %s: ours cause %u at 0x%llx, theirs %u at 0x%llx\n", SEED, p->guest.f->name,
			    (unsigned long long)va, (int)kind, user ? "user" : "kernel", o.cause, (unsigned long long)o.guest_address,
			    theirs.cause, (unsigned long long)theirs.guest_address);
	assert_int_equal(o.cause, theirs.cause);
	if (o.cause >= 20 && o.cause <= 23)
		assert_int_equal(o.guest_address & ~3ull, theirs.guest_address);
	if (o.cause == EMULATOR_NO_TRAP && kind == ACCESS_LOAD)
		assert_int_equal(word, o.pa);
	if (o.cause >= 12 && o.cause <= 15)
		assert_int_equal(theirs.address, va);
	tally_add(t, &o);
}

static void every_access_same(struct pair *p, struct emulator *e, uint64_t va, struct tally *t)
{
	access_same(p, e, va, ACCESS_LOAD, true, t);
	access_same(p, e, va, ACCESS_STORE, true, t);
	access_same(p, e, va, ACCESS_FETCH, true, t);
	access_same(p, e, va, ACCESS_LOAD, false, t);
	access_same(p, e, va, ACCESS_STORE, false, t);
}

static void guests_walked_elsewhere(void **state)
{
	const char *const *formats = *state;
	struct pair p;
	struct tally t = { 0 };
	pair_init(&p, formats[0], formats[1]);
	uint64_t bytes = physmem_bytes(machine_physmem(p.host.m));
	struct emulator *e = emulator_start_guest(formats[0], pmap_machine_root(p.guest.space).v << 12,
						  pmap_machine_root(p.host.space).v << 12, CODE_AT, p.image, bytes);
	for (unsigned i = 0; e && i < PROBES; i++) {
		uint64_t va = i % 5 ? somewhere(&p).v : somewhere_large(&p, 1 + i / 5 % 2).v;
		every_access_same(&p, e, va, &t);
		if (i % 20 == 0)
			every_access_same(&p, e, va ^ 1ull << (p.guest.f->va_bits + i % 7), &t);
	}
	pair_fini(&p);
	emulator_stop(e);
	if (!e) {
		print_message("# qemu-system is not installed, or has no guests\n");
		skip();
	}
	print_message("# %s over %s: %u accesses went through (%u by large pages of the guest, %u of the host), %u were stopped by the "
		      "guest's tables, %u by the host's, %u of those while reading the guest's\n", formats[0], formats[1], t.none, t.large,
		      t.host_large, t.first, t.second, t.table);
	assert_true(t.large > 10 && t.host_large > 10);
	assert_true(t.none > 80 && t.first > 80 && t.second > 80 && t.table > 30);
}

int main(void)
{
	static const char *const pairs[][2] = {
		{ "sv39", "sv39x4" }, { "sv48", "sv39x4" }, { "sv57", "sv39x4" }, { "x86-64", "x86-64" }, { "x86-64-la57", "x86-64" },
	};
	const struct CMUnitTest tests[] = {
		{ "a guest with Sv39 over Sv39x4", guests_walked_elsewhere, NULL, NULL, (void *)pairs[0] },
		{ "a guest with Sv48 over Sv39x4", guests_walked_elsewhere, NULL, NULL, (void *)pairs[1] },
		{ "a guest with Sv57 over Sv39x4", guests_walked_elsewhere, NULL, NULL, (void *)pairs[2] },
		{ "a guest with x86-64 over nested paging", guests_walked_elsewhere, NULL, NULL, (void *)pairs[3] },
		{ "a guest with five levels over nested paging", guests_walked_elsewhere, NULL, NULL, (void *)pairs[4] },
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
