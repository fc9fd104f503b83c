/* balloon_test.c - guests that share a host: balloons in their kernels, and the host's policy that fills them.
 *
 * The laws: what programs wrote they read, whatever the balloons do; the host has nothing of what lies in a balloon; frames are
 * conserved on both sides.  And the purpose: who needs memory gets it, and a host whose guests give up memory themselves need not page. */
#include "../src/base/inject.h"
#include "../src/base/rng.h"
#include "../src/sim/guests.h"
#include "../src/sim/words.h"
#include "rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SEED 20261121u

enum { PAGE = 4096, BASE = 0x100000 };

struct words {
	const char *name, *value;
};

static struct guests *guests_of(unsigned n, const struct words *word)
{
	struct machine_words w = { NULL };
	struct run_options o;
	struct guests *g;
	struct pw_why why = { "" };
	w.nested = "ept";
	w.cpu = "textbook";
	w.swap = "ram";
	for (; word->name; word++)
		assert_int_equal(machine_words_set(&w, word->name, word->value, &why), PW_OK);
	assert_int_equal(machine_words_resolve(&w, &o, &why), PW_OK);
	if (guests_create(&o, 0, n, &g, &why) != PW_OK)
		fail_msg("%s", why.text);
	return g;
}

static void sound(struct guests *g)
{
	const char *flaw = guests_flaw(g);
	if (flaw)
		fail_msg("seed %u: %s", SEED, flaw);
}

/* A process with so many pages. */
static struct process *process_in(struct guests *g, unsigned guest, uint32_t pid, uint64_t pages)
{
	struct process *p;
	vaddr_t at;
	const struct process_mapping m = { .start = vaddr(BASE), .bytes = pages * PAGE, .prot = PMAP_READ | PMAP_WRITE, .fixed = true,
		                           .anonymous = true };
	assert_int_equal(process_create(computer_kernel(guests_computer(g, guest)), pid, "", &p), PW_OK);
	assert_int_equal(process_map(p, &m, &at), PW_OK);
	return p;
}

static void word_write(struct guests *g, unsigned guest, struct process *p, uint64_t page, uint64_t value)
{
	struct computer_access a;
	computer_access(guests_computer(g, guest), p, 0, vaddr(BASE + page * PAGE), ACCESS_STORE, &value, 8, &a);
	assert_true(a.done);
}

static uint64_t word_read(struct guests *g, unsigned guest, struct process *p, uint64_t page)
{
	struct computer_access a;
	uint64_t value = 0;
	computer_access(guests_computer(g, guest), p, 0, vaddr(BASE + page * PAGE), ACCESS_LOAD, &value, 8, &a);
	assert_true(a.done);
	return value;
}

static struct balloons_state state_of(struct guests *g, unsigned guest)
{
	struct balloons_state s;
	balloons_look(guests_balloons(g), guest, &s);
	return s;
}

/* ---- one kernel ---- */

struct seen {
	uint8_t in[256];
	uint64_t n;
};

static void frame_seen(void *ctx, pfn_t f, bool taken)
{
	struct seen *s = ctx;
	assert_true(f.v < sizeof s->in && s->in[f.v] != taken);
	s->in[f.v] = taken;
	s->n += taken ? 1 : (uint64_t)-1;
}

static void frames_agree(struct rig *r, const struct seen *s)
{
	struct frame_info info;
	struct kernel_counts k = rig_counts(r);
	assert_int_equal(k.balloon_frames, s->n);
	for (uint64_t f = 0; kernel_frame_describe(r->kernel, pfn(f), &info); f++)
		assert_int_equal(info.role == FRAME_ROLE_BALLOON, s->in[f]);
	const char *flaw = kernel_flaw(r->kernel);
	if (flaw)
		fail_msg("seed %u: %s", SEED, flaw);
}

