/* formula.c - a recursive descent over the text itself.
 *
 * Problem.  A tool that shows "used" without its definition starts an argument; a definition written beside the code that computes it
 * soon differs from it.
 *
 * Idea.  The definition is the code: forty short texts in a table, evaluated as they stand, ten names at most, once a second.
 *
 *     formula = part { "|" part }      part = term { +- term }      term = factor { * / factor }      factor = NAME | ( part )
 *
 * 1. An alternative with an unknown name has no value, whatever the operators around it.
 * 2. Parsing goes on behind an unknown name, so a faulty formula is faulty on every kernel.
 * Rejected: compiled formulas (nothing to win), numbers as literals (no definition needs one but 1024, and units belong to fields). */
#include "formula.h"
#include <ctype.h>
#include <string.h>

struct parse {
	const char *at;
	formula_look look;
	const void *ctx;
	bool unknown, undefined, faulty;
};

/* Cuts the name at s.  => its length; 0: none is there, or it is too long. */
static size_t name_at(const char *s, char name[FORMULA_NAME])
{
	size_t n = 0;
	if (!isalpha((unsigned char)*s))
		return 0;
	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	n += s[n - 1] == '_' && s[n] == '*';
	if (n >= FORMULA_NAME)
		return 0;
	memcpy(name, s, n);
	name[n] = '\0';
	return n;
}

static void skip_blanks(struct parse *p) { p->at += strspn(p->at, " "); }

static long double part_value(struct parse *p);

static long double factor_value(struct parse *p)
{
	char name[FORMULA_NAME];
	long double v = 0;
	skip_blanks(p);
	if (*p->at == '(') {
		p->at++;
		v = part_value(p);
		p->faulty |= *p->at != ')';
		p->at += *p->at == ')';
	} else {
		size_t n = name_at(p->at, name);
		p->faulty |= n == 0;
		p->at += n;
		p->unknown |= n && !p->look(p->ctx, name, &v);
	}
	skip_blanks(p);
	return v;
}

static long double term_value(struct parse *p)
{
	long double v = factor_value(p);
	while (*p->at == '*' || *p->at == '/') {
		bool divides = *p->at++ == '/';
		long double by = factor_value(p);
		if (divides && by == 0)
			p->undefined = true;
		else
			v = divides ? v / by : v * by;
	}
	return v;
}

static long double part_value(struct parse *p)
{
	long double v = term_value(p);
	while (*p->at == '+' || *p->at == '-') {
		bool minus = *p->at++ == '-';
		long double by = term_value(p);
		v = minus ? v - by : v + by;
	}
	return v;
}

enum formula_outcome formula_value(const char *formula, formula_look look, const void *ctx, long double *ret, const char **ret_part)
{
	*ret_part = NULL;
	for (const char *part = formula;;) {
		struct parse p = { .at = part + strspn(part, " "), .look = look, .ctx = ctx };
		part = p.at;
		long double v = part_value(&p);
		if (p.faulty || (*p.at && *p.at != '|'))
			return FORMULA_FAULTY;
		if (!p.unknown) {
			*ret_part = part;
			*ret = v;
			return p.undefined ? FORMULA_UNDEFINED : FORMULA_VALUE;
		}
		if (!*p.at)
			return FORMULA_UNKNOWN;
		part = p.at + 1;
	}
}

void formula_print(const char *part, formula_word word, const void *ctx, FILE *out)
{
	char name[FORMULA_NAME];
	size_t length = strcspn(part, "|");
	while (length && part[length - 1] == ' ')
		length--;
	for (const char *at = part, *end = part + length; at < end;) {
		size_t n = name_at(at, name);
		if (n)
			word(ctx, name, out);
		else
			fputc(*at, out);
		at += n ? n : 1;
	}
}
