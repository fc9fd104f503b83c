/* map.h - an address space: entries, each a window on an object or on nothing, and one private layer above them all.
 *
 *        entries        [text]  [data]     [heap]       [shared]     [stack]       what may be touched, and how
 *        private layer    .     a..a       aaaaa           .           aa          anonymous pages of this space alone
 *        objects        file    file         -          object          -          pages others see as well
 *
 * A page of the private layer hides the object's page below it.  Pages are counted in vpn. */
#pragma once
#include "../base/addr.h"
#include "../base/itree.h"
#include "../base/list.h"
#include "kernel.h"
#include "object.h"
#include "pages.h"

struct entry {
	struct itree_node node;  /* [start, end) in pages */
	unsigned prot;           /* PMAP_READ | WRITE | EXEC */
	bool shared, stack, heap, on_disk;
	bool anonymous;
	bool has_private;        /* its private layer was ever written: Linux copies its translations at fork */
	bool fork_skips, fork_wipes;
	bool reads_random, reads_ahead; /* MADV_RANDOM, MADV_SEQUENTIAL */
	bool huge_asked, huge_refused; /* MADV_HUGEPAGE, MADV_NOHUGEPAGE */
	bool huge_only;          /* MAP_HUGETLB */
	bool locked;             /* mlock */
	bool guarded;            /* some of its pages may be ANON_GUARD */
	struct object *object;   /* one reference; NULL: private anonymous memory */
	uint64_t first_index;    /* of the object's page at start */
	const char *name;        /* lives as long as the kernel */
	struct fault_counts faults;
	uint64_t walks;
	uint64_t swap_last, swap_window, swap_hits; /* page asked of swap last, readahead then, hits since */
};

/* Mappings that are gone, by name. */
struct gone {
	struct gone *next;
	const char *name;
	uint64_t bytes, walks;
	struct fault_counts faults;
	unsigned prot;
};

struct map {
	struct itree tree;
	struct pages layer;      /* vpn -> anonymous page: ANON_* */
	struct entry *recent;    /* found last */
	uint64_t mapped_pages;
	struct gone *gone;
	struct gone gone_others; /* when no memory was left to name them */
};

void map_init(struct map *m);
/* => empty */
void map_fini(struct map *m);
static inline struct entry *entry_of(struct itree_node *n) { return n ? container_of(n, struct entry, node) : NULL; }
struct entry *map_find(struct map *m, uint64_t page);
static inline struct entry *map_after(struct map *m, uint64_t page) { return entry_of(itree_at_or_after(&m->tree, page)); }
static inline struct entry *entry_next(struct entry *e) { return entry_of(itree_next(&e->node)); }
static inline uint64_t entry_index(const struct entry *e, uint64_t page) { return e->first_index + page - e->node.start; }
static inline uint64_t entry_pages(const struct entry *e) { return e->node.end - e->node.start; }

/* An entry in no map yet, as the one given: which keeps its reference to the object until the new one is linked.  => PW_NOMEM */
must_use enum pw_err map_entry_create(const struct entry *like, struct entry **ret);
/* => its range is free */
void map_link(struct map *m, struct entry *e);
void map_unlink(struct map *m, struct entry *e);
bool map_is_free(const struct map *m, uint64_t start, uint64_t end);
/* Cuts entries so that none crosses a bound of [start, end).  => PW_NOMEM: some may be cut, which changes nothing */
must_use enum pw_err map_clip(struct map *m, uint64_t start, uint64_t end);
/* Joins entries around [start, end) that continue each other. */
void map_join(struct map *m, struct kernel *k, uint64_t start, uint64_t end);
/* Moves the bounds.  => as itree_resize; the private layer outside is empty */
void map_resize(struct map *m, struct entry *e, uint64_t start, uint64_t end);
/* The entry goes, its counts are kept by name; pages are the caller's. */
void map_erase(struct map *m, struct kernel *k, struct entry *e);
/* A hole of that many pages below hi, the highest one.  => false: there is none */
bool map_hole(const struct map *m, uint64_t lo, uint64_t hi, uint64_t n_pages, uint64_t *ret);
const char *map_flaw(const struct map *m);
