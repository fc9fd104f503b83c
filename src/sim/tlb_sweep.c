/* tlb_sweep.c - the loop between the trace, the kernel and the models.
 *
 * Problem.  The models want references and lost translations in order; which translations are lost only a kernel knows.
 *
 * Idea.  A run whose machine is tlb_spaces: events go to the kernel through the functions of `run` itself (run_events.c), references to
 * tlb_spaces_run, which stops where a machine would fault.  The rest is the loop of run.c without what models of TLBs do not need:
 * no working set, no limit of memory.
 *
 * Invariants.
 *   1. position = references done + refused + skipped + stuck.
 *   2. The models are at rest whenever their figures are read.
 *
 * Rejected: a run for each shape; a table of our own of what each event does to translations. */
#include "tlb_sweep.h"
#include "../base/mem.h"
#include "run_impl.h"
#include "tlb_ledger.h"
#include "tlb_machine.h"
#include "tlb_spaces.h"
#include "tlb_team.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_MAX = 64 };
#define FRAMES (1ull << 24)

struct tlb_sweep {
	struct tlb_options opt;
	struct run *run;
	struct tlb_spaces *spaces;  /* belongs to the run, as its pmap */
	struct tlb_team *team;
	struct tlb_stack *stack[TLB_SIZES];
	const struct cpu_model *cpu[TLB_CPUS];
	struct tlb_machine *machine[TLB_CPUS]; /* with base pages */
	unsigned n_cpus, chosen;    /* chosen: whose TLBs the ledger is about */
	struct tlb_machine *large;  /* the chosen CPU with large pages; NULL: the format has none */
	struct tlb_ledger_rows *rows;
	uint64_t counted_from;      /* position at which counting began */
	bool warm;
};

static struct tlb_batch *sweep_hand_on(void *ctx, struct tlb_batch *full)
{
	struct tlb_sweep *s = ctx;
	return tlb_team_hand_on(s->team, full);
}

static void sweep_describe(void *ctx, void *owner, vpn_t page, union tlb_enter *ret)
{
	struct tlb_sweep *s = ctx;
	if (s->rows && owner)
		tlb_ledger_describe(s->rows, owner, page, ret);
}

static void stack_eat(void *self, const struct tlb_batch *batch) { tlb_stack_eat(self, batch); }
static void machine_eat(void *self, const struct tlb_batch *batch) { tlb_machine_eat(self, batch); }

/* The level of the tables at which a page of this size is found: larger pages that are none of the format's are runs of entries. */
static unsigned leaf_level(const struct ptfmt *f, unsigned shift)
{
	unsigned leaf = 0;
	for (unsigned level = 1; level < f->levels; level++)
		if (f->leaf_levels >> level & 1 && ptfmt_level_shift(f, level) <= shift)
			leaf = level;
	return leaf;
}

static unsigned sweep_threads(const struct tlb_options *o)
{
	long n = o->threads ? (long)o->threads : sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : (unsigned)n;
}

static unsigned shift_of(uint64_t bytes) { return (unsigned)__builtin_ctzll(bytes); }

/* Every preset, and the CPU that was given when its TLBs are no preset's. */
static void sweep_choose_cpus(struct tlb_sweep *s)
{
	const struct run_options *o = &s->opt.run;
	for (const struct cpu_model *c; !s->opt.tables_only && s->n_cpus < TLB_CPUS - 1 && (c = cpu_at(s->n_cpus)); s->n_cpus++) {
		s->cpu[s->n_cpus] = c;
		if (strcmp(c->name, o->cpu_name) == 0)
			s->chosen = s->n_cpus;
	}
	if (!s->opt.tables_only && o->tlb_spec) {
		s->chosen = s->n_cpus;
		s->cpu[s->n_cpus++] = &s->opt.run.cpu;
	}
}

/* Is there a TLB of the first level for both data and instructions?  First: nothing of its kinds comes before it. */
static bool cpu_is_unified(const struct cpu_model *c)
{
	for (unsigned i = 0; i < c->n_tlbs; i++)
		if (c->tlb[i].kinds & TLB_DATA && c->tlb[i].kinds & TLB_FETCHES && c->tlb[i].level == 1)
			return true;
	return false;
}

