/* access.h - one memory reference, the unit everything else counts.
 *
 * A reference is one 64-bit word, so a batch of them is a plain array that a ring buffer, a trace decoder and the machine share
 * without copying:
 *
 *      63                                                2 1    0
 *     +---------------------------------------------------+------+
 *     | virtual address, bits 61..0                       | kind |
 *     +---------------------------------------------------+------+
 *
 * Bits 63 and 62 of an address are copies of bit 61 in every format that exists (at most 57 bits are translated), so nothing is
 * lost; an address for which that is not so is canonical nowhere, and is packed as one that is canonical nowhere. */
#pragma once
#include "../base/addr.h"
#include <string.h>

enum access_kind { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH, ACCESS_KINDS };

typedef struct { uint64_t word; } ref_t;

#define REF_KIND_BITS 2

static inline ref_t ref_make(vaddr_t va, enum access_kind kind)
{
	uint64_t top = (uint64_t)((int64_t)va.v >> 61);
	if (__builtin_expect(top != 0 && top != UINT64_MAX, 0))
		va.v = (va.v & ((1ull << 60) - 1)) | 1ull << 60; /* bit 61 clear, bit 60 set: canonical in no format */
	return (ref_t){ va.v << REF_KIND_BITS | kind };
}

/* "load", "store", "fetch": for people, in every room alike. */
static inline const char *access_name(enum access_kind kind)
{
	static const char *const names[ACCESS_KINDS] = { "load", "store", "fetch" };
	return names[kind];
}

/* => false: no kind of access has this name */
static inline bool access_find(const char *name, enum access_kind *ret)
{
	for (unsigned i = 0; i < ACCESS_KINDS; i++)
		if (strcmp(access_name((enum access_kind)i), name) == 0) {
			*ret = (enum access_kind)i;
			return true;
		}
	return false;
}

static inline vaddr_t ref_va(ref_t r) { return vaddr((uint64_t)((int64_t)r.word >> REF_KIND_BITS)); }
static inline enum access_kind ref_kind(ref_t r) { return (enum access_kind)(r.word & 3); }
