/* report.c - the text report.
 *
 * Problem.  A person wants to know what happened to the memory of a program, which figures are counted and which are modelled, and
 * whether they can be trusted.
 *
 * Idea.  One line for each figure: the number on the left, its name, then what it consists of.
 *
 *         18,922  faults                0.046 % of references: 12,520 minor, 6,402 major
 *         12,288    demand_zero         first touch of anonymous memory
 *
 * Tables of mappings and processes follow, then everything that went wrong, and last the line that says the sums were checked.
 *
 * 1. Numbers carry thousands separators, sizes binary units, modelled figures the word "modelled".
 * 2. A list that is cut says how much was left out.
 * 3. Nothing is computed here that is not a ratio or a sum of members of the result.
 *
 * Rejected: columns by kind of access (wide and mostly zero); the JSON has them. */
#include "report.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { REPORT_TOP = 8, REPORT_PROCESSES = 16, NUMBER = 40 };

struct report {
	const struct result *r;
	FILE *out;
	bool colour;
};

static const char *bold(const struct report *p) { return p->colour ? "\033[1m" : ""; }
static const char *red(const struct report *p) { return p->colour ? "\033[1;31m" : ""; }
static const char *plain(const struct report *p) { return p->colour ? "\033[0m" : ""; }

static uint64_t bytes_of(const struct result *r, uint64_t pages) { return pages << r->machine.format.page_shift; }

