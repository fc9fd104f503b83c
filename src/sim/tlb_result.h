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

/* One hierarchy of TLBs with the page of the format. */
struct tlb_cpu {
	char name[16];             /* of the preset, or "--tlb" */
	struct result_tlb tlb[TLB_ARRAYS];
	unsigned n_tlbs;
	uint64_t walks, reads, by_level[PTFMT_LEVELS];
	uint64_t lower_hits;       /* found in a level below the first */
	uint64_t cycles;           /* modelled, of translation: lower hits, table entries read, dirty bits set */
};
enum { TLB_CPUS = 24 };

#define TLB_VERDICT_LIST(X) \
	X(pays, "pays", "saves at least 1 % of modelled cycles even if walks are cheap") \
	X(pays_dearly, "pays, dearly", "likewise, but adds more than half to the memory that is touched") \
	X(may_pay, "may pay", "saves 1 % if walks are dear") \
	X(no, "does not pay", "saves less than 1 % even if walks are dear") \
	X(none, "has no room", "no aligned large page lies wholly inside it")
enum tlb_verdict {
#define X(name, word, text) TLB_VERDICT_##name,
	TLB_VERDICT_LIST(X)
#undef X
	TLB_VERDICTS
};

/* What large pages would do for the mappings of one name in one process. */
struct tlb_row {
	uint32_t pid;
	char *name;
	uint64_t touched_pages;    /* base pages */
	uint64_t large_pages;      /* that would be used */
	uint64_t bloat_bytes;      /* base pages in those that are never touched */
	uint64_t walks, large_walks; /* with base pages alone; with large pages wherever they fit, in all mappings */
	int64_t saved_low, saved, saved_high; /* modelled cycles of walking, at three costs of reading a table entry */
	enum tlb_verdict verdict;
};

struct tlb_ledger {
	bool present;              /* the format has large pages, and the trace has references */
	uint64_t large_bytes;
	unsigned cpu;              /* index in cpus: whose TLBs these are */
	struct tlb_cpu large;      /* the same CPU with large pages */
	uint64_t read_low, read, read_high; /* cycles to read a table entry: from the first-level cache, as --cost says, from the last */
	uint64_t total_low, total_cycles, total_high; /* references and translation with base pages: what is saved is a share of that */
	int64_t saved_lower;       /* modelled cycles of looking into lower TLB levels; part of the total's middle and high, not of rows */
	struct tlb_row total, *row;
	unsigned n_rows;
	bool rows_full;            /* more mappings than rows: the last row is of all others */
};

struct tlb_result {
	struct result head;        /* command, seed, machine, input, references, program, checks; the rest is not filled */
	struct tlb_size size[TLB_SIZES];
	unsigned n_sizes;
	struct tlb_cpu cpu[TLB_CPUS];
	unsigned n_cpus;
	struct tlb_ledger ledger;
};

void tlb_result_fini(struct tlb_result *r);
/* all: every number of ways of every number of sets, too.  => PW_IO when it could not be written. */
must_use enum pw_err tlb_result_write_json(const struct tlb_result *r, bool all, FILE *out);
must_use enum pw_err tlb_result_write_csv(const struct tlb_result *r, bool all, FILE *out);
