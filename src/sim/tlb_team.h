/* tlb_team.h - models that each work through every batch, on as many threads as there are CPUs. */
#pragma once
#include "../base/err.h"
#include "tlb_log.h"

struct tlb_worker {
	void (*eat)(void *self, const struct tlb_batch *batch); /* in order, never two at a time for one self */
	void *self;
};

struct tlb_team;
/* n_threads: 0 or 1: no threads, whoever hands on a batch works through it.  The workers are copied. */
must_use enum pw_err tlb_team_create(const struct tlb_worker *worker, unsigned n_workers, unsigned n_threads, struct tlb_team **ret);
/* => waits for what is under way */
void tlb_team_destroy(struct tlb_team *t);
/* An empty batch to begin with. */
struct tlb_batch *tlb_team_batch(struct tlb_team *t);
/* Takes a batch, begins to work through it, and gives an empty one. */
struct tlb_batch *tlb_team_hand_on(struct tlb_team *t, struct tlb_batch *full);
/* Until all that was handed on is done. */
void tlb_team_wait(struct tlb_team *t);
