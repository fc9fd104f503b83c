/* use_log.c - chunks, so that growing never copies and never needs twice the memory. */
#include "use_log.h"
#include "../base/mem.h"
#include <string.h>

void use_log_fini(struct use_log *u)
{
	for (uint64_t i = 0; i < u->n_chunks; i++)
		mem_free(u->chunk[i]);
	mem_free(u->chunk);
	*u = (struct use_log){ 0 };
}

static enum pw_err chunk_add(struct use_log *u)
{
	if (u->n_chunks == u->chunks_room) {
		uint64_t room = u->chunks_room ? u->chunks_room * 2 : 16;
		uint32_t **grown = mem_realloc(u->chunk, room, sizeof *grown);
		if (!grown)
			return PW_NOMEM;
		u->chunk = grown;
		u->chunks_room = room;
	}
	u->chunk[u->n_chunks] = mem_alloc(USE_LOG_CHUNK * sizeof(uint32_t));
	if (!u->chunk[u->n_chunks])
		return PW_NOMEM;
	u->n_chunks++;
	return PW_OK;
}

enum pw_err use_log_add(struct use_log *u, const uint32_t *entry, uint64_t n)
{
	while (u->n + n > u->n_chunks * USE_LOG_CHUNK) {
		enum pw_err err = chunk_add(u);
		if (err != PW_OK)
			return err;
	}
	while (n > 0) {
		uint64_t at = u->n % USE_LOG_CHUNK, piece = USE_LOG_CHUNK - at < n ? USE_LOG_CHUNK - at : n;
		memcpy(u->chunk[u->n / USE_LOG_CHUNK] + at, entry, piece * sizeof *entry);
		u->n += piece;
		entry += piece;
		n -= piece;
	}
	return PW_OK;
}
