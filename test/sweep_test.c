/* sweep_test.c - cells and their names, the directory, the workers. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/sim/sweep.h"
#include "../src/sim/sweep_pool.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define TRACE "zipf:pages=50,s=0.9,refs=2000"

static char folder[200];
static struct sweep_dir *dir;

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct pw_why why = { "" };
	char path[300];
	(void)state;
	snprintf(folder, sizeof folder, "%s/pageworks-sweep-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/sweep", folder);
	return sweep_dir_open(path, &dir, &why) == PW_OK ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int end(void **state)
{
	(void)state;
	sweep_dir_close(dir);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* How many files of the cells' folder hold this in their names. */
static unsigned cell_files(const char *part)
{
	char path[SWEEP_PATH];
	DIR *d = opendir(sweep_dir_file(dir, "cells", path));
	unsigned n = 0;
	for (const struct dirent *e; (e = readdir(d));)
		n += strstr(e->d_name, part) != NULL;
	closedir(d);
	return n;
}

static struct sweep *plan(struct grid **g, const char *grid_text, const char *trace)
{
	struct sweep *s;
	struct pw_why why = { "" };
	assert_int_equal(grid_create(g), PW_OK);
	if (grid_read(*g, "test", grid_text, &why) != PW_OK || sweep_create(*g, &trace, 1, dir, &s, &why) != PW_OK)
		fail_msg("%s", why.text);
	return s;
}

static void first_id(const char *grid_text, const char *trace, char id[SWEEP_ID])
{
	struct grid *g;
	struct sweep *s = plan(&g, grid_text, trace);
	memcpy(id, s->cell[0].id, SWEEP_ID);
	if (s->cell[0].impossible)
		fail_msg("%s: %s", grid_text, s->cell[0].impossible);
	assert_int_equal(strlen(id), SWEEP_ID - 1);
	sweep_destroy(s);
	grid_destroy(g);
}

/* A value that is not the default, for each word: a new word of the list must be given one here. */
static const char *other_value(enum grid_word word)
{
	static const struct { const char *name, *value; } list[] = {
		{ "frames", "7" }, { "ram", "64M" }, { "page", "8K" }, { "format", "sv39" }, { "cpu", "zen4" }, { "tlb", "l1d=16/4" },
		{ "asids", "3" }, { "cpus", "2" }, { "nested", "ept" }, { "hostram", "32M" },
		{ "policy", "fifo" }, { "refbits", "hardware" }, { "personality", "linux" }, { "files", "cold" },
		{ "swap", "hdd" }, { "cost", "walk_reference=21" }, { "seed", "2" }, { "limit", "1000" }, { "warmup", "10" },
		{ "tau", "1000" }, { "huge", "always" }, { "fragment", "10" }, { "scan", "1000" }, { "overcommit", "never" },
		{ "quantum", "500" }, { "replacement", "local" }, { "loadcontrol", "thrashing" },
	};
	for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
		if (strcmp(list[i].name, grid_word_name(word)) == 0)
			return list[i].value;
	fail_msg("the word '%s' is new: give a value that is not its default here", grid_word_name(word));
	return NULL;
}

/* Law: whatever word of the machine changes, the cell is another. */
static void every_word_counts(void **state)
{
	char plain[SWEEP_ID], other[SWEEP_ID], text[100], base[40] = "";
	(void)state;
	for (unsigned w = 0; w < GRID_WORDS; w++) {
		bool huge = w == GRID_WORD_fragment || w == GRID_WORD_scan;
		const char *with = w == GRID_WORD_page ? "format = flat\n" : w == GRID_WORD_hostram ? "nested = ept\n" : "";
		snprintf(base, sizeof base, "%s", huge ? "huge = always\nram = 64M\n" : with);
		snprintf(text, sizeof text, "%s%s = %s\n", base, grid_word_name(w), other_value(w));
		first_id(base, TRACE, plain);
		first_id(text, TRACE, other);
		if (strcmp(plain, other) == 0)
			fail_msg("%s makes no difference to the cell's id", text);
	}
}

