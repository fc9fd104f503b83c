/* advise_process.c - the judges of processes: growth, page tables, huge pages, files in memory twice.
 *
 * Problem.  A leak, a sparse mapping and a library in three copies are found in files of one process each, by whoever reads them
 * all.
 *
 * Idea.  The census gives size, growth and tables of all processes; only the few that stand out are looked at closer.
 *
 * A dense page table takes 8 bytes for a page of 4 KiB: 1/512 of what it maps.  Eight times that is out of proportion: the memory is
 * touched in places far apart, or many processes map the same shared memory, each with tables of its own.
 *
 * 1. A file is in memory twice when two files (device and inode differ) of the same name are mapped as code with the same offset and
 *    length, when a program still runs a file that was removed, or when a loop device caches what the file system upon it caches.
 * 2. Contents are not compared: that takes reading them.  The advice says so, and how.
 * Source: Documentation/filesystems/proc.rst (status, smaps_rollup); Documentation/admin-guide/mm/transhuge.rst; losetup(8). */
#include "advise_case.h"
#include "maps.h"
#include "../base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1024.0 * 1024)

static const double grown_little = 1 * MIB, grown_part = 0.01, anonymous_much = 256 * MIB, tables_little = 16 * MIB,
		    code_little = 1 * MIB;
enum { LOOKS_STEADY = 4, TABLES_DENSE = 512, TABLES_TOO_MUCH = 8, TOP = 3 };

/* ---- growth */

static uint64_t growth(const struct census_row *r)
{
	uint64_t grown = r->rss_last > r->rss_first ? r->rss_last - r->rss_first : 0;
	bool steady = !r->missed && r->looks >= LOOKS_STEADY && r->grew == r->looks - 1;
	return steady && (double)grown >= grown_little && (double)grown >= grown_part * (double)r->rss_first ? grown : 0;
}

static void say_growing(struct advise *a, const struct census_row *r)
{
	uint64_t available = 0;
	double seconds = a->figures.seconds, each = (double)growth(r) / (seconds > 0 ? seconds : 1);
	case_say(a, ADVICE_growing, r->pid, "Process %u (%s) grows steadily: %s a second.", r->pid, r->name, SIZE(each));
	case_because(a, "resident memory went from %s to %s in %.1f s, and was larger in each of %u looks than in the one before",
		     SIZE(r->rss_first),
		SIZE(r->rss_last), seconds, r->looks);
	if (case_level(a, "MemAvailable", &available))
		case_because(a, "at this rate the %s that are available last %.0f s", SIZE(available), (double)available / each);
	case_costs(a, "none if it is filling a cache or just starting, all of memory if it leaks: a longer --window "
		   "tells them apart");
	case_propose(a, "pageworks map %u        # which mapping grows;  pageworks faults %u: which code makes it", r->pid, r->pid);
}

void judge_growing(struct advise *a)
{
	const struct census_row *top[TOP];
	if (a->census.looks < LOOKS_STEADY) {
		case_unknown(a, ADVICE_growing, "steady growth takes %d looks; --window lets time pass", LOOKS_STEADY);
		return;
	}
	unsigned n = census_top(&a->census, growth, top, TOP);
	for (unsigned i = 0; i < n; i++)
		say_growing(a, top[i]);
}

/* ---- page tables */

static uint64_t tables_out_of_proportion(const struct census_row *r)
{
	double tables = (double)r->page_tables;
	return tables >= tables_little && tables * TABLES_DENSE > TABLES_TOO_MUCH * (double)r->rss_last ? r->page_tables : 0;
}

static void say_tables(struct advise *a, const struct census_row *r)
{
	case_say(a, ADVICE_page_tables, r->pid, "The page tables of process %u (%s) are out of proportion.", r->pid, r->name);
	case_because(a, "VmPTE is %s for %s of resident memory: 1/%.0f, where dense memory of 4 KiB pages needs 1/%d",
		     SIZE(r->page_tables),
		SIZE(r->rss_last), (double)r->rss_last / (double)r->page_tables, TABLES_DENSE);
	case_costs(a, "page tables cannot be swapped; huge pages need 1/%d of them, and pay only where neighbouring memory is used",
		   TABLES_DENSE);
	case_propose(a, "pageworks map %u        # which mappings are touched far apart", r->pid);
}

void judge_page_tables(struct advise *a)
{
	const struct census_row *top[TOP];
	uint64_t tables, anonymous, mapped;
	unsigned n = census_top(&a->census, tables_out_of_proportion, top, TOP);
	for (unsigned i = 0; i < n; i++)
		say_tables(a, top[i]);
	if (a->pid || n)
		return;
	if (!case_level(a, "PageTables", &tables) || !case_level(a, "AnonPages", &anonymous) || !case_level(a, "Mapped", &mapped)) {
		case_unknown(a, ADVICE_page_tables, "PageTables, AnonPages or Mapped cannot be read (/proc/meminfo)");
		return;
	}
	if ((double)tables < 4 * tables_little || (double)tables * TABLES_DENSE < TABLES_TOO_MUCH * (double)(anonymous + mapped))
		return;
	case_say(a, ADVICE_page_tables, 0, "Page tables are out of proportion to what they map, in no process alone.");
	case_because(a, "PageTables is %s for %s that programs map", SIZE(tables), SIZE(anonymous + mapped));
	case_costs(a, "they cannot be swapped; usually many processes map the same shared memory, and huge pages for it "
		   "need 1/%d of them",
		   TABLES_DENSE);
	case_propose(a, "grep -H VmPTE /proc/[0-9]*/status | sort -k2 -n | tail");
}

