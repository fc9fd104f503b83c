/* kernel_walk.h - a random walk: programs make calls and accesses in any order, beside the model that says what must come of each.
 *
 * Whatever is wrong fails the test that walks, with the seed and the step. */
#pragma once
#include "../src/base/rng.h"
#include "kernel_world.h"

struct walk {
	struct world world;
	struct model model;
	struct process *process[MODEL_PROCS];
	struct rng rng;
	uint32_t next_pid;
	uint64_t seed, step, n_steps;
	unsigned check_every;     /* steps between searches for flaws */
	bool injects;             /* failures at random */
	bool failing;             /* something was or will be injected: calls may fail for it */
	uint64_t n_kills, n_errors;
	const char *doing;
	bool in_child;            /* a planted bug: failing ends the process */
};

/* => the world is open and the files hold what the model says */
void walk_open(struct walk *w, uint64_t seed, const struct world_want *want);
/* One action and what follows from it: processes the kernel ended are gone. */
void walk_step(struct walk *w);
/* That many steps, flaws searched for as often as check_every says, and at the end. */
void walk_go(struct walk *w, uint64_t n_steps);
/* Everything ends; nothing but the cache of files may be left. */
void walk_close(struct walk *w);
void walk_fail_at(const struct walk *w);
