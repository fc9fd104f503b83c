/* source.c - a trace or a command.
 *
 * Problem: every verb that looks at references takes them from the same two places, with the same words and the same mistakes.
 * Idea: where they come from is one struct; a verb only says what it wanted to do with them.
 * 1. What follows "--" is a command, whatever it looks like; anything else is a trace.
 * Rejected: guessing that a word which is an executable file is meant as a command (it may be a trace with its x bit set). */
#include "source.h"
#include "cli.h"
#include "../trace/mix.h"
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

bool source_is_several(const struct source *s) { return !s->is_command && source_n_words(s) > 1; }

int source_check(const struct source *s, const char *question)
{
	if (!s->word_at)
		return cli_error("%s give a trace, or -- and a command", question);
	char *const *word = source_words(s);
	if (source_is_several(s) && !s->several)
		return cli_error("%s: one trace at a time, options before it; put -- before a command: %s -- %s ...", word[1],
		                 cli_verb(), word[0]);
	for (unsigned i = 1; source_is_several(s) && i < source_n_words(s); i++)
		if (word[i][0] == '-' && word[i][1])
			return cli_error("%s: options come before the traces; put -- before a command: %s -- %s ...", word[i],
			                 cli_verb(), word[0]);
	return CLI_OK;
}

static enum pw_err open_traces(struct source *s, struct pw_why *why)
{
	struct trace *part[MIX_PARTS];
	unsigned n = source_n_words(s), opened = 0;
	enum pw_err err = PW_OK;
	if (n > MIX_PARTS)
		return pw_fail(why, PW_LIMIT, "%u traces are too many at once; at most %d", n, MIX_PARTS);
	while (opened < n && (err = trace_open(source_words(s)[opened], &part[opened], why)) == PW_OK)
		opened++;
	if (err == PW_OK)
		return trace_mix(part, n, &s->plain, why);
	if (!opened && n > 1 && err == PW_NOTFOUND)
		err = pw_fail(why, err, "%s: there is no such trace; put -- before a command: %s -- %s ...", source_words(s)[0], cli_verb(),
		              source_words(s)[0]);
	while (opened-- > 0)
		trace_close(part[opened]);
	return err;
}

static enum pw_err take_turns(struct source *s, struct pw_why *why)
{
	s->trace = s->plain;
	if (!s->quantum)
		return PW_OK;
	enum pw_err err = sched_create(s->plain, s->quantum, 1, &s->turns, why);
	if (err == PW_OK)
		s->trace = sched_trace(s->turns);
	return err;
}

int source_open(struct source *s, uint64_t seed)
{
	struct pw_why why = { "" };
	struct capture_options co = { .seed = seed, .take_signals = true };
	enum pw_err err = s->is_command ? capture_open(&co, s->argv + s->word_at, &s->plain, &why)
	                                : open_traces(s, &why);
	if (err == PW_OK)
		err = take_turns(s, &why);
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
	capture_outcome(s->plain, &s->outcome);
}

void source_close(struct source *s)
{
	sched_destroy(s->turns);
	if (s->plain)
		trace_close(s->plain);
	s->trace = s->plain = NULL;
	s->turns = NULL;
}
