/* kernel.h - the operating-system half, as whoever drives a machine sees it.
 *
 * A kernel owns physical memory (frames), address spaces (maps of entries over objects), swap, and a replacement policy.  It is
 * driven from outside: the machine stops with a fault, the driver calls process_fault(), and runs the machine again.  It stands on
 * the pmap contract and knows no machine.
 *
 * Addresses are in bytes at this door and pages inside. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include "../machine/access.h"
#include "../machine/cost.h"
#include "../machine/physmem.h"
#include "../pmap/pmap.h"
#include "../policy/policy.h"
#include "../store/store.h"
#include <stdbool.h>
#include <stdint.h>

struct kernel;
struct process;

#define PERSONALITY_LIST(X) \
	X(textbook, "one page a fault, evicted only when a frame is needed, nothing clever") \
	X(linux, "fault-around, the shared zero page, watermarks, swap readahead, as Linux does")
enum personality {
#define X(name, text) PERSONALITY_##name,
	PERSONALITY_LIST(X)
#undef X
	PERSONALITY_KINDS
};

/* name, text, whether it is a major fault (waits for I/O). */
#define FAULT_CAUSE_LIST(X) \
	X(demand_zero, "first touch of anonymous memory", false) \
	X(zero_page, "read of untouched anonymous memory, served by the shared zero page", false) \
	X(file_read, "file page read from its store", true) \
	X(file_cached, "file page already in memory", false) \
	X(swap_in, "page read back from swap", true) \
	X(swap_cached, "page on its way out or read ahead: still in memory", false) \
	X(copy_on_write, "store to a page shared until written", false) \
	X(write_upgrade, "store to a page mapped clean or read-only for bookkeeping", false) \
	X(stack_growth, "touch just below a growing stack", false) \
	X(remapped, "page in memory whose translation had been dropped", false) \
	X(accessed_dirty, "software sets the accessed or dirty bit", false)
enum fault_cause {
#define X(name, text, major) FAULT_##name,
	FAULT_CAUSE_LIST(X)
#undef X
	FAULT_CAUSES
};

/* When a fault of untouched private memory gets a huge page: what Linux calls transparent_hugepage. */
#define HUGE_LIST(X) \
	X(never, "base pages only") \
	X(madvise, "where the program asked for them by madvise(MADV_HUGEPAGE)") \
	X(always, "wherever a whole one fits into a mapping")
enum huge_when {
#define X(name, text) HUGE_##name,
	HUGE_LIST(X)
#undef X
	HUGE_KINDS
};

/* Advice: Linux's number and name, what it does here. */
#define ADVICE_LIST(X) \
	X(0, NORMAL, "reads around what has to be read") \
	X(1, RANDOM, "reads nothing around it") \
	X(2, SEQUENTIAL, "reads what follows") \
	X(3, WILLNEED, "brings pages in that have a place to come from, while memory is plentiful") \
	X(4, DONTNEED, "private pages become untouched, shared ones are unmapped") \
	X(8, FREE, "private pages may become zeros until they are written again") \
	X(9, REMOVE, "shared pages without a file become zeros, for everybody") \
	X(10, DONTFORK, "a child does not get the mapping") \
	X(11, DOFORK, "it does") \
	X(12, MERGEABLE, "nothing: equal pages are not merged") \
	X(13, UNMERGEABLE, "nothing") \
	X(14, HUGEPAGE, "huge pages are wanted here") \
	X(15, NOHUGEPAGE, "and here they are not") \
	X(16, DONTDUMP, "nothing: there are no core files") \
	X(17, DODUMP, "nothing") \
	X(18, WIPEONFORK, "a child gets the mapping untouched") \
	X(19, KEEPONFORK, "it gets the pages") \
	X(20, COLD, "the pages count as not referenced") \
	X(21, PAGEOUT, "the pages leave, if nobody else has them") \
	X(22, POPULATE_READ, "as if every page were read now") \
	X(23, POPULATE_WRITE, "as if every page were written now") \
	X(24, DONTNEED_LOCKED, "as DONTNEED, locked pages too") \
	X(25, COLLAPSE, "huge pages are made now") \
	X(102, GUARD_INSTALL, "anonymous pages are lost and may not be touched") \
	X(103, GUARD_REMOVE, "they may, and are untouched")
