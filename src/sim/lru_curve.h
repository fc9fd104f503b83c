/* lru_curve.h - faults and write-backs of exact LRU in every number of frames, in one pass.
 *
 * It is fed uses of pages (uses.h) and knows pages by small numbers, which the owner gives through a table from keys to words
 * (dense.h).  It stops at a use it cannot do by itself, the first of a page or one that the page's word does not allow, and returns:
 * the owner does what is to be done and goes on.
 *
 * What is counted is also counted by class, and by the interval between two references to one page, which gives Denning's working
 * set for every window.
 *
 * Host memory: 28 bytes a page (plus 17 in the stack), 8 bytes a depth. */
#pragma once
#include "scale.h"
#include "recency.h"
#include "use_log.h"
#include "uses.h"

/* A word of the table: which page it is, whether it is found under other keys, too, and which kinds of use are its to do. */
enum { LRU_WORD_ALLOW = 7, LRU_WORD_SHARED = 8, LRU_WORD_SHIFT = 4 };
static inline uint32_t lru_word(uint32_t page, bool shared, unsigned allow)
{
	return (page + 1) << LRU_WORD_SHIFT | (shared ? LRU_WORD_SHARED : 0) | allow;
}
static inline uint32_t lru_word_page(uint32_t word) { return (word >> LRU_WORD_SHIFT) - 1; }
#define LRU_PAGES_MAX ((1u << 28) - 2)
#define LRU_CLEAN UINT32_MAX
#define LRU_NEW 0 /* the depth of a page that was not there */

/* Faults by depth and references of one class of pages: see lru_curve_classes. */
struct lru_class {
	uint64_t references;
	uint64_t always;            /* faults in every size */
	uint64_t cell[SCALE_CELLS];  /* scale_cell of a depth: faults in every size below it */
};

struct lru_page {
	uint32_t dirty;   /* written, and not yet written back, in sizes of at least this; LRU_CLEAN: in none */
	uint32_t class;
	uint64_t at;      /* the reference that used it last, from 1 */
};

enum { LRU_FRONT = 8, LRU_PENDING = 16 };
typedef uint64_t lru_tags __attribute__((vector_size(32), aligned(8))); /* allocated memory is not aligned to 32 */

/* The top of the stack, apart: most uses end here. */
struct lru_front {
	lru_tags tag[LRU_FRONT / 4];     /* keys */
	uint64_t order;                  /* a byte for each, the newest lowest: which entry it is */
	unsigned n;                      /* entries that are full: the newest */
	uint32_t id[LRU_FRONT], allow[LRU_FRONT];
	struct lru_page page[LRU_FRONT];
};

/* Working sets from intervals between references to one page. */
struct lru_intervals {
	uint64_t count[SCALE_CELLS], sum[SCALE_CELLS]; /* by scale_cell of the interval */
	uint64_t repeats;                            /* references to the page of the one before */
	uint64_t counted_from;                       /* intervals that began before are not counted */
	uint64_t window_began, window_pages;         /* pages referenced since */
};

struct lru_curve {
	struct lru_front front;
	struct recency stack;            /* below the front */
	struct dense table;
	struct lru_page *page;
	uint64_t n_pages, pages_room;    /* numbers given so far */
	uint64_t now;                    /* references before the batch */
	uint64_t *depth;                 /* faults in every size below it; below LRU_FRONT + 1 only classes know */
	uint64_t pending[LRU_PENDING];   /* depths that will be counted; 0: none */
	unsigned n_pending;
	int64_t *written;                /* the change of the write-backs from the size before to this one */
	uint64_t depths_room;
	struct lru_class *class;
	unsigned n_classes;
	struct lru_intervals intervals;
	uint64_t misses_front;           /* uses that were not in the front, in this batch */
	bool far;                        /* many were not in the last one, and pages are many: look ahead */
	struct use_log *log;             /* NULL, or where the uses go, by way of: */
	uint32_t *record;
	uint64_t n_recorded;
};
enum { LRU_RECORD = 4 * USES_MAX };

