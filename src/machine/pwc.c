/* pwc.c - page-walk caches.
 *
 * Problem: each walk asks for its prefix, and most ask in vain; comparing with every entry, and looking for the oldest, would take
 * longer than the walk.
 * Idea: entries are in a ring by last use, so the oldest is at hand.  Each tag has a home by its low bits, which counts its tenants
 * and knows the last who came: nobody there, or one who is somebody else, and the tag is nowhere.  Only a home of several, whose
 * last comer is another, is searched for.
 *
 *      ring:  oldest <-> ... <-> newest <-> oldest                 home 7:  2 tenants, the last is entry 12
 *
 * The newest stands just before the oldest, so filling the oldest moves nothing: the next one is the oldest then.
 *
 * 1. Empty entries are older than all others.
 * 2. The tenants of a home are the entries whose tags are at home there.  If there is one, it is the one known.
 *
 * Rejected: time stamps and a search of all of them by vectors (a fifth of a walk's instructions). */
#include "pwc.h"
#include "../base/mem.h"

enum pw_err pwc_init(struct pwc *p, uint32_t n)
{
	*p = (struct pwc){ .n = n };
	if (n == 0)
		return PW_OK;
	p->entry = mem_zalloc(n, sizeof *p->entry);
	if (!p->entry)
		return PW_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		p->entry[i].newer = (uint16_t)(i + 1 < n ? i + 1 : 0);
		p->entry[i].older = (uint16_t)(i ? i - 1 : n - 1);
	}
	return PW_OK;
}

void pwc_fini(struct pwc *p)
{
	mem_free(p->entry);
	*p = (struct pwc){ 0 };
}

void pwc_look_again(struct pwc *p, uint32_t home)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->entry[i].tag && pwc_home(p->entry[i].tag) == home)
			p->tenant[home] = (uint16_t)i;
}

void pwc_drop(struct pwc *p, uint32_t i)
{
	if (!p->entry[i].tag)
		return;
	pwc_move_out(p, i);
	if (i == p->oldest)
		return;
	pwc_to_end(p, i);
	p->oldest = i;
}

const char *pwc_flaw(const struct pwc *p)
{
	uint32_t tenants[PWC_HOMES] = { 0 }, at = p->oldest, filled = 0;
	for (uint32_t i = 0; i < p->n; i++, at = p->entry[at].newer) {
		if (at >= p->n || p->entry[at].newer >= p->n || p->entry[p->entry[at].newer].older != at || (i && at == p->oldest))
			return "pwc: the ring is broken";
		if (p->entry[at].tag)
			tenants[pwc_home(p->entry[at].tag)]++;
		else if (filled)
			return "pwc: an empty entry is newer than a used one";
		filled += p->entry[at].tag != 0;
	}
	for (uint32_t home = 0; home < PWC_HOMES; home++) {
		if (tenants[home] != p->tenants[home])
			return "pwc: a home does not know how many live there";
		const struct pwc_entry *known = tenants[home] == 1 ? &p->entry[p->tenant[home]] : NULL;
		if (known && (!known->tag || pwc_home(known->tag) != home))
			return "pwc: the only tenant of a home is not the one it knows";
	}
	return NULL;
}
