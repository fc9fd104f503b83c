/* reclaim.h - making room: who leaves, where it goes, and what if nobody can. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct process;

/* The policy and what it asks of the kernel.  => PW_NOMEM, PW_INVALID: the policy needs what the configuration does not give */
must_use enum pw_err reclaim_init(struct kernel *k);
void reclaim_fini(struct kernel *k);
/* Linux's watermarks, by how much memory there is. */
void reclaim_set_marks(struct kernel *k);
/* A fault on the page of this key: the policy hears of it before it is asked to make room. */
void reclaim_expect(struct kernel *k, uint64_t key);
/* Tells the policy of all references so far. */
void reclaim_drain(struct kernel *k);
/* The policy may give up pages of its own accord.  making: references under way, which count for its clock: 1 in a fault, else 0. */
void reclaim_wake(struct kernel *k, unsigned making);
/* The frame the policy gives up, unlisted; FRAME_NONE: nobody can leave. */
uint32_t reclaim_choose(struct kernel *k);
/* Evicts one page.  => PW_NOFRAMES: none can be */
must_use enum pw_err reclaim_one(struct kernel *k);
/* The kernel itself uses this page now, which no log of references shows: for policies that go by the order of use. */
void reclaim_note_use(struct kernel *k, uint32_t f);
/* Where this page will be used next has changed, or is no longer known: for policies that know the future. */
void reclaim_replan(struct kernel *k, uint32_t f);
/* Makes a run of n frames free where there is one without page tables.  => PW_NOFRAMES */
must_use enum pw_err reclaim_run(struct kernel *k, uint64_t n);
/* What Linux's kswapd does beside the programs: below the low watermark, evict until the high one is reached. */
void reclaim_balance(struct kernel *k);
/* Is memory plentiful, so that pages nobody waits for may come in? */
bool reclaim_is_plentiful(const struct kernel *k);
/* Evicts this page if that can be done.  => PW_BUSY, PW_NOSPACE, PW_IO: it stays */
must_use enum pw_err reclaim_page(struct kernel *k, uint32_t f);
/* Ends the process that holds most.  NULL: there is none. */
struct process *reclaim_kill(struct kernel *k);
