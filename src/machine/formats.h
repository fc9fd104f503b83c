/* formats.h - the formats, each a table of where its bits are.
 *
 * Definitions, not declarations: whoever instantiates code per format includes this, so that the compiler sees the figures.
 *
 * Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, chapter 4 (32-bit and 4-level paging);
 * The RISC-V Instruction Set Manual, volume II, "Sv39" and "Sv48".  Levels count from the leaf up, so an x86-64 PML4 entry is
 * level 3. */
#pragma once
#include "ptfmt.h"

#define BIT(n)        (1ull << (n))
#define BITS(hi, lo)  ((~0ull >> (63 - (hi))) & (~0ull << (lo)))

/*   63  62..52   51 ...................... 12   11..9  8   7    6  5   4   3   2    1    0
 *  +---+-------+-----------------------------+------+---+----+---+---+---+---+----+----+---+
 *  |NX |ignored| frame                       |ignore| G | PS | D | A |PCD|PWT|U/S |R/W | P |
 *  +---+-------+-----------------------------+------+---+----+---+---+---+---+----+----+---+
 * With PS set in a level 1 or 2 entry, bit 12 is PAT and the frame bits below the page size must be zero. */
static const struct ptfmt ptfmt_x86_64 = {
	.name = "x86-64",
	.title = "x86-64, 4 levels, pages of 4K, 2M and 1G",
	.manual = "Intel SDM 3A, 4.5",
	.levels = 4,
	.page_shift = 12,
	.va_bits = 48,
	.pa_bits = 52,
	.entry_bytes = 8,
	.index_bits = { 9, 9, 9, 9 },
	.leaf_levels = 7,
	.pfn_shift = 12,
	.pfn_bits = 40,
	.sign_extended = true,
	.rights_on_tables = true,
	.ad_by_hardware = true,
	.valid = BIT(0),
	.write = BIT(1),
	.user = BIT(2),
	.accessed = BIT(5),
	.dirty = BIT(6),
	.leaf = BIT(7),
	.global = BIT(8),
	.noexec = BIT(63),
	.reserved_leaf = { 0, BITS(20, 13), BITS(29, 13) },
	.reserved_table = { 0, 0, 0, BIT(7) },
};

/*   31 ...................... 12   11..9  8   7    6  5   4   3   2    1    0
 *  +-----------------------------+------+---+----+---+---+---+---+----+----+---+
 *  | frame                       |ignore| G | PS | D | A |PCD|PWT|U/S |R/W | P |
 *  +-----------------------------+------+---+----+---+---+---+---+----+----+---+
 * With PS set (CR4.PSE) a level 1 entry maps 4 MiB: bit 12 is PAT, bits 21..13 must be zero below 4 GiB (no PSE-36). */
static const struct ptfmt ptfmt_x86_32 = {
	.name = "x86-32",
	.title = "x86, 32-bit paging, pages of 4K and 4M",
	.manual = "Intel SDM 3A, 4.3",
	.levels = 2,
	.page_shift = 12,
	.va_bits = 32,
	.pa_bits = 32,
	.entry_bytes = 4,
	.index_bits = { 10, 10 },
	.leaf_levels = 3,
	.pfn_shift = 12,
	.pfn_bits = 20,
	.rights_on_tables = true,
	.ad_by_hardware = true,
	.valid = BIT(0),
	.write = BIT(1),
	.user = BIT(2),
	.accessed = BIT(5),
	.dirty = BIT(6),
	.leaf = BIT(7),
	.global = BIT(8),
	.reserved_leaf = { 0, BITS(21, 13) },
};

/*   63   62..61  60..54    53 .................. 10   9..8  7   6   5   4   3   2   1   0
 *  +----+------+---------+-------------------------+-----+---+---+---+---+---+---+---+---+
 *  |Napt| PBMT |reserved | frame                   | RSW | D | A | G | U | X | W | R | V |
 *  +----+------+---------+-------------------------+-----+---+---+---+---+---+---+---+---+
 * An entry with R, W and X clear points to the next table, and then D, A and U must be clear. */
#define SV_FIELDS                                                                               \
	.page_shift = 12, .pa_bits = 56, .entry_bytes = 8, .pfn_shift = 10, .pfn_bits = 44,     \
	.sign_extended = true, .leaf_by_rights = true, .ad_by_hardware = true, .valid = BIT(0), \
	.read = BIT(1), .write = BIT(2), .exec = BIT(3), .user = BIT(4), .global = BIT(5),      \
	.accessed = BIT(6), .dirty = BIT(7)
#define SV_RESERVED_TABLE (BITS(63, 54) | BIT(4) | BIT(6) | BIT(7))

static const struct ptfmt ptfmt_sv39 = {
	.name = "sv39",
	.title = "RISC-V Sv39, 3 levels, pages of 4K, 2M and 1G",
	.manual = "RISC-V privileged, \"Sv39\"",
	.levels = 3,
	.va_bits = 39,
	.index_bits = { 9, 9, 9 },
	.leaf_levels = 7,
	.reserved_leaf = { BITS(63, 54), BITS(63, 54) | BITS(18, 10), BITS(63, 54) | BITS(27, 10) },
	.reserved_table = { 0, SV_RESERVED_TABLE, SV_RESERVED_TABLE },
	SV_FIELDS,
};

static const struct ptfmt ptfmt_sv48 = {
	.name = "sv48",
	.title = "RISC-V Sv48, 4 levels, pages of 4K, 2M, 1G and 512G",
	.manual = "RISC-V privileged, \"Sv48\"",
	.levels = 4,
	.va_bits = 48,
	.index_bits = { 9, 9, 9, 9 },
	.leaf_levels = 15,
	.reserved_leaf = { BITS(63, 54), BITS(63, 54) | BITS(18, 10), BITS(63, 54) | BITS(27, 10), BITS(63, 54) | BITS(36, 10) },
	.reserved_table = { 0, SV_RESERVED_TABLE, SV_RESERVED_TABLE, SV_RESERVED_TABLE },
	SV_FIELDS,
};

/* One table, 8-byte entries with the low bits of x86, for pages of any size: the page table of the first lecture. */
static const struct ptfmt ptfmt_flat = {
	.name = "flat",
	.title = "one-level table, page size of your choice",
	.manual = "textbooks: Silberschatz 9.3, OSTEP 18",
	.levels = 1,
	.page_shift = 12,
	.va_bits = 32,
	.pa_bits = 52,
	.entry_bytes = 8,
	.index_bits = { 20 },
	.leaf_levels = 1,
	.pfn_shift = 12,
	.pfn_bits = 48,
	.ad_by_hardware = true,
	.valid = BIT(0),
	.write = BIT(1),
	.user = BIT(2),
	.exec = BIT(3),
	.read = BIT(4),
	.accessed = BIT(5),
	.dirty = BIT(6),
};
