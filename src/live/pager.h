/* pager.h - memory of this process, paged by our own kernel: at most so many bytes of it are resident, the rest is in a store.
 *
 * A pager owns an arena, a large range of addresses.  What is mapped there behaves like the anonymous memory of mmap(2), also for
 * system calls and for every thread.  Faults are served by a thread of the pager; the calls below may come from any other thread, and
 * must not be made by code that runs while the pager serves (a store, a signal handler on its thread).
 *
 * Addresses and lengths are in bytes and multiples of PAGER_PAGE, as mmap and its kin have them. */
#pragma once
#include "../base/err.h"
#include "../kernel/kernel.h"
#include "../pmap/pmap_host.h"
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGER_PAGE      4096u
#define PAGER_PROTECT_SHARE(ram) ((ram) / 4 * 3)
#define PAGER_RAM_LEAST (16u * PAGER_PAGE)

#define PAGER_THREAD    "pageworks-pager" /* what its threads are called */

struct pager;

struct pager_config {
	uint64_t ram_bytes;           /* resident at most */
	uint64_t ram_most;            /* what that may be raised to, and no less */
	const struct policy_ops *policy;
	struct policy_params params;
	enum personality personality;
	uint32_t ahead;               /* pages read ahead at most; 0: none */
	/* Patterns of fnmatch(3), separated by commas: mappings of such names stay in memory once they have come, as long as they are
	 * at most PAGER_PROTECT_SHARE of ram_bytes together; one that would be too much is paged as any other.  NULL: none. */
	const char *protect;
	uint64_t seed;
	struct store *swap;           /* the caller's; outlives the pager */
	const struct kernel_files *files; /* where pages of pager_map_file come from; NULL: nothing of the kind is mapped */
	/* Another store of the same kind, for the child of a fork; NULL: the store's contents are memory of this process alone, which
	 * the host copies. */
	enum pw_err (*another)(void *ctx, struct store **ret, struct pw_why *why);
	/* The pager cannot go on: text says why.  It does not return.  NULL: the text goes to standard error, and the process is killed. */
	void (*stop)(void *ctx, const char *text);
	/* Called on the pager's thread before it serves anything, and by others before they enter the kernel: a mark for allocators. */
	void (*enter)(void *ctx);
	void (*leave)(void *ctx);
	void (*served)(void *ctx);    /* now and then, after faults were served.  => the lock is held */
	/* The processors that the program runs on: a thread of the pager serves on each.  turn counts the changes of that, a futex that is
	 * woken for each.  NULL: one thread serves, wherever the host lets it run. */
	void (*where)(void *ctx, cpu_set_t *ret);
	const uint32_t *turn;
	void *ctx;
};

/* => PW_UNSUPPORTED with why: this host does not let us; PW_NOMEM, PW_INVALID */
must_use enum pw_err pager_open(const struct pager_config *c, struct pager **ret, struct pw_why *why);
/* => nobody uses the arena any more: it is gone with all its contents */
void pager_close(struct pager *p);
static inline bool pager_range_has(const uint64_t range[2], uint64_t address) { return address - range[0] < range[1] - range[0]; }
/* [0] to [1]: the arena. */
const uint64_t *pager_range(const struct pager *p);

/* at: 0, or the very place, where whatever is mapped goes.  prot: PROT_* of mmap.  align: a power of two, 0: any.
 * => PW_NOSPACE, PW_NOMEM */
must_use enum pw_err pager_map(struct pager *p, uint64_t at, uint64_t bytes, uint64_t align, int prot, const char *name, uint64_t *ret);
/* A mapping of what config.files calls file_id, with so many bytes, shared: stores go back there.  => as pager_map */
must_use enum pw_err pager_map_file(struct pager *p, uint64_t file_id, uint64_t bytes, int prot, uint64_t *ret);
/* What lies there is called so from now on, if it can be. */
void pager_name(struct pager *p, uint64_t at, uint64_t bytes, const char *name);
must_use enum pw_err pager_unmap(struct pager *p, uint64_t at, uint64_t bytes);
must_use enum pw_err pager_protect(struct pager *p, uint64_t at, uint64_t bytes, int prot);
must_use enum pw_err pager_advise(struct pager *p, uint64_t at, uint64_t bytes, int advice); /* MADV_* */
/* As mremap that may move.  to: 0, or the very place. */
must_use enum pw_err pager_remap(struct pager *p, uint64_t at, uint64_t bytes, uint64_t to_bytes, uint64_t to, bool may_move,
                                 uint64_t *ret);

/* Around fork(2), as pthread_atfork has them: afterwards parent and child each have what there was. */
void pager_fork_prepare(struct pager *p);
void pager_fork_parent(struct pager *p);
void pager_fork_child(struct pager *p);

/* From now on at most so many bytes are resident; others may use the pager meanwhile, but not resize it.  => PW_INVALID: less than
 * PAGER_RAM_LEAST; PW_LIMIT: more than config.ram_most; PW_NOFRAMES: more of it cannot leave; then nothing has changed */
must_use enum pw_err pager_resize(struct pager *p, uint64_t ram_bytes);
struct pager_counts {
	struct kernel_counts kernel;
	struct pmap_host_counts host;
	uint64_t ram_bytes, ram_peak_bytes; /* in force now, and the most that ever was */
	uint64_t mapped_bytes, faults_ns;
	uint64_t faults_mixed;              /* of another thread than the one before */
	uint64_t protected_bytes;           /* now */
	uint64_t refused_bytes;             /* of mappings that were not protected because they would have been too much: sum over time */
};
void pager_counts(struct pager *p, struct pager_counts *ret);
/* The same for who is called by the pager (served). */
void pager_counts_locked(struct pager *p, struct pager_counts *ret);
/* Calls config.served now. */
void pager_tell(struct pager *p);
/* What the mappings have seen, those that are gone included. */
void pager_mappings(struct pager *p, void (*visit)(void *ctx, const struct mapping_info *m), void *ctx);
/* NULL, or the broken invariant. */
const char *pager_flaw(struct pager *p);
