/* grid_test.c - lists of values, and grids multiplied out. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/sim/grid.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t seed = 20261121;

/* A list of values as "a|b|c". */
static void joined(const struct grid_values *v, char *buf, size_t size)
{
	size_t at = 0;
	buf[0] = '\0';
	for (unsigned i = 0; i < v->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? "|" : "", v->value[i]);
}

static void values_are(enum grid_word word, const char *text, const char *wanted)
{
	char got[1000];
	struct grid_values v = { NULL };
	struct pw_why why = { "" };
	if (grid_values_add(&v, word, "here", text, &why) != PW_OK)
		fail_msg("%s: %s", text, why.text);
	joined(&v, got, sizeof got);
	assert_string_equal(got, wanted);
	grid_values_fini(&v);
}

static void values_refused(enum grid_word word, const char *text, const char *word_in_why)
{
	struct grid_values v = { NULL };
	struct pw_why why = { "" };
	assert_int_not_equal(grid_values_add(&v, word, "here", text, &why), PW_OK);
	if (!strstr(why.text, word_in_why) || strncmp(why.text, "here", 4) != 0)
		fail_msg("'%s': '%s' does not say '%s'", text, why.text, word_in_why);
	grid_values_fini(&v);
}

static void lists(void **state)
{
	(void)state;
	values_are(GRID_WORD_policy, "lru", "lru");
	values_are(GRID_WORD_policy, " lru , clock;lru ", "lru|clock");
	values_are(GRID_WORD_policy, "default,fifo", "default|fifo");
	values_are(GRID_WORD_policy, "lru,2q:in=30%,out=60%,clock", "lru|2q:in=30%,out=60%|clock");
	values_are(GRID_WORD_tlb, "l1d=64/4,l2=1536/12; l1d=16/fa", "l1d=64/4,l2=1536/12|l1d=16/fa");
	values_are(GRID_WORD_cost, "walk_reference=20,clock_mhz=2500", "walk_reference=20,clock_mhz=2500");
	values_are(GRID_WORD_ram, "8M,8192K,0x800000,8388608,3000", "8M|3000");
	values_are(GRID_WORD_frames, "1K,1024", "1024");
	values_are(GRID_WORD_frames, "10%,10.0%,0.5%", "10%|0.5%");
	values_refused(GRID_WORD_policy, "lru,,fifo", "missing");
	values_refused(GRID_WORD_policy, "", "missing");
	values_refused(GRID_WORD_policy, "lur", "did you mean 'lru'");
	values_refused(GRID_WORD_frames, "-3", "not a number");
	values_refused(GRID_WORD_ram, "10%", "only frames");
	values_refused(GRID_WORD_frames, "0%", "above 0");
	values_refused(GRID_WORD_tlb, "l1d=64/5", "ways");
	values_refused(GRID_WORD_personality, "textbok", "did you mean 'textbook'");
}

static void ranges(void **state)
{
	(void)state;
	values_are(GRID_WORD_ram, "1M..8M:x2", "1M|2M|4M|8M");
	values_are(GRID_WORD_ram, "1M..9M:x2", "1M|2M|4M|8M");
	values_are(GRID_WORD_frames, "3..9:+2", "3|5|7|9");
	values_are(GRID_WORD_frames, "3..8:+2,100", "3|5|7|100");
	values_are(GRID_WORD_seed, "1..3", "1|2|3");
	values_are(GRID_WORD_seed, "0..2", "0|1|2");
	values_are(GRID_WORD_frames, "7..7:x3", "7");
	values_are(GRID_WORD_frames, "1..5:x1.1", "1|2|3|4|5");
	values_are(GRID_WORD_frames, "5%..40%:x2", "5%|10%|20%|40%");
	values_are(GRID_WORD_frames, "10%..30%:+10%", "10%|20%|30%");
	values_are(GRID_WORD_seed, "18446744073709551614..18446744073709551615", "18446744073709551614|18446744073709551615");
	values_are(GRID_WORD_seed, "9223372036854775808..18446744073709551615:x2", "9223372036854775808");
	values_refused(GRID_WORD_frames, "9..3", "upwards");
	values_refused(GRID_WORD_frames, "1..9:x1", "above 1");
	values_refused(GRID_WORD_frames, "1..9:+0", "nowhere");
	values_refused(GRID_WORD_frames, "1..9:2", "x2");
	values_refused(GRID_WORD_frames, "0..9:x2", "multiplication");
	values_refused(GRID_WORD_frames, "1..50%", "percent");
	values_refused(GRID_WORD_frames, "1%..50%:+1", "percent");
	values_refused(GRID_WORD_frames, "1:x2..5", "FROM..TO");
	values_refused(GRID_WORD_frames, "1..1M", "more than");
	values_refused(GRID_WORD_frames, "..5", "not a number");
}

