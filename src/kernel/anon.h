/* anon.h - anonymous pages: memory that has no file, wherever its bytes are.
 *
 * An anonymous page is a number.  Spaces and shared objects hold the numbers; the page knows its frame, its place on disk, or
 * that it has neither and is zeros.  A page referred to more than once is shared until written. */
#pragma once
#include "../base/err.h"
#include "frame.h"
#include <stdbool.h>
#include <stdint.h>

enum {
	ANON_NONE = 0,  /* no page */
	ANON_ZEROS = 1, /* no page either, but the shared page of zeros is mapped there */
	ANON_FIRST = 2,
};
enum {
	ANON_EXCLUSIVE = 1, /* never shared since it was made or taken over: may be mapped writable */
	ANON_EVICTED = 2,   /* has been out of memory: coming back is a refault */
	ANON_ON_DISK = 4,   /* exists on a disk from the start; what is evicted stays there without a slot */
	ANON_TOUCHED = 8,   /* has been in memory */
};
#define SLOT_NONE UINT32_MAX
enum { ANON_CHUNK_BITS = 12, ANON_CHUNK = 1 << ANON_CHUNK_BITS };

struct anon {
	uint32_t refs : 24, flags : 8;
	uint32_t frame; /* FRAME_NONE: not in memory; of a number not in use: the next such number, plus one */
	uint32_t slot;  /* SLOT_NONE: no copy in swap */
};
_Static_assert(sizeof(struct anon) == 12, "the promise of memory per touched page counts on it");

struct anons {
	struct anon **chunk;
	uint64_t n_chunks;
	uint32_t fresh, free;
	uint64_t count;
};

void anons_init(struct anons *as);
void anons_fini(struct anons *as);
/* A page of zeros with one reference, in no frame. */
must_use enum pw_err anon_create(struct anons *as, uint32_t *ret);
/* Ends the number.  => no frame, no slot, no references */
void anon_destroy(struct anons *as, uint32_t id);
static inline struct anon *anon_at(const struct anons *as, uint32_t id)
{
	return &as->chunk[id >> ANON_CHUNK_BITS][id & (ANON_CHUNK - 1)];
}
