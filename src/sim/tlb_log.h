/* tlb_log.h - what one reader of the trace writes down for the many models of `pageworks tlb`.
 *
 * The trace is read, and its address spaces are followed, once.  What the models need of it goes into a batch, in the order in which
 * it happened, as two logs of words:
 *
 *   pages   for the all-associativity stacks: the number of a page for each reference to another page than the one before
 *   refs    for the machines: the calls that a kernel makes to a pmap, and those references that could change anything in a TLB
 *
 * Whatever takes translations away stands in both, between the references it came between. */
#pragma once
#include "../machine/access.h"
#include <stdbool.h>
#include <stdint.h>

enum {
	TLB_SIZES = 8,           /* page sizes at once */
	TLB_PAGES_MAX = 1 << 26, /* base pages that can be told apart */
	TLB_BATCH = 1 << 17,     /* words of a log after which it is handed on */
	TLB_BATCH_ROOM = TLB_BATCH + 8192,
	TLB_ROWS = 256,          /* of the ledger; 0 is nobody */
};

/* Words of the page log.  Page numbers count from 1; what comes after a colon is another word. */
#define TLB_LOG_FIRST_STORE (1u << 30) /* with a page: a store through a translation that says clean reads the tables again */
enum tlb_log_word {
	TLB_LOG_HOLE = 1u << 31, /* : page  its translation is gone */
	TLB_LOG_TOUCH,           /* : page  a walk that ended in a fault looked into the walk caches */
	TLB_LOG_CACHES,          /* : space  its entries in the walk caches are gone */
	TLB_LOG_ALL,             /* everything is gone */
	TLB_LOG_RESET,           /* counts begin anew */
};

/* Words of the reference log: kind 3 is no access. */
enum tlb_log_mark {
	TLB_MARK_SPACE = 1, /* : space  it is activated */
	TLB_MARK_GONE,      /* : space  it is destroyed */
	TLB_MARK_ENTER,     /* : space : page : union tlb_enter */
	TLB_MARK_REMOVE,    /* : space : first page : count */
	TLB_MARK_PROTECT,   /* : space : first page : count : rights that stay */
	TLB_MARK_FAULT,     /* : reference  which faults */
	TLB_MARK_RESET,     /* counts begin anew */
};
#define TLB_MARK_KIND 3u
static inline ref_t tlb_mark(enum tlb_log_mark m) { return (ref_t){ (uint64_t)m << REF_KIND_BITS | TLB_MARK_KIND }; }

/* What is entered, in one word. */
union tlb_enter {
	struct {
		uint16_t row;     /* whose page it is: a row of the ledger */
		uint8_t prot;     /* PMAP_* */
		uint8_t cause;    /* enum access_kind */
		bool whole;       /* the large page around it (the tables' next level) lies wholly inside its mapping */
	};
	uint64_t word;
};
_Static_assert(sizeof(union tlb_enter) == 8, "one word of the log");

struct tlb_batch {
	uint32_t *page;
	ref_t *ref;
	uint64_t n_pages, n_refs;
};
