/* csv.c - what a table's first lines say about its columns.
 *
 * Problem: everybody writes csv, and nobody the same: other delimiters, other words, no heading at all, addresses in hexadecimal
 * without saying so.
 * Idea: the heading is compared with the words people use; what is said in a specification comes before it; what is still open
 * (delimiter, base, whether there is a heading) is decided by looking at the first lines.
 *
 * 1. Exactly one column says where an access goes: an address, else a page, else the name of an object.
 * 2. A table is recognised without being told only when its heading names that column and what stands below it can be read.
 * Rejected: guessing columns from their values (a column of sizes looks like a column of pages). */
#include "csv.h"
#include "lines.h"
#include <ctype.h>
#include <string.h>

static const char *const words[CSV_COLUMNS] = {
	"",
#define X(name, word, headings) word,
	CSV_COLUMN_LIST(X)
#undef X
};
static const char *const headings[CSV_COLUMNS] = {
	"",
#define X(name, word, headings) headings,
	CSV_COLUMN_LIST(X)
#undef X
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\r' || c == '\t';
}

const char *csv_field(const char *p, char delimiter, struct csv_field *ret)
{
	while (*p == ' ' || (*p == '\t' && delimiter != '\t'))
		p++;
	const char *first = p, *end;
	if (*p == '"') {
		first = ++p;
		while (*p != '\n' && (*p != '"' || p[1] == '"'))
			p += *p == '"' ? 2 : 1;
		end = p;
		while (*p != '\n' && *p != delimiter)
			p++;
	} else {
		while (*p != '\n' && *p != delimiter)
			p++;
		end = p;
		while (end > first && is_blank(end[-1]))
			end--;
	}
	*ret = (struct csv_field){ first, end };
	/* Blanks before the end of the line are no more columns. */
	while (delimiter == ' ' && *p == ' ' && (p[1] == ' ' || p[1] == '\n' || p[1] == '\r'))
		p++;
	return delimiter == ' ' && *p == '\r' ? p + 1 : p;
}

/* A heading in lower case without blanks, dashes and underscores.  => false: it is too long to be one of ours. */
static bool normalise(const struct csv_field *f, char *buf, size_t size)
{
	size_t n = 0;
	for (const char *p = f->p; p < f->end; p++) {
		if ((uint8_t)*p <= ' ' || *p == '-' || *p == '_' || *p == '/' || *p & 0x80) /* the last: a byte-order mark */
			continue;
		if (n + 1 == size)
			return false;
		buf[n++] = (char)tolower((unsigned char)*p);
	}
	buf[n] = 0;
	return n > 0;
}

static bool list_has(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *p = list; (p = strstr(p, word)); p++) {
		if ((p == list || p[-1] == ' ') && (p[length] == ' ' || !p[length]))
			return true;
	}
	return false;
}

static enum csv_column column_of(const struct csv_field *f)
{
	char word[32];
	if (!normalise(f, word, sizeof word))
		return CSV_NONE;
	for (int c = CSV_NONE + 1; c < CSV_COLUMNS; c++) {
		if (list_has(headings[c], word))
			return (enum csv_column)c;
	}
	return CSV_NONE;
}

/* Block devices count in sectors of 512 bytes, and their columns say so by their name. */
static uint64_t unit_of(const struct csv_field *f)
{
	char word[32];
	return normalise(f, word, sizeof word) && list_has("sector lba lbn", word) ? 512 : BATCH_PAGE_BYTES;
}

static bool is_number(const struct csv_field *f, bool hex)
{
	uint64_t v;
	const char *p = f->p;
	if (p[0] == '0' && (p[1] | 0x20) == 'x')
		return scan_hex(p + 2, &v) == f->end;
	return (hex ? scan_hex(p, &v) : scan_decimal(p, &v)) == f->end;
}

/* The delimiter that comes most often in a line; a space when no other comes. */
static char delimiter_of(const char *line)
{
	static const char kinds[] = ",;\t|";
	unsigned best = 0;
	char ret = ' ';
	for (const char *k = kinds; *k; k++) {
		unsigned n = 0;
		for (const char *p = line; *p != '\n'; p++)
			n += *p == *k;
		if (n > best) {
			best = n;
			ret = *k;
		}
	}
	return ret;
}

/* The first line that is neither empty nor a remark; NULL: there is none. */
static const char *first_line(const char *p, const char *end)
{
	while (p < end && line_is_blank(p))
		p = line_next(p);
	return p < end ? p : NULL;
}

static bool field_at(const char *line, char delimiter, unsigned at, struct csv_field *ret)
{
	for (unsigned i = 0; ; i++) {
		line = csv_field(line, delimiter, ret);
		if (i == at)
			return true;
		if (*line++ == '\n')
			return false;
	}
}

/* Whether a number in the place's column has letters in it: then all of them are hexadecimal. */
static bool looks_hex(const struct csv_shape *s, const char *p, const char *end)
{
	struct csv_field f;
	for (; p < end; p = line_next(p)) {
		if (line_is_blank(p) || !field_at(p, s->delimiter, s->place_at, &f) || f.p == f.end)
			continue;
		if (!is_number(&f, false) && is_number(&f, true))
			return true;
	}
	return false;
}

/* Finds the column that says where. */
static bool find_place(struct csv_shape *s)
{
	for (int c = CSV_ADDRESS; c <= CSV_ID; c++) {
		const uint8_t *at = memchr(s->column, c, CSV_WIDTH);
		if (!at)
			continue;
		s->place = (enum csv_column)c;
		s->place_at = (unsigned)(at - s->column);
		s->unit = c == CSV_ADDRESS ? 1 : BATCH_PAGE_BYTES;
		return true;
	}
	return false;
}

