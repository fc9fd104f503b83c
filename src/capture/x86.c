/* x86.c - a decoder for one question: which addresses, from which registers?
 *
 * The encoding (Intel SDM volume 2, chapter 2 and appendix A; AMD APM volume 3) is prefixes, opcode, ModRM and SIB with a
 * displacement, immediate.  A table for each of the two opcode maps gives for each opcode what stands in its row of the manual: has it
 * a ModRM byte, is the memory operand read or written, how wide is it, which register does it write.  What depends on more than
 * the opcode (groups, the stack) is a short function.
 *
 *      1.  Whoever is not sure says unknown: a wrong "known" makes wrong references, an unknown only slower ones.
 *      2.  Accesses are those that QEMU makes, in its order: a read-modify-write is a load and a store, 16 bytes are two of 8.
 *         The length must come out right, too.  (QEMU shows the beginning of an instruction that it then leaves to the next
 *         block, because it reaches into the next page.)
 *      3.  A register not in written, set or moved has kept all its 64 bits.
 *
 * test/capture_test.c holds 1 to 3 against QEMU itself: the stream made with this knowledge must be the stream made without. */
#include "x86.h"
#include <string.h>

enum {
	/* The memory operand of ModRM. */
	M = 1 << 0,         /* there is a ModRM byte; without R or W the operand is not accessed */
	R = 1 << 1, W = 1 << 2,
	/* Its width. */
	BYTE = 1 << 3, WORD = 2 << 3, DWORD = 3 << 3, QWORD = 4 << 3, OWORD = 5 << 3,
	FULL = 6 << 3,      /* the operand size: 2, 4, 8 */
	HALF = 7 << 3,      /* 4, or 8 with REX.W */
	FLOAT = 8 << 3,     /* packed 16, scalar single 4, scalar double 8: by prefix */
	PACKED = 9 << 3,    /* 16 with prefix 66 or F3 or F2; otherwise (MMX) nothing is known */
	WIDTH = 15 << 3,
	/* The register written. */
	TO_REG = 1 << 7,    /* that of ModRM.reg */
	TO_RM = 1 << 8,     /* that of ModRM.rm, when it is a register */
	TO_AX = 1 << 9, TO_DX = 1 << 10,
	TO_CODE = 1 << 11,  /* that of the low opcode bits */
	/* The rest. */
	OK = 1 << 12,       /* known, whatever else is set */
	SPECIAL = 1 << 13,  /* decode_special knows */
	/* The immediate. */
	I8 = 1 << 14,
	I32 = 1 << 15,      /* 4 bytes, or 2 with an operand size of 2 */
};

/* add, or, adc, sbb, and, sub, xor: eight rows of the table each. */
#define ARITHMETIC(op) \
	[op] = M | R | W | BYTE | TO_RM, [op + 1] = M | R | W | FULL | TO_RM, [op + 2] = M | R | BYTE | TO_REG, \
	[op + 3] = M | R | FULL | TO_REG, [op + 4] = OK | TO_AX | I8, [op + 5] = OK | TO_AX | I32

static const uint16_t one_byte[256] = {
	ARITHMETIC(0x00), ARITHMETIC(0x08), ARITHMETIC(0x10), ARITHMETIC(0x18), ARITHMETIC(0x20), ARITHMETIC(0x28),
	ARITHMETIC(0x30),
	[0x38] = M | R | BYTE, [0x39] = M | R | FULL, [0x3a] = M | R | BYTE, [0x3b] = M | R | FULL, [0x3c] = OK | I8, [0x3d] = OK | I32,
	[0x50 ... 0x5f] = SPECIAL,                       /* push, pop */
	[0x63] = M | R | DWORD | TO_REG,                 /* movsxd */
	[0x68] = SPECIAL | I32, [0x6a] = SPECIAL | I8,             /* push immediate */
	[0x69] = M | R | FULL | TO_REG | I32, [0x6b] = M | R | FULL | TO_REG | I8, /* imul */
	[0x70 ... 0x7f] = OK | I8,                       /* jcc */
	[0x80] = SPECIAL | M | I8, [0x81] = SPECIAL | M | I32, [0x83] = SPECIAL | M | I8,
	[0x84] = M | R | BYTE, [0x85] = M | R | FULL,    /* test */
	[0x88] = M | W | BYTE | TO_RM, [0x89] = SPECIAL | M, [0x8a] = M | R | BYTE | TO_REG, [0x8b] = SPECIAL | M,
	[0x8d] = SPECIAL | M,                            /* lea */
	[0x90] = OK,
	[0x98] = OK | TO_AX, [0x99] = OK | TO_DX,
	[0xa4] = SPECIAL, [0xa5] = SPECIAL,              /* movs */
	[0xaa] = SPECIAL, [0xab] = SPECIAL,              /* stos */
	[0xa8] = OK | I8, [0xa9] = OK | I32,
	[0xb0 ... 0xb7] = OK | TO_CODE | I8, [0xb8 ... 0xbf] = OK | TO_CODE | I32,
	[0xc0] = SPECIAL | M | I8, [0xc1] = SPECIAL | M | I8,
	[0xc2] = SPECIAL, [0xc3] = SPECIAL,              /* ret */
	[0xc6] = M | W | BYTE | TO_RM | I8, [0xc7] = M | W | FULL | TO_RM | I32,
	[0xc9] = SPECIAL,                                /* leave */
	[0xd0 ... 0xd3] = SPECIAL | M,
	[0xe8] = SPECIAL | I32,                          /* call */
	[0xe9] = OK | I32, [0xeb] = OK | I8,
	[0xf6] = SPECIAL | M, [0xf7] = SPECIAL | M, [0xfe] = SPECIAL | M, [0xff] = SPECIAL | M,
};

