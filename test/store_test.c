/* store_test.c - what every store keeps, refuses and charges. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/store/store.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { PAGE = 4096, SLOTS = 300 };

static char folder[200];

static int make_folder(void **state)
{
	const char *tmp = getenv("TMPDIR");
	(void)state;
	snprintf(folder, sizeof folder, "%s/pageworks-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

/* "file:" and a name in the test's folder. */
static const char *file_spec(const char *name)
{
	static char spec[300];
	snprintf(spec, sizeof spec, "file:%s/%s", folder, name);
	return spec;
}

static struct store *open_ok(const char *spec, uint64_t n_slots)
{
	struct store *s = NULL;
	struct pw_why why = { "" };
	if (store_open(spec, PAGE, n_slots, &s, &why))
		fail_msg("%s: %s", spec, why.text);
	assert_int_equal(s->page_bytes, PAGE);
	return s;
}

static void open_refused(const char *spec, enum pw_err expected, const char *word)
{
	struct store *s = NULL;
	struct pw_why why = { "" };
	assert_int_equal(store_open(spec, PAGE, 10, &s, &why), expected);
	assert_null(s);
	if (!strstr(why.text, word))
		fail_msg("%s: '%s' does not mention '%s'", spec, why.text, word);
}

static uint8_t pages[SLOTS][PAGE];

static void test_capacity_and_injection(void **state)
{
	const char *spec[] = { "ram", file_spec("swap") };
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct store *s = open_ok(spec[i], 4);
		void *at[] = { pages[0], pages[1] };
		struct pw_why why = { "" };
		assert_int_equal(store_write(s, 2, 2, (const void *const *)at, NULL), PW_OK);
		assert_int_equal(store_write(s, 3, 2, (const void *const *)at, &why), PW_NOSPACE);
		assert_non_null(strstr(why.text, "slot"));
		assert_int_equal(store_read(s, UINT64_MAX, 1, at, NULL), PW_NOSPACE);
		inject_arm(INJECT_STORE_WRITE, 2, INJECT_ONCE);
		assert_int_equal(store_write(s, 0, 1, (const void *const *)at, NULL), PW_OK);
		assert_int_equal(store_write(s, 0, 1, (const void *const *)at, NULL), PW_IO);
		assert_int_equal(store_write(s, 0, 1, (const void *const *)at, NULL), PW_OK);
		inject_arm(INJECT_STORE_READ, 1, INJECT_ONCE);
		assert_int_equal(store_read(s, 0, 1, at, NULL), PW_IO);
		inject_disarm();
		store_close(s);
	}
}

static void test_memory_runs_out(void **state)
{
	static const char *const spec[] = { "ram", "ssd", "hdd:rpm=5400" };
	(void)state;
	memset(pages, 0, sizeof pages);
	pages[0][9] = 1;
	for (int i = 0; i < 4; i++) {
		for (uint64_t k = 1; k < 20; k++) {
			struct store *s = NULL;
			void *at[] = { pages[0] };
			inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
			enum pw_err err = store_open(i < 3 ? spec[i] : file_spec("swap"), PAGE, 10, &s, NULL);
			if (!err && s->keeps_data)
				err = store_write(s, 0, 1, (const void *const *)at, NULL);
			inject_disarm();
			assert_true(err == PW_OK || err == PW_NOMEM);
			store_close(s);
		}
	}
}

static void test_models(void **state)
{
	struct store *ssd = open_ok("ssd:read_ns=80000,write_ns=20000,bytes_per_s=2G", 1000000);
	struct store *hdd = open_ok("hdd", 1000000);
	void *at[] = { pages[0] };
	(void)state;
	assert_false(ssd->keeps_data);
	assert_int_equal(store_read(ssd, 0, 1, at, NULL), PW_UNSUPPORTED);
	assert_int_equal(store_write(hdd, 0, 1, (const void *const *)at, NULL), PW_UNSUPPORTED);
	assert_int_equal(ssd->ops->cost_ns(ssd, STORE_READ, 5, 1), 80000 + 1908); /* 4096 bytes at 2 GiB/s take 1907.3 ns */
	assert_int_equal(ssd->ops->cost_ns(ssd, STORE_WRITE, 900, 8), 20000 + 15259);

	uint64_t first = hdd->ops->cost_ns(hdd, STORE_READ, 1000, 8);
	uint64_t next = hdd->ops->cost_ns(hdd, STORE_READ, 1008, 8);   /* the head is there already */
	uint64_t near = hdd->ops->cost_ns(hdd, STORE_READ, 1100, 8);
	uint64_t far = hdd->ops->cost_ns(hdd, STORE_READ, 900000, 8);
	uint64_t back = hdd->ops->cost_ns(hdd, STORE_READ, 1100, 8);
	assert_true(next < 1000000 && first > 5000000);
	assert_true(next < near && near < far);
	assert_in_range(back, far - 1000, far + 1000);
	store_close(ssd);
	store_close(hdd);
}