static struct grid *grid_of(const char *text)
{
	struct grid *g;
	struct pw_why why = { "" };
	assert_int_equal(grid_create(&g), PW_OK);
	if (grid_read(g, "test", text, &why) != PW_OK)
		fail_msg("%s", why.text);
	return g;
}

/* The machines of a grid, one a line: "policy=lru frames=3". */
static char *machines_text(const struct grid *g, unsigned *ret_n)
{
	struct machine_words *machine = NULL;
	struct pw_why why = { "" };
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	if (grid_machines(g, &machine, ret_n, &why) != PW_OK)
		fail_msg("%s", why.text);
	for (unsigned i = 0; i < *ret_n; i++) {
		for (unsigned w = 0; w < GRID_WORDS; w++)
			if (grid_word_value(&machine[i], w))
				fprintf(out, "%s=%s ", grid_word_name(w), grid_word_value(&machine[i], w));
		fputc('\n', out);
	}
	fclose(out);
	mem_free(machine);
	return text;
}

static void grid_is_machines(const char *text, const char *wanted)
{
	unsigned n;
	struct grid *g = grid_of(text);
	char *got = machines_text(g, &n);
	assert_string_equal(got, wanted);
	mem_free(got);
	grid_destroy(g);
}

static void files(void **state)
{
	(void)state;
	grid_is_machines("policy = lru, clock\nframes = 3, 4 # few\n",
	                 "frames=3 policy=lru \nframes=3 policy=clock \nframes=4 policy=lru \nframes=4 policy=clock \n");
	grid_is_machines("policy = lru\npolicy = fifo\r\n", "policy=lru \npolicy=fifo \n");
	grid_is_machines("#\n\n", "\n");
	grid_is_machines("policy = lru, default\n", "policy=lru \n\n");
	grid_is_machines("frames = 3\n[a]\npolicy = lru\n[b]\nframes = 4\n", "frames=3 policy=lru \nframes=4 \n");
	grid_is_machines("frames = 1..4\nexclude frames>2\n", "frames=1 \nframes=2 \n");
	grid_is_machines("frames = 1..4\nexclude frames>=2 frames!=3\n", "frames=1 \nframes=3 \n");
	grid_is_machines("frames = 10%,50%,7\nexclude frames<20%\n", "frames=50% \nframes=7 \n");
	grid_is_machines("policy = lru, default\nexclude policy=default\n", "policy=lru \n");
	grid_is_machines("frames = 1,2\n[a]\nexclude frames=1\n[b]\n", "frames=2 \nframes=1 \nframes=2 \n");
}

static void file_refused(const char *text, const char *wanted)
{
	struct grid *g;
	struct machine_words *machine;
	unsigned n;
	struct pw_why why = { "" };
	assert_int_equal(grid_create(&g), PW_OK);
	enum pw_err err = grid_read(g, "test", text, &why);
	if (err == PW_OK)
		err = grid_machines(g, &machine, &n, &why);
	assert_int_not_equal(err, PW_OK);
	if (!strstr(why.text, wanted))
		fail_msg("'%s' does not say '%s'", why.text, wanted);
	grid_destroy(g);
}

static void files_refused(void **state)
{
	(void)state;
	file_refused("policy = lru\npolcy = fifo\n", "test:2: 'polcy' is unknown; did you mean 'policy'?");
	file_refused("\n\npolicy = lru, fif\n", "test:3: policy: 'fif' is unknown; did you mean 'fifo'?");
	file_refused("frames = 3\nwhat\n", "test:2: 'what' is no line of a grid");
	file_refused("[a\n", "test:1: a block begins");
	file_refused("frames = 3\nexclude\n", "test:2: exclude what?");
	file_refused("frames = 3\nexclude frames\n", "test:2: 'frames' is no condition");
	file_refused("frames = 3\nexclude frame=3\n", "test:2: 'frame' is unknown; did you mean 'frames'?");
	file_refused("policy = lru\nexclude policy<lru\n", "test:2: 'policy<lru': only numbers");
	file_refused("policy = lru\nexclude policy=opt\n", "test:2: policy is never 'opt' in this grid");
	file_refused("frames = 3\nexclude frames=3\n", "exclude every machine");
	file_refused("frames = 1..1000\nseed = 1..1000\n", "more than 100000");
}

