/* fault.c - serving a fault.
 *
 * Problem: the machine could not finish a reference.  Either the program may not make it, or the translation is missing or too
 * weak, and the page behind it is in one of many states.
 * Idea: five phases over one context, each with one question.
 *
 *      check     may it?             entry found (or the stack grows to it), rights allow, file long enough
 *      find      what is there?      private layer, then object; is there a translation already?
 *      get       is it in memory?    bring the page in if not
 *      promote   may it be written?  a store to a page seen by others gets a copy, or takes the page over if it is alone
 *      enter     map it              and tell the policy; then guess what is wanted next
 *
 *                      private layer           object                    load, fetch             store
 *      1  own page       a page                  -                       map                     map, or copy if others refer to it
 *      2  zeros          zeros                   -                       map the page of zeros   a fresh page of zeros
 *      3  file, private  nothing               a file                    map the file's page     copy it into the private layer
 *      4  file, shared     -                   a file                    map the file's page     map it writable
 *      5  shared memory    -                   a page or nothing         map, or zeros first     the same
 *      6  untouched      nothing               nothing                   linux: as 2; textbook: a fresh page of zeros; or from disk;
 *                                                                        or a huge page, where that is wanted and can be had
 *
 * 1. The frame being worked on is pinned from get to the end, so that making room for others cannot take it.
 * 2. The first cause found is the cause: a swapped page that must also be copied came from swap.
 * 3. PW_NOFRAMES leaves everything as it was but for pages that came in: somebody is killed and the fault starts again.
 * Rejected: one function for all of it (the first UVM had one of several hundred lines); telling a copy from a take-over by the
 * number of mappings instead of references (pages in swap have references, too).
 * Source: C. D. Cranor, "Design and implementation of the UVM virtual memory system", Washington University (1998). */
#include "huge.h"
#include "limit.h"
#include "lock.h"
#include "space.h"
#include "state.h"

static const struct { const char *name, *text; bool major; } causes[FAULT_CAUSES] = {
#define X(name, text, major) { #name, text, major },
	FAULT_CAUSE_LIST(X)
#undef X
};

const char *fault_cause_name(enum fault_cause cause) { return causes[cause].name; }
const char *fault_cause_text(enum fault_cause cause) { return causes[cause].text; }

void fault_counts_add(struct fault_counts *to, const struct fault_counts *from)
{
	to->total += from->total;
	to->minor += from->minor;
	to->major += from->major;
	to->protection += from->protection;
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		to->by_cause[i] += from->by_cause[i];
}

void fault_counts_take_off(struct fault_counts *from, const struct fault_counts *what)
{
	from->total -= what->total;
	from->minor -= what->minor;
	from->major -= what->major;
	from->protection -= what->protection;
	for (unsigned i = 0; i < FAULT_CAUSES; i++)
		from->by_cause[i] -= what->by_cause[i];
}

static void fault_because(struct fault *f, enum fault_cause cause)
{
	f->major |= causes[cause].major;
	if (f->cause == FAULT_CAUSES)
		f->cause = cause;
}

static enum pw_err refuse(struct fault *f, enum fault_outcome outcome, const char *why)
{
	f->outcome = outcome;
	f->why = why;
	return PW_ACCESS;
}

/* The stack above the page, if it may grow down to it. */
static struct entry *stack_above(struct fault *f)
{
	struct map *m = &f->process->map;
	unsigned shift = f->kernel->config.page_shift;
	struct entry *e = map_after(m, f->page);
	if (!e || !e->stack || !limit_stack(f->process, e, e->node.end - f->page))
		return NULL;
	struct entry *below = entry_of(itree_prev(&e->node));
	return below && f->page - below->node.end < STACK_GAP_BYTES >> shift ? NULL : e;
}