/* With all of memory for pages, with a limit, in both personalities. */
static void frames_go_in_and_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct rig r;
		struct rng random;
		struct seen s = { .n = 0 };
		struct process *p;
		unsigned faults;
		vaddr_t at;
		const struct rig_want want = { .swap = "ram", .n_frames = 128, .page_frames = i & 1 ? 96 : 0, .carries_data = true,
			                       .personality = i & 2 ? PERSONALITY_linux : PERSONALITY_textbook };
		const struct process_mapping m = { .start = vaddr(BASE), .bytes = 200 * PAGE, .prot = PMAP_READ | PMAP_WRITE,
			                           .fixed = true, .anonymous = true };
		rng_init(&random, SEED + i);
		assert_int_equal(rig_open(&r, &want), PW_OK);
		assert_int_equal(process_create(r.kernel, 1, "", &p), PW_OK);
		assert_int_equal(process_map(p, &m, &at), PW_OK);
		for (unsigned step = 0; step < 300; step++) {
			uint64_t n = rng_below(&random, 110);
			enum pw_err err = kernel_balloon(r.kernel, n, frame_seen, &s);
			assert_true(err == PW_OK ? s.n == n : err == PW_NOFRAMES && s.n < n);
			for (unsigned k = 0; k < 5; k++)
				assert_int_equal(rig_touch(&r, p, BASE / PAGE + rng_below(&random, 200), ACCESS_STORE, &faults),
				                 FAULT_OUTCOME_RESOLVED);
			frames_agree(&r, &s);
		}
		assert_int_equal(kernel_balloon(r.kernel, 127, frame_seen, &s), PW_NOFRAMES);
		uint64_t most = (i & 1 ? 96 : 128) - KERNEL_BALLOON_LEAVES;
		assert_in_range(s.n, most - 1, most); /* less the page of zeros */
		assert_int_equal(kernel_balloon(r.kernel, 0, frame_seen, &s), PW_OK);
		frames_agree(&r, &s);
		rig_close(&r);
	}
}

/* ---- guests ---- */

static void what_guests_wrote_stays(void **state)
{
	(void)state;
	enum { GUESTS = 3, PAGES = 150, STEPS = 6000 };
	static const struct words words[][8] = {
		{ { "ram", "512K" }, { "hostram", "1M" }, { NULL, NULL } },
		{ { "ram", "512K" }, { "hostram", "900K" }, { "personality", "linux" }, { "policy", "clock" }, { NULL, NULL } },
		{ { "ram", "5M" }, { "hostram", "6M" }, { "huge", "always" }, { "fragment", "40" }, { NULL, NULL } },
	};
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		struct guests *g = guests_of(GUESTS, words[i]);
		struct process *p[GUESTS];
		uint64_t model[GUESTS][PAGES] = { { 0 } }, unit = state_of(g, 0).share.frames;
		struct rng r;
		rng_init(&r, SEED + i);
		for (unsigned guest = 0; guest < GUESTS; guest++)
			p[guest] = process_in(g, guest, 1, PAGES);
		for (unsigned step = 0; step < STEPS; step++) {
			unsigned guest = (unsigned)rng_below(&r, GUESTS);
			uint64_t page = rng_below(&r, PAGES);
			struct pw_why why = { "" };
			enum pw_err err = PW_OK;
			if (step % 60 == 0)
				err = balloons_limit(guests_balloons(g), guest, unit - rng_below(&r, unit), &why);
			if (step % 97 == 0)
				balloons_balance(guests_balloons(g), 1 + rng_below(&r, 40));
			assert_true(err == PW_OK || (err == PW_NOFRAMES && *why.text));
			if (rng_below(&r, 2))
				word_write(g, guest, p[guest], page, model[guest][page] = step + 1);
			else
				assert_int_equal(word_read(g, guest, p[guest], page), model[guest][page]);
			if (step % 100 == 0)
				sound(g);
		}
		sound(g);
		guests_destroy(g);
	}
}

