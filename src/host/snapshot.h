/* snapshot.h - what the kernel says of the whole computer's memory, read at one moment.
 *
 * Every source is kept as it is written; figures.h makes numbers for people of it.  A source that is absent or not for us is noted
 * and left out, never taken for zero. */
#pragma once
#include "fields.h"
#include "procfs.h"

/* name, path, what is lost without it. */
#define SNAPSHOT_SOURCE_LIST(X) \
	X(meminfo, "proc/meminfo", "sizes") \
	X(vmstat, "proc/vmstat", "faults, paging, reclaim") \
	X(swaps, "proc/swaps", "swap areas one by one") \
	X(pressure_cpu, "proc/pressure/cpu", "time lost for want of CPU") \
	X(pressure_memory, "proc/pressure/memory", "time lost for want of memory") \
	X(pressure_io, "proc/pressure/io", "time lost waiting for disks") \
	X(huge_pools, "sys/kernel/mm/hugepages", "huge-page pools one by one") \
	X(transparent, "sys/kernel/mm/transparent_hugepage/enabled", "whether huge pages are given unasked") \
	X(uptime, "proc/uptime", "averages since boot")

enum snapshot_source {
#define X(name, path, lost) SNAPSHOT_##name,
	SNAPSHOT_SOURCE_LIST(X)
#undef X
	SNAPSHOT_SOURCES
};

struct swap_area {
	const char *name;            /* as a path: the kernel's \040 undone */
	const char *kind;            /* "partition", "file" */
	uint64_t bytes, used_bytes;
	int64_t priority;
};

/* One line of a pressure file: the share of time in which some, or all, non-idle tasks were stalled. */
struct pressure {
	bool known;
	double avg10, avg60, avg300; /* percent over the last seconds, by the kernel */
	uint64_t total_us;           /* since boot */
};
enum pressure_kind { PRESSURE_SOME, PRESSURE_FULL, PRESSURE_KINDS };
enum pressure_of { PRESSURE_CPU, PRESSURE_MEMORY, PRESSURE_IO, PRESSURES };

struct huge_pool {
	uint64_t page_bytes, total, free, reserved, surplus;   /* in pages of that size */
};

struct snapshot {
	double time;                 /* seconds since 1970 */
	double clock;                /* seconds by a clock nobody sets: for intervals */
	double uptime;               /* seconds since boot */
	enum pw_err missing[SNAPSHOT_SOURCES]; /* PW_OK: it is there; else why not, as procfs.h has it */
	struct fields meminfo, vmstat;
	struct swap_area *swap;
	struct huge_pool *pool;
	uint32_t n_swaps, n_pools;
	struct pressure pressure[PRESSURES][PRESSURE_KINDS];
	char transparent[16];        /* the word in brackets of transparent_hugepage/enabled: "madvise" */
	char *swap_text;             /* owns the strings of swap */
};

/* Reads it all into s, whose memory is used again; a zeroed struct is an empty one.  => an error only when memory ran out, or neither
 * meminfo nor vmstat could be read; snapshot_fini is due in any case. */
must_use enum pw_err snapshot_take(struct procfs *p, struct snapshot *s, struct pw_why *why);
void snapshot_fini(struct snapshot *s);
/* "/proc/meminfo": where a source is, below the root. */
const char *snapshot_path(enum snapshot_source source);
/* What is lost when it is missing. */
const char *snapshot_lost(enum snapshot_source source);
