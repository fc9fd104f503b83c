/* read_course.c - the traces of operating-systems courses: an address and R or W.
 *
 * Definition (as the traces that are handed out show it):
 *
 *     0041f7a0 R            hexadecimal address, blank, R load or W store (also in lower case)
 *
 * The address usually has eight digits; one to sixteen are read, with or without 0x.  Nothing else stands on the line.
 * One process, thread 1.  Addresses are exact; no size is given, so an access is one reference. */
#include "lines.h"

/* => past the newline, or NULL: no record. */
static inline const char *scan_record(const char *p, uint64_t *address, enum access_kind *kind)
{
	while (*p == ' ' || *p == '\t')
		p++;
	p += p[0] == '0' && (p[1] | 0x20) == 'x' ? 2 : 0;
	p = scan_hex(p, address);
	if (!p || (*p != ' ' && *p != '\t'))
		return NULL;
	while (*p == ' ' || *p == '\t')
		p++;
	char letter = *p & ~0x20;
	if (letter != 'R' && letter != 'W')
		return NULL;
	*kind = letter == 'W' ? ACCESS_STORE : ACCESS_LOAD;
	return p[1] == '\n' ? p + 2 : line_finish(p + 1);
}

static enum line_is course_line(const char *p)
{
	uint64_t address;
	enum access_kind kind;
	return scan_record(p, &address, &kind) ? LINE_RECORD : LINE_ALIEN;
}

static const char *course_eat(struct lines *l, const char *p, const char *end)
{
	uint64_t address;
	enum access_kind kind;
	while (p < end && batch_has_room(&l->batch)) {
		const char *next = scan_record(p, &address, &kind);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		batch_add(&l->batch, address, kind);
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err course_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_course, 0, course_eat, ret, why);
}

const struct reader reader_course = {
	.name = "course", .example = "'0041f7a0 R'", .line = course_line, .open = course_open,
};
