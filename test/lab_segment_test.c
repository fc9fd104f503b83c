/* lab_segment_test.c - segments in the lab: what is refused, what is told, what a script can expect.
 *
 * The lesson itself is scenarios/segmentation.lab; what segments do is tested against a model in segment_memory_test.c. */
#include "../src/base/inject.h"
#include "../src/base/mem.h"
#include "../src/lab/lab.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

struct session {
	struct lab *lab;
	FILE *out;
	char *text;
	size_t bytes;
};

static void session_begin(struct session *s)
{
	*s = (struct session){ 0 };
	s->out = open_memstream(&s->text, &s->bytes);
	assert_non_null(s->out);
	struct lab_options o = { .out = s->out, .seed = 1 };
	assert_int_equal(lab_create(&o, &s->lab, NULL), PW_OK);
}

static void session_end(struct session *s)
{
	lab_destroy(s->lab);
	fclose(s->out);
	mem_free(s->text);
}

static enum lab_outcome say(struct session *s, const char *line)
{
	struct pw_why why = { "" };
	enum lab_outcome outcome = lab_execute(s->lab, line, &why);
	assert_int_equal(outcome == LAB_ERROR, *why.text != '\0');
	assert_null(strchr(why.text, '\n'));
	return outcome;
}

/* => what the line prints is valid until the next line */
static const char *told(struct session *s, const char *line)
{
	fflush(s->out);
	size_t before = s->bytes;
	assert_int_not_equal(say(s, line), LAB_ERROR);
	fflush(s->out);
	return s->text + before;
}

#define DO(line) assert_int_equal(say(&s, line), LAB_DONE)
#define TELLS(line, words) assert_non_null(strstr(told(&s, line), words))

static void refuse_all(struct session *s, const char *const *lines, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(say(s, lines[i]), LAB_ERROR);
}

static void test_refused_lines(void **state)
{
	(void)state;
	struct session s;
	static const char *const bare[] = {
		"segment make 0 100", "segment compact", "segment read 0:0", "show segments", "segment mkae 0 1",
		"segment memory",
		"segment memory 0", "segment memory 2G", "segment memory 4K fit=bets", "segment memory 4K swap=x",
		"segment memory 4K soon",
		"segment memory 4K compact=maybe", "segment compare 0", "segment compare 9999999", "segment compare x",
		"expect segments.free == 0",
	};
	static const char *const more[] = {
		"segment make 0 100", "segment make 1 0", "segment make x 5", "segment make 65536 5", "segment make 1 5 q",
		"segment make 1 5 at",
		"segment make 1 5 rw at x", "segment make 1 5 rw near 3", "segment make 1 5 rwxz", "segment grow 7 10",
		"segment grow 0 5K",
		"segment grow 0 0", "segment drop 7", "segment share 0 q", "segment share 7 p", "segment share 0 p",
		"segment read 0",
		"segment read 0:", "segment read 0:0 0", "segment read 0:0 5K", "segment write 0:0 x",
		"segment write 0:0 \"\"", "segment out 7",
		"segment fetch p:0",
	};
	session_begin(&s);
	refuse_all(&s, bare, sizeof bare / sizeof *bare);
	DO("segment memory 4K");
	assert_int_equal(say(&s, "segment make 0 100"), LAB_ERROR);
	DO("process p");
	DO("segment make 0 100");
	refuse_all(&s, more, sizeof more / sizeof *more);
	TELLS("history", "   3* segment make 0 100\n");
	session_end(&s);
}

/* Requests without room are told, and are no errors. */
static void test_refused_requests(void **state)
{
	(void)state;
	struct session s;
	session_begin(&s);
	DO("segment memory 100");
	DO("process p");
	DO("segment make 0 60");
	TELLS("segment make 1 50", "refused: memory is too full: 50 bytes are wanted, 40 are free");
	DO("expect segments.last.refused && segments.refused_full == 1");
	TELLS("segment read 0:60 1", "refused: the offset is not below the limit (60)");
	TELLS("segment read 0:58", "for all 8 bytes (60)");
	TELLS("segment make 1 10 rs", "made");
	TELLS("segment read 1:0 1", "more privileged");
	DO("supervisor");
	TELLS("segment read 1:0 1", "load 1:0 -> 60");
	TELLS("show segments", "segment 1 of p, r--s");
	session_end(&s);
}

/* A process that ends gives its segments back, but not what others share; going back brings them again. */
static void test_exit_and_undo(void **state)
{
	(void)state;
	struct session s;
	session_begin(&s);
	DO("segment memory 1000 fit=worst compact=yes swap=fifo");
	DO("process p");
	DO("segment make 0 300");
	DO("segment make 1 200");
	DO("segment write 0:0 77");
	DO("process q");
	DO("switch p");
	DO("segment share 0 q 4 r");
	DO("exit p");
	DO("switch q");
	DO("expect segments.free == 700");
	DO("segment read 4:0");
	DO("expect segments.last.value == 77");
	TELLS("segment write 4:0 1", "may not be written");
	DO("undo 4");
	DO("expect segments.free == 500");
	DO("step 2");
	DO("expect segments.free == 700");
	DO("segment out 4");
	TELLS("show segments", "swapped out");
	TELLS("segment read 4:0", "= 77");
	DO("machine frames=4");
	assert_int_equal(say(&s, "show segments"), LAB_ERROR);
	session_end(&s);
}

