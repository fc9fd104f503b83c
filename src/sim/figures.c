/* figures.c - what machine and kernel count, as a tree of names.
 *
 * Problem: a session and the library must answer for any figure by the name it has in a result object, at any moment.
 * Idea: the same names, made from the counters as they stand; what counts is told from a base on, what is a state as it is.
 *
 * 1. A name that is also in a result object means the same there. */
#include "computer.h"
#include "hypervisor.h"

static const struct computer_base zeros;

static void put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void computer_base_take(struct computer *c, struct computer_base *ret)
{
	const struct machine *m = computer_machine(c);
	machine_counts(m, &ret->machine);
	kernel_counts(computer_kernel(c), &ret->kernel);
	for (unsigned i = 0; i < machine_n_tlbs(m); i++)
		ret->tlb[i] = machine_tlb_counts(m, i);
}

json_t *fault_figures(const struct fault_counts *f, const struct fault_counts *base)
{
	json_t *faults = json_object(), *causes = json_object();
	base = base ? base : &zeros.kernel.faults;
	put(faults, "total", f->total - base->total);
	put(faults, "minor", f->minor - base->minor);
	put(faults, "major", f->major - base->major);
	put(faults, "protection", f->protection - base->protection);
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		put(causes, fault_cause_name(i), f->by_cause[i] - base->by_cause[i]);
	json_object_set_new(faults, "by_cause", causes);
	return faults;
}

static json_t *reference_figures(const struct machine_counts *m, const struct machine_counts *base)
{
	static const char *const names[ACCESS_KINDS] = { "loads", "stores", "fetches" };
	json_t *refs = json_object();
	uint64_t total = 0;
	for (unsigned i = 0; i < ACCESS_KINDS; i++) {
		put(refs, names[i], m->references[i] - base->references[i]);
		total += m->references[i] - base->references[i];
	}
	put(refs, "total", total);
	return refs;
}

static json_t *tlb_figures(const struct machine *m, const struct computer_base *base)
{
	json_t *tlbs = json_array();
	for (unsigned i = 0; i < machine_n_tlbs(m); i++) {
		struct tlb_counts t = machine_tlb_counts(m, i);
		json_t *tlb = json_object();
		json_object_set_new(tlb, "name", json_string(t.name));
		put(tlb, "accesses", t.accesses - base->tlb[i].accesses);
		put(tlb, "hits", t.hits - base->tlb[i].hits);
		put(tlb, "misses", t.misses - base->tlb[i].misses);
		json_array_append_new(tlbs, tlb);
	}
	return tlbs;
}

static json_t *shootdown_figures(const struct machine_counts *m, const struct machine_counts *base)
{
	json_t *shootdowns = json_object();
	put(shootdowns, "count", m->shootdowns - base->shootdowns);
	put(shootdowns, "interrupts", m->shootdown_interrupts - base->shootdown_interrupts);
	put(shootdowns, "deferred", m->shootdown_deferred - base->shootdown_deferred);
	put(shootdowns, "entries", m->shootdown_entries - base->shootdown_entries);
	return shootdowns;
}

void machine_figures(const struct machine *m, const struct computer_base *base, json_t *root)
{
	struct machine_counts c;
	json_t *walks = json_object();
	base = base ? base : &zeros;
	machine_counts(m, &c);
	json_object_set_new(root, "references", reference_figures(&c, &base->machine));
	put(walks, "count", c.walks - base->machine.walks);
	put(walks, "memory_references", c.walk_references - base->machine.walk_references);
	json_object_set_new(root, "walks", walks);
	json_object_set_new(root, "tlb", tlb_figures(m, base));
	put(root, "switches", c.context_switches - base->machine.context_switches);
	put(root, "flushes", c.flushes - base->machine.flushes);
	if (machine_n_cpus(m) > 1)
		json_object_set_new(root, "shootdowns", shootdown_figures(&c, &base->machine));
}

uint64_t computer_free_frames(struct computer *c)
{
	struct kernel_counts k;
	uint64_t limit = computer_options(c)->page_frames;
	kernel_counts(computer_kernel(c), &k);
	return limit ? limit - k.resident_pages : k.free_frames;
}

/* A guest's host, from the beginning of the machine on. */
static void host_figures(struct computer *c, json_t *root)
{
	struct result_nested n = { .present = false };
	if (!computer_host(c))
		return;
	json_t *nested = json_object();
	hypervisor_counts(computer_host(c), computer_machine(c), &n);
	put(nested, "translations", n.both.translations);
	put(nested, "host_references", n.both.host_references);
	put(nested, "combined_references_most", n.both.most);
	put(nested, "fractured", n.both.fractured);
	put(nested, "tlb_accesses", n.tlb_accesses);
	put(nested, "tlb_hits", n.tlb_hits);
	put(nested, "host_faults", n.kernel.faults.total);
	put(nested, "host_evicted", n.kernel.evicted);
	json_object_set_new(root, "nested", nested);
}

static json_t *huge_figures(const struct kernel_counts *k, const struct kernel_counts *base)
{
	json_t *huge = json_object();
#define X(name, text) put(huge, #name, k->huge.name - base->huge.name);
	HUGE_COUNT_LIST(X)
#undef X
	put(huge, "resident_pages", k->huge_pages);
	return huge;
}

void computer_figures(struct computer *c, const struct computer_base *base, json_t *root)
{
	struct kernel_counts k;
	const struct kernel_counts *b = base ? &base->kernel : &zeros.kernel;
	json_t *reclaim = json_object(), *memory = json_object(), *swap = json_object();
	kernel_counts(computer_kernel(c), &k);
	machine_figures(computer_machine(c), base, root);
	json_object_set_new(root, "faults", fault_figures(&k.faults, &b->faults));
	put(reclaim, "evicted", k.evicted - b->evicted);
	put(reclaim, "written_back", k.written_back - b->written_back);
	put(reclaim, "refaults", k.refaults - b->refaults);
	put(reclaim, "oom_kills", k.oom_kills - b->oom_kills);
	put(memory, "resident_pages", k.resident_pages);
	put(memory, "free_frames", computer_free_frames(c));
	put(memory, "page_table_bytes", k.table_bytes);
	put(memory, "touched_pages", k.touched_pages);
	put(swap, "used", k.swap_used_slots);
	put(swap, "reads", k.swap_reads - b->swap_reads);
	put(swap, "writes", k.swap_writes - b->swap_writes);
	put(root, "modelled_ns", k.modelled_ns - b->modelled_ns);
	host_figures(c, root);
	if (computer_options(c)->huge != HUGE_never)
		json_object_set_new(root, "huge", huge_figures(&k, b));
	json_object_set_new(root, "reclaim", reclaim);
	json_object_set_new(root, "memory", memory);
	json_object_set_new(root, "swap", swap);
}
