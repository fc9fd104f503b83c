/* curve_impl.h - what the files of a curve share. */
#pragma once
#include "../base/mem.h"
#include "curve.h"
#include "lru_curve.h"
#include "opt_curve.h"
#include "shards.h"

/* Class of a page in traces without events: its process. */
struct curve_process {
	uint32_t pid;
	uint32_t class;
};
struct curve_class_info {
	uint32_t pid;
	const char *name;                /* of the mapping; "": all there is */
};
struct curve_space;
struct curve_duel;

enum { CURVE_WINDOWS_MAX = 2048, CURVE_INTERVALS = 64 };

struct curve_cells {
	uint64_t references, always, cell[SCALE_CELLS];
};
struct curve_interval_cells {
	uint64_t end;
	struct curve_cells cells;
};

struct curve {
	struct curve_options opt;
	struct trace *trace;
	struct lru_curve lru;
	struct uses uses;
	struct curve_process *process;   /* the space of process i is i */
	unsigned n_processes, recent;
	struct curve_class_info *class;  /* what the classes of lru are */
	struct curve_space *space;       /* NULL: a trace without mappings */
	uint64_t skipped_refs;           /* of processes that had ended */
	uint64_t n_pages;                /* numbers given */
	uint64_t position;               /* references taken from the trace */
	uint64_t refused, lost;
	/* The optimal policy, when it was asked for. */
	bool wants_opt, wants_lru;
	struct use_log log;
	struct opt_curve *opt_curve;
	struct lru_totals opt_base;      /* write-backs until the end of the warm-up */
	bool opt_going;
	struct curve_duel *duel;         /* other policies, when any were */
	bool wants_duel, duel_going;
	struct shards *shards;           /* NULL: exact */
	/* At the end of the warm-up. */
	bool warm;
	struct lru_totals base;
	uint64_t base_position, base_refused, base_skipped;
	/* W(t, tau) at every every-th multiple of tau. */
	struct curve_window window[CURVE_WINDOWS_MAX];
	unsigned n_windows;
	uint64_t every, skipped;
	/* Counts by time. */
	struct curve_interval_cells interval[CURVE_INTERVALS];
	unsigned n_intervals;
	uint64_t interval_length, interval_end;
	struct curve_cells interval_before;
	enum curve_state state;
	enum pw_err error;
	struct pw_why why;
};

enum curve_state curve_fail(struct curve *c, enum pw_err err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The second pass begins, and goes on by n entries. */
must_use enum pw_err curve_second_begin(struct curve *c);
must_use enum pw_err curve_second_step(struct curve *c, uint64_t n);
uint64_t curve_footprint(const struct curve *c, uint64_t *ret_touched);
uint64_t curve_refused(const struct curve *c);
uint32_t curve_process_get(struct curve *c, uint32_t pid); /* => its space; UINT32_MAX: the curve has failed */
uint64_t curve_sift(struct curve *c, const ref_t *refs, uint64_t n, ref_t *ret);
/* curve_result.c: the sizes to show, ascending, each once; few: where each is a simulation.  => NULL: out of memory */
uint64_t *curve_sizes_make(const struct curve *c, uint64_t pages, bool few, unsigned *ret_n);
/* curve_duel.c */
bool curve_duel_wanted(const struct curve_policy *p);
/* => *ret is to be destroyed also on error */
must_use enum pw_err curve_duel_create(struct curve *c, uint64_t footprint, struct curve_duel **ret, struct pw_why *why);
void curve_duel_destroy(struct curve_duel *d);
must_use enum pw_err curve_duel_step(struct curve *c, struct curve_duel *d, uint64_t n, bool *ret_going);
double curve_duel_progress(const struct curve *c, const struct curve_duel *d);
void curve_duel_line(const struct curve *c, struct curve_duel *d, unsigned which, uint64_t always, struct curve_line *l);
unsigned curve_duel_sizes(const struct curve_duel *d);
/* curve_parts.c */
uint64_t curve_parts_due(const struct curve *c);
void curve_parts_restart(struct curve *c);
void curve_parts_cut(struct curve *c);
must_use enum pw_err curve_parts_result(struct curve *c, struct curve_result *r);
void curve_parts_drop(struct curve_result *r);
/* curve_sample.c */
must_use enum pw_err curve_sample_create(struct curve *c);
void curve_sample_refs(struct curve *c, const struct trace_item *item);
void curve_sample_event(struct curve *c, uint32_t pid, const struct trace_event *e);
/* curve_advice.c: says in words what the sizes, ascending, mean.  => r->references is set */
struct curve_sizes {
	uint64_t n, *frames, *faults;
};
void curve_advise(struct curve_result *r, const struct curve_sizes *s);
/* curve_sample.c: the points of a line, and advice, from an estimate. */
void curve_sample_line(const struct shards_result *s, struct curve_line *l, const uint64_t *size, uint64_t references);
void curve_sample_advise(struct curve_result *r, const struct shards_result *s);
