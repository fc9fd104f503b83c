/* proclist.c - processes, and figures of their memory at the price that was agreed to.
 *
 * Problem.  What people want to know of a process lies in files whose cost differs a thousandfold: PID/stat takes some microseconds,
 * PID/smaps_rollup walks its page tables, a working set needs its reference bits cleared.  Meanwhile processes end, PIDs are used
 * again, and some files are not for us.
 *
 * Idea.  A row is a task and an array of figures with a bit each for "known" and "hidden".  A source is one function that reads one
 * file of one process and sets figures; the list applies it to every row it still has.
 *
 *     all:  stat, owner -> sort -> cut -> the few: statm, status, smaps_rollup -> print
 *
 * 1. A value that is not known is 0 and its bit clear; a known one was read, or computed from what was read.
 * 2. A row whose process ended keeps what was known.  A process is the same when its PID and its start are.
 * 3. Rates are counts of faults; whoever prints them knows the time.
 *
 * Rejected: smaps_rollup for all processes by default (seconds on a large machine, and the lock of each address space taken);
 * psutil's trick of guessing uss from statm (wrong by the private pages of files).
 * Source: proc(5); Gregg, "Working Set Size Estimation" (2018), for the method of clearing. */
#include "proclist.h"
#include "fields.h"
#include "maps.h"
#include "../base/htab.h"
#include "../base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

const struct proclist_about proclist_about[PROC_FIELDS] = {
#define X(name, word, others, kind, source, text) [PROC_##name] = { word, others, text, PROC_##kind, PROC_BY_##source },
	PROCLIST_FIELD_LIST(X)
#undef X
};

bool proclist_listed(const char *list, const char *name)
{
	size_t n = strlen(name), length;
	for (const char *at = list; n && *at; at += length + (at[length] == ',')) {
		length = strcspn(at, ",");
		if (length == n && strncasecmp(at, name, n) == 0)
			return true;
	}
	return false;
}

int proclist_find(const char *name)
{
	for (int f = 0; f < PROC_FIELDS; f++)
		if (strcasecmp(proclist_about[f].name, name) == 0 || proclist_listed(proclist_about[f].others, name))
			return f;
	return -1;
}

static void set(struct proclist_row *r, enum proclist_field f, uint64_t value)
{
	r->value[f] = value;
	r->known |= 1u << f;
}

static void set_pages(struct proclist_row *r, enum proclist_field f, uint64_t pages)
{
	uint64_t bytes;
	if (!__builtin_mul_overflow(pages, (uint64_t)sysconf(_SC_PAGESIZE), &bytes))
		set(r, f, bytes);
}

static bool is_known(const struct proclist_row *r, enum proclist_field f) { return r->known >> f & 1; }

/* ---- the first look */

static enum pw_err row_add(struct proclist *list, const struct task *task, uid_t uid)
{
	if (list->n == list->room) {
		uint32_t room = list->room ? list->room * 2 : 256;
		struct proclist_row *more = mem_realloc(list->row, room, sizeof *more);
		if (!more)
			return PW_NOMEM;
		list->row = more;
		list->room = room;
	}
	struct proclist_row *r = &list->row[list->n++];
	*r = (struct proclist_row){ .task = *task, .uid = uid, .processes = 1 };
	set(r, PROC_PID, task->pid);
	set(r, PROC_PPID, task->ppid);
	set(r, PROC_THREADS, task->threads);
	set(r, PROC_VMS, task->vsize);
	set_pages(r, PROC_RSS, task->rss);
	set(r, PROC_MINFLT, task->minflt);
	set(r, PROC_MAJFLT, task->majflt);
	return PW_OK;
}

static enum pw_err pid_add(struct procfs *p, uint32_t pid, struct proclist *list, struct pw_why *why)
{
	struct task task;
	uid_t uid = 0;
	enum pw_err err = task_read(p, pid, &task, why);
	if (err == PW_OK)
		err = procfs_owner(p, pid, &uid, why);
	if (err == PW_OK && row_add(list, &task, uid))
		return pw_fail(why, PW_NOMEM, "out of memory for the list of processes");
	return err;
}

