/* frame.c - the states of frames and the free list.
 *
 * Problem: hand out frames in constant time, also runs of them for large page tables, keep the books, and cost nothing for the
 * frames of a big machine that no program ever uses.
 * Idea: metadata in one array of reserved memory that is touched only with its frame.  Pages come from the bottom, tables from the
 * top, so that tables, the only frames whose bytes are touched in every run, lie together.  Frames never used need no list;
 * those given back form doubly linked lists, last in first out, from which a run can be cut anywhere.
 *
 *      0          fresh             top           n
 *      +----------+------------------+------------+        take: one's own list, then the middle, then the other's list
 *      | used, or | never used:      | used, or   |        a run: below top while there is room, else search
 *      | listed   | all zero, free   | listed     |
 *      +----------+------------------+------------+
 *
 * 1. n_free + n_tables + n_zero + n_pages == n, and each equals the number of frames in such states.
 * 2. A frame is in a free list iff it is FREE and not between fresh and top; owner says in which.
 * 3. n_pages <= page_limit.  Every page's slot leads back to its frame.
 * 4. Without a limit slots are frame numbers.  With one they are dense below it, last freed first taken: the page that comes in
 *    gets the slot of the page that just went, as in the books.
 * Rejected: a bitmap of free frames (a word per 64 frames must be scanned), a buddy system (only flat tables need runs). */
#include "frame.h"
#include "../base/inject.h"
#include "../base/mem.h"

enum pw_err frames_init(struct frames *fs, uint64_t n, uint64_t page_limit)
{
	if (!n || n >= FRAME_NONE / 2)
		return PW_INVALID;
	*fs = (struct frames){ .n = n, .n_free = n, .top = n };
	fs->slots_are_frames = !page_limit || page_limit >= n;
	fs->page_limit = fs->slots_are_frames ? n : page_limit;
	fs->n_slots = (uint32_t)fs->page_limit;
	fs->at = mem_reserve(n * sizeof *fs->at);
	fs->index = mem_reserve(n * sizeof *fs->index);
	if (fs->at && !fs->slots_are_frames)
		fs->slot_frame = mem_reserve(n * sizeof *fs->slot_frame); /* the limit may rise */
	if (fs->slot_frame)
		fs->frame_slot = mem_reserve(n * sizeof *fs->frame_slot);
	if (fs->at && fs->index && (fs->slots_are_frames || fs->frame_slot))
		return PW_OK;
	frames_fini(fs);
	return PW_NOMEM;
}

void frames_fini(struct frames *fs)
{
	mem_unreserve(fs->at, fs->n * sizeof *fs->at);
	mem_unreserve(fs->index, fs->n * sizeof *fs->index);
	mem_unreserve(fs->slot_frame, fs->n * sizeof *fs->slot_frame);
	mem_unreserve(fs->frame_slot, fs->n * sizeof *fs->frame_slot);
	*fs = (struct frames){ 0 };
}

enum { LIST_PAGES, LIST_TABLES };

static void list_push(struct frames *fs, uint32_t f, unsigned list)
{
	struct frame *frame = &fs->at[f];
	frame->vpn = list;
	frame->next = fs->free_head[list];
	frame->prev = 0;
	if (frame->next)
		fs->at[frame->next - 1].prev = f + 1;
	fs->free_head[list] = f + 1;
}

static void list_cut(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	if (frame->next)
		fs->at[frame->next - 1].prev = frame->prev;
	if (frame->prev)
		fs->at[frame->prev - 1].next = frame->next;
	else
		fs->free_head[frame->vpn] = frame->next;
}

static uint32_t list_take(struct frames *fs, unsigned list)
{
	uint32_t f = fs->free_head[list] - 1;
	list_cut(fs, f);
	return f;
}

/* => a frame is free */
static uint32_t take_any(struct frames *fs, enum frame_state state)
{
	unsigned mine = state == FRAME_TABLE ? LIST_TABLES : LIST_PAGES;
	uint32_t f;
	if (fs->free_head[mine])
		f = list_take(fs, mine);
	else if (fs->fresh < fs->top)
		f = (uint32_t)(mine == LIST_TABLES ? --fs->top : fs->fresh++);
	else
		f = list_take(fs, !mine);
	fs->n_free--;
	fs->at[f] = (struct frame){ .state = state };
	return f;
}

static void slot_take(struct frames *fs, uint32_t f)
{
	if (fs->slots_are_frames)
		return;
	uint32_t slot = fs->slot_free ? fs->slot_free - 1 : fs->slot_fresh;
	if (fs->slot_free)
		fs->slot_free = fs->slot_frame[slot];
	else
		fs->slot_fresh++;
	fs->slot_frame[slot] = f;
	fs->frame_slot[f] = slot;
}

static void slot_give(struct frames *fs, uint32_t f)
{
	if (fs->slots_are_frames)
		return;
	uint32_t slot = fs->frame_slot[f];
	fs->slot_frame[slot] = fs->slot_free;
	fs->slot_free = slot + 1;
}

