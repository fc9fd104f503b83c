/* gen.h - synthetic traces, named by a specification such as "zipf:pages=1M,s=1.0,refs=50M,seed=7".
 *
 * A generator gives page indices; what is common to all of them (how many, from which address on, how far apart, which of
 * them are stores) is done around it.  Adding one is one line here and one definition of gen_NAME. */
#pragma once
#include "../base/rng.h"
#include "../base/text.h"
#include "trace.h"

#define TRACE_GEN_LIST(X) \
	X(seq, "one pass over memory in order") \
	X(loop, "a cycle over the pages: the worst case of LRU") \
	X(random, "every page equally likely") \
	X(zipf, "the r-th most popular page with probability 1/r^s, popular pages scattered") \
	X(stack, "the page at LRU-stack depth d with probability 1/d^s") \
	X(phases, "a working set that moves")

/* Keys that every generator has. */
#define GEN_KEYS "pages, refs, seed, start, stride, writes"

enum { GEN_BATCH = 4096 };

struct gen;
struct gen_kind {
	const char *name;
	const char *keys;   /* all of them, for messages */
	/* Reads its own keys and allocates.  gen->pages, refs and seed are set, and may be changed. */
	enum pw_err (*init)(struct gen *g, struct spec *spec, struct pw_why *why);
	void (*start)(struct gen *g);                           /* from the beginning, with g->rng freshly seeded */
	void (*fill)(struct gen *g, uint64_t *page, unsigned n); /* the next n page indices */
	void (*fini)(struct gen *g);                            /* NULL: nothing to release */
};

struct gen {
	struct trace trace;
	const struct gen_kind *kind;
	char *source;
	uint64_t pages, refs, seed, start, stride;
	bool refs_given;
	double writes;
	uint64_t store_below;   /* a 53-bit number below this is a store */
	uint64_t done;          /* references given */
	struct rng rng;         /* which page */
	struct rng kind_rng;    /* load or store: its own sequence, so that writes= does not change the addresses */
	void *state;            /* of the kind */
	ref_t batch[GEN_BATCH];
};

/* Is this text a generator's specification: does a generator's name stand before its ':' or its end? */
bool gen_is_spec(const char *text);
must_use enum pw_err gen_open(const char *text, struct trace **ret, struct pw_why *why);
/* Goes through the list; NULL at the end. */
const char *gen_name(unsigned i);
const char *gen_about(unsigned i);

#define X(NAME, about) extern const struct gen_kind gen_##NAME;
TRACE_GEN_LIST(X)
#undef X
