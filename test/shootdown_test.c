/* shootdown_test.c - several CPUs: no translation is used that is gone, and what that costs is counted exactly.
 *
 * Four spaces over pmap_machine are changed and used at random on several CPUs.  Beside them stands a model that knows nothing but
 * what each CPU has used since it last had to forget it: the TLBs are large enough to lose nothing by themselves. */
#include "../src/base/rng.h"
#include "../src/machine/machine.h"
#include "../src/pmap/pmap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { CPUS = 3, SPACES = 4, PAGES = 48, BASE = 0x400, TABLES = 64, DATA = TABLES, FRAMES = TABLES + SPACES * PAGES };
enum { RW = PMAP_READ | PMAP_WRITE };

struct rig {
	struct machine *m;
	struct pmap_sys *sys;
	struct pmap *space[SPACES];
	bool table_used[TABLES];
	/* The model. */
	bool tagged;
	int loaded[CPUS];                     /* -1: nothing yet */
	bool held[CPUS][SPACES];
	bool cached[CPUS][SPACES][PAGES];
	unsigned rights[SPACES][PAGES];       /* 0: not mapped */
	uint64_t frame[SPACES][PAGES];
	unsigned kernel;                      /* the CPU it runs on */
	struct machine_counts want;
};

static enum pw_err table_alloc(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret)
{
	struct rig *r = ctx;
	(void)owner;
	assert_int_equal(n, 1);
	for (uint64_t i = 0; i < TABLES; i++)
		if (!r->table_used[i]) {
			r->table_used[i] = true;
			*ret = pfn(i);
			physmem_zero(machine_physmem(r->m), *ret);
			return PW_OK;
		}
	return PW_NOFRAMES;
}

static void table_free(void *ctx, struct pmap *owner, pfn_t first, uint64_t n)
{
	struct rig *r = ctx;
	(void)owner, (void)n;
	r->table_used[first.v] = false;
}

static struct cpu_model large_cpu(unsigned asid_bits)
{
	struct cpu_model cpu = *cpu_find("textbook");
	struct pw_why why = { "" };
	assert_int_equal(tlb_parse("l1=1024/fa", cpu.tlb, &cpu.n_tlbs, &why), PW_OK);
	cpu.asid_bits = (uint8_t)asid_bits;
	return cpu;
}

static void rig_open(struct rig *r, unsigned asid_bits)
{
	struct cpu_model cpu = large_cpu(asid_bits);
	const struct machine_config c = { .format = ptfmt_find("x86-64"), .frames = FRAMES, .n_cpus = CPUS, .cpu = &cpu };
	struct pw_why why = { "" };
	*r = (struct rig){ .tagged = asid_bits > 0, .loaded = { -1, -1, -1 } };
	assert_int_equal(machine_create(&c, &r->m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(r->m, &r->sys), PW_OK);
	r->sys->env = (struct pmap_env){ .ctx = r, .table_alloc = table_alloc, .table_free = table_free };
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(pmap_create(r->sys, &r->space[i]), PW_OK);
}

static void rig_close(struct rig *r)
{
	for (unsigned i = 0; i < SPACES; i++)
		pmap_unref(r->space[i]);
	pmap_sys_destroy(r->sys);
	machine_destroy(r->m);
}

/* ---- what is done, and what the model thinks of it ---- */

static void load(struct rig *r, unsigned cpu, unsigned space)
{
	pmap_activate(r->space[space], cpu);
	if (!r->tagged && r->loaded[cpu] >= 0 && r->loaded[cpu] != (int)space) {
		memset(r->cached[cpu], 0, sizeof r->cached[cpu]);
		memset(r->held[cpu], 0, sizeof r->held[cpu]);
	}
	r->loaded[cpu] = (int)space;
	r->held[cpu][space] = true;
}

static void model_flush(struct rig *r, unsigned space, unsigned first, unsigned n)
{
	unsigned interrupts = 0;
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		uint64_t entries = 0;
		for (unsigned i = first; i < first + n; i++) {
			entries += r->cached[cpu][space][i];
			r->cached[cpu][space][i] = false;
		}
		if (cpu == r->kernel || !r->held[cpu][space])
			continue;
		r->want.shootdown_entries += entries;
		interrupts += r->loaded[cpu] == (int)space;
		r->want.shootdown_deferred += r->loaded[cpu] != (int)space;
	}
	r->want.shootdown_interrupts += interrupts;
	r->want.shootdowns += interrupts > 0;
}

