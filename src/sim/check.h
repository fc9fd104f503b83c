/* check.h - a run that checks its own sums.
 *
 * => run once over a complete result; every law that holds raises checks.passed, every other leaves a sentence with its numbers. */
#pragma once
#include "result.h"

/* consumed: references the driver took from the trace; flaws may be NULL: what the kernel's and machine's own checks said. */
void check_result(struct result *r, uint64_t consumed, const char *kernel_flaw_text, const char *machine_flaw_text);
