/* lab_show.c - what there is: TLBs, page tables, frames, mappings, the policy's order, swap, figures.
 *
 * Problem: a state that is printed whole cannot be read, and one that is cut short silently is a lie.
 * Idea: what is empty or alike is said in one line for all of it; a list that is too long ends by saying how much more there is.
 *
 * 1. Nothing shown changes anything: the policy's order is asked of a copy of the session, which is thrown away. */
#include "lab_impl.h"
#include "lab_segment.h"
#include "../sim/hypervisor.h"
#include "../machine/explain.h"
#include "../sim/words.h"
#include <string.h>

enum { SHOW_LINES = 64 };

typedef enum lab_outcome show_handler(struct lab *l);

#define SHOW_LIST(X) \
	X(tlb) X(tables) X(frames) X(maps) X(queues) X(swap) X(stats) X(processes) X(machine) X(guests) X(segments) X(registers)

/* A list that ends after SHOW_LINES. */
struct listing {
	struct lab *l;
	uint64_t n;              /* so far, shown or not */
};

/* => the next line is to be shown */
static bool listing_next(struct listing *li) { return li->n++ < SHOW_LINES; }

static void listing_end(const struct listing *li)
{
	if (li->n > SHOW_LINES)
		fprintf(li->l->out, "  ... and %llu more\n", (unsigned long long)(li->n - SHOW_LINES));
}

static const char *rights_text(unsigned rights, char buf[8])
{
	snprintf(buf, 8, "%c%c%c%c%c", rights & PT_READ ? 'r' : '-', rights & PT_WRITE ? 'w' : '-', rights & PT_EXEC ? 'x' : '-',
	         rights & PT_USER ? 'u' : 's', rights & PT_GLOBAL ? 'g' : ' ');
	return buf;
}

/* ---- TLBs ---- */

static const char *asid_owner(struct lab *l, const struct machine_tlb_slot *s)
{
	if (s->global)
		return "everybody";
	for (unsigned i = 0; i < l->n_processes; i++)
		if (l->process[i].process && pmap_machine_asid(process_pmap(l->process[i].process)) == s->asid)
			return l->process[i].name;
	return "-";
}

static enum lab_outcome show_tlb(struct lab *l)
{
	const struct machine *m = computer_machine(l->computer);
	unsigned shift = lab_shift(l);
	for (unsigned cpu = 0; cpu < machine_n_cpus(m); cpu++) {
		struct machine_tlb_slot s;
		struct listing li = { l, 0 };
		uint64_t empty = 0;
		fprintf(l->out, "TLBs of CPU %u:\n  %-5s %4s %4s  %-18s %-10s %-6s %-5s %-12s %s\n", cpu, "tlb", "set", "way", "page",
		        "frame",
		        "rights", "asid", "process", "last use");
		for (uint32_t slot = 0; machine_tlb_slot(m, cpu, slot, &s); slot++) {
			char rights[8];
			empty += !s.used;
			if (s.used && listing_next(&li))
				fprintf(l->out, "  %-5s %4u %4u  0x%-16llx %-10llu %-6s %-5u %-12s %llu%s\n", s.name, s.set, s.way,
				        (unsigned long long)(s.va.v >> shift), (unsigned long long)s.pfn.v, rights_text(s.rights, rights),
				        s.asid,
				        asid_owner(l, &s), (unsigned long long)s.last_use, s.level ? "  (huge)" : "");
		}
		listing_end(&li);
		fprintf(l->out, "  %llu slots are empty\n", (unsigned long long)empty);
	}
	return LAB_DONE;
}

/* ---- page tables ---- */

struct tables {
	struct listing li;
	const struct ptfmt *f;
	const struct physmem *mem;
	uint64_t n_tables, n_entries;
};

static void leaf_show(struct tables *t, pte_t e, unsigned level, uint64_t va, uint64_t index)
{
	char rights[8];
	struct lab *l = t->li.l;
	unsigned depth = 2u * (t->f->levels - level);
	if (listing_next(&t->li))
		fprintf(l->out, "%*s[%llu] page 0x%llx -> frame %llu  %s%s%s%s\n", (int)depth, "", (unsigned long long)index,
		        (unsigned long long)(va >> t->f->page_shift), (unsigned long long)ptfmt_pfn(t->f, e).v,
		        rights_text(ptfmt_rights(t->f, e), rights), ptfmt_accessed(t->f, e) ? " accessed" : "",
		        ptfmt_dirty(t->f, e) ? " dirty" : "",
		        level ? "  (huge)" : "");
}

