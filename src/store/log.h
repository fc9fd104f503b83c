/* log.h - slots as a log of clusters in a file.
 *
 * Every write goes to the end of what is being written, a cluster of many pages at a time, behind the caller's back; the log knows
 * where each slot went, gives clusters back whose slots have all moved on, and moves the rest together when space runs short.
 * Threads as store.h says. */
#pragma once
#include "aio.h"

struct log;

struct log_limits {
	uint32_t page_bytes;
	uint64_t n_slots;
	uint64_t file_bytes; /* at most */
	bool can_allocate;   /* the file system has fallocate */
};

/* => owns a, also on failure; name, for messages, must outlive the log */
enum pw_err log_create(struct aio *a, const struct log_limits *limits, const char *name, struct log **ret, struct pw_why *why);
void log_destroy(struct log *l); /* NULL: nothing */
enum pw_err log_read(struct log *l, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why);
/* => PW_NOSPACE before anything that was stored is touched; PW_IO when a write behind failed twice: what it carried stays in memory
 * and can be read, and the next call tries again */
enum pw_err log_write(struct log *l, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why);
void log_discard(struct log *l, uint64_t slot, uint32_t n);
enum pw_err log_flush(struct log *l, struct pw_why *why);
void log_stats(struct log *l, struct store_stats *sum);
const char *log_flaw(struct log *l); /* => nobody else uses the log */
