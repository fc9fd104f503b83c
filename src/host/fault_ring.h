/* fault_ring.h - the kernel's rings of page faults: opened, drained, and put in order of time.
 *
 * Every minor and major fault of the watched processes and of all they fork is one record, as are the mappings they make.
 * Faults taken by the kernel for a program (a system call that fills a fresh buffer) are among them where the kernel permits;
 * otherwise only those of the program's own instructions, and rings_see_kernel() says so. */
#pragma once
#include "fault_record.h"

struct rings;
struct rings_options {
	uint32_t pid;
	bool at_exec;        /* pid is a child of ours about to exec: watch from there on; otherwise all its threads from now on */
};
/* => PW_ACCESS: the kernel forbids it, and why says what would help; PW_NOTFOUND: no such process; PW_UNSUPPORTED. */
must_use enum pw_err rings_open(const struct rings_options *o, struct rings **ret, struct pw_why *why);
void rings_close(struct rings *r);
/* Collects what is new.  last: everything that is there, nothing more will come.  => PW_NOMEM: records were dropped and are
 * counted as lost. */
must_use enum pw_err rings_collect(struct rings *r, bool last);
/* The next record in order of time, of those that can have no earlier one behind them.  => false: none; collect again.
 * Its name lives until the next rings_collect(). */
bool rings_next(struct rings *r, struct fault_record *ret);
/* Waits for records, at most so long.  => false: interrupted, or every watched process has ended. */
bool rings_wait(struct rings *r, int milliseconds);

struct rings_state {
	bool kernel, page_size, regs; /* kernel: faults in the kernel are seen */
	uint64_t minor, major;        /* counted by the kernel, whether or not their records found room */
	uint64_t lost, damaged;       /* records */
	uint64_t ring_bytes;          /* of the smallest ring */
};
void rings_state(const struct rings *r, struct rings_state *ret);