static void reduce(struct rig *r, unsigned space, unsigned first, unsigned n, unsigned rights)
{
	bool changed = false;
	for (unsigned i = first; i < first + n; i++) {
		changed |= r->rights[space][i] & ~rights;
		r->rights[space][i] &= rights;
	}
	if (changed)
		model_flush(r, space, first, n);
	if (rights)
		pmap_protect(r->space[space], vpn_range(vpn(BASE + first), n), rights);
	else
		pmap_remove(r->space[space], vpn_range(vpn(BASE + first), n));
}

static void enter(struct rig *r, unsigned space, unsigned page, unsigned rights)
{
	uint64_t frame = DATA + (uint64_t)space * PAGES + (page * 7 + rights) % PAGES;
	const struct pmap_mapping m = { .vpn = vpn(BASE + page), .pfn = pfn(frame), .prot = rights | PMAP_USER };
	if (r->rights[space][page])
		model_flush(r, space, page, 1);
	assert_int_equal(pmap_enter(r->space[space], &m), PW_OK);
	r->rights[space][page] = rights;
	r->frame[space][page] = frame;
}

/* One access: exactly what the tables allow, whatever the TLBs remember. */
static void use(struct rig *r, unsigned cpu, unsigned page, enum access_kind kind)
{
	unsigned space = (unsigned)r->loaded[cpu], need = kind == ACCESS_STORE ? PMAP_WRITE : PMAP_READ;
	paddr_t at = paddr(0);
	ref_t ref = ref_make(vpn_addr(vpn(BASE + page), 12), kind);
	struct machine_stop stop = machine_run(r->m, cpu, &ref, 1);
	r->kernel = cpu;
	bool allowed = r->rights[space][page] & need;
	assert_int_equal(stop.why, allowed ? MACHINE_DONE : MACHINE_FAULTED);
	if (!allowed) {
		r->cached[cpu][space][page] &= !r->rights[space][page] || kind != ACCESS_STORE; /* a refusal by a TLB is looked up again */
		return;
	}
	r->cached[cpu][space][page] = true;
	assert_int_equal(machine_translate(r->m, cpu, vpn_addr(vpn(BASE + page), 12), kind, &at).why, MACHINE_DONE);
	assert_int_equal(at.v >> 12, r->frame[space][page]);
}

static void step(struct rig *r, struct rng *rng)
{
	unsigned space = (unsigned)rng_below(rng, SPACES), page = (unsigned)rng_below(rng, PAGES), cpu = (unsigned)rng_below(rng, CPUS);
	unsigned n = 1 + (unsigned)rng_below(rng, PAGES - page);
	switch (rng_below(rng, 12)) {
	case 0: reduce(r, space, page, n, 0); break;
	case 1: reduce(r, space, page, n, PMAP_READ); break;
	case 2: load(r, cpu, space); break;
	case 3:
		machine_kernel_on(r->m, cpu);
		r->kernel = cpu;
		break;
	case 4: case 5: case 6: enter(r, space, page, rng_below(rng, 2) ? RW : PMAP_READ); break;
	default:
		if (r->loaded[cpu] >= 0)
			use(r, cpu, page, rng_below(rng, 2) ? ACCESS_STORE : ACCESS_LOAD);
	}
}

static void counts_agree(const struct rig *r)
{
	struct machine_counts c;
	machine_counts(r->m, &c);
	assert_int_equal(c.shootdowns, r->want.shootdowns);
	assert_int_equal(c.shootdown_interrupts, r->want.shootdown_interrupts);
	assert_int_equal(c.shootdown_deferred, r->want.shootdown_deferred);
	assert_int_equal(c.shootdown_entries, r->want.shootdown_entries);
}