static enum pw_err pids_add(struct procfs *p, const uint32_t *pids, uint32_t n, bool named, struct proclist *list, struct pw_why *why)
{
	for (uint32_t i = 0; i < n; i++) {
		enum pw_err err = pid_add(p, pids[i], list, why);
		if (err == PW_NOMEM || (err && named))
			return err;
		list->ended += err != PW_OK;
	}
	return PW_OK;
}

enum pw_err proclist_read(struct procfs *p, const uint32_t *pids, uint32_t n, struct proclist *ret, struct pw_why *why)
{
	uint32_t *all = NULL;
	bool named = n > 0;
	*ret = (struct proclist){ 0 };
	enum pw_err err = named ? PW_OK : procfs_pids(p, &all, &n, why);
	if (err == PW_OK)
		err = pids_add(p, named ? pids : all, n, named, ret, why);
	mem_free(all);
	if (err)
		proclist_fini(ret);
	return err;
}

void proclist_fini(struct proclist *list)
{
	mem_free(list->row);
	*list = (struct proclist){ 0 };
}

/* ---- further sources, each for one process */

static enum pw_err fill_statm(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	static const int field[] = { -1, -1, PROC_SHARED, PROC_TEXT, -1, PROC_DATA };
	const char *at;
	size_t bytes;
	enum pw_err err = procfs_read_pid(p, r->task.pid, "statm", &at, &bytes, why);
	for (size_t i = 0; err == PW_OK && i < sizeof field / sizeof *field; i++) {
		char *end;
		uint64_t pages = strtoull(at, &end, 10);
		if (end == at)
			break;
		if (field[i] >= 0)
			set_pages(r, (enum proclist_field)field[i], pages);
		at = end;
	}
	return err;
}

static enum pw_err fill_status(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	static const struct { const char *word; enum proclist_field field; } want[] = {
		{ "VmSwap", PROC_SWAP }, { "VmHWM", PROC_PEAK }, { "VmPTE", PROC_PTE }, { "VmLck", PROC_LOCKED },
	};
	struct fields f = { 0 };
	const char *text;
	size_t bytes;
	uint64_t value;
	enum pw_err err = procfs_read_pid(p, r->task.pid, "status", &text, &bytes, why);
	if (err == PW_OK)
		err = fields_parse(&f, text, bytes, why);
	for (size_t i = 0; err == PW_OK && i < sizeof want / sizeof *want; i++)
		if (fields_value(&f, want[i].word, &value))
			set(r, want[i].field, value);
	fields_fini(&f);
	return err;
}

static void set_sum(struct proclist_row *r, enum proclist_field to, const struct maps *m, const enum maps_figure *figure, size_t n)
{
	uint64_t sum = 0;
	bool any = !r->task.vsize;
	for (size_t i = 0; i < n; i++) {
		sum += maps_sum(m, figure[i]);
		any = any || (m->n && m->entry[0].known >> figure[i] & 1);
	}
	if (any)
		set(r, to, sum);
}

/* An old kernel has no rollup: the sum over smaps is the same, only dearer. */
static enum pw_err rollup_read(struct procfs *p, uint32_t pid, struct maps *m, struct pw_why *why)
{
	enum pw_err err = maps_read(p, pid, MAPS_ROLLUP, m, why);
	return err == PW_UNSUPPORTED ? maps_read(p, pid, MAPS_DETAILED, m, why) : err;
}

