/* limit.c - limits of a process, and how much memory is promised beyond what there is.
 *
 * Problem: a program maps what it may never touch.  Granting everything ends in the killing of processes; granting only what is there
 * refuses programs that would have run.
 * Idea: three modes, Linux's.  A page is promised when it may be written and has no file to go back to: private and writable, or shared
 * without a file.  What is promised is summed from the entries when it is asked for; only one mode asks.
 *
 * 1. A call that is refused has changed nothing.
 * Rejected: a counter kept beside the entries (every cut, join and change of rights would have to keep it right, for one mode).
 * Source: Linux, Documentation/mm/overcommit-accounting.rst; getrlimit(2). */
#include "limit.h"
#include "space.h"
#include "state.h"

static uint64_t promised_pages(const struct entry *e, uint64_t n)
{
	if (e->on_disk)
		return 0;
	bool file = e->object && e->object->kind == OBJECT_FILE;
	return e->shared ? (file ? 0 : n) : e->prot & PMAP_WRITE ? n : 0;
}

static uint64_t promised_by(const struct process *p)
{
	uint64_t n = 0;
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); p->alive && e; e = entry_next(e))
		n += promised_pages(e, entry_pages(e));
	return n;
}

/* Half of memory, and swap. */
static uint64_t promise_limit(const struct kernel *k)
{
	return k->frames.page_limit / 2 + (k->swap.store ? k->swap.limit : 0);
}

static enum pw_err promise(const struct kernel *k, uint64_t more)
{
	if (k->config.overcommit == OVERCOMMIT_always || !more)
		return PW_OK;
	if (k->config.overcommit == OVERCOMMIT_heuristic)
		return more <= k->frames.page_limit + (k->swap.store ? k->swap.limit : 0) ? PW_OK : PW_LIMIT;
	uint64_t sum = more;
	for (uint32_t i = 0; i < k->n_processes; i++)
		sum += promised_by(k->process[i]);
	return sum <= promise_limit(k) ? PW_OK : PW_LIMIT;
}

/* Pages mapped in [start, end), and promised there. */
static uint64_t pages_within(struct process *p, uint64_t start, uint64_t end, uint64_t *ret_promised)
{
	uint64_t n = 0;
	*ret_promised = 0;
	for (struct entry *e = map_after(&p->map, start); e && e->node.start < end; e = entry_next(e)) {
		uint64_t lo = e->node.start > start ? e->node.start : start, hi = e->node.end < end ? e->node.end : end;
		n += hi - lo;
		*ret_promised += promised_pages(e, hi - lo);
	}
	return n;
}

enum pw_err limit_map(struct process *p, const struct entry *like, uint64_t n_pages, uint64_t start, uint64_t end)
{
	uint64_t promised, replaced = pages_within(p, start, end, &promised), more = promised_pages(like, n_pages);
	uint64_t limit = p->limit[PROCESS_LIMIT_space] >> p->kernel->config.page_shift;
	if (p->map.mapped_pages - replaced + n_pages > limit)
		return PW_LIMIT;
	return promise(p->kernel, more > promised ? more - promised : 0);
}

enum pw_err limit_fork(const struct process *p)
{
	return p->kernel->config.overcommit == OVERCOMMIT_never ? promise(p->kernel, promised_by(p)) : PW_OK;
}

enum pw_err limit_exec(const struct process *p, struct entry *const *entry, unsigned n)
{
	uint64_t pages = 0, promised = 0, now = promised_by(p);
	for (unsigned i = 0; i < n; i++) {
		pages += entry_pages(entry[i]);
		promised += promised_pages(entry[i], entry_pages(entry[i]));
	}
	if (pages > p->limit[PROCESS_LIMIT_space] >> p->kernel->config.page_shift)
		return PW_LIMIT;
	return promise(p->kernel, promised > now ? promised - now : 0);
}

bool limit_stack(const struct process *p, const struct entry *stack, uint64_t n_pages)
{
	unsigned shift = p->kernel->config.page_shift;
	uint64_t more = n_pages - entry_pages(stack);
	return n_pages <= p->limit[PROCESS_LIMIT_stack] >> shift && p->map.mapped_pages + more <= p->limit[PROCESS_LIMIT_space] >> shift;
}

enum pw_err limit_protect(struct process *p, uint64_t start, uint64_t end, unsigned prot)
{
	uint64_t promised, more = 0;
	pages_within(p, start, end, &promised);
	for (struct entry *e = map_after(&p->map, start); e && e->node.start < end; e = entry_next(e)) {
		uint64_t lo = e->node.start > start ? e->node.start : start, hi = e->node.end < end ? e->node.end : end;
		struct entry like = *e;
		like.prot = prot;
		more += promised_pages(&like, hi - lo);
	}
	return promise(p->kernel, more > promised ? more - promised : 0);
}

void process_limit(struct process *p, enum process_limit which, uint64_t bytes) { p->limit[which] = bytes; }