enum advice {
#define X(number, name, text) ADVICE_##name = number,
	ADVICE_LIST(X)
#undef X
};

/* How much memory may be promised: /proc/sys/vm/overcommit_memory. */
#define OVERCOMMIT_LIST(X) \
	X(always, "every mapping is granted") \
	X(heuristic, "only what is larger than memory and swap together is refused") \
	X(never, "what may be written is at most swap and half of memory")
enum overcommit {
#define X(name, text) OVERCOMMIT_##name,
	OVERCOMMIT_LIST(X)
#undef X
	OVERCOMMIT_KINDS
};

/* Whose pages leave when a frame is needed. */
#define REPLACEMENT_LIST(X) \
	X(global, "anybody's") \
	X(local, "those of the process that needs it, which has a share of the frames")
enum replacement {
#define X(name, text) REPLACEMENT_##name,
	REPLACEMENT_LIST(X)
#undef X
	REPLACEMENT_KINDS
};
/* How frames are shared out then. */
#define ALLOCATION_LIST(X) \
	X(equal, "to each process the same") \
	X(proportional, "by how many pages each has touched")
enum allocation {
#define X(name, text) ALLOCATION_##name,
	ALLOCATION_LIST(X)
#undef X
	ALLOCATION_KINDS
};

/* Limits of a process, in bytes, as of setrlimit(2). */
#define PROCESS_LIMIT_LIST(X) \
	X(space, "everything it maps") \
	X(stack, "what its stack may grow to") \
	X(lock, "what it may lock in memory")
enum process_limit {
#define X(name, text) PROCESS_LIMIT_##name,
	PROCESS_LIMIT_LIST(X)
#undef X
	PROCESS_LIMITS
};

const char *fault_cause_name(enum fault_cause cause); /* "demand_zero" */
const char *fault_cause_text(enum fault_cause cause); /* what it means, in words */

enum fault_outcome {
	FAULT_OUTCOME_RESOLVED, /* restart the reference */
	FAULT_OUTCOME_REFUSED,  /* SIGSEGV: no mapping there, or its rights forbid it (counted as a protection fault) */
	FAULT_OUTCOME_BUS,      /* SIGBUS: beyond the end of the file, or its I/O failed */
	FAULT_OUTCOME_KILLED,   /* out of memory: no frame could be had */
};
struct fault_report {
	enum fault_outcome outcome;
	enum fault_cause cause;   /* RESOLVED */
	bool major;
	bool io;                  /* BUS: its store or pager failed; otherwise it is beyond the end of its file */
	bool arrived;             /* the policy has been told of the page, and so of the reference that will be made again */
	uint64_t cost_ns;         /* modelled */
	const char *why;          /* REFUSED, BUS, KILLED: the reason in words; lives as long as the kernel */
};

/* Where the bytes of files come from and go to, in runs that carry data. */
struct kernel_files {
	enum pw_err (*read)(void *ctx, uint64_t file_id, uint64_t offset, void *bytes, uint64_t n); /* zeros beyond the end */
	enum pw_err (*write)(void *ctx, uint64_t file_id, uint64_t offset, const void *bytes, uint64_t n);
	void *ctx;
};

