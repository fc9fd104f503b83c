/* tlb_result.h - what `pageworks tlb` found out, as one object that every view renders. */
#pragma once
#include "result.h"
#include "tlb_stack.h"

/* misses = cold + flushed + capacity + conflict.  Every miss is a walk: these are TLBs of one level. */
struct tlb_point {
	struct tlb_shape shape;
	uint64_t misses;
	uint64_t capacity;         /* that full associativity of the same entries would not avoid */
	int64_t conflict;          /* the others; below zero where LRU over all entries is worse than LRU in sets */
	uint64_t reads;            /* table entries that the walks read */
	uint64_t by_level[PTFMT_LEVELS];
};

/* Misses of all ways of one number of sets: miss[w - 1] for w ways. */
struct tlb_line {
	uint32_t sets, ways;
	uint64_t *miss;
};

struct tlb_size {
	uint64_t page_bytes;
	unsigned leaf;             /* level of the tables at which such a page is found */
	uint64_t pages;            /* different ones referenced */
	uint64_t cold, flushed;    /* misses that no TLB avoids */
	struct tlb_point *point;   /* in the order of shapes asked for */
	unsigned n_points;
	struct tlb_line *line;
	unsigned n_lines;
};

struct tlb_result {
	struct result head;        /* command, seed, machine, input, references, program, checks; the rest is not filled */
	struct tlb_size size[TLB_SIZES];
	unsigned n_sizes;
};

void tlb_result_fini(struct tlb_result *r);
/* all: every number of ways of every number of sets, too.  => PW_IO when it could not be written. */
must_use enum pw_err tlb_result_write_json(const struct tlb_result *r, bool all, FILE *out);
must_use enum pw_err tlb_result_write_csv(const struct tlb_result *r, bool all, FILE *out);
