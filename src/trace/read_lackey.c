/* read_lackey.c - the output of valgrind --tool=lackey --trace-mem=yes.
 *
 * Definition (the comment at the head of lackey's source, and its output):
 *
 *     I  04001020,3         an instruction of 3 bytes is fetched      -> fetch
 *      L 1fff000708,8       8 bytes are loaded                        -> load
 *      S 1fff0006f8,8       stored                                    -> store
 *      M 0421c7cc,4         loaded and stored to the same place       -> load, then store
 *     SB 04001020           a superblock is entered (--trace-superblocks=yes); says nothing about memory
 *     ==4711== text         what valgrind says beside it; also --4711--, **4711**
 *
 * The address is hexadecimal without 0x, the size decimal, in bytes.  The first column of the data lines is a space; handed-out
 * variants without it and variants without I lines are read as well.  Traces hold one process, whose number is not given: it is
 * process 1, thread 1.  Addresses are exact.  Where the size reaches into the next 4 KiB page, that page is referenced too. */
#include "lines.h"

/* Reads "ADDRESS,SIZE" and the end of the line.  => past the newline, or NULL. */
static inline const char *scan_access(const char *p, uint64_t *address, uint64_t *bytes)
{
	p = scan_hex(p, address);
	if (!p || *p != ',')
		return NULL;
	p = scan_decimal(p + 1, bytes);
	if (!p || *bytes - 1 >= LINES_ACCESS_MAX)
		return NULL;
	return *p == '\n' ? p + 1 : line_finish(p);
}

/* Finds the letter and the place of the address in "I  a", " L a", "L a".  => 0: no such line. */
static inline char scan_letter(const char **p)
{
	const char *s = *p;
	s += *s == ' ';
	char letter = *s++;
	if (*s++ != ' ')
		return 0;
	s += *s == ' ';
	*p = s;
	return letter;
}

static enum line_is lackey_line(const char *p)
{
	if ((p[0] == '=' || p[0] == '-' || p[0] == '*') && p[1] == p[0])
		return LINE_NOISE;
	uint64_t address, bytes;
	if (p[0] == 'S' && p[1] == 'B' && p[2] == ' ')
		return (p = scan_hex(p + 3, &address)) && line_finish(p) ? LINE_NOISE : LINE_ALIEN;
	char letter = scan_letter(&p);
	if (letter != 'I' && letter != 'L' && letter != 'S' && letter != 'M')
		return LINE_ALIEN;
	return scan_access(p, &address, &bytes) ? LINE_RECORD : LINE_ALIEN;
}

static inline bool add(struct lines *l, char letter, uint64_t address, uint64_t bytes)
{
	if (letter == 'I')
		batch_add_access(&l->batch, address, bytes, ACCESS_FETCH);
	else if (letter == 'L' || letter == 'M')
		batch_add_access(&l->batch, address, bytes, ACCESS_LOAD);
	if (letter == 'S' || letter == 'M')
		batch_add_access(&l->batch, address, bytes, ACCESS_STORE);
	return letter == 'I' || letter == 'L' || letter == 'S' || letter == 'M';
}

static const char *lackey_eat(struct lines *l, const char *p, const char *end)
{
	uint64_t address, bytes;
	while (p < end && batch_has_room(&l->batch)) {
		const char *s = p;
		char letter = scan_letter(&s);
		if (!letter || !(s = scan_access(s, &address, &bytes)) || !add(l, letter, address, bytes)) {
			p = lines_reject(l, p, end);
			continue;
		}
		p = s;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err lackey_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_lackey, 0, lackey_eat, ret, why);
}

const struct reader reader_lackey = {
	.name = "lackey", .example = "' L 1fff000708,8'", .line = lackey_line, .open = lackey_open,
};
