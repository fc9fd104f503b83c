/* tlb_machine.h - a whole hierarchy of TLBs and walk caches, that of a real CPU, replaying a log.
 *
 * It is a machine with page tables as `run` has it, so it counts what `run --cpu` counts.  With large pages, every large page that lies
 * wholly inside its mapping is one translation, from its first touch on: what a kernel that never missed a chance would do. */
#pragma once
#include "../machine/machine.h"
#include "tlb_log.h"

struct tlb_machine;

must_use enum pw_err tlb_machine_create(const struct ptfmt *format, const struct cpu_model *cpu, bool large, uint64_t seed,
					struct tlb_machine **ret, struct pw_why *why);
void tlb_machine_destroy(struct tlb_machine *t);
/* Does the format have large pages, at the level above base pages? */
bool tlb_machine_has_large(const struct ptfmt *format);
void tlb_machine_eat(struct tlb_machine *t, const struct tlb_batch *batch);
/* PW_OK, or why the figures are worth nothing: PW_NOMEM, PW_NOFRAMES (tables for so many scattered pages). */
enum pw_err tlb_machine_error(const struct tlb_machine *t);

struct tlb_machine_counts {
	struct machine_counts mach;
	struct tlb_counts tlb[TLB_ARRAYS]; /* those of the first rank without the references that the log leaves out */
	unsigned n_tlbs;
	uint64_t strange;                  /* references that faulted where the kernel saw no fault, or the other way: a bug of ours */
};
/* Since the last reset. */
void tlb_machine_counts(const struct tlb_machine *t, struct tlb_machine_counts *ret);
/* Walks that ended in pages of a row, since the last reset; once. */
uint64_t tlb_machine_take_walks(struct tlb_machine *t, unsigned row);
