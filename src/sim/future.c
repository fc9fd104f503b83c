/* future.c - the next-use index.
 *
 * Problem.  Belady's optimal policy evicts the page whose next use is farthest away, so it must be told the future.  A trace that
 * can be read twice can tell it, but a list of all references would be larger than the trace.
 *
 * Idea.  Consecutive references to one page are one for every replacement policy.  Two passes give a compact array:
 *
 *     page ids      0        1     2            (dense, in order of first use; found through one hash table per process)
 *     begin         0        3     4       7
 *     time        [ 9 20 31 | 12 | 15 22 40 ]   (position at which each run begins, ascending per page)
 *     cursor          ^        ^         ^      (first time not yet in the past)
 *
 * A query moves the page's cursor forward, so all queries together cost at most one pass over the array.  Times take four bytes
 * while the trace is shorter than 2^32 references, eight otherwise.
 *
 * Invariants.
 *   1. begin is ascending, begin[n_pages] is the number of runs.
 *   2. time is strictly ascending within a page.
 *   3. begin[i] <= cursor[i] <= begin[i + 1].
 *
 * Rejected: storing with every reference the time of the next one to its page (a stream as long as the trace, read in step with
 * it): the policy asks for pages other than the one being referenced.
 *
 * Source: L. A. Belady, A study of replacement algorithms for a virtual-storage computer, 1966. */
#include "future.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include "../base/text.h"

struct future_space {
	uint32_t pid;
	struct htab ids; /* vpn -> page id */
};

struct future {
	struct future_space *space;
	unsigned n_spaces, recent;
	uint64_t n_pages, pages_cap, n_runs;
	uint64_t *begin, *cursor;
	uint32_t *time32;
	uint64_t *time64;
};

/* One pass over the trace, run by run. */
struct future_pass {
	struct future *f;
	struct trace *trace;
	unsigned shift;
	uint64_t limit, max_bytes, now;
	bool filling;
	uint64_t last_id; /* page of the run in progress; UINT64_MAX: none yet */
	uint64_t began;   /* where it began */
};

static struct future_space *future_space(struct future *f, uint32_t pid)
{
	if (f->recent < f->n_spaces && f->space[f->recent].pid == pid)
		return &f->space[f->recent];
	for (unsigned i = 0; i < f->n_spaces; i++)
		if (f->space[i].pid == pid) {
			f->recent = i;
			return &f->space[i];
		}
	return NULL;
}

static struct future_space *future_space_add(struct future *f, uint32_t pid)
{
	struct future_space *grown = mem_realloc(f->space, f->n_spaces + 1, sizeof *grown);
	if (!grown)
		return NULL;
	f->space = grown;
	struct future_space *s = &f->space[f->n_spaces];
	s->pid = pid;
	if (htab_init(&s->ids, 1024) != PW_OK)
		return NULL;
	f->recent = f->n_spaces++;
	return s;
}

