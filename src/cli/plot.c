/* plot.c - a plot in characters.
 *
 * Problem: a curve of thousands of points must be seen on a terminal of eighty columns, also where only ASCII is safe.
 * Idea: a raster of dots. In braille a character is two dots wide and four high; in ASCII one dot is one character, the letter of its
 * line.  Each column of dots is set from the y before to the y at it, so that steep falls stay connected.
 *
 * 1. Dots outside of the raster are never set: everything is clamped first.
 * Rejected: block characters with colours alone (invisible on paper and for many eyes). */
#include "plot.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 10, NUMBER = 32, LINES_MAX = 8 };
static const char letters[LINES_MAX + 1] = "*o+x#@%&";
static const unsigned colours[LINES_MAX] = { 36, 33, 32, 35, 31, 34, 37, 90 };

struct raster {
	const struct plot *p;
	unsigned width, height;     /* in dots */
	unsigned wide, high;        /* in characters */
	double x_low, x_high, y_low, y_high; /* logarithms */
	unsigned char *dots;        /* of each character: a bit a dot, or the letter */
	unsigned char *line;        /* which line drew it last, plus one */
};

bool plot_unicode(void)
{
	const char *locale = getenv("LC_ALL");
	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	return locale && (strcasestr(locale, "utf-8") || strcasestr(locale, "utf8"));
}

static void raster_range(struct raster *r)
{
	double x_low = INFINITY, x_high = 0, y_low = INFINITY, y_high = 0;
	for (unsigned i = 0; i < r->p->n_lines; i++) {
		const struct plot_line *l = &r->p->line[i];
		for (unsigned k = 0; k < l->n; k++) {
			x_low = fmin(x_low, l->x[k]);
			x_high = fmax(x_high, l->x[k]);
			y_high = fmax(y_high, l->y[k]);
			if (l->y[k] > 0)
				y_low = fmin(y_low, l->y[k]);
		}
	}
	if (!(x_high > 0))
		x_low = x_high = 1;
	if (!(y_high > 0))
		y_low = y_high = 1;
	r->x_low = log10(x_low);
	r->x_high = fmax(log10(x_high), r->x_low + 1e-6);
	r->y_high = ceil(log10(y_high) - 1e-9);
	r->y_low = fmin(floor(log10(y_low) + 1e-9), r->y_high - 1);
}

static void raster_set(struct raster *r, unsigned x, unsigned y, unsigned line)
{
	static const unsigned char bit[4][2] = { { 1, 8 }, { 2, 16 }, { 4, 32 }, { 64, 128 } };
	if (!r->p->unicode) {
		r->dots[y * r->wide + x] = (unsigned char)letters[line % LINES_MAX];
		return;
	}
	unsigned at = y / 4 * r->wide + x / 2;
	r->dots[at] |= bit[y % 4][x % 2];
	r->line[at] = (unsigned char)(line + 1);
}

static unsigned scaled(double v, double low, double high, unsigned n)
{
	double at = (v - low) / (high - low) * (n - 1) + 0.5;
	return at <= 0 ? 0 : at >= n - 1 ? n - 1 : (unsigned)at;
}

/* The line's y at a column of dots: that of the last point at or before it. */
static void raster_line(struct raster *r, unsigned which)
{
	const struct plot_line *l = &r->p->line[which];
	unsigned before = 0, k = 0;
	bool drawn = false;
	for (unsigned x = 0; x < r->width && l->n; x++) {
		double value = pow(10, r->x_low + (r->x_high - r->x_low) * (x + 0.5) / r->width);
		if (l->x[0] > value && x + 1 < r->width)
			continue;
		while (k + 1 < l->n && l->x[k + 1] <= value)
			k++;
		double y = l->y[k] > 0 ? log10(l->y[k]) : r->y_low;
		unsigned at = r->height - 1 - scaled(y, r->y_low, r->y_high, r->height);
		unsigned from = drawn && before < at ? before + 1 : at, to = drawn && before > at ? before - 1 : at;
		for (unsigned d = from; d <= to; d++)
			raster_set(r, x, d, which);
		before = at;
		drawn = true;
	}
}

