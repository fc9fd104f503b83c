/* trace.c - from a name to a stream: generator or file, and which format.
 *
 * Problem: people have a file and do not know, or do not say, what format it has; names lie, contents do not.
 * Idea: look at the beginning (unpacked).  A binary format has a magic.  For text, every format is asked about every line of
 * the first 64 KiB, and the one that knows most of them is taken: traces begin with noise of all sorts, so one line decides
 * nothing.
 *
 * 1. The list of formats is TRACE_READER_LIST; messages are made from it.
 * 2. A file in which no line is a record of any format is refused at opening, with one line that says what was expected.
 * 3. After an error the stream gives END for ever.
 * Rejected: deciding by file name, options to name the format (nobody needs them when sniffing is right). */
#include "trace.h"
#include "../base/mem.h"
#include "gen.h"
#include "reader.h"
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

static const struct reader *sniff_binary(const uint8_t *first, size_t n)
{
	for (unsigned i = 0; i < READERS; i++) {
		if (readers[i]->begins && readers[i]->begins(first, n))
			return readers[i];
	}
	return NULL;
}

static enum pw_err refuse(const char *name, const char *what, struct pw_why *why)
{
	char list[400];
	size_t at = 0;
	for (unsigned i = 0; i < READERS && at < sizeof list; i++)
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%s %s", i ? ", " : "", readers[i]->name, readers[i]->example);
	return pw_fail(why, PW_FORMAT, "%s: %s; expected a trace: %s", name, what, list);
}

static bool is_binary(const uint8_t *p, size_t n)
{
	size_t odd = 0;
	for (size_t i = 0; i < n; i++)
		odd += p[i] < 9 || (p[i] > 13 && p[i] < 32 && p[i] != 27) || p[i] == 127;
	return odd > n / 50;
}

/* Which format the input has; it is not skipped. */
static enum pw_err sniff(struct input *in, const struct reader **ret, struct pw_why *why)
{
	size_t n;
	const uint8_t *first = input_peek(in, SNIFF_BYTES, &n);
	if (!n)
		return input_error(in, why) ? input_error(in, why) : refuse(input_name(in), "is empty", why);
	*ret = sniff_binary(first, n);
	if (*ret)
		return PW_OK;
	n = n < SNIFF_BYTES ? n : SNIFF_BYTES;
	char *text = mem_alloc(n + 1);
	if (!text)
		return pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
	memcpy(text, first, n);
	text[n] = '\n';
	*ret = sniff_text(text, n + 1);
	mem_free(text);
	if (*ret)
		return PW_OK;
	return refuse(input_name(in), is_binary(first, n) ? "is binary data of no known kind" : "no line of it is a record", why);
}

/* A name that is no file: perhaps a generator was meant. */
static enum pw_err explain_missing(const char *spec, enum pw_err err, struct pw_why *why)
{
	const char *names[16];
	char word[32], list[120];
	unsigned n = 0;
	size_t at = 0;
	for (; gen_name(n) && n < 16; n++) {
		names[n] = gen_name(n);
		at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", n ? ", " : "", names[n]);
	}
	snprintf(word, sizeof word, "%.*s", (int)strcspn(spec, ":"), spec);
	const char *near = text_nearest(word, names, n);
	if (near)
		return pw_fail(why, err, "%s: no such file, and no such generator; did you mean '%s'?", spec, near);
	return pw_fail(why, err, "%s: no such file; a trace is a file, '-' for standard input, or a generator (%s)", spec, list);
}

static enum pw_err file_open(const char *name, struct trace **ret, struct pw_why *why)
{
	struct input *in;
	const struct reader *reader;
	enum pw_err err = input_open(name, &in, why);
	if (err)
		return err == PW_NOTFOUND ? explain_missing(name, err, why) : err;
	err = sniff(in, &reader, why);
	if (err) {
		input_close(in);
		return err;
	}
	return reader->open(in, ret, why);
}

enum pw_err trace_open(const char *spec, struct trace **ret, struct pw_why *why)
{
	*ret = NULL;
	return gen_is_spec(spec) ? gen_open(spec, ret, why) : file_open(spec, ret, why);
}

void trace_next(struct trace *t, struct trace_item *ret)
{
	*ret = (struct trace_item){ .kind = TRACE_ITEM_END };
	if (!t->error)
		t->ops->next(t, ret);
}

enum pw_err trace_error(const struct trace *t, struct pw_why *why)
{
	return t->error ? pw_fail(why, t->error, "%s", t->why.text) : PW_OK;
}

enum pw_err trace_rewind(struct trace *t, struct pw_why *why)
{
	if (!t->ops->rewind)
		return pw_fail(why, PW_UNSUPPORTED, "%s: cannot be read twice", t->info.source);
	enum pw_err err = t->ops->rewind(t, why);
	if (!err)
		t->error = PW_OK;
	return err;
}

struct trace_info trace_describe(const struct trace *t)
{
	return t->info;
}

void trace_close(struct trace *t)
{
	if (t)
		t->ops->close(t);
}