static enum pw_err fault_check(struct fault *f)
{
	static const unsigned needs[] = {
		[ACCESS_LOAD] = PMAP_READ | PMAP_WRITE, [ACCESS_STORE] = PMAP_WRITE, [ACCESS_FETCH] = PMAP_EXEC,
	};
	if (!f->process->alive || f->process->killed)
		return refuse(f, FAULT_OUTCOME_KILLED, f->process->killed ? f->process->killed : "the process has ended");
	f->entry = map_find(&f->process->map, f->page);
	if (!f->entry) {
		f->entry = stack_above(f);
		if (!f->entry)
			return refuse(f, FAULT_OUTCOME_REFUSED, "no mapping at this address");
		map_resize(&f->process->map, f->entry, f->page, f->entry->node.end);
		fault_because(f, FAULT_stack_growth);
	}
	if (!(f->entry->prot & needs[f->kind]))
		return refuse(f, FAULT_OUTCOME_REFUSED, f->entry->prot ? "the mapping does not allow this access"
		                                                       : "the mapping allows no access at all: it is a guard");
	if (!f->entry->shared && pages_get(&f->process->map.layer, f->page) == ANON_GUARD)
		return refuse(f, FAULT_OUTCOME_REFUSED, "a guard page, which nobody may touch");
	const struct object *o = f->entry->object;
	if (o && o->kind == OBJECT_FILE &&
	    entry_index(f->entry, f->page) >= object_n_pages(o, f->kernel->config.page_shift))
		return refuse(f, FAULT_OUTCOME_BUS, "beyond the end of the mapped file");
	return PW_OK;
}

static void fault_find(struct fault *f)
{
	struct entry *e = f->entry;
	f->anon = e->shared ? ANON_NONE : pages_get(&f->process->map.layer, f->page);
	if (e->object && e->object->kind == OBJECT_SHARED)
		f->anon = pages_get(&e->object->pages, entry_index(e, f->page));
	f->mapped = pmap_extract(f->process->pmap, vpn(f->page), &f->mapping);
}

/* The number of a page goes where the entry keeps its pages. */
static enum pw_err number_set(struct fault *f, uint32_t anon)
{
	struct entry *e = f->entry;
	if (e->shared)
		return pages_set(&e->object->pages, entry_index(e, f->page), anon);
	enum pw_err err = pages_set(&f->process->map.layer, f->page, anon);
	if (!err)
		e->has_private = true;
	return err;
}

static void pin(struct fault *f, uint32_t frame)
{
	f->frame = frame;
	f->unit = kernel_unit(f->kernel, frame);
	kernel_frame(f->kernel, frame)->pins++;
	if (f->unit != frame)
		kernel_frame(f->kernel, f->unit)->pins++;
}

static void unpin(struct fault *f, uint32_t frame)
{
	kernel_frame(f->kernel, frame)->pins--;
	if (frame == f->frame && f->unit != frame)
		kernel_frame(f->kernel, f->unit)->pins--;
}

/* A page in memory has been waited for: if it was read ahead, that has paid. */
static bool was_read_ahead(struct fault *f, uint32_t frame)
{
	struct frame *at = kernel_frame(f->kernel, frame);
	bool ahead = at->flags & FRAME_READ_AHEAD;
	at->flags &= ~FRAME_READ_AHEAD;
	f->kernel->counts.readahead_used += ahead;
	return ahead;
}

/* A new anonymous page in the place of whatever was there; from: the frame to copy, or FRAME_NONE for zeros.
 * => pinned.  On failure nothing has changed. */
static enum pw_err fresh_page(struct fault *f, uint32_t from)
{
	struct kernel *k = f->kernel;
	uint32_t anon, frame;
	enum pw_err err = anon_create(&k->anons, &anon);
	if (err)
		return err;
	kernel_anon(k, anon)->flags = ANON_EXCLUSIVE;
	err = page_alloc(k, page_key_of_anon(anon), &frame);
	if (!err) {
		err = number_set(f, anon);
		if (err)
			page_abandon(k, frame);
	}
	if (err) {
		page_unref_anon(k, anon);
		return err;
	}
	if (from == FRAME_NONE) {
		page_fill_zero(k, frame);
	} else {
		page_copy(k, frame, from);
		page_disown(k, from, f->process, f->page); /* what comes here from now on comes to the copy */
	}
	page_become_anon(k, frame, anon);
	kernel_frame(k, frame)->flags |= from == FRAME_NONE ? 0 : FRAME_DIRTY;
	f->anon = anon;
	pin(f, frame);
	return PW_OK;
}

