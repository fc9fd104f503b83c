/* json.c - a JSON writer with no tree.
 *
 * Problem: results can be large and must be exact; a tree of allocated values can fail half way and rounds what it does not
 * know.
 * Idea: write as we go.  The only state is, for each open object or array, whether it has a member yet: that places the commas.
 *
 * 1. Exactly one value is written at the top; inside an object every value has a key, inside an array none has.  A breach is a
 *    bug of the caller and is asserted.
 * 2. Whatever bytes a string holds, what is written is UTF-8.
 * 3. Real numbers that are no number (NaN, infinities) are written as null: JSON has no word for them.
 * Errors of the stream stick to it, so only jsonw_finish looks.
 * Source: RFC 8259; well-formed UTF-8 is table 3-7 of the Unicode standard. */
#include "json.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { DEPTH_MAX = 32 };

void jsonw_init(struct jsonw *j, FILE *out)
{
	*j = (struct jsonw){ .out = out };
	j->empty[0] = j->array[0] = true;
}

static void line_break(struct jsonw *j)
{
	if (j->compact)
		return;
	fputc('\n', j->out);
	for (unsigned i = 0; i < j->depth; i++)
		fputs("  ", j->out);
}

/* How many bytes at s are one well-formed UTF-8 character; 0: they are none. */
static int utf8_length(const unsigned char *s)
{
	static const struct { unsigned char first_lo, first_hi, second_lo, second_hi, length; } form[] = {
		{ 0x00, 0x7f, 0x00, 0xff, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	for (unsigned i = 0; i < sizeof form / sizeof *form; i++) {
		if (s[0] < form[i].first_lo || s[0] > form[i].first_hi)
			continue;
		for (int k = 1; k < form[i].length; k++) {
			bool second = k == 1;
			if (s[k] < (second ? form[i].second_lo : 0x80) || s[k] > (second ? form[i].second_hi : 0xbf))
				return 0;
		}
		return form[i].length;
	}
	return 0;
}

static void write_escaped(FILE *out, unsigned char c)
{
	static const char letter[32] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	if (c == '"' || c == '\\')
		fprintf(out, "\\%c", c);
	else if (letter[c])
		fprintf(out, "\\%c", letter[c]);
	else
		fprintf(out, "\\u%04x", c);
}

static void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *s = (const unsigned char *)text; *s;) {
		int length = utf8_length(s);
		if (!length)
			fputs("\xef\xbf\xbd", out);
		else if (*s < 0x20 || *s == '"' || *s == '\\')
			write_escaped(out, *s);
		else
			fwrite(s, 1, (size_t)length, out);
		s += length ? length : 1;
	}
	fputc('"', out);
}

/* What stands before a value: a comma, a new line, the key. */
static void value_begin(struct jsonw *j, const char *key)
{
	assert(j->array[j->depth] == !key);
	if (j->depth) {
		if (!j->empty[j->depth])
			fputs(j->compact ? ", " : ",", j->out);
		line_break(j);
	} else {
		assert(j->empty[0]);
	}
	j->empty[j->depth] = false;
	if (!key)
		return;
	write_string(j->out, key);
	fputs(": ", j->out);
}

static void nest(struct jsonw *j, const char *key, bool array)
{
	value_begin(j, key);
	fputc(array ? '[' : '{', j->out);
	j->depth++;
	assert(j->depth < DEPTH_MAX);
	j->empty[j->depth] = true;
	j->array[j->depth] = array;
}

void jsonw_object(struct jsonw *j, const char *key)
{
	nest(j, key, false);
}

void jsonw_array(struct jsonw *j, const char *key)
{
	nest(j, key, true);
}

void jsonw_end(struct jsonw *j)
{
	assert(j->depth);
	bool empty = j->empty[j->depth], array = j->array[j->depth];
	j->depth--;
	if (!empty)
		line_break(j);
	fputc(array ? ']' : '}', j->out);
}

void jsonw_u64(struct jsonw *j, const char *key, uint64_t v)
{
	value_begin(j, key);
	fprintf(j->out, "%" PRIu64, v);
}

void jsonw_i64(struct jsonw *j, const char *key, int64_t v)
{
	value_begin(j, key);
	fprintf(j->out, "%" PRId64, v);
}

void jsonw_real(struct jsonw *j, const char *key, double v)
{
	char text[40];
	if (!isfinite(v)) {
		jsonw_null(j, key);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	value_begin(j, key);
	fputs(text, j->out);
	/* A real stays a real for those who read it, also when its value is whole. */
	bool whole = true;
	for (const char *c = text; *c; c++)
		whole = whole && *c != '.' && *c != 'e';
	if (whole)
		fputs(".0", j->out);
}

void jsonw_bool(struct jsonw *j, const char *key, bool v)
{
	value_begin(j, key);
	fputs(v ? "true" : "false", j->out);
}

void jsonw_string(struct jsonw *j, const char *key, const char *v)
{
	value_begin(j, key);
	write_string(j->out, v);
}

void jsonw_hex(struct jsonw *j, const char *key, uint64_t v)
{
	value_begin(j, key);
	fprintf(j->out, "\"0x%" PRIx64 "\"", v);
}

void jsonw_null(struct jsonw *j, const char *key)
{
	value_begin(j, key);
	fputs("null", j->out);
}

enum pw_err jsonw_finish(struct jsonw *j)
{
	assert(!j->depth && !j->empty[0]);
	fputc('\n', j->out);
	return fflush(j->out) || ferror(j->out) ? PW_IO : PW_OK;
}