static void names_do_not_count(void **state)
{
	char a[SWEEP_ID], b[SWEEP_ID];
	(void)state;
	first_id("ram = 64M\n", TRACE, a);
	first_id("ram = 65536K\n", TRACE, b);
	assert_string_equal(a, b);
	first_id("", TRACE, a);
	first_id("policy = lru\nseed = 1\n", TRACE, b);
	assert_string_equal(a, b);
	first_id("", "zipf:pages=50,s=0.9,refs=2001", b);
	assert_string_not_equal(a, b);
	sweep_id("0.1", "t", 1, 2, "m", a);
	sweep_id("0.2", "t", 1, 2, "m", b);
	assert_string_not_equal(a, b);
}

static void contents_count(void **state)
{
	char one[300], two[300], a[SWEEP_ID], b[SWEEP_ID];
	(void)state;
	snprintf(one, sizeof one, "%s/one", folder);
	snprintf(two, sizeof two, "%s/two", folder);
	write_file(one, "1\n2\n3\n");
	write_file(two, "1\n2\n3\n");
	first_id("", one, a);
	first_id("", two, b);
	assert_string_equal(a, b);
	first_id("", one, b);
	assert_string_equal(a, b);
	write_file(one, "1\n2\n3\n4\n");
	first_id("", one, b);
	assert_string_not_equal(a, b);
	/* So does the way in which a file is read. */
	char said[400];
	snprintf(said, sizeof said, "pages:%s", two);
	first_id("", said, b);
	assert_string_not_equal(a, b);
	write_file(two, "1\n2\n3\n5\n");
	first_id("", said, a);
	assert_string_not_equal(a, b);
}

static void trace_refused(const char *spec, const char *wanted)
{
	struct grid *g;
	struct sweep *s;
	struct pw_why why = { "" };
	assert_int_equal(grid_create(&g), PW_OK);
	assert_int_not_equal(sweep_create(g, &spec, 1, dir, &s, &why), PW_OK);
	if (!strstr(why.text, wanted))
		fail_msg("%s: '%s' does not say '%s'", spec, why.text, wanted);
	grid_destroy(g);
}

static void pipes_are_refused(void **state)
{
	char name[300];
	(void)state;
	snprintf(name, sizeof name, "%s/pipe", folder);
	assert_int_equal(mkfifo(name, 0600), 0);
	trace_refused(name, "must be a file");
	trace_refused("-", "read only once");
	trace_refused("/no/such", "no such file");
}

static void impossible_and_repeated(void **state)
{
	struct grid *g;
	struct sweep *s = plan(&g, "page = 4K, 16K\npolicy = default, lru\n", TRACE);
	(void)state;
	assert_int_equal(s->n_cells, 4);
	assert_false(s->cell[0].impossible || s->cell[1].impossible);
	assert_false(s->cell[0].repeated);
	assert_true(s->cell[1].repeated);
	assert_non_null(strstr(s->cell[2].impossible, "--page 16K"));
	assert_int_equal(s->cell[3].id[0], '\0');
	sweep_destroy(s);
	grid_destroy(g);
}

/* Law: the footprint is what a run without limits touches, whatever the page size. */
static void footprints(void **state)
{
	static const struct { unsigned shift; const char *page; } sizes[] = { { 12, "4K" }, { 13, "8K" }, { 16, "64K" } };
	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		char text[100];
		struct grid *g;
		struct sweep_facts *f;
		struct pw_why why = { "" };
		uint64_t pages, cut;
		snprintf(text, sizeof text, "format = flat\npage = %s\nframes = 50%%, 1%%, 100%%\n", sizes[i].page);
		struct sweep *s = plan(&g, text, "zipf:pages=500,s=0.5,refs=20000");
		assert_int_equal(sweep_facts_load(dir, &f, &why), PW_OK);
		assert_int_equal(sweep_trace_footprint(f, s->trace[0].spec, s->trace[0].identity, sizes[i].shift, 0, &pages, &why), PW_OK);
		assert_int_equal(sweep_trace_footprint(f, s->trace[0].spec, s->trace[0].identity, sizes[i].shift, 1, &cut, &why), PW_OK);
		assert_int_equal(cut, 1);
		assert_int_equal(strtoull(s->cell[0].words.frames, NULL, 10), (pages + 1) / 2);
		assert_int_equal(strtoull(s->cell[1].words.frames, NULL, 10), (pages + 99) / 100);
		assert_int_equal(strtoull(s->cell[2].words.frames, NULL, 10), pages);
		/* A run with that many frames evicts nothing; with one less it does. */
		struct run_options o;
		struct run *r;
		struct trace *t;
		struct result result;
		struct machine_words w = s->cell[2].words;
		assert_int_equal(machine_words_resolve(&w, &o, &why), PW_OK);
		assert_int_equal(run_create(&o, &r, &why), PW_OK);
		assert_int_equal(trace_open(s->trace[0].spec, &t, &why), PW_OK);
		assert_int_equal(run_begin(r, t, &why), PW_OK);
		while (run_step(r) == RUN_GOING)
			;
		assert_int_equal(run_result(r, &result, &why), PW_OK);
		assert_int_equal(result.kernel.touched_pages, pages);
		assert_int_equal(result.kernel.evicted, 0);
		result_fini(&result);
		run_destroy(r);
		trace_close(t);
		sweep_facts_destroy(f);
		sweep_destroy(s);
		grid_destroy(g);
	}
}

