/* stat_test.c - figures: their formulas, what eight kernels give, and that they equal the files of this very moment. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/host/figures.h"
#include "../src/host/formula.h"
#include "hosttree.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static const char *const kernels[] = { "4.19", "5.4", "5.10", "5.15", "6.1", "6.6", "6.12", "6.18" };

static bool letters(const void *ctx, const char *name, long double *ret)
{
	(void)ctx;
	*ret = name[0] - 'a' + 1;
	return strlen(name) == 1 && name[0] <= 'f';
}

static void formulas_mean_what_they_say(void **state)
{
	static const struct { const char *text; enum formula_outcome outcome; double value; } cases[] = {
		{ "a", FORMULA_VALUE, 1 }, { "a + b * c", FORMULA_VALUE, 7 }, { "(a + b) * c", FORMULA_VALUE, 9 },
		{ "f - b - a", FORMULA_VALUE, 3 }, { "f / c / b", FORMULA_VALUE, 1 }, { "x | b", FORMULA_VALUE, 2 },
		{ "a + x | x - y | (c)", FORMULA_VALUE, 3 }, { "a - b", FORMULA_VALUE, -1 }, { "x", FORMULA_UNKNOWN, 0 },
		{ "a * x | y", FORMULA_UNKNOWN, 0 }, { "a / (b - b)", FORMULA_UNDEFINED, 0 }, { "x / (b - b) | a", FORMULA_VALUE, 1 },
		{ "", FORMULA_FAULTY, 0 }, { "a +", FORMULA_FAULTY, 0 }, { "(a", FORMULA_FAULTY, 0 }, { "a b", FORMULA_FAULTY, 0 },
		{ "a | ", FORMULA_VALUE, 1 }, { "x | ", FORMULA_FAULTY, 0 }, { "2 * a", FORMULA_FAULTY, 0 },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		long double v = 0;
		const char *part;
		enum formula_outcome outcome = formula_value(cases[i].text, letters, NULL, &v, &part);
		if (outcome != cases[i].outcome || (outcome == FORMULA_VALUE && v != cases[i].value))
			fail_msg("'%s' gave outcome %d, %Lg", cases[i].text, (int)outcome, v);
	}
}

static bool nothing(const void *ctx, const char *name, long double *ret)
{
	(void)ctx, (void)name, (void)ret;
	return false;
}

static void every_definition_is_a_formula(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FIGURES; i++) {
		long double v;
		const char *part;
		if (formula_value(figure_about[i].formula, nothing, NULL, &v, &part) != FORMULA_UNKNOWN)
			fail_msg("%s: '%s' is no formula", figure_about[i].name, figure_about[i].formula);
	}
}

static void take(struct procfs *p, struct snapshot *s)
{
	struct pw_why why = { "" };
	if (snapshot_take(p, s, &why) != PW_OK)
		fail_msg("%s", why.text);
}

static void expect(const struct figures *f, enum figure i, long double want)
{
	if (!f->known[i])
		fail_msg("%s is not known", figure_about[i].name);
	if (fabsl(f->value[i] - want) > 1e-9L * fabsl(want))
		fail_msg("%s is %Lg, not %Lg", figure_about[i].name, f->value[i], want);
}

static void every_kernel_gives_its_figures(void **state)
{
	(void)state;
	for (unsigned k = 0; k < sizeof kernels / sizeof *kernels; k++) {
		char *root = hosttree_make(kernels[k]);
		struct procfs *p = hosttree_open(root);
		struct snapshot s = { .time = 0 };
		struct figures f;
		bool old = k < 2, none_of_pressure = k == 0;
		take(p, &s);
		figures_make(NULL, &s, &f);
		expect(&f, FIGURE_available, 5000000ull * 1024);
		expect(&f, FIGURE_used, 3000000ull * 1024);
		expect(&f, FIGURE_page_cache, (3500000ull + 100000 - 60000) * 1024);
		expect(&f, FIGURE_swap_used, 600000ull * 1024);
		expect(&f, FIGURE_commit_portion, 0.6L);
		expect(&f, FIGURE_page_tables, (k < 4 ? 25000ull : 25600ull) * 1024);
		expect(&f, FIGURE_minor_faults, (90000000 - 123456) / 5000.25L);
		expect(&f, FIGURE_page_in, 5000000ll * 1024 / 5000.25L);
		expect(&f, FIGURE_refaults, 3300 / 5000.25L);
		expect(&f, FIGURE_stalls, 90 / 5000.25L);
		expect(&f, FIGURE_scanned, (old ? 54000 : 60000) / 5000.25L);
		expect(&f, FIGURE_efficiency, old ? 42000.0L / 54000 : 45000.0L / 60000);
		assert_int_equal(f.known[FIGURE_memory_some], !none_of_pressure);
		assert_int_equal(s.missing[SNAPSHOT_pressure_memory], none_of_pressure ? PW_UNSUPPORTED : PW_OK);
		if (!none_of_pressure)
			expect(&f, FIGURE_memory_some, 9.0L / 5000.25L);
		assert_int_equal(s.pressure[PRESSURE_CPU][PRESSURE_FULL].known, k >= 3);
		assert_int_equal(f.known[FIGURE_huge_files], k >= 1);
		assert_int_equal(f.known[FIGURE_compressed], k >= 4);
		assert_int_equal(s.n_swaps, 2);
		assert_string_equal(s.swap[1].name, "/swap of mine");
		assert_int_equal(s.swap[0].used_bytes, 500000ull * 1024);
		assert_int_equal(s.swap[0].priority, -2);
		assert_int_equal(s.n_pools, 2);
		assert_int_equal(s.pool[1].page_bytes, 2 << 20);
		assert_int_equal(s.pool[1].free, 12);
		assert_string_equal(s.transparent, "madvise");
		snapshot_fini(&s);
		procfs_close(p);
		hosttree_remove(root);
	}
}

/* Two moments, two seconds apart, of which each counter is known. */
static void rates_are_of_the_interval(void **state)
{
	static const char later[] = "pgfault 90000500\npgmajfault 123556\npgpgin 5000002\npswpin 7010\npgscan_anon 14100\n"
				    "pgscan_file 46100\npgsteal_anon 9040\npgsteal_file 36010\nworkingset_refault_anon 1103\n"
				    "workingset_refault_file 2204\noom_kill 1\n";
	static const char calm[] = "some avg10=9.00 avg60=0.70 avg300=0.10 total=9500000\n";
	char *root = hosttree_make("6.1");
	struct procfs *p = hosttree_open(root);
	struct snapshot then = { .time = 0 }, now = { .time = 0 };
	struct figures f;
	(void)state;
	take(p, &then);
	hosttree_write(root, "proc/vmstat", later, sizeof later - 1);
	hosttree_write(root, "proc/pressure/memory", calm, sizeof calm - 1);
	take(p, &now);
	then.clock = 100;
	now.clock = 102;
	figures_make(&then, &now, &f);
	expect(&f, FIGURE_minor_faults, 200);
	expect(&f, FIGURE_major_faults, 50);
	expect(&f, FIGURE_page_in, 1024);
	expect(&f, FIGURE_swap_in, 5);
	expect(&f, FIGURE_scanned, 100);
	expect(&f, FIGURE_efficiency, 0.25L);
	expect(&f, FIGURE_refaults, 3.5L);
	expect(&f, FIGURE_memory_some, 0.25L);
	assert_false(f.known[FIGURE_killed]);      /* it went backwards */
	assert_false(f.known[FIGURE_swap_out]);    /* it is gone */
	assert_false(f.known[FIGURE_memory_full]); /* likewise */
	figures_make(&now, &now, &f);
	assert_false(f.known[FIGURE_minor_faults]); /* no time passed */
	assert_false(f.known[FIGURE_efficiency]);
	expect(&f, FIGURE_available, 5000000ull * 1024);
	snapshot_fini(&then);
	snapshot_fini(&now);
	procfs_close(p);
	hosttree_remove(root);
}

