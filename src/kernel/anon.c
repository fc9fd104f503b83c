/* anon.c - the numbers of anonymous pages.
 *
 * Problem: millions of small records, made and ended one by one, that never move, found by number.
 * Idea: chunks of 4096 records; numbers given back are used again, last first.
 *
 * 1. count numbers are in use; the others below fresh form the free list.
 * 2. A record not in use has refs 0.
 * Rejected: an amap per mapping as UVM has it (mappings split and merge, pages need not know), shadow chains (they must be
 * collapsed), one record per (space, page) as page tables have it (an eviction would have to find them all). */
#include "anon.h"
#include "../base/mem.h"

void anons_init(struct anons *as)
{
	*as = (struct anons){ .fresh = ANON_FIRST };
}

void anons_fini(struct anons *as)
{
	for (uint64_t i = 0; i < as->n_chunks; i++) {
		mem_free(as->chunk[i]->slot);
		mem_free(as->chunk[i]);
	}
	mem_free(as->chunk);
	anons_init(as);
}

static enum pw_err chunk_add(struct anons *as)
{
	struct anon_chunk *chunk = mem_zalloc(1, sizeof *chunk);
	struct anon_chunk **grown = chunk ? mem_realloc(as->chunk, as->n_chunks + 1, sizeof *grown) : NULL;
	if (!grown) {
		mem_free(chunk);
		return PW_NOMEM;
	}
	as->chunk = grown;
	as->chunk[as->n_chunks++] = chunk;
	return PW_OK;
}

enum pw_err anon_create(struct anons *as, uint32_t *ret)
{
	uint32_t id = as->free ? as->free - 1 : as->fresh;
	if (id == UINT32_MAX)
		return PW_LIMIT;
	enum pw_err err = id < as->n_chunks * ANON_CHUNK ? PW_OK : chunk_add(as);
	if (err)
		return err;
	if (as->free)
		as->free = anon_at(as, id)->frame;
	else
		as->fresh++;
	*anon_at(as, id) = (struct anon){ .refs = 1, .frame = FRAME_NONE };
	as->count++;
	*ret = id;
	return PW_OK;
}

void anon_destroy(struct anons *as, uint32_t id)
{
	*anon_at(as, id) = (struct anon){ .frame = as->free };
	as->free = id + 1;
	as->count--;
}

enum pw_err anon_slot_prepare(struct anons *as, uint32_t id)
{
	struct anon_chunk *c = as->chunk[id >> ANON_CHUNK_BITS];
	if (!c->slot)
		c->slot = mem_zalloc(ANON_CHUNK, sizeof *c->slot);
	return c->slot ? PW_OK : PW_NOMEM;
}

void anon_slot_set(struct anons *as, uint32_t id, uint32_t slot)
{
	struct anon_chunk *c = as->chunk[id >> ANON_CHUNK_BITS];
	if (c->slot)
		c->slot[id & (ANON_CHUNK - 1)] = slot + 1;
}
