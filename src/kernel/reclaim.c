/* reclaim.c - making room.
 *
 * Problem: a frame is needed and none is free.  Somebody must leave; what it holds must be kept if it is not elsewhere; and if
 * nobody can leave, somebody must die.
 * Idea: the policy names the victim; the steps below take it out in an order that never loses a byte.  Linux evicts ahead of need,
 * in batches whose written pages lie in consecutive slots; the textbook evicts exactly one page when exactly one is needed.
 *
 *      evict_begin     unlist, unmap, learn whether it was written; find a slot if it was        } may fail: the page stays
 *      write           to the slot, to its file, or (pages that live on a disk) nowhere we know  } resident, modified, listed
 *      evict_end       remember that it was here; give the frame back
 *
 * 1. Between begin and end the frame is pinned, unmapped and unlisted.
 * 2. A page goes only when its bytes are in a slot or file, or are zeros, or are unwanted (MADV_FREE and not written since).
 * 3. Before each choice the policy has been told of every reference so far, as far as it wants to know.
 * Rejected: choosing and evicting in two calls with a candidate in between (both must then agree on who it is). */
#include "reclaim.h"
#include "../base/mem.h"
#include "huge.h"
#include "space.h"
#include "state.h"
#include <stdio.h>

enum { FAILURES_MAX = 64, RECOVER_SLOTS = 64 };

/* What the policy asks. */

static bool env_test_clear_ref(void *ctx, uint32_t slot)
{
	struct kernel *k = ctx;
	uint32_t f = frame_of_slot(&k->frames, slot);
	struct frame *frame = kernel_frame(k, f);
	bool logged = frame->flags & FRAME_REFERENCED;
	frame->flags &= ~FRAME_REFERENCED;
	if (k->config.touched && !k->config.policy->arrival_counts)
		return logged; /* the accessed bit also tells of the arrival */
	return pmap_page_test_clear(k->config.pmap, frame_pfn(f), PMAP_REFERENCED) || logged;
}

/* Without a log of references, a policy that wants touches has nothing but accessed bits: who is found used when the policy wants to
 * evict it stays this time, and the policy is told of the touch as soon as it has chosen. */
static bool is_sampling(const struct kernel *k)
{
	return !k->config.touched && k->config.policy->sees >= POLICY_SEES_RECENCY && !k->config.policy->wants_future;
}

static bool env_may_evict(void *ctx, uint32_t slot)
{
	struct kernel *k = ctx;
	uint32_t f = frame_of_slot(&k->frames, slot);
	if (!page_may_leave(k, f))
		return false;
	if (!is_sampling(k))
		return true;
	for (uint32_t i = 0; i < k->n_used; i++) {
		if (k->used[i] == slot)
			return false;
	}
	if (k->n_used == KERNEL_USED || !pmap_page_test_clear(k->config.pmap, frame_pfn(f), PMAP_REFERENCED))
		return true;
	k->used[k->n_used++] = slot;
	return false;
}

static bool env_modified(void *ctx, uint32_t slot)
{
	struct kernel *k = ctx;
	return page_is_modified(k, frame_of_slot(&k->frames, slot));
}

static uint64_t env_next_use(void *ctx, uint64_t key)
{
	struct kernel *k = ctx;
	uint32_t f = page_of_key(k, key);
	const struct frame *frame = f == FRAME_NONE ? NULL : kernel_frame(k, f);
	if (!frame || !frame->space)
		return POLICY_NEVER;
	return k->config.next_use(k->config.ctx, k->process[frame->space - 1]->pid, vpn(frame->vpn));
}

/* Linux keeps 4 * sqrt(KiB of memory) KiB free, and a quarter and a half more for its two marks.  Small machines keep less. */
void reclaim_set_marks(struct kernel *k)
{
	uint64_t kib = k->frames.page_limit << k->config.page_shift >> 10, root = 0;
	while ((root + 1) * (root + 1) <= kib)
		root++;
	uint64_t pages = (4 * root << 10) >> k->config.page_shift, most = k->frames.page_limit / 32;
	if (pages > most)
		pages = most;
	k->min_pages = pages;
	k->low_pages = pages + pages / 4;
	k->high_pages = pages + pages / 2;
}

