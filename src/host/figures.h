/* figures.h - the numbers people ask for, each with its formula over the kernel's own.
 *
 * A level is of one moment.  A rate is the change between two, for each second; a ratio is of two changes.  What a kernel does not
 * tell, or what would divide by nothing, has no value: it is never zero by default. */
#pragma once
#include "snapshot.h"
#include <stdio.h>

enum figure_kind {
	FIGURE_BYTES,      /* a level, in bytes */
	FIGURE_PORTION,    /* a level: of one figure in another */
	FIGURE_RATE,       /* changes for each second */
	FIGURE_RATE_BYTES, /* bytes for each second */
	FIGURE_RATIO,      /* of changes */
	FIGURE_STALL,      /* of time: microseconds of stall for each microsecond */
};

/* Groups, in the order they are shown. */
#define FIGURE_GROUP_LIST(X) \
	X(MEMORY, "memory") X(SWAP, "swap") X(COMMIT, "commitment") X(KERNEL, "kernel") X(HUGE, "huge pages") \
	X(FAULTS, "faults") X(PAGING, "paging") X(RECLAIM, "reclaim") X(PRESSURE, "pressure")

enum figure_group {
#define X(name, title) FIGURE_GROUP_##name,
	FIGURE_GROUP_LIST(X)
#undef X
	FIGURE_GROUPS
};

