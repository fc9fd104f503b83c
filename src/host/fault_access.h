/* fault_access.h - what an instruction was doing to an address when it faulted: load, store or fetch.
 *
 * The kernel's record of a fault does not say.  The instruction does; this reads x86-64 instructions just far enough to know
 * which of their memory operands are written.  Of other machines' instructions nothing is known. */
#pragma once
#include "fault_record.h"

enum fault_access { FAULT_LOAD, FAULT_STORE, FAULT_FETCH, FAULT_UNTOLD };
enum { FAULT_CODE_BYTES = 15 };

/* code: the n bytes at the instruction pointer of the program, fewer than FAULT_CODE_BYTES when there are no more; r: a fault that
 * happened there.  => FAULT_UNTOLD for faults in the kernel and instructions that are not known. */
enum fault_access access_of(const uint8_t *code, size_t n, const struct fault_record *r);
/* "load", "store", "fetch", "?". */
const char *access_word(enum fault_access a);
