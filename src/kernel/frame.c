/* frame.c - the states of frames and the free list.
 *
 * Problem: hand out frames in constant time, also runs of them for large page tables, keep the books, and cost nothing for the
 * frames of a big machine that no program ever uses.
 * Idea: metadata in one array of reserved memory that is touched only with its frame.  Pages come from the bottom, tables from the
 * top, so that tables, the only frames whose bytes are touched in every run, lie together, and what cannot be moved is not
 * scattered among what can.  Frames never used need no list; those given back form doubly linked lists, last in first out, from which
 * any can be cut.
 *
 *      0          fresh             top           n
 *      +----------+------------------+------------+        take: one's own lists, then the middle, then the other's lists
 *      | used, or | never used:      | used, or   |        a run: below top while there is room, else search
 *      | listed   | all zero, free   | listed     |
 *      +----------+------------------+------------+
 *
 * Where blocks of 2^order frames are wanted (huge pages) this is a binary buddy system: a list for each size, a larger piece is
 * halved when no smaller one is left, a piece given back joins its other half when that is free and whole.  The middle then
 * consists of whole blocks.  With order 0 nothing is ever halved or joined, and only plain lists are left of it.
 *
 * 1. n_free + n_tables + n_zero + n_held + n_balloon + n_pages == n, and each equals the number of frames in such states.
 * 2. A FREE frame outside the middle is in exactly one piece.  The first frame of a piece is in a list; its vpn says in which, and of
 *    which order.  The vpn of the others is PIECE_INSIDE.
 * 3. n_pages + n_balloon <= page_limit.  Every page's slot leads back to its frame.
 * 4. Without a limit and without blocks slots are frame numbers.  With a limit they are dense below it, last freed first taken: the
 *    page that comes in gets the slot of the page that just went, as in the books.  With blocks a page keeps its slot when it moves.
 * Rejected: a bitmap of free frames (a word per 64 frames must be scanned), a second allocator for runs without huge pages.
 * Source: K. C. Knowlton, "A fast storage allocator", CACM 8 (1965). */
#include "frame.h"
#include "../base/inject.h"
#include "../base/mem.h"

enum { LIST_PAGES, LIST_TABLES };
#define PIECE_INSIDE (1ull << (FRAME_VPN_BITS - 1))

static uint64_t piece_word(unsigned list, unsigned order) { return (uint64_t)order << 1 | list; }
static unsigned piece_order(const struct frame *frame) { return (unsigned)(frame->vpn >> 1); }
static bool is_fresh(const struct frames *fs, uint64_t f) { return f >= fs->fresh && f < fs->top; }

static void list_push(struct frames *fs, uint32_t f, unsigned list, unsigned order)
{
	struct frame *frame = &fs->at[f];
	uint32_t *head = &fs->free_head[list][order];
	frame->vpn = piece_word(list, order);
	frame->next = *head;
	frame->prev = 0;
	if (frame->next)
		fs->at[frame->next - 1].prev = f + 1;
	*head = f + 1;
	fs->n_blocks += order == fs->order;
}

static void list_cut(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	unsigned list = frame->vpn & 1, order = piece_order(frame);
	if (frame->next)
		fs->at[frame->next - 1].prev = frame->prev;
	if (frame->prev)
		fs->at[frame->prev - 1].next = frame->next;
	else
		fs->free_head[list][order] = frame->next;
	fs->n_blocks -= order == fs->order;
}

/* A piece of free frames goes back, joined with its other half as often as that is whole.  => its frames are FREE */
static void piece_give(struct frames *fs, uint32_t f, unsigned list, unsigned order)
{
	for (; order < fs->order; order++) {
		uint32_t other = f ^ (1u << order);
		const struct frame *half = &fs->at[other];
		if (other + (1ull << order) > fs->n || half->state != FRAME_FREE || half->vpn & PIECE_INSIDE || piece_order(half) != order)
			break;
		list_cut(fs, other);
		fs->at[other > f ? other : f].vpn = PIECE_INSIDE;
		f &= ~(1u << order);
	}
	list_push(fs, f, list, order);
}

/* The first piece of a list of at least that order, cut.  largest: prefer the largest, which scatters the least. */
static bool list_take(struct frames *fs, unsigned list, unsigned order, bool largest, uint32_t *ret, unsigned *ret_order)
{
	unsigned n = fs->order + 1 - order;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = largest ? fs->order - i : order + i;
		if (!fs->free_head[list][at])
			continue;
		*ret = fs->free_head[list][at] - 1;
		*ret_order = at;
		list_cut(fs, *ret);
		return true;
	}
	return false;
}

