/* block.h - how the references of a block of code are recorded with few calls.
 *
 * A call out of translated code costs several times what writing a reference costs.  But most addresses in a block follow from
 * others: two accesses through the same unchanged register differ by a constant that the code says, the block's own code lies
 * where it lies, and so does what is addressed relative to it.  So one call can record many references. */
#pragma once
#include "qemu_plugin.h"

enum { BLOCK_WORDS = 8, BLOCK_SLOTS = 4, BLOCK_CALLS = 128, BLOCK_NO_SLOT = 255 };

/* What one call records: words, in the order of the program.  Word i is
 *      add[i] + (own[i] ? the address of this access : other[i] ? the address kept in a slot : 0) << REF_KIND_BITS
 * with the kind in add.  All that is read of a slice of at most four words, in the usual path, is one line of the cache. */
struct block_slice {
	int8_t own[BLOCK_WORDS];    /* -1 or 0: masks */
	int8_t other[BLOCK_WORDS];
	int32_t own_low, other_low; /* lowest byte that words of this address touch, counted from it */
	int16_t own_room, other_room; /* they lie in one page when that byte is at most here in its page; -1: never surely */
	uint8_t n;
	uint8_t save_slot, other_slot; /* the own address is kept in a slot; the other one was */
	uint64_t add[BLOCK_WORDS];
	uint8_t bytes[BLOCK_WORDS]; /* how many each word touches: to find those that reach into another page */
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct block_slice, add) == 32, "the first four words lie in the first line of the cache");

enum block_call_kind {
	BLOCK_EACH,   /* record each access of the instruction as it comes */
	BLOCK_SLICE,  /* record the slice at the instruction's only access, or at one of a load and a store of one address */
	BLOCK_START,  /* record word add at the start of the block */
};

struct block_call {
	enum block_call_kind kind;
	uint32_t insn;
	bool one_of_two;            /* SLICE: the instruction makes two accesses */
	uint64_t word;              /* START */
	struct block_slice slice;   /* SLICE */
};

struct block {
	struct block_call call[BLOCK_CALLS];
	uint32_t n_calls;
};

/* Plans how to record the block.  => false: it is too long; record every access as it comes. */
bool block_plan(struct block *b, const struct qemu_plugin_tb *tb);