enum pw_err reclaim_init(struct kernel *k)
{
	const struct policy_ops *policy = k->config.policy;
	if (policy->wants_future && !k->config.next_use)
		return PW_INVALID;
	k->policy_env = (struct policy_env){
		.ctx = k,
		.test_clear_ref = env_test_clear_ref,
		.may_evict = env_may_evict,
		.modified = env_modified,
		.next_use = env_next_use,
		.seed = k->config.seed,
		.custom = k->config.policy_custom,
		.params = policy_params_of(policy, &k->config.policy_params),
	};
	k->policy_bytes = policy->bytes(k->frames.n_slots, &k->policy_env.params);
	k->policy = mem_reserve(k->policy_bytes);
	if (!k->policy)
		return PW_NOMEM;
	policy->init(k->policy, k->frames.n_slots, &k->policy_env);
	reclaim_set_marks(k);
	return PW_OK;
}

void reclaim_fini(struct kernel *k)
{
	mem_unreserve(k->policy, k->policy_bytes);
	k->policy = NULL;
}

static uint64_t time_now(const struct kernel *k)
{
	return k->config.now ? k->config.now(k->config.ctx) : 0;
}

static void policy_told(struct kernel *k, pfn_t of)
{
	const struct policy_ops *policy = k->config.policy;
	if (of.v >= k->frames.n)
		return; /* mapped by hand, to memory that is not the kernel's */
	struct frame *frame = kernel_frame(k, (uint32_t)of.v);
	if (!(frame->flags & FRAME_LISTED))
		return;
	if (policy->sees == POLICY_SEES_BITS) {
		frame->flags |= FRAME_REFERENCED;
		return;
	}
	if (k->config.last_use)
		k->policy_env.now = k->config.last_use(k->config.ctx, of);
	policy->touch(k->policy, slot_of_frame(&k->frames, (uint32_t)of.v));
}

void reclaim_drain(struct kernel *k)
{
	const struct policy_ops *policy = k->config.policy;
	if (!k->config.touched || policy->sees == POLICY_SEES_NOTHING)
		return;
	const pfn_t *touched;
	for (uint64_t n; (n = k->config.touched(k->config.ctx, &touched)) > 0;) {
		for (uint64_t i = 0; i < n; i++)
			policy_told(k, touched[i]);
	}
}

void reclaim_note_use(struct kernel *k, uint32_t f)
{
	const struct policy_ops *policy = k->config.policy;
	if (!k->config.touched || policy->sees != POLICY_SEES_RECENCY)
		return;
	reclaim_drain(k);
	k->policy_env.now = time_now(k) + 1;
	if (kernel_frame(k, f)->flags & FRAME_LISTED)
		policy->touch(k->policy, slot_of_frame(&k->frames, f));
}

void reclaim_replan(struct kernel *k, uint32_t f)
{
	const struct policy_ops *policy = k->config.policy;
	if (policy->wants_future && kernel_frame(k, f)->flags & FRAME_LISTED)
		policy->touch(k->policy, slot_of_frame(&k->frames, f));
}

void reclaim_expect(struct kernel *k, uint64_t key)
{
	const struct policy_ops *policy = k->config.policy;
	if (!policy->arrival_counts)
		reclaim_drain(k);
	k->policy_env.now = time_now(k) + 1;
	if (policy->miss)
		policy->miss(k->policy, key);
}

/* => true: somebody was told of */
static bool used_tell(struct kernel *k)
{
	uint32_t n = k->n_used;
	for (uint32_t i = 0; i < n; i++)
		k->config.policy->touch(k->policy, k->used[i]);
	k->n_used = 0;
	return n > 0;
}

uint32_t reclaim_choose(struct kernel *k)
{
	uint32_t slot;
	reclaim_drain(k);
	k->policy_env.now = time_now(k) + 1;
	do {
		slot = k->config.policy->victim(k->policy);
	} while (used_tell(k) && slot == POLICY_SLOT_NONE);
	if (slot == POLICY_SLOT_NONE)
		return FRAME_NONE;
	uint32_t f = frame_of_slot(&k->frames, slot);
	kernel_frame(k, f)->flags &= ~FRAME_LISTED;
	return f;
}

