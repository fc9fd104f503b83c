/* refinement_test.c - the kernel over the simulated machine behaves as it does over the array.
 *
 * Two kernels are given the same random history of mappings, protections, forks, exits and accesses; one stands on pmap_model,
 * the specification, the other on pmap_machine with small TLBs, few ASIDs and a page-table format.  After every step both must
 * have answered alike: the outcome and cause of every fault, what was evicted and written back, and every byte read. */
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/kernel/kernel.h"
#include "../src/machine/machine.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { FRAMES = 4096, PAGES = 64, SPACES = 5, STEPS = 6000 };
#define BASE 0x10000ull /* first page of the playground */

/* One of the two worlds. */
struct world {
	struct machine *m;            /* NULL: the model */
	struct physmem memory;        /* of the model; the machine has its own */
	struct pmap_sys *pmap;
	struct store *swap;
	struct kernel *kernel;
	struct process *process[SPACES];
};

static uint64_t world_touched(void *ctx, const pfn_t **ret)
{
	struct world *w = ctx;
	return w->m ? machine_touched(w->m, ret) : pmap_model_touched(w->pmap, ret);
}

static void world_open(struct world *w, const struct ptfmt *format, const char *policy, uint64_t page_frames,
		       enum personality personality)
{
	struct cpu_model cpu = { .name = "small", .pwc_entries = { 0, 2, 1 }, .asid_bits = 2 };
	struct pw_why why = { "" };
	*w = (struct world){ 0 };
	if (format) {
		assert_int_equal(tlb_parse("l1d=4/2,l1i=2/fa,l2=9/3", cpu.tlb, &cpu.n_tlbs, &why), PW_OK);
		struct machine_config c = { .format = format, .frames = FRAMES, .n_cpus = 2, .cpu = &cpu, .log_touches = true };
		assert_int_equal(machine_create(&c, &w->m, &why), PW_OK);
		assert_int_equal(pmap_machine_create(w->m, &w->pmap), PW_OK);
	} else {
		assert_int_equal(pmap_model_create(FRAMES, 12, &w->pmap), PW_OK);
		assert_int_equal(physmem_init(&w->memory, FRAMES, 12), PW_OK);
	}
	assert_int_equal(store_open("ram", 4096, UINT64_MAX, &w->swap, &why), PW_OK);
	struct kernel_config k = {
		.pmap = w->pmap, .memory = w->m ? machine_physmem(w->m) : &w->memory, .carries_data = true, .n_frames = FRAMES,
		.page_frames = page_frames, .page_shift = 12, .personality = personality, .policy = policy_find(policy),
		.va_bits = 31, .swap = w->swap, .cost = &cost_default, .seed = 3, .touched = world_touched, .ctx = w,
	};
	assert_int_equal(kernel_create(&k, &w->kernel, &why), PW_OK);
	assert_int_equal(process_create(w->kernel, 1, "first", &w->process[0]), PW_OK);
}

static void world_close(struct world *w)
{
	kernel_destroy(w->kernel);
	pmap_sys_destroy(w->pmap);
	store_close(w->swap);
	if (w->m)
		machine_destroy(w->m);
	else
		physmem_fini(&w->memory);
}

/* One access, restarted until it is done or refused.  Faults are summed up in *story, so that two worlds can be compared. */
static bool world_access(struct world *w, unsigned space, uint64_t page, enum access_kind kind, uint64_t *story, pfn_t *ret)
{
	struct process *p = w->process[space];
	vaddr_t va = vaddr((BASE + page) << 12);
	process_activate(p, 0);
	for (unsigned tries = 0; tries < 8; tries++) {
		if (w->m) {
			ref_t r = ref_make(va, kind);
			struct machine_stop stop = machine_run(w->m, 0, &r, 1);
			if (stop.why == MACHINE_DONE)
				return true;
		} else if (pmap_model_access(w->pmap, 0, vpn(BASE + page), kind, ret)) {
			return true;
		}
		struct fault_report f = process_fault(p, 0, va, kind);
		*story = *story * 31 + f.outcome * 97 + f.cause * 7 + f.major;
		if (f.outcome != FAULT_OUTCOME_RESOLVED)
			return false;
	}
	fail_msg("an access faults for ever");
	return false;
}

struct step {
	unsigned what, space, other;
	uint64_t page, count, value;
	unsigned prot;
	enum access_kind kind;
};

static struct step step_make(struct rng *rng, const struct ptfmt *f)
{
	struct step s = { .what = (unsigned)rng_below(rng, 100), .space = (unsigned)rng_below(rng, SPACES),
			  .other = (unsigned)rng_below(rng, SPACES), .page = rng_below(rng, PAGES), .value = rng_next(rng) };
	s.count = 1 + rng_below(rng, PAGES - s.page);
	s.prot = PMAP_READ | (rng_below(rng, 4) ? PMAP_WRITE : 0) | (rng_below(rng, 2) ? PMAP_EXEC : 0);
	s.prot |= f->exec || f->noexec ? 0 : PMAP_EXEC; /* the format cannot forbid it */
	s.kind = (enum access_kind)rng_below(rng, ACCESS_KINDS);
	return s;
}

