/* run.c - pageworks run: simulate a trace or a program, and report.
 *
 * Problem.  The verb stands between a person, a program that must not notice, and a simulation that may be stopped at any time; each
 * way to end has its exit status.
 *
 * Idea.  Phases over one context: read the words, open what will be written (a full disk or a wrong name is found before a program
 * runs), build the machine, start the program, step until the end, then render the one result into everything that was asked for.
 *
 *     words -> outputs -> machine -> trace or program -> steps -> result -> report, JSON, kept copy -> --fail-on -> exit status
 *
 * Invariants.
 *   1. The program is started only when nothing else can fail any more but memory.
 *   2. Whatever ends the steps, the report of what ran is printed.
 *   3. The exit status is the program's, unless pageworks itself failed (125) or the program was content and --fail-on was not (124).
 *
 * Rejected: stopping the program at --limit (it would not end as it does natively): it runs on, unobserved, to its end. */
#include "cli.h"
#include "../sim/expr.h"
#include "interrupt.h"
#include "keep.h"
#include "options.h"
#include "output.h"
#include "progress.h"
#include "report.h"
#include "source.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum run_key { KEY_JSON = 0x200, KEY_QUIET, KEY_PROGRESS, KEY_DUMP, KEY_FAIL_ON, KEY_FAIL_STATUS };

static const struct argp_option run_options_list[] = {
	{ .doc = "The report:", .group = 4 },
	{ "output", 'o', "FILE", 0, "write the report to FILE instead of standard error" },
	{ "json", KEY_JSON, "FILE", 0, "write the whole result as JSON to FILE ('-': standard output)" },
	{ "quiet", KEY_QUIET, NULL, 0, "no report" },
	{ "progress", KEY_PROGRESS, "WHEN", 0, "auto: on a terminal (default); never" },
	{ "dump", KEY_DUMP, "FILE", 0, "write physical memory as a raw image at the end, and its page-table roots to FILE.roots" },
	{ "fail-on", KEY_FAIL_ON, "EXPR", 0, "exit with status 124 when EXPR holds: 'faults.major>1000 || tlb.l2.misses>1%*references.total'" },
	{ "fail-status", KEY_FAIL_STATUS, "N", 0, "use status N instead of 124" },
	{ 0 },
};

struct run_verb {
	struct machine_words words;
	struct run_options options;
	struct source source;
	struct output report, json, dump, roots;
	char *roots_name;
	const char *fail_on;
	bool quiet, no_progress, listed;
	uint64_t fail_status;
	struct run *run;
	struct progress progress;
	struct result result;
	int status, signal;       /* how to end */
};