/* Swap slots of pages that are also in memory are the first to go when swap is full.  Returns how many were freed. */
static unsigned slots_recover(struct kernel *k)
{
	unsigned n = 0;
	for (uint64_t slot = 0; slot < k->swap.n_owners && n < RECOVER_SLOTS; slot++) {
		uint32_t owner = k->swap.owner[slot];
		uint32_t f = owner ? kernel_anon(k, owner)->frame : FRAME_NONE;
		if (f == FRAME_NONE || kernel_frame(k, f)->pins)
			continue;
		page_drop_slot(k, owner);
		n++;
	}
	return n;
}

/* A slot for a page about to be written.  Linux takes a fresh one, next to that of the page before; books write in place, and so does who
 * has a store that does not mind. */
static enum pw_err slot_assign(struct kernel *k, uint32_t anon)
{
	uint32_t slot = kernel_slot(k, anon);
	if (slot != SLOT_NONE && (!kernel_is_linux(k) || k->config.slots_stay))
		return PW_OK;
	if (!k->swap.store)
		return PW_NOSPACE;
	enum pw_err err = anon_slot_prepare(&k->anons, anon);
	if (err)
		return err;
	page_drop_slot(k, anon);
	err = swap_take(&k->swap, anon, &slot);
	if (err == PW_NOSPACE && slots_recover(k))
		err = swap_take(&k->swap, anon, &slot);
	if (!err)
		anon_slot_set(&k->anons, anon, slot);
	return err;
}

/* A page that lives on a disk of which only the time is known: its place there is its page number. */
static void disk_write(struct kernel *k, uint64_t page)
{
	struct store *s = k->swap.store;
	kernel_spend(k, s ? s->ops->cost_ns(s, STORE_WRITE, page % s->n_slots, 1) : k->config.cost->file_read);
}

/* => *ret_slot is where the page must be written, SLOT_NONE: nowhere in swap. */
static enum pw_err evict_begin(struct kernel *k, uint32_t f, uint32_t *ret_slot)
{
	if (kernel_frame(k, f)->flags & FRAME_HUGE)
		huge_split(k, f);
	struct frame *frame = kernel_frame(k, f);
	uint32_t pid = frame->space ? k->process[frame->space - 1]->pid : 0;
	page_unlist(k, f);
	page_unmap(k, f);
	if (k->config.evicting)
		k->config.evicting(k->config.ctx, pid, vpn(frame->vpn), frame_pfn(f), frame->flags & FRAME_DIRTY);
	frame->pins++;
	*ret_slot = SLOT_NONE;
	if (!(frame->flags & FRAME_DIRTY))
		return PW_OK;
	if (frame->state == FRAME_FILE)
		return page_file_write(k, k->objects.file[frame->owner], frame_index(&k->frames, f), f);
	if (kernel_anon(k, frame->owner)->flags & ANON_ON_DISK && !k->config.carries_data) {
		disk_write(k, frame->vpn);
		return PW_OK;
	}
	enum pw_err err = slot_assign(k, frame->owner);
	if (!err)
		*ret_slot = kernel_slot(k, frame->owner);
	return err;
}

static void evict_end(struct kernel *k, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	frame->pins--;
	k->counts.evicted++;
	k->counts.written_back += (frame->flags & FRAME_DIRTY) != 0;
	if (frame->state == FRAME_FILE) {
		/* The word is there already, so this cannot fail. */
		enum pw_err err = pages_set(&k->objects.file[frame->owner]->pages, frame_index(&k->frames, f), FILE_PAGE_EVICTED);
		(void)err;
	} else {
		struct anon *a = kernel_anon(k, frame->owner);
		a->frame = FRAME_NONE;
		a->flags |= ANON_EVICTED;
	}
	page_give(k, f);
}

