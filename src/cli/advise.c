/* advise.c - pageworks advise: what is wrong with memory here, why we think so, what it costs.
 *
 * Problem.  Advice without evidence is superstition, and a tool that finds nothing and says nothing might not have looked.
 *
 * Idea.  A few looks, spread evenly over a window; then each advice as a sentence with its evidence, cost and proposal, what was
 * looked for and not found, and what could not be judged.
 *
 * 1. Nothing is run and nothing is changed; a proposal is text to read.
 * 2. The status is 0 whether there was advice or not: only a failure to look is one. */
#include "cli.h"
#include "interrupt.h"
#include "output.h"
#include "../base/json.h"
#include "../base/mem.h"
#include "../base/text.h"
#include "../host/advise.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum advise_key { KEY_JSON = 0x200, KEY_WINDOW };

static const struct argp_option advise_options[] = {
	{ "window", KEY_WINDOW, "SECONDS", 0, "how long to watch (default 3); 0: one look, which judges no rates and no growth" },
	{ "json", KEY_JSON, "FILE", 0, "the same as JSON ('-': standard output, instead of the text)" },
	{ "output", 'o', "FILE", 0, "where the text goes (default: standard output)" },
	{ 0 },
};

enum { LOOKS = 6, WIDTH = 112 };

struct advise_words {
	struct output text, json;
	double window;
	uint64_t pid;
	struct advise *advise;
};

