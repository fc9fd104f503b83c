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
	(void)ctx, (void)owner, (void)page;
	ret->row = 0;
}

static void stack_eat(void *self, const struct tlb_batch *batch) { tlb_stack_eat(self, batch); }

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

static enum pw_err sweep_build_spaces(struct tlb_sweep *s)
{
	const struct run_options *o = &s->opt.run;
	struct tlb_spaces_config c = {
		.format = &s->run->opt.format, .n_frames = FRAMES, .asid_bits = o->cpu.asid_bits, .n_sizes = s->opt.n_sizes,
		.hand_on = sweep_hand_on, .describe = sweep_describe, .ctx = s,
	};
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
	struct tlb_worker worker[TLB_SIZES];
	enum pw_err err = sweep_build_spaces(s);
	if (err == PW_OK)
		err = sweep_build_models(s);
	for (unsigned i = 0; i < s->opt.n_sizes; i++)
		worker[i] = (struct tlb_worker){ stack_eat, s->stack[i] };
	if (err == PW_OK)
		err = tlb_team_create(worker, s->opt.n_sizes, sweep_threads(&s->opt), &s->team);
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
	run_destroy(s->run);
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
		for (uint32_t w = 1; w <= ways; w++)
			l->miss[w - 1] = tlb_stack_misses(stack, sets, w);
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
		.warmup = r->opt.warmup,
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
}

enum pw_err tlb_sweep_result(struct tlb_sweep *s, struct tlb_result *ret, struct pw_why *why)
{
	*ret = (struct tlb_result){ 0 };
	tlb_spaces_drain(s->spaces);
	tlb_team_wait(s->team);
	enum pw_err err = result_input(s->run, &ret->head);
	for (unsigned i = 0; i < s->opt.n_sizes && err == PW_OK; i++)
		err = result_size(s, i, ret);
	if (err != PW_OK) {
		tlb_result_fini(ret);
		return pw_fail(why, err, "out of memory for the result");
	}
	result_head(s, &ret->head);
	result_laws(s, ret);
	return PW_OK;
}
