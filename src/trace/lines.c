/* lines.c - the loop around every reader of text.
 *
 * Problem: traces of text are large, so no line may cost a call into stdio; and they are damaged, cut off, or not traces at
 * all.
 * Idea: the input shows a window, the window is cut at its last newline, and the reader's own function eats lines out of it
 * until the batch is full.  All that is slow (a line that does not parse, the last line without a newline) happens in here.
 *
 * 1. The reader only sees buffers whose last byte is '\n'.
 * 2. Lines are counted by whoever eats them; the reader counts good ones, lines_reject the others.
 * 3. When packed input ends early, a line that was cut off is not a record and is not looked at.
 * Rejected: reading eight digits at once, without branches (a third slower: where the next line begins then depends on arithmetic,
 * while a predicted branch lets it begin before this one is done). */
#include "lines.h"
#include "../base/mem.h"
#include <stdio.h>
#include <string.h>

#define NONE 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16
const uint8_t lines_hex[256] = {
	NONE, NONE, NONE,
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 16, 16, 16, 16, 16,
	16, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, NONE,
	16, 10, 11, 12, 13, 14, 15, 16, 16, 16, 16, 16, 16, 16, 16, 16, NONE,
	NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
};
#undef NONE

static const char *line_number_text(char *buf, size_t size, const struct lines *l)
{
	snprintf(buf, size, "%s: line %llu", input_name(l->in), (unsigned long long)l->line);
	return buf;
}

/* A line for people: printable, short, without its end. */
static const char *line_excerpt(char *buf, size_t size, const char *line)
{
	size_t n = 0;
	for (; n + 4 < size && line[n] != '\n' && line[n] != '\r'; n++)
		buf[n] = line[n] >= ' ' && line[n] < 127 ? line[n] : '?';
	memcpy(buf + n, n + 4 < size ? "\0\0\0" : "...", 4);
	return buf;
}

const char *lines_reject(struct lines *l, const char *p, const char *end)
{
	const char *next = line_next(p);
	l->line++;
	enum line_is is = line_is_blank(p) ? LINE_NOISE : l->reader->line ? l->reader->line(p) : LINE_ALIEN;
	if (is == LINE_NOISE)
		return next;
	/* A format that is known by its first line may have lines that look like anything. */
	const struct reader *other = l->last_line || l->reader->begins ? NULL : reader_of_line(p, l->reader);
	if (other) {
		char where[200], what[60];
		l->trace.error = pw_fail(&l->trace.why, PW_FORMAT, "%s: '%s' is a record of a %s trace, among those of a %s trace; "
		                         "a trace has one format", line_number_text(where, sizeof where, l),
		                         line_excerpt(what, sizeof what, p), other->name, l->reader->name);
		return end;
	}
	if (!l->trace.info.rejected++)
		l->trace.info.rejected_at = l->line;
	return next;
}

/* Feeds the last line, which has no newline. */
static void eat_tail(struct lines *l, const uint8_t *p, size_t n)
{
	memcpy(l->tail, p, n);
	l->tail[n] = '\n';
	l->last_line = true;
	const char *stop = l->eat(l, l->tail, l->tail + n + 1);
	/* A tail that waits for the next batch is seen again at the next peek. */
	if (stop > l->tail)
		input_skip(l->in, n);
	l->last_line = false;
}

/* No more whole lines come.  => the trace has ended when false. */
static bool lines_at_end(struct lines *l, const uint8_t *p, size_t n)
{
	enum pw_err err = input_error(l->in, &l->trace.why);
	if (err) {
		l->trace.error = err;
		return false;
	}
	if (n)
		eat_tail(l, p, n);
	else if (!l->trace.info.records && l->trace.info.rejected)
		l->trace.error = pw_fail(&l->trace.why, PW_FORMAT, "%s: no line of it is a %s record; expected lines such as %s",
		                         input_name(l->in), l->reader->name, l->reader->example);
	return n != 0;
}

/* Eats what the window shows.  => false at the end of the trace. */
static bool lines_eat(struct lines *l)
{
	size_t n;
	const uint8_t *p = input_peek(l->in, LINES_WINDOW, &n);
	const uint8_t *newline = memrchr(p, '\n', n);
	if (newline) {
		const char *stop = l->eat(l, (const char *)p, (const char *)newline + 1);
		input_skip(l->in, (size_t)(stop - (const char *)p));
		return true;
	}
	if (n < LINES_WINDOW)
		return lines_at_end(l, p, n);
	char where[200];
	l->line++;
	l->trace.error = pw_fail(&l->trace.why, PW_FORMAT, "%s: is longer than %d bytes; expected lines such as %s",
	                         line_number_text(where, sizeof where, l), LINES_WINDOW, l->reader->example);
	return false;
}

static void lines_give(struct trace *t, struct trace_item *ret)
{
	struct lines *l = (struct lines *)t;
	struct batch *b = &l->batch;
	b->n = 0;
	batch_drain(b);
	while (!b->n && !t->error && lines_eat(l))
		;
	t->info.progress = input_progress(l->in);
	if (!b->n)
		return;
	*ret = (struct trace_item){ .kind = TRACE_ITEM_REFS, .pid = l->pid, .tid = l->tid, .refs = b->ref, .n_refs = b->n };
}

static enum pw_err lines_rewind(struct trace *t, struct pw_why *why)
{
	struct lines *l = (struct lines *)t;
	enum pw_err err = input_rewind(l->in, why);
	if (err)
		return err;
	t->info.records = t->info.rejected = t->info.rejected_at = 0;
	l->line = 0;
	l->pid = l->tid = 1;
	batch_clear(&l->batch);
	return PW_OK;
}

static void lines_close(struct trace *t)
{
	struct lines *l = (struct lines *)t;
	if (l->fini)
		l->fini(l);
	input_close(l->in);
	mem_free(l);
}

static const struct trace_ops lines_ops = {
	.format = "text", .next = lines_give, .rewind = lines_rewind, .close = lines_close,
};

enum pw_err lines_open_sized(struct input *in, const struct reader *reader, unsigned granule_shift, size_t bytes,
                             lines_eat_fn *eat, struct lines **ret, struct pw_why *why)
{
	struct lines *l = *ret = mem_zalloc(1, bytes);
	if (!l) {
		enum pw_err err = pw_fail(why, PW_NOMEM, "%s: out of memory while opening", input_name(in));
		input_close(in);
		return err;
	}
	l->trace.ops = &lines_ops;
	l->trace.input = in;
	l->trace.info = (struct trace_info){ .format = reader->name, .source = input_name(in), .granule_shift = granule_shift };
	l->in = in;
	l->reader = reader;
	l->eat = eat;
	l->pid = l->tid = 1;
	return PW_OK;
}

enum pw_err lines_open(struct input *in, const struct reader *reader, unsigned granule_shift, lines_eat_fn *eat,
                       struct trace **ret, struct pw_why *why)
{
	struct lines *l;
	enum pw_err err = lines_open_sized(in, reader, granule_shift, sizeof *l, eat, &l, why);
	*ret = err ? NULL : &l->trace;
	return err;
}
