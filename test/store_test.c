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

static uint8_t model[SLOTS][PAGE], pages[SLOTS][PAGE];

/* A transfer of several slots whose pages lie in no order. */
static void transfer(struct store *s, struct rng *r, bool write)
{
	uint32_t n = 1 + (uint32_t)rng_below(r, rng_below(r, 20) ? 8 : 150);
	uint64_t slot = rng_below(r, SLOTS - n + 1);
	void *at[SLOTS];
	for (uint32_t i = 0; i < n; i++)
		at[i] = pages[(i * 7 + 3) % SLOTS];
	if (write) {
		for (uint32_t i = 0; i < n; i++) {
			memset(at[i], (int)rng_below(r, 256), PAGE);
			memcpy(at[i], &slot, sizeof slot);
			memcpy(model[slot + i], at[i], PAGE);
		}
		assert_int_equal(store_write(s, slot, n, (const void *const *)at, NULL), PW_OK);
		return;
	}
	assert_int_equal(store_read(s, slot, n, at, NULL), PW_OK);
	for (uint32_t i = 0; i < n; i++)
		assert_memory_equal(at[i], model[slot + i], PAGE);
}

static void keeps_bytes(const char *spec)
{
	struct store *s = open_ok(spec, SLOTS);
	struct rng r;
	rng_init(&r, 42);
	memset(model, 0, sizeof model); /* what was never written reads as zeros */
	assert_true(s->keeps_data);
	for (int i = 0; i < 2000; i++)
		transfer(s, &r, rng_below(&r, 2));
	s->ops->discard(s, 0, SLOTS);
	memset(model, 0, sizeof model);
	if (!strncmp(spec, "ram", 3))
		transfer(s, &r, false);
	store_close(s);
}

static void test_bytes(void **state)
{
	(void)state;
	keeps_bytes("ram");
	keeps_bytes(file_spec("swap"));
}

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
	open_refused("floppy", PW_INVALID, "ram, file:PATH, ssd, hdd");
	open_refused("", PW_INVALID, "not a kind");
	open_refused("ssdx", PW_INVALID, "not a kind");
	open_refused("ssd:reed_ns=1", PW_INVALID, "read_ns");
	open_refused("ssd:read_ns=fast", PW_INVALID, "fast");
	open_refused("hdd:rpm=0", PW_INVALID, "rpm");
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

/* The disk refuses: an error with the system's words, and the store goes on. */
static void test_write_errors(void **state)
{
	struct rlimit was, small = { .rlim_cur = 8 * PAGE };
	void *at[] = { pages[0] };
	struct pw_why why = { "" };
	(void)state;
	struct store *s = open_ok(file_spec("swap"), 100);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum pw_err inside = store_write(s, 7, 1, (const void *const *)at, NULL);
	enum pw_err beyond = store_write(s, 8, 1, (const void *const *)at, &why);
	enum pw_err reads = store_read(s, 8, 1, at, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, handler);
	assert_int_equal(inside, PW_OK);
	assert_int_equal(beyond, PW_IO);
	assert_non_null(strstr(why.text, strerror(EFBIG)));
	assert_int_equal(reads, PW_OK);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_capacity_and_injection),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_models),
		cmocka_unit_test(test_specs),
		cmocka_unit_test(test_files_are_safe),
		cmocka_unit_test(test_write_errors),
	};
	return cmocka_run_group_tests_name("store", tests, make_folder, remove_folder);
}
