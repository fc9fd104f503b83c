/* curve_space.c - what a curve asks of a kernel.
 *
 * Problem.  Faults of programs come from more than distance: first touches, copies on write, mappings that come and go, pages shared
 * by several translations.  A curve has to be right for all memories at once, and for each it has to be what a run counts.
 *
 * Idea.  One kernel with memory for everything runs beside the curve, over curve_pmap.  A use that its translations allow is never
 * shown to it.  One they do not allow faults there, and then in every memory: a translation that is missing, or too weak, where
 * nothing was ever evicted is missing or too weak everywhere, and a memory that lost the page besides serves both with the same one
 * fault.  All other faults are of lost pages: a use at depth d faults in memories below d, or, where a page has several translations,
 * below the deepest it was found since this one's last use, because an eviction removes them all.
 *
 *      use --- allowed ------------> depth: faults in smaller memories
 *        '--- not allowed: front to the stack; process_fault: one fault everywhere; then the use, not counted again
 *                               '-- copied(frame): the kernel used the source; it moves to the top, too
 *
 * Where it is not exact, and why:
 *   - one frame: a copy on write needs two at once, and a run with one kills the process;
 *   - MADV_WILLNEED, POPULATE and PAGEOUT: what they bring or take depends on the room there is, here there is always room;
 *   - a page with several translations whose mapping loses all its rights and gets them back: who gets its translation back without a
 *     fault is the last to have faulted, which differs by size;
 *   - moving (mremap) one of several translations of a page forgets how deep it was lost.
 *
 * Invariants.
 *   1. The front is empty whenever the kernel is called.
 *   2. position = references done + refused + skipped, as in run.c.
 * Rejected: serving faults from a model of our own (a second kernel, with second mistakes). */
#include "curve_space.h"
#include "curve_pmap.h"
#include "result.h"
#include "run_impl.h"
#include <string.h>

enum { FAULTS_MAX = 64 };
#define FRAMES_MAX (1ull << 24)
#define SOURCE_NONE UINT32_MAX

struct curve_space {
	struct run run;          /* its address spaces: no machine, no results */
	struct htab classes;     /* pid and name -> class */
	uint32_t source;         /* the frame that the fault being served has copied */
	uint64_t refused;
};

static void space_copied(void *ctx, pfn_t from)
{
	struct curve_space *s = ctx;
	s->source = (uint32_t)from.v;
}

static enum pw_err space_kernel(struct curve_space *s, struct pw_why *why)
{
	struct run *r = &s->run;
	unsigned shift = r->opt.format.page_shift;
	uint64_t frames = (64ull << 30) >> shift;
	struct kernel_config kc = {
		.pmap = r->pmap, .n_frames = frames < FRAMES_MAX ? frames : FRAMES_MAX, .page_shift = shift, .policy = &policy_fifo,
		.swap = r->swap, .cost = &r->opt.cost, .seed = r->opt.seed, .ctx = s, .copied = space_copied,
		.va_bits = run_user_bits(&r->opt.format),
	};
	return kernel_create(&kc, &r->kernel, why);
}

enum pw_err curve_space_create(struct curve *c, struct curve_space **ret, struct pw_why *why)
{
	struct curve_space *s = mem_zalloc(1, sizeof *s);
	*ret = NULL;
	if (!s)
		return pw_fail(why, PW_NOMEM, "out of memory for address spaces");
	struct run *r = &s->run;
	run_options_init(&r->opt);
	r->opt.format.page_shift = (uint8_t)c->opt.page_shift;
	r->trace = c->trace;
	enum pw_err err = htab_init(&s->classes, 64);
	if (err == PW_OK)
		err = curve_sys_create(&c->lru, c->opt.page_shift, &r->pmap);
	if (err != PW_OK)
		pw_fail(why, err, "out of memory for address spaces");
	if (err == PW_OK)
		err = store_open("ssd", 1u << c->opt.page_shift, UINT64_MAX, &r->swap, why);
	if (err == PW_OK)
		err = space_kernel(s, why);
	if (err == PW_OK)
		*ret = s;
	else
		curve_space_destroy(s);
	return err;
}

