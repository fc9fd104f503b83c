/* text.c - sizes, specifications, near misses.
 *
 * Problem: what people type must be read wholly or refused with a line that says what would be right; "8Q" is not 8.
 * Idea: one scanner of digits that detects overflow, and everything else in terms of it.
 *
 * 1. A number is read to its last character; a sign, a space or a fraction is refused.
 * 2. A parsed specification owns one copy of the text, and its keys and values point into it.
 * Rejected: strtoull (accepts signs, spaces and a wrapped result), one grammar for nested specifications (nobody needs it).
 * Source of the distance: Damerau, CACM 7 (1964), in the restricted form where a transposed pair is not edited again. */
#include "text.h"
#include "mem.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Reads digits, decimal or after 0x; gives the first character that is none, or NULL: no digits, or too large. */
static const char *scan_u64(const char *s, uint64_t *ret)
{
	int base = s[0] == '0' && (s[1] | 0x20) == 'x' ? 16 : 10;
	s += base == 16 ? 2 : 0;
	const char *first = s;
	uint64_t v = 0;
	for (; digit_of(*s) < base; s++) {
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) || __builtin_add_overflow(v, (uint64_t)digit_of(*s), &v))
			return NULL;
	}
	*ret = v;
	return s == first ? NULL : s;
}

/* Reads "", "B", "K", "KB", "KiB" and so on at s.  => a negative number when it is none of them. */
static int scan_unit(const char *s)
{
	static const char letters[] = "KMGTPE";
	int shift = 0;
	const char *at = memchr(letters, *s & ~0x20, sizeof letters - 1);
	if (at) {
		shift = 10 * (int)(at - letters + 1);
		s++;
		s += *s == 'i' && s[1] == 'B';
	}
	s += *s == 'B';
	return *s ? -1 : shift;
}

static enum pw_err size_parse(const char *s, uint64_t *ret)
{
	uint64_t v;
	const char *end = scan_u64(s, &v);
	int shift = end ? scan_unit(end) : -1;
	if (shift < 0 || v << shift >> shift != v)
		return PW_INVALID;
	*ret = v << shift;
	return PW_OK;
}

enum pw_err text_size(const char *s, uint64_t *ret, struct pw_why *why)
{
	if (size_parse(s, ret))
		return pw_fail(why, PW_INVALID, "'%s' is not a size; write a number with K, M, G or T", s);
	return PW_OK;
}

enum pw_err text_size_option(const char *what, const char *s, uint64_t *ret, struct pw_why *why)
{
	if (size_parse(s, ret))
		return pw_fail(why, PW_INVALID, "%s: '%s' is not a size; write a number with K, M, G or T", what, s);
	return PW_OK;
}

enum pw_err text_u64(const char *s, uint64_t *ret, struct pw_why *why)
{
	uint64_t v;
	const char *end = scan_u64(s, &v);
	if (!end || *end)
		return pw_fail(why, PW_INVALID, "'%s' is not a whole number of at most 64 bits", s);
	*ret = v;
	return PW_OK;
}

static enum pw_err pair_add(struct spec *s, char *text, struct pw_why *why)
{
	char *value = strchr(text, '=');
	if (!value || value == text)
		return pw_fail(why, PW_INVALID, "%s: '%s' is not of the form key=value", s->name, text);
	*value++ = 0;
	for (unsigned i = 0; i < s->n_pairs; i++) {
		if (!strcmp(s->pair[i].key, text))
			return pw_fail(why, PW_INVALID, "%s: '%s' is given twice", s->name, text);
	}
	if (s->n_pairs == sizeof s->pair / sizeof *s->pair)
		return pw_fail(why, PW_INVALID, "%s: more than %u keys are given", s->name, s->n_pairs);
	s->pair[s->n_pairs++] = (struct spec_pair){ .key = text, .value = value };
	return PW_OK;
}