/* It stays: modified as it was, in no slot, at the far end of the policy's order. */
static void evict_undo(struct kernel *k, uint32_t f)
{
	struct frame *frame = kernel_frame(k, f);
	frame->pins--;
	if (frame->state == FRAME_ANON)
		page_drop_slot(k, frame->owner);
	page_list(k, f);
}

/* Pages on their way out. */
struct batch {
	uint32_t frames[SWAP_CLUSTER], slots[SWAP_CLUSTER], n;
	uint64_t gone;
};

/* Writes what was gathered in one transfer, and lets the pages go. */
static void batch_flush(struct kernel *k, struct batch *b)
{
	uint32_t n = b->n;
	enum pw_err err = n ? swap_write(k, n, b->slots, b->frames) : PW_OK;
	b->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (err)
			evict_undo(k, b->frames[i]);
		else
			evict_end(k, b->frames[i]);
	}
	b->gone += err ? 0 : n;
}

static void batch_add(struct kernel *k, struct batch *b, uint32_t f)
{
	enum pw_err err = evict_begin(k, f, &b->slots[b->n]);
	if (err) {
		evict_undo(k, f);
	} else if (b->slots[b->n] == SLOT_NONE) {
		evict_end(k, f);
		b->gone++;
	} else {
		b->frames[b->n++] = f;
	}
	if (b->n == SWAP_CLUSTER)
		batch_flush(k, b);
}

/* A whole huge page leaves.  => PW_BUSY: none of its pages could */
static enum pw_err block_evict(struct kernel *k, uint32_t head)
{
	struct batch b = { .n = 0 };
	huge_forget(k, head);
	for (uint64_t i = 0; i < kernel_huge_pages(k); i++)
		batch_add(k, &b, head + (uint32_t)i);
	batch_flush(k, &b);
	return b.gone ? PW_OK : PW_BUSY;
}

enum pw_err reclaim_page(struct kernel *k, uint32_t f)
{
	uint32_t slot;
	if (kernel_frame(k, f)->flags & FRAME_HUGE && !(kernel_frame(k, f)->flags & FRAME_LISTED) && f == huge_head(k, f))
		return block_evict(k, f); /* the policy gave it up */
	enum pw_err err = evict_begin(k, f, &slot);
	if (!err && slot != SLOT_NONE)
		err = swap_write(k, 1, &slot, &f);
	if (err)
		evict_undo(k, f);
	else
		evict_end(k, f);
	return err;
}

enum pw_err reclaim_one(struct kernel *k)
{
	unsigned failures = 0;
	while (failures < FAILURES_MAX) {
		uint32_t f = reclaim_choose(k);
		if (f == FRAME_NONE && !(k->swap.store && swap_is_full(&k->swap) && slots_recover(k)))
			return PW_NOFRAMES;
		if (f != FRAME_NONE && !reclaim_page(k, f))
			return PW_OK;
		failures++;
	}
	return PW_NOFRAMES;
}

void reclaim_wake(struct kernel *k, unsigned making)
{
	const struct policy_ops *policy = k->config.policy;
	enum pw_err err = PW_OK;
	if (!policy->wake)
		return;
	reclaim_drain(k);
	k->policy_env.now = time_now(k) + making;
	while (!err) {
		uint32_t slot = policy->wake(k->policy);
		used_tell(k);
		if (slot == POLICY_SLOT_NONE)
			return;
		uint32_t f = frame_of_slot(&k->frames, slot);
		kernel_frame(k, f)->flags &= ~FRAME_LISTED;
		err = reclaim_page(k, f);
	}
}

void kernel_policy_tell(struct kernel *k)
{
	reclaim_drain(k);
	reclaim_wake(k, 0);
}

uint64_t kernel_policy_due(const struct kernel *k)
{
	const struct policy_ops *policy = k->config.policy;
	return policy->due && k->config.now ? policy->due(k->policy) : POLICY_NEVER;
}

/* May the frame be emptied for a run of page tables? */
static bool run_may_have(struct kernel *k, uint32_t f)
{
	return kernel_frame(k, f)->state == FRAME_FREE || page_may_leave(k, f);
}