uint64_t frames_available(const struct frames *fs)
{
	uint64_t room = fs->page_limit - fs->n_pages;
	return room < fs->n_free ? room : fs->n_free;
}

enum pw_err frame_take_page(struct frames *fs, uint32_t *ret)
{
	if (!frames_available(fs) || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	*ret = take_any(fs, FRAME_BUSY);
	fs->n_pages++;
	slot_take(fs, *ret);
	return PW_OK;
}

enum pw_err frame_take_zero(struct frames *fs, uint32_t *ret)
{
	if (!fs->n_free || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	*ret = take_any(fs, FRAME_ZERO);
	fs->n_zero++;
	return PW_OK;
}

/* The first run of n free frames, or FRAME_NONE. */
static uint32_t run_find(const struct frames *fs, uint64_t n)
{
	uint64_t length = 0;
	for (uint64_t f = 0; f < fs->n; f++) {
		length = fs->at[f].state == FRAME_FREE ? length + 1 : 0;
		if (length == n)
			return (uint32_t)(f + 1 - n);
	}
	return FRAME_NONE;
}

static void run_take(struct frames *fs, uint32_t first, uint64_t n)
{
	for (uint64_t f = first; f < first + n; f++) {
		while (fs->fresh < f && f < fs->top)
			list_push(fs, (uint32_t)fs->fresh++, LIST_PAGES);
		if (f < fs->fresh || f >= fs->top)
			list_cut(fs, (uint32_t)f);
		else
			fs->fresh++;
		fs->at[f] = (struct frame){ .state = FRAME_TABLE };
	}
}

enum pw_err frame_take_tables(struct frames *fs, uint64_t n, uint32_t *ret)
{
	if (n > fs->n_free || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	if (n == 1) {
		*ret = take_any(fs, FRAME_TABLE);
	} else {
		bool room = fs->top - fs->fresh >= n;
		uint32_t first = room ? (uint32_t)(fs->top - n) : run_find(fs, n);
		if (first == FRAME_NONE)
			return PW_NOFRAMES;
		if (room)
			fs->top = first;
		for (uint64_t f = first; room && f < first + n; f++)
			fs->at[f] = (struct frame){ .state = FRAME_TABLE };
		if (!room)
			run_take(fs, first, n);
		fs->n_free -= n;
		*ret = first;
	}
	fs->n_tables += n;
	return PW_OK;
}

void frame_give(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	unsigned list = frame->state == FRAME_TABLE ? LIST_TABLES : LIST_PAGES;
	if (frame->state == FRAME_TABLE) {
		fs->n_tables--;
	} else if (frame->state == FRAME_ZERO) {
		fs->n_zero--;
	} else {
		fs->n_pages--;
		slot_give(fs, f);
	}
	*frame = (struct frame){ .state = FRAME_FREE };
	list_push(fs, f, list);
	fs->n_free++;
}

static const char *frame_flaw(const struct frames *fs, uint32_t f, uint64_t count[])
{
	const struct frame *frame = &fs->at[f];
	if (frame->state > FRAME_FILE)
		return "frames: a frame is in no known state";
	count[frame->state]++;
	if (frame->state == FRAME_FREE && frame->flags)
		return "frames: a free frame has flags";
	if (frame->state < FRAME_BUSY)
		return NULL;
	if (slot_of_frame(fs, f) >= fs->n_slots || frame_of_slot(fs, slot_of_frame(fs, f)) != f)
		return "frames: a page's slot does not lead back to its frame";
	return NULL;
}

static uint64_t list_length(const struct frames *fs, unsigned list)
{
	uint64_t n = 0;
	for (uint32_t f = fs->free_head[list]; f && n <= fs->n; f = fs->at[f - 1].next)
		n++;
	return n;
}

const char *frames_flaw(const struct frames *fs)
{
	uint64_t count[FRAME_FILE + 1] = { 0 };
	for (uint64_t f = 0; f < fs->n; f++) {
		if (f == fs->fresh)
			f = fs->top;
		const char *flaw = f < fs->n ? frame_flaw(fs, (uint32_t)f, count) : NULL;
		if (flaw)
			return flaw;
	}
	if (list_length(fs, LIST_PAGES) + list_length(fs, LIST_TABLES) != count[FRAME_FREE])
		return "frames: the free lists do not hold every free frame";
	if (count[FRAME_FREE] + fs->top - fs->fresh != fs->n_free || count[FRAME_TABLE] != fs->n_tables ||
	    count[FRAME_ZERO] != fs->n_zero || count[FRAME_BUSY] + count[FRAME_ANON] + count[FRAME_FILE] != fs->n_pages)
		return "frames: a count differs from the frames in that state";
	if (fs->n_free + fs->n_tables + fs->n_zero + fs->n_pages != fs->n)
		return "frames: free, table, zero and page frames do not add up to all frames";
	return fs->n_pages <= fs->page_limit ? NULL : "frames: more pages than the limit allows";
}
