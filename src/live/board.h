/* board.h - what the command that starts a paged program and the pager inside that program write for each other: one page of shared
 * memory, which outlives the program however it ends.
 *
 * The command fills the orders before the program starts, the pager fills the rest.  Words are
 * written whole, so a reader sees each figure as it was at some moment, not all of them at the same. */
#pragma once
#include "../kernel/kernel.h"
#include "../pmap/pmap_host.h"
#include "../policy/policy.h"
#include "../store/store.h"
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define BOARD_VARIABLE "PAGEWORKS_LIVE" /* in the program's environment while it starts: where this page can be opened */
#define BOARD_MAGIC    0x706167652d6c7631ull
enum { BOARD_PATH = 512 };

/* Whether the threads of the first process are kept on the one processor where they began. */
enum board_pin {
	BOARD_PIN_NONE,     /* no, and they never will be: nobody wants it, or the program chooses its processors itself */
	BOARD_PIN_NARROW,
	BOARD_PIN_WIDE,     /* no: they have all of before at the moment, because several want to run */
};
struct board_pins {
	volatile uint32_t state;       /* enum board_pin */
	uint32_t turn;                 /* counts changes of this all; a futex */
	cpu_set_t before, here;        /* what it had, and the one.  NONE: before is what the program chose, as far as it is known */
};
/* A change is made, and whoever waits for one learns of it. */
void board_turn(struct board_pins *pin);

/* Mappings of one name, those that are gone included. */
struct board_mapping {
	char name[48];
	uint64_t bytes, resident_pages;         /* at the end */
	struct fault_counts faults;
	bool is_protected;                      /* at least one of them */
};
enum { BOARD_MAPPINGS = 24 };                   /* the last one is for all that come later */

enum board_state {
	BOARD_EMPTY,   /* the program has not loaded the pager */
	BOARD_PAGING,
	BOARD_STOPPED, /* the pager ended the program: why says for what */
};

/* Figures of the processes beside the first one, sums, added up every so many faults and when one exits in good order. */
#define BOARD_OTHERS_LIST(X) X(faults) X(evicted) X(written_back) X(swap_reads) X(swap_writes)
struct board_others {
#define X(name) uint64_t name;
	BOARD_OTHERS_LIST(X)
#undef X
};

/* What the command may wish while the program runs. */
enum board_wish {
	BOARD_WISH_FIGURES, /* as they are at this moment */
	BOARD_WISH_RAM,     /* at most ram_bytes resident from now on, in every process */
};
/* One wish at a time.  asked and answered are futexes, and numbers of wishes: equal, nobody waits for anything. */
struct board_wishes {
	uint32_t asked, answered;
	uint32_t kind;                 /* enum board_wish */
	uint64_t ram_bytes;
	uint32_t err;                  /* enum pw_err: the answer, with why */
	char why[200];
};

/* What is asked of a pager. */
struct board_orders {
	uint64_t ram_bytes;
	uint64_t map_least;            /* anonymous mappings from this size on are paged */
	uint64_t seed;
	uint64_t slots;                /* of the swap place; 0: as many as it takes */
	uint32_t ahead;                /* pages read ahead at most */
	uint32_t personality;
	bool follow;                   /* programs the program starts are paged, too */
	bool attend;                   /* wishes may come while it runs */
	bool pin;                      /* program and pager share a processor while the program has one thread */
	char protect[BOARD_PATH];      /* names of mappings that stay in memory, patterns separated by commas */
	char policy[POLICY_SPEC_MAX];
	char swap[BOARD_PATH];
	char preload[2 * BOARD_PATH];    /* LD_PRELOAD while it starts */
	char path[64];                   /* of this page: the value of the variable */
	char preload_before[BOARD_PATH]; /* LD_PRELOAD as the program is to see it; "": none */
	bool preload_was_set;
};

struct board {
	uint64_t magic;
	struct board_orders orders;
	/* The pager's. */
	struct board_pins pin;         /* the pager's, but for the change between NARROW and WIDE, which is the command's */
	struct board_wishes wish;      /* the command's, answered by the pager of the first process */
	volatile uint32_t state;       /* enum board_state */
	volatile int pid;              /* of the program */
	volatile uint64_t processes;   /* paged so far, children of forks included */
	struct kernel_counts kernel;
	struct pmap_host_counts host;
	struct board_others others;
	struct store_stats store;
	uint64_t ram_bytes;            /* in force */
	uint64_t ram_peak_bytes;       /* the most that ever was */
	uint64_t managed_bytes;        /* mapped by the program, and paged */
	uint64_t protected_bytes, refused_bytes; /* as in struct pager_counts */
	uint32_t n_mappings;           /* known when the program ended by itself */
	struct board_mapping mapping[BOARD_MAPPINGS];
	uint64_t faults_ns;            /* spent serving */
	uint64_t faults_mixed;         /* of another thread than the one before */
	char flaw[256];                /* the kernel's own check at the end: "" when all is well */
	char why[480];
};

/* A copy that can be relied on: texts end and are printable, numbers that choose are within their lists.  The program may have written
 * over the page: it is in its memory. */
void board_read(const struct board *shared, struct board *ret);