enum pw_err spec_init(struct spec *s, const char *text, struct pw_why *why)
{
	*s = (struct spec){ 0 };
	s->copy = mem_strdup(text);
	if (!s->copy)
		return pw_fail(why, PW_NOMEM, "out of memory while reading '%s'", text);
	s->name = s->copy;
	char *rest = strchr(s->copy, ':');
	if (rest)
		*rest++ = 0;
	enum pw_err err = *s->name ? PW_OK : pw_fail(why, PW_INVALID, "'%s' has no name; write name:key=value,key=value", text);
	while (!err && rest && *rest) {
		char *item = rest;
		rest = strchr(rest, ',');
		if (rest)
			*rest++ = 0;
		err = pair_add(s, item, why);
	}
	if (err)
		spec_fini(s);
	return err;
}

void spec_fini(struct spec *s)
{
	mem_free(s->copy);
	*s = (struct spec){ 0 };
}

const char *spec_word(struct spec *s, const char *key)
{
	for (unsigned i = 0; i < s->n_pairs; i++) {
		if (strcmp(s->pair[i].key, key))
			continue;
		s->pair[i].used = true;
		return s->pair[i].value;
	}
	return NULL;
}

enum pw_err spec_size(struct spec *s, const char *key, uint64_t *ret, struct pw_why *why)
{
	const char *value = spec_word(s, key);
	if (value && size_parse(value, ret))
		return pw_fail(why, PW_INVALID, "%s: %s=%s is not a number; write digits with K, M, G or T", s->name, key, value);
	return PW_OK;
}

enum pw_err spec_real(struct spec *s, const char *key, double *ret, struct pw_why *why)
{
	const char *value = spec_word(s, key);
	if (!value)
		return PW_OK;
	char *end;
	double v = strtod(value, &end);
	if (end == value || *end || !isfinite(v))
		return pw_fail(why, PW_INVALID, "%s: %s=%s is not a number such as 0.5", s->name, key, value);
	*ret = v;
	return PW_OK;
}

enum pw_err spec_unused(const struct spec *s, const char *known, struct pw_why *why)
{
	for (unsigned i = 0; i < s->n_pairs; i++) {
		if (!s->pair[i].used)
			return pw_fail(why, PW_INVALID, "%s: there is no key '%s'; the keys are %s", s->name, s->pair[i].key, known);
	}
	return PW_OK;
}

enum { WORD_MAX = 48 };

static unsigned min_u(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* The number of characters inserted, deleted, replaced or swapped with their neighbour between a and b. */
static unsigned distance(const char *a, unsigned a_length, const char *b, unsigned b_length)
{
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];
	for (unsigned i = 0; i <= a_length; i++)
		d[i][0] = i;
	for (unsigned k = 0; k <= b_length; k++)
		d[0][k] = k;
	for (unsigned i = 1; i <= a_length; i++) {
		for (unsigned k = 1; k <= b_length; k++) {
			unsigned replaced = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
			d[i][k] = min_u(replaced, min_u(d[i - 1][k], d[i][k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				d[i][k] = min_u(d[i][k], d[i - 2][k - 2] + 1);
		}
	}
	return d[a_length][b_length];
}

const char *text_nearest(const char *word, const char *const *names, unsigned n)
{
	size_t length = strlen(word);
	if (length > WORD_MAX)
		return NULL;
	/* In a short word two mistakes leave too little to guess from. */
	unsigned limit = min_u(3, (unsigned)length / 2 + 1);
	const char *best = NULL;
	for (unsigned i = 0; i < n; i++) {
		size_t name_length = strlen(names[i]);
		unsigned d = name_length > WORD_MAX ? limit : distance(word, (unsigned)length, names[i], (unsigned)name_length);
		if (d >= limit)
			continue;
		limit = d;
		best = names[i];
	}
	return best;
}

char *text_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	unsigned u = 0;
	while (u < 6 && bytes >> 10 * (u + 1))
		u++;
	uint64_t one = 1ull << 10 * u;
	if (bytes % one == 0)
		snprintf(buf, size, "%" PRIu64 " %s", bytes / one, unit[u]);
	else
		snprintf(buf, size, "%.1f %s", (double)bytes / (double)one, unit[u]);
	return buf;
}

char *text_count(char *buf, size_t size, uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof digits, "%" PRIu64, count);
	size_t at = 0;
	for (int i = 0; i < length && at + 2 < size; i++) {
		if (i && (length - i) % 3 == 0)
			buf[at++] = ',';
		buf[at++] = digits[i];
	}
	if (size)
		buf[at < size ? at : size - 1] = 0;
	return buf;
}
