/* curve_space.h - the address spaces of a trace with mappings, for a curve: a kernel with memory for everything.
 *
 * Where a page of the trace is first used, or used as its translation does not allow, the kernel serves the fault as in any run.  Such
 * a fault happens in memories of every size; what smaller ones have beside it follows from depths. */
#pragma once
#include "../base/htab.h"
#include "curve_impl.h"

struct curve_space;

must_use enum pw_err curve_space_create(struct curve *c, struct curve_space **ret, struct pw_why *why);
void curve_space_destroy(struct curve_space *s);
/* => the curve has failed when it cannot go on. */
void curve_space_event(struct curve *c, uint32_t pid, const struct trace_event *e);
/* References of this process follow.  => false: it has ended, they are skipped; *ret is the number of its space otherwise. */
bool curve_space_enter(struct curve *c, uint32_t pid, uint32_t *ret);
/* Does the i-th use of the batch, whose references begin at refs. */
must_use enum pw_err curve_space_use(struct curve *c, uint64_t i, const ref_t *refs);
uint64_t curve_space_refused(const struct curve_space *s);
void curve_space_pages(const struct curve_space *s, uint64_t *ret_touched, uint64_t *ret_peak);
uint64_t curve_space_bytes(const struct curve_space *s);
/* The kernel's own check of itself. */
const char *curve_space_flaw(struct curve_space *s);