/* counted: there are tags for all, so that the model need not know when they run out. */
static void go_wild(unsigned asid_bits, bool counted)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rng rng;
		struct rig r;
		rng_init(&rng, seed);
		rig_open(&r, asid_bits);
		for (unsigned i = 0; i < 4000; i++) {
			step(&r, &rng);
			if (counted)
				counts_agree(&r);
		}
		const char *flaw = machine_flaw(r.m);
		if (flaw)
			fail_msg("seed %lu, %u bits: %s", (unsigned long)seed, asid_bits, flaw);
		rig_close(&r);
	}
}

static void every_interrupt_is_counted_with_tags(void **state) { (void)state, go_wild(8, true); }
static void every_interrupt_is_counted_without_tags(void **state) { (void)state, go_wild(0, true); }
static void nothing_stale_is_used_when_tags_run_out(void **state) { (void)state, go_wild(2, false); }

/* Three CPUs in one space, one of them in another by now. */
static void a_change_tells_who_must_know(void **state)
{
	struct rig r;
	struct machine_counts c;
	(void)state;
	rig_open(&r, 8);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		load(&r, cpu, 0);
	for (unsigned page = 0; page < 4; page++)
		enter(&r, 0, page, RW);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (unsigned page = 0; page <= cpu; page++)
			use(&r, cpu, page, ACCESS_LOAD);
	load(&r, 2, 1);
	machine_kernel_on(r.m, 0);
	r.kernel = 0;
	reduce(&r, 0, 0, 4, 0);
	machine_counts(r.m, &c);
	assert_int_equal(c.shootdowns, 1);
	assert_int_equal(c.shootdown_interrupts, 1);  /* CPU 1 */
	assert_int_equal(c.shootdown_deferred, 1);    /* CPU 2 */
	assert_int_equal(c.shootdown_entries, 2 + 3);
	reduce(&r, 0, 0, 4, 0);                       /* nothing is there any more */
	counts_agree(&r);
	rig_close(&r);
}

/* One tag, two spaces: each switch takes it away from the other. */
static void a_single_tag_keeps_spaces_apart(void **state)
{
	struct cpu_model cpu = large_cpu(1);
	const struct machine_config c = { .format = ptfmt_find("x86-64"), .frames = FRAMES, .n_cpus = 1, .cpu = &cpu };
	struct pw_why why = { "" };
	struct rig r = { .tagged = false, .loaded = { -1, -1, -1 } };
	(void)state;
	assert_int_equal(machine_create(&c, &r.m, &why), PW_OK);
	assert_int_equal(pmap_machine_create(r.m, &r.sys), PW_OK);
	r.sys->env = (struct pmap_env){ .ctx = &r, .table_alloc = table_alloc, .table_free = table_free };
	for (unsigned i = 0; i < SPACES; i++)
		assert_int_equal(pmap_create(r.sys, &r.space[i]), PW_OK);
	for (unsigned turn = 0; turn < 4; turn++) {
		load(&r, 0, turn % 2);
		for (unsigned page = 0; page < 4; page++) {
			if (turn < 2)
				enter(&r, turn, page, RW);
			use(&r, 0, page, ACCESS_STORE);
		}
	}
	assert_null(machine_flaw(r.m));
	rig_close(&r);
}

static void too_few_tags_for_the_cpus_are_refused(void **state)
{
	struct cpu_model cpu = large_cpu(1);
	const struct machine_config c = { .format = ptfmt_find("x86-64"), .frames = FRAMES, .n_cpus = 2, .cpu = &cpu };
	struct pw_why why = { "" };
	struct machine *m;
	(void)state;
	assert_int_equal(machine_create(&c, &m, &why), PW_INVALID);
	assert_null(m);
	assert_non_null(strstr(why.text, "2 CPUs"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_tells_who_must_know),
		cmocka_unit_test(every_interrupt_is_counted_with_tags),
		cmocka_unit_test(every_interrupt_is_counted_without_tags),
		cmocka_unit_test(nothing_stale_is_used_when_tags_run_out),
		cmocka_unit_test(a_single_tag_keeps_spaces_apart),
		cmocka_unit_test(too_few_tags_for_the_cpus_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
