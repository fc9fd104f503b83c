/* segmem.h - memory given out in whole segments: pure segmentation, with its tables, its bytes and what it costs.
 *
 * An address is a segment's number and an offset.  The table of whoever runs (the owner) says for each number where the segment
 * begins (base), how long it is (limit), and who may do what with it; base + offset is the physical address.  A segment lies in one
 * piece, so there must be a hole for it: where none is large enough, memory is compacted or whole segments are swapped out, as far
 * as the configuration allows.
 *
 * Segments carry bytes: those of a new one and of a grown one's new part are zero.  Units are bytes and, for time, accesses. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include "../machine/access.h"
#include "placement.h"

struct segmem;

enum { SEGMEM_READ = 1, SEGMEM_WRITE = 2, SEGMEM_EXEC = 4 };
enum { SEGMEM_RINGS = 4 };   /* 0 is the kernel's, 3 the programs' */
#define SEGMEM_MOST (1ull << 30) /* bytes of memory */

/* name, word, who leaves */
#define SEGMEM_VICTIM_LIST(X) \
	X(NONE, "none", "nobody: what does not fit is refused") \
	X(LRU, "lru", "the segment that was not used for longest") \
	X(FIFO, "fifo", "the segment that came in first") \
	X(LARGEST, "largest", "the largest segment, of equal ones the one not used for longest")

enum segmem_victim {
#define X(name, word, text) SEGMEM_VICTIM_##name,
	SEGMEM_VICTIM_LIST(X)
#undef X
	SEGMEM_VICTIMS
};
const char *segmem_victim_word(enum segmem_victim v);

struct segmem_config {
	uint64_t bytes;          /* 1 to SEGMEM_MOST */
	enum placement_fit fit;
	bool compacts;           /* when there is enough free memory for a segment, but no hole */
	enum segmem_victim victim;
};

/* One line of an owner's table. */
struct segmem_entry {
	uint32_t owner, number;
	unsigned rights;         /* SEGMEM_* */
	unsigned ring;           /* the least privileged that may use it */
	uint64_t limit;
	bool present;            /* otherwise it is swapped out, and base means nothing */
	paddr_t base;
	unsigned sharers;        /* tables it is in */
	bool dirty;              /* written to since it was last in swap */
};

/* => PW_INVALID, PW_NOMEM with why; *ret is NULL then */
must_use enum pw_err segmem_create(const struct segmem_config *c, struct segmem **ret, struct pw_why *why);
void segmem_destroy(struct segmem *m);
const struct segmem_config *segmem_config(const struct segmem *m);

/* A new segment of e's limit, at e's base if present is set, else where the fit says; the rest of e is ignored.
 * => PW_EXISTS: the number is taken; PW_INVALID; PW_NOSPACE with why: no hole, and none could be made; PW_NOMEM.
 *    When it fails, other segments may have moved or been swapped out. */
must_use enum pw_err segmem_make(struct segmem *m, const struct segmem_entry *e, struct pw_why *why);
/* The segment is in another table too, under e's owner, number, rights and ring.  => PW_NOTFOUND, PW_EXISTS, PW_NOMEM */
must_use enum pw_err segmem_share(struct segmem *m, uint32_t owner, uint32_t number, const struct segmem_entry *e);
/* Grows or shrinks at its end, in place where the hole behind it allows, else it moves.  => as segmem_make; it keeps its bytes */
must_use enum pw_err segmem_resize(struct segmem *m, uint32_t owner, uint32_t number, uint64_t limit, struct pw_why *why);
/* Out of this table; out of memory with the last.  => PW_NOTFOUND */
enum pw_err segmem_drop(struct segmem *m, uint32_t owner, uint32_t number);
void segmem_drop_all(struct segmem *m, uint32_t owner);

/* name, word, what it says */
#define SEGMEM_FAULT_LIST(X) \
	X(NO_SEGMENT, "segment", "the table has no segment of this number") \
	X(PRIVILEGE, "privilege", "the segment belongs to a more privileged ring") \
	X(READ, "read protection", "the segment may not be read") \
	X(WRITE, "write protection", "the segment may not be written to") \
	X(EXEC, "execute protection", "no instructions may be fetched from the segment") \
	X(LIMIT, "limit", "the offset is not below the limit") \
	X(NO_ROOM, "no room", "the segment is swapped out, and no room can be made for it")

enum segmem_fault {
	SEGMEM_FAULT_NONE,
#define X(name, word, text) SEGMEM_FAULT_##name,
	SEGMEM_FAULT_LIST(X)
#undef X
	SEGMEM_FAULTS
};
const char *segmem_fault_text(enum segmem_fault f);

struct segmem_access {
	uint32_t owner, number;
	uint64_t offset, bytes;  /* at least 1 */
	enum access_kind kind;
	unsigned ring;
	void *data;              /* bytes read or to be written; NULL: none are moved */
};
struct segmem_answer {
	enum segmem_fault fault;
	struct segmem_entry entry; /* as it was when the access was made; of nobody's for NO_SEGMENT */
	paddr_t pa;              /* when there is no fault */
	bool swapped_in;         /* a segment fault: it had to be brought in first */
};
/* Translates, and moves the bytes.  All of them must lie within the limit. */
struct segmem_answer segmem_access(struct segmem *m, const struct segmem_access *a);

/* Slides every segment down, in order: all free memory is one hole then.  => bytes moved */
uint64_t segmem_compact(struct segmem *m);
/* => PW_NOTFOUND, PW_NOMEM; nothing has changed then.  One that is out already stays there */
must_use enum pw_err segmem_swap_out(struct segmem *m, uint32_t owner, uint32_t number);

/* Every line of every table, in the order in which they were made.  => visit changes nothing */
void segmem_each(const struct segmem *m, void (*visit)(void *ctx, const struct segmem_entry *e), void *ctx);
const struct placement *segmem_placement(const struct segmem *m);

struct segmem_counts {
	uint64_t accesses, faults[SEGMEM_FAULTS];
	uint64_t placed;         /* segments put into a hole: new, grown elsewhere, or brought in */
	uint64_t refused_full;   /* requests for more than was free in all */
	uint64_t refused_fragmented; /* requests for less than was free in all: external fragmentation refused them */
	uint64_t compactions, moved_bytes; /* moved to make a hole, or to grow elsewhere */
	uint64_t swapped_out, swapped_in, written_bytes, read_bytes;
};
const struct segmem_counts *segmem_counts(const struct segmem *m);
const char *segmem_flaw(const struct segmem *m);