static error_t run_parse(int key, char *arg, struct argp_state *state)
{
	struct run_verb *v = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &v->words;
		break;
	case 'o': v->report.name = arg; break;
	case KEY_JSON: v->json.name = arg; break;
	case KEY_QUIET: v->quiet = true; break;
	case KEY_DUMP: v->dump.name = arg; break;
	case KEY_FAIL_ON: v->fail_on = arg; break;
	case KEY_FAIL_STATUS:
		if (text_u64(arg, &v->fail_status, NULL) != PW_OK || v->fail_status < 1 || v->fail_status > 255)
			exit(cli_error("--fail-status %s: a status is a number from 1 to 255", arg));
		break;
	case KEY_PROGRESS: v->no_progress = !progress_word(arg); break;
	case ARGP_KEY_ARG: source_take(&v->source, state); break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp_child run_children[] = { { &machine_argp, 0, NULL, 0 }, { 0 } };
static const struct argp run_argp = {
	run_options_list, run_parse, "TRACE...\n-- COMMAND [ARG...]",
	"Simulates every memory reference of a program, or of a recorded or generated trace, on a machine with real page tables and a "
	"kernel that serves its faults, and reports what happened.\v"
	"Examples:\n"
	"  pageworks run -- gzip -k FILE\n"
	"  pageworks run --ram 8M --policy clock -- sort FILE\n"
	"  pageworks run --personality linux -- python3 -c 'print(1)'\n"
	"  pageworks run --frames 3 --policy fifo pages.txt\n"
	"  pageworks run --tlb l1d=64/4,l2=1536/12 zipf:pages=1M,s=1.0,refs=50M\n"
	"  pageworks run --quantum 1000 --asids 0 zipf:pages=64,refs=1M zipf:pages=64,refs=1M\n"
	"  pageworks run --json - --quiet sort.pwt\n\n"
	"The exit status is the program's own (128+N and the same signal when a signal killed it); 124: --fail-on held, 125: pageworks "
	"failed, 126: the command cannot be executed, 127: it was not found.",
	run_children, NULL, NULL,
};

static int run_words(struct run_verb *v, int argc, char **argv)
{
	const struct argp_option *const lists[] = { run_options_list, machine_options };
	struct pw_why why = { "" };
	v->fail_status = CLI_FAIL_ON;
	if (cli_check_options(argc, argv, lists, 2) != CLI_OK)
		return CLI_FAILED;
	argp_parse(&run_argp, argc, argv, ARGP_IN_ORDER, NULL, v);
	if (machine_resolve(&v->words, &v->options, &v->listed) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (source_check(&v->source, "what is to be run?") != CLI_OK)
		return CLI_FAILED;
	if (v->fail_on && expr_check(v->fail_on, &why) != PW_OK)
		return cli_error("--fail-on: %s", why.text);
	if (v->dump.name && !v->options.ram_bytes)
		return cli_error("--dump %s: the image has the size of memory, so say how much there is: --ram SIZE", v->dump.name);
	if (source_is_several(&v->source) && !v->options.quantum)
		v->options.quantum = RUN_QUANTUM;
	const char *program = source_words(&v->source)[0];
	if (v->source.is_command && v->options.policy->wants_future)
		return cli_error("--policy %s must know the future: first 'pageworks record -o FILE -- %s ...', then 'pageworks run "
		                 "--policy %s FILE'", v->options.policy->name, program, v->options.policy->name);
	return CLI_OK;
}

static int run_open_outputs(struct run_verb *v)
{
	v->report.file = stderr;
	if (output_open(&v->report) != CLI_OK || output_open(&v->json) != CLI_OK || output_open(&v->dump) != CLI_OK)
		return CLI_FAILED;
	if (v->dump.file) {
		v->roots.name = v->roots_name = mem_printf("%s.roots", v->dump.name);
		if (!v->roots_name)
			return cli_error("out of memory");
	}
	if (output_open(&v->roots) != CLI_OK)
		return CLI_FAILED;
	v->options.dump = v->dump.file;
	v->options.dump_roots = v->roots.file;
	return CLI_OK;
}

static enum run_state run_steps(struct run_verb *v)
{
	enum run_state state = RUN_GOING;
	while (state == RUN_GOING && !interrupt_seen()) {
		uint64_t at = run_position(v->run);
		if (v->progress.on)
			progress_show(&v->progress, at, source_fraction(&v->source, at, v->options.limit));
		state = run_step(v->run);
	}
	return state;
}

static void run_take_outcome(struct run_verb *v)
{
	const struct capture_outcome *o = &v->source.outcome;
	struct result_program *p = &v->result.program;
	p->wall_s = progress_seconds(&v->progress);
	if (!v->source.is_command)
		return;
	*p = (struct result_program){ true, o->ended, o->exit_status, o->signal, o->wall_s };
	v->status = o->exit_status;
	v->signal = o->signal;
}

/* Runs until the trace ends or somebody stops it.  => CLI_OK: there is a result. */
static int run_simulate(struct run_verb *v)
{
	struct pw_why why = { "" };
	if (!v->source.is_command)
		interrupt_watch();
	enum pw_err err = run_begin(v->run, v->source.trace, &why);
	progress_begin(&v->progress, !v->no_progress && !v->quiet);
	enum run_state state = err == PW_OK ? run_steps(v) : RUN_FAILED;
	progress_end(&v->progress);
	if (err == PW_OK && state == RUN_FAILED)
		err = run_error(v->run, &why);
	source_let_end(&v->source);
	if (!v->source.is_command)
		interrupt_unwatch();
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	if (run_result(v->run, &v->result, &why) != PW_OK)
		return cli_error("%s", why.text);
	run_take_outcome(v);
	v->result.interrupted = interrupt_seen() != 0;
	if (result_set_command(&v->result, source_words(&v->source), source_n_words(&v->source)) != PW_OK)
		return cli_error("out of memory for the result");
	return CLI_OK;
}

static enum pw_err run_render_report(void *ctx, FILE *memory)
{
	const struct run_verb *v = ctx;
	report_write(&v->result, memory, cli_colour(v->report.file));
	return PW_OK;
}

static int run_fail_on(struct run_verb *v, const char *text, size_t bytes)
{
	struct pw_why why = { "" };
	bool holds = false;
	if (!v->fail_on)
		return CLI_OK;
	json_t *tree = json_loadb(text, bytes, 0, NULL);
	if (!tree)
		return cli_error("--fail-on: out of memory");
	enum pw_err err = expr_test(v->fail_on, tree, &holds, &why);
	json_decref(tree);
	if (err != PW_OK)
		return cli_error("--fail-on: %s", why.text);
	if (!holds)
		return CLI_OK;
	cli_error("--fail-on '%s' holds", v->fail_on);
	return (int)v->fail_status;
}

/* => the JSON in memory, or NULL. */
static char *run_json_text(const struct result *r, size_t *bytes)
{
	char *text = NULL;
	FILE *memory = open_memstream(&text, bytes);
	if (!memory)
		return NULL;
	enum pw_err err = result_write_json(r, memory);
	if (fclose(memory) == 0 && err == PW_OK)
		return text;
	mem_free(text);
	return NULL;
}

static int run_write_json(struct run_verb *v)
{
	size_t bytes = 0;
	char *text = run_json_text(&v->result, &bytes);
	if (!text)
		return cli_error("out of memory for the result");
	int status = v->json.file ? cli_write(v->json.what, v->json.name, v->json.file, text, bytes) : CLI_OK;
	v->json.file = NULL;
	keep_result(text, bytes);
	int held = run_fail_on(v, text, bytes);
	mem_free(text);
	return status != CLI_OK ? status : held;
}

static int run_close_dump(struct run_verb *v)
{
	struct output *const both[] = { &v->dump, &v->roots };
	bool ok = true;
	for (unsigned i = 0; i < 2; i++) {
		FILE *f = both[i]->file;
		if (f) {
			ok = !ferror(f) && ok;
			ok = fclose(f) == 0 && ok;
		}
		both[i]->file = NULL;
	}
	return ok ? CLI_OK : cli_error("--dump: %s could not be written: %s", v->dump.name, strerror(errno));
}

/* Everything the result is asked for.  => our own verdict: CLI_OK, 125, or the status of --fail-on. */
static int run_publish(struct run_verb *v)
{
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said in words */
	int dumped = run_close_dump(v);
	int reported = v->quiet && !v->report.name ? CLI_OK : output_write(&v->report, run_render_report, v);
	int verdict = run_write_json(v);
	if (dumped != CLI_OK || reported != CLI_OK)
		return CLI_FAILED;
	if (v->result.checks.n_failed)
		return v->quiet ? cli_error("%s", v->result.checks.failed[0]) : CLI_FAILED;
	if (v->result.input_error != PW_OK)
		return cli_error("%s", *v->result.input_error_text ? v->result.input_error_text : pw_err_text(v->result.input_error));
	return verdict;
}

static void run_close(struct run_verb *v)
{
	output_close(&v->report);
	output_close(&v->json);
	output_close(&v->dump);
	output_close(&v->roots);
	mem_free(v->roots_name);
	result_fini(&v->result);
	run_destroy(v->run);
	source_close(&v->source);
}

static int run_all(struct run_verb *v, int argc, char **argv)
{
	struct pw_why why = { "" };
	if (run_words(v, argc, argv) != CLI_OK)
		return CLI_FAILED;
	if (v->listed)
		return CLI_OK;
	if (run_open_outputs(v) != CLI_OK)
		return CLI_FAILED;
	enum pw_err err = run_create(&v->options, &v->run, &why);
	if (err != PW_OK)
		return cli_error("%s", *why.text ? why.text : pw_err_text(err));
	int status = source_open(&v->source, v->options.seed);
	if (status != CLI_OK)
		return status;
	status = run_simulate(v);
	if (status == CLI_OK)
		status = run_publish(v);
	if (interrupt_seen())
		v->signal = interrupt_seen();
	return status;
}

int cli_run(int argc, char **argv)
{
	struct run_verb v = {
		.source = { .several = true },
		.report = { .option = "-o", .what = "report" }, .json = { .option = "--json", .what = "JSON" },
		.dump = { .option = "--dump" }, .roots = { .option = "--dump" },
	};
	int status = run_all(&v, argc, argv);
	run_close(&v);
	if (status == CLI_FAILED || !(v.signal || v.status))
		return status;
	return cli_end_like(v.status, v.signal);
}