static const uint16_t two_byte[256] = {
	[0x0d] = M | OK, [0x18 ... 0x1f] = M | OK,       /* prefetch, nop, endbr */
	[0x10] = M | R | FLOAT, [0x11] = M | W | FLOAT,
	[0x13] = M | W | QWORD, [0x17] = M | W | QWORD,
	[0x14] = M | R | OWORD, [0x15] = M | R | OWORD,
	[0x28] = M | R | OWORD, [0x29] = M | W | OWORD, [0x2b] = M | W | OWORD,
	[0x2a] = SPECIAL | M, [0x2c] = SPECIAL | M, [0x2d] = SPECIAL | M,
	[0x40 ... 0x4f] = M | R | FULL | TO_REG,         /* cmov */
	[0x51] = M | R | FLOAT, [0x54 ... 0x57] = M | R | OWORD, [0x58 ... 0x59] = M | R | FLOAT,
	[0x5c ... 0x5f] = M | R | FLOAT,
	[0x60 ... 0x6d] = M | R | PACKED,
	[0x6e] = M | R | HALF, [0x6f] = M | R | PACKED, [0x70] = M | R | PACKED | I8,
	[0x71 ... 0x73] = M | OK | I8,                   /* shifts by an immediate: registers only */
	[0x74 ... 0x76] = M | R | PACKED,
	[0x7e] = SPECIAL | M, [0x7f] = M | W | PACKED,
	[0x80 ... 0x8f] = OK | I32,                      /* jcc */
	[0x90 ... 0x9f] = M | W | BYTE | TO_RM,          /* setcc */
	[0xaf] = M | R | FULL | TO_REG,
	[0xb6] = M | R | BYTE | TO_REG, [0xb7] = M | R | WORD | TO_REG,
	[0xbe] = M | R | BYTE | TO_REG, [0xbf] = M | R | WORD | TO_REG,
	[0xc6] = M | R | OWORD | I8,
	[0xc8 ... 0xcf] = OK | TO_CODE,                  /* bswap */
	[0xd1 ... 0xd5] = M | R | PACKED, [0xd6] = M | W | QWORD, [0xd7] = SPECIAL | M,
	[0xd8 ... 0xdf] = M | R | PACKED, [0xe0 ... 0xe5] = M | R | PACKED, [0xe7] = M | W | PACKED,
	[0xe8 ... 0xef] = M | R | PACKED, [0xf1 ... 0xf6] = M | R | PACKED, [0xf8 ... 0xfe] = M | R | PACKED,
};

/* An instruction being decoded. */
struct decode {
	const uint8_t *code, *end;
	uint64_t next;         /* address of the next instruction: what rip-relative addresses count from */
	struct x86_insn *insn;
	uint8_t rex, segment, repeat; /* repeat: F2, F3 or 0 */
	bool operand16, two;   /* prefix 66; opcode map 0F */
	uint8_t opcode, modrm;
	bool has_modrm, is_memory;
	uint8_t reg, rm;       /* registers of ModRM, with their REX bits */
	struct x86_access memory; /* the memory operand, if is_memory */
};

static int64_t little_endian(const uint8_t *p, unsigned bytes)
{
	int32_t word = 0;
	if (bytes == 1)
		return (int8_t)*p;
	memcpy(&word, p, 4);
	return word;
}