enum pw_err reclaim_run(struct kernel *k, uint64_t n)
{
	uint64_t length = 0, end = 0;
	for (uint32_t f = 0; f < k->frames.n && length < n; f++, end = f)
		length = run_may_have(k, f) ? length + 1 : 0;
	if (length < n)
		return PW_NOFRAMES;
	reclaim_drain(k);
	for (uint64_t f = end - n; f < end; f++) {
		if (kernel_frame(k, (uint32_t)f)->state == FRAME_FREE)
			continue;
		enum pw_err err = page_may_leave(k, (uint32_t)f) ? reclaim_page(k, (uint32_t)f) : PW_NOFRAMES;
		if (err)
			return PW_NOFRAMES;
	}
	return PW_OK;
}

bool reclaim_is_plentiful(const struct kernel *k)
{
	return frames_available(&k->frames) > k->min_pages;
}

/* Evicts up to a cluster of pages, or a huge one.  Returns how many the policy gave up. */
static uint32_t batch_evict(struct kernel *k, uint64_t want)
{
	struct batch b = { .n = 0 };
	uint32_t given = 0;
	while (given < SWAP_CLUSTER && given < want) {
		uint32_t f = reclaim_choose(k);
		if (f == FRAME_NONE)
			break;
		given++;
		if (kernel_frame(k, f)->flags & FRAME_HUGE) {
			enum pw_err err = block_evict(k, f);
			(void)err; /* what could not leave is listed again */
		} else {
			batch_add(k, &b, f);
		}
	}
	batch_flush(k, &b);
	return given;
}

void reclaim_balance(struct kernel *k)
{
	uint64_t available = frames_available(&k->frames);
	if (!kernel_is_linux(k) || available >= k->low_pages)
		return;
	for (uint64_t rounds = k->high_pages / SWAP_CLUSTER + 2; rounds && available < k->high_pages; rounds--) {
		if (!batch_evict(k, k->high_pages - available))
			break;
		available = frames_available(&k->frames);
	}
}

/* What ending it would free, about: its own pages, in memory or in swap, and its page tables. */
static uint64_t process_weight(const struct process *p)
{
	uint64_t tables = pmap_table_bytes(p->pmap) >> p->kernel->config.page_shift;
	return p->map.layer.count + tables + 1;
}

/* Why nobody can leave, and why this process has to. */
static const char *kill_reason(struct kernel *k, const struct process *p)
{
	char text[300];
	uint64_t alive = 0, locked = 0, tables = pmap_table_bytes(p->pmap) >> k->config.page_shift;
	for (uint32_t i = 0; i < k->n_processes; i++)
		alive += k->process[i]->alive && !k->process[i]->killed;
	for (struct entry *e = entry_of(itree_first(&p->map.tree)); e; e = entry_next(e))
		locked += e->locked ? entry_pages(e) : 0;
	const char *nowhere = !k->swap.store ? "there is no swap" : swap_is_full(&k->swap) ? "swap is full" : "all of them are in use";
	snprintf(text, sizeof text, "out of memory: no frame is free, and no page can leave because %s; of %llu process%s this one held "
	         "most: %llu pages resident, %llu of its own in memory or swap, %llu locked, %llu of page tables", nowhere,
	         (unsigned long long)alive, alive == 1 ? "" : "es", (unsigned long long)pmap_resident_pages(p->pmap),
	         (unsigned long long)p->map.layer.count, (unsigned long long)locked, (unsigned long long)tables);
	const char *kept = kernel_name(k, text);
	return kept ? kept : "out of memory, of the host too";
}

struct process *reclaim_kill(struct kernel *k)
{
	struct process *worst = NULL;
	uint64_t weight = 0;
	for (uint32_t i = 0; i < k->n_processes; i++) {
		struct process *p = k->process[i];
		if (!p->alive || p->killed || process_weight(p) < weight)
			continue;
		worst = p;
		weight = process_weight(p);
	}
	if (!worst)
		return NULL;
	worst->killed = kill_reason(k, worst);
	space_clear(worst);
	local_leave(worst);
	k->counts.oom_kills++;
	return worst;
}
