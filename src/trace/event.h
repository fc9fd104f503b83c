/* event.h - what happens to address spaces, as values in the stream of references.
 *
 * A trace is references and, between them, events: a program starts, maps, unmaps, forks, ends.  They come in the order in which
 * they happened to one process; readers of formats without them simply give none. */
#pragma once
#include "../base/addr.h"
#include <stdint.h>

/* name, what it says.  Columns used by each are documented at struct trace_event. */
#define TRACE_EVENT_LIST(X) \
	X(PROCESS, "process") /* a process is first seen; its address space is empty */ \
	X(EXEC, "exec")       /* a program image replaces the address space: everything mapped is gone */ \
	X(MAP, "map")         /* a mapping appears (replacing what was there) */ \
	X(UNMAP, "unmap")     \
	X(PROTECT, "protect") \
	X(REMAP, "remap")     /* a mapping moves or changes size */ \
	X(BRK, "brk")         /* the heap now is [start, start + bytes) */ \
	X(ADVISE, "advise")   \
	X(FORK, "fork")       /* this process made a child process: copy of the whole space */ \
	X(THREAD, "thread")   /* a thread of this process is first seen */ \
	X(THREAD_EXIT, "thread_exit") \
	X(EXIT, "exit")       /* the process is gone */ \
	X(LOST, "lost")       /* count references could not be recorded */

enum trace_event_kind {
#define X(name, word) TRACE_##name,
	TRACE_EVENT_LIST(X)
#undef X
	TRACE_EVENT_KINDS
};

enum { TRACE_PROT_READ = 1, TRACE_PROT_WRITE = 2, TRACE_PROT_EXEC = 4 };

enum {
	TRACE_MAP_SHARED = 1,    /* MAP_SHARED; otherwise private */
	TRACE_MAP_ANON = 2,      /* no file behind it */
	TRACE_MAP_STACK = 4,     /* the main stack: grows down on touch */
	TRACE_MAP_GROWSDOWN = 8,
	TRACE_MAP_FIXED = 16,
	TRACE_MAP_POPULATE = 32,
	TRACE_MAP_HEAP = 64,     /* the brk heap */
};

/* Unused members are zero.
 *   PROCESS      other = parent pid or 0
 *   EXEC         name = path of the image; count = 0
 *   MAP          start bytes prot flags offset name; file_bytes = size of the file (0: anonymous), file_id = its identity
 *   UNMAP        start bytes
 *   PROTECT      start bytes prot
 *   REMAP        start bytes (old) -> to to_bytes (new)
 *   BRK          start bytes
 *   ADVISE       start bytes count = the MADV_ number of Linux
 *   FORK         other = child pid
 *   EXIT         count = exit code, other = signal number or 0
 *   LOST         count */
struct trace_event {
	enum trace_event_kind kind;
	uint32_t prot, flags, other;
	vaddr_t start, to;
	uint64_t bytes, to_bytes, offset, count;
	uint64_t file_id, file_bytes;
	const char *name; /* never NULL; lives until the next trace_next() */
};
