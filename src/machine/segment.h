/* segment.h - x86 segmentation in protected mode: from a segment register and an offset to a linear address, which paging takes on.
 *
 *      selector   | index, 13 bits | TI | RPL |     TI: in the LDT; RPL: the privilege that is asked for
 *
 * A selector is loaded into a register: its descriptor is read from the table, checked, and kept beside it, so that memory is read
 * once and an access costs a comparison and an addition.  Tables lie at linear addresses; whoever drives the unit reads them.
 *
 * Modelled: 32-bit protected mode and compatibility mode, with far jumps, calls through call gates, and returns between rings.  Not
 * modelled: tasks, interrupts, 64-bit mode (which ignores all of it but the bases of FS and GS). */
#pragma once
#include "access.h"

/* name, word; in the order in which instructions encode them */
#define SEGMENT_REGISTER_LIST(X) X(ES, "es") X(CS, "cs") X(SS, "ss") X(DS, "ds") X(FS, "fs") X(GS, "gs")
enum segment_name {
#define X(name, word) SEGMENT_##name,
	SEGMENT_REGISTER_LIST(X)
#undef X
	SEGMENT_REGISTERS
};

struct segment_descriptor {
	uint32_t base;           /* a gate's offset */
	uint32_t limit;          /* 20 bits, as written; a gate has none */
	uint8_t type;            /* 4 bits */
	uint8_t dpl;
	bool code_or_data;       /* S; otherwise a system descriptor */
	bool present, granular, big, wide, available; /* P, G, D/B, L, AVL */
	uint16_t gate_selector;  /* gates only, with the number of parameters */
	uint8_t gate_parameters;
};
enum { SEGMENT_LDT = 2, SEGMENT_GATE_16 = 4, SEGMENT_GATE_32 = 12 }; /* types of system descriptors that mean something here */
enum { SEGMENT_ACCESSED = 1, SEGMENT_WRITABLE = 2, SEGMENT_READABLE = 2, SEGMENT_DOWN = 4, SEGMENT_CONFORMING = 4, SEGMENT_CODE = 8 };

struct segment_descriptor segment_unpack(uint64_t raw);
uint64_t segment_pack(const struct segment_descriptor *d);
/* "data, read/write, expand-down".  => buf */
const char *segment_type_text(const struct segment_descriptor *d, char *buf, unsigned size);
/* The offsets that may be used, both ends included.  => false: there are none */
bool segment_range(const struct segment_descriptor *d, uint32_t *ret_first, uint32_t *ret_last);

/* vector, mnemonic */
#define SEGMENT_VECTOR_LIST(X) X(UD, 6, "#UD") X(TS, 10, "#TS") X(NP, 11, "#NP") X(SS, 12, "#SS") X(GP, 13, "#GP") X(PF, 14, "#PF")
enum segment_vector {
	SEGMENT_NO_VECTOR,
#define X(name, number, word) SEGMENT_VECTOR_##name = number,
	SEGMENT_VECTOR_LIST(X)
#undef X
};

#define SEGMENT_REASON_LIST(X) \
	X(MOVE_TO_CS, "only jumps, calls and returns load CS") \
	X(NULL_SELECTOR, "the selector is null") \
	X(TABLE, "the selector is beyond the limit of its table") \
	X(NO_LDT, "the selector is of the LDT, and none is loaded") \
	X(IN_LDT, "the descriptor of an LDT must be in the GDT") \
	X(KIND, "the descriptor is not of a kind that can be used so") \
	X(PRIVILEGE, "DPL, RPL and CPL do not permit it") \
	X(NOT_PRESENT, "the segment is marked as not present") \
	X(UNUSABLE, "the register holds no segment") \
	X(WRITE, "the segment may not be written to") \
	X(READ, "the segment may be executed, not read") \
	X(LIMIT, "the offset is outside the segment") \
	X(TABLE_FAULT, "the table itself is not in memory")
enum segment_reason {
	SEGMENT_REASON_NONE,
#define X(name, text) SEGMENT_REASON_##name,
	SEGMENT_REASON_LIST(X)
#undef X
};

struct segment_fault {
	enum segment_vector vector; /* SEGMENT_NO_VECTOR: it was done */
	uint16_t error;          /* the error code: the selector without its RPL, or 0 */
	enum segment_reason reason;
};
const char *segment_vector_text(enum segment_vector v);
const char *segment_reason_text(enum segment_reason r);

/* Where the tables lie: eight bytes at a linear address, as the processor reads them, whoever runs.  => false: a page fault */
struct segment_memory {
	bool (*load)(void *ctx, uint32_t linear, uint64_t *ret);
	bool (*store)(void *ctx, uint32_t linear, uint64_t raw);
	void *ctx;
};

struct segment_register {
	uint16_t selector;
	bool usable;             /* otherwise a null selector was loaded */
	struct segment_descriptor d;
};
struct segment_unit {
	struct segment_register reg[SEGMENT_REGISTERS];
	struct segment_register ldt;
	uint32_t gdt_base;
	uint16_t gdt_limit;      /* the last byte that is part of it */
	unsigned cpl;
	uint16_t stack[3];       /* what a task's state says is the SS of rings 0, 1, 2 */
};

/* As after a switch to flat segments: every register covers all 4 GiB, no tables yet. */
void segment_unit_init(struct segment_unit *u, unsigned cpl);
/* MOV or POP to a segment register; LLDT.  => when it faults the register is as before.  Sets the accessed bit in the table */
struct segment_fault segment_load(struct segment_unit *u, const struct segment_memory *m, enum segment_name r, uint16_t selector);
struct segment_fault segment_load_ldt(struct segment_unit *u, const struct segment_memory *m, uint16_t selector);

enum segment_how { SEGMENT_JUMP, SEGMENT_CALL, SEGMENT_RETURN };
struct segment_transfer {
	enum segment_how how;
	uint16_t selector;       /* of a code segment, or (not for RETURN) of a call gate */
	uint32_t offset;         /* a gate has its own */
	uint16_t stack;          /* RETURN to an outer ring: the SS that is popped */
};
/* => when it faults nothing has changed; else *ret_offset is where execution goes on, in CS */
struct segment_fault segment_far(struct segment_unit *u, const struct segment_memory *m, const struct segment_transfer *t,
                                 uint32_t *ret_offset);

/* => *ret is the linear address of the first byte */
struct segment_fault segment_access(const struct segment_unit *u, enum segment_name r, uint32_t offset, uint32_t bytes,
                                    enum access_kind kind, uint32_t *ret);
