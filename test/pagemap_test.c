/* pagemap_test.c - the pages of a process: every source against what we did to our own memory, and against the others. */
#include "hosttree.h"
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/host/maps.h"
#include "../src/host/pagemap.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

enum { PAGES = 3000 };
static const uint32_t COMMON = PAGEMAP_PRESENT | PAGEMAP_SWAPPED | PAGEMAP_FILE;

static struct pagemap *open_or_skip(uint32_t pid, enum pagemap_source source)
{
	struct pagemap *p;
	struct pw_why why = { "" };
	enum pw_err err = pagemap_open(host, pid, source, &p, &why);
	if (err == PW_UNSUPPORTED) {
		print_message("skipped: %s\n", why.text);
		skip();
	}
	if (err)
		fail_msg("%s", why.text);
	return p;
}

static struct pagemap_runs read_runs(struct pagemap *p, const void *area, uint64_t pages)
{
	struct pagemap_runs runs = { 0 };
	struct pw_why why = { "" };
	uint64_t start = (uintptr_t)area;
	if (pagemap_read(p, start, start + pages * pagemap_page_bytes(), &runs, &why))
		fail_msg("%s", why.text);
	assert_null(pagemap_runs_flaw(&runs));
	return runs;
}

static uint32_t is_at(const struct pagemap_runs *runs, uint64_t address)
{
	for (uint64_t i = 0; i < runs->n; i++)
		if (address >= runs->run[i].start && address < runs->run[i].end)
			return runs->run[i].is;
	return 0;
}

static char *area_make(uint64_t pages, int flags)
{
	char *area = mmap(NULL, pages * pagemap_page_bytes(), PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	madvise(area, pages * pagemap_page_bytes(), MADV_NOHUGEPAGE);
	return area;
}

/* Touches pages at random: each is absent, read (zeros) or written; was[i] says which. */
static void scatter(char *area, char *was, struct rng *r)
{
	for (uint64_t i = 0; i < PAGES; i++) {
		was[i] = "..rwww"[rng_below(r, 6)];
		if (was[i] == 'w')
			area[i * pagemap_page_bytes()] = 1;
		else if (was[i] == 'r')
			(void)*(volatile char *)&area[i * pagemap_page_bytes()];
	}
}

static void check_source(enum pagemap_source source)
{
	static char was[PAGES];
	struct rng r;
	rng_init(&r, 11);
	struct pagemap *p = open_or_skip((uint32_t)getpid(), source);
	char *area = area_make(PAGES, MAP_PRIVATE);
	scatter(area, was, &r);
	struct pagemap_runs runs = read_runs(p, area, PAGES);
	for (uint64_t i = 0; i < PAGES; i++) {
		uint32_t is = is_at(&runs, (uintptr_t)area + i * pagemap_page_bytes());
		assert_int_equal(!!(is & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)), was[i] != '.');
		assert_int_equal(is & PAGEMAP_FILE, 0);
		assert_int_equal(is & ~pagemap_known(p), 0);
		if (pagemap_known(p) & PAGEMAP_ZERO && was[i] != '.')
			assert_int_equal(!!(is & PAGEMAP_ZERO), was[i] == 'r');
		assert_true(!(is & PAGEMAP_DIRTY) || was[i] == 'w');
	}
	pagemap_runs_fini(&runs);
	munmap(area, PAGES * pagemap_page_bytes());
	pagemap_close(p);
}

static void test_scan(void **state) { (void)state; check_source(PAGEMAP_BY_SCAN); }
static void test_words(void **state) { (void)state; check_source(PAGEMAP_BY_WORDS); }
static void test_frames(void **state) { (void)state; check_source(PAGEMAP_BY_FRAMES); }
/* Pages of a file that were written by a system call are marked; those only read are not. */
static void test_dirty_frames(void **state)
{
	(void)state;
	uint64_t g = pagemap_page_bytes();
	struct pagemap *p = open_or_skip((uint32_t)getpid(), PAGEMAP_BY_FRAMES);
	int fd = memfd_create("pageworks-test", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, (off_t)(6 * g)), 0);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)g), 1);
	assert_int_equal(pwrite(fd, "x", 1, (off_t)(3 * g)), 1);
	char *area = mmap(NULL, 6 * g, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	for (int i = 0; i < 5; i++)
		(void)*(volatile char *)&area[(uint64_t)i * g];
	struct pagemap_runs runs = read_runs(p, area, 6);
	for (uint64_t i = 0; i < 6; i++)
		assert_int_equal(is_at(&runs, (uintptr_t)area + i * g),
		                 i == 5 ? 0 : PAGEMAP_PRESENT | PAGEMAP_FILE | (i == 1 || i == 3 ? PAGEMAP_DIRTY : 0));
	pagemap_runs_fini(&runs);
	munmap(area, 6 * g);
	close(fd);
	pagemap_close(p);
}

