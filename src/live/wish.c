/* wish.c - from a line that anybody may have sent to a wish that can be granted.
 *
 * Problem: a control socket is open to scripts and typing; what is not understood must change nothing and say what would be.
 * Idea: one table of words; all of them, and the nearest one, are named when a line is none of them. */
#include "wish.h"
#include "../base/text.h"
#include <stdbool.h>
#include <string.h>

static const char *const names[WISH_KINDS] = {
#define X(name, sized, text) #name,
	WISH_LIST(X)
#undef X
};
static const bool takes_size[WISH_KINDS] = {
#define X(name, sized, text) sized,
	WISH_LIST(X)
#undef X
};

#define X(name, sized, text) " " #name
static const char known[] = WISH_LIST(X);
#undef X

static enum pw_err unknown(const char *word, struct pw_why *why)
{
	const char *near = text_nearest(word, names, WISH_KINDS);
	if (near)
		return pw_fail(why, PW_INVALID, "'%.60s' is not understood; did you mean '%s'?", word, near);
	return pw_fail(why, PW_INVALID, "'%.60s' is not understood; known:%s", word, known);
}

static enum pw_err wish_size(const char *text, struct wish *ret, struct pw_why *why)
{
	enum pw_err err = text_size_option(names[ret->kind], text, &ret->bytes, why);
	if (!err && ret->bytes < WISH_RAM_LEAST)
		return pw_fail(why, PW_INVALID, "ram=%s: at least 1M is needed", text);
	return err;
}

enum pw_err wish_parse(const char *line, struct wish *ret, struct pw_why *why)
{
	char word[WISH_LINE];
	size_t n = strcspn(line, "=");
	bool sized = line[n] == '=';
	if (n >= sizeof word)
		return pw_fail(why, PW_INVALID, "the line is too long");
	memcpy(word, line, n);
	word[n] = 0;
	*ret = (struct wish){ .kind = 0 };
	for (const char *c = line; *c; c++) {
		if (*c < ' ' || *c > '~')
			return pw_fail(why, PW_INVALID, "the line holds a byte that is no printable ASCII");
	}
	while (ret->kind < WISH_KINDS && strcmp(names[ret->kind], word) != 0)
		ret->kind++;
	if (ret->kind == WISH_KINDS)
		return unknown(word, why);
	if (sized != takes_size[ret->kind])
		return pw_fail(why, PW_INVALID, sized ? "'%s' takes no size" : "'%s' wants a size: %s=256M", word, word);
	return sized ? wish_size(line + n + 1, ret, why) : PW_OK;
}
