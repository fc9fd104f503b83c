/* tlb.c - reading TLB geometries from words. */
#include "tlb.h"
#include "../base/text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXAMPLE "'l1d=64/4,l1i=64/8,l2=1536/12:plru'"

static enum pw_err parse_name(const char *name, struct tlb_geometry *g, struct pw_why *why)
{
	size_t n = strlen(name);
	if ((n != 2 && n != 3) || name[0] != 'l' || !isdigit((unsigned char)name[1]) || name[1] == '0' ||
	    (n == 3 && name[2] != 'i' && name[2] != 'd'))
		return pw_fail(why, PW_INVALID, "--tlb: '%s' is no TLB; names are l1, l1i, l1d, l2, ... as in " EXAMPLE, name);
	memcpy(g->name, name, n + 1);
	g->level = (uint8_t)(name[1] - '0');
	g->kinds = n == 2 ? TLB_ALL : name[2] == 'i' ? TLB_FETCHES : TLB_DATA;
	g->page_levels = 0xff;
	return PW_OK;
}

static enum pw_err parse_replace(const char *word, struct tlb_geometry *g, struct pw_why *why)
{
	static const char *const names[] = {
#define X(name) #name,
		TLB_REPLACE_LIST(X)
#undef X
	};
	for (unsigned i = 0; i < TLB_REPLACE_KINDS; i++)
		if (strcmp(word, names[i]) == 0) {
			g->replace = (enum tlb_replace)i;
			return PW_OK;
		}
	return pw_fail(why, PW_INVALID, "--tlb: '%s' is no TLB replacement; there are lru, plru, fifo, random", word);
}

static enum pw_err parse_shape(char *shape, struct tlb_geometry *g, struct pw_why *why)
{
	char *ways = strchr(shape, '/');
	if (ways)
		*ways++ = 0;
	uint64_t entries, n_ways = 0;
	enum pw_err err = text_size(shape, &entries, why);
	if (err == PW_OK && ways && strcmp(ways, "fa") != 0)
		err = text_size(ways, &n_ways, why);
	else
		n_ways = entries;
	if (err != PW_OK)
		return pw_fail(why, PW_INVALID, "--tlb: %s is written entries/ways, as in " EXAMPLE, g->name);
	if (entries == 0 || entries > 1 << 20 || n_ways == 0 || entries % n_ways)
		return pw_fail(why, PW_INVALID, "--tlb: %s: %llu entries cannot be divided into %llu ways (at most 1M entries)",
			       g->name, (unsigned long long)entries, (unsigned long long)n_ways);
	g->entries = (uint32_t)entries;
	g->ways = (uint32_t)n_ways;
	return PW_OK;
}

static enum pw_err parse_one(char *text, struct tlb_geometry *g, struct pw_why *why)
{
	*g = (struct tlb_geometry){ .replace = TLB_lru };
	char *shape = strchr(text, '=');
	if (!shape)
		return pw_fail(why, PW_INVALID, "--tlb: '%s' has no shape; write it as in " EXAMPLE, text);
	*shape++ = 0;
	char *replace = strchr(shape, ':');
	if (replace)
		*replace++ = 0;
	enum pw_err err = parse_name(text, g, why);
	if (err == PW_OK)
		err = parse_shape(shape, g, why);
	if (err == PW_OK && replace)
		err = parse_replace(replace, g, why);
	return err;
}

enum pw_err tlb_parse(const char *text, struct tlb_geometry *ret, unsigned *n, struct pw_why *why)
{
	char copy[512];
	*n = 0;
	if (strcmp(text, "none") == 0)
		return PW_OK;
	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		return pw_fail(why, PW_INVALID, "--tlb: longer than %zu characters", sizeof copy - 1);
	char *rest = copy;
	for (char *one; (one = strsep(&rest, ","));) {
		if (*n == TLB_ARRAYS)
			return pw_fail(why, PW_INVALID, "--tlb: more than %d TLBs", TLB_ARRAYS);
		enum pw_err err = parse_one(one, &ret[*n], why);
		if (err != PW_OK)
			return err;
		for (unsigned i = 0; i < *n; i++)
			if (strcmp(ret[i].name, ret[*n].name) == 0)
				return pw_fail(why, PW_INVALID, "--tlb: %s is given twice", ret[i].name);
		++*n;
	}
	return PW_OK;
}
