/* procfs_test.c - the door to /proc: generated trees of eight kernels, damaged files, and this computer itself. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/host/fields.h"
#include "../src/host/task.h"
#include "hosttree.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *const kernels[] = { "4.19", "5.4", "5.10", "5.15", "6.1", "6.6", "6.12", "6.18" };
enum { KERNELS = sizeof kernels / sizeof *kernels };

static void fields_of(struct procfs *p, const char *path, struct fields *f)
{
	const char *text;
	size_t bytes;
	struct pw_why why = { "" };
	if (procfs_read(p, path, &text, &bytes, &why) != PW_OK || fields_parse(f, text, bytes, &why) != PW_OK)
		fail_msg("%s: %s", path, why.text);
	assert_null(fields_flaw(f));
}

static uint64_t value_of(const struct fields *f, const char *name)
{
	uint64_t v = 0;
	if (!fields_value(f, name, &v))
		fail_msg("no number %s", name);
	return v;
}

static void every_kernel_is_read(void **state)
{
	(void)state;
	for (unsigned k = 0; k < KERNELS; k++) {
		char *root = hosttree_make(kernels[k]);
		struct procfs *p = hosttree_open(root);
		struct fields f = { NULL };
		struct task t;
		struct pw_why why = { "" };
		fields_of(p, "proc/meminfo", &f);
		assert_int_equal(value_of(&f, "MemAvailable"), 5000000ull * 1024);
		assert_int_equal(value_of(&f, "HugePages_Free"), 12);
		assert_int_equal(value_of(&f, "VmallocTotal"), 34359738367ull * 1024);
		fields_of(p, "proc/vmstat", &f);
		assert_int_equal(value_of(&f, "pgfault"), 90000000);
		assert_int_equal(k < 2, fields_find(&f, "workingset_refault") != NULL);
		fields_of(p, "proc/17/status", &f);
		assert_int_equal(value_of(&f, "VmSwap"), 80 * 1024);
		assert_string_equal(fields_find(&f, "Name")->text, "a name");
		fields_of(p, "proc/17/smaps_rollup", &f);
		assert_int_equal(value_of(&f, "Pss"), 4050 * 1024);
		assert_int_equal(task_read(p, 17, &t, &why), PW_OK);
		assert_int_equal(t.minflt, 4321);
		assert_int_equal(t.rss, 1020);
		fields_fini(&f);
		procfs_close(p);
		hosttree_remove(root);
	}
}

static void unknown_fields_pass_through(void **state)
{
	(void)state;
	char *root = hosttree_make("6.18"), *text = NULL;
	size_t bytes;
	struct procfs *p = hosttree_open(root);
	struct fields f = { NULL };
	struct jsonw j;
	uint64_t v;
	fields_of(p, "proc/meminfo", &f);
	assert_int_equal(value_of(&f, "FutureField"), 4711 * 1024);
	assert_false(fields_value(&f, "FutureHuge", &v));
	assert_false(fields_value(&f, "FutureWord", &v));
	assert_false(fields_value(&f, "Absent", &v));
	FILE *out = open_memstream(&text, &bytes);
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	fields_json(&f, &j);
	jsonw_end(&j);
	assert_int_equal(jsonw_finish(&j), PW_OK);
	fclose(out);
	json_t *read = json_loads(text, 0, NULL);
	assert_non_null(read);
	assert_int_equal(json_object_size(read), f.n);
	assert_int_equal(json_integer_value(json_object_get(read, "FutureField")), 4711);
	assert_string_equal(json_string_value(json_object_get(read, "FutureHuge")), "99999999999999999999999 kB");
	assert_string_equal(json_string_value(json_object_get(read, "FutureWord")), "a few words");
	json_decref(read);
	free(text);
	fields_of(p, "proc/vmstat", &f);
	assert_int_equal(value_of(&f, "future_counter"), UINT64_MAX);
	assert_false(fields_value(&f, "future_overflow", &v));
	fields_fini(&f);
	procfs_close(p);
	hosttree_remove(root);
}

static void names_are_any_bytes(void **state)
{
	static const struct { uint32_t pid; const char *name; char letter; uint64_t minflt; } want[] = {
		{ 17, "a name", 'S', 4321 }, { 18, "a) S 1 (b", 'R', 10 }, { 19, "new\nline", 'S', 20 },
		{ 22, "gigantic", 'S', UINT64_MAX },
	};
	char *root = hosttree_make("6.1");
	struct procfs *p = hosttree_open(root);
	(void)state;
	for (unsigned i = 0; i < sizeof want / sizeof *want; i++) {
		struct task t;
		struct pw_why why = { "" };
		if (task_read(p, want[i].pid, &t, &why) != PW_OK)
			fail_msg("%s", why.text);
		assert_string_equal(t.name, want[i].name);
		assert_int_equal(t.state, want[i].letter);
		assert_int_equal(t.minflt, want[i].minflt);
		assert_int_equal(t.threads, 3);
	}
	procfs_close(p);
	hosttree_remove(root);
}

/* Which of the four ways it failed is the same for every call. */
static void absent_denied_and_gone_are_told_apart(void **state)
{
	char *root = hosttree_make("4.19");
	struct procfs *p = hosttree_open(root);
	const char *text;
	size_t bytes;
	struct task t;
	struct pw_why why = { "" };
	uid_t uid;
	int fd;
	(void)state;
	assert_int_equal(procfs_read(p, "proc/pressure/memory", &text, &bytes, &why), PW_UNSUPPORTED);
	assert_non_null(strstr(why.text, "this kernel has no such file"));
	assert_int_equal(procfs_read_pid(p, 17, "timerslack_ns", &text, &bytes, &why), PW_UNSUPPORTED);
	assert_int_equal(task_read(p, 20, &t, &why), PW_NOTFOUND);
	assert_int_equal(task_read(p, 4040, &t, &why), PW_NOTFOUND);
	assert_non_null(strstr(why.text, "no such process"));
	assert_int_equal(procfs_open_pid(p, 20, "pagemap", &fd, &why), PW_NOTFOUND);
	assert_int_equal(procfs_link_pid(p, 20, "exe", &text, &why), PW_NOTFOUND);
	assert_int_equal(procfs_owner(p, 20, &uid, &why), PW_NOTFOUND);
	assert_int_equal(procfs_owner(p, 17, &uid, &why), PW_OK);
	assert_int_equal(uid, geteuid());
	if (geteuid() != 0)
		assert_int_equal(procfs_read_pid(p, 21, "smaps", &text, &bytes, &why), PW_ACCESS);
	else
		print_message("# denied: not tried, root may read everything\n");
	assert_int_equal(procfs_read(p, "proc/17", &text, &bytes, &why), PW_IO);
	procfs_close(p);
	hosttree_remove(root);
	assert_int_equal(procfs_open("/nonexistent/tree", &p, &why), PW_IO);
}

