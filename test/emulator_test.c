/* emulator_test.c - our page tables, walked by another MMU.
 *
 * Problem: a walker and a writer of tables by the same hand agree with each other even where both are wrong.
 * Idea: build tables by running references on a machine, write all of physical memory to a file, make that file the memory of
 * qemu-system with its root register pointing at our root, and compare everything its monitor says with what we say: the list of
 * all mappings with their rights and accessed and dirty bits, and the translation of addresses that are mapped, unmapped, at the
 * edges of large pages, and not canonical.
 *
 * The same is done with the image that "pageworks run --dump" writes. */
#include "emulator.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/machine/machine.h"
#include "../src/machine/walk.h"
#include "../src/pmap/pmap.h"
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#define SEED 20260101u

extern char **environ;

/* A gigabyte, so that a page of one fits, and room for tables above it. */
enum { GIGABYTE = 1 << 30, TABLES = 8192, ISLANDS = 7, ISLAND_PAGES = 1200, REFERENCES = 20000 };

struct subject {
	const struct ptfmt *f;
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *p;
	struct rng r;
	uint64_t pages;        /* frames in a gigabyte */
	uint64_t next_table;   /* table frames are dealt from above the gigabyte, in a scattered order */
	vaddr_t island[ISLANDS];
	char dir[200], image[240];
};

static enum pw_err table_alloc(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct subject *s = ctx;
	(void)owner;
	if (n > 1) {
		*ret = pfn(s->pages); /* of a hashed table, the only one */
		return n <= TABLES / 2 ? PW_OK : PW_NOFRAMES;
	}
	if (s->next_table == TABLES - 8)
		return PW_NOFRAMES;
	*ret = pfn(s->pages + (s->next_table++ * 5 & (TABLES - 1)));
	physmem_zero(machine_physmem(s->m), *ret);
	return PW_OK;
}

static void table_free(void *ctx, struct pmap *owner, pfn_t first, uint64_t n)
{
	(void)ctx, (void)owner, (void)first, (void)n;
}

static void directory_make(struct subject *s)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(s->dir, sizeof s->dir, "%s/emulator-test.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->image, sizeof s->image, "%s/image", s->dir);
}

static uint64_t page_mask(const struct subject *s)
{
	return (1ull << s->f->page_shift) - 1;
}

