/* proclist_test.c - processes and their figures: of generated computers, of ourselves, of children that end in between. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/host/maps.h"
#include "../src/host/proclist.h"
#include "hosttree.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static struct procfs *here(void) { return hosttree_open("/"); }

static void read_all(struct procfs *p, struct proclist *list)
{
	struct pw_why why = { "" };
	if (proclist_read(p, NULL, 0, list, &why))
		fail_msg("%s", why.text);
}

static void read_one(struct procfs *p, pid_t pid, struct proclist *list)
{
	struct pw_why why = { "" };
	uint32_t number = (uint32_t)pid;
	if (proclist_read(p, &number, 1, list, &why))
		fail_msg("%s", why.text);
	assert_int_equal(list->n, 1);
}

static void fill(struct procfs *p, struct proclist *list, enum proclist_source source)
{
	struct pw_why why = { "" };
	if (proclist_fill(p, list, source, &why))
		fail_msg("%s", why.text);
}

static struct proclist_row *row(struct proclist *list, uint32_t pid)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->row[i].task.pid == pid)
			return &list->row[i];
	fail_msg("process %u is not in the list", pid);
	return NULL;
}

static bool known(const struct proclist_row *r, enum proclist_field f) { return r->known >> f & 1; }

static void check_tree(const char *kernel, bool rollup)
{
	char *root = hosttree_make(kernel), path[600];
	snprintf(path, sizeof path, "%s/proc/17/smaps_rollup", root);
	if (!rollup)
		assert_int_equal(unlink(path), 0);
	struct procfs *p = hosttree_open(root);
	struct proclist list;
	read_all(p, &list);
	assert_int_equal(list.n, 7);
	assert_int_equal(list.ended, 1); /* 20 is listed and gone */
	for (enum proclist_source s = PROC_BY_STATM; s <= PROC_BY_ROLLUP; s++)
		fill(p, &list, s);
	const struct proclist_row *r = row(&list, 17);
	assert_string_equal(r->task.name, "a name");
	static const struct { enum proclist_field f; uint64_t value; } want[] = {
		{ PROC_VMS, 4395008 }, { PROC_RSS, 1020 * 4096 }, { PROC_MINFLT, 4321 }, { PROC_MAJFLT, 21 }, { PROC_THREADS, 3 },
		{ PROC_SHARED, 200 * 4096 }, { PROC_TEXT, 10 * 4096 }, { PROC_DATA, 300 * 4096 }, { PROC_SWAP, 80 << 10 },
		{ PROC_PEAK, 4130 << 10 }, { PROC_PTE, 64 << 10 }, { PROC_LOCKED, 0 }, { PROC_PSS, 4050 << 10 }, { PROC_USS, 4020 << 10 },
		{ PROC_SWAP_PSS, 80 << 10 }, { PROC_DIRTY, 4020 << 10 }, { PROC_HUGE, 0 }, { PROC_HUGE_SHARE, 0 },
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		assert_true(known(r, want[i].f));
		assert_int_equal(r->value[want[i].f], want[i].value);
	}
	assert_false(known(r, PROC_WSS) || known(r, PROC_MINFLT_RATE));
	assert_string_equal(row(&list, 18)->task.name, "a) S 1 (b");
	assert_string_equal(row(&list, 19)->task.name, "new\nline");
	assert_false(known(row(&list, 18), PROC_SWAP)); /* its status has no such line */
	assert_false(known(row(&list, 18), PROC_PSS));  /* its rollup is empty */
	assert_true(known(row(&list, 2), PROC_PSS));    /* no memory, so none of it */
	if (getuid())
		assert_true(row(&list, 21)->hidden >> PROC_USS & 1);
	assert_int_equal(row(&list, 22)->value[PROC_MINFLT], UINT64_MAX);
	proclist_fini(&list);
	procfs_close(p);
	hosttree_remove(root);
}

