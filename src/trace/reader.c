/* reader.c - which format a file has, decided by what is in it.
 *
 * Problem: people have a file and do not know, or do not say, what format it has; names lie, contents do not.
 * Idea: look at the first 64 KiB, unpacked.  A format with a mark of its own is known by it.  Formats of fixed records without any
 * mark are asked how many of the records make sense, and the most plausible one is taken, if it is nearly perfect.  For text, every
 * format is asked about every line, and the one that knows most of them is taken: traces begin with noise of all sorts, so one line
 * decides nothing.
 *
 * 1. The list of formats is TRACE_READER_LIST; messages are made from it.
 * 2. A file in which no line is a record of any format is refused, with one line that says what was expected.
 * 3. A guess is called a guess: whoever knows better can say the format.
 * Rejected: deciding by file name. */
#include "reader.h"
#include "../base/mem.h"
#include "lines.h"
#include <stdio.h>
#include <string.h>

enum { SNIFF_BYTES = LINES_WINDOW };

static const struct reader *const readers[] = {
#define X(NAME) &reader_##NAME,
	TRACE_READER_LIST(X)
#undef X
};
enum { READERS = sizeof readers / sizeof *readers };

const struct reader *reader_at(unsigned i)
{
	return i < READERS ? readers[i] : NULL;
}

const struct reader *reader_named(const char *name, size_t length)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (strlen(readers[i]->name) == length && !memcmp(readers[i]->name, name, length))
			return readers[i];
	}
	return NULL;
}

const struct reader *reader_of_line(const char *line, const struct reader *except)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i] != except && readers[i]->line && readers[i]->line(line) == LINE_RECORD)
			return readers[i];
	}
	return NULL;
}

/* How many lines each format knows, and the first of them. */
struct tally {
	unsigned lines;
	unsigned records[READERS], first[READERS];
};

static void tally_line(struct tally *t, const char *line)
{
	t->lines++;
	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i]->line && readers[i]->line(line) == LINE_RECORD && !t->records[i]++)
			t->first[i] = t->lines;
	}
}

/* Whether format a knows more lines than b, or as many and an earlier one. */
static bool tally_better(const struct tally *t, unsigned a, unsigned b)
{
	if (t->records[a] != t->records[b])
		return t->records[a] > t->records[b];
	return t->first[a] < t->first[b];
}

/* Asks about every line of text, which ends in a newline. */
static const struct reader *sniff_text(const char *text, size_t n)
{
	struct tally t = { 0 };
	for (const char *p = text, *end = text + n; p < end; p = line_next(p)) {
		if (!line_is_blank(p))
			tally_line(&t, p);
	}
	unsigned best = 0;
	for (unsigned i = 1; i < READERS; i++)
		best = tally_better(&t, i, best) ? i : best;
	return t.records[best] ? readers[best] : NULL;
}

static const struct reader *sniff_beginning(const uint8_t *first, size_t n, bool *ret_guessed)
{
	const struct reader *best = NULL;
	unsigned best_sure = READER_GUESS_LEAST - 1;
	for (unsigned i = 0; i < READERS; i++) {
		unsigned sure = readers[i]->begins ? readers[i]->begins(first, n) : 0;
		if (sure <= best_sure)
			continue;
		best = readers[i];
		best_sure = sure;
	}
	*ret_guessed = best && best_sure < READER_SURE;
	return best;
}

/* Packed in a way that we do not undo: the command that does.  NULL: none of these. */
static const char *foreign_packing(const uint8_t *p, size_t n)
{
	static const struct { const char *magic; unsigned n; const char *says; } some[] = {
		{ "PK\3\4", 4, "is a zip archive; unpack it: unzip -p FILE | pageworks ... -" },
		{ "BZh", 3, "is packed by bzip2; unpack it: bzip2 -dc FILE | pageworks ... -" },
		{ "\4\"M\x18", 4, "is packed by lz4; unpack it: lz4 -dc FILE | pageworks ... -" },
		{ "\xff\6\0\0sNaPpY", 10, "is packed by snappy; unpack it first" },
		{ "PERFILE2", 8, "is the data of perf record; give what perf script -F comm,pid,tid,time,event,addr prints of it" },
		{ "\x7f" "ELF", 4, "is a program, not a trace; to run it, put -- before it" },
	};
	for (unsigned i = 0; i < sizeof some / sizeof *some; i++) {
		if (n >= some[i].n && !memcmp(p, some[i].magic, some[i].n))
			return some[i].says;
	}
	return NULL;
}

/* Says what was expected: lines by example, the others by name. */
static enum pw_err refuse(const char *name, const char *what, struct pw_why *why)
{
	char list[400], others[120];
	size_t at = 0, others_at = 0;
	for (unsigned i = 0; i < READERS && at < sizeof list && others_at < sizeof others; i++) {
		const struct reader *r = readers[i];
		if (r->line)
			at += (size_t)snprintf(list + at, sizeof list - at, "%s %s, ", r->name, r->example);
		else
			others_at += (size_t)snprintf(others + others_at, sizeof others - others_at, "%s%s", others_at ? ", " : "",
			                              r->name);
	}
	return pw_fail(why, PW_FORMAT, "%s: %s; expected a trace: lines such as %sor a file of %s", name, what, list, others);
}

static bool is_binary(const uint8_t *p, size_t n)
{
	size_t odd = 0;
	for (size_t i = 0; i < n; i++)
		odd += p[i] < 9 || (p[i] > 13 && p[i] < 32 && p[i] != 27) || p[i] == 127;
	return odd > n / 50;
}

static enum pw_err explain(const char *name, const uint8_t *first, size_t n, struct pw_why *why)
{
	const char *packing = foreign_packing(first, n);
	if (packing)
		return pw_fail(why, PW_FORMAT, "%s: %s", name, packing);
	return refuse(name, is_binary(first, n) ? "is binary data of no known kind" : "no line of it is a record", why);
}

enum pw_err reader_sniff(struct input *in, const struct reader **ret, bool *ret_guessed, struct pw_why *why)
{
	size_t n;
	const uint8_t *first = input_peek(in, SNIFF_BYTES, &n);
	if (!n && input_error(in, why))
		return input_error(in, why);
	if (!n)
		return pw_fail(why, PW_FORMAT, "%s: is empty; a trace has at least one record", input_name(in));
	n = n < SNIFF_BYTES ? n : SNIFF_BYTES;
	char *text = mem_alloc(n + 1);
	if (!text)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
	memcpy(text, first, n);
	text[n] = '\n';
	*ret_guessed = false;
	*ret = foreign_packing(first, n) ? NULL : sniff_beginning((uint8_t *)text, n, ret_guessed);
	if (!*ret)
		*ret = sniff_text(text, n + 1);
	mem_free(text);
	return *ret ? PW_OK : explain(input_name(in), first, n, why);
}