static void too_much_is_refused(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "256K" }, { "hostram", "1M" }, { NULL, NULL } };
	struct guests *g = guests_of(2, words);
	struct pw_why why = { "" };
	struct process *p = process_in(g, 1, 1, 20);
	word_write(g, 1, p, 0, 7);
	assert_int_equal(balloons_limit(guests_balloons(g), 0, 65, &why), PW_INVALID);
	assert_non_null(strstr(why.text, "guest 1"));
	assert_int_equal(balloons_limit(guests_balloons(g), 1, 0, &why), PW_NOFRAMES);
	assert_non_null(strstr(why.text, "guest 2"));
	assert_in_range(state_of(g, 1).limit, KERNEL_BALLOON_LEAVES, KERNEL_BALLOON_LEAVES + 6); /* and its tables */
	assert_int_equal(word_read(g, 1, p, 0), 7);
	sound(g);
	guests_destroy(g);
}

static void loop(struct guests *g, unsigned guest, struct process *p, uint64_t pages, unsigned times)
{
	while (times--)
		for (uint64_t page = 0; page < pages; page++)
			word_write(g, guest, p, page, page + 1);
}

/* Host faults of a guest that evicts by itself while its host does too, and of one whose balloon keeps the host out of it. */
static void a_balloon_ends_double_paging(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "1M" }, { "hostram", "800K" }, { NULL, NULL } };
	uint64_t host[2], own[2];
	for (unsigned balloon = 0; balloon < 2; balloon++) {
		struct guests *g = guests_of(1, words);
		struct process *p = process_in(g, 0, 1, 300);
		struct pw_why why;
		loop(g, 0, p, 300, 1);
		uint64_t capacity = hypervisor_capacity(computer_host(guests_computer(g, 0)));
		if (balloon)
			assert_int_equal(balloons_limit(guests_balloons(g), 0, capacity, &why), PW_OK);
		loop(g, 0, p, 300, 1);
		balloons_count(guests_balloons(g));
		loop(g, 0, p, 300, 3);
		struct balloons_state s = state_of(g, 0);
		host[balloon] = s.share.faults.total;
		own[balloon] = s.guest_major;
		sound(g);
		guests_destroy(g);
	}
	assert_int_equal(own[0], 900);
	assert_int_equal(own[1], 900);
	assert_in_range(host[0], 900, 950);
	assert_int_equal(host[1], 0);
}

/* Limits are made to fit at the first call, whoever is first; then the one who needs memory gets it; then nothing moves any more. */
static void memory_goes_where_it_is_needed(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "1M" }, { "hostram", "1500K" }, { NULL, NULL } };
	for (unsigned busy = 0; busy < 2; busy++) {
		struct guests *g = guests_of(2, words);
		struct process *p[2] = { process_in(g, 0, 1, 250), process_in(g, 1, 1, 250) };
		loop(g, 0, p[0], 240, 1);
		loop(g, 1, p[1], 240, 1);
		struct balloons_move m = balloons_balance(guests_balloons(g), 16);
		assert_true(m.frames > 0 && m.to < 0);
		uint64_t capacity = hypervisor_capacity(computer_host(guests_computer(g, 0)));
		assert_int_equal(state_of(g, 0).limit + state_of(g, 1).limit, capacity);
		for (unsigned i = 0; i < 20; i++) {
			loop(g, busy, p[busy], 230, 2);
			loop(g, !busy, p[!busy], 60, 2);
			m = balloons_balance(guests_balloons(g), 16);
			assert_true(i < 15 || !m.frames);
		}
		balloons_count(guests_balloons(g));
		loop(g, busy, p[busy], 230, 2);
		loop(g, !busy, p[!busy], 60, 2);
		for (unsigned i = 0; i < 2; i++) {
			assert_int_equal(state_of(g, i).guest_major, 0);
			assert_int_equal(state_of(g, i).share.faults.major, 0);
		}
		assert_int_equal(balloons_balance(guests_balloons(g), 16).frames, 0);
		sound(g);
		guests_destroy(g);
	}
}

/* Two guests of the same needs do not pass memory to and fro. */
static void equals_stay_equal(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "1M" }, { "hostram", "1200K" }, { NULL, NULL } };
	struct guests *g = guests_of(2, words);
	struct process *p[2] = { process_in(g, 0, 1, 250), process_in(g, 1, 1, 250) };
	uint64_t moved = 0;
	for (unsigned i = 0; i < 12; i++) {
		loop(g, 0, p[0], 240, 2);
		loop(g, 1, p[1], 240, 2);
		moved += balloons_balance(guests_balloons(g), 16).frames * (i > 1);
	}
	assert_int_equal(moved, 0);
	sound(g);
	guests_destroy(g);
}

