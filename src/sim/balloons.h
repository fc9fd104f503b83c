/* balloons.h - several guests of one host: how much memory each may have, and who gets more.
 *
 *      host memory   |guest 1        |guest 2   |guest 3 |tables|       what guests believe they have may be more
 *      guest 1       |its limit              |balloon   |
 *
 * A guest's limit is what it believes it has less its balloon (kernel_balloon): its own kernel decides what leaves to keep it.  Where
 * limits together fit into the host, the host needs no reclaim of its own. */
#pragma once
#include "hypervisor.h"

struct balloons;

/* => the host outlives it; PW_NOMEM: *ret is NULL */
must_use enum pw_err balloons_create(struct hypervisor *host, struct balloons **ret);
void balloons_destroy(struct balloons *b); /* frames stay in the guests' balloons; NULL is allowed */
/* The next guest of the host, in order: the kernel in it.  => it outlives this */
void balloons_add(struct balloons *b, struct kernel *guest);

/* From now on the guest may have so many frames.  => PW_NOFRAMES with why: it has not given up so many, and has what it has now;
 * PW_INVALID with why: more than it believes there are */
must_use enum pw_err balloons_limit(struct balloons *b, unsigned guest, uint64_t frames, struct pw_why *why);

/* What came of a decision. */
struct balloons_move {
	uint64_t frames;         /* 0: none was moved */
	int from, to;            /* guests; -1: from what nobody had, or to nobody, since there was too little */
	const char *why;         /* static: the reason in words */
};
/* The host's policy, at most n frames a time: first limits are lowered until they fit, then the guest that needs memory most gets some of
 * that which needs it least.  To be called now and then; what guests needed is counted from one call to the next. */
struct balloons_move balloons_balance(struct balloons *b, uint64_t n);

struct balloons_state {
	struct hypervisor_share share;   /* faults counted from balloons_count() on */
	uint64_t limit, balloon;         /* frames */
	uint64_t guest_major, guest_evicted; /* its own kernel's: counted likewise */
	uint64_t need;                   /* evictions and faults since the last decision that more memory might have spared */
	double price;                    /* need for each frame it has */
};
void balloons_look(struct balloons *b, unsigned guest, struct balloons_state *ret);
void balloons_count(struct balloons *b); /* figures begin at zero */
/* NULL, or the broken invariant: of the host, of a guest's kernel, or between them: a frame is in a balloon and the host has something of
 * it, or the host has more pages of a guest than its limit. */
const char *balloons_flaw(struct balloons *b);
