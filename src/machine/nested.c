/* nested.c - two stages of translation.
 *
 * Problem: a guest's page tables lie in its physical memory, which is an address space of its host.  So each entry the guest's
 * walk reads is somewhere that only a walk of the host's tables can tell, and so is the page in the end:
 *
 *      guest      root -> L3 -> L2 -> L1 -> L0 -> page          g = 4 entries
 *                  |       |     |     |     |      |
 *      host       hhhh   hhhh  hhhh  hhhh    '    hhhh          h = 4 for each of g + 1 addresses
 *
 *                 g + h * (g + 1) = 24 entries when nothing is cached
 *
 * Idea: the host is a machine like any other.  To translate for the guest is to make one reference on it, with its TLBs, its walk
 * caches, its accessed and dirty bits and its faults; and the guest's walker is the same body as ever, with one more step in it.
 *
 * 1. What the guest's TLBs hold grants no more than both stages do, says dirty only when both do, and covers no more than one page
 *    of either: so a hit needs no second look, and no store escapes the host's dirty bit.
 * 2. The guest's TLBs hold nothing that was made from what the host has since taken back (nested_follow).
 * 3. A walk that ends in a host fault may have marked entries above; made again, it marks nothing twice.
 *
 * The guest's bytes stay in the guest machine's own memory, at its physical addresses: the host's frames stand for them, and are
 * what is short.  The guest's walk caches hold guest addresses, so a walk that begins low asks the host for the table it begins
 * with; real ones keep the host's, which the host's TLB makes up for.
 *
 * Rejected: a table of its own from guest to host frames (nobody could see what a nested walk costs); translating once more on
 * each TLB hit (no hardware does).
 *
 * Source: Intel SDM 3C, 29.3 (EPT: 29.3.3.2 accesses to a guest's tables count as stores); RISC-V privileged, "Two-Stage Address
 * Translation"; Bhargava and others, Accelerating Two-Dimensional Page Walks, ASPLOS 2008 (the count, the nested TLB). */
#include "nested.h"
#include "hashed.h"
#include <string.h>

struct nested_walk {
	struct machine *host;
	unsigned cpu;
	bool as_stores;
	struct tlb_entry last;   /* what the host gave for the last address */
	unsigned steps;
	struct nested_stop stop;
};

bool nested_tables_as_stores(const struct nested_walk *n) { return n->as_stores; }

bool nested_step(struct nested_walk *n, paddr_t at, enum access_kind kind)
{
	struct machine *h = n->host;
	const ref_t ref = ref_make(vaddr(at.v), kind);
	const struct served s = h->serve(h, &h->cpu[n->cpu], &ref, 1, h->now + 1);
	if (s.fault != MACHINE_FAULT_NONE) {
		n->stop = (struct nested_stop){ at, kind, s.fault };
		return false;
	}
	n->last = s.last;
	h->now++;
	h->counts.references[kind]++;
	n->steps++;
	return true;
}

/* The largest size of page the guest knows that lies within a leaf of both stages. */
static unsigned common_level(const struct machine *m, const struct nested_walk *n, unsigned level)
{
	unsigned host_shift = n->host->cpu[n->cpu].tlb.level_shift[tlb_entry_level(n->last)];
	while (level > 0 && ptfmt_level_shift(&m->format, level) > host_shift)
		level--;
	return level;
}

static struct tlb_entry both_stages(const struct machine *m, const struct nested_walk *n, const struct walk *r, vaddr_t va)
{
	unsigned level = common_level(m, n, r->level);
	uint64_t inside = (va.v >> m->format.page_shift) & (ptfmt_level_pages(&m->format, r->level) - 1);
	inside &= ~(ptfmt_level_pages(&m->format, level) - 1);
	unsigned rights = r->rights & (tlb_entry_rights(n->last) | PT_USER | PT_GLOBAL);
	return tlb_entry_make(pfn(r->pfn.v + inside), level, rights, r->dirty && tlb_entry_dirty(n->last));
}

void nested_walk(struct machine *m, struct cpu *c, pfn_t table, unsigned level, unsigned rights, const struct walk_want *w,
		 struct walk *r)
{
	struct machine *h = m->config.host;
	struct nested_walk n = { .host = h, .cpu = m->config.host_cpu + (unsigned)(c - m->cpu),
				 .as_stores = h->format.accessed_on_tables != 0 };
	uint64_t before = h->counts.walk_references;
	if (m->format.hashed)
		hashed_walk(&m->format, &m->mem, table, w, r, &n);
	else
		walk_down(&m->format, &m->mem, table, level, rights, w, r, &n);
	r->host_reads = h->counts.walk_references - before;
	r->host_steps = n.steps;
	c->stop = n.stop;
	if (r->fault == MACHINE_FAULT_NONE)
		r->e = both_stages(m, &n, r, w->va);
}

void nested_count(struct machine *m, const struct walk *w)
{
	struct machine_nested *n = &m->nested;
	n->translations += w->host_steps;
	n->host_references += w->host_reads;
	n->most = w->reads + w->host_reads > n->most ? w->reads + w->host_reads : n->most;
	n->fractured += tlb_entry_level(w->e) < w->level;
}

void nested_follow(struct machine *m)
{
	if (m->host_changes == m->config.host->changes)
		return;
	m->host_changes = m->config.host->changes;
	mmu_forget(m);
}

enum pw_err nested_check(const struct machine_config *c, struct pw_why *why)
{
	const struct ptfmt *guest = c->format, *host = &c->host->format;
	if (guest->page_shift != host->page_shift)
		return pw_fail(why, PW_INVALID, "a guest with pages of %u bytes cannot run on %s, whose pages are of %u",
			       1u << guest->page_shift, host->name, 1u << host->page_shift);
	unsigned bits = host->va_bits - (host->sign_extended && !host->two_roots);
	if (c->frames > 1ull << (bits - host->page_shift))
		return pw_fail(why, PW_INVALID, "a guest on %s has at most 2^%u bytes of memory", host->name, bits);
	if (c->host_cpu + c->n_cpus > c->host->config.n_cpus)
		return pw_fail(why, PW_INVALID, "a guest with %u CPUs, from the %u-th on, on a host of %u", c->n_cpus, c->host_cpu,
			       c->host->config.n_cpus);
	return c->host->config.host ? pw_fail(why, PW_INVALID, "a host cannot be a guest itself") : PW_OK;
}
