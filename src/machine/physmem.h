/* physmem.h - physical memory: frames of real bytes, reserved, and costing host memory only once touched. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include <stdio.h>
#include <string.h>

struct physmem {
	uint8_t *bytes;
	uint64_t frames;
	unsigned page_shift;
};

must_use enum pw_err physmem_init(struct physmem *p, uint64_t frames, unsigned page_shift);
void physmem_fini(struct physmem *p);
static inline uint64_t physmem_bytes(const struct physmem *p) { return p->frames << p->page_shift; }

/* => f is below frames. */
static inline void *physmem_frame(const struct physmem *p, pfn_t f) { return p->bytes + (f.v << p->page_shift); }
void physmem_zero(struct physmem *p, pfn_t f);
void physmem_copy(struct physmem *p, pfn_t to, pfn_t from);

/* Little-endian words of 4 or 8 bytes.  => a + bytes is inside memory. */
static inline uint64_t physmem_load(const struct physmem *p, paddr_t a, unsigned bytes)
{
	uint64_t v = 0;
	memcpy(&v, p->bytes + a.v, bytes);
	return v;
}
static inline void physmem_store(struct physmem *p, paddr_t a, uint64_t v, unsigned bytes)
{
	memcpy(p->bytes + a.v, &v, bytes);
}

/* All of it as a raw image, holes kept sparse. */
must_use enum pw_err physmem_dump(const struct physmem *p, FILE *out, struct pw_why *why);
