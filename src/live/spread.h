/* spread.h - on how many processors a paged program runs: one while that makes its faults cheap, all while that makes it fast. */
#pragma once
#include "start.h"

/* The last look. */
struct spread {
	uint64_t then_ns;             /* when that was; 0: never */
	uint64_t run_ns, wait_ns;     /* of the program's threads until then: on a processor, and waiting for one */
	uint64_t faults;
	unsigned n_threads;
	uint64_t idle[CPU_SETSIZE];   /* of each processor, in ticks */
	cpu_set_t left;               /* the processor it was on before, until all its threads have left */
	uint64_t hop_ns;              /* when that was */
};

/* Looks at the threads of the program and changes their processors if that pays.  Returns how many milliseconds the next look is
 * away.  Nothing is done, at no cost, for a program that is not pinned. */
int spread_step(struct spread *s, const struct live *l);

/* Which processor is better for a program that is kept on one: it waits for that one, and another is mostly idle.  idle: the share of the
 * time that each of may was, between two looks.  => its number, or here */
int spread_hop(int here, const cpu_set_t *may, double waiting, const double idle[CPU_SETSIZE]);

/* The rule: how many threads ran, and how many waited for a processor, between two looks.  => the state that is better, or the one it is
 * in when neither is much better */
enum board_pin spread_choose(enum board_pin now, double running, double waiting, double faults_per_s);