/* x86: what is wrong with a line, what is refused by the processor, and both translations. */
static void test_selectors(void **state)
{
	(void)state;
	struct session s;
	static const char *const bad[] = {
		"segment load ds 0x8 9", "segment load cx 8", "segment load ds 0x10000", "segment gdt 0x100000000 7",
		"segment gdt 0 0x10000",
		"segment describe idt 1", "segment describe ldt 1", "segment describe gdt 2", "segment describe gdt x",
		"segment describe gdt 1 q",
		"segment describe gdt 1 base=x", "segment describe gdt 1 limit=0x100000", "segment describe gdt 1 dpl=4",
		"segment describe gdt 1 gate=0x10000", "segment describe gdt 9999", "segment stack 3 8", "segment jump x",
		"segment jump 8:x",
		"segment read ds:x", "segment read ax:0", "segment read ds:0 0", "segment read ds:0x100000000",
		"segment write ds:0 \"\"",
		"segment fetch ds:0", "segment return 8 x",
	};
	session_begin(&s);
	assert_int_equal(say(&s, "show registers"), LAB_ERROR);
	DO("machine format=sv39");
	DO("process p");
	assert_int_equal(say(&s, "segment load ds 8"), LAB_ERROR);
	DO("machine format=x86-32");
	DO("process p");
	DO("map 0x1000 8K rw called tables");
	DO("segment gdt tables 15");
	refuse_all(&s, bad, sizeof bad / sizeof *bad);
	TELLS("segment read ds:0x1ffc", "linear 0x1ffc = base 0x0 + 0x1ffc");
	TELLS("segment load ds 0x13", "#GP(0x10): the selector is beyond the limit");
	DO("expect segments.last.refused && segments.last.vector == 13 && segments.last.error == 0x10");
	TELLS("segment describe gdt 1 r base=0x1800 limit=0x7ff", "data, read-only, DPL 3, base 0x1800, offsets 0x0 to 0x7ff");
	TELLS("segment load ds 0xb", "loaded");
	TELLS("segment write ds:0 1", "#GP(0x0): the segment may not be written to");
	TELLS("segment read ds:0x7f8", "linear 0x1ff8");
	TELLS("segment read ds:0x7f9", "#GP(0x0): the offset is outside the segment");
	DO("segment describe gdt 1 ldt base=0x2000 limit=0x7f dpl=0");
	TELLS("segment ldt 0x8", "#GP(0x0): DPL, RPL and CPL do not permit it; CPL is 3");
	DO("supervisor");
	TELLS("segment ldt 0x8", "LDT, DPL 0, base 0x2000, offsets 0x0 to 0x7f");
	TELLS("segment describe ldt 3 down rw absent", "expand-down, DPL 3, not present");
	TELLS("segment load gs 0x1f", "#NP(0x1c): the segment is marked as not present");
	TELLS("show registers", "LDT  0x0008  base 0x00002000");
	TELLS("segment gdt 0x9000 0xff", "32 descriptors");
	TELLS("segment load ds 0x10", "#PF(0x0): the table itself is not in memory");
	DO("expect segments.last.vector == 14");
	DO("undo 3");
	DO("expect segments.last.vector == 0");
	session_end(&s);
}

static void test_compare(void **state)
{
	(void)state;
	struct session s;
	session_begin(&s);
	const char *said = told(&s, "segment compare 2000 7");
	for (unsigned i = 0; i < 4; i++) {
		static const char *const fits[] = { "\n  first ", "\n  best ", "\n  worst ", "\n  next " };
		assert_non_null(strstr(said, fits[i]));
	}
	DO("segment memory 9");
	DO("segment compare 10");
	TELLS("segment", "segment compact");
	session_end(&s);
}

/* Whichever allocation fails, the line says so or is done, and the session goes on. */
static void test_allocations_fail(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"segment memory 1000 swap=lru", "process p", "segment make 0 600", "segment make 1 600",
		"segment write 0:0 5", "segment grow 0 700",
		"show segments", "figures",
	};
	for (uint64_t kth = 1; kth < 400; kth++) {
		struct session s;
		session_begin(&s);
		inject_arm(INJECT_ALLOC, kth, INJECT_ONCE);
		for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
			say(&s, lines[i]);
		bool reached = inject_count(INJECT_ALLOC) >= kth;
		inject_disarm();
		session_end(&s);
		if (!reached)
			return;
	}
	fail_msg("a session of eight lines allocates without end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_lines), cmocka_unit_test(test_refused_requests), cmocka_unit_test(test_exit_and_undo),
		cmocka_unit_test(test_selectors), cmocka_unit_test(test_compare), cmocka_unit_test(test_allocations_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
