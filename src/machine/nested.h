/* nested.h - a guest's half of nested translation: its walks with the host's below each step.  Private to the machine room.
 *
 * The host is another machine.  The guest's physical memory is the space it has loaded (by its EPTP, its hgatp): whatever physical
 * address the guest's walk comes across is an address to the host, looked up in the host's TLBs (which so are the nested TLB) and
 * walked for in its tables.  The guest's own TLBs keep what both stages together gave. */
#pragma once
#include "mmu.h"

/* => PW_INVALID with why when such a guest cannot stand on such a host. */
must_use enum pw_err nested_check(const struct machine_config *c, struct pw_why *why);

/* A walk of both stages.  => r as a walk would leave it, but for r->e, the translation to keep: the rights of both stages, dirty when
 * both are, as large as the smaller of the two pages.  On MACHINE_FAULT_HOST c->stop says more. */
void nested_walk(struct machine *m, struct cpu *c, pfn_t table, unsigned level, unsigned rights, const struct walk_want *w,
		 struct walk *r);
/* A walk that found its frame is counted. */
void nested_count(struct machine *m, const struct walk *w);
/* Before anything runs: when the host has taken back a translation since, ours that may be made from it go (INVEPT). */
void nested_follow(struct machine *m);
