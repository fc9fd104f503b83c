/* grid_values.c - lists and ranges of values.
 *
 * Problem.  A grid is typed by hand, on a command line or in a file; it should say "powers of two from 1M to 64M" in as many
 * characters, and a mistake in it should be found before anything runs.
 *
 * Idea.  A value is taken apart at its separators, ranges are counted out, and every number is written again in one form, so that
 * 8M, 8192K and 8388608 are one value.  Names are tried against the room that owns them, each by itself: whether the machine as a
 * whole can be is decided later, for each cell.
 *
 *     1M..64M:x2    1M 2M 4M ... 64M      from, to, times           3..9:+2   3 5 7 9      from, to, plus
 *     1..5          1 2 3 4 5             plus one                  5%..40%:x2             of the footprint (frames only)
 *
 * 1. A list holds no value twice.
 * 2. The end of a range is in it only when a step hits it.
 *
 * Rejected: ranges without "..", such as 1-5 (a minus may be in a name), and expressions (a grid is no program). */
#include "grid_values.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES_MAX = 10000, VALUE_BYTES = 256 };

static const struct {
	const char *name, *argument;
	size_t at;
} words[GRID_WORDS] = {
#define X(word, argument, text) { #word, argument, offsetof(struct machine_words, word) },
	MACHINE_WORD_LIST(X)
#undef X
};

static bool is_size(enum grid_word word) { return strcmp(words[word].argument, "SIZE") == 0; }
static bool is_number(enum grid_word word) { return is_size(word) || strcmp(words[word].argument, "N") == 0; }
static bool holds_commas(enum grid_word word) { return strcmp(words[word].argument, "SPEC") == 0; }

const char *grid_word_name(enum grid_word word) { return words[word].name; }

