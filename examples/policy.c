/* policy.c - a replacement policy of one's own, beside one of the library's.
 *
 * The policy is "most recently used": it gives up what was used last.  That is a bad idea, but for a program that goes round and round
 * through a little more than fits, where lru is as wrong as can be.
 *
 *     cc policy.c $(pkg-config --cflags --libs pageworks) && ./a.out */
#include <pageworks.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the policy: a stack of slots, the one used last on top ---- */

struct mru {
	uint32_t n;
	uint32_t slot[];
};

static void *mru_create(void *ctx, uint32_t n_slots)
{
	struct mru *m = malloc(sizeof *m + n_slots * sizeof *m->slot);
	(void)ctx;
	if (m)
		m->n = 0;
	return m;
}

static void mru_leave(void *self, uint32_t slot)
{
	struct mru *m = self;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->slot[i] != slot)
			m->slot[kept++] = m->slot[i];
	m->n = kept;
}

static void mru_enter(void *self, uint32_t slot, uint64_t key)
{
	struct mru *m = self;
	(void)key;
	m->slot[m->n++] = slot;
}

static void mru_touch(void *self, uint32_t slot)
{
	mru_leave(self, slot);
	mru_enter(self, slot, 0);
}

static uint32_t mru_victim(void *self)
{
	struct mru *m = self;
	return m->slot[--m->n];
}

static const struct pw_policy mru = {
	.name = "my-mru", .create = mru_create, .destroy = free, .enter = mru_enter, .leave = mru_leave, .touch = mru_touch,
	        .victim = mru_victim,
};

/* ---- the program it is tried on ---- */

enum { FRAMES = 16, PAGES = 20, ROUNDS = 50 };

/* Goes round through PAGES pages in FRAMES frames.  => page faults */
static double rounds(const char *policy, const struct pw_parts *parts)
{
	const char *const options[] = { "frames=16", policy, NULL };
	struct pw_computer *c;
	struct pw_process *p;
	char *why;
	double faults;
	if (pw_computer_create(options, parts, &c, &why) != PW_SUCCESS) {
		fprintf(stderr, "%s\n", why);
		exit(1);
	}
	enum pw_status status = pw_process_create(c, "rounds", &p);
	if (status == PW_SUCCESS)
		status = pw_map(p, 0x10000, PAGES * 4096, PW_READ | PW_WRITE, NULL, NULL);
	for (uint64_t i = 0; status == PW_SUCCESS && i < PAGES * ROUNDS; i++) {
		uint64_t address = 0x10000 + i % PAGES * 4096, value, expected = i < PAGES ? 0 : i - PAGES;
		status = pw_read(p, address, &value, sizeof value);
		if (status == PW_SUCCESS && value != expected) {
			fprintf(stderr, "page %llu holds %llu\n", (unsigned long long)(i % PAGES), (unsigned long long)value);
			exit(1);
		}
		if (status == PW_SUCCESS)
			status = pw_write(p, address, &i, sizeof i);
	}
	if (status == PW_SUCCESS)
		status = pw_figure(c, "faults.total", &faults);
	if (status != PW_SUCCESS || pw_computer_flaw(c)) {
		fprintf(stderr, "%s\n", status != PW_SUCCESS ? pw_status_text(status) : pw_computer_flaw(c));
		exit(1);
	}
	pw_computer_destroy(c);
	return faults;
}

int main(void)
{
	const struct pw_parts mine = { .policy = &mru };
	double lru_faults = rounds("policy=lru", NULL), mru_faults = rounds(NULL, &mine);
	printf("%d rounds through %d pages in %d frames: lru %.0f faults, my own policy %.0f\n", ROUNDS, PAGES, FRAMES, lru_faults,
	       mru_faults);
	return mru_faults < lru_faults ? 0 : 1;
}