/* Case 1, and 5 where the page exists: in memory or brought in.  => pinned */
static enum pw_err get_anon(struct fault *f)
{
	struct kernel *k = f->kernel;
	const struct anon *a = kernel_anon(k, f->anon);
	if (a->frame != FRAME_NONE) {
		if (was_read_ahead(f, a->frame)) {
			fault_because(f, FAULT_swap_cached);
			f->entry->swap_hits++;
			f->entry->swap_last = f->page;
		}
		pin(f, a->frame);
		return PW_OK;
	}
	bool swapped = kernel_slot(k, f->anon) != SLOT_NONE, reads = swapped || a->flags & ANON_ON_DISK;
	enum pw_err err = page_bring_anon(k, f->anon, f->page);
	if (err)
		return err;
	fault_because(f, reads ? FAULT_swap_in : FAULT_demand_zero);
	pin(f, a->frame);
	if (swapped)
		fault_swap_around(f);
	return PW_OK;
}

/* A store to a private page: alone it is taken over, otherwise copied. */
static enum pw_err promote_anon(struct fault *f)
{
	struct anon *a = kernel_anon(f->kernel, f->anon);
	if (f->kind != ACCESS_STORE || f->entry->shared)
		return PW_OK;
	if (a->refs == 1) {
		a->flags |= ANON_EXCLUSIVE;
		return PW_OK;
	}
	uint32_t shared = f->anon, from = f->frame;
	enum pw_err err = fresh_page(f, from);
	unpin(f, from);
	page_list(f->kernel, from);
	if (err)
		return err;
	if (f->entry->locked)
		lock_page_ends(f->kernel, f->entry, f->page, shared, from);
	page_unref_anon(f->kernel, shared);
	fault_because(f, FAULT_copy_on_write);
	return PW_OK;
}

static enum pw_err fault_anon(struct fault *f)
{
	enum pw_err err = get_anon(f);
	if (!err)
		err = promote_anon(f);
	if (err)
		return err;
	f->prot = space_page_rights(f->process, f->entry, f->anon);
	if (f->mapped && f->kind == ACCESS_STORE && !(f->mapping.prot & PMAP_WRITE))
		fault_because(f, FAULT_write_upgrade);
	return PW_OK;
}

/* => *ret_warm: it costs no I/O */
static enum pw_err file_page_bring(struct fault *f, struct object *o, uint64_t index, uint32_t word, uint32_t *ret)
{
	struct kernel *k = f->kernel;
	bool warm = kernel_is_linux(k) && !k->config.file_cache_cold && !word;
	uint32_t frame;
	enum pw_err err = page_alloc(k, page_key_of_file(o, index), &frame);
	if (err)
		return err;
	err = page_file_read(k, o, index, frame);
	if (!err)
		err = page_become_file(k, frame, o, index);
	if (err) {
		page_abandon(k, frame);
		return err == PW_NOMEM ? err : PW_IO;
	}
	k->counts.refaults += word == FILE_PAGE_EVICTED;
	if (!warm)
		kernel_spend(k, k->config.cost->file_read);
	fault_because(f, warm ? FAULT_file_cached : FAULT_file_read);
	*ret = frame;
	return PW_OK;
}

/* The file's page, in memory.  => pinned */
static enum pw_err get_file(struct fault *f)
{
	struct object *o = f->entry->object;
	uint64_t index = entry_index(f->entry, f->page);
	uint32_t word = pages_get(&o->pages, index), frame;
	if (file_page_resident(word)) {
		frame = file_page_frame(word);
		was_read_ahead(f, frame);
		o->misses -= o->misses > 0;
		pin(f, frame);
		return PW_OK;
	}
	enum pw_err err = file_page_bring(f, o, index, word, &frame);
	if (err)
		return err;
	pin(f, frame);
	if (f->major)
		fault_read_around(f, o, index);
	return PW_OK;
}

