/* tlb_report.c - tables of misses, and what they mean in words.
 *
 * Problem.  A person asks three things: which size of TLB suffices, would larger pages help, and why does it miss.
 *
 * Idea.  One table of page sizes against entries answers the first two at a glance, in misses for each thousand references; one of
 * ways against entries for the smallest pages, with the causes beside it, answers the third.
 *
 * 1. Nothing is computed here that is not a ratio or a sum of members of the result.
 * 2. A number that is not zero is never shown as zero. */
#include "tlb_report.h"
#include "../base/text.h"
#include <inttypes.h>
#include <string.h>

enum { NUMBER = 40 };

struct report {
	const struct tlb_result *r;
	FILE *out;
	bool colour;
};

static const char *bold(const struct report *p) { return p->colour ? "\033[1m" : ""; }
static const char *red(const struct report *p) { return p->colour ? "\033[1;31m" : ""; }
static const char *plain(const struct report *p) { return p->colour ? "\033[0m" : ""; }

static const char *size_word(char *buf, size_t size, uint64_t bytes)
{
	const char *unit = bytes >= 1ull << 30 ? "G" : bytes >= 1 << 20 ? "M" : bytes >= 1 << 10 ? "K" : "";
	uint64_t n = bytes >= 1ull << 30 ? bytes >> 30 : bytes >= 1 << 20 ? bytes >> 20 : bytes >= 1 << 10 ? bytes >> 10 : bytes;
	snprintf(buf, size, "%" PRIu64 "%s", n, unit);
	return buf;
}

/* Misses for each thousand references. */
static const char *rate(char *buf, size_t size, uint64_t n, uint64_t references)
{
	double v = references ? 1000.0 * (double)n / (double)references : 0;
	if (n == 0)
		snprintf(buf, size, "0");
	else if (v < 0.001)
		snprintf(buf, size, "<0.001");
	else
		snprintf(buf, size, v < 10 ? "%.3f" : v < 100 ? "%.2f" : "%.1f", v);
	return buf;
}

static void head(const struct report *p)
{
	const struct result *h = &p->r->head;
	char n[NUMBER], a[NUMBER], b[NUMBER], c[NUMBER];
	fprintf(p->out, "\n%sTLBs for '", bold(p));
	if (h->program.present)
		for (unsigned i = 0; i < h->n_command; i++)
			fprintf(p->out, "%s%s", i ? " " : "", h->command[i]);
	else
		fprintf(p->out, "%s", h->source);
	fprintf(p->out, "'%s\n  %s references: %s loads, %s stores, %s fetches\n", plain(p), text_count(n, sizeof n, h->refs.total),
	        text_count(a, sizeof a, h->refs.kind[ACCESS_LOAD]), text_count(b, sizeof b, h->refs.kind[ACCESS_STORE]),
	        text_count(c, sizeof c, h->refs.kind[ACCESS_FETCH]));
	fprintf(p->out, "  one level, LRU, data and instructions together, %s; walk caches of %s\n\n", h->machine.format.name,
	        h->machine.cpu_name);
}

static bool shape_is_full(const struct tlb_shape *s) { return s->ways == s->entries; }

/* The smallest TLB behind which walks cost less than a hundredth of what the references themselves do.  => NULL: none of the table */
static const struct tlb_point *point_enough(const struct tlb_result *r, const struct tlb_size *z)
{
	const struct cost_model *c = &r->head.machine.cost;
	const struct tlb_point *best = NULL;
	for (unsigned k = 0; k < z->n_points; k++) {
		const struct tlb_point *q = &z->point[k];
		if (shape_is_full(&q->shape) && (!best || q->shape.entries < best->shape.entries) &&
		    q->reads * c->walk_reference * 100 < r->head.refs.total * c->reference)
			best = q;
	}
	return best;
}

