/* hypervisor.c - a host made of the same parts as its guest.
 *
 * Problem: nested translation needs tables that map a guest's memory, filled on demand, and a host that can be short of memory.
 * Idea: that is what a kernel does for processes.  A guest's physical memory is one anonymous mapping that begins at 0.
 *
 *      guest   kernel, machine --+ physical address
 *                                v
 *      host    machine: its walk, its TLB    fault -> process_fault    reclaim, swap -> the guest's TLBs follow
 *
 * 1. The host's frames carry no bytes: those of the guest stay where the guest's machine has them (machine/nested.c).
 * 2. What the guest's kernel fills and writes out are accesses to the host too: no page it filled counts as clean.
 * 3. Reclaim is lru over what the host sees, its own translations: a hit in the guest's TLB is hidden from it, as on hardware.
 *
 * Rejected: a table filled in advance (it hides what the first touch of guest memory costs, and cannot be short). */
#include "hypervisor.h"
#include "run_impl.h"
#include "../base/mem.h"
#include <string.h>

/* Beside its guests' memory a host without limit has room for its own tables.  A guest's process has its number plus one. */
enum { TABLES_LEAST = 4096, FAULTS_MOST = 8 };

struct hypervisor {
	struct cpu_model cpu;
	struct machine *machine;
	struct pmap_sys *pmap;
	struct store *swap;
	struct kernel *kernel;
	struct process *guest[HYPERVISOR_GUESTS];
	unsigned n_guests, cpus_each, page_shift;
	uint64_t guest_frames;
};

static uint64_t answer_touched(void *ctx, const pfn_t **ret) { return machine_touched(((struct hypervisor *)ctx)->machine, ret); }
static uint64_t answer_now(void *ctx) { return machine_now(((struct hypervisor *)ctx)->machine); }
static uint64_t answer_last_use(void *ctx, pfn_t f) { return machine_frame_last_use(((struct hypervisor *)ctx)->machine, f); }

/* The walk caches of the guest's CPU, and for a TLB the nested one: small, for everything. */
static struct cpu_model host_cpu(const struct run_options *o)
{
	struct cpu_model cpu = o->cpu;
	cpu.n_tlbs = o->nested_tlb > 0;
	cpu.tlb[0] = (struct tlb_geometry){ .name = "nested", .level = 1, .kinds = TLB_ALL, .page_levels = UINT8_MAX,
					    .entries = o->nested_tlb, .ways = o->nested_tlb };
	return cpu;
}

static uint64_t host_frames(const struct run_options *o, uint64_t guest_frames)
{
	if (o->host_ram_bytes)
		return o->host_ram_bytes >> o->format.page_shift;
	return guest_frames + guest_frames / 128 + TABLES_LEAST;
}

