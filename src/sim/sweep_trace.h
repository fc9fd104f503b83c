/* sweep_trace.h - what a sweep knows of a trace: that it is still the same, and how many pages it touches.
 *
 * A file is known by its contents, a generator by its words.  What took a pass over the trace to find out is kept in the sweep's
 * directory, and believed as long as the file's size and time are what they were. */
#pragma once
#include "sweep_dir.h"
#include <stdint.h>

struct sweep_facts;

/* => what the directory already knows; a file that makes no sense counts as none. */
must_use enum pw_err sweep_facts_load(const struct sweep_dir *d, struct sweep_facts **ret, struct pw_why *why);
/* Writes back what is new.  => PW_OK when nothing is. */
must_use enum pw_err sweep_facts_save(struct sweep_facts *f, const struct sweep_dir *d, struct pw_why *why);
void sweep_facts_destroy(struct sweep_facts *f);

/* The identity of a trace, 32 hexadecimal digits, and how exact its addresses are (trace_info.granule_shift).
 * => PW_UNSUPPORTED when it can be read only once. */
must_use enum pw_err sweep_trace_identity(struct sweep_facts *f, const char *spec, char ret[SWEEP_ID], unsigned *ret_granule,
                                          struct pw_why *why);

/* The pages of 2^shift bytes that the first limit references touch (0: all), counted for each process.
 * => identity is the trace's. */
must_use enum pw_err sweep_trace_footprint(struct sweep_facts *f, const char *spec, const char *identity, unsigned shift,
                                           uint64_t limit, uint64_t *ret, struct pw_why *why);