static enum pw_err fill_rollup(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	static const enum maps_figure pss[] = { MAPS_PSS }, swap[] = { MAPS_SWAP_PSS },
		uss[] = { MAPS_PRIVATE_CLEAN, MAPS_PRIVATE_DIRTY, MAPS_PRIVATE_HUGETLB },
		dirty[] = { MAPS_PRIVATE_DIRTY, MAPS_SHARED_DIRTY },
		huge[] = { MAPS_ANON_HUGE, MAPS_SHMEM_HUGE, MAPS_FILE_HUGE, MAPS_PRIVATE_HUGETLB, MAPS_SHARED_HUGETLB };
	struct maps m = { 0 };
	/* A thread of the kernel has no memory of its own, and its rollup says that it is no process. */
	enum pw_err err = r->task.vsize ? rollup_read(p, r->task.pid, &m, why) : PW_OK;
	if (err)
		return err;
	set_sum(r, PROC_PSS, &m, pss, 1);
	set_sum(r, PROC_USS, &m, uss, 3);
	set_sum(r, PROC_SWAP_PSS, &m, swap, 1);
	set_sum(r, PROC_DIRTY, &m, dirty, 2);
	set_sum(r, PROC_HUGE, &m, huge, 5);
	/* Pages of hugetlbfs are in no Rss. */
	uint64_t resident = maps_sum(&m, MAPS_RSS) + maps_sum(&m, MAPS_PRIVATE_HUGETLB) + maps_sum(&m, MAPS_SHARED_HUGETLB);
	if (is_known(r, PROC_HUGE))
		set(r, PROC_HUGE_SHARE, resident ? (uint64_t)((double)r->value[PROC_HUGE] / (double)resident * 1e6) : 0);
	maps_fini(&m);
	return PW_OK;
}

static enum pw_err fill_again(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	struct task now;
	enum pw_err err = task_read(p, r->task.pid, &now, why);
	if (err)
		return err;
	if (now.starttime != r->task.starttime)
		return PW_NOTFOUND;
	set(r, PROC_MINFLT_RATE, now.minflt - r->task.minflt);
	set(r, PROC_MAJFLT_RATE, now.majflt - r->task.majflt);
	return PW_OK;
}

