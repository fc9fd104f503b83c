/* hashed.h - the hashed page table of 32-bit PowerPC: one table for all address spaces, looked up by hashing.
 *
 * A page is found under its virtual page number, which is longer than the program's: the top four bits of an address pick one of
 * sixteen segment registers, whose VSID takes their place.  The table is groups (PTEGs) of eight entries; a page may lie in the
 * group its hash picks, or in that of the hash's complement.
 *
 *      address   | sr 4 | page index 16 | offset 12 |
 *      hash      VSID[18:0] xor page index         second: its complement
 *      group at  HTABORG + (hash & (HTABMASK << 10 | 0x3ff)) * 64
 *
 *      entry      63  62 ....... 39  38  37..32   31 ....... 12   11..9  8   7   6..3   2   1..0
 *                +---+--------------+---+--------+---------------+------+---+---+------+---+------+
 *                | V | VSID         | H | API    | frame         | 0    | R | C | WIMG | 0 | PP   |     big-endian in memory
 *                +---+--------------+---+--------+---------------+------+---+---+------+---+------+
 *
 * H: it lies in its second group.  API: the top six bits of the page index (the group gives the others).  R, C: accessed, dirty.
 * PP, with the keys of the segments Ks = 0 and Kp = 1:  00 supervisor alone, read and write; 01, 11 read only; 10 read and write.
 * (01, which only users may not write, is read as 11; nobody is kept from executing.)
 *
 * What other formats call a root is here what SDR1 and the segment registers hold, in one word in place of a frame number:
 *
 *      51 ........ 32   31..29  28 .... 20   19 .......... 0
 *     +----------------+-------+------------+---------------+
 *     | context        | 0     | HTABMASK   | table's frame |      VSID of segment n = context * 16 + n
 *     +----------------+-------+------------+---------------+
 *
 * Source: PowerPC Microprocessor Family: The Programming Environments for 32-Bit Microprocessors, chapter 7, sections 7.4 to 7.6. */
#pragma once
#include "walk.h"

enum { HASHED_GROUP = 8, HASHED_BYTES_LEAST = 64 << 10, HASHED_BYTES_MOST = 32 << 20, HASHED_CONTEXTS = 1 << 20 };

/* The root of a space; table_bytes is a power of two from LEAST to MOST, to which the table is aligned. */
pfn_t hashed_root(pfn_t table, uint64_t table_bytes, uint32_t context);
/* Bytes that the manual recommends for a memory: an entry group for two frames. */
uint64_t hashed_table_bytes(uint64_t memory_bytes);
/* Where a group begins: the first a page may lie in, or the second. */
paddr_t hashed_group(pfn_t root, vaddr_t va, bool second);
/* The upper half of an entry that holds a page; nothing else in the group has the same. */
uint64_t hashed_name(pfn_t root, vaddr_t va, bool second);
/* The page an entry holds, from its place and its name.  => *context */
vaddr_t hashed_page(pfn_t root, paddr_t at, pte_t e, uint32_t *context);

/* As walk_down: entries are compared one by one, first group first, and each is one read. */
void hashed_walk(const struct ptfmt *f, struct physmem *mem, pfn_t root, const struct walk_want *w, struct walk *r,
		 struct nested_walk *second_stage);