static void test_specs(void **state)
{
	(void)state;
	open_refused("floppy", PW_INVALID, "tier:FAST=SIZE,SLOW");
	open_refused("", PW_INVALID, "not a kind");
	open_refused("ssdx", PW_INVALID, "not a kind");
	open_refused("ssd:reed_ns=1", PW_INVALID, "read_ns");
	open_refused("ssd:read_ns=fast", PW_INVALID, "fast");
	open_refused("hdd:rpm=0", PW_INVALID, "rpm");
	open_refused("ssd=1G", PW_INVALID, "takes no size");
	open_refused("lz4=1Q", PW_INVALID, "1Q");
	open_refused("lz4=0", PW_INVALID, "capacity");
	open_refused("lz4=4K", PW_INVALID, "less than one slab");
	open_refused("lz4:levle=1", PW_INVALID, "level");
	open_refused("zstd:level=99", PW_INVALID, "level");
	open_refused("tier:", PW_INVALID, "tier:FAST=SIZE,SLOW");
	open_refused("tier:lz4,ram", PW_INVALID, "needs a size");
	open_refused("tier:lz4=1M,floppy", PW_INVALID, "floppy");
	open_refused("tier:lz4=1M,ssd", PW_INVALID, "model");
	open_refused("crypt:", PW_INVALID, "crypt:file:PATH");
	open_refused("fault:", PW_INVALID, "missing");
	open_refused("fault:flip=x,ram", PW_INVALID, "fault: flip");
	open_refused("fault:flop=3,ram", PW_INVALID, "flop=3");
	open_refused("file:", PW_INVALID, "path");
	open_refused("file:/nonexistent/folder/swap", PW_IO, "/nonexistent/folder/swap");
	for (unsigned i = 0; store_at(i); i++)
		assert_true(*store_at(i)->name && *store_at(i)->summary);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* A file that holds something is never overwritten; one that was made leaves no name behind. */
static void test_files_are_safe(void **state)
{
	char path[300], text[20] = "";
	(void)state;
	snprintf(path, sizeof path, "%s/precious", folder);
	write_file(path, "precious");
	struct store *s = NULL;
	struct pw_why why = { "" };
	assert_int_equal(store_open(file_spec("precious"), PAGE, 10, &s, &why), PW_EXISTS);
	assert_non_null(strstr(why.text, "not empty"));
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof text, f));
	fclose(f);
	assert_string_equal(text, "precious");
	write_file(path, "");
	s = open_ok(file_spec("precious"), 10);
	store_close(s);
	assert_int_equal(access(path, F_OK), 0); /* what was there stays */
	assert_int_equal(unlink(path), 0);
	s = open_ok(file_spec("swap"), 10);
	snprintf(path, sizeof path, "%s/swap", folder);
	assert_int_equal(access(path, F_OK), -1);
	store_close(s);
	assert_int_not_equal(store_open(file_spec("."), PAGE, 10, &s, &why), PW_OK); /* a folder */
}

static void page_random(void *page, uint64_t seed)
{
	for (uint64_t i = 0; i < PAGE / 8; i++) {
		uint64_t word = splitmix64(&seed);
		memcpy((uint8_t *)page + i * 8, &word, 8);
	}
}

/* Whoever opens the same name, none writes over the other's slots: the file is there already, or it is not. */
static void test_files_have_one_user(void **state)
{
	char path[300];
	(void)state;
	for (unsigned there = 0; there < 2; there++) {
		struct pw_why why = { "" };
		snprintf(path, sizeof path, "%s/shared", folder);
		if (there)
			write_file(path, "");
		struct store *s[2] = { open_ok(file_spec("shared"), 10), open_ok(file_spec("shared"), 10) };
		for (unsigned i = 0; i < 2; i++) {
			void *at[] = { pages[0] };
			page_random(pages[0], i);
			assert_int_equal(store_write(s[i], 0, 1, (const void *const *)at, &why), PW_OK);
			assert_int_equal(store_flush(s[i], &why), PW_OK);
		}
		for (unsigned i = 0; i < 2; i++) {
			void *at[] = { pages[0] };
			assert_int_equal(store_read(s[i], 0, 1, at, &why), PW_OK);
			page_random(pages[1], i);
			assert_memory_equal(pages[0], pages[1], PAGE);
			store_close(s[i]);
		}
		assert_int_equal(unlink(path), there ? 0 : -1);
	}
}

