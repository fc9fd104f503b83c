/* tlb_report.h - the result of `pageworks tlb` as a text that people read. */
#pragma once
#include "../sim/tlb_result.h"

/* => out gets it whole or has its error flag set. */
void tlb_report_write(const struct tlb_result *r, FILE *out, bool colour);
