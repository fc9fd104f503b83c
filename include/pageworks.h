/* pageworks.h - libpageworks, and its manual.
 *
 * libpageworks is a complete virtual memory system as a library: machines with bit-exact page tables and translation caches, a kernel
 * that serves their page faults, swap, replacement policies.  There are five doors:
 *
 *   1. pw_run         a trace through a machine: one call, one JSON object
 *   2. pw_computer    a machine with a kernel, driven by you: processes, mappings, accesses with real bytes, one at a time
 *   3. your parts     a replacement policy, a swap store, a pager of your own, called by the kernel in place of ours
 *   4. pw_region      memory of your own process, really paged by our kernel
 *   5. pw_mmu         the MMU alone, for emulators that bring their own kernel and their own page tables
 *
 *     struct pw_computer *c;
 *     struct pw_process *p;
 *     char *why;
 *     const char *const options[] = { "frames=4", "policy=clock", NULL };
 *     if (pw_computer_create(options, NULL, &c, &why) != PW_SUCCESS)
 *             errx(1, "%s", why);
 *     if (pw_process_create(c, "init", &p) != PW_SUCCESS || pw_map(p, 0x1000, 1 << 20, PW_READ | PW_WRITE, NULL, NULL) != PW_SUCCESS ||
 *         pw_write(p, 0x1234, "hello", 5) != PW_SUCCESS)
 *             errx(1, "no");
 *
 * Rules that hold everywhere.  No call prints anything, ends the process or raises a signal.  Handles are opaque, and belong to whoever
 * created them until the destroy call.  Calls on different computers and MMUs may run at once on different threads; two calls on the
 * same one may not.  Sizes are in bytes, addresses are 64-bit numbers.  *why, where there is one, is NULL or one line that says what is
 * wrong, where, and what would be right; it is released by pw_free().  Your callbacks must not call back into the same computer,
 * except where it says so.
 *
 * Link with what "pkg-config --libs pageworks" prints (add --static for the archive).  Shared symbols carry the version PAGEWORKS_0.1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum pw_status {
	PW_SUCCESS = 0,
	PW_E_INVALID,  /* an argument or option makes no sense */
	PW_E_INPUT,    /* the trace cannot be read */
	PW_E_MEMORY,   /* out of memory of this computer */
	PW_E_CHECK,    /* what was computed contradicts itself: do not trust it, report it */
	PW_E_REFUSED,  /* the simulated program may not do this: SIGSEGV or SIGBUS in a real one */
	PW_E_FULL,     /* out of simulated memory, addresses or swap */
	PW_E_IO        /* a store or pager failed */
};

/* The version, such as "0.1.0": static. */
const char *pw_version(void);
/* A status in words: static. */
const char *pw_status_text(enum pw_status status);
/* Releases a text that this library gave out.  NULL is allowed. */
void pw_free(char *text);

/* ---- 1. traces ----
 *
 * Runs a trace to its end.  trace is a file of any format that pageworks-trace(7) lists, "-" for standard input, or a generator's
 * specification, such as "zipf:pages=1K,s=1.0,refs=1M".  options is a list that ends with NULL, of the long options of
 * pageworks-run(1) without their dashes that describe the machine, the kernel and the experiment: "ram=8M",
 * "tlb=l1d=64/4,l2=1536/12".  NULL is an empty list: the default machine.
 *
 * => *result is the result object of pageworks(1) as text, or NULL; both it and *why are released by pw_free().  A trace that ends too
 * early gives PW_E_INPUT together with the result of what was whole; PW_E_CHECK comes with a result as well. */
enum pw_status pw_run(const char *trace, const char *const *options, char **result, char **why);

/* ---- 2. a computer ---- */

struct pw_computer;
struct pw_process;
struct pw_parts;

enum { PW_READ = 1, PW_WRITE = 2, PW_EXEC = 4 };
enum pw_kind { PW_LOAD, PW_STORE, PW_FETCH };

/* Options as for pw_run, but those about traces.  Without "frames" or "ram", memory is without limit; swap defaults to "ram", for models
 * of disks keep no bytes.  parts are your own, see 3, or NULL.
 * => PW_E_INVALID and PW_E_MEMORY with *why; *ret is NULL then */
enum pw_status pw_computer_create(const char *const *options, const struct pw_parts *parts, struct pw_computer **ret, char **why);
void pw_computer_destroy(struct pw_computer *c); /* and all its processes and files; NULL is allowed */
/* NULL, or a sentence that names a broken invariant of machine or kernel: then this library is wrong.  Static or the computer's. */
const char *pw_computer_flaw(struct pw_computer *c);