/* The only place of this room that writes. */
static enum pw_err fill_clear(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	char path[64];
	(void)p;
	if (!r->task.vsize)
		return PW_OK;
	snprintf(path, sizeof path, "/proc/%u/clear_refs", r->task.pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = fd < 0 || write(fd, "1", 1) != 1 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (error == EACCES || error == EPERM)
		return PW_ACCESS;
	return error == ENOENT || error == ESRCH ? PW_NOTFOUND : error ? pw_fail(why, PW_IO, "%s: %s", path, strerror(error)) : PW_OK;
}

static enum pw_err fill_used(struct procfs *p, struct proclist_row *r, struct pw_why *why)
{
	static const enum maps_figure used[] = { MAPS_REFERENCED };
	struct maps m = { 0 };
	if (r->hidden >> PROC_WSS & 1)
		return PW_ACCESS;
	enum pw_err err = r->task.vsize ? rollup_read(p, r->task.pid, &m, why) : PW_OK;
	if (err == PW_OK)
		set_sum(r, PROC_WSS, &m, used, 1);
	maps_fini(&m);
	return err;
}

/* ---- a source for the whole list */

typedef enum pw_err (*row_fill)(struct procfs *p, struct proclist_row *r, struct pw_why *why);

static uint32_t fields_of(enum proclist_source source)
{
	uint32_t set_of = 0;
	for (int f = 0; f < PROC_FIELDS; f++)
		set_of |= proclist_about[f].source == source ? 1u << f : 0;
	return set_of;
}

static enum pw_err list_fill(struct procfs *p, struct proclist *list, enum proclist_source source, row_fill fill, struct pw_why *why)
{
	for (uint32_t i = 0; i < list->n; i++) {
		struct proclist_row *r = &list->row[i];
		enum pw_err err = r->gone ? PW_NOTFOUND : fill(p, r, why);
		if (err == PW_ACCESS)
			r->hidden |= fields_of(source);
		else if (err == PW_NOTFOUND)
			r->gone = true;
		else if (err && err != PW_UNSUPPORTED)
			return err;
	}
	return PW_OK;
}

enum pw_err proclist_fill(struct procfs *p, struct proclist *list, enum proclist_source source, struct pw_why *why)
{
	static const row_fill fill[PROC_SOURCES] = {
		[PROC_BY_STATM] = fill_statm, [PROC_BY_STATUS] = fill_status, [PROC_BY_ROLLUP] = fill_rollup,
	};
	return fill[source] ? list_fill(p, list, source, fill[source], why) : PW_OK;
}

enum pw_err proclist_again(struct procfs *p, struct proclist *list, struct pw_why *why)
{
	return list_fill(p, list, PROC_BY_TWO_LOOKS, fill_again, why);
}

enum pw_err proclist_clear(struct procfs *p, struct proclist *list, struct pw_why *why)
{
	if (!procfs_is_this_computer(p))
		return pw_fail(why, PW_UNSUPPORTED, "reference bits can be cleared on this computer only, not below %s", procfs_root(p));
	return list_fill(p, list, PROC_BY_CLEARING, fill_clear, why);
}

enum pw_err proclist_used(struct procfs *p, struct proclist *list, struct pw_why *why)
{
	return list_fill(p, list, PROC_BY_CLEARING, fill_used, why);
}

/* ---- orders */

struct order {
	enum proclist_field by;
	bool reversed;
};

static int compare(const void *x, const void *y, void *ctx)
{
	const struct proclist_row *a = x, *b = y;
	const struct order *o = ctx;
	int known = (int)is_known(b, o->by) - (int)is_known(a, o->by);
	if (known)
		return known;
	uint64_t v = a->value[o->by], w = b->value[o->by];
	int order = (v < w) - (v > w);
	if (o->by == PROC_PID || o->by == PROC_PPID)
		order = -order;
	if (order)
		return o->reversed ? -order : order;
	return (a->task.pid > b->task.pid) - (a->task.pid < b->task.pid);
}

void proclist_sort(struct proclist *list, enum proclist_field by, bool reversed)
{
	struct order o = { by, reversed };
	if (list->n)
		qsort_r(list->row, list->n, sizeof *list->row, compare, &o);
}

void proclist_keep(struct proclist *list, bool (*keep)(const struct proclist_row *row, const void *ctx), const void *ctx)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < list->n; i++)
		if (keep(&list->row[i], ctx))
			list->row[n++] = list->row[i];
	list->n = n;
}

/* The rows as a forest: first child and next sibling, by index + 1; 0 is none. */
struct forest {
	uint32_t *child, *sibling, *last, roots, last_root;
};

static void forest_hang(struct forest *f, uint32_t parent, uint32_t row) /* as the last child */
{
	uint32_t *last = parent ? &f->last[parent] : &f->last_root, *first = parent ? &f->child[parent] : &f->roots;
	*(*last ? &f->sibling[*last] : first) = row;
	*last = row;
}

static void forest_walk(const struct forest *f, struct proclist *list, struct proclist_row *to)
{
	uint32_t n = 0, depth = 0, *way = f->last; /* no longer needed, and as deep as any tree can be */
	for (uint32_t at = f->roots; at;) {
		to[n] = list->row[at - 1];
		to[n++].depth = depth;
		if (f->child[at]) {
			way[depth++] = at;
			at = f->child[at];
			continue;
		}
		while (!f->sibling[at] && depth)
			at = way[--depth];
		at = f->sibling[at];
	}
	/* Who claims to be his own ancestor hangs below nobody; he comes last. */
	for (uint32_t i = 0; n < list->n && i < list->n; i++) {
		bool there = false;
		for (uint32_t k = 0; k < n && !there; k++)
			there = to[k].task.pid == list->row[i].task.pid;
		if (!there)
			to[n++] = list->row[i];
	}
}

