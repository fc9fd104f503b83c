/* limit.h - what a process may have: its limits, and what memory has been promised to all. */
#pragma once
#include "process.h"

/* May the process map that many pages more, as this entry says, in place of what is mapped at [start, end)?  => PW_LIMIT: a limit of its
 * own, or the overcommit mode, forbids it */
must_use enum pw_err limit_map(struct process *p, const struct entry *like, uint64_t n_pages, uint64_t start, uint64_t end);
/* May it be copied? */
must_use enum pw_err limit_fork(const struct process *p);
/* May these be all it maps? */
must_use enum pw_err limit_exec(const struct process *p, struct entry *const *entry, unsigned n);
/* Linux's stack_guard_gap: kept free below a stack that grows. */
#define STACK_GAP_BYTES (1ull << 20)
/* May its stack be that long? */
bool limit_stack(const struct process *p, const struct entry *stack, uint64_t n_pages);
/* May a private mapping that could not be written be so from now on, in [start, end)? */
must_use enum pw_err limit_protect(struct process *p, uint64_t start, uint64_t end, unsigned prot);
