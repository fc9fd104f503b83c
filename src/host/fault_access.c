/* fault_access.c - load or store?
 *
 * Problem.  A first touch by a load gives the shared page of zeros, by a store a page of one's own; a store to a private page of
 * a file is a copy, a load is not.  The record of a fault has the address and the instruction's address, not the kind.
 *
 * Idea.  Strip the prefixes, look the opcode up: most instructions only read memory, so there is one list of those that write their
 * memory operand.  Instructions with two memory operands are told apart by the registers: a push writes just below the stack
 * pointer, a string instruction writes at DI.
 *
 * 1. Never guesses: an opcode that is in no list is a load only when it has a memory operand at all.
 * 2. An address within the instruction itself is a fetch.
 *
 * Rejected: the decoder of the capture plugin (it knows the lengths of operands and the registers for a few dozen instructions, and
 * this needs the direction for all); a disassembler library (a dependency for one bit).
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, appendix A (opcode maps). */
#include "fault_access.h"
#include <stdbool.h>

#if defined __x86_64__
enum { HERE_IS_X86 = 1 };
#else
enum { HERE_IS_X86 = 0 };
#endif

enum { STACK_REACH = 256 };

struct opcode {
	unsigned map;          /* 0: one byte, 1: 0F, 2: 0F 38, 3: 0F 3A */
	uint8_t byte;
	uint8_t modrm;         /* the byte after it, 0xC0 when there is none */
	bool vector;           /* VEX or EVEX */
	bool f2, f3;           /* these prefixes were before it */
};

const char *access_word(enum fault_access a)
{
	static const char *const word[] = { "load", "store", "fetch", "?" };
	return word[a];
}

static bool is_prefix(uint8_t b)
{
	return b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || (b >= 0x64 && b <= 0x67) || b == 0xf0 || b == 0xf2 || b == 0xf3;
}

/* VEX and EVEX prefixes: which map.  => how long it is, 0: it is none. */
static size_t vector_prefix(const uint8_t *p, size_t n, struct opcode *o)
{
	if (n >= 3 && p[0] == 0xc5) {
		o->map = 1;
		return 2;
	}
	if (n >= 4 && (p[0] == 0xc4 || (p[0] == 0x62 && n >= 5))) {
		o->map = p[1] & (p[0] == 0xc4 ? 0x1f : 7);
		return p[0] == 0xc4 ? 3 : 4;
	}
	return 0;
}

static size_t escape_bytes(const uint8_t *p, size_t n, struct opcode *o)
{
	if (n < 2 || p[0] != 0x0f)
		return 0;
	o->map = p[1] == 0x38 ? 2 : p[1] == 0x3a ? 3 : 1;
	return o->map == 1 ? 1 : 2;
}

/* => false: the bytes end before the opcode. */
static bool opcode_read(const uint8_t *p, size_t n, struct opcode *o)
{
	const uint8_t *end = p + n;
	*o = (struct opcode){ .modrm = 0xc0 };
	for (; p < end && is_prefix(*p); p++) {
		o->f2 = o->f2 || *p == 0xf2;
		o->f3 = o->f3 || *p == 0xf3;
	}
	size_t skip = vector_prefix(p, (size_t)(end - p), o);
	o->vector = skip > 0;
	p += skip;
	if (!skip && p < end && (*p & 0xf0) == 0x40)
		p++; /* REX */
	if (!skip)
		p += escape_bytes(p, (size_t)(end - p), o);
	if (p >= end)
		return false;
	o->byte = p[0];
	if (p + 1 < end)
		o->modrm = p[1];
	return true;
}

static unsigned extension(const struct opcode *o) { return o->modrm >> 3 & 7; }

/* Of the one-byte map: does it write the operand that ModRM names? */
static bool writes_one(const struct opcode *o)
{
	unsigned e = extension(o);
	if (o->byte < 0x40)
		return (o->byte & 7) < 2 && o->byte < 0x38; /* arithmetic into memory, but not CMP */
	switch (o->byte) {
	case 0x80: case 0x81: case 0x83: return e != 7;
	case 0x86: case 0x87: case 0x88: case 0x89: case 0x8c: case 0x8f: case 0xc0: case 0xc1: case 0xc6: case 0xc7:
	case 0xd0: case 0xd1: case 0xd2: case 0xd3: return true;
	case 0xd9: return e == 2 || e == 3 || e >= 6;
	case 0xdb: return (e >= 1 && e <= 3) || e == 7;
	case 0xdd: return (e >= 1 && e <= 3) || e >= 6;
	case 0xdf: return (e >= 1 && e <= 3) || e >= 6;
	case 0xf6: case 0xf7: return e == 2 || e == 3;
	case 0xfe: return e < 2;
	case 0xff: return e < 2;
	default: return false;
	}
}

