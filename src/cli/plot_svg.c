/* plot_svg.c - the same plot as a drawing.
 *
 * Problem: a curve goes into papers and pages, where it must stand alone and scale.
 * Idea: one SVG document without scripts, styles or fonts of its own; each line is one path of steps, because between two sizes the
 * curve is that of the smaller.  Decades are grid lines.
 *
 * 1. Names are escaped; numbers are written with a dot whatever the locale (this program sets none). */
#include "plot.h"
#include "../base/text.h"
#include <math.h>
#include <stdint.h>

enum { WIDTH = 800, HEIGHT = 480, LEFT = 80, RIGHT = 20, TOP = 20, BOTTOM = 60, LINES = 8 };
static const char *const strokes[LINES] = { "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999" };

struct frame {
	double x_low, x_high, y_low, y_high;
};

static void escape(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '<' || *s == '>' || *s == '&')
			fprintf(out, "&#%d;", *s);
		else
			fputc(*s, out);
	}
}

static struct frame frame_of(const struct plot *p)
{
	struct frame f = { INFINITY, 0, INFINITY, 0 };
	for (unsigned i = 0; i < p->n_lines; i++)
		for (unsigned k = 0; k < p->line[i].n; k++) {
			f.x_low = fmin(f.x_low, p->line[i].x[k]);
			f.x_high = fmax(f.x_high, p->line[i].x[k]);
			f.y_high = fmax(f.y_high, p->line[i].y[k]);
			if (p->line[i].y[k] > 0)
				f.y_low = fmin(f.y_low, p->line[i].y[k]);
		}
	if (!(f.x_high > 0))
		f.x_low = f.x_high = 1;
	if (!(f.y_high > 0))
		f.y_low = f.y_high = 1;
	f.x_low = log2(f.x_low);
	f.x_high = fmax(log2(f.x_high), f.x_low + 1e-6);
	f.y_high = ceil(log10(f.y_high) - 1e-9);
	f.y_low = fmin(floor(log10(f.y_low) + 1e-9), f.y_high - 1);
	return f;
}

static double at_x(const struct frame *f, double x)
{
	return LEFT + (log2(x) - f->x_low) / (f->x_high - f->x_low) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct frame *f, double y)
{
	double l = y > 0 ? log10(y) : f->y_low;
	return TOP + (f->y_high - l) / (f->y_high - f->y_low) * (HEIGHT - TOP - BOTTOM);
}

static void grid(const struct plot *p, const struct frame *f, FILE *out)
{
	char text[32];
	for (double e = f->y_low; e <= f->y_high + 0.5; e++) {
		double y = at_y(f, pow(10, e));
		fprintf(out, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>", LEFT, y, WIDTH - RIGHT, y);
		fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", LEFT - 6, y + 4, pow(10, e));
	}
	double step = fmax(1, ceil((f->x_high - f->x_low) / 10));
	for (double e = ceil(f->x_low - 1e-9); e <= f->x_high + 1e-9; e += step) {
		double x = at_x(f, exp2(e));
		uint64_t whole = (uint64_t)(exp2(e) + 0.5);
		fprintf(out, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#ddd\"/>", x, TOP, x, HEIGHT - BOTTOM);
		fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, HEIGHT - BOTTOM + 18,
		        p->x_is_bytes ? text_bytes(text, sizeof text, whole) : text_count(text, sizeof text, whole));
	}
}

static void path(const struct plot_line *l, const struct frame *f, const char *stroke, FILE *out)
{
	if (!l->n)
		return;
	fprintf(out, "<path fill=\"none\" stroke-width=\"1.5\" stroke=\"%s\" d=\"M%.2f %.2f", stroke, at_x(f, l->x[0]), at_y(f, l->y[0]));
	for (unsigned k = 1; k < l->n; k++)
		fprintf(out, "H%.2fV%.2f", at_x(f, l->x[k]), at_y(f, l->y[k]));
	fprintf(out, "\"/>\n");
}

void plot_svg(const struct plot *p, FILE *out)
{
	struct frame f = frame_of(p);
	fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"
	        "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, HEIGHT, WIDTH, HEIGHT);
	grid(p, &f, out);
	for (unsigned i = 0; i < p->n_lines; i++) {
		path(&p->line[i], &f, strokes[i % LINES], out);
		fprintf(out, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\" fill=\"%s\">", WIDTH - RIGHT - 8, TOP + 16 + 16 * i,
		        strokes[i % LINES]);
		escape(out, p->line[i].name);
		fprintf(out, "</text>\n");
	}
	fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (WIDTH + LEFT - RIGHT) / 2, HEIGHT - 16);
	escape(out, p->x_label);
	fprintf(out, "</text>\n<text transform=\"translate(18 %d) rotate(-90)\" text-anchor=\"middle\">", (HEIGHT + TOP - BOTTOM) / 2);
	escape(out, p->y_label);
	fprintf(out, "</text>\n</svg>\n");
}