static void test_auto(void **state) { (void)state; check_source(PAGEMAP_BY_AUTO); }

static int touch_and_wait(int ready)
{
	char *shared = area_make(PAGES, MAP_SHARED), *private = area_make(PAGES, MAP_PRIVATE), was[PAGES];
	struct rng r;
	rng_init(&r, 12);
	scatter(shared, was, &r);
	scatter(private, was, &r);
	if (write(ready, "x", 1) != 1)
		return 1;
	for (;;)
		pause();
}

/* => a child whose memory no longer changes. */
static pid_t child_start(void)
{
	int fd[2];
	char c;
	assert_int_equal(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(touch_and_wait(fd[1]));
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

/* A sanitizer reserves terabytes, which are not read word by word. */
static bool is_read(const struct maps_entry *e) { return e->end < 1ull << 63 && e->end - e->start <= 1ull << 30; }

static struct pagemap_runs whole_process(struct pagemap *p, const struct maps *m)
{
	struct pagemap_runs runs = { 0 };
	struct pw_why why = { "" };
	for (uint32_t i = 0; i < m->n; i++)
		if (is_read(&m->entry[i]) && pagemap_read(p, m->entry[i].start, m->entry[i].end, &runs, &why))
			fail_msg("%s", why.text);
	assert_null(pagemap_runs_flaw(&runs));
	return runs;
}

/* Every way gives the same answer for all of another process, and its pages are those that smaps counts. */
static void test_sources_agree(void **state)
{
	(void)state;
	struct maps m;
	struct pw_why why = { "" };
	pid_t pid = child_start();
	assert_int_equal(maps_read(host, (uint32_t)pid, MAPS_DETAILED, &m, &why), PW_OK);
	struct pagemap *words = open_or_skip((uint32_t)pid, PAGEMAP_BY_WORDS), *p;
	struct pagemap_runs a = whole_process(words, &m);
	uint64_t present = 0, rss = 0;
	for (uint32_t i = 0; i < m.n; i++)
		rss += is_read(&m.entry[i]) ? m.entry[i].figure[MAPS_RSS] : 0;
	for (uint64_t i = 0; i < a.n; i++)
		present += a.run[i].is & PAGEMAP_PRESENT ? a.run[i].end - a.run[i].start : 0;
	assert_true(rss > 0 && present >= rss); /* the page of zeros is in no Rss */
	for (enum pagemap_source s = PAGEMAP_BY_SCAN; s < PAGEMAP_SOURCES; s++) {
		if (s == PAGEMAP_BY_WORDS || pagemap_open(host, (uint32_t)pid, s, &p, &why))
			continue;
		struct pagemap_runs b = whole_process(p, &m);
		struct pagemap_change c = pagemap_compare(&a, &b, 0, 1ull << 63, COMMON);
		assert_int_equal(c.arrived + c.left + c.swapped_in + c.swapped_out + c.other, 0);
		pagemap_runs_fini(&b);
		pagemap_close(p);
	}
	pagemap_runs_fini(&a);
	pagemap_close(words);
	maps_fini(&m);
	child_end(pid);
}

static void test_child_ends(void **state)
{
	(void)state;
	struct pw_why why = { "" };
	for (enum pagemap_source s = PAGEMAP_BY_AUTO; s <= PAGEMAP_BY_WORDS; s++) {
		struct pagemap *p;
		struct pagemap_runs runs = { 0 };
		pid_t pid = child_start();
		if (pagemap_open(host, (uint32_t)pid, s, &p, &why) == PW_OK) {
			child_end(pid);
			assert_int_equal(pagemap_read(p, 1 << 20, 1 << 24, &runs, &why), PW_NOTFOUND);
			assert_non_null(strstr(why.text, "ended"));
			assert_int_equal(runs.n, 0);
			pagemap_close(p);
		} else {
			child_end(pid);
		}
	}
	struct pagemap *p;
	assert_int_equal(pagemap_open(host, UINT32_MAX, PAGEMAP_BY_AUTO, &p, &why), PW_NOTFOUND);
	assert_null(p);
}

static void test_compare(void **state)
{
	(void)state;
	uint64_t g = pagemap_page_bytes();
	struct pagemap_run one[] = { { 2 * g, 6 * g, PAGEMAP_PRESENT }, { 8 * g, 10 * g, PAGEMAP_SWAPPED } };
	struct pagemap_run two[] = { { 1 * g, 3 * g, PAGEMAP_PRESENT }, { 3 * g, 4 * g, PAGEMAP_SWAPPED },
		{ 5 * g, 6 * g, PAGEMAP_PRESENT | PAGEMAP_DIRTY }, { 9 * g, 12 * g, PAGEMAP_PRESENT } };
	struct pagemap_runs a = { one, 2, 2 }, b = { two, 4, 4 };
	struct pagemap_change c = pagemap_compare(&a, &b, 0, 20 * g, COMMON | PAGEMAP_DIRTY);
	assert_int_equal(c.arrived, 3);     /* 1, 10, 11 */
	assert_int_equal(c.left, 1);        /* 4 */
	assert_int_equal(c.swapped_out, 1); /* 3 */
	assert_int_equal(c.swapped_in, 1);  /* 9 */
	assert_int_equal(c.other, 2);       /* 5 became dirty, 8 left swap */
	c = pagemap_compare(&a, &b, 5 * g, 6 * g, COMMON);
	assert_int_equal(c.arrived + c.left + c.swapped_out + c.swapped_in + c.other, 0);
	c = pagemap_compare(&a, &a, 0, 20 * g, ~0u);
	assert_int_equal(c.arrived + c.left + c.swapped_out + c.swapped_in + c.other, 0);
}

/* A generated /proc: words in a plain file, which no ioctl answers for; and too large a range for words. */
static void test_plain_file(void **state)
{
	(void)state;
	char dir[] = "/tmp/pageworks-pagemap.XXXXXX", sub[200], path[220];
	uint64_t word[] = { 0, 1ull << 63, 1ull << 63, 1ull << 62 | 77, 1ull << 63 | 1ull << 61 }, g = pagemap_page_bytes();
	struct pagemap *p;
	struct pagemap_runs runs = { 0 };
	struct pw_why why = { "" };
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/proc", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(sub, sizeof sub, "%s/proc/5", dir);
	snprintf(path, sizeof path, "%s/pagemap", sub);
	struct procfs *other = hosttree_open(dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, word, sizeof word), sizeof word);
	close(fd);
	assert_int_equal(pagemap_open(other, 5, PAGEMAP_BY_AUTO, &p, &why), PW_OK);
	assert_int_equal(pagemap_source(p), PAGEMAP_BY_WORDS);
	assert_int_equal(pagemap_read(p, 0, 5 * g, &runs, &why), PW_OK);
	assert_int_equal(runs.n, 3);
	assert_int_equal(runs.run[0].start, g);
	assert_int_equal(runs.run[0].end, 3 * g);
	assert_int_equal(runs.run[1].is, PAGEMAP_SWAPPED);
	assert_int_equal(runs.run[2].is, PAGEMAP_PRESENT | PAGEMAP_FILE);
	assert_int_equal(pagemap_read(p, 5 * g, 6 * g, &runs, &why), PW_NOTFOUND);
	assert_int_equal(pagemap_read(p, 1ull << 40, 1ull << 42, &runs, &why), PW_LIMIT);
	assert_int_equal(runs.n, 3);
	pagemap_runs_fini(&runs);
	pagemap_close(p);
	assert_int_equal(pagemap_open(other, 5, PAGEMAP_BY_SCAN, &p, &why), PW_UNSUPPORTED);
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
	static char was[PAGES];
	struct rng r;
	rng_init(&r, 13);
	char *area = area_make(PAGES, MAP_PRIVATE);
	scatter(area, was, &r);
	for (enum pagemap_source s = PAGEMAP_BY_AUTO; s <= PAGEMAP_BY_WORDS; s++) {
		enum pw_err err = PW_NOMEM;
		for (uint64_t k = 1; err; k++) {
			struct pagemap *p;
			struct pagemap_runs runs = { 0 };
			struct pw_why why = { "" };
			inject_arm(k % 2 ? INJECT_ALLOC : INJECT_FILE_READ, k / 2 + 1, INJECT_ONCE);
			err = pagemap_open(host, (uint32_t)getpid(), s, &p, &why);
			if (err == PW_OK)
				err = pagemap_read(p, (uintptr_t)area, (uintptr_t)area + PAGES * pagemap_page_bytes(), &runs, &why);
			inject_disarm();
			assert_true(!err || (*why.text && !runs.n));
			pagemap_runs_fini(&runs);
			pagemap_close(p);
			if (err == PW_UNSUPPORTED)
				break;
			assert_true(k < 100);
		}
	}
	munmap(area, PAGES * pagemap_page_bytes());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scan), cmocka_unit_test(test_words), cmocka_unit_test(test_frames),
		cmocka_unit_test(test_dirty_frames), cmocka_unit_test(test_auto),
		cmocka_unit_test(test_sources_agree), cmocka_unit_test(test_child_ends), cmocka_unit_test(test_compare),
		cmocka_unit_test(test_plain_file), cmocka_unit_test(test_failures_leave_nothing),
	};
	return cmocka_run_group_tests(tests, host_open, host_close);
}
