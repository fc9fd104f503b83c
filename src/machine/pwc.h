/* pwc.h - a page-walk cache: where the tables below one level are, and the rights granted on the way to them, for the prefixes of
 * addresses walked last.  Fully associative, least recently used leaves.
 *
 * A tag is the prefix (of at most 47 bits) and the address space, never 0.  Nothing here allocates but pwc_init. */
#pragma once
#include "../base/addr.h"
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>

#define PWC_NONE UINT32_MAX
enum { PWC_HOMES = 256 };

struct pwc_entry {
	uint64_t tag;          /* 0: empty */
	pfn_t table;
	uint16_t newer, older; /* neighbours in the order of last use; newer than the newest is the oldest */
	uint8_t rights;
};
struct pwc {
	uint32_t n;
	uint32_t oldest;                    /* the entry used longest ago */
	struct pwc_entry *entry;            /* n of them */
	uint16_t tenants[PWC_HOMES];        /* how many entries have a tag at home there */
	uint16_t tenant[PWC_HOMES];         /* one of them, if any */
};

/* n: at most 65535; 0: a cache that never knows anything.  => PW_NOMEM */
must_use enum pw_err pwc_init(struct pwc *p, uint32_t n);
void pwc_fini(struct pwc *p);
/* The one whom a home knew has gone, and others live there. */
void pwc_look_again(struct pwc *p, uint32_t home);
/* The entry goes: it will be the first to be filled. */
void pwc_drop(struct pwc *p, uint32_t i);
const char *pwc_flaw(const struct pwc *p); /* NULL, or the broken invariant */

static inline uint64_t pwc_tag_make(uint64_t prefix, uint16_t asid) { return 1ull << 63 | prefix << 16 | asid; }
static inline uint16_t pwc_tag_asid(uint64_t tag) { return (uint16_t)tag; }
static inline uint32_t pwc_home(uint64_t tag) { return tag >> 16 & (PWC_HOMES - 1); }

/* The entry of a tag, or PWC_NONE. */
static inline uint32_t pwc_find(const struct pwc *p, uint64_t tag)
{
	uint32_t home = pwc_home(tag), tenants = p->tenants[home];
	if (!tenants)
		return PWC_NONE;
	if (p->entry[p->tenant[home]].tag == tag)
		return p->tenant[home];
	for (uint32_t i = 0; tenants > 1 && i < p->n; i++)
		if (p->entry[i].tag == tag)
			return i;
	return PWC_NONE;
}

/* An entry that is not the oldest moves to where the ring closes: it is the newest, and the oldest for whoever says so. */
static inline void pwc_to_end(struct pwc *p, uint32_t i)
{
	struct pwc_entry *const entry = p->entry;
	entry[entry[i].older].newer = entry[i].newer;
	entry[entry[i].newer].older = entry[i].older;
	uint32_t oldest = p->oldest, newest = entry[oldest].older;
	entry[i].older = (uint16_t)newest;
	entry[i].newer = (uint16_t)oldest;
	entry[newest].newer = entry[oldest].older = (uint16_t)i;
}

/* It was used just now. */
static inline void pwc_use(struct pwc *p, uint32_t i)
{
	if (i == p->oldest)
		p->oldest = p->entry[i].newer;
	else if (p->entry[i].newer != p->oldest)
		pwc_to_end(p, i);
}

/* The entry has no tag any more, and its home knows. */
static inline void pwc_move_out(struct pwc *p, uint32_t i)
{
	uint32_t home = pwc_home(p->entry[i].tag);
	p->entry[i].tag = 0;
	if (--p->tenants[home] && p->tenant[home] == i)
		pwc_look_again(p, home);
}

/* A tag that is not there takes the place of the one used longest ago. */
static inline void pwc_fill(struct pwc *p, uint64_t tag, pfn_t table, uint8_t rights)
{
	uint32_t i = p->oldest, home = pwc_home(tag);
	struct pwc_entry *e = &p->entry[i];
	if (e->tag)
		pwc_move_out(p, i);
	e->tag = tag;
	e->table = table;
	e->rights = rights;
	p->tenants[home]++;
	p->tenant[home] = (uint16_t)i;
	p->oldest = e->newer;
}