/* Cases 3 and 4. */
static enum pw_err fault_file(struct fault *f)
{
	enum pw_err err = get_file(f);
	if (err)
		return err;
	f->prot = space_page_rights(f->process, f->entry, ANON_NONE);
	if (f->kind != ACCESS_STORE) {
		fault_because(f, f->mapped ? FAULT_accessed_dirty : FAULT_file_cached);
		return PW_OK;
	}
	if (f->entry->shared) {
		f->prot |= PMAP_READ | PMAP_WRITE;
		fault_because(f, !f->mapped ? FAULT_file_cached : f->mapping.prot & PMAP_WRITE ? FAULT_accessed_dirty
		                                                                         : FAULT_write_upgrade);
		return PW_OK;
	}
	uint32_t from = f->frame;
	err = fresh_page(f, from);
	unpin(f, from);
	page_list(f->kernel, from);
	if (err)
		return err;
	fault_because(f, FAULT_copy_on_write);
	f->prot = space_page_rights(f->process, f->entry, f->anon);
	return PW_OK;
}

/* Maps the page of zeros instead of a page.  => pinned; PW_NOFRAMES: there is no frame for it, so use a page */
static enum pw_err share_zeros(struct fault *f)
{
	struct kernel *k = f->kernel;
	if (k->config.pmap->ops->page_bytes)
		return PW_NOFRAMES; /* a frame whose bytes are where it is mapped can be mapped once */
	if (k->zero_frame == FRAME_NONE) {
		enum pw_err err = frame_take_zero(&k->frames, &k->zero_frame);
		if (err)
			return err;
		page_fill_zero(k, k->zero_frame);
	}
	if (f->anon == ANON_NONE && pages_set(&f->process->map.layer, f->page, ANON_ZEROS))
		return PW_NOMEM;
	if (f->anon == ANON_ZEROS)
		fault_because(f, f->mapped ? FAULT_accessed_dirty : FAULT_remapped);
	fault_because(f, FAULT_zero_page);
	f->anon = ANON_ZEROS;
	pin(f, k->zero_frame);
	return PW_OK;
}

/* Case 6 where every page exists on a disk: from now on this one has a number, and is read like any that was evicted. */
static enum pw_err fault_disk(struct fault *f)
{
	struct kernel *k = f->kernel;
	uint32_t anon;
	enum pw_err err = anon_create(&k->anons, &anon);
	if (err)
		return err;
	kernel_anon(k, anon)->flags = ANON_EXCLUSIVE | ANON_ON_DISK;
	err = number_set(f, anon);
	if (err) {
		page_unref_anon(k, anon);
		return err;
	}
	f->anon = anon;
	return fault_anon(f);
}

static enum pw_err fault_zeros_base(struct fault *f)
{
	bool were_zeros = f->anon == ANON_ZEROS;
	enum pw_err err = PW_NOFRAMES;
	if (kernel_is_linux(f->kernel) && f->kind != ACCESS_STORE && !f->entry->shared)
		err = share_zeros(f);
	if (err == PW_NOFRAMES) {
		err = fresh_page(f, FRAME_NONE);
		fault_because(f, were_zeros ? FAULT_copy_on_write : FAULT_demand_zero);
	}
	return err;
}

/* Cases 2, 6, and 5 where there is no page yet. */
static enum pw_err fault_zeros(struct fault *f)
{
	struct entry *e = f->entry;
	enum pw_err err = e->shared || f->anon == ANON_ZEROS ? PW_NOTFOUND : huge_fault(f);
	if (err == PW_NOSPACE)
		return refuse(f, FAULT_OUTCOME_BUS, "no huge page can be had, and the mapping takes no other");
	if (!err) {
		pin(f, f->frame);
		fault_because(f, FAULT_demand_zero);
	} else if (err != PW_NOTFOUND) {
		return err;
	} else {
		err = fault_zeros_base(f);
	}
	f->prot = space_page_rights(f->process, e, f->anon);
	return err;
}

