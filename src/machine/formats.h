/* formats.h - the formats, each a table of where its bits are.
 *
 * Definitions, not declarations: whoever instantiates code per format includes this, so that the compiler sees the figures.
 *
 * Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3A, chapter 4 (32-bit, PAE, 4-level and 5-level
 * paging), volume 3C, chapter 29 (EPT); The RISC-V Instruction Set Manual, volume II, "Sv32" to "Sv57" and "Two-Stage Address
 * Translation"; Arm Architecture Reference Manual for A-profile (DDI 0487), chapter D8, stage 1 of the EL1&0 regime; the Programming
 * Environments manual of 32-bit PowerPC, chapter 7.  Levels count from the leaf up, so an x86-64 PML4 entry is level 3, and what
 * Arm calls level 3 is level 0. */
#pragma once
#include "ptfmt.h"

#define BIT(n)        (1ull << (n))
#define BITS(hi, lo)  ((~0ull >> (63 - (hi))) & (~0ull << (lo)))

/* What all x86 formats share (SDM 3A, tables 4-5 and following). */
#define X86_FIELDS                                                                                                \
	.ad_by_hardware = true, .valid = BIT(0), .write = BIT(1), .user = BIT(2), .accessed = BIT(5), .dirty = BIT(6), \
	.leaf = BIT(7), .global = BIT(8)

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
	.rights_on_tables = 14,
	.accessed_on_tables = 14,
	.reserved_leaf = { 0, BITS(20, 13), BITS(29, 13) },
	.reserved_table = { 0, 0, 0, BIT(7) },
	X86_FIELDS,
	.noexec = BIT(63),
};

/* The same entries, and one more level on top (CR4.LA57). */
static const struct ptfmt ptfmt_x86_64_la57 = {
	.name = "x86-64-la57",
	.title = "x86-64, 5 levels, pages of 4K, 2M and 1G",
	.manual = "Intel SDM 3A, 4.5",
	.levels = 5,
	.page_shift = 12,
	.va_bits = 57,
	.pa_bits = 52,
	.entry_bytes = 8,
	.index_bits = { 9, 9, 9, 9, 9 },
	.leaf_levels = 7,
	.pfn_shift = 12,
	.pfn_bits = 40,
	.sign_extended = true,
	.rights_on_tables = 30,
	.accessed_on_tables = 30,
	.reserved_leaf = { 0, BITS(20, 13), BITS(29, 13) },
	.reserved_table = { 0, 0, 0, BIT(7), BIT(7) },
	X86_FIELDS,
	.noexec = BIT(63),
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
	.rights_on_tables = 2,
	.accessed_on_tables = 2,
	.reserved_leaf = { 0, BITS(21, 13) },
	X86_FIELDS,
};

/*   63  62..52   51 ...................... 12   11..9  8   7    6  5   4   3   2    1    0
 *  +---+-------+-----------------------------+------+---+----+---+---+---+---+----+----+---+
 *  |NX |must 0 | frame                       |ignore| G | PS | D | A |PCD|PWT|U/S |R/W | P |
 *  +---+-------+-----------------------------+------+---+----+---+---+---+---+----+----+---+
 * The top table has four entries, which the CPU reads when CR3 is loaded and keeps in registers: no walk reads them.  They carry no
 * rights and no accessed bit; of theirs, bits 2..1, 8..5 and 63 must be zero too. */
static const struct ptfmt ptfmt_x86_pae = {
	.name = "x86-pae",
	.title = "x86, PAE paging, pages of 4K and 2M",
	.manual = "Intel SDM 3A, 4.4",
	.levels = 3,
	.page_shift = 12,
	.va_bits = 32,
	.pa_bits = 52,
	.entry_bytes = 8,
	.index_bits = { 9, 9, 2 },
	.leaf_levels = 3,
	.pfn_shift = 12,
	.pfn_bits = 40,
	.top_in_registers = true,
	.rights_on_tables = 2,
	.accessed_on_tables = 2,
	.reserved_leaf = { BITS(62, 52), BITS(62, 52) | BITS(20, 13) },
	.reserved_table = { 0, BITS(62, 52), BITS(63, 52) | BITS(8, 5) | BITS(2, 1) },
	X86_FIELDS,
	.noexec = BIT(63),
};

/*   63 .. 52    51 ............. 12   11..10   9   8    7    6   5..3    2   1   0
 *  +----------+-------------------+--------+---+---+------+---+-------+---+---+---+
 *  | ignored  | frame             |ignored | D | A | leaf |IPT| type  | X | W | R |
 *  +----------+-------------------+--------+---+---+------+---+-------+---+---+---+
 * A guest's physical addresses to the host's: any right makes an entry valid, there are no user pages, and W without R is a
 * misconfiguration.  Leaves are made with memory type 6, write-back; the types that do not exist are not refused. */
