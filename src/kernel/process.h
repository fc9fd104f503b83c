/* process.h - a process: its space, the machine's view of it, and what it has cost. */
#pragma once
#include "kernel.h"
#include "map.h"

/* A run of faults in order of address: stream.c. */
enum { STREAMS = 16 };
struct stream {
	uint64_t next;           /* the page that would continue it */
	uint32_t pages, used;    /* read ahead last; when */
};

struct process {
	struct kernel *kernel;
	uint32_t number;         /* in order of creation */
	uint32_t pid, parent;
	const char *command;     /* lives as long as the kernel */
	bool alive;
	const char *killed;
	struct pmap *pmap;       /* of a dead process: until no CPU has it loaded */
	struct map map;
	struct fault_counts faults;
	uint64_t resident_peak_pages;
	uint64_t share_pages;    /* local replacement: its share of the frames, or what that was last */
	struct stream stream[STREAMS];
	uint32_t stream_clock;
	uint64_t n_huge;         /* huge pages of its own */
	uint64_t limit[PROCESS_LIMITS]; /* bytes */
	uint64_t heap;           /* where the heap of its program begins; 0: it has none of a file (exec.h) */
	uint64_t map_top;        /* the kernel chooses places below this address; 0: anywhere */
};

static inline struct vpn_range entry_range(const struct entry *e) { return vpn_range(vpn(e->node.start), entry_pages(e)); }

/* As if the program touched every page of [start, end) now.  => PW_ACCESS: some may not be; PW_NOFRAMES: it is dead */
must_use enum pw_err process_populate(struct process *p, uint64_t start, uint64_t end, enum access_kind kind);
/* The peak follows. */
void process_note_resident(struct process *p);
/* Gives the pmap of a dead process back once no CPU uses it. */
void process_reap(struct process *p);
