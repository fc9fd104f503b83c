/* tlb_spaces_impl.h - what the files of tlb_spaces share: tlb_spaces.c (the pmap), tlb_spaces_run.c (references and the logs). */
#pragma once
#include "tlb_spaces.h"

enum { QUICK_BITS = 11, CHUNK = 4096 };
#define NO_WORD UINT64_MAX

enum {
	PAGE_RIGHTS = PT_READ | PT_WRITE | PT_EXEC | PT_USER,
	PAGE_MAPPED = 1 << 5,
	PAGE_DIRTY = 1 << 6,
	PAGE_TOUCHED = 1 << 7, /* by a reference, ever */
};
enum { LIST_BITS = PMAP_REFERENCED | PMAP_MODIFIED, LIST_UNMANAGED = 4 };

struct space {
	struct pmap base;
	uint32_t number;       /* in tlb_pages */
	uint64_t resident;
	uint64_t generation;   /* of its ASID; 0: it was never active */
};

struct quick {
	uint64_t word;         /* page and kind of a reference */
	uint64_t id;
};

struct large {
	uint16_t touched, row; /* row 0: never whole */
};

struct tlb_spaces {
	struct pmap_sys sys;
	struct tlb_spaces_config config;
	struct ptfmt format;
	struct tlb_pages pages;
	uint8_t *state;        /* of each page: PAGE_* */
	uint16_t *row;         /* of the ledger */
	struct large *large;   /* regions of level 1 */
	uint64_t row_touched[TLB_ROWS];
	uint32_t *frame;       /* that it is mapped to */
	uint32_t *next;        /* page that maps the same frame */
	uint32_t *first;       /* of each frame: a page that maps it, and with bits 29 to 31 LIST_* */
	struct tlb_batch *batch;
	struct quick quick[1 << QUICK_BITS];
	uint64_t keep;         /* bits of a reference that quick words hold */
	uint32_t last_page;    /* in the page log */
	uint64_t last_ref[4];  /* by kind: the word that may be left out */
	uint64_t done[ACCESS_KINDS], logged[ACCESS_KINDS];
	struct space **space;  /* by number */
	struct space *active;
	uint64_t generation, next_asid, n_asids;
	bool tagged;           /* there are ASIDs at all */
	uint64_t caches_at;    /* where the page log says that caches_of lost its walk caches */
	uint32_t caches_of;
	enum pw_err error;
};

#define LIST_SHIFT 29
_Static_assert(TLB_PAGES_MAX <= 1u << LIST_SHIFT, "a page number shares its word with three bits");

static inline void spaces_fail(struct tlb_spaces *s, enum pw_err err)
{
	if (s->error == PW_OK)
		s->error = err;
}

static inline struct quick *quick_at(struct tlb_spaces *s, uint64_t word)
{
	return &s->quick[word * 0x9e3779b97f4a7c15ull >> (64 - QUICK_BITS)];
}

/* tlb_spaces_run.c: one word, with another about it, or a mark with words, into a log; nothing when there is no batch. */
void tlb_spaces_log_page(struct tlb_spaces *s, uint32_t word);
void tlb_spaces_log_page_about(struct tlb_spaces *s, uint32_t word, uint32_t what);
void tlb_spaces_log_ref(struct tlb_spaces *s, enum tlb_log_mark mark, const uint64_t *word, unsigned n);
#define log_ref(s, mark, ...) \
	tlb_spaces_log_ref(s, mark, (const uint64_t[]){ __VA_ARGS__ }, sizeof(uint64_t[]){ __VA_ARGS__ } / sizeof(uint64_t))
