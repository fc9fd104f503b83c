/* cpu.c - real CPUs as tables, with where each figure is from.
 *
 * CPUID figures are from published dumps of leaf 2, leaf 18H (Intel) and leaves 8000_0005H, 8000_0006H, 8000_0019H (AMD); vendors
 * disagree with themselves in places, and then the source says which figure was taken.  Page-walk caches are documented nowhere
 * in full: their sizes are estimates everywhere, and say so. */
#include "cpu.h"
#include <string.h>

#define PAGES_4K    1
#define PAGES_2M    2
#define PAGES_1G    4
#define PAGES_ALL   0xff

#define ARRAY(n, l, k, p, e, w) { .name = n, .level = l, .kinds = k, .page_levels = p, .entries = e, .ways = w }

static const struct cpu_model models[] = {
	{
		.name = "skylake",
		.title = "Intel Skylake (client, 2015)",
		.source = "L1 and L2 TLB: CPUID leaf 2 of 506E3 (76036301 00F0B6FF 00C30000). Walk caches: estimates "
			  "(32 PDE, 4 PDPTE, after published measurements)",
		.tlb = {
			ARRAY("l1d", 1, TLB_DATA, PAGES_4K, 64, 4),
			ARRAY("l1d", 1, TLB_DATA, PAGES_2M, 32, 4),
			ARRAY("l1d", 1, TLB_DATA, PAGES_1G, 4, 4),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_4K, 128, 8),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_2M, 8, 8),
			ARRAY("l2", 2, TLB_ALL, PAGES_4K | PAGES_2M, 1536, 12),
			ARRAY("l2", 2, TLB_ALL, PAGES_1G, 16, 4),
		},
		.n_tlbs = 7,
		.pwc_entries = { 0, 32, 4 },
		.asid_bits = 12,
	},
	{
		.name = "icelake",
		.title = "Intel Ice Lake (2019)",
		.source = "L1D load and store, L2: CPUID leaf 18H of 706E5 and 606A6. L1I: Intel optimisation manual, unverified. "
			  "Walk caches: estimates as Skylake",
		.tlb = {
			ARRAY("l1d-load", 1, TLB_LOADS, PAGES_4K, 64, 4),
			ARRAY("l1d-load", 1, TLB_LOADS, PAGES_2M, 32, 4),
			ARRAY("l1d-load", 1, TLB_LOADS, PAGES_1G, 8, 8),
			ARRAY("l1d-store", 1, TLB_STORES, PAGES_ALL, 16, 16),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_4K, 128, 8),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_2M, 16, 8),
			ARRAY("l2", 2, TLB_ALL, PAGES_4K | PAGES_2M, 1024, 8),
			ARRAY("l2", 2, TLB_ALL, PAGES_4K | PAGES_1G, 1024, 8),
		},
		.n_tlbs = 8,
		.pwc_entries = { 0, 32, 4 },
		.asid_bits = 12,
	},
	{
		.name = "zen3",
		.title = "AMD Zen 3 (2020)",
		.source = "L1, L2: CPUID leaves 8000_0005H, 8000_0006H, 8000_0019H of A20F10 (L2 D taken as 8 ways). Walk cache: "
			  "64 PDE, estimate",
		.tlb = {
			ARRAY("l1d", 1, TLB_DATA, PAGES_ALL, 64, 64),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_ALL, 64, 64),
			ARRAY("l2d", 2, TLB_DATA, PAGES_4K | PAGES_2M, 2048, 8),
			ARRAY("l2d", 2, TLB_DATA, PAGES_1G, 64, 64),
			ARRAY("l2i", 2, TLB_FETCHES, PAGES_4K | PAGES_2M, 512, 4),
		},
		.n_tlbs = 5,
		.pwc_entries = { 0, 64, 0 },
		.asid_bits = 12,
	},
	{
		.name = "zen4",
		.title = "AMD Zen 4 (2022)",
		.source = "L1, L2: CPUID leaves 8000_0005H, 8000_0006H, 8000_0019H of A60F12 (L2 D taken as 8 ways). Walk cache: "
			  "64 PDE, estimate",
		.tlb = {
			ARRAY("l1d", 1, TLB_DATA, PAGES_ALL, 72, 72),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_ALL, 64, 64),
			ARRAY("l2d", 2, TLB_DATA, PAGES_4K | PAGES_2M, 3072, 8),
			ARRAY("l2d", 2, TLB_DATA, PAGES_1G, 64, 64),
			ARRAY("l2i", 2, TLB_FETCHES, PAGES_4K | PAGES_2M, 512, 4),
		},
		.n_tlbs = 5,
		.pwc_entries = { 0, 64, 0 },
		.asid_bits = 12,
	},
	{
		.name = "cortex-a76",
		.title = "Arm Cortex-A76 (2018)",
		.source = "Arm Cortex-A76 Technical Reference Manual, memory management unit: L1 48 entries each, L2 1280 entries "
			  "5-way for 4K to 1G. Its L2 also keeps walk intermediates; modelled as 64 level-1 entries, estimate",
		.tlb = {
			ARRAY("l1d", 1, TLB_DATA, PAGES_ALL, 48, 48),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_ALL, 48, 48),
			ARRAY("l2", 2, TLB_ALL, PAGES_ALL, 1280, 5),
		},
		.n_tlbs = 3,
		.pwc_entries = { 0, 64, 0 },
		.asid_bits = 16,
	},
	{
		.name = "u74",
		.title = "SiFive U74 (RISC-V, 2018)",
		.source = "L1: device trees of FU740 and JH7110 (i-tlb-size, d-tlb-size 40, one set). L2 512 direct mapped: SiFive "
			  "manual, unverified. No walk cache known. Accessed and dirty bits are set by software",
		.tlb = {
			ARRAY("l1d", 1, TLB_DATA, PAGES_ALL, 40, 40),
			ARRAY("l1i", 1, TLB_FETCHES, PAGES_ALL, 40, 40),
			ARRAY("l2", 2, TLB_ALL, PAGES_ALL, 512, 1),
		},
		.n_tlbs = 3,
		.asid_bits = 0,
		.software_ad = true,
	},
	{
		.name = "textbook",
		.title = "the CPU of the first lecture",
		.source = "nobody built it: one small TLB for everything, no walk caches, and every switch of address spaces empties it",
		.tlb = { ARRAY("tlb", 1, TLB_ALL, PAGES_ALL, 16, 16) },
		.n_tlbs = 1,
		.asid_bits = 0,
	},
};
#define N_MODELS (sizeof models / sizeof *models)

const struct cpu_model *cpu_at(unsigned i)
{
	return i < N_MODELS ? &models[i] : NULL;
}

const struct cpu_model *cpu_find(const char *name)
{
	for (unsigned i = 0; i < N_MODELS; i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}