void curve_space_destroy(struct curve_space *s)
{
	if (!s)
		return;
	if (s->run.kernel)
		kernel_destroy(s->run.kernel);
	if (s->run.swap)
		store_close(s->run.swap);
	if (s->run.pmap)
		pmap_sys_destroy(s->run.pmap);
	htab_fini(&s->classes);
	mem_free(s->run.process);
	mem_free(s);
}

static void space_failed(struct curve *c)
{
	const struct run *r = &c->space->run;
	if (r->state == RUN_FAILED && c->state == CURVE_GOING)
		curve_fail(c, r->error, "%s", r->why.text);
}

void curve_space_event(struct curve *c, uint32_t pid, const struct trace_event *e)
{
	struct curve_space *s = c->space;
	struct run_process *p = e->kind == TRACE_FORK ? run_process_get(&s->run, pid) : NULL;
	enum pw_err err = lru_curve_flush(&c->lru);
	if (p && p->process)
		curve_sys_copying(s->run.pmap, process_pmap(p->process));
	if (err == PW_OK)
		run_event(&s->run, pid, e);
	curve_sys_copying(s->run.pmap, NULL);
	if (err == PW_OK)
		err = curve_sys_error(s->run.pmap);
	if (err != PW_OK)
		curve_fail(c, err, "out of memory for the curve");
	space_failed(c);
}

bool curve_space_enter(struct curve *c, uint32_t pid, uint32_t *ret)
{
	struct run_process *p = run_process_get(&c->space->run, pid);
	space_failed(c);
	if (!p || p->gone)
		return false;
	*ret = curve_pmap_space(process_pmap(p->process));
	return true;
}

/* ---- one use ---- */

struct slow {
	struct curve *c;
	struct process *process;
	uint64_t key, at;        /* at: position of the reference, from 1 */
	const ref_t *ref;
	uint64_t left;           /* references of the use from here on */
};

static enum pw_err class_add(struct curve *c, const struct mapping_info *m, uint32_t *ret)
{
	struct curve_class_info *grown = mem_realloc(c->class, c->lru.n_classes + 1, sizeof *grown);
	if (!grown)
		return PW_NOMEM;
	c->class = grown;
	enum pw_err err = lru_curve_class(&c->lru, ret);
	if (err == PW_OK)
		c->class[*ret] = (struct curve_class_info){ .pid = m->pid, .name = m->name };
	return err;
}

/* Pages of mappings of one name, in one process, are one class.  Names are kept by the kernel, each once. */
static enum pw_err class_at(struct slow *u, uint32_t *ret)
{
	struct mapping_info m = { .name = "" };
	vaddr_t va = ref_va(*u->ref);
	process_mapping_at(u->process, va, &m);
	uint64_t key = (uint64_t)(uintptr_t)m.name ^ m.pid * 0x9e3779b97f4a7c15ull;
	uint64_t *class = htab_put(&u->c->space->classes, key);
	if (!class)
		return PW_NOMEM;
	if (!*class) {
		enum pw_err err = class_add(u->c, &m, ret);
		if (err != PW_OK)
			return err;
		*class = *ret + 1ull;
	}
	*ret = (uint32_t)(*class - 1);
	return PW_OK;
}

/* The kernel read the page it copied, in the same moment: no reference of the program, but a use. */
static enum pw_err use_source(struct slow *u, uint32_t class)
{
	struct curve_space *s = u->c->space;
	uint32_t page = s->source;
	uint64_t depth;
	if (page == SOURCE_NONE)
		return PW_OK;
	enum pw_err err = lru_curve_cover(&u->c->lru, page);
	struct lru_use use = { .tag = lru_tag_shared(page), .at = u->at, .page = page, .class = class, .kinds = USE_LOAD,
	                       .served = true };
	if (err == PW_OK)
		err = lru_curve_use(&u->c->lru, &use, &depth);
	if (err == PW_OK)
		curve_page_used(s->run.pmap, page, depth);
	return err == PW_OK ? lru_curve_flush(&u->c->lru) : err;
}

