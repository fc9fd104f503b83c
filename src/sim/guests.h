/* guests.h - several computers that are guests of one host, and the balloons in them. */
#pragma once
#include "balloons.h"
#include "computer.h"

struct guests;

/* n alike, each with o->ram_bytes and these spare frames, on a host of o->host_ram_bytes.
 * => PW_INVALID with why, PW_NOMEM; *ret is NULL then */
must_use enum pw_err guests_create(const struct run_options *o, uint64_t spare_frames, unsigned n, struct guests **ret, struct pw_why *why);
void guests_destroy(struct guests *g); /* NULL is allowed */
unsigned guests_n(const struct guests *g);
struct computer *guests_computer(struct guests *g, unsigned i);
struct balloons *guests_balloons(struct guests *g);
/* NULL, or the broken invariant of host, balloons, or any of the guests. */
const char *guests_flaw(struct guests *g);
