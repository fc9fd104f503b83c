/* mix.h - several traces as one: their processes share a machine.
 *
 * Each part keeps its own order; between parts there is none.  As a plain stream they come in turn, an item each; whoever knows better
 * takes the next item of the part he wants.  Processes are numbered anew where two parts use the same number. */
#pragma once
#include "trace.h"

enum { MIX_PARTS = 64 };

/* Takes the parts over, also when it fails.  => n is 1 to MIX_PARTS; with one part *ret is that part */
must_use enum pw_err trace_mix(struct trace *const part[], unsigned n, struct trace **ret, struct pw_why *why);

/* Of any trace; one that is no mix is its own only part. */
unsigned trace_parts(const struct trace *t);
/* The next item of one part, as trace_next(). */
void trace_part_next(struct trace *t, unsigned part, struct trace_item *ret);
