/* kernel_random_test.c - random calls and accesses against a model that knows nothing of paging.
 *
 * Programs map, unmap, protect, fork, write, read, switch CPUs, are evicted and swapped, exec and exit, in any order.  The model
 * (space_model.c) says which bytes they read and what they are refused; kernel_flaw must find nothing.  The kernel stands on the
 * array or on the simulated machine with its TLBs; machines are tiny, so that nearly every step evicts something, or large.  Failures
 * are injected at random on long walks, and at the k-th allocation, frame, read and write for every k on short ones: a call that fails
 * has changed nothing.  Planted bugs show that this test sees.
 *
 *     SEED=n             one walk alone, every step checked
 *     STEPS=30000000     that many steps in all, instead of a few seconds
 */
#include "../src/base/inject.h"
#include "kernel_walk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static const char *some_policy(struct rng *g)
{
	unsigned n = 0;
	while (policy_at(n))
		n++;
	const struct policy_ops *p;
	do {
		p = policy_at((unsigned)rng_below(g, n));
	} while (p->wants_future);
	return p->name;
}

static struct world_want some_machine(uint64_t seed)
{
	struct rng g;
	rng_init(&g, seed ^ 0x5eed);
	struct world_want want = {
		.machine = rng_below(&g, 3), .huge = (enum huge_when)rng_below(&g, HUGE_KINDS),
		.fragment = rng_below(&g, 2) ? (unsigned)rng_below(&g, 101) : 0, .asid_bits = 2 * (unsigned)rng_below(&g, 3),
		.policy = some_policy(&g), .swap = rng_below(&g, 8) ? "ram" : NULL,
		.swap_slots = rng_below(&g, 3) ? 0 : 1 + rng_below(&g, 60),
		.personality = rng_below(&g, 2) ? PERSONALITY_linux : PERSONALITY_textbook,
		.cold_files = rng_below(&g, 2), .hides_recency = rng_below(&g, 4) == 0, .seed = seed,
	};
	want.n_frames = rng_below(&g, 6) ? 24 + rng_below(&g, 100) : 20000;
	if (rng_below(&g, 2)) {
		want.page_frames = rng_below(&g, 6) ? 3 + rng_below(&g, 50) : 5000;
		want.n_frames = want.page_frames + 400;
	}
	if (rng_below(&g, 4) == 0) {
		want.replacement = REPLACEMENT_local;
		want.allocation = (enum allocation)rng_below(&g, ALLOCATION_KINDS);
		want.huge = HUGE_never;
		want.fragment = 0;
	}
	return want;
}

static void test_random_walks(void **state)
{
	static struct walk w;
	const char *one = getenv("SEED"), *steps = getenv("STEPS");
	uint64_t length = steps ? 20000 : 1500, total = steps ? strtoull(steps, NULL, 0) : 80 * length;
	uint64_t first = one ? strtoull(one, NULL, 0) : 1, kills = 0, errors = 0, evicted = 0, done = 0, given = 0, promoted = 0, moved = 0;
	(void)state;
	for (uint64_t seed = first; done < (one ? length : total); seed++, done += length) {
		struct world_want want = some_machine(seed);
		walk_open(&w, seed, &want);
		w.check_every = one ? 1 : steps ? 64 : 8;
		w.injects = seed % 2;
		walk_go(&w, length);
		struct kernel_counts c;
		kernel_counts(w.world.kernel, &c);
		promoted += c.huge.promoted;
		given += c.huge.faults;
		moved += c.huge.moved_pages;
		kills += w.n_kills;
		errors += w.n_errors;
		evicted += c.evicted;
		walk_close(&w);
	}
	print_message("%lu steps from seed %lu on: %lu pages evicted, %lu processes killed, %lu calls refused for want of memory, %lu huge "
	              "pages given, %lu promoted, %lu pages moved\n", (unsigned long)done, (unsigned long)first,
	              (unsigned long)evicted, (unsigned long)kills, (unsigned long)errors, (unsigned long)given,
	              (unsigned long)promoted, (unsigned long)moved);
}

/* The k-th failure of each kind, once and from then on, until the walk no longer gets that far. */
static void sweep_one(enum inject_site site, enum inject_mode mode, uint64_t seed, const struct world_want *want)
{
	static struct walk w;
	uint64_t reached = 1, k = 1;
	for (; reached >= k; k += k < 100 ? 1 : k / 8) {
		walk_open(&w, seed, want);
		w.failing = true;
		w.check_every = 5;
		inject_arm(site, k, mode);
		walk_go(&w, 250);
		reached = inject_count(site);
		walk_close(&w);
	}
	print_message("site %d, %s: swept to %lu\n", site, mode == INJECT_ONCE ? "once" : "from then on", (unsigned long)k);
}

static void sweep(enum inject_site site, enum inject_mode mode)
{
	for (int i = 0; i < 2 * PERSONALITY_KINDS; i++) {
		enum personality personality = (enum personality)(i / 2);
		bool linux_like = personality == PERSONALITY_linux;
		const struct world_want want = {
			.machine = i % 2, .huge = HUGE_always, .asid_bits = 2, .policy = linux_like ? "clock" : "lru", .swap = "ram",
			.personality = personality, .cold_files = true, .n_frames = linux_like ? 100 : 40,
			.page_frames = linux_like ? 14 : 0, .seed = 7,
		};
		sweep_one(site, mode, 100 + (uint64_t)site, &want);
	}
}