/* Writes pages that do not compress until the store is full.  => how many it took */
static uint64_t fill_up(struct store *s, uint64_t most, struct pw_why *why)
{
	void *at[] = { pages[0] };
	for (uint64_t i = 0; i < most; i++) {
		page_random(pages[0], i);
		enum pw_err err = store_write(s, i, 1, (const void *const *)at, why);
		if (!err)
			continue;
		assert_int_equal(err, PW_NOSPACE);
		return i;
	}
	return most;
}

static void assert_holds(struct store *s, uint64_t n)
{
	void *at[] = { pages[1] };
	for (uint64_t i = 0; i < n; i++) {
		page_random(pages[0], i);
		assert_int_equal(store_read(s, i, 1, at, NULL), PW_OK);
		assert_memory_equal(pages[0], pages[1], PAGE);
	}
}

/* The file system has no more room: said before anything is lost, and what went before can be read; room that comes is used. */
static void test_full_disk(void **state)
{
	struct rlimit was, small = { .rlim_cur = 4 << 20 };
	struct pw_why why = { "" };
	(void)state;
	struct store *s = open_ok(file_spec("swap"), 1 << 20);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	uint64_t n = fill_up(s, 4096, &why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, handler);
	assert_in_range(n, 256, 1024);
	assert_non_null(strstr(why.text, strerror(EFBIG)));
	assert_non_null(strstr(why.text, "slot"));
	assert_holds(s, n);
	void *at[] = { pages[0] };
	assert_int_equal(store_read(s, n, 1, at, &why), PW_IO); /* the page that was refused: an error, not old bytes */
	assert_int_equal(fill_up(s, 2048, NULL), 2048);
	assert_holds(s, 2048);
	store_close(s);
}

/* What a kind may hold is bounded, and it stays usable at the bound. */
static void test_bytes_capacity(void **state)
{
	static const char *const forms[] = { "ram=1M", "lz4=1M", "zstd=1M", "file=4M:%s" };
	(void)state;
	for (int i = 0; i < 4; i++) {
		char spec[400], path[300];
		struct store_stats sum;
		struct pw_why why = { "" };
		snprintf(path, sizeof path, "%s/swap", folder);
		snprintf(spec, sizeof spec, forms[i], path);
		struct store *s = open_ok(spec, 1 << 20);
		uint64_t n = fill_up(s, 4096, &why), expected = i < 3 ? 256 : 640;
		assert_in_range(n, expected, 1024);
		assert_true(strlen(why.text) > 10);
		store_stats(s, &sum);
		assert_in_range(i < 3 ? sum.memory_bytes : sum.file_bytes, 1, i < 3 ? 1 << 20 : 4 << 20);
		assert_holds(s, n);
		store_discard(s, 0, 1 << 12);
		assert_int_equal(fill_up(s, n, &why), n);
		assert_holds(s, n);
		store_close(s);
	}
}

static void test_filled_and_borrowed(void **state)
{
	struct store *s = open_ok("ram", 100);
	const void *at[] = { pages[0], pages[1], pages[2] };
	struct store_stats sum;
	void *back[] = { pages[3] };
	(void)state;
	memset(pages[0], 0, PAGE);
	memset(pages[1], 0x5a, PAGE);
	page_random(pages[2], 1);
	assert_int_equal(store_write(s, 10, 3, at, NULL), PW_OK);
	store_stats(s, &sum);
	assert_int_equal(sum.filled, 2);
	assert_int_equal(sum.stored, 1);
	assert_int_equal(sum.memory_bytes, PAGE);
	assert_memory_equal(store_borrow(s, 10), pages[0], PAGE);
	assert_null(store_borrow(s, 11)); /* lies nowhere as a page */
	assert_memory_equal(store_borrow(s, 12), pages[2], PAGE);
	assert_memory_equal(store_borrow(s, 50), pages[0], PAGE);
	assert_null(store_borrow(s, 100));
	assert_int_equal(store_read(s, 11, 1, back, NULL), PW_OK);
	assert_memory_equal(pages[3], pages[1], PAGE);
	((uint8_t *)(uintptr_t)store_borrow(s, 12))[77] ^= 4; /* memory itself goes wrong */
	struct pw_why why = { "" };
	assert_null(store_borrow(s, 12));
	assert_int_equal(store_read(s, 12, 1, back, &why), PW_CORRUPT);
	assert_non_null(strstr(why.text, "slot 12"));
	assert_non_null(strstr(why.text, "ram"));
	store_close(s);
}

