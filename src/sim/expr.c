/* expr.c - a small language for conditions.
 *
 * Problem: a build should fail when memory got worse, and say so by a rule somebody can write on a command line.
 * Idea: recursive descent over the text, computing as it goes; checking is the same walk in which every path counts as 1.
 *
 *      or    = and { "||" and }        sum    = term { ("+" | "-") term }
 *      and   = cmp { "&&" cmp }        term   = factor { ("*" | "/") factor }
 *      cmp   = sum [ op sum ]          factor = number | path | "(" or ")" | ("-" | "!") factor
 *
 * 1. After an error nothing more is read, and the first error stands.
 * 2. Depth is bounded, so no text exhausts the stack.
 * Rejected: a tree and a second walk (nothing is evaluated twice). */
#include "expr.h"
#include "lookup.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPR_DEPTH = 50 };

struct expr {
	const char *text, *at;
	const json_t *result; /* NULL: only check */
	struct pw_why *why;
	enum pw_err err;
	unsigned depth;
};

static double expr_or(struct expr *e);

static double expr_fail(struct expr *e, const char *expected)
{
	if (e->err == PW_OK)
		e->err = pw_fail(e->why, PW_INVALID, "'%s': %s expected at '%s'", e->text, expected, *e->at ? e->at : "the end");
	return 0;
}

static bool expr_take(struct expr *e, const char *word)
{
	while (isspace((unsigned char)*e->at))
		e->at++;
	size_t n = strlen(word);
	if (e->err != PW_OK || strncmp(e->at, word, n) != 0)
		return false;
	e->at += n;
	return true;
}

static double expr_number(struct expr *e)
{
	char *end;
	double v = strtod(e->at, &end);
	e->at = end;
	switch (*end) {
	case 'K': e->at++; return v * 0x1p10;
	case 'M': e->at++; return v * 0x1p20;
	case 'G': e->at++; return v * 0x1p30;
	case '%': e->at++; return v / 100;
	default: return v;
	}
}

static double expr_path(struct expr *e)
{
	char path[256], near[256];
	size_t n = 0;
	while (isalnum((unsigned char)e->at[n]) || e->at[n] == '_' || e->at[n] == '.')
		n++;
	snprintf(path, sizeof path, "%.*s", (int)(n < sizeof path ? n : sizeof path - 1), e->at);
	e->at += n;
	if (!e->result)
		return 1;
	json_t *value = lookup(e->result, path);
	if (json_is_boolean(value))
		return json_is_true(value);
	if (json_is_number(value))
		return json_number_value(value);
	if (lookup_nearest(e->result, path, near, sizeof near))
		e->err = pw_fail(e->why, PW_NOTFOUND, "the result has no figure '%s'; did you mean '%s'?", path, near);
	else
		e->err = pw_fail(e->why, PW_NOTFOUND, "the result has no figure '%s'; --json shows all there are", path);
	return 0;
}

static double expr_factor(struct expr *e)
{
	double v = 0;
	if (e->depth++ > EXPR_DEPTH)
		expr_fail(e, "something less deep");
	else if (expr_take(e, "-"))
		v = -expr_factor(e);
	else if (expr_take(e, "!"))
		v = expr_factor(e) == 0;
	else if (expr_take(e, "(")) {
		v = expr_or(e);
		if (!expr_take(e, ")"))
			expr_fail(e, "')'");
	} else if (isdigit((unsigned char)*e->at)) {
		v = expr_number(e);
	} else if (isalpha((unsigned char)*e->at)) {
		v = expr_path(e);
	} else {
		expr_fail(e, "a number or a figure such as faults.total");
	}
	e->depth--;
	return v;
}

static double expr_term(struct expr *e)
{
	double v = expr_factor(e);
	for (;;) {
		if (expr_take(e, "*"))
			v *= expr_factor(e);
		else if (expr_take(e, "/"))
			v /= expr_factor(e);
		else
			return v;
	}
}

static double expr_sum(struct expr *e)
{
	double v = expr_term(e);
	for (;;) {
		if (expr_take(e, "+"))
			v += expr_term(e);
		else if (expr_take(e, "-"))
			v -= expr_term(e);
		else
			return v;
	}
}

static double expr_compare(struct expr *e)
{
	double v = expr_sum(e);
	if (expr_take(e, "<="))
		return v <= expr_sum(e);
	if (expr_take(e, ">="))
		return v >= expr_sum(e);
	if (expr_take(e, "=="))
		return v == expr_sum(e);
	if (expr_take(e, "!="))
		return v != expr_sum(e);
	if (expr_take(e, "<"))
		return v < expr_sum(e);
	if (expr_take(e, ">"))
		return v > expr_sum(e);
	return v;
}

/* Both sides are always read: a mistyped figure is found whatever the other side says. */
static double expr_and(struct expr *e)
{
	double v = expr_compare(e);
	while (expr_take(e, "&&")) {
		double w = expr_compare(e);
		v = v != 0 && w != 0;
	}
	return v;
}

static double expr_or(struct expr *e)
{
	double v = expr_and(e);
	while (expr_take(e, "||")) {
		double w = expr_and(e);
		v = v != 0 || w != 0;
	}
	return v;
}

static enum pw_err expr_walk(const char *text, const json_t *result, bool *ret, struct pw_why *why)
{
	struct expr e = { .text = text, .at = text, .result = result, .why = why };
	*ret = expr_or(&e) != 0;
	expr_take(&e, "");
	if (e.err == PW_OK && *e.at)
		expr_fail(&e, "an operator");
	return e.err;
}

enum pw_err expr_check(const char *text, struct pw_why *why)
{
	bool ignored;
	return expr_walk(text, NULL, &ignored, why);
}

enum pw_err expr_test(const char *text, const json_t *result, bool *ret, struct pw_why *why)
{
	return expr_walk(text, result, ret, why);
}