static void table_sizes(const struct report *p)
{
	const struct tlb_result *r = p->r;
	char a[NUMBER];
	fprintf(p->out, "%sMisses for 1000 references%s, fully associative, by page size\n\n%s  entries", bold(p), plain(p), bold(p));
	for (unsigned i = 0; i < r->n_sizes; i++)
		fprintf(p->out, "%10s", size_word(a, sizeof a, r->size[i].page_bytes));
	fprintf(p->out, "%s\n", plain(p));
	for (unsigned k = 0; k < r->size[0].n_points; k++) {
		if (!shape_is_full(&r->size[0].point[k].shape))
			continue;
		fprintf(p->out, "%9u", r->size[0].point[k].shape.entries);
		for (unsigned i = 0; i < r->n_sizes; i++)
			fprintf(p->out, "%10s", rate(a, sizeof a, r->size[i].point[k].misses, r->head.refs.total));
		fputc('\n', p->out);
	}
	fprintf(p->out, "  no less");
	for (unsigned i = 0; i < r->n_sizes; i++)
		fprintf(p->out, "%10s", rate(a, sizeof a, r->size[i].cold + r->size[i].flushed, r->head.refs.total));
	fprintf(p->out, "   first touches and lost translations: no TLB avoids them\n    pages");
	for (unsigned i = 0; i < r->n_sizes; i++)
		fprintf(p->out, "%10" PRIu64, r->size[i].pages);
	fprintf(p->out, "   different ones\n%s   enough", bold(p));
	for (unsigned i = 0; i < r->n_sizes; i++) {
		const struct tlb_point *q = point_enough(r, &r->size[i]);
		snprintf(a, sizeof a, "%u", q ? q->shape.entries : 0);
		fprintf(p->out, "%10s", q ? a : "-");
	}
	fprintf(p->out, "%s   entries from which walks cost less than 1 %% (modelled)\n", plain(p));
}

static const struct tlb_point *point_of(const struct tlb_size *z, uint32_t entries, uint32_t ways)
{
	for (unsigned k = 0; k < z->n_points; k++)
		if (z->point[k].shape.entries == entries && z->point[k].shape.ways == ways)
			return &z->point[k];
	return NULL;
}

static unsigned ways_of(const struct tlb_size *z, uint32_t ways[], unsigned most)
{
	unsigned n = 0;
	for (unsigned k = 0; k < z->n_points; k++) {
		const struct tlb_shape *s = &z->point[k].shape;
		unsigned i = 0;
		while (i < n && ways[i] != s->ways)
			i++;
		if (i == n && n < most && s->ways != s->entries)
			ways[n++] = s->ways;
	}
	return n;
}

static void table_ways(const struct report *p, const struct tlb_size *z)
{
	uint32_t ways[16];
	unsigned n = ways_of(z, ways, 16);
	uint64_t all = p->r->head.refs.total;
	char a[NUMBER];
	fprintf(p->out, "\n%sPages of %s, by ways%s, misses for 1000 references\n\n%s  entries", bold(p),
	        size_word(a, sizeof a, z->page_bytes), plain(p), bold(p));
	for (unsigned i = 0; i < n; i++)
		fprintf(p->out, "%10u", ways[i]);
	fprintf(p->out, "      full       %10s%10s   entries read by a walk%s\n", "no less", "capacity", plain(p));
	for (unsigned k = 0; k < z->n_points; k++) {
		const struct tlb_point *full = &z->point[k];
		if (!shape_is_full(&full->shape))
			continue;
		fprintf(p->out, "%9u", full->shape.entries);
		for (unsigned i = 0; i < n; i++) {
			const struct tlb_point *q = point_of(z, full->shape.entries, ways[i]);
			fprintf(p->out, "%10s", q ? rate(a, sizeof a, q->misses, all) : "-");
		}
		fprintf(p->out, "%10s", rate(a, sizeof a, full->misses, all));
		fprintf(p->out, "     = %10s", rate(a, sizeof a, z->cold + z->flushed, all));
		fprintf(p->out, "%10s   %.2f\n", rate(a, sizeof a, full->capacity, all),
		        full->misses ? (double)full->reads / (double)full->misses : 0.0);
	}
	fprintf(p->out, "  What is above the full column is conflict: too few ways.  Below it, LRU in sets beats LRU over all entries.\n");
}

/* ---- real CPUs ---- */

static const char *percent(char *buf, size_t size, int64_t part, uint64_t whole)
{
	double v = whole ? 100.0 * (double)part / (double)whole : 0, up = v < 0 ? -v : v;
	snprintf(buf, size, part == 0 ? "0 %%" : up < 0.01 ? "<0.01 %%" : up < 10 ? "%.2f %%" : "%.1f %%", v);
	return buf;
}

/* Misses of the first TLBs, data and instructions together: what is looked up below. */
static uint64_t cpu_first_misses(const struct tlb_cpu *c)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < c->n_tlbs; i++)
		n += c->tlb[i].name[1] == '1' ? c->tlb[i].misses : 0;
	return n;
}

