/* map_grid.c - pages as characters.
 *
 * Problem.  A mapping may have four pages or a hundred million; a picture must fit a screen, and must not show a page that is there as
 * none, nor a handful as many.
 *
 * Idea.  Rows of 64 characters, aligned, so that the picture stays where it is when the mapping grows; what fits a row is one line
 * with its name behind it.  A character stands for 2^k pages: k the smallest with which what is there takes few rows.  The runs are
 * dealt out to the characters, each of which counts its kinds of pages:
 *
 *     runs        |AAAAAAAAAAAA|      |ssss|   fff
 *     characters  |  A   |  A  | A :  |  s  |  f   |       the commonest kind that is anywhere; ':' when most are absent
 *
 * 1. A character is '.' only when all its pages are absent.
 * 2. Rows of nothing but '.' in succession are one line that says how many they are.
 *
 * What is dirty is counted by the kernel for a mapping, not told for a page (a store marks the page-table entry, which no file
 * shows).  So: when the mapping's dirty memory is all of its resident memory, every page is dirty; when it is none, none is.  In
 * between anonymous pages are taken for dirty, and of the pages of files those whose frame is marked; who may not see frames is told
 * that it is not known.
 *
 * Rejected: several letters for a character, colours alone (they do not survive a pipe). */
#include "map.h"
#include "visible.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <string.h>

/* letter, word, legend.  When two kinds are equally common in a character, the later one is shown. */
#define GRID_KIND_LIST(X) \
	X(ABSENT, '.', "absent") X(ZERO, 'z', "zeros, read only") X(FILE, 'f', "file") X(ANON, 'a', "anonymous") \
	X(HUGE, 'H', "huge page") X(FILE_DIRTY, 'F', "file, dirty") X(ANON_DIRTY, 'A', "anonymous, dirty") X(SWAP, 's', "swapped")

enum grid_kind {
#define X(name, letter, text) GRID_##name,
	GRID_KIND_LIST(X)
#undef X
	GRID_KINDS
};

static const char grid_letter[] = {
#define X(name, letter, text) letter,
	GRID_KIND_LIST(X)
#undef X
};

enum { ROW = 64, ROWS_ONE = 48, ROWS_EACH = 12 };

enum dirtiness { DIRTY_ALL, DIRTY_NONE, DIRTY_SOME };

struct grid_view {
	const struct maps_entry *entry;
	uint64_t start, end;       /* bytes: the part of the mapping */
	uint64_t first;            /* address of the first character, aligned to a row */
	uint64_t cell;             /* bytes of a character */
	uint64_t rows;
	enum dirtiness dirty;
};

static enum dirtiness dirtiness_of(const struct maps_entry *e)
{
	uint64_t dirty = map_dirty(e);
	if (!dirty)
		return DIRTY_NONE;
	return dirty >= e->figure[MAPS_RSS] ? DIRTY_ALL : DIRTY_SOME;
}

static enum grid_kind kind_of(uint32_t is, enum dirtiness dirty)
{
	bool file = is & PAGEMAP_FILE;
	if (is & PAGEMAP_SWAPPED)
		return GRID_SWAP;
	if (!(is & PAGEMAP_PRESENT))
		return GRID_ABSENT;
	if (is & PAGEMAP_ZERO)
		return GRID_ZERO;
	if (is & PAGEMAP_HUGE)
		return GRID_HUGE;
	if (dirty == DIRTY_ALL || (dirty == DIRTY_SOME && (is & PAGEMAP_DIRTY || !file)))
		return file ? GRID_FILE_DIRTY : GRID_ANON_DIRTY;
	return file ? GRID_FILE : GRID_ANON;
}