static enum pw_err future_page_add(struct future *f, struct htab *ids, vpn_t page, uint64_t *ret_id)
{
	if (f->n_pages + 1 >= f->pages_cap) {
		uint64_t cap = f->pages_cap ? f->pages_cap * 2 : 1024;
		uint64_t *grown = mem_realloc(f->begin, cap, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		f->begin = grown;
		f->pages_cap = cap;
	}
	uint64_t *id = htab_put(ids, page.v);
	if (!id)
		return PW_NOMEM;
	*ret_id = *id = f->n_pages;
	f->begin[f->n_pages++] = 0;
	return PW_OK;
}

/* A page that only the second pass sees belongs to a file that changed in between. */
static enum pw_err future_id(struct future_pass *p, uint32_t pid, vpn_t page, uint64_t *ret_id)
{
	struct future *f = p->f;
	struct future_space *s = future_space(f, pid);
	if (!s)
		s = p->filling ? NULL : future_space_add(f, pid);
	if (!s)
		return p->filling ? PW_CORRUPT : PW_NOMEM;
	uint64_t *id = htab_get(&s->ids, page.v);
	if (!id)
		return p->filling ? PW_CORRUPT : future_page_add(f, &s->ids, page, ret_id);
	*ret_id = *id;
	return PW_OK;
}

static uint64_t future_time(const struct future *f, uint64_t i) { return f->time32 ? f->time32[i] : f->time64[i]; }

/* The run in progress is over: its last reference was at position now - 1. */
static void future_run_end(struct future_pass *p)
{
	if (p->last_id == UINT64_MAX)
		return;
	struct future *f = p->f;
	if (!p->filling) {
		f->begin[p->last_id]++;
		f->n_runs++;
	} else if (f->cursor[p->last_id] < f->begin[p->last_id + 1]) {
		uint64_t at = f->cursor[p->last_id]++;
		if (f->time32)
			f->time32[at] = (uint32_t)p->began;
		else
			f->time64[at] = p->began;
	}
}

static enum pw_err future_refs(struct future_pass *p, const struct trace_item *item)
{
	vpn_t run_page = vpn(0);
	uint64_t n = item->n_refs;
	if (p->limit && n > p->limit - p->now)
		n = p->limit - p->now;
	for (uint64_t i = 0; i < n; i++, p->now++) {
		vpn_t page = vpn_of(ref_va(item->refs[i]), p->shift);
		if (i > 0 && page.v == run_page.v)
			continue;
		uint64_t id;
		enum pw_err err = future_id(p, item->pid, page, &id);
		if (err != PW_OK)
			return err;
		run_page = page;
		if (id == p->last_id)
			continue;
		future_run_end(p);
		p->last_id = id;
		p->began = p->now;
	}
	return PW_OK;
}

static uint64_t future_bytes(const struct future *f, uint64_t refs)
{
	return f->n_runs * (refs >> 32 ? 8 : 4) + f->n_pages * (2 * sizeof *f->begin + 2 * sizeof(struct htab_slot));
}

static enum pw_err future_too_big(const struct future_pass *p, struct pw_why *why)
{
	char need[32], have[32];
	return pw_fail(why, PW_LIMIT, "%s: knowing the future of this trace takes more than %s of host memory (%s so far); "
	               "use --limit, or a policy that does not need it", trace_describe(p->trace).source,
	               text_bytes(have, sizeof have, p->max_bytes), text_bytes(need, sizeof need, future_bytes(p->f, p->now)));
}

static enum pw_err future_pass(struct future_pass *p, bool filling, struct pw_why *why)
{
	struct trace_item item;
	p->filling = filling;
	p->now = 0;
	p->last_id = UINT64_MAX;
	for (trace_next(p->trace, &item); item.kind != TRACE_ITEM_END; trace_next(p->trace, &item)) {
		if (item.kind != TRACE_ITEM_REFS)
			continue;
		enum pw_err err = future_refs(p, &item);
		if (err != PW_OK)
			return pw_fail(why, err, "%s: %s while reading ahead for the next-use index", trace_describe(p->trace).source,
			               err == PW_NOMEM ? "out of memory" : "the file changed");
		if (!filling && future_bytes(p->f, p->now) > p->max_bytes)
			return future_too_big(p, why);
		if (p->limit && p->now == p->limit)
			break;
	}
	future_run_end(p);
	return trace_rewind(p->trace, why);
}

/* Turns counts into places, and makes room for the times. */
static enum pw_err future_lay_out(struct future *f, uint64_t refs)
{
	f->cursor = mem_zalloc(f->n_pages + 1, sizeof *f->cursor);
	if (refs >> 32)
		f->time64 = mem_alloc((f->n_runs + 1) * sizeof *f->time64);
	else
		f->time32 = mem_alloc((f->n_runs + 1) * sizeof *f->time32);
	if (!f->cursor || !(f->time64 || f->time32))
		return PW_NOMEM;
	uint64_t at = 0;
	for (uint64_t i = 0; i < f->n_pages; i++) {
		uint64_t count = f->begin[i];
		f->begin[i] = f->cursor[i] = at;
		at += count;
	}
	if (f->begin)
		f->begin[f->n_pages] = at;
	return PW_OK;
}

enum pw_err future_create(struct trace *t, unsigned page_shift, uint64_t limit, uint64_t max_bytes, struct future **ret,
                          struct pw_why *why)
{
	*ret = NULL;
	struct future *f = mem_zalloc(1, sizeof *f);
	if (!f)
		return pw_fail(why, PW_NOMEM, "out of memory for the future of the trace");
	struct future_pass pass = { .f = f, .trace = t, .shift = page_shift, .limit = limit, .max_bytes = max_bytes };
	enum pw_err err = future_pass(&pass, false, why);
	if (err == PW_OK && future_lay_out(f, pass.now) != PW_OK)
		err = pw_fail(why, PW_NOMEM, "out of memory for the future of the trace");
	if (err == PW_OK)
		err = future_pass(&pass, true, why);
	for (uint64_t i = 0; err == PW_OK && i < f->n_pages; i++)
		f->cursor[i] = f->begin[i];
	if (err != PW_OK) {
		future_destroy(f);
		return err;
	}
	*ret = f;
	return PW_OK;
}

void future_destroy(struct future *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_spaces; i++)
		htab_fini(&f->space[i].ids);
	mem_free(f->space);
	mem_free(f->begin);
	mem_free(f->cursor);
	mem_free(f->time32);
	mem_free(f->time64);
	mem_free(f);
}

uint64_t future_next(struct future *f, uint32_t pid, vpn_t page, uint64_t now)
{
	struct future_space *s = future_space(f, pid);
	uint64_t *id = s ? htab_get(&s->ids, page.v) : NULL;
	if (!id)
		return UINT64_MAX;
	uint64_t at = f->cursor[*id], end = f->begin[*id + 1];
	while (at < end && future_time(f, at) < now)
		at++;
	f->cursor[*id] = at;
	return at < end ? future_time(f, at) : UINT64_MAX;
}