static void table_cpus(const struct report *p)
{
	const struct tlb_result *r = p->r;
	char a[NUMBER], b[NUMBER], c[NUMBER];
	if (!r->n_cpus)
		return;
	fprintf(p->out, "\n%sReal CPUs%s with pages of %s, all levels\n\n%s  CPU          misses for 1000 references      table entries"
	        "     modelled cycles\n                   first TLBs     walks    read by a walk   of translation%s\n", bold(p), plain(p),
	        size_word(a, sizeof a, 1ull << r->head.machine.format.page_shift), bold(p), plain(p));
	for (unsigned i = 0; i < r->n_cpus; i++) {
		const struct tlb_cpu *q = &r->cpu[i];
		uint64_t whole = r->head.refs.total * r->head.machine.cost.reference + q->cycles;
		fprintf(p->out, "  %-14s %12s %9s %17.2f %12s of all\n", q->name,
		        rate(a, sizeof a, cpu_first_misses(q), r->head.refs.total), rate(b, sizeof b, q->walks, r->head.refs.total),
		        q->walks ? (double)q->reads / (double)q->walks : 0.0, percent(c, sizeof c, (int64_t)q->cycles, whole));
	}
}

/* ---- the ledger ---- */

static const char *const verdict_words[TLB_VERDICTS] = {
#define X(name, word, text) word,
	TLB_VERDICT_LIST(X)
#undef X
};

static const char *saved_range(char *buf, size_t size, const struct tlb_row *q, const struct tlb_ledger *g)
{
	char low[NUMBER], middle[NUMBER], high[NUMBER];
	percent(low, sizeof low, q->saved_low, g->total_low);
	percent(middle, sizeof middle, q->saved, g->total_cycles);
	snprintf(buf, size, "%s (%s to %s)", middle, low, percent(high, sizeof high, q->saved_high, g->total_high));
	return buf;
}

static void ledger_rows(const struct report *p)
{
	const struct tlb_ledger *g = &p->r->ledger;
	char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER], saved[4 * NUMBER];
	unsigned shown = 0, left = 0;
	uint64_t page = 1ull << p->r->head.machine.format.page_shift;
	fprintf(p->out, "%s  walks with %5s   with %5s %9s %9s   %-28s  %-13s  mapping%s\n", bold(p), size_word(a, sizeof a, page),
	        size_word(b, sizeof b, g->large_bytes), "touched", "bloat", "cycles saved", "verdict", plain(p));
	for (unsigned i = 0; i < g->n_rows; i++) {
		const struct tlb_row *q = &g->row[i];
		if (!q->large_pages || shown == 8) {
			left++;
			continue;
		}
		shown++;
		fprintf(p->out, "  %16s %12s %9s %9s   %-28s  %-13s  %s", text_count(a, sizeof a, q->walks),
		        text_count(b, sizeof b, q->large_walks), text_bytes(c, sizeof c, q->touched_pages * page),
		        text_bytes(d, sizeof d, q->bloat_bytes), saved_range(saved, sizeof saved, q, g),
		        verdict_words[q->verdict], q->name);
		if (p->r->head.program.present || g->row[0].pid != g->row[g->n_rows - 1].pid)
			fprintf(p->out, ", process %u", q->pid);
		fputc('\n', p->out);
	}
	if (left)
		fprintf(p->out, "  [%u other mappings, most without room for a large page; --json has them all]\n", left);
}