/* A process with nothing mapped.  It runs on CPU 0 whenever it is accessed. => PW_E_FULL, PW_E_MEMORY */
enum pw_status pw_process_create(struct pw_computer *c, const char *name, struct pw_process **ret);
/* A copy of all of its memory, shared until written. */
enum pw_status pw_process_fork(struct pw_process *parent, struct pw_process **ret);
/* It ends and gives its memory back; the handle is no longer valid. */
void pw_process_exit(struct pw_process *p);

/* Where things are in a program that was loaded; 0: there is none. */
struct pw_program {
	uint64_t entry;          /* the first instruction: that of the interpreter, if the program names one */
	uint64_t stack;          /* the stack pointer: argc, argv, environment and auxiliary vector, as the System V ABI has them */
	uint64_t heap;           /* where the heap begins */
	uint64_t program_entry, program_base, interpreter_base; /* base: what addresses of the file were moved by */
};
/* execve without what would run: all that p has mapped is replaced by the ELF file at path, on the disk of the computer you are on, and the
 * interpreter it names: demand-paged mappings of their segments, a heap, a stack that grows, guards.  A name without a slash is looked for
 * in PATH.  Lists end with NULL; argv NULL: the path alone, envp NULL: nothing.  ret may be NULL.
 * => PW_E_INPUT: no such file, or no program for such a machine, damaged ones included; PW_E_INVALID, PW_E_MEMORY, PW_E_FULL: the arguments
 * or the program take more room than there is.  The old program goes on then, unless memory of the machine ended in the last moment:
 * *why says so, and every access is refused from then on */
enum pw_status pw_process_exec(struct pw_process *p, const char *path, const char *const *argv, const char *const *envp,
                               struct pw_program *ret, char **why);
/* brk: the heap of a loaded program ends at this address from now on.  => PW_E_INVALID: below its start, or no program was loaded;
 * PW_E_FULL */
enum pw_status pw_process_heap(struct pw_process *p, uint64_t end);
/* Where its accesses run; the default is CPU 0.  => PW_E_INVALID: the machine has no such CPU */
enum pw_status pw_process_move(struct pw_process *p, unsigned cpu);

#define PW_ANYWHERE UINT64_MAX

struct pw_mapping {
	bool shared;             /* stores are seen by all who map it, and by forked children; else they are the process's own */
	bool stack;              /* grows downward when touched just below */
	uint64_t file, offset;   /* bytes of a file of this computer; file 0: anonymous, begins as zeros */
	const char *name;        /* for reports; NULL: none */
};

/* Maps [address, address + bytes), replacing what was there; with PW_ANYWHERE the kernel chooses.  rights: PW_READ, WRITE, EXEC.
 * mapping NULL: private anonymous memory.  *ret, unless ret is NULL, is where.
 * => PW_E_INVALID: not aligned to pages, empty, outside the space, no such file; PW_E_FULL, PW_E_MEMORY; nothing has changed then */
enum pw_status pw_map(struct pw_process *p, uint64_t address, uint64_t bytes, unsigned rights, const struct pw_mapping *mapping,
                      uint64_t *ret);
enum pw_status pw_unmap(struct pw_process *p, uint64_t address, uint64_t bytes);
enum pw_status pw_protect(struct pw_process *p, uint64_t address, uint64_t bytes, unsigned rights);
/* advice: MADV_DONTNEED and others of madvise(2). */
enum pw_status pw_advise(struct pw_process *p, uint64_t address, uint64_t bytes, int advice);

struct pw_mapping_info {
	uint64_t start, bytes;
	unsigned rights;         /* PW_READ, WRITE, EXEC */
	const char *name;        /* as long as the computer lives */
	uint64_t resident_pages, faults;
};
/* Calls visit for every mapping, in order of address; it must not change them. */
void pw_mappings(struct pw_process *p, void (*visit)(void *ctx, const struct pw_mapping_info *m), void *ctx);

/* A file of these bytes, copied, on the computer's disk.  *ret is its number, from 1. */
enum pw_status pw_file_create(struct pw_computer *c, const void *bytes, uint64_t n, uint64_t *ret);

/* Moves bytes as the program would, through the MMU, page by page; faults are served.
 * => PW_E_REFUSED: not mapped, or not for this; PW_E_FULL: no memory to serve it; pw_step says more of why.  Bytes before
 *    the page that failed have been moved. */
enum pw_status pw_read(struct pw_process *p, uint64_t address, void *bytes, uint64_t n);
enum pw_status pw_write(struct pw_process *p, uint64_t address, const void *bytes, uint64_t n);
/* From one process to another, or within one; ranges may not overlap within one. */
enum pw_status pw_copy(struct pw_process *to, uint64_t to_address, struct pw_process *from, uint64_t from_address, uint64_t n);