enum grid_word grid_word_find(const char *where, const char *name, struct pw_why *why)
{
	const char *names[GRID_WORDS];
	for (unsigned i = 0; i < GRID_WORDS; i++) {
		names[i] = words[i].name;
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	words_unknown(why, where, name, names, GRID_WORDS);
	return GRID_WORDS;
}

const char **grid_word_place(struct machine_words *w, enum grid_word word)
{
	return (const char **)((char *)w + words[word].at);
}

const char *grid_word_value(const struct machine_words *w, enum grid_word word)
{
	return *(const char *const *)((const char *)w + words[word].at);
}

bool grid_percent(const char *value, double *ret)
{
	char *end;
	if (*value < '0' || *value > '9')
		return false;
	*ret = strtod(value, &end);
	return strcmp(end, "%") == 0 && isfinite(*ret);
}

bool grid_number(const char *value, double *ret)
{
	uint64_t n;
	if (grid_percent(value, ret))
		return true;
	if (text_size(value, &n, NULL) != PW_OK)
		return false;
	*ret = (double)n;
	return true;
}

static enum pw_err value_add(struct grid_values *v, const char *where, const char *value, struct pw_why *why)
{
	for (unsigned i = 0; i < v->n; i++)
		if (strcmp(v->value[i], value) == 0)
			return PW_OK;
	if (v->n >= VALUES_MAX)
		return pw_fail(why, PW_LIMIT, "%s: more than %d values", where, VALUES_MAX);
	char **more = mem_realloc(v->value, v->n + 1, sizeof *more);
	if (!more)
		return pw_fail(why, PW_NOMEM, "%s: out of memory", where);
	v->value = more;
	v->value[v->n] = mem_strdup(value);
	if (!v->value[v->n])
		return pw_fail(why, PW_NOMEM, "%s: out of memory", where);
	v->n++;
	return PW_OK;
}

void grid_values_fini(struct grid_values *v)
{
	for (unsigned i = 0; i < v->n; i++)
		mem_free(v->value[i]);
	mem_free(v->value);
	*v = (struct grid_values){ 0 };
}

/* Counts are written in digits, sizes with the largest unit that divides them. */
static enum pw_err number_add(struct grid_values *v, enum grid_word word, const char *where, uint64_t n, struct pw_why *why)
{
	static const char units[] = "KMGTPE";
	char text[32];
	unsigned u = 0;
	while (is_size(word) && n && u < 6 && n % 1024 == 0) {
		n /= 1024;
		u++;
	}
	snprintf(text, sizeof text, "%" PRIu64 "%.*s", n, u ? 1 : 0, units + (u ? u - 1 : 0));
	return value_add(v, where, text, why);
}

static enum pw_err percent_add(struct grid_values *v, const char *where, double percent, struct pw_why *why)
{
	char text[32];
	snprintf(text, sizeof text, "%.9g%%", percent);
	return value_add(v, where, text, why);
}

/* One end of a range, or a single number. */
struct bound {
	bool percent;
	double real;
	uint64_t n;
};

static enum pw_err bound_read(struct bound *b, enum grid_word word, const char *where, const char *text, struct pw_why *why)
{
	*b = (struct bound){ .percent = grid_percent(text, &b->real) };
	b->percent = grid_percent(text, &b->real);
	if (b->percent && word != GRID_WORD_frames)
		return pw_fail(why, PW_INVALID, "%s: '%s': only frames may be given in percent of the footprint", where, text);
	if (b->percent)
		return b->real > 0 && b->real <= 1000 ? PW_OK
			: pw_fail(why, PW_INVALID, "%s: '%s': write a percentage above 0 and at most 1000%%", where, text);
	return text_size(text, &b->n, NULL) == PW_OK ? PW_OK
		: pw_fail(why, PW_INVALID, "%s: '%s' is not a number; write one such as 64, 4K, 1M..64M:x2%s or " GRID_DEFAULT, where,
		          text, word == GRID_WORD_frames ? ", 10%" : "");
}

struct step {
	bool times;
	struct bound by;
	double factor;
};

static enum pw_err step_read(struct step *s, enum grid_word word, const char *where, const char *text, struct pw_why *why)
{
	char *end;
	*s = (struct step){ .times = *text == 'x' };
	if (s->times) {
		s->factor = strtod(text + 1, &end);
		if (end == text + 1 || *end || !(s->factor >= 1.0001) || !isfinite(s->factor))
			return pw_fail(why, PW_INVALID, "%s: step '%s': write x and a number above 1, such as x2", where, text);
		return PW_OK;
	}
	if (*text != '+')
		return pw_fail(why, PW_INVALID, "%s: step '%s': write x2 for times two or +10 for plus ten", where, text);
	enum pw_err err = bound_read(&s->by, word, where, text + 1, why);
	if (err == PW_OK && !s->by.percent && s->by.n == 0)
		return pw_fail(why, PW_INVALID, "%s: step '%s' goes nowhere", where, text);
	return err;
}

static enum pw_err range_percent(struct grid_values *v, const char *where, double from, double to, const struct step *s,
                                 struct pw_why *why)
{
	enum pw_err err = PW_OK;
	for (unsigned i = 0; err == PW_OK; i++) {
		double at = s->times ? from * pow(s->factor, i) : from + i * s->by.real;
		if (at > to * (1 + 1e-9))
			break;
		err = percent_add(v, where, at, why);
	}
	return err;
}

/* => each value is larger than the one before: a factor near one still goes on. */
static enum pw_err range_number(struct grid_values *v, enum grid_word word, const char *where, uint64_t from, uint64_t to,
                                const struct step *s, struct pw_why *why)
{
	enum pw_err err = PW_OK;
	uint64_t next = from;
	for (uint64_t at = from; err == PW_OK && at <= to; at = next) {
		err = number_add(v, word, where, at, why);
		double product = s->times ? (double)at * s->factor : 0;
		if (product >= 0x1p64 || (!s->times && __builtin_add_overflow(at, s->by.n, &next)))
			break;
		if (s->times)
			next = (uint64_t)llround(product) > at ? (uint64_t)product : at + 1;
		if (next <= at)
			next = at + 1;
		if (next == 0)
			break;
	}
	return err;
}

/* "FROM..TO" or "FROM..TO:STEP"; text is cut. */
static enum pw_err range_add(struct grid_values *v, enum grid_word word, const char *where, char *text, struct pw_why *why)
{
	char *to_text = strstr(text, ".."), *step_text = strchr(text, ':');
	struct bound from, to;
	struct step step = { .by = { .n = 1, .real = 1 } };
	*to_text = '\0';
	to_text += 2;
	if (step_text && step_text < to_text)
		return pw_fail(why, PW_INVALID, "%s: a range is written FROM..TO:STEP, such as 1M..64M:x2", where);
	if (step_text)
		*step_text++ = '\0';
	enum pw_err err = bound_read(&from, word, where, text, why);
	if (err == PW_OK)
		err = bound_read(&to, word, where, to_text, why);
	step.by.percent = from.percent;
	if (err == PW_OK && step_text)
		err = step_read(&step, word, where, step_text, why);
	if (err != PW_OK)
		return err;
	if (from.percent != to.percent || (!step.times && step.by.percent != from.percent))
		return pw_fail(why, PW_INVALID, "%s: %s..%s: a range is in percent throughout or not at all", where, text, to_text);
	if (from.percent ? from.real > to.real : from.n > to.n)
		return pw_fail(why, PW_INVALID, "%s: %s..%s: a range goes upwards", where, text, to_text);
	if (step.times && !from.percent && from.n == 0)
		return pw_fail(why, PW_INVALID, "%s: %s..%s: nothing comes of 0 by multiplication", where, text, to_text);
	return from.percent ? range_percent(v, where, from.real, to.real, &step, why)
	                    : range_number(v, word, where, from.n, to.n, &step, why);
}

/* A name is right or wrong whatever the rest of the machine is. */
static enum pw_err name_add(struct grid_values *v, enum grid_word word, const char *where, const char *text, struct pw_why *why)
{
	struct machine_words alone = { NULL };
	struct run_options options;
	struct pw_why inner = { "" };
	*grid_word_place(&alone, word) = text;
	enum pw_err err = machine_words_resolve(&alone, &options, &inner);
	if (err == PW_OK)
		return value_add(v, where, text, why);
	/* The line begins with the option's own name; where says it better. */
	size_t skip = strlen(words[word].name) + 2;
	bool named = strncmp(inner.text, "--", 2) == 0 && strncmp(inner.text + 2, words[word].name, skip - 2) == 0;
	const char *rest = named ? inner.text + skip + strspn(inner.text + skip, ": ") : inner.text;
	return pw_fail(why, err, "%s: %s", where, rest);
}

/* One value, without spaces around it. */
static enum pw_err one_add(struct grid_values *v, enum grid_word word, const char *where, char *text, struct pw_why *why)
{
	struct bound b;
	if (!*text)
		return pw_fail(why, PW_INVALID, "%s: a value is missing", where);
	if (strcmp(text, GRID_DEFAULT) == 0)
		return value_add(v, where, text, why);
	if (!is_number(word))
		return name_add(v, word, where, text, why);
	if (strstr(text, ".."))
		return range_add(v, word, where, text, why);
	enum pw_err err = bound_read(&b, word, where, text, why);
	if (err != PW_OK)
		return err;
	return b.percent ? percent_add(v, where, b.real, why) : number_add(v, word, where, b.n, why);
}

static char *trim(char *text)
{
	text += strspn(text, " \t");
	size_t n = strlen(text);
	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t' || text[n - 1] == '\r'))
		text[--n] = '\0';
	return text;
}

/* Parameters go on after a comma: in "lru,2q:in=25%,out=50%,clock" the third piece belongs to the second value. */
static bool is_parameter(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz_-");
	return n && text[n] == '=';
}

/* => the end of the value that begins here. */
static char *value_end(char *text, enum grid_word word)
{
	char *end = text + strcspn(text, holds_commas(word) ? ";" : ",;");
	while (*end == ',' && memchr(text, ':', (size_t)(end - text)) && is_parameter(end + 1))
		end += 1 + strcspn(end + 1, ",;");
	return end;
}

enum pw_err grid_values_add(struct grid_values *v, enum grid_word word, const char *where, const char *text, struct pw_why *why)
{
	enum pw_err err = PW_OK;
	char *copy = mem_strdup(text), *at = copy;
	if (!copy)
		return pw_fail(why, PW_NOMEM, "%s: out of memory", where);
	while (err == PW_OK && at) {
		char *value = at;
		at = value_end(at, word);
		at = *at ? (*at = '\0', at + 1) : NULL;
		value = trim(value);
		if (strlen(value) >= VALUE_BYTES)
			err = pw_fail(why, PW_INVALID, "%s: a value is longer than %d characters", where, VALUE_BYTES);
		else
			err = one_add(v, word, where, value, why);
	}
	mem_free(copy);
	return err;
}
