/* table.c - columns as wide as their widest cell.
 *
 * Problem: what stands in a table is only known when all of it is there.
 * Idea: keep the texts, measure, print.  Widths are counted in characters, not bytes.
 * 1. No line ends in a space. */
#include "table.h"
#include "../base/mem.h"
#include <stdarg.h>
#include <string.h>

struct table_cell {
	char *text;
	enum table_style style;
};

struct table {
	unsigned columns;
	struct table_cell *cell;
	unsigned n, room;
	bool lost;
};

enum pw_err table_create(unsigned columns, struct table **ret)
{
	*ret = mem_zalloc(1, sizeof **ret);
	if (!*ret)
		return PW_NOMEM;
	(*ret)->columns = columns;
	return PW_OK;
}

void table_destroy(struct table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->n; i++)
		mem_free(t->cell[i].text);
	mem_free(t->cell);
	mem_free(t);
}

void table_add(struct table *t, enum table_style style, const char *format, ...)
{
	char text[1024];
	va_list args;
	if (t->n == t->room) {
		struct table_cell *more = mem_realloc(t->cell, t->room * 2 + 64, sizeof *more);
		if (!more) {
			t->lost = true;
			return;
		}
		t->cell = more;
		t->room = t->room * 2 + 64;
	}
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	t->cell[t->n] = (struct table_cell){ mem_strdup(text), style };
	t->lost = t->lost || !t->cell[t->n].text;
	t->n++;
}

static unsigned text_width(const char *text)
{
	unsigned n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static unsigned column_width(const struct table *t, unsigned column)
{
	unsigned width = 0;
	for (unsigned i = column; i < t->n; i += t->columns) {
		unsigned w = t->cell[i].style == TABLE_REST ? 0 : text_width(t->cell[i].text);
		width = w > width ? w : width;
	}
	return width;
}

/* Numbers keep a place for the star, so that they stand below one another. */
static void cell_print(const struct table_cell *c, unsigned width, bool first, bool last, FILE *out, bool colour)
{
	unsigned pad = width > text_width(c->text) ? width - text_width(c->text) : 0;
	const char *gap = first ? "" : "  ";
	if (c->style == TABLE_LEFT || c->style == TABLE_REST)
		fprintf(out, "%s%s%*s", gap, c->text, last ? 0 : (int)pad, "");
	else if (c->style == TABLE_BEST)
		fprintf(out, "%s%*s%s%s*%s", gap, (int)pad, "", colour ? "\033[1;32m" : "", c->text, colour ? "\033[0m" : "");
	else
		fprintf(out, "%s%*s%s%s", gap, (int)pad, "", c->text, last ? "" : " ");
}

/* => the last cell of the row that says anything. */
static unsigned row_end(const struct table *t, unsigned row)
{
	unsigned end = row + t->columns < t->n ? row + t->columns : t->n;
	while (end > row + 1 && !*t->cell[end - 1].text)
		end--;
	return end;
}

enum pw_err table_print(const struct table *t, FILE *out, bool colour)
{
	if (t->lost)
		return PW_NOMEM;
	unsigned *width = mem_zalloc(t->columns + 1, sizeof *width);
	if (!width)
		return PW_NOMEM;
	for (unsigned c = 0; c < t->columns; c++)
		width[c] = column_width(t, c);
	for (unsigned row = 0; row < t->n; row += t->columns) {
		unsigned end = row_end(t, row);
		for (unsigned i = row; i < end; i++)
			cell_print(&t->cell[i], width[i - row], i == row, i + 1 == end, out, colour);
		fputc('\n', out);
	}
	mem_free(width);
	return PW_OK;
}
