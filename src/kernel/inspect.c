/* inspect.c - what a frame holds, for whoever looks into a kernel.
 *
 * Problem: a person who takes a kernel apart asks of each frame what it is for, and of the policy whom it would choose next.
 * Idea: the first answer is read off the frame's record, without touching anything.  The second cannot be had without asking the
 * policy, and a policy that is asked decides; so it belongs to a copy of the kernel that is thrown away afterwards.
 *
 * Rejected: an operation of the policies that lists their queues (two dozen more functions, each of which could lie). */
#include "space.h"
#include "state.h"

static const enum frame_role frame_roles[] = {
	[FRAME_FREE] = FRAME_ROLE_FREE, [FRAME_TABLE] = FRAME_ROLE_TABLE, [FRAME_ZERO] = FRAME_ROLE_ZERO,
	[FRAME_BUSY] = FRAME_ROLE_BUSY, [FRAME_ANON] = FRAME_ROLE_ANON, [FRAME_FILE] = FRAME_ROLE_FILE,
	[FRAME_HELD] = FRAME_ROLE_HELD, [FRAME_BALLOON] = FRAME_ROLE_BALLOON,
};

bool kernel_frame_describe(struct kernel *k, pfn_t f, struct frame_info *ret)
{
	if (f.v >= k->frames.n)
		return false;
	const struct frame *frame = kernel_frame(k, (uint32_t)f.v);
	*ret = (struct frame_info){ .role = frame_roles[frame->state] };
	if (frame->state != FRAME_ANON && frame->state != FRAME_FILE)
		return true;
	const struct process *p = frame->space ? k->process[frame->space - 1] : NULL;
	ret->pid = p ? p->pid : 0;
	ret->page = vpn(p ? frame->vpn : 0);
	ret->dirty = page_is_modified(k, (uint32_t)f.v);
	ret->evictable = frame->flags & FRAME_LISTED;
	if (frame->state == FRAME_ANON) {
		const struct anon *a = kernel_anon(k, frame->owner);
		uint32_t slot = kernel_slot(k, frame->owner);
		ret->sharers = a->refs;
		ret->in_swap = slot != SLOT_NONE;
		ret->slot = slot;
		return true;
	}
	ret->sharers = 1;
	ret->file_id = k->objects.file[frame->owner]->file_id;
	ret->file_page = frame_index(&k->frames, (uint32_t)f.v);
	return true;
}

uint32_t kernel_frame_pid(const struct kernel *k, pfn_t f)
{
	const struct frame *frame = f.v < k->frames.n ? &k->frames.at[f.v] : NULL;
	bool holds = frame && (frame->state == FRAME_ANON || frame->state == FRAME_FILE) && frame->space;
	return holds ? k->process[frame->space - 1]->pid : 0;
}

bool kernel_next_victim(struct kernel *k, pfn_t *ret)
{
	uint32_t f = reclaim_choose(k);
	*ret = pfn(f);
	return f != FRAME_NONE;
}

struct page_visit {
	void (*visit)(void *ctx, const struct page_info *page);
	void *ctx;
};

static void page_describe(void *ctx, struct process *p, const struct space_page *page)
{
	const struct page_visit *v = ctx;
	struct kernel *k = p->kernel;
	bool hidden = page->anon == ANON_NONE && !page->entry->shared && pages_get(&p->map.layer, page->page) != ANON_NONE;
	if (hidden || page->anon == ANON_ZEROS)
		return;
	struct page_info info = {
		.page = vpn(page->page), .mapping = page->entry->name, .resident = page->frame != FRAME_NONE, .frame = pfn(page->frame),
	};
	if (page->anon >= ANON_FIRST) {
		uint32_t slot = kernel_slot(k, page->anon);
		info.in_swap = slot != SLOT_NONE;
		info.slot = slot;
		info.on_disk = kernel_anon(k, page->anon)->flags & ANON_ON_DISK;
		info.sharers = kernel_anon(k, page->anon)->refs;
	}
	v->visit(v->ctx, &info);
}

void process_pages(struct process *p, void (*visit)(void *ctx, const struct page_info *page), void *ctx)
{
	struct page_visit v = { visit, ctx };
	for (struct entry *e = map_after(&p->map, 0); e; e = entry_next(e))
		space_visit(p, e, e->node.start, e->node.end, page_describe, &v);
}