static void an_explanation_is_the_formula_with_its_numbers(void **state)
{
	char *root = hosttree_make("5.4"), *text = NULL;
	size_t bytes;
	struct procfs *p = hosttree_open(root);
	struct snapshot s = { .time = 0 };
	struct figures f;
	(void)state;
	take(p, &s);
	figures_make(NULL, &s, &f);
	FILE *out = open_memstream(&text, &bytes);
	figures_explain(&f, FIGURE_used, NULL, &s, out);
	fputc('\n', out);
	figures_explain(&f, FIGURE_minor_faults, NULL, &s, out);
	fputc('\n', out);
	figures_explain(&f, FIGURE_scanned, NULL, &s, out);
	fclose(out);
	assert_string_equal(text, "8000000 kB - 5000000 kB\n(90000000 - 123456) / 5000.250 s\n(50000 + 4000) / 5000.250 s");
	free(text);
	snapshot_fini(&s);
	procfs_close(p);
	hosttree_remove(root);
}

/* A computer where nothing but meminfo can be read still says what it has; where that is missing too, one line says so. */
static void missing_files_cost_only_what_they_tell(void **state)
{
	char *root = hosttree_make("6.18"), path[300];
	struct procfs *p = hosttree_open(root);
	static const char *const gone[] = { "proc/vmstat", "proc/swaps", "proc/pressure/memory", "proc/uptime",
					    "sys/kernel/mm/transparent_hugepage/enabled" };
	struct snapshot s = { .time = 0 };
	struct figures f;
	struct pw_why why = { "" };
	(void)state;
	for (unsigned i = 0; i < sizeof gone / sizeof *gone; i++) {
		snprintf(path, sizeof path, "%s/%s", root, gone[i]);
		assert_int_equal(remove(path), 0);
	}
	take(p, &s);
	figures_make(NULL, &s, &f);
	expect(&f, FIGURE_used, 3000000ull * 1024);
	assert_false(f.known[FIGURE_minor_faults]);
	assert_int_equal(s.missing[SNAPSHOT_swaps], PW_UNSUPPORTED);
	assert_int_equal(s.n_swaps, 0);
	assert_string_equal(s.transparent, "");
	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	assert_int_equal(remove(path), 0);
	assert_int_equal(snapshot_take(p, &s, &why), PW_UNSUPPORTED);
	assert_non_null(strstr(why.text, "meminfo"));
	snapshot_fini(&s);
	procfs_close(p);
	hosttree_remove(root);
}