/* => PW_ACCESS: refused; PW_LIMIT: more pages than the kernel has frames */
static enum pw_err serve(struct slow *u)
{
	struct curve *c = u->c;
	struct curve_space *s = c->space;
	uint32_t class;
	enum pw_err err = lru_curve_flush(&c->lru);
	if (err != PW_OK)
		return err;
	s->source = SOURCE_NONE;
	struct fault_report f = process_fault(u->process, 0, ref_va(*u->ref), ref_kind(*u->ref));
	err = curve_sys_error(s->run.pmap);
	if (err != PW_OK)
		return err;
	if (f.outcome == FAULT_OUTCOME_KILLED) {
		struct kernel_counts k;
		kernel_counts(s->run.kernel, &k);
		return k.free_frames ? PW_NOMEM : PW_LIMIT;
	}
	if (f.outcome != FAULT_OUTCOME_RESOLVED)
		return PW_ACCESS;
	err = class_at(u, &class);
	if (err != PW_OK)
		return err;
	lru_curve_fault(&c->lru, class, LRU_NEW);
	return use_source(u, class);
}

/* As many references as the word allows, as one use.  faulted: it was counted already. */
static enum pw_err use_now(struct slow *u, uint32_t word, bool faulted, uint64_t *ret_done)
{
	struct lru_curve *l = &u->c->lru;
	struct pmap_sys *sys = u->c->space->run.pmap;
	struct lru_use use = { .tag = u->key, .at = u->at, .page = lru_word_page(word), .allow = word & LRU_WORD_ALLOW,
	                       .served = faulted };
	uint64_t depth;
	while (use.n < u->left && 1u << ref_kind(u->ref[use.n]) & word)
		use.kinds |= 1u << ref_kind(u->ref[use.n++]);
	*ret_done = use.n;
	struct curve_node *node = word & LRU_WORD_SHARED ? curve_node_at(sys, use.page, u->key) : NULL;
	use.class = node ? node->class : l->page[use.page].class;
	enum pw_err err = PW_OK;
	if (faulted || use.class == CURVE_CLASS_NONE)
		err = class_at(u, &use.class);
	if (node) {
		node->class = use.class;
		use.tag = lru_tag_shared(use.page);
		use.allow = 0;
	}
	if (err == PW_OK)
		err = lru_curve_use(l, &use, &depth);
	if (err != PW_OK)
		return err;
	if (node) {
		depth = curve_node_used(sys, use.page, node, depth);
		word = *dense_get(&l->table, u->key);
		if (!(word & LRU_WORD_SHARED)) /* nobody else is left */
			lru_curve_retag(l, u->key, word & LRU_WORD_ALLOW);
	}
	if (!faulted)
		lru_curve_fault(l, use.class, depth);
	return PW_OK;
}

/* One reference until it is done, and those after it that go the same way. */
static enum pw_err use_step(struct slow *u, uint64_t *ret_done)
{
	for (unsigned faults = 0; faults < FAULTS_MAX; faults++) {
		const uint32_t *word = dense_get(&u->c->lru.table, u->key);
		if (word && *word & 1u << ref_kind(*u->ref))
			return use_now(u, *word, faults > 0, ret_done);
		enum pw_err err = serve(u);
		if (err != PW_OK && err != PW_ACCESS)
			return err;
		if (err == PW_ACCESS)
			break;
	}
	u->c->space->refused++;
	*ret_done = 1;
	return PW_OK;
}

enum pw_err curve_space_use(struct curve *c, uint64_t i, const ref_t *refs)
{
	uint64_t at = use_begin(&c->uses, i), end = use_end(&c->uses, i);
	const struct run *r = &c->space->run;
	struct slow u = { .c = c, .process = r->process[r->recent].process, .key = c->uses.key[i] };
	while (at < end) {
		uint64_t done = 0;
		u.at = c->lru.now + at + 1;
		u.ref = refs + at;
		u.left = end - at;
		enum pw_err err = use_step(&u, &done);
		if (err != PW_OK)
			return err;
		at += done;
	}
	return PW_OK;
}

uint64_t curve_space_refused(const struct curve_space *s) { return s->refused; }
void curve_space_pages(const struct curve_space *s, uint64_t *ret_touched, uint64_t *ret_peak)
{
	struct kernel_counts k;
	kernel_counts(s->run.kernel, &k);
	*ret_touched = k.touched_pages;
	*ret_peak = k.resident_peak_pages;
}

uint64_t curve_space_bytes(const struct curve_space *s) { return kernel_host_bytes(s->run.kernel) + curve_sys_bytes(s->run.pmap); }
const char *curve_space_flaw(struct curve_space *s) { return kernel_flaw(s->run.kernel); }
