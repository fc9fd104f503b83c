/* cpu.h - what a CPU model consists of, and presets of real ones with the source of every figure. */
#pragma once
#include "ptfmt.h"
#include "tlb.h"

struct cpu_model {
	const char *name, *title;
	const char *source;                    /* where the figures are from, and which of them are estimates */
	struct tlb_geometry tlb[TLB_ARRAYS];
	unsigned n_tlbs;
	uint16_t pwc_entries[PTFMT_LEVELS];    /* [n]: fully associative LRU cache of table entries of level n; [0] unused; 0: none */
	uint8_t asid_bits;                     /* 0: every change of the root flushes */
	bool software_ad;                      /* walks fault instead of setting accessed and dirty bits */
};

/* => NULL when unknown. */
const struct cpu_model *cpu_find(const char *name);
const struct cpu_model *cpu_at(unsigned i); /* NULL past the end; the 0th is the default */
