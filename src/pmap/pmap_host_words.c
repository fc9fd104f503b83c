/* pmap_host_words.c - which frame is mapped at a page of a window.
 *
 * Problem: a window is terabytes wide and nearly empty; a fault asks once for each page.
 * Idea: words for 512 pages in a chunk, chunks in a hash table, the chunk found last at hand.
 *
 * 1. A chunk stays until its space goes: it also remembers how stays of its pages ended. */
#include "pmap_host_impl.h"
#include "../base/mem.h"

struct chunk *host_chunk_find(struct host_pmap *p, uint64_t vpn)
{
	uint64_t key = vpn >> CHUNK_SHIFT;
	if (p->chunk && p->chunk_key == key)
		return p->chunk;
	uint64_t *at = htab_get(&p->chunks, key);
	if (!at)
		return NULL;
	p->chunk = (struct chunk *)(uintptr_t)*at;
	p->chunk_key = key;
	return p->chunk;
}

struct chunk *host_chunk_make(struct host_pmap *p, uint64_t vpn)
{
	struct chunk *c = host_chunk_find(p, vpn);
	if (c)
		return c;
	c = mem_zalloc(1, sizeof *c);
	uint64_t *at = c ? htab_put(&p->chunks, vpn >> CHUNK_SHIFT) : NULL;
	if (!at) {
		mem_free(c);
		return NULL;
	}
	*at = (uintptr_t)c;
	return c;
}

uint32_t host_word_get(struct host_pmap *p, uint64_t vpn)
{
	struct chunk *c = host_chunk_find(p, vpn);
	return c ? c->word[vpn & (CHUNK_PAGES - 1)] : 0;
}

/* => the chunk exists */
void host_word_set(struct host_pmap *p, uint64_t vpn, uint32_t word)
{
	struct chunk *c = host_chunk_find(p, vpn);
	uint32_t *at = &c->word[vpn & (CHUNK_PAGES - 1)];
	c->n_words += (word != 0) - (*at != 0);
	*at = word;
}

/* The frame mapped at this page, or NULL. */
struct host_frame *host_frame_at(struct host_pmap *p, uint64_t vpn)
{
	uint32_t word = host_word_get(p, vpn);
	if (!(word & ~WORD_DYING))
		return NULL;
	struct host_frame *f = &host_of_space(p)->frame[(word & ~WORD_DYING) - 1];
	return is_mapped(f) ? f : NULL;
}

void host_chunks_free(struct host_pmap *p)
{
	uint64_t i = 0, key, value;
	while (htab_each(&p->chunks, &i, &key, &value))
		mem_free((struct chunk *)(uintptr_t)value);
	htab_fini(&p->chunks);
}
