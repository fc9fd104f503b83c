/* cli.h - what the verbs of the command share: exit statuses, messages, and small helpers. */
#pragma once
#include "../base/err.h"
#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

/* Statuses of our own; everything else is the program's. */
enum { CLI_OK = 0, CLI_FAIL_ON = 124, CLI_FAILED = 125, CLI_NOT_EXECUTABLE = 126, CLI_NOT_FOUND = 127 };

/* name, summary.  A verb is one line here and one file with cli_NAME(). */
#define CLI_VERB_LIST(X) \
	X(run, "simulate a program's or a trace's memory; report")           \
	X(record, "capture a program's references into a file")              \
	X(sweep, "run a grid of machines over traces; resumable")             \
	X(curve, "faults in every size of memory at once")                   \
	X(convert, "turn a trace into another format")                        \
	X(info, "describe a trace")                                           \
	X(tlb, "misses of every TLB, for every page size")                    \
	X(guests, "several traces as guests of one host, short of memory")   \
	X(lab, "take a small computer apart, by hand or by script")           \
	X(walk, "explain how an address translates, in any memory image")     \
	X(live, "really page a program, on this computer's own MMU")             \
	X(policies, "list the replacement policies and their parameters")     \
	X(stat, "this computer's memory: levels, faults, paging, pressure")   \
	X(ps, "processes of this computer by their memory")                   \
	X(faults, "every page fault of a real process, and why")              \
	X(advise, "what is wrong with this computer's memory, and why")       \
	X(map, "the mappings and pages of a process; what changes in them")   \
	X(caps, "what this computer lets us see and do, tried out")          \
	X(diff, "compare two results")

/* => argv[0] is "pageworks VERB"; the exit status is returned, or the process ends by the program's signal. */
#define X(name, summary) int cli_##name(int argc, char **argv);
CLI_VERB_LIST(X)
#undef X

/* "pageworks run: ..." on standard error, one line.  => returns CLI_FAILED. */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The verb named in messages: "pageworks run". */
void cli_set_verb(const char *verb);
const char *cli_verb(void);

/* Looks for options that no parser in the list knows, or that lack their argument, up to "--" or the first word that is none, and
 * names the nearest known one.  So argp itself never has to complain in two lines.  => CLI_OK or CLI_FAILED, said. */
int cli_check_options(int argc, char **argv, const struct argp_option *const lists[], unsigned n_lists);

/* Colour only for people: a terminal, no NO_COLOR, no dumb terminal. */
bool cli_colour(FILE *out);

/* Says "'word' is no WHAT; did you mean 'near'?  Known: a, b, c".  => CLI_FAILED. */
int cli_unknown(const char *what, const char *word, const char *const *names, unsigned n);

/* Ends this process as the program ended: its status, or the same signal (without a core of ours).  => returns the status. */
int cli_end_like(int exit_status, int signal);

/* Writes text to the named file ("-" is standard output), or to standard error when name is NULL.
 * => CLI_FAILED, said, when any of it could not be written. */
int cli_write(const char *what, const char *name, FILE *open, const char *text, size_t bytes);
/* The two halves of that.  cli_put closes what is no standard stream.  => 0 or an errno */
int cli_put(FILE *open, const char *text, size_t bytes);
int cli_not_written(const char *what, const char *name, int error);
