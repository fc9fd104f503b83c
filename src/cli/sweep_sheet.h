/* sweep_sheet.h - a sweep as its directory shows it: which cells there are, what became of each, and the figures asked for.
 *
 * Tables, CSV, JSON, lists of commands and --collect are all made from this, so they cannot disagree, and a table does not depend
 * on who computed the cells, or in how many attempts. */
#pragma once
#include "../sim/sweep.h"
#include <jansson.h>
#include <stdio.h>

/* state, how it is said. */
#define SHEET_STATE_LIST(X) \
	X(DONE, "done") \
	X(MISSING, "missing") \
	X(DAMAGED, "damaged") \
	X(FAILED, "failed") \
	X(IMPOSSIBLE, "impossible")

enum sheet_state {
#define X(name, text) SHEET_##name,
	SHEET_STATE_LIST(X)
#undef X
	SHEET_STATES
};

struct sheet_cell {
	const char *id;
	unsigned trace;
	const char *word[GRID_WORDS];  /* as 'pageworks run' takes it, NULL: not given */
	const char *percent;           /* what stood for word[frames], or NULL */
	enum sheet_state state;
	char *why;                     /* of what is not done, or NULL */
	json_t **figure;               /* one for each column; NULL: the result has none of that name */
	bool repeated;                 /* an earlier cell has the same result */
};

struct sheet {
	json_t *plan;
	const char **trace;            /* sources, as they were typed */
	const char **identity;
	unsigned n_traces;
	struct sheet_cell *cell;
	unsigned n_cells;
	char **column;                 /* paths of figures, owned by the caller */
	unsigned n_columns;
	bool varies[GRID_WORDS];       /* the word is not the same in all cells */
	char near[256];                /* a figure that was probably meant by a column no result has */
};

/* Writes the plan of a sweep, DIR/sweep.json. */
must_use enum pw_err sheet_plan_write(const struct sweep *s, const struct sweep_dir *d, char *const argv[], unsigned argc,
                                      struct pw_why *why);
/* Reads the plan and every result there is. */
must_use enum pw_err sheet_load(const struct sweep_dir *d, char **columns, unsigned n, struct sheet **ret, struct pw_why *why);
void sheet_destroy(struct sheet *s);
/* Looks again what has become of one cell. */
void sheet_cell_load(struct sheet *s, const struct sweep_dir *d, unsigned cell);

unsigned sheet_count(const struct sheet *s, enum sheet_state state);
const char *sheet_state_name(enum sheet_state state);
/* The value of a word as people gave it: "10%", "lru", "default". */
const char *sheet_label(const struct sheet_cell *c, enum grid_word word);
