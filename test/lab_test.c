/* lab_test.c - the lab's sessions: lines in, figures and words out.
 *
 * What the scenarios say is tested by test/cli_lab_test.sh; here are the laws: a line that is refused changes nothing, going back and
 * forth comes to the same place, bytes are those of an array, and the quiz knows its own answers. */
#include "../src/base/mem.h"
#include "../src/base/rng.h"
#include "../src/lab/lab.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/* A session whose output is kept. */
struct session {
	struct lab *lab;
	FILE *out;
	char *text;
	size_t bytes;
	/* Answers of the quiz, in order; NULL past the end. */
	const char *answer[16];
	unsigned n_answers, asked;
};

static const char *answer_give(void *ctx, const char *prompt)
{
	struct session *s = ctx;
	(void)prompt;
	return s->asked < s->n_answers ? s->answer[s->asked++] : NULL;
}

static void session_begin(struct session *s)
{
	struct pw_why why;
	*s = (struct session){ .n_answers = s->n_answers };
	s->out = open_memstream(&s->text, &s->bytes);
	assert_non_null(s->out);
	struct lab_options o = { .out = s->out, .answer = answer_give, .ctx = s, .seed = 1 };
	assert_int_equal(lab_create(&o, &s->lab, &why), PW_OK);
}

static void session_end(struct session *s)
{
	lab_destroy(s->lab);
	fclose(s->out);
	mem_free(s->text);
}

static enum lab_outcome say(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static enum lab_outcome say(struct session *s, const char *format, ...)
{
	char line[512];
	struct pw_why why = { "" };
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	enum lab_outcome outcome = lab_execute(s->lab, line, &why);
	if (outcome == LAB_ERROR) {
		assert_true(*why.text);
		assert_null(strchr(why.text, '\n'));
	}
	return outcome;
}

/* What a line prints. */
static char *told(struct session *s, const char *line)
{
	fflush(s->out);
	size_t before = s->bytes;
	assert_int_not_equal(say(s, "%s", line), LAB_ERROR);
	fflush(s->out);
	char *copy = mem_strdup(s->text + before);
	assert_non_null(copy);
	return copy;
}

#define DO(...) assert_int_equal(say(&s, __VA_ARGS__), LAB_DONE)
#define REFUSED(...) assert_int_equal(say(&s, __VA_ARGS__), LAB_ERROR)

static void test_refused_lines(void **state)
{
	(void)state;
	struct session s = { 0 };
	session_begin(&s);
	static const char *const lines[] = {
		"nonsense", "wriet 0 1", "machine frames", "machine frames=x", "machine frames=0", "machine spare=2T", "machine policy=opt",
		"machine swap=ssd", "read 0", "switch nobody", "map 0 4K rw", "write 0 1", "show", "show everything", "expect",
		        "expect 1 +",
		"expect faults.totla == 0", "undo", "step", "walk", "say \"unended", "explain", "why", "exit", "quiz x",
		        "dump /nowhere/at/all",
		"help nonsense", "file f", "touch", "count 1", "enter 0 0", "supervisor x",
		"guest 1", "balloon 1 4K", "balance", "show guests",
		"machine guests=2", "machine guests=2 nested=ept", "machine guests=99 nested=ept ram=1M", "exec /bin/true", "brk 4K",
	};
	for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
		REFUSED("%s", lines[i]);
	DO("machine frames=4");
	DO("process p");
	DO("map 0x1000 16K rw called data");
	static const char *const more[] = {
		"process p", "map 0x1001 4K rw", "map 0x9000 0 rw", "map 0x9000 4K rq", "map 0x9000 4K rw upside down",
		        "map 0x9000 4K r file none",
		"unmap 0x1001 4K", "protect data 4K w?", "read nodata", "read data 0", "read data 5000", "write data x", "write data \"\"",
		"touch data 4K times 0", "touch data 16K often", "pages 1 x", "pages 1q", "advise data 4K maybe", "switch p 7",
		        "enter data 1",
		"walk data backwards", "move data 4K", "exec /nonexistent/x", "exec /dev/null", "exec /etc/passwd", "brk 4K", "quiz 1",
	};
	for (unsigned i = 0; i < sizeof more / sizeof *more; i++)
		if (strcmp(more[i], "quiz 1") != 0)
			REFUSED("%s", more[i]);
	DO("expect faults.total == 0 && references.total == 0");
	char *history = told(&s, "history");
	assert_string_equal(history, "   1  machine frames=4\n   2  process p\n   3* map 0x1000 16K rw called data\n");
	mem_free(history);
	session_end(&s);
}

/* All the figures of a session, as text. */
static char *figures(struct session *s) { return told(s, "figures"); }

/* Back by any number of steps and forth again: every figure is as it was at that step. */
static void walk_back_and_forth(const char *const *lines, unsigned n_lines)
{
	enum { LINES_MOST = 64 };
	struct session s = { 0 };
	char *at[LINES_MOST];
	struct rng rng;
	assert_true(n_lines <= LINES_MOST);
	rng_init(&rng, 7);
	session_begin(&s);
	for (unsigned i = 0; i < n_lines; i++) {
		DO("%s", lines[i]);
		at[i] = figures(&s);
	}
	unsigned now = n_lines;
	for (unsigned i = 0; i < 40; i++) {
		unsigned back = 1 + (unsigned)rng_below(&rng, now), forth;
		DO("undo %u", back);
		now -= back;
		forth = 1 + (unsigned)rng_below(&rng, n_lines - now);
		DO("step %u", forth);
		now += forth;
		char *then = figures(&s);
		assert_string_equal(then, at[now - 1]);
		mem_free(then);
	}
	for (unsigned i = 0; i < n_lines; i++)
		mem_free(at[i]);
	REFUSED("undo 1000");
	session_end(&s);
}

static void test_back_and_forth(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"machine frames=3 policy=lru tlb=l1=4/fa asids=4", "process p", "map 0x1000 32K rw called data", "write data 1",
		        "touch data 20K store",
		"fork q", "write data 2", "switch q", "read data", "write data 3", "pages 1 2 3 4w 5 1", "count", "touch data 32K",
		        "exit p",
		"protect data 4K r", "read data", "file f 10K", "map 0x20000 12K rw file f shared", "touch 0x20000 12K store",
		"advise data 8K dontneed", "move data+8K 4K 0x90000", "flush", "supervisor", "user", "unmap data 4K", "touch 0x2000 8K",
	};
	walk_back_and_forth(lines, sizeof lines / sizeof *lines);
}

