/* api.c - the public door, over the same rooms as the command.
 *
 * Problem: programs that link the library want answers, not the inside of the engine, and must survive its errors.
 * Idea: words in, the versioned result object out.  Everything else stays free to change.
 * 1. Whatever fails, *result and *why are either NULL or the caller's to free.
 * Rejected: structs of figures in the header (each new figure would break programs that were compiled before). */
#include "api.h"
#include "../base/mem.h"
#include <stdio.h>
#include <string.h>

const char *pw_version(void) { return PW_VERSION; }

void pw_free(char *text) { mem_free(text); }

const char *pw_status_text(enum pw_status status)
{
	static const char *const texts[] = {
		[PW_SUCCESS] = "success", [PW_E_INVALID] = "an argument or option makes no sense",
		        [PW_E_INPUT] = "the trace cannot be read",
		[PW_E_MEMORY] = "out of memory", [PW_E_CHECK] = "the result contradicts itself",
		[PW_E_REFUSED] = "the program may not access this", [PW_E_FULL] = "out of simulated memory, addresses or swap",
		[PW_E_IO] = "a store or pager failed",
	};
	return (unsigned)status < sizeof texts / sizeof *texts ? texts[status] : "no status of this library";
}

/* What a call holds until it ends. */
struct api_call {
	char *words;             /* copies of the options, cut into name and value */
	struct run_options options;
	struct trace *trace;
	struct run *run;
	struct result result;
	struct pw_why why;
};

/* => copy is cut at the '=' of each option, and must outlive what is made of them. */
static enum pw_err words_cut(const char *const *options, char *copy, struct machine_words *w, struct pw_why *why)
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

enum pw_err api_words(const char *const *options, char **ret_copy, struct machine_words *ret, struct pw_why *why)
{
	static const char *const none[] = { NULL };
	size_t bytes = 1;
	*ret = (struct machine_words){ NULL };
	options = options ? options : none;
	for (const char *const *o = options; *o; o++)
		bytes += strlen(*o) + 1;
	*ret_copy = mem_alloc(bytes);
	return *ret_copy ? words_cut(options, *ret_copy, ret, why) : pw_fail(why, PW_NOMEM, "out of memory");
}

char *api_why(const struct pw_why *why) { return mem_strdup(*why->text ? why->text : "out of memory"); }

static enum pw_status api_options(struct api_call *c, const char *const *options)
{
	struct machine_words w;
	enum pw_err err = api_words(options, &c->words, &w, &c->why);
	if (err == PW_OK)
		err = machine_words_resolve(&w, &c->options, &c->why);
	return api_status(err, PW_E_INVALID);
}

static enum pw_status api_simulate(struct api_call *c, const char *trace)
{
	enum pw_status status = api_status(run_create(&c->options, &c->run, &c->why), PW_E_INVALID);
	if (status == PW_SUCCESS)
		status = api_status(trace_open(trace, &c->trace, &c->why), PW_E_INPUT);
	if (status == PW_SUCCESS)
		status = api_status(run_begin(c->run, c->trace, &c->why), PW_E_INPUT);
	while (status == PW_SUCCESS && run_step(c->run) == RUN_GOING)
		;
	if (status == PW_SUCCESS)
		status = api_status(run_error(c->run, &c->why), PW_E_INPUT);
	if (status == PW_SUCCESS)
		status = api_status(run_result(c->run, &c->result, &c->why), PW_E_MEMORY);
	return status;
}

static enum pw_status api_text(struct api_call *c, char **ret)
{
	char *text = NULL;
	size_t bytes;
	FILE *memory = open_memstream(&text, &bytes);
	enum pw_err err = memory ? result_write_json(&c->result, memory) : PW_NOMEM;
	if (memory && fclose(memory) != 0)
		err = PW_NOMEM;
	if (err != PW_OK) {
		mem_free(text);
		return PW_E_MEMORY;
	}
	*ret = text;
	if (c->result.input_error != PW_OK) {
		pw_fail(&c->why, PW_INVALID, "%s", c->result.input_error_text);
		return PW_E_INPUT;
	}
	if (!c->result.checks.n_failed)
		return PW_SUCCESS;
	pw_fail(&c->why, PW_INVALID, "%s", c->result.checks.failed[0]);
	return PW_E_CHECK;
}

enum pw_status pw_run(const char *trace, const char *const *options, char **result, char **why)
{
	struct api_call c = { .words = NULL };
	*result = *why = NULL;
	enum pw_status status = api_options(&c, options);
	if (status == PW_SUCCESS)
		status = api_simulate(&c, trace);
	if (status == PW_SUCCESS)
		status = api_text(&c, result);
	if (status != PW_SUCCESS)
		*why = api_why(&c.why);
	result_fini(&c.result);
	run_destroy(c.run);
	if (c.trace)
		trace_close(c.trace);
	mem_free(c.words);
	return status;
}