static void print_cell(const struct raster *r, unsigned at, FILE *out)
{
	unsigned char dots = r->dots[at];
	if (!r->p->unicode) {
		fputc(dots ? dots : ' ', out);
		return;
	}
	if (!dots) {
		fputc(' ', out);
		return;
	}
	bool colour = r->p->colour && r->line[at];
	if (colour)
		fprintf(out, "\033[%um", colours[(r->line[at] - 1u) % LINES_MAX]);
	fputc(0xe2, out);
	fputc(0xa0 + (dots >> 6), out);
	fputc(0x80 + (dots & 63), out);
	if (colour)
		fputs("\033[0m", out);
}

/* A tick at every whole power of ten that has a row of its own. */
static void print_row(const struct raster *r, unsigned row, FILE *out)
{
	char label[NUMBER] = "";
	unsigned decades = (unsigned)(r->y_high - r->y_low + 0.5), each = (decades + r->high - 1) / r->high;
	for (unsigned i = 0; i <= decades; i += each ? each : 1) {
		double y = r->y_high - i;
		if (r->high - 1 - scaled(y, r->y_low, r->y_high, r->high) == row)
			snprintf(label, sizeof label, "%g", pow(10, y));
	}
	fprintf(out, "%*s %s", MARGIN - 2, label, r->p->unicode ? *label ? "┤" : "│" : *label ? "+" : "|");
	unsigned end = r->wide;
	while (end > 0 && !r->dots[row * r->wide + end - 1])
		end--;
	for (unsigned i = 0; i < end; i++)
		print_cell(r, row * r->wide + i, out);
	fputc('\n', out);
}

static void print_x_axis(const struct raster *r, FILE *out)
{
	char labels[512], text[NUMBER];
	unsigned n = r->wide < 480 ? r->wide : 480;
	memset(labels, ' ', sizeof labels);
	labels[n + 16] = '\0';
	fprintf(out, "%*s%s", MARGIN - 1, "", r->p->unicode ? "└" : "+");
	for (unsigned i = 0; i < r->wide; i++)
		fputs(r->p->unicode ? "─" : "-", out);
	for (unsigned i = 0; i < 5; i++) {
		unsigned at = (n - 1) * i / 4;
		double x = pow(10, r->x_low + (r->x_high - r->x_low) * i / 4);
		uint64_t whole = (uint64_t)(x + 0.5);
		if (r->p->x_is_bytes)
			text_bytes(text, sizeof text, whole);
		else
			text_count(text, sizeof text, whole);
		size_t length = strlen(text), from = i == 0 ? 0 : i == 4 ? n - length : at - length / 2;
		memcpy(labels + from, text, length);
	}
	for (size_t i = strlen(labels); i > 0 && labels[i - 1] == ' '; i--)
		labels[i - 1] = '\0';
	fprintf(out, "\n%*s%s\n", MARGIN, "", labels);
}

static void print_legend(const struct raster *r, FILE *out)
{
	const struct plot *p = r->p;
	fprintf(out, "%*s%s against %s, both axes logarithmic", MARGIN, "", p->y_label, p->x_label);
	for (unsigned i = 0; i < p->n_lines && p->n_lines > 1; i++) {
		fputs(i ? "  " : "; ", out);
		if (p->colour && p->unicode)
			fprintf(out, "\033[%um%s\033[0m", colours[i % LINES_MAX], p->line[i].name);
		else if (!p->unicode)
			fprintf(out, "%c %s", letters[i % LINES_MAX], p->line[i].name);
		else
			fputs(p->line[i].name, out);
	}
	fputc('\n', out);
}

void plot_text(const struct plot *p, FILE *out)
{
	struct raster r = { .p = p, .wide = p->columns > MARGIN + 30 ? p->columns - MARGIN - 1 : 30 };
	r.wide = r.wide < 400 ? r.wide : 400;
	r.high = p->rows > 6 ? p->rows - 3 : 6;
	r.width = p->unicode ? r.wide * 2 : r.wide;
	r.height = p->unicode ? r.high * 4 : r.high;
	r.dots = mem_zalloc((size_t)r.wide * r.high, 2);
	if (!r.dots) {
		fprintf(out, "(out of memory for the plot)\n");
		return;
	}
	r.line = r.dots + (size_t)r.wide * r.high;
	raster_range(&r);
	for (unsigned i = p->n_lines; i-- > 0;)
		raster_line(&r, i);
	for (unsigned row = 0; row < r.high; row++)
		print_row(&r, row, out);
	print_x_axis(&r, out);
	print_legend(&r, out);
	mem_free(r.dots);
}