/* The k-th write fails, then the k-th allocation: the cell says so, and neither a result nor half of one is there. */
static void cells_fail_whole(void **state)
{
	static const enum inject_site sites[] = { INJECT_FILE_WRITE, INJECT_ALLOC };
	struct grid *g;
	struct sweep *s = plan(&g, "frames = 20\npolicy = clock\n", TRACE);
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		bool reached = true;
		for (uint64_t k = 1; reached; k++) {
			struct pw_why why = { "" };
			char path[SWEEP_PATH];
			inject_arm(sites[i], k, INJECT_ONCE);
			enum pw_err err = sweep_run_cell(s, 0, dir, NULL, &why);
			reached = inject_count(sites[i]) >= k;
			inject_disarm();
			if (reached && err != PW_OK) {
				assert_int_equal(cell_files(s->cell[0].id), 0);
				assert_true(sites[i] == INJECT_ALLOC || err == PW_NOSPACE);
			} else {
				assert_int_equal(err, PW_OK);
				assert_int_equal(cell_files(s->cell[0].id), 1);
				assert_int_equal(unlink(sweep_dir_result(dir, s->cell[0].id, path)), 0);
			}
			assert_int_equal(cell_files(".new."), 0);
		}
	}
	sweep_destroy(s);
	grid_destroy(g);
}

static void plans_fail_whole(void **state)
{
	bool reached = true;
	(void)state;
	for (uint64_t k = 1; reached; k++) {
		const char *trace = TRACE;
		struct grid *g;
		struct sweep *s = NULL;
		struct pw_why why = { "" };
		assert_int_equal(grid_create(&g), PW_OK);
		assert_int_equal(grid_read(g, "test", "frames = 10%, 20\npage = 4K, 16K\n", &why), PW_OK);
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = sweep_create(g, &trace, 1, dir, &s, &why);
		reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		if (!reached)
			assert_int_equal(err, PW_OK);
		if (err == PW_OK)
			sweep_destroy(s);
		else
			assert_true(s == NULL && *why.text);
		grid_destroy(g);
	}
}

static void files_are_replaced_whole(void **state)
{
	char path[SWEEP_PATH], text[20] = "";
	struct pw_why why = { "" };
	(void)state;
	sweep_dir_file(dir, "cells/x", path);
	assert_int_equal(sweep_dir_write(path, "before", 6, &why), PW_OK);
	inject_arm(INJECT_FILE_WRITE, 1, INJECT_ONCE);
	assert_int_equal(sweep_dir_write(path, "after", 5, &why), PW_NOSPACE);
	inject_disarm();
	assert_non_null(strstr(why.text, "No space left"));
	FILE *f = fopen(path, "r");
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "before");
	assert_int_equal(cell_files(".new."), 0);
	unlink(path);
}

static void one_sweep_at_a_time(void **state)
{
	struct sweep_dir *again;
	struct pw_why why = { "" };
	(void)state;
	assert_int_equal(sweep_dir_open(sweep_dir_path(dir), &again, &why), PW_BUSY);
	assert_null(again);
	assert_non_null(strstr(why.text, "another sweep"));
	assert_int_equal(sweep_dir_look(sweep_dir_path(dir), &again, &why), PW_NOTFOUND); /* there is no plan yet */
	assert_int_equal(sweep_dir_open(folder, &again, &why), PW_INVALID);
}