/* => false: not one of the prefixes that compilers emit, or no opcode follows. */
static bool decode_prefixes(struct decode *d)
{
	for (; d->code < d->end; d->code++) {
		uint8_t b = *d->code;
		if (b == 0x66)
			d->operand16 = true;
		else if (b == 0xf2 || b == 0xf3)
			d->repeat = b;
		else if (b == 0x64 || b == 0x65)
			d->segment = b;
		else if (b != 0x2e && b != 0x3e) /* no effect, or a hint */
			break;
	}
	if (d->code < d->end && (*d->code & 0xf0) == 0x40)
		d->rex = *d->code++;
	return d->code < d->end;
}

static bool decode_opcode(struct decode *d, uint16_t *row)
{
	d->opcode = *d->code++;
	d->two = d->opcode == 0x0f;
	if (d->two) {
		if (d->code == d->end)
			return false;
		d->opcode = *d->code++;
	}
	*row = d->two ? two_byte[d->opcode] : one_byte[d->opcode];
	bool exchange = !d->two && d->opcode == 0x90 && d->rex & 1; /* of r8 with rax: no nop */
	return *row != 0 && !exchange;
}

static bool decode_sib(struct decode *d, uint8_t mod)
{
	struct x86_access *a = &d->memory;
	if (d->code == d->end)
		return false;
	uint8_t sib = *d->code++;
	uint8_t index = (sib >> 3 & 7) | (d->rex & 2) << 2, base = (sib & 7) | (d->rex & 1) << 3;
	a->index = index == X86_RSP ? X86_NONE : index;
	a->scale = sib >> 6;
	a->base = (sib & 7) == 5 && mod == 0 ? X86_NONE : base;
	return true;
}

/* The ModRM byte and what belongs to it. */
static bool decode_modrm(struct decode *d)
{
	if (d->code == d->end)
		return false;
	uint8_t modrm = *d->code++, mod = modrm >> 6;
	d->has_modrm = true;
	d->modrm = modrm;
	d->reg = (modrm >> 3 & 7) | (d->rex & 4) << 1;
	d->rm = (modrm & 7) | (d->rex & 1) << 3;
	d->is_memory = mod != 3;
	if (!d->is_memory)
		return true;
	struct x86_access *a = &d->memory;
	*a = (struct x86_access){ .base = d->rm, .index = X86_NONE, .segment = d->segment };
	bool relative = (modrm & 7) == 5 && mod == 0;
	if ((modrm & 7) == 4 && !decode_sib(d, mod))
		return false;
	unsigned bytes = mod == 1 ? 1 : mod == 2 || relative || ((modrm & 7) == 4 && a->base == X86_NONE) ? 4 : 0;
	if (d->end - d->code < (ptrdiff_t)bytes)
		return false;
	a->disp = bytes ? little_endian(d->code, bytes) : 0;
	d->code += bytes;
	if (relative) {
		a->base = X86_NONE;
		a->disp += d->next;
	}
	return true;
}

static unsigned immediate_bytes(const struct decode *d, uint16_t row)
{
	if (!d->two && (d->opcode | 1) == 0xf7 && (d->modrm >> 3 & 7) <= 1) /* test, alone of its group */
		row |= d->opcode & 1 ? I32 : I8;
	if (!d->two && d->opcode == 0xc2)
		return 2;
	if (row & I8)
		return 1;
	if (!(row & I32))
		return 0;
	bool moves8 = !d->two && d->opcode >= 0xb8 && d->opcode <= 0xbf && d->rex & 8;
	return moves8 ? 8 : d->operand16 && !(d->rex & 8) ? 2 : 4;
}

/* ---- effects ---- */

static unsigned full_bytes(const struct decode *d) { return d->rex & 8 ? 8 : d->operand16 ? 2 : 4; }

/* => 0: not known. */
static unsigned width_bytes(const struct decode *d, uint16_t row)
{
	switch (row & WIDTH) {
	case BYTE: return 1;
	case WORD: return 2;
	case DWORD: return 4;
	case QWORD: return d->repeat ? 0 : 8;
	case OWORD: return d->repeat ? 0 : 16;
	case FULL: return d->two && d->repeat ? 0 : full_bytes(d);
	case HALF: return d->repeat ? 0 : d->rex & 8 ? 8 : 4;
	case FLOAT: return d->repeat == 0xf3 ? 4 : d->repeat == 0xf2 ? 8 : 16;
	case PACKED: return d->operand16 || d->repeat == 0xf3 ? 16 : 0;
	}
	return 0;
}

static void add_access(struct decode *d, struct x86_access a, bool store, unsigned bytes)
{
	struct x86_insn *insn = d->insn;
	a.store = store;
	a.bytes = bytes < 8 ? bytes : 8;
	for (unsigned done = 0; done < bytes && insn->n_accesses < X86_ACCESSES; done += 8) {
		insn->access[insn->n_accesses++] = a;
		a.disp += 8;
	}
}