static void processes_are_listed_in_order(void **state)
{
	static const uint32_t want[] = { 1, 2, 17, 18, 19, 20, 21, 22 };
	char *root = hosttree_make("6.6");
	struct procfs *p = hosttree_open(root);
	uint32_t *pids, n;
	const char **names;
	struct pw_why why = { "" };
	(void)state;
	assert_int_equal(procfs_pids(p, &pids, &n, &why), PW_OK);
	assert_int_equal(n, sizeof want / sizeof *want);
	assert_memory_equal(pids, want, sizeof want);
	mem_free(pids);
	assert_int_equal(procfs_list(p, "sys/kernel/mm/hugepages", &names, &n, &why), PW_OK);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "hugepages-1048576kB");
	assert_string_equal(names[1], "hugepages-2048kB");
	assert_null(names[2]);
	mem_free(names);
	assert_int_equal(procfs_list(p, "sys/class", &names, &n, &why), PW_UNSUPPORTED);
	procfs_close(p);
	hosttree_remove(root);
}

/* Files larger than the first buffer, empty ones, and ones without a last newline. */
static void files_of_every_size(void **state)
{
	char *root = hosttree_make("5.4");
	struct procfs *p = hosttree_open(root);
	static const size_t sizes[] = { 0, 1, 16382, 16383, 16384, 16385, 100000 };
	char *made = mem_alloc(100000);
	(void)state;
	assert_non_null(made);
	for (size_t i = 0; i < 100000; i++)
		made[i] = (char)(i * 7 % 251);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const char *text;
		size_t bytes;
		struct pw_why why = { "" };
		hosttree_write(root, "proc/odd", made, sizes[i]);
		assert_int_equal(procfs_read(p, "proc/odd", &text, &bytes, &why), PW_OK);
		assert_int_equal(bytes, sizes[i]);
		assert_memory_equal(text, made, bytes);
		assert_int_equal(text[bytes], 0);
	}
	mem_free(made);
	procfs_close(p);
	hosttree_remove(root);
}

