/* lane.h - the producer's side of the ring: where the threads of this process write.
 *
 * The lanes of this process are always at the same address, lane_space, which is a window on its space in the segment: after a
 * fork the child turns the window to a space of its own, and code that QEMU has already translated goes on writing right. */
#pragma once
#include "ring.h"

extern struct ring_space lane_space __attribute__((visibility("hidden")));

/* Opens the segment by its path, and turns the window to the space; what threads of an earlier image of the process left in
 * their chunks is handed over.
 * => *fresh: no image of this process has spoken before.
 * => false: nothing can be captured (the segment cannot be opened, or is another version's). */
bool lane_attach(const char *segment, uint32_t space, bool *fresh);

/* The space of this process. */
uint32_t lane_space_index(void);

/* Ends this process when the consumer is gone: a program that nobody watches must not stay behind. */
void lane_look(void);

/* Gives thread vcpu an open chunk.  => may wait for room. */
void lane_open(unsigned vcpu);

/* Makes room: empties the stage into the chunk; when that is full, too, hands it over and opens the next. */
void lane_full(struct ring_lane *lane) __attribute__((noinline, cold));

/* Hands over what there is. */
void lane_flush(struct ring_lane *lane);

enum { LANE_NAME_MAX = 4097 };

/* Records that are collected, then handed over with the references that came before them.  One thread at a time: between
 * lane_records and lane_send the process's other threads wait to send theirs. */
struct lane_records {
	struct ring_lane *lane;
	uint32_t n_refs, n_records;
	char *next;         /* where the next record goes in the chunk */
};
void lane_records(struct lane_records *r, unsigned vcpu);
/* Adds one, with a name (NULL: none) of which LANE_NAME_MAX - 1 bytes are kept at most.  => a zeroed record to fill in, valid until the
 * next call. */
struct ring_record *lane_record(struct lane_records *r, uint32_t kind, const char *name);
void lane_send(struct lane_records *r);
/* Likewise, the last of a thread: its lane has no open chunk any more. */
void lane_send_last(struct lane_records *r);
/* Forgets them: nothing was added. */
void lane_cancel(struct lane_records *r);

/* fork: reserves a space and announces it; in the child, turns the window to it. */
void lane_fork_prepare(unsigned vcpu);
void lane_fork_child(unsigned vcpu);
/* In the parent, later: the fork that this thread announced last made the child pid, or failed (pid < 0). */
void lane_fork_done(unsigned vcpu, int64_t pid);

/* This process sends a signal to another, or to itself. */
void lane_signal(int32_t host_pid, uint32_t signal);

/* Is the stage full when the cursor is at next? */
static inline __attribute__((always_inline)) bool lane_is_full(const struct ring_lane *lane, const ref_t *next)
{
	return __builtin_expect(next >= lane->limit, 0);
}

/* Moves the cursor over words that have been written.  => the caller sees to a full stage. */
static inline __attribute__((always_inline)) void lane_move(struct ring_lane *lane, ref_t *next)
{
	__atomic_store_n(&lane->cursor, next, __ATOMIC_RELEASE);
}

static inline __attribute__((always_inline)) void lane_put(struct ring_lane *lane, uint64_t word)
{
	ref_t *at = lane->cursor;
	at->word = word;
	lane_move(lane, at + 1);
	if (lane_is_full(lane, at + 1))
		lane_full(lane);
}

static inline struct ring_lane *lane_of(unsigned vcpu) { return &lane_space.lane[vcpu]; }