/* One table and all below it; va is where it begins. */
static void table_show(struct tables *t, pfn_t table, unsigned level, uint64_t va)
{
	const struct ptfmt *f = t->f;
	uint64_t n = 1ull << f->index_bits[level];
	t->n_tables++;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = (table.v << f->page_shift) + i * f->entry_bytes, below = va | i << ptfmt_level_shift(f, level);
		pte_t e = at + f->entry_bytes <= physmem_bytes(t->mem) ? pte(physmem_load(t->mem, paddr(at), f->entry_bytes)) : pte(0);
		if (!ptfmt_valid(f, e))
			continue;
		t->n_entries++;
		if (ptfmt_is_leaf(f, e, level) || level == 0) {
			leaf_show(t, e, level, below, i);
			continue;
		}
		if (listing_next(&t->li))
			fprintf(t->li.l->out, "%*s[%llu] -> table of level %u in frame %llu\n", 2 * (f->levels - (int)level), "",
			        (unsigned long long)i,
			        level - 1, (unsigned long long)ptfmt_pfn(f, e).v);
		table_show(t, ptfmt_pfn(f, e), level - 1, below);
	}
}

static bool hashed_leaf_show(void *ctx, const struct explain_leaf *leaf)
{
	struct tables *t = ctx;
	t->n_entries++;
	leaf_show(t, leaf->entry, 0, leaf->va.v, leaf->entry_at.v / t->f->entry_bytes);
	return true;
}

static bool hashed_trouble_pass(void *ctx, enum explain_trouble trouble, vaddr_t va, unsigned level, paddr_t at, pte_t e)
{
	(void)ctx, (void)trouble, (void)va, (void)level, (void)at, (void)e;
	return true;
}

static void hashed_show(struct tables *t, pfn_t root)
{
	struct memory_view view = memory_view_of(t->mem);
	const struct explain_visitor v = { hashed_leaf_show, hashed_trouble_pass, t };
	t->n_tables = 1;
	explain_space(t->f, &view, pfn_addr(root, t->f->page_shift), &v);
}

static enum lab_outcome show_tables(struct lab *l)
{
	const struct lab_process *p = lab_running(l);
	if (!p)
		return LAB_ERROR;
	struct tables t = { .li = { l, 0 }, .f = machine_format(computer_machine(l->computer)), .mem = computer_memory(l->computer) };
	pfn_t root = pmap_machine_root(process_pmap(p->process));
	char bytes[32];
	if (t.f->hashed) {
		fprintf(l->out, "entries of %s in the hashed table that all processes share\n", p->name);
		hashed_show(&t, root);
	} else {
		fprintf(l->out, "page tables of %s (%s): root, of level %u, in frame %llu\n", p->name, t.f->name, t.f->levels - 1,
		        (unsigned long long)root.v);
		table_show(&t, root, t.f->levels - 1u, 0);
	}
	listing_end(&t.li);
	fprintf(l->out, "  %llu tables take %s; %llu of their entries are valid\n", (unsigned long long)t.n_tables,
	        text_bytes(bytes, sizeof bytes, pmap_table_bytes(process_pmap(p->process))), (unsigned long long)t.n_entries);
	return LAB_DONE;
}

/* ---- frames ---- */

static const char *const role_words[FRAME_ROLES] = {
#define X(name, text) text,
	FRAME_ROLE_LIST(X)
#undef X
};

static void frame_show(struct lab *l, pfn_t f, const struct frame_info *i)
{
	fprintf(l->out, "  %6llu  %-14s", (unsigned long long)f.v, role_words[i->role]);
	if (i->role == FRAME_ROLE_FILE)
		fprintf(l->out, " page %llu of %s", (unsigned long long)i->file_page,
		        i->file_id && i->file_id <= l->n_files ? l->file_name[i->file_id - 1] : "a file");
	if (i->pid)
		fprintf(l->out, " page 0x%llx of %s", (unsigned long long)i->page.v, lab_process_name(l, i->pid, "-"));
	if (i->role == FRAME_ROLE_ANON && i->sharers > 1)
		fprintf(l->out, ", shared by %u", i->sharers);
	if (i->role == FRAME_ROLE_ANON || i->role == FRAME_ROLE_FILE)
		fprintf(l->out, ", %s", i->dirty ? "dirty" : "clean");
	if (i->in_swap)
		fprintf(l->out, ", %s copy in slot %u", i->dirty ? "stale" : "same", i->slot);
	fprintf(l->out, "\n");
}

