/* run_result.c - from the counters of a run to its result.
 *
 * Problem.  Machine, kernel and driver each counted their part since the beginning; a result is one object, of the part after the
 * warm-up only.
 *
 * Idea.  Collect everything into the result's own shape; do it once at the end of the warm-up as well, and take that off.
 *
 * Invariants.
 *   1. Peaks and sizes are of the whole run: taking off makes no sense for them.
 *   2. A process or mapping is told from another by pid, start and name, so one that vanished meanwhile is taken off only from
 *      itself.
 *
 * Rejected: resetting counters in machine and kernel at the end of the warm-up (every room would need a second notion of zero). */
#include "run_impl.h"
#include "check.h"
#include "hypervisor.h"
#include "../base/mem.h"
#include <string.h>

/* Kernel counters that are sums over time, as opposed to levels and peaks. */
#define KERNEL_SUM_LIST(X) \
	X(evicted) X(written_back) X(refaults) X(readahead) X(readahead_used) X(faulted_around) X(oom_kills) X(synced) X(swap_reads) \
	X(swap_writes) X(modelled_ns)

static void kernel_take_off(struct kernel_counts *k, const struct kernel_counts *base)
{
	fault_counts_take_off(&k->faults, &base->faults);
#define X(name) k->name -= base->name;
	KERNEL_SUM_LIST(X)
#undef X
#define X(name, text) k->huge.name -= base->huge.name;
	HUGE_COUNT_LIST(X)
#undef X
}

/* Every member of machine_counts is a sum, and a 64-bit word. */
static void machine_take_off(struct machine_counts *m, const struct machine_counts *base)
{
	uint64_t to[sizeof *m / sizeof(uint64_t)], from[sizeof *m / sizeof(uint64_t)];
	_Static_assert(sizeof to == sizeof *m, "machine_counts is made of 64-bit counters only");
	memcpy(to, m, sizeof to);
	memcpy(from, base, sizeof from);
	for (size_t i = 0; i < sizeof to / sizeof *to; i++)
		to[i] -= from[i];
	memcpy(m, to, sizeof to);
}

static void nested_take_off(struct result_nested *n, const struct result_nested *base)
{
	machine_take_off(&n->mach, &base->mach);
	kernel_take_off(&n->kernel, &base->kernel);
	n->tlb_accesses -= base->tlb_accesses;
	n->tlb_hits -= base->tlb_hits;
	n->both.translations -= base->both.translations;
	n->both.host_references -= base->both.host_references;
	n->both.fractured -= base->both.fractured;
}

static void result_processes_take_off(struct result *r, const struct run_base *b)
{
	for (unsigned i = 0; i < b->n_processes && i < r->n_processes; i++) { /* in order of creation in both */
		struct result_process *p = &r->process[i];
		const struct result_process *base = &b->process[i];
		p->references -= base->references;
		p->refused -= base->refused;
		p->skipped -= base->skipped;
		fault_counts_take_off(&p->faults, &base->faults);
	}
}

static bool mapping_same(const struct result_mapping *a, const struct result_mapping *b)
{
	return a->pid == b->pid && a->start == b->start && strcmp(a->name, b->name) == 0;
}

/* A base mapping that is gone was merged into the gone one of its name and process. */
static struct result_mapping *mapping_of_base(struct result *r, const struct result_mapping *base)
{
	for (unsigned i = 0; i < r->n_mappings; i++)
		if (mapping_same(&r->mapping[i], base) && r->mapping[i].faults.total >= base->faults.total)
			return &r->mapping[i];
	for (unsigned i = 0; i < r->n_mappings; i++)
		if (r->mapping[i].pid == base->pid && strcmp(r->mapping[i].name, base->name) == 0 &&
		    r->mapping[i].faults.total >= base->faults.total && r->mapping[i].tlb_misses >= base->tlb_misses)
			return &r->mapping[i];
	return NULL;
}

static void result_mappings_take_off(struct result *r, const struct run_base *b)
{
	for (unsigned i = 0; i < b->n_mappings; i++) {
		struct result_mapping *m = mapping_of_base(r, &b->mapping[i]);
		if (!m)
			continue;
		fault_counts_take_off(&m->faults, &b->mapping[i].faults);
		m->tlb_misses -= m->tlb_misses < b->mapping[i].tlb_misses ? m->tlb_misses : b->mapping[i].tlb_misses;
	}
}

/* Visits of kernel_mappings: the list grows as it comes. */
struct gather {
	struct result *result;
	unsigned cap;
	enum pw_err err;
};