/* What the step answered, in one number. */
static uint64_t step_take(struct world *w, const struct step *s, uint32_t *next_pid)
{
	struct process **p = &w->process[s->space];
	vaddr_t at = vaddr((BASE + s->page) << 12), got;
	uint64_t story = 0, bytes = s->count << 12;
	pfn_t frame;
	if (!*p)
		return 0;
	if (s->what < 8) {
		const struct process_mapping m = { .start = at, .bytes = bytes, .prot = s->prot, .fixed = true, .anonymous = true,
						   .shared = s->value & 1, .name = "playground" };
		return process_map(*p, &m, &got);
	}
	if (s->what < 11)
		return process_unmap(*p, at, bytes);
	if (s->what < 16)
		return process_protect(*p, at, bytes, s->prot);
	if (s->what < 18 && !w->process[s->other])
		return process_fork(*p, ++*next_pid, &w->process[s->other]);
	if (s->what < 19 && s->space > 0) {
		process_exit(*p);
		*p = NULL;
		return 1;
	}
	if (s->what < 60)
		return world_access(w, s->space, s->page, s->kind, &story, &frame) + 2 * story;
	uint64_t word = s->value;
	if (s->what < 80)
		return process_copy_in(*p, vaddr_add(at, s->value % 4000), &word, sizeof word, NULL);
	word = 0;
	enum pw_err err = process_copy_out(*p, vaddr_add(at, s->value % 4000), &word, sizeof word, NULL);
	return err ? err : word;
}

static void counts_agree(struct world *a, struct world *b, const char *what, unsigned step)
{
	struct kernel_counts x, y;
	kernel_counts(a->kernel, &x);
	kernel_counts(b->kernel, &y);
	if (memcmp(&x.faults, &y.faults, sizeof x.faults))
		fail_msg("%s, step %u: the worlds count different faults", what, step);
	if (x.evicted != y.evicted || x.written_back != y.written_back || x.refaults != y.refaults)
		fail_msg("%s, step %u: evicted %llu and %llu, written back %llu and %llu", what, step, (unsigned long long)x.evicted,
			 (unsigned long long)y.evicted, (unsigned long long)x.written_back, (unsigned long long)y.written_back);
	assert_int_equal(x.resident_pages, y.resident_pages);
	assert_int_equal(x.swap_used_slots, y.swap_used_slots);
}

static void flaws_none(struct world *w, const char *what, unsigned step)
{
	const char *flaw = kernel_flaw(w->kernel);
	for (unsigned i = 0; !flaw && i < SPACES; i++)
		if (w->process[i])
			flaw = pmap_flaw(process_pmap(w->process[i]));
	if (flaw)
		fail_msg("%s, step %u, %s: %s", what, step, w->m ? "machine" : "model", flaw);
}

static void history(const struct ptfmt *format, const char *policy, uint64_t page_frames, enum personality personality,
		    uint64_t seed)
{
	char what[128];
	struct world model, machine;
	struct rng rng;
	uint32_t pids[2] = { 1, 1 };
	snprintf(what, sizeof what, "%s %s frames=%llu seed=%llu", format->name, policy, (unsigned long long)page_frames,
		 (unsigned long long)seed);
	world_open(&model, NULL, policy, page_frames, personality);
	world_open(&machine, format, policy, page_frames, personality);
	rng_init(&rng, seed);
	for (unsigned n = 0; n < STEPS; n++) {
		struct step s = step_make(&rng, format);
		uint64_t x = step_take(&model, &s, &pids[0]), y = step_take(&machine, &s, &pids[1]);
		if (x != y)
			fail_msg("%s, step %u (%u): the model says %#llx, the machine %#llx", what, n, s.what, (unsigned long long)x,
				 (unsigned long long)y);
		counts_agree(&model, &machine, what, n);
		if (n % 50 == 0) {
			flaws_none(&model, what, n);
			flaws_none(&machine, what, n);
		}
	}
	struct kernel_counts k;
	kernel_counts(machine.kernel, &k);
	assert_true(k.faults.total > 100);
	world_close(&model);
	world_close(&machine);
}

static void same_history_same_answers(void **state)
{
	(void)state;
	static const char *const formats[] = { "x86-64", "x86-32", "sv39", "sv48", "arm64-4k", "x86-pae", "sv57",
		"x86-64-la57" };
	static const char *const policies[] = { "fifo", "lru", "clock", "random" };
	for (unsigned i = 0; i < 8; i++)
		for (uint64_t seed = 1; seed <= (i < 4 ? 2 : 1); seed++) {
			history(ptfmt_find(formats[i]), policies[(i + seed) % 4], 20, PERSONALITY_textbook, seed * 10 + i);
			history(ptfmt_find(formats[i]), policies[i % 4], 3, PERSONALITY_textbook, seed * 20 + i);
			history(ptfmt_find(formats[i]), "lru", 1000, PERSONALITY_linux, seed * 30 + i);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_history_same_answers),
	};
	return cmocka_run_group_tests_name("refinement", tests, NULL, NULL);
}
