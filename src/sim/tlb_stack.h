/* tlb_stack.h - misses of every TLB of one level with exact LRU, for one page size, from one pass over the page log. */
#pragma once
#include "tlb_walks.h"

/* entries / ways; ways == entries: fully associative. */
struct tlb_shape {
	uint32_t entries, ways;
};

struct tlb_stack_config {
	const struct tlb_pages *pages;
	unsigned size;                 /* index of the page size in pages */
	unsigned leaf;                 /* level of the tables where it is found */
	const struct cpu_model *cpu;   /* its walk caches */
	const struct tlb_shape *shape; /* each entries a multiple of ways; copied */
	unsigned n_shapes;             /* at most TLB_SHAPES */
};

struct tlb_stack;
must_use enum pw_err tlb_stack_create(const struct tlb_stack_config *c, struct tlb_stack **ret);
void tlb_stack_destroy(struct tlb_stack *s);
void tlb_stack_eat(struct tlb_stack *s, const struct tlb_batch *batch);
/* PW_NOMEM: the figures are worth nothing. */
enum pw_err tlb_stack_error(const struct tlb_stack *s);

/* Misses that no size avoids: of pages never translated before, and of pages whose translation had been taken away. */
struct tlb_stack_counts {
	uint64_t cold, flushed;
	uint64_t pages;                /* different ones, since the beginning */
};
struct tlb_stack_counts tlb_stack_counts(const struct tlb_stack *s);
/* => sets is one of those the shapes have (1: fully associative), ways is at most what the largest shape of so many sets has. */
uint64_t tlb_stack_misses(const struct tlb_stack *s, uint32_t sets, uint32_t ways);
/* All of them at once: ret[w - 1] for w from 1 to ways. */
void tlb_stack_all_misses(const struct tlb_stack *s, uint32_t sets, uint32_t ways, uint64_t *ret);
/* What is known: goes through the numbers of sets; ways: up to which misses are known.  => false past the end */
bool tlb_stack_sets(const struct tlb_stack *s, unsigned i, uint32_t *ret_sets, uint32_t *ret_ways);
/* Entries of each table level read by the walks of a shape.  => their sum */
uint64_t tlb_stack_reads(const struct tlb_stack *s, unsigned shape, uint64_t by_level[PTFMT_LEVELS]);