static void test_old_kernel(void **state) { (void)state; check_tree("4.19", true); }
static void test_new_kernel(void **state) { (void)state; check_tree("6.18", true); }
static void test_without_rollup(void **state) { (void)state; check_tree("5.10", false); }

static void test_names_of_fields(void **state)
{
	(void)state;
	assert_int_equal(proclist_find("rss"), PROC_RSS);
	assert_int_equal(proclist_find("RSS"), PROC_RSS);
	assert_int_equal(proclist_find("min_flt"), PROC_MINFLT);
	assert_int_equal(proclist_find("VmSwap"), PROC_SWAP);
	assert_int_equal(proclist_find("vsz"), PROC_VMS);
	assert_int_equal(proclist_find("vs"), -1);
	assert_int_equal(proclist_find(""), -1);
	assert_int_equal(proclist_find(","), -1);
	assert_true(proclist_listed("status,stat,s", "S") && proclist_listed("a", "a") && !proclist_listed("status,stat", "s"));
	for (int f = 0; f < PROC_FIELDS; f++)
		for (int g = 0; g < f; g++)
			assert_true(strcmp(proclist_about[f].name, proclist_about[g].name) != 0);
}

/* Rows 1..n with a parent and a resident size each. */
static void list_make(struct proclist *list, const uint32_t (*row_of)[3], uint32_t n)
{
	*list = (struct proclist){ .row = mem_zalloc(n, sizeof *list->row), .n = n, .room = n };
	for (uint32_t i = 0; i < n; i++) {
		struct proclist_row *r = &list->row[i];
		r->task = (struct task){ .pid = row_of[i][0], .ppid = row_of[i][1] };
		r->processes = 1;
		r->uid = row_of[i][0] % 2;
		r->value[PROC_RSS] = row_of[i][2];
		r->known = row_of[i][2] != 7 ? 1u << PROC_RSS : 0;
		snprintf(r->task.name, sizeof r->task.name, "p%u", row_of[i][0] / 10);
	}
}

static void check_order(const struct proclist *list, const char *want)
{
	char got[200] = "";
	for (uint32_t i = 0; i < list->n; i++)
		snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u:%u", i ? " " : "", list->row[i].task.pid, list->row[i].depth);
	assert_string_equal(got, want);
}

static void test_orders(void **state)
{
	(void)state;
	static const uint32_t rows[][3] = { { 5, 1, 30 }, { 1, 0, 10 }, { 9, 5, 40 }, { 8, 5, 40 }, { 3, 77, 7 }, { 4, 1, 50 } };
	struct proclist list;
	struct pw_why why = { "" };
	list_make(&list, rows, 6);
	proclist_sort(&list, PROC_RSS, false);
	check_order(&list, "4:0 8:0 9:0 5:0 1:0 3:0");
	assert_int_equal(proclist_tree(&list, &why), PW_OK);
	check_order(&list, "1:0 4:1 5:1 8:2 9:2 3:0");
	proclist_sort(&list, PROC_RSS, true);
	assert_int_equal(list.row[0].task.pid, 1);
	assert_int_equal(list.row[5].task.pid, 3); /* not known: last in either order */
	proclist_fini(&list);
}

/* A generated tree may claim anything: nobody is lost, and it ends. */
static void test_circular_parents(void **state)
{
	(void)state;
	static const uint32_t rows[][3] = { { 5, 6, 1 }, { 6, 5, 1 }, { 7, 7, 1 }, { 1, 0, 1 }, { 2, 1, 1 } };
	struct proclist list;
	struct pw_why why = { "" };
	list_make(&list, rows, 5);
	assert_int_equal(proclist_tree(&list, &why), PW_OK);
	check_order(&list, "1:0 2:1 5:0 6:0 7:0");
	proclist_fini(&list);
}

