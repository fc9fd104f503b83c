/* plot.h - lines in a text or a drawing: what a curve looks like.
 *
 * Both axes are logarithmic; a y of 0 lies on the floor.  In a text lines are drawn in braille where the terminal can show it, and in
 * letters otherwise. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct plot_line {
	const char *name;
	const double *x, *y;   /* x ascending and positive */
	unsigned n;
};
struct plot {
	const char *x_label, *y_label;
	bool x_is_bytes;
	const struct plot_line *line;
	unsigned n_lines;
	bool unicode, colour;
	unsigned columns, rows; /* of the text, with its axes */
};

/* => out gets it whole or has its error flag set. */
void plot_text(const struct plot *p, FILE *out);
/* The same as one SVG document. */
void plot_svg(const struct plot *p, FILE *out);
/* Does the locale of this process write UTF-8? */
bool plot_unicode(void);