static enum pw_err sweep_build_spaces(struct tlb_sweep *s)
{
	const struct run_options *o = &s->opt.run;
	struct tlb_spaces_config c = {
		.format = &s->run->opt.format, .n_frames = FRAMES, .asid_bits = o->cpu.asid_bits, .n_sizes = s->opt.n_sizes,
		.hand_on = sweep_hand_on, .describe = sweep_describe, .ctx = s,
	};
	for (unsigned i = 0; i < s->n_cpus; i++)
		c.unified |= cpu_is_unified(s->cpu[i]);
	for (unsigned i = 0; i < s->opt.n_sizes; i++)
		c.size_shift[i] = (uint8_t)shift_of(s->opt.page_bytes[i]);
	enum pw_err err = tlb_spaces_create(&c, &s->spaces);
	if (err == PW_OK)
		s->run->pmap = tlb_spaces_pmap(s->spaces);
	return err;
}

static enum pw_err sweep_build_models(struct tlb_sweep *s)
{
	for (unsigned i = 0; i < s->opt.n_sizes; i++) {
		struct tlb_stack_config c = {
			.pages = tlb_spaces_pages(s->spaces), .size = i, .cpu = &s->opt.run.cpu, .shape = s->opt.shape,
			.leaf = leaf_level(&s->run->opt.format, shift_of(s->opt.page_bytes[i])), .n_shapes = s->opt.n_shapes,
		};
		enum pw_err err = tlb_stack_create(&c, &s->stack[i]);
		if (err != PW_OK)
			return err;
	}
	return PW_OK;
}

static enum pw_err sweep_build_machines(struct tlb_sweep *s, struct pw_why *why)
{
	const struct ptfmt *f = &s->run->opt.format;
	uint64_t large_pages = tlb_machine_has_large(f) ? ptfmt_level_pages(f, 1) : 0, seed = s->opt.run.seed;
	enum pw_err err = PW_OK;
	for (unsigned i = 0; i < s->n_cpus && err == PW_OK; i++)
		err = tlb_machine_create(f, s->cpu[i], false, seed, &s->machine[i], why);
	if (err == PW_OK && s->n_cpus && large_pages)
		err = tlb_machine_create(f, s->cpu[s->chosen], true, seed, &s->large, why);
	return err == PW_OK && s->large ? tlb_ledger_create(f->page_shift, large_pages, &s->rows) : err;
}

static enum pw_err sweep_build_kernel(struct tlb_sweep *s, struct pw_why *why)
{
	const struct run_options *o = &s->run->opt;
	struct kernel_config kc = {
		.pmap = s->run->pmap, .n_frames = FRAMES, .page_shift = o->format.page_shift, .personality = o->personality,
		.policy = &policy_fifo, .cost = &o->cost, .seed = o->seed, .va_bits = run_user_bits(&o->format),
		.file_cache_cold = o->cold_files,
	};
	return kernel_create(&kc, &s->run->kernel, why);
}

/* The models read what the spaces write, and the spaces need the team to begin writing: spaces first, with a team that is set before
 * the first batch is full. */
static enum pw_err sweep_build(struct tlb_sweep *s, struct pw_why *why)
{
	struct tlb_worker worker[TLB_SIZES + TLB_CPUS + 1];
	unsigned n = 0;
	sweep_choose_cpus(s);
	enum pw_err err = sweep_build_spaces(s);
	if (err == PW_OK)
		err = sweep_build_models(s);
	if (err == PW_OK)
		err = sweep_build_machines(s, why);
	for (unsigned i = 0; i < s->opt.n_sizes; i++)
		worker[n++] = (struct tlb_worker){ stack_eat, s->stack[i] };
	for (unsigned i = 0; i < s->n_cpus; i++)
		worker[n++] = (struct tlb_worker){ machine_eat, s->machine[i] };
	if (s->large)
		worker[n++] = (struct tlb_worker){ machine_eat, s->large };
	if (err == PW_OK)
		err = tlb_team_create(worker, n, sweep_threads(&s->opt), &s->team);
	if (err == PW_OK)
		tlb_spaces_fill(s->spaces, tlb_team_batch(s->team));
	if (err != PW_OK)
		return pw_fail(why, err, err == PW_LIMIT ? "too many different numbers of sets (entries / ways) at once"
		                                        : "out of memory for the tables of TLBs");
	return sweep_build_kernel(s, why);
}

