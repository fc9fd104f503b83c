/* sweep_show.c - what people and programs see of a sweep.
 *
 * Problem.  A grid has more dimensions than paper.  People read it as a list with the best first, or as rows by columns; programs
 * want every cell with its words and exact figures.
 *
 * Idea.  Only what varies is a column of the list; what is left over by a pivot makes one small table for each of its combinations.
 * Less is better for every figure one sweeps for (faults, misses, cycles), so the least is marked.
 *
 * 1. Every cell of the plan is in every view: what is not done is shown as what it is.
 * 2. Marks are set among the cells of one trace: figures of different traces do not compete.
 *
 * Rejected: colour scales (they say nothing on paper and to those who do not see colours). */
#include "sweep_show.h"
#include "table.h"
#include "../base/json.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <stdlib.h>
#include <string.h>

static const char *axis_name(unsigned axis) { return axis == AXIS_TRACE ? "trace" : grid_word_name(axis); }

unsigned axis_find(const char *name, struct pw_why *why)
{
	const char *names[AXES];
	for (unsigned a = 0; a < AXES; a++) {
		names[a] = axis_name(a);
		if (strcmp(names[a], name) == 0)
			return a;
	}
	words_unknown(why, "--pivot", name, names, AXES);
	return AXES;
}

static const char *axis_label(const struct sheet *s, const struct sheet_cell *c, unsigned axis)
{
	return axis == AXIS_TRACE ? s->trace[c->trace] : sheet_label(c, axis);
}

static bool axis_varies(const struct sheet *s, unsigned axis) { return axis == AXIS_TRACE ? s->n_traces > 1 : s->varies[axis]; }

static double figure_value(const struct sheet_cell *c, unsigned column) { return json_number_value(c->figure[column]); }

/* A number as people read it; reals with four digits. */
static const char *figure_text(const json_t *figure, char *buf, size_t size)
{
	if (!figure)
		snprintf(buf, size, "-");
	else if (json_is_integer(figure))
		text_count(buf, size, (uint64_t)json_integer_value(figure));
	else
		snprintf(buf, size, "%.4g", json_number_value(figure));
	return buf;
}

/* Sorting: cells of one trace together, done ones first. */
struct order {
	const struct sheet *sheet;
	const struct sweep_view *view;
};

static int order_compare(const void *a, const void *b, void *ctx)
{
	const struct order *o = ctx;
	unsigned i = *(const unsigned *)a, k = *(const unsigned *)b;
	const struct sheet_cell *x = &o->sheet->cell[i], *y = &o->sheet->cell[k];
	unsigned column = o->view->sort;
	if (x->trace != y->trace)
		return x->trace < y->trace ? -1 : 1;
	if (column < o->sheet->n_columns && (!x->figure[column] || !y->figure[column])) {
		if (x->figure[column] || y->figure[column])
			return x->figure[column] ? -1 : 1;
	} else if (column < o->sheet->n_columns && figure_value(x, column) != figure_value(y, column)) {
		return (figure_value(x, column) < figure_value(y, column)) == !o->view->descending ? -1 : 1;
	}
	return i < k ? -1 : i > k;
}

/* => the cells in the order of the view; NULL: out of memory. */
static unsigned *order_make(const struct sheet *s, const struct sweep_view *v)
{
	struct order o = { s, v };
	unsigned *list = mem_zalloc(s->n_cells + 1, sizeof *list);
	for (unsigned i = 0; list && i < s->n_cells; i++)
		list[i] = i;
	if (list)
		qsort_r(list, s->n_cells, sizeof *list, order_compare, &o);
	return list;
}

/* The least and the largest figure of a column among the cells of a trace. */
struct extent {
	double least, most;
	bool any;
};

static void extent_add(struct extent *e, double value)
{
	e->least = !e->any || value < e->least ? value : e->least;
	e->most = !e->any || value > e->most ? value : e->most;
	e->any = true;
}

static struct extent column_extent(const struct sheet *s, unsigned trace, unsigned column)
{
	struct extent e = { .any = false };
	for (unsigned i = 0; i < s->n_cells; i++)
		if (s->cell[i].trace == trace && s->cell[i].figure[column])
			extent_add(&e, figure_value(&s->cell[i], column));
	return e;
}