/* ---- huge pages */

static uint64_t anonymous_of(const struct census_row *r) { return (double)r->anonymous >= anonymous_much ? r->anonymous : 0; }

static void huge_judge(struct advise *a, const struct census_row *r)
{
	struct maps m;
	struct pw_why why = { "" };
	enum pw_err err = maps_read(a->proc, r->pid, MAPS_ROLLUP, &m, &why);
	if (err == PW_NOMEM)
		a->lost = true;
	if (err != PW_OK) {
		if (a->verdict[ADVICE_huge_absent] == ADVICE_NOTHING)
			case_unknown(a, ADVICE_huge_absent, "%s", why.text);
		return;
	}
	uint64_t anonymous = maps_sum(&m, MAPS_ANONYMOUS), huge = maps_sum(&m, MAPS_ANON_HUGE);
	maps_fini(&m);
	if ((double)anonymous < anonymous_much || huge * 10 >= anonymous)
		return;
	const char *policy = *a->last.transparent ? a->last.transparent : "not known";
	case_say(a, ADVICE_huge_absent, r->pid, "Process %u (%s) has %s of its own and hardly any of it in huge pages.",
		 r->pid, r->name,
	    SIZE(anonymous));
	case_because(a, "AnonHugePages is %s (/proc/%u/smaps_rollup); transparent_hugepage/enabled is %s",
		     SIZE(huge), r->pid, policy);
	case_costs(a, "TLB misses, if it uses memory all over; huge pages may take more memory than is touched: "
		   "pageworks tlb tells both");
	case_propose(a, "pageworks tlb -- COMMAND;  GLIBC_TUNABLES=glibc.malloc.hugetlb=1 COMMAND        # asks for "
		     "them, glibc 2.35 and later");
}

void judge_huge_absent(struct advise *a)
{
	const struct census_row *top[TOP];
	unsigned n = census_top(&a->census, anonymous_of, top, TOP);
	for (unsigned i = 0; i < n; i++)
		huge_judge(a, top[i]);
}

/* ---- the same file twice */

/* A piece of code that somebody has mapped. */
struct code {
	uint64_t offset, bytes, inode;
	uint32_t device, pid;
	char *path;
	const char *name;        /* the last part of path */
};
struct codes {
	struct code *code;
	uint32_t n, room, denied;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static bool is_removed(const char *path)
{
	size_t n = strlen(path), m = strlen(" (deleted)");
	return n > m && strcmp(path + n - m, " (deleted)") == 0;
}

static bool code_add(struct codes *c, uint32_t pid, const struct maps_entry *e)
{
	if (c->n == c->room) {
		uint32_t room = c->room ? 2 * c->room : 256;
		struct code *more = mem_realloc(c->code, room, sizeof *more);
		if (!more)
			return false;
		c->code = more;
		c->room = room;
	}
	char *path = mem_strdup(e->name);
	if (!path)
		return false;
	c->code[c->n++] = (struct code){ .offset = e->offset, .bytes = e->end - e->start, .inode = e->inode, .pid = pid,
					 .path = path,
					 .device = e->dev_major << 20 | e->dev_minor, .name = last_part(path) };
	return true;
}

/* Code that is mapped from files; what was never a file of a directory (memfd and the like) has no second copy. */
static bool codes_of(struct codes *c, uint32_t pid, const struct maps *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const struct maps_entry *e = &m->entry[i];
		bool file = e->inode && e->name[0] == '/' && strncmp(e->name, "/memfd:", 7) != 0 && strncmp(e->name, "/dev/",
		5) != 0;
		if (file && (e->prot & MAPS_EXEC) && !code_add(c, pid, e))
			return false;
	}
	return true;
}

static enum pw_err codes_gather(struct advise *a, struct codes *c)
{
	for (uint32_t i = 0; i < a->census.n; i++) {
		struct maps m;
		struct pw_why why;
		enum pw_err err = maps_read(a->proc, a->census.row[i].pid, MAPS_PLAIN, &m, &why);
		if (err == PW_NOMEM)
			return err;
		c->denied += err == PW_ACCESS;
		if (err != PW_OK)
			continue;
		bool whole = codes_of(c, a->census.row[i].pid, &m);
		maps_fini(&m);
		if (!whole)
			return PW_NOMEM;
	}
	return PW_OK;
}

