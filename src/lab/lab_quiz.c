/* lab_quiz.c - questions whose answers the machine knows.
 *
 * Problem: exercises with printed answers are used up after one reading, and printed answers are sometimes wrong.
 * Idea: a question is made from a seed and put to a machine of its own, which computes the answer the way it computes everything;
 * after a wrong answer that machine's figures are the explanation.
 *
 * 1. The seed decides the questions: the same seed asks the same ones.
 * 2. A quiz changes nothing of the session but the score. */
#include "lab_impl.h"
#include "../base/rng.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct question {
	char text[1024];
	uint64_t answer;
	bool refused;            /* the answer is "fault" */
	char because[512];
};

typedef enum pw_err question_maker(struct lab *l, struct rng *rng, struct question *q);

static void append(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *to, size_t size, const char *format, ...)
{
	size_t n = strlen(to);
	va_list args;
	va_start(args, format);
	vsnprintf(to + n, size - n, format, args);
	va_end(args);
}

/* A session apart, which has run these lines.  => NULL: no memory */
static struct lab *scratch(struct lab *l, const char *const lines[], unsigned n)
{
	struct lab *s;
	struct lab_options o = l->opt;
	o.quiet = true;
	if (lab_create(&o, &s, NULL) != PW_OK)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		if (lab_execute(s, lines[i], NULL) == LAB_ERROR) {
			lab_destroy(s);
			return NULL;
		}
	return s;
}

/* ---- the questions ---- */

/* Page number or offset of an address. */
static enum pw_err ask_split(struct lab *l, struct rng *rng, struct question *q)
{
	unsigned shift = 8 + (unsigned)rng_below(rng, 9), bits = 32;
	uint64_t va = rng_next(rng) >> (64 - bits);
	bool offset = rng_below(rng, 2);
	(void)l;
	snprintf(q->text, sizeof q->text, "Pages have %u bytes.  What is the %s of address 0x%llx?", 1u << shift,
	         offset ? "offset in its page" : "page number", (unsigned long long)va);
	q->answer = offset ? va & ((1ull << shift) - 1) : va >> shift;
	snprintf(q->because, sizeof q->because,
	         "2^%u = %u, so the low %u bits are the offset (0x%llx) and the rest is the page number (0x%llx)",
	         shift, 1u << shift, shift, (unsigned long long)(va & ((1ull << shift) - 1)), (unsigned long long)(va >> shift));
	return PW_OK;
}

/* Which entry a walk reads at a level. */
static enum pw_err ask_index(struct lab *l, struct rng *rng, struct question *q)
{
	const struct ptfmt *f = machine_format(computer_machine(l->computer));
	vaddr_t va = vaddr(rng_next(rng) >> (65u - f->va_bits - f->two_roots));
	unsigned level = (unsigned)rng_below(rng, f->levels), low = ptfmt_level_shift(f, level);
	snprintf(q->text, sizeof q->text, "%s: which entry of the table of level %u (0 is the last) does address 0x%llx pick?", f->name,
	         level,
	         (unsigned long long)va.v);
	q->answer = ptfmt_index(f, va, level);
	snprintf(q->because, sizeof q->because, "level %u is picked by bits %u to %u: (0x%llx >> %u) & 0x%llx = %llu", level,
	         low + f->index_bits[level] - 1, low, (unsigned long long)va.v, low, (1ull << f->index_bits[level]) - 1,
	         (unsigned long long)q->answer);
	return PW_OK;
}

enum { QUIZ_PAGES = 8 };

/* A small page table, and an address to translate through it. */
static enum pw_err ask_translate(struct lab *l, struct rng *rng, struct question *q)
{
	uint64_t page = rng_below(rng, QUIZ_PAGES), offset = rng_below(rng, 1024), va = page << 10 | offset, frames[QUIZ_PAGES];
	(void)l;
	snprintf(q->text, sizeof q->text, "Pages have 1024 bytes.  Page table:");
	for (unsigned i = 0; i < QUIZ_PAGES; i++) {
		bool valid = rng_below(rng, 4) != 0;
		frames[i] = valid ? rng_below(rng, 64) : UINT64_MAX;
		if (valid)
			append(q->text, sizeof q->text, " %u->%llu", i, (unsigned long long)frames[i]);
		else
			append(q->text, sizeof q->text, " %u->invalid", i);
	}
	append(q->text, sizeof q->text, ".  What is the physical address of 0x%llx (or 'fault')?", (unsigned long long)va);
	q->refused = frames[page] == UINT64_MAX;
	q->answer = frames[page] << 10 | offset;
	snprintf(q->because, sizeof q->because, q->refused ? "0x%llx is page %llu, whose entry is not valid"
	                                                   : "0x%llx is page %llu; its frame and the offset 0x%llx make 0x%llx",
	         (unsigned long long)va, (unsigned long long)page, (unsigned long long)offset, (unsigned long long)q->answer);
	return PW_OK;
}

enum { STRING_LENGTH = 12 };

