/* ring.h - the memory through which running programs hand their references to pageworks.
 *
 * One side is many: every thread of every process under capture (the plugin, inside QEMU).  The other side is one: the consumer
 * (src/trace/capture*.c).  They share one segment of memory and nothing else:
 *
 *        producers: one lane for each thread                                          consumer
 *
 *      space 0  +--------+--------+---          chunks of 16384 references
 *      (process)| lane 0 | lane 1 | ..      +------+------+------+------+---
 *               +--|-----+----|---+---      | open | full | free | open | ..
 *                  v          v             +--^---+---|--+------+--^---+---
 *              stage of    stage of            |       |            |
 *             1024 words  1024 words --copied--|-------|------------+
 *                  |                           |       v
 *                  +----------copied-----------+    queue [ entry | entry | entry ] --------> in order of arrival
 *
 * A thread writes references into its stage: one store, one step of its cursor, one test whether the stage is full.  A full stage is
 * copied to the end of the thread's open chunk, a full chunk goes into the queue as an entry, and the thread takes a free chunk.
 * The stage is there because of caches.  It stays in the writer's; the chunk is written around the caches (non-temporal stores), so
 * that no line of it must first be fetched from the cache of the reader, which read the same chunk a moment ago.  Between distant
 * cores such a fetch costs as much as dozens of references.
 *
 * An event (a mapping, a fork, an exit) goes behind the references that came before it, in the same chunk, and closes it: so within
 * a thread everything is in order.
 *
 * Between threads of a process order matters where an address space changes: all that others did before it must be seen before
 * it.  So the entry of such an event carries marks: how many references each other lane of the process had in its open chunk and
 * its stage, read under the lock of the queue.  The consumer takes what lies before the marks out of open chunks and stages first,
 * remembers how far it went, and takes the rest when the chunk comes.  Between events, threads are in the order in which their
 * chunks came.
 *
 *      1.  An open chunk belongs to one lane (owner).  Word i of the lane is word i of the chunk if i < filled, otherwise word
 *          i - filled of the stage.  The lane's turn is odd while a stage is being emptied, and higher afterwards: who reads a
 *          stage of another thread looks at turn before and after, and reads again when it has changed.
 *      2.  The queue, the free chunks and the states of the spaces change only under the lock.
 *      3.  The lock is robust: a producer killed while it holds it leaves nothing half done that matters, because an entry counts
 *          only once tail has moved past it, and a chunk is free only if its owner says so.  (A chunk on its way into the queue
 *          is given back by whoever takes the lock next.)
 *      4.  A killed process leaves open chunks and stages behind; the consumer takes what is in them, then frees them.
 *      5.  A cursor is stored after the word before it (release), so that whoever reads a cursor may read all words before it.
 *      6.  A chunk in the queue holds all its references; none are in a stage.
 *      7.  A lane names no chunk (RING_CHUNKS) from the moment its chunk goes into the queue, before its filled or its stage mean
 *          anything new: who reads a stage of another thread looks at its chunk afterwards, too.
 *
 * Back-pressure: a producer that finds RING_BACKLOG entries waiting waits too.  There are many more chunks than that only so that
 * programs of many threads, each holding an open chunk, cannot run out.  Memory of chunks that were never used costs nothing.
 *
 * Rejected: a queue without a lock (a producer killed between taking a place and filling it would stop the consumer for good); one
 * ring for each thread (no order between threads, and a scan of all of them to find work); words for events between the
 * references (the consumer would have to look at every word; so it can hand out a chunk as it is). */
#pragma once
#include "../machine/access.h"
#include "../trace/event.h"
#include <pthread.h>
#include <stdint.h>

#define RING_MAGIC 0x70770003u /* changes with the layout: plugin and command must come from the same build */

enum {
	RING_CHUNK_BYTES = 131072,
	RING_CHUNK_WORDS = RING_CHUNK_BYTES / 8,
	RING_STAGE_BYTES = 8192,
	RING_STAGE_WORDS = RING_STAGE_BYTES / 8,
	RING_SLACK_WORDS = 32,      /* a stage counts as full this much before its end: one call may write that many at once */
	RING_LINE_WORDS = 8,        /* of a line of the cache: stages are emptied by whole lines */
	RING_CHUNKS = 4096,         /* and as many stages */
	RING_SPACES = 1024,         /* processes at one time */
	RING_SPACE_BYTES = 65536,
	RING_LANES = RING_SPACE_BYTES / 64 - 2, /* threads of a process at one time */
	RING_QUEUE = 8192,          /* more than there are chunks: it cannot overflow */
	RING_BACKLOG = 16,          /* entries */
};