/* The story of one access. */
struct pw_step {
	bool done;
	uint64_t physical;       /* done: where it went */
	const char *tlb;         /* done: the TLB that had the translation, NULL: it was walked for */
	uint64_t walk_reads;     /* page-table entries read, all tries together */
	unsigned faults;         /* page faults served or tried */
	const char *trap;        /* what the hardware said first; NULL: nothing */
	const char *cause;       /* what the last fault was, such as "copy_on_write"; NULL: none was served */
	bool major;              /* it waited for a store or pager */
	const char *why;         /* not done: the kernel's reason */
	unsigned evictions;      /* pages that had to leave for it */
};
/* One access to one address, without bytes: one step of the machine.  => as pw_read; *ret is always filled */
enum pw_status pw_step(struct pw_process *p, uint64_t address, enum pw_kind kind, struct pw_step *ret);

/* One figure by its name in the result object, such as "faults.total", "tlb.l2.misses", "memory.resident_pages".
 * => PW_E_INVALID: there is none of this name */
enum pw_status pw_figure(struct pw_computer *c, const char *name, double *ret);
/* All of them as a JSON object, to be released by pw_free().  => NULL: no memory */
char *pw_figures(struct pw_computer *c);

/* ---- 3. your parts ---- */

/* Who leaves memory next.  A slot is a place that holds a page, from 0 to n_slots - 1; a key names a page and outlives its stay. */
struct pw_policy {
	const char *name;
	void *ctx;               /* given to create */
	void *(*create)(void *ctx, uint32_t n_slots);           /* => NULL: no memory */
	void (*destroy)(void *self);
	void (*enter)(void *self, uint32_t slot, uint64_t key); /* a page has come */
	void (*leave)(void *self, uint32_t slot);               /* the owner freed it: not an eviction */
	void (*touch)(void *self, uint32_t slot);               /* used; told in order of last use before victim.  NULL: no matter */
	/* The slot to be emptied, which the policy forgets by saying it.  What is answered must be in; otherwise the kernel takes any page
	 * that is, and counts it: "policy.wrong_victims". */
	uint32_t (*victim)(void *self);
};

/* Where evicted pages go: slots of one page each.  Return 0, or an errno value: the page then stays in memory, or the access fails. */
struct pw_store {
	void *ctx;
	int (*read)(void *ctx, uint64_t slot, void *page, size_t bytes);
	int (*write)(void *ctx, uint64_t slot, const void *page, size_t bytes);
	void (*discard)(void *ctx, uint64_t slot);              /* not wanted any more; may be NULL */
	uint64_t n_slots;        /* its capacity; 0: without limit */
};

/* Where the pages of a mapped object come from, and go to when they were stored to: a file made on demand. */
struct pw_pager {
	void *ctx;
	int (*read)(void *ctx, uint64_t offset, void *bytes, size_t n);
	int (*write)(void *ctx, uint64_t offset, const void *bytes, size_t n); /* NULL: what was stored is dropped with the page */
};

enum pw_event_kind {
	PW_EVENT_FAULT,          /* a page fault was served: cause, major */
	PW_EVENT_REFUSED,        /* an access was refused: why */
	PW_EVENT_EVICTION        /* a page leaves its frame: dirty */
};
struct pw_event {
	enum pw_event_kind kind;
	struct pw_process *process; /* EVICTION: who had it mapped last, or NULL */
	uint64_t address;        /* EVICTION: of the page */
	uint64_t frame;          /* EVICTION */
	const char *cause, *why;
	bool major, dirty;
};

/* Zeros are ours. */
struct pw_parts {
	const struct pw_policy *policy;  /* instead of the option "policy"; must outlive the computer */
	const struct pw_store *swap;     /* instead of the option "swap"; likewise */
	void (*watch)(void *ctx, const struct pw_event *event); /* called as it happens */
	void *watch_ctx;
};

/* A file of this size whose bytes a pager provides; the pager must outlive the computer. */
enum pw_status pw_file_paged(struct pw_computer *c, const struct pw_pager *pager, uint64_t bytes, uint64_t *ret);

/* ---- 4. managed memory of your own process ----
 *
 * Memory that this program really uses, through pointers, with at most so much of it resident: faults are served by a kernel of this
 * library on a thread of its own, through userfaultfd(2), and what does not fit goes to a store.  All threads may use it, and system
 * calls too.  Stores and pagers are called on the region's thread: they must not touch the region, and not fail lightly: when a page
 * cannot be had the process is ended with a line on standard error, because there is nobody to tell. */