static void table_figure(struct table *t, const json_t *figure, struct extent e)
{
	char text[48];
	bool best = figure && e.least < e.most && json_number_value(figure) == e.least;
	table_add(t, best ? TABLE_BEST : TABLE_RIGHT, "%s", figure_text(figure, text, sizeof text));
}

static void table_head(struct table *t, const struct sheet *s)
{
	if (axis_varies(s, AXIS_TRACE))
		table_add(t, TABLE_LEFT, "trace");
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (s->varies[w])
			table_add(t, TABLE_LEFT, "%s", grid_word_name(w));
	for (unsigned c = 0; c < s->n_columns; c++)
		table_add(t, TABLE_RIGHT, "%s", s->column[c]);
	table_add(t, TABLE_REST, "%s", "");
}

static void table_word(struct table *t, const struct sheet_cell *c, enum grid_word w)
{
	if (w == GRID_WORD_frames && c->percent && c->state != SHEET_IMPOSSIBLE)
		table_add(t, TABLE_LEFT, "%s (%s)", c->word[w], c->percent);
	else
		table_add(t, TABLE_LEFT, "%s", sheet_label(c, w));
}

static void table_row(struct table *t, const struct sheet *s, const struct sheet_cell *c, const struct extent *extents)
{
	if (axis_varies(s, AXIS_TRACE))
		table_add(t, TABLE_LEFT, "%s", s->trace[c->trace]);
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (s->varies[w])
			table_word(t, c, w);
	for (unsigned i = 0; i < s->n_columns; i++)
		table_figure(t, c->figure[i], extents[i]);
	table_add(t, TABLE_REST, "%s%s%s", c->state == SHEET_DONE ? "" : sheet_state_name(c->state), c->why ? ": " : "",
	          c->why ? c->why : "");
}

static void table_rows(struct table *t, const struct sheet *s, const unsigned *order, struct extent *extents)
{
	for (unsigned i = 0; i < s->n_cells; i++) {
		const struct sheet_cell *c = &s->cell[order[i]];
		bool new_trace = i == 0 || s->cell[order[i - 1]].trace != c->trace;
		for (unsigned k = 0; new_trace && k < s->n_columns; k++)
			extents[k] = column_extent(s, c->trace, k);
		table_row(t, s, c, extents);
	}
}

enum pw_err sweep_show_table(const struct sheet *s, const struct sweep_view *v, FILE *out)
{
	struct table *t;
	unsigned columns = s->n_columns + 1 + axis_varies(s, AXIS_TRACE);
	for (unsigned w = 0; w < GRID_WORDS; w++)
		columns += s->varies[w];
	unsigned *order = order_make(s, v);
	struct extent *extents = mem_zalloc(s->n_columns + 1, sizeof *extents);
	enum pw_err err = order && extents ? table_create(columns, &t) : PW_NOMEM;
	if (err == PW_OK) {
		table_head(t, s);
		table_rows(t, s, order, extents);
		err = table_print(t, out, v->colour);
		table_destroy(t);
	}
	mem_free(extents);
	mem_free(order);
	return err;
}

/* The different labels of an axis, in the order in which the grid has them. */
struct labels {
	const char **text;
	unsigned n;
};

static enum pw_err labels_make(const struct sheet *s, unsigned axis, struct labels *ret)
{
	*ret = (struct labels){ mem_zalloc(s->n_cells + 1, sizeof *ret->text), 0 };
	for (unsigned i = 0; ret->text && i < s->n_cells; i++) {
		const char *label = axis_label(s, &s->cell[i], axis);
		unsigned k = 0;
		while (k < ret->n && strcmp(ret->text[k], label) != 0)
			k++;
		if (k == ret->n)
			ret->text[ret->n++] = label;
	}
	return ret->text ? PW_OK : PW_NOMEM;
}

/* What a pivot leaves over is the same in both cells. */
static bool same_rest(const struct sheet *s, const struct sweep_view *v, const struct sheet_cell *a, const struct sheet_cell *b)
{
	for (unsigned axis = 0; axis < AXES; axis++)
		if (axis != v->rows && axis != v->columns && axis_varies(s, axis) &&
		    strcmp(axis_label(s, a, axis), axis_label(s, b, axis)) != 0)
			return false;
	return true;
}

