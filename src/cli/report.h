/* report.h - a result as a text that people read. */
#pragma once
#include "../sim/result.h"

/* => out gets it whole or has its error flag set. */
void report_write(const struct result *r, FILE *out, bool colour);
