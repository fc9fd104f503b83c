/* huge.h - huge pages: blocks of frames that one translation maps.
 *
 * A huge page is 2^huge_shift anonymous pages of one process, side by side in the address space and in memory.  Each keeps its number
 * and its frame; what is special is that the translation, if there is one, is a single leaf, and that the policy knows the block
 * by its first frame alone. */
#pragma once
#include "fault.h"

/* A whole huge page for a fault of untouched memory, not mapped yet, its page at f->frame.
 * => PW_NOTFOUND: a base page will do; PW_NOSPACE: it must be a huge page, and none can be had; PW_NOMEM */
must_use enum pw_err huge_fault(struct fault *f);
/* The huge page of which this frame is a part becomes base pages.  Their translations stay, as far as page tables can be had without
 * making room; those of a huge page that is forgotten all go. */
void huge_split(struct kernel *k, uint32_t f);
/* => the policy knows none of them but, if it did, the first: the caller evicts or drops each */
void huge_forget(struct kernel *k, uint32_t f);
/* Splits what lies on both sides of a bound of [start, end).  => PW_INVALID: it may not be split */
must_use enum pw_err huge_clip(struct process *p, uint64_t start, uint64_t end);
/* Every huge page that begins in [start, end): split, or forgotten. */
void huge_split_range(struct process *p, uint64_t start, uint64_t end);
void huge_forget_range(struct process *p, uint64_t start, uint64_t end);
/* Makes the aligned pages around page a huge page if they are of one mapping that allows it (asked: or that is asked for now), some of
 * them in memory, and all that exist in memory and seen by nobody else.  => false: it stays as it was */
bool huge_promote(struct process *p, struct entry *e, uint64_t page, bool asked);
/* NULL, or what is wrong with the huge pages of the kernel. */
const char *huge_flaw(struct kernel *k);

/* compact.c: a block of free frames, HELD, made by moving pages if need be, and with evict by evicting.  => PW_NOFRAMES */
must_use enum pw_err compact_block(struct kernel *k, bool evict, uint32_t *ret);
/* What a page's frame holds moves to a HELD one; its own becomes HELD. => page_can_move */
void page_move(struct kernel *k, uint32_t from, uint32_t to);
bool page_can_move(struct kernel *k, uint32_t f);
/* Takes frames here and there, as configured. */
void compact_fragment(struct kernel *k);