static enum pw_err fault_enter(struct fault *f)
{
	struct kernel *k = f->kernel;
	enum pw_err err = page_enter(k, f->process, f->page, f->frame, f->prot, f->kind);
	if (!err && f->mapped)
		pmap_update(f->process->pmap);
	const struct frame *frame = kernel_frame(k, kernel_unit(k, f->frame));
	bool was_listed = frame->flags & FRAME_LISTED;
	if (f->entry->locked)
		lock_page(k, f->frame);
	if (frame->state != FRAME_ZERO)
		page_list(k, f->frame);
	f->arrived = f->arrived || (!was_listed && frame->flags & FRAME_LISTED);
	fault_because(f, f->mapped ? FAULT_accessed_dirty : FAULT_remapped);
	return err;
}

/* One attempt.  => nothing stays pinned */
static enum pw_err fault_resolve(struct fault *f)
{
	enum pw_err err = fault_check(f);
	if (err)
		return err;
	fault_find(f);
	f->frame = FRAME_NONE;
	if (f->anon >= ANON_FIRST)
		err = fault_anon(f);
	else if (f->entry->object && f->entry->object->kind == OBJECT_FILE)
		err = fault_file(f);
	else
		err = f->entry->on_disk ? fault_disk(f) : fault_zeros(f);
	if (err)
		return err;
	err = fault_enter(f);
	if (!err) {
		if (f->kind != ACCESS_STORE && f->entry->object && !f->major && !f->mapped)
			fault_map_around(f);
		reclaim_balance(f->kernel);
		reclaim_wake(f->kernel, 1);
	}
	unpin(f, f->frame);
	return err;
}

static void count_one(struct fault_counts *c, const struct fault *f)
{
	if (f->outcome == FAULT_OUTCOME_RESOLVED) {
		c->total++;
		c->minor += !f->major;
		c->major += f->major;
		c->by_cause[f->cause]++;
	} else if (f->outcome != FAULT_OUTCOME_KILLED) {
		c->protection++;
	}
}

static void fault_count(struct fault *f)
{
	count_one(&f->kernel->counts.faults, f);
	count_one(&f->process->faults, f);
	if (f->outcome == FAULT_OUTCOME_RESOLVED)
		count_one(&f->entry->faults, f);
}

/* What an error that ended the fault means to the process. */
static void fault_judge(struct fault *f, enum pw_err err)
{
	if (!err || f->outcome != FAULT_OUTCOME_RESOLVED)
		return;
	if (err == PW_IO || err == PW_CORRUPT) {
		refuse(f, FAULT_OUTCOME_BUS, "the page could not be read back");
		return;
	}
	if (err == PW_INVALID) {
		refuse(f, FAULT_OUTCOME_REFUSED, "the machine has no such address");
		return;
	}
	refuse(f, FAULT_OUTCOME_KILLED, err == PW_NOFRAMES ? "out of memory: nothing can be evicted and nobody else can be ended"
	                                                   : "out of memory of the host");
}

struct fault_report process_fault(struct process *p, unsigned cpu, vaddr_t va, enum access_kind kind)
{
	struct kernel *k = p->kernel;
	struct fault f = {
		.kernel = k, .process = p, .page = va.v >> k->config.page_shift, .kind = kind, .cause = FAULT_CAUSES,
	};
	uint64_t before = k->counts.modelled_ns;
	enum pw_err err;
	(void)cpu;
	k->working = p;
	while ((err = fault_resolve(&f)) == PW_NOFRAMES) {
		if (!reclaim_kill(k))
			break;
	}
	fault_judge(&f, err);
	if (!err)
		kernel_spend(k, k->config.cost->fault_minor);
	fault_count(&f);
	return (struct fault_report){
		.outcome = f.outcome, .cause = f.cause == FAULT_CAUSES ? FAULT_demand_zero : f.cause, .major = f.major,
		.io = err == PW_IO || err == PW_CORRUPT, .arrived = f.arrived, .cost_ns = k->counts.modelled_ns - before, .why = f.why,
	};
}