static enum lab_outcome show_frames(struct lab *l)
{
	struct kernel *k = computer_kernel(l->computer);
	struct listing li = { l, 0 };
	struct frame_info info;
	uint64_t n = 0, free = 0;
	fprintf(l->out, "  %6s  %-14s what\n", "frame", "role");
	for (; kernel_frame_describe(k, pfn(n), &info); n++) {
		free += info.role == FRAME_ROLE_FREE;
		if (info.role != FRAME_ROLE_FREE && listing_next(&li))
			frame_show(l, pfn(n), &info);
	}
	listing_end(&li);
	uint64_t limit = computer_options(l->computer)->page_frames;
	if (limit)
		fprintf(l->out, "  %llu of the %llu frames for pages of programs are free; page tables are beside them\n",
		        (unsigned long long)computer_free_frames(l->computer), (unsigned long long)limit);
	else
		fprintf(l->out, "  %llu of %llu frames are free\n", (unsigned long long)free, (unsigned long long)n);
	return LAB_DONE;
}

/* ---- mappings, processes ---- */

static void map_show(void *ctx, const struct mapping_info *m)
{
	struct listing *li = ctx;
	struct lab *l = li->l;
	char rights[8], bytes[32];
	if (!m->alive || !listing_next(li))
		return;
	fprintf(l->out, "  %-10s 0x%-14llx 0x%-14llx %8s %.3s  %8llu %8llu  %s\n", lab_process_name(l, m->pid, "-"),
	        (unsigned long long)m->start.v,
	        (unsigned long long)(m->start.v + m->bytes), text_bytes(bytes, sizeof bytes, m->bytes), rights_text(m->prot, rights),
	        (unsigned long long)m->resident_pages, (unsigned long long)m->faults.total, m->name);
}

static enum lab_outcome show_maps(struct lab *l)
{
	struct listing li = { l, 0 };
	fprintf(l->out, "  %-10s %-16s %-16s %8s %s  %8s %8s  %s\n", "process", "start", "end", "size", "rwx", "resident", "faults",
	        "name");
	kernel_mappings(computer_kernel(l->computer), map_show, &li);
	listing_end(&li);
	return LAB_DONE;
}

static enum lab_outcome show_processes(struct lab *l)
{
	fprintf(l->out, "  %-12s %4s  %-8s %9s %9s %9s  %s\n", "process", "pid", "state", "mapped", "resident", "tables", "faults");
	for (unsigned i = 0; i < l->n_processes; i++) {
		const struct lab_process *p = &l->process[i];
		struct process_info info = { 0 };
		char mapped[32], resident[32], tables[32];
		if (p->process)
			process_describe(p->process, &info);
		fprintf(l->out, "  %-12s %4u  %-8s %9s %9s %9s  %llu\n", p->name, p->pid,
		        !p->process ? "ended" : info.killed ? "killed" : i == l->current ? "runs" : "waits",
		        text_bytes(mapped, sizeof mapped, info.mapped_bytes),
		        text_bytes(resident, sizeof resident, info.resident_pages << lab_shift(l)),
		        text_bytes(tables, sizeof tables, info.table_bytes),
		        (unsigned long long)info.faults.total);
		if (info.killed)
			fprintf(l->out, "    %s\n", info.killed);
	}
	return LAB_DONE;
}

/* ---- the policy's order ---- */

static enum lab_outcome show_queues(struct lab *l)
{
	struct lab *copy = lab_copy(l);
	struct listing li = { l, 0 };
	pfn_t f;
	if (!copy)
		return lab_fail_err(l, PW_NOMEM);
	struct kernel *k = computer_kernel(copy->computer);
	fprintf(l->out, "if frames were needed now and nothing else were accessed, %s would empty them in this order:\n",
	        computer_options(l->computer)->policy->name);
	while (kernel_next_victim(k, &f)) {
		struct frame_info info;
		if (!kernel_frame_describe(k, f, &info) || !listing_next(&li))
			continue;
		const struct lab_page *page = lab_page_find(l, info.pid, info.page);
		fprintf(l->out, "  %3llu.", (unsigned long long)li.n);
		frame_show(l, f, &info);
		if (page)
			fprintf(l->out, "%14s came at %llu, used last at %llu, %llu time%s\n", "", (unsigned long long)page->arrived,
			        (unsigned long long)page->last_use, (unsigned long long)page->uses, page->uses == 1 ? "" : "s");
	}
	listing_end(&li);
	if (!li.n)
		fprintf(l->out, "  no page is in memory that could leave\n");
	lab_destroy(copy);
	return LAB_DONE;
}

