/* lab.h - a machine to take apart by hand: the language of pageworks lab, one line at a time.
 *
 * A session begins with a small computer (computer.h).  Each line is a command: it builds, accesses, shows, explains or checks.  The
 * same language is typed by a person and kept in script files; a script whose "expect" lines all hold is a passed test.
 *
 * Everything is deterministic, so a session is its lines: going back is running all of them but the last again. */
#pragma once
#include "../base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct lab;

struct lab_options {
	FILE *out;               /* where it writes; not closed by it */
	/* An answer to a question of the quiz: a line, valid until the next call; NULL: there are no more. */
	const char *(*answer)(void *ctx, const char *prompt);
	bool (*interrupted)(void *ctx); /* has somebody had enough of a long command?  NULL: nobody ever has */
	void *ctx;
	uint64_t seed;
	bool quiet;              /* only what is asked for: show, walk, explain, say and failures */
};

enum lab_outcome {
	LAB_DONE,
	LAB_WRONG,               /* an expectation that does not hold, or an answer that is not right */
	LAB_ERROR,               /* the line makes no sense here: why says so; nothing has changed */
	LAB_QUIT,
};

/* => PW_NOMEM; *ret is NULL then */
must_use enum pw_err lab_create(const struct lab_options *o, struct lab **ret, struct pw_why *why);
void lab_destroy(struct lab *l);
/* Carries out one line.  Empty lines and comments (#) are done at once. */
enum lab_outcome lab_execute(struct lab *l, const char *line, struct pw_why *why);
/* Expectations and answers so far. */
void lab_score(const struct lab *l, uint64_t *ret_right, uint64_t *ret_wrong);

/* For completion and help: the i-th command, how it is written and what it does.  => NULL past the end */
const char *lab_command(unsigned i, const char **usage, const char **summary);
/* Words that may follow a command: the i-th, NULL past the end. */
const char *lab_argument(const char *command, unsigned i);