/* A block from the middle: from its bottom for pages, from its top for tables. */
static bool middle_take(struct frames *fs, unsigned list, uint32_t *ret)
{
	if (fs->fresh >= fs->top)
		return false;
	uint64_t block = 1ull << fs->order;
	*ret = (uint32_t)(list == LIST_TABLES ? fs->top - block : fs->fresh);
	fs->fresh += list == LIST_TABLES ? 0 : block;
	fs->top -= list == LIST_TABLES ? block : 0;
	for (uint64_t i = 1; i < block; i++)
		fs->at[*ret + i].vpn = PIECE_INSIDE;
	return true;
}

/* A piece of that order.  => false: none is free */
static bool piece_take(struct frames *fs, unsigned list, unsigned order, uint32_t *ret)
{
	unsigned have = fs->order;
	if (!list_take(fs, list, order, false, ret, &have) && !middle_take(fs, list, ret) &&
	    !list_take(fs, !list, order, true, ret, &have))
		return false;
	while (have > order) {
		have--;
		list_push(fs, *ret + (1u << have), list, have);
	}
	return true;
}

enum pw_err frames_init(struct frames *fs, uint64_t n, uint64_t page_limit, unsigned order)
{
	if (!n || n >= FRAME_NONE / 2 || order >= FRAME_ORDERS)
		return PW_INVALID;
	*fs = (struct frames){ .n = n, .n_free = n, .order = order, .top = n >> order << order };
	fs->page_limit = !page_limit || page_limit >= n ? n : page_limit;
	fs->slots_are_frames = fs->page_limit == n && !order;
	fs->n_slots = (uint32_t)fs->page_limit;
	fs->at = mem_reserve(n * sizeof *fs->at);
	fs->index = mem_reserve(n * sizeof *fs->index);
	if (fs->at && !fs->slots_are_frames)
		fs->slot_frame = mem_reserve(n * sizeof *fs->slot_frame); /* the limit may rise */
	if (fs->slot_frame)
		fs->frame_slot = mem_reserve(n * sizeof *fs->frame_slot);
	if (!fs->at || !fs->index || !(fs->slots_are_frames || fs->frame_slot)) {
		frames_fini(fs);
		return PW_NOMEM;
	}
	for (uint64_t f = fs->top; f < n; f++) /* fewer than a block */
		fs->at[f].vpn = PIECE_INSIDE;
	for (uint64_t f = fs->top; f < n; f++)
		piece_give(fs, (uint32_t)f, LIST_TABLES, 0);
	return PW_OK;
}

void frames_fini(struct frames *fs)
{
	mem_unreserve(fs->at, fs->n * sizeof *fs->at);
	mem_unreserve(fs->index, fs->n * sizeof *fs->index);
	mem_unreserve(fs->slot_frame, fs->n * sizeof *fs->slot_frame);
	mem_unreserve(fs->frame_slot, fs->n * sizeof *fs->frame_slot);
	*fs = (struct frames){ 0 };
}

