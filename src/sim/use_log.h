/* use_log.h - the uses of pages, kept: what must be gone through again once the end is known.
 *
 * Host memory: 4 bytes a use. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

/* An entry: page << 1 | written, and these. */
#define USE_LOG_SERVED (1u << 30)  /* the fault of this use happens in every memory, and is counted elsewhere */
#define USE_LOG_DEATH  (1u << 31)  /* no use: the page is no more */
static inline uint32_t use_log_page(uint32_t entry) { return (entry & (USE_LOG_SERVED - 1)) >> 1; }

/* Both: no use, but so many more references to the page of the one before. */
#define USE_LOG_REPEAT (USE_LOG_SERVED | USE_LOG_DEATH)
static inline bool use_log_is_repeat(uint32_t entry) { return (entry & USE_LOG_REPEAT) == USE_LOG_REPEAT; }
static inline uint32_t use_log_repeats(uint32_t entry) { return entry & ~USE_LOG_REPEAT; }

enum { USE_LOG_CHUNK = 1 << 20 };
struct use_log {
	uint32_t **chunk;
	uint64_t n, n_chunks, chunks_room;
	uint64_t counted_from;   /* entries before are not counted */
	uint64_t n_pages;        /* every page is below */
	bool repeats;            /* further references of a use are wanted */
};

void use_log_fini(struct use_log *u);
/* => PW_NOMEM: nothing changed */
must_use enum pw_err use_log_add(struct use_log *u, const uint32_t *entry, uint64_t n);
static inline uint32_t use_log_at(const struct use_log *u, uint64_t i) { return u->chunk[i / USE_LOG_CHUNK][i % USE_LOG_CHUNK]; }
