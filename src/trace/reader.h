/* reader.h - what a trace format is, to those who read them, and the list of formats.
 *
 * Adding a format is one file read_NAME.c that defines reader_NAME, and one line here. */
#pragma once
#include "input.h"
#include "trace.h"

/* In the order in which they are tried: a format whose lines could pass for another's comes first. */
#define TRACE_READER_LIST(X) \
	X(pwt) X(lackey) X(perf) X(course) X(din) X(pages)

/* What one line of text is to a format. */
enum line_is {
	LINE_ALIEN,  /* nothing of ours */
	LINE_NOISE,  /* belongs to the format and says nothing */
	LINE_RECORD,
};

struct reader {
	const char *name;
	const char *example;   /* as a person would recognise it: "' L 1fff000708,8'" */
	/* Binary formats: is this the beginning of one?  NULL: text. */
	bool (*begins)(const uint8_t *first, size_t n);
	/* Text formats: what is this line, which ends in a newline?  NULL: binary. */
	enum line_is (*line)(const char *line);
	/* => takes over in, which has been sniffed but not skipped; on error in is closed and *ret is NULL. */
	enum pw_err (*open)(struct input *in, struct trace **ret, struct pw_why *why);
};

#define X(NAME) extern const struct reader reader_##NAME;
TRACE_READER_LIST(X)
#undef X

/* Goes through the list: NULL at the end. */
const struct reader *reader_at(unsigned i);
/* The text format, other than except, of which this line is a record; or NULL. */
const struct reader *reader_of_line(const char *line, const struct reader *except);
