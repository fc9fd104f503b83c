/* lab_explain.c - the story of the last access, and why it went so.
 *
 * Problem: figures tell that there was a fault and that a page left; a person who learns asks why, and why that page.
 * Idea: the story is told in the order in which hardware and kernel acted: address, TLB, tables, fault, room, translation, memory.
 * For the victim, the facts every policy judges by (arrival, last use, number of uses) are ranked among the pages that were in
 * memory with it, and stand beside the policy's own rule; so nothing is claimed that was not measured.
 *
 * 1. The facts are those of lab_access.c at the time of the fault: the pages that stayed, without the page that came. */
#include "lab_impl.h"
#include <string.h>

static const char *const kind_words[ACCESS_KINDS] = { "load from", "store to", "fetch from" };

/* What a fault of this cause means, and what the kernel does about it. */
static const char *const cause_story[FAULT_CAUSES] = {
	[FAULT_demand_zero] = "the page is mapped, but nothing was ever stored in it: demand paging gives it a frame, filled with "
		"zeros, only now",
	[FAULT_zero_page] = "nothing was ever stored in the page and it is only read: all such pages share one frame of zeros",
	[FAULT_file_read] = "the page belongs to a file and is not in memory: it is read from the disk",
	[FAULT_file_cached] = "the page belongs to a file and is in memory already, read for somebody else: only the translation is made",
	[FAULT_swap_in] = "the page had been evicted: its bytes are read back from swap",
	[FAULT_swap_cached] = "the page is still in memory, on its way out or read ahead: only the translation is made",
	[FAULT_copy_on_write] = "the page is shared until somebody writes to it: the writer gets a copy of its own",
	[FAULT_write_upgrade] = "the page was mapped read-only for bookkeeping, so that the first store is noticed: it may be written now",
	[FAULT_stack_growth] = "the address lies just below the stack: the stack grows by a page of zeros",
	[FAULT_remapped] = "the page is in memory, but its translation had been dropped: it is made again",
	[FAULT_accessed_dirty] = "this format leaves the accessed and dirty bits to software: they are set now",
};

/* ---- explain ---- */

static void story_address(struct lab *l, const struct computer_access *a)
{
	unsigned shift = lab_shift(l);
	fprintf(l->out, "a %s 0x%llx: page 0x%llx, offset 0x%llx (a page has 2^%u bytes)\n", kind_words[a->kind],
	        (unsigned long long)a->va.v, (unsigned long long)(a->va.v >> shift), (unsigned long long)(a->va.v & ((1ull << shift) - 1)),
	        shift);
}

static void story_fault(struct lab *l, const struct computer_access *a)
{
	fprintf(l->out, "page fault: %s", machine_fault_text(a->trap));
	if (a->n_faults > 1)
		fprintf(l->out, " (%u faults before the access could be made)", a->n_faults);
	fprintf(l->out, "\n");
	if (a->fault.outcome == FAULT_OUTCOME_RESOLVED)
		fprintf(l->out, "kernel: %s\n  a %s fault: it %s\n", cause_story[a->fault.cause], a->fault.major ? "major" : "minor",
		        a->fault.major ? "waited for the disk" : "needed no disk");
	else
		fprintf(l->out, "kernel: the access cannot be made: %s\n", a->fault.why ? a->fault.why : "no reason was given");
}

static void story_evictions(struct lab *l, const struct computer_access *a)
{
	for (unsigned i = 0; i < a->n_evictions && i < COMPUTER_EVICTIONS; i++) {
		const struct computer_eviction *e = &a->eviction[i];
		fprintf(l->out, "room: no frame was free, so page 0x%llx of %s left frame %llu; %s\n", (unsigned long long)e->page.v,
		        lab_process_name(l, e->pid, "a file"), (unsigned long long)e->frame.v,
		        e->dirty ? "it had been written to, so its bytes went out first"
		                 : "its bytes are elsewhere too, so nothing was written");
	}
}

static void story_translation(struct lab *l, const struct computer_access *a)
{
	if (a->n_faults)
		fprintf(l->out, "the access is made again:\n");
	if (a->tlb)
		fprintf(l->out, "TLB: %s holds the translation: no page table is read\n", a->tlb);
	else
		fprintf(l->out, "TLB: no TLB holds the translation: the page tables are walked%s\n",
		        a->n_faults ? "" : ", and the TLBs keep it");
	if (a->walk_reads)
		fprintf(l->out, "walk: %llu page-table entr%s read%s\n", (unsigned long long)a->walk_reads,
		        a->walk_reads == 1 ? "y was" : "ies were",
		        a->n_faults ? ", all tries together" : "");
	if (a->host_reads)
		fprintf(l->out,
		        "host: each of these entries, and the page itself, lies at an address that the host translates: %llu entries of "
		        "its tables were read\n", (unsigned long long)a->host_reads);
	fprintf(l->out, "frame %llu + offset = physical address 0x%llx\n", (unsigned long long)(a->pa.v >> lab_shift(l)),
	        (unsigned long long)a->pa.v);
}

enum lab_outcome lab_explain(struct lab *l, const struct lab_line *line)
{
	const struct computer_access *a = &l->last;
	if (line->n && strcmp(line->word[0], "last") != 0)
		return lab_fail(l,
		                "explain: '%s' cannot be explained; 'explain last' tells of the last access, 'walk ADDRESS' of an address",
		                line->word[0]);
	if (!l->has_last)
		return lab_fail(l, "nothing has been accessed yet");
	story_address(l, a);
	if (a->n_faults)
		story_fault(l, a);
	story_evictions(l, a);
	if (a->done)
		story_translation(l, a);
	return LAB_DONE;
}

/* ---- why ---- */

static void rank_tell(struct lab *l, uint64_t before, uint64_t others, const char *extreme, const char *relation)
{
	if (before == 0)
		fprintf(l->out, "%s of all\n", extreme);
	else
		fprintf(l->out, "%llu of the %llu that stayed %s\n", (unsigned long long)before, (unsigned long long)others, relation);
}

static void why_victim(struct lab *l, const struct computer_eviction *e)
{
	const struct policy_ops *policy = computer_options(l->computer)->policy;
	const struct lab_page *v = &l->victim;
	const struct lab_ranks r = l->ranks;
	fprintf(l->out, "page 0x%llx of %s had to leave: no frame was free, and the policy chose it\n", (unsigned long long)e->page.v,
	        lab_process_name(l, e->pid, "a file"));
	fprintf(l->out, "  policy %s: %s\n", policy->name, policy->variant);
	if (!r.known)
		return;
	fprintf(l->out, "  it came at reference %llu: ", (unsigned long long)v->arrived);
	rank_tell(l, r.earlier, r.others, "the earliest", "came before it");
	fprintf(l->out, "  it was used last at %llu: ", (unsigned long long)v->last_use);
	rank_tell(l, r.older, r.others, "the longest ago", "had not been used for longer");
	fprintf(l->out, "  it was used %llu time%s: ", (unsigned long long)v->uses, v->uses == 1 ? "" : "s");
	rank_tell(l, r.fewer, r.others, "no page less", "had been used less");
}

enum lab_outcome lab_why(struct lab *l, const struct lab_line *line)
{
	const struct computer_access *a = &l->fault;
	(void)line;
	if (!a->n_faults)
		return lab_fail(l, "no access has faulted yet");
	story_address(l, a);
	story_fault(l, a);
	if (a->n_evictions)
		why_victim(l, &a->eviction[0]);
	return LAB_DONE;
}
