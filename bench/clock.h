/* clock.h - what a piece of work took, printed as the "name value" pairs that bench/run reads: nanoseconds a page of wall time, and
 * cpu_NAME of processor time. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <time.h>

struct clock {
	double wall, cpu;
};

static inline struct clock now(void)
{
	struct timespec w, c;
	clock_gettime(CLOCK_MONOTONIC, &w);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &c);
	return (struct clock){ (double)w.tv_sec * 1e9 + (double)w.tv_nsec, (double)c.tv_sec * 1e9 + (double)c.tv_nsec };
}

static inline void report(const char *name, struct clock since, uint64_t n)
{
	struct clock t = now();
	printf("%s %.0f cpu_%s %.0f ", name, (t.wall - since.wall) / (double)n, name, (t.cpu - since.cpu) / (double)n);
}
