/* frame.h - physical memory as frames: which are free, which hold pages, which hold page tables.
 *
 * Every frame is in exactly one state, and the counts of the states always add up to the frames there are.  A frame that holds a
 * program's page has a slot, its name towards the replacement policy; slots are dense. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum frame_state {
	FRAME_FREE,  /* zero: a frame never used is free without having been written */
	FRAME_TABLE, /* page table of some pmap */
	FRAME_ZERO,  /* the page of zeros that every untouched page may share */
	FRAME_BUSY,  /* a page's, being filled: owned by nobody yet */
	FRAME_ANON,  /* owner: an anonymous page (anon.h) */
	FRAME_FILE,  /* owner: an object; frame_index(): which of its pages */
	FRAME_HELD,  /* somebody's beside the programs, who can move it; or part of a block being emptied */
	FRAME_BALLOON, /* given up to whoever lent this memory: nobody here may touch it.  next: the balloon's list, plus one */
};
enum {
	FRAME_DIRTY = 1,       /* written by the kernel, or known modified when last unmapped: adds to the pmap's modified */
	FRAME_REFERENCED = 2,  /* seen in the recency log: adds to the pmap's referenced */
	FRAME_READ_AHEAD = 4,  /* brought in unasked and not used yet */
	FRAME_LISTED = 8,      /* the policy knows its slot */
	FRAME_HUGE = 16,       /* part of a huge page (huge.h): its block is one page to the policy, which knows the first frame */
	FRAME_LOCKED = 32,     /* mlock: stays */
};
#define FRAME_NONE UINT32_MAX
#define FRAME_INDEX_MAX UINT32_MAX /* pages of a file */

#define FRAME_VPN_BITS 44 /* the user half of 57 address bits, in pages of 4 KiB */
enum { FRAME_ORDERS = 14 }; /* blocks of 2^0 to 2^13 frames: 512 MiB of 64 KiB */

struct frame {
	union {
		struct {
			uint32_t owner; /* ANON, FILE: see above */
			uint32_t space; /* the process where it was mapped last: its number plus one; 0: nowhere */
		};
		struct { uint32_t next, prev; }; /* FREE: the free list, BALLOON: that; plus one */
	};
	uint64_t vpn : FRAME_VPN_BITS; /* where it was mapped last.  FREE: which free list its block is in, see frame.c */
	uint64_t state : 3, flags : 6;
	uint64_t pins : 11;            /* more than 0: must stay */
};
_Static_assert(sizeof(struct frame) == 16, "the promise of memory per simulated frame counts on it");

struct frames {
	struct frame *at;
	uint32_t *index;         /* of frames that hold pages of files: touched for them alone */
	uint64_t n;
	uint64_t fresh, top;     /* frames from fresh up to top were never used: free, and in no list */
	unsigned order;          /* the largest blocks are of 2^order frames; 0: nobody wants blocks */
	uint32_t free_head[2][FRAME_ORDERS]; /* most recently freed first, plus one: that held pages, that held tables */
	uint64_t n_blocks;       /* free ones of the largest size, but for those never used */
	uint64_t n_free, n_tables, n_pages, n_zero, n_held, n_balloon; /* n_pages: BUSY, ANON, FILE */
	uint64_t page_limit;     /* of n_pages and n_balloon together */
	uint32_t balloon;        /* the frame that went into it last, plus one */
	bool slots_are_frames;   /* otherwise: */
	uint32_t *frame_slot;    /* a page's slot */
	uint32_t *slot_frame;    /* a slot's frame, or the next free slot plus one */
	uint32_t slot_fresh, slot_free;
	uint32_t n_slots;
};

/* page_limit 0: pages may fill everything.  order: blocks of 2^order frames will be wanted.
 * => PW_INVALID when there are too many frames to number, PW_NOMEM */
must_use enum pw_err frames_init(struct frames *fs, uint64_t n, uint64_t page_limit, unsigned order);
void frames_fini(struct frames *fs);
/* A frame for a page: BUSY, with a slot, unpinned.  => PW_NOFRAMES: none is free, or the limit is reached. */
must_use enum pw_err frame_take_page(struct frames *fs, uint32_t *ret);
/* n contiguous frames for page tables.  => PW_NOFRAMES: no such run is free. */
must_use enum pw_err frame_take_tables(struct frames *fs, uint64_t n, uint32_t *ret);
/* A frame for the page of zeros. */
must_use enum pw_err frame_take_zero(struct frames *fs, uint32_t *ret);
/* Back to free, from any state.  => nobody maps it, no policy lists it. */
void frame_give(struct frames *fs, uint32_t f);
/* A whole block, aligned, its frames HELD.  => PW_NOFRAMES: none is free, whatever the limit of pages */
must_use enum pw_err frame_take_block(struct frames *fs, uint32_t *ret);
/* A frame that is free becomes HELD: that one, or any. */
void frame_hold(struct frames *fs, uint32_t f);
must_use enum pw_err frame_take_held(struct frames *fs, uint32_t *ret);
/* A frame goes into the balloon, in the place of a page.  => PW_NOFRAMES: none is free, or the limit is reached */
must_use enum pw_err frame_take_balloon(struct frames *fs, uint32_t *ret);
/* The last one comes back.  => n_balloon > 0 */
uint32_t frame_give_balloon(struct frames *fs);
/* HELD becomes BUSY, with a slot.  => PW_NOFRAMES: the limit of pages is reached */
must_use enum pw_err frame_begin(struct frames *fs, uint32_t f);
/* What from holds, its slot too, is in to from now on; from is HELD.  => to is HELD, from holds a page; slots are not frames */
void frame_move(struct frames *fs, uint32_t from, uint32_t to);
/* Of the free frames, the share in pieces too small for a block: 0 when there are none. */
double frames_fragmentation(const struct frames *fs);
/* How many pages could be taken now. */
uint64_t frames_available(const struct frames *fs);
/* => f is FILE */
static inline uint64_t frame_index(const struct frames *fs, uint32_t f) { return fs->index[f]; }
/* => index is at most FRAME_INDEX_MAX */
static inline void frame_index_set(struct frames *fs, uint32_t f, uint64_t index) { fs->index[f] = (uint32_t)index; }
static inline uint32_t frame_of_slot(const struct frames *fs, uint32_t slot)
{
	return fs->slots_are_frames ? slot : fs->slot_frame[slot];
}
/* => f holds a page */
static inline uint32_t slot_of_frame(const struct frames *fs, uint32_t f)
{
	return fs->slots_are_frames ? f : fs->frame_slot[f];
}
const char *frames_flaw(const struct frames *fs);
