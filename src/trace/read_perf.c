/* read_perf.c - page faults of a real run, as perf script prints them.
 *
 * Definition (observed with perf 6.1):
 *
 *     perf record -e page-faults -c 1 -d COMMAND
 *     perf script -F comm,pid,tid,time,event,addr
 *
 *     ls  9819/9819   2820.246591: page-faults:     7fea0d291b70
 *
 * that is: command (may hold blanks), pid/tid, optionally [cpu], time and a colon, event and a colon, the hexadecimal address
 * of the data.  More fields after the address (-F +ip,sym,dso) are ignored.  The events are page-faults, minor-faults,
 * major-faults and faults, with modifiers such as :u.  Lines that begin with a tab (call chains) and '#' say nothing.
 *
 * Without -F, perf prints the number of events before the event's name and the address of the *instruction* instead of the
 * data; such lines are not taken for records, since the addresses would be the wrong ones.
 * The records do not say whether a fault was a load or a store: they are given as loads.  Addresses are exact. */
#include "lines.h"
#include <string.h>

struct perf_record {
	uint64_t pid, tid, address;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Steps back over one word that ends before *at.  => the word is [*at, *end); false: there is none. */
static bool word_before(const char *line, const char **at, const char **end)
{
	const char *p = *at;
	while (p > line && is_blank(p[-1]))
		p--;
	*end = p;
	while (p > line && !is_blank(p[-1]))
		p--;
	*at = p;
	return p < *end;
}

/* Where the event's name begins in the line, and the address after it. */
static const char *find_event(const char *line, const char *newline, uint64_t *address)
{
	const char *faults = memmem(line, (size_t)(newline - line), "faults:", 7);
	if (!faults)
		return NULL;
	const char *p = faults + 7;
	while (!is_blank(*p) && *p != '\n')
		p++;
	while (is_blank(*p))
		p++;
	p = scan_hex(p, address);
	if (!p || !(is_blank(*p) || *p == '\n' || *p == '\r'))
		return NULL;
	while (faults > line && !is_blank(faults[-1]))
		faults--;
	return faults;
}

/* "9819/9819", or "9819", which is both. */
static bool scan_ids(const char *p, const char *end, struct perf_record *ret)
{
	p = scan_decimal(p, &ret->pid);
	ret->tid = ret->pid;
	if (p && *p == '/')
		p = scan_decimal(p + 1, &ret->tid);
	return p == end && ret->pid <= UINT32_MAX && ret->tid <= UINT32_MAX;
}

/* => past the newline, or NULL: no record. */
static const char *scan_record(const char *line, struct perf_record *ret)
{
	const char *newline = line_next(line) - 1, *end;
	const char *at = find_event(line, newline, &ret->address);
	if (!at || !word_before(line, &at, &end) || end[-1] != ':' || (unsigned)*at - '0' > 9)
		return NULL;
	if (!word_before(line, &at, &end))
		return NULL;
	if (*at == '[' && !word_before(line, &at, &end))
		return NULL;
	return scan_ids(at, end, ret) ? newline + 1 : NULL;
}

static enum line_is perf_line(const char *p)
{
	struct perf_record r;
	if (*p == '\t' && lines_hex[(uint8_t)p[1 + strspn(p + 1, " ")]] < 16)
		return LINE_NOISE;
	return scan_record(p, &r) ? LINE_RECORD : LINE_ALIEN;
}

static const char *perf_eat(struct lines *l, const char *p, const char *end)
{
	struct perf_record r;
	while (p < end && batch_has_room(&l->batch)) {
		const char *next = scan_record(p, &r);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		if (l->batch.n && (r.pid != l->pid || r.tid != l->tid))
			break;
		l->pid = (uint32_t)r.pid;
		l->tid = (uint32_t)r.tid;
		batch_add(&l->batch, r.address, ACCESS_LOAD);
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err perf_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_perf, 0, perf_eat, ret, why);
}

const struct reader reader_perf = {
	.name = "perf", .example = "'ls 98/98 2.5: page-faults: 7fea0d291b70' (perf script -F comm,pid,tid,time,event,addr)",
	.line = perf_line, .open = perf_open,
};