static enum pw_err machine_make(struct hypervisor *h, const struct run_options *o, uint64_t frames, struct pw_why *why)
{
	h->cpu = host_cpu(o);
	struct machine_config mc = { .format = o->nested, .frames = frames, .n_cpus = o->n_cpus * h->n_guests, .cpu = &h->cpu,
				     .seed = o->seed,
				     .log_touches = true };
	enum pw_err err = machine_create(&mc, &h->machine, why);
	if (!err && pmap_machine_create(h->machine, &h->pmap) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for the host's page tables");
	if (!err && strcmp(o->swap, "none") != 0)
		err = store_open(o->swap, 1u << h->page_shift, UINT64_MAX, &h->swap, why);
	return err;
}

static enum pw_err kernel_make(struct hypervisor *h, const struct run_options *o, uint64_t frames, struct pw_why *why)
{
	struct kernel_config kc = {
		.pmap = h->pmap, .memory = machine_physmem(h->machine), .n_frames = frames, .page_shift = h->page_shift,
		.personality = PERSONALITY_textbook, .policy = &policy_lru, .va_bits = run_user_bits(o->nested), .swap = h->swap,
		.cost = &o->cost, .seed = o->seed, .ctx = h, .now = answer_now, .touched = answer_touched, .last_use = answer_last_use,
	};
	return kernel_create(&kc, &h->kernel, why);
}

static enum pw_err guest_make(struct hypervisor *h, const struct run_options *o, unsigned n, struct pw_why *why)
{
	const struct process_mapping memory = {
		.bytes = h->guest_frames << h->page_shift, .prot = PMAP_READ | PMAP_WRITE | PMAP_EXEC, .fixed = true, .anonymous = true,
		.name = "guest memory",
	};
	vaddr_t at;
	enum pw_err err = process_create(h->kernel, n + 1, "guest", &h->guest[n]);
	if (!err)
		err = process_map(h->guest[n], &memory, &at);
	if (err)
		return pw_fail(why, err, "the host cannot map a guest of %llu frames by %s", (unsigned long long)h->guest_frames,
			       o->nested->name);
	for (unsigned cpu = 0; cpu < o->n_cpus; cpu++)
		process_activate(h->guest[n], hypervisor_cpu(h, n) + cpu);
	return PW_OK;
}

enum pw_err hypervisor_create(const struct run_options *o, uint64_t guest_frames, unsigned n, struct hypervisor **ret,
			      struct pw_why *why)
{
	*ret = NULL;
	uint64_t frames = host_frames(o, guest_frames * n);
	struct hypervisor *h = mem_zalloc(1, sizeof *h);
	if (!h)
		return pw_fail(why, PW_NOMEM, "out of memory for a host");
	h->page_shift = o->nested->page_shift;
	h->n_guests = n;
	h->cpus_each = o->n_cpus;
	h->guest_frames = guest_frames;
	enum pw_err err = machine_make(h, o, frames, why);
	if (!err)
		err = kernel_make(h, o, frames, why);
	for (unsigned i = 0; !err && i < n; i++)
		err = guest_make(h, o, i, why);
	if (err)
		hypervisor_destroy(h);
	else
		*ret = h;
	return err;
}

void hypervisor_destroy(struct hypervisor *h)
{
	if (!h)
		return;
	kernel_destroy(h->kernel);
	store_close(h->swap);
	if (h->pmap)
		pmap_sys_destroy(h->pmap);
	if (h->machine)
		machine_destroy(h->machine);
	mem_free(h);
}

struct machine *hypervisor_machine(struct hypervisor *h) { return h->machine; }

unsigned hypervisor_cpu(const struct hypervisor *h, unsigned guest) { return guest * h->cpus_each; }

bool hypervisor_fault(struct hypervisor *h, unsigned guest, unsigned cpu, const struct machine_stop *stop)
{
	struct fault_report f = process_fault(h->guest[guest], hypervisor_cpu(h, guest) + cpu, vaddr(stop->host_at.v), stop->host_kind);
	return f.outcome == FAULT_OUTCOME_RESOLVED;
}

bool hypervisor_access(struct hypervisor *h, unsigned guest, unsigned cpu, pfn_t frame, enum access_kind kind)
{
	ref_t ref = ref_make(vpn_addr(vpn(frame.v), h->page_shift), kind);
	cpu += hypervisor_cpu(h, guest);
	for (unsigned tries = 0; tries < FAULTS_MOST; tries++) {
		struct machine_stop stop = machine_run(h->machine, cpu, &ref, 1);
		if (stop.why == MACHINE_DONE)
			return true;
		if (process_fault(h->guest[guest], cpu, stop.va, stop.kind).outcome != FAULT_OUTCOME_RESOLVED)
			return false;
	}
	return false;
}

void hypervisor_drop(struct hypervisor *h, unsigned guest, pfn_t frame)
{
	enum pw_err err = process_advise(h->guest[guest], vpn_addr(vpn(frame.v), h->page_shift), 1ull << h->page_shift, ADVICE_DONTNEED);
	(void)err; /* it is a page of one whole private mapping: nothing has to be cut, so nothing can fail */
}

static void page_count(void *ctx, const struct page_info *page)
{
	struct hypervisor_share *s = ctx;
	s->resident_pages += page->resident;
	s->swapped_pages += !page->resident && page->in_swap;
}

uint64_t hypervisor_guest_frames(const struct hypervisor *h) { return h->guest_frames; }

struct fault_counts hypervisor_faults(const struct hypervisor *h, unsigned guest)
{
	struct process_info info;
	process_describe(h->guest[guest], &info);
	return info.faults;
}

void hypervisor_share(struct hypervisor *h, unsigned guest, struct hypervisor_share *ret)
{
	*ret = (struct hypervisor_share){ .frames = h->guest_frames, .faults = hypervisor_faults(h, guest) };
	process_pages(h->guest[guest], page_count, ret);
}

uint64_t hypervisor_capacity(struct hypervisor *h)
{
	struct kernel_counts k;
	kernel_counts(h->kernel, &k);
	return (physmem_bytes(machine_physmem(h->machine)) - k.table_bytes) >> h->page_shift;
}

struct backed {
	void (*visit)(void *ctx, pfn_t frame);
	void *ctx;
};

static void page_backed(void *ctx, const struct page_info *page)
{
	const struct backed *b = ctx;
	if (page->resident || page->in_swap)
		b->visit(b->ctx, pfn(page->page.v));
}

void hypervisor_backed(struct hypervisor *h, unsigned guest, void (*visit)(void *ctx, pfn_t frame), void *ctx)
{
	struct backed b = { visit, ctx };
	process_pages(h->guest[guest], page_backed, &b);
}

void hypervisor_counts(struct hypervisor *h, const struct machine *guest, struct result_nested *ret)
{
	ret->present = true;
	machine_counts(h->machine, &ret->mach);
	kernel_counts(h->kernel, &ret->kernel);
	machine_nested(guest, &ret->both);
	if (machine_n_tlbs(h->machine)) {
		struct tlb_counts t = machine_tlb_counts(h->machine, 0);
		ret->tlb_accesses = t.accesses;
		ret->tlb_hits = t.hits;
	}
}

const char *hypervisor_flaw(struct hypervisor *h)
{
	const char *flaw = kernel_flaw(h->kernel);
	return flaw ? flaw : machine_flaw(h->machine);
}
