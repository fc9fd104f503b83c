/* curve_report.c - the report of a curve.
 *
 * Problem: the answer is a picture, a few sentences, and a table for those who want to check them.
 * Idea: in this order; what went wrong with the input comes last, where a reader's eye ends.
 * 1. Every figure is taken from the result, none is computed twice but ratios. */
#include "curve_report.h"
#include "plot.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>

enum { NUMBER = 32, TABLE_ROWS = 14, LINES_MAX = 64, TOP_ROWS = 8, MAPPINGS_SEEN = 4096 };

/* Series for a plot: the owner frees x of each line. */
static unsigned lines_make(const struct curve_result *r, struct plot_line *line)
{
	unsigned n = 0;
	for (unsigned i = 0; i < r->n_lines && n < LINES_MAX; i++) {
		const struct curve_line *l = &r->line[i];
		double *x = mem_zalloc(l->n_points, 2 * sizeof *x);
		if (!x)
			break;
		for (unsigned k = 0; k < l->n_points; k++) {
			x[k] = (double)(l->point[k].frames * r->page_bytes);
			x[l->n_points + k] = r->references ? (double)l->point[k].faults / (double)r->references : 0;
		}
		line[n++] = (struct plot_line){ .name = l->policy, .x = x, .y = x + l->n_points, .n = l->n_points };
	}
	return n;
}

static void lines_drop(struct plot_line *line, unsigned n)
{
	while (n-- > 0)
		mem_free((void *)line[n].x);
}

static void head(const struct curve_result *r, FILE *out)
{
	char a[NUMBER], b[NUMBER], c[NUMBER];
	fputs("pageworks curve of '", out);
	for (unsigned i = 0; i < r->n_command; i++)
		fprintf(out, "%s%s", i ? " " : "", r->command[i]);
	fprintf(out, "'\n  %s references to %s pages of %s (%s)", text_count(a, sizeof a, r->references),
	        text_count(b, sizeof b, r->pages), text_bytes(c, sizeof c, r->page_bytes), r->format);
	if (r->warmup)
		fprintf(out, ", after %s to warm up", text_count(a, sizeof a, r->warmup));
	if (r->estimated)
		fprintf(out, "\n  estimated from %s references to %.3g %% of the pages; errors are half of a 95 %% interval",
		        text_count(a, sizeof a, r->sampled_references), 100 * r->sample_rate);
	fputs("\n\n", out);
}

static void plot(const struct curve_result *r, const struct curve_look *look, FILE *out)
{
	struct plot_line line[LINES_MAX];
	unsigned n = lines_make(r, line);
	struct plot p = { .x_label = "memory", .y_label = "faults per reference", .x_is_bytes = true, .line = line, .n_lines = n,
	                  .unicode = look->unicode, .colour = look->colour, .columns = look->columns, .rows = 18 };
	if (n && line[0].n > 1)
		plot_text(&p, out);
	lines_drop(line, n);
}

static void advice(const struct curve_result *r, FILE *out)
{
	fputc('\n', out);
	for (unsigned i = 0; i < r->n_advice; i++)
		fprintf(out, "  %s\n      assuming %s\n", r->advice[i].text, r->advice[i].assumes);
}

static const char *error_text(const struct curve_result *r, const struct curve_point *p, char *buf, size_t size)
{
	*buf = '\0';
	if (r->estimated && r->references)
		snprintf(buf, size, " +- %.3f%%", 100 * p->error / (double)r->references);
	return buf;
}

/* Percent, with two digits that mean something also where it is little. */
static const char *share_text(uint64_t part, uint64_t whole, char *buf, size_t size)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 0;
	int digits = percent >= 0.01 || !part ? 3 : percent >= 0.001 ? 4 : percent >= 0.0001 ? 5 : 6;
	snprintf(buf, size, "%.*f%%", digits, percent);
	return buf;
}

/* About as many rows as a person reads. */
static void table(const struct curve_result *r, FILE *out)
{
	char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER], share[NUMBER], error[NUMBER];
	fprintf(out, "\n  %12s %10s %16s %16s %10s  policy\n", "frames", "memory", "faults", "written back", "miss ratio");
	for (unsigned i = 0; i < r->n_lines; i++) {
		const struct curve_line *l = &r->line[i];
		unsigned step = r->n_lines > 1 || l->n_points <= TABLE_ROWS ? 1 : (l->n_points + TABLE_ROWS - 1) / TABLE_ROWS;
		for (unsigned k = (l->n_points - 1) % step; k < l->n_points; k += step) {
			const struct curve_point *p = &l->point[k];
			fprintf(out, "  %12s %10s %16s %16s %10s  %s%s\n", text_count(a, sizeof a, p->frames),
			        text_bytes(b, sizeof b, p->frames * r->page_bytes), text_count(c, sizeof c, p->faults),
			        text_count(d, sizeof d, p->written_back),
			        share_text(p->faults, r->references, share, sizeof share), l->policy,
			        error_text(r, p, error, sizeof error));
		}
	}
}