static void damaged_files_are_survived(void **state)
{
	static const char *const swaps[] = {
		"", "\n", "Filename\n", "Filename\n/a file 1\n", "Filename\n/a file x 2 3\n", "Filename\n/a file 1 x 3\n",
		"Filename\n/\\0 file 99999999999999999999 2 3\n/b\\04 file 4 5 6",
	};
	static const char *const others[] = { "", "some", "some avg10=x", "full avg10=1 avg60=2 avg300=3 total=", "[", "]", "[[[" };
	char *root = hosttree_make("6.1");
	struct procfs *p = hosttree_open(root);
	struct snapshot s = { .time = 0 };
	(void)state;
	for (unsigned i = 0; i < sizeof swaps / sizeof *swaps; i++) {
		hosttree_write(root, "proc/swaps", swaps[i], strlen(swaps[i]));
		hosttree_write(root, "proc/pressure/io", others[i], strlen(others[i]));
		hosttree_write(root, "sys/kernel/mm/transparent_hugepage/enabled", others[i], strlen(others[i]));
		take(p, &s);
		assert_int_equal(s.n_swaps, i == 6 ? 2 : 0);
		assert_false(s.pressure[PRESSURE_IO][PRESSURE_FULL].known);
	}
	snapshot_fini(&s);
	procfs_close(p);
	hosttree_remove(root);
}

