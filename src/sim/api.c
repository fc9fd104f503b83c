/* api.c - the public door, over the same rooms as the command.
 *
 * Problem: programs that link the library want answers, not the inside of the engine, and must survive its errors.
 * Idea: words in, the versioned result object out.  Everything else stays free to change.
 * 1. Whatever fails, *result and *why are either NULL or the caller's to free.
 * Rejected: structs of figures in the header (each new figure would break programs that were compiled before). */
#include "words.h"
#include "../base/mem.h"
#include <pageworks.h>
#include <stdio.h>
#include <string.h>

const char *pageworks_version(void) { return PW_VERSION; }

void pageworks_free(char *text) { mem_free(text); }

/* What a call holds until it ends. */
struct api_call {
	char *words;             /* copies of the options, cut into name and value */
	struct run_options options;
	struct trace *trace;
	struct run *run;
	struct result result;
	struct pw_why why;
};

/* => copy is cut at the '=' of each option, and must outlive the run. */
static enum pw_err api_words(const char *const *options, char *copy, struct machine_words *w, struct pw_why *why)
{
	for (; *options; options++) {
		size_t n = strlen(*options) + 1;
		memcpy(copy, *options, n);
		char *value = strchr(copy, '=');
		if (!value)
			return pw_fail(why, PW_INVALID, "'%s' is no option; write name=value", *options);
		*value = '\0';
		enum pw_err err = machine_words_set(w, copy, value + 1, why);
		if (err != PW_OK)
			return err;
		copy += n;
	}
	return PW_OK;
}

static enum pageworks_status api_options(struct api_call *c, const char *const *options)
{
	static const char *const none[] = { NULL };
	struct machine_words w = { NULL };
	size_t bytes = 1;
	options = options ? options : none;
	for (const char *const *o = options; *o; o++)
		bytes += strlen(*o) + 1;
	c->words = mem_alloc(bytes);
	if (!c->words)
		return PAGEWORKS_MEMORY;
	if (api_words(options, c->words, &w, &c->why) != PW_OK || machine_words_resolve(&w, &c->options, &c->why) != PW_OK)
		return PAGEWORKS_INVALID;
	return PAGEWORKS_OK;
}

static enum pageworks_status api_status(enum pw_err err, enum pageworks_status otherwise)
{
	return err == PW_OK ? PAGEWORKS_OK : err == PW_NOMEM ? PAGEWORKS_MEMORY : otherwise;
}

static enum pageworks_status api_simulate(struct api_call *c, const char *trace)
{
	enum pageworks_status status = api_status(run_create(&c->options, &c->run, &c->why), PAGEWORKS_INVALID);
	if (status == PAGEWORKS_OK)
		status = api_status(trace_open(trace, &c->trace, &c->why), PAGEWORKS_INPUT);
	if (status == PAGEWORKS_OK)
		status = api_status(run_begin(c->run, c->trace, &c->why), PAGEWORKS_INPUT);
	while (status == PAGEWORKS_OK && run_step(c->run) == RUN_GOING)
		;
	if (status == PAGEWORKS_OK)
		status = api_status(run_error(c->run, &c->why), PAGEWORKS_INPUT);
	if (status == PAGEWORKS_OK)
		status = api_status(run_result(c->run, &c->result, &c->why), PAGEWORKS_MEMORY);
	return status;
}

static enum pageworks_status api_text(struct api_call *c, char **ret)
{
	char *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);
	enum pw_err err = memory ? result_write_json(&c->result, memory) : PW_NOMEM;
	if (memory && fclose(memory) != 0)
		err = PW_NOMEM;
	if (err != PW_OK) {
		mem_free(text);
		return PAGEWORKS_MEMORY;
	}
	*ret = text;
	if (c->result.input_error != PW_OK) {
		pw_fail(&c->why, PW_INVALID, "%s", c->result.input_error_text);
		return PAGEWORKS_INPUT;
	}
	if (!c->result.checks.n_failed)
		return PAGEWORKS_OK;
	pw_fail(&c->why, PW_INVALID, "%s", c->result.checks.failed[0]);
	return PAGEWORKS_CHECK;
}

enum pageworks_status pageworks_run(const char *trace, const char *const *options, char **result, char **why)
{
	struct api_call c = { .words = NULL };
	*result = *why = NULL;
	enum pageworks_status status = api_options(&c, options);
	if (status == PAGEWORKS_OK)
		status = api_simulate(&c, trace);
	if (status == PAGEWORKS_OK)
		status = api_text(&c, result);
	if (status != PAGEWORKS_OK)
		*why = mem_strdup(*c.why.text ? c.why.text : "out of memory");
	result_fini(&c.result);
	run_destroy(c.run);
	if (c.trace)
		trace_close(c.trace);
	mem_free(c.words);
	return status;
}