enum pw_err tlb_sweep_create(const struct tlb_options *o, struct tlb_sweep **ret, struct pw_why *why)
{
	*ret = NULL;
	struct tlb_sweep *s = mem_zalloc(1, sizeof *s);
	struct run *r = mem_zalloc(1, sizeof *r);
	if (!s || !r) {
		mem_free(s);
		mem_free(r);
		return pw_fail(why, PW_NOMEM, "out of memory for the tables of TLBs");
	}
	s->opt = *o;
	s->run = r;
	r->opt = o->run;
	r->opt.n_cpus = 1;
	for (unsigned i = 0; i < RUN_CPUS_MAX; i++)
		r->on_cpu[i] = -1;
	enum pw_err err = sweep_build(s, why);
	if (err != PW_OK) {
		tlb_sweep_destroy(s);
		return err;
	}
	*ret = s;
	return PW_OK;
}

void tlb_sweep_destroy(struct tlb_sweep *s)
{
	if (!s)
		return;
	if (s->spaces)
		tlb_spaces_fill(s->spaces, NULL);
	tlb_team_destroy(s->team);
	for (unsigned i = 0; i < s->opt.n_sizes; i++)
		tlb_stack_destroy(s->stack[i]);
	for (unsigned i = 0; i < s->n_cpus; i++)
		tlb_machine_destroy(s->machine[i]);
	tlb_machine_destroy(s->large);
	run_destroy(s->run);
	tlb_ledger_destroy(s->rows);
	mem_free(s);
}

enum pw_err tlb_sweep_begin(struct tlb_sweep *s, struct trace *t, struct pw_why *why)
{
	struct trace_info info = trace_describe(t);
	unsigned shift = s->run->opt.format.page_shift;
	s->run->trace = t;
	if (shift >= info.granule_shift)
		return PW_OK;
	return pw_fail(why, PW_UNSUPPORTED, "%s: its addresses are exact only to %llu bytes, too coarse for pages of %llu; record it with "
	               "--granule 1", info.source, 1ull << info.granule_shift, 1ull << shift);
}

/* ---- the loop ---- */

static void sweep_kill(struct run *r, struct run_process *p)
{
	struct process_info info;
	process_describe(p->process, &info);
	run_unload(r, p);
	if (info.alive)
		process_exit(p->process);
	p->gone = p->killed = true;
}

/* => false: the reference is given up */
static bool sweep_fault(struct tlb_sweep *s, struct run_process *p, const struct machine_stop *stop)
{
	struct fault_report report = process_fault(p->process, 0, stop->va, stop->kind);
	if (report.outcome == FAULT_OUTCOME_RESOLVED)
		return true;
	if (report.outcome == FAULT_OUTCOME_KILLED) {
		sweep_kill(s->run, p);
		return false;
	}
	tlb_spaces_refused(s->spaces, stop);
	p->refused++;
	s->run->refused++;
	return false;
}

static uint64_t sweep_piece(const struct run *r, uint64_t n)
{
	if (r->opt.limit && n > r->opt.limit - r->position)
		n = r->opt.limit - r->position;
	if (r->position < r->opt.warmup && n > r->opt.warmup - r->position)
		n = r->opt.warmup - r->position;
	return n;
}

static void sweep_boundary(struct tlb_sweep *s)
{
	struct run *r = s->run;
	if (r->opt.warmup && !s->warm && r->position >= r->opt.warmup) {
		s->warm = true;
		s->counted_from = r->position;
		r->refused = r->skipped = r->lost = r->stuck = 0;
		tlb_spaces_reset(s->spaces);
	}
	if (r->opt.limit && r->position >= r->opt.limit && r->state == RUN_GOING)
		r->state = RUN_ENDED;
	enum pw_err err = tlb_spaces_error(s->spaces);
	if (err != PW_OK)
		run_fail(r, err, "%s", err == PW_LIMIT ? "too many different pages (more than 64M) or address spaces"
		                                       : "out of memory for pages");
}

static void sweep_run(struct tlb_sweep *s, struct run_process *p, const struct trace_item *item)
{
	struct run *r = s->run;
	uint64_t at = 0;
	unsigned faults = 0;
	while (at < item->n_refs && r->state == RUN_GOING && !p->gone) {
		struct machine_stop stop = tlb_spaces_run(s->spaces, item->refs + at, sweep_piece(r, item->n_refs - at));
		at += stop.done;
		r->position += stop.done;
		p->references += stop.done;
		faults = stop.done ? 0 : faults;
		if (stop.why == MACHINE_FAULTED && (++faults > FAULTS_MAX || !sweep_fault(s, p, &stop)) && !p->gone) {
			r->stuck += faults > FAULTS_MAX;
			faults = 0;
			at++;
			r->position++;
		}
		sweep_boundary(s);
	}
	for (uint64_t piece; at < item->n_refs && r->state == RUN_GOING; at += piece) {
		piece = sweep_piece(r, item->n_refs - at);
		r->skipped += piece;
		r->position += piece;
		sweep_boundary(s);
	}
}