/* name, member in JSON, group, kind, formula, what it means to a person. */
#define FIGURE_LIST(X) \
	X(total, "total_bytes", MEMORY, BYTES, "MemTotal", \
	  "all memory but what the kernel took at boot") \
	X(available, "available_bytes", MEMORY, BYTES, "MemAvailable", \
	  "what programs can still have before anything must be swapped: the kernel's own estimate") \
	X(used, "used_bytes", MEMORY, BYTES, "MemTotal - MemAvailable", \
	  "what cannot be had without swapping: total less available, not total less free") \
	X(free, "free_bytes", MEMORY, BYTES, "MemFree", \
	  "memory that holds nothing at all; little of it is usual, not a shortage") \
	X(page_cache, "page_cache_bytes", MEMORY, BYTES, "Cached + Buffers - Shmem", \
	  "contents of files and disks; given up when programs want memory") \
	X(anonymous, "anonymous_bytes", MEMORY, BYTES, "AnonPages", \
	  "what programs have of their own: heaps, stacks; can only leave to swap") \
	X(shared, "shared_bytes", MEMORY, BYTES, "Shmem", \
	  "shared memory and files in tmpfs; can only leave to swap") \
	X(dirty, "dirty_bytes", MEMORY, BYTES, "Dirty + Writeback", \
	  "contents of files that are not yet on disk") \
	X(swap_total, "swap_total_bytes", SWAP, BYTES, "SwapTotal", "all swap areas") \
	X(swap_used, "swap_used_bytes", SWAP, BYTES, "SwapTotal - SwapFree", \
	  "swap that holds something; no trouble as long as it is not read back") \
	X(swap_free, "swap_free_bytes", SWAP, BYTES, "SwapFree", "swap that holds nothing") \
	X(swap_cached, "swap_cached_bytes", SWAP, BYTES, "SwapCached", "pages both in memory and in swap: they can leave again unwritten") \
	X(compressed, "compressed_bytes", SWAP, BYTES, "Zswap", "memory that holds swapped pages compressed") \
	X(committed, "committed_bytes", COMMIT, BYTES, "Committed_AS", \
	  "what programs were promised, whether they touched it or not") \
	X(commit_limit, "commit_limit_bytes", COMMIT, BYTES, "CommitLimit", \
	  "what may be promised; only enforced when overcommit_memory is 2") \
	X(commit_portion, "commit_portion", COMMIT, PORTION, "Committed_AS / CommitLimit", "promised, of what may be") \
	X(page_tables, "page_tables_bytes", KERNEL, BYTES, "PageTables + SecPageTables | PageTables", \
	  "memory that says where memory is") \
	X(slab, "slab_bytes", KERNEL, BYTES, "Slab", "the kernel's own objects") \
	X(slab_reclaimable, "slab_reclaimable_bytes", KERNEL, BYTES, "SReclaimable", "of these, what it gives up when memory is wanted") \
	X(kernel_stacks, "kernel_stacks_bytes", KERNEL, BYTES, "KernelStack", "stacks of threads while they are in the kernel") \
	X(huge_anonymous, "huge_anonymous_bytes", HUGE, BYTES, "AnonHugePages", "programs' own memory in transparent huge pages") \
	X(huge_shared, "huge_shared_bytes", HUGE, BYTES, "ShmemHugePages", "shared memory in transparent huge pages") \
	X(huge_files, "huge_files_bytes", HUGE, BYTES, "FileHugePages", "contents of files in transparent huge pages") \
	X(huge_pool, "huge_pool_bytes", HUGE, BYTES, "Hugetlb | HugePages_Total * Hugepagesize", \
	  "set aside in pools of huge pages, used or not: lost to everybody else") \
	X(huge_given, "huge_given_per_s", HUGE, RATE, "thp_fault_alloc + thp_collapse_alloc", \
	  "transparent huge pages made, at a fault or afterwards") \
	X(huge_failed, "huge_failed_per_s", HUGE, RATE, "thp_fault_fallback + thp_collapse_alloc_failed", \
	  "times a huge page was wanted and none could be had") \
	X(huge_split, "huge_split_per_s", HUGE, RATE, "thp_split_page", "huge pages taken apart again") \
	X(minor_faults, "minor_faults_per_s", FAULTS, RATE, "pgfault - pgmajfault", "faults served from memory") \
	X(major_faults, "major_faults_per_s", FAULTS, RATE, "pgmajfault", "faults that waited for a disk") \
	X(swap_in, "swap_in_per_s", PAGING, RATE, "pswpin", "pages read from swap") \
	X(swap_out, "swap_out_per_s", PAGING, RATE, "pswpout", "pages written to swap") \
	X(page_in, "page_in_bytes_per_s", PAGING, RATE_BYTES, "pgpgin", "bytes read from disks, swap included") \
	X(page_out, "page_out_bytes_per_s", PAGING, RATE_BYTES, "pgpgout", "bytes written to disks, swap included") \
	X(scanned, "scanned_per_s", RECLAIM, RATE, "pgscan_anon + pgscan_file | pgscan_kswapd + pgscan_direct", \
	  "pages looked at in search of one to give up") \
	X(reclaimed, "reclaimed_per_s", RECLAIM, RATE, "pgsteal_anon + pgsteal_file | pgsteal_kswapd + pgsteal_direct", \
	  "pages given up") \
	X(efficiency, "reclaim_efficiency", RECLAIM, RATIO, \
	  "(pgsteal_anon + pgsteal_file) / (pgscan_anon + pgscan_file) | " \
	  "(pgsteal_kswapd + pgsteal_direct) / (pgscan_kswapd + pgscan_direct)", \
	  "given up, of those looked at: near 1 is easy, below 0.3 is hard work") \
	X(refaults, "refaults_per_s", RECLAIM, RATE, "workingset_refault_anon + workingset_refault_file | workingset_refault", \
	  "pages wanted back soon after they were given up: memory is too small for what runs") \
	X(stalls, "direct_reclaim_per_s", RECLAIM, RATE, "allocstall_*", "times a program had to search for memory itself") \
	X(killed, "killed_per_s", RECLAIM, RATE, "oom_kill", "processes killed for want of memory") \
	X(memory_some, "memory_some", PRESSURE, STALL, "memory_some", \
	  "time in which something waited for memory; microseconds in total= of /proc/pressure/memory") \
	X(memory_full, "memory_full", PRESSURE, STALL, "memory_full", \
	  "time in which everything that could run waited for memory; microseconds in total= of /proc/pressure/memory") \
	X(io_some, "io_some", PRESSURE, STALL, "io_some", \
	  "time in which something waited for a disk; microseconds in total= of /proc/pressure/io") \
	X(io_full, "io_full", PRESSURE, STALL, "io_full", \
	  "time in which everything that could run waited for a disk; microseconds in total= of /proc/pressure/io")

enum figure {
#define X(name, member, group, kind, formula, meaning) FIGURE_##name,
	FIGURE_LIST(X)
#undef X
	FIGURES
};

struct figure_about {
	const char *name, *member, *formula, *meaning;
	enum figure_group group;
	enum figure_kind kind;
};
extern const struct figure_about figure_about[FIGURES];
const char *figure_group_title(enum figure_group g);

struct figures {
	bool known[FIGURES];
	long double value[FIGURES];          /* exact where it is a whole number */
	const char *part[FIGURES];           /* the alternative of the formula that this kernel's names allow; NULL: none */
	double seconds;                      /* of the interval; 0: there was none, so there are no rates */
	bool since_boot;
};

/* From two moments; then NULL: since boot, when the kernel says how long that is.  A counter that went backwards gives no rate. */
void figures_make(const struct snapshot *then, const struct snapshot *now, struct figures *ret);
/* "(9000000 - 5) / 1.000 s": the formula with its numbers in it, in the kernel's units. */
void figures_explain(const struct figures *f, enum figure which, const struct snapshot *then, const struct snapshot *now, FILE *out);