struct kernel_config {
	struct pmap_sys *pmap;        /* its env is filled by kernel_create */
	struct physmem *memory;       /* data of frames; NULL: pmap_model tests bring their own, or addresses only */
	bool carries_data;            /* page bytes are real; otherwise data frames and stores are never touched */
	uint64_t n_frames;            /* physical frames the kernel may use, numbered 0 .. n-1 */
	uint64_t page_frames;         /* at most this many hold programs' pages (--frames); 0: whatever is free (--ram) */
	unsigned page_shift;
	enum personality personality;
	const struct policy_ops *policy;
	struct policy_params policy_params; /* zeros: the defaults */
	void *policy_custom;          /* for a policy from outside the list: goes into its env */
	unsigned va_bits;             /* user addresses are below 2^va_bits: bounds what the kernel chooses; 0: 47 */
	unsigned huge_shift;          /* log2 of the base pages of a huge page, a leaf at level 1 of the pmap; 0: there are none */
	enum huge_when huge;
	unsigned fragment;            /* huge_shift: percent of the blocks of memory in which one frame is taken from the start */
	enum overcommit overcommit;
	enum replacement replacement; /* local: without huge pages, and kernel_resize() cannot exceed page_frames */
	enum allocation allocation;
	bool file_cache_cold;         /* linux: no file page is in memory at the start (otherwise a page of a file never seen before
	                               * counts as cached, as on a computer where the program ran a moment ago) */
	const struct kernel_files *files; /* carries_data; NULL: files cannot be mapped */
	struct store *swap;           /* NULL: none.  The caller owns it */
	bool slots_stay;              /* linux: a page written back again goes to the slot it had, because to the store one slot is as good
	                               * as another; false: to a fresh one, next to that of the page before */
	uint32_t read_retries;        /* how often a read of swap that ended in an I/O error is made again */
	uint32_t ahead;               /* linux: swapped pages behind sequential faults come in and are mapped at once, up to so many, for
	                               * machines where a fault costs more than a page; 1: none; 0: unmapped neighbours, as Linux reads
	                               * them */
	const struct cost_model *cost;
	uint64_t seed;
	/* Recency for policies that want it: frames referenced since they were last asked for, in order of last reference, in
	 * portions, until it gives 0.  With it a policy that asks for reference bits gets exact ones; NULL: every policy sees only
	 * the accessed bits that walks set. */
	uint64_t (*touched)(void *ctx, const pfn_t **ret);
	/* Virtual time for policies that have a clock: references made so far, and when a frame was referenced last.  NULL: it stands
	 * still. */
	uint64_t (*now)(void *ctx);
	uint64_t (*last_use)(void *ctx, pfn_t frame);
	/* When a page is referenced next, for policies that want the future. */
	uint64_t (*next_use)(void *ctx, uint32_t pid, vpn_t page);
	/* A page is about to be copied: the kernel reads this frame, which a driver that keeps its own account of use must know.  NULL:
	 * nobody wants to. */
	void (*copied)(void *ctx, pfn_t from);
	/* The kernel itself uses the bytes of a frame: it fills it (a store), or reads it to copy it or to write it out (a load).  The host
	 * of a guest must know.  NULL: there is none. */
	void (*used)(void *ctx, pfn_t f, enum access_kind kind);
	/* A page leaves its frame to make room: where it was mapped last (pid 0: nowhere), and whether it has to be written, which may
	 * fail: then it stays.  NULL: nobody wants to know. */
	void (*evicting)(void *ctx, uint32_t pid, vpn_t page, pfn_t from, bool dirty);
	void *ctx;
};

/* Counters of the kernel, and of each process and entry where they make sense.  total = minor + major = sum of by_cause; a refused
 * access (SIGSEGV, SIGBUS) counts under protection alone. */
struct fault_counts {
	uint64_t total, minor, major, protection;
	uint64_t by_cause[FAULT_CAUSES];
};
void fault_counts_add(struct fault_counts *to, const struct fault_counts *from);
void fault_counts_take_off(struct fault_counts *from, const struct fault_counts *what);
/* Of huge pages, sums over time. */
#define HUGE_COUNT_LIST(X) \
	X(faults, "faults that got a huge page") \
	X(fallbacks, "faults that would have, but no block of frames could be had") \
	X(filled_pages, "base pages that came only because a neighbour was touched: what bloat consists of") \
	X(promoted, "ranges of base pages made a huge page by the scan or by advice") \
	X(split, "huge pages that became base pages again") \
	X(compactions, "blocks emptied by moving pages elsewhere") \
	X(moved_pages, "pages moved, to compact or to promote")
