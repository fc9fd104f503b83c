/* log_state.h - what the log consists of, for the files that make it: log.c (writing), log_read.c (reading and cleaning). */
#pragma once
#include "kind.h"
#include "log.h"

enum {
	CLUSTER_PAGES = 64,
	CLUSTER_BYTES = 256 << 10,
	CLUSTERS_LEAF = 64,
	BUFFERS = 8,
	GROW = 64,        /* clusters asked of the file system at once */
	SLACK = 64,       /* clusters that may be empty whatever the use */
	RESERVE = 6,
	CLEAN_TRIES = 16,
	CLEAN_LOOK = 1024, /* clusters among which the thinnest is searched */
	CLEAN_TAKE = 4,    /* clusters emptied at once */
	TRIM_MAX = 8,
	RECLUSTER_MIN = 16, /* pages of a batch worth being written anew */
};
#define NONE UINT32_MAX
#define NO_BUFFER 0xff
#define ANY_PLACE UINT32_MAX
#define CLUSTERS_MAX (UINT32_MAX / CLUSTER_PAGES)

enum cluster_state { CLUSTER_FREE, CLUSTER_FILLING, CLUSTER_STORED };
struct cluster {
	uint32_t live, pins;
	uint32_t next, prev; /* in a list of free ones */
	uint8_t state, buffer;
	bool backed;         /* the file has space for it */
	uint32_t owner[CLUSTER_PAGES];
};

enum buffer_state { BUFFER_IDLE, BUFFER_OPEN, BUFFER_WRITING, BUFFER_FAILED };
struct buffer {
	uint8_t *bytes;
	uint32_t cluster, fill;
	enum buffer_state state;
	struct aio_op op;
	struct iovec vector;
};

struct log {
	struct aio *aio;
	const char *name;
	uint32_t page_bytes, cluster_pages;
	uint64_t n_slots;
	bool allocates;
	pthread_mutex_t writer, lock;
	struct slots map;       /* slot -> uint32_t: cluster * cluster_pages + place + 1, or 0 */
	struct slots clusters;
	uint32_t n_clusters, clusters_max;
	uint32_t free_backed, free_bare;  /* lists */
	uint32_t n_free, n_backed_free;
	uint64_t live;
	struct buffer buffer[BUFFERS];
	uint32_t open, turn;    /* the buffer being filled, or NONE */
	uint32_t clean_hand, last_filled;
	uint8_t *area, *cleaning; /* the buffers' bytes, and a batch's for the cleaner */
	size_t area_bytes;
	uint64_t cleaned, reclustered;
};

static inline uint64_t cluster_bytes(const struct log *l) { return (uint64_t)l->cluster_pages * l->page_bytes; }
static inline uint32_t cluster_of(const struct log *l, uint32_t place) { return (place - 1) / l->cluster_pages; }

static inline struct cluster *cluster_at(const struct log *l, uint32_t i)
{
	struct cluster *leaf = slots_leaf(&l->clusters, i);
	return &leaf[i % CLUSTERS_LEAF];
}

static inline uint32_t place_of_slot(const struct log *l, uint64_t slot)
{
	const uint32_t *leaf = slots_leaf(&l->map, slot);
	return leaf ? leaf[slot % SLOTS_LEAF] : 0;
}

/* Insertion: batches are short, and mostly in order already. */
static inline void slots_order(const uint64_t key[], uint32_t n, uint32_t order[])
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = i;
		for (; k && key[order[k - 1]] > key[i]; k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
}

/* Writes a page for slot, if expected is ANY_PLACE or still its place.  => writer is held; 0 or errno */
int log_append(struct log *l, uint64_t slot, const void *page, uint32_t expected, bool cleaning);
/* => lock is held; the cluster was pinned by the caller */
void log_unpin(struct log *l, uint32_t cluster);
/* Empties thin clusters.  => writer is held; ENOSPC: there is nothing to gain; 0 or another errno */
int log_clean(struct log *l);
enum pw_err log_fail(const struct log *l, const char *verb, uint64_t slot, int error, struct pw_why *why);
