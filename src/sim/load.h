/* load.h - load control: when memory thrashes, stop a process rather than all of them.
 *
 * Watched over windows in which each process that is not suspended has several turns.  Memory thrashes when the working sets of these
 * processes together are larger than memory, and faults bring back pages that were taken in the same window: at least as many as do not
 * fit, and at least half of all major faults.  Then processes are suspended, who has run longest first, until the others fit; all pages
 * of a suspended one are swapped out.  It runs again, first come first served, when there is room for its working set, and after a while
 * in any case in the place of others. */
#pragma once
#include "../kernel/kernel.h"
#include "../machine/machine.h"
#include "result.h"
#include "sched.h"

struct load;

enum { LOAD_TURNS = 4 };      /* a window is at least so many turns of each process */
enum { LOAD_RESIDENCE = 16 }; /* windows after which who is suspended takes the place of somebody else */

/* All must outlive it.  page_frames: what pages can have; 0: all of memory.  => PW_NOMEM */
must_use enum pw_err load_create(struct machine *m, struct kernel *k, struct sched *s, uint64_t quantum, uint64_t page_frames,
                                 struct load **ret);
void load_destroy(struct load *l);
/* A page leaves its frame; comes into one by a fault.  What cannot be kept for want of memory is told by load_step. */
void load_evicting(struct load *l, uint32_t pid, vpn_t page, pfn_t from);
void load_installed(struct load *l, uint32_t pid, vpn_t page, pfn_t to);
/* The process of that number has ended. */
void load_ended(struct load *l, uint32_t pid);
/* After each turn or part of one, by this process; position: in the trace, for the story.  => PW_NOMEM */
must_use enum pw_err load_step(struct load *l, uint32_t pid, uint64_t position);
void load_result(const struct load *l, struct result_load *ret);
