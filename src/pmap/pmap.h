/* pmap.h - the machine's view of an address space, as a cache of it.
 *
 * Everything a pmap holds may be forgotten at any time and rebuilt by faults, except wired mappings.  "Modified" is never lost;
 * "referenced" may be a guess.  Changes may be lazy until pmap_update().  Three implementations keep this contract:
 *
 *   pmap_machine   the simulated machine: real page tables in simulated frames
 *   pmap_host      the host's own MMU through userfaultfd
 *   pmap_model     an array: the specification both are tested against
 *
 * The kernel half calls only what is declared here.  pmap(7) is the manual. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include "../machine/access.h"
#include <stdbool.h>
#include <stdint.h>

struct pmap;     /* one address space */
struct pmap_sys; /* all of them on one machine, and what is known per frame */

enum { PMAP_READ = 1, PMAP_WRITE = 2, PMAP_EXEC = 4, PMAP_USER = 8 };
enum { PMAP_REFERENCED = 1, PMAP_MODIFIED = 2 };

struct pmap_mapping {
	vpn_t vpn;              /* in base pages; aligned to the size of the level */
	pfn_t pfn;              /* first frame, aligned likewise */
	unsigned level;         /* 0: a base page; n: a leaf at level n of the format */
	unsigned prot;          /* PMAP_* */
	enum access_kind cause; /* the access that is about to be made: seeds referenced, and modified for a store */
	bool wired;             /* must not be forgotten */
	bool global;            /* the same in every address space */
	bool unmanaged;         /* nobody will ask who maps this frame, as for the page of zeros: page_protect and page_test pass
	                         * over the mapping.  => all mappings of a frame are so, or none */
};

/* Frames for page tables, supplied by whoever owns physical memory: n contiguous ones (1 but for the root of a flat table),
 * zeroed.  table_alloc answers PW_NOFRAMES rather than make room: it never calls back into a pmap.  Whoever called create or enter
 * makes room and calls again. */
struct pmap_env {
	void *ctx;
	enum pw_err (*table_alloc)(void *ctx, struct pmap *owner, uint64_t n, pfn_t *ret);
	void (*table_free)(void *ctx, struct pmap *owner, pfn_t first, uint64_t n);
};

struct pmap_ops {
	const char *name;
	enum pw_err (*create)(struct pmap_sys *sys, struct pmap **ret); /* PW_NOFRAMES, PW_NOMEM */
	void (*unref)(struct pmap *p);                                  /* => active on no CPU; all mappings go, tables are freed */
	/* => replaces what was mapped there.  PW_NOFRAMES when no table frame could be had: nothing changed. */
	enum pw_err (*enter)(struct pmap *p, const struct pmap_mapping *m);
	void (*remove)(struct pmap *p, struct vpn_range r);             /* what the frames were used for is kept: see test_clear */
	void (*protect)(struct pmap *p, struct vpn_range r, unsigned prot); /* only ever takes rights away */
	bool (*extract)(struct pmap *p, vpn_t n, struct pmap_mapping *ret); /* false: not mapped (or forgotten) */
	void (*update)(struct pmap *p);                                 /* on return no CPU uses stale translations */
	void (*activate)(struct pmap *p, unsigned cpu);
	/* Every mapping of the frame; 0: unmap all.  => on return no CPU uses stale translations of it, without update. */
	void (*page_protect)(struct pmap_sys *sys, pfn_t f, unsigned prot);
	/* Were the bits in mask set for this frame, by any mapping, since last cleared?  Clears them.  Modified survives remove. */
	unsigned (*page_test_clear)(struct pmap_sys *sys, pfn_t f, unsigned mask);
	unsigned (*page_test)(struct pmap_sys *sys, pfn_t f, unsigned mask);
	void (*forget)(struct pmap *p);                                 /* advice: drop what is not wired */
	uint64_t (*table_bytes)(const struct pmap *p);                  /* page tables held now */
	uint64_t (*resident_pages)(const struct pmap *p);               /* base pages mapped now */
	const char *(*flaw)(const struct pmap *p);                      /* NULL or the broken invariant */
	void (*destroy)(struct pmap_sys *sys);                          /* => no pmap is left */
	/* For an implementation that moves the bytes of frames about, else NULL: they are where physical memory has them.  Where the
	 * frame's bytes are now, to be read, or to be written if it is mapped nowhere; until the next call on sys. */
	void *(*page_bytes)(struct pmap_sys *sys, pfn_t f);
	void (*page_freed)(struct pmap_sys *sys, pfn_t f);              /* they are no longer wanted.  => it is mapped nowhere */
	/* For an implementation that maps many pages for less than each by itself, else NULL: see pmap_enter_run. */
	enum pw_err (*enter_run)(struct pmap *p, const struct pmap_mapping *m, uint32_t n, const pfn_t frames[], uint32_t *ret_n);
};

