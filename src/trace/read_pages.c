/* read_pages.c - one page number per line: the reference strings of the textbooks.
 *
 * Definition:
 *
 *     7                     decimal page number, alone on its line
 *
 * Page n is the address n * 4096 (n << 12), so that with 4 KiB pages the numbers of the file are the numbers of the run.  Every
 * line is a load of one process, thread 1; the granule is the 4 KiB page.  Numbers from 2^50 on have no address and are
 * rejected. */
#include "lines.h"

enum { PAGE_SHIFT = 12, PAGE_BITS = 50 };

/* => past the newline, or NULL: no record. */
static inline const char *scan_record(const char *p, uint64_t *page)
{
	while (*p == ' ' || *p == '\t')
		p++;
	p = scan_decimal(p, page);
	if (!p || *page >> PAGE_BITS)
		return NULL;
	return *p == '\n' ? p + 1 : line_finish(p);
}

static enum line_is pages_line(const char *p)
{
	uint64_t page;
	return scan_record(p, &page) ? LINE_RECORD : LINE_ALIEN;
}

static const char *pages_eat(struct lines *l, const char *p, const char *end)
{
	uint64_t page;
	while (p < end && batch_has_room(&l->batch)) {
		const char *next = scan_record(p, &page);
		if (!next) {
			p = lines_reject(l, p, end);
			continue;
		}
		batch_add(&l->batch, page << PAGE_SHIFT, ACCESS_LOAD);
		p = next;
		l->line++;
		l->trace.info.records++;
	}
	return p;
}

static enum pw_err pages_open(struct input *in, struct trace **ret, struct pw_why *why)
{
	return lines_open(in, &reader_pages, PAGE_SHIFT, pages_eat, ret, why);
}

const struct reader reader_pages = {
	.name = "pages", .example = "'42' (a page number)", .line = pages_line, .open = pages_open,
};
