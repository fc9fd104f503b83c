/* advise_test.c - each kind of advice is given when its evidence is there, and only then; without evidence it is "not judged". */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/host/advise_case.h"
#include "hosttree.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <cmocka.h>

struct scene {
	char *root;
	struct procfs *proc;
	struct advise *advise;
};

static void scene_open(struct scene *s, const char *kernel, uint32_t pid)
{
	struct pw_why why = { "" };
	s->root = hosttree_make(kernel);
	s->proc = hosttree_open(s->root);
	if (advise_open(s->proc, pid, &s->advise, &why) != PW_OK)
		fail_msg("%s", why.text);
}

static void scene_close(struct scene *s)
{
	advise_close(s->advise);
	procfs_close(s->proc);
	hosttree_remove(s->root);
}

static void look(struct scene *s)
{
	struct pw_why why = { "" };
	if (advise_look(s->advise, &why) != PW_OK)
		fail_msg("%s", why.text);
}

/* The window was as long as the test says, not as long as the test took. */
static void conclude(struct scene *s, double seconds)
{
	struct pw_why why = { "" };
	s->advise->last.clock = s->advise->first.clock + seconds;
	if (advise_conclude(s->advise, &why) != PW_OK)
		fail_msg("%s", why.text);
}

static void put(struct scene *s, const char *path, const char *text) { hosttree_write(s->root, path, text, strlen(text)); }

static void folder(struct scene *s, const char *path)
{
	char whole[300];
	for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
		const char *next = strchr(slash + 1, '/');
		snprintf(whole, sizeof whole, "%s/%.*s", s->root, next ? (int)(next - path) : (int)strlen(path), path);
		mkdir(whole, 0755);
	}
}

/* Replaces in a file of the tree every line that begins with key, or adds it. */
static void edit(struct scene *s, const char *path, const char *key, const char *line)
{
	const char *text;
	size_t bytes, n = strlen(key);
	struct pw_why why;
	char *out = NULL;
	size_t out_bytes;
	assert_int_equal(procfs_read(s->proc, path, &text, &bytes, &why), PW_OK);
	FILE *f = open_memstream(&out, &out_bytes);
	assert_non_null(f);
	for (const char *at = text, *next; *at; at = next) {
		size_t length = strcspn(at, "\n");
		next = at + length + (at[length] == '\n');
		if (strncmp(at, key, n) != 0)
			fprintf(f, "%.*s\n", (int)length, at);
	}
	fprintf(f, "%s%s\n", key, line);
	fclose(f);
	put(s, path, out);
	free(out);
}

static const struct advice *given(const struct scene *s, enum advice_kind kind)
{
	for (unsigned i = 0; i < advise_count(s->advise); i++)
		if (advise_at(s->advise, i)->kind == kind)
			return advise_at(s->advise, i);
	return NULL;
}

static void expect(const struct scene *s, enum advice_kind kind, const char *in_sentence, const char *in_evidence)
{
	const struct advice *x = given(s, kind);
	if (!x)
		fail_msg("no advice about %s", advice_word(kind));
	bool found = false;
	for (unsigned i = 0; i < x->n_evidence; i++)
		found |= strstr(x->evidence[i], in_evidence) != NULL;
	if (!strstr(x->sentence, in_sentence) || !found)
		fail_msg("%s: '%s', because '%s'", advice_word(kind), x->sentence, x->evidence[0]);
	assert_non_null(x->cost);
}

static void expect_verdict(const struct scene *s, enum advice_kind kind, enum advice_verdict want)
{
	const char *reason;
	enum advice_verdict verdict = advise_verdict(s->advise, kind, &reason);
	if (verdict != want)
		fail_msg("%s: verdict %d, not %d%s%s", advice_word(kind), verdict, want, reason ? ": " : "", reason ? reason : "");
	assert_int_equal(reason != NULL, want == ADVICE_UNKNOWN);
}