static void add_memory(struct decode *d, uint16_t how, unsigned bytes)
{
	if (!d->is_memory)
		return;
	if (how & R)
		add_access(d, d->memory, false, bytes);
	if (how & W)
		add_access(d, d->memory, true, bytes);
}

/* The stack slot that is to be pushed to, or popped from. */
static struct x86_access stack_slot(int64_t disp)
{
	return (struct x86_access){ .base = X86_RSP, .index = X86_NONE, .disp = disp };
}

static void add_push(struct decode *d)
{
	add_access(d, stack_slot(-8), true, 8);
	d->insn->rsp_add = -8;
}

/* A byte register may be the second byte of one of the first four. */
static void write_register(struct decode *d, unsigned reg, bool is_byte)
{
	d->insn->written |= 1u << reg;
	if (is_byte && reg < 8)
		d->insn->written |= 1u << (reg & 3);
}

static void write_registers(struct decode *d, uint16_t row)
{
	bool is_byte = (row & WIDTH) == BYTE;
	if (row & TO_REG)
		write_register(d, d->reg, is_byte);
	if (row & TO_RM && !d->is_memory)
		write_register(d, d->rm, is_byte);
	if (row & TO_AX)
		d->insn->written |= 1 << 0;
	if (row & TO_DX)
		d->insn->written |= 1 << 2;
	if (row & TO_CODE)
		write_register(d, (d->opcode & 7) | (d->rex & 1) << 3, !d->two && d->opcode < 0xb8);
}

static void set_register(struct decode *d, unsigned set, unsigned from, int64_t add)
{
	d->insn->set = set;
	d->insn->from = from;
	d->insn->add = add;
}

/* mov and lea between 64-bit registers are followed; others only leave something new. */
static bool special_move(struct decode *d)
{
	bool wide = d->rex & 8;
	if (d->opcode == 0x8d) {
		bool plain = d->is_memory && d->memory.index == X86_NONE && d->memory.base != X86_NONE && !d->memory.segment;
		if (wide && plain)
			set_register(d, d->reg, d->memory.base, d->memory.disp);
		else
			write_register(d, d->reg, false);
		return d->is_memory;
	}
	bool load = d->opcode == 0x8b;
	unsigned to = load ? d->reg : d->rm, from = load ? d->rm : d->reg;
	if (d->is_memory)
		add_memory(d, load ? R : W, full_bytes(d));
	if (wide && !d->is_memory)
		set_register(d, to, from, 0);
	else if (load || !d->is_memory)
		write_register(d, to, false);
	return true;
}

/* push, pop, call, ret, leave. */
static bool special_stack(struct decode *d)
{
	unsigned reg = (d->opcode & 7) | (d->rex & 1) << 3;
	if (d->operand16)
		return false;
	switch (d->opcode) {
	case 0x58 ... 0x5f:
		add_access(d, stack_slot(0), false, 8);
		d->insn->rsp_add = 8;
		write_register(d, reg, false);
		return reg != X86_RSP;
	case 0xc2:
	case 0xc3:
		add_access(d, stack_slot(0), false, 8);
		write_register(d, X86_RSP, false);
		return true;
	case 0xc9:
		add_access(d, (struct x86_access){ .base = X86_RBP, .index = X86_NONE }, false, 8);
		set_register(d, X86_RSP, X86_RBP, 8);
		write_register(d, X86_RBP, false);
		return true;
	default: /* push and call */
		add_push(d);
		return true;
	}
}

/* movs and stos, once or repeated. */
static bool special_string(struct decode *d)
{
	unsigned bytes = d->opcode & 1 ? full_bytes(d) : 1;
	bool moves = d->opcode < 0xa8;
	if (moves)
		add_access(d, (struct x86_access){ .base = X86_RSI, .index = X86_NONE }, false, bytes);
	add_access(d, (struct x86_access){ .base = X86_RDI, .index = X86_NONE }, true, bytes);
	d->insn->written = 1u << X86_RDI | (moves ? 1u << X86_RSI : 0) | (d->repeat ? 1u << X86_RCX : 0);
	d->insn->repeated = d->repeat != 0;
	return d->repeat != 0xf2 && !d->segment;
}

