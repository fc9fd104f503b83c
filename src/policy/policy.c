/* policy.c - the list of policies, by name and by number, and the parameters of each.
 *
 * Problem: the command, its help, the tests and the drivers must all know the same policies and what may be chosen about them.
 * Idea: POLICY_LIST in the header is the only list; this file makes it an array.  A parameter is described beside the policy
 * that has it, so reading "2q:in=25%" needs no knowledge of 2q here.
 *
 * 1. Parameters that were parsed lie between least and most; a COUNT is a whole number. */
#include "policy.h"
#include "../base/text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct policy_ops *const policies[] = {
#define X(id) &policy_##id,
	POLICY_LIST(X)
#undef X
};
enum { N_POLICIES = sizeof policies / sizeof *policies };

const struct policy_ops *policy_at(unsigned i)
{
	return i < N_POLICIES ? policies[i] : NULL;
}

const struct policy_ops *policy_find(const char *name)
{
	for (unsigned i = 0; i < N_POLICIES; i++) {
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	}
	return NULL;
}

struct policy_params policy_params_of(const struct policy_ops *p, const struct policy_params *params)
{
	struct policy_params initial = { .given = true };
	if (params && params->given)
		return *params;
	for (unsigned i = 0; p->param && p->param[i].key; i++)
		initial.value[i] = p->param[i].initial;
	return initial;
}

/* "25%" or "0.25".  => NAN when it is neither */
static double share_parse(const char *word)
{
	char *end;
	double v = strtod(word, &end);
	bool percent = end != word && *end == '%';
	return end == word || end[percent] || !isfinite(v) ? NAN : percent ? v / 100 : v;
}

static enum pw_err param_parse(const struct policy_param *param, const char *name, const char *word, double *ret, struct pw_why *why)
{
	uint64_t count = 0;
	double v = NAN;
	if (param->kind == POLICY_SHARE)
		v = share_parse(word);
	else if (text_size(word, &count, NULL) == PW_OK)
		v = (double)count;
	if (!(v >= param->least && v <= param->most)) {
		bool share = param->kind == POLICY_SHARE;
		return pw_fail(why, PW_INVALID, "%s: %s=%s: write %s from %.15g%s to %.15g%s (%s)", name, param->key, word,
		               share ? "a share" : "a whole number", param->least * (share ? 100 : 1), share ? "%" : "",
		               param->most * (share ? 100 : 1), share ? "%" : "", param->text);
	}
	*ret = v;
	return PW_OK;
}

static enum pw_err params_parse(struct spec *s, const struct policy_ops *p, struct policy_params *ret, struct pw_why *why)
{
	char known[120] = "none";
	size_t at = 0;
	for (unsigned i = 0; p->param && p->param[i].key && at < sizeof known; i++) {
		const char *word = spec_word(s, p->param[i].key);
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", p->param[i].key);
		enum pw_err err = word ? param_parse(&p->param[i], p->name, word, &ret->value[i], why) : PW_OK;
		if (err)
			return err;
	}
	return spec_unused(s, known, why);
}

enum pw_err policy_parse(const char *text, const struct policy_ops **ret, struct policy_params *ret_params, struct pw_why *why)
{
	struct spec s;
	enum pw_err err = spec_init(&s, text, why);
	if (err)
		return err;
	const struct policy_ops *p = policy_find(s.name);
	if (p) {
		*ret = p;
		*ret_params = policy_params_of(p, NULL);
		err = params_parse(&s, p, ret_params, why);
	} else {
		err = pw_fail(why, PW_NOTFOUND, "'%s' is no policy", s.name);
	}
	spec_fini(&s);
	return err;
}

char *policy_text(char *buf, size_t size, const struct policy_ops *p, const struct policy_params *params)
{
	size_t at = (size_t)snprintf(buf, size, "%s", p->name);
	struct policy_params chosen = policy_params_of(p, params);
	char sign = ':';
	for (unsigned i = 0; p->param && p->param[i].key && at < size; i++) {
		const struct policy_param *param = &p->param[i];
		bool share = param->kind == POLICY_SHARE;
		if (chosen.value[i] == param->initial)
			continue;
		at += (size_t)snprintf(buf + at, size - at, "%c%s=%.15g%s", sign, param->key, chosen.value[i] * (share ? 100 : 1),
		                       share ? "%" : "");
		sign = ',';
	}
	return buf;
}