static void line(const struct report *p, const char *number, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void line(const struct report *p, const char *number, const char *name, const char *format, ...)
{
	va_list args;
	fprintf(p->out, "%s%16s%s  %-22s", bold(p), number, plain(p), name);
	va_start(args, format);
	vfprintf(p->out, format, args);
	va_end(args);
	fputc('\n', p->out);
}

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

/* A number of this size needs no more digits than this to be read. */
static const char *percent_text(char *buf, size_t size, uint64_t part, uint64_t whole)
{
	double v = percent(part, whole);
	snprintf(buf, size, v == 0 ? "%.0f %%" : v < 0.0001 ? "%.6f %%" : v < 0.1 ? "%.4f %%" : v < 10 ? "%.2f %%" : "%.1f %%", v);
	return buf;
}

static const char *seconds_text(char *buf, size_t size, double s)
{
	snprintf(buf, size, s < 1e-3 ? "%.1f us" : s < 1 ? "%.2f ms" : "%.2f s", s < 1e-3 ? s * 1e6 : s < 1 ? s * 1e3 : s);
	return buf;
}

static void head_command(const struct report *p)
{
	const struct result *r = p->r;
	fprintf(p->out, "\n%sVirtual memory of '", bold(p));
	if (r->program.present)
		for (unsigned i = 0; i < r->n_command; i++)
			fprintf(p->out, "%s%s", i ? " " : "", r->command[i]);
	else
		fprintf(p->out, "%s", r->source);
	fprintf(p->out, "'%s\n", plain(p));
}

static void head(const struct report *p)
{
	const struct result_machine *m = &p->r->machine;
	char page[NUMBER], ram[NUMBER];
	head_command(p);
	fprintf(p->out, "  machine   %s, pages of %s, ", m->format.name, text_bytes(page, sizeof page, 1ull << m->format.page_shift));
	if (m->page_frames)
		fprintf(p->out, "%s frames for pages", text_count(ram, sizeof ram, m->page_frames));
	else if (m->ram_bytes)
		fprintf(p->out, "%s of RAM", text_bytes(ram, sizeof ram, m->ram_bytes));
	else
		fprintf(p->out, "RAM without limit");
	fprintf(p->out, ", TLBs %s, %u CPU%s\n", m->tlb_spec ? m->tlb_spec : m->cpu_name, m->n_cpus, m->n_cpus == 1 ? "" : "s");
	const char *seeing = m->refbits == REFBITS_EXACT ? " seeing every reference" : " seeing accessed bits only";
	if (m->policy->sees == POLICY_SEES_NOTHING)
		seeing = "";
	else if (m->policy->wants_future)
		seeing = " seeing the future";
	const char *huge = m->huge == HUGE_always ? ", huge pages" : m->huge == HUGE_madvise ? ", huge pages where asked for" : "";
	const char *whose = m->replacement == REPLACEMENT_global ? "" : m->allocation == ALLOCATION_equal
	                    ? ", each process in its share, all equal" : ", each process in its share, by pages touched";
	fprintf(p->out, "  kernel    %s, %s%s%s, swap: %s%s\n\n", m->personality == PERSONALITY_linux ? "linux" : "textbook",
	        m->policy_spec, seeing, whose, m->swap, huge);
}

static void figure_references(const struct report *p)
{
	const struct result_refs *n = &p->r->refs;
	char total[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	line(p, text_count(total, sizeof total, n->total), "references", "%s loads, %s stores, %s fetches",
	     text_count(a, sizeof a, n->kind[ACCESS_LOAD]), text_count(b, sizeof b, n->kind[ACCESS_STORE]),
	     text_count(c, sizeof c, n->kind[ACCESS_FETCH]));
}

static void figure_cause(const struct report *p, enum fault_cause cause, uint64_t n)
{
	char count[NUMBER], name[NUMBER];
	snprintf(name, sizeof name, "  %s", fault_cause_name(cause));
	line(p, text_count(count, sizeof count, n), name, "%s", fault_cause_text(cause));
}

static void figure_faults(const struct report *p)
{
	const struct fault_counts *f = &p->r->kernel.faults;
	char total[NUMBER], a[NUMBER], b[NUMBER], share[NUMBER];
	line(p, text_count(total, sizeof total, f->total), "faults", "%s of references: %s minor, %s major",
	     percent_text(share, sizeof share, f->total, p->r->refs.total), text_count(a, sizeof a, f->minor),
	     text_count(b, sizeof b, f->major));
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		if (f->by_cause[i])
			figure_cause(p, i, f->by_cause[i]);
	if (f->protection)
		line(p, text_count(total, sizeof total, f->protection), "accesses refused", "see below");
}

static void figure_reclaim(const struct report *p)
{
	const struct kernel_counts *k = &p->r->kernel;
	char total[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	line(p, text_count(total, sizeof total, k->evicted), "evictions", "%s written back (%s), %s refaults",
	     text_count(a, sizeof a, k->written_back), text_bytes(b, sizeof b, bytes_of(p->r, k->written_back)),
	     text_count(c, sizeof c, k->refaults));
	if (k->readahead)
		line(p, text_count(total, sizeof total, k->readahead), "pages read ahead", "%s of them used",
		     text_count(a, sizeof a, k->readahead_used));
	if (k->faulted_around)
		line(p, text_count(total, sizeof total, k->faulted_around), "pages faulted around", "mapped with a neighbour's fault");
}

static void figure_memory(const struct report *p)
{
	const struct result *r = p->r;
	const struct kernel_counts *k = &r->kernel;
	const struct result_working_set *w = &r->ws;
	char n[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	line(p, text_bytes(n, sizeof n, bytes_of(r, k->resident_peak_pages)), "resident at peak",
	     "%s pages; %s pages were ever resident (%s)", text_count(a, sizeof a, k->resident_peak_pages),
	     text_count(b, sizeof b, k->touched_pages), text_bytes(c, sizeof c, bytes_of(r, k->touched_pages)));
	uint64_t mean = w->samples ? (w->sum_pages + w->samples / 2) / w->samples : 0;
	line(p, text_bytes(n, sizeof n, bytes_of(r, mean)), "working set", "mean over windows of %s references; peak %s, last %s",
	     text_count(a, sizeof a, w->tau), text_bytes(b, sizeof b, bytes_of(r, w->peak_pages)),
	     text_bytes(c, sizeof c, bytes_of(r, w->last_pages)));
	line(p, text_bytes(n, sizeof n, k->table_peak_bytes), "page tables", "at peak, beside the pages");
}

static void figure_huge(const struct report *p)
{
	const struct result *r = p->r;
	const struct kernel_counts *k = &r->kernel;
	char n[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	if (r->machine.huge == HUGE_never)
		return;
	line(p, text_bytes(n, sizeof n, bytes_of(r, k->huge_peak_pages)), "huge pages at peak",
	     "%s given at faults, %s promoted, %s split",
	     text_count(a, sizeof a, k->huge.faults), text_count(b, sizeof b, k->huge.promoted), text_count(c, sizeof c, k->huge.split));
	line(p, text_bytes(n, sizeof n, bytes_of(r, k->huge.filled_pages)), "  of it unasked for",
	     "came with a neighbour's fault: what bloat consists of");
	if (k->huge.fallbacks || k->huge.compactions || r->machine.fragment)
		line(p, text_count(n, sizeof n, k->huge.fallbacks), "  not to be had", "%s blocks compacted, %s pages moved; at the end "
		     "%.0f %% of free memory is in smaller pieces", text_count(a, sizeof a, k->huge.compactions),
		     text_count(b, sizeof b, k->huge.moved_pages), 100 * r->fragmentation);
}

static void figure_tlb(const struct report *p)
{
	const struct result *r = p->r;
	char n[NUMBER], a[NUMBER], share[NUMBER], name[NUMBER];
	for (unsigned i = 0; i < r->n_tlbs; i++) {
		const struct result_tlb *t = &r->tlb[i];
		if (!t->accesses)
			continue;
		snprintf(name, sizeof name, "TLB misses in %s", t->name);
		line(p, text_count(n, sizeof n, t->misses), name, "%s of its %s accesses",
		     percent_text(share, sizeof share, t->misses, t->accesses), text_count(a, sizeof a, t->accesses));
	}
}

static void figure_walks(const struct report *p)
{
	const struct result *r = p->r;
	const struct machine_counts *m = &r->mach;
	char n[NUMBER], a[NUMBER], levels[200] = "";
	size_t at = 0;
	for (unsigned i = 0; i < r->machine.format.levels && at < sizeof levels; i++)
		at += (size_t)snprintf(levels + at, sizeof levels - at, "%s%s", i ? ", " : "",
		                       text_count(a, sizeof a, m->walk_level[i]));
	line(p, text_count(n, sizeof n, m->walks), "page walks", "%.2f entries read each; from the leaf level up: %s",
	     m->walks ? (double)m->walk_references / (double)m->walks : 0.0, levels);
	if (m->context_switches > 1)
		line(p, text_count(n, sizeof n, m->context_switches), "context switches", "%s TLB flushes",
		     text_count(a, sizeof a, m->flushes));
}

static void figure_turns(const struct report *p)
{
	const struct sched_counts *c = &p->r->sched;
	char n[NUMBER], a[NUMBER], b[NUMBER], q[NUMBER];
	if (p->r->machine.quantum)
		line(p, text_count(n, sizeof n, c->turns), "turns", "of %s references; %s preempted, %s ended in waiting",
		     text_count(q, sizeof q, p->r->machine.quantum), text_count(a, sizeof a, c->preemptions),
		     text_count(b, sizeof b, c->waits));
}

/* With several CPUs: what a change of a page table costs the others. */
static void figure_shootdowns(const struct report *p)
{
	const struct machine_counts *m = &p->r->mach;
	char n[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	if (p->r->machine.n_cpus > 1)
		line(p, text_count(n, sizeof n, m->shootdowns), "TLB shootdowns", "%s CPUs interrupted, %s flushed later; %s entries lost",
		     text_count(a, sizeof a, m->shootdown_interrupts), text_count(b, sizeof b, m->shootdown_deferred),
		     text_count(c, sizeof c, m->shootdown_entries));
}

/* A guest: what its walks cost with the host's below them, and what its host had to do. */
static void figure_nested(const struct report *p)
{
	const struct result *r = p->r;
	const struct result_nested *n = &r->nested;
	char a[NUMBER], b[NUMBER], c[NUMBER], share[NUMBER];
	if (!n->present)
		return;
	uint64_t both = n->both.host_references + r->mach.walk_references;
	line(p, text_count(a, sizeof a, n->both.translations), "nested translations", "%.2f entries a walk of both stages, %" PRIu64
	     " at most; %s found in the nested TLB", r->mach.walks ? (double)both / (double)r->mach.walks : 0.0, n->both.most,
	     percent_text(share, sizeof share, n->tlb_hits, n->tlb_accesses));
	line(p, text_count(a, sizeof a, n->kernel.faults.total), "host faults", "%s major; %s evictions, %s written back",
	     text_count(b, sizeof b, n->kernel.faults.major), text_count(c, sizeof c, n->kernel.evicted),
	     text_count(share, sizeof share, n->kernel.written_back));
}

static void figure_time(const struct report *p)
{
	const struct result *r = p->r;
	const struct result_times *t = &r->times;
	char n[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	line(p, seconds_text(n, sizeof n, result_ns(r, t->total) * 1e-9), "modelled time", "%s references + %s translation + %s faults",
	     seconds_text(a, sizeof a, result_ns(r, t->reference) * 1e-9),
	     seconds_text(b, sizeof b, result_ns(r, t->translation) * 1e-9),
	     seconds_text(c, sizeof c, result_ns(r, t->fault + t->context_switch + t->shootdown) * 1e-9));
	fprintf(p->out, "%40sassuming %.1f GHz, %" PRIu64 " cycle a reference, %" PRIu64 " a lower TLB hit, %" PRIu64
	        " a table entry;\n%40s%" PRIu64 " ns a minor fault; data caches are not modelled (--cost changes all)\n", "",
	        (double)r->machine.cost.clock_mhz / 1000, r->machine.cost.reference, r->machine.cost.tlb2_hit,
	        r->machine.cost.walk_reference, "", r->machine.cost.fault_minor);
}

/* Mappings as rows: those of one name and process are one row. */
struct row {
	uint32_t pid;
	const char *name;
	uint64_t faults, major, misses, bytes;
};

static int row_by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	return x->pid != y->pid ? (x->pid < y->pid ? -1 : 1) : strcmp(x->name, y->name);
}

static int row_compare(uint64_t x, uint64_t y, const void *a, const void *b)
{
	return x != y ? (x > y ? -1 : 1) : row_by_key(a, b);
}

static int row_by_faults(const void *a, const void *b)
{
	return row_compare(((const struct row *)a)->faults, ((const struct row *)b)->faults, a, b);
}

static int row_by_misses(const void *a, const void *b)
{
	return row_compare(((const struct row *)a)->misses, ((const struct row *)b)->misses, a, b);
}

static unsigned rows_merge(struct row *row, unsigned n)
{
	unsigned kept = 0;
	qsort(row, n, sizeof *row, row_by_key);
	for (unsigned i = 0; i < n; i++) {
		if (kept && row_by_key(&row[kept - 1], &row[i]) == 0) {
			row[kept - 1].faults += row[i].faults;
			row[kept - 1].major += row[i].major;
			row[kept - 1].misses += row[i].misses;
			row[kept - 1].bytes += row[i].bytes;
		} else {
			row[kept++] = row[i];
		}
	}
	return kept;
}

static void table_mappings(const struct report *p, const struct row *row, unsigned n, bool misses)
{
	char a[NUMBER], b[NUMBER], c[NUMBER];
	unsigned shown = 0;
	uint64_t total = 0, rest = 0;
	for (unsigned i = 0; i < n; i++)
		total += misses ? row[i].misses : row[i].faults;
	if (!total)
		return;
	fprintf(p->out, "\n%s%16s           %s%s\n", bold(p), misses ? "TLB misses" : "faults",
	        misses ? "mapping" : "mapping                           major      size", plain(p));
	for (unsigned i = 0; i < n; i++) {
		uint64_t count = misses ? row[i].misses : row[i].faults;
		if (shown == REPORT_TOP || !count) {
			rest += count;
			continue;
		}
		shown++;
		bool alone = misses && p->r->n_processes <= 1; /* nothing follows the name */
		fprintf(p->out, "%16s  %5.1f %% %-*s", text_count(a, sizeof a, count), percent(count, total), alone ? 0 : 28,
		        row[i].name);
		if (!misses)
			fprintf(p->out, " %10s %9s", text_count(b, sizeof b, row[i].major), text_bytes(c, sizeof c, row[i].bytes));
		if (p->r->n_processes > 1)
			fprintf(p->out, "  process %u", row[i].pid);
		fputc('\n', p->out);
	}
	if (rest)
		fprintf(p->out, "%16s  %5.1f %% [%u others; --json has them all]\n", text_count(a, sizeof a, rest), percent(rest, total),
		        n - shown);
}

static void tables_of_mappings(const struct report *p)
{
	const struct result *r = p->r;
	if (!r->n_mappings || (r->n_mappings == 1 && !r->program.present))
		return;
	struct row *row = mem_zalloc(r->n_mappings, sizeof *row);
	if (!row) {
		fprintf(p->out, "\n(out of memory for the tables of mappings)\n");
		return;
	}
	for (unsigned i = 0; i < r->n_mappings; i++) {
		const struct result_mapping *m = &r->mapping[i];
		row[i] = (struct row){ m->pid, m->name, m->faults.total, m->faults.major, m->tlb_misses, m->bytes };
	}
	unsigned n = rows_merge(row, r->n_mappings);
	qsort(row, n, sizeof *row, row_by_faults);
	table_mappings(p, row, n, false);
	qsort(row, n, sizeof *row, row_by_misses);
	table_mappings(p, row, n, true);
	mem_free(row);
}

static const char *process_end(char *buf, size_t size, const struct result_process *q)
{
	if (q->killed)
		snprintf(buf, size, "killed: out of memory");
	else if (!q->ended)
		snprintf(buf, size, "running");
	else if (q->signal)
		snprintf(buf, size, "signal %d", q->signal);
	else
		snprintf(buf, size, "exit %d", q->exit_status);
	return buf;
}

static void table_processes(const struct report *p)
{
	const struct result *r = p->r;
	char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER], end[NUMBER];
	if (r->n_processes < 2)
		return;
	fprintf(p->out, "\n%s%16s  %10s %10s %10s  %-7s %-9s command%s\n", bold(p), "references", "faults", "major", "peak", "process",
	        "end", plain(p));
	for (unsigned i = 0; i < r->n_processes && i < REPORT_PROCESSES; i++) {
		const struct result_process *q = &r->process[i];
		const char *base = strrchr(q->command, '/');
		fprintf(p->out, "%16s  %10s %10s %10s  %-7u %-9s %s\n", text_count(a, sizeof a, q->references),
		        text_count(b, sizeof b, q->faults.total), text_count(c, sizeof c, q->faults.major),
		        text_bytes(d, sizeof d, bytes_of(r, q->resident_peak_pages)), q->pid, process_end(end, sizeof end, q),
		        base ? base + 1 : q->command);
	}
	if (r->n_processes > REPORT_PROCESSES)
		fprintf(p->out, "%16s  [%u others; --json has them all]\n", "", r->n_processes - REPORT_PROCESSES);
}

static void trouble_refusals(const struct report *p)
{
	static const char *const kinds[ACCESS_KINDS] = { "load from", "store to", "fetch from" };
	const struct result *r = p->r;
	char n[NUMBER];
	if (!r->refs.refused)
		return;
	fprintf(p->out, "\n%s%s accesses were refused%s (SIGSEGV or SIGBUS; what the program did about it is in its references)\n", red(p),
	        text_count(n, sizeof n, r->refs.refused), plain(p));
	for (unsigned i = 0; i < r->n_refusals; i++)
		fprintf(p->out, "  process %u, reference %s: %s 0x%" PRIx64 ": %s\n", r->refusal[i].pid,
		        text_count(n, sizeof n, r->refusal[i].at), kinds[r->refusal[i].kind], r->refusal[i].address, r->refusal[i].why);
	if (r->refs.refused > r->n_refusals)
		fprintf(p->out, "  [%s others]\n", text_count(n, sizeof n, r->refs.refused - r->n_refusals));
}

static void trouble_input(const struct report *p)
{
	const struct result *r = p->r;
	char n[NUMBER], at[NUMBER];
	if (r->rejected)
		fprintf(p->out, "\n%s%s records of %s made no sense and were left out%s; the first is number %s\n", red(p),
		        text_count(n, sizeof n, r->rejected), r->source, plain(p), text_count(at, sizeof at, r->rejected_at));
	if (r->events_refused)
		fprintf(p->out, "\n%s%s events of the trace were refused%s; the first: %s\n", red(p),
		        text_count(n, sizeof n, r->events_refused), plain(p), r->events_why);
	if (r->refs.lost)
		fprintf(p->out, "\n%s%s references were lost while recording%s\n", red(p), text_count(n, sizeof n, r->refs.lost), plain(p));
	if (r->input_error != PW_OK)
		fprintf(p->out, "\n%sthe input ended early%s: %s\n", red(p), plain(p),
		        *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	if (r->interrupted)
		fprintf(p->out, "\n%sinterrupted%s: this is what ran until then\n", red(p), plain(p));
}

static void trouble_load(const struct report *p)
{
	const struct result_load *l = &p->r->load;
	char n[NUMBER], a[NUMBER], b[NUMBER];
	if (!p->r->machine.load_control)
		return;
	if (!l->detections) {
		fprintf(p->out, "\nmemory did not thrash: nobody was suspended\n");
		return;
	}
	fprintf(p->out, "\n%smemory thrashed%s: processes were suspended %s times, %s pages went with them, %s times one came back\n",
	        red(p), plain(p), text_count(n, sizeof n, l->suspensions), text_count(a, sizeof a, l->swapped_pages),
	        text_count(b, sizeof b, l->resumptions));
	for (unsigned i = 0; i < l->n_events && i < RESULT_LOADS; i++)
		fprintf(p->out, "  reference %s: %s\n", text_count(n, sizeof n, l->event[i].at), l->event[i].text);
	if (l->n_events > RESULT_LOADS)
		fprintf(p->out, "  [%s others]\n", text_count(n, sizeof n, l->n_events - RESULT_LOADS));
}

static void trouble_memory(const struct report *p)
{
	const struct result *r = p->r;
	char n[NUMBER];
	for (unsigned i = 0; i < r->n_processes; i++)
		if (r->process[i].killed)
			fprintf(p->out, "\n%sprocess %u was killed for want of simulated memory%s: its other %s references were skipped; "
			        "the real program ran on\n  %s\n", red(p), r->process[i].pid, plain(p),
			        text_count(n, sizeof n, r->process[i].skipped), r->process[i].killed_why);
}

static void ending(const struct report *p)
{
	const struct result_program *g = &p->r->program;
	char took[NUMBER];
	if (g->present && g->signal)
		fprintf(p->out, "\n%sthe program was killed by signal %d%s (%s)\n", red(p), g->signal, plain(p), strsignal(g->signal));
	else if (g->present && g->exit_status)
		fprintf(p->out, "\nthe program ended with status %d\n", g->exit_status);
	fprintf(p->out, "\n  took %s on this computer: %.1f million references a second\n", seconds_text(took, sizeof took, g->wall_s),
	        g->wall_s > 0 ? (double)p->r->refs.total / g->wall_s * 1e-6 : 0.0);
}

static void checks(const struct report *p)
{
	const struct result_checks *c = &p->r->checks;
	if (!c->n_failed) {
		fprintf(p->out, "  checked: %u laws hold (hits + misses = references, causes add up to faults, frames are conserved)\n",
		        c->passed);
		return;
	}
	fprintf(p->out, "%s  %u CHECKS FAILED%s, %u passed: do not trust these figures\n", red(p), c->n_failed, plain(p), c->passed);
	for (unsigned i = 0; i < c->n_failed && i < RESULT_CHECKS_FAILED; i++)
		fprintf(p->out, "    %s\n", c->failed[i]);
}

void report_write(const struct result *r, FILE *out, bool colour)
{
	struct report p = { r, out, colour };
	head(&p);
	figure_references(&p);
	figure_faults(&p);
	figure_reclaim(&p);
	figure_memory(&p);
	figure_huge(&p);
	figure_tlb(&p);
	figure_walks(&p);
	figure_turns(&p);
	figure_shootdowns(&p);
	figure_nested(&p);
	figure_time(&p);
	tables_of_mappings(&p);
	table_processes(&p);
	trouble_refusals(&p);
	trouble_load(&p);
	trouble_memory(&p);
	trouble_input(&p);
	ending(&p);
	checks(&p);
}