static const struct sheet_cell *pivot_cell(const struct sheet *s, const struct sweep_view *v, const struct sheet_cell *like,
                                           const char *row, const char *column)
{
	for (unsigned i = 0; i < s->n_cells; i++) {
		const struct sheet_cell *c = &s->cell[i];
		if (strcmp(axis_label(s, c, v->rows), row) == 0 && strcmp(axis_label(s, c, v->columns), column) == 0 &&
		    same_rest(s, v, c, like))
			return c;
	}
	return NULL;
}

static void pivot_title(const struct sheet *s, const struct sweep_view *v, const struct sheet_cell *like, unsigned column, FILE *out)
{
	fprintf(out, "%s", s->column[column]);
	for (unsigned axis = 0; axis < AXES; axis++)
		if (axis != v->rows && axis != v->columns && axis_varies(s, axis))
			fprintf(out, "  %s=%s", axis_name(axis), axis_label(s, like, axis));
	fputc('\n', out);
}

static enum pw_err pivot_one(const struct sheet *s, const struct sweep_view *v, const struct labels *rows, const struct labels *columns,
                             const struct sheet_cell *like, unsigned figure, FILE *out)
{
	struct table *t;
	struct extent *extents = mem_zalloc(columns->n + 1, sizeof *extents);
	const struct sheet_cell **at = mem_zalloc((size_t)rows->n * columns->n + 1, sizeof *at);
	enum pw_err err = extents && at ? table_create(columns->n + 1, &t) : PW_NOMEM;
	for (unsigned r = 0; err == PW_OK && r < rows->n; r++)
		for (unsigned c = 0; c < columns->n; c++) {
			const struct sheet_cell *cell = at[r * columns->n + c] = pivot_cell(s, v, like, rows->text[r], columns->text[c]);
			if (cell && cell->figure[figure])
				extent_add(&extents[c], figure_value(cell, figure));
		}
	if (err == PW_OK) {
		table_add(t, TABLE_LEFT, "%s \\ %s", axis_name(v->rows), axis_name(v->columns));
		for (unsigned c = 0; c < columns->n; c++)
			table_add(t, TABLE_RIGHT, "%s", columns->text[c]);
		for (unsigned r = 0; r < rows->n; r++) {
			table_add(t, TABLE_LEFT, "%s", rows->text[r]);
			for (unsigned c = 0; c < columns->n; c++) {
				const struct sheet_cell *cell = at[r * columns->n + c];
				if (cell && cell->state != SHEET_DONE)
					table_add(t, TABLE_RIGHT, "%s", sheet_state_name(cell->state));
				else
					table_figure(t, cell ? cell->figure[figure] : NULL, extents[c]);
			}
		}
		pivot_title(s, v, like, figure, out);
		err = table_print(t, out, v->colour);
		table_destroy(t);
	}
	mem_free(extents);
	mem_free(at);
	return err;
}

enum pw_err sweep_show_pivot(const struct sheet *s, const struct sweep_view *v, FILE *out)
{
	struct labels rows = { NULL }, columns = { NULL };
	bool first = true;
	enum pw_err err = labels_make(s, v->rows, &rows);
	if (err == PW_OK)
		err = labels_make(s, v->columns, &columns);
	for (unsigned figure = 0; figure < s->n_columns; figure++)
		for (unsigned i = 0; i < s->n_cells && err == PW_OK; i++) {
			bool seen = false;
			for (unsigned k = 0; k < i && !seen; k++)
				seen = same_rest(s, v, &s->cell[k], &s->cell[i]);
			if (seen)
				continue;
			if (!first)
				fputc('\n', out);
			first = false;
			err = pivot_one(s, v, &rows, &columns, &s->cell[i], figure, out);
		}
	mem_free(rows.text);
	mem_free(columns.text);
	return err;
}