/* The first run that reaches beyond an address. */
static uint64_t run_at(const struct pagemap_runs *runs, uint64_t address)
{
	uint64_t low = 0, high = runs->n;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (runs->run[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* In how many rows of this many bytes there is anything. */
static uint64_t rows_touched(const struct pagemap_runs *runs, uint64_t start, uint64_t end, uint64_t row_bytes)
{
	uint64_t rows = 0, next = 0; /* next: the first row not yet counted */
	for (uint64_t i = run_at(runs, start); i < runs->n && runs->run[i].start < end; i++) {
		uint64_t first = runs->run[i].start / row_bytes, last = (runs->run[i].end - 1) / row_bytes;
		first = first < next ? next : first;
		rows += last >= first ? last - first + 1 : 0;
		next = last + 1;
	}
	return rows;
}

static struct grid_view view_make(const struct map *v, const struct maps_entry *e, uint64_t start, uint64_t end, unsigned rows_most)
{
	uint64_t page = pagemap_page_bytes();
	struct grid_view g = { .entry = e, .start = start, .end = end, .dirty = dirtiness_of(e) };
	g.cell = page * (v->zoom ? v->zoom : 1);
	while (!v->zoom && rows_touched(&v->last->runs, start, end, g.cell * ROW) > rows_most)
		g.cell *= 2;
	bool one = (end - start) / g.cell <= ROW; /* what fits a row begins one */
	g.first = one ? start : start - start % (g.cell * ROW);
	g.rows = (end - 1 - g.first) / (g.cell * ROW) + 1;
	return g;
}

/* Counts the kinds of the pages of each character of a row; *at is where in the runs to go on. */
static void row_count(const struct grid_view *g, const struct pagemap_runs *runs, uint64_t *at, uint64_t row,
                      uint64_t (*count)[GRID_KINDS])
{
	uint64_t page = pagemap_page_bytes(), from = g->first + row * g->cell * ROW;
	memset(count, 0, ROW * sizeof *count);
	for (unsigned c = 0; c < ROW; c++) {
		uint64_t low = from + c * g->cell, high = low + g->cell, there = 0;
		low = low < g->start ? g->start : low;
		high = high > g->end ? g->end : high;
		while (*at < runs->n && runs->run[*at].end <= low)
			++*at;
		for (uint64_t i = *at; low < high && i < runs->n && runs->run[i].start < high; i++) {
			const struct pagemap_run *r = &runs->run[i];
			uint64_t a = r->start > low ? r->start : low, b = r->end < high ? r->end : high;
			count[c][kind_of(r->is, g->dirty)] += (b - a) / page;
			there += (b - a) / page;
		}
		if (low < high)
			count[c][GRID_ABSENT] = (high - low) / page - there;
	}
}

static char cell_letter(const uint64_t count[GRID_KINDS])
{
	int common = 0;
	uint64_t all = count[GRID_ABSENT];
	for (int k = 1; k < GRID_KINDS; k++) {
		all += count[k];
		if (count[k] && (!common || count[k] >= count[common]))
			common = k;
	}
	if (!all)
		return ' ';
	return common && 2 * count[GRID_ABSENT] > all ? ':' : grid_letter[common];
}

/* => true: there is nothing in the row. */
static bool row_letters(uint64_t (*count)[GRID_KINDS], char *letters)
{
	bool nothing = true;
	for (unsigned c = 0; c < ROW; c++) {
		letters[c] = cell_letter(count[c]);
		nothing = nothing && (letters[c] == '.' || letters[c] == ' ');
	}
	letters[ROW] = '\0';
	return nothing;
}

static void trim(char *letters)
{
	for (unsigned c = ROW; c && letters[c - 1] == ' '; c--)
		letters[c - 1] = '\0';
}

static void skipped_print(FILE *out, uint64_t rows)
{
	char count[40];
	if (rows)
		fprintf(out, "%16s  ... %s row%s of absent pages\n", "", text_count(count, sizeof count, rows), rows == 1 ? "" : "s");
}

/* The first row at or after this one that a run reaches into; g->rows: none. */
static uint64_t next_row(const struct grid_view *g, const struct pagemap_runs *runs, uint64_t at, uint64_t row)
{
	uint64_t from = g->first + row * g->cell * ROW;
	while (at < runs->n && runs->run[at].end <= from)
		at++;
	if (at == runs->n || runs->run[at].start >= g->end)
		return g->rows;
	uint64_t start = runs->run[at].start > from ? runs->run[at].start : from;
	return (start - g->first) / (g->cell * ROW);
}

static void rows_print(const struct grid_view *g, const struct pagemap_runs *runs, uint64_t at, uint64_t (*count)[GRID_KINDS],
                       uint64_t seen[GRID_KINDS], FILE *out)
{
	uint64_t skipped = 0;
	char letters[ROW + 1];
	for (uint64_t row = 0; row < g->rows; row++) {
		uint64_t next = next_row(g, runs, at, row);
		if (next > row + 1) { /* what lies between is absent, and may be terabytes */
			skipped += next - row;
			row = next - 1;
			continue;
		}
		row_count(g, runs, &at, row, count);
		if (row_letters(count, letters)) {
			skipped++;
			continue;
		}
		skipped_print(out, skipped);
		skipped = 0;
		for (unsigned c = 0; c < ROW; c++)
			for (int k = 0; k < GRID_KINDS; k++)
				seen[k] += count[c][k];
		trim(letters);
		fprintf(out, "%16" PRIx64 "  %s\n", g->first + row * g->cell * ROW, letters);
	}
	skipped_print(out, skipped);
}

static void legend_print(FILE *out)
{
	static const char *const text[] = {
#define X(name, letter, text) text,
		GRID_KIND_LIST(X)
#undef X
	};
	for (int k = 0; k < GRID_KINDS; k++)
		fprintf(out, "%s%c %s", k ? "   " : "", grid_letter[k], text[k]);
	fprintf(out, "   : most absent\n");
}

static void sums_print(const uint64_t seen[GRID_KINDS], FILE *out)
{
	char count[40];
	const char *comma = "";
	fprintf(out, "%16s  ", "");
	for (int k = 1; k < GRID_KINDS; k++) {
		if (seen[k])
			fprintf(out, "%s%c %s", comma, grid_letter[k], text_count(count, sizeof count, seen[k]));
		comma = seen[k] ? ", " : comma;
	}
	fprintf(out, "%s\n", *comma ? " pages" : "nothing in memory or swap");
}

/* What a character stands for is said where it is no page. */
static void title_print(const struct grid_view *g, FILE *out)
{
	char prot[5], name[200], size[40], cell[40];
	fprintf(out, "%s  %s  %s", maps_prot_text(prot, g->entry), text_bytes(size, sizeof size, g->end - g->start),
	        *g->entry->name ? visible(name, sizeof name, g->entry->name) : "anonymous");
	if (g->cell != pagemap_page_bytes())
		fprintf(out, "  (a character is %s)", text_bytes(cell, sizeof cell, g->cell));
	fputc('\n', out);
}

/* *after_rows: an empty line belongs between this and what was printed before. */
static enum pw_err view_print(const struct map *v, const struct grid_view *g, bool *after_rows, FILE *out)
{
	uint64_t seen[GRID_KINDS] = { 0 }, (*count)[GRID_KINDS] = mem_zalloc(ROW, sizeof *count);
	uint64_t at = run_at(&v->last->runs, g->start);
	char letters[ROW + 1];
	if (!count)
		return PW_NOMEM;
	if (*after_rows || g->rows > 1)
		fputc('\n', out);
	*after_rows = g->rows > 1;
	if (g->rows == 1) {
		row_count(g, &v->last->runs, &at, 0, count);
		row_letters(count, letters);
		fprintf(out, "%16" PRIx64 "  %s  ", g->first, letters);
		title_print(g, out);
	} else {
		fprintf(out, "%16" PRIx64 "  ", g->start);
		title_print(g, out);
		rows_print(g, &v->last->runs, at, count, seen, out);
		sums_print(seen, out);
	}
	mem_free(count);
	return PW_OK;
}

enum pw_err map_render_grid(const struct map *v, FILE *out)
{
	uint64_t start, end;
	uint32_t chosen = 0, unclear = 0;
	bool after_rows = false;
	for (uint32_t i = 0; i < v->last->maps.n; i++)
		chosen += map_in_range(v, &v->last->maps.entry[i], &start, &end);
	legend_print(out);
	for (uint32_t i = 0; i < v->last->maps.n; i++) {
		const struct maps_entry *e = &v->last->maps.entry[i];
		if (!map_in_range(v, e, &start, &end))
			continue;
		struct grid_view g = view_make(v, e, start, end, chosen == 1 ? ROWS_ONE : ROWS_EACH);
		if (view_print(v, &g, &after_rows, out))
			return PW_NOMEM;
		unclear += g.dirty == DIRTY_SOME && e->figure[MAPS_RSS] > e->figure[MAPS_ANONYMOUS] && !v->frames;
	}
	if (unclear)
		fprintf(out, "\nin %" PRIu32 " mapping%s some pages of files are dirty; which is told to root only, they are shown as f\n",
		        unclear, unclear == 1 ? "" : "s");
	if (!(pagemap_known(v->pages) & PAGEMAP_HUGE))
		fprintf(out, "\nread by %s: huge pages and the page of zeros are not told apart here\n",
		        pagemap_source_word(pagemap_source(v->pages)));
	return PW_OK;
}

void map_json_pages(const struct map *v, struct jsonw *j)
{
	static const char *const word[] = {
#define X(name, word, text) word,
		PAGEMAP_CATEGORY_LIST(X)
#undef X
	};
	jsonw_array(j, "pages");
	for (uint64_t i = 0; i < v->last->runs.n; i++) {
		const struct pagemap_run *r = &v->last->runs.run[i];
		jsonw_object(j, NULL);
		jsonw_hex(j, "start", r->start);
		jsonw_u64(j, "pages", (r->end - r->start) / pagemap_page_bytes());
		jsonw_array(j, "is");
		for (int c = 0; c < PAGEMAP_CATEGORIES; c++)
			if (r->is >> c & 1)
				jsonw_string(j, NULL, word[c]);
		jsonw_end(j);
		jsonw_end(j);
	}
	jsonw_end(j);
}