static void a_computer_as_it_stands(void **state)
{
	static const char *const kernels[] = { "4.19", "5.4", "5.10", "5.15", "6.1", "6.6", "6.12", "6.18" };
	(void)state;
	for (unsigned k = 0; k < sizeof kernels / sizeof *kernels; k++) {
		struct scene s;
		scene_open(&s, kernels[k], 0);
		look(&s);
		look(&s);
		conclude(&s, 1);
		expect(&s, ADVICE_killed, "2 processes were killed", "oom_kill is 2");
		expect(&s, ADVICE_swap_idle, "585.9 MiB are in swap although 4.8 GiB", "nobody wants them now");
		expect(&s, ADVICE_swap_idle, "in swap", "(a name) has 80 KiB in swap");
		expect(&s, ADVICE_huge_failing, "cannot be had", "100 of 1000 times");
		expect(&s, ADVICE_huge_pool, "1 GiB are set aside as 1 GiB pages", "2 in the pool, 1 free, 0");
		assert_string_equal(given(&s, ADVICE_huge_pool)->command,
				    "echo 1 | sudo tee /sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages");
		/* 3540000 kB of cache less 320 less 350000, and 240000 of slab */
		expect(&s, ADVICE_drop_caches, "free about 3.3 GiB", "341.8 MiB mapped by programs");
		expect_verdict(&s, ADVICE_thrashing, ADVICE_NOTHING);
		expect_verdict(&s, ADVICE_growing, ADVICE_UNKNOWN);
		expect_verdict(&s, ADVICE_commit, ADVICE_NOTHING);
		expect_verdict(&s, ADVICE_swap_full, ADVICE_NOTHING);
		expect_verdict(&s, ADVICE_page_tables, ADVICE_NOTHING);
		/* A process of the tree hides its mappings, from all but root. */
		expect_verdict(&s, ADVICE_cached_twice, geteuid() == 0 ? ADVICE_NOTHING : ADVICE_UNKNOWN);
		expect_verdict(&s, ADVICE_cgroup, ADVICE_UNKNOWN);
		scene_close(&s);
	}
}

static void thrashing_is_refaults_and_stalls(void **state)
{
	static const struct { const char *refaults, *majors; unsigned memory_us, io_us; enum advice_verdict want; } cases[] = {
		{ " 5200", " 123456", 2000000, 0, ADVICE_GIVEN },     /* 300 refaults a second, something waits in 2 s of 10 */
		{ " 5200", " 123456", 1, 9000000, ADVICE_NOTHING },   /* it refaults, but nothing waits for memory, or faults */
		{ " 2201", " 123456", 2000000, 0, ADVICE_NOTHING },   /* something waits, but not for what was given up */
		{ " 5200", " 125456", 1, 9000000, ADVICE_GIVEN },     /* 200 major faults a second, and the disk is busy */
		{ " 5200", " 125456", 1, 1, ADVICE_NOTHING },         /* the disk is so fast that nobody waits */
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct scene s;
		char line[200];
		scene_open(&s, "6.1", 0);
		look(&s);
		edit(&s, "proc/vmstat", "workingset_refault_file", cases[i].refaults);
		edit(&s, "proc/vmstat", "pgmajfault", cases[i].majors);
		snprintf(line, sizeof line, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%u\nfull avg10=0.00 avg60=0.00 avg300=0.00 "
			 "total=3000000\n", 9000000 + cases[i].memory_us);
		put(&s, "proc/pressure/memory", line);
		snprintf(line, sizeof line, "some avg10=0.00 avg60=0.00 avg300=0.00 total=%u\n", 7000000 + cases[i].io_us);
		put(&s, "proc/pressure/io", line);
		look(&s);
		conclude(&s, 10);
		expect_verdict(&s, ADVICE_thrashing, cases[i].want);
		if (i == 0)
			expect(&s, ADVICE_thrashing, "too small", "in 20.0 % of the last 10.0 s");
		if (i == 3)
			expect(&s, ADVICE_thrashing, "too small", "200 major faults a second");
		scene_close(&s);
	}
}

