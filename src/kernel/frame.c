/* frame.c - the states of frames and the free list.
 *
 * Problem: hand out frames in constant time, also runs of them for large page tables, keep the books, and cost nothing for the
 * frames of a big machine that no program ever uses.
 * Idea: metadata in one array of reserved memory that is touched only with its frame.  Frames never used lie above "fresh" and
 * need no list; frames given back form a doubly linked list, last in first out, from which a run can be cut anywhere.
 *
 *      0          fresh                      n
 *      +----------+--------------------------+        take: the list first, so that what was touched stays small;
 *      | used,    | never used: all zero,    |        a run: above fresh while there is room, else search below
 *      | or listed| free                     |
 *      +----------+--------------------------+
 *
 * 1. n_free + n_tables + n_zero + n_pages == n, and each equals the number of frames in such states.
 * 2. A frame is in the free list iff it is FREE and below fresh.
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
	*fs = (struct frames){ .n = n, .n_free = n };
	fs->slots_are_frames = !page_limit || page_limit >= n;
	fs->page_limit = fs->slots_are_frames ? n : page_limit;
	fs->n_slots = (uint32_t)fs->page_limit;
	fs->at = mem_reserve(n * sizeof *fs->at);
	if (fs->at && !fs->slots_are_frames)
		fs->slot_frame = mem_reserve(fs->n_slots * sizeof *fs->slot_frame);
	if (fs->at && (fs->slots_are_frames || fs->slot_frame))
		return PW_OK;
	frames_fini(fs);
	return PW_NOMEM;
}

void frames_fini(struct frames *fs)
{
	mem_unreserve(fs->at, fs->n * sizeof *fs->at);
	mem_unreserve(fs->slot_frame, fs->n_slots * sizeof *fs->slot_frame);
	*fs = (struct frames){ 0 };
}

static void list_push(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	frame->next = fs->free_head;
	frame->prev = 0;
	if (fs->free_head)
		fs->at[fs->free_head - 1].prev = f + 1;
	fs->free_head = f + 1;
}

static void list_cut(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	if (frame->next)
		fs->at[frame->next - 1].prev = frame->prev;
	if (frame->prev)
		fs->at[frame->prev - 1].next = frame->next;
	else
		fs->free_head = frame->next;
}

/* => a frame is free */
static uint32_t take_any(struct frames *fs, enum frame_state state)
{
	uint32_t f = fs->free_head ? fs->free_head - 1 : (uint32_t)fs->fresh;
	if (f == fs->fresh)
		fs->fresh++;
	else
		list_cut(fs, f);
	fs->n_free--;
	fs->at[f] = (struct frame){ .state = state, .slot = FRAME_NONE };
	return f;
}

static uint32_t slot_take(struct frames *fs, uint32_t f)
{
	if (fs->slots_are_frames)
		return f;
	uint32_t slot = fs->slot_free ? fs->slot_free - 1 : fs->slot_fresh;
	if (fs->slot_free)
		fs->slot_free = fs->slot_frame[slot];
	else
		fs->slot_fresh++;
	fs->slot_frame[slot] = f;
	return slot;
}

static void slot_give(struct frames *fs, uint32_t slot)
{
	if (fs->slots_are_frames)
		return;
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
	fs->at[*ret].slot = slot_take(fs, *ret);
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

/* The first run of n free frames below fresh + n, or FRAME_NONE. */
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
		if (f < fs->fresh)
			list_cut(fs, (uint32_t)f);
		for (; fs->fresh <= f; fs->fresh++) {
			if (fs->fresh < f)
				list_push(fs, (uint32_t)fs->fresh);
		}
		fs->at[f] = (struct frame){ .state = FRAME_TABLE, .slot = FRAME_NONE };
	}
	fs->n_free -= n;
}

enum pw_err frame_take_tables(struct frames *fs, uint64_t n, uint32_t *ret)
{
	if (n > fs->n_free || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	if (n == 1) {
		*ret = take_any(fs, FRAME_TABLE);
	} else {
		uint32_t first = fs->n - fs->fresh >= n ? (uint32_t)fs->fresh : run_find(fs, n);
		if (first == FRAME_NONE)
			return PW_NOFRAMES;
		run_take(fs, first, n);
		*ret = first;
	}
	fs->n_tables += n;
	return PW_OK;
}

void frame_give(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	if (frame->state == FRAME_TABLE)
		fs->n_tables--;
	else if (frame->state == FRAME_ZERO)
		fs->n_zero--;
	else
		fs->n_pages--;
	if (frame->slot != FRAME_NONE)
		slot_give(fs, frame->slot);
	*frame = (struct frame){ .state = FRAME_FREE };
	list_push(fs, f);
	fs->n_free++;
}

unsigned frames_bytes_each(const struct frames *fs)
{
	return sizeof *fs->at + (fs->slot_frame ? sizeof *fs->slot_frame : 0);
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
	if (frame->slot >= fs->n_slots || frame_of_slot(fs, frame->slot) != f)
		return "frames: a page's slot does not lead back to its frame";
	return NULL;
}

const char *frames_flaw(const struct frames *fs)
{
	uint64_t count[FRAME_FILE + 1] = { 0 }, listed = 0;
	for (uint32_t f = 0; f < fs->fresh; f++) {
		const char *flaw = frame_flaw(fs, f, count);
		if (flaw)
			return flaw;
	}
	for (uint32_t f = fs->free_head; f && listed <= fs->n; f = fs->at[f - 1].next)
		listed++;
	if (listed != count[FRAME_FREE])
		return "frames: the free list does not hold every free frame";
	if (count[FRAME_FREE] + fs->n - fs->fresh != fs->n_free || count[FRAME_TABLE] != fs->n_tables ||
	    count[FRAME_ZERO] != fs->n_zero || count[FRAME_BUSY] + count[FRAME_ANON] + count[FRAME_FILE] != fs->n_pages)
		return "frames: a count differs from the frames in that state";
	if (fs->n_free + fs->n_tables + fs->n_zero + fs->n_pages != fs->n)
		return "frames: free, table, zero and page frames do not add up to all frames";
	return fs->n_pages <= fs->page_limit ? NULL : "frames: more pages than the limit allows";
}
