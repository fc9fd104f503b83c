/* tlb_walks.h - the walks of many TLBs at once, each with page-walk caches of its own.
 *
 * What a walk reads depends on what walks before it left in the walk caches, and which walks there are depends on the TLB.  So each
 * shape has its own caches, kept as mmu.c keeps them: fully associative, lru, the lowest level that knows the address wins. */
#pragma once
#include "../machine/cpu.h"
#include "tlb_pages.h"

enum { TLB_SHAPES = 256 };              /* shapes at once */
struct tlb_shape_set {
	uint64_t bits[TLB_SHAPES / 64];
};

struct tlb_walks;

/* leaf: the level of the tables at which pages of this size are found.  => *ret is NULL when nothing is to be modelled: no level
 * above the leaf has a walk cache. */
must_use enum pw_err tlb_walks_create(const struct tlb_pages *pages, const struct cpu_model *cpu, unsigned leaf, unsigned n_shapes,
				      struct tlb_walks **ret);
void tlb_walks_destroy(struct tlb_walks *w);
/* The shapes in the set walk for this base page. */
void tlb_walks_walk(struct tlb_walks *w, const struct tlb_shape_set *who, uint32_t page);
/* The shapes not in the set look for this base page in their walk caches and do no more: a walk that ends in a fault, or one that only
 * marks a page dirty. */
void tlb_walks_touch(struct tlb_walks *w, const struct tlb_shape_set *who_not, uint32_t page);
/* Entries of a space (NULL: of all) are lost. */
void tlb_walks_flush(struct tlb_walks *w, const uint32_t *space);
void tlb_walks_reset(struct tlb_walks *w);
/* How many walks of a shape began at a level of the tables above the lowest possible; those that began there are the others. */
uint64_t tlb_walks_from(const struct tlb_walks *w, unsigned shape, unsigned level);
/* The level at which a walk begins when the walk cache nearest to the leaf knows the address. */
unsigned tlb_walks_lowest(const struct tlb_walks *w);
/* PW_NOMEM: the figures are worth nothing. */
enum pw_err tlb_walks_error(const struct tlb_walks *w);
