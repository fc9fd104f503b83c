/* maps_test.c - the mappings of processes: generated texts, our own process, damage, and failing memory. */
#include "hosttree.h"
#include "../src/base/inject.h"
#include "../src/host/maps.h"
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct procfs *host;

static int host_open(void **state)
{
	(void)state;
	host = hosttree_open("/");
	return 0;
}

static int host_close(void **state)
{
	(void)state;
	procfs_close(host);
	return 0;
}

static const char smaps[] =
	"00400000-00452000 r-xp 00001000 08:02 173521                             /opt/a b (c) d\\012e\n"
	"Size:                328 kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\nRss:                 300 kB\n"
	"Private_Dirty:         8 kB\nTHPeligible:           0\nProtectionKey:         3\nVmFlags: rd ex mr mw me\n"
	"7f0000000000-7f0000800000 rw-p 00000000 00:00 0 \n"
	"Rss:                8192 kB\nRss:                   4 kB\nAnonHugePages:      8192 kB\n"
	"Swap: 99999999999999999999 kB\nFuture: 7 kB\n"
	"7f0000800000-7f0000801000 ---s 00000000 00:01 9                          /dev/zero (deleted)\n";

static void parse(const char *text, struct maps *m)
{
	struct pw_why why = { "" };
	enum pw_err err = maps_parse(text, strlen(text), m, &why);
	if (err)
		fail_msg("%s", why.text);
	assert_null(maps_flaw(m));
}

static void test_smaps(void **state)
{
	(void)state;
	struct maps m;
	char prot[5];
	parse(smaps, &m);
	assert_int_equal(m.n, 3);
	const struct maps_entry *e = &m.entry[0];
	assert_string_equal(e->name, "/opt/a b (c) d\\012e");
	assert_string_equal(maps_prot_text(prot, e), "r-xp");
	assert_int_equal(e->offset, 0x1000);
	assert_int_equal(e->inode, 173521);
	assert_int_equal(e->dev_major, 8);
	assert_int_equal(e->dev_minor, 2);
	assert_int_equal(e->figure[MAPS_RSS], 300 * 1024);
	assert_int_equal(e->figure[MAPS_PRIVATE_DIRTY], 8 * 1024);
	assert_false(e->known >> MAPS_SWAP & 1);
	assert_int_equal(e->n_more, 3);
	assert_string_equal(m.more[2].key, "VmFlags");
	assert_string_equal(m.more[2].value, "rd ex mr mw me");
	assert_string_equal(m.entry[1].name, "");
	assert_string_equal(maps_prot_text(prot, &m.entry[2]), "---s");
	maps_fini(&m);
}

/* What does not fit, comes twice or is not known is kept as text, and nothing else is changed by it. */
static void test_odd_figures(void **state)
{
	(void)state;
	struct maps m;
	parse(smaps, &m);
	const struct maps_entry *e = &m.entry[1];
	assert_int_equal(e->figure[MAPS_RSS], 8192 * 1024);
	assert_false(e->known >> MAPS_SWAP & 1);
	assert_int_equal(e->n_more, 3);
	assert_string_equal(m.more[e->first_more + 1].key, "Swap");
	assert_string_equal(m.more[e->first_more + 1].value, "99999999999999999999 kB");
	assert_string_equal(m.more[e->first_more + 2].key, "Future");
	assert_int_equal(maps_sum(&m, MAPS_RSS), 8492 * 1024);
	maps_fini(&m);
}

static void test_find(void **state)
{
	(void)state;
	struct maps m;
	parse(smaps, &m);
	assert_null(maps_find(&m, 0));
	assert_null(maps_find(&m, 0x3fffff));
	assert_ptr_equal(maps_find(&m, 0x400000), &m.entry[0]);
	assert_ptr_equal(maps_find(&m, 0x451fff), &m.entry[0]);
	assert_null(maps_find(&m, 0x452000));
	assert_ptr_equal(maps_find(&m, 0x7f0000800000), &m.entry[2]);
	assert_null(maps_find(&m, UINT64_MAX));
	maps_fini(&m);
	parse("", &m);
	assert_null(maps_find(&m, 0));
	maps_fini(&m);
}