static const struct ptfmt ptfmt_ept = {
	.name = "ept",
	.title = "x86-64 extended page tables: a guest's memory, 4 levels, pages of 4K, 2M and 1G",
	.manual = "Intel SDM 3C, 29.3",
	.levels = 4,
	.page_shift = 12,
	.va_bits = 48,
	.pa_bits = 52,
	.entry_bytes = 8,
	.index_bits = { 9, 9, 9, 9 },
	.leaf_levels = 7,
	.pfn_shift = 12,
	.pfn_bits = 40,
	.rights_on_tables = 14,
	.accessed_on_tables = 14,
	.ad_by_hardware = true,
	.valid = BITS(2, 0),
	.read = BIT(0),
	.write = BIT(1),
	.exec = BIT(2),
	.leaf = BIT(7),
	.accessed = BIT(8),
	.dirty = BIT(9),
	.set_leaf = BITS(5, 4),
	.reserved_leaf = { 0, BITS(20, 12), BITS(29, 12) },
	.reserved_table = { 0, BITS(6, 3), BITS(6, 3), BITS(7, 3) },
};

/*   63   62..61  60..54    53 .................. 10   9..8  7   6   5   4   3   2   1   0
 *  +----+------+---------+-------------------------+-----+---+---+---+---+---+---+---+---+
 *  |Napt| PBMT |reserved | frame                   | RSW | D | A | G | U | X | W | R | V |
 *  +----+------+---------+-------------------------+-----+---+---+---+---+---+---+---+---+
 * An entry with R, W and X clear points to the next table, and then D, A and U must be clear. */
#define SV_BITS                                                                              \
	.page_shift = 12, .pfn_shift = 10, .leaf_by_rights = true, .ad_by_hardware = true,   \
	.valid = BIT(0), .read = BIT(1), .write = BIT(2), .exec = BIT(3), .user = BIT(4),    \
	.global = BIT(5), .accessed = BIT(6), .dirty = BIT(7)
#define SV_FIELDS SV_BITS, .pa_bits = 56, .entry_bytes = 8, .pfn_bits = 44, .sign_extended = true
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

static const struct ptfmt ptfmt_sv57 = {
	.name = "sv57",
	.title = "RISC-V Sv57, 5 levels, pages of 4K, 2M, 1G, 512G and 256T",
	.manual = "RISC-V privileged, \"Sv57\"",
	.levels = 5,
	.va_bits = 57,
	.index_bits = { 9, 9, 9, 9, 9 },
	.leaf_levels = 31,
	.reserved_leaf = { BITS(63, 54), BITS(63, 54) | BITS(18, 10), BITS(63, 54) | BITS(27, 10), BITS(63, 54) | BITS(36, 10),
			   BITS(63, 54) | BITS(45, 10) },
	.reserved_table = { 0, SV_RESERVED_TABLE, SV_RESERVED_TABLE, SV_RESERVED_TABLE, SV_RESERVED_TABLE },
	SV_FIELDS,
};

/*   31 .................. 10   9..8  7   6   5   4   3   2   1   0
 *  +-------------------------+-----+---+---+---+---+---+---+---+---+
 *  | frame                   | RSW | D | A | G | U | X | W | R | V |     34 bits of physical address
 *  +-------------------------+-----+---+---+---+---+---+---+---+---+ */
static const struct ptfmt ptfmt_sv32 = {
	.name = "sv32",
	.title = "RISC-V Sv32, 2 levels, pages of 4K and 4M",
	.manual = "RISC-V privileged, \"Sv32\"",
	.levels = 2,
	.va_bits = 32,
	.pa_bits = 34,
	.entry_bytes = 4,
	.index_bits = { 10, 10 },
	.leaf_levels = 3,
	.pfn_bits = 22,
	.reserved_leaf = { 0, BITS(19, 10) },
	.reserved_table = { 0, BIT(4) | BIT(6) | BIT(7) },
	SV_BITS,
};

/* A guest's physical addresses to the host's: Sv39 entries, two more address bits, and so a root table of four frames (which the
 * manual wants to begin at a multiple of 16 KiB; here it may begin at any frame).  Every page must be a user page. */
static const struct ptfmt ptfmt_sv39x4 = {
	.name = "sv39x4",
	.title = "RISC-V Sv39x4: a guest's memory, 3 levels, pages of 4K, 2M and 1G",
	.manual = "RISC-V privileged, \"Two-Stage Address Translation\"",
	.levels = 3,
	.va_bits = 41,
	.pa_bits = 56,
	.entry_bytes = 8,
	.index_bits = { 9, 9, 11 },
	.leaf_levels = 7,
	.pfn_bits = 44,
	.reserved_leaf = { BITS(63, 54), BITS(63, 54) | BITS(18, 10), BITS(63, 54) | BITS(27, 10) },
	.reserved_table = { 0, SV_RESERVED_TABLE, SV_RESERVED_TABLE },
	SV_BITS,
};