/* Temporary files of those who were killed go when the directory is opened; nobody else's do. */
static void leftovers_go(void **state)
{
	char path[SWEEP_PATH];
	(void)state;
	write_file(sweep_dir_file(dir, "cells/.new.123.a.json", path), "{");
	write_file(sweep_dir_file(dir, "cells/.new.124.b.json", path), "{");
	write_file(sweep_dir_file(dir, "cells/new.json", path), "{");
	sweep_dir_clean(dir, 123);
	assert_int_equal(cell_files(".new.123"), 0);
	assert_int_equal(cell_files(".new.124"), 1);
	sweep_dir_clean(dir, 0);
	assert_int_equal(cell_files(".new."), 0);
	assert_int_equal(cell_files("new.json"), 1);
	unlink(path);
}

/* What a piece of work does in its process. */
static enum pw_err work(void *ctx, unsigned piece, struct pw_why *why)
{
	(void)ctx;
	switch (piece % 5) {
	case 0: return PW_OK;
	case 1: return pw_fail(why, PW_LIMIT, "piece %u has failed", piece);
	case 2: raise(SIGKILL); break;
	case 3: signal(SIGBUS, SIG_DFL); raise(SIGBUS); break;
	case 4: _exit(3);
	}
	return PW_OK;
}

static void check_end(const struct pool_end *e)
{
	static const char *const wanted[] = { "", "has failed", "want of memory", "signal 7", "status 3" };
	assert_int_equal(e->died, e->piece % 5 >= 2);
	assert_int_equal(e->err, e->piece % 5 == 0 ? PW_OK : e->piece % 5 == 1 ? PW_LIMIT : PW_CHILD);
	if (!strstr(e->why.text, wanted[e->piece % 5]))
		fail_msg("piece %u: '%s' does not say '%s'", e->piece, e->why.text, wanted[e->piece % 5]);
}

static void workers_end_alone(void **state)
{
	enum { PIECES = 40, CHILDREN = 3 };
	struct pool *p;
	struct pool_end e;
	struct pw_why why = { "" };
	unsigned started = 0, ended[PIECES] = { 0 }, n = 0;
	(void)state;
	assert_int_equal(pool_create(CHILDREN, &p), PW_OK);
	while (n < PIECES) {
		assert_true(pool_running(p) <= CHILDREN);
		if (started < PIECES && pool_has_room(p)) {
			assert_int_equal(pool_start(p, work, NULL, started++, &why), PW_OK);
		} else if (pool_wait(p, 10000, &e)) {
			check_end(&e);
			ended[e.piece]++;
			n++;
		}
	}
	for (unsigned i = 0; i < PIECES; i++)
		assert_int_equal(ended[i], 1);
	assert_int_equal(pool_running(p), 0);
	pool_destroy(p);
}

static enum pw_err work_for_ever(void *ctx, unsigned piece, struct pw_why *why)
{
	(void)ctx, (void)piece, (void)why;
	while (pause() < 0)
		;
	return PW_OK;
}

static void workers_are_killed(void **state)
{
	struct pool *p;
	struct pool_end e, none;
	struct pw_why why = { "" };
	(void)state;
	assert_int_equal(pool_create(2, &p), PW_OK);
	assert_int_equal(pool_start(p, work_for_ever, NULL, 0, &why), PW_OK);
	assert_int_equal(pool_start(p, work_for_ever, NULL, 1, &why), PW_OK);
	assert_false(pool_has_room(p));
	assert_false(pool_wait(p, 1, &none));
	assert_true(pool_kill(p, &e));
	assert_true(e.died);
	assert_int_equal(kill((pid_t)e.pid, 0), -1);
	assert_int_equal(pool_running(p), 1);
	pool_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_word_counts), cmocka_unit_test(names_do_not_count), cmocka_unit_test(contents_count),
		cmocka_unit_test(pipes_are_refused), cmocka_unit_test(impossible_and_repeated), cmocka_unit_test(footprints),
		cmocka_unit_test(cells_fail_whole), cmocka_unit_test(plans_fail_whole), cmocka_unit_test(files_are_replaced_whole),
		cmocka_unit_test(one_sweep_at_a_time), cmocka_unit_test(leftovers_go), cmocka_unit_test(workers_end_alone),
		cmocka_unit_test(workers_are_killed),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