static void damaged_lines_are_refused(void **state)
{
	static const char good[] = "17 (a name) S 1 17 17 0 -1 4194304 4321 11 21 12 130 40 5 6 20 0 3 0 99 4395008 1020";
	struct task t;
	struct pw_why why;
	char cut[sizeof good];
	(void)state;
	assert_int_equal(task_parse(good, sizeof good - 1, &t, &why), PW_OK);
	assert_int_equal(t.rss, 1020);
	for (size_t n = 0; n < sizeof good - 6; n++) {
		memcpy(cut, good, n);
		cut[n] = '\0';
		enum pw_err err = task_parse(cut, n, &t, &why);
		if (err != PW_FORMAT && err != PW_TRUNCATED)
			fail_msg("%zu bytes of a line were taken", n);
	}
	assert_int_equal(task_parse("x (y) S 1", 9, &t, &why), PW_FORMAT);
	assert_int_equal(task_parse(") 1 (", 5, &t, &why), PW_FORMAT);
}

/* Any bytes are fields or are not, and nothing reads beyond them. */
static void noise_has_no_flaw(void **state)
{
	static const char letters[] = "aB: \t\n\n019kB%\0(";
	struct rng r;
	struct fields f = { NULL };
	(void)state;
	rng_init(&r, 6);
	for (unsigned round = 0; round < 3000; round++) {
		size_t n = rng_below(&r, 60);
		char *noise = mem_alloc(n + 1);
		struct pw_why why;
		struct task t;
		for (size_t i = 0; i < n; i++)
			noise[i] = letters[rng_below(&r, sizeof letters - 1)];
		noise[n] = '\0';
		assert_int_equal(fields_parse(&f, noise, n, &why), PW_OK);
		if (fields_flaw(&f))
			fail_msg("seed 6, round %u: %s", round, fields_flaw(&f));
		if (task_parse(noise, n, &t, &why) == PW_OK)
			assert_int_equal(t.name[TASK_NAME - 1], 0);
		mem_free(noise);
	}
	fields_fini(&f);
}

static enum pw_err scenario(const char *root)
{
	struct procfs *p;
	struct fields f = { NULL };
	struct pw_why why = { "" };
	const char *text;
	size_t bytes;
	uint32_t *pids, n;
	enum pw_err err = procfs_open(root, &p, &why);
	if (err != PW_OK)
		return err;
	err = procfs_read(p, "proc/meminfo", &text, &bytes, &why);
	if (err == PW_OK)
		err = fields_parse(&f, text, bytes, &why);
	if (err == PW_OK)
		err = procfs_pids(p, &pids, &n, &why);
	if (err == PW_OK)
		mem_free(pids);
	fields_fini(&f);
	procfs_close(p);
	assert_true(err == PW_OK || *why.text);
	return err;
}

static void every_failure_is_survived(void **state)
{
	static const struct { enum inject_site site; enum pw_err err; } sites[] = {
		{ INJECT_ALLOC, PW_NOMEM }, { INJECT_FILE_READ, PW_IO },
	};
	char *root = hosttree_make("6.12");
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		enum pw_err err = PW_IO;
		unsigned k;
		for (k = 1; err != PW_OK; k++) {
			inject_arm(sites[i].site, k, INJECT_ONCE);
			err = scenario(root);
			inject_disarm();
			if (err != PW_OK)
				assert_int_equal(err, sites[i].err);
		}
		assert_true(k > 2);
	}
	hosttree_remove(root);
}

static void this_computer_is_read(void **state)
{
	struct procfs *p = hosttree_open("/");
	struct fields f = { NULL };
	struct task t;
	struct pw_why why = { "" };
	uint32_t *pids, n, found = 0;
	(void)state;
	assert_true(procfs_is_this_computer(p));
	fields_of(p, "proc/meminfo", &f);
	assert_true(value_of(&f, "MemTotal") >= value_of(&f, "MemFree"));
	fields_of(p, "proc/vmstat", &f);
	assert_true(value_of(&f, "pgfault") > 0);
	assert_int_equal(task_read(p, 0, &t, &why), PW_OK);
	assert_int_equal(t.pid, getpid());
	assert_int_equal(t.ppid, getppid());
	assert_int_equal(procfs_pids(p, &pids, &n, &why), PW_OK);
	for (uint32_t i = 0; i < n; i++)
		found += pids[i] == (uint32_t)getpid();
	assert_int_equal(found, 1);
	mem_free(pids);
	fields_fini(&f);
	procfs_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kernel_is_read), cmocka_unit_test(unknown_fields_pass_through),
		cmocka_unit_test(names_are_any_bytes), cmocka_unit_test(absent_denied_and_gone_are_told_apart),
		cmocka_unit_test(processes_are_listed_in_order), cmocka_unit_test(files_of_every_size),
		cmocka_unit_test(damaged_lines_are_refused), cmocka_unit_test(noise_has_no_flaw),
		cmocka_unit_test(every_failure_is_survived), cmocka_unit_test(this_computer_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
