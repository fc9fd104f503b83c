/* page.h - pages in frames: coming in, being known to the policy, being used by a mapping, going out.
 *
 * These are the steps that faults, reclaim and the calls that change a space have in common. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include "../machine/access.h"
#include "frame.h"
#include "object.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct process;


static inline pfn_t frame_pfn(uint32_t f) { return pfn(f); }

/* A frame for the page of this key, others evicted to make room if need be.  => BUSY.  PW_NOFRAMES: nothing can be evicted */
must_use enum pw_err page_alloc(struct kernel *k, uint64_t key, uint32_t *ret);
/* The same for a page nobody waits for: only while memory is plentiful. */
must_use enum pw_err page_alloc_spare(struct kernel *k, uint32_t *ret);
/* The frame is free, and its bytes are nobody's. */
void page_give(struct kernel *k, uint32_t f);
/* Gives a BUSY frame back unused. */
void page_abandon(struct kernel *k, uint32_t f);
/* BUSY becomes a page.  => the anonymous page has no frame; the object has no page at index */
void page_become_anon(struct kernel *k, uint32_t f, uint32_t anon);
must_use enum pw_err page_become_file(struct kernel *k, uint32_t f, struct object *o, uint64_t index);

/* An anonymous page that is out of memory comes in: from its slot, its disk, or as zeros; page is where it is mapped.  => PW_IO,
 * PW_NOFRAMES: it stays out */
must_use enum pw_err page_bring_anon(struct kernel *k, uint32_t anon, uint64_t page);
/* The same for one nobody waits for, if it is in swap and memory is plentiful. */
must_use enum pw_err page_bring_ahead(struct kernel *k, uint32_t anon);

/* Tells the policy of the page, unless it knows already or the page has nowhere to go: anonymous memory without swap. */
void page_list(struct kernel *k, uint32_t f);
/* Tells it also of a page with nowhere to go, which may be dropped as long as nobody writes it again. */
void page_list_droppable(struct kernel *k, uint32_t f);
void page_unlist(struct kernel *k, uint32_t f);
/* May it be evicted at all, as things are? */
bool page_may_leave(struct kernel *k, uint32_t f);
/* Written since it came in?  (Bits are left alone.) */
bool page_is_modified(struct kernel *k, uint32_t f);
/* The identity the policy knows it by, and back: FRAME_NONE when it is not in memory. */
uint64_t page_key(const struct kernel *k, uint32_t f);
uint64_t page_key_of_file(const struct object *o, uint64_t index);
static inline uint64_t page_key_of_anon(uint32_t anon) { return anon; }
uint32_t page_of_key(struct kernel *k, uint64_t key);

/* Takes every mapping away; what they have done to it is kept in its flags.  => FRAME_DIRTY is right */
void page_unmap(struct kernel *k, uint32_t f);
/* The frame of a page that is no longer wanted, or has been written elsewhere: mappings, policy, walks, frame.  The page's own
 * record is the caller's. */
void page_release(struct kernel *k, uint32_t f);
/* One reference less; the last one ends the page, in memory and in swap. */
void page_unref_anon(struct kernel *k, uint32_t anon);
/* The copy in swap is no longer wanted.  => a page in memory counts as modified */
void page_drop_slot(struct kernel *k, uint32_t anon);

/* Maps the page for a process, making room for page tables.  => PW_NOFRAMES, PW_NOMEM: not mapped */
/* Maps frames at pages in a row, of the same rights.  Returns how many, from the first on, could be mapped at once, without making room. */
uint32_t page_enter_run(struct kernel *k, struct process *p, uint64_t page, uint32_t n, const uint32_t frames[], unsigned prot,
                        enum access_kind cause);
must_use enum pw_err page_enter(struct kernel *k, struct process *p, uint64_t vpn, uint32_t f, unsigned prot,
                                enum access_kind cause);
/* The same, without the process becoming the one the page's walks are counted for. */
must_use enum pw_err page_translate(struct kernel *k, struct process *p, uint64_t vpn, uint32_t f, unsigned prot,
                                    enum access_kind cause);
/* The walks its frame has seen go to the mapping it was last used by. */
void page_take_walks(struct kernel *k, uint32_t f);
/* The page is no longer what this process finds at this page number; it may still be elsewhere. */
void page_disown(struct kernel *k, uint32_t f, const struct process *p, uint64_t vpn);

/* Bytes, in runs that carry data; otherwise only the time of it. */
void *page_bytes(struct kernel *k, uint32_t f);
/* The kernel uses the bytes of a frame: who wants to know is told. */
void page_used_by_kernel(struct kernel *k, uint32_t f, enum access_kind kind);
void page_fill_zero(struct kernel *k, uint32_t f);
void page_copy(struct kernel *k, uint32_t to, uint32_t from);
/* The same, and nobody is told that from was used. */
void page_copy_quietly(struct kernel *k, uint32_t to, uint32_t from);
must_use enum pw_err page_file_read(struct kernel *k, const struct object *o, uint64_t index, uint32_t f);
must_use enum pw_err page_file_write(struct kernel *k, const struct object *o, uint64_t index, uint32_t f);
