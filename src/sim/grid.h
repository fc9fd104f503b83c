/* grid.h - many machines described at once: every combination of the values of some words.
 *
 * A grid comes from options, from a small file, or from both (an option replaces the word in the whole file):
 *
 *     # which policy, and how much memory does it need?
 *     policy = lru, clock, opt
 *     frames = 5%..40%:x2
 *     exclude policy=opt frames>20%
 *
 *     [huge]                      # blocks are alternatives: one grid after the other
 *     format = arm64-64k
 *     policy = lru
 *
 * What stands before the first block holds for all blocks; a block's own values replace it.  pageworks-grid(5) has the rest. */
#pragma once
#include "grid_values.h"

struct grid;

must_use enum pw_err grid_create(struct grid **ret);
void grid_destroy(struct grid *g);

/* Does a text look like a grid?  Its first line that says something is "word = ..." or "[block]". */
bool grid_is(const char *text);

/* Takes a whole file; name is for messages.  => PW_INVALID with why, "name:line: ...". */
must_use enum pw_err grid_read(struct grid *g, const char *name, const char *text, struct pw_why *why);
/* Takes "--word values".  Given again for the same word, it adds values. */
must_use enum pw_err grid_option(struct grid *g, const char *word, const char *values, struct pw_why *why);

/* Every machine of the grid, in order: the words in the order of MACHINE_WORD_LIST, the last one varying fastest; what no word
 * says, or says with "default", is NULL.  Frames in percent stay as they are.
 * => *ret is the caller's, its strings the grid's; PW_LIMIT when there are more than GRID_MACHINES_MAX; PW_INVALID when the rules
 *    exclude them all. */
must_use enum pw_err grid_machines(const struct grid *g, struct machine_words **ret, unsigned *ret_n, struct pw_why *why);
#define GRID_MACHINES_MAX 100000