static void test_sweep_once(void **state)
{
	(void)state;
	sweep(INJECT_ALLOC, INJECT_ONCE);
	sweep(INJECT_FRAME, INJECT_ONCE);
	sweep(INJECT_STORE_READ, INJECT_ONCE);
	sweep(INJECT_STORE_WRITE, INJECT_ONCE);
}

static void test_sweep_for_good(void **state)
{
	(void)state;
	sweep(INJECT_STORE_READ, INJECT_FROM_THEN_ON);
	sweep(INJECT_STORE_WRITE, INJECT_FROM_THEN_ON);
}

/* Bugs planted into the parts below the kernel, each of a kind that kernels have had. */
static const struct pmap_ops *sound;
static const struct store_ops *sound_store;
static unsigned planted_calls;

static void bad_protect(struct pmap *p, struct vpn_range r, unsigned prot)
{
	if (planted_calls++ % 4)
		sound->protect(p, r, prot);
}
static void bad_page_protect(struct pmap_sys *s, pfn_t f, unsigned prot)
{
	if (planted_calls++ % 16)
		sound->page_protect(s, f, prot);
}
static unsigned bad_test_clear(struct pmap_sys *s, pfn_t f, unsigned mask)
{
	unsigned bits = sound->page_test_clear(s, f, mask);
	return planted_calls++ % 16 ? bits : bits & ~(unsigned)PMAP_MODIFIED;
}
static enum pw_err bad_enter(struct pmap *p, const struct pmap_mapping *m)
{
	struct pmap_mapping more = *m;
	more.prot |= planted_calls++ % 64 ? 0 : PMAP_WRITE;
	return sound->enter(p, &more);
}
static enum pw_err bad_read(struct store *s, uint32_t n, const uint64_t slot[], void *const pages[], struct pw_why *why)
{
	enum pw_err err = sound_store->read(s, n, slot, pages, why);
	if (!err && planted_calls++ % 16 == 0)
		((uint64_t *)pages[0])[1]++;
	return err;
}
static enum pw_err bad_write(struct store *s, uint32_t n, const uint64_t slot[], const void *const pages[], struct pw_why *why)
{
	return planted_calls++ % 16 ? sound_store->write(s, n, slot, pages, why) : PW_OK;
}

#define BUG_LIST(X) \
	X(protect, "protect does not always take rights away", ops.protect = bad_protect) \
	X(page_protect, "a frame's mappings do not always go with it", ops.page_protect = bad_page_protect) \
	X(modified, "the modified bit is sometimes lost", ops.page_test_clear = bad_test_clear) \
	X(rights, "a translation sometimes allows writing", ops.enter = bad_enter) \
	X(swap_read, "swap sometimes gives a wrong word", store.read = bad_read) \
	X(swap_write, "swap sometimes forgets to write", store.write = bad_write)
enum bug {
#define X(name, text, plant) BUG_##name,
	BUG_LIST(X)
#undef X
	BUGS
};

static void plant(struct world *w, enum bug bug)
{
	static struct pmap_ops ops;
	static struct store_ops store;
	sound = w->pmap->ops;
	sound_store = w->swap->ops;
	ops = *sound;
	store = *sound_store;
#define X(name, text, plant) \
	if (bug == BUG_##name) \
		plant;
	BUG_LIST(X)
#undef X
	w->pmap->ops = &ops;
	w->swap->ops = &store;
}

/* A walk over a machine with the bug, in a process of its own: what it breaks stays there.  => found */
static bool bug_is_found_by(uint64_t seed, enum bug bug, bool machine)
{
	static struct walk w;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		const struct world_want want = { .machine = machine, .asid_bits = 4, .policy = "clock", .swap = "ram", .n_frames = 120,
			                         .page_frames = 40, .seed = seed };
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		walk_open(&w, seed, &want);
		w.in_child = true;
		w.check_every = 1u << 30; /* by what programs see, not by the kernel's own word */
		if (bug < BUGS)
			plant(&w.world, bug);
		for (w.step = 0; w.step < 12000; w.step++)
			walk_step(&w);
		_exit(0);
	}
	int status = 0;
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status != 0;
}

/* By one of a few walks. */
static bool bug_is_found(enum bug bug, bool machine)
{
	bool found = false;
	for (uint64_t seed = 1; seed <= 4 && !found; seed++)
		found = bug_is_found_by(seed, bug, machine);
	return found;
}

static void test_planted_bugs_are_found(void **state)
{
	static const char *const texts[] = {
#define X(name, text, plant) text,
		BUG_LIST(X)
#undef X
	};
	(void)state;
	for (int machine = 0; machine < 2; machine++) {
		if (bug_is_found(BUGS, machine))
			fail_msg("without a bug one is found");
		for (int bug = 0; bug < BUGS; bug++)
			if (!bug_is_found((enum bug)bug, machine))
				fail_msg("over the %s nobody sees that %s", machine ? "machine" : "array", texts[bug]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_walks),
		cmocka_unit_test(test_sweep_once),
		cmocka_unit_test(test_sweep_for_good),
		cmocka_unit_test(test_planted_bugs_are_found),
	};
	return cmocka_run_group_tests_name("kernel_random", tests, NULL, NULL);
}
