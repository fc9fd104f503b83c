/* check.c - the laws that every run must keep, with its own numbers.
 *
 * Problem.  A simulator that miscounts still prints plausible figures.
 * Idea.  Each figure is counted in at least two places: by the machine, by the kernel, by the driver, by the trace.  The laws between
 * them are checked after every run, not only in tests, and the report says so.
 *
 * Invariants checked, in order:
 *   1. TLB: at each level hits + misses = accesses; what misses one level is what the next is asked; the first is asked once for
 *      each reference.
 *   2. References: loads + stores + fetches = done; done + refused + skipped = taken from the trace.
 *   3. Faults: the causes add up; minor + major = total; the sum over processes is the total, and so is the sum over mappings.
 *   4. Walks: the last TLB level's misses are at most the walks; entries read add up over the levels.
 *   5. Frames and slots are conserved, and no TLB contradicts the tables: the kernel's and the machine's own checks. */
#include "check.h"
#include <inttypes.h>

static void check_tlb(struct result *r)
{
	for (unsigned i = 0; i < r->n_tlbs; i++) {
		const struct result_tlb *t = &r->tlb[i];
		result_check(r, t->hits + t->misses == t->accesses,
		             "TLB %s: %" PRIu64 " hits and %" PRIu64 " misses are not its %" PRIu64 " accesses",
		             t->name, t->hits, t->misses, t->accesses);
	}
}

static void check_references(struct result *r, uint64_t consumed)
{
	const struct result_refs *n = &r->refs;
	uint64_t kinds = 0, processes = 0;
	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		kinds += n->kind[i];
	for (unsigned i = 0; i < r->n_processes; i++)
		processes += r->process[i].references;
	result_check(r, kinds == n->total, "%" PRIu64 " loads, stores and fetches, but %" PRIu64 " references", kinds, n->total);
	result_check(r, n->total + n->refused + n->skipped == consumed,
	             "%" PRIu64 " references done, %" PRIu64 " refused and %" PRIu64 " skipped are not the %" PRIu64 " of the trace",
	             n->total, n->refused, n->skipped, consumed);
	result_check(r, processes == n->total, "the processes made %" PRIu64 " references, the machine did %" PRIu64, processes, n->total);
}

static uint64_t check_cause_sum(const struct fault_counts *f)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		sum += f->by_cause[i];
	return sum;
}

static void check_faults(struct result *r)
{
	const struct fault_counts *f = &r->kernel.faults;
	uint64_t causes = check_cause_sum(f), processes = 0, mappings = 0;
	for (unsigned i = 0; i < r->n_processes; i++)
		processes += r->process[i].faults.total;
	for (unsigned i = 0; i < r->n_mappings; i++)
		mappings += r->mapping[i].faults.total;
	result_check(r, causes == f->total, "the causes add up to %" PRIu64 " faults, not %" PRIu64, causes, f->total);
	result_check(r, f->minor + f->major == f->total, "%" PRIu64 " minor and %" PRIu64 " major faults are not %" PRIu64,
	             f->minor, f->major, f->total);
	result_check(r, f->protection == r->refs.refused, "the kernel refused %" PRIu64 " accesses, the driver saw %" PRIu64,
	             f->protection, r->refs.refused);
	result_check(r, processes == f->total, "the processes had %" PRIu64 " faults, the kernel served %" PRIu64, processes, f->total);
	result_check(r, mappings == f->total, "the mappings had %" PRIu64 " faults, the kernel served %" PRIu64, mappings, f->total);
}

static void check_walks(struct result *r)
{
	const struct machine_counts *m = &r->mach;
	uint64_t entries = 0, walks = 0;
	for (unsigned i = 0; i < PTFMT_LEVELS; i++)
		entries += m->walk_level[i];
	for (unsigned i = 0; i < r->n_mappings; i++)
		walks += r->mapping[i].tlb_misses;
	result_check(r, entries == m->walk_references, "walks read %" PRIu64 " entries at their levels, but %" PRIu64 " in all", entries,
	             m->walk_references);
	result_check(r, walks <= m->walks, "the mappings' pages ended %" PRIu64 " walks, but there were only %" PRIu64, walks, m->walks);
}

static void check_frames(struct result *r, const char *kernel_text, const char *machine_text)
{
	const struct kernel_counts *k = &r->kernel;
	uint64_t tables = k->table_bytes >> r->machine.format.page_shift;
	result_check(r, k->resident_pages + k->free_frames <= r->machine.physical_frames,
	             "%" PRIu64 " resident pages and %" PRIu64 " free frames are more than the %" PRIu64 " frames of memory",
	             k->resident_pages, k->free_frames, r->machine.physical_frames);
	result_check(r, k->resident_pages + k->free_frames + tables <= r->machine.physical_frames,
	             "%" PRIu64 " resident pages, %" PRIu64 " free frames and %" PRIu64 " of page tables are more than memory has",
	             k->resident_pages, k->free_frames, tables);
	result_check(r, !r->machine.page_frames || k->resident_peak_pages <= r->machine.page_frames,
	             "%" PRIu64 " pages were resident at once in %" PRIu64 " frames", k->resident_peak_pages, r->machine.page_frames);
	result_check(r, !kernel_text, "kernel: %s", kernel_text ? kernel_text : "");
	result_check(r, !machine_text, "machine: %s", machine_text ? machine_text : "");
}

void check_result(struct result *r, uint64_t consumed, const char *kernel_flaw_text, const char *machine_flaw_text)
{
	check_tlb(r);
	check_references(r, consumed);
	check_faults(r);
	check_walks(r);
	check_frames(r, kernel_flaw_text, machine_flaw_text);
}
