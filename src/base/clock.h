/* clock.h - the host's time since some moment in the past, which never goes back: for durations. */
#pragma once
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_ms(void) { return clock_ns() / 1000000; }
static inline double clock_seconds(void) { return (double)clock_ns() / 1e9; }