static void subject_init(struct subject *s, const char *format)
{
	struct pw_why why;
	*s = (struct subject){ .f = ptfmt_find(format) };
	assert_non_null(s->f);
	rng_init(&s->r, SEED);
	s->pages = GIGABYTE >> s->f->page_shift;
	struct machine_config c = { .format = s->f, .frames = s->pages + TABLES, .n_cpus = 1, .cpu = cpu_at(0), .seed = SEED };
	assert_int_equal(machine_create(&c, &s->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(s->m, &s->sys), PW_OK);
	s->sys->env = (struct pmap_env){ s, table_alloc, table_free };
	assert_int_equal(pmap_create(s->sys, &s->p), PW_OK);
	pmap_activate(s->p, 0);
	/* At the bottom, at the top, on both sides of the middle where addresses stop being canonical, and anywhere. */
	uint64_t top = s->f->va_bits == 64 ? UINT64_MAX : (1ull << s->f->va_bits) - 1, bytes = ISLAND_PAGES << s->f->page_shift;
	uint64_t half = s->f->sign_extended && !s->f->two_roots ? top / 2 : top, low[] = { 0, half + 1 - bytes };
	for (unsigned i = 0; i < ISLANDS; i++)
		s->island[i] = vaddr(i < 2 ? low[i] : rng_below(&s->r, half - bytes) & ~page_mask(s));
	if (s->f->sign_extended) {
		s->island[5] = vaddr(~half);
		s->island[6] = vaddr(0 - bytes);
	}
	directory_make(s);
}

static void subject_fini(struct subject *s)
{
	unlink(s->image);
	assert_int_equal(rmdir(s->dir), 0);
	machine_load_space(s->m, 0, pfn(0), 0);
	pmap_unref(s->p);
	pmap_sys_destroy(s->sys);
	machine_destroy(s->m);
}

static vaddr_t somewhere(struct subject *s)
{
	vaddr_t base = s->island[rng_below(&s->r, ISLANDS)];
	return vaddr_add(base, rng_below(&s->r, (uint64_t)ISLAND_PAGES << s->f->page_shift));
}

static unsigned some_rights(struct subject *s)
{
	static const unsigned choice[] = { PMAP_READ, PMAP_READ | PMAP_WRITE, PMAP_READ | PMAP_EXEC,
		PMAP_READ | PMAP_WRITE | PMAP_EXEC };
	return choice[rng_below(&s->r, 4)] | (rng_below(&s->r, 8) ? PMAP_USER : 0);
}

/* Maps the page around an address, now and then as a large one. */
static void serve(struct subject *s, vaddr_t va, enum access_kind cause)
{
	unsigned level = 0;
	if (rng_below(&s->r, 40) == 0)
		level = 1 + (unsigned)rng_below(&s->r, 2);
	if (level >= s->f->levels || !(s->f->leaf_levels >> level & 1))
		level = 0;
	uint64_t pages = ptfmt_level_pages(s->f, level);
	struct pmap_mapping m = { .vpn = vpn(vpn_of(va, s->f->page_shift).v & ~(pages - 1)), .level = level, .prot = some_rights(s),
		.cause = cause,
		.pfn = pfn(rng_below(&s->r, s->pages) & ~(pages - 1)) };
	if (cause == ACCESS_STORE)
		m.prot |= PMAP_WRITE;
	if (cause == ACCESS_FETCH)
		m.prot |= PMAP_EXEC;
	pmap_remove(s->p, vpn_range(m.vpn, pages));
	assert_int_equal(pmap_enter(s->p, &m), PW_OK);
}

/* One page of each larger size, where nothing else is, so that none is missing whatever the references did. */
static void serve_large(struct subject *s)
{
	for (unsigned level = 1; level < 3 && level < s->f->levels; level++) {
		uint64_t pages = ptfmt_level_pages(s->f, level);
		struct pmap_mapping m = { .vpn = vpn((uint64_t)level * s->pages & ~(pages - 1)), .level = level,
			.prot = PMAP_READ | PMAP_WRITE | PMAP_USER, .pfn = pfn(0) };
		if (s->f->leaf_levels >> level & 1)
			assert_int_equal(pmap_enter(s->p, &m), PW_OK);
	}
}

static vaddr_t somewhere_large(struct subject *s, unsigned level)
{
	uint64_t bytes = level < s->f->levels ? 1ull << ptfmt_level_shift(s->f, level) : 1;
	return vaddr((uint64_t)level * GIGABYTE | rng_below(&s->r, bytes < GIGABYTE ? bytes : GIGABYTE));
}

static void run(struct subject *s)
{
	for (unsigned i = 0; i < REFERENCES; i++) {
		enum access_kind kind = (enum access_kind)rng_below(&s->r, ACCESS_KINDS);
		ref_t ref = ref_make(somewhere(s), kind);
		struct machine_stop stop = machine_run(s->m, 0, &ref, 1);
		if (stop.why == MACHINE_FAULTED && stop.fault == MACHINE_FAULT_NOT_PRESENT && rng_below(&s->r, 4) == 0) {
			serve(s, stop.va, kind);
			stop = machine_run(s->m, 0, &ref, 1);
			assert_true(stop.why == MACHINE_DONE || stop.fault == MACHINE_FAULT_PRIVILEGE);
		}
		if (i % 50 == 0)
			pmap_remove(s->p, vpn_range(vpn_of(somewhere(s), s->f->page_shift), rng_below(&s->r, 40)));
		if (i % 50 == 1)
			pmap_protect(s->p, vpn_range(vpn_of(somewhere(s), s->f->page_shift), rng_below(&s->r, 40)), PMAP_READ | PMAP_USER);
	}
	pmap_update(s->p);
	assert_null(pmap_flaw(s->p));
	const char *flaw = machine_flaw(s->m);
	assert_string_equal(flaw ? flaw : "", "");
}

static void image_write(const struct subject *s)
{
	struct pw_why why = { 0 };
	FILE *f = fopen(s->image, "wb");
	assert_non_null(f);
	assert_int_equal(physmem_dump(machine_physmem(s->m), f, &why), PW_OK);
	assert_int_equal(fclose(f), 0);
}

/* Tables to be compared: where they are, and how many base pages they map (UINT64_MAX: not known). */
struct tables {
	const struct ptfmt *f;
	struct physmem *mem;
	pfn_t root;
	uint64_t resident;
	pfn_t upper;
};

static struct walk look_as(const struct tables *t, uint64_t va, bool store, bool user)
{
	struct walk_want want = { .va = vaddr(va), .kind = store ? ACCESS_STORE : ACCESS_LOAD, .user = user };
	struct walk w;
	walk_from_root(t->f, t->mem, ptfmt_upper(t->f, vaddr(va)) ? t->upper : t->root, &want, &w);
	return w;
}

/* As their debugger looks: on x86 nobody's rights are asked for, on PowerPC the supervisor's. */
static struct walk look(const struct tables *t, uint64_t va)
{
	return look_as(t, va, false, strncmp(t->f->name, "x86", 3) != 0 && !t->f->hashed);
}

static uint64_t walk_pa(const struct tables *t, const struct walk *w, uint64_t va)
{
	return (w->pfn.v << t->f->page_shift) + (va & ((1ull << ptfmt_level_shift(t->f, w->level)) - 1));
}

static uint64_t leaf_bytes(const struct tables *t, const struct walk *w)
{
	return 1ull << ptfmt_level_shift(t->f, w->level);
}

/* One leaf of ours against one line of theirs: place, rights, bits. */
static void leaf_same(const struct tables *t, const struct emulator_mapping *e, uint64_t va, const struct walk *w)
{
	unsigned own = ptfmt_rights(t->f, w->entry);
	assert_true(w->fault == MACHINE_FAULT_NONE || w->fault == MACHINE_FAULT_PRIVILEGE);
	assert_int_equal(w->pfn.v << 12, e->pa + (va - e->va));
	assert_int_equal(!!(own & PT_READ), e->read);
	assert_int_equal(!!(own & PT_WRITE), e->write);
	assert_int_equal(!!(own & PT_EXEC), e->exec);
	assert_int_equal(!!(own & PT_USER), e->user);
	assert_int_equal(!!(own & PT_GLOBAL), e->global);
	assert_int_equal(ptfmt_accessed(t->f, w->entry), e->accessed);
	assert_int_equal(ptfmt_dirty(t->f, w->entry), e->dirty);
	if (!t->f->leaf_by_rights)
		assert_int_equal(w->level > 0, e->huge);
}

/* Every mapping they list is ours, and they list as many pages as we have.  => pages seen. */
static uint64_t list_same(const struct tables *t, struct emulator *emu)
{
	const struct emulator_mapping *e;
	unsigned n = emulator_list(emu, &e);
	uint64_t pages = 0;
	for (unsigned i = 0; i < n; i++) {
		for (uint64_t done = 0; done < e[i].bytes;) {
			struct walk w = look(t, e[i].va + done);
			leaf_same(t, &e[i], e[i].va + done, &w);
			done += leaf_bytes(t, &w);
			pages += ptfmt_level_pages(t->f, w.level);
		}
	}
	if (t->resident != UINT64_MAX && n > 0)
		assert_int_equal(pages, t->resident);
	return pages;
}

static void address_same(const struct tables *t, struct emulator *emu, uint64_t va, unsigned count[2])
{
	struct walk w = look(t, va);
	uint64_t theirs = 0, ours = 0;
	bool mapped = emulator_translate(emu, va, &theirs);
	if (w.fault == MACHINE_FAULT_NONE)
		ours = walk_pa(t, &w, va);
	if (mapped != (w.fault == MACHINE_FAULT_NONE) || theirs != ours)
		print_error("%s, address 0x%llx: ours %s 0x%llx, theirs %s 0x%llx\n", t->f->name, (unsigned long long)va,
			    machine_fault_text(w.fault), (unsigned long long)ours, mapped ? "mapped" : "unmapped",
			    (unsigned long long)theirs);
	assert_int_equal(mapped, w.fault == MACHINE_FAULT_NONE);
	assert_int_equal(theirs, ours);
	count[mapped]++;
}

/* The first and last byte of what is mapped, and its neighbours on both sides. */
static void edges_same(const struct tables *t, struct emulator *emu, uint64_t va, unsigned count[2])
{
	struct walk w = look(t, va);
	uint64_t bytes = leaf_bytes(t, &w), first = va & ~(bytes - 1);
	uint64_t top = t->f->va_bits == 32 ? UINT32_MAX : UINT64_MAX;
	address_same(t, emu, first, count);
	address_same(t, emu, first + bytes - 1, count);
	if (first)
		address_same(t, emu, first - 1, count);
	if (first + (bytes - 1) < top)
		address_same(t, emu, first + bytes, count);
}

/* Addresses that differ from good ones in a bit above those that are translated. */
static void noncanonical_same(const struct tables *t, struct emulator *emu, uint64_t va, unsigned count[2])
{
	for (unsigned bit = t->f->va_bits; t->f->sign_extended && bit < 64; bit += 5)
		address_same(t, emu, va ^ 1ull << bit, count);
}

static void huge_found(const struct tables *t, unsigned seen)
{
	for (unsigned level = 1; level < 3 && level < t->f->levels; level++) {
		if (t->f->leaf_levels >> level & 1)
			assert_true(seen >> level & 1);
	}
}

/* Arm's fault status: what kind of fault, and at which level (theirs count from the top, and end with 3). */
static uint64_t arm_status(const struct walk *w)
{
	unsigned level = w->fault == MACHINE_FAULT_NONCANONICAL ? 0 : 3 - w->level;
	return (w->fault == MACHINE_FAULT_NOT_PRESENT || w->fault == MACHINE_FAULT_NONCANONICAL ? 4 : 12) + level;
}

/* Loads and stores, by the user and by the supervisor: the same address, or the same fault at the same level. */
static void arm_accesses_same(const struct tables *t, struct emulator *emu, uint64_t va)
{
	for (unsigned i = 0; i < 4; i++) {
		bool store = i & 1, user = i & 2;
		struct walk w = look_as(t, va, store, user);
		uint64_t theirs;
		bool allowed = emulator_access(emu, va, store, user, &theirs);
		if (allowed != (w.fault == MACHINE_FAULT_NONE))
			print_error("%s 0x%llx %s by %s: ours %s, entry 0x%llx, theirs %s 0x%llx\n", t->f->name, (unsigned long long)va,
				    store ? "store" : "load", user ? "user" : "supervisor", machine_fault_text(w.fault),
				    (unsigned long long)w.entry.v, allowed ? "done" : "fault", (unsigned long long)theirs);
		assert_int_equal(allowed, w.fault == MACHINE_FAULT_NONE);
		assert_int_equal(theirs, allowed ? walk_pa(t, &w, va) : arm_status(&w));
	}
}

static void skip_without_emulator(const struct emulator *emu)
{
	if (!emu) {
		print_message("# qemu-system is not installed\n");
		skip();
	}
}

static uint64_t upper_root(const struct subject *s)
{
	pfn_t root = pmap_machine_upper_root(s->p);
	return pfn_is_none(root) ? UINT64_MAX : root.v << s->f->page_shift;
}

static void tables_walked_elsewhere(void **state)
{
	struct subject s;
	unsigned count[2] = { 0, 0 }, levels = 0;
	subject_init(&s, *state);
	run(&s);
	serve_large(&s);
	image_write(&s);
	struct tables t = { s.f, machine_physmem(s.m), pmap_machine_root(s.p), pmap_resident_pages(s.p),
			    pmap_machine_upper_root(s.p) };
	struct emulator *emu = emulator_start(s.f->name, t.root.v << t.f->page_shift, upper_root(&s), s.image,
					      physmem_bytes(machine_physmem(s.m)));
	if (emu) {
		list_same(&t, emu);
		for (unsigned i = 0; i < 900; i++) {
			vaddr_t va = i % 30 ? somewhere(&s) : somewhere_large(&s, 1 + i / 30 % 2);
			struct walk w = look(&t, va.v);
			address_same(&t, emu, va.v, count);
			if (t.f->two_roots)
				arm_accesses_same(&t, emu, va.v);
			if (w.fault != MACHINE_FAULT_NONE)
				continue;
			levels |= 1u << w.level;
			edges_same(&t, emu, va.v, count);
			if (i % 8 == 0)
				noncanonical_same(&t, emu, va.v, count);
		}
		huge_found(&t, levels);
		assert_true(count[false] > 50 && count[true] > 200);
	}
	subject_fini(&s);
	emulator_stop(emu);
	skip_without_emulator(emu);
}

/* ---- the image that a run wrote */

static bool program_run(const char *const argv[], const char *quiet)
{
	posix_spawn_file_actions_t a;
	pid_t pid;
	int status = -1;
	posix_spawn_file_actions_init(&a);
	posix_spawn_file_actions_addopen(&a, 2, quiet, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (posix_spawn(&pid, argv[0], &a, NULL, (char *const *)argv, environ) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&a);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void image_read(const char *name, struct physmem *mem)
{
	FILE *f = fopen(name, "rb");
	assert_non_null(f);
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	long bytes = ftell(f);
	assert_true(bytes > 0 && bytes % 4096 == 0);
	rewind(f);
	assert_int_equal(physmem_init(mem, (uint64_t)bytes / 4096, 12), PW_OK);
	assert_int_equal(fread(mem->bytes, 1, (size_t)bytes, f), (size_t)bytes);
	fclose(f);
}

static uint64_t root_read(const char *name)
{
	unsigned pid;
	unsigned long long root = 0;
	char format[40];
	FILE *f = fopen(name, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "pid %u format %39s root %llx", &pid, format, &root), 3);
	fclose(f);
	return root;
}

static void run_walked_elsewhere(void **state)
{
	const char *format = *state, *pageworks = getenv("PAGEWORKS");
	struct subject s = { .f = ptfmt_find(format) };
	struct physmem mem;
	char roots[260], report[260];
	unsigned count[2] = { 0, 0 };
	if (!pageworks)
		skip();
	directory_make(&s);
	snprintf(roots, sizeof roots, "%s.roots", s.image);
	snprintf(report, sizeof report, "%s/report", s.dir);
	const char *const argv[] = { pageworks, "run", "--ram", "8M", "--policy", "clock", "--format", format, "--dump", s.image,
		"zipf:pages=8K,s=0.8,refs=200K,seed=3", NULL };
	assert_true(program_run(argv, report));
	image_read(s.image, &mem);
	struct tables t = { s.f, &mem, pfn(root_read(roots) >> 12), UINT64_MAX, PFN_NONE };
	struct emulator *emu = emulator_start(format, t.root.v << 12, UINT64_MAX, s.image, mem.frames << 12);
	if (emu) {
		const struct emulator_mapping *e;
		assert_in_range(list_same(&t, emu), 500, 2048);
		assert_true(emulator_list(emu, &e) > 0);
		uint64_t first = e->va & ~0xffffffull;
		for (unsigned i = 0; i < 400; i++)
			address_same(&t, emu, first + i * 77777ull, count);
		assert_true(count[false] > 10 && count[true] > 10);
	}
	emulator_stop(emu);
	physmem_fini(&mem);
	unlink(s.image);
	unlink(roots);
	unlink(report);
	assert_int_equal(rmdir(s.dir), 0);
	skip_without_emulator(emu);
}

int main(void)
{
	static char x86_64[] = "x86-64", la57[] = "x86-64-la57", x86_32[] = "x86-32", pae[] = "x86-pae", sv32[] = "sv32", sv39[] = "sv39",
		    sv48[] = "sv48", sv57[] = "sv57", arm_4k[] = "arm64-4k", arm_16k[] = "arm64-16k", arm_64k[] = "arm64-64k",
		    hashed[] = "hashed";
	const struct CMUnitTest tests[] = {
		{ "tables walked by an x86-64", tables_walked_elsewhere, NULL, NULL, x86_64 },
		{ "tables walked by an x86-64 with 5 levels", tables_walked_elsewhere, NULL, NULL, la57 },
		{ "tables walked by an x86-32", tables_walked_elsewhere, NULL, NULL, x86_32 },
		{ "tables walked by an x86 with PAE", tables_walked_elsewhere, NULL, NULL, pae },
		{ "tables walked by an Sv32", tables_walked_elsewhere, NULL, NULL, sv32 },
		{ "tables walked by an Sv39", tables_walked_elsewhere, NULL, NULL, sv39 },
		{ "tables walked by an Sv48", tables_walked_elsewhere, NULL, NULL, sv48 },
		{ "tables walked by an Sv57", tables_walked_elsewhere, NULL, NULL, sv57 },
		{ "tables walked by an AArch64, 4K", tables_walked_elsewhere, NULL, NULL, arm_4k },
		{ "tables walked by an AArch64, 16K", tables_walked_elsewhere, NULL, NULL, arm_16k },
		{ "tables walked by an AArch64, 64K", tables_walked_elsewhere, NULL, NULL, arm_64k },
		{ "a hashed table walked by a PowerPC", tables_walked_elsewhere, NULL, NULL, hashed },
		{ "the image of a run walked by an x86-64", run_walked_elsewhere, NULL, NULL, x86_64 },
		{ "the image of a run walked by an Sv39", run_walked_elsewhere, NULL, NULL, sv39 },
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
