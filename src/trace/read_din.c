/* read_din.c - the traditional input of the Dinero cache simulators ("din").
 *
 * Definition (Edler and Hill, the Dinero III manual page): each line is a label and an address,
 *
 *     0 1fff000708          0 load, 1 store, 2 instruction fetch
 *     3 0, 4 0              3 unknown kind of access, 4 flush: records that are no reference; read and passed over
 *
 * separated by blanks; the address is hexadecimal, with or without 0x; what follows it on the line is ignored.  No size is
 * given, so an access is one reference.  One process, thread 1.  Addresses are exact. */
#include "lines.h"

enum { LABELS = 5, LABEL_ESCAPE = 3 };

/* => past the newline, or NULL: no record. */
static inline const char *scan_record(const char *p, unsigned *label, uint64_t *address)
{
	while (*p == ' ' || *p == '\t')
		p++;
	*label = (unsigned)*p++ - '0';
	if (*label >= LABELS || (*p != ' ' && *p != '\t'))
		return NULL;
	while (*p == ' ' || *p == '\t')
		p++;
	p += p[0] == '0' && (p[1] | 0x20) == 'x' ? 2 : 0;
	p = scan_hex(p, address);
	if (!p || *p == '\n')
		return p ? p + 1 : NULL;
	return *p == ' ' || *p == '\t' || *p == '\r' ? line_next(p) : NULL;
}

static enum line_is din_line(const char *p)
{
	unsigned label;
	uint64_t address;
	return scan_record(p, &label, &address) ? LINE_RECORD : LINE_ALIEN;
}

static const char *din_eat(struct lines *l, const char *p, const char *end)
{
	static const enum access_kind kind[LABEL_ESCAPE] = { ACCESS_LOAD, ACCESS_STORE, ACCESS_FETCH };
	unsigned label;
	uint64_t address;
	while (p < end && batch_has_room(&l->batch)) {
		const char *next = scan_record(p, &label, &address);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		if (label < LABEL_ESCAPE)
			batch_add(&l->batch, address, kind[label]);
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err din_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_din, 0, din_eat, ret, why);
}

const struct reader reader_din = {
	.name = "din", .example = "'0 1fff000708'", .line = din_line, .open = din_open,
};
