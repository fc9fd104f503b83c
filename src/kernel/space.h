/* space.h - what the calls that change an address space have in common. */
#pragma once
#include "process.h"

/* No translation of [start, end), which is in the entry, is left, no lock, no huge page.  => no huge page crosses a bound */
void space_hide(struct process *p, struct entry *e, uint64_t start, uint64_t end);
/* Takes the pages of [start, end) away: translations, private layer, accounting.  Entries stay.  => entries cross no bound */
void space_drop_pages(struct process *p, uint64_t start, uint64_t end);
/* First and one-past-last page of a range of bytes.  => PW_INVALID: empty, not aligned or beyond the end of the space; PW_NOTMAPPED: not
 * all of it is mapped */
must_use enum pw_err space_range(struct process *p, vaddr_t start, uint64_t bytes, uint64_t *ret_first, uint64_t *ret_end);
/* Cuts entries, and splits huge pages, so that none crosses a bound of [start, end).  => as map_clip; PW_INVALID: an entry takes huge
 * pages only */
must_use enum pw_err space_clip(struct process *p, uint64_t start, uint64_t end);
/* Cuts [start, end) out of the space.  => PW_NOMEM: nothing changed */
must_use enum pw_err space_cut(struct process *p, uint64_t start, uint64_t end);
/* Everything mapped goes. */
void space_clear(struct process *p);
/* The rights a page of the entry may be mapped with, by what it is: anon is its number in the private layer or shared object, or
 * ANON_NONE for a page of the entry's file. */
unsigned space_page_rights(const struct process *p, const struct entry *e, uint32_t anon);
/* Every page of the entry that something is known of, private or in its object: its vpn, and its number in the private layer or
 * shared object, ANON_NONE for a page of a file (then frame is its frame).  visit may not change either. */
struct space_page {
	struct entry *entry;
	uint64_t page;
	uint32_t anon;
	uint32_t frame;   /* FRAME_NONE: not in memory */
};
void space_visit(struct process *p, struct entry *e, uint64_t start, uint64_t end,
                 void (*visit)(void *ctx, struct process *p, const struct space_page *page), void *ctx);