static bool writes_two(const struct opcode *o)
{
	unsigned e = extension(o);
	switch (o->byte) {
	case 0x11: case 0x13: case 0x17: case 0x29: case 0x2b: case 0x7f: case 0xd6: case 0xe7: return true;
	case 0x7e: return !o->f3 && (!o->vector || (o->modrm >> 6) != 3);
	case 0xa4: case 0xa5: case 0xab: case 0xac: case 0xad: case 0xb0: case 0xb1: case 0xb3: case 0xbb: case 0xc0: case 0xc1:
	case 0xc3: return !o->vector;
	case 0xae: return e == 0 || e == 3 || e == 4 || e == 6;
	case 0xba: return e >= 5;
	case 0xc7: return e == 1 || e == 4 || e == 6;
	default: return !o->vector && o->byte >= 0x90 && o->byte <= 0x9f; /* SETcc */
	}
}

static bool writes_three(const struct opcode *o)
{
	if (o->map == 2) {
		switch (o->byte) {
		case 0x2e: case 0x2f: case 0x8e: case 0xa2: case 0xa3: return o->vector;
		case 0xf1: return !o->vector && !o->f2; /* MOVBE; with F2 it is CRC32 */
		default: return false;
		}
	}
	return (o->byte >= 0x14 && o->byte <= 0x17) || (o->vector && (o->byte == 0x19 || o->byte == 0x1d || o->byte == 0x39));
}

static bool is_memory(const struct opcode *o) { return o->modrm >> 6 != 3; }

/* Just below the stack pointer, where a push or a call writes. */
static bool is_pushed(const struct fault_record *r)
{
	return r->reg[RECORD_SP] - 1 - r->address < STACK_REACH;
}

/* Instructions whose memory operands have no ModRM.  => FAULT_UNTOLD: it is not one of them. */
static enum fault_access implicit(const struct opcode *o, const struct fault_record *r)
{
	uint64_t to = r->address - r->reg[RECORD_DI] + 64, from = r->address - r->reg[RECORD_SI] + 64;
	if (o->vector || o->map == 1)
		return FAULT_UNTOLD;
	switch (o->byte) {
	case 0x50 ... 0x57: case 0x68: case 0x6a: case 0x9c: case 0xc8: case 0xe8: return FAULT_STORE;
	case 0x58 ... 0x5f: case 0x9d: case 0xc2: case 0xc3: case 0xc9: return FAULT_LOAD;
	case 0xa4: case 0xa5: return to < from ? FAULT_STORE : FAULT_LOAD;
	case 0xaa: case 0xab: return FAULT_STORE;
	case 0xa6: case 0xa7: case 0xac: case 0xad: case 0xae: case 0xaf: case 0xd7: return FAULT_LOAD;
	case 0xa0: case 0xa1: return FAULT_LOAD;
	case 0xa2: case 0xa3: return FAULT_STORE;
	default: return FAULT_UNTOLD;
	}
}

static enum fault_access explicit(const struct opcode *o, const struct fault_record *r)
{
	if (!is_memory(o))
		return FAULT_UNTOLD;
	if (o->map == 0 && o->byte == 0xff && (extension(o) == 2 || extension(o) == 6) && is_pushed(r))
		return FAULT_STORE;
	bool writes = o->map == 0 ? writes_one(o) : o->map == 1 ? writes_two(o) : writes_three(o);
	return writes ? FAULT_STORE : FAULT_LOAD;
}

enum fault_access access_of(const uint8_t *code, size_t n, const struct fault_record *r)
{
	struct opcode o;
	if (!r->in_kernel && r->address - r->ip < FAULT_CODE_BYTES && r->address >= r->ip)
		return FAULT_FETCH;
	if (r->in_kernel || !HERE_IS_X86 || !r->has_regs || !opcode_read(code, n, &o))
		return FAULT_UNTOLD;
	if (o.map > 3)
		return FAULT_UNTOLD;
	enum fault_access a = o.map == 0 ? implicit(&o, r) : FAULT_UNTOLD;
	return a != FAULT_UNTOLD ? a : explicit(&o, r);
}