static void looks(void **state)
{
	(void)state;
	assert_true(grid_is("policy = lru"));
	assert_true(grid_is("# x\n\n  frames=3\n"));
	assert_true(grid_is("[a]\n"));
	assert_false(grid_is(""));
	assert_false(grid_is("==123== Lackey"));
	assert_false(grid_is("1\n2\n"));
	assert_false(grid_is("0041f7a0 R\n"));
	assert_false(grid_is("a == b\n"));
	assert_false(grid_is("[\n"));
}

/* Law: the machines of one block are all combinations, each once, whatever lists there are. */
static void products(void **state)
{
	struct rng rng;
	(void)state;
	rng_init(&rng, seed);
	for (unsigned round = 0; round < 200; round++) {
		char text[600] = "", part[100];
		unsigned wanted = 1, n, frames = 1 + (unsigned)rng_below(&rng, 9), seeds = 1 + (unsigned)rng_below(&rng, 9);
		unsigned cut = (unsigned)rng_below(&rng, 12);
		snprintf(part, sizeof part, "seed = 1..%u\nframes = 1..%u\nexclude frames>%u\n", seeds, frames, cut);
		strncat(text, part, sizeof text - 1);
		wanted = seeds * (cut < frames ? cut : frames);
		if (wanted == 0)
			continue;
		struct grid *g = grid_of(text);
		char *got = machines_text(g, &n);
		if (n != wanted)
			fail_msg("seed %llu, round %u: %u machines, wanted %u, of\n%s", (unsigned long long)seed, round, n, wanted, text);
		for (unsigned f = 1; f <= frames && f <= cut; f++)
			for (unsigned s = 1; s <= seeds; s++) {
				snprintf(part, sizeof part, "frames=%u seed=%u \n", f, s);
				const char *first = strstr(got, part);
				assert_non_null(first);
			}
		mem_free(got);
		grid_destroy(g);
	}
}

static void options_replace(void **state)
{
	unsigned n;
	struct pw_why why = { "" };
	struct grid *g = grid_of("policy = lru, fifo\n[a]\nframes = 3\n[b]\nframes = 4, 5\n");
	(void)state;
	assert_int_equal(grid_option(g, "frames", "7", &why), PW_OK);
	assert_int_equal(grid_option(g, "frames", "8", &why), PW_OK);
	char *got = machines_text(g, &n);
	assert_int_equal(n, 8);
	assert_null(strstr(got, "frames=4"));
	assert_int_not_equal(grid_option(g, "frame", "7", &why), PW_OK);
	assert_non_null(strstr(why.text, "did you mean 'frames'"));
	mem_free(got);
	grid_destroy(g);
}

/* The k-th allocation fails: an error, and nothing is lost or left. */
static void memory_fails(void **state)
{
	bool reached = true;
	(void)state;
	for (uint64_t k = 1; reached; k++) {
		struct grid *g = NULL;
		struct machine_words *machine = NULL;
		unsigned n;
		struct pw_why why = { "" };
		inject_arm(INJECT_ALLOC, k, INJECT_ONCE);
		enum pw_err err = grid_create(&g);
		if (err == PW_OK)
			err = grid_read(g, "test", "policy = lru, clock\n[a]\nframes = 1..9:x2\nexclude frames=4 policy=lru\n", &why);
		if (err == PW_OK)
			err = grid_machines(g, &machine, &n, &why);
		reached = inject_count(INJECT_ALLOC) >= k;
		inject_disarm();
		assert_true(reached ? err == PW_NOMEM : err == PW_OK);
		mem_free(machine);
		grid_destroy(g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists), cmocka_unit_test(ranges), cmocka_unit_test(files), cmocka_unit_test(files_refused),
		cmocka_unit_test(looks), cmocka_unit_test(products), cmocka_unit_test(options_replace), cmocka_unit_test(memory_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