static int same_file(const char *link, const struct stat *as)
{
	struct stat st;
	return !stat(link, &st) && st.st_dev == as->st_dev && st.st_ino == as->st_ino;
}

/* A descriptor of our own of the store's file, found among those of this process. */
static int reopen(const char *path)
{
	char link[64];
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	for (int fd = 3; fd < 256; fd++) {
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		if (same_file(link, &st))
			return open(link, O_RDWR);
	}
	return -1;
}

/* Somebody writes into the file: noticed, with the slot's name, encrypted or not; cut short: likewise. */
static void test_damaged_file(void **state)
{
	static const char *const forms[] = { "file:%s", "crypt:file:%s", "tier:ram=64K,file:%s" };
	(void)state;
	for (int i = 0; i < 6; i++) {
		char spec[400], path[300];
		struct pw_why why = { "" };
		void *at[] = { pages[0] };
		snprintf(path, sizeof path, "%s/damaged", folder);
		snprintf(spec, sizeof spec, forms[i % 3], path);
		write_file(path, "");
		struct store *s = open_ok(spec, 1000);
		for (uint64_t k = 0; k < 300; k++) {
			page_random(pages[0], k);
			assert_int_equal(store_write(s, k, 1, (const void *const *)at, NULL), PW_OK);
		}
		assert_int_equal(store_flush(s, NULL), PW_OK);
		int fd = reopen(path);
		assert_true(fd >= 0);
		uint8_t byte;
		assert_int_equal(pread(fd, &byte, 1, 5 * PAGE + 100), 1);
		byte ^= 0x10;
		if (i < 3)
			assert_int_equal(pwrite(fd, &byte, 1, 5 * PAGE + 100), 1);
		else
			assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(fsync(fd), 0);
		close(fd);
		uint64_t wrong = 0;
		for (uint64_t k = 0; k < 300; k++) {
			enum pw_err err = store_read(s, k, 1, at, &why);
			assert_true(err == PW_OK || err == PW_CORRUPT);
			page_random(pages[1], k);
			if (!err)
				assert_memory_equal(pages[0], pages[1], PAGE);
			wrong += err == PW_CORRUPT;
		}
		if (i < 3 ? wrong != 1 : wrong < 200)
			fail_msg("%s: %d slots are wrong", forms[i % 3], (int)wrong);
		assert_non_null(strstr(why.text, "slot"));
		store_close(s);
		unlink(path);
	}
}

/* What lies on the disk under crypt: is not what was written. */
static void test_encrypted(void **state)
{
	char spec[400], path[300];
	static uint8_t disk[512 * PAGE];
	void *at[] = { pages[0] };
	(void)state;
	snprintf(path, sizeof path, "%s/secret", folder);
	for (int i = 0; i < 2; i++) {
		snprintf(spec, sizeof spec, i ? "crypt:file:%s" : "file:%s", path);
		write_file(path, "");
		struct store *s = open_ok(spec, 1000);
		for (uint64_t k = 0; k < 200; k++) {
			memset(pages[0], 0, PAGE);
			snprintf((char *)pages[0], PAGE, "the password is swordfish %d", (int)k);
			assert_int_equal(store_write(s, k, 1, (const void *const *)at, NULL), PW_OK);
		}
		assert_int_equal(store_flush(s, NULL), PW_OK);
		int fd = reopen(path);
		assert_true(fd >= 0);
		assert_true(pread(fd, disk, sizeof disk, 0) > 200 * PAGE);
		close(fd);
		assert_int_equal(memmem(disk, sizeof disk, "swordfish", 9) == NULL, i);
		store_close(s);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_capacity),
		cmocka_unit_test(test_filled_and_borrowed),
		cmocka_unit_test(test_capacity_and_injection),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_files_are_safe),
		cmocka_unit_test(test_files_have_one_user),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_damaged_file),
		cmocka_unit_test(test_encrypted),
	};
	return cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
}
