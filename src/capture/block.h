/* block.h - how the references of a block of code are recorded with few calls.
 *
 * A call out of translated code costs several times what writing a reference costs.  But whoever is called knows the program's
 * registers (stub.h says how), and so every address that the registers give at that moment: of accesses before it whose registers
 * have not changed since, of accesses after it whose registers will not have changed by more than a constant.  So one call, as
 * late as can be, records many references, most often those of the whole block. */
#pragma once
#include "qemu_plugin.h"

enum { BLOCK_WORDS = 16, BLOCK_CALLS = 128 };

/* Where the address of a reference comes from. */
enum block_source {
	BLOCK_CONSTANT,  /* it is add */
	BLOCK_OWN,       /* the address of the access at which the call is made, + add */
	BLOCK_REGISTERS, /* base + (index << scale) + add, of the registers before that instruction; X86_NONE: no such register */
};

struct block_word {
	int64_t add;
	uint8_t source, kind;
	uint8_t bytes;   /* that are touched: 1 when they surely lie in one page */
	int8_t base, index;
	uint8_t scale;
	uint8_t zero[2]; /* words are compared as bytes */
};

enum block_call_kind {
	BLOCK_EACH,      /* record each access of the instruction as it comes */
	BLOCK_ACCESS,    /* record the words at the instruction's only access, or at one of a load and a store */
	BLOCK_START,     /* record the words, fetches, at the start of the block */
};

struct block_call {
	enum block_call_kind kind;
	uint32_t insn;
	bool one_of_two;  /* ACCESS: the instruction makes two accesses */
	bool at_zero;     /* START: only when rcx is 0 */
	uint32_t n_words; /* in the order of the program */
	struct block_word word[BLOCK_WORDS];
};

struct block {
	struct block_call call[BLOCK_CALLS];
	uint32_t n_calls;
};

/* Plans how to record the block.  => false: it is too long; record every access as it comes. */
bool block_plan(struct block *b, const struct qemu_plugin_tb *tb);