struct huge_counts {
#define X(name, text) uint64_t name;
	HUGE_COUNT_LIST(X)
#undef X
};
struct kernel_counts {
	struct fault_counts faults;
	uint64_t evicted, written_back, refaults, readahead, readahead_used, faulted_around, oom_kills;
	uint64_t synced;                              /* pages of files written back by msync */
	uint64_t resident_pages, resident_peak_pages; /* frames holding programs' pages */
	uint64_t table_bytes, table_peak_bytes;
	uint64_t touched_pages;                       /* distinct pages ever resident */
	uint64_t swap_used_slots, swap_peak_slots, swap_reads, swap_writes;
	uint64_t free_frames, balloon_frames;
	uint64_t spare_frames;                        /* free, beyond what the kernel keeps so */
	struct huge_counts huge;
	uint64_t huge_pages, huge_peak_pages;         /* in base pages: how much memory they are */
	uint64_t modelled_ns;                         /* all faults and write-backs */
};

must_use enum pw_err kernel_create(const struct kernel_config *c, struct kernel **ret, struct pw_why *why);
void kernel_destroy(struct kernel *k); /* and all its processes */
void kernel_counts(const struct kernel *k, struct kernel_counts *ret);
/* From now on at most so many frames hold programs' pages.  => n_frames is larger; PW_NOFRAMES: fewer pages than that cannot leave,
 * and the limit is as it was; PW_NOMEM */
must_use enum pw_err kernel_resize(struct kernel *k, uint64_t page_frames);
/* A guest's memory is lent by its host, which wants some back, or has more to lend (Waldspurger 2002): the balloon in this kernel gets
 * n_frames large.  Frames for it are taken like any for pages: others are evicted, as the policy sees fit.  moved is told of each
 * frame that goes in (taken: nothing is in it any more, and nothing will be) or comes out, which is free then.
 * => PW_NOFRAMES: not so many can be had, or fewer than KERNEL_BALLOON_LEAVES would be left; those that went in stay in */
enum { KERNEL_BALLOON_LEAVES = 8 };
must_use enum pw_err kernel_balloon(struct kernel *k, uint64_t n_frames, void (*moved)(void *ctx, pfn_t f, bool taken), void *ctx);
/* Copies what swap holds into another store, slot by slot, until it is there: nothing is on its way when this returns, so that a fork
 * may follow.  Then the kernel may go on with that one, as in the child of a fork, where the
 * other belongs to the parent.  => PW_IO and others from the stores, with why */
must_use enum pw_err kernel_swap_copy(struct kernel *k, struct store *to, struct pw_why *why);
void kernel_swap_change(struct kernel *k, struct store *to);
/* What the swap store said when it failed last; "": it has not. */
const char *kernel_swap_why(const struct kernel *k);
/* Bytes of host memory the kernel has touched for its own records: frames, pages, swap, mappings; without the pmap's. */
uint64_t kernel_host_bytes(const struct kernel *k);
/* NULL, or a sentence naming the broken invariant: frames and slots are conserved, every mapping is in its map, sums agree. */
const char *kernel_flaw(struct kernel *k);

/* A process with an empty address space.  pid is the driver's name for it, and must be new. */
must_use enum pw_err process_create(struct kernel *k, uint32_t pid, const char *command, struct process **ret);
struct process *process_find(struct kernel *k, uint32_t pid);
/* A copy of the whole space, pages shared until written. */
must_use enum pw_err process_fork(struct process *parent, uint32_t pid, struct process **ret);
/* A new program image: every mapping goes. */
must_use enum pw_err process_exec(struct process *p, const char *command);
/* Gives all memory back.  Its counts stay readable until the kernel goes. */
void process_exit(struct process *p);
/* All its pages leave memory that nobody else has mapped and that may leave, as of a process that is not to run for some time; it has no
 * share of the frames until it faults again.  Returns how many left. */
