/* capture_feed.h - the consumer's end of the ring: from chunks to items, from spaces to processes.
 *
 * A feed owns the segment that the plugins of all captured processes write to (src/capture/ring.h).  It never waits: feed_next
 * gives an item, or says that there is none now. */
#pragma once
#include "capture.h"

struct feed;

/* Makes the segment.  => *ret is NULL on error. */
must_use enum pw_err feed_create(struct feed **ret, struct pw_why *why);
/* => every producer has been ended before (feed_kill), or ends when it next looks. */
void feed_destroy(struct feed *f);

/* The descriptor of the segment: the plugin opens it through /proc. */
int feed_descriptor(const struct feed *f);

enum feed_state {
	FEED_ITEM,
	FEED_EMPTY, /* nothing now: feed_wait */
	FEED_NOMEM,
};
enum feed_state feed_next(struct feed *f, struct trace_item *ret);

/* Waits until something comes, some milliseconds at most.  => false: nothing came; time for feed_look. */
bool feed_wait(struct feed *f);

/* Looks which processes have died.  root_status is the wait status of the first one once it has been reaped, else -1.
 * => false: no process is left and everything has been given. */
bool feed_look(struct feed *f, int root_status);

/* Sends SIGKILL to every process that lives, and tells producers to end. */
void feed_kill(struct feed *f);

unsigned feed_processes(const struct feed *f, const struct capture_process **ret);