static void memory_that_runs_out_is_an_error(void **state)
{
	char *root = hosttree_make("6.12");
	struct procfs *p = hosttree_open(root);
	enum pw_err err = PW_IO;
	unsigned k;
	(void)state;
	for (k = 1; err != PW_OK; k++) {
		struct snapshot s = { .time = 0 };
		struct pw_why why = { "" };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		err = snapshot_take(p, &s, &why);
		inject_disarm();
		snapshot_fini(&s);
		assert_true(err == PW_OK || (err == PW_NOMEM && *why.text));
	}
	assert_true(k > 5);
	procfs_close(p);
	hosttree_remove(root);
}

/* The number of a line "NAME:   N" or "NAME N", found without the code under test. */
static uint64_t line_number(const char *path, const char *name)
{
	char line[300];
	uint64_t v = UINT64_MAX;
	size_t n = strlen(name);
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, name, n) == 0 && (line[n] == ':' || line[n] == ' '))
			assert_int_equal(sscanf(line + n + 1, "%" SCNu64, &v), 1);
	fclose(f);
	return v;
}

/* Read before, taken, read after: in one of many rounds nothing moved in between, and then all three are equal. */
static void a_figure_equals_its_source_now(void **state)
{
	static const struct { enum figure which; const char *path, *name; unsigned scale; } sources[] = {
		{ FIGURE_total, "/proc/meminfo", "MemTotal", 1024 }, { FIGURE_available, "/proc/meminfo", "MemAvailable", 1024 },
		{ FIGURE_free, "/proc/meminfo", "MemFree", 1024 }, { FIGURE_shared, "/proc/meminfo", "Shmem", 1024 },
		{ FIGURE_committed, "/proc/meminfo", "Committed_AS", 1024 }, { FIGURE_anonymous, "/proc/meminfo", "AnonPages", 1024 },
		{ FIGURE_swap_total, "/proc/meminfo", "SwapTotal", 1024 }, { FIGURE_swap_in, "/proc/vmstat", "pswpin", 1 },
		{ FIGURE_major_faults, "/proc/vmstat", "pgmajfault", 1 }, { FIGURE_page_out, "/proc/vmstat", "pgpgout", 1024 },
	};
	struct procfs *p = hosttree_open("/");
	struct snapshot s = { .time = 0 };
	struct figures f;
	(void)state;
	for (unsigned i = 0; i < sizeof sources / sizeof *sources; i++) {
		bool equal = false;
		for (unsigned round = 0; round < 200 && !equal; round++) {
			uint64_t before = line_number(sources[i].path, sources[i].name);
			take(p, &s);
			uint64_t after = line_number(sources[i].path, sources[i].name);
			s.uptime = 1; /* so that a rate since boot is the counter */
			figures_make(NULL, &s, &f);
			long double shown = f.value[sources[i].which] / sources[i].scale;
			long double low = before < after ? before : after, high = before < after ? after : before;
			equal = f.known[sources[i].which] && shown >= low && shown <= high;
		}
		if (!equal)
			fail_msg("%s never equalled %s of %s", figure_about[sources[i].which].name, sources[i].name, sources[i].path);
	}
	snapshot_fini(&s);
	procfs_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formulas_mean_what_they_say), cmocka_unit_test(every_definition_is_a_formula),
		cmocka_unit_test(every_kernel_gives_its_figures), cmocka_unit_test(rates_are_of_the_interval),
		cmocka_unit_test(an_explanation_is_the_formula_with_its_numbers),
		cmocka_unit_test(missing_files_cost_only_what_they_tell), cmocka_unit_test(damaged_files_are_survived),
		cmocka_unit_test(memory_that_runs_out_is_an_error), cmocka_unit_test(a_figure_equals_its_source_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
