/* spread.h - on how many processors a paged program runs: one while that makes its faults cheap, all while that makes it fast. */
#pragma once
#include "start.h"

enum { SPREAD_THREADS = 4096 };       /* more of them are left alone */

struct spread_thread {
	pid_t tid;
	uint64_t run_ns;
};

/* A look at the program.  Sums since it began. */
struct spread_look {
	uint64_t now_ns;              /* when it was; 0: never */
	uint64_t run_ns, wait_ns;     /* of the program's threads: on a processor, and waiting for one */
	uint64_t faults, mixed;
	unsigned n_threads;           /* of the program, without the pager's */
	struct spread_thread thread[SPREAD_THREADS];
	uint64_t idle[CPU_SETSIZE];   /* of each processor, in ticks */
};

struct spread {
	struct spread_look last;
	cpu_set_t left;               /* the processor it was on before, until all its threads have left */
	uint64_t hop_ns;              /* when that was */
	bool dealt;                   /* threads were kept on one processor each */
};

/* Looks at the threads of the program and changes their processors if that pays.  Returns how many milliseconds the next look is
 * away.  Nothing is done, at no cost, for a program that is not pinned. */
int spread_step(struct spread *s, const struct live *l);

/* Which processor is better for a program that is kept on one: it waits for that one, and another is mostly idle.  idle: the share of the
 * time that each of may was, between two looks.  => its number, or here */
int spread_hop(int here, const cpu_set_t *may, double waiting, const double idle[CPU_SETSIZE]);

/* What a program did between two looks. */
struct spread_figures {
	double running, waiting;      /* threads that ran, and that waited for a processor, on average */
	double faults_per_s, mixed;   /* mixed: the share of faults that came from another thread than the one before */
};
/* The rule.  => the state that is better, or the one it is in when neither is much better */
enum board_pin spread_choose(enum board_pin now, const struct spread_figures *f);
