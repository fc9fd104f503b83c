/* read_drview.c - what DynamoRIO's view tool prints of a memory trace.
 *
 * Definition (DynamoRIO's drcachesim/tools/view.cpp; the columns are record, instruction, thread):
 *
 *          10           2: W0.T3256418 ifetch       3 byte(s) @ 0x00007fc205a61943 48 89 e7    mov    %rsp, %rdi
 *          11           2: W0.T3256418 write        8 byte(s) @ 0x00007fff9a9e3528 by PC 0x00007fc205a61943
 *          12           2: W0.T3256418 <marker: ...>
 *
 * ifetch is a fetch, read a load, write a store; prefetches (pref...) and flushes are records that are no reference.  Older versions
 * print the thread as a number alone.  Thread n is thread n; workload Wn is process n + 1, and without it the process is 1.  What
 * follows the address is not looked at.  Rules, headings and markers say nothing.  Addresses are exact; an access reaches as far as
 * its size says. */
#include "lines.h"
#include <string.h>

struct view_record {
	uint32_t pid, tid;
	uint64_t bytes, address;
	enum access_kind kind;
	bool is_access;      /* otherwise it is of the format, but no reference */
};

static inline const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* "   10    2: W0.T325 ".  => past it, or NULL. */
static inline const char *scan_columns(const char *p, struct view_record *ret)
{
	uint64_t number, workload = 0, thread;
	p = scan_decimal(skip_blanks(p), &number);
	if (p && *p != ':')
		p = scan_decimal(skip_blanks(p), &number);
	if (!p || *p++ != ':')
		return NULL;
	p = skip_blanks(p);
	if (*p == 'W' && (!(p = scan_decimal(p + 1, &workload)) || *p++ != '.'))
		return NULL;
	p = scan_decimal(p + (*p == 'T'), &thread);
	if (!p || *p != ' ' || thread > UINT32_MAX || workload >= UINT32_MAX)
		return NULL;
	ret->pid = (uint32_t)workload + 1;
	ret->tid = (uint32_t)thread;
	return skip_blanks(p);
}

static inline bool scan_name(const char *p, size_t length, struct view_record *ret)
{
	ret->is_access = true;
	if (length == 6 && !memcmp(p, "ifetch", 6))
		ret->kind = ACCESS_FETCH;
	else if (length == 4 && !memcmp(p, "read", 4))
		ret->kind = ACCESS_LOAD;
	else if (length == 5 && !memcmp(p, "write", 5))
		ret->kind = ACCESS_STORE;
	else
		ret->is_access = false;
	return ret->is_access || (length >= 4 && !memcmp(p, "pref", 4)) || (length == 6 && !memcmp(p + 1, "flush", 5));
}

/* => past the newline, or NULL: no record. */
static inline const char *scan_record(const char *p, struct view_record *ret)
{
	p = scan_columns(p, ret);
	if (!p || *p == '<')
		return NULL;
	const char *name = p;
	while (*p > ' ')
		p++;
	if (!scan_name(name, (size_t)(p - name), ret))
		return NULL;
	p = scan_decimal(skip_blanks(p), &ret->bytes);
	if (!p || strncmp(p, " byte(s) @ 0x", 13) || ret->bytes > LINES_ACCESS_MAX)
		return NULL;
	p = scan_hex(p + 13, &ret->address);
	return p && (*p == ' ' || *p == '\n' || *p == '\r') ? line_next(p) : NULL;
}

/* The bytes of a long instruction go on in a line of their own: blanks and pairs of digits. */
static bool is_more_bytes(const char *p)
{
	if (*p != ' ')
		return false;
	for (p = skip_blanks(p); *p != '\n' && *p != '\r'; p = skip_blanks(p)) {
		if (lines_hex[(uint8_t)p[0]] > 15 || lines_hex[(uint8_t)p[1]] > 15 || (p[2] != ' ' && p[2] != '\n' && p[2] != '\r'))
			return false;
		p += 2;
	}
	return true;
}

static enum line_is drview_line(const char *p)
{
	struct view_record r;
	if (scan_record(p, &r))
		return LINE_RECORD;
	const char *rest = scan_columns(p, &r);
	if ((rest && *rest == '<') || is_more_bytes(p) || !strncmp(p, "----", 4) || !strncmp(p, "Output format:", 14) || *p == '<')
		return LINE_NOISE;
	return LINE_ALIEN;
}

static const char *drview_eat(struct lines *l, const char *p, const char *end)
{
	struct view_record r;
	while (p < end && batch_has_room(&l->batch)) {
		const char *next = scan_record(p, &r);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		if (r.is_access) {
			if (l->batch.n && (r.pid != l->pid || r.tid != l->tid))
				break;
			l->pid = r.pid;
			l->tid = r.tid;
			batch_add_access(&l->batch, r.address, r.bytes, r.kind);
		}
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err drview_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_drview, 0, drview_eat, ret, why);
}

const struct reader reader_drview = {
	.name = "drview", .example = "'10 2: W0.T32 write 8 byte(s) @ 0x7fff9a9e3528'", .line = drview_line,
	.open = drview_open,
};
