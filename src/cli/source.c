/* source.c - a trace or a command.
 *
 * Problem: every verb that looks at references takes them from the same two places, with the same words and the same mistakes.
 * Idea: where they come from is one struct; a verb only says what it wanted to do with them.
 * 1. What follows "--" is a command, whatever it looks like; anything else is a trace.
 * Rejected: guessing that a word which is an executable file is meant as a command (it may be a trace with its x bit set). */
#include "source.h"
#include "cli.h"
#include <string.h>

void source_take(struct source *s, struct argp_state *state)
{
	s->argc = state->argc;
	s->argv = state->argv;
	s->word_at = state->next - 1;
	s->is_command = s->word_at > 0 && strcmp(state->argv[s->word_at - 1], "--") == 0;
	state->next = state->argc;
}

char *const *source_words(const struct source *s) { return s->argv + s->word_at; }
unsigned source_n_words(const struct source *s) { return (unsigned)(s->argc - s->word_at); }

int source_check(const struct source *s, const char *question)
{
	if (!s->word_at)
		return cli_error("%s give a trace, or -- and a command", question);
	if (!s->is_command && source_n_words(s) > 1)
		return cli_error("%s: one trace at a time, options before it; put -- before a command: %s -- %s ...", source_words(s)[1],
		                 cli_verb(), source_words(s)[0]);
	return CLI_OK;
}

int source_open(struct source *s, uint64_t seed)
{
	struct pw_why why = { "" };
	struct capture_options co = { .seed = seed, .take_signals = true };
	enum pw_err err = s->is_command ? capture_open(&co, s->argv + s->word_at, &s->trace, &why)
	                                : trace_open(s->argv[s->word_at], &s->trace, &why);
	if (err == PW_OK)
		return CLI_OK;
	cli_error("%s", *why.text ? why.text : pw_err_text(err));
	return s->is_command ? capture_exit_status(err) : CLI_FAILED;
}

double source_fraction(const struct source *s, uint64_t position, uint64_t limit)
{
	struct trace_info info = trace_describe(s->trace);
	uint64_t all = info.refs_total;
	if (limit && (!all || limit < all))
		all = limit;
	return all ? (double)position / (double)all : info.progress;
}

void source_let_end(struct source *s)
{
	struct trace_item item;
	if (!s->is_command)
		return;
	do
		trace_next(s->trace, &item);
	while (item.kind != TRACE_ITEM_END);
	capture_outcome(s->trace, &s->outcome);
}

void source_close(struct source *s)
{
	if (s->trace)
		trace_close(s->trace);
	s->trace = NULL;
}
