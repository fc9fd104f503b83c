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
	ANON_GUARD = 2, /* no page, and nobody may touch it */
	ANON_FIRST = 3,
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
};
_Static_assert(sizeof(struct anon) == 8, "the promise of memory per touched page counts on it");

struct anon_chunk {
	struct anon page[ANON_CHUNK];
	uint32_t *slot; /* plus one, 0: none.  NULL until one of these pages goes to swap */
};

struct anons {
	struct anon_chunk **chunk;
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
	return &as->chunk[id >> ANON_CHUNK_BITS]->page[id & (ANON_CHUNK - 1)];
}
/* Where its copy in swap is, or SLOT_NONE. */
static inline uint32_t anon_slot(const struct anons *as, uint32_t id)
{
	const struct anon_chunk *c = as->chunk[id >> ANON_CHUNK_BITS];
	return c->slot ? c->slot[id & (ANON_CHUNK - 1)] - 1 : SLOT_NONE;
}
/* Makes room to remember a slot, once for a page.  => PW_NOMEM: nothing changed */
must_use enum pw_err anon_slot_prepare(struct anons *as, uint32_t id);
/* => it was prepared, or slot is SLOT_NONE */
void anon_slot_set(struct anons *as, uint32_t id, uint32_t slot);