/* A thread's place to write: one line of the cache, so that threads do not disturb each other. */
struct ring_lane {
	ref_t *cursor;      /* next word to write, in the stage, as an address of the producer; NULL: the lane is not in use */
	uint32_t chunk;     /* the open chunk; RING_CHUNKS: none */
	uint32_t stage;
	uint32_t filled;    /* words in the chunk; a multiple of RING_LINE_WORDS */
	uint32_t turn;      /* odd while the stage is being emptied */
	ref_t *limit;       /* the stage counts as full when the cursor reaches it; the producer's own */
	uint64_t unused[4];
};

enum ring_space_state {
	RING_SPACE_FREE,
	RING_SPACE_FORKED,  /* its parent announced it; the process itself has not spoken yet */
	RING_SPACE_LIVE,
	RING_SPACE_LEFT,    /* it said that it exits */
};

/* A process.  The lanes come first: their place is computed for every reference. */
struct ring_space {
	struct ring_lane lane[RING_LANES];
	uint32_t state;
	int32_t host_pid;
	uint64_t base;      /* where the process has the stages: cursor - base is an offset */
	uint32_t n_lanes;   /* lanes beyond were never used */
	uint32_t parent;    /* its space */
	uint32_t signal;    /* the last that a process under capture sent to this one: how it ended, if nobody can say better */
	uint32_t unused[25];
};
_Static_assert(sizeof(struct ring_lane) == 64 && sizeof(struct ring_space) == RING_SPACE_BYTES, "lanes are lines");

/* What a producer hands over: n_refs references at the start of the chunk, then n_records records. */
struct ring_entry {
	uint32_t space, lane;
	uint32_t chunk;
	uint32_t n_refs, n_records;
};

/* Records are events (of which FORK has the child's space in other, PROCESS its own host pid in count), as structs of a multiple
 * of 8 bytes one behind the other, and: */
enum ring_record_kind {
	RING_RECORD_MARKS = TRACE_EVENT_KINDS, /* last of an entry: positions of other lanes, to be drained before its events */
	RING_RECORD_UNBORN,                    /* the fork announced for the space other failed */
	RING_RECORD_WAITED,                    /* a parent learned how a child ended: other = host pid, count = wait status */
};

struct ring_mark {
	uint32_t lane, chunk, n_refs;
};

struct ring_record {
	uint32_t bytes;     /* of the whole record */
	uint32_t kind;      /* enum trace_event_kind or enum ring_record_kind */
	union {
		struct {
			uint32_t prot, flags, other, name_bytes; /* with its final zero byte; 0: no name */
			uint64_t start, to, length, to_length, offset, count, file_id, file_bytes;
			char name[];
		};
		struct {
			uint32_t n_marks;
			struct ring_mark mark[];
		};
	};
};

struct ring {
	uint32_t magic;
	int32_t consumer;           /* its pid: producers look whether it still lives */
	uint32_t closed;            /* the consumer wants no more: producers end */
	uint32_t beat;              /* the consumer counts on whenever it does anything: a sign of life */
	pthread_mutex_t lock;       /* robust, process-shared: 2. */
	_Alignas(64) uint32_t head; /* the consumer's next entry; counts on without end, as tail does */
	uint32_t asleep;            /* futex: 1 while the consumer sleeps */
	_Alignas(64) uint32_t tail;
	uint32_t waiting;           /* futex: producers that sleep until the queue has room */
	_Alignas(64) struct ring_entry queue[RING_QUEUE];
	uint32_t owner[RING_CHUNKS];/* 0: free; else 1 + space of the process that has it, RING_QUEUED while in the queue */
	uint32_t stage_owner[RING_CHUNKS]; /* likewise, of the stages */
};

#define RING_QUEUED UINT32_MAX

/* Where things are in the segment. */
#define RING_SPACES_AT ((sizeof(struct ring) + RING_SPACE_BYTES - 1) / RING_SPACE_BYTES * RING_SPACE_BYTES)
#define RING_CHUNKS_AT (RING_SPACES_AT + (uint64_t)RING_SPACES * RING_SPACE_BYTES)
#define RING_STAGES_AT (RING_CHUNKS_AT + (uint64_t)RING_CHUNKS * RING_CHUNK_BYTES)
#define RING_BYTES (RING_STAGES_AT + (uint64_t)RING_CHUNKS * RING_STAGE_BYTES)

static inline struct ring_space *ring_space(struct ring *r, uint32_t space)
{
	return (struct ring_space *)((char *)r + RING_SPACES_AT) + space;
}

static inline ref_t *ring_chunk(struct ring *r, uint32_t chunk)
{
	return (ref_t *)((char *)r + RING_CHUNKS_AT + (uint64_t)chunk * RING_CHUNK_BYTES);
}

static inline ref_t *ring_stage(struct ring *r, uint32_t stage)
{
	return (ref_t *)((char *)r + RING_STAGES_AT + (uint64_t)stage * RING_STAGE_BYTES);
}