/* A reference string in words, for a person and for the machine. */
static void string_make(struct rng *rng, unsigned n_pages, char *ret, size_t size)
{
	*ret = '\0';
	for (unsigned i = 0; i < STRING_LENGTH; i++)
		append(ret, size, " %u", (unsigned)rng_below(rng, n_pages));
}

static enum pw_err ask_faults(struct lab *l, struct rng *rng, struct question *q)
{
	static const char *const policies[] = { "fifo", "lru", "second-chance", "clock" };
	const char *policy = policies[rng_below(rng, 4)];
	unsigned frames = 3 + (unsigned)rng_below(rng, 2);
	char string[128], machine[96], pages[160];
	string_make(rng, frames + 2, string, sizeof string);
	snprintf(machine, sizeof machine, "machine frames=%u policy=%s", frames, policy);
	snprintf(pages, sizeof pages, "pages%s", string);
	const char *lines[] = { machine, "process p", "map 0 64K rw", pages };
	struct lab *s = scratch(l, lines, 4);
	if (!s)
		return PW_NOMEM;
	struct kernel_counts k;
	kernel_counts(computer_kernel(s->computer), &k);
	snprintf(q->text, sizeof q->text, "%u frames, all empty, policy %s.  How many page faults does this string cause:%s?", frames,
	         policy,
	         string);
	q->answer = k.faults.total;
	snprintf(q->because, sizeof q->because, "try it: '%s', 'process p', 'map 0 64K rw', '%s'", machine, pages);
	lab_destroy(s);
	return PW_OK;
}

static enum pw_err ask_hits(struct lab *l, struct rng *rng, struct question *q)
{
	unsigned entries = 2 + (unsigned)rng_below(rng, 3);
	char string[128], machine[96], pages[160];
	string_make(rng, entries + 2, string, sizeof string);
	snprintf(machine, sizeof machine, "machine tlb=l1=%u/fa", entries);
	snprintf(pages, sizeof pages, "pages%s", string);
	const char *lines[] = { machine, "process p", "map 0 64K rw", "touch 0 64K", "flush", "count", pages };
	struct lab *s = scratch(l, lines, 7);
	if (!s)
		return PW_NOMEM;
	struct tlb_counts t = machine_tlb_counts(computer_machine(s->computer), 0);
	snprintf(q->text, sizeof q->text,
	         "A TLB of %u entries, fully associative, LRU, empty; all pages are in memory.  How many hits:%s?", entries,
	         string);
	q->answer = t.hits - s->base.tlb[0].hits;
	snprintf(q->because, sizeof q->because,
	         "try it: '%s', 'process p', 'map 0 64K rw', 'touch 0 64K', 'flush', 'count', '%s', 'show stats'",
	         machine, pages);
	lab_destroy(s);
	return PW_OK;
}

static question_maker *const makers[] = { ask_split, ask_translate, ask_faults, ask_index, ask_hits };
enum { N_MAKERS = sizeof makers / sizeof *makers };

/* ---- asking ---- */

/* => whether the answer is right; *ret_given: there was one */
static bool question_put(struct lab *l, const struct question *q, bool *ret_given)
{
	const char *given = l->opt.answer ? l->opt.answer(l->opt.ctx, "answer: ") : NULL;
	char word[64] = "";
	uint64_t value;
	*ret_given = given != NULL;
	if (!given || sscanf(given, "%63s", word) != 1)
		return false;
	if (strcmp(word, "fault") == 0)
		return q->refused;
	return !q->refused && text_size(word, &value, NULL) == PW_OK && value == q->answer;
}

static void tell_answer(struct lab *l, const struct question *q)
{
	if (q->refused)
		fprintf(l->out, "no: fault.  %s\n", q->because);
	else
		fprintf(l->out, "no: %llu (0x%llx).  %s\n", (unsigned long long)q->answer, (unsigned long long)q->answer, q->because);
}

enum lab_outcome lab_quiz(struct lab *l, const struct lab_line *line)
{
	uint64_t seed = l->opt.seed, n = 5, right = 0, asked = 0;
	struct rng rng;
	bool given = true;
	if ((line->n > 0 && !lab_number(l, "seed", line->word[0], &seed)) || (line->n > 1 &&
	                                                                      !lab_number(l, "questions", line->word[1], &n)))
		return LAB_ERROR;
	if (!l->opt.answer)
		return lab_fail(l, "quiz: there is nobody to answer");
	rng_init(&rng, seed);
	for (; asked < n && given; asked++) {
		struct question q = { 0 };
		if (makers[asked % N_MAKERS](l, &rng, &q) != PW_OK)
			return lab_fail(l, "out of memory for a question");
		fprintf(l->out, "%llu. %s\n", (unsigned long long)asked + 1, q.text);
		bool ok = question_put(l, &q, &given);
		right += ok;
		if (ok)
			fprintf(l->out, "right\n");
		else
			tell_answer(l, &q);
	}
	fprintf(l->out, "%llu of %llu right (seed %llu)\n", (unsigned long long)right, (unsigned long long)asked, (unsigned long long)seed);
	l->right += right;
	l->wrong += asked - right;
	return right == asked ? LAB_DONE : LAB_WRONG;
}
