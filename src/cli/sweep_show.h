/* sweep_show.h - a sweep rendered: one row a cell, rows by columns of one figure, CSV, JSON. */
#pragma once
#include "sweep_sheet.h"

/* Words are axes, and so is the trace. */
enum { AXIS_TRACE = GRID_WORDS, AXES, AXIS_NONE = AXES };

struct sweep_view {
	unsigned sort;          /* column by which rows are sorted, or n_columns: as in the grid */
	bool descending;
	unsigned rows, columns; /* axes of the pivot, or AXIS_NONE */
	bool colour;
};

/* => AXES with why when there is none of this name. */
unsigned axis_find(const char *name, struct pw_why *why);

/* All of them: PW_NOMEM or PW_OK; errors of the stream stick to it. */
must_use enum pw_err sweep_show_table(const struct sheet *s, const struct sweep_view *v, FILE *out);
must_use enum pw_err sweep_show_pivot(const struct sheet *s, const struct sweep_view *v, FILE *out);
/* "200 cells: 198 done, 2 failed", and for each that is not done, its reason when there is one. */
void sweep_show_summary(const struct sheet *s, FILE *out);
void sweep_show_csv(const struct sheet *s, FILE *out);
must_use enum pw_err sweep_show_json(const struct sheet *s, const struct sweep_dir *d, FILE *out);
