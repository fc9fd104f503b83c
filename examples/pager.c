/* pager.c - a file that does not exist, and swap that goes where you like.
 *
 * A terabyte of squares is mapped: whoever reads the n-th number finds n * n there, and a page of them is made when it is first touched.
 * A second mapping is private: stores to it are the process's own, and what is stored goes, when memory is short, to a swap store of
 * ours, which keeps pages upside down to show that nobody but us reads them.
 *
 *     cc pager.c $(pkg-config --cflags --libs pageworks) && ./a.out */
#include <pageworks.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t pages_made;

static int squares_read(void *ctx, uint64_t offset, void *bytes, size_t n)
{
	uint64_t *at = bytes;
	(void)ctx;
	for (size_t i = 0; i < n / sizeof *at; i++) {
		uint64_t number = offset / sizeof *at + i;
		at[i] = number * number;
	}
	pages_made++;
	return 0;
}

enum { SLOTS = 256, PAGE = 4096 };
static unsigned char slots[SLOTS][PAGE];

static void upside_down(unsigned char *to, const unsigned char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[n - 1 - i];
}

static int swap_read(void *ctx, uint64_t slot, void *page, size_t bytes)
{
	(void)ctx;
	if (slot >= SLOTS || bytes != PAGE)
		return EIO;
	upside_down(page, slots[slot], bytes);
	return 0;
}

static int swap_write(void *ctx, uint64_t slot, const void *page, size_t bytes)
{
	(void)ctx;
	if (slot >= SLOTS || bytes != PAGE)
		return ENOSPC;
	upside_down(slots[slot], page, bytes);
	return 0;
}

static void check(enum pw_status status, const char *what)
{
	if (status != PW_SUCCESS) {
		fprintf(stderr, "%s: %s\n", what, pw_status_text(status));
		exit(1);
	}
}

/* Each page that leaves is told of. */
static void watch(void *ctx, const struct pw_event *e)
{
	uint64_t *left = ctx;
	*left += e->kind == PW_EVENT_EVICTION;
}

#define TERABYTE (1ull << 40)

int main(void)
{
	static const struct pw_pager squares = { .read = squares_read };
	static const struct pw_store upside = { .read = swap_read, .write = swap_write, .n_slots = SLOTS };
	const char *const options[] = { "frames=8", "policy=clock", NULL };
	uint64_t left = 0, file, at, value;
	const struct pw_parts parts = { .swap = &upside, .watch = watch, .watch_ctx = &left };
	struct pw_computer *c;
	struct pw_process *p;
	char *why;
	if (pw_computer_create(options, &parts, &c, &why) != PW_SUCCESS) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	check(pw_process_create(c, "reader", &p), "process");
	check(pw_file_paged(c, &squares, TERABYTE, &file), "file");
	const struct pw_mapping shared = { .shared = true, .file = file, .name = "squares" }, mine = { .file = file, .name = "mine" };
	check(pw_map(p, PW_ANYWHERE, TERABYTE, PW_READ, &shared, &at), "map");
	for (uint64_t n = 1; n < TERABYTE / 8; n = n * 3 + 1) {
		check(pw_read(p, at + n * 8, &value, sizeof value), "read");
		if (value != n * n)
			return fprintf(stderr, "the square of %llu is not %llu\n", (unsigned long long)n, (unsigned long long)value), 1;
	}
	printf("squares up to %llu were read; %llu pages of them were made\n", TERABYTE / 8, (unsigned long long)pages_made);

	check(pw_map(p, PW_ANYWHERE, 64 * PAGE, PW_READ | PW_WRITE, &mine, &at), "map");
	for (uint64_t i = 0; i < 64; i++)
		check(pw_write(p, at + i * PAGE, &i, sizeof i), "write");
	for (uint64_t i = 0; i < 64; i++) {
		check(pw_read(p, at + i * PAGE, &value, sizeof value), "read");
		if (value != i)
			return fprintf(stderr, "page %llu holds %llu\n", (unsigned long long)i, (unsigned long long)value), 1;
	}
	double writes;
	check(pw_figure(c, "swap.writes", &writes), "figure");
	printf("64 pages of my own in 8 frames: all as they were, %.0f went to my swap, %llu pages left memory\n", writes,
	       (unsigned long long)left);
	pw_computer_destroy(c);
	return writes > 0 ? 0 : 1;
}