/* The same with guests: each keeps what it had. */
static void test_back_and_forth_in_guests(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"machine nested=ept guests=3 ram=512K hostram=1M", "process a", "map 0x1000 300K rw called data", "touch data 300K store",
		"guest 2", "process b", "map 0x1000 480K rw called data", "file f 8K", "touch data 480K store", "balance 64K", "guest 3",
		"process c", "map 0x1000 8K rw", "write 0x1000 5", "count", "guest 1", "read data", "balloon 1 256K", "touch data 300K",
		"balloon 2 400K", "guest 2", "touch data 480K times 2", "balance", "fork d", "guest 3", "read 0x1000",
		"balloon 2 0",
	};
	walk_back_and_forth(lines, sizeof lines / sizeof *lines);
}

/* A new line after going back forgets what was undone. */
static void test_new_line_forgets(void **state)
{
	(void)state;
	struct session s = { 0 };
	session_begin(&s);
	DO("process p");
	DO("map 0 4K rw");
	DO("write 0 1");
	DO("undo");
	DO("write 0 2");
	REFUSED("step");
	DO("read 0");
	DO("expect last.value == 2");
	session_end(&s);
}

enum { MODEL_PROCESSES = 4, MODEL_PAGES = 6, MODEL_STEPS = 1500 };