/* Same name, same piece; of these, by file, then by process. */
static int code_order(const void *x, const void *y)
{
	const struct code *a = x, *b = y;
	int by_name = strcmp(a->name, b->name);
	if (by_name)
		return by_name;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static bool same_piece(const struct code *a, const struct code *b)
{
	return strcmp(a->name, b->name) == 0 && a->offset == b->offset && a->bytes == b->bytes;
}
static bool same_file(const struct code *a, const struct code *b) { return a->device == b->device && a->inode == b->inode; }

static void say_copies(struct advise *a, const struct code *first, const struct code *other, unsigned files)
{
	case_say(a, ADVICE_cached_twice, a->pid, "%s is in memory %u times, it seems: files of the same name and shape, "
		 "each cached by itself.",
	    first->name, files);
	case_because(a, "%s (inode %" PRIu64 ", process %u) and %s (inode %" PRIu64 ", process %u) "
		     "are mapped with the same offset and length",
		first->path, first->inode, first->pid, other->path, other->inode, other->pid);
	case_costs(a, "%s of code for each copy, and as much of data; containers that share an image layer share the file",
		   SIZE(first->bytes));
	case_propose(a, "sudo cmp /proc/%u/root%s /proc/%u/root%s        # contents were not compared",
		     first->pid, first->path, other->pid,
		other->path);
}

static void judge_copies(struct advise *a, const struct codes *c)
{
	unsigned said = 0;
	for (uint32_t i = 0, next; i < c->n && said < TOP; i = next) {
		unsigned files = 1;
		const struct code *other = NULL;
		for (next = i + 1; next < c->n && same_piece(&c->code[i], &c->code[next]); next++)
			if (!same_file(&c->code[next - 1], &c->code[next])) {
				files++;
				other = other ? other : &c->code[next];
			}
		bool much = (double)c->code[i].bytes * (files - 1) >= code_little;
		if (other && much && !is_removed(c->code[i].path) && !is_removed(other->path)) {
			say_copies(a, &c->code[i], other, files);
			said++;
		}
	}
}

static void judge_removed(struct advise *a, const struct codes *c)
{
	const struct code *first = NULL;
	unsigned files = 0, processes = 0;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct code *x = &c->code[i];
		if (!is_removed(x->path))
			continue;
		bool again = i && same_file(x, x - 1) && same_piece(x, x - 1);
		files += !again;
		bytes += again ? 0 : x->bytes;
		processes++;
		first = first ? first : x;
	}
	if (!first || (double)bytes < code_little)
		return;
	case_say(a, ADVICE_cached_twice, a->pid,
		 "Programs still run from files that were removed: twice in memory where a new one is used.");
	case_because(a, "%u file%s, mapped %u time%s; one is %s, by process %u (/proc/%u/maps)", files, files == 1 ? "" : "s",
		     processes,
		processes == 1 ? "" : "s", first->path, first->pid, first->pid);
	case_costs(a, "up to %s of code stays in memory until these processes end", SIZE(bytes));
	case_propose(a, "sudo grep -l '(deleted)' /proc/[0-9]*/maps        # whom to start again");
}

/* A loop device without direct I/O caches its file, and the file system upon it caches the same again. */
static void judge_loops(struct advise *a)
{
	const char **names;
	uint32_t n;
	struct pw_why why;
	if (procfs_list(a->proc, "sys/block", &names, &n, &why) != PW_OK)
		return;
	for (uint32_t i = 0; i < n; i++) {
		char path[300];
		const char *text;
		size_t bytes;
		uint64_t direct;
		snprintf(path, sizeof path, "sys/block/%s/loop/dio", names[i]);
		if (strncmp(names[i], "loop", 4) != 0 || !case_number(a, path, &direct) || direct)
			continue;
		snprintf(path, sizeof path, "sys/block/%s/loop/backing_file", names[i]);
		if (procfs_read(a->proc, path, &text, &bytes, &why) != PW_OK)
			continue;
		case_say(a, ADVICE_cached_twice, 0, "What is read through /dev/%s is cached twice: as its file, and as "
			 "what the file holds.", names[i]);
		case_because(a, "its file is %.*s; loop/dio is 0", (int)strcspn(text, "\n"), text);
		case_costs(a, "up to twice the memory for the same bytes; direct I/O loses the kernel's reading ahead in the file");
		case_propose(a, "sudo losetup --direct-io=on /dev/%s", names[i]);
	}
	mem_free(names);
}

void judge_cached_twice(struct advise *a)
{
	struct codes c = { .n = 0 };
	a->lost |= codes_gather(a, &c) != PW_OK;
	if (c.n)
		qsort(c.code, c.n, sizeof *c.code, code_order);
	judge_copies(a, &c);
	judge_removed(a, &c);
	if (!a->pid)
		judge_loops(a);
	if (c.denied && a->verdict[ADVICE_cached_twice] == ADVICE_NOTHING)
		case_unknown(a, ADVICE_cached_twice, "the mappings of %u of %u processes are hidden from this user", c.denied,
			     a->census.n);
	for (uint32_t i = 0; i < c.n; i++)
		mem_free(c.code[i].path);
	mem_free(c.code);
}
