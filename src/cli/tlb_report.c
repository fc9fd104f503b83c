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
	fprintf(p->out, "   different ones\n");
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
	fprintf(p->out, "      full       %10s%10s   entries read by a walk%s\n", "cold", "capacity", plain(p));
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
	trouble(&p);
	ending(&p);
}