static void task_line(struct scene *s, unsigned pid, const char *name, unsigned rss)
{
	char path[60], line[300];
	snprintf(path, sizeof path, "proc/%u/stat", pid);
	snprintf(line, sizeof line, "%u (%s) S 1 1 1 0 -1 0 1 0 1 0 1 1 0 0 20 0 1 0 1000%u 99999999 %u 1\n", pid, name, pid, rss);
	put(s, path, line);
}

static void growth_is_steady_or_none(void **state)
{
	(void)state;
	for (unsigned flat = 0; flat < 2; flat++) {
		struct scene s;
		char path[300];
		scene_open(&s, "6.6", 0);
		snprintf(path, sizeof path, "%s/proc/19/stat", s.root);
		assert_int_equal(remove(path), 0);
		for (unsigned i = 0; i < 6; i++) {
			if (i)
				task_line(&s, 19, "began later", 1020 + 512 * i);
			task_line(&s, 17, "a\nname", 1020 + 512 * (flat && i == 3 ? 2 : i));
			look(&s);
		}
		conclude(&s, 5);
		expect_verdict(&s, ADVICE_growing, flat ? ADVICE_NOTHING : ADVICE_GIVEN);
		if (!flat) {
			expect(&s, ADVICE_growing, "Process 17 (a?name) grows steadily: 2 MiB a second", "in each of 6 looks");
			assert_int_equal(given(&s, ADVICE_growing)->pid, 17);
			for (unsigned i = 0; i < advise_count(s.advise); i++)
				assert_int_not_equal(advise_at(s.advise, i)->pid, 19);
		}
		scene_close(&s);
	}
}

static void limits(void **state)
{
	struct scene s;
	(void)state;
	scene_open(&s, "6.12", 0);
	put(&s, "proc/sys/vm/overcommit_memory", "2\n");
	edit(&s, "proc/meminfo", "Committed_AS:", "    6900000 kB");
	edit(&s, "proc/meminfo", "SwapFree:", "    100000 kB");
	put(&s, "proc/17/cgroup", "1:name=systemd:/x\n0::/jobs/one\n");
	folder(&s, "sys/fs/cgroup/jobs/one");
	put(&s, "sys/fs/cgroup/jobs/one/memory.max", "max\n");
	put(&s, "sys/fs/cgroup/jobs/one/memory.current", "1\n");
	put(&s, "sys/fs/cgroup/jobs/memory.max", "1048576\n");
	put(&s, "sys/fs/cgroup/jobs/memory.current", "1040000\n");
	put(&s, "sys/fs/cgroup/jobs/memory.stat", "anon 1000000\ninactive_file 4096\n");
	look(&s);
	conclude(&s, 1);
	expect(&s, ADVICE_commit, "Nearly all memory", "overcommit_memory is 2");
	expect(&s, ADVICE_swap_full, "nearly full", "/swap of mine: 97.7 MiB of 976.6 MiB");
	expect(&s, ADVICE_cgroup, "The cgroup /jobs is at its limit", "of memory.max 1 MiB");
	expect_verdict(&s, ADVICE_swap_idle, ADVICE_NOTHING); /* it is not idle if it would hardly fit */
	expect_verdict(&s, ADVICE_thrashing, ADVICE_UNKNOWN);  /* one look */
	expect_verdict(&s, ADVICE_growing, ADVICE_UNKNOWN);
	scene_close(&s);
}