static enum pw_err forest_grow(struct forest *f, const struct proclist *list)
{
	struct htab index;
	enum pw_err err = htab_init(&index, list->n);
	for (uint32_t i = 0; err == PW_OK && i < list->n; i++) {
		uint64_t *at = htab_put(&index, list->row[i].task.pid);
		if (!at)
			err = PW_NOMEM;
		else
			*at = i + 1;
	}
	for (uint32_t i = 0; err == PW_OK && i < list->n; i++) {
		uint64_t *parent = htab_get(&index, list->row[i].task.ppid);
		forest_hang(f, parent ? (uint32_t)*parent : 0, i + 1);
	}
	htab_fini(&index);
	return err;
}

enum pw_err proclist_tree(struct proclist *list, struct pw_why *why)
{
	struct forest f = { 0 };
	f.child = mem_zalloc(list->n + 1, sizeof *f.child);
	f.sibling = mem_zalloc(list->n + 1, sizeof *f.sibling);
	f.last = mem_zalloc(list->n + 1, sizeof *f.last);
	struct proclist_row *to = mem_zalloc(list->n + 1, sizeof *to);
	enum pw_err err = f.child && f.sibling && f.last && to ? forest_grow(&f, list) : PW_NOMEM;
	if (err == PW_OK) {
		forest_walk(&f, list, to);
		mem_free(list->row);
		list->row = to;
		list->room = list->n + 1;
	} else {
		mem_free(to);
		pw_fail(why, err, "out of memory for the tree of processes");
	}
	mem_free(f.child);
	mem_free(f.sibling);
	mem_free(f.last);
	return err;
}

/* ---- sums */

static int same_group(const struct proclist_row *a, const struct proclist_row *b, enum proclist_group group)
{
	if (group == PROC_GROUP_USER)
		return (a->uid > b->uid) - (a->uid < b->uid);
	return strcmp(a->task.name, b->task.name);
}

static int compare_group(const void *x, const void *y, void *ctx)
{
	int order = same_group(x, y, *(const enum proclist_group *)ctx);
	const struct proclist_row *a = x, *b = y;
	return order ? order : (a->task.pid > b->task.pid) - (a->task.pid < b->task.pid);
}

/* A sum is known when it is of all; one that would not fit is not. */
static void row_sum(struct proclist_row *to, const struct proclist_row *r)
{
	to->processes += r->processes;
	to->hidden |= r->hidden;
	to->known &= r->known;
	for (int f = 0; f < PROC_FIELDS; f++)
		if (__builtin_add_overflow(to->value[f], r->value[f], &to->value[f]))
			to->known &= ~(1u << f);
}

/* What a group does not have, or what cannot be had by adding. */
static void row_summed(struct proclist_row *r)
{
	r->known &= ~(1u << PROC_PID | 1u << PROC_PPID | 1u << PROC_PEAK | 1u << PROC_HUGE_SHARE);
	if (is_known(r, PROC_HUGE) && is_known(r, PROC_RSS) && r->value[PROC_RSS])
		set(r, PROC_HUGE_SHARE, (uint64_t)((double)r->value[PROC_HUGE] / (double)r->value[PROC_RSS] * 1e6));
	for (int f = 0; f < PROC_FIELDS; f++)
		r->value[f] = is_known(r, (enum proclist_field)f) ? r->value[f] : 0;
}

void proclist_add_up(struct proclist *list, enum proclist_group group)
{
	uint32_t n = 0;
	if (!list->n)
		return;
	qsort_r(list->row, list->n, sizeof *list->row, compare_group, &group);
	for (uint32_t i = 0; i < list->n; i++) {
		if (n && same_group(&list->row[n - 1], &list->row[i], group) == 0)
			row_sum(&list->row[n - 1], &list->row[i]);
		else
			list->row[n++] = list->row[i];
	}
	list->n = n;
	for (uint32_t i = 0; i < n; i++)
		row_summed(&list->row[i]);
}