void sweep_show_summary(const struct sheet *s, FILE *out)
{
	char n[32];
	const char *between = ": ";
	fprintf(out, "%s cell%s", text_count(n, sizeof n, s->n_cells), s->n_cells == 1 ? "" : "s");
	for (unsigned state = 0; state < SHEET_STATES; state++)
		if (sheet_count(s, state)) {
			fprintf(out, "%s%s %s", between, text_count(n, sizeof n, sheet_count(s, state)), sheet_state_name(state));
			between = ", ";
		}
	fputc('\n', out);
}

/* A field of CSV (RFC 4180): quoted when it must be. */
static void csv_field(FILE *out, const char *text, bool first)
{
	if (!first)
		fputc(',', out);
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void csv_figure(FILE *out, const json_t *figure)
{
	char text[64] = "";
	if (json_is_integer(figure))
		snprintf(text, sizeof text, "%lld", (long long)json_integer_value(figure));
	else if (figure)
		snprintf(text, sizeof text, "%.17g", json_number_value(figure));
	csv_field(out, text, false);
}

void sweep_show_csv(const struct sheet *s, FILE *out)
{
	csv_field(out, "trace", true);
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (s->varies[w])
			csv_field(out, grid_word_name(w), false);
	csv_field(out, "state", false);
	for (unsigned c = 0; c < s->n_columns; c++)
		csv_field(out, s->column[c], false);
	fputs("\n", out);
	for (unsigned i = 0; i < s->n_cells; i++) {
		const struct sheet_cell *c = &s->cell[i];
		csv_field(out, s->trace[c->trace], true);
		for (unsigned w = 0; w < GRID_WORDS; w++)
			if (s->varies[w])
				csv_field(out, c->word[w] ? c->word[w] : GRID_DEFAULT, false);
		csv_field(out, sheet_state_name(c->state), false);
		for (unsigned k = 0; k < s->n_columns; k++)
			csv_figure(out, c->figure[k]);
		fputs("\n", out);
	}
}

static void json_cell(struct jsonw *j, const struct sheet *s, const struct sheet_cell *c, const struct sweep_dir *d)
{
	char path[SWEEP_PATH];
	jsonw_object(j, NULL);
	jsonw_string(j, "trace", s->trace[c->trace]);
	jsonw_object(j, "words");
	for (unsigned w = 0; w < GRID_WORDS; w++)
		if (c->word[w])
			jsonw_string(j, grid_word_name(w), c->word[w]);
	jsonw_end(j);
	if (c->percent)
		jsonw_string(j, "percent", c->percent);
	jsonw_string(j, "state", sheet_state_name(c->state));
	if (c->why)
		jsonw_string(j, "why", c->why);
	if (c->state == SHEET_DONE)
		jsonw_string(j, "result", sweep_dir_result(d, c->id, path));
	jsonw_object(j, "figures");
	for (unsigned k = 0; k < s->n_columns; k++) {
		if (json_is_integer(c->figure[k]))
			jsonw_i64(j, s->column[k], json_integer_value(c->figure[k]));
		else if (c->figure[k])
			jsonw_real(j, s->column[k], json_number_value(c->figure[k]));
	}
	jsonw_end(j);
	jsonw_end(j);
}

enum pw_err sweep_show_json(const struct sheet *s, const struct sweep_dir *d, FILE *out)
{
	struct jsonw j;
	size_t i;
	json_t *word;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", RESULT_SCHEMA);
	jsonw_string(&j, "kind", "sweep");
	jsonw_array(&j, "command");
	json_array_foreach(json_object_get(s->plan, "command"), i, word)
		jsonw_string(&j, NULL, json_string_value(word) ? json_string_value(word) : "");
	jsonw_end(&j);
	jsonw_string(&j, "directory", sweep_dir_path(d));
	jsonw_array(&j, "varies");
	for (unsigned axis = 0; axis < AXES; axis++)
		if (axis_varies(s, axis))
			jsonw_string(&j, NULL, axis_name(axis));
	jsonw_end(&j);
	jsonw_object(&j, "count");
	for (unsigned state = 0; state < SHEET_STATES; state++)
		jsonw_u64(&j, sheet_state_name(state), sheet_count(s, state));
	jsonw_end(&j);
	jsonw_array(&j, "cells");
	for (unsigned k = 0; k < s->n_cells; k++)
		json_cell(&j, s, &s->cell[k], d);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}