static void test_sums(void **state)
{
	(void)state;
	static const uint32_t rows[][3] = { { 11, 0, 5 }, { 12, 0, 6 }, { 13, 0, 8 }, { 20, 0, 7 }, { 22, 0, 9 } };
	struct proclist list;
	list_make(&list, rows, 5);
	proclist_add_up(&list, PROC_GROUP_NAME);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.row[0].value[PROC_RSS], 19);
	assert_int_equal(list.row[0].processes, 3);
	assert_false(known(&list.row[1], PROC_RSS)); /* one of them is not known */
	assert_int_equal(list.row[1].value[PROC_RSS], 0);
	proclist_fini(&list);
	list_make(&list, rows, 5);
	list.row[0].value[PROC_RSS] = UINT64_MAX;
	proclist_add_up(&list, PROC_GROUP_USER);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.row[1].uid, 1);
	assert_false(known(&list.row[1], PROC_RSS)); /* would not fit */
	proclist_fini(&list);
}

/* ---- this computer */

static char *touch(char *area, uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		area[i * (uint64_t)sysconf(_SC_PAGESIZE)] = 1;
	return area;
}

static char *area_make(uint64_t pages)
{
	size_t bytes = pages * (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	madvise(area, bytes, MADV_NOHUGEPAGE);
	return area;
}

static void test_faults_between_looks(void **state)
{
	(void)state;
	struct procfs *p = here();
	struct proclist list;
	struct rusage before, after;
	struct pw_why why = { "" };
	char *area = area_make(1000);
	getrusage(RUSAGE_SELF, &before);
	read_one(p, getpid(), &list);
	touch(area, 1000);
	assert_int_equal(proclist_again(p, &list, &why), PW_OK);
	getrusage(RUSAGE_SELF, &after);
	assert_true(list.row[0].value[PROC_MINFLT_RATE] >= 1000);
	assert_true(list.row[0].value[PROC_MINFLT_RATE] <= (uint64_t)(after.ru_minflt - before.ru_minflt));
	munmap(area, 1000 * (size_t)sysconf(_SC_PAGESIZE));
	proclist_fini(&list);
	procfs_close(p);
}

static void test_working_set(void **state)
{
	(void)state;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct procfs *p = here();
	struct proclist list;
	struct pw_why why = { "" };
	char *area = touch(area_make(4000), 4000);
	read_one(p, getpid(), &list);
	assert_int_equal(proclist_clear(p, &list, &why), PW_OK);
	if (list.row[0].hidden >> PROC_WSS & 1)
		skip();
	touch(area, 500);
	assert_int_equal(proclist_used(p, &list, &why), PW_OK);
	assert_true(known(&list.row[0], PROC_WSS));
	assert_true(list.row[0].value[PROC_WSS] >= 500 * page);
	assert_true(list.row[0].value[PROC_WSS] < 3000 * page);
	munmap(area, 4000 * page);
	proclist_fini(&list);
	procfs_close(p);
}

static void test_clearing_elsewhere(void **state)
{
	(void)state;
	char *root = hosttree_make("6.6");
	struct procfs *p = hosttree_open(root);
	struct proclist list;
	struct pw_why why = { "" };
	read_all(p, &list);
	assert_int_equal(proclist_clear(p, &list, &why), PW_UNSUPPORTED);
	proclist_fini(&list);
	procfs_close(p);
	hosttree_remove(root);
}

static pid_t child_start(void)
{
	int fd[2];
	char c;
	assert_int_equal(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		touch(area_make(700), 700);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	assert_int_equal(read(fd[0], &c, 1), 1);
	close(fd[0]);
	close(fd[1]);
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static uint64_t private_bytes(const struct maps *m) { return maps_sum(m, MAPS_PRIVATE_CLEAN) + maps_sum(m, MAPS_PRIVATE_DIRTY); }

/* The figures of a child that stands still are those of its smaps, added up.  What we write ourselves makes its pages its own, until
 * we have written all that we are going to. */
static void test_child_equals_smaps(void **state)
{
	(void)state;
	pid_t pid = child_start();
	struct procfs *p = here();
	struct proclist list;
	struct maps m = { 0 };
	struct pw_why why = { "" };
	const struct proclist_row *r;
	read_one(p, pid, &list);
	r = &list.row[0];
	for (int tries = 0; !tries || (tries < 20 && r->value[PROC_USS] != private_bytes(&m)); tries++) {
		maps_fini(&m);
		fill(p, &list, PROC_BY_ROLLUP);
		assert_int_equal(maps_read(p, (uint32_t)pid, MAPS_DETAILED, &m, &why), PW_OK);
	}
	assert_int_equal(r->value[PROC_USS], private_bytes(&m));
	assert_int_equal(r->value[PROC_DIRTY], maps_sum(&m, MAPS_SHARED_DIRTY) + maps_sum(&m, MAPS_PRIVATE_DIRTY));
	/* Each Pss of smaps is cut to whole KiB. */
	assert_true(r->value[PROC_PSS] >= maps_sum(&m, MAPS_PSS) && r->value[PROC_PSS] <= maps_sum(&m, MAPS_PSS) + 1024 * m.n);
	assert_true(r->value[PROC_USS] >= 700 * (uint64_t)sysconf(_SC_PAGESIZE));
	child_end(pid);
	maps_fini(&m);
	proclist_fini(&list);
	procfs_close(p);
}

static void test_child_vanishes(void **state)
{
	(void)state;
	struct procfs *p = here();
	struct proclist list;
	struct pw_why why = { "" };
	pid_t pid = child_start();
	read_one(p, pid, &list);
	fill(p, &list, PROC_BY_STATUS);
	child_end(pid);
	fill(p, &list, PROC_BY_ROLLUP);
	assert_true(list.row[0].gone);
	assert_true(known(&list.row[0], PROC_RSS) && known(&list.row[0], PROC_SWAP) && !known(&list.row[0], PROC_PSS));
	assert_int_equal(proclist_again(p, &list, &why), PW_OK);
	assert_false(known(&list.row[0], PROC_MINFLT_RATE));
	proclist_fini(&list);
	uint32_t number = (uint32_t)pid;
	assert_int_equal(proclist_read(p, &number, 1, &list, &why), PW_NOTFOUND);
	assert_null(list.row);
	procfs_close(p);
}

static enum pw_err everything(struct procfs *p, struct proclist *list, struct pw_why *why)
{
	enum pw_err err = proclist_read(p, NULL, 0, list, why);
	for (enum proclist_source s = PROC_BY_STATM; err == PW_OK && s <= PROC_BY_ROLLUP; s++)
		err = proclist_fill(p, list, s, why);
	return err ? err : proclist_tree(list, why);
}

static void test_no_memory(void **state)
{
	(void)state;
	char *root = hosttree_make("6.18");
	struct procfs *p = hosttree_open(root);
	enum pw_err err = PW_NOMEM;
	for (uint64_t k = 1; err; k++) {
		struct proclist list;
		struct pw_why why = { "" };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		err = everything(p, &list, &why);
		inject_disarm();
		assert_true(err == PW_OK || err == PW_NOMEM);
		assert_true(!err || *why.text);
		proclist_fini(&list);
		assert_true(k < 300);
	}
	procfs_close(p);
	hosttree_remove(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_kernel), cmocka_unit_test(test_new_kernel), cmocka_unit_test(test_without_rollup),
		cmocka_unit_test(test_names_of_fields), cmocka_unit_test(test_orders), cmocka_unit_test(test_circular_parents),
		cmocka_unit_test(test_sums), cmocka_unit_test(test_faults_between_looks), cmocka_unit_test(test_working_set),
		cmocka_unit_test(test_clearing_elsewhere), cmocka_unit_test(test_child_equals_smaps),
		cmocka_unit_test(test_child_vanishes), cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