/* Random stores, loads and forks in two frames against arrays of numbers. */
static void test_bytes_are_kept(void **state)
{
	(void)state;
	uint64_t model[MODEL_PROCESSES][MODEL_PAGES] = { { 0 } };
	struct session s = { 0 };
	struct rng rng;
	unsigned n = 1, current = 0;
	rng_init(&rng, 20261121);
	session_begin(&s);
	DO("machine frames=2 policy=clock tlb=l1=2/fa asids=3");
	DO("process p0");
	DO("map 0 %uK rw", 4 * MODEL_PAGES);
	for (unsigned i = 0; i < MODEL_STEPS; i++) {
		unsigned page = (unsigned)rng_below(&rng, MODEL_PAGES), what = (unsigned)rng_below(&rng, 20);
		if (what == 0 && n < MODEL_PROCESSES) {
			DO("fork p%u", n);
			memcpy(model[n++], model[current], sizeof model[0]);
		} else if (what < 4) {
			current = (unsigned)rng_below(&rng, n);
			DO("switch p%u", current);
		} else if (what < 12) {
			model[current][page] = rng_next(&rng) >> 8;
			DO("write %u %llu", page * 4096 + 8, (unsigned long long)model[current][page]);
		} else {
			DO("read %u", page * 4096 + 8);
			/* Conditions are computed in doubles: compare in two halves. */
			uint64_t v = model[current][page];
			char *said = told(&s, "read 0");
			mem_free(said);
			said = NULL;
			char line[64], want[64];
			snprintf(line, sizeof line, "read %u", page * 4096 + 8);
			snprintf(want, sizeof want, "  = %llu (0x%llx)\n", (unsigned long long)v, (unsigned long long)v);
			said = told(&s, line);
			assert_non_null(strstr(said, want));
			mem_free(said);
		}
	}
	session_end(&s);
}

/* Wrong answers are told the right ones; given those, every answer is right. */
static void test_quiz(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 10; seed++) {
		struct session s = { 0 };
		char right[10][32];
		uint64_t good, bad;
		session_begin(&s);
		s.n_answers = 10;
		for (unsigned i = 0; i < 10; i++)
			s.answer[i] = "nothing of the kind";
		char line[32];
		snprintf(line, sizeof line, "quiz %u 10", seed);
		char *said = told(&s, line), *at = said;
		for (unsigned i = 0; i < 10; i++) {
			at = strstr(at, "\nno: ");
			assert_non_null(at);
			at += 5;
			assert_int_equal(sscanf(at, "%31[^ .]", right[i]), 1);
		}
		mem_free(said);
		lab_score(s.lab, &good, &bad);
		assert_int_equal(good, 0);
		assert_int_equal(bad, 10);
		s.asked = 0;
		for (unsigned i = 0; i < 10; i++)
			s.answer[i] = right[i];
		DO("quiz %u 10", seed);
		lab_score(s.lab, &good, &bad);
		assert_int_equal(good, 10);
		session_end(&s);
	}
}

/* An unanswered quiz ends. */
static void test_quiz_unanswered(void **state)
{
	(void)state;
	struct session s = { 0 };
	session_begin(&s);
	assert_int_equal(say(&s, "quiz 3 1000000"), LAB_WRONG);
	session_end(&s);
}

static void test_completion(void **state)
{
	(void)state;
	const char *usage, *summary;
	unsigned i = 0;
	bool machine = false, swap = false;
	for (const char *word; (word = lab_command(i, &usage, &summary)); i++) {
		assert_true(*summary);
		machine |= strcmp(word, "machine") == 0;
	}
	for (unsigned a = 0; lab_argument("show", a); a++)
		swap |= strcmp(lab_argument("show", a), "swap") == 0;
	assert_true(machine && swap);
	assert_null(lab_argument("quit", 0));
	assert_null(lab_argument("no such command", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_lines), cmocka_unit_test(test_back_and_forth),
		cmocka_unit_test(test_back_and_forth_in_guests), cmocka_unit_test(test_new_line_forgets),
		cmocka_unit_test(test_bytes_are_kept), cmocka_unit_test(test_quiz), cmocka_unit_test(test_quiz_unanswered),
		cmocka_unit_test(test_completion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
