/* curve_pmap.h - a pmap that knows of every page who maps it, for a curve over a kernel.
 *
 * Under a kernel with memory for everything a frame is a page: it lasts from the page's first coming to its end.  So frames are the
 * numbers of pages in the LRU curve, a translation is a word of its table, and an end (every mapping of a frame removed) is a death in
 * its stack.  The contract of pmap.h is kept, without page tables.
 *
 * A memory of n frames differs in what it has forgotten: whoever evicts a page removes all its translations.  A page with one
 * translation loses it when it is evicted, which its depth tells.  Of a page with several each one remembers how deep the page was
 * found since its own last use. */
#pragma once
#include "../pmap/pmap.h"
#include "lru_curve.h"

struct curve_sys;

#define CURVE_CLASS_NONE UINT32_MAX
/* One of several translations of a page. */
struct curve_node {
	uint64_t key;
	uint32_t next;       /* in the page's list, plus one; 0: the last */
	uint32_t lost;       /* memories of fewer frames have removed it since its last use */
	uint32_t class;      /* CURVE_CLASS_NONE: nobody asked yet */
};

/* l is the curve whose table and stack it keeps; its front must be empty whenever the kernel is called. */
must_use enum pw_err curve_sys_create(struct lru_curve *l, unsigned page_shift, struct pmap_sys **ret);
/* The first error since it was last asked: a pmap cannot give back out of memory everywhere. */
enum pw_err curve_sys_error(struct pmap_sys *sys);
/* Translations entered from now on are copies of those of this space, until NULL is said. */
void curve_sys_copying(struct pmap_sys *sys, const struct pmap *from);
uint32_t curve_pmap_space(const struct pmap *p);
/* The node of a shared translation. */
struct curve_node *curve_node_at(struct pmap_sys *sys, uint32_t page, uint64_t key);
/* A shared page was used at this depth, by this translation: the others have lost it in smaller memories.  When it is the last one left
 * the page is shared no more.  => how deep it was found since its own last use */
uint64_t curve_node_used(struct pmap_sys *sys, uint32_t page, struct curve_node *by, uint64_t depth);
/* The same where the kernel itself used the page: all of its translations have lost it. */
void curve_page_used(struct pmap_sys *sys, uint32_t page, uint64_t depth);
uint64_t curve_sys_bytes(const struct pmap_sys *sys);