static void sweep_refs(struct tlb_sweep *s, const struct trace_item *item)
{
	struct run *r = s->run;
	struct run_process *p = run_process_get(r, item->pid);
	if (!p)
		return;
	int index = (int)(p - r->process);
	if (!p->gone && r->on_cpu[0] != index) {
		process_activate(p->process, 0);
		r->on_cpu[0] = index;
	}
	sweep_run(s, p, item);
}

enum run_state tlb_sweep_step(struct tlb_sweep *s)
{
	struct trace_item item;
	struct run *r = s->run;
	if (r->state != RUN_GOING)
		return r->state;
	trace_next(r->trace, &item);
	switch (item.kind) {
	case TRACE_ITEM_REFS:
		sweep_refs(s, &item);
		break;
	case TRACE_ITEM_EVENT:
		run_event(r, item.pid, &item.event);
		break;
	case TRACE_ITEM_END:
		r->state = RUN_ENDED;
		break;
	}
	return r->state;
}

enum pw_err tlb_sweep_error(const struct tlb_sweep *s, struct pw_why *why) { return run_error(s->run, why); }
uint64_t tlb_sweep_position(const struct tlb_sweep *s) { return s->run->position; }

/* ---- the result ---- */

static void size_points(const struct tlb_sweep *s, struct tlb_size *ret, const struct tlb_stack *stack)
{
	uint64_t compulsory = ret->cold + ret->flushed;
	for (unsigned i = 0; i < s->opt.n_shapes; i++) {
		struct tlb_shape shape = s->opt.shape[i];
		struct tlb_point *p = &ret->point[ret->n_points++];
		uint64_t full = tlb_stack_misses(stack, 1, shape.entries);
		*p = (struct tlb_point){ .shape = shape, .misses = tlb_stack_misses(stack, shape.entries / shape.ways, shape.ways) };
		p->capacity = full - compulsory;
		p->conflict = (int64_t)(p->misses - full);
		p->reads = tlb_stack_reads(stack, i, p->by_level);
	}
}

