/* source.h - what a verb looks at: one trace, or a command after "--". */
#pragma once
#include "../sim/sched.h"
#include "../trace/capture.h"
#include <argp.h>

struct source {
	int word_at;            /* index in argv of its first word; 0: none was given */
	bool is_command;
	bool several;           /* traces may share the machine */
	uint64_t quantum;       /* its processes take turns of so many references; 0: as they come */
	int argc;
	char **argv;
	struct trace *trace;    /* that of turns, or: */
	struct trace *plain;
	struct sched *turns;    /* NULL: no quantum */
	struct capture_outcome outcome; /* of a command that has ended */
};

/* Takes the rest of the line; for ARGP_KEY_ARG. */
void source_take(struct source *s, struct argp_state *state);
/* Its words, and how many. */
char *const *source_words(const struct source *s);
unsigned source_n_words(const struct source *s);
/* Are there several traces? */
bool source_is_several(const struct source *s);
/* Is there one, and only one (but for traces, where several may be)?  question: "what is to be run?".  => CLI_FAILED, said. */
int source_check(const struct source *s, const char *question);

/* Opens the trace or starts the command, with this seed of its randomness.  => the exit status when it cannot be, said. */
int source_open(struct source *s, uint64_t seed);
/* How much of it lies behind a position; limit: references that are wanted, 0: all.  Negative: not known. */
double source_fraction(const struct source *s, uint64_t position, uint64_t limit);
/* Lets a command run to its end although nobody looks any more, and takes its outcome; nothing for a trace. */
void source_let_end(struct source *s);
void source_close(struct source *s);
