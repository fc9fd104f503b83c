/* placement.h - pieces of any size in one memory: where the next one goes, and how much of the rest is of use.
 *
 * A hole is what lies between two pieces, or between a piece and an end of memory; neighbouring holes are always one.  The pieces
 * are embedded in their owners, so nothing here allocates and nothing can fail but for want of a hole.
 *
 * External fragmentation is measured as 1 - largest hole / free bytes: the part of free memory that the largest request which can
 * be served leaves unused.  It is 0 when all free memory is one hole, and when none is free. */
#pragma once
#include "../base/itree.h"

/* name, word, how it chooses */
#define PLACEMENT_FIT_LIST(X) \
	X(FIRST, "first", "the lowest hole that is large enough") \
	X(BEST, "best", "the smallest hole that is large enough, of equal ones the lowest") \
	X(WORST, "worst", "the largest hole, of equal ones the lowest") \
	X(NEXT, "next", "the first hole that is large enough, from where the last piece was placed, and around")

enum placement_fit {
#define X(name, word, text) PLACEMENT_##name,
	PLACEMENT_FIT_LIST(X)
#undef X
	PLACEMENT_FITS
};
const char *placement_fit_word(enum placement_fit f);
const char *placement_fit_text(enum placement_fit f);

struct placement {
	struct itree pieces;     /* start and end of each are its place */
	uint64_t bytes, free;
	enum placement_fit fit;
	uint64_t rover;          /* NEXT: the end of the piece placed last */
};

struct hole {
	uint64_t start, end;
};

void placement_init(struct placement *p, uint64_t bytes, enum placement_fit fit);
/* Where a piece of this size (above 0) would go.  => false: no hole is large enough; nothing changes in either case */
bool placement_find(const struct placement *p, uint64_t bytes, uint64_t *ret);
/* Is all of this in one hole? */
bool placement_is_free(const struct placement *p, uint64_t start, uint64_t bytes);
/* => it is free, and bytes is not 0 */
void placement_put(struct placement *p, struct itree_node *piece, uint64_t start, uint64_t bytes);
void placement_take(struct placement *p, struct itree_node *piece);
/* In place.  => false: the hole behind it is too small, and nothing has changed */
bool placement_resize(struct placement *p, struct itree_node *piece, uint64_t bytes);
/* A piece moves down to a lower place, as compaction does.  => no piece lies between; start is not above its own */
void placement_slide(struct placement *p, struct itree_node *piece, uint64_t start);

/* The hole that holds from, else the first after it.  => false: there is none */
bool placement_hole(const struct placement *p, uint64_t from, struct hole *ret);
struct placement_holes {
	uint64_t n, largest;
	double fragmentation;    /* external, 0 to 1: see above */
};
struct placement_holes placement_holes(const struct placement *p);
const char *placement_flaw(const struct placement *p);
