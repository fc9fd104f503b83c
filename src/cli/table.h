/* table.h - text in columns: filled row by row, printed when it is known how wide each column is. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdio.h>

enum table_style {
	TABLE_LEFT,
	TABLE_RIGHT,
	TABLE_BEST,     /* right, with a star behind it, green where there is colour */
	TABLE_REST,     /* left, and not counted for the width of its column: only in the last one */
};

struct table;

must_use enum pw_err table_create(unsigned columns, struct table **ret);
void table_destroy(struct table *t);
/* The next cell of the row, or the first of the next.  => when memory runs out, table_print says so. */
void table_add(struct table *t, enum table_style style, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* => PW_NOMEM when a cell was lost; nothing is printed then. */
must_use enum pw_err table_print(const struct table *t, FILE *out, bool colour);