static enum pw_err size_lines(struct tlb_size *ret, const struct tlb_stack *stack)
{
	uint32_t sets, ways;
	for (unsigned i = 0; tlb_stack_sets(stack, i, &sets, &ways); i++) {
		struct tlb_line *grown = mem_realloc(ret->line, ret->n_lines + 1, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		ret->line = grown;
		struct tlb_line *l = &grown[ret->n_lines];
		*l = (struct tlb_line){ .sets = sets, .ways = ways, .miss = mem_zalloc(ways, sizeof *l->miss) };
		if (!l->miss)
			return PW_NOMEM;
		ret->n_lines++;
		tlb_stack_all_misses(stack, sets, ways, l->miss);
	}
	return PW_OK;
}

static enum pw_err result_size(const struct tlb_sweep *s, unsigned i, struct tlb_result *r)
{
	const struct tlb_stack *stack = s->stack[i];
	struct tlb_stack_counts c = tlb_stack_counts(stack);
	struct tlb_size *size = &r->size[r->n_sizes++];
	*size = (struct tlb_size){
		.page_bytes = s->opt.page_bytes[i], .leaf = leaf_level(&s->run->opt.format, shift_of(s->opt.page_bytes[i])),
		.pages = c.pages, .cold = c.cold, .flushed = c.flushed,
	};
	size->point = mem_zalloc(s->opt.n_shapes, sizeof *size->point);
	if (!size->point || tlb_stack_error(stack) != PW_OK)
		return PW_NOMEM;
	size_points(s, size, stack);
	return size_lines(size, stack);
}

/* References that the log leaves out hit the first TLB they come to. */
static bool tlb_is_first(const struct cpu_model *c, const char *name, unsigned kind)
{
	unsigned lowest = UINT8_MAX;
	for (unsigned i = 0; i < c->n_tlbs; i++)
		if (c->tlb[i].kinds >> kind & 1 && c->tlb[i].level < lowest)
			lowest = c->tlb[i].level;
	for (unsigned i = 0; i < c->n_tlbs; i++)
		if (c->tlb[i].kinds >> kind & 1 && c->tlb[i].level == lowest && strcmp(c->tlb[i].name, name) == 0)
			return true;
	return false;
}

static unsigned tlb_level(const struct cpu_model *c, const char *name)
{
	for (unsigned i = 0; i < c->n_tlbs; i++)
		if (strcmp(c->tlb[i].name, name) == 0)
			return c->tlb[i].level;
	return 1;
}

static void result_cpu(const struct tlb_sweep *s, const struct cpu_model *c, const char *name, const struct tlb_machine *m,
                       struct tlb_cpu *ret)
{
	const struct cost_model *cost = &s->opt.run.cost;
	struct tlb_machine_counts n;
	uint64_t done[ACCESS_KINDS], logged[ACCESS_KINDS];
	tlb_machine_counts(m, &n);
	tlb_spaces_counts(s->spaces, done, logged);
	*ret = (struct tlb_cpu){ .n_tlbs = n.n_tlbs, .walks = n.mach.walks, .reads = n.mach.walk_references };
	snprintf(ret->name, sizeof ret->name, "%s", name);
	memcpy(ret->by_level, n.mach.walk_level, sizeof ret->by_level);
	for (unsigned i = 0; i < n.n_tlbs; i++) {
		struct result_tlb *t = &ret->tlb[i];
		*t = (struct result_tlb){ .accesses = n.tlb[i].accesses, .misses = n.tlb[i].misses };
		snprintf(t->name, sizeof t->name, "%s", n.tlb[i].name);
		for (unsigned kind = 0; kind < ACCESS_KINDS; kind++)
			t->accesses += tlb_is_first(c, t->name, kind) ? done[kind] - logged[kind] : 0;
		t->hits = t->accesses - t->misses;
		ret->lower_hits += tlb_level(c, t->name) > 1 ? t->hits : 0;
	}
	ret->cycles = ret->lower_hits * cost->tlb2_hit + ret->reads * cost->walk_reference + n.mach.dirty_updates * cost->dirty_update;
}

/* A machine that could not go on is a row without figures, which is worse than an error. */
static enum pw_err result_cpus(struct tlb_sweep *s, struct tlb_result *r)
{
	enum pw_err err = s->large ? tlb_machine_error(s->large) : PW_OK;
	for (unsigned i = 0; i < s->n_cpus && err == PW_OK; i++) {
		err = tlb_machine_error(s->machine[i]);
		bool given = s->cpu[i] == &s->opt.run.cpu;
		result_cpu(s, s->cpu[i], given ? "--tlb" : s->cpu[i]->name, s->machine[i], &r->cpu[r->n_cpus++]);
	}
	if (err != PW_OK || !s->large)
		return err;
	r->ledger.cpu = s->chosen;
	result_cpu(s, s->cpu[s->chosen], r->cpu[s->chosen].name, s->large, &r->ledger.large);
	return tlb_ledger_result(s->rows, s->spaces, s->machine[s->chosen], s->large, &s->opt.run.cost, r);
}

static enum pw_err result_input(const struct run *r, struct result *ret)
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

static void result_head(const struct tlb_sweep *s, struct result *h)
{
	const struct run *r = s->run;
	uint64_t logged[ACCESS_KINDS];
	h->machine = (struct result_machine){
		.format = r->opt.format, .cpu = r->opt.cpu, .cpu_name = r->opt.cpu_name, .tlb_spec = r->opt.tlb_spec, .n_cpus = 1,
		.personality = r->opt.personality, .cold_files = r->opt.cold_files, .cost = r->opt.cost, .limit = r->opt.limit,
		.warmup = r->opt.warmup, .quantum = r->opt.quantum,
	};
	h->seed = r->opt.seed;
	tlb_spaces_counts(s->spaces, h->refs.kind, logged);
	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		h->refs.total += h->refs.kind[i];
	h->refs.refused = r->refused;
	h->refs.skipped = r->skipped;
	h->refs.lost = r->lost;
}

static void law_inclusion(struct result *h, const struct tlb_size *z)
{
	uint32_t sets = 0, ways = 0;
	for (unsigned j = 0; j < z->n_lines; j++)
		for (uint32_t w = 1; w <= z->line[j].ways; w++)
			if (z->line[j].miss[w - 1] > (w > 1 ? z->line[j].miss[w - 2] : h->refs.total)) {
				sets = z->line[j].sets;
				ways = w;
			}
	result_check(h, ways == 0, "pages of %llu bytes, %u sets: more misses with %u ways than with one less",
	             (unsigned long long)z->page_bytes, sets, ways);
}

static void law_causes(struct result *h, const struct tlb_size *z)
{
	const struct tlb_point *wrong = NULL, *few = NULL;
	for (unsigned j = 0; j < z->n_points; j++) {
		const struct tlb_point *p = &z->point[j];
		if (p->misses != z->cold + z->flushed + p->capacity + (uint64_t)p->conflict)
			wrong = p;
		if (p->reads < p->misses)
			few = p;
	}
	result_check(h, !wrong, "causes do not add up to misses: pages of %llu bytes, %u/%u", (unsigned long long)z->page_bytes,
	             wrong ? wrong->shape.entries : 0, wrong ? wrong->shape.ways : 0);
	result_check(h, !few, "fewer table entries read than walks: pages of %llu bytes, %u/%u", (unsigned long long)z->page_bytes,
	             few ? few->shape.entries : 0, few ? few->shape.ways : 0);
}

static void law_machine(struct result *h, const char *name, const struct tlb_machine *m, const struct tlb_cpu *c)
{
	struct tlb_machine_counts n;
	uint64_t by_level = 0;
	tlb_machine_counts(m, &n);
	for (unsigned i = 0; i < PTFMT_LEVELS; i++)
		by_level += c->by_level[i];
	result_check(h, n.strange == 0, "%s: %llu references faulted where the kernel saw no fault, or the other way", name,
	             (unsigned long long)n.strange);
	result_check(h, by_level == c->reads && c->reads >= c->walks, "%s: %llu walks read %llu table entries, by level %llu", name,
	             (unsigned long long)c->walks, (unsigned long long)c->reads, (unsigned long long)by_level);
}

static void law_ledger(struct result *h, const struct tlb_ledger *g, const struct tlb_cpu *base)
{
	result_check(h, g->total.walks == base->walks && g->total.large_walks == g->large.walks,
	             "the ledger has %llu and %llu walks, the machines %llu and %llu", (unsigned long long)g->total.walks,
	             (unsigned long long)g->total.large_walks, (unsigned long long)base->walks, (unsigned long long)g->large.walks);
}

/* The laws that the figures must keep. */
static void result_laws(const struct tlb_sweep *s, struct tlb_result *r)
{
	struct result *h = &r->head;
	const struct run *run = s->run;
	uint64_t dealt = h->refs.total + h->refs.refused + h->refs.skipped + run->stuck;
	result_check(h, dealt == run->position - s->counted_from, "%llu references were dealt with, %llu taken from the trace",
	             (unsigned long long)dealt, (unsigned long long)(run->position - s->counted_from));
	result_check(h, run->stuck == 0, "%llu references faulted again and again and were given up", (unsigned long long)run->stuck);
	for (unsigned i = 0; i < r->n_sizes; i++) {
		law_inclusion(h, &r->size[i]);
		law_causes(h, &r->size[i]);
	}
	for (unsigned i = 0; i < s->n_cpus; i++)
		law_machine(h, r->cpu[i].name, s->machine[i], &r->cpu[i]);
	if (r->ledger.present)
		law_machine(h, "large pages", s->large, &r->ledger.large);
	if (r->ledger.present)
		law_ledger(h, &r->ledger, &r->cpu[r->ledger.cpu]);
}

enum pw_err tlb_sweep_result(struct tlb_sweep *s, struct tlb_result *ret, struct pw_why *why)
{
	*ret = (struct tlb_result){ 0 };
	tlb_spaces_drain(s->spaces);
	tlb_team_wait(s->team);
	enum pw_err err = result_input(s->run, &ret->head);
	for (unsigned i = 0; i < s->opt.n_sizes && err == PW_OK; i++)
		err = result_size(s, i, ret);
	result_head(s, &ret->head);
	if (err == PW_OK)
		err = result_cpus(s, ret);
	if (err != PW_OK) {
		tlb_result_fini(ret);
		return pw_fail(why, err, "%s", err == PW_NOFRAMES ? "pages are too scattered for the page tables of the modelled CPUs; "
		                                                    "--tables-only leaves those out" : "out of memory for the result");
	}
	result_laws(s, ret);
	return PW_OK;
}