/* add, or, adc, sbb, and, sub, xor, cmp with an immediate: of which add and sub are followed. */
static bool special_immediate(struct decode *d)
{
	unsigned op = d->modrm >> 3 & 7, bytes = d->opcode == 0x80 ? 1 : full_bytes(d);
	bool followed = (op == 0 || op == 5) && bytes == 8 && !d->is_memory;
	add_memory(d, op == 7 ? R : R | W, bytes);
	if (followed) {
		int64_t value = little_endian(d->code, d->opcode == 0x81 ? 4 : 1);
		set_register(d, d->rm, d->rm, op == 0 ? value : -value);
	} else if (op != 7 && !d->is_memory) {
		write_register(d, d->rm, bytes == 1);
	}
	return true;
}

static bool special_shift(struct decode *d)
{
	unsigned bytes = d->opcode & 1 ? full_bytes(d) : 1, op = d->modrm >> 3 & 7;
	if (op == 2 || op == 3 || op == 6) /* through carry; undefined */
		return false;
	add_memory(d, R | W, bytes);
	if (!d->is_memory)
		write_register(d, d->rm, bytes == 1);
	return true;
}

/* test, not, neg, mul, imul, div, idiv. */
static bool special_unary(struct decode *d)
{
	unsigned bytes = d->opcode & 1 ? full_bytes(d) : 1, op = d->modrm >> 3 & 7;
	bool in_place = op == 2 || op == 3;
	add_memory(d, in_place ? R | W : R, bytes);
	if (in_place && !d->is_memory)
		write_register(d, d->rm, bytes == 1);
	if (op >= 4)
		d->insn->written |= 1 << 0 | 1 << 2;
	return true;
}

/* inc, dec, call, jmp, push. */
static bool special_five(struct decode *d)
{
	unsigned bytes = d->opcode & 1 ? full_bytes(d) : 1, op = d->modrm >> 3 & 7;
	if (op <= 1) {
		add_memory(d, R | W, bytes);
		if (!d->is_memory && bytes == 8)
			set_register(d, d->rm, d->rm, op == 0 ? 1 : -1);
		else if (!d->is_memory)
			write_register(d, d->rm, bytes == 1);
		return true;
	}
	if (d->opcode == 0xfe || op == 3 || op == 5 || op == 7 || d->operand16)
		return false;
	add_memory(d, R, 8);
	if (op == 2 || op == 6)
		add_push(d);
	return true;
}

/* Conversions between integer and vector registers, and moves. */
static bool special_vector(struct decode *d)
{
	switch (d->opcode) {
	case 0x2a:
		add_memory(d, R, d->rex & 8 ? 8 : 4);
		return d->repeat != 0;
	case 0x2c:
	case 0x2d:
		add_memory(d, R, d->repeat == 0xf3 ? 4 : 8);
		write_register(d, d->reg, false);
		return d->repeat != 0;
	case 0x7e:
		add_memory(d, d->repeat == 0xf3 ? R : W, d->repeat == 0xf3 || d->rex & 8 ? 8 : 4);
		if (!d->is_memory && d->repeat != 0xf3)
			write_register(d, d->rm, false);
		return d->repeat != 0xf2;
	default: /* pmovmskb */
		write_register(d, d->reg, false);
		return !d->is_memory;
	}
}

static bool decode_special(struct decode *d)
{
	if (d->two)
		return special_vector(d);
	switch (d->opcode) {
	case 0x80: case 0x81: case 0x83: return special_immediate(d);
	case 0x89: case 0x8b: case 0x8d: return special_move(d);
	case 0xa4: case 0xa5: case 0xaa: case 0xab: return special_string(d);
	case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3: return special_shift(d);
	case 0xf6: case 0xf7: return special_unary(d);
	case 0xfe: case 0xff: return special_five(d);
	default: return special_stack(d);
	}
}

static bool decode_plain(struct decode *d, uint16_t row)
{
	unsigned bytes = row & (R | W) ? width_bytes(d, row) : 0;
	bool transaction = !d->two && (d->opcode | 1) == 0xc7 && d->modrm >> 3 & 7; /* what else begins as mov immediate does */
	if ((row & (R | W) && bytes == 0) || transaction)
		return false;
	add_memory(d, row, bytes);
	write_registers(d, row);
	return true;
}

void x86_decode(const uint8_t *code, size_t n, uint64_t va, struct x86_insn *insn)
{
	struct decode d = { .code = code, .end = code + n, .next = va + n, .insn = insn };
	uint16_t row;
	memset(insn, 0, sizeof(*insn));
	insn->set = X86_NONE;
	if (!decode_prefixes(&d) || !decode_opcode(&d, &row) || (row & M && !decode_modrm(&d)))
		return;
	if (d.end - d.code != (ptrdiff_t)immediate_bytes(&d, row))
		return;
	insn->known = row & SPECIAL ? decode_special(&d) : decode_plain(&d, row);
}