static void ledger(const struct report *p)
{
	static const char *const sentences[TLB_VERDICTS] = {
		[TLB_VERDICT_pays] = "Pages of %s would pay", [TLB_VERDICT_pays_dearly] = "Pages of %s would pay, and cost much memory",
		[TLB_VERDICT_may_pay] = "Pages of %s may pay", [TLB_VERDICT_no] = "Pages of %s would not pay",
		[TLB_VERDICT_none] = "Pages of %s have no room: no aligned one lies wholly inside a mapping",
	};
	const struct tlb_ledger *g = &p->r->ledger;
	char a[NUMBER], b[NUMBER], c[NUMBER], saved[4 * NUMBER];
	if (!g->present)
		return;
	size_word(a, sizeof a, g->large_bytes);
	fprintf(p->out, "\n%s", bold(p));
	switch (g->total.verdict) {
#define X(name, word, text) case TLB_VERDICT_##name: fprintf(p->out, sentences[TLB_VERDICT_##name], a); break;
	TLB_VERDICT_LIST(X)
#undef X
	case TLB_VERDICTS: break;
	}
	if (g->total.verdict == TLB_VERDICT_none) {
		fprintf(p->out, "%s.\n", plain(p));
		return;
	}
	fprintf(p->out, "%s on %s: %s walks become %s, %s of\n  modelled cycles are saved, for %s more memory",
	        plain(p), p->r->cpu[g->cpu].name, text_count(a, sizeof a, g->total.walks), text_count(b, sizeof b, g->total.large_walks),
	        saved_range(saved, sizeof saved, &g->total, g), text_bytes(c, sizeof c, g->total.bloat_bytes));
	fprintf(p->out, g->saved_lower ? ";\n  %s by asking lower TLB levels less, which rows leave out.\n\n" : ".\n\n",
	        percent(a, sizeof a, g->saved_lower, g->total_cycles));
	ledger_rows(p);
	fprintf(p->out, "  Assumed: a large page wherever an aligned one lies wholly inside its mapping, from the first touch on; a\n"
	        "  table entry read costs %" PRIu64 " cycles (%" PRIu64 " from the nearest cache to %" PRIu64 " from the farthest), "
	        "a reference %" PRIu64 ".\n", g->read, g->read_low, g->read_high, p->r->head.machine.cost.reference);
	fprintf(p->out, "  Misses of data caches are not modelled: they make the shares smaller.  Walks and bloat are counted.\n");
}

static void trouble(const struct report *p)
{
	const struct result *h = &p->r->head;
	char n[NUMBER];
	if (h->refs.refused)
		fprintf(p->out, "\n  %s accesses were refused (SIGSEGV or SIGBUS)\n", text_count(n, sizeof n, h->refs.refused));
	if (h->rejected)
		fprintf(p->out, "\n%s%s records of %s made no sense and were left out%s\n", red(p), text_count(n, sizeof n, h->rejected),
		        h->source, plain(p));
	if (h->events_refused)
		fprintf(p->out, "\n%s%s events of the trace were refused%s; the first: %s\n", red(p),
		        text_count(n, sizeof n, h->events_refused), plain(p), h->events_why);
	if (h->refs.lost)
		fprintf(p->out, "\n%s%s references were lost while recording%s\n", red(p), text_count(n, sizeof n, h->refs.lost), plain(p));
	if (h->input_error != PW_OK)
		fprintf(p->out, "\n%sthe input ended early%s: %s\n", red(p), plain(p),
		        *h->input_error_text ? h->input_error_text : pw_err_text(h->input_error));
	if (h->interrupted)
		fprintf(p->out, "\n%sinterrupted%s: this is what ran until then\n", red(p), plain(p));
}

static void ending(const struct report *p)
{
	const struct result *h = &p->r->head;
	if (h->program.present && h->program.signal)
		fprintf(p->out, "\n%sthe program was killed by signal %d%s (%s)\n", red(p), h->program.signal, plain(p),
		        strsignal(h->program.signal));
	else if (h->program.present && h->program.exit_status)
		fprintf(p->out, "\nthe program ended with status %d\n", h->program.exit_status);
	fprintf(p->out, "\n  took %.2f s on this computer: %.1f million references a second\n", h->program.wall_s,
	        h->program.wall_s > 0 ? (double)h->refs.total / h->program.wall_s * 1e-6 : 0.0);
	if (!h->checks.n_failed) {
		fprintf(p->out, "  checked: %u laws hold (causes add up to misses, more ways never miss more)\n", h->checks.passed);
		return;
	}
	fprintf(p->out, "%s  %u CHECKS FAILED%s, %u passed: do not trust these figures\n", red(p), h->checks.n_failed, plain(p),
	        h->checks.passed);
	for (unsigned i = 0; i < h->checks.n_failed && i < RESULT_CHECKS_FAILED; i++)
		fprintf(p->out, "    %s\n", h->checks.failed[i]);
}

void tlb_report_write(const struct tlb_result *r, FILE *out, bool colour)
{
	struct report p = { r, out, colour };
	head(&p);
	table_sizes(&p);
	table_ways(&p, &r->size[0]);
	table_cpus(&p);
	ledger(&p);
	trouble(&p);
	ending(&p);
}
