/* sweep_pool.h - work done in child processes, so that what happens to one piece of it happens to no other.
 *
 * A piece is a function called in a child forked from this process; the child ends with it, and dies when this process does. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>

struct pool;

/* => PW_OK, or an error with why; runs in the child, with everything the parent had. */
typedef enum pw_err (*pool_work)(void *ctx, unsigned piece, struct pw_why *why);

struct pool_end {
	unsigned piece;
	long pid;          /* of the child that did it */
	bool died;         /* by a signal, or without a word: why says which */
	enum pw_err err;   /* what the work returned */
	struct pw_why why;
};

must_use enum pw_err pool_create(unsigned n_children, struct pool **ret);
/* Kills what still runs, and waits for its end. */
void pool_destroy(struct pool *p);

bool pool_has_room(const struct pool *p);
unsigned pool_running(const struct pool *p);
/* => there is room. */
must_use enum pw_err pool_start(struct pool *p, pool_work work, void *ctx, unsigned piece, struct pw_why *why);
/* Waits until a child ends, milliseconds have passed, or a signal came.  => false: none has ended. */
bool pool_wait(struct pool *p, int milliseconds, struct pool_end *ret);
/* Kills one that runs and tells which.  => false: none runs. */
bool pool_kill(struct pool *p, struct pool_end *ret);
