/* pmap_machine_space.h - what the files of pmap_machine share: spaces, the reverse map, entries in memory.  Private to them. */
#pragma once
#include "../machine/walk.h"
#include "pmap.h"

#define CPUS_MAX 64

struct space {
	struct pmap base;
	pfn_t root[2];          /* [1]: of the upper half, where that has one of its own; none until something is mapped there */
	uint64_t n_tables;      /* frames, the root's included */
	uint64_t resident;      /* base pages mapped */
	uint64_t generation;
	uint64_t cpus;          /* bit n: the TLBs of CPU n may hold translations of this space */
	uint32_t id;
	uint16_t asid;
};

/* Who maps a frame, in a word, for nearly always that is one mapping at a modest address in one of the first spaces:
 *
 *   63                          20 19     9 8   6 5  4 3          0
 *  +------------------------------+--------+-----+----+------------+
 *  | vpn, sign-extended           | space  |level|kind| bits       |   kind ONE
 *  +---------------+--------------+--------+-----+----+------------+
 *  | first in pool |                             |kind| bits       |   kind MANY
 *  +---------------+-----------------------------+----+------------+
 *
 * bits: referenced and modified of mappings that are gone.  Of a frame that holds a table the word is the number of its entries
 * in use. */
struct frame_map {
	uint64_t word;
};
enum frame_map_kind { FRAME_MAP_NONE, FRAME_MAP_ONE, FRAME_MAP_MANY, FRAME_MAP_UNMANAGED };
#define FRAME_MAP_BITS 15u

/* One mapping of many. */
struct mapper {
	vpn_t vpn;
	uint32_t space;  /* id */
	uint32_t level : 4, next : 28; /* index into the pool; 0: none */
};

struct machine_sys {
	struct pmap_sys base;
	struct machine *m;
	const struct ptfmt *f;
	walk_fn walk;           /* for it */
	struct physmem *mem;
	struct frame_map *frame;
	struct space **space;   /* by id */
	uint32_t n_spaces, spaces_cap;
	struct mapper *pool;
	uint32_t pool_n, pool_cap, pool_free;
	struct space *active[CPUS_MAX];
	uint64_t generation;
	uint32_t next_asid, n_asids;
	bool tagged;            /* there are ASIDs at all */
	struct htab *htab;      /* pmap_machine_hashed.c: the table of all spaces, for formats that hash */
};

static inline struct machine_sys *sys_of(struct pmap_sys *s) { return (struct machine_sys *)s; }
static inline struct space *space_of(struct pmap *p) { return (struct space *)p; }
static inline struct machine_sys *space_sys(const struct space *s) { return (struct machine_sys *)s->base.sys; }

static inline vaddr_t page_va(const struct machine_sys *s, vpn_t n) { return vpn_addr(n, s->f->page_shift); }

/* ---- entries in memory ---- */

static inline paddr_t entry_at(const struct machine_sys *s, pfn_t table, unsigned level, vaddr_t va)
{
	return paddr_add(pfn_addr(table, s->f->page_shift), ptfmt_index(s->f, va, level) * s->f->entry_bytes);
}

static inline pte_t entry_load(const struct machine_sys *s, paddr_t at)
{
	return ptfmt_load(s->f, s->mem, at);
}

static inline void entry_store(const struct machine_sys *s, paddr_t at, pte_t e)
{
	ptfmt_store(s->f, s->mem, at, e);
}

static inline unsigned rights_of_prot(const struct pmap_mapping *m)
{
	unsigned r = m->global ? PT_GLOBAL : 0;
	r |= m->prot & PMAP_READ ? PT_READ : 0;
	r |= m->prot & PMAP_WRITE ? PT_WRITE | PT_READ : 0; /* no format has pages that can only be written */
	r |= m->prot & PMAP_EXEC ? PT_EXEC : 0;
	r |= m->prot & PMAP_USER ? PT_USER : 0;
	return r;
}

static inline unsigned prot_of_rights(unsigned r)
{
	return (r & PT_READ ? PMAP_READ : 0) | (r & PT_WRITE ? PMAP_WRITE : 0) | (r & PT_EXEC ? PMAP_EXEC : 0) |
	       (r & PT_USER ? PMAP_USER : 0);
}

/* What a format cannot withhold (execution on 32-bit x86) is not told as granted. */
static inline unsigned rights_granted_always(const struct ptfmt *f)
{
	return f->exec || f->noexec ? 0 : PMAP_EXEC;
}

static inline unsigned entry_bits(const struct machine_sys *s, pte_t e)
{
	return (ptfmt_accessed(s->f, e) ? PMAP_REFERENCED : 0) | (ptfmt_dirty(s->f, e) ? PMAP_MODIFIED : 0);
}

/* The root above a page; none: nothing was ever mapped in its half. */
static inline pfn_t space_root(const struct space *p, vpn_t n)
{
	const struct machine_sys *s = space_sys(p);
	return p->root[ptfmt_upper(s->f, page_va(s, n))];
}

/* Frames of the root table: one, but for a flat table. */
static inline uint64_t root_frames(const struct machine_sys *s)
{
	uint64_t bytes = (1ull << s->f->index_bits[s->f->levels - 1]) * s->f->entry_bytes;
	uint64_t page = 1ull << s->f->page_shift;
	return (bytes + page - 1) / page;
}

/* The reverse map.  => add: false when there is no memory, and nothing changed. */
bool mapper_add(struct machine_sys *s, const struct pmap_mapping *m, const struct space *p);
void mapper_drop(struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level);
bool mapper_known(const struct machine_sys *s, pfn_t f, const struct space *p, vpn_t n, unsigned level);
/* Calls for each mapping of a frame; visit may remove the one it is given. */
void mapper_each(struct machine_sys *s, pfn_t f, void (*visit)(struct space *, struct vpn_range, void *), void *ctx);

/* A leaf goes: its bits are kept with the frame, its mapping leaves the reverse map.  => the caller flushes and counts */
void space_leaf_clear(struct machine_sys *s, struct space *p, paddr_t at, pte_t e, vpn_t n, unsigned level);
/* A leaf with fewer rights; what it can no longer say is kept with the frame. */
pte_t space_leaf_reduced(struct machine_sys *s, pte_t e, unsigned level, unsigned keep);
void space_flush(struct space *p, struct vpn_range r);

/* What a change of a range does to each leaf in it. */
struct sweep {
	struct machine_sys *s;
	struct space *p;
	struct vpn_range r;
	bool remove;
	bool changed;    /* some leaf was: TLBs must hear of it */
	unsigned rights; /* not remove: what stays allowed */
};

/* pmap_machine_hashed.c: the parts of the contract that differ where all spaces share one hashed table. */
must_use enum pw_err hashed_attach(struct machine_sys *s, struct space *p); /* the first space brings the table */
void hashed_detach(struct machine_sys *s, struct space *p);                 /* => it maps nothing any more */
must_use enum pw_err hashed_enter(struct machine_sys *s, struct space *p, const struct pmap_mapping *m);
void hashed_sweep(struct sweep *w);
uint64_t hashed_table_share(const struct machine_sys *s, const struct space *p);
const char *hashed_flaw(struct machine_sys *s, const struct space *p);

/* NULL or the broken invariant. */
const char *machine_space_flaw(const struct pmap *p);