static error_t advise_parse(int key, char *arg, struct argp_state *state)
{
	struct advise_words *w = state->input;
	struct pw_why why;
	char *end;
	switch (key) {
	case 'o': w->text.name = arg; break;
	case KEY_JSON: w->json.name = arg; break;
	case KEY_WINDOW:
		w->window = strtod(arg, &end);
		if (*end || end == arg || !(w->window >= 0 && w->window <= 86400))
			exit(cli_error("--window: '%s' is no time; write seconds from 0 to 86400", arg));
		break;
	case ARGP_KEY_ARG:
		if (w->pid)
			exit(cli_error("%s: one process at a time", arg));
		if (text_u64(arg, &w->pid, &why) != PW_OK || !w->pid || w->pid > INT32_MAX)
			exit(cli_error("'%s' is not the number of a process", arg));
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp advise_argp = {
	advise_options, advise_parse, "[PID]",
	"Watches this computer's memory, or one process's, for some seconds and says what is wrong with it, in "
	"sentences with their evidence "
	"and cost: swap in use while memory is available, thrashing, huge pages wanted in vain, a process that grows "
	"steadily, page tables "
	"out of proportion, files in memory twice, and what dropping caches would and would not free.  Proposes "
	"commands, runs none.\v"
	"Examples:\n"
	"  pageworks advise\n"
	"  pageworks advise --window 60\n"
	"  pageworks advise 4711\n"
	"  pageworks advise --json advice.json",
	NULL, NULL, NULL,
};

static int advise_words_read(struct advise_words *w, int argc, char **argv)
{
	const struct argp_option *const lists[] = { advise_options };
	for (int i = 1; i < argc; i++) /* options may stand behind PID */
		if (argv[i][0] == '-' && cli_check_options(argc - i + 1, argv + i - 1, lists, 1) != CLI_OK)
			return CLI_FAILED;
	argp_parse(&advise_argp, argc, argv, 0, NULL, w);
	if (!w->text.name && !(w->json.name && strcmp(w->json.name, "-") == 0))
		w->text.name = "-";
	if (w->text.name && w->json.name && strcmp(w->text.name, "-") == 0 && strcmp(w->json.name, "-") == 0)
		return cli_error("-o - and --json -: only one of them can have standard output");
	return CLI_OK;
}

static void let_pass(double seconds)
{
	struct timespec t = { .tv_sec = (time_t)floor(seconds), .tv_nsec = (long)(1e9 * (seconds - floor(seconds))) };
	nanosleep(&t, NULL); /* a signal ends it early, and is seen */
}

/* => CLI_FAILED, said. */
static int advise_watch(struct advise_words *w)
{
	struct pw_why why = { "" };
	unsigned looks = w->window > 0 ? LOOKS : 1;
	for (unsigned i = 0; i < looks && !interrupt_seen(); i++) {
		if (i)
			let_pass(w->window / (looks - 1));
		if (advise_look(w->advise, &why) != PW_OK)
			return cli_error("%s", why.text);
	}
	return advise_conclude(w->advise, &why) == PW_OK ? CLI_OK : cli_error("%s", why.text);
}

/* A label of some width, and text behind it that is broken between words. */
static void wrapped(FILE *out, const char *label, const char *text)
{
	unsigned indent = (unsigned)strlen(label), column = indent;
	fputs(label, out);
	for (bool first = true; *text; first = false) {
		unsigned n = (unsigned)strcspn(text, " "), blanks = (unsigned)strspn(text + n, " ");
		if (column + n > WIDTH && !first) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		} else {
			fputs(first ? "" : " ", out);
		}
		fprintf(out, "%.*s", n, text);
		column += n + 1;
		text += n + blanks;
	}
	fputc('\n', out);
}

static void show_one(FILE *out, unsigned number, const struct advice *x)
{
	char label[16];
	snprintf(label, sizeof label, "%2u. ", number);
	wrapped(out, label, x->sentence);
	for (unsigned i = 0; i < x->n_evidence; i++)
		wrapped(out, i ? "        and  " : "    because  ", x->evidence[i]);
	if (x->cost)
		wrapped(out, "       cost  ", x->cost);
	if (x->command)
		fprintf(out, "   proposal  %s\n", x->command);
	fputc('\n', out);
}

static enum pw_err show_not_found(FILE *out, const struct advise *a)
{
	char *text = NULL;
	size_t bytes = 0;
	const char *reason;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		return PW_NOMEM;
	for (unsigned i = 0; i < ADVICES; i++)
		if (advise_verdict(a, i, &reason) == ADVICE_NOTHING)
			fprintf(memory, "%s%s", ftell(memory) ? ", " : "", advice_what(i));
	enum pw_err err = fclose(memory) == 0 ? PW_OK : PW_NOMEM;
	if (err == PW_OK && bytes)
		wrapped(out, "not found:   ", text);
	mem_free(text);
	return err;
}

static void show_not_judged(FILE *out, const struct advise *a)
{
	const char *reason;
	char text[800];
	for (unsigned i = 0; i < ADVICES; i++) {
		if (advise_verdict(a, i, &reason) != ADVICE_UNKNOWN)
			continue;
		snprintf(text, sizeof text, "%s: %s", advice_what(i), reason);
		wrapped(out, "not judged:  ", text);
	}
}

static enum pw_err show(void *ctx, FILE *out)
{
	const struct advise_words *w = ctx;
	const struct advise *a = w->advise;
	unsigned looks, n = advise_count(a);
	double seconds = advise_seconds(a, &looks);
	char whom[64] = "This computer's memory";
	if (w->pid)
		snprintf(whom, sizeof whom, "The memory of process %llu", (unsigned long long)w->pid);
	fprintf(out, "%s, looked at %u time%s in %.1f s: %u piece%s of advice%s\n\n", whom, looks, looks == 1 ? "" : "s",
		seconds, n,
		n == 1 ? "" : "s", interrupt_seen() ? "; interrupted" : "");
	for (unsigned i = 0; i < n; i++)
		show_one(out, i + 1, advise_at(a, i));
	enum pw_err err = show_not_found(out, a);
	show_not_judged(out, a);
	return err;
}

static void json_one(struct jsonw *j, const struct advice *x)
{
	jsonw_object(j, NULL);
	jsonw_string(j, "about", advice_word(x->kind));
	if (x->pid)
		jsonw_u64(j, "pid", x->pid);
	jsonw_string(j, "sentence", x->sentence);
	jsonw_array(j, "evidence");
	for (unsigned i = 0; i < x->n_evidence; i++)
		jsonw_string(j, NULL, x->evidence[i]);
	jsonw_end(j);
	if (x->cost)
		jsonw_string(j, "cost", x->cost);
	if (x->command)
		jsonw_string(j, "command", x->command);
	jsonw_end(j);
}

static enum pw_err show_json(void *ctx, FILE *out)
{
	const struct advise_words *w = ctx;
	struct jsonw j;
	unsigned looks;
	const char *reason;
	jsonw_init(&j, out);
	jsonw_object(&j, NULL);
	jsonw_string(&j, "pageworks", PW_VERSION);
	jsonw_u64(&j, "schema", 1);
	jsonw_string(&j, "kind", "advise");
	if (w->pid)
		jsonw_u64(&j, "pid", w->pid);
	jsonw_real(&j, "window_s", advise_seconds(w->advise, &looks));
	jsonw_u64(&j, "looks", looks);
	jsonw_array(&j, "advice");
	for (unsigned i = 0; i < advise_count(w->advise); i++)
		json_one(&j, advise_at(w->advise, i));
	jsonw_end(&j);
	jsonw_array(&j, "not_found");
	for (unsigned i = 0; i < ADVICES; i++)
		if (advise_verdict(w->advise, i, &reason) == ADVICE_NOTHING)
			jsonw_string(&j, NULL, advice_word(i));
	jsonw_end(&j);
	jsonw_object(&j, "not_judged");
	for (unsigned i = 0; i < ADVICES; i++)
		if (advise_verdict(w->advise, i, &reason) == ADVICE_UNKNOWN)
			jsonw_string(&j, advice_word(i), reason);
	jsonw_end(&j);
	jsonw_end(&j);
	return jsonw_finish(&j);
}

static int advise_run(struct advise_words *w)
{
	struct procfs *proc = NULL;
	struct pw_why why = { "" };
	if (output_open(&w->text) != CLI_OK || output_open(&w->json) != CLI_OK)
		return CLI_FAILED;
	if (procfs_open(NULL, &proc, &why) != PW_OK)
		return cli_error("%s", why.text);
	int status = advise_open(proc, (uint32_t)w->pid, &w->advise, &why) == PW_OK ? CLI_OK : cli_error("%s", why.text);
	if (status == CLI_OK) {
		interrupt_watch();
		status = advise_watch(w);
	}
	if (status == CLI_OK)
		status = output_write(&w->text, show, w);
	if (status == CLI_OK)
		status = output_write(&w->json, show_json, w);
	interrupt_unwatch();
	advise_close(w->advise);
	procfs_close(proc);
	return status;
}

int cli_advise(int argc, char **argv)
{
	struct advise_words w = { .text = { .option = "-o", .what = "text" }, .json = { .option = "--json",
	.what = "JSON" }, .window = 3 };
	int status = advise_words_read(&w, argc, argv);
	if (status == CLI_OK)
		status = advise_run(&w);
	output_close(&w.text);
	output_close(&w.json);
	return status == CLI_OK ? cli_end_like(CLI_OK, interrupt_seen()) : status;
}