static enum pw_err gather_mapping(struct gather *g, const struct mapping_info *m)
{
	struct result *r = g->result;
	if (r->n_mappings == g->cap) {
		unsigned cap = g->cap ? g->cap * 2 : 64;
		struct result_mapping *grown = mem_realloc(r->mapping, cap, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		r->mapping = grown;
		g->cap = cap;
	}
	struct result_mapping *to = &r->mapping[r->n_mappings];
	*to = (struct result_mapping){ .pid = m->pid, .start = m->start.v, .bytes = m->bytes, .prot = m->prot, .faults = m->faults,
	                               .tlb_misses = m->walks, .resident_pages = m->resident_pages, .alive = m->alive };
	enum pw_err err = result_mapping_name(m->name ? m->name : "", &to->name, &to->file);
	r->n_mappings += err == PW_OK;
	return err;
}

static void gather_visit(void *ctx, const struct mapping_info *m)
{
	struct gather *g = ctx;
	if (g->err == PW_OK)
		g->err = gather_mapping(g, m);
}

static enum pw_err gather_processes(struct run *r, struct result *ret)
{
	ret->process = mem_zalloc(r->n_processes + 1, sizeof *ret->process);
	if (!ret->process)
		return PW_NOMEM;
	for (unsigned i = 0; i < r->n_processes; i++) {
		const struct run_process *from = &r->process[i];
		struct result_process *to = &ret->process[i];
		struct process_info info = { .command = "" };
		if (from->process)
			process_describe(from->process, &info);
		*to = (struct result_process){
			.pid = from->pid, .parent = from->parent, .references = from->references, .refused = from->refused,
			.skipped = from->skipped, .faults = info.faults, .resident_peak_pages = info.resident_peak_pages,
			.share_pages = info.share_pages,
			.killed = from->killed, .ended = from->ended, .exit_status = from->exit_status, .signal = from->signal,
		};
		to->command = mem_strdup(info.command ? info.command : "");
		ret->n_processes++;
		if (from->killed)
			to->killed_why = mem_strdup(info.killed ? info.killed : "no memory for even its page tables: its fork is refused");
		if (!to->command || (from->killed && !to->killed_why))
			return PW_NOMEM;
	}
	return PW_OK;
}

static enum pw_err gather_lists(struct run *r, struct result *ret)
{
	struct gather g = { .result = ret };
	kernel_mappings(r->kernel, gather_visit, &g);
	return g.err == PW_OK ? gather_processes(r, ret) : g.err;
}

void run_describe(const struct run *r, struct result *ret)
{
	ret->machine = (struct result_machine){
		.format = r->opt.format, .cpu = r->opt.cpu, .cpu_name = r->opt.cpu_name,
		.tlb_spec = r->opt.tlb_spec, .n_cpus = r->opt.n_cpus, .nested = r->opt.nested, .nested_tlb = r->opt.nested_tlb,
		.host_ram_bytes = r->opt.host_ram_bytes,
		.page_frames = r->opt.page_frames, .ram_bytes = r->opt.ram_bytes, .physical_frames = r->physical_frames,
		.policy = r->opt.policy, .refbits = r->opt.refbits, .personality = r->opt.personality,
		.replacement = r->opt.replacement, .allocation = r->opt.allocation, .overcommit = r->opt.overcommit,
		.huge = r->opt.huge, .fragment = r->opt.fragment, .scan = r->opt.scan,
		.cold_files = r->opt.cold_files, .swap = r->opt.swap, .cost = r->opt.cost, .limit = r->opt.limit,
		.warmup = r->opt.warmup, .tau = r->opt.tau, .quantum = r->opt.quantum,
		.load_control = r->opt.load_control,
	};
	policy_text(ret->machine.policy_spec, sizeof ret->machine.policy_spec, r->opt.policy, &r->opt.policy_params);
	ret->seed = r->opt.seed;
}

static void gather_counts(struct run *r, struct result *ret)
{
	const struct run_base *b = &r->base;
	machine_counts(r->machine, &ret->mach);
	kernel_counts(r->kernel, &ret->kernel);
	ret->n_tlbs = machine_n_tlbs(r->machine);
	for (unsigned i = 0; i < ret->n_tlbs; i++) {
		struct tlb_counts t = machine_tlb_counts(r->machine, i);
		ret->tlb[i] = (struct result_tlb){ .accesses = t.accesses, .hits = t.hits, .misses = t.misses };
		snprintf(ret->tlb[i].name, sizeof ret->tlb[i].name, "%s", t.name);
	}
	if (r->host)
		hypervisor_counts(r->host, r->machine, &ret->nested);
	if (b->taken && r->host)
		nested_take_off(&ret->nested, &b->nested);
	if (b->taken) {
		machine_take_off(&ret->mach, &b->machine);
		kernel_take_off(&ret->kernel, &b->kernel);
		for (unsigned i = 0; i < ret->n_tlbs; i++) {
			ret->tlb[i].accesses -= b->tlb[i].accesses;
			ret->tlb[i].hits -= b->tlb[i].hits;
			ret->tlb[i].misses -= b->tlb[i].misses;
		}
	}
	for (unsigned i = 0; i < ACCESS_KINDS; i++) {
		ret->refs.kind[i] = ret->mach.references[i];
		ret->refs.total += ret->mach.references[i];
	}
	ret->refs.refused = r->refused - b->refused;
	ret->refs.skipped = r->skipped - b->skipped;
	ret->refs.lost = r->lost - b->lost;
	if (r->load)
		load_result(r->load, &ret->load);
	if (r->sched)
		sched_counts(r->sched, &ret->sched);
#define X(name, text) ret->sched.name -= b->sched.name;
	SCHED_COUNT_LIST(X)
#undef X
	ret->fragmentation = kernel_fragmentation(r->kernel);
	ws_result(r->ws, &ret->ws);
}

/* Each lower TLB level is asked only after a miss above it, so its hits cost on top of the first look. */
static void gather_times(struct result *ret)
{
	const struct cost_model *c = &ret->machine.cost;
	struct result_times *t = &ret->times;
	uint64_t lower_hits = 0;
	for (unsigned i = 0; i < ret->n_tlbs; i++)
		for (unsigned j = 0; j < ret->machine.cpu.n_tlbs; j++)
			if (strcmp(ret->tlb[i].name, ret->machine.cpu.tlb[j].name) == 0) {
				lower_hits += ret->machine.cpu.tlb[j].level > 1 ? ret->tlb[i].hits : 0;
				break;
			}
	t->reference = ret->refs.total * c->reference;
	t->translation = lower_hits * c->tlb2_hit + (ret->mach.walk_references + ret->nested.mach.walk_references) * c->walk_reference +
	                 (ret->mach.dirty_updates + ret->nested.mach.dirty_updates) * c->dirty_update;
	t->fault = (ret->kernel.modelled_ns + ret->nested.kernel.modelled_ns) * c->clock_mhz / 1000;
	t->context_switch = ret->mach.context_switches * c->context_switch * c->clock_mhz / 1000;
	t->shootdown = ret->mach.shootdowns * c->shootdown + ret->mach.shootdown_interrupts * c->shootdown_interrupt;
	t->shootdown = t->shootdown * c->clock_mhz / 1000;
	t->total = t->reference + t->translation + t->fault + t->context_switch + t->shootdown;
}

static enum pw_err gather_input(struct run *r, struct result *ret)
{
	struct trace_info info = trace_describe(r->trace);
	struct pw_why why = { "" };
	ret->source = mem_strdup(info.source);
	ret->format = info.format;
	ret->records = info.records;
	ret->rejected = info.rejected;
	ret->rejected_at = info.rejected_at;
	ret->events_refused = r->events_refused;
	ret->input_error = trace_error(r->trace, &why);
	memcpy(ret->events_why, r->events_why, sizeof ret->events_why);
	snprintf(ret->input_error_text, sizeof ret->input_error_text, "%s", why.text);
	return ret->source ? PW_OK : PW_NOMEM;
}

enum pw_err run_base_take(struct run *r)
{
	struct result now = { 0 };
	enum pw_err err = gather_lists(r, &now);
	if (err != PW_OK) {
		result_fini(&now);
		return err;
	}
	struct run_base *b = &r->base;
	machine_counts(r->machine, &b->machine);
	kernel_counts(r->kernel, &b->kernel);
	for (unsigned i = 0; i < machine_n_tlbs(r->machine); i++)
		b->tlb[i] = machine_tlb_counts(r->machine, i);
	if (r->host)
		hypervisor_counts(r->host, r->machine, &b->nested);
	if (r->sched)
		sched_counts(r->sched, &b->sched);
	b->refused = r->refused;
	b->skipped = r->skipped;
	b->lost = r->lost;
	b->position = r->position;
	b->mapping = now.mapping;
	b->n_mappings = now.n_mappings;
	b->process = now.process;
	b->n_processes = now.n_processes;
	b->taken = true;
	return PW_OK;
}

void run_base_drop(struct run_base *b)
{
	struct result lists = { .mapping = b->mapping, .n_mappings = b->n_mappings, .process = b->process,
	                        .n_processes = b->n_processes };
	result_fini(&lists);
}

enum pw_err run_result(struct run *r, struct result *ret, struct pw_why *why)
{
	*ret = (struct result){ 0 };
	enum pw_err err = gather_lists(r, ret);
	if (err == PW_OK)
		err = gather_input(r, ret);
	if (err != PW_OK) {
		result_fini(ret);
		return pw_fail(why, err, "out of memory for the result");
	}
	run_describe(r, ret);
	gather_counts(r, ret);
	gather_times(ret);
	if (r->base.taken) {
		result_processes_take_off(ret, &r->base);
		result_mappings_take_off(ret, &r->base);
	}
	memcpy(ret->refusal, r->refusal, sizeof ret->refusal);
	ret->n_refusals = r->n_refusals;
	check_result(ret, r->position - r->base.position, kernel_flaw(r->kernel), machine_flaw(r->machine));
	const char *host_flaw = r->host ? hypervisor_flaw(r->host) : NULL;
	result_check(ret, !host_flaw, "host: %s", host_flaw ? host_flaw : "");
	result_check(ret, r->stuck == 0, "%llu references faulted again and again and were given up", (unsigned long long)r->stuck);
	return PW_OK;
}