static void working_set(const struct curve_result *r, FILE *out)
{
	char a[NUMBER], b[NUMBER], c[NUMBER];
	unsigned step = r->n_ws > 10 ? r->n_ws / 8 : 1;
	if (!r->n_ws)
		return;
	fprintf(out, "\n  working set: pages used in the last tau references, on average\n");
	for (unsigned i = (r->n_ws - 1) % step; i < r->n_ws; i += step)
		fprintf(out, "  %12s references %12.1f pages %10s\n", text_count(a, sizeof a, r->ws[i].tau), r->ws[i].mean_pages,
		        text_bytes(b, sizeof b, (uint64_t)(r->ws[i].mean_pages * (double)r->page_bytes)));
	uint64_t least = UINT64_MAX, most = 0;
	for (unsigned i = 0; i < r->n_windows; i++) {
		least = r->window[i].pages < least ? r->window[i].pages : least;
		most = r->window[i].pages > most ? r->window[i].pages : most;
	}
	if (r->n_windows)
		fprintf(out, "  over time, in windows of %s references: from %s to %s pages\n", text_count(a, sizeof a, r->tau),
		        text_count(b, sizeof b, least), text_count(c, sizeof c, most));
}

/* Whose faults they are where the first recommendation is. */
static void mappings(const struct curve_result *r, FILE *out)
{
	char a[NUMBER], b[NUMBER];
	bool shown[MAPPINGS_SEEN] = { false };
	unsigned n = r->n_mappings < MAPPINGS_SEEN ? r->n_mappings : MAPPINGS_SEEN;
	if (n < 2 || !r->n_advice || !r->n_scale)
		return;
	unsigned cell = scale_cell(r->advice[0].frames);
	cell = cell < r->n_scale ? cell : r->n_scale - 1;
	fprintf(out, "\n  whose faults, in %s frames\n", text_count(a, sizeof a, scale_size(cell)));
	for (unsigned row = 0; row < TOP_ROWS; row++) {
		unsigned best = n;
		for (unsigned i = 0; i < n; i++)
			if (!shown[i] && (best == n || r->mapping[i].faults[cell] > r->mapping[best].faults[cell]))
				best = i;
		if (best == n || !r->mapping[best].faults[cell])
			return;
		shown[best] = true;
		const struct curve_part *p = &r->mapping[best];
		fprintf(out, "  %16s  of %16s references  %s", text_count(a, sizeof a, p->faults[cell]),
		        text_count(b, sizeof b, p->references), p->name);
		if (r->n_processes > 1)
			fprintf(out, "  process %u", p->pid);
		fputc('\n', out);
	}
}

static void trouble(const struct curve_result *r, FILE *out)
{
	char a[NUMBER], b[NUMBER];
	if (r->refused)
		fprintf(out, "\n  %s references were refused: their addresses are no program's\n", text_count(a, sizeof a, r->refused));
	if (r->rejected)
		fprintf(out, "\n  %s records of %s made no sense and were left out; the first is number %s\n",
		        text_count(a, sizeof a, r->rejected), r->source, text_count(b, sizeof b, r->rejected_at));
	if (r->lost)
		fprintf(out, "\n  %s references were lost while recording\n", text_count(a, sizeof a, r->lost));
	if (r->input_error != PW_OK)
		fprintf(out, "\n  the input ended early: %s\n", *r->input_error_text ? r->input_error_text : pw_err_text(r->input_error));
	if (r->interrupted)
		fprintf(out, "\n  interrupted: this is the curve of what ran until then, without policies that were not done\n");
}

static void ending(const struct curve_result *r, FILE *out)
{
	char a[NUMBER];
	fprintf(out, "\n  took %.2f s on this computer: %.1f million references a second, %s of memory\n", r->wall_s,
	        r->wall_s > 0 ? (double)r->references / r->wall_s * 1e-6 : 0.0, text_bytes(a, sizeof a, r->host_bytes));
	if (r->checks_failed)
		fprintf(out, "  %u CHECKS FAILED, %u passed: do not trust these figures\n    %s\n", r->checks_failed, r->checks_passed,
		        r->check_text);
	else
		fprintf(out, "  checked: %u laws hold\n", r->checks_passed);
}

void curve_report_write(const struct curve_result *r, const struct curve_look *look, FILE *out)
{
	head(r, out);
	plot(r, look, out);
	table(r, out);
	working_set(r, out);
	mappings(r, out);
	advice(r, out);
	trouble(r, out);
	ending(r, out);
}

void curve_csv_write(const struct curve_result *r, FILE *out)
{
	fprintf(out, "policy,frames,bytes,faults,written_back,miss_ratio\n");
	for (unsigned i = 0; i < r->n_lines; i++)
		for (unsigned k = 0; k < r->line[i].n_points; k++) {
			const struct curve_point *p = &r->line[i].point[k];
			fprintf(out, "%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.9g\n", r->line[i].policy, p->frames,
			        p->frames * r->page_bytes, p->faults, p->written_back,
			        r->references ? (double)p->faults / (double)r->references : 0.0);
		}
}

void curve_svg_write(const struct curve_result *r, FILE *out)
{
	struct plot_line line[LINES_MAX];
	unsigned n = lines_make(r, line);
	struct plot p = { .x_label = "memory", .y_label = "faults per reference", .x_is_bytes = true, .line = line, .n_lines = n };
	plot_svg(&p, out);
	lines_drop(line, n);
}