/* ---- swap ---- */

struct swap_listing {
	struct listing li;
	const char *process;
};

static void swapped_show(void *ctx, const struct page_info *page)
{
	struct swap_listing *s = ctx;
	if ((page->in_swap || (page->on_disk && !page->resident)) && listing_next(&s->li)) {
		if (page->in_swap)
			fprintf(s->li.l->out, "  slot %6u ", page->slot);
		else
			fprintf(s->li.l->out, "  on disk     ");
		fprintf(s->li.l->out, " page 0x%llx of %s%s\n", (unsigned long long)page->page.v, s->process,
		        page->resident ? ", which is also in memory" : "");
	}
}

static enum lab_outcome show_swap(struct lab *l)
{
	struct swap_listing s = { .li = { l, 0 } };
	struct kernel_counts k;
	for (unsigned i = 0; i < l->n_processes; i++) {
		s.process = l->process[i].name;
		if (l->process[i].process)
			process_pages(l->process[i].process, swapped_show, &s);
	}
	listing_end(&s.li);
	kernel_counts(computer_kernel(l->computer), &k);
	fprintf(l->out, "  swap (%s): %llu slots used, %llu reads, %llu writes\n", computer_options(l->computer)->swap,
	        (unsigned long long)k.swap_used_slots, (unsigned long long)k.swap_reads, (unsigned long long)k.swap_writes);
	return LAB_DONE;
}

/* ---- figures, the machine ---- */

static void stats_faults(struct lab *l, const struct fault_counts *f, const struct fault_counts *base)
{
	fprintf(l->out, "faults      %llu: %llu minor, %llu major; %llu accesses refused\n", (unsigned long long)(f->total - base->total),
	        (unsigned long long)(f->minor - base->minor), (unsigned long long)(f->major - base->major),
	        (unsigned long long)(f->protection - base->protection));
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		if (f->by_cause[i] > base->by_cause[i])
			fprintf(l->out, "            %llu  %s\n", (unsigned long long)(f->by_cause[i] - base->by_cause[i]),
			        fault_cause_text(i));
}

static void stats_tlbs(struct lab *l)
{
	const struct machine *m = computer_machine(l->computer);
	for (unsigned i = 0; i < machine_n_tlbs(m); i++) {
		struct tlb_counts t = machine_tlb_counts(m, i);
		uint64_t asked = t.accesses - l->base.tlb[i].accesses, hits = t.hits - l->base.tlb[i].hits;
		fprintf(l->out, "tlb %-7s %llu hits of %llu lookups", t.name, (unsigned long long)hits, (unsigned long long)asked);
		fprintf(l->out, asked ? " (%.1f %%)\n" : "\n", asked ? 100.0 * (double)hits / (double)asked : 0.0);
	}
}

static void stats_host(struct lab *l)
{
	struct result_nested n = { .present = false };
	if (!computer_host(l->computer))
		return;
	hypervisor_counts(computer_host(l->computer), computer_machine(l->computer), &n);
	fprintf(l->out, "host        %llu of its page-table entries read, at most %llu of both in one walk; %llu host faults\n",
	        (unsigned long long)n.both.host_references, (unsigned long long)n.both.most, (unsigned long long)n.kernel.faults.total);
	fprintf(l->out, "host tlb    %llu hits of %llu lookups, from the beginning on\n", (unsigned long long)n.tlb_hits,
	        (unsigned long long)n.tlb_accesses);
}

static void stats_shootdowns(struct lab *l, const struct machine_counts *m, const struct machine_counts *base)
{
	if (machine_n_cpus(computer_machine(l->computer)) == 1)
		return;
	fprintf(l->out, "shootdowns  %llu, which interrupted %llu CPUs; %llu others flush when the process comes back to them; "
	        "%llu TLB entries lost\n",
	        (unsigned long long)(m->shootdowns - base->shootdowns),
	        (unsigned long long)(m->shootdown_interrupts - base->shootdown_interrupts),
	        (unsigned long long)(m->shootdown_deferred - base->shootdown_deferred),
	        (unsigned long long)(m->shootdown_entries - base->shootdown_entries));
}

