/* advise.c - gathers the case, calls the judges, keeps what they say.
 *
 * Problem.  The numbers that explain a slow computer are known to those who know where to look; the usual advice found elsewhere (drop
 * the caches, switch swap off) is wrong as often as right, and says neither why nor what it costs.
 *
 * Idea.  One judge for each kind of trouble, each a function over the same gathered case, each saying what it saw, what that costs, and
 * what could be done.  A judge that lacks its evidence says so.
 *
 *     look, look, ..., look --> case (two snapshots, a census) --> judges --> advice | nothing | unknown, because
 *
 * 1. A judge says nothing that is not in its evidence.
 * 2. Nothing is written anywhere and nothing is run; commands are text.
 * 3. When memory ran out, nothing is concluded. */
#include "advise_case.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct judge {
	const char *word, *what;
	void (*judge)(struct advise *a);
	bool whole, one;
};
static const struct judge judges[ADVICES] = {
#define X(n, w, t, all, single) { .word = w, .what = t, .judge = judge_##n, .whole = all, .one = single },
	ADVICE_LIST(X)
#undef X
};

const char *advice_word(enum advice_kind kind) { return judges[kind].word; }
const char *advice_what(enum advice_kind kind) { return judges[kind].what; }

/* ---- how a judge speaks */

static char *words(struct advise *a, const char *format, va_list args)
{
	char text[700];
	vsnprintf(text, sizeof text, format, args);
	char *copy = mem_strdup(text);
	a->lost |= !copy;
	return copy;
}

/* The advice that is being given, or NULL when memory ran out. */
static struct advice *current(struct advise *a) { return a->lost || !a->n ? NULL : &a->advice[a->n - 1]; }

static bool advice_room(struct advise *a)
{
	if (a->n < a->room)
		return true;
	unsigned room = a->room ? a->room * 2 : 8;
	struct advice *more = mem_realloc(a->advice, room, sizeof *more);
	if (!more)
		return false;
	a->advice = more;
	a->room = room;
	return true;
}

void case_say(struct advise *a, enum advice_kind kind, uint32_t pid, const char *format, ...)
{
	a->lost |= !advice_room(a);
	if (a->lost)
		return;
	va_list args;
	va_start(args, format);
	a->advice[a->n++] = (struct advice){ .kind = kind, .pid = pid, .sentence = words(a, format, args) };
	a->verdict[kind] = ADVICE_GIVEN;
	va_end(args);
}

void case_because(struct advise *a, const char *format, ...)
{
	struct advice *x = current(a);
	if (!x || x->n_evidence == ADVICE_EVIDENCE)
		return;
	va_list args;
	va_start(args, format);
	x->evidence[x->n_evidence] = words(a, format, args);
	x->n_evidence += x->evidence[x->n_evidence] != NULL;
	va_end(args);
}

void case_costs(struct advise *a, const char *format, ...)
{
	struct advice *x = current(a);
	if (!x || x->cost)
		return;
	va_list args;
	va_start(args, format);
	x->cost = words(a, format, args);
	va_end(args);
}

void case_propose(struct advise *a, const char *format, ...)
{
	struct advice *x = current(a);
	if (!x || x->command)
		return;
	va_list args;
	va_start(args, format);
	x->command = words(a, format, args);
	va_end(args);
}

void case_unknown(struct advise *a, enum advice_kind kind, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	mem_free(a->reason[kind]);
	a->reason[kind] = words(a, format, args);
	a->verdict[kind] = ADVICE_UNKNOWN;
	va_end(args);
}

const char *case_size(char buf[40], double bytes) { return text_bytes(buf, 40, bytes > 0 ? (uint64_t)bytes : 0); }

/* ---- what the case tells */

bool case_level(const struct advise *a, const char *name, uint64_t *ret)
{
	return fields_value(&a->last.meminfo, name, ret) || fields_value(&a->last.vmstat, name, ret);
}

bool case_rate(const struct advise *a, enum figure which, double *ret)
{
	*ret = (double)a->figures.value[which];
	return a->looks > 1 && a->figures.known[which];
}

bool case_number(struct advise *a, const char *path, uint64_t *ret)
{
	const char *text;
	char *end;
	size_t bytes;
	struct pw_why why;
	if (procfs_read(a->proc, path, &text, &bytes, &why) != PW_OK)
		return false;
	*ret = strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, &end, 10);
	return *ret == UINT64_MAX || end != text;
}

const struct census_row *case_one(const struct advise *a) { return a->pid && a->census.n == 1 ? a->census.row : NULL; }

/* ---- the case */

enum pw_err advise_open(struct procfs *p, uint32_t pid, struct advise **ret, struct pw_why *why)
{
	struct advise *a = mem_zalloc(1, sizeof *a);
	if (!a)
		return pw_fail(why, PW_NOMEM, "out of memory");
	a->proc = p;
	a->pid = pid;
	*ret = a;
	return PW_OK;
}

static void forget(struct advise *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		struct advice *x = &a->advice[i];
		mem_free(x->sentence);
		mem_free(x->cost);
		mem_free(x->command);
		for (unsigned k = 0; k < x->n_evidence; k++)
			mem_free(x->evidence[k]);
	}
	for (unsigned i = 0; i < ADVICES; i++) {
		mem_free(a->reason[i]);
		a->reason[i] = NULL;
		a->verdict[i] = ADVICE_NOT_ASKED;
	}
	a->n = 0;
	a->lost = false;
}

void advise_close(struct advise *a)
{
	if (!a)
		return;
	forget(a);
	mem_free(a->advice);
	snapshot_fini(&a->first);
	snapshot_fini(&a->last);
	census_fini(&a->census);
	mem_free(a);
}

enum pw_err advise_look(struct advise *a, struct pw_why *why)
{
	enum pw_err err = snapshot_take(a->proc, a->looks ? &a->last : &a->first, why);
	if (err == PW_OK)
		err = census_look(&a->census, a->proc, a->pid, why);
	a->looks += err == PW_OK;
	return err;
}

enum pw_err advise_conclude(struct advise *a, struct pw_why *why)
{
	forget(a);
	enum pw_err err = a->looks > 1 ? PW_OK : snapshot_take(a->proc, &a->last, why);
	if (err == PW_OK)
		err = census_fill(&a->census, a->proc, why);
	if (err != PW_OK)
		return err;
	figures_make(&a->first, &a->last, &a->figures);
	for (unsigned i = 0; i < ADVICES; i++)
		if (a->pid ? judges[i].one : judges[i].whole) {
			a->verdict[i] = ADVICE_NOTHING;
			judges[i].judge(a);
		}
	return a->lost ? pw_fail(why, PW_NOMEM, "out of memory for the advice") : PW_OK;
}

unsigned advise_count(const struct advise *a) { return a->n; }
const struct advice *advise_at(const struct advise *a, unsigned i) { return &a->advice[i]; }

enum advice_verdict advise_verdict(const struct advise *a, enum advice_kind kind, const char **ret_reason)
{
	*ret_reason = a->verdict[kind] == ADVICE_UNKNOWN ? a->reason[kind] : NULL;
	return a->verdict[kind];
}

double advise_seconds(const struct advise *a, unsigned *ret_looks)
{
	*ret_looks = a->looks;
	return a->looks > 1 ? a->last.clock - a->first.clock : 0;
}
