/* tlb_spaces.h - address spaces as `pageworks tlb` keeps them: a pmap without tables, that writes a log.
 *
 * It keeps the pmap contract, so the kernel that serves faults, copies on write and unmaps is the one of `run`; and it runs references
 * as a machine does, until one needs that kernel.  But a translation costs nothing here: what is kept of a page is its number and its
 * rights, and all that would have changed a TLB is written down for those who model TLBs (tlb_log.h). */
#pragma once
#include "../machine/machine.h"
#include "../pmap/pmap.h"
#include "tlb_log.h"
#include "tlb_pages.h"

struct tlb_spaces;

struct tlb_spaces_config {
	const struct ptfmt *format;
	uint64_t n_frames;              /* that the kernel hands out */
	unsigned asid_bits;             /* 0: a change of space empties every TLB */
	bool unified;                   /* some machine has one first level for data and instructions */
	uint8_t size_shift[TLB_SIZES];  /* log2 of the page sizes, none below that of the format */
	unsigned n_sizes;
	/* Takes a full batch and gives an empty one. */
	struct tlb_batch *(*hand_on)(void *ctx, struct tlb_batch *full);
	/* Whose page is it?  Fills row and whole; owner is that of the pmap. */
	void (*describe)(void *ctx, void *owner, vpn_t page, union tlb_enter *ret);
	void *ctx;
};

/* => on error nothing is left open. */
must_use enum pw_err tlb_spaces_create(const struct tlb_spaces_config *c, struct tlb_spaces **ret);
/* The batch to write into; NULL: write nothing any more.  => before the first call of the pmap, and once more before batches go. */
void tlb_spaces_fill(struct tlb_spaces *s, struct tlb_batch *batch);
/* For a kernel; destroyed by pmap_sys_destroy, which destroys the whole. */
struct pmap_sys *tlb_spaces_pmap(struct tlb_spaces *s);
const struct tlb_pages *tlb_spaces_pages(const struct tlb_spaces *s);

/* As machine_run, on the space that is active. */
struct machine_stop tlb_spaces_run(struct tlb_spaces *s, const ref_t *refs, uint64_t n);
/* The reference that faulted was refused: of its walk, what it leaves in the walk caches remains. */
void tlb_spaces_refused(struct tlb_spaces *s, const struct machine_stop *stop);
/* The counts of all models begin anew. */
void tlb_spaces_reset(struct tlb_spaces *s);
/* Hands on what the batch holds. */
void tlb_spaces_drain(struct tlb_spaces *s);

/* Since the last reset: references done, and of those the ones that stand in the reference log, by kind. */
void tlb_spaces_counts(const struct tlb_spaces *s, uint64_t done[ACCESS_KINDS], uint64_t logged[ACCESS_KINDS]);
/* PW_OK, or what made the log useless: PW_NOMEM, PW_LIMIT. */
enum pw_err tlb_spaces_error(const struct tlb_spaces *s);
/* Base pages of a row that were ever referenced. */
uint64_t tlb_spaces_touched(const struct tlb_spaces *s, unsigned row);
/* Goes through the large pages that were ever whole, i from 1: row is that of the last page entered there, touched how many of its base
 * pages were ever referenced, row 0: never whole.  => false past the end */
bool tlb_spaces_large(const struct tlb_spaces *s, uint32_t i, unsigned *ret_row, uint32_t *ret_touched);