uint64_t process_swap_out(struct process *p);
void process_activate(struct process *p, unsigned cpu);

/* Of the free frames, the share in pieces too small for a huge page: 0 to 1. */
double kernel_fragmentation(const struct kernel *k);
/* What Linux's khugepaged does beside the programs: makes huge pages of base pages, looking at that many pages and then no further.  To
 * be called now and then. */
void kernel_promote(struct kernel *k, uint64_t n_pages);

must_use struct fault_report process_fault(struct process *p, unsigned cpu, vaddr_t va, enum access_kind kind);

/* Tells the policy of all references so far, and lets it give up pages if it is time.  For policies that see every reference, after
 * at most MACHINE_LOG of them, and at kernel_policy_due(): a time as config.now tells it, POLICY_NEVER: no matter. */
void kernel_policy_tell(struct kernel *k);
uint64_t kernel_policy_due(const struct kernel *k);

struct process_mapping {
	vaddr_t start;          /* page-aligned for map; 0 without fixed: the kernel chooses */
	uint64_t bytes;
	unsigned prot;          /* PMAP_READ | WRITE | EXEC */
	bool shared, fixed, anonymous, stack, heap;
	bool populate;          /* every page comes in at once, as far as it can */
	uint64_t file_id, file_bytes, offset; /* of what is mapped, unless anonymous */
	const char *name;       /* copied; "" is allowed */
	bool huge;              /* MAP_HUGETLB: huge pages or none, never split or evicted; start, bytes: multiples of their size */
	bool on_disk;           /* textbook traces without mappings: every page exists in the swap store from the start */
};
must_use enum pw_err process_map(struct process *p, const struct process_mapping *m, vaddr_t *ret);
must_use enum pw_err process_unmap(struct process *p, vaddr_t start, uint64_t bytes);
must_use enum pw_err process_protect(struct process *p, vaddr_t start, uint64_t bytes, unsigned prot);
/* PR_SET_VMA_ANON_NAME: what the mappings of the range are called from now on; copied.  => PW_NOTMAPPED, PW_INVALID, PW_NOMEM */
must_use enum pw_err process_name(struct process *p, vaddr_t start, uint64_t bytes, const char *text);
/* mremap: to == from changes the size in place.  => on error nothing has changed, but that the target may have been unmapped */
must_use enum pw_err process_remap(struct process *p, vaddr_t from, uint64_t bytes, vaddr_t to, uint64_t to_bytes);
/* => PW_INVALID too: nobody knows this advice, or it is not for such a mapping */
must_use enum pw_err process_advise(struct process *p, vaddr_t start, uint64_t bytes, int advice); /* MADV_* of Linux */
must_use enum pw_err process_brk(struct process *p, vaddr_t start, uint64_t bytes);
/* Every page of the range comes in and stays, or may leave again.  => PW_LIMIT: more than the process may lock; PW_NOTMAPPED,
 * PW_NOFRAMES: nothing of the range is locked */
must_use enum pw_err process_lock(struct process *p, vaddr_t start, uint64_t bytes, bool lock);
/* As MLOCK_ONFAULT of mlock2: what is in memory stays, and so does what comes later; nothing comes in.  => as process_lock */
must_use enum pw_err process_lock_onfault(struct process *p, vaddr_t start, uint64_t bytes);
uint64_t process_locked_bytes(struct process *p); /* of mappings: the pages that have come are fewer */
/* Modified pages of shared files in the range are written back.  => PW_IO, PW_NOTMAPPED */
must_use enum pw_err process_sync(struct process *p, vaddr_t start, uint64_t bytes);
/* UINT64_MAX: as much as it likes, which only the stack does not begin with (8 MiB).  Children inherit it. */
void process_limit(struct process *p, enum process_limit which, uint64_t bytes);