/* The older version of cgroups; and a group full of files that nobody uses is in no trouble. */
static void limits_of_cgroups_of_version_1(void **state)
{
	(void)state;
	for (unsigned idle = 0; idle < 2; idle++) {
		struct scene s;
		scene_open(&s, "5.4", 17);
		put(&s, "proc/17/cgroup", "9:name=systemd:/\n4:memory:/box\n0::/\n");
		folder(&s, "sys/fs/cgroup/memory/box");
		put(&s, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
		put(&s, "sys/fs/cgroup/memory/memory.usage_in_bytes", "9000000000000000000\n");
		put(&s, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1048576\n");
		put(&s, "sys/fs/cgroup/memory/box/memory.usage_in_bytes", "1048576\n");
		put(&s, "sys/fs/cgroup/memory/box/memory.stat", idle ? "total_inactive_file 500000\n" : "total_inactive_file 0\n");
		look(&s);
		conclude(&s, 1);
		expect_verdict(&s, ADVICE_cgroup, idle ? ADVICE_NOTHING : ADVICE_GIVEN);
		if (!idle) {
			expect(&s, ADVICE_cgroup, "The cgroup /box is at its limit", "memory.usage_in_bytes is 1 MiB");
			assert_string_equal(given(&s, ADVICE_cgroup)->command,
					    "echo 1310720 | sudo tee /sys/fs/cgroup/memory/box/memory.limit_in_bytes");
		}
		scene_close(&s);
	}
}

static void tables_and_huge_pages_of_a_process(void **state)
{
	(void)state;
	for (unsigned one = 0; one < 2; one++) {
		struct scene s;
		scene_open(&s, "6.1", one ? 17 : 0);
		edit(&s, "proc/17/status", "VmPTE:", "\t   65536 kB");
		edit(&s, "proc/17/status", "RssAnon:", "\t  400000 kB");
		edit(&s, "proc/17/smaps_rollup", "Anonymous:", "   400000 kB");
		task_line(&s, 17, "big", 110000);
		look(&s);
		conclude(&s, 1);
		expect(&s, ADVICE_page_tables, "process 17 (big) are out of proportion", "VmPTE is 64 MiB for 429.7 MiB");
		expect(&s, ADVICE_huge_absent, "Process 17 (big) has 390.6 MiB of its own", "enabled is madvise");
		expect_verdict(&s, ADVICE_killed, one ? ADVICE_NOT_ASKED : ADVICE_GIVEN);
		expect_verdict(&s, ADVICE_drop_caches, one ? ADVICE_NOT_ASKED : ADVICE_GIVEN);
		scene_close(&s);
	}
}

static void files_in_memory_twice(void **state)
{
	struct scene s;
	(void)state;
	scene_open(&s, "5.15", 0);
	put(&s, "proc/17/maps", "7f0000000000-7f0000400000 r-xp 00001000 08:01 77 /lib/libx.so\n"
				"7f0000400000-7f0000800000 r-xp 00000000 08:01 78 /opt/old (deleted)\n"
				"7f0000800000-7f0000c00000 r-xp 00000000 00:01 79 /memfd:jit (deleted)\n");
	put(&s, "proc/18/maps", "7f0000000000-7f0000400000 r-xp 00001000 08:01 77 /lib/libx.so\n");
	put(&s, "proc/1/maps", "7f1000000000-7f1000400000 r-xp 00001000 00:2f 99 /layer/libx.so\n"
			       "7f2000000000-7f2000300000 r-xp 00001000 00:2f 98 /layer/liby.so\n");
	put(&s, "proc/19/maps", "7f2000000000-7f2000400000 r-xp 00001000 00:2f 97 /lib/liby.so\n"); /* another length: another file */
	folder(&s, "sys/block/loop0/loop");
	folder(&s, "sys/block/loop1/loop");
	put(&s, "sys/block/loop0/loop/dio", "0\n");
	put(&s, "sys/block/loop0/loop/backing_file", "/var/an image.img\n");
	put(&s, "sys/block/loop1/loop/dio", "1\n");
	put(&s, "sys/block/loop1/loop/backing_file", "/var/other.img\n");
	look(&s);
	conclude(&s, 1);
	expect(&s, ADVICE_cached_twice, "libx.so is in memory 2 times", "same offset and length");
	unsigned n = 0;
	for (unsigned i = 0; i < advise_count(s.advise); i++) {
		const struct advice *x = advise_at(s.advise, i);
		if (x->kind != ADVICE_cached_twice)
			continue;
		n++;
		assert_null(strstr(x->sentence, "liby"));
		if (n == 2)
			assert_non_null(strstr(x->evidence[0], "1 file, mapped 1 time; one is /opt/old (deleted), by process 17"));
		if (n == 3)
			assert_non_null(strstr(x->evidence[0], "/var/an image.img; loop/dio is 0"));
	}
	assert_int_equal(n, 3);
	scene_close(&s);
}

static void what_is_missing_is_not_judged(void **state)
{
	struct scene s;
	char path[300];
	(void)state;
	scene_open(&s, "6.18", 0);
	snprintf(path, sizeof path, "%s/proc/vmstat", s.root);
	assert_int_equal(remove(path), 0);
	put(&s, "proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 99999999999999999999999 kB\n");
	for (unsigned i = 0; i < 6; i++)
		look(&s);
	conclude(&s, 1);
	for (unsigned i = 0; i < ADVICES; i++) {
		bool by_files = i == ADVICE_growing || i == ADVICE_huge_absent || i == ADVICE_huge_pool || i == ADVICE_cached_twice;
		if (!by_files)
			expect_verdict(&s, i, ADVICE_UNKNOWN);
	}
	scene_close(&s);
}

static void a_process_that_goes(void **state)
{
	struct scene s;
	struct pw_why why = { "" };
	char path[300];
	(void)state;
	scene_open(&s, "6.1", 20);
	assert_int_equal(advise_look(s.advise, &why), PW_NOTFOUND);
	assert_non_null(strstr(why.text, "no such process"));
	scene_close(&s);
	scene_open(&s, "6.1", 17);
	look(&s);
	snprintf(path, sizeof path, "%s/proc/17/stat", s.root);
	assert_int_equal(remove(path), 0);
	assert_int_equal(advise_look(s.advise, &why), PW_UNSUPPORTED); /* a folder without the file: no kernel does that */
	scene_close(&s);
	scene_open(&s, "6.1", 0); /* among all, one that goes is no error */
	look(&s);
	snprintf(path, sizeof path, "%s/proc/17/stat", s.root);
	assert_int_equal(remove(path), 0);
	look(&s);
	conclude(&s, 1);
	scene_close(&s);
}

static void memory_that_runs_out_concludes_nothing(void **state)
{
	struct scene s;
	unsigned k;
	(void)state;
	scene_open(&s, "6.12", 0);
	enum pw_err err = PW_NOMEM;
	for (k = 1; err != PW_OK; k++) {
		struct advise *a = NULL;
		struct pw_why why = { "" };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		err = advise_open(s.proc, 0, &a, &why);
		for (unsigned i = 0; i < 2 && err == PW_OK; i++)
			err = advise_look(a, &why);
		if (err == PW_OK)
			err = advise_conclude(a, &why);
		inject_disarm();
		advise_close(a);
		assert_true(err == PW_OK || (err == PW_NOMEM && *why.text));
	}
	assert_true(k > 30);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_computer_as_it_stands), cmocka_unit_test(thrashing_is_refaults_and_stalls),
		cmocka_unit_test(growth_is_steady_or_none), cmocka_unit_test(limits), cmocka_unit_test(limits_of_cgroups_of_version_1),
		cmocka_unit_test(tables_and_huge_pages_of_a_process), cmocka_unit_test(files_in_memory_twice),
		cmocka_unit_test(what_is_missing_is_not_judged), cmocka_unit_test(a_process_that_goes),
		cmocka_unit_test(memory_that_runs_out_concludes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
