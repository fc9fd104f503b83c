/* cost.h - what events cost, in cycles or nanoseconds: a table the user can replace.
 *
 * Every figure made from it is a model, and is labelled so.  name, default, unit, what it is and where the default is from. */
#pragma once
#include "../base/err.h"
#include <stdint.h>

#define COST_LIST(X) \
	X(clock_mhz, 3000, "MHz", "clock: converts cycles and nanoseconds") \
	X(reference, 1, "cycles", "a reference that hits the first TLB level") \
	X(tlb2_hit, 7, "cycles", "found in a later TLB level (Skylake, Zen: 7 by their optimisation guides)") \
	X(walk_reference, 14, "cycles", "one page-table entry read by a walk, mostly from L2 cache") \
	X(dirty_update, 100, "cycles", "setting a dirty bit through a clean translation") \
	X(fault_minor, 500, "ns", "a fault without I/O: entry, lookup, map, return") \
	X(fault_zero, 250, "ns", "clearing a base page, on top of a minor fault") \
	X(fault_copy, 400, "ns", "copying a base page, on top of a minor fault") \
	X(context_switch, 1500, "ns", "direct cost of changing the running process") \
	X(shootdown, 1500, "ns", "asking other CPUs to forget a translation, and waiting for them") \
	X(shootdown_interrupt, 500, "ns", "being interrupted for it, on each of those CPUs") \
	X(file_read, 100000, "ns", "a file page read from a solid-state disk")

struct cost_model {
#define X(name, value, unit, text) uint64_t name;
	COST_LIST(X)
#undef X
};

extern const struct cost_model cost_default;

/* Reads "name=value,name=value" over what is there. */
must_use enum pw_err cost_parse(const char *text, struct cost_model *m, struct pw_why *why);