static bool is_place(enum csv_column c)
{
	return c == CSV_ADDRESS || c == CSV_PAGE || c == CSV_ID;
}

/* Takes from a heading the columns that were not said: the first of each kind. */
static void read_heading(struct csv_shape *s, const char *line)
{
	struct csv_field f;
	bool placed = s->place != CSV_NONE;
	for (unsigned i = 0; i < CSV_WIDTH; i++) {
		line = csv_field(line, s->delimiter, &f);
		enum csv_column c = column_of(&f);
		if (!s->column[i] && !(placed && is_place(c)) && !memchr(s->column, c, CSV_WIDTH))
			s->column[i] = (uint8_t)c;
		if (*line++ == '\n')
			break;
	}
}

/* Decides what is still open once the place is known. */
static void look_below(struct csv_shape *s, const char *line, const char *end)
{
	struct csv_field f;
	if (field_at(line, s->delimiter, s->place_at, &f) && !s->heading)
		s->heading = is_place(column_of(&f)) || (s->place != CSV_ID && !is_number(&f, true));
	if (s->heading && s->place == CSV_PAGE)
		s->unit = unit_of(&f);
	const char *below = s->heading ? line_next(line) : line;
	s->hex = s->place == CSV_ADDRESS && looks_hex(s, below, end);
}

bool csv_recognise(const char *text, size_t n, struct csv_shape *ret)
{
	const char *end = text + n, *line = first_line(text, end);
	struct csv_field f;
	*ret = (struct csv_shape){ 0 };
	if (!line)
		return false;
	ret->delimiter = delimiter_of(line);
	read_heading(ret, line);
	if (!find_place(ret))
		return false;
	look_below(ret, line, end);
	line = ret->heading ? first_line(line_next(line), end) : NULL;
	return line && field_at(line, ret->delimiter, ret->place_at, &f) && (ret->place == CSV_ID || is_number(&f, ret->hex)) &&
	       f.p < f.end;
}

static enum pw_err say_delimiter(struct csv_shape *s, struct spec *said, struct pw_why *why)
{
	static const struct { const char *name; char c; } some[] = {
		{ "comma", ',' }, { "semicolon", ';' }, { "tab", '\t' }, { "bar", '|' }, { "space", ' ' },
	};
	const char *word = spec_word(said, "delimiter");
	for (unsigned i = 0; word && i < sizeof some / sizeof *some; i++) {
		if (!strcmp(some[i].name, word)) {
			s->delimiter = some[i].c;
			return PW_OK;
		}
	}
	return word ? pw_fail(why, PW_INVALID, "csv: delimiter=%s is none of comma, semicolon, tab, bar, space", word) : PW_OK;
}

/* Which column is meant: a number from 1, or a heading, which then must be there.  => its index; CSV_WIDTH: there is none. */
static unsigned column_meant(struct csv_shape *s, const char *line, const char *word)
{
	uint64_t number;
	struct csv_field f;
	if (text_u64(word, &number, NULL) == PW_OK)
		return number && number <= CSV_WIDTH ? (unsigned)number - 1 : CSV_WIDTH;
	for (unsigned i = 0; i < CSV_WIDTH; i++) {
		line = csv_field(line, s->delimiter, &f);
		if ((size_t)(f.end - f.p) == strlen(word) && !strncasecmp(f.p, word, strlen(word))) {
			s->heading = true;
			return i;
		}
		if (*line++ == '\n')
			break;
	}
	return CSV_WIDTH;
}

static enum pw_err say_columns(struct csv_shape *s, const char *line, struct spec *said, struct pw_why *why)
{
	for (int c = CSV_NONE + 1; c < CSV_COLUMNS; c++) {
		const char *word = spec_word(said, words[c]);
		if (!word)
			continue;
		unsigned at = column_meant(s, line, word);
		if (at == CSV_WIDTH)
			return pw_fail(why, PW_INVALID, "csv: %s=%s names no column; give its heading, or its number from 1 to %d",
			               words[c], word, CSV_WIDTH);
		s->column[at] = (uint8_t)c;
	}
	return PW_OK;
}

static enum pw_err say_numbers(struct csv_shape *s, struct spec *said, struct pw_why *why)
{
	uint64_t base = s->hex ? 16 : 10;
	bool base_said = spec_word(said, "base") != NULL;
	enum pw_err err = spec_size(said, "base", &base, why);
	err = err ? err : spec_size(said, "unit", &s->unit, why);
	if (err)
		return err;
	if (base_said && base != 10 && base != 16)
		return pw_fail(why, PW_INVALID, "csv: base is 10 or 16");
	if (!s->unit || s->unit > 1ull << 40)
		return pw_fail(why, PW_INVALID, "csv: unit is from 1 byte to 1T");
	s->hex = base == 16;
	return PW_OK;
}

enum pw_err csv_shape(const char *text, size_t n, struct spec *said, struct csv_shape *ret, struct pw_why *why)
{
	const char *end = text + n, *line = first_line(text, end);
	*ret = (struct csv_shape){ 0 };
	if (!line)
		return pw_fail(why, PW_FORMAT, "csv: there is no line in it");
	ret->delimiter = delimiter_of(line);
	enum pw_err err = say_delimiter(ret, said, why);
	err = err ? err : say_columns(ret, line, said, why);
	if (err)
		return err;
	find_place(ret);
	read_heading(ret, line);
	if (!find_place(ret))
		return pw_fail(why, PW_FORMAT, "csv: which column is the address? no heading of the first line names it; say it: "
		               "csv:FILE,address=2,op=3 (or page=, id=)");
	look_below(ret, line, end);
	err = say_numbers(ret, said, why);
	return err ? err : spec_unused(said, CSV_KEYS, why);
}