/* Every implementation's structs begin with these. */
struct pmap_sys {
	const struct pmap_ops *ops;
	struct pmap_env env;    /* the kernel fills it before the first create */
	unsigned page_shift;
};
struct pmap {
	struct pmap_sys *sys;
	void *owner;            /* the kernel's: whose space it is */
};

static inline enum pw_err pmap_create(struct pmap_sys *s, struct pmap **ret) { return s->ops->create(s, ret); }
static inline void pmap_unref(struct pmap *p) { p->sys->ops->unref(p); }
must_use static inline enum pw_err pmap_enter(struct pmap *p, const struct pmap_mapping *m) { return p->sys->ops->enter(p, m); }
/* n pages in a row, m the first of them, each to its own of frames (m->pfn is not looked at), as so many calls of enter would do:
 * *ret_n is how many were entered, the error that of the next.  => m->level is 0 */
must_use static inline enum pw_err pmap_enter_run(struct pmap *p, const struct pmap_mapping *m, uint32_t n, const pfn_t frames[],
                                                  uint32_t *ret_n)
{
	struct pmap_mapping one = *m;
	enum pw_err err = PW_OK;
	if (p->sys->ops->enter_run)
		return p->sys->ops->enter_run(p, m, n, frames, ret_n);
	for (*ret_n = 0; !err && *ret_n < n; *ret_n += !err) {
		one.vpn.v = m->vpn.v + *ret_n;
		one.pfn = frames[*ret_n];
		err = pmap_enter(p, &one);
	}
	return err;
}
static inline void pmap_remove(struct pmap *p, struct vpn_range r) { p->sys->ops->remove(p, r); }
static inline void pmap_protect(struct pmap *p, struct vpn_range r, unsigned prot) { p->sys->ops->protect(p, r, prot); }
static inline bool pmap_extract(struct pmap *p, vpn_t n, struct pmap_mapping *ret) { return p->sys->ops->extract(p, n, ret); }
static inline void pmap_update(struct pmap *p) { p->sys->ops->update(p); }
static inline void pmap_activate(struct pmap *p, unsigned cpu) { p->sys->ops->activate(p, cpu); }
static inline void pmap_page_protect(struct pmap_sys *s, pfn_t f, unsigned prot) { s->ops->page_protect(s, f, prot); }
static inline unsigned pmap_page_test_clear(struct pmap_sys *s, pfn_t f, unsigned mask) { return s->ops->page_test_clear(s, f, mask); }
static inline unsigned pmap_page_test(struct pmap_sys *s, pfn_t f, unsigned mask) { return s->ops->page_test(s, f, mask); }
static inline void pmap_forget(struct pmap *p) { p->sys->ops->forget(p); }
static inline uint64_t pmap_table_bytes(const struct pmap *p) { return p->sys->ops->table_bytes(p); }
static inline uint64_t pmap_resident_pages(const struct pmap *p) { return p->sys->ops->resident_pages(p); }
static inline const char *pmap_flaw(const struct pmap *p) { return p->sys->ops->flaw(p); }
static inline void pmap_page_freed(struct pmap_sys *s, pfn_t f)
{
	if (s->ops->page_freed)
		s->ops->page_freed(s, f);
}
static inline void pmap_sys_destroy(struct pmap_sys *s) { s->ops->destroy(s); }

/* The array: frames numbered below n_frames; page tables are pretended, one table frame for each 512 pages touched. */
must_use enum pw_err pmap_model_create(uint64_t n_frames, unsigned page_shift, struct pmap_sys **ret);

/* What a program does, as the model sees it: an access by the CPU's active space.  => true when it was allowed (bits are set),
 * false when it faults.  Only for pmap_model: the simulated machine has machine_run. */
bool pmap_model_access(struct pmap_sys *sys, unsigned cpu, vpn_t n, enum access_kind kind, pfn_t *ret);

/* The frames accessed since the last call, each once, ordered by last access, as machine_touched() gives them: until it gives 0.
 * => *ret is valid until the next call on sys. */
uint64_t pmap_model_touched(struct pmap_sys *sys, const pfn_t **ret);

struct machine;
/* Over a simulated machine, which must outlive it. */
must_use enum pw_err pmap_machine_create(struct machine *m, struct pmap_sys **ret);
/* The root and ASID of a space, as the machine's registers hold them. */
pfn_t pmap_machine_root(const struct pmap *p);
pfn_t pmap_machine_upper_root(const struct pmap *p); /* of the upper half, where it has one of its own; else PFN_NONE */
uint16_t pmap_machine_asid(const struct pmap *p);
