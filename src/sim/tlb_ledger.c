/* tlb_ledger.c - a row for each mapping's name in each process, and a verdict for each row.
 *
 * Problem.  Large pages save walks and cost memory; where they pay differs from mapping to mapping, and what a walk costs is not known
 * exactly.  A person wants a yes or no, and how sure it is.
 *
 * Idea.  Two machines of the same CPU ran the same references, one with base pages alone, one with a large page wherever one fits.  The
 * walks of each row in the one less those in the other are saved; the untouched part of its large pages is the price.  A walk is
 * charged by the table entries it reads, at three costs: all of them in the first-level cache, as the cost model says, and all of
 * them in the last-level cache.  Only what holds at the low cost is called sure.
 *
 *      saved, of all modelled cycles at that cost:   low        high
 *                                                    >= 1 %                pays (pays, dearly: when memory grows by more than half)
 *                                                    <  1 %     >= 1 %     may pay
 *                                                               <  1 %     does not pay
 *
 * Large pages also make the first TLBs reach further.  What lower levels no longer have to be asked for is added to the total, at
 * nothing at the low cost, because processors can hide it; rows are not credited with it, as only walks are known by row.
 *
 * Invariants.
 *   1. Rows add up to the total, but for that.
 *   2. A row's share is of all modelled cycles of references and translation: what a program spends elsewhere makes it smaller.
 *
 * Rejected: one mapping at a time (a run for each; and TLBs are shared, so what is saved in one place shows in another). */
#include "tlb_ledger.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <stdlib.h>
#include <string.h>

/* Cycles to load a word from the caches nearest and farthest: current x86 and Arm cores, by their optimization guides and published
 * measurements, have 4 to 5 and 40 to 70. */
enum { READ_LOW = 4, READ_HIGH = 60, CACHE_NAMES = 16 };

struct tlb_ledger_rows {
	unsigned page_shift, n;   /* rows from 1 on */
	uint64_t large_pages;
	uint32_t pid[TLB_ROWS];
	const char *name[TLB_ROWS]; /* live as long as the kernel */
	struct htab known;        /* pid and name -> row */
	bool full;
};

enum pw_err tlb_ledger_create(unsigned page_shift, uint64_t large_pages, struct tlb_ledger_rows **ret)
{
	*ret = NULL;
	struct tlb_ledger_rows *l = mem_zalloc(1, sizeof *l);
	if (!l)
		return PW_NOMEM;
	*l = (struct tlb_ledger_rows){ .page_shift = page_shift, .large_pages = large_pages, .n = 1 };
	if (htab_init(&l->known, 64) != PW_OK) {
		mem_free(l);
		return PW_NOMEM;
	}
	*ret = l;
	return PW_OK;
}

void tlb_ledger_destroy(struct tlb_ledger_rows *l)
{
	if (!l)
		return;
	htab_fini(&l->known);
	mem_free(l);
}

