/* tlb_ledger.h - whose page is it, and what would large pages do for them? */
#pragma once
#include "../kernel/kernel.h"
#include "tlb_machine.h"
#include "tlb_result.h"
#include "tlb_spaces.h"

struct tlb_ledger_rows;

/* large_pages: base pages in a large one; 0: there are none. */
must_use enum pw_err tlb_ledger_create(unsigned page_shift, uint64_t large_pages, struct tlb_ledger_rows **ret);
void tlb_ledger_destroy(struct tlb_ledger_rows *l);
/* Fills row and whole of a page that this process is about to map. */
void tlb_ledger_describe(struct tlb_ledger_rows *l, struct process *p, vpn_t page, union tlb_enter *ret);

/* Fills ret->ledger, of which cpu and large are given; base and large are the two machines, at rest.
 * => PW_NOMEM: what is there is released by tlb_result_fini. */
must_use enum pw_err tlb_ledger_result(const struct tlb_ledger_rows *l, const struct tlb_spaces *spaces, struct tlb_machine *base,
				       struct tlb_machine *large, const struct cost_model *cost, struct tlb_result *ret);