struct process_info {
	uint32_t pid, parent;
	const char *command;
	bool alive;
	struct fault_counts faults;
	uint64_t resident_pages, resident_peak_pages, table_bytes;
	uint64_t mapped_bytes;
	uint64_t share_pages;    /* local replacement: frames that are its share, or were last; 0: it never faulted */
	const char *killed;      /* NULL, or why the kernel killed it: lives as long as the kernel.  It stays until process_exit() */
};
void process_describe(const struct process *p, struct process_info *ret);
/* The machine's view of it; NULL after exit. */
struct pmap *process_pmap(const struct process *p);
struct process *kernel_process_at(const struct kernel *k, uint32_t i); /* in order of creation; NULL past the end */

/* ---- for whoever looks inside ---- */

#define FRAME_ROLE_LIST(X) \
	X(FREE, "free") \
	X(TABLE, "page table") \
	X(ZERO, "page of zeros") \
	X(BUSY, "being filled") \
	X(ANON, "anonymous") \
	X(FILE, "file") \
	X(HELD, "held back") \
	X(BALLOON, "in the balloon")
enum frame_role {
#define X(name, text) FRAME_ROLE_##name,
	FRAME_ROLE_LIST(X)
#undef X
	FRAME_ROLES
};
struct frame_info {
	enum frame_role role;
	uint32_t pid;            /* ANON, FILE: where it was mapped last; 0: nowhere */
	vpn_t page;
	bool dirty, evictable;
	unsigned sharers;        /* ANON: how many spaces and objects refer to the page */
	bool in_swap;            /* ANON: slot has a copy of it, which is stale while it is dirty */
	uint32_t slot;
	uint64_t file_id, file_page;
};
/* Where the page in a frame was mapped last; 0: nowhere, or it holds none. */
uint32_t kernel_frame_pid(const struct kernel *k, pfn_t f);
/* => false: there is no such frame */
bool kernel_frame_describe(struct kernel *k, pfn_t f, struct frame_info *ret);
/* The frame the policy would empty next.  It is asked in earnest and changes its mind by it: only for a kernel that is about to be
 * destroyed; called again, it gives the one after.  => false: nobody can leave */
bool kernel_next_victim(struct kernel *k, pfn_t *ret);

/* Every page of a process of which something is known: that has been touched, or exists on a disk. */
struct page_info {
	vpn_t page;
	const char *mapping;     /* the name of its mapping */
	bool resident, in_swap, on_disk;
	pfn_t frame;             /* resident */
	uint32_t slot;           /* in_swap */
	unsigned sharers;        /* of an anonymous page: spaces and objects that refer to it */
};
void process_pages(struct process *p, void (*visit)(void *ctx, const struct page_info *page), void *ctx);

/* What one mapping (live, or gone: gone ones are merged by name) has seen. */
struct mapping_info {
	uint32_t pid;
	vaddr_t start;
	uint64_t bytes;
	const char *name;
	unsigned prot;
	struct fault_counts faults;
	uint64_t walks;          /* translations that missed every TLB */
	uint64_t resident_pages;
	bool alive, locked;
};
/* The driver's source of walks per frame, read and reset when a mapping loses a page and when it is described. */
void kernel_set_walk_source(struct kernel *k, uint64_t (*take)(void *ctx, pfn_t frame), void *ctx);
/* The mapping at an address: its bounds, name and rights, no counts.  => false: there is none */
bool process_mapping_at(struct process *p, vaddr_t va, struct mapping_info *ret);
void kernel_mappings(struct kernel *k, void (*visit)(void *ctx, const struct mapping_info *m), void *ctx);

/* Runs carrying data: bytes of a process as the kernel moves them (faults are served on the way). */
must_use enum pw_err process_copy_in(struct process *p, vaddr_t va, const void *bytes, uint64_t n, struct pw_why *why);
must_use enum pw_err process_copy_out(struct process *p, vaddr_t va, void *bytes, uint64_t n, struct pw_why *why);