/*   63 62..61   60  59    54  53  52  51    47 ......... 12  11  10  9..8   7    6   5  4..2    1   0
 *  +--+-------+----+----+---+---+---+---+--+----------------+---+--+-----+------+----+--+------+---+---+
 *  |                     |UXN|PXN|Con|DBM|  | frame          |nG |AF| SH  |AP[2] |AP1 |NS| Attr |T/B| V |   page, block
 *  |NS|APTable|XNT |PXNT |   ignored     |  | table          |     ignored                       | 1 | V |   table
 *  +--+-------+----+----+---+---+---+---+--+----------------+---+--+-----+------+----+--+------+---+---+
 * Bit 1 is set in pages and tables, clear in blocks.  AP[1] is access from EL0.  AP[2] forbids stores; with DBM set it means "not
 * yet stored to" instead, and hardware clears it (FEAT_HAFDBS; without it, --cpu models say software_ad).  A read-only entry can
 * therefore not say that the page was dirty: whoever takes the right away keeps that elsewhere.  UXN and PXN withhold execution at
 * EL0 and at EL1.  Leaves are made inner shareable; the contiguous hint is ignored.  Descriptors that make no sense count as
 * invalid, as the manual has it: a translation fault. */
#define ARM64_FIELDS                                                                                                    \
	.entry_bytes = 8, .pa_bits = 48, .va_bits = 48, .sign_extended = true, .two_roots = true, .ad_by_hardware = true, \
	.reserved_is_absent = true, .valid = BIT(0), .table = BIT(1), .user = BIT(6), .clean = BIT(7), .accessed = BIT(10), \
	.nonglobal = BIT(11), .write = BIT(51), .noexec_system = BIT(53), .noexec = BIT(54), .set_leaf = BITS(9, 8),    \
	.table_noexec_system = BIT(59), .table_noexec = BIT(60), .table_nouser = BIT(61), .table_nowrite = BIT(62)

static const struct ptfmt ptfmt_arm64_4k = {
	.name = "arm64-4k",
	.title = "AArch64, 4 levels, pages of 4K, blocks of 2M and 1G",
	.manual = "Arm ARM D8.3, 4KB granule",
	.levels = 4,
	.page_shift = 12,
	.index_bits = { 9, 9, 9, 9 },
	.leaf_levels = 7,
	.pfn_shift = 12,
	.pfn_bits = 36,
	.rights_on_tables = 14,
	ARM64_FIELDS,
};

/* The top table has two entries. */
static const struct ptfmt ptfmt_arm64_16k = {
	.name = "arm64-16k",
	.title = "AArch64, 4 levels, pages of 16K, blocks of 32M",
	.manual = "Arm ARM D8.3, 16KB granule",
	.levels = 4,
	.page_shift = 14,
	.index_bits = { 11, 11, 11, 1 },
	.leaf_levels = 3,
	.pfn_shift = 14,
	.pfn_bits = 34,
	.rights_on_tables = 14,
	ARM64_FIELDS,
};

static const struct ptfmt ptfmt_arm64_64k = {
	.name = "arm64-64k",
	.title = "AArch64, 3 levels, pages of 64K, blocks of 512M",
	.manual = "Arm ARM D8.3, 64KB granule",
	.levels = 3,
	.page_shift = 16,
	.index_bits = { 13, 13, 6 },
	.leaf_levels = 3,
	.pfn_shift = 16,
	.pfn_bits = 32,
	.rights_on_tables = 6,
	ARM64_FIELDS,
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

/* The drawing is in hashed.h.  Segment and page index together pick the entry; there are no large pages but by other registers. */
static const struct ptfmt ptfmt_hashed = {
	.name = "hashed",
	.title = "PowerPC, 32-bit hashed page table, pages of 4K",
	.manual = "PowerPC Programming Environments (32-bit), 7.6",
	.levels = 1,
	.page_shift = 12,
	.va_bits = 32,
	.pa_bits = 32,
	.entry_bytes = 8,
	.index_bits = { 20 },
	.leaf_levels = 1,
	.pfn_shift = 12,
	.pfn_bits = 20,
	.hashed = true,
	.ad_by_hardware = true,
	.valid = BIT(63),
	.accessed = BIT(8),
	.dirty = BIT(7),
	.reserved_leaf = { BITS(11, 9) | BIT(2) },
};
