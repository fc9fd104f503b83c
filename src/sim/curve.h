/* curve.h - faults in every number of frames at once, from one reading of a trace.
 *
 * A curve is stepped from outside like a run, and what it gives is the same: at each number of frames the faults and write-backs are
 * those of a run with that --frames and policy in the textbook personality.  curve(1) says where that is exact and where it is not.
 *
 *   trace --> uses of pages --+--> lru_curve                 every size, exact
 *                             +--> log --> opt_curve         every size, exact, in a second pass over what was read
 *                             |     '----> duel              other policies, at the sizes asked for
 *        '--> hash filter ----'--> shards                    an estimate in constant memory */
#pragma once
#include "../base/err.h"
#include "../policy/policy.h"
#include "../trace/trace.h"
#include "scale.h"
#include <stdio.h>

struct curve;

/* A number of frames as it was asked for: a number, or thousandths of a percent of the pages that were touched. */
struct curve_size {
	uint64_t frames;
	uint32_t milli_percent;  /* not 0: instead of frames */
};

struct curve_policy {
	const struct policy_ops *ops;
	struct policy_params params;
	const char *name;                /* as it is shown */
};

struct curve_options {
	unsigned page_shift;             /* 6 to 30 */
	const struct curve_policy *policy; /* curves of these; n_policies 0: lru */
	unsigned n_policies;
	const struct curve_size *size;   /* n_sizes 0: scale sizes */
	unsigned n_sizes;
	bool all;                        /* every size there is */
	uint64_t limit, warmup;          /* references; 0: none */
	uint64_t tau;                    /* window of the working set over time, in references */
	bool sampled;                    /* an estimate of lru alone, from a sample: */
	uint64_t sample_pages;           /* of so many pages, or 0 and */
	double sample_rate;              /* of this share of all pages */
	uint64_t seed;
};

#define CURVE_VA_BITS 47             /* a program's addresses are below 2^47, as in a run on x86-64 */

struct curve_point {
	uint64_t frames, faults, written_back;
	double error;                    /* of faults, when they are estimated: half of a 95 % interval */
};
/* One policy's points, by ascending frames. */
struct curve_line {
	const char *policy;
	struct curve_point *point;
	unsigned n_points;
	bool stack;                      /* exact at every size from one pass; inclusion holds */
};

struct curve_working_set {
	uint64_t tau;                    /* references */
	double mean_pages;               /* of W(t, tau) over the whole time */
};
struct curve_window {
	uint64_t at;                     /* the window of tau references that ends here */
	uint64_t pages;
};

/* A part of the curve of lru: faults at the first n_scale sizes of scale.h. */
struct curve_part {
	uint32_t pid;                    /* of processes and mappings */
	char *name;                      /* of mappings, else NULL */
	uint64_t end;                    /* of intervals: the references before its end, warm-up included */
	uint64_t references, *faults;
};

enum { CURVE_ADVICE_TEXT = 320, CURVE_ADVICE_MAX = 8, CURVE_CHECK_TEXT = 256 };
/* A recommendation in words: what, and what it takes for granted. */
struct curve_advice {
	const char *name;                /* "holds_99", "knee", "thrashes_below", ...: static */
	uint64_t frames;
	double miss_ratio;               /* there */
	char text[CURVE_ADVICE_TEXT], assumes[CURVE_ADVICE_TEXT];
};

struct curve_result {
	char *source;
	const char *format;
	char **command;
	unsigned n_command;
	uint64_t records, rejected, rejected_at;
	enum pw_err input_error;
	char input_error_text[480];
	bool interrupted;
	uint64_t page_bytes, limit, warmup, seed, tau;
	uint64_t references, refused, lost;   /* counted ones, after the warm-up */
	uint64_t skipped;                     /* of processes that had ended */
	uint64_t pages;                       /* distinct pages touched, warm-up included */
	uint64_t footprint;                   /* pages that existed at once, at most: more memory than that is never used */
	struct curve_line *line;
	unsigned n_lines;
	struct curve_working_set *ws;
	unsigned n_ws;
	struct curve_window *window;
	unsigned n_windows;
	struct curve_part *process, *mapping, *interval;
	unsigned n_processes, n_mappings, n_intervals, n_scale;
	struct curve_advice advice[CURVE_ADVICE_MAX];
	unsigned n_advice;
	bool estimated;
	double sample_rate;                   /* at the end */
	uint64_t sampled_references;
	uint64_t host_bytes;
	double wall_s;
	unsigned checks_passed, checks_failed;
	char check_text[CURVE_CHECK_TEXT];    /* the first that failed */
};

void curve_options_init(struct curve_options *o);
/* "100,1%,10%": => *ret is the caller's, for mem_free; PW_INVALID with why. */
must_use enum pw_err curve_sizes_parse(const char *text, struct curve_size **ret, unsigned *ret_n, struct pw_why *why);

/* => options are copied, what they point to is not.  PW_UNSUPPORTED when the options need what this trace cannot give. */
must_use enum pw_err curve_create(const struct curve_options *o, struct trace *t, struct curve **ret, struct pw_why *why);
void curve_destroy(struct curve *c);

enum curve_state { CURVE_GOING, CURVE_ENDED, CURVE_FAILED };
/* One item of the trace, at most. */
enum curve_state curve_step(struct curve *c);
enum pw_err curve_error(const struct curve *c, struct pw_why *why);
uint64_t curve_position(const struct curve *c);
/* How much of the second pass, over what was read, is done: 0 to 1; negative while reading. */
double curve_second_pass(const struct curve *c);
/* Of what was seen so far.  => on error ret is empty. */
must_use enum pw_err curve_result(struct curve *c, struct curve_result *ret, struct pw_why *why);
void curve_result_fini(struct curve_result *r);

/* curve_json.c: the versioned object.  => PW_IO */
must_use enum pw_err curve_write_json(const struct curve_result *r, FILE *out);
