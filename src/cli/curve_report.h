/* curve_report.h - a curve as people read it: a text with a plot, a table for other programs. */
#pragma once
#include "../sim/curve.h"
#include <stdbool.h>

struct curve_look {
	bool colour, unicode;
	unsigned columns;
};
/* => out gets it whole or has its error flag set. */
void curve_report_write(const struct curve_result *r, const struct curve_look *look, FILE *out);
void curve_csv_write(const struct curve_result *r, FILE *out);
void curve_svg_write(const struct curve_result *r, FILE *out);