static void test_damage(void **state)
{
	(void)state;
	static const struct { const char *text; enum pw_err err; const char *word; } bad[] = {
		{ "1000-2000 rw-p 0 00:00 0", PW_TRUNCATED, "line 1" },
		{ "1000-2000 rw-p 0 00:00\n", PW_FORMAT, "line 1" },
		{ "1000-2000 rq-p 0 00:00 0 x\n", PW_FORMAT, "line 1" },
		{ "2000-2000 rw-p 0 00:00 0 x\n", PW_FORMAT, "line 1" },
		{ "1000-11112222333344445 rw-p 0 00:00 0 x\n", PW_FORMAT, "line 1" },
		{ "1000-3000 rw-p 0 00:00 0 x\n2000-4000 rw-p 0 00:00 0 x\n", PW_FORMAT, "line 2" },
		{ "Rss: 4 kB\n", PW_FORMAT, "line 1" },
		{ "1000-3000 rw-p 0 00:00 0 x\nRss 4 kB\n", PW_FORMAT, "line 2" },
		{ "1000-3000 rw-p 0 00:00 0x\n", PW_FORMAT, "line 1" },
		{ "\n", PW_FORMAT, "line 1" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct maps m;
		struct pw_why why = { "" };
		assert_int_equal(maps_parse(bad[i].text, strlen(bad[i].text), &m, &why), bad[i].err);
		assert_non_null(strstr(why.text, bad[i].word));
		assert_null(m.text);
	}
	/* Cut anywhere: whole lines, or one clear error. */
	for (size_t n = 0; n < sizeof smaps - 1; n++) {
		struct maps m;
		struct pw_why why = { "" };
		enum pw_err err = maps_parse(smaps, n, &m, &why);
		assert_int_equal(err, !n || smaps[n - 1] == '\n' ? PW_OK : PW_TRUNCATED);
		maps_fini(&m);
	}
}

static void test_ourselves(void **state)
{
	(void)state;
	struct pw_why why = { "" };
	uint64_t pages = 37, page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	mprotect(area, page, PROT_NONE);
	mprotect(area + (pages - 1) * page, page, PROT_NONE);
	memset(area + page, 1, 11 * page);
	for (enum maps_detail d = MAPS_PLAIN; d <= MAPS_DETAILED; d++) {
		struct maps m;
		if (maps_read(host, (uint32_t)getpid(), d, &m, &why))
			fail_msg("%s", why.text);
		assert_null(maps_flaw(&m));
		const struct maps_entry *e = maps_find(&m, (uint64_t)(uintptr_t)area + page);
		assert_non_null(e);
		assert_int_equal(e->start, (uint64_t)(uintptr_t)area + page);
		assert_int_equal(e->end - e->start, (pages - 2) * page);
		assert_int_equal(e->prot, MAPS_READ | MAPS_WRITE);
		if (d == MAPS_DETAILED) {
			assert_int_equal(e->figure[MAPS_RSS], 11 * page);
			assert_int_equal(e->figure[MAPS_PRIVATE_DIRTY], 11 * page);
		}
		assert_non_null(maps_find(&m, (uint64_t)(uintptr_t)&test_ourselves));
		maps_fini(&m);
	}
	munmap(area, pages * page);
}

static void test_rollup_is_the_sum(void **state)
{
	(void)state;
	struct maps all, sum;
	struct pw_why why = { "" };
	enum pw_err err = maps_read(host, (uint32_t)getpid(), MAPS_ROLLUP, &sum, &why);
	if (err == PW_UNSUPPORTED)
		skip();
	assert_int_equal(err, PW_OK);
	assert_int_equal(maps_read(host, (uint32_t)getpid(), MAPS_DETAILED, &all, &why), PW_OK);
	assert_int_equal(sum.n, 1);
	/* Reading the larger file took memory of our own. */
	assert_true(maps_sum(&all, MAPS_RSS) >= sum.entry[0].figure[MAPS_RSS]);
	assert_true(maps_sum(&all, MAPS_RSS) <= sum.entry[0].figure[MAPS_RSS] + (1 << 20));
	maps_fini(&all);
	maps_fini(&sum);
}

static void test_refusals(void **state)
{
	(void)state;
	struct maps m;
	struct pw_why why = { "" };
	char dir[] = "/tmp/pageworks-maps.XXXXXX", path[300], sub[200];
	assert_int_equal(maps_read(host, UINT32_MAX, MAPS_PLAIN, &m, &why), PW_NOTFOUND);
	assert_non_null(strstr(why.text, "4294967295"));
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/proc", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(sub, sizeof sub, "%s/proc/7", dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	struct procfs *other = hosttree_open(dir);
	assert_int_equal(maps_read(other, 7, MAPS_ROLLUP, &m, &why), PW_UNSUPPORTED);
	assert_non_null(strstr(why.text, "smaps_rollup"));
	snprintf(path, sizeof path, "%s/smaps", sub);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(smaps, f);
	fclose(f);
	assert_int_equal(maps_read(other, 7, MAPS_DETAILED, &m, &why), PW_OK);
	assert_int_equal(m.n, 3);
	maps_fini(&m);
	if (getuid()) {
		assert_int_equal(chmod(path, 0), 0);
		assert_int_equal(maps_read(other, 7, MAPS_DETAILED, &m, &why), PW_ACCESS);
	}
	procfs_close(other);
	unlink(path);
	rmdir(sub);
	snprintf(path, sizeof path, "%s/proc", dir);
	rmdir(path);
	rmdir(dir);
}

static void test_failures_leave_nothing(void **state)
{
	(void)state;
	static const enum inject_site site[] = { INJECT_ALLOC, INJECT_FILE_READ };
	for (size_t s = 0; s < 2; s++) {
		enum pw_err err = PW_IO;
		for (uint64_t k = 1; err; k++) {
			struct maps m;
			struct pw_why why = { "" };
			inject_arm(site[s], k, INJECT_ONCE);
			err = maps_read(host, (uint32_t)getpid(), MAPS_DETAILED, &m, &why);
			bool reached = inject_count(site[s]) >= k;
			inject_disarm();
			assert_int_equal(err, !reached ? PW_OK : s ? PW_IO : PW_NOMEM);
			assert_true(!err || (*why.text && !m.text));
			maps_fini(&m);
			assert_true(k < 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smaps), cmocka_unit_test(test_odd_figures), cmocka_unit_test(test_find),
		cmocka_unit_test(test_damage), cmocka_unit_test(test_ourselves), cmocka_unit_test(test_rollup_is_the_sum),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_failures_leave_nothing),
	};
	return cmocka_run_group_tests(tests, host_open, host_close);
}