/* => a frame is free */
static uint32_t take_any(struct frames *fs, enum frame_state state)
{
	uint32_t f = 0;
	bool taken = piece_take(fs, state == FRAME_TABLE ? LIST_TABLES : LIST_PAGES, 0, &f);
	(void)taken;
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
	uint64_t room = fs->page_limit - fs->n_pages - fs->n_balloon;
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

/* => order is 0: each frame is a piece */
static void run_take(struct frames *fs, uint32_t first, uint64_t n)
{
	for (uint64_t f = first; f < first + n; f++) {
		while (fs->fresh < f && f < fs->top)
			list_push(fs, (uint32_t)fs->fresh++, LIST_PAGES, 0);
		if (is_fresh(fs, f))
			fs->fresh++;
		else
			list_cut(fs, (uint32_t)f);
	}
}

/* n frames where blocks are kept: the smallest piece that holds them; what is left over goes back.  => PW_NOFRAMES */
static enum pw_err run_take_piece(struct frames *fs, uint64_t n, uint32_t *ret)
{
	unsigned order = 0;
	while (1ull << order < n)
		order++;
	if (order > fs->order || !piece_take(fs, LIST_TABLES, order, ret))
		return PW_NOFRAMES;
	for (uint64_t f = *ret + n; f < *ret + (1ull << order); f++)
		fs->at[f] = (struct frame){ .state = FRAME_FREE, .vpn = PIECE_INSIDE };
	for (uint64_t f = *ret + n; f < *ret + (1ull << order); f++)
		piece_give(fs, (uint32_t)f, LIST_TABLES, 0);
	return PW_OK;
}

static enum pw_err run_take_plain(struct frames *fs, uint64_t n, uint32_t *ret)
{
	bool room = fs->top - fs->fresh >= n;
	*ret = room ? (uint32_t)(fs->top - n) : run_find(fs, n);
	if (*ret == FRAME_NONE)
		return PW_NOFRAMES;
	if (room)
		fs->top = *ret;
	else
		run_take(fs, *ret, n);
	return PW_OK;
}

enum pw_err frame_take_tables(struct frames *fs, uint64_t n, uint32_t *ret)
{
	if (n > fs->n_free || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	enum pw_err err = PW_OK;
	fs->n_tables += n;
	if (n == 1) {
		*ret = take_any(fs, FRAME_TABLE);
		return PW_OK;
	}
	err = fs->order ? run_take_piece(fs, n, ret) : run_take_plain(fs, n, ret);
	if (err) {
		fs->n_tables -= n;
		return err;
	}
	fs->n_free -= n;
	for (uint64_t f = *ret; f < *ret + n; f++)
		fs->at[f] = (struct frame){ .state = FRAME_TABLE };
	return PW_OK;
}

enum pw_err frame_take_block(struct frames *fs, uint32_t *ret)
{
	if (!fs->order || inject(INJECT_FRAME) || !piece_take(fs, LIST_PAGES, fs->order, ret))
		return PW_NOFRAMES;
	uint64_t n = 1ull << fs->order;
	for (uint64_t f = *ret; f < *ret + n; f++)
		fs->at[f] = (struct frame){ .state = FRAME_HELD };
	fs->n_free -= n;
	fs->n_held += n;
	return PW_OK;
}

enum pw_err frame_take_held(struct frames *fs, uint32_t *ret)
{
	if (!fs->n_free || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	*ret = take_any(fs, FRAME_HELD);
	fs->n_held++;
	return PW_OK;
}

enum pw_err frame_take_balloon(struct frames *fs, uint32_t *ret)
{
	if (!frames_available(fs) || inject(INJECT_FRAME))
		return PW_NOFRAMES;
	*ret = take_any(fs, FRAME_BALLOON);
	fs->at[*ret].next = fs->balloon;
	fs->balloon = *ret + 1;
	fs->n_balloon++;
	return PW_OK;
}

uint32_t frame_give_balloon(struct frames *fs)
{
	uint32_t f = fs->balloon - 1;
	fs->balloon = fs->at[f].next;
	frame_give(fs, f);
	return f;
}

/* The piece a free frame is part of: the largest alignment at which a piece begins that reaches it. */
static uint32_t piece_of(const struct frames *fs, uint32_t f)
{
	for (unsigned order = 0; order <= fs->order; order++) {
		uint32_t first = f >> order << order;
		if (!(fs->at[first].vpn & PIECE_INSIDE) && fs->at[first].state == FRAME_FREE && piece_order(&fs->at[first]) >= order)
			return first;
	}
	return f;
}

void frame_hold(struct frames *fs, uint32_t f)
{
	while (is_fresh(fs, f)) { /* the middle begins above it from now on */
		uint32_t block;
		if (middle_take(fs, LIST_PAGES, &block))
			list_push(fs, block, LIST_PAGES, fs->order);
	}
	uint32_t first = piece_of(fs, f);
	unsigned list = fs->at[first].vpn & 1, order = piece_order(&fs->at[first]);
	list_cut(fs, first);
	while (order--) { /* halve it, keep the half with f */
		uint32_t half = first + (1u << order), other = f >= half ? first : half;
		first = f >= half ? half : first;
		list_push(fs, other, list, order);
	}
	fs->at[f] = (struct frame){ .state = FRAME_HELD };
	fs->n_free--;
	fs->n_held++;
}

enum pw_err frame_begin(struct frames *fs, uint32_t f)
{
	if (fs->n_pages + fs->n_balloon >= fs->page_limit)
		return PW_NOFRAMES;
	fs->n_held--;
	fs->n_pages++;
	fs->at[f] = (struct frame){ .state = FRAME_BUSY };
	slot_take(fs, f);
	return PW_OK;
}

void frame_move(struct frames *fs, uint32_t from, uint32_t to)
{
	uint32_t slot = fs->frame_slot[from];
	fs->frame_slot[to] = slot;
	fs->slot_frame[slot] = to;
	fs->index[to] = fs->index[from];
	fs->at[to] = fs->at[from];
	fs->at[from] = (struct frame){ .state = FRAME_HELD };
}

double frames_fragmentation(const struct frames *fs)
{
	uint64_t whole = (fs->n_blocks << fs->order) + fs->top - fs->fresh;
	return fs->n_free ? (double)(fs->n_free - whole) / (double)fs->n_free : 0;
}

void frame_give(struct frames *fs, uint32_t f)
{
	struct frame *frame = &fs->at[f];
	unsigned list = frame->state == FRAME_TABLE ? LIST_TABLES : LIST_PAGES;
	if (frame->state == FRAME_TABLE) {
		fs->n_tables--;
	} else if (frame->state == FRAME_ZERO) {
		fs->n_zero--;
	} else if (frame->state == FRAME_HELD) {
		fs->n_held--;
	} else if (frame->state == FRAME_BALLOON) {
		fs->n_balloon--;
	} else {
		fs->n_pages--;
		slot_give(fs, f);
	}
	*frame = (struct frame){ .state = FRAME_FREE };
	piece_give(fs, f, list, 0);
	fs->n_free++;
}

static const char *frame_flaw(const struct frames *fs, uint32_t f, uint64_t count[])
{
	const struct frame *frame = &fs->at[f];
	count[frame->state]++;
	if (frame->state == FRAME_FREE && frame->flags)
		return "frames: a free frame has flags";
	if (frame->state < FRAME_BUSY || frame->state >= FRAME_HELD)
		return NULL;
	if (slot_of_frame(fs, f) >= fs->n_slots || frame_of_slot(fs, slot_of_frame(fs, f)) != f)
		return "frames: a page's slot does not lead back to its frame";
	return NULL;
}

/* Frames in the pieces of a list; UINT64_MAX: a piece is not what it should be. */
static uint64_t list_frames(const struct frames *fs, unsigned list, unsigned order)
{
	uint64_t n = 0, size = 1ull << order;
	for (uint32_t f = fs->free_head[list][order]; f && n <= fs->n; f = fs->at[f - 1].next) {
		if ((f - 1) % size || fs->at[f - 1].vpn != piece_word(list, order))
			return UINT64_MAX;
		for (uint64_t i = 1; i < size; i++)
			if (fs->at[f - 1 + i].state != FRAME_FREE || fs->at[f - 1 + i].vpn != PIECE_INSIDE)
				return UINT64_MAX;
		n += size;
	}
	return n;
}

static const char *lists_flaw(const struct frames *fs, uint64_t n_free)
{
	uint64_t listed = 0, blocks = 0;
	for (unsigned i = 0; i < 2 * (fs->order + 1); i++) {
		uint64_t n = list_frames(fs, i & 1, i / 2);
		if (n == UINT64_MAX)
			return "frames: a piece of free frames is in the wrong list, or not whole";
		listed += n;
		blocks += i / 2 == fs->order ? n >> fs->order : 0;
	}
	if (listed != n_free)
		return "frames: the free lists do not hold every free frame";
	return blocks == fs->n_blocks ? NULL : "frames: the count of free blocks differs from the blocks there are";
}

static uint64_t balloon_length(const struct frames *fs)
{
	uint64_t n = 0;
	for (uint32_t f = fs->balloon; f && n <= fs->n && fs->at[f - 1].state == FRAME_BALLOON; f = fs->at[f - 1].next)
		n++;
	return n;
}

const char *frames_flaw(const struct frames *fs)
{
	uint64_t count[FRAME_BALLOON + 1] = { 0 };
	for (uint64_t f = 0; f < fs->n; f++) {
		if (f == fs->fresh)
			f = fs->top;
		const char *flaw = f < fs->n ? frame_flaw(fs, (uint32_t)f, count) : NULL;
		if (flaw)
			return flaw;
	}
	const char *wrong = lists_flaw(fs, count[FRAME_FREE]);
	if (wrong)
		return wrong;
	if (count[FRAME_FREE] + fs->top - fs->fresh != fs->n_free || count[FRAME_TABLE] != fs->n_tables ||
	    count[FRAME_ZERO] != fs->n_zero || count[FRAME_HELD] != fs->n_held || count[FRAME_BALLOON] != fs->n_balloon ||
	    count[FRAME_BUSY] + count[FRAME_ANON] + count[FRAME_FILE] != fs->n_pages)
		return "frames: a count differs from the frames in that state";
	if (fs->n_free + fs->n_tables + fs->n_zero + fs->n_held + fs->n_balloon + fs->n_pages != fs->n)
		return "frames: free, table, zero, held, balloon and page frames do not add up to all frames";
	if (balloon_length(fs) != fs->n_balloon)
		return "frames: the balloon's list does not hold every frame of the balloon";
	return fs->n_pages + fs->n_balloon <= fs->page_limit ? NULL : "frames: more pages than the limit allows";
}
