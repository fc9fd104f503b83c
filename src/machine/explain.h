/* explain.h - a translation taken apart, and whole address spaces listed, from page tables in any memory.
 *
 * The memory is whatever can be read a word at a time: the machine's own, an image in a file, another computer's dump.  Nothing is
 * written, nothing is trusted: entries may point anywhere. */
#pragma once
#include "../base/json.h"
#include "machine.h"
#include <stdio.h>

/* Physical memory to read from. */
struct memory_view {
	/* A little-endian word of 4 or 8 bytes.  => false: the memory has no such place */
	bool (*read)(void *ctx, paddr_t at, unsigned bytes, uint64_t *ret);
	void *ctx;
};
/* The machine's own.  => lives as long as p */
struct memory_view memory_view_of(const struct physmem *p);

struct explain_step {
	unsigned level;
	paddr_t table, entry_at;
	uint64_t index;
	bool present;            /* the entry could be read */
	pte_t entry;
	unsigned rights;         /* PT_*: what the entry grants by itself */
	bool leaf;
};

struct explain {
	const struct ptfmt *format;
	paddr_t root;
	vaddr_t va;
	enum access_kind kind;
	bool user;
	struct explain_step step[PTFMT_LEVELS];
	unsigned n_steps;
	enum machine_fault fault; /* the first reason why not; ACCESSED and DIRTY are no reason here */
	bool mapped;             /* there is a leaf, whether it may be used so or not: */
	paddr_t pa;
	unsigned rights;         /* all entries together */
};

struct explain_want {
	vaddr_t va;
	enum access_kind kind;
	bool user;
};

/* Walks as the machine would.  => what it says is what machine_run() would do, but for accessed and dirty bits left to software */
void explain_walk(const struct ptfmt *f, const struct memory_view *m, paddr_t root, const struct explain_want *w, struct explain *ret);
/* The address drawn bit by bit, each entry decoded, the first reason it fails and what would make it work. */
void explain_print(const struct explain *e, FILE *out);
/* The same as an object. */
void explain_json(const struct explain *e, const char *key, struct jsonw *j);
/* "rwxug", a dash for what is not granted, s for supervisor.  => buf */
const char *explain_rights(unsigned rights, char buf[6]);
/* The names of the flags set in an entry: "valid write user accessed".  => buf */
const char *explain_flags(const struct ptfmt *f, pte_t e, char *buf, size_t size);

/* ---- whole address spaces ---- */

struct explain_leaf {
	vaddr_t va;
	uint64_t bytes;
	paddr_t pa;
	unsigned level, rights;  /* rights: all entries together */
	pte_t entry;
	paddr_t entry_at;
};

#define EXPLAIN_TROUBLE_LIST(X) \
	X(OUTSIDE, "points outside the memory") \
	X(RESERVED, "has reserved bits set, or an illegal combination") \
	X(LOOP, "points back to a table above it")
enum explain_trouble {
#define X(name, text) EXPLAIN_##name,
	EXPLAIN_TROUBLE_LIST(X)
#undef X
	EXPLAIN_TROUBLES
};
const char *explain_trouble_text(enum explain_trouble t);

struct explain_visitor {
	/* => false: enough */
	bool (*leaf)(void *ctx, const struct explain_leaf *leaf);
	/* An entry of the table of this level that cannot be followed. */
	bool (*trouble)(void *ctx, enum explain_trouble t, vaddr_t va, unsigned level, paddr_t entry_at, pte_t entry);
	void *ctx;
};

/* Leaves under tables that contain themselves end after so many: what such a loop maps is listed, what it would go on to is not. */
enum { EXPLAIN_LOOP_LEAVES = 1 << 18 };

/* Every leaf, by rising address (unsigned: the upper half last), and everything damaged on the way.  => false: the visitor had enough */
bool explain_space(const struct ptfmt *f, const struct memory_view *m, paddr_t root, const struct explain_visitor *v);
