/* sched.h - processes take turns on the CPUs: round robin with a quantum.
 *
 * A trace of several processes says in which order they ran when it was recorded; a scheduler hands the same references out in an order
 * of its own, and is itself a trace of them.  The unit is the process: its threads run in the order in which they were recorded.  What
 * cannot be reordered is not: a child begins after its parent's fork, and what a parent did after the end of a child it does after it.
 *
 * A process whose trace knows no events exits with it.  One of which the trace says nothing among its next SCHED_WINDOW references counts
 * as waiting for something. */
#pragma once
#include "../trace/mix.h"

struct sched;

enum { SCHED_WINDOW = 1 << 20 };

#define SCHED_COUNT_LIST(X) \
	X(turns, "times that a process was given a CPU") \
	X(preemptions, "turns that ended because the quantum was over and somebody else was ready") \
	X(waits, "turns that ended because the trace has nothing of the process for now, or it waits for a child")
struct sched_counts {
#define X(name, text) uint64_t name;
	SCHED_COUNT_LIST(X)
#undef X
};

/* t must outlive it, and is not closed by it.  => quantum is not 0, n_cpus at most 64 */
must_use enum pw_err sched_create(struct trace *t, uint64_t quantum, unsigned n_cpus, struct sched **ret, struct pw_why *why);
void sched_destroy(struct sched *s);

/* The same references as a trace; what happens to it happens to s.  Each item is valid until the next one, and is of a process whose
 * turn it is on sched_cpu(). */
struct trace *sched_trace(struct sched *s);
unsigned sched_cpu(const struct sched *s);

/* A process that is held gets no more turns until it is released, unless nobody else could run.  => it is known */
void sched_hold(struct sched *s, uint32_t pid);
void sched_release(struct sched *s, uint32_t pid);
/* Somebody had to be released because nobody else could run.  => who, and forgets it; 0: nobody was */
uint32_t sched_take_released(struct sched *s);

void sched_counts(const struct sched *s, struct sched_counts *ret);
