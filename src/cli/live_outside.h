/* live_outside.h - what is said to a paged program that runs already, through its control socket. */
#pragma once
#include "output.h"
#include <stdint.h>

/* Changes its memory, unless ram_bytes is 0; writes report and JSON as far as they were asked for, and the report to standard output
 * when nothing was asked for at all; then, with top, shows it on the whole terminal until it ends or somebody has seen enough.
 * => an exit status */
int live_outside(const char *path, uint64_t ram_bytes, bool top, struct output *report, struct output *json);
