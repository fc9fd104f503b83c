/* read_pin.c - memory accesses as Intel Pin's pinatrace tool prints them.
 *
 * Definition (the tool's own output):
 *
 *     0x7f6a3d2a3093: W 0x7ffd4c1b5a38      at this instruction, stored to this address
 *     0x7f6a3d2a30a1: R 0x7f6a3d2c5e70      loaded
 *     #eof
 *
 * What follows on the line (some versions print the size and the value) is ignored.  Only instructions that touch data are in such a
 * trace, so the addresses before the colon are not given as fetches: they would be a part of the truth.  No size is believed: an
 * access is one reference.  One process, thread 1.  Addresses are exact. */
#include "lines.h"

static inline const char *skip_0x(const char *p)
{
	return p[0] == '0' && (p[1] | 0x20) == 'x' ? p + 2 : NULL;
}

/* => past the newline, or NULL: no record. */
static inline const char *scan_record(const char *p, uint64_t *address, enum access_kind *kind)
{
	uint64_t ip;
	p = skip_0x(p);
	p = p ? scan_hex(p, &ip) : NULL;
	if (!p || p[0] != ':' || p[1] != ' ' || (p[2] != 'R' && p[2] != 'W') || p[3] != ' ')
		return NULL;
	*kind = p[2] == 'W' ? ACCESS_STORE : ACCESS_LOAD;
	for (p += 4; *p == ' ';)
		p++;
	p = skip_0x(p);
	p = p ? scan_hex(p, address) : NULL;
	if (!p || *p == '\n')
		return p ? p + 1 : NULL;
	return *p == ' ' || *p == '\r' || *p == '\t' ? line_next(p) : NULL;
}

static enum line_is pin_line(const char *p)
{
	uint64_t address;
	enum access_kind kind;
	return scan_record(p, &address, &kind) ? LINE_RECORD : LINE_ALIEN;
}

static const char *pin_eat(struct lines *l, const char *p, const char *end)
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

static enum pw_err pin_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_pin, 0, pin_eat, ret, why);
}

const struct reader reader_pin = {
	.name = "pin", .example = "'0x4005d0: R 0x7ffd4c1b'", .line = pin_line, .open = pin_open,
};
