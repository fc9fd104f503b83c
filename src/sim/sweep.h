/* sweep.h - the cells of a sweep: every machine of a grid with every trace, each with a name that says what it is.
 *
 * A cell's id is a hash of what its result depends on: the machine with everything resolved, the seed, the window of the working
 * set, the contents of the trace, and the version of pageworks.  So a result file that is there is the result of exactly this
 * cell, whatever grid it was made for. */
#pragma once
#include "grid.h"
#include "sweep_trace.h"

struct sweep_cell {
	struct machine_words words;  /* as 'pageworks run' would be given them; owned by grid and sweep */
	const char *percent;         /* what the grid said instead of words.frames: "10%", or NULL */
	unsigned trace;
	char id[SWEEP_ID];           /* empty when it is impossible */
	char *impossible;            /* why it cannot be, in one line, or NULL */
	bool repeated;               /* an earlier cell has the same id */
};

struct sweep_input {
	const char *spec;            /* the caller's */
	char identity[SWEEP_ID];
	unsigned granule_shift;      /* its addresses are exact to 2^this bytes */
};

struct sweep {
	struct sweep_input *trace;
	unsigned n_traces;
	struct sweep_cell *cell;     /* all machines of the first trace, then all of the second, ... */
	unsigned n_cells;
	char **text;                 /* numbers that came of percentages */
	unsigned n_texts;
};

/* Finds out which cells there are and which of them cannot be.  => the grid and the specs must outlive the sweep. */
must_use enum pw_err sweep_create(const struct grid *g, const char *const specs[], unsigned n, const struct sweep_dir *d,
                                  struct sweep **ret, struct pw_why *why);
void sweep_destroy(struct sweep *s);

/* The id of a cell from what its result says of itself: machine is the result's member as {"machine": {...}} on one line. */
void sweep_id(const char *version, const char *trace_identity, uint64_t seed, uint64_t tau, const char *machine, char ret[SWEEP_ID]);

/* Runs a cell and writes its result; *fraction, if there is one, tells how much of it is done.
 * => PW_IO, PW_NOSPACE: the directory cannot be written; anything else: the cell failed. */
must_use enum pw_err sweep_run_cell(const struct sweep *s, unsigned cell, const struct sweep_dir *d, _Atomic float *fraction,
                                  struct pw_why *why);
