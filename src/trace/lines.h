/* lines.h - what readers of text share: from a window of bytes to batches of references.
 *
 * A reader of text is a function that eats whole lines from a buffer in which every line ends in '\n', so that a scan can
 * stop at the newline without looking at the length.  Empty lines and lines that begin with '#' belong to every format and
 * say nothing. A line that makes no sense is counted as rejected; a line that is a record of another format ends the trace,
 * because then the file is two things at once. */
#pragma once
#include "batch.h"
#include "reader.h"

enum {
	LINES_ACCESS_MAX = 4096,  /* bytes of one access that a record may claim */
	LINES_WINDOW = 64 << 10,  /* a longer line is an error */
};

struct lines;
/* Eats lines from p up to end, calling batch_add and lines_reject.  => where it stopped: at end, or before the line that does not
 * fit the batch or belongs to another thread; progress is made whenever the batch is empty. */
typedef const char *lines_eat_fn(struct lines *l, const char *p, const char *end);

struct lines {
	struct trace trace;
	struct input *in;
	const struct reader *reader;
	lines_eat_fn *eat;
	void (*fini)(struct lines *l); /* of what follows the struct; NULL: nothing */
	uint64_t line;         /* of lines eaten */
	bool last_line;        /* the line being eaten has no newline of its own: it may be cut off */
	uint32_t pid, tid;     /* of the batch */
	struct batch batch;
	char tail[LINES_WINDOW + 1];
};

/* A reader's open: everything but eat is the same for all of them.  bytes is the size of the whole struct, of which struct lines
 * is the first member. */
must_use enum pw_err lines_open_sized(struct input *in, const struct reader *reader, unsigned granule_shift, size_t bytes,
                                      lines_eat_fn *eat, struct lines **ret, struct pw_why *why);
must_use enum pw_err lines_open(struct input *in, const struct reader *reader, unsigned granule_shift, lines_eat_fn *eat,
                                struct trace **ret, struct pw_why *why);

/* The line at p does not parse: counts it.  => the next line, or end when the trace is over. */
const char *lines_reject(struct lines *l, const char *p, const char *end);

/* The line at p is empty or a remark. */
static inline bool line_is_blank(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return *p == '\n' || *p == '#';
}

static inline const char *line_next(const char *p)
{
	return (const char *)__builtin_memchr(p, '\n', SIZE_MAX >> 2) + 1;
}

/* The rest of a line may be blank.  => past the newline, or NULL: there is something. */
static inline const char *line_finish(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\r')
		p++;
	return *p == '\n' ? p + 1 : NULL;
}

extern const uint8_t lines_hex[256]; /* the value of a digit, 16 and above: none */

/* Reads 1 to 16 hexadecimal digits.  => past them, or NULL. */
static inline const char *scan_hex(const char *p, uint64_t *ret)
{
	const char *first = p;
	uint64_t v = 0, d;
	while ((d = lines_hex[(uint8_t)*p]) < 16) {
		v = v << 4 | d;
		p++;
	}
	*ret = v;
	return p - first - 1ul < 16 ? p : NULL;
}

/* Reads 1 to 19 decimal digits.  => past them, or NULL. */
static inline const char *scan_decimal(const char *p, uint64_t *ret)
{
	const char *first = p;
	uint64_t v = 0;
	unsigned d;
	while ((d = (unsigned)*p - '0') < 10) {
		v = v * 10 + d;
		p++;
	}
	*ret = v;
	return p - first - 1ul < 19 ? p : NULL;
}