/* The last row takes all that have none. */
static unsigned row_of(struct tlb_ledger_rows *l, uint32_t pid, const char *name)
{
	uint64_t key = (uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15ull ^ pid;
	const uint64_t *at = htab_get(&l->known, key);
	if (at && l->pid[*at] == pid && l->name[*at] == name)
		return (unsigned)*at;
	uint64_t *fresh = l->n < TLB_ROWS - 1 && !at ? htab_put(&l->known, key) : NULL;
	if (!fresh) {
		l->full = true;
		return TLB_ROWS - 1;
	}
	*fresh = l->n;
	l->pid[l->n] = pid;
	l->name[l->n] = name;
	return l->n++;
}

void tlb_ledger_describe(struct tlb_ledger_rows *l, struct process *p, vpn_t page, union tlb_enter *ret)
{
	struct mapping_info m;
	if (!process_mapping_at(p, vpn_addr(page, l->page_shift), &m))
		return;
	ret->row = (uint16_t)row_of(l, m.pid, m.name);
	uint64_t first = page.v & ~(l->large_pages - 1), start = m.start.v >> l->page_shift, n = m.bytes >> l->page_shift;
	ret->whole = l->large_pages > 1 && first >= start && first + l->large_pages <= start + n;
}

/* ---- the verdict ---- */

static enum tlb_verdict verdict_of(const struct tlb_row *r, const struct tlb_ledger *g, uint64_t page_bytes)
{
	if (r->large_pages == 0)
		return TLB_VERDICT_none;
	if (r->saved_high < (int64_t)(g->total_high / 100))
		return TLB_VERDICT_no;
	if (r->saved_low < (int64_t)(g->total_low / 100))
		return TLB_VERDICT_may_pay;
	return r->bloat_bytes > r->touched_pages * page_bytes / 2 ? TLB_VERDICT_pays_dearly : TLB_VERDICT_pays;
}

/* What walks read differs a little from walk to walk: each is charged the mean of its machine. */
static void row_cost(struct tlb_row *r, const struct tlb_ledger *g, const struct tlb_cpu *base)
{
	double before = base->walks ? (double)base->reads / (double)base->walks * (double)r->walks : 0;
	double after = g->large.walks ? (double)g->large.reads / (double)g->large.walks * (double)r->large_walks : 0;
	double reads = before - after;
	r->saved_low = (int64_t)(reads * (double)g->read_low);
	r->saved = (int64_t)(reads * (double)g->read);
	r->saved_high = (int64_t)(reads * (double)g->read_high);
}

static int row_order(const void *a, const void *b)
{
	const struct tlb_row *x = a, *y = b;
	if (x->saved != y->saved)
		return x->saved > y->saved ? -1 : 1;
	return x->pid != y->pid ? (x->pid < y->pid ? -1 : 1) : strcmp(x->name, y->name);
}

static void ledger_memory(const struct tlb_ledger_rows *l, const struct tlb_spaces *spaces, struct tlb_row *by_number)
{
	unsigned row;
	uint32_t touched;
	for (uint32_t i = 1; tlb_spaces_large(spaces, i, &row, &touched); i++) {
		if (row == 0)
			continue;
		by_number[row].large_pages++;
		by_number[row].bloat_bytes += (l->large_pages - touched) << l->page_shift;
	}
}

static enum pw_err ledger_row(struct tlb_ledger *g, const struct tlb_ledger_rows *l, const struct tlb_row *counted, unsigned i)
{
	struct tlb_row *r = &g->row[g->n_rows];
	char *file = NULL;
	*r = *counted;
	r->pid = l->pid[i];
	enum pw_err err = PW_OK;
	if (i == TLB_ROWS - 1 || i == 0)
		r->name = mem_strdup(i ? "[others]" : "[unknown]");
	else
		err = result_mapping_name(l->name[i], &r->name, &file);
	mem_free(file);
	if (err != PW_OK || !r->name)
		return PW_NOMEM;
	g->n_rows++;
	g->total.touched_pages += r->touched_pages;
	g->total.large_pages += r->large_pages;
	g->total.bloat_bytes += r->bloat_bytes;
	g->total.walks += r->walks;
	g->total.large_walks += r->large_walks;
	return PW_OK;
}

enum pw_err tlb_ledger_result(const struct tlb_ledger_rows *l, const struct tlb_spaces *spaces, struct tlb_machine *base,
			      struct tlb_machine *large, const struct cost_model *cost, struct tlb_result *ret)
{
	struct tlb_ledger *g = &ret->ledger;
	const struct tlb_cpu *cpu = &ret->cpu[g->cpu];
	uint64_t page_bytes = 1ull << l->page_shift;
	struct tlb_row *counted = mem_zalloc(TLB_ROWS, sizeof *counted);
	g->row = mem_zalloc(TLB_ROWS, sizeof *g->row);
	enum pw_err err = counted && g->row ? PW_OK : PW_NOMEM;
	if (err == PW_OK)
		ledger_memory(l, spaces, counted);
	g->read_low = READ_LOW < cost->walk_reference ? READ_LOW : cost->walk_reference;
	g->read_high = READ_HIGH > cost->walk_reference ? READ_HIGH : cost->walk_reference;
	g->read = cost->walk_reference;
	g->total_cycles = ret->head.refs.total * cost->reference + cpu->cycles;
	g->saved_lower = (int64_t)(cpu->lower_hits - g->large.lower_hits) * (int64_t)cost->tlb2_hit;
	g->total_low = g->total_cycles - cpu->reads * g->read + cpu->reads * g->read_low - cpu->lower_hits * cost->tlb2_hit;
	g->total_high = g->total_cycles - cpu->reads * g->read + cpu->reads * g->read_high;
	for (unsigned i = 0; i < TLB_ROWS && err == PW_OK; i++) {
		counted[i].touched_pages = tlb_spaces_touched(spaces, i);
		counted[i].walks = tlb_machine_take_walks(base, i);
		counted[i].large_walks = tlb_machine_take_walks(large, i);
		row_cost(&counted[i], g, cpu);
		counted[i].verdict = verdict_of(&counted[i], g, page_bytes);
		if (counted[i].touched_pages || counted[i].walks)
			err = ledger_row(g, l, &counted[i], i);
	}
	mem_free(counted);
	if (err != PW_OK)
		return err;
	row_cost(&g->total, g, cpu);
	g->total.saved += g->saved_lower;
	g->total.saved_high += g->saved_lower;
	g->total.verdict = verdict_of(&g->total, g, page_bytes);
	qsort(g->row, g->n_rows, sizeof *g->row, row_order);
	g->rows_full = l->full;
	g->large_bytes = l->large_pages << l->page_shift;
	g->present = ret->head.refs.total > 0;
	return PW_OK;
}
