/* reader.h - what a trace format is, to those who read them, and the list of formats.
 *
 * Adding a format is one file read_NAME.c that defines reader_NAME, and one line here. */
#pragma once
#include "../base/text.h"
#include "input.h"
#include "trace.h"

/* In the order in which they are tried: a format whose lines could pass for another's comes first. */
#define TRACE_READER_LIST(X) \
	X(pwt) X(drmemtrace) X(oracle) X(vscsi) X(champsim) X(champsim96) X(csv) \
	X(lackey) X(drview) X(pin) X(perf) X(course) X(din) X(pages)

/* What one line of text is to a format. */
enum line_is {
	LINE_ALIEN,  /* nothing of ours */
	LINE_NOISE,  /* belongs to the format and says nothing */
	LINE_RECORD,
};

/* How sure a format is that a file is its own: READER_SURE is a mark at its beginning, up to READER_GUESS is how many records of a
 * hundred make sense. */
enum { READER_GUESS_LEAST = 98, READER_GUESS = 100, READER_SURE = 200 };

struct reader {
	const char *name;
	const char *example;   /* as a person would recognise it: "' L 1fff000708,8'" */
	/* Formats known by their beginning: how sure is it of these bytes, the first 64 KiB or all there are?  A newline stands behind
	 * them.  NULL: never. */
	unsigned (*begins)(const uint8_t *first, size_t n);
	/* Formats known by their lines: what is this line, which ends in a newline?  NULL: no lines, or they could be anything. */
	enum line_is (*line)(const char *line);
	/* => takes over in, which has been sniffed but not skipped; on error in is closed and *ret is NULL. */
	enum pw_err (*open)(struct input *in, struct trace **ret, struct pw_why *why);
	/* Instead of open, where people can say more about a file: "NAME:FILE,key=value".  keys lists the keys for messages. */
	enum pw_err (*open_with)(struct input *in, struct spec *spec, struct trace **ret, struct pw_why *why);
	const char *keys;
};

#define X(NAME) extern const struct reader reader_##NAME;
TRACE_READER_LIST(X)
#undef X

/* Goes through the list: NULL at the end. */
const struct reader *reader_at(unsigned i);
/* The format called so, of length bytes; NULL: none. */
const struct reader *reader_named(const char *name, size_t length);
/* The text format, other than except, of which this line is a record; or NULL. */
const struct reader *reader_of_line(const char *line, const struct reader *except);
/* Which format the input has; it is not skipped.  => PW_FORMAT, with one line that says what was expected. */
must_use enum pw_err reader_sniff(struct input *in, const struct reader **ret, bool *ret_guessed, struct pw_why *why);