static enum lab_outcome show_stats(struct lab *l)
{
	struct machine_counts m;
	struct kernel_counts k;
	uint64_t refs = 0;
	machine_counts(computer_machine(l->computer), &m);
	kernel_counts(computer_kernel(l->computer), &k);
	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		refs += m.references[i] - l->base.machine.references[i];
	fprintf(l->out, "accesses    %llu\n", (unsigned long long)refs);
	stats_tlbs(l);
	fprintf(l->out, "walks       %llu, which read %llu page-table entries\n", (unsigned long long)(m.walks - l->base.machine.walks),
	        (unsigned long long)(m.walk_references - l->base.machine.walk_references));
	stats_host(l);
	stats_shootdowns(l, &m, &l->base.machine);
	stats_faults(l, &k.faults, &l->base.kernel.faults);
	fprintf(l->out, "evicted     %llu pages, %llu of them written out first; %llu came back later\n",
	        (unsigned long long)(k.evicted - l->base.kernel.evicted),
	        (unsigned long long)(k.written_back - l->base.kernel.written_back),
	        (unsigned long long)(k.refaults - l->base.kernel.refaults));
	fprintf(l->out, "memory      %llu pages in memory, %llu frames free, %llu bytes of page tables\n",
	        (unsigned long long)k.resident_pages,
	        (unsigned long long)computer_free_frames(l->computer), (unsigned long long)k.table_bytes);
	return LAB_DONE;
}

static enum lab_outcome show_machine(struct lab *l)
{
	const struct run_options *o = computer_options(l->computer);
	const struct ptfmt *f = &o->format;
	char page[32];
	fprintf(l->out, "format      %s: %s\n", f->name, f->title);
	fprintf(l->out, "addresses   %u bits: ", f->va_bits);
	for (unsigned level = f->levels; level-- > 0;)
		fprintf(l->out, "%u (level %u) + ", f->index_bits[level], level);
	fprintf(l->out, "%u (offset)\n", f->page_shift);
	fprintf(l->out, "pages       %s, entries of %u bytes\n", text_bytes(page, sizeof page, 1ull << f->page_shift), f->entry_bytes);
	if (o->page_frames)
		fprintf(l->out, "memory      %llu frames for pages of programs; page tables are beside them\n",
		        (unsigned long long)o->page_frames);
	else
		fprintf(l->out, "memory      %llu frames, page tables included\n",
		        (unsigned long long)computer_memory(l->computer)->frames);
	fprintf(l->out, "CPUs        %u: %s\n", o->n_cpus, o->cpu.name[0] ? o->cpu.name : "made to measure");
	for (unsigned i = 0; i < o->cpu.n_tlbs; i++) {
		const struct tlb_geometry *g = &o->cpu.tlb[i];
		fprintf(l->out, "tlb %-7s %u entries, %u ways, for pages of", g->name, g->entries, g->ways);
		for (unsigned level = 0; level < f->levels; level++)
			if (g->page_levels >> level & 1 && f->leaf_levels >> level & 1)
				fprintf(l->out, " %s", text_bytes(page, sizeof page, 1ull << ptfmt_level_shift(f, level)));
		fprintf(l->out, "\n");
	}
	fprintf(l->out, "policy      %s: %s\n", o->policy->name, o->policy->variant);
	fprintf(l->out, "swap        %s\n", o->swap);
	return LAB_DONE;
}

static enum lab_outcome show_guests(struct lab *l) { return lab_guests_show(l); }
static enum lab_outcome show_segments(struct lab *l) { return lab_segments_show(l); }
static enum lab_outcome show_registers(struct lab *l) { return lab_selector_show(l); }

static const struct { const char *name; show_handler *show; } shows[] = {
#define X(name) { #name, show_##name },
	SHOW_LIST(X)
#undef X
};
enum { N_SHOWS = sizeof shows / sizeof *shows };

const char *lab_show_word(unsigned i) { return i < N_SHOWS ? shows[i].name : NULL; }

enum lab_outcome lab_show(struct lab *l, const struct lab_line *line)
{
	const char *words[N_SHOWS];
	for (unsigned i = 0; i < N_SHOWS; i++) {
		words[i] = shows[i].name;
		if (strcmp(words[i], line->word[0]) == 0)
			return l->replaying ? LAB_DONE : shows[i].show(l);
	}
	return words_unknown(l->why, "show", line->word[0], words, N_SHOWS) ? LAB_ERROR : LAB_DONE;
}