must_use enum pw_err lru_curve_init(struct lru_curve *l);
void lru_curve_fini(struct lru_curve *l);
/* From now on uses and deaths are logged.  => before the first use */
must_use enum pw_err lru_curve_log(struct lru_curve *l, struct use_log *log);
/* What was recorded is in the log. */
must_use enum pw_err lru_curve_log_flush(struct lru_curve *l);
/* One class more, whose number is *ret. */
must_use enum pw_err lru_curve_class(struct lru_curve *l, uint32_t *ret);
/* Room for one more page in everything, so that the next use of a new page cannot fail for it. */
must_use enum pw_err lru_curve_cover(struct lru_curve *l, uint32_t page);

/* Does uses from the first-th on.  => how many of all are done; less than all: the one at that place needs the owner.
 * *ret_err: PW_NOMEM ends it all. */
uint64_t lru_curve_run(struct lru_curve *l, const struct uses *u, uint64_t first, enum pw_err *ret_err);

/* One use by the owner: of a page in class, under this tag in the front (its key, or lru_tag_shared), which allows these kinds without
 * the owner from now on.  at: the first reference of the use, from 1; n: how many references it took, 0: nobody's, the page only moves to
 * the top.  The fault is not counted yet.
 * => *ret_depth is LRU_NEW when the page was not there. */
struct lru_use {
	uint64_t tag, at, n;
	uint32_t page, class;
	unsigned kinds, allow;
	bool served;                  /* its fault happens everywhere, and is counted by lru_curve_fault(LRU_NEW) */
};
must_use enum pw_err lru_curve_use(struct lru_curve *l, const struct lru_use *use, uint64_t *ret_depth);
static inline uint64_t lru_tag_shared(uint32_t page) { return 1ull << 63 | page; }
/* The page used last is known by this tag from now on. */
static inline void lru_curve_retag(struct lru_curve *l, uint64_t tag, unsigned allow)
{
	unsigned entry = (unsigned)l->front.order & (LRU_FRONT - 1);
	l->front.tag[entry / 4][entry % 4] = tag;
	l->front.allow[entry] = allow;
}
/* Counts a fault in every size below depth; LRU_NEW: in every size there is. */
void lru_curve_fault(struct lru_curve *l, uint32_t class, uint64_t depth);
/* The batch is over: n references passed, in so many uses. */
static inline void lru_curve_advance(struct lru_curve *l, uint64_t n, uint64_t n_uses)
{
	l->now += n;
	l->intervals.repeats += n - n_uses;
}
/* Forgets the faults and intervals counted so far, not what is where. */
void lru_curve_forget(struct lru_curve *l);

/* The page is no more; its number may be given to another.  => not in the front: call lru_curve_flush before */
must_use enum pw_err lru_curve_die(struct lru_curve *l, uint32_t page);
/* What was written to the page is not wanted any more: it is clean. */
void lru_curve_clean(struct lru_curve *l, uint32_t page);
/* Empties the front into the stack. */
must_use enum pw_err lru_curve_flush(struct lru_curve *l);

/* What came of it: arrays of n_sizes + 1, faults[n] and written[n] in n frames, from n = 1; faults in more frames than n_sizes are as
 * in n_sizes.  May be asked at any time.  => the arrays are the caller's, for mem_free */
struct lru_totals {
	uint64_t n_sizes, *faults, *written;
};
must_use enum pw_err lru_curve_totals(struct lru_curve *l, struct lru_totals *ret);
/* Pages in the working set of tau references, a scale size, averaged over all times since counting began.  => flushed */
double lru_curve_working_set(const struct lru_curve *l, uint64_t tau);
uint64_t lru_curve_bytes(const struct lru_curve *l);
const char *lru_curve_flaw(const struct lru_curve *l);
