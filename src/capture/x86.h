/* x86.h - what an x86-64 instruction does to memory and to the general registers, as far as block.c needs to know it.
 *
 * Only the instructions that compilers emit all the time are known; of all others it is said that nothing is known of them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { X86_REGS = 16, X86_RCX = 1, X86_RSP = 4, X86_RBP = 5, X86_RSI = 6, X86_RDI = 7, X86_NONE = -1, X86_ACCESSES = 4 };

/* One access as QEMU makes it: of at most 8 bytes (wider ones are several).  Its address is
 * segment base + register base + register index << scale + disp, with the registers as they are before the instruction. */
struct x86_access {
	bool store;
	uint8_t bytes;
	int8_t base, index;  /* X86_NONE: none; both: disp is the address */
	uint8_t scale;
	uint8_t segment;     /* 0: none, otherwise the prefix */
	int64_t disp;
};

struct x86_insn {
	bool known;          /* false: it may do anything */
	bool repeated;       /* it does so once for each time that rcx counts; each time begins a block of its own */
	uint8_t n_accesses;  /* in the order in which they are made */
	struct x86_access access[X86_ACCESSES];
	int8_t set, from;    /* register set becomes register from + add (X86_NONE: no such) */
	int64_t add;
	int64_t rsp_add;     /* and then the stack pointer moves */
	uint16_t written;    /* registers that have other values after it, of which nothing is known */
};

/* => insn says what the n bytes at code, an instruction at address va, do. */
void x86_decode(const uint8_t *code, size_t n, uint64_t va, struct x86_insn *insn);
