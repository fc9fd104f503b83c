/* census.c - a sorted list merged with the next one.
 *
 * Problem.  A process that grows is found by looking twice, one that grows *steadily* by looking often; processes come, go, and take
 * over the numbers of others in between.
 *
 * Idea.  Rows are sorted by PID, and so is the next list of PIDs: one pass makes the new rows of the old ones.
 *
 * 1. A row is the same process when PID and start time are.
 * 2. A process that ends while it is read is left out, never half filled.
 * Rejected: /proc/PID/status in every look (ten times the text of stat; once, at the end, is enough). */
#include "census.h"
#include "fields.h"
#include "../base/mem.h"
#include <ctype.h>
#include <string.h>
#include <unistd.h>

/* The name is of this look: a process may have begun another program since the last. */
static void row_name(struct census_row *r, const struct task *t)
{
	memset(r->name, 0, sizeof r->name);
	for (unsigned i = 0; t->name[i]; i++)
		r->name[i] = iscntrl((unsigned char)t->name[i]) ? '?' : t->name[i];
}

static void row_begin(struct census_row *r, const struct task *t, uint64_t rss, uint32_t missed)
{
	*r = (struct census_row){ .pid = t->pid, .starttime = t->starttime, .rss_first = rss, .rss_last = rss, .looks = 1, .missed = missed,
				  .majflt_first = t->majflt, .majflt_last = t->majflt };
	row_name(r, t);
}

static void row_again(struct census_row *r, const struct census_row *old, const struct task *t, uint64_t rss)
{
	*r = *old;
	row_name(r, t);
	r->grew += rss > r->rss_last;
	r->rss_last = rss;
	r->majflt_last = t->majflt;
	r->looks++;
}

/* Reads the processes of a list into rows, with what the rows of old tell.  => how many there still are. */
static enum pw_err rows_make(const struct census *old, struct procfs *p, const uint32_t *pids, uint32_t n, struct census_row *row,
			     uint32_t *ret_n, struct pw_why *why)
{
	uint32_t k = 0, at = 0;
	struct task t;
	struct pw_why inner;
	for (uint32_t i = 0; i < n; i++) {
		enum pw_err err = task_read(p, pids[i], &t, &inner);
		if (err == PW_NOMEM || (err != PW_OK && n == 1))
			return pw_fail(why, err, "%s", inner.text);
		if (err != PW_OK)
			continue;
		uint64_t rss;
		if (__builtin_mul_overflow(t.rss, old->page_bytes, &rss))
			rss = UINT64_MAX;
		while (at < old->n && old->row[at].pid < t.pid)
			at++;
		if (at < old->n && old->row[at].pid == t.pid && old->row[at].starttime == t.starttime)
			row_again(&row[k++], &old->row[at], &t, rss);
		else
			row_begin(&row[k++], &t, rss, old->looks);
	}
	*ret_n = k;
	return PW_OK;
}

enum pw_err census_look(struct census *c, struct procfs *p, uint32_t pid, struct pw_why *why)
{
	uint32_t *pids = NULL, n = 1, kept = 0;
	enum pw_err err = pid ? PW_OK : procfs_pids(p, &pids, &n, why);
	if (err != PW_OK)
		return err;
	c->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	struct census_row *row = mem_zalloc(n + 1, sizeof *row);
	err = row ? rows_make(c, p, pid ? &pid : pids, n, row, &kept, why) : pw_fail(why, PW_NOMEM, "out of memory for %u processes", n);
	mem_free(pids);
	if (err != PW_OK) {
		mem_free(row);
		return err;
	}
	mem_free(c->row);
	c->row = row;
	c->n = kept;
	c->looks++;
	return PW_OK;
}

enum pw_err census_fill(struct census *c, struct procfs *p, struct pw_why *why)
{
	struct fields f = { NULL };
	enum pw_err err = PW_OK;
	for (uint32_t i = 0; i < c->n && err != PW_NOMEM; i++) {
		struct census_row *r = &c->row[i];
		const char *text;
		size_t bytes;
		err = procfs_read_pid(p, r->pid, "status", &text, &bytes, why);
		if (err == PW_OK)
			err = fields_parse(&f, text, bytes, why);
		r->filled = err == PW_OK;
		if (!r->filled)
			continue;
		fields_value(&f, "VmSwap", &r->swap);
		fields_value(&f, "VmPTE", &r->page_tables);
		fields_value(&f, "RssAnon", &r->anonymous);
	}
	fields_fini(&f);
	return err == PW_NOMEM ? err : PW_OK;
}

void census_fini(struct census *c)
{
	mem_free(c->row);
	*c = (struct census){ .row = NULL };
}

unsigned census_top(const struct census *c, uint64_t (*value)(const struct census_row *), const struct census_row **ret, unsigned want)
{
	unsigned n = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct census_row *r = &c->row[i];
		uint64_t v = value(r);
		unsigned at = n;
		if (!v)
			continue;
		while (at && value(ret[at - 1]) < v)
			at--;
		if (at == want)
			continue;
		n += n < want;
		memmove(&ret[at + 1], &ret[at], (n - 1 - at) * sizeof *ret);
		ret[at] = r;
	}
	return n;
}