/* The guest's kernel fills huge pages whole, so the host has all of them, in memory or in swap. */
static void huge_pages_are_backed_whole(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "16M" }, { "hostram", "3M" }, { "huge", "always" }, { NULL, NULL } };
	struct guests *g = guests_of(1, words);
	enum { BLOCK = 512, AT = BASE / PAGE };
	struct process *p = process_in(g, 0, 1, 6 * BLOCK);
	struct pw_why why;
	uint64_t first = (BLOCK - AT % BLOCK) % BLOCK;
	for (unsigned i = 0; i < 4; i++)
		word_write(g, 0, p, first + i * BLOCK, i + 7);
	struct balloons_state s = state_of(g, 0);
	assert_in_range(s.share.resident_pages + s.share.swapped_pages, 4 * BLOCK, 4 * BLOCK + 16);
	assert_true(s.share.swapped_pages > 3 * BLOCK / 2);
	sound(g);
	assert_int_equal(balloons_limit(guests_balloons(g), 0, 600, &why), PW_OK);
	s = state_of(g, 0);
	assert_true(s.share.resident_pages + s.share.swapped_pages <= 600);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(word_read(g, 0, p, first + i * BLOCK), i + 7);
	sound(g);
	guests_destroy(g);
}

/* Frames and host memory that fail to be had leave everything sound. */
static void failures_leave_it_sound(void **state)
{
	(void)state;
	static const struct words words[] = { { "ram", "256K" }, { "hostram", "400K" }, { NULL, NULL } };
	static const enum inject_site sites[] = { INJECT_FRAME, INJECT_STORE_WRITE, INJECT_ALLOC };
	for (unsigned site = 0; site < 3; site++) {
		for (uint64_t k = 1; k < 60; k += 3) {
			struct guests *g = guests_of(2, words);
			struct process *p[2] = { process_in(g, 0, 1, 60), process_in(g, 1, 1, 60) };
			struct pw_why why;
			loop(g, 0, p[0], 50, 1);
			loop(g, 1, p[1], 50, 1);
			inject_arm(sites[site], k, INJECT_ONCE);
			enum pw_err err = balloons_limit(guests_balloons(g), 0, 30, &why);
			balloons_balance(guests_balloons(g), 8);
			inject_disarm();
			assert_true(err == PW_OK || state_of(g, 0).limit <= 64);
			sound(g);
			for (uint64_t page = 0; page < 50; page++)
				assert_int_equal(word_read(g, 0, p[0], page), page + 1);
			sound(g);
			guests_destroy(g);
		}
	}
}

static void guests_that_cannot_be(void **state)
{
	(void)state;
	struct machine_words w = { .nested = "ept", .ram = "1M" };
	struct run_options o;
	struct guests *g;
	struct pw_why why;
	assert_int_equal(machine_words_resolve(&w, &o, &why), PW_OK);
	assert_int_equal(guests_create(&o, 0, HYPERVISOR_GUESTS + 1, &g, &why), PW_INVALID);
	assert_non_null(strstr(why.text, "guests"));
	o.ram_bytes = 0;
	assert_int_equal(guests_create(&o, 0, 2, &g, &why), PW_INVALID);
	assert_non_null(strstr(why.text, "ram="));
	o.nested = NULL;
	assert_int_equal(guests_create(&o, 0, 2, &g, &why), PW_INVALID);
	assert_non_null(strstr(why.text, "nested="));
	assert_null(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_go_in_and_out),
		cmocka_unit_test(what_guests_wrote_stays),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(a_balloon_ends_double_paging),
		cmocka_unit_test(memory_goes_where_it_is_needed),
		cmocka_unit_test(equals_stay_equal),
		cmocka_unit_test(huge_pages_are_backed_whole),
		cmocka_unit_test(failures_leave_it_sound),
		cmocka_unit_test(guests_that_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