struct pw_region;

/* Where its pages are when they are not resident.  At most one of swap and store; zeros: "ram". */
struct pw_region_backing {
	const char *swap;              /* "ram", "lz4", "file:PATH", ... of pageworks-store(7) */
	const struct pw_store *store;  /* your own */
	const struct pw_pager *pager;  /* the region is a file of yours: contents come from read,
	        stores go to write.  NULL: zeros at first */
};

/* bytes of memory, of which at most ram_bytes are resident.  policy: "fifo", "clock" and others of pageworks-policies(1) that need no
 * more than what this computer's MMU tells; NULL: fifo.  backing may be NULL; what it points to must outlive the region.
 * => PW_E_INVALID, PW_E_MEMORY, PW_E_REFUSED (this computer has no userfaultfd for us) with *why; *ret is NULL then */
enum pw_status pw_region_create(uint64_t bytes, uint64_t ram_bytes, const char *policy, const struct pw_region_backing *backing,
                                struct pw_region **ret, char **why);
void pw_region_destroy(struct pw_region *r); /* the memory goes with it; NULL is allowed */
void *pw_region_memory(struct pw_region *r);
/* Changes how much may be resident, up to what it was created with.  => PW_E_INVALID */
enum pw_status pw_region_resize(struct pw_region *r, uint64_t ram_bytes);
/* "faults.total", "faults.minor", "faults.major", "reclaim.evicted", "swap.reads", "swap.writes", "memory.resident_pages",
 * "memory.ram_bytes".  => PW_E_INVALID: there is none of this name */
enum pw_status pw_region_figure(struct pw_region *r, const char *name, double *ret);

/* ---- 5. the MMU alone ----
 *
 * For a program that has page tables of its own: the emulator's guest writes them into memory, and asks where an address leads. */

struct pw_mmu;

enum pw_trap {
	PW_TRAP_NONE,
	PW_TRAP_NOT_PRESENT,
	PW_TRAP_WRITE,
	PW_TRAP_EXEC,
	PW_TRAP_READ,
	PW_TRAP_PRIVILEGE,
	PW_TRAP_RESERVED,
	PW_TRAP_NONCANONICAL,
	PW_TRAP_BADFRAME,
	PW_TRAP_ACCESSED,
	PW_TRAP_DIRTY,
	PW_TRAP_HOST        /* only of guests, which this library does not make yet */
};
const char *pw_trap_text(enum pw_trap trap); /* static */

/* Options: "format", "cpu", "tlb", "asids", "cpus", "page", "seed".  The memory is of this many bytes, zeroed, and costs what is touched.
 * => PW_E_INVALID and PW_E_MEMORY with *why; *ret is NULL then */
enum pw_status pw_mmu_create(const char *const *options, uint64_t memory_bytes, struct pw_mmu **ret, char **why);
void pw_mmu_destroy(struct pw_mmu *m);
/* Physical memory, from address 0: yours to read and write at any time.  Changed page tables are seen by walks at once, and by cached
 * translations after a flush, as on hardware. */
void *pw_mmu_memory(struct pw_mmu *m, uint64_t *bytes);
/* CR3, satp, TTBR: the physical address of the top-level table, and the tag of its translations.  => PW_E_INVALID: no such CPU */
enum pw_status pw_mmu_load_root(struct pw_mmu *m, unsigned cpu, uint64_t root, uint16_t asid);
void pw_mmu_set_user(struct pw_mmu *m, unsigned cpu, bool user); /* the privilege of accesses from now on; at first it is the user's */
/* One reference: looked up in the TLBs, walked for, accessed and dirty bits set, counted.  => *physical when PW_TRAP_NONE */
enum pw_trap pw_mmu_translate(struct pw_mmu *m, unsigned cpu, uint64_t address, enum pw_kind kind, uint64_t *physical);
void pw_mmu_flush(struct pw_mmu *m);                                          /* everything, on all CPUs */
void pw_mmu_flush_page(struct pw_mmu *m, uint16_t asid, uint64_t address);    /* invlpg, sfence.vma */
/* The translation told step by step, as pageworks-walk(1) does, without touching anything: to be released by pw_free().  => NULL: no
 * memory */
char *pw_mmu_explain(struct pw_mmu *m, unsigned cpu, uint64_t address, enum pw_kind kind);
/* "references.total", "walks.count", "walks.memory_references", "tlb.l1d.misses" and so on.  => PW_E_INVALID: there is none */
enum pw_status pw_mmu_figure(struct pw_mmu *m, const char *name, double *ret);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
